"""One gradient from several cores: parts of a minibatch differentiated in parallel threads.

Torch's own threads spin at barriers and starve where another process wants the cores (measured
on 2 cores beside a busy process: 25 times slower). Here every thread has a part of the rows and
a gradient of its own, and they meet once a minibatch. The number of parts moves the last bit of
a result, the number of cores does not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmark.learning.networks import Network, lay_over

Part = TypeVar("Part")


class Shards:
    """A network and `count - 1` twins that read the same weights."""

    def __init__(self, network: Network, flat: nn.Parameter, count: int):
        assert flat.grad is not None
        self._total = flat.grad
        self._networks, self._gradients = [network], [flat.grad]
        for _ in range(count - 1):
            gradient = torch.zeros_like(flat.grad)
            twin = copy.deepcopy(network)
            lay_over(twin, flat.detach(), gradient)
            self._networks.append(twin)
            self._gradients.append(gradient)
        self._pool = ThreadPoolExecutor(count) if count > 1 else None

    @property
    def count(self) -> int:
        """Parts that a minibatch is cut into."""
        return len(self._networks)

    def backward(self, parts: Sequence[Part], loss_of: Callable[[Network, Part], Tensor]) -> Tensor:
        """Leave the gradient of the parts' summed losses in the flat vector; returns the sum."""

        def differentiate(shard: int) -> Tensor:
            self._gradients[shard].zero_()
            loss = loss_of(self._networks[shard], parts[shard])
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()

        if self._pool is None:
            return differentiate(0)
        losses = list(self._pool.map(differentiate, range(len(parts))))
        for gradient in self._gradients[1 : len(parts)]:
            self._total.add_(gradient)
        return torch.stack(losses).sum()

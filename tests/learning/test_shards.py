"""Minibatches cut into parts: the same gradient, the same numbers every time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.arena.arena import Arena
from benchmark.learning.loss import PPOConfig
from benchmark.learning.networks import ActorCritic, flatten_parameters
from benchmark.learning.ppo import PPO, Hooks
from benchmark.learning.progress import Quiet
from benchmark.learning.shards import Shards

OBS, ACT = 5, 2


def network() -> ActorCritic:
    """The same small network every time."""
    rng = np.random.default_rng(0)
    return ActorCritic(OBS, ACT, hidden=(8,), activation="tanh", log_std=-0.5, rng=rng)


def squares(net: ActorCritic, rows: torch.Tensor) -> torch.Tensor:
    """A loss that every parameter has a part in, summed over rows."""
    return net.pi(rows).square().sum() + net.vf(rows).sum() + len(rows) * net.log_std.sum()


def gradient(count: int, rows: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The flat gradient and the loss with minibatches in `count` parts."""
    net = network()
    flat = flatten_parameters(net)
    parts = torch.split(rows, -(-len(rows) // count))
    loss = Shards(net, flat, count).backward(parts, squares)
    assert flat.grad is not None
    return flat.grad.clone(), float(loss)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_parts_add_up_to_the_whole_gradient(count: int) -> None:
    rows = torch.from_numpy(np.random.default_rng(1).normal(size=(20, OBS)).astype(np.float32))
    whole, loss = gradient(1, rows)
    cut, their_loss = gradient(count, rows)
    assert their_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(cut, whole, rtol=1e-5, atol=1e-5)


def test_fewer_rows_than_parts_leave_no_old_gradient_behind() -> None:
    """The last minibatch of an epoch may be a single row."""
    rows = torch.ones(1, OBS)
    net = network()
    flat = flatten_parameters(net)
    shards = Shards(net, flat, 4)
    shards.backward(torch.split(torch.ones(8, OBS), 2), squares)
    shards.backward([rows], squares)
    torch.testing.assert_close(flat.grad, gradient(1, rows)[0])


def test_twins_follow_the_weights() -> None:
    """They are views: an optimiser's step on the flat vector reaches them."""
    net = network()
    flat = flatten_parameters(net)
    shards = Shards(net, flat, 2)
    with torch.no_grad():
        flat.mul_(0.5)
    parts = torch.split(torch.ones(4, OBS), 2)
    first = shards.backward(parts, squares)
    assert float(first) == pytest.approx(float(squares(net, torch.ones(4, OBS)).detach()), rel=1e-6)


class Pull(Hooks):
    """An extra loss that draws the mean action to 1."""

    def extra_loss(self, rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Mean over the rows that it is shown."""
        return (mean - 1.0).square().mean()


def trained(config: PPOConfig, arena: Arena, shards: int, hooks: Hooks) -> dict[str, np.ndarray]:
    """The weights after a short training."""
    config = config.model_copy(update={"shards": shards})
    learner = PPO(arena, config, np.random.default_rng(0), hooks=hooks)
    learner.learn(2 * config.matches * config.rollout_steps, Quiet())
    return {k: v.numpy().copy() for k, v in learner.network.state_dict().items()}


@pytest.mark.parametrize("hooks", [Hooks, Pull])
def test_a_sharded_training_is_a_training(
    config: PPOConfig, arena: Callable[[], Arena], hooks: type[Hooks]
) -> None:
    """Equal to the unsharded one but for rounding, with a hook's loss too; equal to itself."""
    alone = trained(config, arena(), 1, hooks())
    cut, again = (trained(config, arena(), 2, hooks()) for _ in range(2))
    for name, weight in alone.items():
        np.testing.assert_allclose(cut[name], weight, atol=2e-4, err_msg=name)
        np.testing.assert_array_equal(cut[name], again[name])

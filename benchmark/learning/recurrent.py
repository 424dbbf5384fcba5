"""The learner's recurrent network, trained by backpropagation through time.

Rollouts keep its memory at the start of every sequence. A minibatch unrolls whole sequences from
there, and no gradient goes back beyond: what happened before is input, as in truncated
backpropagation (Williams, Peng 1990) with stored states (Kapturowski et al. 2019).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.learning.networks import (
    Array,
    Network,
    ObsFilter,
    Play,
    Sequences,
    Tower,
    orthogonal,
)
from benchmark.policies.lstm import FORGET_BIAS, LSTMPolicy
from benchmark.policies.policy import PolicyCard, expected_shapes

SEQUENCE = 16
"""Steps of a sequence: a minibatch of 2048 steps is then from 128 places, of longer ones fewer."""

CRITIC = (64, 64)
"""Widths of the value tower."""


class LSTMTower(nn.Module):
    """The map of `LSTMPolicy` in torch, its weights under the same names and in the same layout."""

    def __init__(self, policy: LSTMPolicy):
        super().__init__()
        self.activation = policy.card.activation
        self.layer0, self.lstm, self.layer1 = (
            _parameters(policy.tensors(), part) for part in ("layer0", "lstm", "layer1")
        )
        self._forget = torch.zeros_like(self.lstm["bias"])
        self._forget.chunk(4)[2].fill_(float(FORGET_BIAS))

    def tensors(self) -> dict[str, Array]:
        """The weights as a policy stores them; views, not copies."""
        return {name: weight.detach().numpy() for name, weight in self.named_parameters()}

    def forward(self, obs: Tensor, sequences: Sequences) -> Tensor:
        """Means (L * B, act_dim) for filtered obs (L * B, obs_dim), both time first."""
        function = torch.tanh if self.activation == "tanh" else torch.relu
        x = function(torch.addmm(self.layer0["bias"], obs, self.layer0["weight"]))
        features = x.shape[1]
        kernel = self.lstm["kernel"]
        driven = torch.addmm(self.lstm["bias"] + self._forget, x, kernel[:features])
        h = self._unroll(driven, kernel[features:], sequences)
        return torch.addmm(self.layer1["bias"], h, self.layer1["weight"])

    @staticmethod
    def _unroll(driven: Tensor, kernel: Tensor, sequences: Sequences) -> Tensor:
        """h (L * B, H); driven: (L * B, 4 H) what the inputs add to the gates; kernel: of h."""
        c, h = sequences.memory.chunk(2, dim=1)
        going_on = (~sequences.ends).unsqueeze(2).to(driven.dtype)
        seen = []
        for x, alive in zip(driven.view(*sequences.ends.shape, -1).unbind(), going_on, strict=True):
            i, j, f, o = torch.addmm(x, h, kernel).chunk(4, dim=1)
            c = c * torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(j)
            h = torch.sigmoid(o) * torch.tanh(c)
            seen.append(h)
            c, h = c * alive, h * alive
        return torch.cat(seen)


class RecurrentActorCritic(Network):
    """mean = pi(o, memory), with the critic on the observation alone."""

    pi: LSTMTower
    sequence = SEQUENCE

    def __init__(self, policy: LSTMPolicy, *, log_std: float, rng: np.random.Generator):
        """Starts from a policy's weights, with a fresh value tower; log_std where it has none."""
        super().__init__()
        card, tensors = policy.card, policy.tensors()
        self.pi = LSTMTower(policy)
        # Departs from the published players, whose critic is an LSTM too. Observations hold the
        # places and speeds of both bodies; on the policy's memory it would be fitted to a code
        # that moves with every update.
        self.vf = Tower((card.obs_dim, *CRITIC, 1), "tanh")
        self.vf.initialise(rng, last_gain=1.0)
        own = tensors.get("log_std", np.full(card.act_dim, log_std, dtype=np.float32))
        self.log_std = nn.Parameter(torch.from_numpy(own.copy()))
        # The filter and the noise are the learner's, not the player's.
        bare = {"filter_clip": None, "stochastic": False, "action_mode": "mean"}
        self._card = card.model_copy(update=bare)

    def initial_memory(self, matches: int) -> Array:
        return np.zeros((matches, 2 * self._card.hidden[1]), dtype=np.float32)

    def player(self) -> Play:
        # The frozen policy's own arithmetic: what is learned from is what will be played.
        return LSTMPolicy(self._card, self.pi.tensors()).forward

    def means(self, obs: Tensor, sequences: Sequences | None) -> Tensor:
        assert sequences is not None
        return self.pi.forward(obs, sequences)

    def freeze(self, card: PolicyCard, obs_filter: ObsFilter) -> LSTMPolicy:
        tensors = {"log_std": self.log_std.detach().numpy(), **self.pi.tensors()}
        tensors = {name: tensor.copy() for name, tensor in tensors.items()}
        card = card.model_copy(
            update={
                "hidden": self._card.hidden,
                "activation": self._card.activation,
                "filter_clip": obs_filter.clip,
                "stochastic": True,
            }
        )
        return LSTMPolicy(card, {**tensors, **obs_filter.tensors()})


def fresh_lstm(card: PolicyCard, rng: np.random.Generator) -> LSTMPolicy:
    """An untrained policy of a card of kind 'lstm': orthogonal weights, zero biases.

    The gains are those of `ActorCritic`; of the kernel every gate's two parts are orthogonal each.
    """
    features, cell = card.hidden
    gates = [
        np.concatenate([orthogonal((n, cell), 1.0, rng) for n in (features, cell)])
        for _ in range(4)
    ]
    tensors = {
        "layer0.weight": orthogonal((card.obs_dim, features), np.sqrt(2.0), rng),
        "lstm.kernel": np.concatenate(gates, axis=1),
        "layer1.weight": orthogonal((cell, card.act_dim), 0.01, rng),
    }
    for name, shape in expected_shapes(card).items():
        tensors.setdefault(name, np.zeros(shape, dtype=np.float32))
    return LSTMPolicy(card, tensors)


def _parameters(tensors: dict[str, Array], part: str) -> nn.ParameterDict:
    """The tensors `part`.* by their own names, copied."""
    names = [name for name in tensors if name.startswith(part + ".")]
    return nn.ParameterDict(
        {name.removeprefix(part + "."): torch.from_numpy(tensors[name].copy()) for name in names}
    )

"""The recurrent network of the multiagent-competition zoo (Bansal et al. 2018)."""

from __future__ import annotations

import numpy as np

from benchmark.policies.policy import Array, NetworkPolicy, PolicyCard, activate

FORGET_BIAS = np.float32(1.0)
"""What TensorFlow's BasicLSTMCell adds to the forget gate when it runs; not in the weights."""


class LSTMPolicy(NetworkPolicy):
    """A dense feature layer, one LSTM cell, a linear output.

        x = act(z @ W0 + b0),  i, j, f, o = [x, h] @ K + b
        c' = c * sigmoid(f + 1) + sigmoid(i) * tanh(j),  h' = sigmoid(o) * tanh(c')
        mean = h' @ W1 + b1

    With F features and cell width H (`card.hidden` is (F, H), `card.activation` that of x), the
    tensors are `layer0.weight` (obs_dim, F), `layer0.bias` (F,), `lstm.kernel` (F + H, 4 H) and
    `lstm.bias` (4 H,) in gate order i, j, f, o, `layer1.weight` (H, act_dim), `layer1.bias`
    (act_dim,), and those of NetworkPolicy. The state (N, 2 H) is [c, h], zero at a start.
    """

    kind = "lstm"

    def __init__(self, card: PolicyCard, tensors: dict[str, Array]):
        super().__init__(card, tensors)
        self._kernel = _for_one_tanh(self._tensors["lstm.kernel"])
        bias = self._tensors["lstm.bias"].copy()
        np.split(bias, 4)[2][:] += FORGET_BIAS
        self._bias = _for_one_tanh(bias)

    def initial_state(self, matches: int) -> Array:
        return np.zeros((matches, 2 * self.card.hidden[1]), dtype=np.float32)

    def forward(self, obs: Array, state: Array | None) -> tuple[Array, Array]:
        hidden, after = self.features(obs, state)
        mean = np.matmul(hidden, self._tensors["layer1.weight"])
        mean += self._tensors["layer1.bias"]
        return mean, after

    def features(self, obs: Array, state: Array | None) -> tuple[Array, Array]:
        if state is None:  # zeros would quietly play a policy that forgets at every step
            raise ValueError(f"policy '{self.card.name}' is recurrent: act() needs its state")
        after = self._cell(self._cell_input(obs, state), state)
        return after[:, self.card.hidden[1] :], after

    def _cell_input(self, obs: Array, state: Array) -> Array:
        """[x, h] (N, F + H)."""
        features, cell = self.card.hidden
        joined = np.empty((len(obs), features + cell), dtype=np.float32)
        x = joined[:, :features]
        np.matmul(self.filtered(obs), self._tensors["layer0.weight"], out=x)
        x += self._tensors["layer0.bias"]
        activate(x, self.card.activation)
        joined[:, features:] = state[:, cell:]
        return joined

    def _cell(self, joined: Array, state: Array) -> Array:
        """The next [c, h] (N, 2 H)."""
        cell = self.card.hidden[1]
        gates: Array = np.matmul(joined, self._kernel)
        gates += self._bias
        np.tanh(gates, out=gates)
        sigmoids = gates[:, : 3 * cell]
        sigmoids *= np.float32(0.5)
        sigmoids += np.float32(0.5)
        i, f, o, j = (gates[:, k * cell : (k + 1) * cell] for k in range(4))
        after = np.empty_like(state)
        c, h = after[:, :cell], after[:, cell:]
        np.multiply(state[:, :cell], f, out=c)
        i *= j
        c += i
        np.tanh(c, out=h)
        h *= o
        return after


def _for_one_tanh(gates: Array) -> Array:
    """Columns i, j, f, o of a kernel or bias as i/2, f/2, o/2, j.

    sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves all four gates; halving is exact.
    """
    i, j, f, o = np.split(gates, 4, axis=-1)
    half = np.float32(0.5)
    return np.concatenate([i * half, f * half, o * half, j], axis=-1)

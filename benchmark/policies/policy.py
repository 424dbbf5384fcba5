"""Policies that play frozen: networks and scripts that map a batch of observations to actions.

Inference is NumPy: the networks are small, and at these sizes it beats torch's dispatch.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtri

Array = NDArray[np.float32]
Activation = Literal["tanh", "relu"]
ActionMode = Literal["mean", "sampled"]
ANY = "any"  # a card's game or seat where the policy fits every one


class Standing(BaseModel):
    """Matches of a policy against one opponent, from its own view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wins: int = Field(ge=0)
    ties: int = Field(ge=0)
    losses: int = Field(ge=0)


class PolicyCard(BaseModel):
    """What a policy is, where it comes from and how it acts; stored beside its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["mlp", "lstm", "random", "zero"]
    game: str = Field(description="game id, or 'any'")
    seat: str = Field(description="seat name, or 'any' where the game is symmetric")
    obs_dim: int = Field(ge=0)
    act_dim: int = Field(ge=1)
    act_bound: float = Field(default=1.0, gt=0, description="what the random floor fills")
    hidden: tuple[int, ...] = Field(
        default=(), description="widths between input and output; of an LSTM (features, cell)"
    )
    activation: Activation = Field(default="tanh", description="of the dense layers")
    filter_clip: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="observations are standardised and clipped at this; none: raw",
    )
    action_mode: ActionMode = Field(default="mean", description="the mode it is ranked in")
    stochastic: bool = Field(default=False, description="it has a log_std and can be sampled")
    ranked: bool = Field(default=True, description="false: a replication variant, never ranked")
    origin: str = Field(description="who made it, and from what")
    training: dict[str, Any] = Field(default_factory=dict)
    strength: dict[str, Standing] = Field(
        default_factory=dict,
        exclude_if=lambda found: not found,
        description="of a house victim: its matches when it was made, by opponent",
    )
    notes: str = ""
    sha256: str = Field(default="", description="of policy.safetensors")

    @property
    def identity(self) -> str:
        """A hash of all that moves how it acts: weights and the card's say in them."""
        acting = {
            "kind", "obs_dim", "act_dim", "act_bound", "hidden", "activation", "filter_clip",
            "action_mode", "stochastic", "sha256",
        }  # fmt: skip
        return hashlib.sha256(self.model_dump_json(include=acting).encode()).hexdigest()


class Policy(ABC):
    """A frozen player. `draws` are uniforms in [0, 1), so chance stays with the caller."""

    card: PolicyCard

    @property
    def needs_draws(self) -> bool:
        """Whether `act` wants draws (N, act_dim)."""
        return self.card.action_mode == "sampled"

    def initial_state(self, matches: int) -> Array | None:
        """Recurrent state (matches, state_dim) at an episode's start; None if there is none."""
        return None

    @abstractmethod
    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        """Actions (N, act_dim) float32 for obs (N, obs_dim), unclipped, and the next state."""

    def tensors(self) -> dict[str, Array]:
        """The weights under the names that an artifact stores."""
        return {}


class Wrapped(Policy):
    """Another policy whose observations or actions go through something, which is `act`."""

    def __init__(self, policy: Policy):
        self.card, self._policy = policy.card, policy

    @property
    def needs_draws(self) -> bool:
        return self._policy.needs_draws

    def initial_state(self, matches: int) -> Array | None:
        return self._policy.initial_state(matches)


class NetworkPolicy(Policy):
    """A network that gives a mean action, played as it is or as the centre of a Gaussian.

    Tensors that every kind may have: `log_std` (act_dim,) where the policy can be sampled,
    `filter.mean` and `filter.std` (obs_dim,) where it standardises.
    """

    kind: ClassVar[str]

    def __init__(self, card: PolicyCard, tensors: dict[str, Array]):
        """Raises ValueError where the tensors are not those that the card describes."""
        if card.kind != self.kind:
            raise ValueError(f"the card is of kind '{card.kind}', expected '{self.kind}'")
        self.card = card
        self._tensors = {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in tensors.items()}
        check_tensors(card, self._tensors)
        if card.stochastic:
            self._std = np.exp(self._tensors["log_std"])

    @abstractmethod
    def forward(self, obs: Array, state: Array | None) -> tuple[Array, Array | None]:
        """Mean actions (N, act_dim) for raw observations (N, obs_dim), and the next state."""

    @abstractmethod
    def features(self, obs: Array, state: Array | None) -> tuple[Array, Array | None]:
        """What its linear output reads (N, width) for raw observations, and the next state."""

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        mean, state = self.forward(obs, state)
        if self.card.action_mode == "mean":
            return mean, state
        if draws is None:
            raise ValueError(f"policy '{self.card.name}' is sampled: act() needs draws")
        inside = np.clip(draws, 2.0**-54, 1.0 - 2.0**-53)  # 0 and 1 would be infinite
        actions: Array = ndtri(inside).astype(np.float32)
        actions *= self._std
        actions += mean
        return actions, state

    def tensors(self) -> dict[str, Array]:
        return dict(self._tensors)

    def in_mode(self, mode: ActionMode) -> Self:
        """The same network acting by its mean or sampled; ValueError where it cannot."""
        return type(self)(self.card.model_copy(update={"action_mode": mode}), self._tensors)

    def filtered(self, obs: Array) -> Array:
        """Standardised and clipped observations, or the very input where there is no filter."""
        if self.card.filter_clip is None:
            return obs
        clip = np.float32(self.card.filter_clip)
        z = obs - self._tensors["filter.mean"]
        z /= self._tensors["filter.std"]
        np.clip(z, -clip, clip, out=z)
        return np.asarray(z, dtype=np.float32)


class MLPPolicy(NetworkPolicy):
    """Dense layers with tanh or ReLU between, linear at the end.

    Tensors: `layer<i>.weight` (in, out), `layer<i>.bias` (out,), and those of NetworkPolicy.
    """

    kind = "mlp"

    def __init__(self, card: PolicyCard, tensors: dict[str, Array]):
        super().__init__(card, tensors)
        self._layers = [
            (self._tensors[f"layer{i}.weight"], self._tensors[f"layer{i}.bias"])
            for i in range(len(card.hidden) + 1)
        ]

    def forward(self, obs: Array, state: Array | None) -> tuple[Array, Array | None]:
        return self.mean(obs), state

    def features(self, obs: Array, state: Array | None) -> tuple[Array, Array | None]:
        return self._last_hidden(obs), state

    def mean(self, obs: Array) -> Array:
        """The network's output (N, act_dim) for raw observations (N, obs_dim)."""
        weight, bias = self._layers[-1]
        mean: Array = np.matmul(self._last_hidden(obs), weight)
        mean += bias
        return mean

    def _last_hidden(self, obs: Array) -> Array:
        """(N, last width); the filtered input itself where there is no hidden layer."""
        hidden: Array = self.filtered(obs)
        for weight, bias in self._layers[:-1]:
            hidden = np.matmul(hidden, weight)
            hidden += bias
            activate(hidden, self.card.activation)
        return hidden


class RandomPolicy(Policy):
    """Uniform over the action box on every step: the random floor."""

    def __init__(self, act_dim: int, bound: float):
        self.card = floor_card("random", act_dim, bound)

    @property
    def needs_draws(self) -> bool:
        return True

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        if draws is None:
            raise ValueError("the random policy needs draws")
        return ((2.0 * draws - 1.0) * self.card.act_bound).astype(np.float32), state


class ZeroPolicy(Policy):
    """No action at all: the floor of a motionless player."""

    def __init__(self, act_dim: int):
        self.card = floor_card("zero", act_dim)

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        return np.zeros((len(obs), self.card.act_dim), dtype=np.float32), state


def floor_card(kind: Literal["random", "zero"], act_dim: int, act_bound: float = 1.0) -> PolicyCard:
    """The card of a scripted floor, which fits any game and seat."""
    return PolicyCard(
        name=kind, kind=kind, game=ANY, seat=ANY, obs_dim=0,
        act_dim=act_dim, act_bound=act_bound, origin="scripted",
    )  # fmt: skip


def activate(hidden: Array, activation: Activation) -> None:
    """Apply the nonlinearity in place."""
    if activation == "tanh":
        np.tanh(hidden, out=hidden)
    else:
        np.maximum(hidden, 0.0, out=hidden)


def expected_shapes(card: PolicyCard) -> dict[str, tuple[int, ...]]:
    """Name to shape of every tensor that a network of this card has, from input to output.

    Raises:
        ValueError: an LSTM whose `hidden` is not (features, cell).
    """
    shapes = _lstm_shapes(card) if card.kind == "lstm" else _dense_shapes(card)
    if card.filter_clip is not None:
        shapes["filter.mean"] = shapes["filter.std"] = (card.obs_dim,)
    if card.stochastic:
        shapes["log_std"] = (card.act_dim,)
    return shapes


def _dense_shapes(card: PolicyCard) -> dict[str, tuple[int, ...]]:
    widths = (card.obs_dim, *card.hidden, card.act_dim)
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (rows, columns) in enumerate(pairwise(widths)):
        shapes[f"layer{i}.weight"] = (rows, columns)
        shapes[f"layer{i}.bias"] = (columns,)
    return shapes


def _lstm_shapes(card: PolicyCard) -> dict[str, tuple[int, ...]]:
    if len(card.hidden) != 2:
        raise ValueError(f"hidden of an LSTM is (features, cell), got {card.hidden}")
    features, cell = card.hidden
    return {
        "layer0.weight": (card.obs_dim, features),
        "layer0.bias": (features,),
        "lstm.kernel": (features + cell, 4 * cell),
        "lstm.bias": (4 * cell,),
        "layer1.weight": (cell, card.act_dim),
        "layer1.bias": (card.act_dim,),
    }


def check_tensors(card: PolicyCard, tensors: dict[str, Array]) -> None:
    """Raise ValueError unless the tensors are exactly those of the card, finite and usable."""
    expected = expected_shapes(card)
    missing, surplus = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or surplus:
        raise ValueError(f"tensors missing: {missing or 'none'}, unexpected: {surplus or 'none'}")
    if card.action_mode == "sampled" and not card.stochastic:
        raise ValueError("the card asks for sampled actions of a policy without log_std")
    for name, tensor in tensors.items():
        shape = expected[name]
        if tensor.shape != shape:
            raise ValueError(f"tensor {name}: expected shape {shape}, got {tensor.shape}")
        if not np.isfinite(tensor).all():
            raise ValueError(f"tensor {name} holds NaN or infinity")
    if "filter.std" in tensors and not (tensors["filter.std"] > 0).all():
        raise ValueError("tensor filter.std must be positive everywhere")

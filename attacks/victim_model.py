"""What an adversary learns of its victim's policy from passively seeing it: F of Wu et al. 2021.

the victim's observation, standardised        `VictimView`
what a rollout shows of the victim            `Seen`, `Steps`
F, the surrogate: o_v -> a_v                  `Imitation`; white-box `TrueVictim`
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from attacks.shaping import StateShapedConfig
from benchmark.errors import Misuse
from benchmark.games.game import SeatCard
from benchmark.learning.checkpoint import Arrays
from benchmark.learning.networks import ActorCritic
from benchmark.learning.normalise import RunningMoments
from benchmark.learning.regression import Regressor, explained
from benchmark.learning.rollout import Rollout
from benchmark.policies.policy import MLPPolicy, Policy

Array = NDArray[np.float32]
PutBack = Literal["all", "place", "posture"]
VIEW_CLIP = 10.0  # the released code clips the victim's standardised observation here
JUDGED = slice(0, 4096)
"""Rows that the models are judged on before they are fitted: a rollout's first steps."""


class SurrogateConfig(StateShapedConfig):
    """How F is fitted; H's fits share the rate and the sizes."""

    surrogate_hidden: tuple[int, ...]
    eps_a: float = Field(ge=0, description="dead zone of F's regression")
    model_rate: float = Field(gt=0, description="learning rate of F and H")
    model_rows: int = Field(ge=1, description="pairs of each rollout that F and H are fitted on")
    model_minibatch: int = Field(ge=1)


SURROGATE: dict[str, Any] = {
    "surrogate_hidden": (64, 64),
    "eps_a": 0.05,  # the paper's text; not found in its code
    "model_rate": 1e-3,
    "model_rows": 16_384,
    "model_minibatch": 512,
}


def columns_put_back(victim: SeatCard, put_back: PutBack) -> list[int]:
    """Which columns of the victim's view that is: its adversary's, of its place, or the others."""
    place = victim.other_place or ()
    if put_back == "place":
        return list(place)
    every = range(*victim.other_view)
    return [k for k in every if put_back == "all" or k not in place]


class VictimView:
    """The victim's observation in running standard deviations, or raw."""

    def __init__(self, victim: SeatCard, *, standardise: bool = True):
        self.victim, self._standardise = victim, standardise
        self.moments = RunningMoments((victim.obs_dim,))
        self._frozen = False

    def see(self, obs: Array) -> Array:
        """Take observations (T, N, D) into the statistics, and return them as seen by them."""
        if not self._frozen:
            self.moments.update(obs.reshape(-1, obs.shape[-1]))
        return self.of(obs)

    def freeze(self) -> None:
        """Keep the statistics as they are."""
        self._frozen = True

    def of(self, obs: Array) -> Array:
        """Observations (..., D) standardised and clipped, or as they are."""
        if not self._standardise:
            return obs
        mean, std = self._scale()
        return np.asarray(np.clip((obs - mean) / std, -VIEW_CLIP, VIEW_CLIP), dtype=np.float32)

    def raw(self, s: Tensor) -> Tensor:
        """The observations (B, D) that are seen as s; what was clipped stays clipped."""
        if not self._standardise:
            return s
        mean, std = (torch.from_numpy(part) for part in self._scale())
        return s * std + mean

    def without_adversary(self, s: Tensor, put_back: PutBack = "all") -> Tensor:
        """Views (B, D) with the adversary's columns, or some of them, put back to its start."""
        columns = columns_put_back(self.victim, put_back)
        pose = np.zeros(self.victim.obs_dim, dtype=np.float32)
        pose[slice(*self.victim.other_view)] = self.victim.other_at_start
        absent = s.clone()
        absent[:, columns] = torch.from_numpy(self.of(pose)[columns])
        return absent

    def _scale(self) -> tuple[Array, Array]:
        return self.moments.mean.astype(np.float32), self.moments.deviation


class Steps(NamedTuple):
    """Steps of a rollout as rows of tensors, all as an observer outside sees them.

    view, next_view: (B, D) the victim's; own: (B, O) the adversary's observation, or (B, 0) where
    H does not read it; action: (B, A) the adversary's, victim_action and next_victim_action:
    (B, A_v) the victim's, all clipped to the box; valid: (B, 1) whether `next` is to be used.
    """

    view: Tensor
    next_view: Tensor
    own: Tensor
    action: Tensor
    victim_action: Tensor
    next_victim_action: Tensor
    valid: Tensor


class Seen:
    """What a rollout showed of the victim, flattened to B = T * N rows of one matrix."""

    def __init__(
        self,
        rollout: Rollout,
        view: VictimView,
        bound: float,
        *,
        mask_ends: bool = True,
        with_own: bool = False,
    ):
        self.raw = rollout.other_obs.reshape(-1, rollout.other_obs.shape[-1])
        """(B, D) the victim's observations as they are."""
        s = view.see(rollout.other_obs)
        valid = np.ones((*rollout.rewards.shape, 1), dtype=np.float32)
        if mask_ends:
            # Departs from the released code, whose targets leak across the ends of episodes.
            valid[rollout.ends] = 0.0
            valid[-1] = 0.0
        own = rollout.obs if with_own else rollout.obs[..., :0]
        parts = Steps(
            view=_flat(s),
            next_view=_flat(_following(s)),
            own=_flat(own),
            action=_flat(np.clip(rollout.actions, -bound, bound)),
            victim_action=_flat(rollout.other_action),
            next_victim_action=_flat(_following(rollout.other_action)),
            valid=_flat(valid),
        )
        self.steps = parts
        self._widths = [part.shape[1] for part in parts]
        self._matrix: Tensor | None = None

    def take(self, rows: Tensor) -> Steps:
        """The rows of these indices (K,), by one gather."""
        if self._matrix is None:
            self._matrix = torch.cat(list(self.steps), dim=1)
        return Steps(*torch.split(self._matrix[rows], self._widths, dim=1))

    def prepare(self) -> None:
        """Lay the matrix out now, before `take` is called from threads."""
        self.take(torch.arange(1))


def _following(array: Array) -> Array:
    """The next step's rows (T, N, D); zeros after the last, as in the released code."""
    return np.concatenate([array[1:], np.zeros_like(array[:1])])


def _flat(array: Array) -> Tensor:
    rows = array.shape[0] * array.shape[1]
    return torch.from_numpy(np.ascontiguousarray(array.reshape(rows, array.shape[-1])))


class Surrogate(Protocol):
    """F: what the victim does where it sees s. Differentiable in s, frozen in its weights."""

    @property
    def ready(self) -> bool:
        """Whether the method may rely on it yet."""
        ...

    def __call__(self, s: Tensor) -> Tensor:
        """Mean actions (B, A_v) for views (B, D)."""
        ...

    def fit(self, seen: Seen) -> float | None:
        """Take in a rollout; explained variance on it beforehand, None while there is none."""
        ...

    def state(self) -> Arrays:
        """For a checkpoint."""
        ...

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        ...


def surrogate_network(
    config: SurrogateConfig, victim: SeatCard, rng: np.random.Generator, *, rate: float
) -> Regressor:
    """F's network for a victim's seat, not fitted yet."""
    return Regressor(
        victim.obs_dim, victim.act_dim, hidden=config.surrogate_hidden, activation="relu",
        dead_zone=config.eps_a, learning_rate=rate, rng=rng,
    )  # fmt: skip


class Imitation:
    """F learned online from passively seen pairs, one pass over a part of every rollout."""

    ready = True

    def __init__(self, config: SurrogateConfig, victim: SeatCard, rng: np.random.Generator):
        self.model = surrogate_network(config, victim, rng, rate=config.model_rate)
        self._config = config

    def __call__(self, s: Tensor) -> Tensor:
        return self.model(s)

    def fit(self, seen: Seen) -> float:
        """Its explained variance on steps that it has not seen; then learn from them."""
        s, action = seen.steps.view.numpy(), seen.steps.victim_action.numpy()
        judged = explained(self.model.infer(s[JUDGED]), action[JUDGED])
        rows, minibatch = self._config.model_rows, self._config.model_minibatch
        self.model.fit(s, action, rows=rows, minibatch=minibatch)
        return judged

    def state(self) -> Arrays:
        """For a checkpoint."""
        return self.model.state()

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self.model.restore(arrays)


class TrueVictim:
    """F in the white-box track: the victim's own network, acting by its mean."""

    ready = True

    def __init__(self, policy: Policy, view: VictimView, rng: np.random.Generator):
        """Raises Misuse for a victim that is not feed-forward: F sees one observation at a time."""
        if not isinstance(policy, MLPPolicy):
            raise Misuse(
                f"white-box needs a feed-forward victim, '{policy.card.name}' is of kind "
                f"'{policy.card.kind}'"
            )
        self._view, self._card = view, policy.card
        self._tower = ActorCritic.from_policy(policy, log_std=0.0, rng=rng).pi
        self._tower.requires_grad_(False)
        self._tensors = {k: torch.from_numpy(v) for k, v in policy.tensors().items()}

    def __call__(self, s: Tensor) -> Tensor:
        obs, clip = self._view.raw(s), self._card.filter_clip
        if clip is not None:
            obs = (obs - self._tensors["filter.mean"]) / self._tensors["filter.std"]
            obs = obs.clamp(-clip, clip)
        bound = self._view.victim.act_bound
        action: Tensor = self._tower(obs)
        return action.clamp(-bound, bound)

    def fit(self, seen: Seen) -> float:
        """Its explained variance: below 1 for what is sampled, or clipped out of the view."""
        with torch.no_grad():
            played = self(seen.steps.view[JUDGED]).numpy()
        return explained(played, seen.steps.victim_action[JUDGED].numpy())

    def state(self) -> Arrays:
        """It has nothing to keep."""
        return {}

    def restore(self, arrays: Arrays) -> None:
        """Nothing to continue from."""

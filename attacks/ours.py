"""'Ours' of the paper: an adversary that moves the victim's action, not its observation.

Wu, Guo, Wei, Xing: Adversarial Policy Training against Deep Reinforcement Learning (USENIX
Security 2021). The adversary is rewarded where its presence changes what the victim does
(action deviation) while changing little of what the victim sees (observation deviation, times
eta). The victim is a black box: F imitates it from passively seen pairs, H predicts its next
observation.

Which equation is which function:
  F, the surrogate, and H, the transition model     `Models`
  w_t = 1 / (1 + max_j |F(g * o_v) - F(o_v)|)       `saliency_weights`
  l1, l2, linf of a deviation                       `NORMS`
  equation 9's tail, as a loss on the policy mean   `Deviations.extra_loss` (mode=loss)
  the same two deviations as an annealed reward     `Deviations.on_rollout` (mode=reward)
With weight = 0 the attack is the baseline, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from attacks.baseline import Baseline, BaselineConfig
from benchmark.arena.arena import Arena
from benchmark.games.game import GameCard, SeatCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.learning.checkpoint import Checkpoint, generator_facts, restore_generator
from benchmark.learning.normalise import RunningMoments
from benchmark.learning.ppo import Hooks
from benchmark.learning.regression import Regressor, explained
from benchmark.learning.rollout import Rollout

Array = NDArray[np.float32]
Norm = Literal["l1", "l2", "linf"]
VIEW_CLIP = 10.0  # the released code clips the victim's standardised observation here
REWARD_CLIP = 3.0
JUDGED = slice(0, 4096)
"""Rows that the models are judged on before they are fitted: a rollout's first steps."""


class OursConfig(BaselineConfig):
    """The baseline's configuration, and how the two deviations enter."""

    mode: Literal["reward", "loss"] = Field(description="annealed reward, or the published loss")
    weight: float = Field(ge=0, description="lambda; 0 is the baseline")
    norm: Norm = Field(description="of both deviations")
    eta: float = Field(ge=0, description="weight of the observation deviation against the action's")
    saliency: Literal["gradient", "none"] = Field(description="weigh samples by w_t, or all by 1")
    eps_s: float = Field(ge=0, description="dead zone of H's regression")
    eps_a: float = Field(ge=0, description="dead zone of F's regression")
    anneal_until: float = Field(gt=0, le=1, description="mode=reward: share of budget to reach 0")
    surrogate_hidden: tuple[int, ...]
    transition_hidden: tuple[int, ...]
    model_rate: float = Field(gt=0, description="learning rate of F and H")
    model_rows: int = Field(ge=1, description="pairs of each rollout that F and H are fitted on")
    model_minibatch: int = Field(ge=1)


_MODELS: dict[str, Any] = {
    "norm": "l1",
    "eps_a": 0.05,  # the paper's text; not found in its code
    "surrogate_hidden": (64, 64),
    "model_rate": 1e-3,
    "model_rows": 16_384,
    "model_minibatch": 512,
    "anneal_until": 0.6,
}
# As a probe left it (attack-findings.md): led the baseline on You Shall Not Pass, few seeds.
_MUJOCO_TUNED: dict[str, Any] = {
    **_MODELS,
    "mode": "reward",
    "weight": 0.01,
    "eta": 0.0,
    "saliency": "none",
    "eps_s": 1.0,
    "transition_hidden": (40, 64),
}
# Released MuJoCo code: -0.06 * (w L_act - L_obs).
_MUJOCO_PUBLISHED: dict[str, Any] = {
    **_MODELS,
    "mode": "loss",
    "weight": 0.06,
    "eta": 1.0,
    "saliency": "gradient",
    "eps_s": 1.0,
    "transition_hidden": (40, 64),
}
PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("pong-v1", "tuned"): {
        **_MODELS,
        "mode": "reward",
        # On may1 .01 and .003 learned slower (two seeds); .001 shows no gain over 0 (eight).
        "weight": 0.001,
        "eta": 0.0,
        "saliency": "none",
        "eps_s": 0.01,
        "transition_hidden": (40, 16),
    },
    # Released Pong code: -0.1 * (10 w L_act - 2 L_obs), that is weight 1 and eta 0.2.
    ("pong-v1", "published"): {
        **_MODELS,
        "mode": "loss",
        "weight": 1.0,
        "eta": 0.2,
        "saliency": "gradient",
        "eps_s": 0.01,
        "transition_hidden": (40, 16),
    },
    **{(game, "tuned"): _MUJOCO_TUNED for game in MUJOCO_GAMES},
    **{(game, "published"): _MUJOCO_PUBLISHED for game in MUJOCO_GAMES},
}


def l1(difference: Tensor) -> Tensor:
    """Mean absolute value of each row: (B, D) to (B,)."""
    return difference.abs().mean(dim=1)


def l2(difference: Tensor) -> Tensor:
    """Euclidean length of each row: (B, D) to (B,), differentiable at 0."""
    return (difference.square().sum(dim=1) + 1e-12).sqrt()


def linf(difference: Tensor) -> Tensor:
    """Largest absolute value of each row: (B, D) to (B,)."""
    return difference.abs().amax(dim=1)


NORMS: dict[Norm, Callable[[Tensor], Tensor]] = {"l1": l1, "l2": l2, "linf": linf}


class Ours(Baseline):
    """PPO that is also paid for moving the victim's action and not its observation."""

    name: ClassVar[str] = "ours"
    citation: ClassVar[str] = "Wu et al., Adversarial Policy Training, USENIX Security 2021"
    Config: ClassVar[type[BaselineConfig]] = OursConfig

    config: OursConfig

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        return {**super().preset(game, preset), **PRESETS[game.id, preset]}

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        seats = arena.game.card.seats
        return Deviations(self.config, seats[arena.seat_index], seats[1 - arena.seat_index], rng)


class Models:
    """F and H, both on the victim's observation standardised by running statistics.

    F: s -> a_v. H: (s, a, a_v) -> (s' - s) / spread, with `spread` the running deviation of that
    change per dimension: without it the adversary's few coordinates are hardly learned.
    """

    def __init__(
        self, config: OursConfig, me: SeatCard, victim: SeatCard, rng: np.random.Generator
    ):
        self.moments = RunningMoments((victim.obs_dim,))
        self.changes = RunningMoments((victim.obs_dim,))
        self._rng = rng
        self._config = config
        self.surrogate = Regressor(
            victim.obs_dim, victim.act_dim, hidden=config.surrogate_hidden, activation="relu",
            dead_zone=config.eps_a, learning_rate=config.model_rate, rng=rng,
        )  # fmt: skip
        # Departs from the released code (adversary's observation and action only, tanh output
        # on raw targets, which cannot fit): inputs as in the paper's text, linear output.
        self.transition = Regressor(
            victim.obs_dim + me.act_dim + victim.act_dim, victim.obs_dim,
            hidden=config.transition_hidden, activation="relu",
            dead_zone=config.eps_s, learning_rate=config.model_rate, rng=rng,
        )  # fmt: skip

    def standardise(self, obs: Array) -> Array:
        """The victim's observations (..., D) in running standard deviations, clipped."""
        mean = self.moments.mean.astype(np.float32)
        std = np.sqrt(self.moments.var + 1e-8).astype(np.float32)
        return np.asarray(np.clip((obs - mean) / std, -VIEW_CLIP, VIEW_CLIP), dtype=np.float32)

    def spread(self) -> Array:
        """(D,) the running deviation of a step's change, in standardised units."""
        return np.sqrt(self.changes.var + 1e-8).astype(np.float32)

    def next_view(self, s: Tensor, action: Tensor, victim_action: Tensor) -> Tensor:
        """H's prediction of the victim's next standardised observation: (B, D)."""
        change = self.transition(torch.cat([s, action, victim_action], dim=1))
        return s + change * torch.from_numpy(self.spread())

    def fit(self, seen: Seen) -> dict[str, float]:
        """Judge the models on a rollout that they have not seen, then fit them on it.

        H is fitted only where it enters: in the loss, or with eta > 0.
        """
        s, a_v = seen.view.numpy(), seen.victim_action.numpy()
        facts = {"surrogate_r2": explained(self.surrogate.infer(s[JUDGED]), a_v[JUDGED])}
        self._fit(self.surrogate, s, a_v)
        if self._config.mode == "loss" or self._config.eta > 0:
            facts["transition_r2"] = self._fit_transition(seen)
        return facts

    def _fit_transition(self, seen: Seen) -> float:
        ok = seen.valid.numpy()
        change = (seen.next_view - seen.view).numpy()[ok]
        self.changes.update(change)
        change /= self.spread()
        inputs = torch.cat([seen.view, seen.action, seen.victim_action], dim=1).numpy()[ok]
        judged = explained(self.transition.infer(inputs[JUDGED]), change[JUDGED])
        self._fit(self.transition, inputs, change)
        return judged

    def _fit(self, model: Regressor, x: Array, y: Array) -> None:
        model.fit(x, y, rows=self._config.model_rows, minibatch=self._config.model_minibatch)


class Seen:
    """What a rollout showed of the victim, flattened to B = T * N rows of tensors.

    view, next_view: (B, D) standardised; action: (B, A) the adversary's, victim_action and
    next_victim_action: (B, A_v) the victim's, all as played, clipped to the box; valid: (B,)
    bool, whether `next` belongs to the same match.
    """

    def __init__(self, rollout: Rollout, models: Models, bound: float):
        models.moments.update(rollout.other_obs.reshape(-1, rollout.other_obs.shape[-1]))
        view = models.standardise(rollout.other_obs)
        # Departs from the released code, whose targets leak across the ends of episodes.
        valid = ~rollout.ends
        valid[-1] = False
        self.view = _flat(view)
        self.next_view = _flat(np.roll(view, -1, axis=0))
        self.victim_action = _flat(rollout.other_action)
        self.next_victim_action = _flat(np.roll(rollout.other_action, -1, axis=0))
        self.action = _flat(np.clip(rollout.actions, -bound, bound))
        self.valid = torch.from_numpy(valid.reshape(-1))


def _flat(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.reshape(-1, array.shape[-1])))


def saliency_weights(surrogate: Regressor, view: Tensor, columns: tuple[int, int]) -> Tensor:
    """w_t = 1 / (1 + max_j |F(g * s)_j - F(s)_j|), in (0, 1]: (B, D) to (B,).

    g is the gradient of F's summed outputs, absolute, over its largest entry, restricted to the
    columns that show the victim its adversary: w is large where those alone explain the action.
    """
    s = view.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(surrogate(s).sum(), s)
    g = gradient.abs()
    g = g / (g.amax(dim=1, keepdim=True) + 1e-8)
    mask = torch.zeros_like(g)
    mask[:, columns[0] : columns[1]] = 1.0
    with torch.no_grad():
        d = (surrogate(g * mask * view) - surrogate(view)).abs().amax(dim=1)
    return 1.0 / (1.0 + d)


class Deviations(Hooks):
    """Keeps the models, and feeds their two deviations into PPO."""

    def __init__(
        self, config: OursConfig, me: SeatCard, victim: SeatCard, rng: np.random.Generator
    ):
        self._config = config
        self._rng = rng
        self._victim, self._bound = victim, me.act_bound
        self._norm = NORMS[config.norm]
        self.models = Models(config, me, victim, rng)
        self._facts: dict[str, float] = {}

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        self._seen = Seen(rollout, self.models, self._bound)
        self._facts = self.models.fit(self._seen)
        if self._config.saliency == "gradient":
            columns = self._victim.other_view
            self._weights = saliency_weights(self.models.surrogate, self._seen.view, columns)
        else:
            self._weights = torch.ones(rollout.steps)
        self._facts["mean_weight"] = float(self._weights.mean())
        if self._config.mode == "loss":
            self._prepare_targets()
        else:
            left = max(0.0, 1.0 - progress / self._config.anneal_until)
            bonus = self._config.weight * left * self._bonus().reshape(rollout.rewards.shape)
            rollout.rewards = rollout.rewards + bonus.astype(np.float32)

    def _prepare_targets(self) -> None:
        """All that the loss needs of a row side by side, so that a minibatch gathers once."""
        seen = self._seen
        parts = [
            seen.view,
            seen.victim_action,
            seen.next_view,
            seen.next_victim_action,
            self._weights[:, None],
            seen.valid[:, None].float(),
        ]
        self._widths = [part.shape[1] for part in parts]
        self._targets = torch.cat(parts, dim=1)

    def _bonus(self) -> Array:
        """Both deviations as one standardised reward (B,), clipped at +-3.

        Departs from the paper's Eqn 9: counterfactual. The action deviation is what of F's
        output is due to where the adversary is (against its initial pose); the observation
        deviation is what of H's prediction is due to what the adversary did (against nothing).
        """
        seen, models = self._seen, self.models
        with torch.no_grad():
            absent = seen.view.clone()
            start, stop = self._victim.other_view
            at_start = np.zeros(self._victim.obs_dim, dtype=np.float32)
            at_start[start:stop] = self._victim.other_at_start
            absent[:, start:stop] = torch.from_numpy(models.standardise(at_start)[start:stop])
            action = self._norm(models.surrogate(seen.view) - models.surrogate(absent))
            total = self._weights * action
            self._facts["action_deviation"] = float(action.mean())
            if self._config.eta > 0:
                moved = models.next_view(seen.view, seen.action, seen.victim_action)
                still = models.next_view(
                    seen.view, torch.zeros_like(seen.action), seen.victim_action
                )
                observation = self._norm(moved - still)
                total = total - self._config.eta * observation
                self._facts["observation_deviation"] = float(observation.mean())
            z = (total - total.mean()) / (total.std() + 1e-8)
            return z.clamp(-REWARD_CLIP, REWARD_CLIP).numpy()

    def extra_loss(self, rows: Tensor, mean: Tensor) -> Tensor | None:
        """-weight * mean_t( w_t |F(o') - a_v(t+1)| - eta |o' - o_v(t+1)| ), o' = H(o_v, mu, a_v).

        Equation 9's tail: gradients reach the policy through mu alone.
        """
        if self._config.mode != "loss":
            return None
        parts = torch.split(self._targets[rows], self._widths, dim=1)
        view, a_v, next_view, next_a_v, weight, valid = parts
        played = mean.clamp(-self._bound, self._bound)
        predicted = self.models.next_view(view, played, a_v)
        action = self._norm(self.models.surrogate(predicted) - next_a_v)
        observation = self._norm(predicted - next_view)
        gain = weight[:, 0] * action - self._config.eta * observation
        return -self._config.weight * (gain * valid[:, 0]).mean()

    def diagnostics(self) -> dict[str, float]:
        return dict(self._facts)

    def state(self) -> Checkpoint:
        made = Checkpoint()
        for name, part in self._parts().items():
            made.put(f"ours.{name}", part.state())
        made.facts["ours_rng"] = generator_facts(self._rng)
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        for name, part in self._parts().items():
            part.restore(checkpoint.get(f"ours.{name}"))
        restore_generator(self._rng, checkpoint.facts["ours_rng"])

    def _parts(self) -> dict[str, RunningMoments | Regressor]:
        models = self.models
        return {
            "moments": models.moments,
            "changes": models.changes,
            "surrogate": models.surrogate,
            "transition": models.transition,
        }

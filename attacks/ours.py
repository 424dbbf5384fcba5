"""'Ours' of the paper: an adversary that moves the victim's action, not its observation.

Wu, Guo, Wei, Xing: Adversarial Policy Training against Deep Reinforcement Learning (USENIX
Security 2021). The adversary is paid where its presence changes what the victim does (action
deviation) while changing little of what the victim sees (observation deviation, times eta). The
victim is a black box: F imitates it from passively seen pairs, H predicts its next observation.

Which equation is which function:
  F, the surrogate, and H, the transition model     `Imitation`, `Transition`
  w_t = 1 / (1 + max_j |F(g * o_v) - F(o_v)|)       `saliency.weights`
  l1, l2, linf of a deviation (figure 6d)           `deviation.NORMS`
  equation 9's tail, as a loss on the policy mean   `Deviations.extra_loss` (mode=loss)
  the same two deviations as an annealed reward     `Deviations.signal` (mode=reward)
With weight = 0 the attack is the baseline, bit for bit.

Three presets. `paper`: the text. `released`: the authors' code as of their artifact, with what it
does otherwise than the text (paper.md section 8): H sees the adversary's observation and action
only and ends in tanh while its targets are raw; F has no dead zone; targets leak across the ends
of episodes; the saliency mask is the last columns of the view, whatever they show. `tuned`: what
did best here while still being this method, the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from attacks import saliency
from attacks.baseline import Baseline, BaselineConfig
from attacks.deviation import NORMS, Norm, due_to_adversary
from attacks.pretrained import Pretrained
from attacks.saliency import Saliency
from attacks.shaping import Array, Shaping, shaped_defaults
from attacks.studies import STUDIES
from attacks.transition import Transition
from attacks.victim_model import (
    SURROGATE,
    Imitation,
    Seen,
    Steps,
    Surrogate,
    SurrogateConfig,
    TrueVictim,
    VictimView,
)
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.games.game import GameCard, SeatCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.learning.checkpoint import Checkpoint, generator_facts, restore_generator
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout
from benchmark.settings import Settings, hint
from benchmark.variants import Variant

MEASURED = slice(0, 4096)
"""Rows of a rollout on which the deviations of the curve are measured."""


class OursConfig(SurrogateConfig):
    """The baseline's configuration, how the two deviations enter, and what they are made of."""

    mode: Literal["reward", "loss"] = Field(description="annealed reward, or the published loss")
    norm: Norm = Field(description="of both deviations")
    action_weight: float = Field(default=1.0, ge=0, description="of the action deviation; 0: none")
    eta: float = Field(ge=0, description="weight of the observation deviation against the action's")
    saliency: Saliency = Field(description="weigh samples by w_t, or all by 1 (none)")
    saliency_columns: Literal["card", "tail"] = Field(
        default="card", description="the adversary's columns by the card, or the last ones"
    )
    access: Literal["black-box", "white-box"] = Field(
        default="black-box", description="white-box: F is the victim's own network"
    )
    surrogate: Literal["online", "frozen"] = Field(
        default="online", description="F learns all along, or at first and is then frozen"
    )
    surrogate_steps: int = Field(
        default=196_608, ge=1, description="pairs that a frozen F is fitted on before it enters"
    )
    surrogate_epochs: int = Field(
        default=100, ge=1, description="passes over them at most, with early stopping"
    )
    transition_inputs: Literal["text", "released"] = Field(
        default="text", description="H sees the victim's side and both actions, or the adversary's"
    )
    transition_output: Literal["change", "next", "tanh"] = Field(
        default="change", description="H predicts a scaled change, the next view, or it bounded"
    )
    transition_columns: Literal["all", "own"] = Field(
        default="all", description="of the victim's view: all, or those of its own body"
    )
    transition_hidden: tuple[int, ...]
    transition_passes: int = Field(
        default=1, ge=1, description="times that H is fitted on each rollout"
    )
    eps_s: float = Field(ge=0, description="dead zone of H's regression")
    standardise: bool = Field(default=True, description="the victim's view, or leave it raw")
    mask_ends: bool = Field(default=True, description="no targets across the ends of episodes")


# Reward mode as a probe left it (attack-findings.md): the observation term and the weights off.
_TUNED: dict[str, Any] = {
    "mode": "reward", "norm": "l1", "eta": 0.0, "saliency": "none", "eps_s": 0.0,
    "transition_hidden": (40, 64),
}  # fmt: skip
_PAPER: dict[str, Any] = {
    "mode": "loss", "weight": 1.0, "norm": "l1", "eta": 1.0, "saliency": "gradient",
    "surrogate": "frozen", "transition_output": "next",
    "eps_s": 1.0, "transition_hidden": (40, 64),
}  # fmt: skip
# Released MuJoCo code: -0.06 * (w L_act - L_obs).
_RELEASED: dict[str, Any] = {
    "mode": "loss", "weight": 0.06, "norm": "l1", "eta": 1.0, "saliency": "gradient",
    "saliency_columns": "tail", "surrogate": "frozen", "eps_a": 0.0,
    "transition_inputs": "released", "transition_output": "tanh", "standardise": False,
    "mask_ends": False, "eps_s": 1.0, "transition_hidden": (36, 64), "model_rate": 3e-4,
    "model_rows": 16_384, "model_minibatch": 4096, "transition_passes": 4,
}  # fmt: skip
# Released Pong code: -0.1 * (10 w L_act - 2 L_obs), that is weight 1 and eta 0.2; integrated
# gradients whatever was asked for.
_PONG_RELEASED: dict[str, Any] = {
    **_RELEASED, "weight": 1.0, "eta": 0.2, "saliency": "integrated", "saliency_columns": "card",
    "surrogate_steps": 51_000, "transition_columns": "own", "eps_s": 0.01,
    "transition_hidden": (36, 16), "model_rate": 1e-3, "model_rows": 1000, "model_minibatch": 64,
}  # fmt: skip
_PONG_PAPER: dict[str, Any] = {
    **_PAPER, "surrogate_steps": 51_000, "eps_s": 0.01, "transition_hidden": (40, 16),
}  # fmt: skip
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "pong-v1": {
        "tuned": {**_TUNED, "transition_hidden": (40, 16)},
        "paper": _PONG_PAPER,
        "released": _PONG_RELEASED,
    },
    **{
        game: {"tuned": _TUNED, "paper": _PAPER, "released": _RELEASED}
        for game in MUJOCO_GAMES
    },
}  # fmt: skip
PPO_OF = {"tuned": "tuned", "paper": "published", "released": "published"}
"""Which of the baseline's presets each one trains with."""


class Ours(Baseline):
    """PPO that is also paid for moving the victim's action and not its observation."""

    name: ClassVar[str] = "ours"
    version: ClassVar[int] = 2
    citation: ClassVar[str] = "Wu et al., Adversarial Policy Training, USENIX Security 2021"
    Config: ClassVar[type[BaselineConfig]] = OursConfig

    config: OursConfig

    def __init__(self, config: OursConfig):
        super().__init__(config)
        self.track = config.access

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        known = PRESETS.get(game.id, {})
        if preset not in known:
            raise Misuse(f"attack '{cls.name}' has no preset '{preset}'; {hint(preset, known)}")
        return {
            **super().preset(game, PPO_OF[preset]), **shaped_defaults(game), **SURROGATE,
            **known[preset], "preset": preset,
        }  # fmt: skip

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> OursConfig:
        """See `Attack.configure`.

        Raises:
            Misuse: also for columns that the victim's card lacks, and for rollouts of a single
                step, which show no next observation.
        """
        config = super().configure(game, settings)
        assert isinstance(config, OursConfig)
        columns_of(config, game.seats[1 - game.seat_index(game.adversary_seat)])
        if config.rollout_steps < 2:
            raise Misuse(f"ours needs rollouts of 2 steps or more, got {config.rollout_steps}")
        refuse_inert(config, cls.preset(game, config.preset), settings)
        return config

    @property
    def least_steps(self) -> int:
        """A rollout, after those in which a frozen F is still to be fitted."""
        before = self.config.surrogate_steps if self.config.surrogate == "frozen" else 0
        return super().least_steps + before

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"mlp"} if self.config.access == "white-box" else ())

    @classmethod
    def studies(cls, game: GameCard) -> Mapping[str, tuple[Variant, ...]]:
        return STUDIES if game.id in PRESETS else {}

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        return Deviations(self.config, arena, rng)


class Deviations(Shaping):
    """Keeps the models, and feeds their two deviations into PPO."""

    def __init__(self, config: OursConfig, arena: Arena, rng: np.random.Generator):
        super().__init__(config)
        me, victim = (arena.game.card.seats[i] for i in (arena.seat_index, 1 - arena.seat_index))
        self._config, self._rng, self._bound = config, rng, me.act_bound
        self._columns = columns_of(config, victim)
        self.view = VictimView(victim, standardise=config.standardise)
        self.surrogate: Surrogate
        if config.access == "white-box":
            self.surrogate = TrueVictim(arena.revealed(), self.view, rng)
        elif config.surrogate == "frozen":
            self.surrogate = Pretrained(
                config, victim, self.view, rng,
                pairs_wanted=config.surrogate_steps, epochs=config.surrogate_epochs,
            )  # fmt: skip
        else:
            self.surrogate = Imitation(config, victim, rng)
        self.transition = Transition(config, me, victim, rng)

    @property
    def _needs_transition(self) -> bool:
        """H enters the published loss, and the reward's observation deviation."""
        return self._config.mode == "loss" or self._config.eta > 0

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        config = self._config
        self._seen = Seen(
            rollout, self.view, self._bound, mask_ends=config.mask_ends,
            with_own=config.transition_inputs == "released",
        )  # fmt: skip
        fitted = self.surrogate.fit(self._seen)
        facts = {} if fitted is None else {"surrogate_r2": fitted}
        if self._needs_transition:
            facts["transition_r2"] = self.transition.fit(self._seen.steps)
        self._facts = facts
        if not self.surrogate.ready:
            return
        self._weights = saliency.weights(
            config.saliency, self.surrogate, self._seen.steps.view, self._columns, self._rng
        )
        facts["mean_weight"] = float(self._weights.mean())
        if config.mode == "reward":
            super().on_rollout(rollout, progress)
        else:
            self._seen.prepare()
            self._measure(rollout)
        self._facts |= facts

    def signal(self, rollout: Rollout, progress: float) -> Array:
        """Both deviations as one reward, counterfactual where the paper's equation 9 is not.

        The action deviation is what of F's output is due to where the adversary is (against its
        initial pose); the observation deviation is what of H's prediction is due to what the
        adversary did (against nothing).
        """
        config, steps = self._config, self._seen.steps
        action = due_to_adversary(self.surrogate, self.view, steps.view, config.norm)
        total = config.action_weight * self._weights * action
        self._facts["action_deviation"] = float(action.mean())
        if config.eta > 0:
            with torch.no_grad():
                moved = self.transition(steps, steps.action)
                still = self.transition(steps, torch.zeros_like(steps.action))
                observation = NORMS[config.norm](moved - still)
            total = total - config.eta * observation
            self._facts["observation_deviation"] = float(observation.mean())
        return total.numpy().reshape(rollout.rewards.shape)

    def extra_loss(self, rows: Tensor, mean: Tensor) -> Tensor | None:
        """-weight * mean_t( w_t |F(o') - a_v(t+1)| - eta |o' - o_v(t+1)| ), o' = H(o_v, mu, a_v).

        Equation 9's tail: gradients reach the policy through mu alone.
        """
        if self._config.mode != "loss" or not self.surrogate.ready:
            return None
        steps = self._seen.take(rows)
        action, observation = self._deviations(steps, mean)
        gain = self._config.action_weight * self._weights[rows] * action
        gain = gain - self._config.eta * observation
        return -self._config.weight * (gain * steps.valid[:, 0]).mean()

    def _deviations(self, steps: Steps, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 9's two deviations, (B,) each, had the adversary played `mean` (B, A)."""
        norm = NORMS[self._config.norm]
        predicted = self.transition(steps, mean.clamp(-self._bound, self._bound))
        action = norm(self.surrogate(predicted) - steps.next_victim_action)
        return action, norm(predicted - steps.next_view)

    def _measure(self, rollout: Rollout) -> None:
        """The two deviations of the loss as the policy stands, for the curve."""
        means = torch.from_numpy(rollout.means.reshape(rollout.steps, -1)[MEASURED])
        steps = self._seen.take(torch.arange(len(means)))
        with torch.no_grad():
            action, observation = self._deviations(steps, means)
        usable = steps.valid[:, 0] > 0
        self._facts["action_deviation"] = float(action[usable].mean())
        self._facts["observation_deviation"] = float(observation[usable].mean())

    def state(self) -> Checkpoint:
        made = Checkpoint()
        made.put("ours.view", self.view.moments.state())
        made.put("ours.surrogate", self.surrogate.state())
        made.put("ours.transition", self.transition.state())
        made.facts["ours_rng"] = generator_facts(self._rng)
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        self.view.moments.restore(checkpoint.get("ours.view"))
        self.surrogate.restore(checkpoint.get("ours.surrogate"))
        self.transition.restore(checkpoint.get("ours.transition"))
        restore_generator(self._rng, checkpoint.facts["ours_rng"])


def refuse_inert(config: OursConfig, preset: Mapping[str, Any], settings: Settings) -> None:
    """Raise Misuse for a setting that changes nothing: the same training under another name."""
    white, frozen = config.access == "white-box", config.surrogate == "frozen"
    needs_h = config.mode == "loss" or config.eta > 0
    learned = ("surrogate", "surrogate_hidden", "eps_a")
    once = ("surrogate_steps", "surrogate_epochs")
    of_h = tuple(field for field in OursConfig.model_fields if field.startswith("transition_"))
    inert = {
        "mode=loss": ("anneal_until",) if config.mode == "loss" else (),
        "access=white-box": (*learned, *once) if white else (),
        "surrogate=online": () if frozen else once,
        "saliency=none": ("saliency_columns",) if config.saliency == "none" else (),
        "mode=reward and eta=0": () if needs_h else (*of_h, "eps_s"),
    }
    for why, fields in inert.items():
        for field in fields:
            default = preset.get(field, OursConfig.model_fields[field].default)
            if field in settings and getattr(config, field) != default:
                raise Misuse(f"attack 'ours': setting '{field}' changes nothing with {why}")


def columns_of(config: OursConfig, victim: SeatCard) -> tuple[int, int]:
    """The columns of the victim's view that show the adversary: by its card, or the last ones."""
    start, stop = victim.other_view
    if stop <= start and (config.saliency != "none" or config.mode == "reward"):
        raise Misuse(
            f"mode '{config.mode}' with saliency '{config.saliency}' needs the columns that show "
            f"seat '{victim.name}' its adversary, and the game's card names none; set "
            "attack.mode=loss and attack.saliency=none"
        )
    if config.saliency_columns == "tail":
        return victim.obs_dim - (stop - start), victim.obs_dim
    return start, stop

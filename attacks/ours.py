"""'Ours' of the paper: an adversary that moves the victim's action, not its observation.

Wu, Guo, Wei, Xing: Adversarial Policy Training against Deep Reinforcement Learning (USENIX
Security 2021). The adversary is paid where its presence changes what the victim does (action
deviation) while changing little of what the victim sees (observation deviation, times eta). The
victim is a black box: F imitates it from passively seen pairs, H predicts its next observation.

Which equation is which function:
  F, the surrogate, and H, the transition model     `Imitation`, `Transition`
  w_t = 1 / (1 + max_j |F(g * o_v) - F(o_v)|)       `saliency.weights`
  l1, l2, linf of a deviation (figure 6d)           `deviation.NORMS`
  equation 9's tail, as a loss on the policy mean   `AsLoss.extra_loss` (mode=loss)
  the same two deviations as a fading reward        `AsReward.signal` (mode=reward)
With weight = 0 the attack is the baseline, bit for bit.

Three presets. `paper`: the text. `released`: the authors' code as of their artifact, with what it
does otherwise than the text (paper.md section 8): H sees the adversary's observation and action
only and ends in tanh while its targets are raw; F has no dead zone; targets leak across the ends
of episodes; outside Pong the saliency mask is the last columns of the view, whatever they show.
`tuned`, the default: the same idea as a reward, with the settings of a probe that preceded this
project; whether it gains anything is what docs/reproduction.md says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from attacks import saliency
from attacks.agreement import agreement
from attacks.baseline import Baseline, BaselineConfig
from attacks.deviation import NORMS, due_to_adversary
from attacks.ours_config import (
    PPO_OF,
    PRESETS,
    OursConfig,
    columns_of,
    refuse_changes_of_a_deed,
    refuse_inert,
    refuse_unknown_place,
)
from attacks.pretrained import Pretrained
from attacks.shaping import Array, bonus, shaped_defaults
from attacks.studies import studies_of
from attacks.transition import Transition
from attacks.victim_model import (
    JUDGED,
    SURROGATE,
    Imitation,
    Seen,
    Steps,
    Surrogate,
    TrueVictim,
    VictimView,
)
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.games.game import GameCard, SeatCard
from benchmark.learning.checkpoint import Checkpoint, generator_facts, restore_generator
from benchmark.learning.device import ANYWHERE, CORES_ONLY
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout
from benchmark.settings import Settings, hint
from benchmark.variants import Variant


class Ours(Baseline):
    """PPO that is paid for moving the victim's action: a fading reward, or the published loss."""

    name: ClassVar[str] = "ours"
    version: ClassVar[int] = 2
    citation: ClassVar[str] = "Wu et al., Adversarial Policy Training, USENIX Security 2021"
    devices = ANYWHERE
    Config: ClassVar[type[BaselineConfig]] = OursConfig

    config: OursConfig

    def __init__(self, config: OursConfig):
        super().__init__(config)
        self.track = config.access
        if config.mode != "reward":
            self.devices = CORES_ONLY  # its loss is of its own networks, which stay on the cores

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
            Misuse: also for columns that the victim's card does not name, and for rollouts of a
                single step, which show no next observation.
        """
        config = super().configure(game, settings)
        assert isinstance(config, OursConfig)
        columns_of(config, game.victim_seat)
        refuse_unknown_place(config, game.victim_seat)
        if config.rollout_steps < 2:
            raise Misuse(f"ours needs rollouts of 2 steps or more, got {config.rollout_steps}")
        refuse_inert(config, cls.preset(game, config.preset), settings)
        refuse_changes_of_a_deed(config)
        return config

    @property
    def least_steps(self) -> int:
        """A rollout, after those in which a frozen F is still to be fitted."""
        fitted_first = self.config.surrogate == "frozen" and self.config.access == "black-box"
        before = self.config.surrogate_steps if fitted_first else 0
        return super().least_steps + before

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"mlp"} if self.config.access == "white-box" else ())

    @classmethod
    def studies(cls, game: GameCard) -> Mapping[str, tuple[Variant, ...]]:
        return studies_of(game) if game.id in PRESETS else {}

    @classmethod
    def facts(cls) -> Mapping[str, list[float]]:
        return saliency.known()

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        entry = AsReward if self.config.mode == "reward" else AsLoss
        return entry(self.config, arena, rng)


class Watched(NamedTuple):
    """What a rollout showed, and the saliency weight (B,) of each of its steps."""

    seen: Seen
    weights: Tensor


class Deviations(Hooks):
    """Watches the victim: keeps F and H, and says how much each sample weighs."""

    def __init__(self, config: OursConfig, arena: Arena, rng: np.random.Generator):
        me, victim = (arena.game.card.seats[i] for i in (arena.seat_index, 1 - arena.seat_index))
        self._config, self._rng, self._bound = config, rng, me.act_bound
        self._columns = columns_of(config, victim)
        self._facts: dict[str, float] = {}
        self.view = VictimView(victim, standardise=config.standardise)
        self.surrogate = self._make_surrogate(arena, victim)
        self.transition = Transition(config, me, victim, rng)

    def _make_surrogate(self, arena: Arena, victim: SeatCard) -> Surrogate:
        config = self._config
        if config.access == "white-box":
            return TrueVictim(arena.revealed(), self.view, self._rng)
        if config.surrogate == "frozen":
            return Pretrained(
                config, victim, self.view, self._rng,
                pairs_wanted=config.surrogate_steps, epochs=config.surrogate_epochs,
            )  # fmt: skip
        return Imitation(config, victim, self._rng)

    def watch(self, rollout: Rollout, *, with_transition: bool) -> Watched | None:
        """Learn from a rollout; what it showed, or None while F cannot be relied on."""
        config = self._config
        seen = Seen(
            rollout, self.view, self._bound, mask_ends=config.mask_ends,
            with_own=config.transition_inputs == "released",
        )  # fmt: skip
        fitted = self.surrogate.fit(seen)
        self._facts = {} if fitted is None else {"surrogate_r2": fitted}
        if with_transition:
            self._facts["transition_r2"] = self.transition.fit(seen.steps)
        if not self.surrogate.ready:
            return None
        weights = saliency.weights(
            config.saliency, self.surrogate, seen.steps.view, self._columns, self._rng
        )
        self._facts["mean_weight"] = float(weights.mean())
        return Watched(seen, weights)

    def diagnostics(self) -> dict[str, float]:
        return dict(self._facts)

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


class AsReward(Deviations):
    """The deviations as a fading reward, counterfactual where the paper's equation 9 is not."""

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        # H is fitted only where it enters.
        watched = self.watch(rollout, with_transition=self._config.eta > 0)
        if watched is not None:
            signal = self.signal(rollout, watched)
            self._facts |= agreement(signal, rollout)
            rollout.pay(bonus(self._config, signal, rollout, progress))

    def signal(self, rollout: Rollout, watched: Watched) -> Array:
        """Both deviations of each step as one number: (T, N).

        The action deviation is what of F's output is due to where and how the adversary is
        (against its start, or `put_back` of it); the observation deviation is what of H's
        prediction is due to what the adversary did (against nothing).
        """
        config, steps = self._config, watched.seen.steps
        action = due_to_adversary(
            self.surrogate, self.view, steps.view, config.norm, config.put_back
        )
        total = config.action_weight * watched.weights * action
        self._facts["action_deviation"] = float(action.mean())
        if config.eta > 0:
            with torch.no_grad():
                moved = self.transition(steps, steps.action)
                still = self.transition(steps, torch.zeros_like(steps.action))
                observation = NORMS[config.norm](moved - still)
            total = total - config.eta * observation
            self._facts["observation_deviation"] = float(observation.mean())
        return total.numpy().reshape(rollout.rewards.shape)


class AsLoss(Deviations):
    """The deviations as published: a term of the loss, through the policy's mean action."""

    def __init__(self, config: OursConfig, arena: Arena, rng: np.random.Generator):
        super().__init__(config, arena, rng)
        self._watched: Watched | None = None

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        self._watched = self.watch(rollout, with_transition=True)
        if self._watched is not None:
            self._watched.seen.prepare()
            self._measure(rollout, self._watched.seen)

    def extra_loss(self, rows: Tensor, mean: Tensor) -> Tensor | None:
        """-weight * mean_t( w_t |F(o') - a_v(t+1)| - eta |o' - o_v(t+1)| ), o' = H(o_v, mu, a_v).

        Equation 9's tail: gradients reach the policy through mu alone.
        """
        if self._watched is None:
            return None
        steps = self._watched.seen.take(rows)
        action, observation = self._deviations(steps, mean)
        gain = self._config.action_weight * self._watched.weights[rows] * action
        gain = gain - self._config.eta * observation
        return -self._config.weight * (gain * steps.valid[:, 0]).mean()

    def _deviations(self, steps: Steps, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 9's two deviations, (B,) each, had the adversary played `mean` (B, A)."""
        norm = NORMS[self._config.norm]
        predicted = self.transition(steps, mean.clamp(-self._bound, self._bound))
        action = norm(self.surrogate(predicted) - steps.next_victim_action)
        return action, norm(predicted - steps.next_view)

    def _measure(self, rollout: Rollout, seen: Seen) -> None:
        """Both deviations as the policy stands, for the curve."""
        means = torch.from_numpy(rollout.means.reshape(rollout.steps, -1)[JUDGED])
        steps = seen.take(torch.arange(len(means)))
        with torch.no_grad():
            action, observation = self._deviations(steps, means)
        usable = steps.valid[:, 0] > 0
        self._facts["action_deviation"] = float(action[usable].mean())
        self._facts["observation_deviation"] = float(observation[usable].mean())

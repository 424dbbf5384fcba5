"""`drift`: first move the victim's action, then its state, away from what it knows.

This benchmark's own combination: the counterfactual action deviation of `ours`, which says early
what reaches the victim at all, and the unfamiliar states of `unfamiliar`, which is to say later
where it fails. A probe that preceded this project saw them lead the baseline at different times;
what came of it here is in docs/reproduction.md. The signal passes linearly from the one to the
other over the first `hand_over` of the budget.

Which formula is which function:
  (1 - m) z(action deviation) + m z(unfamiliarity)     `ActionThenState.signal`
  m = progress / hand_over up to 1, but 0 until `familiar_steps` have been watched
With weight = 0 the attack is the baseline, bit for bit.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from attacks.baseline import Baseline, BaselineConfig
from attacks.deviation import due_to_adversary
from attacks.shaping import Array, Shaping, shaped_defaults, standardised
from attacks.unfamiliar import FAMILIAR_STEPS, UnfamiliarConfig, Unfamiliarity
from attacks.victim_model import SURROGATE, Imitation, Seen, SurrogateConfig, VictimView
from benchmark.arena.arena import Arena
from benchmark.games.game import GameCard
from benchmark.learning.checkpoint import Checkpoint, generator_facts, restore_generator
from benchmark.learning.device import ANYWHERE
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout


class DriftConfig(SurrogateConfig, UnfamiliarConfig):
    """Both signals' settings, and when the one hands over to the other."""

    hand_over: float = Field(
        gt=0, le=1, description="share of the budget at which only the second signal is left"
    )


class Drift(Baseline):
    """PPO that is also paid for moving the victim's action, then for driving its state away."""

    name: ClassVar[str] = "drift"
    citation: ClassVar[str] = "this benchmark; action deviation after Wu et al. 2021"
    devices = ANYWHERE
    Config: ClassVar[type[BaselineConfig]] = DriftConfig

    config: DriftConfig

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        own = {"familiar_steps": FAMILIAR_STEPS, "hand_over": 0.3}
        return {**super().preset(game, preset), **shaped_defaults(game), **SURROGATE, **own}

    @property
    def least_steps(self) -> int:
        """A rollout, after those in which it is seen what the victim knows."""
        return super().least_steps + self.config.familiar_steps

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        return ActionThenState(self.config, arena, rng)


class ActionThenState(Shaping):
    """Two signals, each standardised, the first fading into the second."""

    def __init__(self, config: DriftConfig, arena: Arena, rng: np.random.Generator):
        super().__init__(config)
        card, me = arena.game.card, arena.seat_index
        victim = card.seats[1 - me]
        self._hand_over, self._rng = config.hand_over, rng
        self._bound = card.seats[me].act_bound
        self._view = VictimView(victim)
        self._surrogate = Imitation(config, victim, rng)
        self._unfamiliarity = Unfamiliarity(victim, config.familiar_steps)

    def signal(self, rollout: Rollout, progress: float) -> Array:
        share = min(1.0, progress / self._hand_over) if self._unfamiliarity.knows else 0.0
        self._facts["second_signal"] = share
        parts: list[Array] = []
        if share < 1.0:
            parts.append((1.0 - share) * standardised(self._action_deviation(rollout)))
        if share > 0.0:
            parts.append(share * standardised(self._distance(rollout)))
        self._unfamiliarity.see(rollout)
        return np.asarray(np.sum(parts, axis=0), dtype=np.float32)

    def _action_deviation(self, rollout: Rollout) -> Array:
        seen = Seen(rollout, self._view, self._bound)
        self._facts["surrogate_r2"] = self._surrogate.fit(seen)
        deviation = due_to_adversary(self._surrogate, self._view, seen.steps.view, "l1")
        self._facts["action_deviation"] = float(deviation.mean())
        return deviation.numpy().reshape(rollout.rewards.shape)

    def _distance(self, rollout: Rollout) -> Array:
        distance = self._unfamiliarity.of(rollout)
        self._facts["unfamiliarity"] = float(distance.mean())
        return distance

    def state(self) -> Checkpoint:
        made = Checkpoint()
        made.put("drift.view", self._view.moments.state())
        made.put("drift.surrogate", self._surrogate.state())
        made.put("drift.unfamiliarity", self._unfamiliarity.state())
        made.facts["drift_rng"] = generator_facts(self._rng)
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        self._view.moments.restore(checkpoint.get("drift.view"))
        self._surrogate.restore(checkpoint.get("drift.surrogate"))
        self._unfamiliarity.restore(checkpoint.get("drift.unfamiliarity"))
        restore_generator(self._rng, checkpoint.facts["drift_rng"])

"""The value-difference attack: the adversary's advantage less the victim's.

Guo, Wu, Huang, Xing: Adversarial Policy Learning in Two-player Competitive Games (ICML 2021). Where
a game is not zero-sum, winning and making the victim lose are two aims; the adversary here learns
from the difference of both players' advantages. The objective is taken from the released code.

Which equation is which function:
  A = A_adv - weight * A_vic, each standardised     `Difference.advantages`
  A_vic, generalised advantages by V_vic(o_adv)     `Critic.advantages`
  r_vic, from the outcome as passively seen         `victim_rewards`
With weight = 0 the attack is the baseline of preset `tuned`, bit for bit.

How much of the idea is left here: not much, and that is the games' doing. The games that it was
published on pay the two sides unevenly (a blocker that lies on the floor gets nothing, its victim
still loses); those of this benchmark pay the victim the negative of what the adversary gets, a void
match apart. A_vic is then A_adv mirrored, and the difference is one advantage by the mean of two
critics. The curve's `mirror` says how nearly: 1 is a plain mirror (in Pong against a random network
.97 at first, .95 after six rollouts).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from attacks.baseline import Baseline, BaselineConfig
from benchmark.arena.arena import Arena
from benchmark.games.game import VOID, GameCard, reward_of
from benchmark.learning.checkpoint import (
    Arrays,
    Checkpoint,
    generator_facts,
    prefixed,
    restore_generator,
    unprefixed,
)
from benchmark.learning.normalise import RewardScale
from benchmark.learning.ppo import Hooks
from benchmark.learning.regression import Regressor, explained
from benchmark.learning.rollout import Rollout, gae

Array = NDArray[np.float32]

# vf_coef .2 of a loss that PPO2 has halved already
RELEASED: dict[str, Any] = {"value_weight": 0.1, "anneal": True}
"""What the released code sets otherwise than the baseline's."""


class ValueDifferenceConfig(BaselineConfig):
    """The baseline's configuration, and the critic that judges for the victim."""

    weight: float = Field(
        default=1.0, ge=0, description="of what is added to the standardised advantages; 0: none"
    )
    value_hidden: tuple[PositiveInt, ...] = Field(default=(128, 128), min_length=1)
    value_rate: float = Field(gt=0, description="learning rate of all that the method fits")
    value_minibatch: int = Field(ge=1)
    value_passes: int = Field(ge=1, description="times that it is fitted on each rollout")


class ValueDifference(Baseline):
    """PPO on what the adversary gains less what its victim gains."""

    name: ClassVar[str] = "value-difference"
    citation: ClassVar[str] = "Guo et al., Adversarial Policy Learning, ICML 2021"
    Config: ClassVar[type[BaselineConfig]] = ValueDifferenceConfig

    config: ValueDifferenceConfig

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        made = super().preset(game, preset)
        if preset == "published":
            made |= RELEASED
        # The released code trains both critics by PPO's own minibatches.
        like_ppo = {
            "value_rate": made["learning_rate"],
            "value_minibatch": made["minibatch"],
            "value_passes": made["epochs"],
        }
        return {**made, **like_ppo}

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        return Difference(self.config, arena, rng)


def victim_rewards(result: NDArray[np.int8]) -> Array:
    """The outcome (T, N) as it pays the victim; a void match pays both sides like a lost one."""
    # Departs from the released code, whose victim is paid a shaped reward: only the outcome shows.
    mirrored = np.where(result == VOID, VOID, -result)
    return reward_of(mirrored.astype(np.int8))


def in_deviations(values: Array) -> Array:
    """Values (T, N) standardised over the rollout, unclipped."""
    return np.asarray((values - values.mean()) / (values.std() + 1e-8), dtype=np.float32)


class Difference(Hooks):
    """Takes the victim's advantages from the adversary's."""

    def __init__(self, config: ValueDifferenceConfig, arena: Arena, rng: np.random.Generator):
        self._config, self._rng = config, rng
        self._facts: dict[str, float] = {}
        self.critic = Critic(config, arena.game.card.seats[arena.seat_index].obs_dim, rng)

    def advantages(self, rollout: Rollout, advantages: Array) -> Array:
        # Departs from the released code, which standardises by minibatch and not the sum again;
        # PPO does that here, so that a step is as long as the baseline's.
        own = in_deviations(advantages)
        added = self.added(rollout, own)
        if self._config.weight == 0:
            return advantages
        return own + np.float32(self._config.weight) * added

    def added(self, rollout: Rollout, own: Array) -> Array:
        """What stands beside the adversary's own standardised advantages: (T, N)."""
        against = -in_deviations(self.critic.advantages(rollout, victim_rewards(rollout.result)))
        self._facts = {"victim_value_r2": self.critic.r2, "mirror": float((own * against).mean())}
        return against

    def diagnostics(self) -> dict[str, float]:
        return dict(self._facts)

    def state(self) -> Checkpoint:
        made = Checkpoint()
        made.put("value_difference.critic", self.critic.state())
        made.facts["value_difference_rng"] = generator_facts(self._rng)
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        self.critic.restore(checkpoint.get("value_difference.critic"))
        restore_generator(self._rng, checkpoint.facts["value_difference_rng"])


class Critic:
    """A value network of its own for a second reward, on what the adversary observes.

    Rewards are divided by the running deviation of their discounted return, as PPO's may be.
    """

    def __init__(self, config: ValueDifferenceConfig, obs_dim: int, rng: np.random.Generator):
        self._config = config
        self._scale = RewardScale(config.matches, config.gamma)
        self.model = Regressor(
            obs_dim, 1, hidden=config.value_hidden, activation="tanh", dead_zone=0.0,
            learning_rate=config.value_rate, rng=rng,
        )  # fmt: skip
        self.r2 = 0.0
        """Explained variance of the last rollout's returns, before it was learned from."""

    def advantages(self, rollout: Rollout, rewards: Array) -> Array:
        """Advantages (T, N) of rewards (T, N) by the values so far; then learn the returns."""
        obs = rollout.obs.reshape(rollout.steps, -1)
        values = self.model.infer(obs).reshape(rewards.shape)
        last_value = self.model.infer(rollout.last_obs)[:, 0]
        advantages, returns = gae(
            self._scale.scale(rewards, rollout.ends), values, rollout.ends, last_value,
            self._config.gamma, self._config.gae_lambda,
        )  # fmt: skip
        self.r2 = explained(values.reshape(-1, 1), returns.reshape(-1, 1))
        # Departs from the released code: a plain squared error at a constant rate; there the loss
        # is clipped and the rate falls.
        for _ in range(self._config.value_passes):
            self.model.fit(
                obs, returns.reshape(-1, 1), rows=len(obs), minibatch=self._config.value_minibatch
            )
        return advantages

    def state(self) -> Arrays:
        """For a checkpoint."""
        return {**self.model.state(), **prefixed("scale.", self._scale.state())}

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self.model.restore(arrays)
        self._scale.restore(unprefixed("scale.", arrays))

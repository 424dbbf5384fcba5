"""The baseline attack: plain PPO on the sparse outcome, with the victim as part of the world.

Gleave, Dennis, Wild, Kant, Levine, Russell: Adversarial Policies (ICLR 2020). Two presets:
`tuned` on the games of this benchmark, the one to beat at equal budget, and `published`, the
hyper-parameters of the released code, kept for replication.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from attacks.attack import Attack, Track
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.learning.device import ANYWHERE
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO, Hooks
from benchmark.learning.progress import Progress
from benchmark.policies.policy import Policy
from benchmark.settings import Settings, hint, resolve


class BaselineConfig(PPOConfig):
    """PPO's configuration and the preset it came from."""

    preset: str = Field(description="where the other fields' defaults come from")


MUJOCO_TUNED: dict[str, Any] = {
    "matches": 64,
    "rollout_steps": 256,
    "minibatch": 2048,
    "epochs": 4,
    "learning_rate": 4e-4,
    "gamma": 0.995,  # a match lasts about 170 steps, some 500
    "log_std": -0.7,  # actions are clipped at .4 or 1: with 0 nearly all of them are
    "obs_clip": 10.0,
    "scale_reward": True,
    "shards": 2,
}
# Released code: stable-baselines' PPO2 with VecNormalize (paper.md section 2).
MUJOCO_PUBLISHED: dict[str, Any] = {
    "matches": 8,
    "rollout_steps": 2048,
    "minibatch": 4096,
    "epochs": 4,
    "learning_rate": 3e-4,
    "anneal": False,
    "gamma": 0.99,
    "clip_value": True,
    "value_weight": 0.25,  # vf_coef .5 of a loss that PPO2 has halved already
    "log_std": 0.0,
    "obs_clip": 10.0,
    "scale_reward": True,
    "shards": 2,
}
PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("pong-v1", "tuned"): {
        "matches": 512,
        "rollout_steps": 128,
        "minibatch": 2048,
        "epochs": 4,
        "learning_rate": 2e-3,
        "activation": "relu",  # one seed on may1, rate 1e-3, 4 M steps: relu .79, tanh .67
        "gamma": 0.997,  # a point lasts hundreds of steps; .99 sees a third of one
        "log_std": -0.5,
    },
    # Released Pong code: PPO1, one environment, everything annealed, no normalisation.
    ("pong-v1", "published"): {
        "matches": 1,
        "rollout_steps": 1000,
        "minibatch": 64,
        "epochs": 4,
        "learning_rate": 1e-3,
        "anneal_clip": True,
        "gamma": 0.99,
        "entropy": 0.01,
        "value_weight": 1.0,
        "max_grad_norm": None,
        "advantage_norm": "rollout",
        "log_std": 0.0,
    },
    **{
        (game, preset): settings
        for game in MUJOCO_GAMES
        for preset, settings in {"tuned": MUJOCO_TUNED, "published": MUJOCO_PUBLISHED}.items()
    },
}


class Baseline(Attack):
    """Plain PPO on the outcome of the match."""

    name: ClassVar[str] = "baseline"
    track: Track = "black-box"
    citation: ClassVar[str] = "Gleave et al., Adversarial Policies, ICLR 2020"
    devices = ANYWHERE
    Config: ClassVar[type[BaselineConfig]] = BaselineConfig

    config: BaselineConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> BaselineConfig:
        settings = dict(settings)
        preset = settings.get("preset", "tuned")
        base = cls.preset(game, preset)
        return resolve(cls.Config, base, settings, f"attack '{cls.name}'")

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        """The defaults of a preset; raises Misuse where the game has no such preset."""
        known = [name for of, name in PRESETS if of == game.id]
        if preset not in known:
            raise Misuse(f"attack '{cls.name}' has no preset '{preset}'; {hint(preset, known)}")
        return {**PRESETS[game.id, preset], "preset": preset}

    @property
    def matches(self) -> int:
        return self.config.matches

    @property
    def least_steps(self) -> int:
        return self.config.matches * self.config.rollout_steps

    def train(
        self, arena: Arena, budget_steps: int, rng: np.random.Generator, progress: Progress
    ) -> Policy:
        learner_rng, method_rng = rng.spawn(2)
        hooks = self.hooks(arena, method_rng)
        learner = PPO(arena, self.config, learner_rng, hooks=hooks, device=self.device)
        learner.learn(budget_steps, progress)
        facts = {"steps": learner.steps, "config": self.config.model_dump(mode="json")}
        return learner.policy(self.card(arena, training=facts))

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks | None:
        """What the method adds to PPO; the baseline adds nothing."""
        return None

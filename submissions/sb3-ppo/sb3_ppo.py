"""The baseline's attack with another engine: stable-baselines3's PPO in the arena.

Gleave, Dennis, Wild, Kant, Levine, Russell: Adversarial Policies (ICLR 2020), whose released code
used this library's predecessor. It brings its own rollouts, loss and optimiser; what the benchmark
gets is a frozen network in its own format, and the curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from attacks.attack import Attack
from benchmark.arena.arena import Arena
from benchmark.arena.stable_baselines import ArenaVecEnv, freeze
from benchmark.arena.tally import Tally
from benchmark.games.game import GameCard
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies.policy import Policy
from benchmark.settings import Settings, resolve


class Sb3PpoConfig(BaseModel):
    """Arguments of the library's PPO. Defaults: the tuned baseline's on Pong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    matches: int = Field(default=512, ge=2, description="matches played in parallel")
    rollout_steps: int = Field(default=128, ge=2, description="steps of each between updates")
    minibatch: int = Field(default=2048, ge=2)
    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0, description="linear to 0 over the budget")
    gamma: float = Field(default=0.997, ge=0, le=1)
    log_std: float = Field(default=-0.5, ge=-10, le=3, description="initial, of the actions")
    hidden: tuple[int, ...] = Field(default=(64, 64), description="widths, with ReLU between")


class Sb3Ppo(Attack):
    """stable-baselines3's PPO on the outcome of the match."""

    name = "sb3-ppo"
    track = "black-box"
    citation = "Raffin et al., stable-baselines3, JMLR 2021"

    config: Sb3PpoConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> Sb3PpoConfig:
        return resolve(Sb3PpoConfig, {}, settings, f"attack '{cls.name}'")

    @property
    def matches(self) -> int:
        return self.config.matches

    @property
    def least_steps(self) -> int:
        return self.config.matches * self.config.rollout_steps

    def train(
        self, arena: Arena, budget_steps: int, rng: np.random.Generator, progress: Progress
    ) -> Policy:
        """Whole rollouts only: the library would play past a budget that is no multiple of one.

        It keeps no checkpoint; a training that was killed starts anew, and ends in the same policy.
        """
        model = self.model(arena, int(rng.integers(2**31)))
        steps = budget_steps // self.least_steps * self.least_steps
        model.learn(steps, callback=Curve(progress))
        return freeze(model, f"{self.name} adversary", arena)

    def model(self, arena: Arena, seed: int) -> PPO:
        """The library's learner. It seeds torch's, NumPy's and Python's global generators."""
        config = self.config
        layers = list(config.hidden)
        policy: dict[str, Any] = {
            "net_arch": {"pi": layers, "vf": layers},
            "activation_fn": torch.nn.ReLU,
            "log_std_init": config.log_std,
        }
        return PPO(
            "MlpPolicy", ArenaVecEnv(arena), learning_rate=lambda left: left * config.learning_rate,
            n_steps=config.rollout_steps, batch_size=config.minibatch, n_epochs=config.epochs,
            gamma=config.gamma, policy_kwargs=policy, seed=seed, device="cpu",
        )  # fmt: skip


class Curve(BaseCallback):
    """Reports the matches of every rollout."""

    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress
        self._tallies: list[Tally] = []

    def _on_step(self) -> bool:
        venv = self.training_env
        assert isinstance(venv, ArenaVecEnv)
        info, ended = venv.arena_info, self.locals["dones"]
        if ended.any():
            names = venv.arena.game.card.endings
            self._tallies.append(Tally.count(info["result"][ended], info["ending"][ended], names))
        return True

    def _on_rollout_end(self) -> None:
        self._progress.report(CurvePoint(steps=self.num_timesteps, tally=Tally.sum(self._tallies)))
        self._tallies.clear()

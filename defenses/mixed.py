"""Mixed retraining: the victim goes on learning, a share p of its episodes being adversarial.

Wu, Guo, Wei, Xing (USENIX Security 2021), section 6 and conclusion: retraining against the
adversary alone "loses its generalizability", and mixing in regular episodes is their remedy to
be studied. The opponent is drawn per episode; the curve records the realised share of *steps*
(`adversarial_steps`), since adversarial episodes are of another length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.learning.device import ANYWHERE
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO, Hooks, check_sequences
from benchmark.learning.progress import Progress
from benchmark.learning.recurrent import SEQUENCE
from benchmark.learning.rollout import Rollout
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy, Policy, PolicyCard
from benchmark.settings import Settings, resolve
from benchmark.variants import Variant
from defenses.defense import Defense, MakeArena
from defenses.studies import STUDIES


class MixedConfig(PPOConfig):
    """PPO's configuration in the victim's seat and the share of adversarial episodes."""

    p: float = Field(ge=0, le=1, description="share of episodes against the adversaries")


MUJOCO: dict[str, Any] = {
    "matches": 64,
    "rollout_steps": 256,
    "minibatch": 2048,
    "epochs": 4,
    "learning_rate": 3e-4,  # the policy is trained already; the published rate
    "gamma": 0.99,
    "log_std": -1.0,  # for a victim published without one
    "scale_reward": True,
    "shards": 2,
}
PRESETS: dict[str, dict[str, Any]] = {
    "pong-v1": {
        "matches": 512,
        "rollout_steps": 128,
        "minibatch": 2048,
        "epochs": 4,
        "learning_rate": 3e-4,  # the policy is trained already; the published rate
        "gamma": 0.997,
        "log_std": -1.0,  # for a victim published without one
    },
    **dict.fromkeys(MUJOCO_GAMES, MUJOCO),
}


class StepShare(Hooks):
    """Reports which share of the steps was adversarial; adds nothing to the learning."""

    def __init__(self, adversarial: Sequence[bool]):
        self._adversarial = np.array(adversarial)
        self._share = 0.0

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        self._share = float(self._adversarial[rollout.member].mean())

    def diagnostics(self) -> dict[str, float]:
        return {"adversarial_steps": self._share}


class Mixed(Defense):
    """PPO from the victim's weights against adversaries (p) and regular opponents (1 - p)."""

    name: ClassVar[str] = "mixed"
    citation: ClassVar[str] = "Wu et al., USENIX Security 2021, mixed retraining"
    devices = ANYWHERE
    share: ClassVar[float] = 0.5
    Config: ClassVar[type[MixedConfig]] = MixedConfig

    config: MixedConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> MixedConfig:
        if game.id not in PRESETS:
            raise Misuse(f"defense '{cls.name}' has no preset for {game.id}")
        base = {**PRESETS[game.id], "p": cls.share}
        config = resolve(cls.Config, base, settings, f"defense '{cls.name}'")
        for field in ("hidden", "activation", "obs_clip"):
            if getattr(config, field) != MixedConfig.model_fields[field].default:
                raise Misuse(f"defense '{cls.name}': '{field}' is the victim's own, not a setting")
        return config

    @classmethod
    def studies(cls, game: GameCard) -> Mapping[str, tuple[Variant, ...]]:
        return STUDIES

    def check_victim(self, card: PolicyCard) -> None:
        super().check_victim(card)
        if card.kind == "lstm":
            check_sequences(self.config, SEQUENCE)

    @property
    def least_steps(self) -> int:
        return self.config.matches * self.config.rollout_steps

    @property
    def meets_opponents(self) -> bool:
        return self.config.p < 1.0

    def harden(
        self,
        victim: Policy,
        make_arena: MakeArena,
        adversaries: Sequence[Policy],
        opponents: Sequence[Policy],
        budget_steps: int,
        rng: np.random.Generator,
        progress: Progress,
    ) -> Policy:
        start, mixture = self.trainable(victim), self.mixture(adversaries, opponents)
        arena = make_arena(mixture, self.config.matches)
        learner = self.learner(start, arena, adversaries, rng)
        learner.learn(budget_steps, progress)
        return learner.policy(self.card(victim, learner.steps))

    def trainable(self, victim: Policy) -> MLPPolicy | LSTMPolicy:
        """The victim, if it is a network that can be trained; raises Misuse."""
        if not isinstance(victim, (MLPPolicy, LSTMPolicy)):
            raise Misuse(
                f"defense '{self.name}' trains networks (mlp, lstm); '{victim.card.name}' is "
                f"'{victim.card.kind}'"
            )
        return victim

    def learner(
        self,
        start: MLPPolicy | LSTMPolicy,
        arena: Arena,
        adversaries: Sequence[Policy],
        rng: np.random.Generator,
    ) -> PPO:
        """PPO from the weights of `start` in an arena of the victim's seat."""
        learner = PPO(arena, self.config, rng, start=start, device=self.device)
        opposite = arena.players.mixture.policies
        adversarial = [any(p is a for a in adversaries) for p in opposite]
        # Made after the learner, so that a generator spawned for a method moves nothing of it.
        learner.hooks = self.hooks(adversarial, rng)
        return learner

    def hooks(self, adversarial: Sequence[bool], rng: np.random.Generator) -> Hooks:
        """What the method adds to PPO, given which members of the mixture are adversaries."""
        return StepShare(adversarial)

    def card(self, victim: Policy, steps: int) -> PolicyCard:
        """The card of what came of a victim after `steps` environment steps."""
        facts = {
            "steps": steps,
            "defense": self.name,
            "from": victim.card.sha256,
            "config": self.config.model_dump(mode="json"),
        }
        return victim.card.model_copy(
            update={
                "name": f"{victim.card.name} + {self.name}",
                "origin": f"hardened from '{victim.card.name}' by '{self.name}' "
                f"version {self.version}",
                "training": facts,
                "sha256": "",
            }
        )

    def mixture(self, adversaries: Sequence[Policy], opponents: Sequence[Policy]) -> Mixture:
        """Adversaries share p equally among them, regular opponents share 1 - p."""
        self.check_players(adversaries, opponents)
        p = self.config.p
        return Mixture(
            [(policy, p / len(adversaries)) for policy in adversaries]
            + [(policy, (1.0 - p) / len(opponents)) for policy in opponents]
        )

    def check_players(self, adversaries: Sequence[Policy], opponents: Sequence[Policy]) -> None:
        """Raise Misuse where nobody could play a share of the episodes."""
        p = self.config.p
        for kind, players, share in (
            ("adversary", adversaries, p),
            ("regular opponent", opponents, 1.0 - p),
        ):
            if share > 0 and not players:
                raise Misuse(f"defense '{self.name}' with p = {p} needs at least one {kind}")

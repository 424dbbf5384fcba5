"""Mixed retraining: the victim goes on learning, a share p of its episodes being adversarial.

Wu, Guo, Wei, Xing (USENIX Security 2021), section 6 and conclusion: retraining against the
adversary alone "loses its generalizability", and mixing in regular episodes is their remedy to
be studied. The opponent is drawn per episode; the realised share of *steps* is in the curve's
records, since adversarial episodes are of another length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.learning.ppo import PPO, PPOConfig
from benchmark.learning.progress import Progress
from benchmark.policies.policy import MLPPolicy, Policy
from benchmark.settings import Settings, resolve
from defenses.defense import Defense, MakeArena


class MixedConfig(PPOConfig):
    """PPO's configuration in the victim's seat and the share of adversarial episodes."""

    p: float = Field(ge=0, le=1, description="share of episodes against the adversaries")


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
}


class Mixed(Defense):
    """PPO from the victim's weights against adversaries (p) and regular opponents (1 - p)."""

    name: ClassVar[str] = "mixed"
    citation: ClassVar[str] = "Wu et al., USENIX Security 2021, mixed retraining"
    share: ClassVar[float] = 0.5

    config: MixedConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> MixedConfig:
        if game.id not in PRESETS:
            raise Misuse(f"defense '{cls.name}' has no preset for {game.id}")
        base = {**PRESETS[game.id], "p": cls.share}
        return resolve(MixedConfig, base, settings, f"defense '{cls.name}'")

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
        if not isinstance(victim, MLPPolicy):
            raise Misuse(f"defense '{self.name}' trains networks; '{victim.card.name}' is none")
        arena = make_arena(self.mixture(adversaries, opponents), self.config.matches)
        learner = PPO(arena, self.config, rng, start=victim)
        learner.learn(budget_steps, progress)
        facts = {
            "steps": learner.steps,
            "defense": self.name,
            "from": victim.card.sha256,
            "config": self.config.model_dump(mode="json"),
        }
        card = victim.card.model_copy(
            update={
                "name": f"{victim.card.name} + {self.name}",
                "origin": f"hardened from '{victim.card.name}' by '{self.name}' "
                f"version {self.version}",
                "training": facts,
                "sha256": "",
            }
        )
        return learner.policy(card)

    def mixture(self, adversaries: Sequence[Policy], opponents: Sequence[Policy]) -> Mixture:
        """Adversaries share p equally among them, regular opponents share 1 - p."""
        p = self.config.p
        for kind, players, share in (
            ("adversary", adversaries, p),
            ("regular opponent", opponents, 1.0 - p),
        ):
            if share > 0 and not players:
                raise Misuse(f"defense '{self.name}' with p = {p} needs at least one {kind}")
        return Mixture(
            [(policy, p / len(adversaries)) for policy in adversaries]
            + [(policy, (1.0 - p) / len(opponents)) for policy in opponents]
        )

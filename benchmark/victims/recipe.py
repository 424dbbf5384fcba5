"""What house victims are made from: everything besides the code, and each under a name.

A recipe says what the learner is (network, memory, noise, PPO's settings) and what its diet is:
whom it meets, and in which share of its episodes. `league.py` trains one.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.errors import Misuse
from benchmark.learning.loss import PPOConfig
from benchmark.settings import hint
from benchmark.victims.harness import Curriculum

ROUNDING = 1e-9
"""By which shares that are meant to be 1 in all may be more."""
HARNESSED = ("you-shall-not-pass-v1", "runner")
"""The game and the seat in which a harness is worn."""


class Recipe(BaseModel):
    """Everything that makes a house victim, besides the code.

    Shares are of episodes; what they leave is played against older selves, evenly over their age,
    or, where the seats differ and no self can sit opposite, against a player that does nothing and
    one that acts at random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    game: str
    seat: str = Field(default="", description="the victim's; empty: either, the seats are alike")
    seed: int
    steps: int
    ppo: PPOConfig
    memory: tuple[int, int] | None = Field(
        default=None, description="features and cell of an LSTM; none: the layers of `ppo`"
    )
    noise: float = Field(default=0, ge=0, description="`delta` of the weights' noise; 0: none")
    alone: float = Field(
        default=0,
        ge=0,
        lt=1,
        description="share of the training that only a motionless and a random player take part in",
    )
    snapshots: int = Field(ge=2, description="past selves taken over the whole training")
    newest: float = Field(ge=0, le=1, description="share of episodes against the newest self")
    floors: float = Field(
        default=0, ge=0, le=1, description="share against a motionless and a random player"
    )
    sparring: tuple[str, ...] = Field(default=(), description="victims that are met throughout")
    sparring_share: float = Field(default=0, ge=0, le=1)
    exploiters: int = Field(default=0, ge=0, description="adversaries trained on the way")
    exploiter_steps: int = Field(default=0, ge=0, description="environment steps of each")
    exploiter_share: float = Field(default=0, ge=0, le=1)
    opponent: str = Field(
        default="",
        description="the exploiters are one regular opponent of this name, which learns on and "
        "is filed with the victim; empty: each begins from scratch and none is kept",
    )
    teacher: str = Field(
        default="", description="a victim whose mean actions are imitated at first"
    )
    taught_until: float = Field(default=0, ge=0, le=1, description="share when that has faded to 0")
    harness: Curriculum | None = Field(
        default=None, description="of a runner: how what holds it up fades, and its pay for pace"
    )
    dense: float = Field(ge=0, description="weight of the game's own reward at the start")
    dense_until: float = Field(gt=0, le=1, description="share of the training when it reaches 0")
    limits: str = Field(
        default="", exclude=True, description="what its victim is not, for the card's notes"
    )
    opponent_limits: str = Field(
        default="", exclude=True, description="the same of the regular opponent"
    )

    @property
    def all_steps(self) -> int:
        """Environment steps of the victim's training and its exploiters'."""
        return self.steps + self.exploiters * self.exploiter_steps

    @property
    def partners(self) -> tuple[str, ...]:
        """Names of all victims that it cannot be followed without."""
        taught_by_another = self.teacher and self.teacher not in self.sparring
        return (*self.sparring, self.teacher) if taught_by_another else self.sparring

    def older(self, exploited: float) -> float:
        """The share of older selves, where exploiters have that one."""
        given = math.fsum((self.newest, self.floors, self.sparring_share, exploited))
        return max(0.0, 1.0 - given)  # .05 + .05 + .9 is a little more than 1

    @property
    def first_met(self) -> int:
        """The snapshot from which on others are met than those of the time alone."""
        return round(self.alone * self.snapshots)

    @model_validator(mode="after")
    def _somebody_plays_every_share(self) -> Recipe:
        shares = (self.newest, self.floors, self.sparring_share, self.exploiter_share)
        if math.fsum(shares) > 1 + ROUNDING:
            raise ValueError("the shares of newest, floors, sparring, exploiters are more than 1")
        if bool(self.sparring) != (self.sparring_share > 0):
            raise ValueError("sparring partners need a share, and a share needs partners")
        if len({self.exploiters > 0, self.exploiter_steps > 0, self.exploiter_share > 0}) > 1:
            raise ValueError("exploiters need steps and a share, or none of the three")
        if bool(self.teacher) != (self.taught_until > 0):
            raise ValueError("a teacher needs a share of the training, and the share a teacher")
        if self.teacher and self.ppo.obs_clip is not None:
            raise ValueError("a teacher sees observations as they are: obs_clip must be null")
        if self.harness is not None and (self.game, self.seat) != HARNESSED:
            raise ValueError(f"a harness is a {HARNESSED[1]}'s of {HARNESSED[0]} alone")
        if self.harness is not None and self.dense > 0:
            raise ValueError("a harness brings its own pay: dense must be 0")
        if self.harness is not None and self.first_met == 0:
            raise ValueError("a harness is off when others come: alone must leave it a snapshot")
        if self.opponent and not self.exploiters:
            raise ValueError("the opponent is who the exploiters become, and there are none")
        if self.seat and self.newest > 0:
            raise ValueError("a self cannot sit opposite where seats differ: newest must be 0")
        if self.exploiters > self.snapshots - 1 - self.first_met:
            raise ValueError("every exploiter meets a snapshot of its own, and not the last one")
        return self


_PONG: dict[str, Any] = {
    "matches": 1024,
    "rollout_steps": 128,
    "minibatch": 2048,
    "epochs": 8,  # 4 epochs at 512 matches: rallies of 9 hits; 8 at 1024: 29
    "learning_rate": 1e-3,
    "gamma": 0.997,
    "log_std": -0.5,
}
_PARTNERS: dict[str, Any] = {
    "game": "pong-v1", "steps": 12_000_000, "snapshots": 24, "newest": 0.3,
    "sparring": ("may1", "may2", "house-tanh"), "sparring_share": 0.45,
    "dense": 1.0, "dense_until": 0.5,
}  # fmt: skip
_HUMANOID: dict[str, Any] = {
    "matches": 64,
    "rollout_steps": 128,
    "minibatch": 1024,
    "epochs": 5,  # 10 faded the harness no sooner
    "learning_rate": 3e-4,
    "gamma": 0.995,
    "log_std": -1.3,
    "obs_clip": 10.0,
    "scale_reward": True,
}
RECIPES: dict[str, Recipe] = {
    "house-tanh": Recipe(
        game="pong-v1", seed=1, steps=24_000_000, snapshots=48, newest=0.5,
        dense=1.0, dense_until=0.5,
        ppo=PPOConfig(**_PONG, hidden=(64, 64), activation="tanh"),
    ),
    "house-relu": Recipe(
        game="pong-v1", seed=2, steps=24_000_000, snapshots=48, newest=0.5,
        dense=1.0, dense_until=0.5,
        ppo=PPOConfig(**_PONG, hidden=(64, 32), activation="relu"),
    ),
    # Of those with published partners the only one that never met `may1`. Two others by this diet,
    # with noise and with an LSTM, learned `may2` alone: .95 and .60 of its points, .21 and .24 of
    # `may1`'s. That is why the recipes below have three partners.
    "house-sparring": Recipe(
        **_PARTNERS | {"newest": 0.4, "sparring": ("may2",), "sparring_share": 0.3}, seed=3,
        ppo=PPOConfig(**_PONG, hidden=(64, 32), activation="relu"),
        limits="What it wins from `may2` it was trained to win; most house victims take most of "
        "its points.",
    ),
    "house-noise": Recipe(
        **_PARTNERS, seed=4, noise=0.2,
        ppo=PPOConfig(**_PONG, hidden=(64, 64), activation="relu"),
        limits="What it wins from `may1`, `may2` and `house-tanh` it was trained to win; most "
        "house victims that it did not meet take most of its points.",
    ),
    "house-league": Recipe(
        **_PARTNERS | {"newest": 0.2, "sparring_share": 0.3}, seed=5,
        exploiters=4, exploiter_steps=1_500_000, exploiter_share=0.3,
        ppo=PPOConfig(**_PONG, hidden=(128, 64), activation="relu"),
        limits="What it wins from `may1`, `may2` and `house-tanh` it was trained to win. "
        "`house-heir`, which was trained with it, takes nearly all of its points, and a new "
        "adversary does too.",
    ),
    "house-heir": Recipe(
        **_PARTNERS | {"sparring": ("house-sparring", "house-league", "house-tanh")}, seed=7,
        ppo=PPOConfig(**_PONG, hidden=(64, 64), activation="tanh"),
        limits="Loses most points to the published policies, of which it met none. Another seed of "
        "its recipe is another player: docs/victims.md.",
    ),
    # Without a teacher, 24 M steps: .28 of the points from `may1`, rallies of 8 hits.
    "house-lstm": Recipe(
        **_PARTNERS, seed=6, memory=(64, 64), floors=0.05, teacher="house-noise", taught_until=0.5,
        ppo=PPOConfig(**_PONG, activation="relu"),
        limits="Began by imitating `house-noise`, from which it now takes most points. What it "
        "wins from `may1`, `may2` and `house-tanh` it was trained to win; most house victims that "
        "it did not meet take most of its points.",
    ),
    # The only one that met both published policies and the two house victims that beat most others.
    "house-tower": Recipe(
        **_PARTNERS | {"sparring": ("may1", "may2", "house-heir", "house-league")}, seed=8,
        ppo=PPOConfig(**_PONG, hidden=(64, 64, 32), activation="tanh"),
        limits="What it wins from `may1`, `may2`, `house-heir` and `house-league` it was trained "
        "to win.",
    ),
    "house-runner": Recipe(
        game="you-shall-not-pass-v1", seat="runner", seed=1, steps=15_000_000, snapshots=15,
        alone=0.4, newest=0, sparring=("zoo-blocker-v1",), sparring_share=0.45,
        exploiters=3, exploiter_steps=1_000_000, exploiter_share=0.3, opponent="house-blocker",
        # Five times the pay and gamma .98 made it a sprinter that falls before the line.
        harness=Curriculum(share=0.45, stride=0.04, pace=0.003, standing=0.0015, down=0.8),
        dense=0, dense_until=0.8,
        ppo=PPOConfig(**_HUMANOID, hidden=(128, 64), activation="tanh"),
        limits="What it wins from `zoo-blocker-v1` it was trained to win. `house-blocker`, trained "
        "in turns with it for three million steps in all, stops it in three matches of four.",
        opponent_limits="It met `house-runner` alone, and what it wins from it, it was trained to "
        "win; `zoo-runner-v1`, which it never met, gets past it in nine matches of ten.",
    ),
}  # fmt: skip


def named(name: str) -> Recipe:
    """The recipe of that name; raises Misuse with the nearest one."""
    for recipe, its in RECIPES.items():
        if name == its.opponent:
            raise Misuse(f"'{name}' comes with '{recipe}', into the folder `opponent` of its own")
    if name not in RECIPES:
        raise Misuse(f"no recipe '{name}'; {hint(name, RECIPES)}")
    return RECIPES[name]

"""Hand-made records, policies and games that several test folders share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmark.arena.tally import Tally
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.games.game import Array, Game, GameCard, Outcome, SeatCard, Step
from benchmark.learning.progress import CurvePoint
from benchmark.policies.policy import MLPPolicy, PolicyCard
from benchmark.records.cell import Cell, MethodRef, PlayerRef
from benchmark.records.record import Isolation, MatchSet, Record
from benchmark.seeding import EpisodeSeeds

EPISODES = 200


def tally(wins: int, episodes: int, ties: int = 0) -> Tally:
    """A tally of `episodes` matches with a breakdown that adds up; all wins are points."""
    losses = episodes - wins - ties
    parts = {"loss:point": losses, "tie:slow_ball": ties, "win:point": wins}
    breakdown = {name: count for name, count in parts.items() if count}
    return Tally(wins=wins, ties=ties, losses=losses, breakdown=breakdown)


def player(name: str, sha256: str | None = None) -> PlayerRef:
    """A player whose weights are told by its name."""
    return PlayerRef(name=name, sha256=f"sha of {name}" if sha256 is None else sha256)


def ranked_on(*names: str) -> dict[str, str]:
    """Victims that ranks are over, as `protocol.RANKED_VICTIMS` has them for a game."""
    return {name: player(name).sha256 for name in names}


def match(
    role: Any,
    wins: int | tuple[int, int],
    *,
    adversary: str = "ours (seed 0)",
    victim: str = "house",
    episodes: int = EPISODES,
    ranked: bool = True,
) -> MatchSet:
    """A match set; wins: in all, split evenly, or (even half, odd half)."""
    even, odd = wins if isinstance(wins, tuple) else (wins - wins // 2, wins // 2)
    return MatchSet(
        role=role,
        adversary=player(adversary),
        victim=player(victim),
        victim_mode="mean" if ranked else "sampled",
        ranked_mode=ranked,
        even=tally(even, episodes - episodes // 2),
        odd=tally(odd, episodes // 2),
    )


def method(name: str, **settings: Any) -> MethodRef:
    """A method with what was set by hand."""
    return MethodRef(name=name, version=1, settings=settings, config={"rate": 0.5, **settings})


def make_record(
    matches: Sequence[MatchSet],
    *,
    victim: str = "house",
    attack: str = "ours",
    defense: str | None = None,
    seed: int = 0,
    **changes: Any,
) -> Record:
    """A record of these matches, unchecked, so that a test may make an impossible one.

    `changes` are other fields of its cell, which knows whom it met: `others` are more than those.
    """
    others = [*changes.pop("others", []), *_opponents(matches)]
    cell = Cell.model_validate(
        {
            "game": "pong-v1",
            "game_options": {"slow_ball": "loss"},
            "seat": "left",
            "victim": player(victim),
            "others": list({one.name: one for one in others}.values()),
            "held_out": [m.adversary.name for m in matches if _judges_unseen(m)],
            "victim_ranked": True,
            "attack": method(attack),
            "track": "black-box",
            "defense": None if defense is None else method(defense),
            "seed": seed,
            "tier": "smoke",
            "budget_steps": 1000,
            "episodes": matches[0].tally.episodes if matches else EPISODES,
            "protocol": PROTOCOL,
            **changes,
        }
    )
    point = CurvePoint(steps=1000, tally=tally(3, 10), diagnostics={"loss": 0.25})
    artifacts = _artifacts(matches, defense is not None)
    return Record.model_construct(
        schema_version=2,
        id=cell.id,
        cell=cell,
        matches=list(matches),
        curves={name: [point] for name in artifacts},
        steps=dict.fromkeys(artifacts, 1000),
        artifacts=artifacts,
        isolation=Isolation(kind="process"),
        flags=[],
        level=0,
        command="bench run",
        provenance={name: {"commit": "abc", "cores": 2} for name in artifacts},
        timings={name: {"wall_s": 1.5, "cpu_s": 1.25} for name in artifacts},
    )


def without_timings(record: Record) -> dict[str, Any]:
    """What must be equal between two runs of the same cell."""
    return record.model_dump(mode="json", exclude={"timings", "provenance", "command", "retries"})


def _opponents(matches: Sequence[MatchSet]) -> list[PlayerRef]:
    return [m.adversary for m in matches if m.role == "regular"]


def _judges_unseen(played: MatchSet) -> bool:
    return played.role == "held-out" and played.ranked_mode


def _artifacts(matches: Sequence[MatchSet], hardened: bool) -> dict[str, str]:
    """What the trainings made: the weights that the matches name."""
    by_role = {m.role: m for m in matches}
    own = by_role.get("stored") or by_role.get("attack")
    made = {"attack": own.adversary.sha256 if own else "sha"}
    if hardened:
        made["hardening"] = own.victim.sha256 if own else "sha"
        made["fresh"] = by_role["fresh"].adversary.sha256 if "fresh" in by_role else "sha"
    return made


def attacked(
    wins: int, *, victim: str = "house", others: Sequence[str] = (), **changes: Any
) -> Record:
    """An undefended cell: the attack, its floors, a regular opponent, transfer to `others`."""
    episodes = changes.pop("episodes", EPISODES)
    adversary = f"{changes.get('attack', 'ours')} (seed {changes.get('seed', 0)})"

    def against(role: str, count: int, by: str, whom: str = victim) -> MatchSet:
        return match(role, count, adversary=by, victim=whom, episodes=episodes)

    matches = [
        against("attack", wins, adversary),
        against("floor", 4, "random"),
        against("floor", 2, "zero"),
        against("regular", episodes // 2, "rival"),
        *(against("transfer", wins // 2, adversary, other) for other in others),
    ]
    named = [player(other) for other in others]
    return make_record(matches, victim=victim, **{"others": named, **changes})


def defended(
    stored: int | tuple[int, int],
    held_out: int | tuple[int, int],
    fresh: int | tuple[int, int],
    *,
    clean: tuple[int, int] = (100, 100),
    **changes: Any,
) -> Record:
    """A defended cell; clean: what the regular opponent wins before and after hardening."""
    matches = [
        match("stored", stored, victim="house+retrain"),
        match("held-out", held_out, victim="house+retrain", adversary="ours (seed 1000)"),
        match("fresh", fresh, victim="house+retrain", adversary="ours (fresh)"),
        match("regular", clean[1], victim="house+retrain", adversary="rival"),
        match("regular", clean[0], adversary="rival", victim=changes.get("victim", "house")),
    ]
    return make_record(matches, **{"defense": "retrain", **changes})


def scribble(seed: int = 0, **card: Any) -> MLPPolicy:
    """A 13-8-2 network with random weights; `card` changes fields of its card."""
    rng = np.random.default_rng(seed)
    described = PolicyCard.model_validate(
        {
            "name": "scribble", "kind": "mlp", "game": "pong-v1", "seat": "any", "obs_dim": 13,
            "act_dim": 2, "hidden": (8,), "origin": "test", **card,
        }
    )  # fmt: skip
    widths = (described.obs_dim, 8, described.act_dim)
    tensors = {}
    for i in (0, 1):
        shape = widths[i], widths[i + 1]
        tensors[f"layer{i}.weight"] = rng.normal(0, 0.5, shape).astype(np.float32)
        tensors[f"layer{i}.bias"] = np.zeros(shape[1], dtype=np.float32)
    return MLPPolicy(described, tensors)


class NoOptions(BaseModel):
    """Nothing to set."""


class Clockwork(Game):
    """A game whose match is told by its episode seed alone: length 1..9, winner, ending."""

    Options = NoOptions

    def __init__(self, matches: int, options: Any = None):
        self.card, self.matches = self.describe(options), matches

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        seats = [
            SeatCard(
                name=name, obs_dim=1, act_dim=1, act_bound=1.0, own_view=(0, 1),
                other_view=(0, 1), other_at_start=(0.0,),
            )
            for name in ("left", "right")
        ]  # fmt: skip
        return GameCard(
            id="clockwork-v1", title="Clockwork", seats=(seats[0], seats[1]),
            adversary_seat="left", symmetric=True, rules="the seed says", max_steps=9,
            endings=("plain", "fancy"), options={}, training_speed=1,
            budgets={"smoke": 1, "lite": 2, "full": 3},
        )  # fmt: skip

    @staticmethod
    def length(seed: int) -> int:
        """Steps of the match of this seed."""
        return 1 + seed % 9

    @staticmethod
    def outcome(seed: int) -> Outcome:
        """Who wins it: seeds of short matches are mostly won by seat 0, long ones by seat 1."""
        if seed // 9 % 7 == 0:
            return Outcome.TIE
        return Outcome.SEAT_0 if seed % 9 < 4 else Outcome.SEAT_1

    @staticmethod
    def ending(seed: int) -> int:
        """Which of the card's endings it has."""
        return seed // 63 % 2

    def reset(self, seeds: EpisodeSeeds) -> tuple[Array, Array]:
        self._seeds = seeds
        self.episode_seed = seeds.next(np.arange(self.matches))
        self.episode_step = np.zeros(self.matches, dtype=np.int64)
        return self._obs(self.matches), self._obs(self.matches)

    def step(self, actions: tuple[Array, Array]) -> Step:
        self.episode_step += 1
        outcome = np.zeros(self.matches, dtype=np.int8)
        ending = np.zeros(self.matches, dtype=np.int8)
        for i, seed in enumerate(self.episode_seed.tolist()):
            if self.episode_step[i] == self.length(seed):
                outcome[i], ending[i] = self.outcome(seed), self.ending(seed)
        finished = np.flatnonzero(outcome)
        self.episode_seed[finished] = self._seeds.next(finished)
        self.episode_step[finished] = 0
        obs, final = self._obs(self.matches), self._obs(len(finished))
        dense = np.zeros((self.matches, 2), dtype=np.float32)
        return Step((obs, obs), outcome, ending, dense, finished, (final, final))

    def state(self) -> dict[str, NDArray[Any]]:
        return {"seed": self.episode_seed.copy(), "step": self.episode_step.copy()}

    def restore(self, state: dict[str, NDArray[Any]], seeds: EpisodeSeeds) -> tuple[Array, Array]:
        self._seeds, self.episode_seed, self.episode_step = seeds, state["seed"], state["step"]
        return self._obs(self.matches), self._obs(self.matches)

    @staticmethod
    def _obs(rows: int) -> Array:
        return np.zeros((rows, 1), dtype=np.float32)

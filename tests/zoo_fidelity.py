"""Plays the published policies against each other and prints the tables of docs/fidelity.md.

    bench victims import ../shared/zoo/multiagent-competition
    make fidelity

Not a test: it takes some ten minutes and wants policies that a fresh checkout lacks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmark import registry
from benchmark.arena.tally import Tally
from benchmark.evaluation.matches import EVALUATION_MATCHES, episode_list, play
from benchmark.evaluation.statistics import wilson
from benchmark.games import you_shall_not_pass
from benchmark.games.game import Game
from benchmark.games.scene import add_goal_lines, compose
from benchmark.games.you_shall_not_pass import YouShallNotPass
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import ActionMode, Policy
from benchmark.records.store import Store

PHYSICS = ("ranked", "original")


class Pairing(NamedTuple):
    """Who plays whom; `known` is the figure to compare with, seat 0 / seat 1 / tie in percent."""

    game: str
    first: str
    second: str
    known: str = ""
    episodes: int = 200
    mode: ActionMode = "sampled"


ZOO = [
    Pairing("you-shall-not-pass-v1", "zoo-blocker-v1", "zoo-runner-v1",
            "published 47-50; probe 47.3 / 52.7 (RK4), 53.0 / 47.0 (Euler)", 1000),
    Pairing("you-shall-not-pass-v1", "zoo-blocker-v1", "zoo-runner-v1",
            "probe 46 / 54 (RK4)", 600, "mean"),
    Pairing("kick-and-defend-v1", "zoo-kicker-v1", "zoo-keeper-v1",
            "published 67 / 31 / 2; probe 72 / 25 / 3", 1000),
    Pairing("kick-and-defend-v1", "zoo-kicker-v2", "zoo-keeper-v2", "probe 20 / 80 / 0"),
    Pairing("kick-and-defend-v1", "zoo-kicker-v3", "zoo-keeper-v3", "probe 32 / 67 / 2"),
    *(
        Pairing("sumo-humans-v1", f"zoo-sumo-humans-v{a}", f"zoo-sumo-humans-v{b}", known)
        for a, b, known in ((1, 1, "probe 72 / 27 / 2"), (2, 1, "probe 67 / 27 / 7"),
                            (3, 1, "probe 87 / 5 / 8"), (3, 3, "probe 33 / 45 / 22"))
    ),
    *(
        Pairing("sumo-ants-v1", f"zoo-sumo-ants-v{a}", f"zoo-sumo-ants-v{b}", known)
        for a, b, known in ((1, 1, "probe 40 / 33 / 27"), (1, 2, "probe 43 / 27 / 30"),
                            (1, 4, "probe 25 / 45 / 30"))
    ),
    Pairing("run-to-goal-humans-v1", "zoo-run-humans-left-v1", "zoo-run-humans-right-v1",
            "probe 38 / 55 / 7"),
    Pairing("run-to-goal-ants-v1", "zoo-run-ants-left-v1", "zoo-run-ants-right-v1",
            "probe 42 / 52 / 7"),
]  # fmt: skip
FLOORS = [
    Pairing(game, "", victim, episodes=600 if game.startswith("you") else 200)
    for game, victim in (
        ("you-shall-not-pass-v1", "zoo-runner-v1"),
        ("kick-and-defend-v1", "zoo-kicker-v1"),
        ("sumo-humans-v1", "zoo-sumo-humans-v3"),
        ("sumo-ants-v1", "zoo-sumo-ants-v1"),
        ("run-to-goal-humans-v1", "zoo-run-humans-left-v1"),
        ("run-to-goal-ants-v1", "zoo-run-ants-left-v1"),
    )
]


class TodaysMasses(YouShallNotPass):
    """The counter-example: gymnasium's own capsule masses."""

    @classmethod
    def compose(cls, options: you_shall_not_pass.DuelOptions) -> you_shall_not_pass.Scene:
        return compose(
            "humanoid", you_shall_not_pass.STARTS, add_goal_lines, options.physics,
            legacy_masses=False,
        )  # fmt: skip


def main() -> None:
    """Print the tables' rows as they are played."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("store"))
    parser.add_argument("--part", choices=PARTS, action="append", help="all of them, if not said")
    arguments = parser.parse_args()
    use_threads(1)
    victims = registry.Victims(Store(arguments.store).victims)
    print("| game | seat 0 | seat 1 | mode | physics | N | seat 0 wins (95 %) | seat 1 wins | ties "
          "| void | how | known | s |\n" + "|---" * 13 + "|", flush=True)  # fmt: skip
    for part in arguments.part or PARTS:
        for pairing, kind, players in PARTS[part](victims):
            for physics in PHYSICS:
                _row(pairing, kind, players, physics)


Row = tuple[Pairing, type[Game], tuple[Policy, Policy]]


def _zoo(victims: registry.Victims) -> Iterator[Row]:
    """Published policies against each other."""
    for pairing in ZOO:
        first, second = (victims.load(name) for name in (pairing.first, pairing.second))
        both = (first.in_mode(pairing.mode), second.in_mode(pairing.mode))
        yield pairing, registry.game(pairing.game), both


def _floors(victims: registry.Victims) -> Iterator[Row]:
    """Motionless and random adversaries against published policies."""
    for floor in ("zero", "random"):
        for pairing in FLOORS:
            kind = registry.game(pairing.game)
            adversary, victim = registry.floors(kind)[floor], victims.load(pairing.second)
            card = kind.describe()
            first = card.adversary_seat == card.seats[0].name
            players: tuple[Policy, Policy] = (adversary, victim) if first else (victim, adversary)
            names = [player.card.name for player in players]
            yield pairing._replace(first=names[0], second=names[1]), kind, players


def _masses(victims: registry.Victims) -> Iterator[Row]:
    """The counter-example."""
    pairing = ZOO[0]._replace(known="today's capsule masses", episodes=600)
    yield pairing, TodaysMasses, (victims.load(pairing.first), victims.load(pairing.second))


PARTS = {"zoo": _zoo, "floors": _floors, "masses": _masses}


def _row(pairing: Pairing, kind: type[Game], both: tuple[Policy, Policy], physics: str) -> None:
    started = time.monotonic()
    batch = kind(EVALUATION_MATCHES, kind.Options(physics=physics))
    seeds = episode_list(batch.card.id, pairing.episodes)
    tally: Tally = play(batch, both, batch.card.seats[0].name, seeds).total
    low, high = wilson(tally.wins, tally.episodes)
    count = tally.episodes
    cells = [
        pairing.game, pairing.first, pairing.second, pairing.mode, physics, count,
        f"{100 * tally.win_rate:.1f} ({100 * low:.1f}-{100 * high:.1f})",
        f"{100 * tally.losses / count:.1f}", f"{100 * tally.ties / count:.1f}", tally.voids,
        tally.breakdown, pairing.known, f"{time.monotonic() - started:.0f}",
    ]  # fmt: skip
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()

"""All findings of a set of records: which tables, facts and claims the page may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmark.leaderboard.findings import (
    attacks,
    conditions,
    courses,
    defenses,
    models,
    rules,
    sight,
    signals,
)
from benchmark.leaderboard.findings.figures import Picture, of_attacks, of_defenses, of_victims
from benchmark.leaderboard.findings.material import PLAIN, Findings, Material, Place
from benchmark.leaderboard.ranked import UNRANKED
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import tables

RUNNER = Place("you-shall-not-pass-v1", "zoo-runner-v1")
OWN_RUNNER = Place("you-shall-not-pass-v1", "house-runner")
"""The published victim of You Shall Not Pass, and the one that was trained here."""
PONG = "pong-v1"
PAPER, RELEASED, PUBLISHED = "ours paper", "ours released", "baseline published"
"""The published loss by text and by code, and the PPO settings that it was published with."""
COMBINED, ITS_PART = "drift", "ours l1"
"""The combination of two signals, and the one of the two that is the paper's."""
SOUND = Place(PONG, "may1")
"""The published victim of Pong as it was trained."""
NORMS = (
    (RUNNER, "ours l2", "ours l1"), (RUNNER, "ours l2", "ours linf"), (SOUND, "ours l2", "ours l1"),
)  # fmt: skip
"""Where the paper says of l2 that it is worse, or as good."""
BOTH = ("may1", "may1-axis-bug")
"""That one, and as its authors' code runs it."""
CONTROL = "dense"
"""What attacks are compared with besides plain PPO: the game's own reward, paid as theirs is."""


class Varied(NamedTuple):
    """A study of settings of `ours` at tier lite: of what it takes differences, and from whom."""

    reference: str
    places: Sequence[Place]


VARIED = {
    "paid": Varied(PLAIN, (RUNNER, OWN_RUNNER)),
    "counterfactual": Varied(PLAIN, (RUNNER, OWN_RUNNER)),
    "weight": Varied(PLAIN, (RUNNER, OWN_RUNNER)),
    "eta": Varied(PLAIN, (SOUND, RUNNER)),
    "parts": Varied("whole", (SOUND, RUNNER)),
}


def findings(given: Material) -> Findings:
    """Everything, by name."""
    made = Findings()
    for part in (
        *(attacks.study(given, runner, PLAIN) for runner in (RUNNER, OWN_RUNNER)),
        *(
            attacks.varied(given, name, place, study.reference)
            for name, study in VARIED.items()
            for place in study.places
        ),
        attacks.won(given, RUNNER.game, "lite"),
        attacks.two(given, RUNNER, PAPER, PUBLISHED),
        attacks.two(given, RUNNER, COMBINED, ITS_PART),
        *(
            attacks.over_victims(given, PONG, one, (PUBLISHED, PAPER, RELEASED))
            for one in (PLAIN, CONTROL)
        ),
        *(
            attacks.two(given, SOUND, one, other)
            for one in (PAPER, RELEASED)
            for other in (PUBLISHED, PLAIN)
        ),
        attacks.won(given, PONG, "full"),
        attacks.two(given, SOUND, PUBLISHED, PLAIN),
        *(attacks.two(given, *pair) for pair in NORMS),
        attacks.settings(given, RUNNER),
        *(models.models(given, place) for place in (RUNNER, SOUND)),
        signals.signals(given, RUNNER.game),
        sight.sight(given, RUNNER.game),
        courses.attacks(given, RUNNER, "attack"),
        *(courses.on_victims(given, PONG, "full", BOTH, PLAIN, p) for p in ("pong", "pong-served")),
        courses.hardenings(given, RUNNER.game, "lite", "retrain", "retrained"),
        courses.hardenings(given, PONG, "full", "retrain", "pong-retrained"),
        attacks.broken(given, PONG),
        attacks.ways(given, SOUND),
        rules.slow_balls(given, PONG, "full"),
        rules.original(given, PONG, "full"),
        conditions.replay(given, RUNNER),
        conditions.transfer(given, PONG, "full"),
        defenses.hardened(given, PONG, "full"),
        defenses.hardened(given, PONG, "lite"),
        defenses.hardened(given, RUNNER.game, "lite"),
        defenses.mixing(given),
        defenses.detection(given),
    ):
        made.add(part)
    made.facts |= _published(given.published) | _scores(given)
    made.facts["records"] = str(len(given.records))
    made.facts["levels"] = ", ".join(sorted({str(record.level) for record in given.records}))
    made.claims["levels"] = made.facts["levels"]
    return made


def scores(given: Material) -> Table | None:
    """The board's table of ranked attacks on Pong; None where there is none."""
    title = f"Scores on {PONG}, tier full"
    return next((t for t in tables(given.records) if t.title == title), None)


def _scores(given: Material) -> dict[str, str]:
    """How close together the ranked attacks are."""
    table = scores(given)
    ranked = [row for row in table.rows if row[1] != UNRANKED] if table else []
    if not ranked:
        return {}
    values = [float(row[2].split()[0]) for row in ranked]
    return {
        "ranked/attacks": str(len(ranked)),
        "ranked/first": str(sum(row[1] == "1" for row in ranked)),
        "ranked/least": f"{min(values):.1f}",
        "ranked/most": f"{max(values):.1f}",
    }


def _published(figures: Any) -> dict[str, str]:
    """Published figures as facts: 'published/attack/final'."""
    return {
        f"published/{name}/{key}": str(value)
        for name, table in figures.items()
        for key, value in table.items()
        if not isinstance(value, list)
    }


def pictures(given: Material) -> dict[str, Picture]:
    """The page's figures by name."""
    return {
        "attacks": of_attacks(given, RUNNER, PLAIN),
        "victims": of_victims(given, PONG, (PLAIN, CONTROL), (PUBLISHED,)),
        "defenses": of_defenses(given, PONG, "full"),
    }

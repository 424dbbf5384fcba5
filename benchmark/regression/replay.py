"""`bench check replay`: matches and tiny trainings again, against what they gave before.

On the platform of the baseline every bit must be the same. Elsewhere arithmetic rounds otherwise
and matches take another course, so counts are compared by a two-sided test (level .01, after Holm
over pairings), and of golden trainings what the first update reports, within a tolerance. Facts
(`facts.py`) are alike everywhere and compared so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.arena.tally import TALLY, Tally
from benchmark.errors import Misuse
from benchmark.regression import facts, golden, pairings
from benchmark.regression.baseline import POLICIES, ReplayBaseline, replays
from benchmark.regression.falls import ALPHA, holm, two_sided_p
from benchmark.regression.findings import Finding, counts, points
from benchmark.regression.golden import Trained
from benchmark.regression.pairings import Course
from benchmark.regression.platform import Platform, here
from benchmark.regression.stock import Stock

TOLERANCE = 0.2
"""Elsewhere: how far a diagnostic of the first update may lie off, of its size (docs)."""
SMALL = 0.01
"""Added to that size, since a diagnostic may be 0."""
ROUGH = ("explained_variance",)
"""Diagnostics that rounding alone moves by more than the tolerance."""
Tell = Callable[[str], None]


class Chosen(NamedTuple):
    """The baseline to compare with, and files of an older edition, which are out of date."""

    path: Path
    baseline: ReplayBaseline
    stale: list[Path]


def choose(folder: Path, platform: Platform) -> Chosen:
    """Of the newest edition the baseline of this platform, else of the one most like it.

    Raises:
        Misuse: there is none, or one of them is damaged.
    """
    found, problems = replays(folder)
    if problems:
        raise Misuse(problems[0])
    if not found:
        raise Misuse(
            f"{folder}/replay-*.json: no baseline there; run in a checkout, or "
            "`bench check replay --update` writes one"
        )
    newest = max(one.edition for one in found.values())
    current = [path for path, one in found.items() if one.edition == newest]
    path = min(current, key=lambda path: (len(platform.differences(found[path].platform)), path))
    return Chosen(path, found[path], [other for other in found if other not in current])


def next_edition(folder: Path, *, moved: bool) -> int:
    """The edition of a baseline that is written now. moved: it is not what the newest ones hold."""
    found, _ = replays(folder)
    newest = max((one.edition for one in found.values()), default=0)
    return max(1, newest + moved)


def measure(folder: Path, tell: Tell) -> ReplayBaseline:
    """Play and train all of it. tell: called with the name of each before it starts."""
    stock = Stock(folder / POLICIES)
    courses, trainings = {}, {}
    for pairing in pairings.pairings():
        tell(pairing.name)
        courses[pairing.name] = pairings.play(pairing, stock)
    for training in golden.goldens():
        tell(training.name)
        trainings[training.name] = golden.train(training, stock)
    tell("facts")
    return ReplayBaseline(
        platform=here(), facts=facts.measure(stock), courses=courses, trainings=trainings
    )


def compare(before: ReplayBaseline, now: ReplayBaseline) -> list[Finding]:
    """A finding for everything that either of them holds."""
    exact = now.platform.agrees(before.platform)
    courses = _exact_courses if exact else _like_courses
    trainings = _exact_training if exact else _like_training
    both = _shared(before.trainings, now.trainings)
    return [
        *facts.compare(before.facts, now.facts),
        *courses(before.courses, now.courses),
        *(trainings(name, before.trainings[name], now.trainings[name]) for name in both),
        *_alone(before.facts, now.facts),
        *_alone(before.courses, now.courses),
        *_alone(before.trainings, now.trainings),
    ]


def _exact_courses(before: Mapping[str, Course], now: Mapping[str, Course]) -> list[Finding]:
    return [_exact_course(name, before[name], now[name]) for name in _shared(before, now)]


def _exact_course(name: str, before: Course, now: Course) -> Finding:
    same = before == now
    counted = before.tally == now.tally
    moved = "none" if same else "same counts, other matches" if counted else _moved(before, now)
    return _finding(name, before.tally, now.tally, moved, "certain: bits", not same)


def _like_courses(before: Mapping[str, Course], now: Mapping[str, Course]) -> list[Finding]:
    names = _shared(before, now)
    ps = holm([two_sided_p(before[name].tally, now[name].tally) for name in names])
    return [
        _finding(
            name, before[name].tally, now[name].tally, _moved(before[name], now[name]),
            f"p = {p:.2g} of two sides", p <= ALPHA,
        )
        for name, p in zip(names, ps, strict=True)
    ]  # fmt: skip


def _moved(before: Course, now: Course) -> str:
    return f"{points(now.tally.win_rate - before.tally.win_rate)} points won"


def _exact_training(name: str, before: Trained, now: Trained) -> Finding:
    same = before == now
    moved = "none" if same else _furthest(before.last, now.last) or "weights only"
    return _finding(name, before.tally, now.tally, moved, "certain: bits", not same)


def _like_training(name: str, before: Trained, now: Trained) -> Finding:
    off = _distances(before.first, now.first)
    worst = max((far for name, far in off.items() if name not in ROUGH), default=0.0)
    moved = _furthest(before.first, now.first) or "none"
    sure = f"first update, within {TOLERANCE:.0%}"
    return _finding(name, before.tally, now.tally, moved, sure, worst > TOLERANCE)


def _furthest(before: Mapping[str, float], now: Mapping[str, float]) -> str:
    """The diagnostic that moved most, '' where none did."""
    off = _distances(before, now)
    name = max(off, key=lambda key: off[key], default="")
    if not name or not off[name]:
        return ""
    return f"{name} {before.get(name, 0.0):.4g} to {now.get(name, 0.0):.4g}"


def _distances(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """How far each diagnostic moved, of its size; one that is missing counts as 0."""
    return {
        name: abs(now.get(name, 0.0) - before.get(name, 0.0)) / (SMALL + abs(before.get(name, 0.0)))
        for name in sorted({*before, *now})
    }


def _finding(name: str, before: Tally, now: Tally, change: str, sure: str, failed: bool) -> Finding:
    facts = {"before": TALLY.dump_python(before), "now": TALLY.dump_python(now)}
    return Finding(
        form="replay", name=name, before=counts(before), now=counts(now), change=change,
        sure=sure, failed=failed, facts=facts,
    )  # fmt: skip


def _shared(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    return [name for name in now if name in before]


def _alone(before: Mapping[str, object], now: Mapping[str, object]) -> Iterable[Finding]:
    """What only one side has: nobody is to drop a guard, or add one, without saying so."""
    sides: Sequence[tuple[str, str, str]] = [
        *((name, "there", "gone") for name in before if name not in now),
        *((name, "none", "new") for name in now if name not in before),
    ]
    for name, old, new in sides:
        yield Finding(
            form="replay", name=name, before=old, now=new, change="unknown",
            sure="bench check replay --update", failed=True,
        )  # fmt: skip

"""A speed run against the committed summary: warns where a ratio got worse by a quarter.

    python -m tests.perf.compare build/perf.json [--strict]

Only ratios between peers of one run are compared; absolute times move by as much from minute to
minute. Exit code 0, or with --strict 1 where there is a warning or nothing to compare with.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.perf.summary import COMMITTED, Summary, load, summarise

LIMIT = 1.25


class Word(NamedTuple):
    """A line of the comparison; a warning fails where --strict is asked for."""

    warning: bool
    text: str


def compare(now: Summary, before: Summary) -> Iterator[Word]:
    """What changed, test by test; nothing where all is alike."""
    for name, old in before["tests"].items():
        if name not in now["tests"]:
            yield Word(False, f"{name}: not measured")
            continue
        new = now["tests"][name]
        for what, ratio in old.get("ratios", {}).items():
            yield from _ratio(f"{name}: {what}", new.get("ratios", {}).get(what), ratio)
        for who, rate in old.get("win_rates", {}).items():
            yield from _win_rate(f"{name}: {who}", new.get("win_rates", {}).get(who), rate)
    for name in now["tests"]:
        if name not in before["tests"]:
            yield Word(False, f"{name}: new, nothing to compare with")
    yield from _asked(now)


def _ratio(what: str, new: Mapping[str, Any] | None, old: Mapping[str, Any]) -> Iterator[Word]:
    if new is None:
        yield Word(False, f"{what}: not measured")
        return
    # Orient so that above 1 is worse.
    worse = new["median"] / old["median"] if old["better"] == "lower" else (
        old["median"] / new["median"] if new["median"] else float("inf")
    )  # fmt: skip
    change = f"{old['median']:.3g} became {new['median']:.3g} ({old['better']} is better)"
    if worse > LIMIT:
        yield Word(True, f"{what}: {change}, {100 * (worse - 1):.0f} % worse")
    elif worse < 1 / LIMIT:
        yield Word(False, f"{what}: {change}; if it stays so: make perf-summary")


def _win_rate(what: str, new: float | None, old: float) -> Iterator[Word]:
    """A few rollouts from a fixed seed win the same share every time on one kind of machine."""
    if new is not None and new != old:
        moved = f"{100 * old:.1f} % won became {100 * new:.1f} %"
        yield Word(False, f"{what}: {moved}: results moved, not speed alone")


def _asked(now: Summary) -> Iterator[Word]:
    for name, test in now["tests"].items():
        for what, found in test.get("ratios", {}).items():
            asked, median = found.get("asked"), found["median"]
            lower = found["better"] == "lower"
            if asked is not None and (median > asked if lower else median < asked):
                side = "at most" if lower else "at least"
                yield Word(True, f"{name}: {what}: {median:.3g}, asked is {side} {asked:g}")


def elsewhere(now: Summary, before: Summary) -> list[str]:
    """Facts of the machine that differ, and make a comparison mean less."""
    told = [
        f"{fact}: {before['machine'].get(fact)} then, {now['machine'].get(fact)} now"
        for fact in ("cpu", "cores", "packages", "zoo")
        if before["machine"].get(fact) != now["machine"].get(fact)
    ]
    loads = {"then": before["machine"]["load"], "now": now["machine"]["load"]}
    return told + [f"not idle {when}: load {busy}" for when, busy in loads.items() if busy >= 0.5]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.compare")
    parser.add_argument("report", type=Path, help="what pytest-benchmark wrote")
    parser.add_argument("--against", type=Path, default=COMMITTED, help="a summary")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if there is a warning, or no summary"
    )
    given = parser.parse_args(arguments)
    now = summarise(load(given.report))
    if not given.against.is_file():
        print(f"no {given.against} to compare with; make perf-summary writes one")
        return int(given.strict)  # a guard that guards nothing has not passed
    before = load(given.against)
    words = list(compare(now, before))
    for fact in elsewhere(now, before):
        print(f"note     {fact}")
    for word in words:
        print(f"{'WARNING' if word.warning else 'note   '}  {word.text}")
    warnings = sum(word.warning for word in words)
    print(
        f"{len(now['tests'])} tests against the summary of {before['date']}: {warnings} warning(s)"
    )
    return 1 if warnings and given.strict else 0


if __name__ == "__main__":
    sys.exit(main())

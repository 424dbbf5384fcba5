"""Texts of few values: means, ranges, intervals, and what they settle."""

from __future__ import annotations

import pytest

from benchmark.leaderboard.findings.material import (
    Findings,
    chance,
    difference,
    points,
    spread,
    verdict,
)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], "not run"), ([3.0], "one seed"), ([1.0, 1.2, 1.1], "above"),
        ([-1.0, -1.2, -1.1], "below"), ([1.0, -1.0], "open"), ([0.1, 9.0], "open"),
        ([2.0, 2.0], "open"), ([0.905 - 0.9, 0.105 - 0.1], "open"),
    ],
)  # fmt: skip
def test_a_verdict_takes_an_interval_on_one_side(values: list[float], told: str) -> None:
    """Two seeds on one side are not enough."""
    assert verdict(values) == told


def test_one_seed_is_told_as_one() -> None:
    assert spread([12.34]) == "12.3 (1 seed)"
    assert difference([12.34]) == "+12.3 (1 seed)"
    assert spread([]) == difference([]) == chance([]) == chance([1.0]) == "-"


def test_a_range_is_no_interval() -> None:
    """Student's interval of 1 and 3: t of .975 with one degree of freedom is 12.706."""
    assert spread([1.0, 3.0]) == "2.0 (1.0 to 3.0)"
    assert difference([1.0, 3.0]) == "+2.0 (-10.7 to +14.7)"


def test_chance_is_adjusted_and_stays_one() -> None:
    """t = 2 with one degree of freedom: p = 1 - 2 atan(2) / pi = .295."""
    assert chance([1.0, 3.0]) == ".295"
    assert chance([1.0, 3.0], comparisons=3) == ".886"
    assert chance([1.0, 3.0], comparisons=9) == "1.000"
    assert chance([1.0, 1.0 + 1e-9]) == "<.001"


def test_findings_are_added() -> None:
    made = Findings(facts={"a": "1"})
    made.add(Findings(facts={"b": "2"}, claims={"c": "open"}))
    assert (made.facts, made.claims) == ({"a": "1", "b": "2"}, {"c": "open"})
    assert points([0.5]) == [50.0]

"""The comparison of speed runs: it warns at a quarter, in the right direction, and of nothing else.

Beside tests/perf and not in it, which the usual run leaves out.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.perf import compare, facts, summary

ROOT = Path(__file__).parents[1]


class Bench:
    """Stands in for pytest-benchmark's fixture."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}


def report(cost: float = 1.2, share: float = 0.9, won: float = 0.25) -> dict[str, Any]:
    """What pytest-benchmark writes of two tests, as far as it is read."""
    first, second = Bench(), Bench()
    facts.ratio(first, "cost", [cost - 0.01, cost, cost + 0.05], asked=2.0)
    first.extra_info |= {"win_rates": {"baseline": won}, "wall_s": 90.0, "noise": [1, 2]}
    facts.ratio(second, "share", [share], better="higher")
    names = {"tests/perf/test_pong_speed.py::test_cost[ours]": first,
             "tests/perf/test_pong_speed.py::test_share": second}  # fmt: skip
    return {
        "datetime": "2026-11-23T10:00:00+00:00",
        "commit_info": {"id": "abc", "dirty": False},
        "machine_info": {"node": "secret", "bench": {
            "cpu": "fast", "cores": 2, "python": "3.11", "packages": {"torch": "2"}, "load": 0.1,
            "zoo": True,
        }},
        "benchmarks": [
            {"fullname": name, "stats": {"median": 1.23456}, "extra_info": one.extra_info}
            for name, one in names.items()
        ],
    }  # fmt: skip


def said(**changes: float) -> list[compare.Word]:
    """The comparison of a changed report with the plain one."""
    return list(compare.compare(summary.summarise(report(**changes)), summary.summarise(report())))


def test_a_summary_keeps_what_compares_and_not_the_machines_name() -> None:
    """Medians, ratios, win rates."""
    made = summary.summarise(report())
    assert list(made["tests"]) == ["pong_speed::cost[ours]", "pong_speed::share"]
    cost = made["tests"]["pong_speed::cost[ours]"]
    assert cost["ratios"]["cost"]["median"] == 1.2
    assert (cost["median_s"], cost["wall_s"], cost["win_rates"]) == (1.23, 90.0, {"baseline": 0.25})
    assert "noise" not in cost
    assert "secret" not in json.dumps(made)


def test_equal_runs_say_nothing() -> None:
    """No word, so no false alarm."""
    assert said() == []


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"cost": 1.2 * 1.24}, False),
        ({"cost": 1.2 * 1.26}, True),
        ({"cost": 1.2 / 1.26}, False),
        ({"share": 0.9 / 1.24}, False),
        ({"share": 0.9 / 1.26}, True),
        ({"share": 0.9 * 1.26}, False),
    ],
)
def test_a_quarter_worse_is_a_warning(changes: dict[str, float], warned: bool) -> None:
    """Lower is better of one ratio and worse of the other; a gain is a note."""
    words = said(**changes)
    assert any(word.warning for word in words) == warned
    gained = changes in ({"cost": 1.2 / 1.26}, {"share": 0.9 * 1.26})
    assert any("make perf-summary" in word.text for word in words) == gained


def test_results_that_moved_and_limits_that_broke_are_told() -> None:
    """A win rate is a note, a broken limit a warning even if it was broken before."""
    (moved,) = said(won=0.26)
    assert not moved.warning
    assert "results moved" in moved.text
    slow = summary.summarise(report(cost=2.1))
    assert [word.warning for word in compare.compare(slow, slow)] == [True]


def test_tests_that_are_missing_or_new_are_told() -> None:
    """In either direction."""
    whole, part = summary.summarise(report()), summary.summarise(report())
    del part["tests"]["pong_speed::share"]
    assert [word.text for word in compare.compare(part, whole)] == [
        "pong_speed::share: not measured"
    ]
    assert "new" in next(iter(compare.compare(whole, part))).text


def test_another_machine_or_a_busy_one_is_told() -> None:
    """Ratios between machines mean less."""
    before = summary.summarise(report())
    now = copy.deepcopy(before)
    now["machine"] |= {"cpu": "slow", "load": 2.5}
    told = compare.elsewhere(now, before)
    assert told == ["cpu: fast then, slow now", "not idle now: load 2.5"]
    assert compare.elsewhere(before, before) == []


@pytest.mark.parametrize("strict", [True, False])
def test_the_exit_code(strict: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 with visible warnings; 1 where --strict is asked for."""
    (tmp_path / "report").write_text(json.dumps(report(cost=1.8)))
    (tmp_path / "summary").write_text(json.dumps(summary.summarise(report())))
    given = [str(tmp_path / "report"), "--against", str(tmp_path / "summary")]
    assert compare.main([*given, *(["--strict"] if strict else [])]) == strict
    assert "WARNING  pong_speed::cost[ours]: cost: 1.2 became 1.8" in capsys.readouterr().out


@pytest.mark.parametrize("strict", [True, False])
def test_without_a_summary_the_strict_fail(
    strict: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was compared, so nothing passed; the others are told."""
    (tmp_path / "report").write_text(json.dumps(report()))
    given = [str(tmp_path / "report"), "--against", str(tmp_path / "none")]
    assert compare.main([*given, *(["--strict"] if strict else [])]) == strict
    assert "make perf-summary writes one" in capsys.readouterr().out


def test_a_summary_of_a_part_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless what is missing is said to be gone; then file and page are written."""
    part, page = report(), tmp_path / "speed.md"
    del part["benchmarks"][0]
    (tmp_path / "report").write_text(json.dumps(part))
    (tmp_path / "summary.json").write_text(json.dumps(summary.summarise(report())))
    page.write_text(f"before\n{summary.BEGIN}\nold\n{summary.END}\nafter\n")
    monkeypatch.setattr(summary, "COMMITTED", tmp_path / "summary.json")
    monkeypatch.setattr(summary, "PAGE", page)
    assert summary.main([str(tmp_path / "report")]) == 1
    assert "old" in page.read_text()
    assert summary.main([str(tmp_path / "report"), "--dropped"]) == 0
    text = page.read_text()
    assert text.startswith(f"before\n{summary.BEGIN}\n2026-11-23, 2 cores of fast")
    assert text.endswith(f"{summary.END}\nafter\n")
    assert "`pong_speed::share` | share" in text
    assert "cost" not in text


def test_the_committed_page_is_what_the_committed_summary_renders_to() -> None:
    """Nothing between the marks is typed."""
    page = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    assert summary.in_page(page, summary.rendered()) == page

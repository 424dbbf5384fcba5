"""The committed summary of a speed run, and its table in docs/speed.md.

    python -m tests.perf.summary build/perf.json

Writes tests/perf/summary.json and what stands between the marks in docs/speed.md. A report that
lacks tests is refused: a summary is of one run of the whole suite.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

HERE = Path(__file__).parent
COMMITTED = HERE / "summary.json"
PAGE = HERE.parents[1] / "docs/speed.md"
BEGIN, END = "<!-- perf: begin -->", "<!-- perf: end -->"
NOTED = ("wall_s", "stolen", "ratios", "win_rates", "steps_per_s", "seconds", "peak_mb")
Summary = dict[str, Any]


def load(path: Path) -> Summary:
    """A JSON file."""
    found: Summary = json.loads(path.read_text(encoding="utf-8"))
    return found


def short_name(node: str) -> str:
    """tests/perf/test_pong_speed.py::test_x[y] as pong_speed::x[y]."""
    file, _, test = node.rpartition("/")[2].partition(".py::")
    return f"{file.removeprefix('test_')}::{test.removeprefix('test_')}"


def summarise(report: Mapping[str, Any]) -> Summary:
    """What pytest-benchmark reports, less its single timings and the machine's name."""
    tests = {}
    for one in report["benchmarks"]:
        noted = {name: one["extra_info"][name] for name in NOTED if name in one["extra_info"]}
        tests[short_name(one["fullname"])] = {"median_s": _rounded(one["stats"]["median"]), **noted}
    commit = report.get("commit_info", {})
    return {
        "date": report["datetime"][:10],
        "commit": commit.get("id"),
        "dirty": commit.get("dirty"),
        "machine": report["machine_info"]["bench"],
        "tests": dict(sorted(tests.items())),
    }


def table(summary: Summary) -> str:
    """The ratios and win rates of a summary, as Markdown."""
    rows = [
        [f"`{name}`", what, _ratio_text(found), _asked_text(found)]
        for name, test in summary["tests"].items()
        for what, found in test.get("ratios", {}).items()
    ]
    ratios = tabulate(rows, ["test", "ratio", "median (all pairs)", "asked"], tablefmt="github")
    rates = [
        [f"`{name}`", who, f"{100 * rate:.1f}"]
        for name, test in summary["tests"].items()
        for who, rate in test.get("win_rates", {}).items()
    ]
    won = tabulate(rates, ["test", "training", "matches won, %"], tablefmt="github")
    return f"{_machine_text(summary)}\n\n{ratios}\n\n{won}"


def rendered() -> str:
    """What belongs between the marks of the page."""
    if not COMMITTED.is_file():
        return "No whole run is committed yet: `make perf perf-summary` on an idle machine."
    return table(load(COMMITTED))


def in_page(page: str, text: str) -> str:
    """A page with what stands between its marks replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE}: expected the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def missing(summary: Summary, committed: Summary) -> list[str]:
    """Tests that the committed summary has and this one lacks."""
    return [name for name in committed["tests"] if name not in summary["tests"]]


def _machine_text(summary: Summary) -> str:
    machine = summary["machine"]
    total = sum(test.get("wall_s", 0.0) for test in summary["tests"].values())
    busy = machine["load"]
    idle = "" if busy < 0.5 else f" **Not idle: {busy} processes were busy before.**"
    stolen = 100 * max(test.get("stolen", 0.0) for test in summary["tests"].values())
    return (
        f"{summary['date']}, {machine['cores']} cores of {machine['cpu']}, Python "
        f"{machine['python']}, torch {machine['packages']['torch']}, one thread a process; all "
        f"tests took {total / 60:.1f} min, in the worst of them the machine's host kept "
        f"{stolen:.0f} % of its time for others.{idle}"
    )


def _ratio_text(found: Mapping[str, Any]) -> str:
    values = found["values"]
    spread = f" ({values[0]:.3g} to {values[-1]:.3g}, {len(values)})" if len(values) > 1 else ""
    return f"{found['median']:.3g}{spread}"


def _asked_text(found: Mapping[str, Any]) -> str:
    if "asked" not in found:
        return f"{found['better']} is better"
    word = "at most" if found["better"] == "lower" else "at least"
    return f"{word} {found['asked']:g}"


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.3g}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write summary and page; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.summary")
    parser.add_argument("report", type=Path, help="what pytest-benchmark wrote")
    parser.add_argument("--dropped", action="store_true", help="tests that are missing are gone")
    given = parser.parse_args(arguments)
    made = summarise(load(given.report))
    lost = missing(made, load(COMMITTED)) if COMMITTED.is_file() else []
    if lost and not given.dropped:
        sys.stderr.write(
            f"{given.report}: lacks {', '.join(lost)}; run `make perf` whole, or say --dropped\n"
        )
        return 1
    COMMITTED.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(in_page(PAGE.read_text(encoding="utf-8"), rendered()), encoding="utf-8")
    print(f"wrote {COMMITTED} and {PAGE}: {len(made['tests'])} tests")
    return 0


if __name__ == "__main__":
    sys.exit(main())

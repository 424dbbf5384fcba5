"""`bench check` as its users meet it: forms, exit codes, JSON, updates."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.arena.tally import Tally
from benchmark.commands.common import console
from benchmark.leaderboard import board
from benchmark.records.files import to_json
from benchmark.regression import baseline, pairings, replay
from benchmark.regression.baseline import ReplayBaseline
from benchmark.regression.golden import Golden
from benchmark.regression.pairings import Pairing
from tests.factories import attacked
from tests.regression.conftest import ROOT
from tests.test_cli import bench, refused

TINY = Pairing("tiny", "pong-v1", "random", "house-relu", 5)
NIGHTLY = (ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder with one record, its board, and one pairing to replay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(console, "width", 200)  # it was made when its module was first read
    Path("results").mkdir()
    Path(f"results/{attacked(100).id}.json").write_bytes(to_json(attacked(100)))
    found, _ = board.read_results(Path("results"))
    board.write(board.render(found, Path("leaderboard.md")), Path("leaderboard.md"))
    monkeypatch.setattr(pairings, "pairings", lambda: [TINY])
    monkeypatch.setattr(replay.golden, "goldens", list[Golden])


def damage(change: Callable[[ReplayBaseline], ReplayBaseline]) -> None:
    before = baseline.read(ReplayBaseline, baseline.FOLDER, "replay")
    baseline.write(change(before), baseline.FOLDER, "replay")


def fewer_wins(before: ReplayBaseline) -> ReplayBaseline:
    course = before.courses["tiny"]
    tally = Tally(
        wins=course.tally.wins + 1, ties=course.tally.ties, losses=course.tally.losses - 1
    )
    return before.model_copy(
        update={"courses": {"tiny": course.model_copy(update={"tally": tally})}}
    )


def test_an_update_and_then_a_check() -> None:
    made = bench("check", "--update")
    assert made.code == 0
    assert made.out == "Written: tests/regression/baselines/replay.json.\n"
    done = bench("check")
    assert done.code == 0, done
    assert "REGRESSED" not in done.out
    assert "tiny" in done.out
    assert "1 records, current" in done.out


def test_what_regressed_is_told_and_the_exit_code_is_1() -> None:
    bench("check", "--update")
    damage(fewer_wins)
    done = bench("check", "replay")
    assert done.code == 1
    assert re.search(r"tiny +REGRESSED +\d+ / 0 / \d+ +\d+ / 0 / \d+ +-20.0 points won", done.out)
    assert "1 of 1 comparisons regressed: tiny" in done.err
    told = bench("check", "replay", "--json")
    assert told.code == 1
    (found,) = told.json["findings"]
    assert found["failed"]
    assert found["facts"]["before"]["wins"] == found["facts"]["now"]["wins"] + 1


def test_an_update_says_what_changed_from_what_to_what() -> None:
    bench("check", "--update")
    damage(fewer_wins)
    made = bench("check", "replay", "--update")
    assert made.code == 0
    assert re.search(r"tiny +changed .* -20.0 points won", made.out)
    assert bench("check", "replay").code == 0


def test_another_platform_is_named() -> None:
    bench("check", "--update")
    damage(
        lambda b: b.model_copy(update={"platform": b.platform.model_copy(update={"cpu": "z80"})})
    )
    done = bench("check", "replay")
    assert done.code == 0
    assert "another platform (cpu: z80, here " in done.out
    assert "p = 1 of two sides" in done.out


def test_a_stale_board_fails() -> None:
    Path("leaderboard.md").write_text("no board")
    done = bench("check", "table")
    assert done.code == 1
    assert "leaderboard.md" in done.err


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("reply",), "replay"),
        (("table", "--update"), "bench leaderboard"),
        (("replay",), "no baseline there"),
        (("training",), "no baseline there"),
        (("replay", "--baselines", "nowhere"), "nowhere/replay.json"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[Any, ...], fragment: str) -> None:
    refused(bench("check", *arguments), fragment)


def test_no_seeds_are_refused_before_anything_is_trained() -> None:
    refused(bench("check", "training", "--update", "--seeds", "0"), "--seeds")
    assert not Path("store").exists()


def test_the_nightly_workflow_only_reads_and_keeps_the_table() -> None:
    assert re.search(r"^permissions:\n  contents: read\n\n", NIGHTLY, re.M)
    assert NIGHTLY.count("permissions:") == 1
    assert "secrets" not in NIGHTLY
    actions = re.findall(r"uses: (\S+)", NIGHTLY)
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in actions)
    assert re.findall(r"run: (.*)", NIGHTLY) == ["make setup", "make check-training"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (kept,) = re.findall(r" path: (\S+)", NIGHTLY)
    assert f"> {kept}" in makefile
    assert "if: always()" in NIGHTLY


def test_what_every_change_must_pass_includes_the_check() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'step "$VENV/bin/bench" check\n' in steps

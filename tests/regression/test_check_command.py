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
from benchmark.regression.platform import here
from tests.command_line import bench, refused
from tests.factories import attacked
from tests.regression.conftest import ROOT

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
    monkeypatch.setattr(replay.facts, "measure", lambda stock: {"physics": {"gravity": "-9.81"}})


def damage(change: Callable[[ReplayBaseline], ReplayBaseline]) -> None:
    """Rewrite the one baseline there is, under the name of its platform."""
    ((path, before),) = baseline.replays(baseline.FOLDER)[0].items()
    path.unlink()
    changed = change(before)
    baseline.write(changed, baseline.FOLDER, baseline.replay_name(changed.platform))


def elsewhere_made(before: ReplayBaseline) -> ReplayBaseline:
    platform = before.platform.model_copy(update={"vendor": "Zilog"})
    return before.model_copy(update={"platform": platform})


def files() -> dict[str, int]:
    """The edition of every baseline of replay, by the vendor of its CPU."""
    found, problems = baseline.replays(baseline.FOLDER)
    assert not problems
    return {one.platform.vendor: one.edition for one in found.values()}


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
    name = f"{baseline.replay_name(here())}.json"
    assert f"Written: tests/regression/baselines/{name}, edition 1." in made.out
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
    assert "1 of 2 comparisons regressed: tiny" in done.err
    told = bench("check", "replay", "--json")
    assert told.code == 1
    (found,) = [one for one in told.json["findings"] if one["name"] == "tiny"]
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
    damage(elsewhere_made)
    done = bench("check", "replay")
    assert done.code == 0
    assert "another platform (vendor: Zilog, here " in done.out.replace("\n", " ")
    assert "p = 1 of two sides" in done.out


def test_another_cpu_of_the_same_platform_is_held_to_every_bit() -> None:
    """Its name is told; MKL and the like do not choose by it."""
    bench("check", "--update")
    damage(
        lambda b: b.model_copy(update={"platform": b.platform.model_copy(update={"cpu": "z80"})})
    )
    done = bench("check", "replay")
    assert done.code == 0
    assert "(made on z80, here " in done.out.replace("\n", " ")
    assert "certain: bits" in done.out


def test_an_update_leaves_the_baselines_of_other_platforms_as_they_are() -> None:
    """Where nothing moved they are of one edition, and each platform has its own."""
    bench("check", "--update")
    damage(elsewhere_made)
    made = bench("check", "--update")
    assert "Out of date" not in made.out
    assert files() == {"Zilog": 1, here().vendor: 1}
    assert "certain: bits" in bench("check", "replay").out


def test_results_that_moved_make_the_other_platforms_baselines_old() -> None:
    """They are named, by the update and by every check, and nothing is compared with them."""
    bench("check", "--update")
    damage(elsewhere_made)
    bench("check", "--update")
    path = baseline.FOLDER / f"{baseline.replay_name(here())}.json"
    mine = ReplayBaseline.model_validate_json(path.read_bytes())
    baseline.write(fewer_wins(mine), baseline.FOLDER, path.stem)
    made = bench("check", "--update")
    assert files() == {"Zilog": 1, here().vendor: 2}
    path.unlink()
    assert "p = 1 of two sides" in bench("check", "replay").out  # there is only the old one
    baseline.write(mine.model_copy(update={"edition": 2}), baseline.FOLDER, path.stem)
    for said in (made.out, bench("check", "replay").out):
        assert re.search(r"Out of date: \S*zilog", said)


def test_a_constant_is_compared_wherever_the_baseline_is_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench("check", "--update")
    damage(elsewhere_made)
    monkeypatch.setattr(replay.facts, "measure", lambda stock: {"physics": {"gravity": "-9.8"}})
    done = bench("check", "replay")
    assert done.code == 1
    assert "gravity -9.81 to -9.8" in done.out
    assert "1 of 2 comparisons regressed: physics" in done.err


def test_a_baseline_under_the_name_of_another_is_refused() -> None:
    """It would be compared by bits on a machine that rounds otherwise."""
    bench("check", "--update")
    (path,) = baseline.FOLDER.glob("replay-*.json")
    path.rename(path.with_name("replay-mine.json"))
    refused(bench("check", "replay"), "replay-mine.json", path.name)


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
        (("replay", "--baselines", "nowhere"), "nowhere/replay-"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[Any, ...], fragment: str) -> None:
    refused(bench("check", *arguments), fragment)


@pytest.mark.parametrize(
    ("given", "told"),
    [(0, "2 or more"), (1, "no spread is known; got 1"), (-3, "got -3"), (60, "too many")],
)
def test_seeds_that_could_not_be_compared_are_refused_before_anything_is_trained(
    given: int, told: str
) -> None:
    """Not afterwards, when what was trained would be lost to it."""
    refused(bench("check", "training", "--update", "--seeds", given), "--seeds", told)
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

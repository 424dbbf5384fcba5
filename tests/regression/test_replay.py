"""What a replay is compared by, on the platform of the baseline and on another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.registry import attacks, defenses
from benchmark.regression import baseline, golden, pairings, replay
from benchmark.regression.baseline import FOLDER, ReplayBaseline, TrainingBaseline
from benchmark.regression.golden import Trained
from benchmark.regression.pairings import Course
from benchmark.regression.platform import Platform, here
from benchmark.regression.stock import Stock
from benchmark.regression.training import MEASURES, setup
from tests.factories import tally
from tests.regression.conftest import ROOT

ELSEWHERE = {"vendor": "another"}


def course(wins: int, digest: str = "d") -> Course:
    return Course(tally=tally(wins, 400), digest=digest)


def trained(digest: str = "d", **first: float) -> Trained:
    return Trained(tally=tally(5, 50), first=first, last=first, digest=digest)


def made(
    courses: dict[str, Course], trainings: dict[str, Trained] | None = None, **platform: Any
) -> ReplayBaseline:
    where = here().model_copy(update=platform)
    return ReplayBaseline(platform=where, facts={}, courses=courses, trainings=trainings or {})


def failed(before: ReplayBaseline, now: ReplayBaseline) -> list[str]:
    return [one.name for one in replay.compare(before, now) if one.failed]


def test_here_every_bit_counts() -> None:
    before = made({"a": course(100), "b": course(100)}, {"t": trained(loss=1.0)})
    assert failed(before, before) == []
    now = made({"a": course(100), "b": course(100, "e")}, {"t": trained("e", loss=1.0)})
    assert failed(before, now) == ["b", "t"]
    (a, b, t) = replay.compare(before, now)
    assert (a.change, b.change, t.change) == (
        "none", "same counts, other matches", "weights only"
    )  # fmt: skip


def test_a_changed_count_is_told_in_points() -> None:
    (found,) = replay.compare(made({"a": course(100)}), made({"a": course(90, "e")}))
    assert (found.before, found.now) == ("100 / 0 / 300", "90 / 0 / 310")
    assert found.change == "-2.5 points won"
    assert found.facts["now"]["wins"] == 90


def test_elsewhere_chance_is_allowed_for_and_a_large_change_is_not() -> None:
    before = made({"a": course(100), "b": course(100)}, **ELSEWHERE)
    assert failed(before, made({"a": course(106, "e"), "b": course(94, "e")})) == []
    assert failed(before, made({"a": course(150, "e"), "b": course(94, "e")})) == ["a"]


def test_elsewhere_the_first_update_is_held_within_a_tolerance() -> None:
    before = made({}, {"t": trained(loss=1.0, log_std=-0.5, explained_variance=0.1)}, **ELSEWHERE)
    near = made({}, {"t": trained("e", loss=1.1, log_std=-0.5, explained_variance=0.4)})
    far = made({}, {"t": trained("e", loss=1.5, log_std=-0.5, explained_variance=0.1)})
    gone = made({}, {"t": trained("e", loss=1.0)})
    assert failed(before, near) == []
    assert failed(before, far) == ["t"]
    assert failed(before, gone) == ["t"]
    assert replay.compare(before, far)[0].change == "loss 1 to 1.5"


def test_no_guard_comes_or_goes_unsaid() -> None:
    assert failed(made({"a": course(1)}), made({"b": course(1)})) == ["a", "b"]


def test_platforms_differ_by_name() -> None:
    mine = here()
    other: Platform = mine.model_copy(
        update={
            "cpu": "z80",
            "vendor": "Zilog",
            "instructions": "none",
            "packages": {**mine.packages, "torch": "1"},
        }
    )
    assert mine == here()
    assert mine.differences(other) == [
        f"instructions: none, here {mine.instructions}",
        f"torch: 1, here {mine.packages['torch']}",
        f"vendor: Zilog, here {mine.vendor}",
    ]  # fmt: skip
    assert all((mine.blas, mine.vendor, mine.floats))
    assert other.key != mine.key == here().key


def test_a_cpus_name_does_not_part_platforms() -> None:
    """rocketlake and emeraldrapids gave the same bits (docs/regression.md)."""
    other = here().model_copy(update={"cpu": "z80"})
    assert here().agrees(other)
    assert other.key == here().key
    assert not here().agrees(here().model_copy(update={"floats": "avx"}))


def test_the_nearest_of_the_newest_edition_is_compared_with(tmp_path: Path) -> None:
    def write(edition: int, **platform: Any) -> str:
        one = made({}, **platform).model_copy(update={"edition": edition})
        name = baseline.replay_name(one.platform)
        return baseline.write(one, tmp_path, name).name

    old = write(1)
    write(2, vendor="another", libc="other")
    near = write(2, vendor="another")
    chosen = replay.choose(tmp_path, here())
    assert (chosen.path.name, [path.name for path in chosen.stale]) == (near, [old])
    assert replay.next_edition(tmp_path, moved=False) == 2
    assert replay.next_edition(tmp_path, moved=True) == 3
    write(2)
    assert replay.choose(tmp_path, here()).path.name == old


def test_the_committed_baselines_guard_all_that_is_played(stock: Stock) -> None:
    """Whether the bits are right is what `bench check` is for; that takes a minute."""
    found, problems = baseline.replays(ROOT / FOLDER)
    assert found
    assert not problems
    for before in found.values():
        assert before.made["dirty"] is False
        assert before.courses.keys() == {one.name for one in pairings.pairings()}
        assert before.trainings.keys() == {one.name for one in golden.goldens()}
        episodes = {name: course.tally.episodes for name, course in before.courses.items()}
        assert episodes == {one.name: one.episodes for one in pairings.pairings()}
    for one in pairings.pairings():
        stock.player(one.adversary, one.game)
        stock.player(one.victim, one.game)
    cells = baseline.read(TrainingBaseline, ROOT / FOLDER, "training")
    assert cells.setup == setup()
    assert cells.cells.keys() == MEASURES.keys()
    assert all(len(cell.wins) >= 20 for cell in cells.cells.values())


def test_every_method_of_this_project_has_a_golden_training() -> None:
    own = ("attacks.", "defenses.")
    names = {
        name
        for registry in (attacks, defenses)
        for name, value in registry.values().items()
        if value.startswith(own) and not value.startswith("attacks.floors")
    }
    trained_by = {one.defense or one.attack for one in golden.goldens()}
    assert names == trained_by


@pytest.mark.parametrize("text", ["", "{}", '{"platform": 3}'])
def test_a_damaged_baseline_is_named(text: str, tmp_path: Any) -> None:
    (tmp_path / "replay-a.json").write_text(text)
    with pytest.raises(baseline.Misuse, match=r"replay-a\.json: no baseline"):
        replay.choose(tmp_path, here())

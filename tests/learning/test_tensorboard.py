"""TensorBoard logs: every point once, at its steps; a log that fails costs nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.arena.tally import Tally
from benchmark.errors import InfrastructureError
from benchmark.learning.progress import CurvePoint
from benchmark.learning.tensorboard import TensorBoardLog, check_installed, part, scalars

Shown = dict[str, list[tuple[int, float]]]


def shown(folder: Path) -> Shown:
    """What TensorBoard reads from a folder: (steps, value) by tag."""
    found = EventAccumulator(str(folder))
    found.Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def later(folder: Path) -> None:
    """Make the logs of a folder as old as those of a process that was killed a second ago."""
    for path in folder.glob("events.out.tfevents.*"):
        before = re.sub(r"\d{10}", lambda found: str(int(found[0]) - 1), path.name, count=1)
        path.rename(path.with_name(before))


def curve(points: int, start: int = 1) -> list[CurvePoint]:
    """k wins of 8 at 10 k steps."""
    return [
        CurvePoint(steps=10 * k, tally=Tally(wins=k, losses=8 - k), diagnostics={"kl": k / 8})
        for k in range(start, start + points)
    ]


def test_every_point_is_there_at_its_steps(tmp_path: Path) -> None:
    """Win rate, episodes, each diagnostic; numbers are float32, as TensorBoard stores them."""
    log = TensorBoardLog(tmp_path / "log")
    for point in curve(4):
        log.add(point)
    log.close()
    found = shown(tmp_path / "log")
    assert found["matches/win_rate"] == [(10 * k, k / 8) for k in range(1, 5)]
    assert found["matches/episodes"] == [(10 * k, 8.0) for k in range(1, 5)]
    assert found["diagnostics/kl"] == [(10 * k, k / 8) for k in range(1, 5)]


def test_where_no_match_ended_there_is_no_rate() -> None:
    """0 of 0 is not 0."""
    point = CurvePoint(steps=5, tally=Tally(), diagnostics={"kl": 1.0})
    assert scalars(point) == {"matches/episodes": 0.0, "diagnostics/kl": 1.0}


def test_nothing_is_made_before_the_first_point(tmp_path: Path) -> None:
    """Floors train nothing."""
    log = TensorBoardLog(tmp_path / "log")
    log.restart()
    log.close()
    assert not (tmp_path / "log").exists()


def test_a_resumed_training_has_no_point_twice(tmp_path: Path) -> None:
    """Killed after five points, resumed from a checkpoint at three: four points."""
    killed = TensorBoardLog(tmp_path)
    for point in curve(5):
        killed.add(point)
    killed._writer.flush()  # and never closed
    later(tmp_path)
    resumed = TensorBoardLog(tmp_path)
    resumed.restart(curve(3))
    for point in curve(1, start=4):
        resumed.add(point)
    resumed.close()
    assert [steps for steps, _ in shown(tmp_path)["matches/win_rate"]] == [10, 20, 30, 40]


def test_a_running_tensorboard_forgets_the_try_before(tmp_path: Path) -> None:
    """It has read the first file when the second one begins."""
    first = TensorBoardLog(tmp_path)
    first.restart(curve(5))
    first.close()
    running = EventAccumulator(str(tmp_path))
    running.Reload()
    assert len(running.Scalars("matches/win_rate")) == 5
    first.restart(curve(2))
    first.close()
    running.Reload()
    assert [event.step for event in running.Scalars("matches/win_rate")] == [10, 20]


def test_a_log_that_cannot_be_written_warns_once(tmp_path: Path) -> None:
    """A file in place of the folder; what follows is dropped in silence."""
    (tmp_path / "log").write_text("in the way", encoding="utf-8")
    log = TensorBoardLog(tmp_path / "log")
    with pytest.warns(UserWarning, match="no more is logged") as caught:
        log.restart(curve(3))
    log.add(curve(1)[0])
    log.restart(curve(2))
    log.close()
    assert len(caught) == 1


def test_steps_beyond_64_bits_end_the_log_alone(tmp_path: Path) -> None:
    """Only a record made by hand has them."""
    log = TensorBoardLog(tmp_path)
    with pytest.warns(UserWarning, match="no more is logged"):
        log.add(CurvePoint(steps=2**80, tally=Tally(wins=1)))
    log.close()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("ours-house-relu+retrain-seed0", "ours-house-relu+retrain-seed0"),
        ("../../etc", "__.._etc"),
        ("..", "_"),
        ("a/b\\c\nd e", "a_b_c_d_e"),
        ("\u202e\u00e9", "_"),
        ("x" * 500, "x" * 100),
    ],
)
def test_a_strangers_name_is_one_part_of_a_path(name: str, safe: str) -> None:
    """No folder above, no separator, no line break."""
    assert part(name) == safe


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line, before any training."""
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InfrastructureError, match="pip install tensorboard"):
        check_installed()

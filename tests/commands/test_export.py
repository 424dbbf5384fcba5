"""`bench export` and `bench schema` as their users meet them."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from benchmark.learning.tensorboard import TensorBoardLog
from benchmark.records.files import to_json
from benchmark.runs.job import Job, Player
from benchmark.runs.progress import Logs
from benchmark.runs.run import Outcome
from tests.command_line import bench
from tests.factories import attacked, method
from tests.learning.test_tensorboard import shown


def test_standard_output_is_data_and_nothing_else(results: Path) -> None:
    """csv and jsonl hold one row for each of the 4 and 5 match sets."""
    table = bench("export", "--results", results)
    lines = bench("export", "--results", results, "--format", "jsonl")
    assert (table.code, table.err, lines.code, lines.err) == (0, "", 0, "")
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert len(rows) == len(lines.out.splitlines()) == 9
    (attack,) = [row for row in rows if row["role"] == "attack"]
    assert (attack["wins"], attack["win_rate"], attack["victim"]) == ("50", "0.25", "house")
    assert json.loads(lines.out.splitlines()[0])["record"] == rows[0]["record"]


def test_a_file_is_written_and_counted(results: Path, tmp_path: Path) -> None:
    """Its folder is made."""
    out = tmp_path / "made" / "curves.parquet"
    done = bench("export", "--results", results, "--what", "curves", "--format", "parquet",
                 "--out", out)  # fmt: skip
    assert done.code == 0, done.err
    assert "4 rows of 2 records" in done.out.replace("\n", " ")
    assert pyarrow.parquet.read_table(out).num_rows == 4
    assert os.listdir(out.parent) == [out.name]


def test_a_bad_record_is_named_and_the_others_exported(results: Path, tmp_path: Path) -> None:
    """Exit code 1, as of `bench leaderboard`."""
    bad = results / "0.json"
    bad.write_text(to_json(attacked(50)).decode().replace('"wins": 25', '"wins": 26', 1))
    out = tmp_path / "rows.csv"
    done = bench("export", "--results", results, "--out", out)
    assert done.code == 1
    assert f"refused {bad}" in done.err
    assert "1 record(s) refused" in done.err
    assert out.read_text().count("\n") == 10


def test_failed_trainings_are_pointed_out(results: Path) -> None:
    """They have no matches, and leaving them out would flatter."""
    failed = attacked(0, seed=9).model_copy(update={"matches": [], "failure": "NaN"})
    (results / f"{failed.id}.json").write_bytes(to_json(failed))
    done = bench("export", "--results", results)
    assert done.code == 0
    assert "1 failed training(s)" in done.err
    assert failed.id not in done.out


def test_curves_become_tensorboard_logs(results: Path, tmp_path: Path) -> None:
    """A folder for each training; doing it again leaves the same."""
    for _ in range(2):
        done = bench("export", "--results", results, "--format", "tensorboard",
                     "--out", tmp_path / "logs")  # fmt: skip
        assert done.code == 0, done.err
        folders = {path.parent for path in (tmp_path / "logs").rglob("events.*")}
        assert len(folders) == len(list((tmp_path / "logs").rglob("events.*"))) == 4
        assert {folder.name for folder in folders} == {"attack", "hardening", "fresh"}
        for folder in folders:
            assert shown(folder)["diagnostics/loss"] == [(1000, 0.25)]


def test_logs_that_cannot_be_written_are_not_counted(results: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    done = bench("export", "--results", results, "--format", "tensorboard",
                 "--out", tmp_path / "logs")  # fmt: skip
    assert (done.code, done.out) == (3, "")
    assert "cannot be written" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "xml"), "no format 'xml'"),
        (("--format", "parquet"), "needs --out"),
        (("--format", "tensorboard"), "needs --out"),
        (("--format", "tensorboard", "--what", "matches", "--out", "x"), "holds curves"),
        (("--what", "match"), "did you mean 'matches'?"),
        (("--results", "nowhere"), "no such folder"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    """Exit code 2 and nothing on standard output."""
    done = bench("export", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_folder_that_cannot_be_written(results: Path, tmp_path: Path) -> None:
    """Exit code 3, with the path."""
    (tmp_path / "file").write_text("in the way")
    done = bench("export", "--results", results, "--out", tmp_path / "file" / "rows.csv")
    assert done.code == 3
    assert "cannot be written" in done.err


def test_schema_prints_json() -> None:
    """The record's by default; an unknown one lists them."""
    assert bench("schema").json["$id"] == "urn:competitive-rl-bench:record:2"
    assert "win_rate" in bench("schema", "--what", "matches").json["properties"]
    done = bench("schema", "--what", "recrod")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'record'?" in done.err


@pytest.mark.parametrize("command", [("run",), ("sweep", "--study", "norms")])
def test_tensorboard_is_asked_for_before_any_training(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package: exit code 3, one line, no store."""
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    done = bench(*command, "--tensorboard", "--store", tmp_path / "store")
    assert done.code == 3
    assert "pip install tensorboard" in done.err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("command", [("run",), ("sweep", "--study", "norms")])
@pytest.mark.parametrize("asked", [True, False])
def test_the_flag_gives_every_training_its_log(
    command: tuple[str, ...], asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the store; without the flag there is none."""
    handed: list[Logs | None] = []

    def execute(*arguments: Any) -> Outcome:
        handed.append(arguments[-2])
        return Outcome([], [])

    monkeypatch.setattr("benchmark.commands.crew.execute", execute)
    (tmp_path / "records").mkdir()
    done = bench(*command, "--store", tmp_path, *(["--tensorboard"] if asked else []))
    assert done.code == 0, done.err
    (logs,) = handed
    assert (logs is not None) == asked
    if logs is not None:
        job = Job(
            kind="attack", game="pong-v1", game_options={}, seat="left", method=method("ours"),
            victim=Player(source="victim", name="house"),
        )  # fmt: skip
        log = logs(job)
        assert isinstance(log, TensorBoardLog)
        assert log.folder.is_relative_to(tmp_path / "tensorboard" / "pong-v1")

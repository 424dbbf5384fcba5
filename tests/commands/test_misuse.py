"""Bad input and bad luck: exit codes, one clear line, nothing lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark import cli
from benchmark.policies import artifact
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from tests.command_line import (
    ROLLOUT,
    TINY,
    Done,
    a_victim,
    bench,
    contents,
    flip_a_bit,
    full_disk,
    refused,
    shelve,
)


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("run", "--attack", "basline"), ["'basline'", "did you mean 'baseline'?", "ours"]),
        (("run", "--defense", "retrian"), ["'retrian'", "did you mean 'retrain'?", "mixed"]),
        (("run", "--game", "pong"), ["'pong'", "did you mean 'pong-v1'?"]),
        (("run", "--tier", "smok"), ["'smok'", "did you mean 'smoke'?", "lite", "full"]),
        (("run", "--victim", "nobody"), ["'nobody'", "there are: "]),
        (("play", "--adversary", "randm", "--victim", "zero"), ["'randm'", "'random'?", "zero"]),
        (("play", "--adversary", "zero", "--victim", "./no/such"), ["./no/such", "folder"]),
        (("list", "attack"), ["'attack'", "did you mean 'attacks'?", "games"]),
        (("victims", "show", "nobody"), ["'nobody'", "there are: "]),
        (("victims", "train", "--recipe", "hous", "--out", "x"), ["'hous'", "there are: "]),
        (("victims", "import", "no/such/file"), ["no/such/file"]),
        (("run", "--set", "norm=l1"), ["--set norm=l1", "PART.FIELD=VALUE"]),
        (("run", "--set", "attack.norm"), ["--set attack.norm", "PART.FIELD=VALUE"]),
        (("run", "--set", "atack.norm=l1"), ["'atack'", "attack"]),
        (("run", "--set", "attack.norm=l3"), ["'norm'", "l1", "l2", "linf", "'l3'"]),
        (("run", "--set", "attack.epochs=many"), ["'epochs' is int", "'many'"]),
        (("run", "--set", "attack.epoch=1"), ["'epoch'", "did you mean 'epochs'?"]),
        (("run", "--seeds", 0), ["--seeds", "at least 1", "0"]),
        (("run", "--budget", 0), ["--budget", "from 1 to", "got 0"]),
        (("run", "--budget", 10**16), ["--budget", "from 1 to", "got 1000"]),
        (("run", "--set", f"attack.epochs={'9' * 5000}"), ["'epochs' is int"]),
        (("run", "--set", f"attack.norm={'[' * 5000}"), ["'norm'", "l1"]),
        (("run", "--attack", "imap", "--set", "attack.neighbours=600"), ["'neighbours'", "511"]),
        (("sweep", "--study", "mixture", "--attack", "zero"), ["--attack zero", "learns nothing"]),
        (
            ("play", "--adversary", "zero", "--victim", "zero", "--episodes", 4, "--bins", 2),
            ["--bins", "5 or more", "got 2 for 4"],
        ),
        (("run", "--threads", 0), ["threads"]),
        (("run", "--victim", "[/b]x"), ["'[/b]x'"]),
        (("run", "--victim", "[b]x"), ["'[b]x'"]),
        (("run", "--seeds", 2000), ["--seeds", "at most 1000", "2000"]),
        (("run", "--workers", "0"), ["--workers", "1 or more", "'0'"]),
        (("run", "--attack", "random", "--defense", "retrain"), ["no attack of this run learns"]),
        (("victims", "train", "--recipe", "house-blocker", "--out", "x"), ["'house-runner'"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    elsewhere: Path, arguments: tuple[object, ...], fragments: list[str]
) -> None:
    """What is wrong, what exists, the nearest spelling; no store is made."""
    refused(bench(*arguments), *fragments)
    assert list(elsewhere.iterdir()) == []


def test_the_installed_script_does_the_same() -> None:
    """One run of the real thing: exit code, one line, nothing on standard output."""
    script = Path(sys.executable).with_name("bench")
    done = subprocess.run(
        [script, "run", "--attack", "basline", "--json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    refused(Done(done.returncode, done.stdout, done.stderr), "did you mean 'baseline'?")


def test_a_damaged_victim_is_refused_with_its_path(elsewhere: Path) -> None:
    """By run and by play; the store stays as it is."""
    folder = shelve(elsewhere / "store", "dented")
    flip_a_bit(folder / artifact.WEIGHTS)
    before = contents(elsewhere / "store")
    refused(bench(*TINY, "--victim", "dented"), folder / artifact.WEIGHTS, "sha256")
    for side in (("dented", "zero"), ("zero", "dented"), ("zero", folder)):
        done = bench("play", "--adversary", side[0], "--victim", side[1], "--json")
        refused(done, folder / artifact.WEIGHTS, "sha256")
    assert contents(elsewhere / "store") == before


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (b"", "not a policy card"),
        (b"{}", "not a policy card (name: "),
        (b"\xff\xfe", "not a policy card"),
    ],
)
@pytest.mark.filterwarnings("ignore:victim 'dented' left out")
def test_a_damaged_card_is_refused_with_its_path(elsewhere: Path, card: bytes, reason: str) -> None:
    """Where it is asked for; other victims are still listed."""
    folder = shelve(elsewhere / "store", "dented")
    (folder / artifact.CARD).write_bytes(card)
    refused(bench("run", "--victim", "dented", "--json"), folder / artifact.CARD, reason)
    refused(bench("victims", "show", "dented"), folder / artifact.CARD, reason)
    assert a_victim() in [row["name"] for row in bench("list", "victims", "--json").json]


def test_a_folder_that_is_no_policy_is_refused(elsewhere: Path) -> None:
    """With its path and what was expected."""
    (elsewhere / "pictures").mkdir()
    done = bench("play", "--adversary", "pictures", "--victim", "zero")
    refused(done, "pictures", artifact.CARD)


@pytest.mark.parametrize(
    ("card", "fragments"),
    [({"seat": "left"}, ["'odd'", "seat 'left'", "'right'"]), ({"game": "go-v1"}, ["go-v1"])],
)
def test_a_victim_of_another_seat_or_game_is_refused_before_training(
    elsewhere: Path, card: dict[str, Any], fragments: list[str]
) -> None:
    """And nothing is made of the run."""
    shelve(elsewhere / "store", "odd", **card)
    before = contents(elsewhere / "store")
    refused(bench(*TINY, "--victim", "odd"), *fragments)
    assert contents(elsewhere / "store") == before


@pytest.mark.usefixtures("few_episodes")
def test_a_victim_of_the_other_seat_at_hand_does_not_spoil_other_runs(elsewhere: Path) -> None:
    """It is simply none of this run's victims."""
    shelve(elsewhere / "store", "lefty", seat="left")
    done = bench("run", "--attack", "zero", "--victim", a_victim(), "--json")
    assert done.code == 0, done.err
    assert len(done.json) == 1


def test_an_unusable_store_is_told_before_training(elsewhere: Path) -> None:
    """Exit code 3 and one line: a file in its place, a full disk."""
    (elsewhere / "store").write_text("in the way", encoding="utf-8")
    refused(bench(*TINY), elsewhere / "store", code=3)
    fine = elsewhere / "fine"
    with pytest.MonkeyPatch.context() as patch:
        usage = type(shutil.disk_usage(elsewhere))
        patch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 0))
        refused(bench(*TINY, "--store", fine), fine, "0 MiB free", code=3)
    assert contents(fine) == {}


def test_a_disk_that_fills_up_during_a_run(elsewhere: Path) -> None:
    """Exit code 3, one line, no half of a job."""
    with full_disk():
        done = bench("run", "--attack", "zero", "--json")
    refused(done, "No space left", elsewhere / "store", code=3)
    assert contents(elsewhere / "store") == {}


@pytest.mark.usefixtures("few_episodes")
def test_less_than_one_rollout_is_a_failure_with_its_reason() -> None:
    """The budget and the rollout are named."""
    done = bench("run", "--attack", "baseline", "--budget", 1000, "--json")
    assert done.code == 2
    assert "1000" in done.err
    assert str(ROLLOUT) in done.err


def test_ctrl_c_is_130_and_one_line(elsewhere: Path) -> None:
    """It tells that the same command goes on."""

    def interrupted(self: Worker, job: Job, watch: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "run", interrupted)
        done = bench("run", "--attack", "zero", "--json")
    assert done.code == 130
    assert done.out == ""
    assert "the same command goes on" in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_gpu_that_is_not_there_is_misuse_before_any_training(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, which says what is missing."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = bench("run", "--device", "cuda", "--budget", ROLLOUT, "--json")
    refused(done, "--device cuda: torch", "or say --device cpu")
    assert not list(elsewhere.glob("store/artifacts/*"))
    refused(bench("run", "--device", "gpu"), "--device: no device 'gpu'")
    swept = bench("sweep", "--study", "norms", "--device", "cuda", "--budget", ROLLOUT)
    refused(swept, "--device cuda: torch", "or say --device cpu")


def test_a_store_is_no_folder_of_records(elsewhere: Path) -> None:
    """Whose artifacts would be refused one by one."""
    for name in ("artifacts", "records"):
        (elsewhere / "store" / name).mkdir(parents=True)
    refused(bench("export", "--results", "store"), "that is a store", "store/records")


def test_a_path_that_is_too_long_is_one_line() -> None:
    """Exit code 3: the disk's word, and no traceback."""
    done = bench("list", "victims", "--store", "x" * 300)
    refused(done, "File name too long", "give a shorter path", code=3)


def test_what_may_not_be_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it is met: the machine's fault, and no traceback."""
    with pytest.raises(SystemExit) as ended, cli._one_line_errors():
        raise PermissionError(13, "Permission denied", "store/records")
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("bench: store/records: Permission denied; make it")

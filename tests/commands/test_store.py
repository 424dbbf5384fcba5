"""`bench store verify` and `bench store gc` as their users meet them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from pathlib import Path

import pytest

from benchmark.commands import store as commands
from benchmark.records.store import Store
from tests.command_line import bench, contents, refused
from tests.runs import stocked


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An attack and a defense against it; not to be touched."""
    return stocked.stock(tmp_path_factory.mktemp("whole") / "store", **stocked.DEFENDED)


@pytest.fixture
def store(whole: Store, tmp_path: Path) -> Path:
    """A copy, used by every command that is not told another."""
    return shutil.copytree(whole.root, tmp_path / "here")


def flip(path: Path) -> Path:
    """Change a bit of its last byte."""
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
    return path


def forget(store: Path) -> None:
    """Delete all records."""
    for path in (store / "records").iterdir():
        path.unlink()


def test_a_whole_store_is_summed_up(store: Path) -> None:
    done = bench("store", "verify", "--store", store)
    jobs = len(os.listdir(store / "artifacts"))
    assert (done.code, done.err) == (0, "")
    assert f"{jobs} artifacts, 1 victims and 2 records read and hashed" in done.out
    assert done.out.rstrip().endswith("MiB in all: 0 problem(s)")


def test_damage_is_told_and_ends_in_exit_code_1(store: Path) -> None:
    """One line each, with what to do; the last line counts them."""
    paths = [
        flip(next(store.glob("artifacts/*/policy.safetensors"))),
        flip(store / "victims" / "guest" / "policy.safetensors"),
    ]
    done = bench("store", "verify", "--store", store)
    assert done.code == 1
    assert done.err == f"bench: 2 problem(s) in {store}; each line says what to do\n"
    lines = [line for line in done.out.splitlines() if line.startswith("problem ")]
    assert [line.split(": ")[0] for line in lines] == [f"problem {path}" for path in paths]
    assert f"delete {paths[0].parent} to run the job again" in lines[0]


def test_verify_tells_programs_all_of_it(store: Path) -> None:
    path = flip(next(store.glob("artifacts/*/policy.safetensors")))
    (store / "work" / "0123").mkdir(parents=True)
    (store / "work" / "0123" / "failure.json").write_text('{"failure": "loss\\nis NaN"}')
    done = bench("store", "verify", "--store", store, "--json")
    assert done.code == 1
    found = done.json
    assert [one["path"] for one in found["problems"]] == [str(path)]
    assert found["parts"]["artifacts"]["problems"] == 1
    assert [(one["key"], one["state"]) for one in found["unfinished"]] == [("0123", "failed")]
    assert found["summary"].endswith("1 problem(s)")
    assert "0123: failed (loss is NaN)" in bench("store", "verify", "--store", store).out


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_gc_only_shows_until_it_is_told_yes(store: Path, options: tuple[str, ...]) -> None:
    forget(store)
    before = contents(store)
    done = bench("store", "gc", "--store", store, *options)
    count = len(os.listdir(store / "artifacts"))
    assert (done.code, done.err) == (0, "")
    assert re.search(rf"no record needs it +{count} +\d", done.out)
    assert done.out.count("\nremove ") == count
    assert "nothing was removed yet: --yes removes it" in done.out
    assert contents(store) == before


def test_gc_lists_a_few_of_many(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SHOWN", 2)
    forget(store)
    count = len(os.listdir(store / "artifacts"))
    done = bench("store", "gc", "--store", store)
    assert done.out.count("\nremove ") == 3
    assert f"remove {count - 2} more; --json lists all" in done.out


@pytest.mark.parametrize("yes", ["--yes", "-y"])
def test_gc_removes_what_no_record_needs(store: Path, yes: str) -> None:
    kept = bench("store", "gc", "--store", store, yes)
    assert kept.code == 0
    assert "removed" not in kept.out
    forget(store)
    victims = contents(store / "victims")
    count = len(os.listdir(store / "artifacts"))
    done = bench("store", "gc", "--store", store, yes)
    assert (done.code, done.err) == (0, "")
    assert f"removed {count} of {count}" in done.out
    assert os.listdir(store / "artifacts") == []
    assert contents(store / "victims") == victims


def test_gc_tells_programs_what_it_did(store: Path) -> None:
    forget(store)
    count = len(os.listdir(store / "artifacts"))
    seen = bench("store", "gc", "--store", store, "--json").json
    done = bench("store", "gc", "--store", store, "--json", "--yes").json
    assert (seen["removed"], done["removed"]) == (False, True)
    assert seen["removals"] == done["removals"]
    assert len(done["removals"]) == count
    assert {one["reason"] for one in done["removals"]} == {"no record needs it"}


def test_gc_keeps_what_a_run_is_at(store: Path) -> None:
    forget(store)
    lock = store / "leases" / "0123.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        done = bench("store", "gc", "--store", store, "--yes", "--unfinished")
    assert done.code == 0
    assert "a run is in progress" in done.out
    assert os.listdir(store / "artifacts")


def test_gc_refuses_beside_a_record_that_it_cannot_read(store: Path) -> None:
    path = next((store / "records").iterdir())
    path.write_text("{")
    before = contents(store)
    done = bench("store", "gc", "--store", store, "--yes")
    refused(done, path, "nothing was removed", "bench store verify", code=1)
    assert contents(store) == before


def test_misuse_is_one_line(store: Path, tmp_path: Path) -> None:
    refused(bench("store", "gc", "--store", store, "--yes", "--dry-run"), "say one")
    nowhere = tmp_path / "nowhere"
    for command in ("verify", "gc"):
        refused(bench("store", command, "--store", nowhere), nowhere, "no store there")
    assert not nowhere.exists()


def test_a_stopped_verification_says_that_it_begins_anew(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps nothing to go on from, unlike a run."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.audit, "audit", interrupted)
    done = bench("store", "verify", "--store", store)
    assert done.code == 130
    assert "the same command looks at everything anew" in " ".join(done.err.split())
    assert "checkpoint" not in done.err

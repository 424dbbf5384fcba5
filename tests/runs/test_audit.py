"""An audit: each kind of damage is one line, the rest is checked all the same, nothing is moved."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import Misuse
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.progress import CURVE
from benchmark.policies import artifact
from benchmark.records.files import to_json
from benchmark.records.store import Store
from benchmark.runs.audit import Report, audit
from benchmark.runs.backing import Backing
from benchmark.runs.finished import Finished, read_job, read_result
from tests.factories import scribble
from tests.runs import stocked

LONG_AGO = 1_000_000_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run with a defense, a detector and both diagnoses; not to be touched."""
    return stocked.stock(tmp_path_factory.mktemp("whole") / "store", **stocked.LOOKED)


@pytest.fixture
def store(whole: Store, tmp_path: Path) -> Store:
    """A copy, to be damaged."""
    return Store(shutil.copytree(whole.root, tmp_path / "store"))


def artifact_of(store: Store, kind: str) -> Path:
    """The folder of the first finished job of a kind."""
    homes = sorted((store.root / "artifacts").iterdir())
    return next(h for h in homes if json.loads((h / "job.json").read_bytes())["kind"] == kind)


def record_of(store: Store) -> Path:
    """The file of the undefended cell's record."""
    (found,) = (r for r in store.records() if r.cell.defense is None)
    return store.root / "records" / f"{found.id}.json"


def swap(path: Path, old: str, new: str) -> Path:
    """Replace a piece of a text file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def flip(path: Path, at: int = -1) -> Path:
    """Change one bit of a file."""
    payload = bytearray(path.read_bytes())
    payload[at] ^= 1
    path.write_bytes(payload)
    return path


def unfinished(store: Store, key: str = "0" * 32) -> Path:
    """Leave a checkpoint of an unfinished job."""
    facts = {"curve": CURVE.dump_json([stocked.POINT]).decode()}
    path = store.checkpoint(key)
    checkpoints.write(Checkpoint({"a/b": np.arange(300)}, facts), path)
    return path


def test_a_whole_store_has_no_problem_and_all_of_it_was_read(whole: Store) -> None:
    ticks: list[tuple[int, int]] = []
    report = audit(whole, lambda done, total: ticks.append((done, total)))
    jobs = len(list((whole.root / "artifacts").iterdir()))
    assert (report.problems, report.notes, report.unfinished) == ([], [], [])
    assert {name: part.count for name, part in report.parts.items()} == {
        "artifacts": jobs, "victims": 1, "records": 3, "work": 0,
    }  # fmt: skip
    on_disk = sum(
        path.stat().st_size
        for part in report.parts
        for path in (whole.root / part).rglob("*")
        if path.is_file()
    )
    assert sum(part.bytes for part in report.parts.values()) == on_disk
    assert ticks == [(k, jobs + 4) for k in range(1, jobs + 5)]


def test_what_a_record_counts_is_looked_for_and_found(whole: Store) -> None:
    """Or else comparing them would pass whatever they say."""
    made = {}
    for home in (whole.root / "artifacts").iterdir():
        one = read_job(home)
        made[home.name] = Finished(one.job, one.sha256, one.scripted, read_result(home, one.job))
    records = whole.records()
    no_job = {key: one for key, one in made.items() if one.job.kind != "play"}
    for record in records:
        assert not list(Backing(made).disagreements(record))
        assert set(Backing(made).trainings(record.cell)) >= set(record.artifacts)
        assert all(Backing(made).trainings(record.cell)[name] for name in record.artifacts)
        turned = [m.model_copy(update={"even": m.odd.flipped()}) for m in record.matches]
        other = record.model_copy(update={"matches": turned})
        found = sum(m != t for m, t in zip(record.matches, turned, strict=True))
        assert len(list(Backing(made).disagreements(other))) == found
        assert not list(Backing(no_job).disagreements(other))
    assert sum(len(record.matches) for record in records) > 10


Damage = Callable[[Store], Path]


def weights(store: Store) -> Path:
    return flip(artifact_of(store, "harden") / "policy.safetensors")


def header(store: Store) -> Path:
    """Of the right hash, so that only its reader sees it."""
    home = artifact_of(store, "attack")
    path = flip(home / "policy.safetensors", 9)
    card = json.loads((home / "card.json").read_bytes())
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (home / "card.json").write_text(json.dumps(card))
    return path


def other_shape(store: Store) -> Path:
    home = artifact_of(store, "attack")
    swap(home / "card.json", '"obs_dim": 13', '"obs_dim": 12')
    return home / "policy.safetensors"


def other_game(store: Store) -> Path:
    return swap(artifact_of(store, "attack") / "card.json", "pong-v1", "sumo-ants-v1")


def no_card(store: Store) -> Path:
    path = artifact_of(store, "harden") / "card.json"
    path.unlink()
    return path


def wrong_folder(store: Store) -> Path:
    home = artifact_of(store, "split")
    return home.rename(home.with_name("f" * 32)) / "job.json"


def another_seed(store: Store) -> Path:
    return swap(artifact_of(store, "attack") / "job.json", '"seed": ', '"seed": 1')


def another_kind(store: Store) -> Path:
    return swap(artifact_of(store, "play") / "job.json", '"kind": "play"', '"kind": "plays"')


def no_json(store: Store) -> Path:
    path = artifact_of(store, "play") / "result.json"
    path.write_bytes(path.read_bytes()[:40])
    return path


def not_text(store: Store) -> Path:
    path = artifact_of(store, "play") / "job.json"
    path.write_bytes(b"\xff\xfe{}")
    return path


def nested(store: Store) -> Path:
    path = artifact_of(store, "play") / "job.json"
    path.write_bytes(b"[" * 100_000)
    return path


def no_curve(store: Store) -> Path:
    return swap(artifact_of(store, "harden") / "result.json", '"curve"', '"curves"')


def long_curve(store: Store) -> Path:
    return swap(artifact_of(store, "attack") / "result.json", '"steps": 10,', '"steps": 9999,')


def negative_tally(store: Store) -> Path:
    return swap(artifact_of(store, "play") / "result.json", '"ties": 0', '"ties": -1')


def more_matches(store: Store) -> Path:
    path = artifact_of(store, "play") / "result.json"
    result = json.loads(path.read_bytes())
    result["even"] = {"wins": 3, "ties": 0, "losses": 0}
    path.write_text(json.dumps(result))
    return path


def fewer_detected(store: Store) -> Path:
    return swap(artifact_of(store, "detect") / "result.json", '"regular": 4', '"regular": 5')


def apart(store: Store) -> Path:
    path = artifact_of(store, "split") / "result.json"
    path.write_text('{"split": {"apart": 1.5, "floor": 0.0}}')
    return path


def no_result(store: Store) -> Path:
    home = artifact_of(store, "play")
    (home / "result.json").unlink()
    return home


def pipe(store: Store) -> Path:
    path = artifact_of(store, "play") / "job.json"
    path.unlink()
    os.mkfifo(path)
    return path


def linked_weights(store: Store) -> Path:
    path = artifact_of(store, "attack") / "policy.safetensors"
    outside = path.rename(store.root.parent / "outside")
    path.symlink_to(outside)
    return path


def linked_folder(store: Store) -> Path:
    home = artifact_of(store, "attack")
    outside = home.rename(store.root.parent / "outside")
    home.symlink_to(outside)
    return home


def linked_part(store: Store) -> Path:
    home = store.root / "victims"
    outside = home.rename(store.root.parent / "outside")
    home.symlink_to(outside)
    return home


def linked_record(store: Store) -> Path:
    path = record_of(store)
    outside = path.rename(store.root.parent / "outside")
    path.symlink_to(outside)
    return path


def victim(store: Store) -> Path:
    return flip(store.root / "victims" / "guest" / "policy.safetensors")


def digit(store: Store) -> Path:
    path = record_of(store)
    wins = json.loads(path.read_bytes())["matches"][0]["even"]["losses"]
    return swap(path, f'"losses": {wins}', f'"losses": {wins + 1}')


def cell(store: Store) -> Path:
    return swap(record_of(store), '"seed": 0', '"seed": 7')


def misfiled(store: Store) -> Path:
    path = record_of(store)
    return path.rename(path.with_name("0123456789abcdef.json"))


def retrained(store: Store) -> Path:
    """The artifact is whole, and not the one that the record tells of."""
    path = record_of(store)
    (record,) = (r for r in store.records() if r.id == path.stem)
    home = next(
        home for home in (store.root / "artifacts").iterdir()
        if (home / "card.json").exists()
        and artifact.load_card(home).sha256 == record.artifacts["attack"]
    )  # fmt: skip
    artifact.save(scribble(77), home)
    return path


def failure(store: Store) -> Path:
    path = unfinished(store).with_name("failure.json")
    path.write_text("{")
    return path


def no_facts(store: Store) -> Path:
    path = unfinished(store)
    checkpoints.write(Checkpoint({"a/b": np.arange(3)}, {}), path)
    return path


DAMAGES: list[tuple[Damage, str, str]] = [
    (weights, "sha256 is", "to run the job again"),
    (header, "", "to run the job again"),
    (other_shape, "expected shape", "to run the job again"),
    (other_game, "the job is of pong-v1", "to run the job again"),
    (no_card, "No such file", "to run the job again"),
    (wrong_folder, "its folder is called ffff", "to run the job again"),
    (another_seed, "its folder is called", "to run the job again"),
    (another_kind, "not a job (kind", "to run the job again"),
    (no_json, "not the result of 'play'", "to run the job again"),
    (not_text, "not a job", "to run the job again"),
    (nested, "not a job", "to run the job again"),
    (no_curve, "curve: Field required", "to run the job again"),
    (long_curve, "curve: ", "to run the job again"),
    (negative_tally, "even.ties", "to run the job again"),
    (more_matches, "counts (3, 2) matches, expected (2, 2)", "to run the job again"),
    (fewer_detected, "expected 4", "to run the job again"),
    (apart, "split.apart", "to run the job again"),
    (no_result, "the job is not done", "to run the job again"),
    (pipe, "not a file", "to run the job again"),
    (linked_weights, "not followed", "to run the job again"),
    (linked_folder, "not followed", "put in its place"),
    (linked_part, "not followed", "put in its place"),
    (linked_record, "a link", "put its original back"),
    (victim, "sha256 is", "import it again"),
    (digit, "breakdown of 'loss'", "put its original back"),
    (cell, "its cell hashes to", "put its original back"),
    (misfiled, "its file is called", "put its original back"),
    (retrained, "for 'attack'", "run its command again"),
    (failure, "not the note of a failure", "to begin the job anew"),
    (no_facts, "not the curve", "to begin the job anew"),
]


@pytest.mark.parametrize(("damage", "what", "todo"), DAMAGES, ids=[d[0].__name__ for d in DAMAGES])
def test_damage_is_one_line_that_says_where_what_and_what_to_do(
    store: Store, damage: Damage, what: str, todo: str
) -> None:
    """Beside records that tell of it by other weights or counts, there is no second problem."""
    path = damage(store)
    report = audit(store)
    own = [one for one in report.problems if one.path == str(path)]
    assert len(own) == 1, report.problems
    assert what in own[0].what
    assert todo in own[0].what
    assert "\n" not in own[0].line
    others = [one for one in report.problems if one not in own]
    # Weights that were filed anew are other ones to every record that names them.
    assert not others or damage in (retrained, header), others
    assert sum(part.problems for part in report.parts.values()) == len(report.problems)


def test_damages_do_not_hide_each_other(store: Store) -> None:
    paths = [weights(store), victim(store), digit(store), no_json(store), no_facts(store)]
    assert sorted(one.path for one in audit(store).problems) == sorted(map(str, paths))


def test_the_whole_store_is_only_read(store: Store) -> None:
    """To the last byte and time, damaged or not."""
    for damage in (weights, digit, unfinished):
        damage(store)

    def seen() -> dict[Path, tuple[int, int]]:
        found = {path: path.lstat() for path in store.root.rglob("*")}
        return {path: (one.st_mtime_ns, one.st_size) for path, one in found.items()}

    before = seen()
    audit(store)
    assert seen() == before


def said(report: Report) -> list[tuple[str, str | None]]:
    """States of the unfinished jobs."""
    return [(one.state, one.failure) for one in report.unfinished]


def test_an_unfinished_job_is_no_problem(store: Store) -> None:
    unfinished(store)
    report = audit(store)
    assert said(report) == [("to be continued", None)]
    assert not report.problems
    assert not report.notes


def test_a_checkpoint_that_is_cut_short_is_a_note(store: Store) -> None:
    """As the training takes it: it begins anew."""
    path = unfinished(store)
    path.write_bytes(path.read_bytes()[:-8])
    report = audit(store)
    assert said(report) == [("to begin anew", None)]
    assert not report.problems
    assert [note.path for note in report.notes] == [str(path)]
    assert "begins the training anew" in report.notes[0].what


def test_a_failure_is_listed_with_its_reason(store: Store) -> None:
    store.file_failure("0" * 32, {"failure": "loss is NaN"})
    report = audit(store)
    assert said(report) == [("failed", "loss is NaN")]
    assert not report.problems


def test_old_leftovers_are_notes_and_fresh_ones_are_somebodys(store: Store) -> None:
    old, fresh = (store.root / "artifacts" / f".staging-{name}" for name in ("old", "fresh"))
    half = store.root / "records" / ".one.json.abc.tmp"
    for path in (old, fresh):
        path.mkdir()
    half.write_text("{")
    for path in (old, half):
        os.utime(path, (LONG_AGO, LONG_AGO))
    notes = {note.path: note.what for note in audit(store).notes}
    assert notes.keys() == {str(old), str(half)}
    assert "bench store gc" in notes[str(old)]
    assert notes[str(half)].endswith("delete it")


def test_a_job_that_was_deleted_is_merely_undone(store: Store) -> None:
    """Which is what its line told to do."""
    shutil.rmtree(weights(store).parent)
    assert not audit(store).problems


def test_no_store_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no store there, expected a folder with artifacts"):
        audit(Store(tmp_path / "nowhere"))


def test_a_record_alone_needs_no_artifacts(whole: Store, tmp_path: Path) -> None:
    """A store whose work was thrown away is a whole one."""
    (tmp_path / "records").mkdir()
    for record in whole.records():
        (tmp_path / "records" / f"{record.id}.json").write_bytes(to_json(record))
    report = audit(Store(tmp_path))
    assert not report.problems
    assert report.parts["records"].count == 3

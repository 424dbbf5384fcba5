"""The `bench` command as its users meet it: exit codes, JSON, one clear line, nothing lost."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmark import cli, registry
from benchmark.games.pong import ENDINGS
from benchmark.learning.checkpoint import Checkpoint
from benchmark.policies import artifact
from benchmark.policies.zoo_pong import PONG_SHAPES
from benchmark.records.files import read, to_json
from benchmark.records.record import Record
from benchmark.runs.job import Job
from benchmark.runs.jobs import JobProgress, Worker
from benchmark.runs.spec import EPISODES
from tests.factories import attacked, defended, scribble
from tests.policies.flat import as_published, joined, mlp_parts

ROLLOUT = 65_536  # one rollout of every learner on Pong: the smallest budget
TINY = ("run", "--attack", "ours", "--defense", "retrain", "--budget", str(ROLLOUT), "--json")


class Done(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, all of it, as JSON."""
        return json.loads(self.out)


def bench(*arguments: object) -> Done:
    """Run the console script's function in this process."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["bench", *map(str, arguments)]
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())


def refused(done: Done, *fragments: object, code: int = 2) -> None:
    """Hold that a command ended with this code, one line on standard error, and no output."""
    assert done.code == code, done
    assert done.out == ""
    assert done.err.startswith("bench: ")
    assert done.err.count("\n") == 1, done.err
    for fragment in fragments:
        assert str(fragment) in done.err, done.err


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder and with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "store"))
    return tmp_path


def a_victim() -> str:
    """A shipped victim of Pong."""
    return next(iter(registry.Victims().cards("pong-v1")))


@pytest.fixture
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairings of 20 episodes, where a test is not about them."""
    monkeypatch.setitem(EPISODES, "smoke", 20)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Every write that is flushed fails."""

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        yield


# --- list, play -----------------------------------------------------------------------------


def test_list_json_is_json_and_nothing_else() -> None:
    """Everything, or one kind, the same rows."""
    everything = bench("list", "--json")
    assert everything.code == 0
    assert set(everything.json) == {"games", "victims", "attacks", "defenses", "detectors"}
    for kind, rows in everything.json.items():
        assert bench("list", kind, "--json").json == rows
        assert len({row["name"] for row in rows}) == len(rows) > 0
    names = {kind: [row["name"] for row in rows] for kind, rows in everything.json.items()}
    assert names["games"] == registry.games.names()
    assert {"random", "zero", "baseline", "ours"} <= set(names["attacks"])
    assert {"retrain", "mixed", "iterated"} <= set(names["defenses"])
    assert {"density", "prediction-error"} <= set(names["detectors"])
    assert a_victim() in names["victims"]


def test_list_for_people_names_everything() -> None:
    """And exits well."""
    done = bench("list")
    assert done.code == 0
    for name in ("pong-v1", "ours", "retrain", a_victim()):
        assert name in done.out


def test_play_json_has_the_fields_and_the_counts_add_up() -> None:
    """From the adversary's side."""
    done = bench("play", "--adversary", "zero", "--victim", a_victim(), "--episodes", 30, "--json")
    assert done.code == 0
    told = done.json
    assert set(told) == {
        "game", "options", "adversary", "victim", "seed", "wins", "ties", "losses", "voids",
        "episodes", "breakdown",
    }  # fmt: skip
    assert told["wins"] + told["ties"] + told["losses"] == told["episodes"] == 30
    assert sum(told["breakdown"].values()) == 30
    assert {key.split(":")[1] for key in told["breakdown"]} <= set(ENDINGS)
    assert (told["adversary"], told["victim"], told["seed"]) == ("zero", a_victim(), 0)
    assert told["losses"] > told["wins"]  # it stands still


def test_play_is_told_by_its_seed() -> None:
    """The same list twice, another list for another seed."""

    def counts(seed: int) -> tuple[int, ...]:
        told = bench(
            "play", "--adversary", "random", "--victim", "zero", "--episodes", 150,
            "--seed", seed, "--json",
        ).json  # fmt: skip
        return told["wins"], told["ties"], told["losses"]

    assert counts(1) == counts(1)
    assert len({counts(seed) for seed in range(4)}) > 1


def test_play_takes_a_folder_and_exchanged_seats() -> None:
    """An artifact's folder plays as its name does; a victim as adversary beats a floor."""
    name = a_victim()
    folder = registry.Victims().folders()[name]
    by_name = bench("play", "--adversary", "zero", "--victim", name, "--episodes", 20, "--json")
    by_path = bench("play", "--adversary", "zero", "--victim", folder, "--episodes", 20, "--json")
    assert {**by_path.json, "victim": name} == by_name.json
    strong = bench("play", "--adversary", name, "--victim", "zero", "--episodes", 20, "--json")
    assert strong.json["wins"] > strong.json["losses"]


def test_play_options_change_the_rules() -> None:
    """slow_ball=tie turns what was lost by a slow ball into ties."""
    command = ("play", "--adversary", "random", "--victim", "zero", "--episodes", 100, "--json")
    loss, tie = bench(*command).json, bench(*command, "--set", "game.slow_ball=tie").json
    assert not any(key in tie["breakdown"] for key in ("win:slow_ball", "loss:slow_ball"))
    assert tie["episodes"] == loss["episodes"] == 100


def test_play_for_people_tells_the_interval() -> None:
    """Counts, win rate and how matches ended."""
    done = bench("play", "--adversary", "random", "--victim", "zero", "--episodes", 10)
    assert done.code == 0
    assert "random against zero" in done.out
    assert "95 %" in done.out


# --- bad input ------------------------------------------------------------------------------


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
        (("run", "--budget", 0), ["--budget", "at least 1", "0"]),
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


def shelve(store: Path, name: str, **card: Any) -> Path:
    """Put a victim with random weights into a store."""
    folder = store / "victims" / name
    artifact.save(scribble(3, name=name, **card), folder)
    return folder


def flip_a_bit(path: Path) -> None:
    """Damage a file in its last byte."""
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)


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


# --- victims --------------------------------------------------------------------------------


def zoo_file(path: Path, **changes: Any) -> Path:
    """A file in the form of the published Pong agents, with random weights."""
    rng = np.random.default_rng(5)
    arrays = {name: rng.normal(size=shape) for name, shape in PONG_SHAPES.items()}
    np.savez(path, **{**arrays, **changes})
    return path


def test_import_files_a_victim_and_its_broken_variant(elsewhere: Path) -> None:
    """Both are then listed, shown and playable."""
    path = zoo_file(elsewhere / "RoboschoolPong_v0_2017may9.npz")
    cards = bench("victims", "import", path, "--json").json
    assert [card["name"] for card in cards] == ["may9", "may9-axis-bug"]
    listed = {row["name"]: row for row in bench("victims", "list", "--json").json}
    assert listed["may9"]["ranked"]
    assert not listed["may9-axis-bug"]["ranked"]
    assert bench("victims", "show", "may9", "--json").json == cards[0]
    told = bench("play", "--adversary", "may9", "--victim", "zero", "--episodes", 5, "--json")
    assert told.json["episodes"] == 5


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "text"])
def test_a_damaged_zoo_file_is_refused_and_nothing_is_filed(elsewhere: Path, damage: str) -> None:
    """With its path, even where a good file lies beside it."""
    folder = elsewhere / "zoo"
    folder.mkdir()
    zoo_file(folder / "a2017good.npz")
    bad = folder / "b2017bad.npz"
    if damage == "shape":
        zoo_file(bad, weights_final_w=np.zeros((31, 2)))
    elif damage == "nan":
        zoo_file(bad, weights_final_w=np.full((32, 2), np.nan))
    elif damage == "cut":
        bad.write_bytes(zoo_file(bad).read_bytes()[:-200])
    else:
        bad.write_text("import os", encoding="utf-8")
    shelve(elsewhere / "store", "kept")
    before = contents(elsewhere / "store")
    refused(bench("victims", "import", folder), bad)
    assert contents(elsewhere / "store") == before


def test_a_flat_vector_is_imported_by_saying_its_game_and_seat(elsewhere: Path) -> None:
    """Refused without, with another game's, and as a whole folder's; then filed and listed."""
    path = elsewhere / "my_ant.pkl"
    path.write_bytes(as_published(joined(mlp_parts(122, 8))))
    claim = ("--game", "run-to-goal-ants-v1", "--seat", "left")
    refused(bench("victims", "import", path), path, "--game G --seat S", "24905")
    refused(bench("victims", "import", path, *claim[:2]), "--seat", "left, right")
    refused(bench("victims", "import", path, "--game", "sumo-ants-v1", "--seat", "any"), "299943")
    refused(bench("victims", "import", elsewhere, *claim), elsewhere, "a single file")
    assert contents(elsewhere / "store") == {}
    told = bench("victims", "import", path, *claim)
    assert told.out.startswith("imported my-ant (run-to-goal-ants-v1) into ")
    assert told.out.count("\n") == 1
    (card,) = bench("victims", "import", path, *claim, "--json").json
    assert bench("victims", "show", "my-ant", "--json").json == card
    assert (card["seat"], card["action_mode"], card["act_dim"]) == ("left", "sampled", 8)


def test_an_import_into_a_full_or_unusable_store_is_one_line(elsewhere: Path) -> None:
    """Exit code 3, as for a run; what was imported before stays whole."""
    path = zoo_file(elsewhere / "x2017may9.npz")
    assert bench("victims", "import", path).code == 0
    before = contents(elsewhere / "store")
    with full_disk():
        refused(bench("victims", "import", path), "No space left", code=3)
    assert contents(elsewhere / "store") == before
    assert bench("victims", "show", "may9", "--json").code == 0


# --- leaderboard ----------------------------------------------------------------------------


@pytest.fixture
def results(elsewhere: Path) -> Path:
    """Two records in results/."""
    folder = elsewhere / "results"
    folder.mkdir()
    for record in (attacked(50), defended(20, 10, 30)):
        (folder / f"{record.id}.json").write_bytes(to_json(record))
    return folder


def test_leaderboard_writes_what_check_accepts(elsewhere: Path, results: Path) -> None:
    """And the terminal shows the tables."""
    assert bench("leaderboard", "--check").code == 1
    written = bench("leaderboard")
    assert written.code == 0
    assert "Attacks on" in written.out
    assert (elsewhere / "leaderboard.md").read_text(encoding="utf-8").startswith("# Leaderboard")
    assert bench("leaderboard", "--check").code == 0


def test_a_stale_leaderboard_is_exit_code_1(elsewhere: Path, results: Path) -> None:
    """After a change of the page, and after a change of a record."""
    bench("leaderboard")
    page = elsewhere / "leaderboard.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("25.0", "95.0"), encoding="utf-8")
    refused(bench("leaderboard", "--check"), "leaderboard.md", "bench leaderboard", code=1)
    page.write_text(text, encoding="utf-8")
    assert bench("leaderboard", "--check").code == 0
    (results / f"{attacked(50).id}.json").write_bytes(to_json(attacked(51)))
    refused(bench("leaderboard", "--check"), code=1)


def test_refused_records_are_named_and_exit_code_1(elsewhere: Path, results: Path) -> None:
    """By check and by render, which still renders the good ones."""
    bench("leaderboard")
    (results / "bad.json").write_text("{", encoding="utf-8")
    refused(bench("leaderboard", "--check"), "bad.json", "not JSON", code=1)
    done = bench("leaderboard")
    assert done.code == 1
    assert "bad.json" in done.err
    assert "Traceback" not in done.err
    assert "Attacks on" in (elsewhere / "leaderboard.md").read_text(encoding="utf-8")


def test_a_misspelt_results_folder_does_not_empty_the_page(elsewhere: Path, results: Path) -> None:
    """It is refused with its path."""
    bench("leaderboard")
    before = (elsewhere / "leaderboard.md").read_bytes()
    refused(bench("leaderboard", "--results", "resluts"), "resluts")
    assert (elsewhere / "leaderboard.md").read_bytes() == before


def test_a_page_that_cannot_be_written_is_one_line(elsewhere: Path, results: Path) -> None:
    """A folder that is not there."""
    done = bench("leaderboard", "--out", elsewhere / "no" / "page.md")
    assert done.code == 3
    assert str(elsewhere / "no") in done.err
    assert "Traceback" not in done.err


# --- a real run -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The main job at the smallest budget, once for several tests."""
    store = tmp_path_factory.mktemp("tiny") / "store"
    return store, bench(*TINY, "--store", store)


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what differs between two runs of the same cell."""
    return {k: v for k, v in record.items() if k not in ("timings", "provenance", "command")}


def filed(store: Path) -> list[Record]:
    """The records of a store, each read and validated."""
    return [read(path) for path in sorted((store / "records").glob("*.json"))]


def test_a_run_prints_the_records_that_it_files(tiny: tuple[Path, Done]) -> None:
    """Only JSON on standard output; every file validates and says the same."""
    store, done = tiny
    assert done.code == 0, done.err
    printed = [Record.model_validate(payload) for payload in done.json]
    assert sorted(printed, key=lambda r: r.id) == filed(store)
    assert sorted(str(r.cell.defense and r.cell.defense.name) for r in printed) == [
        "None", "retrain",
    ]  # fmt: skip


def test_a_run_trains_plays_and_tells_where(tiny: tuple[Path, Done]) -> None:
    """Counts of the protocol's size, curves, steps within the budget, provenance."""
    for record in filed(tiny[0]):
        assert record.cell.budget_steps == ROLLOUT
        assert set(record.steps) == set(record.curves) == set(record.artifacts)
        assert all(0 < steps <= ROLLOUT for steps in record.steps.values())
        assert all(m.tally.episodes == record.cell.episodes == 200 for m in record.matches)
        assert all(p["packages"]["numpy"] == np.__version__ for p in record.provenance.values())
        assert record.isolation.kind == "process"
        assert record.level == 0
        assert record.command.startswith("bench run --attack ours")
        assert all(t["wall_s"] >= 0 for t in record.timings.values())


def test_the_second_run_trains_nothing_and_gives_the_same_records(
    tiny: tuple[Path, Done],
) -> None:
    """No job at all is done, no artifact is touched."""
    store, done = tiny
    before = contents(store / "artifacts")

    def forbidden(self: Worker, job: Job, watch: Any) -> None:
        raise AssertionError(f"{job.label} is finished already")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "run", forbidden)
        again = bench(*TINY, "--store", store)
    assert again.code == 0, again.err
    assert [comparable(r) for r in again.json] == [comparable(r) for r in done.json]
    assert contents(store / "artifacts") == before


def test_another_defense_trains_no_second_adversary(tiny: tuple[Path, Done]) -> None:
    """Only the hardening and the fresh attack on what it made."""
    store, _ = tiny
    ran: list[Job] = []
    real = Worker.run

    def spy(self: Worker, job: Job, watch: Any) -> None:
        ran.append(job)
        real(self, job, watch)

    command = [*TINY[:4], "mixed", *TINY[5:], "--store", str(store)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "run", spy)
        done = bench(*command)
    assert done.code == 0, done.err
    trained = [(job.kind, job.victim.source) for job in ran if job.kind != "play"]
    assert trained == [("harden", "victim"), ("attack", "job")]


def test_the_records_of_a_run_make_a_page(tiny: tuple[Path, Done], elsewhere: Path) -> None:
    """Which holds until a digit of a count is altered."""
    results = elsewhere / "results"
    shutil.copytree(tiny[0] / "records", results)
    assert bench("leaderboard").code == 0
    assert bench("leaderboard", "--check").code == 0
    path = next(iter(results.glob("*.json")))
    payload = json.loads(path.read_bytes())
    payload["matches"][0]["even"]["wins"] += 1
    path.write_text(json.dumps(payload), encoding="utf-8")
    refused(bench("leaderboard", "--check"), path.name, "matches.0.even", code=1)


def test_an_adversary_of_the_store_can_be_played(tiny: tuple[Path, Done], elsewhere: Path) -> None:
    """By its folder; a damaged copy is refused; on the other side of its seat it does not fit."""
    store, done = tiny
    sha256 = done.json[0]["artifacts"]["attack"]
    cards = [p for p in store.glob("artifacts/*/card.json") if sha256 in p.read_text("utf-8")]
    folder = cards[0].parent
    told = bench("play", "--adversary", folder, "--victim", a_victim(), "--episodes", 10, "--json")
    assert told.json["episodes"] == 10
    refused(bench("play", "--adversary", "zero", "--victim", folder), "seat 'left'", "'right'")
    copy = elsewhere / "copy"
    shutil.copytree(folder, copy)
    flip_a_bit(copy / artifact.WEIGHTS)
    refused(bench("play", "--adversary", copy, "--victim", "zero"), copy / artifact.WEIGHTS)


KILLED = ("run", "--attack", "ours", "--budget", str(4 * ROLLOUT), "--json")
IMPATIENT = """
from benchmark.learning import checkpoint
checkpoint.EVERY_S = 0.2
from benchmark.cli import main
main()
"""


def run_and_kill(store: Path) -> None:
    """Start a run in a process of its own and kill it with -9 once it has left a checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *KILLED, "--store", str(store)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
        while not list(store.glob("work/*/checkpoint.safetensors")):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline, "no checkpoint came"
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("few_episodes")
def test_a_killed_run_goes_on_to_the_same_record(elsewhere: Path) -> None:
    """kill -9 in the middle of a training; the next run continues its checkpoint."""
    store, whole = elsewhere / "killed", elsewhere / "whole"
    run_and_kill(store)
    assert not list(store.glob("artifacts/*/result.json"))
    resumed: list[int] = []
    real = JobProgress.resume

    def spy(self: JobProgress) -> Checkpoint | None:
        found = real(self)
        resumed.extend([] if found is None else [int(found.facts["steps"])])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobProgress, "resume", spy)
        after = bench(*KILLED, "--store", store)
    assert after.code == 0, after.err
    assert len(resumed) == 1
    assert 0 < resumed[0] < 4 * ROLLOUT
    uninterrupted = bench(*KILLED, "--store", whole)
    assert [comparable(r) for r in after.json] == [comparable(r) for r in uninterrupted.json]
    assert len(after.json) == 1
    assert not list(store.glob("work/*"))


# --- another physics ------------------------------------------------------------------------


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


def test_physics_is_short_for_the_games_option() -> None:
    """And the result says under which it was played."""
    names = ("--game", "you-shall-not-pass-v1", "--adversary", "zero", "--victim", "zero")
    done = bench("play", *names, "--episodes", 1, "--physics", "original", "--json")
    assert done.code == 0, done.err
    assert done.json["options"] == {"physics": "original"}
    assert (done.json["wins"], done.json["episodes"]) == (1, 1)  # the runner falls


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--game", "pong-v1", "--physics", "original"), "no setting 'physics'"),
        (("--game", "sumo-ants-v1", "--physics", "newtonian"), "'ranked' or 'original'"),
        (
            ("--game", "sumo-ants-v1", "--physics", "original", "--set", "game.physics=ranked"),
            "say one",
        ),
    ],
)
def test_a_physics_that_a_game_lacks_is_misuse(given: tuple[str, ...], told: str) -> None:
    """Also one that contradicts --set."""
    done = bench("play", "--adversary", "zero", "--victim", "zero", *given)
    assert done.code == 2
    assert told in done.err


def test_play_counts_by_start() -> None:
    done = bench("play", "--adversary", "random", "--victim", "house-relu", "--episodes", 40,
                 "--bins", 4, "--json")  # fmt: skip
    told = done.json["by_start"]
    assert [sum(g[k] for k in ("wins", "ties", "losses")) for g in told["bins"]] == [10] * 4
    assert 0 <= told["auroc"] <= 1
    shown = bench(
        "play", "--adversary", "random", "--victim", "house-relu", "--episodes", 40, "--bins", 2
    )
    assert "wins told from starts: AUROC" in shown.out


def test_what_may_not_be_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it is met: the machine's fault, and no traceback."""
    with pytest.raises(SystemExit) as ended, cli._one_line_errors():
        raise PermissionError(13, "Permission denied", "store/records")
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("bench: store/records: Permission denied; make it")

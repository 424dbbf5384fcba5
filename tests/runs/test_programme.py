"""The programme of a board: what is missing by the records, and the runs that fill it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import shutil
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from benchmark.arena.tally import Tally
from benchmark.commands import board as command
from benchmark.commands.crew import Crew
from benchmark.display import Live, Silent
from benchmark.errors import InfrastructureError, Misuse
from benchmark.evaluation.protocol import EPISODES
from benchmark.games import pong
from benchmark.leaderboard import board, policies
from benchmark.records.record import MatchSet, Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.regression import policies as check
from benchmark.runs.job import Job
from benchmark.runs.plan import Plan, make_plan, united
from benchmark.runs.programme import (
    Outlook,
    fills,
    key_of,
    missing_keys,
    outlook,
    read,
    specs,
    stretches,
)
from benchmark.runs.run import execute
from benchmark.submissions.replay import Replay
from tests.command_line import bench, refused
from tests.runs.conftest import Shelf

ROOT = Path(__file__).parents[2]
ROWS = """
[imports]
gone = "bench victims import gone.npz"

[[rows]]
game = "pong-v1"
tier = "smoke"
victims = ["alpha", "gone"]
attacks = ["baseline", "ours norm=l2"]
seeds = 3

[[rows]]
game = "pong-v1"
tier = "smoke"
victims = ["alpha"]
attacks = ["baseline"]
defenses = ["mixed p=0.25"]
seeds = 1
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The file of a small board."""
    path = tmp_path / "board.toml"
    path.write_text(ROWS)
    return path


def labels(found: list[Outlook]) -> list[tuple[str, tuple[int, ...], bool]]:
    """What an outlook says, for comparison."""
    return [(one.pairing.label, one.missing, one.at_hand) for one in found]


def test_nothing_is_there(rows: Path, shelf: Shelf) -> None:
    """All seeds of all pairings are missing; a victim that is not at hand is told apart."""
    assert labels(outlook(read(rows), [], shelf)) == [
        ("baseline on alpha", (0, 1, 2), True),
        ("ours norm=l2 on alpha", (0, 1, 2), True),
        ("baseline on gone", (0, 1, 2), False),
        ("ours norm=l2 on gone", (0, 1, 2), False),
        ("baseline on alpha, defended by mixed p=0.25", (0,), True),
    ]


def test_runs_of_what_is_missing_fill_it(rows: Path, shelf: Shelf) -> None:
    """The cells that the runs plan are those that were missed, and the command says the same."""
    first, _, _, _, defended = outlook(read(rows), [], shelf)
    found = Outlook(first.pairing, (0, 2), True)
    made = specs(found, shelf)
    assert [spec.seeds for spec in made] == [(0,), (2,)]
    assert made[1].command == (
        "bench run --game pong-v1 --victim alpha --attack baseline --tier smoke --seeds 1 "
        "--first-seed 2"
    )
    (spec,) = specs(defended, shelf)
    words = shlex.split(spec.command)
    assert words[words.index("--set") + 1] == "defense.p=0.25"
    assert spec.defenses[0].method.settings == {"p": 0.25}


def test_a_row_may_be_of_another_budget_than_the_tier_s(rows: Path, shelf: Shelf) -> None:
    """Its cells are others, its runs and their command train as long; none is no budget."""
    usual = outlook(read(rows), [], shelf)[0]
    rows.write_text(ROWS.replace("[[rows]]", "[[rows]]\nbudget = 131072", 1))
    other = outlook(read(rows), [], shelf)[0]
    assert not missing_keys([usual]) & missing_keys([other])
    (spec,) = specs(other, shelf)
    assert spec.budget_steps == 131072
    assert "--budget 131072" in spec.command
    assert other.pairing.row.place == f"{usual.pairing.row.place}, 0.131072 M steps"
    planned = {key_of(cell.cell) for cell in make_plan(spec).cells}
    assert planned == missing_keys([other])
    rows.write_text(ROWS.replace("[[rows]]", "[[rows]]\nbudget = 0", 1))
    with pytest.raises(Misuse, match=r"rows\.0\.budget: "):
        read(rows)


def test_a_row_may_be_of_a_game_s_other_options(rows: Path, shelf: Shelf) -> None:
    """Its cells are others than those of the usual ones, and its runs have the option."""
    usual = outlook(read(rows), [], shelf)[0]
    rows.write_text(ROWS.replace('"pong-v1"', '"pong-v1 slow_ball=tie"', 1))
    other, *_, defended = outlook(read(rows), [], shelf)
    assert defended.pairing.row.card.options == usual.pairing.row.card.options
    (spec,) = specs(other, shelf)
    assert spec.game_options == {"slow_ball": "tie"}
    words = shlex.split(spec.command)
    assert words[words.index("--game") + 1] == "pong-v1"
    assert words[words.index("--set") + 1] == "game.slow_ball=tie"
    assert spec.game_options != specs(usual, shelf)[0].game_options


def test_a_record_is_there_whoever_else_was_at_hand(rows: Path) -> None:
    """Of the same methods, seed, tier and budget; a preset that was set otherwise is another."""
    records, problems = board.read_results(ROOT / "results")
    assert not problems
    path = rows.with_name("full.toml")
    path.write_text(
        ROWS.split("[[rows]]", maxsplit=1)[0] + '[[rows]]\ngame = "pong-v1"\ntier = "full"\n'
        'victims = ["house-relu"]\nattacks = ["baseline", "ours norm=l2"]\nseeds = 6\n'
    )
    found = outlook(read(path), records.values(), Victims())
    assert [one.missing for one in found] == [(5,), (5,)]
    mine = [r for r in records.values() if fills(r, Outlook(found[0].pairing, (3,), True))]
    assert [(r.cell.attack.name, r.cell.seed) for r in mine] == [("baseline", 3)]
    without = [record for record in records.values() if record not in mine]
    assert outlook(read(path), without, Victims())[0].missing == (3, 5)


def test_what_two_rows_want_is_told_once(rows: Path, shelf: Shelf) -> None:
    """By the first of them."""
    rows.write_text(ROWS + ROWS.split("[[rows]]")[1].join(["[[rows]]", ""]))
    found = outlook(read(rows), [], shelf)
    assert found[-1].missing == ()
    assert found[0].missing == (0, 1, 2)


@given(st.sets(st.integers(0, 30)))
def test_stretches_hold_every_seed_once(seeds: set[int]) -> None:
    """In order, each without a gap, and none that could be joined to the one before."""
    found = stretches(sorted(seeds))
    assert [seed for one in found for seed in one] == sorted(seeds)
    for one in found:
        assert one == list(range(one[0], one[-1] + 1))
    assert all(a[-1] + 1 < b[0] for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("rows = 3", r"board\.toml: rows: "),
        ("[[rows]\n", r"board\.toml: "),
        (ROWS.replace("seeds = 3", "seeds = 0"), r"rows\.0\.seeds: .*greater than or equal to 1"),
        (ROWS.replace("tier", "teir"), r"rows\.0\.t"),
        (ROWS.replace('"ours norm=l2"', '"ors"'), "no attack 'ors'"),
        (ROWS.replace("norm=l2", "norm=l7"), "norm"),
        (ROWS.replace("p=0.25", "q=0.25"), "'mixed' has no setting 'q'"),
        (ROWS.replace("pong-v1", "ping-v1"), "no game 'ping-v1'"),
        (ROWS.replace("pong-v1", "pong-v1 slow_ball=win"), "slow_ball"),
        (ROWS.replace("pong-v1", "pong-v1 fast_ball=tie"), "no setting 'fast_ball'"),
        (ROWS.replace("mixed p=0.25", "density"), "got 'density'"),
        (ROWS.replace('"ours norm=l2"', '" "'), r"rows\.0\.attacks\.\d: .*at least 1 character"),
    ],
)
def test_what_cannot_be_read_is_one_line(rows: Path, shelf: Shelf, text: str, line: str) -> None:
    """With the file and the place in it, or what is unknown."""
    rows.write_text(text)
    with pytest.raises(Misuse, match=line):
        outlook(read(rows), [], shelf)
    with pytest.raises(Misuse, match="cannot be read"):
        read(rows.with_name("none.toml"))


def test_the_committed_board_is_of_what_there_is() -> None:
    """Known games, methods and settings, and a way to import every victim that is not shipped."""
    asked = read(ROOT / "results" / "board.toml")
    shipped = Victims().cards()
    for one in outlook(asked, [], Victims()):
        assert one.pairing.victim in shipped or one.pairing.victim in asked.imports


def test_the_command_runs_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Victims that are not at hand are left out with a word; a second time nothing is left."""
    path, results, store = tmp_path / "board.toml", tmp_path / "results", tmp_path / "store"
    path.write_text(
        '[imports]\nmay1 = "`bench victims import X`"\n[[rows]]\ngame = "pong-v1"\ntier = "smoke"\n'
        'victims = ["house-relu", "may1"]\nattacks = ["zero"]\nseeds = 1\n'
    )
    results.mkdir()

    def ask(run: bool) -> str:
        command.board(
            programme=path, results=results, run=run, store=store, workers="1",
            isolation="process", allow_unpinned=False,
        )  # fmt: skip
        return capsys.readouterr().out

    left_out = "1 cell(s) of may1 are left out: it is not at hand; `bench victims import X`"
    shown = ask(run=False)
    assert "0 of 1" in shown
    assert left_out in shown
    assert not list(results.rglob("*.json"))
    assert "bench run --game pong-v1 --victim house-relu --attack zero" in ask(run=True)
    (filed,) = results.rglob("*.json")
    assert filed.parent.name == "pong-v1"
    found, problems = board.read_results(results)
    assert (len(found), problems) == (1, [])
    shown = ask(run=True)
    assert "1 of 1" in shown
    assert "bench run" not in shown
    assert left_out in shown


def test_filing_and_running_are_two_commands() -> None:
    """The first trains nothing, and the second files what it trains."""
    refused(bench("board", "--file", "--run"), "--file trains nothing", "give one of them")


def test_what_a_store_already_has_is_filed_without_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the policy that its record is about, which then plays again as the record says."""
    path, results, store = tmp_path / "board.toml", tmp_path / "results", tmp_path / "store"
    path.write_text(
        '[[rows]]\ngame = "pong-v1"\ntier = "smoke"\nvictims = ["house-relu"]\n'
        'attacks = ["baseline matches=16 rollout_steps=32 minibatch=128 epochs=1"]\nseeds = 2\n'
    )
    results.mkdir()
    budgets = {"smoke": 2048, "lite": 2048, "full": 2048}
    whole = pong.make_card
    monkeypatch.setattr(
        pong, "make_card", lambda options: whole(options).model_copy(update={"budgets": budgets})
    )
    monkeypatch.setitem(EPISODES, "smoke", 20)

    def ask(**how: bool) -> str:
        command.board(
            programme=path, results=results, store=store, workers="1", isolation="process",
            allow_unpinned=False, **how,
        )  # fmt: skip
        return capsys.readouterr().out

    assert "filed" not in ask(file=True)
    (spec,) = specs(outlook(read(path), [], Victims())[0]._replace(missing=(1,)), Victims())
    made = Store(store)
    made.prepare()
    execute("test", make_plan(spec), made, Victims(), Silent)
    assert "on house-relu, seed 1" in ask(file=True)
    (record,) = board.read_results(results)[0].values()
    kept = policies.kept(results)
    assert set(record.artifacts.values()) == set(kept)
    assert check.drawn([record], kept, Victims(), 3, 0) == [record]
    matches, seconds = check.work([record, record])
    assert matches == 2 * len(record.matches) * record.cell.episodes
    assert seconds > 0
    findings, absent = check.again([record], Replay(kept, Victims()), lambda name: None)
    assert len(findings) == len(record.matches)
    assert (absent, {one.sure for one in findings}) == (0, {"equal counts"})
    other = record.model_copy(update={"matches": [turned(m) for m in record.matches]})
    findings, _ = check.again([other], Replay(kept, Victims()), lambda name: None)
    assert any(one.failed for one in findings)
    assert check.drawn([record], {}, Victims(), 3, 0) == []


def filed_by(folder: Path) -> list[Record]:
    """What `bench board --file` takes from the store of `fill` into an empty folder."""
    shutil.rmtree(folder / "results")
    (folder / "results").mkdir()
    command.board(
        programme=folder / "board.toml", results=folder / "results", file=True,
        store=folder / "store", workers="1", isolation="process", allow_unpinned=False,
    )  # fmt: skip
    return list(board.read_results(folder / "results")[0].values())


def test_a_cell_is_filed_once_whoever_was_at_hand(tmp_path: Path) -> None:
    """Of two records of it the one that met more."""
    kept = fill(tmp_path)["zero"]
    fewer = kept.cell.model_copy(update={"others": kept.cell.others[:1]})
    met = {player.name for player in fewer.others} | {kept.cell.victim.name}
    of_others = {"transfer": lambda m: m.victim, "regular": lambda m: m.adversary}
    matches = [
        m for m in kept.matches if m.role not in of_others or of_others[m.role](m).name in met
    ]
    twin = kept.model_copy(update={"cell": fewer, "id": fewer.id, "matches": matches})
    Store(tmp_path / "store").write_record(twin)
    assert {r.id for r in filed_by(tmp_path) if r.cell.attack.name == "zero"} == {kept.id}


def test_a_disk_that_is_full_while_filing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(command, "write_atomically", full)
    with pytest.raises(InfrastructureError, match="results: No space left on device; make room"):
        filed_by(tmp_path)


def test_a_stop_is_not_hidden_by_the_filing_that_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the disk is full: the first is told, and its exit code."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def full(*_: object) -> None:
        raise InfrastructureError("no room")

    monkeypatch.setattr(Crew, "execute", stopped)
    monkeypatch.setattr(command, "_file", full)
    assert fill(tmp_path) == {}  # it ended as a stop does


def turned(played: MatchSet) -> MatchSet:
    """As if the other side had won."""
    halves = {
        half: Tally(wins=t.losses, ties=t.ties, losses=t.wins)
        for half, t in (("even", played.even), ("odd", played.odd))
    }
    return played.model_copy(update=halves)


def fill(folder: Path) -> dict[str, Record]:
    """Run a row of two attacks on one victim; the records that are filed then, by their attack."""
    path, results = folder / "board.toml", folder / "results"
    path.write_text(
        '[[rows]]\ngame = "pong-v1"\ntier = "smoke"\nvictims = ["house-relu"]\n'
        'attacks = ["zero", "random"]\nseeds = 1\n'
    )
    results.mkdir(exist_ok=True)
    with contextlib.suppress(typer.Exit):  # of Ctrl-C
        command.board(
            programme=path, results=results, run=True, store=folder / "store", workers="1",
            isolation="process", allow_unpinned=False,
        )  # fmt: skip
    found, problems = board.read_results(results)
    assert not problems
    return {record.cell.attack.name: record for record in found.values()}


def test_a_row_is_one_run(tmp_path: Path) -> None:
    """Of all that it lacks, so that no worker waits for a pairing's end; each record's command is
    its own."""
    records = fill(tmp_path)
    assert records.keys() == {"zero", "random"}
    (journal,) = (tmp_path / "store" / "runs").iterdir()
    planned = json.loads(journal.read_text())["records"]
    assert set(planned) == {record.id for record in records.values()}
    for name, record in records.items():
        words = shlex.split(record.command)
        assert words[words.index("--attack") + 1] == name


def test_a_row_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is complete is filed; the same command does the rest."""
    first: list[str] = []

    def noted(plans: Iterable[Plan]) -> Plan:
        chosen = list(plans)
        first.extend(job.key for job in chosen[0].jobs)
        return united(chosen)

    class Stopped(Live):
        def start(self, job: Job) -> None:
            if job.key not in first:
                raise KeyboardInterrupt
            super().start(job)

    with monkeypatch.context() as patch:
        patch.setattr(command, "united", noted)
        patch.setattr(command, "Live", Stopped)
        assert fill(tmp_path).keys() == {"zero"}
    assert fill(tmp_path).keys() == {"zero", "random"}

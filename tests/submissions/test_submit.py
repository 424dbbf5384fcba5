"""`bench submit`: the checklist, the run and its evidence, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmark.errors import CheckFailed
from benchmark.policies import artifact
from benchmark.records.files import read
from benchmark.records.record import Record
from benchmark.registry import Victims
from benchmark.runs import programme
from benchmark.submissions import folder, runners
from benchmark.submissions import submit as submitting
from tests.command_line import Done, bench, refused
from tests.factories import without_timings
from tests.submissions.conftest import Make

BOARD = Path(__file__).parents[2] / "results" / "board.toml"
TINY = ("--budget", 64, "--victim", "house-relu", "--json")


def status(done: Done, what: str) -> list[str]:
    """How everything that begins so stands."""
    return [item["status"] for item in done.json["items"] if item["what"].startswith(what)]


def filed(made: Path) -> list[Record]:
    return [read(path) for path in sorted((made / "evidence" / "records").glob("*.json"))]


def test_a_good_submission(dice: Make) -> None:
    """Every shipped victim of its game, the default attack's own settings, and what is to do."""
    made = dice()
    done = bench("submit", made, "--budget", 64, "--json")
    assert (done.code, done.err) == (0, "")
    assert {item["status"] for item in done.json["items"]} == {"passed", "to do"}
    to_do = [i["what"] for i in done.json["items"] if i["status"] == "to do"]
    assert to_do == [
        "its own test", "results that are ranked", "the evidence", "runs that are enforced",
        "a level above 0",
    ]  # fmt: skip
    ranking = next(i for i in done.json["items"] if i["what"] == "results that are ranked")
    named = " ".join(f"--victim {victim}" for victim in programme.read(BOARD).rows[0].victims)
    assert f"--tier full {named}, after" in ranking["detail"]
    records = filed(made)
    assert {r.cell.victim.name for r in records} == set(Victims().cards("pong-v1"))
    for record in records:
        assert (record.cell.attack.name, record.cell.attack.settings) == ("dice", {})
        assert (record.cell.tier, record.cell.seed, record.level) == ("smoke", 0, 0)
        assert record.isolation.kind == "process"
        assert record.steps == {"attack": 8}
        assert record.command.startswith(f"bench submit {made}")
    found = {
        artifact.load(p.parent).card.sha256 for p in made.glob("evidence/policies/*/card.json")
    }
    assert found == {record.artifacts["attack"] for record in records}
    about = json.loads((made / "evidence" / "submission.json").read_bytes())
    assert about["sha256"] == done.json["sha256"] == folder.read(made).sha256


def test_for_people_it_says_the_same(dice: Make) -> None:
    done = bench("submit", made := dice(), *TINY[:-1])
    assert done.code == 0
    for told in (
        "passed  submission.toml", "passed  contract on pong-v1: 9 checks", "house-relu",
        f"to do   its own test: python -m pytest {made}", "isolation process",
        "Attacks on pong-v1, tier smoke",
    ):  # fmt: skip
        assert told in done.out


def test_the_second_time_nothing_is_trained(dice: Make, elsewhere: Path) -> None:
    """The same content finds its work; changed code does not find that of the old."""
    made = dice()
    assert bench("submit", made, *TINY).code == 0
    (before,) = filed(made)
    assert bench("submit", made, *TINY).code == 0
    (again,) = filed(made)
    assert (again.timings, again.provenance) == (before.timings, before.provenance)
    assert without_timings(again) == without_timings(before)
    dice(("rng.normal(0,", "2 * rng.normal(0,"))
    assert bench("submit", made, *TINY).code == 0
    (changed,) = filed(made)
    assert changed.id == before.id
    assert changed.artifacts != before.artifacts
    assert len(list(elsewhere.glob("store/submissions/dice-*"))) == 2


def test_what_breaks_the_contract_is_not_run(dice: Make) -> None:
    made = dice(("for step in range(2)", "for step in range(17)"))
    done = bench("submit", made, *TINY)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "checks failed" in done.err
    assert status(done, "contract on pong-v1: stays within its budget") == ["failed"]
    assert status(done, "run on pong-v1") == ["to do"]
    assert status(done, "records and policies") == []
    assert not (made / "evidence").exists()


def test_a_run_that_fails_is_told_with_its_place(dice: Make) -> None:
    """File, line and function, once. It behaves in the contract's small training and not here."""
    code = ("        card = self", "        if budget_steps == 65: raise KeyError('ooh')\n        card = self")  # noqa: E501  # fmt: skip
    done = bench("submit", made := dice(code), "--budget", 65, *TINY[2:])
    assert done.code == 1
    wrong = [i for i in done.json["items"] if i["status"] == "failed"]
    assert [i["what"] for i in wrong] == ["tier smoke on pong-v1"]
    assert all("train dice" in i["detail"] for i in wrong)
    assert all(i["detail"].count("KeyError: 'ooh'") == 1 for i in wrong)
    assert all(re.search(r"; at dice\.py:\d+, in train$", i["detail"]) for i in wrong)
    assert not (made / "evidence").exists()


def test_papers_that_are_missing_are_told(dice: Make) -> None:
    made = dice()
    for name in ("README.md", "test_dice.py"):
        (made / name).unlink()
    done = bench("submit", made, *TINY)
    assert done.code == 1
    assert status(done, "README.md") == status(done, "its own test") == ["failed"]
    assert status(done, "contract on pong-v1") == ["passed"]


def test_a_game_without_victims_is_left_to_do(dice: Make) -> None:
    """One that has some suffices; with none nothing was run, which is no success."""
    wide = ("np.zeros((4, 2), np.float32)", "np.zeros((4, arena.single_action_space.shape[0]), np.float32)")  # noqa: E501  # fmt: skip
    both = dice(wide, ('["pong-v1"]', '["pong-v1", "run-to-goal-ants-v1"]'))
    done = bench("submit", both, "--budget", 64, "--json")
    assert done.code == 0, [i for i in done.json["items"] if i["status"] == "failed"]
    assert status(done, "contract on run-to-goal-ants-v1") == ["passed"]
    assert status(done, "run on run-to-goal-ants-v1") == ["to do"]
    ranking = next(i for i in done.json["items"] if i["what"] == "results that are ranked")
    assert "--victim" not in ranking["detail"], "a victim of Pong is none of the other game"
    alone = dice(wide, ('["pong-v1"]', '["run-to-goal-ants-v1"]'))
    done = bench("submit", alone, "--budget", 64, "--json")
    assert done.code == 1
    assert status(done, "a run") == ["failed"]


def test_a_defense_is_tried_on_an_attack(no_defense: Path) -> None:
    """The undefended record is kept beside it; a scripted attack leaves nothing to defend from."""
    nothing = bench("submit", no_defense, "--against", "random", *TINY)
    refused(nothing, "nothing to defend against")
    done = bench("submit", no_defense, "--against", "quick", *TINY)
    assert done.code == 0, done.json
    assert sorted(r.cell.defense is not None for r in filed(no_defense)) == [False, True]
    detail = next(i["detail"] for i in done.json["items"] if i["what"].startswith("tier"))
    assert detail.count("win rate, ") == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tier", "smok"), "did you mean 'smoke'?"),
        (("--against", "baseline"), "an attack is tried on victims"),
        (("--isolation", "contaner"), "did you mean 'container'?"),
        (("--victim", "nobody"), "no victim 'nobody'"),
        (("--seeds", 0), "--seeds: at least 1"),
    ],
)
def test_misuse_of_the_command_is_exit_code_2(
    dice: Make, arguments: tuple[object, ...], told: str
) -> None:
    refused(bench("submit", dice(), *TINY, *arguments), told)


def test_without_an_engine_containers_are_refused(
    dice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    refused(
        bench("submit", dice(), "--isolation", "container"), "no container engine answers", code=3
    )


def test_nothing_is_trained_while_its_papers_are_open(dice: Make) -> None:
    """What is mended there changes the content, and all would be trained again."""
    made = dice(manifest=('authors = ["A. Tester"]', 'authors = ["TODO: who"]'))
    done = bench("submit", made, *TINY)
    assert done.code == 1
    assert status(done, "contract on pong-v1") == ["passed"]
    assert status(done, "run on pong-v1") == ["to do"]
    assert not (made / "evidence").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--victim", "nobody"), "no victim 'nobody'"),
        (("--budget", 0), "--budget: from 1 to"),
    ],
)
def test_what_the_run_could_not_do_is_said_before_the_contract(
    dice: Make, monkeypatch: pytest.MonkeyPatch, given: tuple[object, ...], told: str
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the contract was tried")

    monkeypatch.setattr(runners.InProcess, "contract", never)
    refused(bench("submit", dice(), *given), told)


def test_what_fails_after_the_method_loaded_is_not_its_loading(
    dice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that refuses a setting while the run is planned, say."""

    def refuse(*_: object) -> None:
        raise CheckFailed("the container said no")

    monkeypatch.setattr(submitting, "spec_of", refuse)
    done = bench("submit", dice(), *TINY)
    assert done.code == 1
    assert status(done, "the method loads") == ["passed"]
    (wrong,) = [i for i in done.json["items"] if i["status"] == "failed"]
    assert (wrong["what"], wrong["detail"]) == ("contract and run", "the container said no")

"""What a contract in a container is worth, and what is mounted for it; the container is none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.errors import CheckFailed, InfrastructureError
from benchmark.isolation.status import Status, Verdict
from benchmark.records.record import Isolation
from benchmark.records.store import Store
from benchmark.runs.isolation import Choice
from benchmark.submissions import folder, runners, wheels
from benchmark.submissions.contract import Check, names
from benchmark.submissions.runners import InContainers, InProcess, told
from tests.submissions.conftest import Make

GAME = "pong-v1"
FINE = Verdict(status=Status.OK, message="ended well")
ENDED = Verdict(
    status=Status.CRASHED, message="ended with exit code 3",
    log=("Traceback", "ModuleNotFoundError: No module named 'left'"),
)  # fmt: skip
LEFT = ("requirements = []", 'requirements = ["left==1.0"]')


class Box:
    """Notes what it is asked to run, and answers as a test says."""

    isolation = Isolation(kind="container", image="sha256:0")

    def __init__(self, verdict: Verdict = FINE, lines: Sequence[str] = ()):
        self.asked: list[tuple[list[str], dict[str, Path]]] = []
        self._verdict, self._lines = verdict, list(lines)

    def alone(
        self, command: Sequence[str], inputs: Mapping[str, Path], wall_s: float
    ) -> tuple[Verdict, list[str]]:
        self.asked.append((list(command), dict(inputs)))
        if tuple(command) == wheels.COMMAND:
            return FINE, wheels.Target.here().model_dump_json(indent=1).splitlines()
        return self._verdict, self._lines


def printed(checks: dict[str, list[Check]]) -> list[str]:
    """As the contract prints them, after whatever the method printed."""
    found = {game: [one.model_dump() for one in each] for game, each in checks.items()}
    return ["{", '"mine": 1', "}", *json.dumps(found, indent=1).splitlines()]


def looked_at(made: Path, broken: Sequence[int] = ()) -> list[Check]:
    """All of a contract's checks, some of them broken."""
    about = folder.read(made).manifest
    return [
        Check(what=what, passed=k not in broken) for k, what in enumerate(names(about, GAME))
    ]  # fmt: skip


def contract(made: Path, verdict: Verdict, checks: dict[str, list[Check]]) -> list[Check]:
    """What a runner makes of it."""
    own = InContainers(Box(verdict, printed(checks)), "", made)  # type: ignore[arg-type]
    return own.contract(folder.read(made), None, GAME)


def test_a_contract_that_came_to_its_end_is_taken_as_it_is(dice: Make) -> None:
    """Also one that is broken, whose exit code is 1."""
    made = dice()
    whole, broken = looked_at(made), looked_at(made, [2])
    assert contract(made, FINE, {GAME: whole}) == whole
    assert contract(made, ENDED, {GAME: broken}) == broken


@pytest.mark.parametrize(
    "verdict",
    [
        ENDED,
        Verdict(status=Status.OUT_OF_MEMORY, message="no"),
        Verdict(status=Status.TIMED_OUT, message="no"),
        Verdict(status=Status.FLOODED, message="no"),
    ],
)
def test_checks_that_all_passed_are_not_believed_of_one_that_failed(
    dice: Make, verdict: Verdict
) -> None:
    """Its end and its last lines are told instead."""
    made = dice()
    (check,) = contract(made, verdict, {GAME: looked_at(made)})
    assert (check.what, check.passed) == ("runs in a container", False)
    assert check.detail == verdict.shown
    assert "No module named 'left'" in ENDED.shown


def test_checks_that_are_not_the_contracts_are_not_believed(dice: Make) -> None:
    """Nor fewer of them, nor one that is told as broken where the exit code says that it holds."""
    made = dice()
    whole = looked_at(made)
    renamed = [whole[0].model_copy(update={"what": "is good"}), *whole[1:]]
    odd: list[Any] = [{GAME: whole[1:]}, {GAME: [*whole, whole[0]]}, {GAME: renamed}, {}]
    for checks in (*odd, {"elsewhere": whole}, {GAME: looked_at(made, [0])}):
        assert [one.what for one in contract(made, FINE, checks)] == ["runs in a container"]
    (check,) = told(FINE, ["hello"], folder.read(made).manifest)[GAME]
    assert not check.passed


def test_a_contract_is_run_once_for_all_games(dice: Make) -> None:
    made = dice()
    box = Box(FINE, printed({GAME: looked_at(made)}))
    own = InContainers(box, "", made)  # type: ignore[arg-type]
    for _ in range(2):
        assert own.contract(folder.read(made), None, GAME)
    ((command, inputs),) = box.asked
    assert command[-1] == "/task/dice"
    assert list(inputs) == ["/task/dice"]


def test_required_packages_are_mounted_wherever_the_method_runs(
    dice: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are fetched for the image's Python, and this machine's own are not looked at."""
    (tmp_path / "packages").mkdir()
    asked = []

    def fetched(pins: Sequence[str], target: wheels.Target, cache: Path) -> Path:
        asked.append((tuple(pins), target, cache))
        return tmp_path / "packages"

    monkeypatch.setattr(wheels, "fetched", fetched)
    made = folder.read(dice(manifest=LEFT))
    box = Box(ENDED)
    own = InContainers(box, "", tmp_path / "cache")  # type: ignore[arg-type]
    own.ready(made)
    assert set(asked) == {(("left==1.0",), wheels.Target.here(), tmp_path / "cache")}
    own.contract(made, None, GAME)
    assert box.asked[-1][0][-2:] == ["/task/dice", "/task/wheels"]
    with own.knowing(made) as outsider:
        local = registry.attacks.local("dice")
        assert local is not None
        assert local.wheels == tmp_path / "packages"  # from here a training's orders have it
        with pytest.raises(CheckFailed, match="No module named 'left'"):
            outsider.configure(registry.game(GAME).describe(), {})
    for _, inputs in box.asked[1:]:
        assert inputs["/task/wheels"] == tmp_path / "packages"
    assert sum(tuple(command) == wheels.COMMAND for command, _ in box.asked) == 1


def test_in_this_process_requirements_must_be_installed(dice: Make) -> None:
    with pytest.raises(InfrastructureError, match=r"needs left==1\.0, here it is not installed"):
        InProcess().ready(folder.read(dice(manifest=LEFT)))


def test_why_it_is_this_process_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    note = "process: beside the victim; no container engine answers"
    monkeypatch.setattr(runners, "choose", lambda *_, **__: Choice(None, note))
    assert runners.runner("auto", Store(tmp_path)).note == note

"""A stranger's method that stands in for its class: what is asked of it, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmark import registry
from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.watching import Episode, watch
from benchmark.games.pong import Pong
from benchmark.isolation.status import Status, Verdict
from benchmark.policies.policy import Policy, RandomPolicy
from benchmark.registry import Registry
from benchmark.runs.spec import plan_attack
from benchmark.submissions import folder, inside
from benchmark.submissions.inside import Question
from benchmark.submissions.outsider import CODE, LESSON, Alone
from defenses.density import Density
from tests.factories import scribble
from tests.submissions.conftest import Make

CARD = Pong.describe()
FINE = Verdict(status=Status.OK, message="")


class Box:
    """A container that is none: answers in this process, out of a registry of its own."""

    def __init__(self, tamper: Callable[[list[str]], list[str]] = list):
        self.asked: list[Question] = []
        self._tamper = tamper

    def alone(
        self, command: Sequence[str], inputs: Mapping[str, Path], wall_s: float
    ) -> tuple[Verdict, list[str]]:
        for given in inputs.values():
            assert all(readable(path) for path in (given, *given.rglob("*"))), given
        text = inputs[command[-1]].read_text()
        for place in (CODE, LESSON):
            text = text.replace(f'"{place}', f'"{inputs.get(str(place), place)}')
        self.asked.append(Question.model_validate_json(text))
        printed = inside.answer(self.asked[-1]).model_dump_json(indent=1).splitlines()
        return FINE, self._tamper(["the method says hello", *printed])


def readable(path: Path) -> bool:
    """By the user of a container, who is not the one of this process."""
    wanted = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & wanted == wanted


class Broken:
    """A container whose code ends badly."""

    def alone(
        self, command: Sequence[str], inputs: Mapping[str, Path], wall_s: float
    ) -> tuple[Verdict, list[str]]:
        verdict = Verdict(status=Status.CRASHED, message="exit code 1", log=("Traceback", "no"))
        return verdict, []


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is known inside is another registry than here, where the umask is strict."""
    groups = (registry.attacks, registry.defenses, registry.detectors)
    monkeypatch.setattr(inside, "GROUPS", {g.kind: Registry(g.group, g.kind) for g in groups})
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_what_an_attack_says_of_itself(dice: Make) -> None:
    """Nothing of it is imported here, and the same is asked once."""
    made = dice(('name, track, citation = "dice"', 'version, name, track, citation = 7, "dice"'))
    box = Box()
    with folder.read(made).described(box) as outsider:
        assert registry.attacks.load("dice") is outsider
        plan = plan_attack("dice", CARD, {"spread": 0.25, "of another": 1})
        assert plan.method.settings == plan.method.config == {"spread": 0.25}
        assert (plan.method.version, plan.track, plan.least_steps) == (7, "black-box", 4)
        assert plan.fields == {"spread"}
        assert plan_attack("dice", CARD, {"spread": 0.25}) == plan
        assert "dice" not in sys.modules
    assert [question.settings for question in box.asked] == [{}, {"spread": 0.25}]
    assert "dice" not in registry.attacks.names()


def test_a_setting_that_it_refuses_is_misuse(dice: Make) -> None:
    with (
        folder.read(dice()).described(Box()) as outsider,
        pytest.raises(Misuse, match="no setting 'sides'"),
    ):
        outsider.configure(CARD, {"sides": 6})


def test_a_victim_that_it_refuses_is_misuse(no_defense: Path) -> None:
    code = no_defense / "dice.py"
    refusing = """
    def check_victim(self, card):
        from benchmark.errors import Misuse
        if card.name == "scribble":
            raise Misuse("not that one")
"""
    code.write_text(code.read_text() + refusing)
    card = scribble(1).card
    with folder.read(no_defense).described(Box()) as outsider:
        defense = outsider(outsider.configure(CARD, {}))
        defense.check_victim(card.model_copy(update={"name": "another"}))
        with pytest.raises(Misuse, match="not that one"):
            defense.check_victim(card.model_copy(update={"name": "scribble"}))


@pytest.mark.parametrize(
    ("box", "told"),
    [
        (Broken(), "crashed: exit code 1; last lines: Traceback | no"),
        (Box(lambda lines: []), "nothing that can be read"),
        (Box(lambda lines: [*lines, "{"]), "nothing that can be read"),
        (Box(lambda lines: ["{", ' "scores": [1e999]', "}"]), "nothing that can be read"),
        (Box(lambda lines: ["{", ' "level": 3', "}"]), "nothing that can be read"),
    ],
    ids=["crash", "silence", "torn", "infinity", "unknown field"],
)
def test_what_cannot_be_read_is_a_failure_of_its_own(dice: Make, box: Alone, told: str) -> None:
    with (
        folder.read(dice()).described(box) as outsider,
        pytest.raises(CheckFailed) as caught,
    ):
        outsider.configure(CARD, {})
    assert told in str(caught.value)


DETECTOR = """from defenses.density import Density


class Dice(Density):
    \"\"\"Density under another name.\"\"\"

    name = "dice"
"""


@pytest.fixture
def detector(dice: Make) -> Path:
    """Density, as a stranger's."""
    made = dice()
    (made / "dice.py").write_text(DETECTOR)
    path = made / "submission.toml"
    path.write_text(path.read_text().replace('"attack"', '"detector"').replace("black", "white"))
    return made


def lived(seeds: range, victim: Policy) -> list[Episode]:
    """A victim's matches against chance."""
    seat = CARD.seats[0]
    players = RandomPolicy(seat.act_dim, seat.act_bound), victim
    return watch(Pong(4), players, "right", seeds)


def test_a_detector_judges_elsewhere_as_it_would_here(detector: Path) -> None:
    """Bit for bit: generator, victim and episodes arrive as they were."""
    victim = scribble(3, seat="right")
    regular, judged = lived(range(12), victim), lived(range(20, 26), victim)
    here = Density(Density.configure(CARD, {}))
    here.fit(regular, victim, CARD.seats[1], np.random.default_rng(5))
    with folder.read(detector).described(Box()) as outsider:
        there = outsider(outsider.configure(CARD, {}))
        there.fit(regular, victim, CARD.seats[1], np.random.default_rng(5))
        assert there.scores(iter(judged)) == here.scores(judged)
        assert there.scores(judged[:2]) == here.scores(judged[:2])


def test_a_detector_must_score_every_episode(detector: Path) -> None:
    def fewer(lines: list[str]) -> list[str]:
        return ["{", ' "scores": [0.5]', "}"]

    victim = scribble(3, seat="right")
    episodes = lived(range(4), victim)
    with folder.read(detector).described(box := Box()) as outsider:
        there = outsider(outsider.configure(CARD, {}))
        there.fit(episodes, victim, CARD.seats[1], np.random.default_rng(5))
        box._tamper = fewer
        with pytest.raises(CheckFailed, match="1 scores came for 4 episodes"):
            there.scores(episodes)

"""The process that asks a stranger's method in a container: what it prints and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import CheckFailed, Misuse
from benchmark.games.pong import Pong
from benchmark.submissions import inside
from benchmark.submissions.inside import Answer, Question
from benchmark.submissions.outsider import last_object
from tests.submissions.conftest import Make


@pytest.fixture
def question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a question may lie; threads stay this process's."""
    monkeypatch.setattr(inside, "use_threads", lambda _: None)
    return tmp_path / "question.json"


def about(code: Path) -> str:
    """The question what a method says of itself."""
    return Question(
        kind="attack", name="dice", entry="dice:Dice", code=code, game=Pong.describe()
    ).model_dump_json()


def test_an_answer_is_printed(
    dice: Make, question: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question.write_text(about(dice()))
    assert inside.main([str(question)]) == 0
    told = Answer.model_validate_json(last_object(capsys.readouterr().out.splitlines()))
    assert (told.config, told.track) == ({"spread": 0.5}, "black-box")


@pytest.mark.parametrize("payload", [None, "{", "[]"])
def test_without_a_good_question_it_is_misuse(question: Path, payload: str | None) -> None:
    """Be it missing or damaged."""
    if payload is not None:
        question.write_text(payload)
    with pytest.raises(Misuse) as refused:
        inside.main([str(question)])
    assert str(refused.value).startswith(f"{question}: ")


def test_what_is_no_answer_is_a_failed_check(dice: Make, question: Path) -> None:
    """That is the method's doing."""
    code = dice(("matches, least_steps = 4, 4", "matches, least_steps = 4, 'a few'"))
    question.write_text(about(code))
    with pytest.raises(CheckFailed, match="no answer can be made of it"):
        inside.main([str(question)])

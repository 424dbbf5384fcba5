"""A stranger's method on this machine: known by what it says of itself in a container.

An `Outsider` stands in the registry where the class would stand. Whatever is asked of it is asked
of the code in a container, and nothing of the code is imported here.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from benchmark.errors import CheckFailed, Misuse, first_problem
from benchmark.evaluation.watching import Episode
from benchmark.games.game import GameCard, SeatCard
from benchmark.isolation.readable import let_read
from benchmark.isolation.status import Status, Verdict
from benchmark.learning.checkpoint import generator_facts
from benchmark.policies import artifact
from benchmark.policies.policy import Policy, PolicyCard
from benchmark.submissions.inside import Answer, Judgement, Question, keep
from benchmark.submissions.manifest import Manifest

INSIDE = ("python", "-m", "benchmark.submissions.inside", "/task/question.json")
CODE, LESSON, WHEELS = Path("/task/code"), Path("/task/lesson"), Path("/task/wheels")
DESCRIBE_S, JUDGE_S = 300.0, 3600.0
"""Seconds for a method to describe itself, and for a detector to judge a cell's episodes."""
_Key = tuple[str, str, str]


class Alone(Protocol):
    """Runs a command in a container of its own, as `runs.boxes.Boxes` does."""

    def alone(
        self, command: Sequence[str], inputs: Mapping[str, Path], wall_s: float
    ) -> tuple[Verdict, list[str]]:
        """What became of it, and its output."""


class Outsider:
    """Stands in for a method's class."""

    def __init__(self, manifest: Manifest, code: Path, boxes: Alone, wheels: Path | None = None):
        """wheels: the folder of the packages that it needs besides the image's."""
        self.manifest, self._code, self._boxes, self._wheels = manifest, code, boxes, wheels
        self.name = manifest.name
        self.version = 1
        """Known from the first answer on: whoever wants a method's version configures it first."""
        self._told: dict[_Key, Answer] = {}
        self._by_config: dict[str, tuple[GameCard, Answer]] = {}
        self._classes: dict[tuple[str, ...], type[BaseModel]] = {}

    def configure(self, game: GameCard, settings: Mapping[str, Any]) -> BaseModel:
        """The config as the method resolves it; raises Misuse where it refuses."""
        told = self.ask(game, dict(settings))
        self.version = told.version
        config = self._class(tuple(told.config))(**told.config)
        self._by_config[config.model_dump_json()] = (game, told)
        return config

    def __call__(self, config: BaseModel) -> Configured:
        """The method with a config that `configure` made."""
        game, told = self._by_config[config.model_dump_json()]
        return Configured(self, game, told)

    def ask(
        self, game: GameCard, settings: dict[str, Any], victim: PolicyCard | None = None
    ) -> Answer:
        """What the method says, asked once of each.

        Raises:
            Misuse: it refuses; CheckFailed: it says nothing that can be read.
        """
        shown = "" if victim is None else victim.model_dump_json()
        key = (game.model_dump_json(), json.dumps(settings, sort_keys=True), shown)
        if key not in self._told:
            question = self.question(game, settings, victim=victim)
            self._told[key] = self.put(question, {}, DESCRIBE_S)
        told = self._told[key]
        if told.refusal:
            raise Misuse(told.refusal)
        return told

    def question(self, game: GameCard, settings: dict[str, Any], **more: Any) -> Question:
        """About this method."""
        about = self.manifest
        return Question(
            kind=about.kind, name=about.name, entry=about.entry, code=CODE, game=game,
            wheels=None if self._wheels is None else WHEELS, settings=settings, **more,
        )  # fmt: skip

    def put(self, question: Question, inputs: Mapping[str, Path], wall_s: float) -> Answer:
        """Its answer, from a container; raises CheckFailed."""
        with tempfile.TemporaryDirectory(prefix="question-") as made:
            path = Path(made) / "question.json"
            path.write_text(question.model_dump_json(), encoding="utf-8")
            let_read(Path(made))
            given = {"/task/question.json": path, str(CODE): self._code, **inputs}
            if self._wheels is not None:
                given[str(WHEELS)] = self._wheels
            verdict, lines = self._boxes.alone(INSIDE, given, wall_s)
        if verdict.status is not Status.OK:
            raise CheckFailed(f"'{self.name}': {verdict.shown}")
        try:
            return Answer.model_validate_json(last_object(lines))
        except ValidationError as error:
            line = first_problem(error)
            raise CheckFailed(f"'{self.name}' says nothing that can be read: {line}") from error

    def _class(self, fields: tuple[str, ...]) -> type[BaseModel]:
        """A model with these fields: configs are compared, and listed by field."""
        if fields not in self._classes:
            shape: dict[str, Any] = dict.fromkeys(fields, (Any, ...))
            self._classes[fields] = create_model(
                "Config", __config__=ConfigDict(frozen=True, protected_namespaces=()), **shape
            )
        return self._classes[fields]


class Configured:
    """Stands in for a method; a detector of them judges in a container."""

    def __init__(self, outsider: Outsider, game: GameCard, told: Answer):
        self._outsider, self._game, self._told = outsider, game, told
        self.track, self.reads = told.track, frozenset(told.reads)
        self.least_steps, self.meets_opponents = told.least_steps, told.meets_opponents
        self._lesson: tuple[list[Episode], Policy, str, dict[str, Any]] | None = None

    def check_victim(self, card: PolicyCard) -> None:
        """Raise Misuse where the method refuses a victim."""
        self._outsider.ask(self._game, self._told.config, card)

    def fit(
        self, regular: Sequence[Episode], victim: Policy, seat: SeatCard, rng: np.random.Generator
    ) -> None:
        """Keep what is to be learned from: learning and judging are one container's work."""
        self._lesson = list(regular), victim, seat.name, generator_facts(rng)

    def scores(self, episodes: Iterable[Episode]) -> list[float]:
        """One for each episode, of a detector that has learned in the same container.

        Raises:
            Misuse: it refuses victim or episodes; CheckFailed: it gave no score for each.
        """
        assert self._lesson is not None
        regular, victim, seat, generator = self._lesson
        with tempfile.TemporaryDirectory(prefix="episodes-") as made:
            home = Path(made)
            _keep_all(home / "regular", regular)
            count = _keep_all(home / "judged", episodes)
            artifact.save(victim, home / "victim")
            asked = Judgement(
                regular=LESSON / "regular", judged=LESSON / "judged", victim=LESSON / "victim",
                seat=seat, generator=generator,
            )  # fmt: skip
            question = self._outsider.question(self._game, self._told.config, judgement=asked)
            let_read(home)
            told = self._outsider.put(question, {str(LESSON): home}, JUDGE_S)
        if told.refusal:
            raise Misuse(told.refusal)
        if len(told.scores) != count:
            raise CheckFailed(f"{len(told.scores)} scores came for {count} episodes")
        return list(told.scores)


def last_object(lines: Sequence[str]) -> str:
    """The JSON that was printed last, indented by one; whatever else was stands before it."""
    starts = [number for number, line in enumerate(lines) if line == "{"]
    return "\n".join(lines[starts[-1] :]) if starts else ""


def _keep_all(folder: Path, episodes: Iterable[Episode]) -> int:
    """File episodes one by one; returns how many."""
    folder.mkdir()
    number = -1
    for number, episode in enumerate(episodes):
        keep(episode, folder, number)
    return number + 1

"""What a container is asked about a stranger's method: what it says of itself, how it judges.

    python -m benchmark.submissions.inside QUESTION.json

Prints an `Answer` as JSON, after whatever the method itself has printed. Who reads it trusts none
of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.disk import instructions
from benchmark.errors import BenchError, CheckFailed, Misuse, first_problem
from benchmark.evaluation.watching import Episode
from benchmark.games.game import GameCard
from benchmark.learning.checkpoint import restore_generator
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.policy import PolicyCard
from benchmark.registry import Registry, attacks, defenses, detectors

GROUPS: dict[str, Registry] = {"attack": attacks, "defense": defenses, "detector": detectors}
SUFFIX = ".safetensors"


class Judgement(BaseModel):
    """Episodes to learn regular play from and episodes to score, in the order of their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regular: Path
    judged: Path
    victim: Path
    seat: str
    generator: dict[str, Any]


class Question(BaseModel):
    """A method's code, a game and settings; and perhaps a victim to refuse, or episodes to judge.

    wheels: packages that the method needs besides the image's.
    settings: the resolved config where something is to be judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["attack", "defense", "detector"]
    name: str
    entry: str
    code: Path
    wheels: Path | None = None
    game: GameCard
    settings: dict[str, Any] = {}
    victim: PolicyCard | None = None
    judgement: Judgement | None = None


class Answer(BaseModel):
    """What the method said: that it refuses, and why, or all the rest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    refusal: str = ""
    version: int = 1
    config: dict[str, Any] = {}
    track: str = ""
    reads: tuple[str, ...] = ()
    least_steps: int = 1
    meets_opponents: bool = False
    scores: tuple[float, ...] = ()


def answer(question: Question) -> Answer:
    """Load the method and ask it; raises what its code raises, but for a Misuse."""
    group = GROUPS[question.kind]
    with group.including(
        question.name, question.entry, question.code, wheels=question.wheels
    ):  # fmt: skip
        kind = group.load(question.name)
        try:
            return _asked(kind, question)
        except Misuse as error:
            return Answer(refusal=str(error))


def _asked(kind: Any, question: Question) -> Answer:
    config = kind.configure(question.game, question.settings)
    method = kind(config)
    if question.victim is not None:
        method.check_victim(question.victim)
    judgement = question.judgement
    return Answer(
        version=kind.version,
        config=config.model_dump(mode="json"),
        track=getattr(method, "track", ""),
        reads=tuple(sorted(getattr(method, "reads", ()))),
        least_steps=getattr(method, "least_steps", 1),
        meets_opponents=getattr(method, "meets_opponents", False),
        scores=() if judgement is None else _judged(method, question.game, judgement),
    )


def _judged(detector: Any, card: GameCard, asked: Judgement) -> tuple[float, ...]:
    rng = np.random.default_rng()
    restore_generator(rng, asked.generator)
    seat = card.seats[card.seat_index(asked.seat)]
    detector.fit(list(episodes(asked.regular)), artifact.load(asked.victim), seat, rng)
    return tuple(detector.scores(episodes(asked.judged)))


def keep(episode: Episode, folder: Path, number: int) -> None:
    """File an episode under its number."""
    path = folder / f"{number:06d}{SUFFIX}"
    path.write_bytes(safetensors.numpy.save(dict(zip(Episode._fields, episode, strict=True))))


def episodes(folder: Path) -> Iterator[Episode]:
    """Those that were kept in a folder, by number."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield Episode(**safetensors.numpy.load(path.read_bytes()))


def main(arguments: Sequence[str]) -> int:
    """Answer the question in a file; returns the exit code.

    Raises:
        Misuse: no question is in it; CheckFailed: what the method says is no answer.
    """
    question = instructions(Path(arguments[0]), Question, "a question")
    use_threads(1)
    try:
        told = answer(question)
    except ValidationError as error:
        raise CheckFailed(f"no answer can be made of it: {first_problem(error)}") from error
    sys.stdout.write(f"\n{told.model_dump_json(indent=1)}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as refused:
        sys.stderr.write(f"inside: {refused}\n")
        sys.exit(refused.exit_code)

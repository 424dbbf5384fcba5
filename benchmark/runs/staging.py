"""A job's game, its seats and its arena."""

from __future__ import annotations

from typing import Any

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.games.game import Game, GameCard
from benchmark.policies.policy import Policy
from benchmark.registry import attacks, defenses, game
from benchmark.runs.job import Job
from benchmark.seeding import derive


def options_of(job: Job) -> Any:
    """The game's options, as its own model."""
    return game(job.game).Options.model_validate(job.game_options)


def card_of(job: Job) -> GameCard:
    """The game's card under them."""
    return game(job.game).describe(options_of(job))


def game_of(job: Job, matches: int) -> Game:
    """A batch of the game's matches."""
    return game(job.game)(matches, options_of(job))


def other_seat(job: Job, card: GameCard) -> str:
    """The seat opposite the adversary's: the victim's."""
    seat: str = card.opposite(job.seat).name
    return seat


def seated(job: Job, adversary: Policy, victim: Policy) -> tuple[Policy, Policy]:
    """Both by the number of their seat."""
    first = card_of(job).seat_index(job.seat) == 0
    return (adversary, victim) if first else (victim, adversary)


def arena_of(job: Job, seat: str, mixture: Mixture, matches: int, white_box: bool = False) -> Arena:
    """The game seen from a seat, against a mixture."""
    batch, base = game_of(job, matches), seed_base_of(job)
    return Arena(batch, seat, mixture, seed=0, white_box=white_box, seed_base=base)


def seed_base_of(job: Job) -> int | None:
    """What the seeds that a stranger's method names are hashed with; None for this project's own.

    The seed of an episode follows from a named one by steps that can be undone, so that whoever
    names seeds as it likes can train on the very episodes that it will be judged by.
    """
    assert job.method is not None
    registry = attacks if job.kind == "attack" else defenses
    return None if registry.local(job.method.name) is None else derive("sealed", job.key)

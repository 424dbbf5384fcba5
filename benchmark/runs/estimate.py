"""About how long a job takes, told before it starts, and when it is stopped for taking too long."""

from __future__ import annotations

from benchmark.games.game import GameCard
from benchmark.runs.job import Job

VECTOR_STEP_S = 1e-4
"""Of each step of an arena, however few matches are played in it. `ours` with `preset=paper` on
Pong, one match at a time, took .11 ms a step on one core (AMD EPYC, in one process); the card's
speed, of 512 at once, is .011 ms a match."""
LEAST_LIMIT_S = 900.0
LIMIT_RATIO = 20.0


def training_seconds(job: Job, card: GameCard) -> float:
    """Of a training by PPO on one core; nothing for a job that trains nothing."""
    if not job.budget_steps:
        return 0.0
    matches = job.method.config.get("matches") if job.method else None
    together = matches if isinstance(matches, int) and matches > 0 else None
    handling = VECTOR_STEP_S * job.budget_steps / together if together else 0.0
    return job.budget_steps / card.training_speed + handling


def wall_limit(job: Job, card: GameCard) -> float:
    """Seconds after which a training is stopped: many times what it should take."""
    return LEAST_LIMIT_S + LIMIT_RATIO * training_seconds(job, card)

"""Jobs that look at the victim's side of matches: a detector's judgement, the split of states.

Regular matches are shared among the victim's regular opponents, and those that are compared start
from the very seeds of the adversary's matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmark.evaluation import split as splitting
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.matches import episode_list
from benchmark.evaluation.watching import Episode, watch
from benchmark.policies.policy import Policy
from benchmark.registry import detectors
from benchmark.runs.job import Job, Player
from benchmark.runs.staging import card_of, game_of, other_seat, seated
from benchmark.seeding import derive

LEARNED_FROM = 1
"""Names the list of seeds that detectors learn regular play from: no match of it is judged."""
PolicyOf = Callable[[Player], Policy]


def detect(job: Job, victim: Policy, policy_of: PolicyOf) -> dict[str, Any]:
    """Fit the job's detector on regular matches, then let it judge others, and each adversary's."""
    method, card = job.method, card_of(job)
    assert method is not None
    kind = detectors.load(method.name)
    detector = kind(kind.configure(card, method.config))
    rng = np.random.default_rng(derive(job.kind, job.seed, job.game))
    opponents = [policy_of(player) for player in job.opponents]
    lesson = episode_list(card.id, job.episodes, LEARNED_FROM)
    seat = card.seats[card.seat_index(other_seat(job, card))]
    detector.fit(_watched(job, victim, opponents, lesson), victim, seat, rng)
    seeds = episode_list(card.id, job.episodes)

    def scores(players: Sequence[Policy]) -> list[float]:
        return [detector.score(episode) for episode in _watched(job, victim, players, seeds)]

    regular = scores(opponents)
    found = [
        Detection.count(adversarial=scores([policy_of(player)]), regular=regular)
        for player in job.adversaries
    ]
    return {"counts": [counts.model_dump() for counts in found]}


def split(job: Job, victim: Policy, policy_of: PolicyOf) -> dict[str, Any]:
    """How far apart the states of the victim's own body lie, against whom it plays."""
    card = card_of(job)
    seat = card.seats[card.seat_index(other_seat(job, card))]
    seeds = episode_list(card.id, job.episodes)
    adversarial, regular = (
        [
            episode.obs[:, slice(*seat.own_view)]
            for episode in _watched(job, victim, [policy_of(p) for p in players], seeds)
        ]
        for players in (job.adversaries, job.opponents)
    )
    rng = np.random.default_rng(derive(job.kind, job.seed, job.game))
    return {"split": splitting.split(adversarial, regular, rng)._asdict()}


def _watched(
    job: Job, victim: Policy, opponents: Sequence[Policy], seeds: Sequence[int]
) -> list[Episode]:
    """The victim's side of a match per seed, every opponent playing its share of them."""
    found: list[Episode | None] = [None] * len(seeds)
    for k, opponent in enumerate(opponents):
        share = seeds[k :: len(opponents)]
        batch = game_of(job, min(job.parallel, max(1, len(share))))
        view = other_seat(job, batch.card)
        found[k :: len(opponents)] = watch(batch, seated(job, opponent, victim), view, share)
    return [episode for episode in found if episode is not None]

"""Jobs that look at the victim's side of matches: a detector's judgement, the split of states.

Regular matches are shared among the victim's regular opponents, and those that are compared start
from the very seeds of the adversary's matches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmark.errors import CheckFailed
from benchmark.evaluation import split as splitting
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.matches import episode_list
from benchmark.evaluation.watching import Episode, watch_each
from benchmark.policies.policy import Policy
from benchmark.registry import detectors
from benchmark.runs.job import Job, Player
from benchmark.runs.staging import card_of, game_of, other_seat, seated
from benchmark.seeding import derive

LEARNED_FROM = 1
"""Names the list of seeds that detectors learn regular play from: no match of it is judged."""
LESSONS = 200
"""Matches that they learn from, at most: all of them are held at once."""
CONTROLS = 16
"""Regular matches that stand among every adversary's too, where their scores must be the same."""
PolicyOf = Callable[[Player], Policy]
Look = Callable[[Job, Policy, PolicyOf], dict[str, Any]]
"""Does a job that trains nothing: (job, its victim, what loads the others) -> its result."""


class WrongScores(CheckFailed):
    """A detector judged an episode by those beside it."""


class _Control(NamedTuple):
    """A regular match and how it was judged among regular ones."""

    episode: Episode
    score: float


class Detecting:
    """Detectors' jobs. The last detector is kept: a cell asks the same of several adversaries.

    Regular matches and an adversary's are judged apart, so a detector could tell the whole lot by
    its mean. Some regular ones stand among the adversary's, it does not know where, and must be
    judged as before to the last bit.
    """

    def __init__(self) -> None:
        self._of: str | None = None
        self._detector: Any = None
        self._regular: list[float] = []
        self._controls: list[_Control] = []

    def __call__(self, job: Job, victim: Policy, policy_of: PolicyOf) -> dict[str, Any]:
        """Let the job's detector judge the adversary's matches and regular ones.

        Raises:
            WrongScores: it did not judge each for itself.
        """
        alone = job.model_copy(update={"adversaries": ()}).key
        seeds = episode_list(card_of(job).id, job.episodes)
        if alone != self._of:
            self._of = None  # until all that is kept is of this one: it may crash on the way
            opponents = [policy_of(player) for player in job.opponents]
            self._detector = _fitted(job, victim, opponents)
            self._judge_regular(job, victim, opponents, seeds)
            self._of = alone
        adversarial = self._judge_adversary(job, victim, [policy_of(job.adversaries[0])], seeds)
        counts = Detection.count(adversarial=adversarial, regular=self._regular)
        return {"counts": counts.model_dump()}

    def _judge_regular(
        self, job: Job, victim: Policy, opponents: Sequence[Policy], seeds: Sequence[int]
    ) -> None:
        """Score regular matches, and keep some of them as controls."""
        rng = np.random.default_rng(derive("controls", job.key))
        chosen = rng.choice(len(seeds), min(CONTROLS, len(seeds)), replace=False).tolist()
        kept: dict[int, Episode] = {}

        def watched() -> Iterator[tuple[int, Episode]]:
            for position, episode in _watched(job, victim, opponents, seeds):
                if position in chosen:
                    kept[position] = episode
                yield position, episode

        self._regular = self._in_order(watched())
        self._controls = [_Control(kept[k], self._regular[k]) for k in chosen]

    def _judge_adversary(
        self, job: Job, victim: Policy, players: Sequence[Policy], seeds: Sequence[int]
    ) -> list[float]:
        """Of an adversary's matches, by position; the controls' are behind them and looked at."""
        count, controls = len(seeds), self._controls
        rng = np.random.default_rng(derive("among", job.key))
        before = defaultdict(list)  # the controls that stand before the match of that number
        for k, slot in enumerate(rng.integers(0, count + 1, len(controls)).tolist()):
            before[slot].append((count + k, controls[k].episode))

        def mixed() -> Iterator[tuple[int, Episode]]:
            for number, match in enumerate(_watched(job, victim, players, seeds)):
                yield from before[number]
                yield match
            yield from before[count]

        found = self._in_order(mixed())
        again = found[count:]
        otherwise = sum(a != one.score for a, one in zip(again, controls, strict=True))
        if otherwise:
            assert job.method is not None
            raise WrongScores(
                f"detector '{job.method.name}' judged {otherwise} of {len(controls)} regular "
                "matches otherwise among an adversary's than among regular ones; a score must be "
                "of its episode alone"
            )
        return found[:count]

    def _in_order(self, matches: Iterator[tuple[int, Episode]]) -> list[float]:
        """The detector's scores of matches that come with their positions, by position."""
        positions: list[int] = []

        def episodes() -> Iterator[Episode]:
            for position, episode in matches:
                positions.append(position)
                yield episode

        found = self._detector.scores(episodes())
        by_position = dict(zip(positions, found, strict=True))
        return [by_position[k] for k in range(len(positions))]


def _fitted(job: Job, victim: Policy, opponents: Sequence[Policy]) -> Any:
    """The job's detector, after regular matches that nothing is judged by."""
    method, card = job.method, card_of(job)
    assert method is not None
    kind = detectors.load(method.name)
    detector = kind(kind.configure(card, method.config))
    rng = np.random.default_rng(derive(job.kind, job.seed, job.game))
    seeds = episode_list(card.id, min(job.episodes, LESSONS), LEARNED_FROM)
    seen = dict(_watched(job, victim, opponents, seeds))
    seat = card.seats[card.seat_index(other_seat(job, card))]
    detector.fit([seen[k] for k in range(len(seeds))], victim, seat, rng)
    return detector


def split(job: Job, victim: Policy, policy_of: PolicyOf) -> dict[str, Any]:
    """How far apart the states of the victim's own body lie, against whom it plays."""
    card = card_of(job)
    own = slice(*card.seats[card.seat_index(other_seat(job, card))].own_view)
    seeds = episode_list(card.id, job.episodes)

    def visited(players: Sequence[Player]) -> list[Any]:
        matches = _watched(job, victim, [policy_of(player) for player in players], seeds)
        seen = {position: episode.obs[:, own].copy() for position, episode in matches}
        return [seen[k] for k in range(len(seeds))]

    rng = np.random.default_rng(derive(job.kind, job.seed, job.game))
    found = splitting.split(visited(job.adversaries), visited(job.opponents), rng)
    return {"split": found._asdict()}


def _watched(
    job: Job, victim: Policy, opponents: Sequence[Policy], seeds: Sequence[int]
) -> Iterator[tuple[int, Episode]]:
    """The victim's side of a match per seed, by position, every opponent playing its share."""
    for k, opponent in enumerate(opponents):
        positions = range(k, len(seeds), len(opponents))
        if not positions:
            continue
        batch = game_of(job, min(job.parallel, len(positions)))
        share = [seeds[position] for position in positions]
        view = other_seat(job, batch.card)
        for nth, episode in watch_each(batch, seated(job, opponent, victim), view, share):
            yield positions[nth], episode

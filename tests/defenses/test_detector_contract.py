"""What every registered detector must do, on every registered game."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.errors import Misuse
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.watching import Episode
from benchmark.games.game import SeatCard
from benchmark.learning.threads import use_threads
from defenses.detector import Detector
from tests.attacks.conftest import scribble
from tests.defenses.episodes import wander, wanderings

PAIRS = [(g, d) for g in registry.games.names() for d in registry.detectors.names()]
each = pytest.mark.parametrize(("game", "detector"), PAIRS)
SMALL = {"components": 2, "iterations": 10, "passes": 5}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def victim_seat(game: str) -> SeatCard:
    card = registry.game(game).describe()
    return card.seats[1 - card.seat_index(card.adversary_seat)]


def small(kind: Any, game: str) -> Any:
    """A detector of toy size."""
    card = registry.game(game).describe()
    fields = type(kind.configure(card, {})).model_fields
    return kind(kind.configure(card, {k: v for k, v in SMALL.items() if k in fields}))


def fitted(game: str, detector: str, seed: int = 3) -> tuple[Detector, SeatCard]:
    """One that has seen twenty made-up episodes of regular play."""
    made, seat = small(registry.detectors.load(detector), game), victim_seat(game)
    victim = scribble(registry.game(game).describe(), seat.name)
    made.fit(wanderings(seat, 20, seed=0), victim, seat, np.random.default_rng(seed))
    return made, seat


@each
def test_a_planted_anomaly_is_told_and_regular_play_is_not(game: str, detector: str) -> None:
    """The body pushed twice as hard in 25 episodes; 25 regular ones against 25 others."""
    made, seat = fitted(game, detector)
    scores = {
        name: [made.score(episode) for episode in wanderings(seat, 25, seed, jolt=jolt)]
        for name, seed, jolt in (("regular", 1, 0.0), ("others", 2, 0.0), ("jolted", 1, 1.0))
    }
    told = Detection.count(regular=scores["regular"], adversarial=scores["jolted"])
    same = Detection.count(regular=scores["regular"], adversarial=scores["others"])
    assert told.auroc > 0.9
    low, high = same.interval(0.999)  # fourteen pairs are tried: one in twenty would miss .5
    assert low < 0.5 < high


@each
def test_the_same_generator_gives_the_same_scores(game: str, detector: str) -> None:
    (one, seat), (other, _) = fitted(game, detector), fitted(game, detector)
    for episode in wanderings(seat, 3, seed=4):
        assert one.score(episode) == other.score(episode)


@each
def test_a_score_is_the_mean_of_its_steps_and_no_count_of_them(game: str, detector: str) -> None:
    """An episode ten times as long scores like the ten that it is made of."""
    made, seat = fitted(game, detector)
    whole = wander(seat, np.random.default_rng(6), steps=400)
    assert made.score(whole) == pytest.approx(made.per_step(whole).mean())
    cuts = zip(np.split(whole.obs, 10), np.split(whole.actions, 10), strict=True)
    parts = [made.score(Episode(obs, actions)) for obs, actions in cuts]
    assert made.score(whole) == pytest.approx(np.mean(parts), rel=0.05)


@each
def test_scoring_changes_nothing(game: str, detector: str) -> None:
    """Neither the episode nor the detector."""
    made, seat = fitted(game, detector)
    first, second = wanderings(seat, 2, seed=5, jolt=2.0)
    kept = Episode(first.obs.copy(), first.actions.copy())
    score = made.score(first)
    made.score(second)
    assert made.score(first) == score
    np.testing.assert_array_equal(first.obs, kept.obs)
    np.testing.assert_array_equal(first.actions, kept.actions)


@each
@pytest.mark.parametrize("steps", [1, 2])
def test_any_episode_has_a_finite_score(game: str, detector: str, steps: int) -> None:
    """One step, two steps; and a victim that is thrown out of the world."""
    made, seat = fitted(game, detector)
    episode = wander(seat, np.random.default_rng(0), steps=steps)
    assert np.isfinite(made.score(episode))
    assert np.isfinite(made.score(episode._replace(obs=1e6 * episode.obs)))


@each
def test_without_regular_play_it_is_refused(game: str, detector: str) -> None:
    made, seat = small(registry.detectors.load(detector), game), victim_seat(game)
    victim = scribble(registry.game(game).describe(), seat.name)
    with pytest.raises(Misuse, match=f"detector '{detector}'"):
        made.fit([], victim, seat, np.random.default_rng(0))


@each
def test_an_unknown_setting_is_refused(game: str, detector: str) -> None:
    kind = registry.detectors.load(detector)
    with pytest.raises(Misuse, match=f"detector '{detector}' has no setting 'nonsense'"):
        kind.configure(registry.game(game).describe(), {"nonsense": 1})


@pytest.mark.parametrize("detector", registry.detectors.names())
def test_it_says_what_it_is(detector: str) -> None:
    kind = registry.detectors.load(detector)
    assert kind.name == detector
    assert kind.version >= 1
    assert kind.citation

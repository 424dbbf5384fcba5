"""The prediction error: in usual errors, of the victim's body alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.errors import Misuse
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.watching import Episode
from benchmark.games.game import SeatCard
from benchmark.games.pong import Pong
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import ZeroPolicy
from defenses.prediction_error import PredictionError
from tests.defenses.episodes import wanderings

CARD = Pong.describe()
SEAT = CARD.seats[1]
OWN = slice(*SEAT.own_view)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def fitted(
    regular: list[Episode] | None = None, seat: SeatCard = SEAT, **settings: Any
) -> PredictionError:
    made = PredictionError(PredictionError.configure(CARD, settings))
    episodes = wanderings(SEAT, 40, seed=0) if regular is None else regular
    made.fit(episodes, ZeroPolicy(2), seat, np.random.default_rng(0))
    return made


def changed(episode: Episode, columns: slice, factor: float) -> Episode:
    """The same with some columns of what was seen in another unit."""
    obs = episode.obs.copy()
    obs[:, columns] *= factor
    return episode._replace(obs=obs)


def test_regular_play_scores_about_one() -> None:
    made = fitted()
    scores = [made.score(episode) for episode in wanderings(SEAT, 30, seed=1)]
    assert np.mean(scores) == pytest.approx(1.0, abs=0.15)


def test_the_model_learns_what_an_action_does() -> None:
    """Actions turned about leave each observation as likely as it was, and the change is not."""
    made = fitted()
    regular = wanderings(SEAT, 25, seed=1)
    turned = [episode._replace(actions=-episode.actions) for episode in regular]
    found = Detection.count(
        regular=[made.score(e) for e in regular], adversarial=[made.score(e) for e in turned]
    )
    assert found.auroc > 0.95


def test_the_adversarys_looks_are_nothing_to_it() -> None:
    """Only the columns of the victim's body and its actions are read."""
    made = fitted()
    episode = wanderings(SEAT, 1, seed=1)[0]
    looks = changed(episode, slice(OWN.stop, None), 50.0)
    assert made.score(looks) == made.score(episode)
    assert made.score(changed(episode, OWN, 2.0)) > made.score(episode)


def test_units_do_not_matter() -> None:
    """A body seen in millimetres is told like one seen in metres."""
    plain = fitted()
    small = fitted([changed(e, OWN, 1000.0) for e in wanderings(SEAT, 40, seed=0)])
    for episode in wanderings(SEAT, 3, seed=1):
        millimetres = small.score(changed(episode, OWN, 1000.0))
        assert millimetres == pytest.approx(plain.score(episode), rel=0.02)


def test_one_blow_counts_up_to_the_clip_and_no_further() -> None:
    made = fitted(clip=4.0)
    episode = wanderings(SEAT, 1, seed=1)[0]
    obs = episode.obs.copy()
    obs[20:, OWN] += 1e6
    assert made.per_step(episode._replace(obs=obs))[19] == pytest.approx(16.0)
    assert made.per_step(episode).max() <= 16.0


def test_a_column_that_never_moves_is_left_out() -> None:
    """Neither its rest nor its sudden motion is a change that can be measured."""
    still = [changed(e, slice(0, 1), 0.0) for e in wanderings(SEAT, 10, seed=0)]
    made = fitted(still)
    assert np.isfinite(made.score(still[0]))
    assert np.isfinite(made.score(wanderings(SEAT, 1, seed=1)[0]))


def test_the_usual_error_is_of_episodes_that_were_not_learned_from() -> None:
    """A model that has learned its few episodes by heart knows that it errs on others."""
    few = wanderings(SEAT, 4, seed=0)
    made = fitted(few, held_out=0.5, passes=100, hidden=(64,), minibatch=16)
    scores = [made.score(episode) for episode in wanderings(SEAT, 20, seed=1)]
    assert np.mean(scores) < 1.6


def test_one_step_is_neither_likely_nor_unlikely() -> None:
    episode = wanderings(SEAT, 1, seed=1, steps=1)[0]
    assert fitted().score(episode) == 1.0


def test_a_body_that_never_moves_is_refused() -> None:
    still = [changed(e, OWN, 0.0) for e in wanderings(SEAT, 4, seed=0)]
    with pytest.raises(Misuse, match="never moves"):
        fitted(still)


@pytest.mark.parametrize(("count", "steps"), [(0, 9), (1, 9), (5, 1)])
def test_too_little_to_learn_from_is_refused(count: int, steps: int) -> None:
    with pytest.raises(Misuse, match="two regular episodes of two steps or more, got"):
        fitted(wanderings(SEAT, count, seed=0, steps=steps))


@pytest.mark.parametrize("wrong", [{"held_out": 0}, {"held_out": 1}, {"clip": 0}, {"passes": 0}])
def test_settings_outside_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match=f"setting '{next(iter(wrong))}'"):
        fitted(**wrong)

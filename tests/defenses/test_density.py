"""The density over the victim's activations: held against a Gaussian written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from benchmark.errors import Misuse
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.matches import episode_list
from benchmark.evaluation.watching import Episode, watch
from benchmark.games.pong import Pong
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import (
    MLPPolicy,
    Policy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
    expected_shapes,
)
from benchmark.registry import Victims
from defenses.density import Density, activations
from tests.defenses.episodes import wanderings
from tests.factories import scribble

CARD = Pong.describe()
SEAT = CARD.seats[1]
FLOOR = 1e-3


def fitted(regular: list[Episode], victim: Policy, **settings: Any) -> Density:
    made = Density(Density.configure(CARD, {"components": 1, **settings}))
    made.fit(regular, victim, SEAT, np.random.default_rng(0))
    return made


def recurrent() -> LSTMPolicy:
    """A small recurrent victim of random weights."""
    card = PolicyCard(
        name="net", kind="lstm", game="pong-v1", seat="any", obs_dim=13, act_dim=2, hidden=(6, 5),
        origin="test",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    shapes = expected_shapes(card).items()
    return LSTMPolicy(card, {name: rng.normal(size=shape) for name, shape in shapes})


@pytest.mark.parametrize("over", ["activations", "observations"])
def test_one_component_is_a_gaussian(over: str) -> None:
    """-log p of standardised points, covariance of the fit plus the floor."""
    regular, victim = wanderings(SEAT, 10, seed=0), scribble()
    made = fitted(regular, victim, over=over, covariance="full")
    episode = wanderings(SEAT, 1, seed=1)[0]

    def points(obs: np.ndarray) -> np.ndarray:
        return obs if over == "observations" else activations(victim, obs)

    rows = np.concatenate([points(e.obs) for e in regular]).astype(np.float64)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    z = (rows - mean) / spread
    gaussian = multivariate_normal(z.mean(axis=0), np.cov(z.T, ddof=0) + FLOOR * np.eye(z.shape[1]))
    wanted = -gaussian.logpdf((points(episode.obs) - mean) / spread)
    np.testing.assert_allclose(made.per_step(episode), wanted, rtol=1e-3, atol=1e-3)


def test_activations_are_what_the_output_layer_reads() -> None:
    victim, obs = scribble(), wanderings(SEAT, 1, seed=0)[0].obs
    tensors = victim.tensors()
    hidden = np.tanh(obs @ tensors["layer0.weight"] + tensors["layer0.bias"])
    np.testing.assert_allclose(activations(victim, obs), hidden, atol=1e-6)


def test_a_recurrent_victim_is_followed_through_the_episode() -> None:
    """Step by step with its memory, which is empty at every episode's start."""
    victim, obs = recurrent(), wanderings(SEAT, 1, seed=0)[0].obs
    hidden = activations(victim, obs)
    tensors, state = victim.tensors(), victim.initial_state(1)
    for t, row in enumerate(obs):
        mean, state = victim.act(row[None], state)
        output = hidden[t] @ tensors["layer1.weight"] + tensors["layer1.bias"]
        np.testing.assert_allclose(output, mean[0], atol=1e-6)
    np.testing.assert_array_equal(activations(victim, obs), hidden)
    made = fitted(wanderings(SEAT, 6, seed=2), victim, components=2)
    assert made.per_step(Episode(obs, obs[:, :2])).shape == (len(obs),)


def test_a_unit_that_never_fired_counts_when_it_does() -> None:
    """It keeps its own unit, and its variance is the floor."""
    regular = [e._replace(obs=e.obs * (np.arange(13) > 0)) for e in wanderings(SEAT, 6, seed=0)]
    made = fitted(regular, ZeroPolicy(2), over="observations")
    fires = regular[0]._replace(obs=regular[0].obs + (np.arange(13) == 0).astype(np.float32))
    gained = made.score(fires) - made.score(regular[0])
    assert gained == pytest.approx(0.5 / FLOOR, rel=1e-3)


def test_an_opponent_that_stands_still_is_told_from_one_that_plays() -> None:
    """In real matches, from the activations of a shipped victim, on seeds that were not fitted."""
    victim: MLPPolicy = Victims().load("house-tanh")
    mirror: Policy = Victims().load("house-relu")

    def seen(left: Policy, seed: int) -> list[Episode]:
        return watch(Pong(20), (left, victim), "right", episode_list("pong-v1", 20, seed))

    made = fitted(seen(mirror, 1), victim, components=4, iterations=10, rows=3000)
    scores = {
        name: [made.score(e) for e in seen(player, 2)]
        for name, player in (("regular", mirror), ("still", ZeroPolicy(2)))
    }
    assert Detection.count(regular=scores["regular"], adversarial=scores["still"]).auroc > 0.7


def test_a_victim_without_activations_is_refused() -> None:
    with pytest.raises(Misuse, match="reads a network's activations; 'random' is 'random'"):
        fitted(wanderings(SEAT, 3, seed=0), RandomPolicy(2, 1.0))


def test_fewer_steps_than_components_are_refused() -> None:
    with pytest.raises(Misuse, match="fits 20 components on 12 steps"):
        fitted(wanderings(SEAT, 3, seed=0, steps=4), scribble(), components=20)


def test_defaults_are_the_papers_and_observations_have_diagonal_covariances() -> None:
    config = Density.configure(CARD, {})
    assert (config.over, config.components, config.covariance) == ("activations", 20, "full")
    assert config.rows == 20_000
    assert Density.configure(CARD, {"over": "observations"}).covariance == "diag"
    both = Density.configure(CARD, {"over": "observations", "covariance": "full"})
    assert both.covariance == "full"

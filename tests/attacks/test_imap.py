"""IMAP: the baseline at weight 0, and coverage recomputed state by state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline
from attacks.imap import DIMS, Imap, Particles, StateCoverage, mean_distance
from benchmark import registry
from benchmark.errors import Misuse
from tests.attacks.conftest import (
    PONG,
    assert_same_policy,
    differ,
    made_up_rollout,
    pong_arena,
    toy_config,
    trained,
)

SHORT = {"matches": 4, "rollout_steps": 6, "particles": 10, "neighbours": 3}


def _hooks(seed: int = 0, **settings: Any) -> StateCoverage:
    config = toy_config(Imap, **{**SHORT, **settings})
    return StateCoverage(config, pong_arena(), np.random.default_rng(seed))


def _by_hand(
    points: np.ndarray, known: np.ndarray, drawn: np.ndarray, neighbours: int
) -> list[float]:
    """Mean distance to the nearest, by sorting all of them; rows that are the point left out."""
    means = []
    for i, point in enumerate(points.astype(np.float64)):
        gaps = [
            float(np.sqrt(((point - other) ** 2).sum()))
            for j, other in enumerate(known.astype(np.float64))
            if not (j < len(drawn) and drawn[j] == i)
        ]
        means.append(float(np.mean(sorted(gaps)[:neighbours])))
    return means


def test_weight_zero_is_the_baseline_to_the_last_bit() -> None:
    assert_same_policy(trained(Baseline), trained(Imap, weight=0))


def test_weight_above_zero_is_another_policy() -> None:
    assert differ(trained(Baseline), trained(Imap, weight=0.5))


@pytest.mark.parametrize("neighbours", [1, 4])
def test_distance_is_that_to_the_nearest_others(neighbours: int) -> None:
    """Over more than one block, so that a point is told from its neighbours in each."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2100, 3)).astype(np.float32)
    drawn = np.array([0, 1023, 1024, 2047, 2099, 7])
    known = np.concatenate([points[drawn], rng.normal(size=(5, 3)).astype(np.float32)])
    distance = mean_distance(points, known, drawn, neighbours)
    np.testing.assert_allclose(
        distance, _by_hand(points, known, drawn, neighbours), rtol=1e-3, atol=1e-3
    )


def test_signal_is_the_estimate_on_both_bodies() -> None:
    """Log(1 + mean distance) of what the victim sees of both, in the second rollout too."""
    hooks = _hooks()
    rollouts = [made_up_rollout(np.random.default_rng(seed)) for seed in range(2)]
    draws = np.random.default_rng(0)
    seen: list[np.ndarray] = []
    earlier = np.zeros((0, 8), np.float32)
    for n, rollout in enumerate(rollouts):
        states = rollout.other_obs[..., :8].reshape(24, 8)
        drawn = draws.permutation(24)[:10]
        seen.append(states[drawn])
        whole = np.concatenate(seen)
        z, past = ((part - whole.mean(0)) / whole.std(0) for part in (states, earlier))
        known = np.concatenate([z[drawn], past])
        expected = np.log1p(_by_hand(z, known, drawn, 3)).reshape(6, 4)
        np.testing.assert_allclose(hooks.signal(rollout, 0.0), expected, rtol=1e-3, atol=1e-3)
        taken = draws.random(10) < 1.0 / (n + 1)
        earlier = np.where(taken[:, None], states[drawn], earlier) if n else states[drawn]


def test_a_state_far_from_the_others_is_worth_more() -> None:
    hooks, rollout = _hooks(), made_up_rollout(np.random.default_rng(0))
    rollout.other_obs[1, 2, 4:8] += 30.0
    rollout.other_obs[5, 0, :4] += 30.0
    signal = hooks.signal(rollout, 0.0)
    far = {(1, 2), (5, 0)}
    order = sorted(np.ndindex(6, 4), key=lambda at: -signal[at])
    assert set(order[:2]) == far


def test_what_is_not_of_a_body_is_worth_nothing() -> None:
    plain, changed = (made_up_rollout(np.random.default_rng(0)) for _ in range(2))
    changed.obs += 1000.0  # the adversary's own, which passes a filter that moves
    changed.other_obs[..., 8:] += 1000.0
    np.testing.assert_array_equal(_hooks().signal(plain, 0.0), _hooks().signal(changed, 0.0))


def test_a_place_visited_before_is_worth_less() -> None:
    """The same states again, all of them remembered: each now has itself nearby."""
    hooks, rollout = _hooks(particles=24, neighbours=1), made_up_rollout(np.random.default_rng(0))
    first = hooks.signal(rollout, 0.0)
    again = hooks.signal(rollout, 0.0)
    assert again.max() < 0.1 * first.min()


def test_every_rollout_has_the_same_share_of_the_memory() -> None:
    particles = Particles(6000, 1, np.random.default_rng(0))
    for n in range(4):
        particles.keep(np.full((6000, 1), n, np.float32))
    counts = np.bincount(particles.earlier[:, 0].astype(int))
    np.testing.assert_allclose(counts, 1500, atol=200)


def test_the_first_rollout_has_no_earlier_states() -> None:
    particles = Particles(5, 2, np.random.default_rng(0))
    assert len(particles.earlier) == 0
    particles.keep(np.ones((5, 2), np.float32))
    np.testing.assert_array_equal(particles.earlier, np.ones((5, 2)))


def test_a_coordinate_beyond_ten_deviations_is_no_farther() -> None:
    particles = Particles(1000, 2, np.random.default_rng(0))
    particles.see(np.random.default_rng(1).normal(size=(1000, 2)).astype(np.float32))
    placed = particles.place(np.array([[50.0, -9000.0], [1e30, -50.0]], np.float32))
    np.testing.assert_array_equal(placed, [[10.0, -10.0], [10.0, -10.0]])


def test_a_projection_keeps_distances() -> None:
    """Of 700 coordinates: the ratio of distances is 1 in the mean and seldom far from it."""
    rng = np.random.default_rng(0)
    particles = Particles(400, 700, rng)
    states = rng.normal(size=(400, 700)).astype(np.float32)
    particles.see(states)
    placed = particles.place(states)
    assert placed.shape == (400, DIMS)
    z = (states - states.mean(0)) / states.std(0)
    pairs = np.arange(0, 400, 2)
    ratio = (
        np.linalg.norm(placed[pairs] - placed[pairs + 1], axis=1)
        / np.linalg.norm(z[pairs] - z[pairs + 1], axis=1)
    )  # fmt: skip
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)
    assert ratio.std() < 0.15


@pytest.mark.parametrize("width", [8, 100])
def test_a_restored_memory_goes_on_as_it_would_have(width: int) -> None:
    """Into hooks of another seed; 100 coordinates are projected, Pong's 8 are not."""
    whole, resumed = _hooks(), _hooks(seed=9)
    for hooks in (whole, resumed):
        hooks._other = slice(4, width)
        hooks.particles = Particles(10, width, hooks._rng)
    rollouts = [made_up_rollout(np.random.default_rng(seed)) for seed in range(3)]
    for rollout in rollouts:
        rollout.other_obs = np.resize(rollout.other_obs, (6, 4, width + 4))
    whole.signal(rollouts[0], 0.0)
    resumed.restore(whole.state())
    for rollout in rollouts[1:]:
        np.testing.assert_array_equal(whole.signal(rollout, 0.0), resumed.signal(rollout, 0.0))


@pytest.mark.parametrize("preset", ["tuned", "published"])
@pytest.mark.parametrize("game", registry.games.names())
def test_every_preset_has_particles_enough(game: str, preset: str) -> None:
    config = Imap.configure(registry.game(game).describe(), {"preset": preset})
    assert config.neighbours < min(config.particles, config.matches * config.rollout_steps)


@pytest.mark.parametrize(
    ("field", "value"), [("neighbours", 0), ("particles", 1), ("weight", -1), ("anneal_until", 0)]
)
def test_a_setting_that_cannot_work_is_refused(field: str, value: object) -> None:
    with pytest.raises(Misuse, match=f"setting '{field}'"):
        Imap.configure(PONG, {field: value})


def test_more_neighbours_than_there_are_particles_are_refused() -> None:
    """Before any training of the run, as every setting that cannot work."""
    with pytest.raises(Misuse, match="'neighbours' is at most 9 with 10 particles"):
        Imap.configure(PONG, {"particles": 10, "neighbours": 10})
    small = {"matches": 4, "rollout_steps": 6, "minibatch": 24}
    with pytest.raises(Misuse, match="'neighbours' is at most 23 with 24 particles"):
        Imap.configure(PONG, {**small, "neighbours": 24})
    Imap.configure(PONG, {**small, "neighbours": 23})

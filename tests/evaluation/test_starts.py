"""Win rates by the start of a match."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import Misuse
from benchmark.evaluation.matches import Played, episode_list, play_out
from benchmark.evaluation.starts import HeldOutPredictor, auroc, by_start, standardised_starts
from benchmark.games.game import LOSS, WIN
from benchmark.games.pong import Pong
from benchmark.policies.policy import RandomPolicy
from benchmark.seeding import EpisodeSeeds


def made_up(results: list[int], starts: list[list[float]]) -> Played:
    """Matches with these results and starts."""
    count = len(results)
    return Played(
        np.array(results, np.int8), np.zeros(count, np.int8), np.array(starts, np.float32), ("e",)
    )


def test_starts_are_what_both_seats_see_first() -> None:
    """With more seeds than parallel matches: those of later matches too."""
    seeds = episode_list("pong-v1", 7)
    player = RandomPolicy(2, 1.0)
    played = play_out(Pong(3), (player, player), "left", seeds)
    for row, seed in enumerate(seeds):
        seen = Pong(1).reset(EpisodeSeeds(0, 1, [[seed]]))
        np.testing.assert_array_equal(played.starts[row], np.concatenate([s[0] for s in seen]))


def test_a_serve_that_decides_is_found_though_it_is_no_odd_one() -> None:
    """Who wins on one side of the mean and loses on the other: a distance would not tell."""
    chance = np.random.default_rng(0)
    starts = chance.normal(size=(400, 6))
    found = by_start(made_up([WIN if s[3] > 0 else LOSS for s in starts], starts.tolist()), 4)
    assert found.auroc > 0.9
    assert found.p < 0.01
    rates = [tally.win_rate for tally in found.bins]
    assert rates == sorted(rates)
    assert rates[0] < 0.1 < 0.9 < rates[-1]


def test_a_dependence_is_not_made_up() -> None:
    """Over twenty made-up sets of matches whose results know nothing of the starts."""
    chance = np.random.default_rng(1)
    low = 0
    for _ in range(20):
        results = np.where(chance.random(120) < 0.6, WIN, LOSS).tolist()
        low += by_start(made_up(results, chance.normal(size=(120, 8)).tolist()), 3).p < 0.05
    assert low <= 4


@pytest.mark.parametrize("result", [WIN, LOSS])
def test_where_all_matches_end_alike_nothing_is_told(result: int) -> None:
    starts = np.random.default_rng(0).normal(size=(50, 3)).tolist()
    found = by_start(made_up([result] * 50, starts), 2)
    assert (found.auroc, found.p) == (0.5, 1.0)


def test_bins_count_everyone_once() -> None:
    starts = np.random.default_rng(0).normal(size=(10, 3)).tolist()
    bins = by_start(made_up([WIN] * 6 + [LOSS] * 4, starts), 3).bins
    assert [b.episodes for b in bins] == [4, 3, 3]
    assert sum(b.wins for b in bins) == 6


def test_constant_coordinates_are_left_out() -> None:
    starts = np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]], np.float32)
    np.testing.assert_allclose(
        standardised_starts(starts)[:, 0], np.array([-2.0, 0.0, 2.0]) / np.sqrt(8 / 3), rtol=1e-6
    )
    assert standardised_starts(starts).shape == (3, 1)


def test_no_match_is_told_by_its_own_result() -> None:
    """Changing one result leaves its own prediction as it was, and moves others'."""
    chance = np.random.default_rng(0)
    predict = HeldOutPredictor(chance.normal(size=(40, 5)), np.random.default_rng(0))
    results = chance.normal(size=(40, 1))
    before = predict(results)
    results[7] += 10.0
    after = predict(results)
    assert after[7] == before[7]
    assert np.abs(after - before).max() > 0.01


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_auroc_is_the_share_of_pairs(cases: list[tuple[int, bool]]) -> None:
    """Recomputed pair by pair, ties for half."""
    wins = [p for p, won in cases if won]
    losses = [p for p, won in cases if not won]
    pairs = [float(w > x) + 0.5 * float(w == x) for w in wins for x in losses]
    told = auroc(np.array([float(p) for p, _ in cases]), np.array([float(won) for _, won in cases]))
    assert told == pytest.approx(np.mean(pairs) if pairs else 0.5)


@pytest.mark.parametrize(("count", "bins"), [(4, 1), (6, 0), (6, 7)])
def test_too_few_matches_are_refused(count: int, bins: int) -> None:
    with pytest.raises(Misuse, match="--bins: from 1"):
        by_start(made_up([WIN] * count, [[float(i)] for i in range(count)]), bins)

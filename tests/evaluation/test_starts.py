"""Win rates by the start of a match."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmark.errors import Misuse
from benchmark.evaluation.matches import Played, episode_list, play_out
from benchmark.evaluation.starts import by_start, independence, unusualness
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


def test_unusualness_is_the_distance_in_deviations() -> None:
    """A constant coordinate counts for nothing; the mean square is 1."""
    starts = np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]], np.float32)
    far = unusualness(starts)
    np.testing.assert_allclose(far, np.array([2.0, 0.0, 2.0]) / np.sqrt(8 / 3), rtol=1e-6)


def test_bins_are_ordered_and_count_everyone_once() -> None:
    played = made_up([WIN] * 6 + [LOSS] * 4, [[float(i)] for i in range(10)])
    bins = by_start(played, 3)
    assert [b.tally.episodes for b in bins] == [4, 3, 3]
    assert sum(b.tally.wins for b in bins) == 6
    assert all(a.high <= b.low for a, b in pairwise(bins))


def test_a_dependence_is_found_and_none_is_not_made_up() -> None:
    starts = [[x] for x in np.linspace(-1, 1, 400)]
    depends = [WIN if abs(x[0]) < 0.5 else LOSS for x in starts]
    flips = [WIN if i % 2 else LOSS for i in range(400)]
    assert independence(by_start(made_up(depends, starts), 4)) < 1e-6
    assert independence(by_start(made_up(flips, starts), 4)) > 0.5
    assert independence(by_start(made_up([WIN] * 400, starts), 4)) == 1.0


@pytest.mark.parametrize("bins", [0, 3])
def test_more_bins_than_matches_are_refused(bins: int) -> None:
    with pytest.raises(Misuse, match="--bins: from 1 to the 2 matches"):
        by_start(made_up([WIN, LOSS], [[0.0], [1.0]]), bins)

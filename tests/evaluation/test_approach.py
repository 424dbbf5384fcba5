"""Where the bodies of matches are, against single matches that are followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import Misuse
from benchmark.evaluation.approach import DOWN, Approach, Surveyor, medians
from benchmark.evaluation.matches import episode_list, play_out
from benchmark.games.game import WIN, result_for
from benchmark.games.pong import Pong
from benchmark.games.you_shall_not_pass import YouShallNotPass
from benchmark.policies.policy import ZeroPolicy
from benchmark.seeding import EpisodeSeeds
from tests.games.duels import root

MATCHES = 4
SEEDS = episode_list("you-shall-not-pass-v1", MATCHES)
SIZE = YouShallNotPass.describe().seats[0].act_dim


def by_hand(seed: int, me: int) -> tuple[bool, int, float, float, list[int]]:
    """One match between two that do nothing: what an `Approach` tells, from joint positions."""
    game = YouShallNotPass(1)
    game.reset(EpisodeSeeds(0, 1, [[seed]]))
    gaps, heights = [], []
    while True:
        place = [game.qpos[0, root(game, seat) : root(game, seat) + 3].copy() for seat in (0, 1)]
        gaps.append(float(np.hypot(*(place[0] - place[1])[:2])))
        heights.append([place[me][2], place[1 - me][2]])
        still = np.zeros((1, SIZE), dtype=np.float32)
        step = game.step((still, still))
        if len(step.finished):
            break
    high = np.array(heights)
    low = high < DOWN * high[0]
    down = [int(np.argmax(low[:, i])) if low[:, i].any() else -1 for i in (0, 1)]
    return bool(result_for(me, step.outcome)[0] == WIN), len(gaps), min(gaps), gaps[-1], down


@pytest.mark.parametrize("view", ["blocker", "runner"])
@pytest.mark.parametrize("parallel", [1, 3])
def test_matches_are_followed_one_by_one(view: str, parallel: int) -> None:
    """With fewer matches in parallel than there are: rows go on with their next."""
    game = YouShallNotPass(parallel)
    surveyor = Surveyor(game, view, MATCHES)
    played = play_out(game, (ZeroPolicy(SIZE), ZeroPolicy(SIZE)), view, SEEDS, surveyor)
    found, me = surveyor.told(), game.card.seat_index(view)
    for match, seed in enumerate(SEEDS):
        won, steps, nearest, last, down = by_hand(seed, me)
        assert (found.won[match], found.steps[match]) == (won, steps)
        assert found.nearest[match] == pytest.approx(nearest, abs=1e-5)
        assert found.last[match] == pytest.approx(last, abs=1e-5)
        assert found.down[match].tolist() == down
    np.testing.assert_array_equal(found.won, played.results == WIN)
    assert (found.down > 0).any()  # somebody fell, so that it is told at all


def test_seeing_changes_nothing() -> None:
    seats = (ZeroPolicy(SIZE), ZeroPolicy(SIZE))
    seen, plain = YouShallNotPass(2), YouShallNotPass(2)
    watched = play_out(seen, seats, "blocker", SEEDS, Surveyor(seen, "blocker", MATCHES))
    alone = play_out(plain, seats, "blocker", SEEDS)
    np.testing.assert_array_equal(watched.starts, alone.starts)
    np.testing.assert_array_equal(watched.endings, alone.endings)


def test_medians_are_of_the_chosen_matches() -> None:
    found = Approach(
        won=np.array([True, True, False]),
        steps=np.array([10, 20, 90]),
        nearest=np.array([1.0, 2.0, 9.0], dtype=np.float32),
        last=np.array([3.0, 4.0, 9.0], dtype=np.float32),
        down=np.array([[5, -1], [7, 8], [-1, 0]]),
    )
    assert medians(found, found.won) == (2, 15.0, 1.5, 3.5, 2, 6.0, 1, 8.0)
    assert medians(found, ~found.won) == (1, 90.0, 9.0, 9.0, 0, None, 1, 0.0)
    assert medians(found, np.zeros(3, dtype=bool)) is None


def test_a_game_without_places_is_refused() -> None:
    game = Pong(1)
    with pytest.raises(Misuse, match="pong-v1 has no bodies"):
        play_out(game, (ZeroPolicy(2), ZeroPolicy(2)), "right", [1], Surveyor(game, "right", 1))

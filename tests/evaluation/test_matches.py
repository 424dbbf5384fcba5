"""Matches: every seed of the list is played once, and counted from the right side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.evaluation.matches import Halves, episode_list, play
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.games.game import Outcome
from benchmark.games.pong import Pong
from benchmark.policies.policy import Policy, RandomPolicy, ZeroPolicy
from benchmark.registry import Victims
from tests.factories import Clockwork, scribble

SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=60)
SWAP = {"win": "loss", "loss": "win", "tie": "tie"}


def clockwork(seeds: list[int], matches: int, view: str = "left") -> Halves:
    """Play the fake game, where policies do not matter."""
    idle = ZeroPolicy(1)
    return play(Clockwork(matches), (idle, idle), view, seeds)


def told(seeds: list[int]) -> Tally:
    """What the fake game's rules say about these seeds, from the left."""
    words = {Outcome.SEAT_0: "win", Outcome.SEAT_1: "loss", Outcome.TIE: "tie"}
    ends = [(words[Clockwork.outcome(s)], ("plain", "fancy")[Clockwork.ending(s)]) for s in seeds]
    results = [word for word, _ in ends]
    breakdown = {f"{w}:{e}": ends.count((w, e)) for w, e in set(ends)}
    return Tally(
        wins=results.count("win"), ties=results.count("tie"), losses=results.count("loss"),
        breakdown=breakdown,
    )  # fmt: skip


def flipped(tally: Tally) -> Tally:
    """The same matches from the other side."""
    parts = {k: k.split(":", 1) for k in tally.breakdown}
    breakdown = {f"{SWAP[w]}:{end}": tally.breakdown[k] for k, (w, end) in parts.items()}
    return Tally(wins=tally.losses, ties=tally.ties, losses=tally.wins, breakdown=breakdown)


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 80))
def test_every_seed_is_played_once(seeds: list[int], matches: int) -> None:
    """Short matches are not counted more often, whatever the ratio of episodes to matches."""
    halves = clockwork(seeds, matches)
    assert halves.even == told(seeds[::2])
    assert halves.odd == told(seeds[1::2])
    assert halves.total == told(seeds)
    assert halves.total.episodes == len(seeds)


def test_short_matches_are_won_more_often_in_the_fake_game() -> None:
    """The guard of the test above: counting whoever finishes first would be told apart."""
    seeds = [9 * k + length for k in range(1, 40) for length in (0, 8)]
    step_by_step = [s for s in seeds if Clockwork.length(s) == 1] * 9
    assert told(seeds).win_rate < told(step_by_step).win_rate


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 20))
def test_the_other_view_exchanges_wins_and_losses(seeds: list[int], matches: int) -> None:
    """And keeps ties and endings."""
    left, right = (clockwork(seeds, matches, view) for view in ("left", "right"))
    assert right.even == flipped(left.even)
    assert right.odd == flipped(left.odd)


@pytest.mark.parametrize("matches", [1, 7, 100])
def test_pong_counts_what_is_listed(matches: int) -> None:
    """A real game: one result a seed, the same in any batch, between the floors."""
    seeds = episode_list("pong-v1", 60)
    floors = RandomPolicy(2, 1.0), ZeroPolicy(2)
    halves = play(Pong(matches), floors, "left", seeds)
    assert (halves.even.episodes, halves.odd.episodes) == (30, 30)
    assert 0 < halves.total.wins < 60
    assert halves == play(Pong(13), floors, "left", seeds)


def test_the_same_list_gives_the_same_tallies_and_another_list_others() -> None:
    """With a shipped victim, sampled where it can be, on a batch that is used twice."""
    victim = _shipped()
    sampled = victim.in_mode("sampled") if victim.card.stochastic else victim
    game = Pong(20)
    seeds = episode_list("pong-v1", 40, seed=3)

    def tally(listed: list[int], batch: Pong = game) -> Halves:
        return play(batch, (sampled, scribble()), "left", listed)

    assert tally(seeds) == tally(seeds) == tally(seeds, Pong(20))
    others = [tally(episode_list("pong-v1", 40, seed=k)).total for k in range(4, 8)]
    assert any(other != tally(seeds).total for other in others)


def test_the_seats_matter_and_the_view_is_the_left_players() -> None:
    """A victim beats a motionless player from either seat."""
    victim, idle, seeds = _shipped(), ZeroPolicy(2), episode_list("pong-v1", 60)
    assert play(Pong(30), (victim, idle), "left", seeds).total.win_rate > 0.7
    assert play(Pong(30), (idle, victim), "left", seeds).total.win_rate < 0.3
    assert play(Pong(30), (idle, victim), "right", seeds).total.win_rate > 0.7


def test_halves_are_the_places_of_the_list() -> None:
    """Even and odd are separate plays of every second seed."""
    seeds = episode_list("pong-v1", 31)
    floors = RandomPolicy(2, 1.0), RandomPolicy(2, 1.0)
    halves = play(Pong(10), floors, "left", seeds)
    assert halves.even == play(Pong(4), floors, "left", seeds[::2]).total
    assert halves.odd == play(Pong(4), floors, "left", seeds[1::2]).total
    assert (halves.even.episodes, halves.odd.episodes) == (16, 15)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"seat": "right"}, "seat 'right'.*'left'"),
        ({"game": "other-v1"}, "other-v1.*pong-v1"),
        ({"obs_dim": 12}, "12 observations.*13"),
        ({"act_dim": 3}, "3 actions"),
    ],
)
def test_a_policy_of_another_seat_or_game_is_refused(card: dict[str, Any], reason: str) -> None:
    """Before a match is played."""
    game = Pong(2)
    with pytest.raises(Misuse, match=reason):
        play(game, (scribble(**card), ZeroPolicy(2)), "left", [1, 2])
    assert not game.episode_step.any()


def test_the_right_seat_is_checked_too() -> None:
    """A left player does not fit on the right, and does on the left."""
    lefty: Policy = scribble(seat="left")
    with pytest.raises(Misuse, match="seat 'left'"):
        play(Pong(2), (ZeroPolicy(2), lefty), "left", [1, 2])
    assert play(Pong(2), (lefty, ZeroPolicy(2)), "left", [1, 2]).total.episodes == 2


def test_the_protocols_list_is_fixed() -> None:
    """Longer lists start alike; games, seeds and places differ; the first seed is pinned."""
    protocol = episode_list("pong-v1", 1000)
    assert protocol[:200] == episode_list("pong-v1", 200)
    assert len(set(protocol)) == 1000
    assert not set(protocol) & set(episode_list("other-v1", 1000))
    assert not set(protocol) & set(episode_list("pong-v1", 1000, seed=0))
    assert PROTOCOL == 1
    assert protocol[0] == 8344397155163530228
    assert all(0 <= seed < 2**63 for seed in protocol)
    assert np.array(protocol, dtype=np.uint64).tolist() == protocol


def _shipped() -> Any:
    victims = Victims()
    return victims.load(next(iter(victims.cards("pong-v1"))))

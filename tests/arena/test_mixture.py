"""Who sits opposite: shares, the draw by the episode's seed, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture, Players, check_fits
from benchmark.errors import Misuse
from benchmark.games.pong import Pong
from benchmark.policies.policy import (
    MLPPolicy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
    expected_shapes,
)
from benchmark.seeding import EpisodeSeeds

ZERO, RANDOM = ZeroPolicy(2), RandomPolicy(2, 1.0)
SEEDS = np.arange(20_000, dtype=np.uint64)


def network(seed: int = 0, scale: float = 1.0, **fields: Any) -> MLPPolicy:
    """A small network."""
    base = {
        "name": "net", "kind": "mlp", "game": "pong-v1", "seat": "any",
        "obs_dim": 13, "act_dim": 2, "hidden": (8,), "origin": "test",
    }  # fmt: skip
    card, rng = PolicyCard(**(base | fields)), np.random.default_rng(seed)
    shapes = expected_shapes(card).items()
    return MLPPolicy(card, {k: scale * rng.normal(size=s).astype(np.float32) for k, s in shapes})


# --- shares --------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [(1.0, 1.0), (0.7, 0.2, 0.1), (30, 10), (1e-3, 1.0), (5,)])
def test_members_play_their_shares_of_the_episodes(shares):
    mixture = Mixture([(ZERO, share) for share in shares])
    wanted = np.array(shares) / sum(shares)
    assert np.allclose(mixture.shares, wanted)
    played = np.bincount(mixture.pick(SEEDS), minlength=len(shares)) / len(SEEDS)
    assert (np.abs(played - wanted) <= 4.0 * np.sqrt(wanted * (1 - wanted) / len(SEEDS))).all()


@settings(deadline=None)
@given(
    st.lists(st.floats(0.0, 1e6), min_size=1, max_size=6).filter(lambda s: sum(s) > 0),
    st.lists(st.integers(0, 2**64 - 1), max_size=20),
)
def test_any_shares_pick_a_member_by_the_seed_alone(shares, seeds):
    mixture, rows = Mixture([(ZERO, s) for s in shares]), np.array(seeds, dtype=np.uint64)
    picked = mixture.pick(rows)
    assert picked.shape == rows.shape
    assert set(picked.tolist()) <= set(range(len(mixture.policies)))
    assert mixture.shares.sum() == pytest.approx(1.0)
    assert np.array_equal(mixture.pick(rows[::-1]), picked[::-1])
    for k in range(len(rows)):
        assert mixture.pick(rows[k : k + 1])[0] == picked[k]


def test_a_member_without_a_share_is_left_out():
    mixture = Mixture([(ZERO, 0.0), (RANDOM, 2.0), (ZERO, 0.0)])
    assert mixture.policies == [RANDOM]
    assert mixture.shares.tolist() == [1.0]
    assert not mixture.pick(SEEDS).any()


def test_a_mixture_of_one():
    mixture = Mixture.of(RANDOM)
    assert (mixture.policies, mixture.shares.tolist()) == ([RANDOM], [1.0])


@pytest.mark.parametrize("shares", [[], [-0.1, 1.0], [np.nan], [1.0, np.nan], [np.inf, 1.0]])
def test_bad_shares_are_refused(shares):
    with pytest.raises(Misuse, match="shares >= 0, got"):
        Mixture([(ZERO, share) for share in shares])


@pytest.mark.parametrize("shares", [[0.0], [0.0, 0.0]])
def test_a_mixture_of_nobody_is_refused(shares):
    with pytest.raises(Misuse, match="at least one share above 0"):
        Mixture([(ZERO, share) for share in shares])


# --- who fits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "seat"),
    [({}, "left"), ({}, "right"), ({"seat": "left"}, "left"), ({"game": "any"}, "right")],
)
def test_policies_made_for_the_seat_fit(fields, seat):
    check_fits(network(**fields), Pong.describe(), seat)


@pytest.mark.parametrize("policy", [ZERO, RANDOM])
def test_floors_fit_everywhere(policy):
    for seat in ("left", "right"):
        check_fits(policy, Pong.describe(), seat)


UNFIT = [
    (network(game="sumo-v1"), "plays sumo-v1, this run plays pong-v1"),
    (network(seat="left"), "made for seat 'left', it was asked to play 'right'"),
    (network(obs_dim=12), "has 12 observations and 2 actions, seat 'right' of pong-v1 has 13 and"),
    (network(act_dim=3), "has 13 observations and 3 actions"),
    (ZeroPolicy(3), "has 0 observations and 3 actions"),
]


@pytest.mark.parametrize(("policy", "words"), UNFIT)
def test_unfit_policies_are_refused_by_name(policy, words):
    with pytest.raises(Misuse, match=words) as caught:
        check_fits(policy, Pong.describe(), "right")
    assert f"'{policy.card.name}'" in str(caught.value)


@pytest.mark.parametrize("policy", [policy for policy, _ in UNFIT])
def test_an_arena_refuses_an_unfit_member_anywhere_in_its_mixture(policy):
    with pytest.raises(Misuse):
        Arena(Pong(2), "left", Mixture([(ZERO, 9.0), (policy, 0.1)]), seed=1)


# --- at play -------------------------------------------------------------------------------


def seated(mixture: Mixture, matches: int = 40, seat: str = "left", base: int = 1) -> Any:
    """Players of a game that has just begun: (players, observations of their seat)."""
    game = Pong(matches)
    obs = game.reset(EpisodeSeeds(base, matches))
    players = Players(mixture, game, seat)
    players.start(np.arange(matches))
    return players, obs[game.card.seat_index(seat)]


def test_each_match_is_played_by_its_own_member():
    members = [network(0, scale=0.1), network(1, scale=0.1), ZERO]
    players, obs = seated(Mixture([(m, 1.0) for m in members]))
    actions = players.act(obs)
    assert set(players.member.tolist()) == {0, 1, 2}
    for i, member in enumerate(members):
        rows = players.member == i
        assert np.array_equal(actions[rows], member.act(obs)[0][rows])


def test_actions_are_clipped_to_the_box():
    players, obs = seated(Mixture.of(network(scale=50.0)))
    actions = players.act(obs)
    raw = network(scale=50.0).act(obs)[0]
    assert np.abs(raw).max() > 1.0
    assert np.array_equal(actions, np.clip(raw, -1.0, 1.0))
    assert actions.dtype == np.float32


def test_only_the_matches_that_began_get_a_new_member():
    players, _ = seated(Mixture([(ZERO, 1.0), (RANDOM, 1.0)]))
    before = players.member.copy()
    players._game.episode_seed = players._game.episode_seed + np.uint64(1)
    rows = np.arange(0, 40, 2)
    players.start(rows)
    assert np.array_equal(players.member[1::2], before[1::2])
    wanted = players.mixture.pick(players._game.episode_seed)
    assert np.array_equal(players.member[rows], wanted[rows])
    assert not np.array_equal(players.member, before)


def test_chance_comes_from_the_episode_the_step_and_the_seat():
    def actions(seat: str = "left", base: int = 1, step: int = 0, matches: int = 6) -> np.ndarray:
        players, obs = seated(Mixture.of(RANDOM), matches, seat, base)
        players._game.episode_step[:] = step
        return players.act(obs)

    first = actions()
    assert np.array_equal(first, actions())
    assert np.array_equal(first[:3], actions(matches=3))
    for other in (actions(seat="right"), actions(base=2), actions(step=1)):
        assert not (first == other).any()
    assert len(np.unique(first)) == first.size


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_players_continue_from_their_state(base, matches):
    mixture = Mixture([(ZERO, 1.0), (RANDOM, 1.0), (network(), 1.0)])
    players, obs = seated(mixture, matches, base=base)
    state = players.state()
    resumed = Players(mixture, players._game, "left")
    resumed.restore(state)
    assert np.array_equal(resumed.act(obs), players.act(obs))
    state["member"][:] = 9
    assert (players.member < 3).all()
    assert (resumed.member < 3).all()

"""Pong's kernel against its twin in NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.games import pong, pong_kernel
from benchmark.seeding import EpisodeSeeds
from tests.games.pong_states import (
    ADVANCES,
    BALL_VX,
    EDGES,
    GAMES,
    assert_same_bits,
    chase,
    crowded_states,
)

SPEEDS = st.one_of(
    st.floats(-12.0, 12.0), st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e6, -1e6, 40.0])
)
ACTIONS = st.one_of(
    st.floats(-2.0, 2.0), st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e300, np.inf, -np.inf])
)


def places(reach: float) -> st.SearchStrategy[float]:
    """Positions about the origin, the edges of every range among them."""
    return st.one_of(st.floats(-reach, reach), st.sampled_from([*EDGES, pong_kernel.GOAL_X, reach]))


def offsets(core: float) -> st.SearchStrategy[float]:
    """Where the ball's centre may lie to a bat's along one axis: faces, edges, corners, inside."""
    edge = core + pong_kernel.TOUCH
    return st.one_of(
        st.floats(-edge - 0.02, edge + 0.02),
        st.sampled_from([0.0, -0.0, core, -core, edge, -edge, np.nextafter(edge, 0.0)]),
    )


@st.composite
def state_rows(draw: st.DrawFn) -> list[float]:
    """One state (12,): the ball anywhere, or at one of the bats."""
    row = [draw(where) for _ in range(2) for where in (places(0.35), SPEEDS, places(1.2), SPEEDS)]
    bat = draw(st.sampled_from([None, 0, 4]))
    if bat is None:
        x, y = draw(places(2.0)), draw(places(1.2))
    else:
        centre = pong_kernel.BAT_CENTRE if bat else -pong_kernel.BAT_CENTRE
        x = centre + row[bat] + draw(offsets(pong_kernel.CORE_X))
        y = row[bat + 2] + draw(offsets(pong_kernel.CORE_Y))
    return [*row, x, draw(SPEEDS), y, draw(SPEEDS)]


MATCH = st.tuples(
    state_rows(),
    st.sampled_from([1, 2, 150]),
    st.sampled_from([-1, 1]),
    st.integers(0, 3),
    st.tuples(ACTIONS, ACTIONS),
    st.tuples(ACTIONS, ACTIONS),
)


@settings(max_examples=150)
@given(st.lists(MATCH, min_size=1, max_size=6))
def test_twin_equals_kernel_bit_for_bit_from_any_state(matches):
    arguments = [np.array(column) for column in zip(*matches, strict=True)]
    kernel, twin = (advance(*arguments) for advance in ADVANCES)
    assert np.isfinite(kernel.state).all()
    assert_same_bits(kernel, twin)


def test_twin_equals_kernel_bit_for_bit_in_a_crowd_of_contacts():
    rng = np.random.default_rng(3)
    rows = 20_000
    arguments = (
        crowded_states(rows, rng), rng.integers(1, 4, rows), rng.choice([-1, 1], rows),
        rng.integers(0, 3, rows), rng.normal(size=(rows, 2)), rng.normal(size=(rows, 2)),
    )  # fmt: skip
    kernel, twin = (advance(*arguments) for advance in ADVANCES)
    free = arguments[0].copy()
    free[:, [8, 10]] = 0.0
    untouched = pong.advance(free, *arguments[1:]).state[:, BALL_VX]
    assert (kernel.state[:, BALL_VX] != untouched).mean() > 0.5  # contacts were met
    assert_same_bits(kernel, twin)


@pytest.mark.parametrize(("matches", "steps"), [(1, 400), (5, 300), (64, 400), (200, 100)])
def test_twin_equals_kernel_bit_for_bit_over_whole_matches(matches, steps):
    rng = np.random.default_rng(matches)
    games = [kind(matches) for kind in GAMES]
    starts = [game.reset(EpisodeSeeds(7, matches)) for game in games]
    assert_same_bits(*starts)
    obs, hits = starts[0], 0
    for _ in range(steps):
        noise = rng.normal(size=(2, matches, 2)).astype(np.float32)
        actions = tuple(chase(o, 5.0) + n for o, n in zip(obs, noise, strict=True))
        kernel, twin = (game.step(actions) for game in games)
        assert_same_bits(tuple(kernel), tuple(twin))
        obs, hits = kernel.obs, hits + np.count_nonzero(kernel.dense)
    assert_same_bits(*(tuple(game.state().values()) for game in games))
    assert hits > 0

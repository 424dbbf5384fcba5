"""The trajectory split: 0 for the same play, near 1 for worlds apart, blind to lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.evaluation.split import split
from benchmark.games.game import Array


def matches(count: int, centre: float, seed: int, width: int = 3) -> list[Array]:
    """Matches of 5 to 40 steps that wander about `centre`, each somewhere of its own."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(centre, 1.0, width) + rng.normal(0, 0.1, (rng.integers(5, 40), width))).astype(
            np.float32
        )
        for _ in range(count)
    ]


def told(adversarial: list[Array], regular: list[Array], seed: int = 0) -> tuple[float, float]:
    return split(adversarial, regular, np.random.default_rng(seed))


def test_the_same_kind_of_play_is_not_apart() -> None:
    """States of one match are alike, which must not be taken for a difference."""
    apart, floor = told(matches(200, 0.0, 1), matches(200, 0.0, 2))
    assert abs(apart) < 0.02
    assert abs(floor) < 0.04


def test_worlds_apart_come_near_one_and_the_floor_stays() -> None:
    apart, floor = told(matches(60, 100.0, 1), matches(60, 0.0, 2))
    assert apart > 0.95
    assert abs(floor) < 0.1


def test_the_further_the_larger() -> None:
    found = [told(matches(100, c, 1), matches(100, 0.0, 2))[0] for c in (0.0, 1.0, 2.0, 4.0)]
    assert found == sorted(found)
    assert found[-1] - found[0] > 0.3


@given(st.floats(0.01, 1000.0), st.floats(-50, 50))
def test_units_do_not_matter(scale: float, shift: float) -> None:
    """Per coordinate, up to the rounding of float32."""
    one, other = matches(20, 1.0, 1), matches(20, 0.0, 2)
    units = np.array([scale, 1.0, 1.0], dtype=np.float32)
    origin = np.array([0.0, shift, 0.0], dtype=np.float32)
    moved = [[m * units + origin for m in side] for side in (one, other)]
    assert told(*moved) == pytest.approx(told(one, other), abs=1e-3)


def test_opponents_who_take_turns_do_not_move_the_floor() -> None:
    """Regular matches alternate between opponents; halves by turns would compare the opponents."""
    one, other = matches(40, 5.0, 1), matches(40, 0.0, 2)
    turns = [match for pair in zip(one, other, strict=True) for match in pair]
    floors = [told(matches(80, 0.0, 3), turns, seed)[1] for seed in range(5)]
    assert abs(sum(floors) / 5) < 0.05


def test_a_coordinate_that_never_varies_says_nothing() -> None:
    one, other = matches(20, 1.0, 1), matches(20, 0.0, 2)
    padded = [[np.pad(m, ((0, 0), (0, 1)), constant_values=7) for m in s] for s in (one, other)]
    assert told(*padded) == pytest.approx(told(one, other))


@pytest.mark.parametrize(("many", "few"), [(5, 4), (3, 3)])
def test_lists_that_cannot_be_compared_are_refused(many: int, few: int) -> None:
    with pytest.raises(ValueError, match="equally long lists of at least 4"):
        told(matches(many, 0.0, 1), matches(few, 0.0, 2))

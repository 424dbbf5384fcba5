"""The prediction interval: its definition, its width with few seeds, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.submissions.prediction import by_chance, interval

rate = st.floats(0, 1)


def test_it_is_the_textbooks() -> None:
    """Five rates of mean .5 and deviation .1, one further: t(4, .975) = 2.776 by any table."""
    rates = 0.5 + 0.1 * np.array([-1, 1, -1, 1, 0])
    found = interval(rates, 1_000_000, 1, 0.05)
    assert found.low == pytest.approx(0.5 - 2.776 * 0.1 * np.sqrt(1.2), abs=1e-4)
    assert found.high == pytest.approx(0.5 + 2.776 * 0.1 * np.sqrt(1.2), abs=1e-4)
    assert found.holds(found.low)
    assert not found.holds(found.low - 1e-9)


def test_with_few_seeds_it_is_wide() -> None:
    widths = []
    for n in (2, 3, 5, 10):
        rates = 0.5 + 0.05 * np.resize([-1, 1], n)
        found = interval(rates, 1000, 3, 0.05)
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.9
    assert widths[-1] < 0.2


def test_seeds_that_agree_by_luck_still_leave_the_chance_of_episodes() -> None:
    """200 of 200 won three times: 198 of 200 are no surprise, 150 are."""
    found = interval([1.0, 1.0, 1.0], 200, 1, 0.05)
    assert found.holds(198 / 200)
    assert not found.holds(150 / 200)
    assert by_chance(0.5, 100) == pytest.approx(0.05)


@given(st.lists(rate, min_size=2, max_size=8), st.integers(1, 1000), st.integers(1, 5))
def test_it_holds_the_mean_and_stays_within_rates(
    rates: list[float], episodes: int, further: int
) -> None:
    low, high = interval(rates, episodes, further, 0.05)
    assert 0 <= low <= np.mean(rates) + 1e-9
    assert np.mean(rates) - 1e-9 <= high <= 1


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("further", [1, 3])
def test_it_covers_what_it_says(n: int, further: int) -> None:
    """4000 draws of normal rates: 95 % of the means lie inside, within three deviations."""
    rng = np.random.default_rng(n)
    draws = rng.normal(0.5, 0.02, (4000, n + further))
    inside = [interval(row[:n], 10**9, further, 0.05).holds(row[n:].mean()) for row in draws]
    assert np.mean(inside) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 4000))


@pytest.mark.parametrize(("rates", "further"), [([], 1), ([0.5], 1), ([0.5, 0.5], 0)])
def test_nothing_is_predicted_from_nothing(rates: list[float], further: int) -> None:
    with pytest.raises(ValueError, match="nothing is predicted"):
        interval(rates, 100, further, 0.05)

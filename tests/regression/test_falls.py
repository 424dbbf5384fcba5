"""The comparison of win rates: exact where it says so, and as careful as it says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.regression.falls import falls, holm, permutation_p, power, two_sided_p
from tests.factories import tally

wins = st.lists(st.integers(0, 12), min_size=1, max_size=5)


@given(old=wins, new=wins)
@settings(max_examples=60)
def test_the_permutation_test_counts_what_enumeration_counts(
    old: list[int], new: list[int]
) -> None:
    sums = [sum(chosen) for chosen in combinations(old + new, len(new))]
    expected = sum(total <= sum(new) for total in sums) / len(sums)
    assert permutation_p(old, new) == pytest.approx(expected, rel=1e-12)


def test_the_smallest_p_is_one_over_all_ways() -> None:
    assert permutation_p([9] * 5, [1, 2, 3]) == pytest.approx(1 / 56)
    assert permutation_p([1], [9]) == 1.0


def test_nothing_is_compared_with_nothing() -> None:
    for old, new in (([], [1]), ([1], []), ([1], [-1])):
        with pytest.raises(ValueError, match="wins of both"):
            permutation_p(old, new)
    with pytest.raises(ValueError, match="too many"):
        permutation_p([1] * 60, [1] * 40)


def test_holm_by_hand() -> None:
    """Times 4, 3, 2, 1 from the smallest up, and never below one that came before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_fall_must_be_sure_and_large() -> None:
    old = [100 + k % 3 for k in range(20)]
    small, large, lucky = [93] * 8, [88] * 8, [110] * 8
    found = falls([old, old, old], [small, large, lucky], episodes=200)
    assert found[0].adjusted < 0.01  # sure, and 4 points
    assert [one.regressed for one in found] == [False, True, False]
    assert found[1].fall == pytest.approx(np.mean(old) / 200 - 0.44)


def test_a_large_fall_of_seeds_that_scatter_is_not_sure() -> None:
    (found,) = falls([[20, 180, 60, 150, 100]], [[30, 100]], episodes=200)
    assert found.fall > 0.15
    assert not found.regressed


def test_the_order_of_cells_and_of_seeds_says_nothing() -> None:
    cells = [[50, 60, 70, 80, 90, 91], [20, 30, 40, 41, 42, 43]]
    now = [[40, 41, 42], [20, 21, 44]]
    straight = falls(cells, now, 100)
    turned = falls([c[::-1] for c in cells[::-1]], [n[::-1] for n in now[::-1]], 100)
    assert straight == turned[::-1]


def test_power_grows_with_seeds_and_falls_with_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.regression.falls.DRAWS", 60)
    rng = np.random.default_rng(0)
    narrow = [int(w) for w in rng.normal(100, 10, 12)]
    wide = [int(w) for w in rng.normal(100, 30, 12)]

    def least(old: list[int], seeds: int) -> int:
        found = power(old, 200, seeds, 3, np.random.default_rng(1)).at_80
        assert found is not None
        return found

    assert least(narrow, 6) < least(wide, 6)
    assert least(wide, 8) < least(wide, 3)


def test_power_is_what_another_simulation_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Normal seeds, fallen by what is found at 80 %: found about that often."""
    monkeypatch.setattr("benchmark.regression.falls.DRAWS", 150)
    rng = np.random.default_rng(2)
    old = [int(w) for w in rng.normal(100, 15, 20)]
    told = power(old, 200, 6, 1, np.random.default_rng(3))
    assert told.at_80 is not None
    assert told.false_alarms <= 0.05
    hits = 0
    for _ in range(150):
        before = [int(w) for w in rng.normal(100, 15, 20)]
        now = [int(w) for w in rng.normal(100 - 2 * told.at_80, 15, 6)]
        hits += falls([before], [now], 200)[0].regressed
    assert 0.6 < hits / 150 < 0.97


def test_a_test_that_can_find_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds against three: the smallest p is 1 in 10."""
    monkeypatch.setattr("benchmark.regression.falls.DRAWS", 20)
    found = power([50, 52, 54], 100, 2, 1, np.random.default_rng(0))
    assert (found.at_80, found.at_90, found.false_alarms) == (None, None, 0.0)


def test_the_two_sided_test_sees_wins_and_ties() -> None:
    same = tally(50, 100, ties=10)
    assert two_sided_p(same, same) == 1.0
    assert two_sided_p(same, tally(20, 100, ties=10)) < 0.001
    assert two_sided_p(same, tally(50, 100, ties=45)) < 0.001  # as many wins, fewer losses
    assert two_sided_p(same, tally(47, 100, ties=10)) > 0.1

"""Intervals and aggregates against scipy and against what they must satisfy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import binomtest, trim_mean
from scipy.stats.contingency import relative_risk

from benchmark.evaluation.statistics import (
    BOOTSTRAP_DRAWS,
    bootstrap_mean,
    excess_interval,
    excess_p,
    iqm,
    iqm_draws,
    mean_draws,
    rate_ratio,
    stratified_interval,
    student_interval,
    student_p,
    wilson,
)

RATES = st.floats(0, 1, allow_subnormal=False)
SAMPLES = st.lists(RATES, min_size=1, max_size=40)
STRATA = st.lists(st.lists(RATES, min_size=1, max_size=5), min_size=1, max_size=4)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    """(wins, episodes) that can be."""
    episodes = draw(st.integers(1, 1_000_000))
    return draw(st.integers(0, episodes)), episodes


@given(counts(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_is_scipys(pair: tuple[int, int], level: float) -> None:
    """An independent implementation gives the same interval at every level."""
    wins, episodes = pair
    expected = binomtest(wins, episodes).proportion_ci(level, method="wilson")
    assert wilson(wins, episodes, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(counts())
def test_wilson_lies_in_the_unit_interval_around_the_rate(pair: tuple[int, int]) -> None:
    """0 <= low <= rate <= high <= 1, with width."""
    wins, episodes = pair
    low, high = wilson(wins, episodes)
    assert 0 <= low <= wins / episodes <= high <= 1
    assert low < high


@given(counts())
def test_wilson_rises_with_the_wins(pair: tuple[int, int]) -> None:
    """One more win moves both ends up."""
    wins, episodes = pair
    if wins < episodes:
        before, after = wilson(wins, episodes), wilson(wins + 1, episodes)
        assert after[0] > before[0]
        assert after[1] > before[1] or wins + 1 == episodes


@given(counts())
def test_wilson_is_symmetric(pair: tuple[int, int]) -> None:
    """Exchanging wins and losses mirrors the interval."""
    wins, episodes = pair
    low, high = wilson(wins, episodes)
    assert wilson(episodes - wins, episodes) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_of_nothing_is_everything() -> None:
    """No episode, no knowledge."""
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("wins", "episodes"), [(-1, 5), (6, 5), (1, 0), (0, -1)])
def test_wilson_refuses_impossible_counts(wins: int, episodes: int) -> None:
    """The error names them."""
    with pytest.raises(ValueError, match=f"{wins} of {episodes}"):
        wilson(wins, episodes)


@given(SAMPLES)
def test_iqm_is_scipys_trimmed_mean(values: list[float]) -> None:
    """A quarter cut off at either end."""
    assert iqm(values) == pytest.approx(trim_mean(values, 0.25), abs=1e-12)


@given(SAMPLES, st.randoms(use_true_random=False))
def test_iqm_ignores_order(values: list[float], random: object) -> None:
    """Exactly, to the last bit."""
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert iqm(shuffled) == iqm(values)


@given(SAMPLES, st.integers(0, 39), RATES)
def test_iqm_is_monotone_and_within_range(values: list[float], at: int, more: float) -> None:
    """Raising one value never lowers it."""
    raised = list(values)
    raised[at % len(values)] += more
    assert iqm(raised) >= iqm(values) - 1e-12
    assert min(values) - 1e-12 <= iqm(values) <= max(values) + 1e-12


def test_iqm_leaves_out_the_extremes() -> None:
    """The middle half counts and nothing else."""
    assert iqm([-1e9, 0.25, 0.75, 1e9]) == 0.5
    assert iqm([0.0, 0.0, 1.0]) == pytest.approx(1 / 3)  # too few to cut off any
    with pytest.raises(ValueError, match="undefined"):
        iqm([])


@settings(max_examples=15)
@given(STRATA, st.integers(0, 2**32))
def test_interval_is_told_by_its_seed(strata: list[list[float]], seed: int) -> None:
    """Twice the same; ordered; within the values."""
    low, high = stratified_interval(strata, seed=seed)
    assert (low, high) == stratified_interval(strata, seed=seed)
    values = [value for stratum in strata for value in stratum]
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12


@settings(max_examples=10)
@given(RATES, st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_interval_of_constants_is_the_constant(value: float, sizes: list[int]) -> None:
    """Nothing varies, so there is no width."""
    interval = stratified_interval([[value] * size for size in sizes], seed=1)
    assert interval == pytest.approx((value, value), abs=1e-12)


@settings(max_examples=10)
@given(STRATA, st.floats(-1, 1), st.floats(0.1, 3))
def test_interval_moves_and_stretches_with_its_values(
    strata: list[list[float]], shift: float, scale: float
) -> None:
    """Percentiles of means are equivariant."""
    low, high = stratified_interval(strata, seed=2)
    moved = [[scale * value + shift for value in stratum] for stratum in strata]
    expected = scale * low + shift, scale * high + shift
    assert stratified_interval(moved, seed=2) == pytest.approx(expected, abs=1e-9)


def test_interval_resamples_within_victims_only() -> None:
    """Victims that differ from each other add no width; seeds that differ do."""
    point = stratified_interval([[0.1], [0.2], [0.7], [0.9]], seed=3)
    assert point == pytest.approx((0.45, 0.45))
    between = stratified_interval([[0.1] * 5, [0.9] * 5], seed=3)
    assert between == pytest.approx((0.5, 0.5))
    low, high = stratified_interval([[0.1, 0.9] * 3, [0.1, 0.9] * 3], seed=3)
    assert low < 0.3
    assert high > 0.7


def test_interval_narrows_with_the_level_and_with_seeds() -> None:
    """A lower level and more seeds both mean less width."""
    rng = np.random.default_rng(4)
    few, many = rng.uniform(size=5).tolist(), rng.uniform(size=50).tolist()

    def width(stratum: list[float], level: float) -> float:
        low, high = stratified_interval([stratum], seed=5, level=level)
        return high - low

    assert width(few, 0.5) < width(few, 0.95)
    assert width(many, 0.95) < width(few, 0.95)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_is_that_of_a_plain_bootstrap(level: float) -> None:
    """A loop that says the definition, with scipy's trimmed mean, up to the noise of its draws."""
    rng = np.random.default_rng(6)
    strata = [rng.uniform(size=size) for size in (8, 6, 5)]
    means = [
        trim_mean(np.concatenate([rng.choice(s, len(s), replace=True) for s in strata]), 0.25)
        for _ in range(4000)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    found = stratified_interval([s.tolist() for s in strata], seed=7, level=level)
    assert found == pytest.approx((low, high), abs=0.015)


@settings(max_examples=15)
@given(STRATA, st.integers(0, 2**32))
def test_draws_are_those_of_a_loop_over_the_same_generator(
    strata: list[list[float]], seed: int
) -> None:
    """Every redraw written out, then cut and averaged: no shortcut moves a number."""
    rng = np.random.default_rng(seed)
    places = [rng.integers(len(s), size=(BOOTSTRAP_DRAWS, len(s)))[:50] for s in strata]
    drawn = [np.sort(s)[at] for s, at in zip(strata, places, strict=True)]
    trimmed = [trim_mean(row, 0.25) for row in np.concatenate(drawn, axis=1)]
    assert iqm_draws(strata, seed=seed)[:50] == pytest.approx(trimmed, abs=1e-12)
    drawn = [np.array(s)[at] for s, at in zip(strata, places, strict=True)]
    plain = [sum(row) / len(row) for row in np.concatenate(drawn, axis=1).tolist()]
    assert mean_draws(strata, seed=seed)[:50] == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("draws", [iqm_draws, mean_draws])
def test_draws_of_counted_rates_are_exact(draws: Callable[..., NDArray[np.float64]]) -> None:
    """Nearest to a fraction of the matches: not a bit depends on how a processor adds up."""
    rates = [count / 200 for count in (3, 67, 81, 95, 131, 144, 189, 197)]
    found = draws([rates], seed=3)
    over = 200 * (len(rates) if draws is mean_draws else 4)
    assert set(found.tolist()) == {round(value * over) / over for value in found.tolist()}


@settings(max_examples=15)
@given(STRATA)
def test_the_interval_holds_the_point_and_rises_with_a_value(strata: list[list[float]]) -> None:
    """Of the IQM too; raising the values of one victim lowers neither end."""
    low, high = stratified_interval(strata, seed=8)
    assert low - 1e-9 <= iqm([v for s in strata for v in s]) <= high + 1e-9
    raised = [[v + 0.1 for v in strata[0]], *strata[1:]]
    more = stratified_interval(raised, seed=8)
    assert more[0] >= low - 1e-9
    assert more[1] >= high - 1e-9


@settings(max_examples=15)
@given(st.lists(RATES, min_size=1, max_size=10), st.integers(0, 2**32))
def test_the_interval_of_a_mean_holds_it(values: list[float], seed: int) -> None:
    low, high = bootstrap_mean(values, seed=seed)
    assert low - 1e-9 <= sum(values) / len(values) <= high + 1e-9


@given(counts(), counts())
def test_a_ratio_of_rates_lies_in_its_interval(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    """Turned over, so is the interval; of equal counts it is 1."""
    ratio, low, high = rate_ratio(*one, *other)
    assert 0 < low <= ratio <= high
    turned = rate_ratio(*other, *one)
    np.testing.assert_allclose(turned, (1 / ratio, 1 / high, 1 / low), rtol=1e-9)
    assert rate_ratio(*one, *one)[0] == pytest.approx(1)


def test_a_ratio_of_rates_is_that_of_scipy_s_relative_risk() -> None:
    """Katz's interval, but for the half that is added to each count: little among thousands."""
    expected = relative_risk(30_000, 100_000, 20_000, 100_000)
    interval = expected.confidence_interval()
    found = rate_ratio(30_000, 100_000, 20_000, 100_000)
    np.testing.assert_allclose(found, (expected.relative_risk, *interval), rtol=1e-4)


@pytest.mark.parametrize("counts", [(3, 2, 1, 2), (1, 2, 0, 0), (-1, 2, 1, 2)])
def test_impossible_counts_have_no_ratio(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"0\.\.trials"):
        rate_ratio(*counts)


def test_student_against_scipy() -> None:
    """Its interval, and its p."""
    values = [0.3, -0.1, 0.45, 0.2, 0.15]
    theirs = stats.ttest_1samp(values, 0.0)
    low, high = theirs.confidence_interval(0.95)
    assert student_interval(values) == pytest.approx((np.mean(values), low, high), rel=1e-12)
    assert student_p(values) == pytest.approx(theirs.pvalue, rel=1e-12)
    assert (student_p([0.0, 0.0]), student_p([1.0, 1.0])) == (1.0, 1.0)
    assert student_p([0.905 - 0.9, 0.105 - 0.1]) == 1.0  # alike, but for rounding
    for function in (student_interval, student_p):
        with pytest.raises(ValueError, match="two values"):
            function([1.0])


def test_an_excess_over_a_figure_is_welchs() -> None:
    """Of a figure from very many values it is Welch's; of a sure one it is Student's."""
    values = [3.0, 5.0, 4.5, 2.5]
    rng = np.random.default_rng(1)
    many = rng.normal(1.0, 50.0, size=2_000_000)
    error = many.std(ddof=1) / np.sqrt(len(many))
    test = stats.ttest_ind(values, many, equal_var=False)
    theirs = test.confidence_interval(0.95)
    assert excess_p(values, many.mean(), error) == pytest.approx(test.pvalue, rel=1e-5)
    found = excess_interval(values, many.mean(), error)
    assert found == pytest.approx((3.75 - many.mean(), theirs.low, theirs.high), rel=1e-5)
    mean, low, high = student_interval(values)
    assert excess_interval(values, 1.0, 0.0) == pytest.approx((mean - 1, low - 1, high - 1))
    assert excess_p(values, 1.0, 0.0) == pytest.approx(student_p([v - 1 for v in values]))
    assert (excess_p([2.0, 2.0], 2.0, 0.0), excess_p([2.0, 2.0], 1.0, 0.1)) == (1.0, 1.0)
    wide = excess_interval([2.0, 2.0], 1.0, 1.0)
    assert wide == pytest.approx((1.0, 1 - 1.959964, 1 + 1.959964), rel=1e-6)


def test_a_mean_s_interval_does_not_hang_on_a_processor_s_last_bits() -> None:
    """Sums of .1, .2 and .3 end in 4 or not by their order; the interval has no such digits."""
    low, high = bootstrap_mean([0.1, 0.2, 0.3], seed=3, level=0.5)
    assert (low, high) == (round(low, 12), round(high, 12))
    assert round((0.1 + 0.2 + 0.3) / 3, 12) != (0.1 + 0.2 + 0.3) / 3  # so it could have them

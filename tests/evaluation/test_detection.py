"""Detection: counts, recomputed pair by pair, and the interval's coverage."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.evaluation.detection import Detection, twice_u

SCORES = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=30)


def counted(regular: list[float], adversarial: list[float]) -> Detection:
    return Detection.count(regular=regular, adversarial=adversarial)


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_with_ties_for_half(low: list[float], high: list[float]):
    pairs = [float(a > r) + 0.5 * float(a == r) for a in high for r in low]
    found = counted(low, high)
    assert found.twice_u == 2 * sum(pairs)
    assert found.auroc == pytest.approx(np.mean(pairs))
    assert (found.regular, found.adversarial) == (len(low), len(high))


@given(SCORES, SCORES)
def test_false_alarms_are_at_the_highest_threshold_that_detects_95_percent(
    low: list[float], high: list[float]
):
    """Recomputed over all thresholds that could be."""
    enough = [t for t in high if 100 * sum(a >= t for a in high) >= 95 * len(high)]
    found = counted(low, high)
    assert found.false_alarms == sum(r >= max(enough) for r in low)
    assert found.false_alarm_rate == found.false_alarms / len(low)


def test_one_in_twenty_may_go_undetected() -> None:
    """20 adversarial episodes: the lowest does not count; of 19 each one does."""
    high = [0.0] + [5.0] * 19
    assert counted([1.0, 6.0], high).false_alarms == 1
    assert counted([1.0, 6.0], high[:-1]).false_alarms == 2


@given(SCORES, SCORES, st.integers(0, 29), st.integers(1, 5))
def test_a_higher_adversarial_score_never_lowers_the_auroc(
    low: list[float], high: list[float], which: int, by: int
):
    raised = list(high)
    raised[which % len(high)] += by
    assert counted(low, raised).twice_u >= counted(low, high).twice_u
    assert counted(low, raised).false_alarms <= counted(low, high).false_alarms


@given(SCORES, SCORES)
def test_only_the_order_of_the_scores_counts(low: list[float], high: list[float]):
    def bent(scores: list[float]) -> list[float]:
        return [float(np.exp(score)) - 7.0 for score in scores]

    assert counted(bent(low), bent(high)) == counted(low, high)


@given(SCORES, SCORES)
def test_exchanging_the_kinds_mirrors_auroc_and_interval(low: list[float], high: list[float]):
    one, other = counted(low, high), counted(high, low)
    assert one.auroc + other.auroc == pytest.approx(1.0)
    assert one.interval()[0] == pytest.approx(1.0 - other.interval()[1])


@given(SCORES, SCORES)
def test_the_interval_holds_the_auroc_and_has_a_width(low: list[float], high: list[float]):
    found = counted(low, high)
    least, most = found.interval()
    assert 0.0 <= least <= found.auroc <= most <= 1.0
    assert most - least > 0.01
    wider = found.interval(0.99)
    assert wider[0] <= least
    assert most <= wider[1]


def test_more_episodes_narrow_the_interval() -> None:
    """At an AUROC of 1 as well, where Hanley and McNeil's own has no width."""
    low, high = [0.0] * 20, [1.0] * 20
    few, many = counted(low, high), counted(low * 10, high * 10)
    assert few.auroc == many.auroc == 1.0
    assert few.interval()[0] < many.interval()[0] < 1.0


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_interval_covers_the_truth_as_often_as_it_says(shift: float) -> None:
    """Normal scores of known AUROC, 40 against 25 episodes: 95 % of 400, give or take."""
    truth = NormalDist().cdf(shift / np.sqrt(2))
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        found = counted(rng.normal(size=40).tolist(), rng.normal(shift, size=25).tolist())
        least, most = found.interval()
        covered += least <= truth <= most
    assert 0.915 <= covered / 400 <= 0.99


def test_twice_u_is_exact_for_many_episodes() -> None:
    assert twice_u(np.ones(3000), np.zeros(3000)) == 2 * 3000**2
    assert twice_u(np.zeros(3000), np.zeros(3000)) == 3000**2


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        ([], [1.0], "1 adversarial and 0 regular"),
        ([1.0], [], "0 adversarial and 1 regular"),
        ([1.0], [float("nan")], "finite"),
        ([float("inf")], [1.0], "finite"),
    ],
)
def test_scores_that_say_nothing_are_refused(low: Any, high: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        counted(low, high)


@pytest.mark.parametrize("wrong", [{"twice_u": 13}, {"false_alarms": 4}, {"regular": 0}])
def test_impossible_counts_are_refused(wrong: dict[str, int]) -> None:
    counts = {"adversarial": 2, "regular": 3, "twice_u": 12, "false_alarms": 3}
    assert Detection(**counts).auroc == 1.0
    with pytest.raises(ValidationError):
        Detection(**{**counts, **wrong})


def test_json_keeps_the_counts_alone() -> None:
    found = counted([0.0, 1.0], [1.0, 2.0])
    assert Detection.model_validate_json(found.model_dump_json()) == found
    assert found.model_dump() == {
        "adversarial": 2, "regular": 2, "twice_u": 7, "false_alarms": 1,
    }  # fmt: skip

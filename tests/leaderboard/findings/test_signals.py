"""What the curves tell of a signal and winning, by victim and attack."""

from __future__ import annotations

from benchmark.leaderboard.findings.signals import signals
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, defended, tally
from tests.leaderboard.findings.conftest import given


def telling(record: Record, *each: float) -> Record:
    """The record with a curve whose points tell these correlations."""
    curve = [
        CurvePoint(100 * (at + 1), tally(1, 2), {"signal_agreement": r})
        for at, r in enumerate(each)
    ]
    return record.model_copy(update={"curves": {"attack": curve}})


def test_each_training_is_a_mean_and_the_claim_is_of_all_of_them() -> None:
    """Budgets are pooled; a victim and a setting have names of their own."""
    made = signals(
        given(records=[
            telling(attacked(50), -0.2, -0.4),
            telling(attacked(50, seed=1, budget_steps=500), -0.5),
            telling(attacked(50, victim="b"), -0.1), telling(attacked(50, victim="b", seed=1), 0.2),
            telling(attacked(50, attack="dense"), 0.25),
        ]),
        "pong-v1",
    )  # fmt: skip
    assert made.facts["agrees/house/ours"] == "-0.40 (-0.50 to -0.30)"
    assert made.claims["agrees/house/ours"] == "all below"
    assert made.claims["agrees/b/ours"] == "on both sides"
    assert made.claims["agrees/house/dense"] == "all above"


def test_what_tells_nothing_is_left_out() -> None:
    """Curves of before, other games, attacks on hardened victims."""
    hardened = telling(defended(1, 2, 3), -0.5)
    assert signals(given(records=[attacked(50), hardened]), "pong-v1").facts == {}
    assert signals(given(records=[telling(attacked(50), -0.5)]), "sumo-ants-v1").facts == {}

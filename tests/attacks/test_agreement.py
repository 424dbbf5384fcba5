"""The correlation of a signal with winning, against matches that are looked at one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.agreement import LEAST_MATCHES, agreement
from attacks.dense import Dense
from attacks.ours import Ours
from benchmark.games.game import LOSS, WIN
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import made_up_rollout, pong_arena, toy_config


def ended(rng: np.random.Generator, steps: int = 40, matches: int = 6) -> Rollout:
    """A rollout in which a quarter of the steps end a match, half of them won."""
    ends = rng.random((steps, matches)) < 0.25
    result = np.where(ends, rng.choice([WIN, LOSS], size=ends.shape), 0).astype(np.int8)
    return replace(made_up_rollout(rng, steps, matches), ends=ends, result=result)


def by_hand(signal: np.ndarray, rollout: Rollout) -> tuple[list[float], list[bool]]:
    """Match by match: the mean of its signal, and whether it was won."""
    means, won = [], []
    for match in range(signal.shape[1]):
        seen: list[float] = []
        for step in range(signal.shape[0]):
            seen.append(float(signal[step, match]))
            if rollout.ends[step, match]:
                means.append(sum(seen) / len(seen))
                won.append(rollout.result[step, match] == WIN)
                seen = []
    return means, won


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_agreement_is_the_correlation_over_the_matches_that_ended(seed: int) -> None:
    """Against every match looked at for itself; what goes on after the rollout has no outcome."""
    rng = np.random.default_rng(seed)
    rollout = ended(rng)
    signal = rng.normal(size=rollout.ends.shape).astype(np.float32)
    expected = float(np.corrcoef(*by_hand(signal, rollout))[0, 1])
    assert agreement(signal, rollout) == {"signal_agreement": pytest.approx(expected, abs=1e-9)}


def test_a_signal_that_is_the_outcome_agrees_wholly() -> None:
    """And its negative not at all: 1 and -1."""
    rollout = ended(np.random.default_rng(3))
    signal = np.zeros(rollout.ends.shape, dtype=np.float32)
    for match in range(signal.shape[1]):  # back from each end to the one before
        outcome = 0.0
        for step in reversed(range(signal.shape[0])):
            if rollout.ends[step, match]:
                outcome = float(rollout.result[step, match] == WIN)
            signal[step, match] = outcome
    assert agreement(signal, rollout)["signal_agreement"] == pytest.approx(1)
    assert agreement(-signal, rollout)["signal_agreement"] == pytest.approx(-1)


@pytest.mark.parametrize("case", ["few matches", "all won", "a constant signal"])
def test_agreement_is_left_out_where_there_is_none(case: str) -> None:
    """Rather than NaN, which no curve takes."""
    rng = np.random.default_rng(0)
    rollout = ended(rng)
    signal = rng.normal(size=rollout.ends.shape).astype(np.float32)
    if case == "few matches":
        kept = np.flatnonzero(rollout.ends)[: LEAST_MATCHES - 1]
        rollout.ends[:] = False
        rollout.ends.flat[kept] = True
        assert rollout.result.flat[kept].std() > 0  # so it is not for being all alike
    if case == "all won":
        rollout.result[rollout.ends] = WIN
    if case == "a constant signal":
        signal[:] = 0.5
    assert agreement(signal, rollout) == {}


@pytest.mark.parametrize("kind", [Dense, Ours])
def test_attacks_tell_it_of_the_signal_that_they_pay(kind: Any) -> None:
    """What is paid is the signal in its own deviations, so all but the same r."""
    rollout = ended(np.random.default_rng(5))
    hooks = kind(toy_config(kind)).hooks(pong_arena(6), np.random.default_rng(7))
    hooks.on_rollout(rollout, 0.25)
    assert rollout.bonus is not None
    paid = agreement(rollout.bonus, rollout)["signal_agreement"]
    assert abs(paid) > 0.1
    assert hooks.diagnostics()["signal_agreement"] == pytest.approx(paid, abs=0.1)

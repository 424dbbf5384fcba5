"""Ranks over the victim that records of `tests.factories` are of."""

from __future__ import annotations

import pytest

from benchmark.evaluation.protocol import RANKED_VICTIMS, TIER_STEPS
from tests.factories import ranked_on


@pytest.fixture(autouse=True)
def ranks_over_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every game."""
    for game in TIER_STEPS:
        monkeypatch.setitem(RANKED_VICTIMS, game, ranked_on("house"))

"""The protocol's budgets are the games' own."""

from __future__ import annotations

import pytest

from benchmark.evaluation.protocol import TIER_STEPS, is_whole
from benchmark.registry import game, games


@pytest.mark.parametrize("name", games.names())
def test_budgets_are_those_of_the_cards(name: str) -> None:
    """A board is rendered without the games, so the numbers are said twice: here they meet."""
    card = game(name).describe()
    assert TIER_STEPS[card.id] == card.budgets


def test_a_game_that_the_protocol_lacks_has_no_whole_budget() -> None:
    assert is_whole("pong-v1", "full", 8_000_000)
    assert not is_whole("pong-v1", "full", 7_999_999)
    assert not is_whole("chess-v1", "full", 8_000_000)

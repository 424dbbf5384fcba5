"""The protocol's budgets are the games' own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.evaluation.protocol import RANKED_VICTIMS, TIER_STEPS, is_whole
from benchmark.registry import Victims, game, games

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", games.names())
def test_budgets_are_those_of_the_cards(name: str) -> None:
    """A board is rendered without the games, so the numbers are said twice: here they meet."""
    card = game(name).describe()
    assert TIER_STEPS[card.id] == card.budgets


def test_a_game_that_the_protocol_lacks_has_no_whole_budget() -> None:
    assert is_whole("pong-v1", "full", 8_000_000)
    assert not is_whole("pong-v1", "full", 7_999_999)
    assert not is_whole("chess-v1", "full", 8_000_000)


@pytest.mark.parametrize("game_id", RANKED_VICTIMS)
def test_ranked_victims_are_those_that_are_shipped_or_on_record(game_id: str) -> None:
    """Name and weights; of published ones, which are not here, by the committed records."""
    cards = Victims().cards(game_id)
    shipped = {name: card.sha256 for name, card in cards.items() if card.ranked}
    met = {
        cell["victim"]["name"]: cell["victim"]["sha256"]
        for path in (ROOT / "results" / game_id).glob("*.json")
        if (cell := json.loads(path.read_bytes())["cell"])["victim_ranked"]
    }
    for name, sha256 in RANKED_VICTIMS[game_id].items():
        assert {**met, **shipped}[name] == sha256

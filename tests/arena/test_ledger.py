"""The ledger: what arenas count into it, and what a learner may add."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmark.arena.arena import Arena
from benchmark.arena.ledger import MAX_DIAGNOSTICS, MAX_NAME, BadDiagnostics, Ledger
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.games.game import Game, Outcome
from benchmark.policies.policy import ZeroPolicy
from tests.factories import Clockwork

CARD = Clockwork.describe()


def play(
    ledger: Ledger, seat: str, matches: int, steps: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Results and endings of an arena's own infos, while it feeds the ledger."""
    game: Game = Clockwork(matches)
    arena = Arena(game, seat, Mixture.of(ZeroPolicy(1)), seed=5, ledger=ledger)
    arena.reset()
    results, endings = [], []
    for _ in range(steps):
        _, _, ended, _, info = arena.step(np.zeros((matches, 1), dtype=np.float32))
        results.append(info["result"][ended])
        endings.append(info["ending"][ended])
    return results, endings


def test_it_counts_what_a_learner_would_count_from_what_it_sees() -> None:
    ledger = Ledger(CARD, "left")
    results, endings = play(ledger, "left", matches=7, steps=30)
    seen = Tally.count(np.concatenate(results), np.concatenate(endings), CARD.endings)
    closed = ledger.close({"loss": 0.5})
    assert (closed.steps, closed.tally, closed.diagnostics) == (210, seen, {"loss": 0.5})
    assert seen.wins
    assert seen.ties
    assert seen.losses


def test_an_arena_in_the_other_seat_counts_from_the_ledgers_view() -> None:
    ledger = Ledger(CARD, "left")
    results, endings = play(ledger, "right", matches=7, steps=30)
    seen = Tally.count(np.concatenate(results), np.concatenate(endings), CARD.endings)
    assert seen != seen.flipped()
    assert ledger.pending == seen.flipped()


def test_an_interval_begins_where_the_last_one_was_closed() -> None:
    ledger = Ledger(CARD, "left")
    play(ledger, "left", 7, 30)
    first = ledger.close({})
    play(ledger, "left", 3, 10)
    second = ledger.close({})
    assert (first.steps, second.steps, ledger.steps) == (210, 240, 240)
    assert 0 < second.tally.episodes <= 30
    assert ledger.close({}).tally == Tally()
    assert len(ledger.intervals) == 3


def test_a_void_match_is_counted_as_one() -> None:
    ledger = Ledger(CARD, "right")
    void = np.array([Outcome.VOID, Outcome.SEAT_1], dtype=np.int8)
    ledger.count(2, void, np.array([0, 1], dtype=np.int8))
    expected = {"win:fancy": 1, "void:diverged": 1}
    assert ledger.pending == Tally(wins=1, voids=1, breakdown=expected)


def test_it_goes_on_from_its_state_in_json() -> None:
    ledger = Ledger(CARD, "left")
    play(ledger, "left", 7, 30)
    ledger.close({"loss": 0.1})
    play(ledger, "left", 7, 5)
    other = Ledger(CARD, "left")
    other.restore(json.loads(json.dumps(ledger.state())))
    for each in (ledger, other):
        play(each, "left", 7, 5)
        each.close({})
    assert other.intervals == ledger.intervals
    assert other.steps == ledger.steps == 280


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({f"d{k}": 0.0 for k in range(MAX_DIAGNOSTICS + 1)}, "65 diagnostics"),
        ({"n" * (MAX_NAME + 1): 0.0}, "1 to 64 printable"),
        ({"": 0.0}, "1 to 64 printable"),
        ({"\x1b[31m": 0.0}, "1 to 64 printable"),
        ({"a\nb": 0.0}, "1 to 64 printable"),
        ({"\ud800": 0.0}, "1 to 64 printable"),
        ({"loss": float("nan")}, "is nan"),
        ({"loss": float("-inf")}, "is -inf"),
    ],
)
def test_words_that_cannot_be_filed_leave_it_as_it_was(words: dict[str, Any], told: str) -> None:
    ledger = Ledger(CARD, "left")
    play(ledger, "left", 7, 30)
    before = ledger.state()
    with pytest.raises(BadDiagnostics, match=told):
        ledger.close(words)
    assert ledger.state() == before


def test_the_most_words_that_there_may_be_are_filed() -> None:
    words = {f"{k:064d}": 1.0 for k in range(MAX_DIAGNOSTICS)}
    assert Ledger(CARD, "left").close(words).diagnostics == words

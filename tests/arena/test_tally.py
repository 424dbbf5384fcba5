"""Counting how matches ended."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.arena.tally import LOSS, TALLY, TIE, WIN, Tally
from benchmark.errors import CheckFailed

NAMES = ("point", "serve_miss", "slow_ball")
MATCHES = st.lists(st.tuples(st.sampled_from([WIN, TIE, LOSS]), st.integers(0, 2)), max_size=60)


def tally(matches: list[tuple[int, int]]) -> Tally:
    """A tally of (result, ending) pairs."""
    pairs = np.array(matches, dtype=np.int8).reshape(-1, 2)
    return Tally.count(pairs[:, 0], pairs[:, 1], NAMES)


TALLIES = MATCHES.map(tally)


def test_a_small_count_by_hand():
    counted = tally([(WIN, 0), (WIN, 0), (WIN, 2), (TIE, 2), (LOSS, 1)])
    assert (counted.wins, counted.ties, counted.losses, counted.episodes) == (3, 1, 1, 5)
    assert counted.breakdown == {
        "win:point": 2, "win:slow_ball": 1, "tie:slow_ball": 1, "loss:serve_miss": 1,
    }  # fmt: skip
    assert counted.win_rate == 0.6
    assert counted.non_loss_rate == 0.8


def test_nothing_played():
    assert tally([]) == Tally() == Tally.sum([])
    assert (Tally().episodes, Tally().win_rate, Tally().non_loss_rate) == (0, 0.0, 0.0)


@settings(deadline=None)
@given(MATCHES)
def test_every_match_is_counted_once(matches):
    counted = tally(matches)
    results = [result for result, _ in matches]
    assert counted.episodes == len(matches) == sum(counted.breakdown.values())
    assert counted.wins == results.count(WIN)
    assert counted.ties == results.count(TIE)
    assert counted.losses == results.count(LOSS)
    for word, result in (("win", WIN), ("tie", TIE), ("loss", LOSS)):
        for k, name in enumerate(NAMES):
            assert counted.breakdown.get(f"{word}:{name}", 0) == matches.count((result, k))
    assert 0 not in counted.breakdown.values()


@settings(deadline=None)
@given(MATCHES, st.randoms(use_true_random=False))
def test_the_order_of_matches_is_of_no_matter(matches, random):
    shuffled = list(matches)
    random.shuffle(shuffled)
    assert TALLY.dump_json(tally(shuffled)) == TALLY.dump_json(tally(matches))


@settings(deadline=None)
@given(MATCHES)
def test_rates_are_shares_and_the_other_side_sees_the_rest(matches):
    counted, other = tally(matches), tally([(-result, ending) for result, ending in matches])
    assert 0.0 <= counted.win_rate <= counted.non_loss_rate <= 1.0
    if matches:
        assert counted.win_rate + other.non_loss_rate == pytest.approx(1.0)
    assert (counted.wins, counted.ties, counted.losses) == (other.losses, other.ties, other.wins)


@settings(deadline=None)
@given(st.lists(MATCHES, max_size=5))
def test_a_sum_counts_all_matches_together(parts):
    together = Tally.sum(tally(part) for part in parts)
    assert together == tally([match for part in parts for match in part])


@settings(deadline=None)
@given(TALLIES, TALLIES, TALLIES)
def test_sums_commute_and_associate(a, b, c):
    assert Tally.sum([a, b]) == Tally.sum([b, a])
    assert Tally.sum([Tally.sum([a, b]), c]) == Tally.sum([a, Tally.sum([b, c])])
    assert Tally.sum([a]) == Tally.sum([a, Tally()]) == a


@given(MATCHES, st.sampled_from(NAMES))
def test_without_an_ending_the_others_are_left(matches, ending):
    left = [match for match in matches if NAMES[match[1]] != ending]
    assert tally(matches).without(ending) == tally(left)


def test_without_needs_to_be_told_how_matches_ended():
    with pytest.raises(ValueError, match="which of 3 matches were slow_ball"):
        Tally(wins=3).without("slow_ball")


@settings(deadline=None)
@given(TALLIES)
def test_json_brings_it_back(counted):
    assert TALLY.validate_json(TALLY.dump_json(counted)) == counted


@settings(deadline=None)
@given(TALLIES, st.sampled_from(["wins", "ties", "losses"]), st.integers(1, 5))
def test_a_count_that_its_breakdown_does_not_bear_out_is_refused(counted, field, more):
    fields = TALLY.dump_python(counted)
    if not fields["breakdown"]:
        return
    fields[field] += more
    with pytest.raises(ValidationError, match="adds to"):
        TALLY.validate_python(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"wins": -1},
        {"wins": 1.5},
        {"surplus": 1},
        {"wins": 1, "breakdown": {"win:point": -1}},
        {"wins": 1, "breakdown": {"loss:point": 1}},
    ],
)
def test_impossible_tallies_are_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        TALLY.validate_python(fields)


def test_a_tally_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Tally(wins=1).wins = 2


def test_an_unknown_result_is_an_error():
    with pytest.raises(KeyError):
        Tally.count(np.array([3], np.int8), np.array([0], np.int8), NAMES)


def test_void_matches_count_and_are_nobodys_success():
    tally = Tally.count(np.array([1, 2, 0, 2], np.int8), np.array([0, 0, 1, 1], np.int8), NAMES)
    assert (tally.wins, tally.ties, tally.losses, tally.voids) == (1, 1, 0, 2)
    assert tally.episodes == 4
    assert (tally.win_rate, tally.non_loss_rate) == (0.25, 0.5)
    assert tally.breakdown["void:diverged"] == 2
    assert Tally.sum([tally, tally]).voids == 4


def test_a_tally_without_voids_is_written_as_before_there_were_any():
    assert "voids" not in TALLY.dump_python(Tally(wins=1))
    assert TALLY.validate_python(TALLY.dump_python(Tally(voids=1))).voids == 1


@pytest.mark.parametrize(("voids", "fails"), [(1, False), (2, True)])
def test_more_than_one_void_match_in_a_hundred_is_a_failure(voids, fails):
    tally = Tally(wins=100 - voids, voids=voids)
    if not fails:
        tally.check_voids()
        return
    with pytest.raises(CheckFailed, match="2 of 100 matches are void"):
        tally.check_voids()


def test_results_without_endings_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        Tally.count(np.array([1, 1], np.int8), np.array([0], np.int8), NAMES)


@settings(deadline=None)
@given(MATCHES)
def test_the_other_side_s_view(matches):
    """Wins are losses, ties are ties; what one side counts from the results negated."""
    turned = tally(matches).flipped()
    assert turned == tally([(-result, ending) for result, ending in matches])
    assert turned.flipped() == tally(matches)


def test_void_matches_are_void_from_either_side():
    one = Tally(wins=1, voids=2, breakdown={"win:point": 1, "void:diverged": 2})
    assert one.flipped() == Tally(
        losses=1, voids=2, breakdown={"loss:point": 1, "void:diverged": 2}
    )
    assert Tally(wins=3).flipped() == Tally(losses=3)

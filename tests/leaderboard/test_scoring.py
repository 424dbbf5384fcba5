"""Scores as functions of hand-made records."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import rate_ratio
from benchmark.leaderboard import scoring
from benchmark.leaderboard.scoring import (
    attack_score,
    clean_play,
    defense_parts,
    defense_score,
    pooled,
    transfer,
)
from benchmark.records.record import Record
from tests.factories import attacked, defended, make_record, match

WINS = st.integers(0, 200)
SEEDS = st.lists(WINS, min_size=1, max_size=6)
GRID = st.dictionaries(st.sampled_from(["a", "b", "c"]), SEEDS, min_size=1)
few = settings(max_examples=15)


def cells(grid: dict[str, list[int]]) -> list[Record]:
    """One record for every victim and seed."""
    return [
        attacked(wins, victim=victim, seed=seed)
        for victim, row in grid.items()
        for seed, wins in enumerate(row)
    ]


@few
@given(GRID, st.data())
def test_attack_score_rises_with_wins(grid: dict[str, list[int]], data: st.DataObject) -> None:
    """More wins in one cell never lower it."""
    victim = data.draw(st.sampled_from(sorted(grid)))
    at = data.draw(st.integers(0, len(grid[victim]) - 1))
    better = {name: list(row) for name, row in grid.items()}
    better[victim][at] = data.draw(st.integers(grid[victim][at], 200))
    assert attack_score(cells(better)).value >= attack_score(cells(grid)).value - 1e-9


@few
@given(GRID, st.randoms(use_true_random=False))
def test_attack_score_ignores_the_order_of_records(
    grid: dict[str, list[int]], random: Random
) -> None:
    """Value and interval, to the last bit."""
    records = cells(grid)
    shuffled = list(records)
    random.shuffle(shuffled)
    assert attack_score(shuffled) == attack_score(records)


@few
@given(WINS)
def test_attack_score_of_one_cell_is_its_win_rate(wins: int) -> None:
    """In percent, without width."""
    score = attack_score([attacked(wins)])
    assert score == pytest.approx((wins / 2, wins / 2, wins / 2))


def test_attack_score_is_the_interquartile_mean_over_victims_and_seeds() -> None:
    """Eight cells: the lowest and the highest two do not count."""
    grid = {"a": [0, 20, 40, 60], "b": [80, 100, 120, 200]}
    assert attack_score(cells(grid)).value == pytest.approx((40 + 60 + 80 + 100) / 4 / 2)


def test_a_victim_and_seed_has_one_vote_whatever_was_played() -> None:
    """A thousand episodes weigh as much as two hundred, other roles and modes nothing."""
    extra = [
        match("attack", 100),
        match("attack", 180, ranked=False),
        match("transfer", 200, victim="b"),
        match("floor", 150, adversary="random"),
        match("regular", 150, adversary="rival"),
    ]
    long = attacked(900, episodes=1000, seed=1)
    assert scoring.win_rate(make_record(extra)) == 0.5
    assert attack_score([make_record(extra), long]).value == pytest.approx(70.0)


def test_groups_are_in_the_order_of_their_keys() -> None:
    """Not in that of the records."""
    records = cells({"b": [1, 2], "a": [3]})
    grouped = scoring.group(reversed(records), lambda r: r.cell.victim.name)
    assert list(grouped) == ["a", "b"]
    assert [len(part) for part in grouped.values()] == [1, 2]


def test_pooled_adds_the_ranked_matches_of_a_role() -> None:
    """Of all records, of one adversary where it is named."""
    records = cells({"a": [10, 30]})
    assert pooled(records, "attack").wins == 40
    assert pooled(records, "attack").episodes == 400
    assert pooled(records, "floor", "random").wins == 8
    assert pooled(records, "floor").wins == 12
    assert pooled(records, "fresh").episodes == 0


def test_defense_is_chosen_on_the_even_half_and_reported_on_the_odd() -> None:
    """Held-out is worst on even (60 of 100), so its odd half counts: R = 1 - .10."""
    record = defended(stored=(50, 90), held_out=(60, 10), fresh=(20, 100))
    assert defense_parts(record).score == pytest.approx(90.0)
    assert defense_score([record]).value == pytest.approx(90.0)


@few
@given(st.lists(st.tuples(*[st.integers(0, 100)] * 2), min_size=3, max_size=3))
def test_the_choice_does_not_see_the_odd_half(halves: list[tuple[int, int]]) -> None:
    """Whatever is worst on even is reported, even where another is worse on odd."""
    worst = max(even for even, _ in halves)
    fitting = {100.0 - odd for even, odd in halves if even == worst}
    score = defense_parts(defended(*halves)).score
    assert any(score == pytest.approx(value) for value in fitting)


@few
@given(st.tuples(*[WINS] * 3), st.integers(0, 2), st.integers(0, 50))
def test_defense_score_never_rises_with_an_attacks_wins(
    wins: tuple[int, int, int], which: int, more: int
) -> None:
    """Raising every attack by as much lowers it; raising one does not raise R of its role."""
    evenly = [2 * (w // 4) for w in wins]
    before = defense_parts(defended(*evenly))
    after = defense_parts(defended(*(w + 2 * more for w in evenly)))
    assert after.score <= before.score + 1e-9
    one = list(evenly)
    one[which] += 2 * more
    parts = defense_parts(defended(*one))
    role = ("stored", "held_out", "fresh")[which]
    assert getattr(parts, role) <= getattr(before, role)


def test_robustness_by_role_is_of_its_worst_adversary_over_all_episodes() -> None:
    """Two held-out adversaries: the worse one is told."""
    matches = [
        match("stored", 20, victim="hard"),
        match("held-out", 50, victim="hard"),
        match("held-out", 80, victim="hard"),
        match("fresh", 200, victim="hard", ranked=False),
        match("regular", 100, adversary="rival"),
        match("regular", 100, adversary="rival", victim="hard"),
    ]
    parts = defense_parts(make_record(matches, defense="retrain"))
    assert parts.stored == pytest.approx(0.9)
    assert parts.held_out == pytest.approx(0.6)
    assert parts.fresh is None
    assert parts.score == pytest.approx(60.0)


def test_a_record_without_hits_has_no_defense_score() -> None:
    """Rather than a perfect one."""
    record = make_record([match("regular", 10)], defense="retrain")
    with pytest.raises(ValueError, match=record.id):
        defense_parts(record)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (100, 100, 1.0),  # as good as ever
        (100, 150, 0.5),  # half of the non-losses lost
        (100, 200, 0.0),  # loses every match
        (100, 50, 1.0),  # better play is not rewarded
        (200, 100, 1.0),  # nothing could be lost
        (0, 20, 0.9),
    ],
)
def test_clean_play(before: int, after: int, expected: float) -> None:
    """C is the ratio of non-loss rates, at most 1, and scales the score."""
    record = defended(50, 50, 50, clean=(before, after))
    assert clean_play(record) == pytest.approx(expected)
    assert defense_parts(record).score == pytest.approx(75.0 * expected)


def test_clean_play_counts_ties_as_no_loss() -> None:
    """The regular opponent's win is the victim's only loss."""
    tied = match("regular", 0, adversary="rival").model_copy(
        update={"even": _ties(100), "odd": _ties(100), "victim": defended(1, 1, 1).cell.victim}
    )
    hard = match("regular", 100, victim="house+retrain", adversary="rival")
    record = make_record([match("fresh", 0), tied, hard], defense="retrain")
    assert clean_play(record) == pytest.approx(0.5)


def test_the_victim_before_is_counted_once_whatever_the_seeds() -> None:
    """Its matches are the same in every seed's record: 200 of them, not 600."""
    records = [defended(90, 90, 90, clean=(100, won), seed=s) for s, won in enumerate((90, 60, 30))]
    change = scoring.clean_change(records)
    assert change == rate_ratio(600 - 180, 600, 100, 200)
    assert change[0] == pytest.approx(1.4, abs=0.01)
    assert scoring.clean_ratios(records) == pytest.approx([1.1, 1.4, 1.7])
    assert scoring.clean_change([attacked(90)]) is None
    assert scoring.clean_ratios([attacked(90)]) == []


def test_transfer_ratio_is_off_diagonal_over_diagonal() -> None:
    """Two sources and three targets; the ratio compares means."""
    records = [
        attacked(100, victim="a", others=["b", "c"]),
        attacked(60, victim="b", others=["a", "c"]),
    ]
    matrix = transfer(records)
    assert (matrix.sources, matrix.targets) == (["a", "b"], ["a", "b", "c"])
    assert matrix.tallies["a", "a"].wins == 100
    assert matrix.tallies["b", "c"].wins == 30
    assert matrix.ratio == pytest.approx((50 + 50 + 30 + 30) / 4 / ((100 + 60) / 2))


def test_transfer_pools_seeds_and_is_undefined_without_a_diagonal_or_others() -> None:
    """None rather than a number that means nothing."""
    pooled_seeds = transfer([attacked(40, seed=s, others=["b"]) for s in (0, 1)])
    assert pooled_seeds.tallies["house", "b"].episodes == 400
    assert transfer([attacked(40)]).ratio is None
    assert transfer([attacked(0, others=["b"])]).ratio is None


def test_adversaries_that_met_nobody_else_are_no_part_of_the_ratio() -> None:
    """Seed 1 was run where no other victim was at hand: it is in the matrix alone."""
    matrix = transfer([attacked(100, others=["b"]), attacked(20, seed=1)])
    assert matrix.tallies["house", "house"].wins == 120
    assert matrix.ratio == pytest.approx(0.5)


@few
@given(st.permutations(range(4)))
def test_transfer_ignores_the_order_of_records(order: list[int]) -> None:
    """The matrix and its order."""
    records = [
        attacked(10 * seed + 40, victim=v, seed=seed, others=[o])
        for seed in (0, 1)
        for v, o in (("a", "b"), ("b", "a"))
    ]
    assert transfer([records[i] for i in order]) == transfer(records)


def _ties(count: int) -> object:
    return Tally(ties=count, breakdown={"tie:slow_ball": count})

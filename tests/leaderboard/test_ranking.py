"""Ranks with ties: who is better by more than the seeds leave open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.evaluation.protocol import RANKED_VICTIMS, TIER_STEPS
from benchmark.evaluation.statistics import percentiles
from benchmark.leaderboard.ranking import (
    Draws,
    Rates,
    entries,
    is_positive,
    on_equal_victims,
    order,
    ranks,
    repeated,
)
from benchmark.leaderboard.scoring import BOOTSTRAP_SEED
from benchmark.records.record import Record
from tests.factories import attacked, ranked_on

few = settings(max_examples=15)
SEEDS = st.lists(st.integers(0, 1000), min_size=5, max_size=8)


def rates(*by_victim: list[float]) -> Rates:
    """Win rates of the seeds of victims 'a', 'b' and so on."""
    return {
        ("abc"[v], seed): rate for v, row in enumerate(by_victim) for seed, rate in enumerate(row)
    }


def full(wins: list[int], attack: str = "ours", first: int = 0, **changes: Any) -> list[Record]:
    """Records of tier full, one a seed from the first one on."""
    budget = TIER_STEPS["pong-v1"]["full"]
    changes = {"tier": "full", "episodes": 1000, "budget_steps": budget, **changes}
    return [attacked(w, attack=attack, seed=seed, **changes) for seed, w in enumerate(wins, first)]


def by_label(records: list[Record]) -> dict[str, int | None]:
    """Rank by the attack's label."""
    found = entries(records)
    return dict(zip((entry.label for entry in found), ranks(found), strict=True))


def test_a_clearly_better_entry_ranks_first() -> None:
    """On every seed by far; the two that overlap share the place below it."""
    placed = by_label(
        full([900, 910, 890, 905, 900], "best")
        + full([500, 300, 400, 450, 350], "x")
        + full([300, 500, 350, 400, 450], "y")
    )
    assert placed == {"best": 1, "x": 2, "y": 2}


def test_ranked_entries_are_scored_over_the_same_victims() -> None:
    """Three seeds on an easy victim that nobody else met raise no score; they unrank nobody."""
    one, other = full([500] * 5, "one"), full([520] * 5, "other")
    easy = full([990] * 3, "one", victim="easy")
    variant = full([10] * 2, "one", victim="broken", victim_ranked=False)
    found = on_equal_victims(entries([*one, *easy, *variant, *other]))
    assert [entry.label for entry in found] == ["one", "other"]
    assert [entry.score.value for entry in found] == pytest.approx([50, 52])
    assert {record.cell.victim.name for record in found[0].records} == {"house", "broken"}
    assert ranks(found) == [2, 1]
    unranked = full([500] * 3, "one") + easy
    (entry, _) = on_equal_victims(entries([*unranked, *other]))
    assert len(entry.records) == 6  # no rank: all that it met


def test_seeds_of_one_s_own_choice_give_no_rank() -> None:
    """Others have none of them, so nobody could be told to stand above."""
    placed = by_label(full([900] * 5, "honest") + full([100] * 9, "chosen", first=7))
    assert placed == {"honest": 1, "chosen": None}
    placed = by_label(full([900] * 5, "honest") + full([100] * 5, "chosen", first=1))
    assert placed == {"honest": 1, "chosen": None}


def test_seeds_that_not_all_have_count_towards_no_score_that_is_ranked() -> None:
    chosen = full([500] * 5 + [990], "one") + full([990] * 3, "one", first=40)
    one, other = on_equal_victims(entries([*chosen, *full([520] * 5, "other")]))
    assert [len(one.records), len(other.records)] == [5, 5]
    assert one.score.value == pytest.approx(50)
    one, other = on_equal_victims(entries([*chosen, *full([520] * 7, "other")]))
    assert [len(one.records), len(other.records)] == [6, 6]
    assert ranks(entries([*chosen, *full([520] * 5, "other")])) == [2, 1]


def test_pairs_see_what_overlapping_intervals_hide() -> None:
    """Hard and easy seeds alike for both: the difference is the same on each of them."""
    one, other = [0.2, 0.4, 0.6, 0.8, 0.9], [0.15, 0.35, 0.55, 0.75, 0.85]
    assert order([rates(one), rates(other)]) == [1, 2]
    crossed = [other[k] for k in (3, 0, 4, 1, 2)]
    assert order([rates(one), rates(crossed)]) == [1, 1]


def test_a_bound_of_exactly_nothing_is_a_tie() -> None:
    """Better on two seeds of five, equal on the rest: rounding must not make that more than 0."""
    own = [0.3, 0.2, 0.7, 0.6, 0.9]
    assert order([rates([0.4, 0.4, 0.7, 0.6, 0.9]), rates(own)]) == [1, 1]


@pytest.mark.parametrize(("not_above", "expected"), [(249, True), (250, True), (251, False)])
def test_counting_tells_what_ordering_would(not_above: int, expected: bool) -> None:
    """About the 2.5 % point of 10 000 draws; at 250 the neighbours lie astride 0."""
    draws = np.concatenate([np.full(not_above, -0.1), np.full(10_000 - not_above, 0.1)])
    assert (percentiles(draws)[0] > 0) is expected
    assert is_positive(draws) is expected


@few
@given(SEEDS, st.integers(2, 4))
def test_identical_entries_share_the_first_rank(wins: list[int], count: int) -> None:
    same = [{("a", k): w / 1000 for k, w in enumerate(wins)} for _ in range(count)]
    assert order(same) == [1] * count


@few
@given(st.lists(SEEDS, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_ranks_ignore_the_order_of_entries(grid: list[list[int]], random: Any) -> None:
    found = [rates([w / 1000 for w in row]) for row in grid]
    placed = order(found)
    turned = list(range(len(found)))
    random.shuffle(turned)
    assert order([found[k] for k in turned]) == [placed[k] for k in turned]
    assert min(placed) == 1


@few
@given(st.lists(SEEDS, min_size=1, max_size=4), st.data())
def test_a_dominated_entry_moves_no_rank_above_it(
    grid: list[list[int]], data: st.DataObject
) -> None:
    """It wins no more than another on every seed, and whoever that one is not above stays."""
    found = [rates([w / 1000 for w in row]) for row in grid]
    model = data.draw(st.sampled_from(found))
    worse = {cell: rate * data.draw(st.floats(0, 1)) for cell, rate in model.items()}
    before, after = order(found), order([*found, worse])
    own = before[found.index(model)]
    assert after[-1] >= after[found.index(model)]
    for old, new in zip(before, after, strict=False):
        if old <= own:
            assert new == old


def test_the_difference_is_the_bootstrap_of_paired_differences() -> None:
    """A loop that says the definition: pairs drawn together, within each victim."""
    rng = np.random.default_rng(3)
    one = rates(rng.uniform(size=6).tolist(), rng.uniform(size=4).tolist())
    other = rates(rng.uniform(size=6).tolist(), rng.uniform(size=4).tolist())
    pairs = {v: [one[k] - other[k] for k in sorted(one) if k[0] == v] for v in "ab"}
    means = [
        np.mean([d for v in "ab" for d in rng.choice(pairs[v], len(pairs[v]))]) for _ in range(4000)
    ]
    found = Draws(BOOTSTRAP_SEED).difference(one, other)
    assert found is not None
    assert np.quantile(found, [0.025, 0.5, 0.975]) == pytest.approx(
        np.quantile(means, [0.025, 0.5, 0.975]), abs=0.02
    )


def test_only_what_both_have_met_is_compared() -> None:
    """A seed or a victim that one of them lacks says nothing of the pair."""
    one = rates([0.9] * 5, [0.1] * 5)
    assert order([one, rates([0.5] * 5)]) == [1, 2]
    assert order([rates([0.9] * 5), {("c", k): 0.1 for k in range(5)}]) == [1, 1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tier": "lite"}, "tier"),
        ({"tier": "smoke"}, "tier"),
        ({"episodes": 998}, "matches"),
        ({"episodes": 1002}, "matches"),
        ({"victim_ranked": False}, "replication variant"),
    ],
)
def test_what_is_not_ranked(change: dict[str, Any], why: str) -> None:
    """Nor does it push another one down."""
    better = full([900] * 5, "ours", **change)
    others = full([100] * 5, "baseline", **{k: v for k, v in change.items() if k == "tier"})
    placed = by_label(better + others)
    assert placed["ours"] is None, why
    assert placed["baseline"] == (None if why == "tier" else 1)


def test_four_seeds_are_not_enough_nor_is_a_victim_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert by_label(full([900] * 4)) == {"ours": None}
    monkeypatch.setitem(RANKED_VICTIMS, "pong-v1", ranked_on("a", "b"))
    whole = [r for one in "xz" for v in "ab" for r in full([500] * 5, one, victim=v)]
    placed = by_label(whole + full([900] * 5, "y", victim="a"))
    assert placed == {"x": 1, "z": 1, "y": None}


@pytest.mark.parametrize("change", [{"track": "white-box"}, {"seat": "right"}])
def test_ranks_hold_within_a_track_a_budget_and_a_seat(change: dict[str, Any]) -> None:
    assert by_label(full([900] * 5, "x", **change) + full([100] * 5, "y")) == {"x": 1, "y": 1}


def test_a_victim_of_one_s_own_unranks_nobody_and_raises_nobody() -> None:
    """However many entries meet it: who is ranked over is not theirs to choose."""
    alike = full([500] * 5, "x") + full([600] * 5, "y") + full([700] * 5, "z")
    stray = [record for name in "xvwu" for record in full([999] * 5, name, victim="own")]
    assert by_label(alike) == {"x": 3, "y": 2, "z": 1}
    placed = by_label([*alike, *stray])
    assert placed == {"x": 3, "y": 2, "z": 1, "u": None, "v": None, "w": None}
    found = {e.label: e.score.value for e in on_equal_victims(entries([*alike, *stray]))}
    assert found["x"] == pytest.approx(50)


def test_where_no_victim_is_named_nobody_is_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RANKED_VICTIMS, "pong-v1")
    assert by_label(full([900] * 5)) == {"ours": None}


def test_seeds_that_gave_one_policy_are_not_ranked() -> None:
    """Its spread is that of one training; a script has no other, and says so by its track."""
    one = [
        record.model_copy(update={"matches": full([900])[0].matches}) for record in full([0] * 5)
    ]
    assert by_label([*one, *full([500] * 5, "y")]) == {"ours": None, "y": 1}
    assert [(a.cell.seed, b.cell.seed) for a, b in repeated(one)] == [(0, k) for k in (1, 2, 3, 4)]
    script = [
        record.model_copy(update={"cell": record.cell.model_copy(update={"track": "none"})})
        for record in one
    ]
    assert by_label(script) == {"ours": 1}


def test_a_tier_by_name_alone_is_not_ranked() -> None:
    """500 steps called full are not the game's full budget; nor are those of an unknown game."""
    assert by_label(full([900] * 5, budget_steps=500)) == {"ours": None}
    assert by_label(full([900] * 5, game="clockwork-v1")) == {"ours": None}

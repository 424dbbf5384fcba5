"""`make again`: what it calls equal, near and apart."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmark.records.record import Record
from tests.factories import attacked
from tests.made_again import Pair, drawn, pairs

ROOT = Path(__file__).parents[1]


def weighed(record: Record, weights: str) -> Record:
    """A record of a policy of these weights."""
    return record.model_copy(update={"artifacts": {"attack": weights}})


def test_seeds_are_set_side_by_side() -> None:
    before = [weighed(attacked(100, seed=s), f"w{s}") for s in (0, 1, 2)]
    after = [weighed(attacked(100, seed=0), "w0"), weighed(attacked(110, seed=1), "v1")]
    same, near = pairs(before, after)
    assert (same.seed, same.wins, same.same_weights, same.meet) == (0, (100, 100), True, True)
    assert (near.seed, near.wins, near.same_weights, near.meet) == (1, (100, 110), False, True)
    assert "the same weights" in same.told()
    assert "DO NOT MEET" not in near.told()


def test_intervals_that_do_not_meet_are_told() -> None:
    apart = Pair(seed=3, wins=(20, 60), episodes=(200, 200), same_weights=False)
    assert not apart.meet
    assert "20 of 200, again 60 of 200" in apart.told()
    assert "DO NOT MEET" in apart.told()


def test_rows_are_drawn_from_what_is_complete_and_at_hand(tmp_path: Path) -> None:
    """Without the published victims only rows of shipped ones; the same seed draws the same."""
    found = drawn(ROOT / "results", tmp_path, 1000, 1)
    assert found
    for one, records in found:
        assert one.pairing.victim.startswith("house-")
        assert len(records) == one.pairing.row.seeds
    few, others = drawn(ROOT / "results", tmp_path, 3, 1), drawn(ROOT / "results", tmp_path, 3, 2)
    assert len(few) == 3
    labels = [[one.pairing.label for one, _ in some] for some in (few, others)]
    assert labels[0] != labels[1]
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results" / "board.toml", tmp_path / "results")
    assert drawn(tmp_path / "results", tmp_path, 3, 1) == []

"""What records need, against what the plan that made them says: for any of them deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.records.record import Record
from benchmark.runs.finished import Finished, read_job
from benchmark.runs.needed import needed
from benchmark.runs.plan import Plan
from tests.runs import stocked

RUN = {**stocked.DEFENDED, "attacks": ("first", "second"), "victim_names": ["alpha", "beta"]}
Kept = tuple[Plan, dict[str, Record], dict[str, Finished]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Eight cells, half of them defended: their plan, records, and finished jobs."""
    store = stocked.stock(tmp_path_factory.mktemp("needed") / "store", **RUN)
    made = {home.name: read_job(home) for home in (store.root / "artifacts").iterdir()}
    return stocked.plan(**RUN), {record.id: record for record in store.records()}, made


def read_by(plan: Plan, ids: Iterable[str]) -> set[str]:
    """Keys of all jobs that the cells of these ids read, and that those have read."""
    by_key = {job.key: job for job in plan.jobs}
    ahead = [job.key for cell in plan.cells if cell.cell.id in set(ids) for job in cell.jobs]
    found = set()
    while ahead:
        key = ahead.pop()
        found.add(key)
        ahead += by_key[key].needs
    return found


@settings(max_examples=60)
@given(st.sets(st.integers(0, 7)))
def test_needed_is_what_the_plan_of_the_kept_cells_reads(kept: Kept, chosen: set[int]) -> None:
    """Trainings exactly; matches beside those are of players that are all needed."""
    plan, records, made = kept
    ids = [sorted(records)[k] for k in chosen]
    found = needed([records[one] for one in ids], made)
    expected = read_by(plan, ids)
    assert found >= expected
    trainings = {key for key, one in made.items() if one.sha256}
    assert found & trainings == expected & trainings
    for key in found - expected:
        assert set(made[key].job.needs) <= found


def test_all_are_needed_by_all_and_none_by_none(kept: Kept) -> None:
    """And the cells do differ in what they need, or the test above would say little."""
    plan, records, made = kept
    assert len(records) == 8
    assert needed(list(records.values()), made) == set(made)
    assert needed([], made) == set()
    assert len({frozenset(read_by(plan, [one])) for one in records}) == 8


def test_policies_without_weights_are_told_by_their_cells(kept: Kept) -> None:
    """All of them have one sha256."""
    plan, records, made = kept
    cells = [cell for cell in plan.cells if cell.cell.defense is None]
    keys = {cell.trainings["attack"].key for cell in cells}
    alike = {
        key: replace(one, sha256="alike", scripted=True) if key in keys else one
        for key, one in made.items()
    }
    record = records[cells[0].cell.id].model_copy(update={"artifacts": {"attack": "alike"}})
    assert needed([record], alike) & keys == {cells[0].trainings["attack"].key}


@pytest.mark.parametrize("defended", [False, True])
def test_a_record_of_a_failure_keeps_its_trainings(kept: Kept, defended: bool) -> None:
    """Although it names no artifact: matches may have failed after the training."""
    plan, records, made = kept
    cell = next(c for c in plan.cells if (c.cell.defense is not None) == defended)
    nothing = {"artifacts": {}, "matches": [], "failure": "too many voids"}
    record = records[cell.cell.id].model_copy(update=nothing)
    assert needed([record], made) >= {job.key for job in cell.trainings.values()}


def test_what_a_kept_training_has_read_is_kept(kept: Kept) -> None:
    """Also where the record names the hardened victim alone."""
    plan, records, made = kept
    cell = next(c for c in plan.cells if c.cell.defense is not None)
    record = records[cell.cell.id]
    alone = {"hardening": record.artifacts["hardening"]}
    bare = record.cell.model_copy(update={"held_out": [], "foreign": []})
    record = record.model_copy(update={"cell": bare, "artifacts": alone, "matches": []})
    found = {key for key in needed([record], made) if made[key].sha256}
    assert found == {cell.trainings["hardening"].key, cell.trainings["attack"].key}


def test_jobs_that_are_gone_are_not_needed(kept: Kept) -> None:
    """Somebody may have deleted any of them by hand."""
    _, records, made = kept
    attacks = {key for key, one in made.items() if one.job.kind == "attack"}
    rest = {key: one for key, one in made.items() if key not in attacks}
    assert needed(list(records.values()), rest) <= set(rest)

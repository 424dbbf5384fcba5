"""From finished jobs to records while another run on the same store is at one of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest

from benchmark.learning.ppo import TrainingDiverged
from benchmark.policies.policy import RandomPolicy
from benchmark.records.store import Store
from benchmark.runs.assemble import records_of
from tests.runs.fakes import House, raising, training

What = Literal["begins", "ends"]


class Shared(Store):
    """Between two questions after a job's failure, another run begins it again, or ends it."""

    def __init__(self, root: Path, key: str, what: What):
        super().__init__(root)
        self._key, self._what = key, what
        self.asked: Counter[str] = Counter()

    def failure(self, key: str) -> dict[str, Any] | None:
        self.asked[key] += 1
        if key == self._key and self.asked[key] == 2:
            if self._what == "begins":
                self.tidy(key)
            else:
                self.commit(key, {}, {}, RandomPolicy(2, 1.0))
        return super().failure(key)


@pytest.mark.parametrize("what", ["begins", "ends"])
def test_a_failure_that_another_run_mends_costs_no_other_record(house: House, what: What) -> None:
    """Its cell is left to that run; those behind it are filed."""
    house.acts["first"] = raising(TrainingDiverged("the loss became nan"))
    plan = house.plan(victim_names=["alpha"], seeds=1)
    house.run(plan)
    assert [cell.cell.attack.name for cell in plan.cells] == ["first", "second"]
    key = training(plan, "first").key
    store = Shared(house.store.root, key, what)
    records, failures = records_of(plan, store)
    assert store.asked[key] == 2
    assert [record.cell.attack.name for record in records] == ["second"]
    assert failures == []
    assert [record.cell.attack.name for record in house.store.records()] == ["second"]

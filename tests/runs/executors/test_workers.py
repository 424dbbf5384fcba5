"""How many workers: asked for, one where more gain nothing, and otherwise what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import Misuse
from benchmark.records.store import Store
from benchmark.runs.executors import workers as module
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.workers import SPEEDS, WORTH_S, Workers, at_once, split, workers
from benchmark.runs.job import Job
from benchmark.runs.plan import make_plan
from tests.runs.conftest import Resolve


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of four."""
    monkeypatch.setattr(module, "cores", lambda: (0, 1, 2, 5))


def plan_of(resolve: Resolve, **changes: object) -> list[Job]:
    """The jobs of a small run on one victim."""
    return make_plan(resolve(victim_names=["alpha"], budget=100_000, **changes)).jobs


def unheard(line: str) -> None:
    """Nothing is to be said."""
    raise AssertionError(line)


def choose(asked: str, jobs: list[Job], root: Path, seconds: float = 2 * WORTH_S) -> Workers:
    """What is chosen without a measurement."""
    return workers(asked, jobs, seconds, Tools(store=root), unheard)


@given(st.sets(st.integers(0, 99), min_size=1), st.data())
def test_cores_are_shared_out(mine: set[int], data: st.DataObject) -> None:
    """No core twice, none left over, and as even as can be."""
    count = data.draw(st.integers(1, len(mine)))
    sets = split(tuple(sorted(mine)), count)
    assert [core for some in sets for core in some] == sorted(mine)
    sizes = {len(some) for some in sets}
    assert len(sets) == count
    assert max(sizes) - min(sizes) <= 1


def test_what_was_asked_for(resolve: Resolve, tmp_path: Path) -> None:
    """Whatever there is to do."""
    assert choose("3", [], tmp_path).cores == [(0,), (1,), (2, 5)]
    assert choose("1", [], tmp_path).cores == [(0, 1, 2, 5)]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("0", "1 or more, or 'auto', got '0'"),
        ("many", "1 or more, or 'auto', got 'many'"),
        ("-1", "1 or more, or 'auto', got '-1'"),
        ("5", "may use 4 core"),
    ],
)
def test_what_cannot_be(tmp_path: Path, asked: str, line: str) -> None:
    """Refused before anything begins."""
    with pytest.raises(Misuse, match=line):
        choose(asked, [], tmp_path)


def test_trainings_at_once(resolve: Resolve, tmp_path: Path) -> None:
    """Those that do not need each other; what is done counts no more."""
    store = Store(tmp_path)
    assert at_once([], store) == 0
    assert at_once(plan_of(resolve, seeds=1), store) == 1
    assert at_once(plan_of(resolve, seeds=3), store) == 3
    # a defense: each seed's adversary and a held-out one, then the hardening, the fresh attack
    defended = plan_of(resolve, seeds=1, attack_names=["baseline"], defense_names=["retrain"])
    assert at_once(defended, store) == 2
    jobs = plan_of(resolve, seeds=2)
    store.prepare()
    first = next(job for job in jobs if job.budget_steps)
    store.commit(first.key, {}, {}, None)
    assert at_once(jobs, store) == 1


def test_little_to_do_is_not_measured(resolve: Resolve, tmp_path: Path) -> None:
    """Nor what cannot be done side by side."""
    assert choose("auto", plan_of(resolve, seeds=1), tmp_path).count == 1
    assert choose("auto", plan_of(resolve, seeds=4), tmp_path, seconds=WORTH_S / 2).count == 1


@pytest.mark.parametrize(("one", "several", "count"), [(100.0, 300.0, 3), (300.0, 290.0, 1)])
def test_the_faster_way_is_measured_once(
    resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    one: float, several: float, count: int,
) -> None:  # fmt: skip
    """And kept in the store, for the next run on this machine."""
    measured: list[int] = []
    said: list[str] = []

    def speed(job: Job, tools: Tools, cores: list[tuple[int, ...]]) -> float:
        measured.append(len(cores))
        return one if len(cores) == 1 else several

    monkeypatch.setattr(module, "speed", speed)
    store = tmp_path / "not made yet"
    jobs, tools = plan_of(resolve, seeds=3), Tools(store=store)
    for _ in range(2):
        found = workers("auto", jobs, 2 * WORTH_S, tools, said.append)
        assert found.count == count
        assert found.gain == pytest.approx(max(1.0, several / one))
        assert f"{several:,.0f} steps/s of 3 at once" in found.note
    assert measured == [1, 3]
    assert len(said) == 1
    (kept,) = json.loads((store / SPEEDS).read_bytes()).values()
    assert kept == {"one": one, "several": several}


def test_what_is_only_against_hardened_victims_is_not_measured(
    resolve: Resolve, tmp_path: Path
) -> None:
    """Their victims are not made yet; there are workers all the same."""
    asked = {"attack_names": ["baseline"], "defense_names": ["retrain"]}
    jobs = [job for job in plan_of(resolve, seeds=2, **asked) if job.victim.source == "job"]
    found = choose("auto", jobs, tmp_path)
    assert (found.count, found.gain) == (2, None)


def test_a_damaged_note_of_speeds_is_measured_again(
    resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs half a minute, not the run."""
    monkeypatch.setattr(module, "speed", lambda job, tools, cores: float(len(cores)))
    (tmp_path / SPEEDS).write_text("{")
    found = workers("auto", plan_of(resolve, seeds=2), 999.0, Tools(store=tmp_path), lambda _: None)
    assert found.count == 2

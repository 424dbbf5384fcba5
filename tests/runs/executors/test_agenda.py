"""The agenda: needs before those that need them, each job once, failures passed on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.policies.policy import RandomPolicy
from benchmark.records.leases import lease
from benchmark.records.store import Store
from benchmark.runs.executors.agenda import LOOK_AGAIN_S, Agenda, failed
from benchmark.runs.job import Job, Player
from tests.runs.fakes import Diary


class Finished(Store):
    """A store that is told what is done."""

    def __init__(self, root: Path = Path("nowhere")):
        super().__init__(root)
        self.done: set[str] = set()

    def has(self, key: str) -> bool:
        return key in self.done


def job(number: int, needs: tuple[Job, ...] = ()) -> Job:
    """A job that reads what others made."""
    players = tuple(Player(source="job", name=f"of {n.seed}", ref=n.key) for n in needs)
    victim = Player(source="victim", name="victim", ref="victim")
    return Job(
        kind="play", game="pong-v1", game_options={}, seat="right", victim=victim, seed=number,
        adversaries=players or (Player(source="floor", name="zero"),),
    )  # fmt: skip


@st.composite
def plans(draw: st.DrawFn) -> list[Job]:
    """Jobs in an order in which needs come first."""
    made: list[Job] = []
    for number in range(draw(st.integers(0, 12))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        made.append(job(number, tuple(made[index] for index in sorted(needs))))
    return made


@given(plans(), st.integers(1, 4), st.data())
def test_everything_ends_once_and_in_order(
    jobs: list[Job], hands: int, data: st.DataObject
) -> None:
    """With several hands that end in any order, some in failure, some done before."""
    some = st.sets(st.sampled_from([one.key for one in jobs])) if jobs else st.just(set[str]())
    before, failing = data.draw(some), data.draw(some)
    store, diary = Finished(), Diary()
    store.done = set(before)
    agenda = Agenda(jobs, store, diary)
    at_hand: list[Job] = []
    given_out: list[str] = []
    while not agenda.over:
        while len(at_hand) < hands and (ready := agenda.next()) is not None:
            assert all(store.has(key) for key in ready.needs)
            at_hand.append(ready)
            given_out.append(ready.key)
        if not at_hand:
            continue
        ended = at_hand.pop(data.draw(st.integers(0, len(at_hand) - 1)))
        if ended.key in failing:
            agenda.end(ended, failed(ended, "crashed", "boom"))
        else:
            store.done.add(ended.key)
            agenda.end(ended, None)
    assert len(given_out) == len(set(given_out))
    assert sorted(key for word, key in diary.lines) == sorted(one.key for one in jobs)
    lost = {failure.job: failure for failure in agenda.failures}
    for one in jobs:
        blocked = any(key in lost for key in one.needs)
        if one.key in before:
            assert one.key not in given_out
            assert one.key not in lost
        elif blocked:
            assert lost[one.key].kind == "blocked"
            assert one.key not in given_out
        else:
            assert one.key in given_out
            assert (one.key in lost) == (one.key in failing)


def test_what_another_run_is_at_is_looked_at_again(tmp_path: Path) -> None:
    """After a while and not before; told once; done by then, it is not given out again."""
    first, second = job(1), job(2)
    store, diary, now = Finished(tmp_path), Diary(), [0.0]
    agenda = Agenda([first, second], store, diary, clock=lambda: now[0])
    for _ in range(2):
        assert agenda.next() == first
        agenda.put_back(first)
        assert agenda.next() == (second if not now[0] else None)
        assert agenda.next() is None
        now[0] += LOOK_AGAIN_S
    assert diary.lines == [("elsewhere", first.key)]
    store.done.add(first.key)
    assert agenda.next() is None
    assert diary.lines[-1] == ("finish", first.key)
    agenda.end(second, None)
    assert agenda.over


@pytest.mark.parametrize("alive", [True, False])
def test_a_failure_of_another_run_is_taken_over(tmp_path: Path, alive: bool) -> None:
    """Once it has let go of the job: what failed there for good would fail here."""
    one, now = job(1), [0.0]
    store = Store(tmp_path)
    store.prepare()
    agenda = Agenda([one], store, Diary(), clock=lambda: now[0])
    assert agenda.next() == one
    agenda.put_back(one)
    now[0] += LOOK_AGAIN_S
    store.file_failure(one.key, {"failure": "the loss became nan"})
    if alive:
        with lease(tmp_path, one.key):
            assert agenda.next() == one
        return
    assert agenda.next() is None
    (failure,) = agenda.failures
    assert failure.kind == "failed in another run"
    assert failure.message == "the loss became nan"


def test_an_earlier_failure_is_tried_again(tmp_path: Path) -> None:
    """Of a run before this one: whoever starts the command again asks for that."""
    one = job(1)
    store = Store(tmp_path)
    store.prepare()
    store.file_failure(one.key, {"failure": "out of luck"})
    agenda = Agenda([one], store, Diary())
    assert agenda.next() == one
    store.commit(one.key, {}, {}, RandomPolicy(2, 1.0))
    agenda.end(one, None)
    assert agenda.over
    assert not agenda.failures

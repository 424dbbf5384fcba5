"""Whole runs in containers: their records say what those of a process say, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.arena.tally import Tally
from benchmark.cores import cores
from benchmark.display import Silent
from benchmark.evaluation.matches import Halves, episode_list, play
from benchmark.games.pong import Pong
from benchmark.isolation.engine import Engine
from benchmark.learning.progress import CurvePoint
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.policy import Policy, ZeroPolicy
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims, attacks
from benchmark.runs.boxes import Boxes
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.pool import Pool
from benchmark.runs.executors.workers import split
from benchmark.runs.plan import make_plan
from benchmark.runs.run import execute
from benchmark.runs.spec import RunSpec, resolve_run
from benchmark.runs.staging import seed_base_of
from benchmark.submissions.toys import random_network
from tests.attacks.conftest import BUDGET as TOY_BUDGET
from tests.attacks.conftest import assert_same_policy, small
from tests.factories import without_timings
from tests.isolation.hostile import BUDGET, GAME, PLAYED, VICTIM, interval, written

pytestmark = pytest.mark.engine
FALLING = "random-runner"
"""A victim of You Shall Not Pass whose matches end within a small budget."""
EPISODES = 6


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


@pytest.fixture
def boxes(engine: Engine, image: str) -> Boxes:
    """Containers with room for a learner."""
    return Boxes(engine, image, memory_mib=1024)


def resolved(victims: Victims, game: str, attack: str, budget: int, **settings: Any) -> RunSpec:
    """A small run of one attack: on Pong's shipped victim, elsewhere on one that soon falls."""
    spec = resolve_run(
        victims=victims, game_name=game, victim_names=[VICTIM if game == GAME else FALLING],
        attack_names=[attack], defense_names=[], seeds=1, tier="smoke", budget=budget,
        settings={"attack": settings}, command="bench run",
    )  # fmt: skip
    return spec.model_copy(update={"episodes": EPISODES})


def played(
    spec: RunSpec, victims: Victims, root: Path, boxes: Boxes | None
) -> tuple[Record, Policy]:
    """The record of the run's attack, and the adversary that it trained."""
    store, plan = Store(root), make_plan(spec)
    outcome = execute(spec.command, plan, store, victims, Silent, boxes)
    assert not [failure.message for failure in outcome.failures]
    (record,) = (r for r in outcome.records if r.cell.attack.name == spec.attacks[0].method.name)
    (job,) = (job for job in plan.jobs if job.kind == "attack" and job.budget_steps)
    return record, store.policy(job.key)


def victims_of(game: str, root: Path) -> Victims:
    """Those that are shipped, and for another game random networks in both of its seats."""
    if game != GAME:
        card = registry.game(game).describe()
        for seed, seat in enumerate(card.seats):
            artifact.save(random_network(card, seat.name, seed), root / f"random-{seat.name}")
    return Victims(root)


@pytest.mark.parametrize(
    ("game", "attack", "budget"),
    [("pong-v1", "ours", TOY_BUDGET), ("you-shall-not-pass-v1", "baseline", TOY_BUDGET // 2)],
)
def test_a_run_in_containers_makes_the_record_of_one_in_this_process(
    boxes: Boxes, tmp_path: Path, game: str, attack: str, budget: int
) -> None:
    """Counts, curves, steps, and the hash of the policy: all but times and where it ran."""
    victims = victims_of(game, tmp_path / "victims")
    sizes = small(attacks.load(attack), registry.game(game).describe())
    spec = resolved(victims, game, attack, budget, **sizes)
    here, own = played(spec, victims, tmp_path / "process", None)
    there, boxed = played(spec, victims, tmp_path / "container", boxes)
    assert here.isolation.kind == "process"
    assert there.isolation == boxes.isolation
    assert sum(point.tally.episodes for point in here.curves["attack"]) > 0
    assert_same_policy(boxed, own)
    one, other = (without_timings(record) for record in (here, there))
    assert one.pop("isolation") != other.pop("isolation")
    assert other == one


def test_workers_that_train_in_containers_do_what_one_does(boxes: Boxes, tmp_path: Path) -> None:
    """Each has a pair of containers on its own cores; the records are those of a single worker."""
    sizes = small(attacks.load("baseline"), registry.game(GAME).describe())
    spec = resolved(Victims(), GAME, "baseline", TOY_BUDGET, **sizes)
    spec = spec.model_copy(update={"seeds": (0, 1)})
    tools = Tools(store=tmp_path / "many", isolation="container", allow_unpinned=True)
    pool = Pool(tools, split(cores(), 2) if len(cores()) > 1 else [cores()])
    found = [
        execute(
            spec.command, make_plan(spec), Store(root), Victims(), Silent, boxes, executor=executor
        )
        for root, executor in ((tmp_path / "many", pool), (tmp_path / "one", None))
    ]
    assert not [failure.message for outcome in found for failure in outcome.failures]
    many, one = ([without_timings(record) for record in o.records] for o in found)
    assert [record["isolation"]["kind"] for record in many] == ["container", "container"]
    for record in (*many, *one):
        del record["isolation"]  # whether it was pinned, which the test's own boxes do not ask
    assert many == one


def test_a_policy_that_differs_from_what_was_played_is_judged_by_its_own_matches(
    boxes: Boxes, tmp_path: Path
) -> None:
    """It stands still, and returns one that follows the ball: each is counted where it played."""
    victims = Victims()
    code = written(tmp_path, "return policy()")
    with attacks.including("hostile", "hostile:Hostile", code):
        spec = resolved(victims, GAME, "hostile", BUDGET)
        record, returned = played(spec, victims, tmp_path / "store", boxes)
        (job,) = (job for job in make_plan(spec).jobs if job.kind == "attack" and job.budget_steps)
        base = seed_base_of(job)
    victim = victims.load(VICTIM)

    def counts(adversary: Policy) -> Halves:
        return play(Pong(EPISODES), (adversary, victim), "left", episode_list(GAME, EPISODES))

    (match,) = record.of_role("attack")
    assert (match.even, match.odd) == counts(returned) != counts(ZeroPolicy(2))
    curve: list[CurvePoint] = record.curves["attack"]
    assert curve == [CurvePoint(**interval(victim, "left", base).model_dump())]
    assert record.steps == {"attack": PLAYED}
    assert Tally.sum(point.tally for point in curve).episodes

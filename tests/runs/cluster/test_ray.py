"""Real Ray: three nodes on this machine give the records of one process, and lose nothing."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InfrastructureError, Misuse
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.cluster.needs import Demand
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.ray import RayExecutor, Wish
from benchmark.runs.plan import make_plan
from benchmark.runs.run import execute
from tests.runs.executors.test_pool import alone, one_thread, spec, told
from tests.runs.fakes import Diary

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")

ROOT = Path(__file__).resolve().parents[3]
NODE = {"num_cpus": 1, "memory": 4 << 30, "object_store_memory": 80 << 20}
BUDGET = 120_000
LONG = 4 * BUDGET
"""Of a job that is still at work when its node is killed, however fast the machine."""
KILLS = 4
__all__ = ["alone", "one_thread"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one CPU each; the first one is the head, which the driver is on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        head = {**NODE, "include_dashboard": False}
        made = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            made.add_node(**NODE)
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def long_alone(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """What one process makes of a run of that length."""
    store = Store(tmp_path_factory.mktemp("long-alone"))
    asked = spec(store, 2, LONG)
    return execute(asked.command, make_plan(asked), store, Victims(), Diary).records


def run(
    store: Store, wish: Wish, seeds: int = 2, budget: int = BUDGET
) -> tuple[list[Record], Diary]:
    """The records, and what was told meanwhile."""
    diary = Diary()
    asked = spec(store, seeds, budget)
    plan = make_plan(asked)
    executor = RayExecutor.ready(wish, Tools(store=store.root), plan.jobs)
    found = execute(
        asked.command, plan, store, Victims(store.victims), lambda: diary, executor=executor
    )
    assert not found.failures, found.failures
    assert {key for word, key in diary.lines if word == "finish"} == {j.key for j in plan.jobs}
    assert not list((store.root / "work").iterdir())
    assert not list((store.root / "leases").iterdir())
    return found.records, diary


def wish(cluster: Any, **more: Any) -> Wish:
    """The cluster's address, and more."""
    return Wish(address=cluster.address, **more)


def test_a_shared_store(cluster: Any, tmp_path: Path, alone: list[Record]) -> None:
    """Each job once, and to the same numbers."""
    records, diary = run(Store(tmp_path), wish(cluster))
    assert [told(record) for record in records] == [told(record) for record in alone]
    assert len(diary.started()) == len(set(diary.started()))
    assert any(word == "step" for word, _ in diary.lines)


def test_through_ray(cluster: Any, tmp_path: Path, alone: list[Record]) -> None:
    """No node writes in the store."""
    records, _ = run(Store(tmp_path), wish(cluster, carrier="ray"))
    assert [told(record) for record in records] == [told(record) for record in alone]


def test_through_a_url(cluster: Any, tmp_path: Path, alone: list[Record]) -> None:
    """A folder stands for an object store."""
    url = f"file://{tmp_path}/bucket"
    records, _ = run(Store(tmp_path / "store"), wish(cluster, url=url))
    assert [told(record) for record in records] == [told(record) for record in alone]
    made = {path.name for path in (tmp_path / "bucket" / "artifacts").iterdir()}
    assert made == {path.name for path in (tmp_path / "store" / "artifacts").iterdir()}
    assert not list((tmp_path / "bucket" / "probe").iterdir())


def killing(cluster: Any, store: Store, ready: Callable[[Path], bool]) -> threading.Event:
    """Kill the node that is at a training which is `ready`, once; never the head."""
    killed = threading.Event()

    def kill() -> None:
        while not killed.is_set():
            time.sleep(0.02)
            for path in (store.root / "work").glob("*/progress.json"):
                note = store.noted(path.parent.name)
                found = None if note is None or not ready(path.parent) else _node(cluster, note.pid)
                if found is not None:
                    cluster.remove_node(found, allow_graceful=False)
                    killed.set()
                    return

    threading.Thread(target=kill, daemon=True).start()
    return killed


def _node(cluster: Any, pid: int) -> Any:
    """The node that a process is a worker of: its raylet is the process's parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    parent = int(stat.rpartition(")")[2].split()[1])
    for node in cluster.worker_nodes:
        for process in node.all_processes.get("raylet", ()):
            if process.process.pid == parent:
                return node
    return None


@pytest.mark.parametrize("carrier", ["shared", "ray"])
def test_a_node_that_is_killed_in_mid_job(
    cluster: Any, tmp_path: Path, long_alone: list[Record], carrier: str
) -> None:
    """Its job is another one's: every job is done once, none is lost, no number moves.

    A kill may come when the job has just ended; then there was nothing to give to another node, and
    the next one is to come earlier.
    """
    for turn in range(KILLS):
        store = Store(tmp_path / str(turn))
        killed = killing(cluster, store, lambda work: True)
        records, diary = run(store, wish(cluster, carrier=carrier), budget=LONG)
        assert killed.is_set()
        assert [told(record) for record in records] == [told(record) for record in long_alone]
        finished = [key for word, key in diary.lines if word == "finish"]
        assert len(finished) == len(set(finished))
        cluster.add_node(**NODE)
        if max(Counter(diary.started()).values()) == 2:  # begun again, by another node
            return
    pytest.fail(f"none of {KILLS} kills fell into a job")


def test_what_no_node_has_and_where_no_ray_is(cluster: Any, tmp_path: Path) -> None:
    """Told before any training."""
    jobs = make_plan(spec(Store(tmp_path), 1, BUDGET)).jobs
    tools = Tools(store=tmp_path)
    with pytest.raises(Misuse, match=r"needs 1 CPU\(s\), 2048 MiB and 1 GPU\(s\), and no node"):
        RayExecutor.ready(wish(cluster, demand=Demand(gpus=1)), tools, jobs)
    with pytest.raises(InfrastructureError, match="no Ray answers"):
        RayExecutor.ready(Wish(address="127.0.0.1:9"), tools, jobs)
    with pytest.raises(InfrastructureError, match=r"node \S+: store URL memory:"):
        RayExecutor.ready(wish(cluster, url="memory://of-each-process"), tools, jobs)


def test_a_node_with_other_code(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named, with what differs."""
    monkeypatch.chdir(tmp_path)  # Ray looks for code in the driver's folder first, on every node
    other = tmp_path / "other"
    for name in ("benchmark", "attacks", "defenses"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "benchmark" / "cores.py").open("a").write("# not the same\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(other))
        node = cluster.add_node(**NODE)
    jobs = make_plan(spec(Store(tmp_path / "store"), 1, BUDGET)).jobs
    with pytest.raises(InfrastructureError, match="other software than this machine: code"):
        RayExecutor.ready(wish(cluster), Tools(store=tmp_path / "store"), jobs)
    cluster.remove_node(node)

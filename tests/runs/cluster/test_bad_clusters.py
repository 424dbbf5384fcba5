"""Without Ray: what is refused before any training, and with which line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.errors import InfrastructureError, Misuse
from benchmark.records.store import Store
from benchmark.runs.cluster import node, rim
from benchmark.runs.cluster.needs import Demand, Needs, Room, check_room
from benchmark.runs.cluster.node import Order, Question, Report, look
from benchmark.runs.cluster.parcels import Files
from benchmark.runs.cluster.software import Software, here
from benchmark.runs.executors import ray as executor
from benchmark.runs.executors.hand import Answer, Tools
from benchmark.runs.executors.ray import RayExecutor, Wish
from benchmark.runs.job import Job
from tests.runs.executors.test_agenda import job
from tests.runs.fakes import Diary

SMALL = Room(id="a", name="small", cpus=1, memory_mib=1500)
LARGE = Room(id="b", name="large", cpus=8, memory_mib=9000, gpus=1)


class Fake:
    """A cluster whose nodes say what a test wants, and do jobs by its script."""

    address = "10.0.0.1:6379"

    def __init__(
        self,
        reports: Sequence[Report],
        rooms: Sequence[Room] = (SMALL, LARGE),
        gone: Sequence[Room] = (),
    ):
        self._reports, self._rooms, self._gone = list(reports), list(rooms), gone
        self.closed = False

    def rooms(self) -> list[Room]:
        return self._rooms

    def ask(self, rooms: Sequence[Room], question: Question) -> list[Report]:
        self._rooms = [room for room in self._rooms if room not in self._gone]
        return self._reports

    def close(self) -> None:
        self.closed = True

    def put(self, files: Files) -> Any: ...
    def submit(self, order: Order, needs: Needs, parcels: Sequence[Any]) -> Any: ...
    def wait(self, refs: Sequence[Any], timeout_s: float) -> list[Any]:
        return []

    def take(self, ref: Any) -> tuple[Answer, Files]:
        raise AssertionError

    def heard(self) -> list[tuple[str, Files]]:
        return []

    def stop(self, refs: Sequence[Any]) -> None: ...


def ready(nodes: Fake, root: Path, jobs: Sequence[Job] = (job(1),), **wish: Any) -> RayExecutor:
    """An executor, if all is well."""
    return RayExecutor.ready(Wish(**wish), Tools(store=root), list(jobs), nodes)


TRAINING = job(1).model_copy(update={"budget_steps": 10, "kind": "split"})


@pytest.mark.parametrize(
    ("demand", "line"),
    [
        (Demand(memory_mib=10_000), "10000 MiB, and no node has that .*small: 1 CPU.*--need"),
        (Demand(gpus=2), r"2 GPU\(s\), and no node has that"),
        (Demand(cpus=9), r"needs 9 CPU\(s\)"),
        (Demand(cpus=8, gpus=1, memory_mib=9001), "no node has that"),
    ],
)
def test_a_job_that_no_node_has_room_for(tmp_path: Path, demand: Demand, line: str) -> None:
    """Refused while planning; it would wait for ever."""
    nodes = Fake([Report(shares=True)] * 2)
    with pytest.raises(Misuse, match=line):
        ready(nodes, tmp_path, [TRAINING], demand=demand)
    assert nodes.closed


def test_needs_follow_from_what_a_job_does() -> None:
    """A pairing needs little, whatever trainings are to have."""
    demand = Demand.parse(["cpus=4", "memory-mib=512", "gpus=0.5"])
    assert demand.of(TRAINING, 1, contained=False) == Needs(cpus=4, memory_mib=512, gpus=0.5)
    assert demand.of(job(1), 2, contained=False).cpus == 2
    contained = Demand().of(TRAINING, 1, contained=True)
    assert contained.memory_mib > Demand().of(TRAINING, 1, contained=False).memory_mib
    assert LARGE.times(Needs(cpus=2, memory_mib=1000)) == 4
    assert SMALL.times(Needs(cpus=1, memory_mib=1, gpus=0.5)) == 0
    check_room({"a": Needs(cpus=8, memory_mib=9000, gpus=1)}, [SMALL, LARGE])


@pytest.mark.parametrize("need", ["cpu=1", "cpus=0", "gpus=-1", "memory-mib=much", "cpus"])
def test_bad_needs(need: str) -> None:
    """One line that says what there is."""
    with pytest.raises(Misuse, match=r"--need: expected cpus=N, memory-mib=N or gpus=N"):
        Demand.parse([need])


def test_what_a_node_reports_is_told(tmp_path: Path) -> None:
    """By the node's name; nothing has begun."""
    nodes = Fake([Report(shares=True), Report(problem="no container engine")])
    with pytest.raises(InfrastructureError, match="node large: no container engine"):
        ready(nodes, tmp_path)
    assert nodes.closed


def test_a_node_that_goes_away_while_it_is_asked(tmp_path: Path) -> None:
    """The others do its work, where there are others."""
    reports = [Report(shares=True), Report(problem="The task is not schedulable")]
    left = ready(Fake(reports, gone=[LARGE]), tmp_path, carrier="shared")
    assert "1 node(s), 1 CPUs" in left.note
    with pytest.raises(Misuse, match=r"1 GPU\(s\), and no node has that"):
        ready(Fake(reports, gone=[LARGE]), tmp_path, [TRAINING], demand=Demand(gpus=1))
    nodes = Fake(reports, gone=[SMALL, LARGE])
    with pytest.raises(InfrastructureError, match=r"10\.0\.0\.1:6379: every node went away"):
        ready(nodes, tmp_path)
    assert nodes.closed


def test_a_store_that_a_node_does_not_see(tmp_path: Path) -> None:
    """Through Ray, unless it is to be shared."""
    reports = [Report(shares=True), Report(shares=False)]
    with pytest.raises(InfrastructureError, match="node large does not see it"):
        ready(Fake(reports), tmp_path, carrier="shared")
    assert "Ray's object store" in ready(Fake(reports), tmp_path).note
    assert "every node sees" in ready(Fake([Report(shares=True)] * 2), tmp_path).note
    assert not list((tmp_path / "probe").iterdir())


def test_no_nodes(tmp_path: Path) -> None:
    """A head that does no jobs, alone."""
    with pytest.raises(InfrastructureError, match="no node with CPUs"):
        ready(Fake([], []), tmp_path)


def test_wishes_that_contradict(tmp_path: Path) -> None:
    """Before anything is reached for."""
    with pytest.raises(Misuse, match="say one"):
        Wish(carrier="ray", url="file:///x").check()
    with pytest.raises(Misuse, match="--artifacts: expected auto, shared, ray"):
        Wish(carrier="nfs").check()
    with pytest.raises(Misuse, match="--store-url nosuch://x: Protocol not known"):
        ready(Fake([Report()] * 2), tmp_path, url="nosuch://x")


OTHER = {"torch": "2.12.0"}


def test_other_software_is_named_with_both_sides() -> None:
    """What differs, and nothing else."""
    mine = Software(code="aa" * 32, commit="c" * 40, versions={"torch": "2.13.0", "ray": "2.60"})
    node = Software(code="bb" * 32, versions={"torch": "2.12.0", "ray": "2.60"})
    with pytest.raises(InfrastructureError) as error:
        mine.check(node, "n7")
    assert str(error.value) == (
        "node n7 runs other software than this machine: torch 2.12.0 (here 2.13.0), code "
        "bbbbbbbbbbbb (here aaaaaaaaaaaa of commit cccccccccccc); install the same commit and "
        "packages on every node"
    )
    mine.check(mine.model_copy(update={"commit": "of another clone"}), "n7")


def test_a_node_compares_itself(tmp_path: Path) -> None:
    """In its report, and again at every job, since nodes come late."""
    other = here().model_copy(update={"versions": {**here().versions, **OTHER}})
    question = Question(tools=Tools(store=tmp_path), software=other, token="t")
    report = Report.model_validate_json(look(question.model_dump_json()))
    assert "(here 2.12.0)" in report.problem
    order = Order(job=job(1), tools=Tools(store=tmp_path), software=other, cpus=1, scratch=False)
    said, files = node.do(order.model_dump_json(), lambda key, files: None)
    assert Answer.model_validate_json(said).word == "unfit"
    assert not files


def test_a_node_looks_for_the_token(tmp_path: Path) -> None:
    """Not for a folder of that name, which every machine may have."""
    question = Question(tools=Tools(store=tmp_path), software=here(), token="t")
    ask = question.model_dump_json()
    assert not Report.model_validate_json(look(ask)).shares
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "t").write_text("t")
    assert Report.model_validate_json(look(ask)).shares


def test_a_url_that_a_node_cannot_reach(tmp_path: Path) -> None:
    """What the driver wrote there is not there."""
    pytest.importorskip("fsspec")
    url = f"file://{tmp_path}/elsewhere"
    question = Question(tools=Tools(store=tmp_path), software=here(), token="t", url=url)
    report = Report.model_validate_json(look(question.model_dump_json()))
    assert f"store URL {url}: what the driver wrote there is not there" in report.problem


@pytest.fixture
def answering() -> Iterator[Any]:
    """Begin a server that answers whoever calls with some bytes; its address."""
    servers = []

    def serve(said: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                line.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield serve
    for server in servers:
        server.close()


def test_addresses_where_no_ray_answers(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody, somebody else, and somebody who says nothing: Ray itself would wait."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(InfrastructureError, match=f"127.0.0.1:{port}: no Ray answers"):
        rim.knock(f"127.0.0.1:{port}")
    with pytest.raises(InfrastructureError, match="what answers is not Ray"):
        rim.knock(answering(b"HTTP/1.1 400 Bad Request"))
    with pytest.raises(InfrastructureError, match="no Ray answers"):
        rim.knock("10.0.0..1:6379")
    monkeypatch.setattr(rim, "KNOCK_S", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(InfrastructureError, match="no Ray answers: timed out"),
    ):
        rim.knock(f"127.0.0.1:{mute.getsockname()[1]}")
    rim.knock(answering(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"))


@pytest.mark.parametrize(
    "address", ["ray://host:10001", "host", "host:", ":6379", "host:http", "host:²"]
)
def test_bad_addresses(address: str) -> None:
    """What an address is, in the line."""
    with pytest.raises(Misuse, match="expected HOST:PORT"):
        rim.knock(address)


def joining(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    """The line that a failure of Ray's to join becomes."""

    def init(**options: Any) -> None:
        raise error

    fake = SimpleNamespace(init=init)
    monkeypatch.setattr(rim.importlib, "import_module", lambda name: fake)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InfrastructureError) as raised:
        rim.Cluster.connect(None)
    return str(raised.value)


def test_a_cluster_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray says it in several lines; here it is one."""
    told = joining(
        monkeypatch,
        RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.10.1\n"
            "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
        ),
    )
    assert "\n" not in told
    assert "Version mismatch" in told
    assert "Ray: 2.9.0" in told


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install."""

    def missing(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(rim.importlib, "import_module", missing)
    with pytest.raises(InfrastructureError, match=r"pip install '\.\[ray\]', in this"):
        rim.Cluster.connect(None)


def test_a_method_in_a_folder_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other node has it."""
    monkeypatch.setattr(executor.attacks, "local", lambda name: object())
    method = {"name": "mine", "version": 1, "config": {}, "settings": {}}
    one = job(1).model_copy(update={"kind": "attack", "method": method})
    with pytest.raises(Misuse, match="'mine' is a folder on this machine"):
        ready(Fake([]), tmp_path, [one])


def test_logs_need_a_shared_store(tmp_path: Path) -> None:
    """They are written beside it."""
    tools = Tools(store=tmp_path, tensorboard=True)
    nodes = Fake([Report(shares=False)] * 2)
    with pytest.raises(Misuse, match="--tensorboard"):
        RayExecutor.ready(Wish(), tools, [job(1)], nodes)


def test_all_that_a_run_asks_is_of_the_contract(tmp_path: Path) -> None:
    """A run without jobs asks for nothing and leaves the cluster."""
    nodes = Fake([Report(shares=True)] * 2)
    done = ready(nodes, tmp_path)
    Store(tmp_path).prepare()
    assert not done.run([], Diary())
    assert nodes.closed

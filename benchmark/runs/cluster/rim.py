"""A Ray cluster: the only place that knows Ray, which is loaded when one is asked for.

What crosses is text and bytes. Ray itself tries nothing again: who does, and how often, is the
executor's business.
"""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Sequence
from typing import Any

from benchmark.errors import InfrastructureError, Misuse, missing_packages
from benchmark.runs.cluster.board import Board
from benchmark.runs.cluster.needs import Needs, Room
from benchmark.runs.cluster.node import Order, Question, Report, do, look
from benchmark.runs.cluster.parcels import Files
from benchmark.runs.executors.hand import Answer

AUTO = "auto"
KNOCK_S = 5.0
LOOK_S = 180.0
"""For a node's first answer: it loads torch before, which on a busy machine takes a while."""
PATIENCE_S = 15.0
"""For jobs that were asked to stop, which may have containers to take down."""
MIB = 1 << 20
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""A gRPC server, such as Ray's, answers this with settings of its own at once."""
SETTINGS = 4
REMEDY = "see that `ray start --head` runs there and that --address is what it printed"


class Died(Exception):
    """The process or the node that did a job is gone."""


class Cluster:
    """A cluster that answered."""

    def __init__(self, ray: Any, address: str):
        self._ray, self.address = ray, address
        self._do = ray.remote(_do)
        here = ray.get_runtime_context().get_node_id()
        self._board = ray.remote(Board).options(num_cpus=0, **_at(here)).remote()

    @classmethod
    def connect(cls, address: str | None) -> Cluster:
        """Join as a driver; no address: RAY_ADDRESS, or else the cluster that this machine is of.

        Raises:
            Misuse: no address of a cluster.
            InfrastructureError: no Ray here or there, or one of another version.
        """
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            raise missing_packages("'.[ray]', in this checkout", error) from error
        found = address or os.environ.get("RAY_ADDRESS") or AUTO
        if found != AUTO:
            knock(found)
        try:
            ray.init(
                address=found, log_to_driver=False, configure_logging=False,
                logging_level="ERROR",
            )  # fmt: skip
        except Exception as error:  # Ray has a kind for each version of each problem
            raise InfrastructureError(
                f"--address {found}: no Ray to join: {_line(error)}; {REMEDY}"
            ) from error
        return cls(ray, ray.get_runtime_context().gcs_address)

    def rooms(self) -> list[Room]:
        """The nodes that are alive and do jobs."""
        alive = [_room(node) for node in self._ray.nodes() if node["Alive"]]
        return [room for room in alive if room.cpus]

    def ask(self, rooms: Sequence[Room], question: Question) -> list[Report]:
        """Put a question to each of some nodes, at once, however busy they are."""
        asked = self._ray.remote(_look)
        text = question.model_dump_json()
        options = [{"num_cpus": 0, "max_retries": 0, **_at(room.id)} for room in rooms]
        refs = [asked.options(**one).remote(text) for one in options]
        self._ray.wait(refs, num_returns=len(refs), timeout=LOOK_S)
        return [self._report(ref) for ref in refs]

    def _report(self, ref: Any) -> Report:
        try:
            return Report.model_validate_json(self._ray.get(ref, timeout=0))
        except self._ray.exceptions.GetTimeoutError:
            return Report(problem=f"no answer in {LOOK_S:.0f} s")
        except self._ray.exceptions.RayError as error:
            return Report(problem=_line(error))

    def put(self, files: Files) -> Any:
        """Keep files in Ray's object store, for any number of jobs."""
        return self._ray.put(files)

    def submit(self, order: Order, needs: Needs, parcels: Sequence[Any]) -> Any:
        """Have a job done by some node that has what it needs, as soon as it has."""
        options = {
            "num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory_mib * MIB,
            "max_retries": 0, "name": order.job.label,
        }  # fmt: skip
        return self._do.options(**options).remote(order.model_dump_json(), self._board, *parcels)

    def wait(self, refs: Sequence[Any], timeout_s: float) -> list[Any]:
        """Those that are over, once there is one; none after so many seconds."""
        done, _ = self._ray.wait(list(refs), num_returns=1, timeout=timeout_s)
        if not done:
            return []
        return list(self._ray.wait(list(refs), num_returns=len(refs), timeout=0)[0])

    def take(self, ref: Any) -> tuple[Answer, Files]:
        """What a job that is over left.

        Raises:
            Died: its process or its node is gone.
        """
        try:
            said, files = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:  # this project's code is missing there
            return Answer(word="unfit", message=_line(error)), {}
        except self._ray.exceptions.RayError as error:
            raise Died(_line(error)) from error
        return Answer.model_validate_json(said), files

    def heard(self) -> list[tuple[str, Files]]:
        """What jobs said since the last time."""
        said: list[tuple[str, Files]] = self._ray.get(self._board.hear.remote())
        return said

    def stop(self, refs: Sequence[Any]) -> None:
        """Interrupt jobs as Ctrl-C would; those that do not heed it are killed."""
        for ref in refs:
            self._ray.cancel(ref)
        _, left = self._ray.wait(list(refs), num_returns=len(refs), timeout=PATIENCE_S)
        for ref in left:
            self._ray.cancel(ref, force=True)

    def close(self) -> None:
        """Leave it."""
        self._ray.shutdown()


def knock(address: str) -> None:
    """Raise unless something at HOST:PORT speaks Ray's language: Ray itself would wait for ever."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not (port.isascii() and port.isdecimal()):
        raise Misuse(
            f"--address: expected HOST:PORT of a cluster's head, or {AUTO}, got '{address}'; run "
            "the command on a node of the cluster"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S) as line:
            line.sendall(HELLO)
            answer = line.recv(9)
    except (OSError, OverflowError, UnicodeError) as error:  # UnicodeError: of no host's name
        raise InfrastructureError(
            f"--address {address}: no Ray answers: {error}; {REMEDY}"
        ) from error
    if len(answer) < 4 or answer[3] != SETTINGS:
        raise InfrastructureError(f"--address {address}: what answers is not Ray; {REMEDY}")


def _do(order: str, board: Any, *parcels: Files) -> tuple[str, Files]:
    """A job's task, on a node."""
    ray = importlib.import_module("ray")

    def tell(key: str, files: Files) -> None:
        said = board.say.remote(key, files)
        if not files:  # that it has begun is heard before what became of it
            ray.get(said)

    return do(order, tell, *parcels)


def _look(question: str) -> str:
    """A question's task, on a node."""
    return look(question)


def _at(node: str) -> dict[str, Any]:
    """On this node and on no other."""
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    where = strategies.NodeAffinitySchedulingStrategy(node, soft=False)
    return {"scheduling_strategy": where}


def _room(node: dict[str, Any]) -> Room:
    has = node["Resources"]
    return Room(
        id=node["NodeID"], name=node["NodeName"] or node["NodeManagerAddress"],
        cpus=has.get("CPU", 0.0), memory_mib=has.get("memory", 0.0) / MIB, gpus=has.get("GPU", 0.0),
    )  # fmt: skip


def _line(error: BaseException) -> str:
    """The line that says something: of a remote traceback the last, of prose the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "ray::" in lines[0] else " ".join(lines)[:300]

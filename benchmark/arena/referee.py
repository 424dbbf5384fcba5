"""The referee's process: serves arenas to one contestant and files what was played.

    python -m benchmark.arena.referee --spec SPEC.json --socket PATH --arrays PATH \\
        --snapshots DIR --ledger OUT.json

The ledger's file is there from the start, with status "running", and is replaced as the contestant
reports; whatever ends the session is its last status. Exit code 0: see the ledger; 2: the spec
is wrong; 3: the referee itself failed, which is nobody's win or loss.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from threadpoolctl import threadpool_limits

from benchmark.arena.arrays import ArraysFile
from benchmark.arena.ledger import Interval
from benchmark.arena.session import RefereeSpec, Session
from benchmark.arena.wire import BYTES, Bye, Channel, Report, Status, Violation, parse
from benchmark.disk import instructions, write_atomically
from benchmark.errors import BenchError, InfrastructureError

PUBLISH_S = 1.0
"""The ledger's file is replaced at most this often while the session runs."""


class Account(BaseModel):
    """What the referee files: how the session stands or ended, and all that was played."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    line: str = ""
    steps: NonNegativeInt = 0
    intervals: tuple[Interval, ...] = ()


Publish = Callable[[Account], None]


class Stopped(InfrastructureError):
    """The process was told to stop."""


class Referee:
    """Waits for one contestant at a socket, and serves it until it leaves or breaks a rule."""

    def __init__(self, spec: RefereeSpec, socket_path: Path, arrays_path: Path, snapshots: Path):
        """Open for a contestant to connect.

        Raises:
            Misuse: the spec cannot be played.
            InfrastructureError: the socket, the arrays or the snapshots cannot be made.
        """
        self._spec, self._path = spec, socket_path
        self._arrays = ArraysFile(arrays_path, spec.arrays_bytes)
        try:
            self._session = Session(spec, self._arrays, snapshots)
            self._listener = _listen(socket_path, spec.patience_s)
        except BaseException:
            self._arrays.close()
            raise
        self._published_at = 0.0

    def serve(self, publish: Publish) -> Account:
        """Serve a contestant to its end; never raises for anything that it does."""
        try:
            status, line = self._serve(publish)
        except Exception as error:  # whatever it is, the ledger must be filed
            traceback.print_exc()
            status, line = Status.FAILED, f"{type(error).__name__}: {error}"
        account = self._account(status, line)
        try:
            publish(account)  # before anything that a contestant may have laid in the way
        finally:
            self._close()
        return account

    def _close(self) -> None:
        """Let go of everything. Of the socket's path a contestant may have made a folder."""
        self._listener.close()
        self._arrays.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _serve(self, publish: Publish) -> tuple[Status, str]:
        publish(self._account(Status.RUNNING))
        channel: Channel | None = None
        try:
            channel = self._accept()
            self._converse(channel, publish)
        except Violation as error:
            if channel is not None:
                _refuse(channel, error.status, str(error))
            return error.status, str(error)
        except Stopped:
            return Status.STOPPED, "the referee was told to stop"
        except Exception:
            if channel is not None:
                _refuse(channel, Status.FAILED, "the referee failed")
            raise
        finally:
            if channel is not None:
                channel.close()
        return Status.DONE, ""

    def _accept(self) -> Channel:
        """The one contestant; nobody else is let in after it."""
        try:
            connection, _ = self._listener.accept()
        except TimeoutError as error:
            raise Violation(Status.STALLED, "no contestant came") from error
        self._listener.close()
        return Channel(connection, self._spec.patience_s)

    def _converse(self, channel: Channel, publish: Publish) -> None:
        session = self._session
        while True:
            said = channel.receive()
            if isinstance(said, int):
                session.step(said)
                channel.send_step(said)
                continue
            message = parse(said)
            answer = session.answer(message, channel.receive_bytes)
            channel.send(json.dumps(answer.said).encode())
            if answer.following:
                channel.send(answer.following, BYTES)
            if isinstance(message, Bye):
                return
            if isinstance(message, Report) and time.monotonic() > self._published_at + PUBLISH_S:
                publish(self._account(Status.RUNNING))
                self._published_at = time.monotonic()

    def _account(self, status: Status, line: str = "") -> Account:
        ledger = self._session.ledger
        intervals = tuple(ledger.intervals)
        return Account(status=status, line=line, steps=ledger.steps, intervals=intervals)


def _listen(path: Path, patience_s: float) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(1)
        listener.settimeout(patience_s)
    except OSError as error:
        listener.close()
        raise InfrastructureError(f"{path}: no socket can be made there ({error})") from error
    return listener


def _refuse(channel: Channel, status: Status, line: str) -> None:
    """Say why it ends, if anybody still listens."""
    channel.hurry()
    try:
        channel.send(json.dumps({"refused": status, "line": line}).encode())
    except Violation:
        return


def load_account(path: Path) -> Account:
    """What a referee has filed so far; raises InfrastructureError where it has not."""
    try:
        return Account.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InfrastructureError(f"{path}: no referee's account ({error})") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a referee; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.arena.referee")
    for name in ("spec", "socket", "arrays", "snapshots", "ledger"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args(arguments)

    def publish(account: Account) -> None:
        write_atomically(given.ledger, account.model_dump_json().encode())

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("stopped before a contestant was served")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        spec = instructions(given.spec, RefereeSpec, "a referee's spec")
        threadpool_limits(spec.threads)
        account = Referee(spec, given.socket, given.arrays, given.snapshots).serve(publish)
    except BenchError as error:
        sys.stderr.write(f"referee: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"referee: {given.ledger}: cannot be written ({error.strerror})\n")
        return InfrastructureError.exit_code
    return InfrastructureError.exit_code if account.status is Status.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())

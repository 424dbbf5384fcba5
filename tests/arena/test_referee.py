"""The referee: silence, what stays secret, its account, and its process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.arena import referee, wire
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.referee import Account, Referee, main
from benchmark.arena.session import RefereeSpec
from benchmark.arena.wire import Status
from benchmark.errors import InfrastructureError, Misuse
from benchmark.games.pong import Pong
from benchmark.policies import artifact
from tests.arena.conftest import (
    CARD,
    HELLO,
    OPEN,
    RESET,
    SEED_BASE,
    WORDS,
    Host,
    a_good_start,
    fouled,
    frame,
)
from tests.factories import scribble

# Silence, and leaving -------------------------------------------------------------------------


def test_nobody_comes(host: Host) -> None:
    fouled(host(patience_s=0.05).end(), Status.STALLED, "no contestant")


@pytest.mark.parametrize("said", [b"", b"\0\0", frame(json.dumps(HELLO).encode())])
def test_a_contestant_that_falls_silent(host: Host, said: bytes) -> None:
    hosted = host(patience_s=0.1)
    raw = hosted.raw()
    raw.send(said)
    fouled(hosted.end(), Status.STALLED, "silent")


def test_a_contestant_that_asks_and_never_listens(host: Host) -> None:
    hosted = host(patience_s=0.1)
    raw = hosted.raw()
    raw.socket.settimeout(0.5)
    raw.send(frame(json.dumps(HELLO).encode()), frame(json.dumps(WORDS).encode()) * 40_000)
    account = hosted.end()
    fouled(account, Status.STALLED)


@pytest.mark.parametrize("said", [b"", b"\0\0\0", frame(json.dumps(HELLO).encode())])
def test_a_contestant_that_just_leaves(host: Host, said: bytes) -> None:
    hosted = host()
    raw = hosted.raw()
    raw.send(said)
    raw.socket.close()
    fouled(hosted.end(), Status.DISCONNECTED)


def test_a_second_contestant_is_not_let_in(host: Host) -> None:
    hosted = host()
    raw = hosted.raw()
    raw.ask(HELLO)
    with pytest.raises(OSError, match=r"refused|No such file"):
        hosted.raw()
    raw.ask({"op": "bye"})
    assert hosted.end().status is Status.DONE
    assert not hosted.socket.exists()


# Seeds and weights stay where they are --------------------------------------------------------


def test_a_seed_that_is_named_is_not_the_seed_that_is_played(host: Host) -> None:
    hosted = host()
    raw = hosted.raw()
    raw.sit()
    assert raw.ask({**RESET, "seed": 9}) == {}
    table = hosted.referee._session._tables[0]
    played = table.arena.game.episode_seed  # type: ignore[attr-defined]
    plain, mixed, other = (
        Arena(Pong(4), "left", Mixture.of(scribble(7)), seed=0, seed_base=base)
        for base in (None, SEED_BASE, SEED_BASE + 1)
    )
    seeds = []
    for arena in (plain, mixed, other):
        arena.reset(seed=9)
        seeds.append(arena.game.episode_seed)  # type: ignore[attr-defined]
    assert not set(played) & set(seeds[0])
    assert not set(played) & set(seeds[2])
    assert np.array_equal(played, seeds[1])


def test_no_weight_of_the_victim_and_no_seed_crosses_the_wire(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    send = wire.Channel._send

    def overheard(channel: wire.Channel, data: bytes) -> None:
        said.append(data)
        send(channel, data)

    monkeypatch.setattr(wire.Channel, "_send", overheard)
    hosted = host()
    arena = hosted.arena(4)
    arena.reset(seed=9)
    secret = hosted.referee._session._tables[0].arena
    layout = hosted.referee._session._tables[0].layout
    seeds: set[int] = {SEED_BASE}
    for _ in range(200):
        obs, *_ = arena.step(np.full((4, 2), 0.5, np.float32))
        said.append(hosted.arrays.read_bytes()[: layout.given_at + layout.given_bytes])
        seeds |= set(secret.game.episode_seed.tolist())  # type: ignore[attr-defined]
    assert len(seeds) > 6
    arena.state()
    arena.client.report({"loss": 0.5})
    arena.client.save(b"mine")
    arena.close()
    heard = b"".join(said)
    assert obs[0].tobytes() in heard  # so that what is searched is what is told
    for seed in seeds:
        assert seed.to_bytes(8, "little") not in heard
        assert seed.to_bytes(8, "big") not in heard
        assert str(seed).encode() not in heard
    for tensor in scribble(7).tensors().values():
        for pair in tensor[tensor != 0].reshape(-1, 2):  # one alone may come by chance
            assert pair.tobytes() not in heard


def test_what_a_foul_is_told_says_nothing_of_what_is_secret(host: Host) -> None:
    """The referee's own failures are for its own log."""
    hosted = host()
    raw = hosted.raw()
    raw.sit()

    def fail(*_: Any) -> None:
        raise RuntimeError(f"seed {SEED_BASE}")

    hosted.referee._session._tables[0].arena.step = fail  # type: ignore[method-assign,assignment]
    told = raw.step()
    assert str(SEED_BASE).encode() not in told
    assert b"referee-failed" in told
    account = hosted.end()
    assert account.status is Status.FAILED
    assert "RuntimeError" in account.line


# The process ----------------------------------------------------------------------------------


def test_the_account_is_published_from_the_start_and_as_it_grows(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referee, "PUBLISH_S", 0.0)
    hosted = host()
    raw = hosted.raw()
    a_good_start(raw)
    raw.ask({"op": "bye"})
    hosted.end()
    first, second, last = hosted.published
    assert [a.status for a in hosted.published] == [Status.RUNNING, Status.RUNNING, Status.DONE]
    assert (first.steps, second.steps, last.steps) == (0, 1200, 1204)
    assert second.intervals == last.intervals != ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"game": "chess"}, "no game 'chess'"),
        ({"seat": "north"}, "no seat 'north'"),
        ({"options": {"gravity": 0}}, "gravity"),
        ({"members": {"victim": "nowhere"}}, "no card.json"),
        ({"members": {"sent:1": "victim"}}, "sent:"),
        ({"mixture": [["nobody", 1.0]]}, "nobody"),
        ({"white_box": True}, "white_box"),
        ({"budget_steps": -1}, "budget_steps"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_spec_that_cannot_be_played_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any,
    change: dict[str, Any], told: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    artifact.save(scribble(7), tmp_path / "victim")
    spec = {
        "game": "pong-v1", "seat": "left", "members": {"victim": "victim"},
        "mixture": [["victim", 1.0]], "budget_steps": 100, **change,
    }  # fmt: skip
    Path("spec").write_text(json.dumps(spec))
    named = [f"--{k}={k[0:2]}" for k in ("socket", "arrays", "snapshots", "ledger")]
    assert main(["--spec=spec", *named]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


@pytest.mark.parametrize("payload", [None, "{", "[]"])
def test_without_a_good_spec_it_is_misuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, payload: str | None
) -> None:
    """Be it missing or damaged, as with the contestant's process and the one that asks a method."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    spec = tmp_path / "spec"
    if payload is not None:
        spec.write_text(payload)
    named = [f"--{k}={tmp_path / k}" for k in ("socket", "arrays", "snapshots", "ledger")]
    assert main([f"--spec={spec}", *named]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"referee: {spec}: ")


def test_a_socket_that_cannot_be_made_is_infrastructure(tmp_path: Path) -> None:
    artifact.save(scribble(7), tmp_path / "victim")
    spec = RefereeSpec(
        game="pong-v1", seat="left", members={"victim": tmp_path / "victim"},
        mixture=(("victim", 1.0),), budget_steps=100,
    )  # fmt: skip
    with pytest.raises(InfrastructureError, match="no socket"):
        Referee(spec, tmp_path / ("s" * 120), tmp_path / "a", tmp_path / "kept")
    with pytest.raises(Misuse, match="no seat"):
        Referee(spec.model_copy(update={"seat": "north"}), tmp_path / "s", tmp_path / "a", tmp_path)


def test_a_process_that_is_told_to_stop_files_its_ledger(tmp_path: Path) -> None:
    artifact.save(scribble(7), tmp_path / "victim")
    spec = {
        "game": "pong-v1", "seat": "left", "members": {"victim": str(tmp_path / "victim")},
        "mixture": [["victim", 1.0]], "budget_steps": 100_000, "seed_base": 1,
    }  # fmt: skip
    (tmp_path / "spec").write_text(json.dumps(spec))
    named = [f"--{k}={tmp_path / k}" for k in ("spec", "socket", "arrays", "snapshots", "ledger")]
    process = subprocess.Popen([sys.executable, "-m", "benchmark.arena.referee", *named])
    try:
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        deadline = time.monotonic() + 30
        while raw.connect_ex(str(tmp_path / "socket")) and time.monotonic() < deadline:
            time.sleep(0.02)
        for request in (HELLO, OPEN, RESET):
            raw.sendall(frame(json.dumps(request).encode()))
            length = int.from_bytes(raw.recv(5, socket.MSG_WAITALL)[1:], "big")
            raw.recv(length, socket.MSG_WAITALL)
        raw.sendall(b"\1")
        assert raw.recv(1) == b"\1"
        process.terminate()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
    account = Account.model_validate_json((tmp_path / "ledger").read_bytes())
    assert (account.status, account.steps) == (Status.STOPPED, 4)


def test_the_card_of_the_welcome_is_the_games(host: Host) -> None:
    welcome = host().raw().ask(HELLO)
    assert welcome["game"] == json.loads(CARD.model_dump_json())
    assert welcome["members"] == {}
    assert "mixture" not in welcome

"""The referee: what it grants, and contestants that ask for more."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from benchmark.arena import referee, wire
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.referee import Account, Referee, main
from benchmark.arena.session import RefereeSpec
from benchmark.arena.wire import BYTES, Status
from benchmark.errors import InfrastructureError, Misuse
from benchmark.games.pong import Pong
from benchmark.policies import artifact
from benchmark.policies.policy import MLPPolicy
from tests.arena.conftest import CARD, HELLO, SEED_BASE, Host, Raw, frame
from tests.factories import scribble

OPEN = {"op": "arena", "matches": 4}
RESET = {"op": "reset", "arena": 1}
WORDS = {"op": "report", "diagnostics": {"loss": 0.5}}


def fouled(account: Account, status: Status, *told: str) -> None:
    """The session ended in this status, with one line that says so."""
    assert account.status is status, account.line
    assert account.line.isprintable()
    for words in told:
        assert words in account.line


def a_good_start(raw: Raw, matches: int = 4, steps: int = 300) -> list[dict[str, Any]]:
    """Play, report, play a little more; what the ledger must still say whatever comes next."""
    layout = raw.sit(matches)
    for k in range(steps):
        raw.act(layout, 0.1 * (k % 7))
        assert raw.step() == b"\1"
    assert raw.ask(WORDS) == {}
    raw.step()
    interval = raw.hosted.referee._session.ledger.intervals[0]
    assert interval.steps == matches * steps
    assert interval.tally.episodes
    return [interval.model_dump()]


# Whatever is not asked for in the right words and order --------------------------------------

ODD: dict[str, tuple[list[Any], Status]] = {
    "no greeting": ([OPEN], Status.OUT_OF_ORDER),
    "a step first": ([1], Status.OUT_OF_ORDER),
    "greeting twice": ([HELLO, HELLO], Status.OUT_OF_ORDER),
    "another protocol": ([{"op": "hello", "protocol": 1}], Status.OUT_OF_ORDER),
    "a step without an arena": ([HELLO, 1], Status.OUT_OF_ORDER),
    "a step before the reset": ([HELLO, OPEN, 1], Status.OUT_OF_ORDER),
    "a step in the next arena": ([HELLO, OPEN, RESET, 2], Status.OUT_OF_ORDER),
    "a reset of no arena": ([HELLO, RESET], Status.OUT_OF_ORDER),
    "a snapshot before the reset": (
        [HELLO, OPEN, {"op": "snapshot", "arena": 1}],
        Status.OUT_OF_ORDER,
    ),
    "an unknown handle": (
        [HELLO, OPEN, {"op": "restore", "arena": 1, "handle": 1}],
        Status.UNKNOWN_SNAPSHOT,
    ),
    "a checkpoint without its bytes": (
        [HELLO, frame(b'{"op": "save"}') + frame(b'{"op": "load"}')],
        Status.OUT_OF_ORDER,
    ),
    "an endless checkpoint": (
        [HELLO, frame(b'{"op": "save"}') + b"\xff\xff\xff\xff\xff"],
        Status.MALFORMED,
    ),
    "its own choice of whom to meet": (
        [HELLO, {**OPEN, "opposite": [["victim", 1.0]]}],
        Status.OUT_OF_ORDER,
    ),
    "the victim's own seat": ([HELLO, {**OPEN, "attacking": True}], Status.OUT_OF_ORDER),
    "a policy of its own": (
        [HELLO, {"op": "policy", "card": scribble().card.model_dump(mode="json")}],
        Status.OUT_OF_ORDER,
    ),
    "no matches": ([HELLO, {"op": "arena", "matches": 0}], Status.MALFORMED),
    "fewer than no matches": ([HELLO, {"op": "arena", "matches": -4}], Status.MALFORMED),
    "half a match": ([HELLO, {"op": "arena", "matches": 0.5}], Status.MALFORMED),
    "too many matches": ([HELLO, {"op": "arena", "matches": 1025}], Status.OVER_LIMIT),
    "matches without end": ([HELLO, {"op": "arena", "matches": 2**62}], Status.OVER_LIMIT),
    "no JSON": ([b"\0\0\0\0\3abc"], Status.MALFORMED),
    "an endless frame": ([HELLO, b"\0\xff\xff\xff\xff"], Status.MALFORMED),
    "weights out of nowhere": ([HELLO, frame(b"w", BYTES)], Status.OUT_OF_ORDER),
    "a report of infinity": (
        [HELLO, {"op": "report", "diagnostics": {"loss": float("inf")}}],
        Status.MALFORMED,
    ),
    "a report of a name without end": (
        [HELLO, {"op": "report", "diagnostics": {"n" * 65: 0.0}}],
        Status.MALFORMED,
    ),
    "a report of 65 numbers": (
        [HELLO, {"op": "report", "diagnostics": {f"n{k}": 0.0 for k in range(65)}}],
        Status.MALFORMED,
    ),
    "the victim, please": ([HELLO, {"op": "revealed"}], Status.MALFORMED),
    "the seeds, please": ([HELLO, {"op": "hello", "protocol": 2, "seeds": 1}], Status.MALFORMED),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_request_ends_the_session_with_its_status(host: Host, case: str) -> None:
    said, status = ODD[case]
    hosted = host()
    raw = hosted.raw()
    answers: list[Any] = []
    for each in said:
        if isinstance(each, dict):
            answers.append(raw.ask(each))
        elif isinstance(each, int):
            answers.append(json.loads(raw.step(each) or b"null"))
        else:
            raw.send(each)
            answers.append(json.loads(raw.receive() or b"null"))
    account = hosted.end()
    fouled(account, status)
    assert not any("refused" in (answer or {}) for answer in answers[:-1])
    assert answers[-1] == {"refused": status.value, "line": account.line}
    assert (account.steps, account.intervals) == (0, ())


@pytest.mark.parametrize(
    ("foul", "status"),
    [
        (b"\0\xff\xff\xff\xff", Status.MALFORMED),
        (frame(b"\xff" * 9), Status.MALFORMED),
        (frame(b"[" * 100_000), Status.MALFORMED),
        (b"\x09", Status.OUT_OF_ORDER),
        (frame(json.dumps({"op": "restore", "arena": 1, "handle": 1}).encode()),
         Status.OUT_OF_ORDER),
        (frame(json.dumps({"op": "report", "diagnostics": {"\x1b[2J": 1}}).encode()),
         Status.MALFORMED),
    ],
    ids=["oversized", "no json", "deep", "no such arena", "back in time", "escape codes"],
)  # fmt: skip
def test_a_foul_leaves_the_ledger_as_it_was(host: Host, foul: bytes, status: Status) -> None:
    hosted = host()
    raw = hosted.raw()
    before = a_good_start(raw)
    raw.send(foul)
    account = hosted.end()
    fouled(account, status)
    assert [interval.model_dump() for interval in account.intervals] == before
    assert account.steps == 4 * 301


def test_what_a_contestant_claims_to_have_played_is_not_looked_at(host: Host) -> None:
    hosted = host()
    raw = hosted.raw()
    raw.sit()
    for _ in range(3):
        raw.step()
    claim = {"steps": 10**9, "tally": {"wins": 10**6}, "intervals": [], "status": "done"}
    assert raw.ask({**WORDS, **claim}) == {}
    raw.ask({"op": "bye"})
    account = hosted.end()
    (interval,) = account.intervals
    assert (account.status, account.steps, interval.steps) == (Status.DONE, 12, 12)
    assert interval.tally.episodes <= 4
    assert interval.diagnostics == {"loss": 0.5}


def test_no_more_is_reported_than_is_granted(host: Host) -> None:
    hosted = host(reports=3)
    raw = hosted.raw()
    raw.ask(HELLO)
    assert [raw.ask(WORDS) for _ in range(3)] == [{}] * 3
    assert raw.ask(WORDS)["refused"] == "over-limit"
    assert len(hosted.end().intervals) == 3


def test_no_more_is_played_than_the_budget(host: Host) -> None:
    hosted = host(budget_steps=4 * 5 + 3)
    raw = hosted.raw()
    raw.sit()
    assert [raw.step() for _ in range(5)] == [b"\1"] * 5
    raw.step()
    account = hosted.end()
    fouled(account, Status.OVER_BUDGET, "23")
    assert account.steps == 20


def test_no_more_arenas_are_opened_than_are_granted(host: Host) -> None:
    hosted = host(arenas=2)
    raw = hosted.raw()
    raw.ask(HELLO)
    assert [raw.ask(OPEN)["arena"] for _ in range(2)] == [1, 2]
    assert raw.ask(OPEN)["refused"] == "over-limit"


def test_no_more_matches_are_open_at_once_than_are_granted(host: Host) -> None:
    """Of all arenas together, since none is closed before the session."""
    hosted = host(open_matches=10)
    raw = hosted.raw()
    raw.ask(HELLO)
    assert [raw.ask(OPEN)["arena"] for _ in range(2)] == [1, 2]
    assert raw.ask(OPEN)["refused"] == "over-limit"
    fouled(hosted.end(), Status.OVER_LIMIT, "12 matches", "at most 10")


def test_arenas_take_no_more_room_than_is_granted(host: Host) -> None:
    hosted = host(arrays_bytes=1 << 16)
    raw = hosted.raw()
    raw.ask(HELLO)
    assert raw.ask(OPEN)["arena"] == 1
    assert raw.ask(OPEN)["refused"] == "over-limit"
    assert hosted.arrays.stat().st_size == 1 << 16


# The shared arrays ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_actions_that_are_no_numbers_never_reach_the_game(host: Host, value: float) -> None:
    hosted = host()
    raw = hosted.raw()
    before = a_good_start(raw)
    layout = raw.hosted.referee._session._tables[0].layout
    raw.act(layout, value)
    raw.step()
    account = hosted.end()
    fouled(account, Status.BAD_ACTIONS, "NaN or infinity")
    assert [interval.model_dump() for interval in account.intervals] == before
    assert account.steps == 4 * 301


def test_actions_that_change_while_they_are_read_are_played_as_they_were_judged(
    host: Host,
) -> None:
    """Either what was read is all finite, and is played, or it is refused; nothing in between."""
    hosted = host()
    raw = hosted.raw()
    layout = raw.sit(512)
    racing = threading.Event()

    def race() -> None:
        with hosted.arrays.open("r+b") as file:
            numbers = np.memmap(file, np.float32, "r+", layout.offset, (512, 2))
            while not racing.is_set():
                numbers[256:] = np.nan
                numbers[256:] = 0.5

    thread = threading.Thread(target=race)
    thread.start()
    try:
        for _ in range(60):
            if raw.step() != b"\1":
                break
    finally:
        racing.set()
        thread.join()
    raw.socket.close()
    account = hosted.end()
    assert account.status in (Status.BAD_ACTIONS, Status.DISCONNECTED), account.line
    assert account.steps % 512 == 0


@pytest.mark.parametrize("size", [0, 7])
def test_an_arrays_file_cut_short_is_a_violation(host: Host, size: int) -> None:
    hosted = host()
    raw = hosted.raw()
    before = a_good_start(raw)
    os.truncate(hosted.arrays, size)
    raw.step()
    account = hosted.end()
    fouled(account, Status.BAD_ARRAYS, "cut short")
    assert [interval.model_dump() for interval in account.intervals] == before


def test_an_arrays_file_that_is_taken_away_harms_its_contestant_only(host: Host) -> None:
    hosted = host()
    raw = hosted.raw()
    raw.sit()
    hosted.arrays.unlink()
    hosted.arrays.symlink_to(hosted.folder.parent / "victim" / artifact.WEIGHTS)
    assert raw.step() == b"\1"
    raw.ask({"op": "bye"})
    assert hosted.end().status is Status.DONE
    assert artifact.load(hosted.folder.parent / "victim").card.kind == "mlp"


def test_nonsense_in_what_the_referee_gives_is_not_read_back(host: Host) -> None:
    hosted, honest = host(), host("other")
    raw, fair = hosted.raw(), honest.raw()
    layout = raw.sit()
    fair.sit()
    for _ in range(50):
        with hosted.arrays.open("r+b") as file:
            file.seek(layout.offset + layout.given_at)
            file.write(b"\xff" * layout.given_bytes)
        assert raw.step() == fair.step() == b"\1"
    state, expected = (each.referee._session._tables[0].arena.state() for each in (hosted, honest))
    assert all(np.array_equal(state[name], expected[name]) for name in expected)


def test_a_folder_in_the_sockets_place_costs_its_contestant_nothing_but_time(host: Host) -> None:
    """Nor does it pass for a failure of the referee, which would be tried again."""
    hosted = host()
    raw = hosted.raw()
    before = a_good_start(raw)
    hosted.socket.unlink()
    hosted.socket.mkdir()
    (hosted.socket / "more").write_text("laid in the way")
    raw.socket.close()
    account = hosted.end()
    assert account.status is Status.DISCONNECTED
    assert [interval.model_dump() for interval in account.intervals] == before


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


# Policies that a defense sends ----------------------------------------------------------------


def defending(host: Host, tmp_path: Path, **changes: Any) -> Raw:
    """A defense in the right seat, which may meet 'adversary0', and has said hello."""
    artifact.save(scribble(1), tmp_path / "adversary")
    members = {"adversary0": tmp_path / "adversary"}
    raw = host(seat="right", members=members, mixture=None, **changes).raw()
    welcome = raw.ask(HELLO)
    assert list(welcome["members"]) == ["adversary0"]
    assert welcome["members"]["adversary0"]["sha256"] == ""
    return raw


def posted(raw: Raw, payload: bytes | None = None, **card: Any) -> Any:
    """The answer to a policy, sent as it should be but for what is changed."""
    policy = scribble(3)
    payload = safetensors.numpy.save(policy.tensors()) if payload is None else payload
    sha256 = hashlib.sha256(payload).hexdigest()
    described = {**policy.card.model_dump(mode="json"), "sha256": sha256, **card}
    raw.send(frame(json.dumps({"op": "policy", "card": described}).encode()))
    raw.send(frame(payload, BYTES))
    return json.loads(raw.receive() or b"null")


def weights(**tensors: Any) -> bytes:
    """The weights of a scribble, some of them changed."""
    return safetensors.numpy.save({**scribble(3).tensors(), **tensors})


def test_a_policy_that_was_sent_can_be_met(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path)
    name = posted(raw)["name"]
    asked = {"op": "arena", "matches": 4, "opposite": [[name, 0.25], ["adversary0", 0.75]]}
    assert raw.ask(asked)["arena"] == 1
    assert raw.ask(RESET) == {}
    assert raw.step() == b"\1"
    assert [path.name for path in raw.hosted.snapshots.iterdir()] == []


@pytest.mark.parametrize(
    ("payload", "card"),
    [
        (b"", {}),
        (b"\x80\x04\x95pickle", {}),
        (b"\xff" * 64, {}),
        (weights(**{"layer0.bias": np.full(8, np.nan, np.float32)}), {}),
        (weights(**{"layer0.bias": np.zeros(9, np.float32)}), {}),
        (weights(extra=np.zeros(1, np.float32)), {}),
        (None, {"sha256": "0" * 64}),
        (None, {"hidden": [8, 8]}),
        (None, {"kind": "lstm"}),
    ],
    ids=["empty", "pickle", "header", "nan", "shape", "surplus", "hash", "widths", "kind"],
)
def test_what_is_no_policy_is_refused(
    host: Host, tmp_path: Path, payload: bytes | None, card: dict[str, Any]
) -> None:
    raw = defending(host, tmp_path)
    answer = posted(raw, payload, **card)
    assert answer["refused"] == "bad-policy"
    assert str(tmp_path) not in answer["line"]
    assert list(raw.hosted.snapshots.iterdir()) == []


def test_policies_take_no_more_room_than_is_granted(host: Host, tmp_path: Path) -> None:
    size = len(weights())
    raw = defending(host, tmp_path, policy_bytes=2 * size + 1)
    assert [posted(raw)["name"] for _ in range(2)] == ["sent:1", "sent:2"]
    answer = posted(raw)
    assert answer is None or answer["refused"] == "malformed-message"
    fouled(raw.hosted.end(), Status.MALFORMED, "at most 1 are taken")


def test_no_more_policies_are_sent_than_are_granted(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path, policies=1)
    assert posted(raw)["name"] == "sent:1"
    posted(raw)
    fouled(raw.hosted.end(), Status.OVER_LIMIT)


@pytest.mark.parametrize(
    ("opposite", "status"),
    [
        (None, Status.OUT_OF_ORDER),
        ([], Status.MALFORMED),
        ([["victim", 1.0]], Status.OUT_OF_ORDER),
        ([["../../victim", 1.0]], Status.OUT_OF_ORDER),
        ([["adversary0", -1.0]], Status.MALFORMED),
        ([["adversary0", 0.0]], Status.MALFORMED),
        ([["adversary0", 0.5]], Status.MALFORMED),
        ([["adversary0", 1e308], ["adversary0", 1e308]], Status.MALFORMED),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(
    host: Host, tmp_path: Path, opposite: Any, status: Status
) -> None:
    raw = defending(host, tmp_path)
    raw.ask({"op": "arena", "matches": 4, "opposite": opposite})
    fouled(raw.hosted.end(), status)


def test_a_policy_of_another_game_is_refused(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path)
    name = posted(raw, game="sumo-ants-v1")["name"]
    raw.ask({"op": "arena", "matches": 4, "opposite": [[name, 1.0]]})
    fouled(raw.hosted.end(), Status.BAD_POLICY, "sumo-ants-v1")


NAN: dict[str, Any] = {
    "filter.mean": np.full(13, -3e38, np.float32),
    "filter.std": np.ones(13, np.float32),
    "layer0.weight": np.full((13, 8), 3e38, np.float32),
    "layer1.weight": np.tile(np.array([[1], [-1]], np.float32), (4, 2)),
}
"""Weights that are finite; what they compute is infinity less infinity."""
NAN_CARD: dict[str, Any] = {"activation": "relu", "filter_clip": 3e38}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_policy_that_acts_with_nan_is_its_senders_foul(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path)
    name = posted(raw, weights(**NAN), **NAN_CARD)["name"]
    raw.ask({"op": "arena", "matches": 4, "opposite": [[name, 1.0]]})
    raw.ask(RESET)
    raw.step()
    account = raw.hosted.end()
    fouled(account, Status.BAD_POLICY, "sent", "NaN")
    assert account.steps == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_victim_that_acts_with_nan_is_nobodys_foul(host: Host, tmp_path: Path) -> None:
    card = scribble(3).card.model_copy(update=NAN_CARD)
    artifact.save(MLPPolicy(card, {**scribble(3).tensors(), **NAN}), tmp_path / "broken")
    raw = host(members={"victim": tmp_path / "broken"}).raw()
    raw.sit()
    raw.step()
    fouled(raw.hosted.end(), Status.FAILED, "NaN")


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

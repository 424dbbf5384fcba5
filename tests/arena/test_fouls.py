"""What is not asked of a referee in the right words and order, or is more than is granted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark.arena.wire import BYTES, Status
from tests.arena.conftest import HELLO, OPEN, RESET, WORDS, Host, a_good_start, fouled, frame
from tests.factories import scribble

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

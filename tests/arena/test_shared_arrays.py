"""The file of arrays that a referee and a contestant share, whatever a contestant does to it."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from benchmark.arena.wire import Status
from benchmark.policies import artifact
from tests.arena.conftest import Host, a_good_start, fouled


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

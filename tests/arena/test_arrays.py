"""The file of the arrays: where each lies, and a contestant that treats it badly."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.arena.arrays import PAGE, ArraysFile, Layout, Region
from benchmark.arena.wire import Status, Violation
from benchmark.errors import InfrastructureError
from benchmark.games.pong import Pong
from tests.arena.test_arena import duel_card

LIMIT = 1 << 20
LAYOUT = Layout.of(Pong.describe(), 0, 5, 0)


def numbers(layout: Layout) -> dict[str, Any]:
    """Different numbers for every array of a layout."""
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, 2 if kind == "|b1" else 99, shape).astype(kind)
        for name, kind, shape in layout.fields
    }


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(0, 1), st.sampled_from([Pong.describe(), duel_card()]))
def test_the_arrays_of_a_region_fill_it_without_gaps_or_overlaps(
    matches: int, seat: int, card: Any
) -> None:
    layout = Layout.of(card, seat, matches, 0)
    given_ = numbers(layout)
    block = np.frombuffer(b"".join(a.tobytes() for a in layout.gather(given_)), np.uint8)
    assert len(block) == layout.given_bytes
    assert layout.action_bytes <= layout.given_at < layout.action_bytes + 64
    assert layout.given_at + layout.given_bytes <= layout.region_bytes
    assert layout.region_bytes % PAGE == 0
    found = layout.split(block)
    assert {name: (a.dtype, a.shape) for name, a in found.items()} == {
        name: (a.dtype, a.shape) for name, a in given_.items()
    }
    assert all(np.array_equal(found[name], given_[name]) for name in given_)


def test_what_one_side_writes_the_other_reads(tmp_path: Path) -> None:
    file = ArraysFile(tmp_path / "a", LIMIT)
    layouts = []
    for card, seat, matches in ((Pong.describe(), 0, 5), (duel_card(), 1, 700)):
        layouts.append(Layout.of(card, seat, matches, file.used))
        file.claim(layouts[-1])
    regions = [Region(tmp_path / "a", layout) for layout in layouts]
    for k, (layout, region) in enumerate(zip(layouts, regions, strict=True)):
        region.act(np.full((layout.matches, layout.act_dim), k + 1, np.float32))
        file.give(layout, numbers(layout))
    for k, (layout, region) in enumerate(zip(layouts, regions, strict=True)):
        expected, found = numbers(layout), region.given()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
        assert (file.actions(layout) == k + 1).all()
    file.close()


def test_what_is_given_is_new_every_time_and_may_be_written(tmp_path: Path) -> None:
    file = ArraysFile(tmp_path / "a", LIMIT)
    file.claim(LAYOUT)
    region = Region(tmp_path / "a", LAYOUT)
    file.give(LAYOUT, numbers(LAYOUT))
    first = region.given()
    first["obs"] += 1
    second = region.given()
    assert np.array_equal(second["obs"], numbers(LAYOUT)["obs"])
    file.give(LAYOUT, {})
    assert second["obs"].any()
    assert not region.given()["obs"].any()
    file.close()


def test_actions_are_a_copy(tmp_path: Path) -> None:
    file = ArraysFile(tmp_path / "a", LIMIT)
    file.claim(LAYOUT)
    region = Region(tmp_path / "a", LAYOUT)
    region.act(np.ones((5, 2), np.float32))
    read = file.actions(LAYOUT)
    region.act(np.full((5, 2), np.nan, np.float32))
    assert (read == 1).all()
    file.close()


@pytest.mark.parametrize("cut", [0, 39])
def test_a_file_cut_short_is_a_violation_and_kills_nobody(tmp_path: Path, cut: int) -> None:
    file = ArraysFile(tmp_path / "a", LIMIT)
    file.claim(LAYOUT)
    os.truncate(tmp_path / "a", cut)
    with pytest.raises(Violation) as caught:
        file.actions(LAYOUT)
    assert caught.value.status is Status.BAD_ARRAYS
    file.close()


@pytest.mark.parametrize("full", [True, False])
def test_a_volume_that_was_filled_is_a_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    def refuse(*_: Any) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return 4096

    file = ArraysFile(tmp_path / "a", LIMIT)
    file.claim(LAYOUT)
    monkeypatch.setattr(os, "pwritev", refuse)
    with pytest.raises(Violation) as caught:
        file.give(LAYOUT, numbers(LAYOUT))
    assert caught.value.status is Status.BAD_ARRAYS
    file.close()


def test_no_more_room_is_claimed_than_is_granted(tmp_path: Path) -> None:
    file = ArraysFile(tmp_path / "a", PAGE)
    file.claim(LAYOUT)
    with pytest.raises(Violation) as caught:
        file.claim(Layout.of(Pong.describe(), 0, 5, file.used))
    assert caught.value.status is Status.OVER_LIMIT
    assert (tmp_path / "a").stat().st_size == PAGE
    file.close()


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "a").symlink_to(tmp_path / "precious")
    file = ArraysFile(tmp_path / "a", LIMIT)
    file.claim(LAYOUT)
    file.give(LAYOUT, numbers(LAYOUT))
    file.close()
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_folder_in_its_place_is_a_failure_of_the_infrastructure(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InfrastructureError, match="cannot be made"):
        ArraysFile(tmp_path / "a", LIMIT)

"""The key of a record, and the words for a method."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.records.cell import Cell, content_hash, method_key
from tests.factories import attacked, method

CELL = attacked(50).cell
CHANGES: dict[str, Any] = {
    "game": "pong-v2",
    "game_options": {"slow_ball": "tie"},
    "seat": "right",
    "victim": {"name": "house", "sha256": "another"},
    "others": [{"name": "b", "sha256": "b"}],
    "held_out": ["ours (seed 1000) key"],
    "foreign": ["ours (seed 0) key"],
    "diagnoses": ["split"],
    "victim_ranked": False,
    "attack": method("ours", norm="l2").model_dump(),
    "track": "white-box",
    "defense": method("retrain").model_dump(),
    "seed": 1,
    "tier": "lite",
    "budget_steps": 1001,
    "episodes": 201,
    "protocol": 2,
}


def test_the_id_depends_on_every_field_of_the_cell() -> None:
    """Each changes it, none is forgotten, and all the ids differ."""
    assert set(CHANGES) == set(Cell.model_fields)
    base = CELL.model_dump()
    ids = [Cell.model_validate({**base, name: value}).id for name, value in CHANGES.items()]
    assert len({CELL.id, *ids}) == 1 + len(CHANGES)


def test_content_hash_is_of_the_value_and_not_of_its_order() -> None:
    """Canonical JSON; NaN has none. Pinned, since stores outlive programs."""
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": "1"})
    assert content_hash([1, 2]) != content_hash([2, 1])
    assert content_hash({"a": 1}).startswith("015abd7f5cc57a2d")
    with pytest.raises(ValueError, match="JSON"):
        content_hash(float("nan"))


def test_a_label_tells_what_was_set_by_hand() -> None:
    """Sorted, so that the order on the command line does not matter."""
    assert method("ours").label == "ours"
    assert method("ours", weight=1, norm="l2").label == "ours norm=l2 weight=1"


def test_methods_are_told_apart_by_what_they_do_and_not_by_what_was_typed() -> None:
    """The resolved configuration and the version count; no method at all is a key of its own."""
    plain, typed = method("ours"), method("ours", norm="l2")
    assert method_key(plain) == method_key(plain.model_copy(update={"settings": {"norm": "l1"}}))
    keys = {
        method_key(one)
        for one in (
            None,
            plain,
            typed.model_copy(update={"config": {"norm": "l2"}}),
            plain.model_copy(update={"version": 2}),
            plain.model_copy(update={"name": "baseline"}),
        )
    }
    assert len(keys) == 5

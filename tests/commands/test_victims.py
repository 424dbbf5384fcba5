"""`bench victims import`, `list` and `show` as their users meet them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.policies.zoo_pong import PONG_SHAPES
from tests.command_line import (
    bench,
    contents,
    full_disk,
    refused,
    shelve,
)
from tests.policies.flat import as_published, joined, mlp_parts


def zoo_file(path: Path, **changes: Any) -> Path:
    """A file in the form of the published Pong agents, with random weights."""
    rng = np.random.default_rng(5)
    arrays = {name: rng.normal(size=shape) for name, shape in PONG_SHAPES.items()}
    np.savez(path, **{**arrays, **changes})
    return path


def test_import_files_a_victim_and_its_broken_variant(elsewhere: Path) -> None:
    """Both are then listed, shown and playable."""
    path = zoo_file(elsewhere / "RoboschoolPong_v0_2017may9.npz")
    cards = bench("victims", "import", path, "--json").json
    assert [card["name"] for card in cards] == ["may9", "may9-axis-bug"]
    listed = {row["name"]: row for row in bench("victims", "list", "--json").json}
    assert listed["may9"]["ranked"]
    assert not listed["may9-axis-bug"]["ranked"]
    assert bench("victims", "show", "may9", "--json").json == cards[0]
    told = bench("play", "--adversary", "may9", "--victim", "zero", "--episodes", 5, "--json")
    assert told.json["episodes"] == 5


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "text"])
def test_a_damaged_zoo_file_is_refused_and_nothing_is_filed(elsewhere: Path, damage: str) -> None:
    """With its path, even where a good file lies beside it."""
    folder = elsewhere / "zoo"
    folder.mkdir()
    zoo_file(folder / "a2017good.npz")
    bad = folder / "b2017bad.npz"
    if damage == "shape":
        zoo_file(bad, weights_final_w=np.zeros((31, 2)))
    elif damage == "nan":
        zoo_file(bad, weights_final_w=np.full((32, 2), np.nan))
    elif damage == "cut":
        bad.write_bytes(zoo_file(bad).read_bytes()[:-200])
    else:
        bad.write_text("import os", encoding="utf-8")
    shelve(elsewhere / "store", "kept")
    before = contents(elsewhere / "store")
    refused(bench("victims", "import", folder), bad)
    assert contents(elsewhere / "store") == before


def test_a_flat_vector_is_imported_by_saying_its_game_and_seat(elsewhere: Path) -> None:
    """Refused without, with another game's, and as a whole folder's; then filed and listed."""
    path = elsewhere / "my_ant.pkl"
    path.write_bytes(as_published(joined(mlp_parts(122, 8))))
    claim = ("--game", "run-to-goal-ants-v1", "--seat", "left")
    refused(bench("victims", "import", path), path, "--game G --seat S", "24905")
    refused(bench("victims", "import", path, *claim[:2]), "--seat", "left, right")
    refused(bench("victims", "import", path, "--game", "sumo-ants-v1", "--seat", "any"), "299943")
    refused(bench("victims", "import", elsewhere, *claim), elsewhere, "a single file")
    assert contents(elsewhere / "store") == {}
    told = bench("victims", "import", path, *claim)
    assert told.out.startswith("imported my-ant (run-to-goal-ants-v1) into ")
    assert told.out.count("\n") == 1
    (card,) = bench("victims", "import", path, *claim, "--json").json
    assert bench("victims", "show", "my-ant", "--json").json == card
    assert (card["seat"], card["action_mode"], card["act_dim"]) == ("left", "sampled", 8)


def test_an_import_into_a_full_or_unusable_store_is_one_line(elsewhere: Path) -> None:
    """Exit code 3, as for a run; what was imported before stays whole."""
    path = zoo_file(elsewhere / "x2017may9.npz")
    assert bench("victims", "import", path).code == 0
    before = contents(elsewhere / "store")
    with full_disk():
        refused(bench("victims", "import", path), "No space left", code=3)
    assert contents(elsewhere / "store") == before
    assert bench("victims", "show", "may9", "--json").code == 0

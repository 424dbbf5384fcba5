"""Level 3 of `bench verify`: victims that a submission has not met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.errors import Misuse
from benchmark.policies import artifact
from benchmark.records.files import read
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.submissions import folder
from benchmark.submissions.submit import Asked, spec_of
from tests.command_line import bench
from tests.factories import scribble
from tests.learning.recall import lstm
from tests.submissions.conftest import Make
from tests.submissions.verified import (
    PINNED,
    TINY,
    change,
    details,
    in_container,
    records,
    submitted,
)

MLP_ONLY = """    name, citation = "dice", "none"
    trains = frozenset({"mlp"})
"""
REFUSES_STRANGERS = """    name, citation = "dice", "none"

    def check_victim(self, card):
        if card.name.startswith("held-out"):
            raise Misuse("not on this one")
"""


def test_with_held_out_victims_all_three_are_shown(dice: Make, tmp_path: Path) -> None:
    """A policy that the submission has not met, imported into a store that is thrown away."""
    made = submitted(dice(), seeds=2)
    artifact.save(scribble(5, name="house-relu", seat="right"), tmp_path / "kept" / "one")
    kept = tmp_path / "kept"
    done = bench("verify", made, "--seeds", 1, "--victims", kept, "--salt", "2026", "--json")
    assert done.code == 0, done
    assert not done.err
    assert done.json["shown"] == 3
    assert "held-out-1-house-relu" in details(done, "passed")
    assert not (tmp_path / "store" / "victims").exists()
    found = list(tmp_path.glob("store/**/*.json")) + records(made)
    assert not any("held-out-1" in path.read_text() for path in found)


def _strangers(kept: Path) -> Path:
    artifact.save(scribble(5, name="one", seat="right"), kept / "one")
    artifact.save(lstm(game="pong-v1", seat="right", obs_dim=13, act_dim=2), kept / "two")
    return kept


def test_a_stranger_of_a_kind_that_it_never_took_is_left_out(
    no_defense: Path, tmp_path: Path
) -> None:
    code = no_defense / "dice.py"
    code.write_text(code.read_text().replace('    name, citation = "dice", "none"\n', MLP_ONLY))
    made = folder.read(no_defense)
    with registry.defenses.including("dice", made.manifest.entry, no_defense):
        asked = Asked(store=Store(Path("store")), against="quick")
        chosen = spec_of(made.manifest, "pong-v1", Victims(), asked).victims
        with pytest.raises(Misuse, match="house-lstm"):
            spec_of(made.manifest, "pong-v1", Victims(), replace(asked, victims=["house-lstm"]))
    cards = Victims().cards("pong-v1").items()
    assert set(chosen) == {name for name, card in cards if card.ranked and card.kind == "mlp"}
    done = bench("submit", no_defense, "--against", "quick", *TINY, "--seeds", 2)
    assert done.code == 0, done
    kept = _strangers(tmp_path / "kept")
    done = bench("verify", no_defense, "--seeds", 1, "--victims", kept, "--json")
    assert (done.code, done.json["shown"]) == (0, 3), done.json
    assert "not on held-out-2-scribble, of kind 'lstm'" in details(done, "passed")


def test_who_refuses_what_it_has_taken_elsewhere_fails(no_defense: Path, tmp_path: Path) -> None:
    """And a level that its records claim is lowered all the same."""
    code = no_defense / "dice.py"
    said = "from benchmark.errors import Misuse\n" + REFUSES_STRANGERS
    first, rest = said.split("\n", 1)
    text = code.read_text().replace('    name, citation = "dice", "none"\n', rest)
    code.write_text(text.replace("from benchmark.settings", f"{first}\nfrom benchmark.settings"))
    done = bench("submit", no_defense, "--against", "quick", *TINY, "--seeds", 2)
    assert done.code == 0, done
    for path in records(no_defense):
        change(path, isolation=PINNED, level=3)
    found = in_container(no_defense, seeds=1, victims=_strangers(tmp_path / "kept"))
    assert found.shown == found.level == 2
    told = [item.detail for item in found.items if item.status == "failed"]
    assert any("not on this one; it has run on others of kind 'mlp'" in line for line in told)
    assert 3 not in {read(path).level for path in records(no_defense)}

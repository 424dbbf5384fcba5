"""`bench victims train`: what it makes, what it goes on with, what it refuses."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmark.commands import house
from benchmark.commands.common import INTERRUPTED
from benchmark.commands.house import CHECKPOINT, LOCK, victims_train
from benchmark.errors import InfrastructureError, Misuse
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint
from benchmark.policies import artifact
from benchmark.records.leases import Taken, hold
from benchmark.submissions.replay import policies_at
from benchmark.victims import held_out, recipe
from benchmark.victims.strength import strength
from tests.attacks.conftest import assert_same_policy
from tests.victims.test_league import BATCH, tiny

FEW = 20


@pytest.fixture(autouse=True)
def _tiny_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = {
        "alone": tiny(),
        "partnered": tiny(seed=2, sparring=("house-tanh",), sparring_share=0.3),
        "unpartnered": tiny(seed=3, sparring=("nobody",), sparring_share=0.3),
    }
    for module in (recipe, held_out):
        monkeypatch.setattr(module, "RECIPES", recipes)
    monkeypatch.setattr(house, "strength", partial(strength, episodes=FEW))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def _train(**options: Any) -> None:
    victims_train(**{"recipe": None, "out": None, "held_out_dir": None, "seed": None, **options})


def test_a_victim_is_filed_with_its_recipe_and_its_strength(tmp_path: Path, store: Path) -> None:
    out = tmp_path / "victim"
    _train(recipe="partnered", out=out, store=store)
    card = artifact.load(out).card
    assert card.training["sparring"] == ["house-tanh"]
    assert {"zero", "random", "house-tanh", "house-relu"} <= set(card.strength)
    for standing in card.strength.values():
        assert standing.wins + standing.ties + standing.losses == FEW
    assert sorted(file.name for file in out.iterdir()) == ["card.json", "policy.safetensors"]
    with pytest.raises(Misuse, match="holds a policy already"):
        _train(recipe="partnered", out=out, store=store)


def test_a_stopped_training_goes_on(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    _train(recipe="alone", out=whole, store=store)
    report, seen = house.Bar.report, []

    def watched(self: house.Bar, point: Any) -> None:
        report(self, point)
        seen.append(point.steps)
        if len(seen) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(house.Bar, "report", watched)
    with pytest.raises(typer.Exit) as stopped:
        _train(recipe="alone", out=broken, store=store)
    assert stopped.value.exit_code == INTERRUPTED
    assert [file.name for file in broken.iterdir()] == [CHECKPOINT]
    _train(recipe="alone", out=broken, store=store)
    assert seen[4:] == [step * BATCH for step in (3, 4, 5, 6)]
    assert_same_policy(artifact.load(broken), artifact.load(whole))


def test_held_out_victims_are_what_bench_verify_reads(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "held-out"
    _train(held_out_dir=folder, game="pong-v1", seed=5, store=store)
    names = [policy.card.name for policy in policies_at(folder)]
    (command,) = {policy.card.training["command"] for policy in policies_at(folder)}
    assert command == "bench victims train --held-out DIR --game pong-v1 --seed 5"
    assert names == ["held-out-alone", "held-out-other-network", "held-out-partnered"]
    told = capsys.readouterr().out
    assert "held-out-unpartnered: left out, it is trained with nobody" in told
    assert "bench victims import" in told
    before = {name: (folder / name / "card.json").stat().st_mtime_ns for name in names}
    _train(held_out_dir=folder, game="pong-v1", store=store)  # those that are there are kept
    assert {n: (folder / n / "card.json").stat().st_mtime_ns for n in names} == before
    with pytest.raises(Misuse, match="begun with seed 5"):
        _train(held_out_dir=folder, game="pong-v1", seed=6, store=store)


def test_seeds_of_held_out_victims_are_drawn_where_none_is_given(
    tmp_path: Path, store: Path
) -> None:
    seeds = []
    for name in "ab":
        _train(held_out_dir=tmp_path / name, game="pong-v1", store=store)
        cards = [policy.card for policy in policies_at(tmp_path / name)]
        seeds += [card.training["seed"] for card in cards]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "--recipe NAME --out DIR, or --held-out DIR"),
        ({"recipe": "alone"}, "--recipe NAME --out DIR"),
        ({"recipe": "alon", "out": "x"}, "did you mean 'alone'"),
        ({"recipe": "unpartnered", "out": "x"}, "is trained with nobody.*bench victims import"),
        ({"recipe": "alone", "held_out_dir": "x", "game": "pong-v1"}, "leave out"),
        ({"held_out_dir": "x", "game": "sumo"}, "no house victim plays 'sumo'"),
        ({"recipe": "alone", "out": "x", "seed": 3}, "--seed is of held-out victims"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(
    options: dict[str, Any], why: str, tmp_path: Path, store: Path
) -> None:
    paths = {k: tmp_path / v for k, v in options.items() if k in ("out", "held_out_dir")}
    with pytest.raises(Misuse, match=why):
        _train(**{**options, **paths, "store": store})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["out", "held_out_dir"])
def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    option: str, tmp_path: Path, store: Path
) -> None:
    (tmp_path / "file").write_text("")
    recipe = "alone" if option == "out" else None
    with pytest.raises(InfrastructureError, match="file/victim: Not a directory"):
        _train(**{"recipe": recipe, option: tmp_path / "file/victim"}, game="pong-v1", store=store)


@pytest.mark.parametrize("option", ["out", "held_out_dir"])
def test_a_file_in_the_folder_s_place_is_misuse(option: str, tmp_path: Path, store: Path) -> None:
    (tmp_path / "file").write_text("mine")
    recipe = "alone" if option == "out" else None
    with pytest.raises(Misuse, match="expected a folder"):
        _train(**{"recipe": recipe, option: tmp_path / "file"}, game="pong-v1", store=store)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_damaged_seed_is_told(tmp_path: Path, store: Path) -> None:
    (tmp_path / "seed.txt").write_text("x7\n")
    with pytest.raises(Misuse, match=r"seed\.txt: expected a seed"):
        _train(held_out_dir=tmp_path, game="pong-v1", store=store)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, store: Path) -> None:
    checkpoints.write(Checkpoint(facts={"x": 1}), tmp_path / CHECKPOINT)
    with pytest.raises(Misuse, match="another recipe"):
        _train(recipe="alone", out=tmp_path, store=store)


def test_a_damaged_checkpoint_is_told_and_the_training_begins_anew(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"cut short")
    _train(recipe="alone", out=tmp_path, store=store)
    assert "expected a whole checkpoint" in "".join(capsys.readouterr().out.splitlines())
    assert artifact.load(tmp_path).card.name == "alone"


def test_a_checkpoint_that_cannot_be_read_is_kept(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line of the disk's, and no training that writes over it."""
    kept, real = tmp_path / CHECKPOINT, Path.read_bytes
    checkpoints.write(Checkpoint(facts={"x": 1}), kept)
    before = kept.read_bytes()

    def stumbling(self: Path) -> bytes:
        if self == kept:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", stumbling)
        with pytest.raises(InfrastructureError, match="Input/output error; make the folder"):
            _train(recipe="alone", out=tmp_path, store=store)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("option", ["out", "held_out_dir"])
def test_two_trainings_into_one_folder_are_kept_apart(
    option: str, tmp_path: Path, store: Path
) -> None:
    recipe = "alone" if option == "out" else None
    with hold(tmp_path / LOCK), pytest.raises(Taken, match="held by another process"):
        _train(**{"recipe": recipe, option: tmp_path}, game="pong-v1", store=store)
    assert list(tmp_path.iterdir()) == []

"""Submissions that train in no time: an attack that throws dice for its weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.evaluation.protocol import EPISODES

DICE = '''"""Random weights, and one step of every match."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from attacks.attack import Attack
from benchmark.arena.tally import Tally
from benchmark.learning.progress import CurvePoint
from benchmark.policies.policy import MLPPolicy
from benchmark.settings import resolve


class Config(BaseModel):
    model_config = ConfigDict(frozen=True)
    spread: float = 0.5


class Dice(Attack):
    """Weights by chance."""

    name, track, citation = "dice", "black-box", "none"
    matches, least_steps = 4, 4

    @classmethod
    def configure(cls, game, settings):
        return resolve(Config, {}, settings, "attack 'dice'")

    def train(self, arena, budget_steps, rng, progress):
        arena.reset(seed=int(rng.integers(2**31)))
        for step in range(2):
            arena.step(np.zeros((4, 2), np.float32))
            progress.report(CurvePoint(steps=4 * (step + 1), tally=Tally()))
        card = self.card(arena, training={})
        shape = card.obs_dim, card.act_dim
        return MLPPolicy(card, {
            "layer0.weight": rng.normal(0, self.config.spread, shape).astype(np.float32),
            "layer0.bias": np.zeros(card.act_dim, np.float32),
        })
'''
MANIFEST = """name = "dice"
kind = "attack"
entry = "dice:Dice"
authors = ["A. Tester"]
paper = "none, a test's"
licence = "Apache-2.0"
track = "black-box"
games = ["pong-v1"]
configurations_tried = 1
requirements = []

[toy]
budget_steps = 64
"""
Make = Callable[..., Path]


@pytest.fixture
def dice(tmp_path: Path) -> Make:
    """Makes the submission `dice`, with replacements in its code or its manifest."""

    def make(code: tuple[str, str] = ("", ""), manifest: tuple[str, str] = ("", "")) -> Path:
        folder = tmp_path / "submissions" / "dice"
        folder.mkdir(parents=True, exist_ok=True)
        for file, text, (old, new) in (
            ("dice.py", DICE, code), ("submission.toml", MANIFEST, manifest),
        ):  # fmt: skip
            assert old in text
            (folder / file).write_text(text.replace(old, new) if old else text)
        (folder / "test_dice.py").write_text("def test_nothing():\n    pass\n")
        (folder / "README.md").write_text("Dice.\n")
        return folder

    return make


NO_DEFENSE = '''"""No defense."""

from pydantic import BaseModel, ConfigDict

from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.learning.progress import CurvePoint
from benchmark.settings import resolve
from defenses.defense import Defense


class Config(BaseModel):
    model_config = ConfigDict(frozen=True)


class Dice(Defense):
    """Gives the victim back as it was."""

    name, citation = "dice", "none"

    @classmethod
    def configure(cls, game, settings):
        return resolve(Config, {}, settings, "defense 'dice'")

    def harden(self, victim, make_arena, adversaries, opponents, budget_steps, rng, progress):
        make_arena(Mixture.of(adversaries[0]), 2).reset()
        progress.report(CurvePoint(steps=0, tally=Tally()))
        return victim
'''


@pytest.fixture
def no_defense(dice: Make, tmp_path: Path) -> Iterator[Path]:
    """A defense, and an attack `quick` to try it on."""
    made = dice()
    quick = tmp_path / "quick"
    quick.mkdir()
    (quick / "quick.py").write_text(DICE.replace('"dice"', '"quick"'))
    (made / "dice.py").write_text(NO_DEFENSE)
    path = made / "submission.toml"
    path.write_text(path.read_text().replace('"attack"', '"defense"').replace("black", "white"))
    with registry.attacks.including("quick", "quick:Dice", quick):
        yield made


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder, with a store of its own and few episodes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setitem(EPISODES, "smoke", 10)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the disk's own speed is not tested
    return tmp_path

"""The contract as library checks: what good methods pass, and what each broken one fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.submissions import contract, folder
from benchmark.submissions.contract import Check, checks
from benchmark.submissions.manifest import Manifest, Toy
from tests.attacks.conftest import SMALL
from tests.submissions.conftest import Make


def failing(made: Path) -> dict[str, str]:
    """What fails of a submission, and why."""
    submission = folder.read(made)
    with submission.loaded() as kind:
        found = checks(kind, submission.manifest, "pong-v1")
    return {one.what: one.detail for one in found if not one.passed}


def test_dice_pass(dice: Make) -> None:
    assert failing(dice()) == {}


@pytest.mark.parametrize(
    ("old", "new", "what", "told"),
    [
        ('name, track, citation = "dice"', 'name, track, citation = "ice"', "says", "'ice'"),
        ('"black-box", "none"', '"none", "x"', "says what it is", "track is 'none'"),
        ('"""Weights by chance."""', "", "says what it is", "no docstring"),
        ('resolve(Config, {}, settings, "attack \'dice\'")', "Config()", "refuses a", "took the"),
        ("spread: float = 0.5", "spread: tuple = (lambda: 1,)", "survives JSON", "serialize"),
        ("return MLPPolicy(card, {", "return ({", "fits its seat", "expected a policy"),
        ("card = self.card(arena, training={})",
         "card = self.card(arena, training={}).model_copy(update={'seat': 'right'})",
         "fits its seat", "made for seat 'right'"),
        ("for step in range(2)", "for step in range(17)", "budget", "68 steps of a budget of 64"),
        ("steps=4 * (step + 1)", "steps=5 * (step + 1)", "budget", "reports 10 steps"),
        ("progress.report(", "(", "reports its curve", "never called"),
        ("rng.normal(0,", "np.random.default_rng().normal(0,", "the same seed", "layer0.weight"),
        ("rng.normal(0,", "np.random.normal(0,", "the same seed", "layer0.weight"),
        ("rng.normal(0,", "np.nan * rng.normal(0,", "fits its seat", "NaN"),
        ("arena.reset(", "raise SystemExit(0)\n        arena.reset(", "fits", "SystemExit: 0"),
        ("arena.reset(", "arena.revealed()\n        arena.reset(", "fits", "white-box"),
    ],
)  # fmt: skip
def test_a_broken_method_fails_what_it_breaks(
    dice: Make, old: str, new: str, what: str, told: str
) -> None:
    found = failing(dice((old, new)))
    assert any(what in name and told in why for name, why in found.items()), found


def test_a_training_that_goes_on_elsewhere_after_a_kill_is_told(dice: Make) -> None:
    """It takes a checkpoint's word for its weights' spread."""
    resumes = (
        "        for step in range(2):\n",
        "        from benchmark.learning.checkpoint import Checkpoint\n"
        "        known = progress.resume()\n"
        "        progress.save(Checkpoint({'x': np.zeros(1)}, {}))\n"
        "        rng = rng if known is None else np.random.default_rng(0)\n"
        "        for step in range(2):\n",
    )
    assert failing(dice(resumes)) == {
        "killed and resumed, it makes the same policy": "two policies differ in layer0.weight"
    }


@pytest.mark.parametrize(
    ("kind", "name"), [("attack", "baseline"), ("defense", "mixed"), ("detector", "density")]
)
def test_the_houses_own_methods_pass(kind: str, name: str) -> None:
    """So that a submission is asked for nothing that they do not do."""
    group = {
        "attack": registry.attacks, "defense": registry.defenses, "detector": registry.detectors,
    }[kind]  # fmt: skip
    method = group.load(name)
    fields = type(method.configure(registry.game("pong-v1").describe(), {})).model_fields
    toy = {key: size for key, size in {**SMALL, "components": 2}.items() if key in fields}
    toy.pop("surrogate_steps", None)
    about = Manifest(
        name=name, kind=kind, entry="a:B", authors=("x",), paper="x", licence="x",
        track="black-box" if kind == "attack" else "white-box", games=("pong-v1",),
        configurations_tried=1, requirements=(), toy=Toy(settings=toy),
    )  # fmt: skip
    found = checks(method, about, "pong-v1")
    assert [one for one in found if not one.passed] == []
    assert len(found) >= 6


def test_a_detector_that_is_broken_fails(tmp_path: Path) -> None:
    """It learns while it judges, writes into the episodes, and is infinite on a short one."""

    class Bad:
        """Bad."""

        name, version, citation = "bad", 1, "none"

        def __init__(self, config: object):
            self.count = 0

        @classmethod
        def configure(cls, game: object, settings: object) -> Toy:
            return Toy()

        def fit(self, regular: object, victim: object, seat: object, rng: object) -> None:
            """Nothing."""

        def score(self, episode: object) -> float:
            self.count += 1
            episode.obs[0] = 7.0  # type: ignore[attr-defined]
            return float("inf") if len(episode.obs) == 1 else float(self.count)  # type: ignore[attr-defined]

    about = Manifest(
        name="bad", kind="detector", entry="a:B", authors=("x",), paper="x", licence="x",
        track="white-box", games=("pong-v1",), configurations_tried=1, requirements=(),
    )  # fmt: skip
    assert [one.what for one in checks(Bad, about, "pong-v1") if not one.passed] == [
        "refuses a setting that it lacks", "scores any episode", "scoring changes nothing",
    ]  # fmt: skip


def test_as_a_program_it_prints_them(dice: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert contract.main([str(dice())]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Check.model_validate(one).passed for one in told["pong-v1"]] == [True] * 9
    assert contract.main([str(dice(("np.float32),\n            \"layer0.bias", "np.float64),\n            \"bias")))]) == 1  # noqa: E501  # fmt: skip

"""Facts that are alike on every machine: each planted fault is found by them alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from attacks import saliency
from benchmark.evaluation import matches
from benchmark.games import pong_kernel, scene
from benchmark.learning import descent, ppo
from benchmark.learning.loss import ppo_loss
from benchmark.regression import baseline, facts
from benchmark.regression.facts import Facts
from benchmark.regression.stock import Stock
from tests.regression.conftest import ROOT

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def sound(stock: Stock) -> Facts:
    """What is measured without a fault."""
    return facts.measure(stock)


def failed(before: Facts, now: Facts) -> list[str]:
    return [one.name for one in facts.compare(before, now) if one.failed]


def _advantage(patch: pytest.MonkeyPatch) -> None:
    right: Callable[..., Any] = ppo.Hooks.advantages
    patch.setattr(ppo.Hooks, "advantages", lambda *given: -right(*given))


def _advantage_in_the_loss(patch: pytest.MonkeyPatch) -> None:
    def turned(config: Any, clip: Any, batch: Any, *others: Any) -> Any:
        return ppo_loss(config, clip, batch._replace(advantages=-batch.advantages), *others)

    patch.setattr(descent, "ppo_loss", turned)


def _discount(patch: pytest.MonkeyPatch) -> None:
    right = facts.rollout.gae
    patch.setattr(
        facts.rollout, "gae", lambda r, v, e, last, gamma, lam: right(r, v, e, last, 0.999, lam)
    )


def _saliency(patch: pytest.MonkeyPatch) -> None:
    right = saliency.weights

    def heavier(*given: Any) -> torch.Tensor:
        return 1.0 / (1.0 / right(*given) + 1.0)

    patch.setattr(saliency, "weights", heavier)


def _seed(patch: pytest.MonkeyPatch) -> None:
    right = matches.episode_list

    def other(game: str, episodes: int) -> list[int]:
        seeds = right(game, episodes)
        return [*seeds[:-1], seeds[-1] + 1]

    patch.setattr(matches, "episode_list", other)


FAULTS: dict[str, tuple[Plant, str, int]] = {
    "the advantage, its sign turned": (_advantage, "the learner", 1),
    "the same, in the loss": (_advantage_in_the_loss, "the learner", 1),
    "the discount": (_discount, "the learner", 1),
    "the saliency weight": (_saliency, "attack ours", 1),
    "an evaluation seed": (_seed, "episode seeds", 1),
    "the friction": (
        lambda patch: patch.setattr(scene, "FLOOR_FRICTION", (1.01, 0.1, 0.1)),
        "constants and rules of sumo-ants-v1", 6,
    ),
    "a lower friction, which moves no match": (
        lambda patch: patch.setattr(scene, "FLOOR_FRICTION", (0.99, 0.1, 0.1)),
        "constants and rules of sumo-ants-v1", 6,
    ),
    "a density": (
        lambda patch: patch.setitem(scene.DENSITY, "ant", 5.0001),
        "constants and rules of sumo-ants-v1", 2,
    ),
    "a constant of Pong": (
        lambda patch: patch.setattr(pong_kernel, "RESTITUTION", 0.2500001),
        "constants and rules of pong-v1", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "where", "count"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found_where_it_is(
    plant: Plant, where: str, count: int, sound: Facts, stock: Stock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plant(monkeypatch)
    found = failed(sound, facts.measure(stock))
    assert where in found
    assert len(found) == count


def test_the_committed_facts_hold_on_this_machine(sound: Facts) -> None:
    """Whatever machine this is: no other comparison of baselines may be made in a test."""
    found, _ = baseline.replays(ROOT / baseline.FOLDER)
    assert found
    for before in found.values():
        assert before.facts.keys() == sound.keys()
        assert failed(before.facts, sound) == []


def test_rounding_is_allowed_for_and_no_more() -> None:
    def of(*numbers: float) -> Facts:
        return {"a": {"b": list(numbers)}}

    assert failed(of(1.0, 1e-9), of(1.0 + 9e-7, 5e-7)) == []
    assert failed(of(1.0), of(1.0 + 2e-6)) == ["a"]
    assert failed(of(1.0), of(1.0, 2.0)) == ["a"]
    assert failed(of(1.0), {"a": {}}) == ["a"]
    assert failed({"a": {"b": "1"}}, {"a": {"b": "1.0"}}) == ["a"]
    (told,) = facts.compare({"a": {"b": "1", "c": "2"}}, {"a": {"b": "1.5", "c": "2"}})
    assert told.change == "b 1 to 1.5"

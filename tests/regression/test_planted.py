"""Faults that are planted in this process, each caught by the guard that should catch it.

Measured here before and after, so that they hold on every platform. `drill.py` plants faults in
the source of a copy, constants of compiled rules among them, and runs the whole command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from attacks import ours, saliency
from benchmark.evaluation import matches
from benchmark.games import scene
from benchmark.learning import ppo
from benchmark.policies.policy import ZeroPolicy
from benchmark.regression.golden import Golden, Trained, goldens, train
from benchmark.regression.pairings import Pairing, Witness, pairings, play
from benchmark.regression.stock import Stock

GOLDENS = {golden.name: golden._replace(rollouts=2) for golden in goldens()}
PLAIN, OURS = GOLDENS["attack baseline"], GOLDENS["attack ours"]
LOSS = GOLDENS["attack ours, as a loss with saliency"]


@pytest.fixture(scope="module")
def sound(stock: Stock) -> dict[str, Trained]:
    """What the golden trainings give without a fault."""
    return {golden.name: train(golden, stock) for golden in (PLAIN, OURS, LOSS)}


def pairing(start: str) -> Pairing:
    return next(one for one in pairings() if one.name.startswith(start))


def moved(golden: Golden, sound: dict[str, Trained], stock: Stock) -> bool:
    """Whether the hash says so; what a person reads beside it may stay the same."""
    return train(golden, stock).digest != sound[golden.name].digest


def test_without_a_fault_every_bit_is_the_same(sound: dict[str, Trained], stock: Stock) -> None:
    assert not moved(PLAIN, sound, stock)
    assert not moved(LOSS, sound, stock)


def test_the_sign_of_the_advantage(
    sound: dict[str, Trained], stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ppo.gae

    def turned(*arguments: Any) -> Any:
        advantages, returns = right(*arguments)
        return -advantages, returns

    monkeypatch.setattr(ppo, "gae", turned)
    assert moved(PLAIN, sound, stock)


def test_the_saliency_weight(
    sound: dict[str, Trained], stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught where it enters; the default of `ours` has no such weight, and does not move."""
    right = saliency.weights

    def heavier(name: Any, surrogate: Any, s: torch.Tensor, *others: Any) -> torch.Tensor:
        found = right(name, surrogate, s, *others)
        return found if name == "none" else found.sqrt()

    monkeypatch.setattr(saliency, "weights", heavier)
    assert moved(LOSS, sound, stock)
    assert not moved(OURS, sound, stock)


def test_the_reward_of_ours(
    sound: dict[str, Trained], stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    right: Callable[..., np.ndarray[Any, Any]] = ours.bonus
    monkeypatch.setattr(ours, "bonus", lambda *arguments: -right(*arguments))
    assert moved(OURS, sound, stock)


def test_a_floor_that_is_a_little_rougher(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 % of friction: the counts stay, the course of the matches does not.

    More, not less: of two surfaces MuJoCo takes the rougher, and the bodies' has 1 as well.
    """
    meeting = pairing("run-to-goal-humans-v1: right")._replace(episodes=4)
    before = play(meeting, stock)
    assert play(meeting, stock) == before
    monkeypatch.setattr(scene, "FLOOR_FRICTION", (1.01, 0.1, 0.1))
    after = play(meeting, stock)
    assert after.digest != before.digest
    assert after.tally == before.tally


@pytest.mark.parametrize("part", ["obs", "actions"])
def test_a_witness_hashes_what_is_seen_and_what_is_done(part: str) -> None:
    def digest(seen: float, width: int) -> str:
        made = hashlib.sha256()
        Witness(ZeroPolicy(width), made).act(np.full((2, 3), seen, np.float32))
        return made.hexdigest()

    other = digest(1.0, 2) if part == "obs" else digest(0.0, 1)
    assert digest(0.0, 2) == digest(0.0, 2) != other


def test_one_evaluation_seed(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = pairing("pong-v1: stored-baseline")
    before = play(meeting, stock)
    right = matches.episode_list

    def other(game: str, episodes: int) -> list[int]:
        seeds = right(game, episodes)
        return [*seeds[:-1], seeds[-1] + 1]

    monkeypatch.setattr(matches, "episode_list", other)
    assert play(meeting, stock).digest != before.digest

"""A victim, a small arena, a made-up rollout and toy trainings for every attack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.games.game import GameCard
from benchmark.learning.descent import Descent
from benchmark.learning.device import Device
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import MLPPolicy, Policy
from benchmark.submissions.toys import random_network

SMALL = {
    "matches": 16, "rollout_steps": 32, "minibatch": 128, "epochs": 2,
    "familiar_steps": 512, "surrogate_steps": 512,  # so that what waits for them is soon live
    "rounds": 2, "generations": 1,  # of defenses: stages for which the budget suffices
}  # fmt: skip
BUDGET = 4 * 512
PONG = registry.game("pong-v1").describe()
STEPS, MATCHES = 6, 4
"""Of a made-up rollout."""


def small(kind: Any, card: GameCard, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """Toy sizes for those of a method's settings that it has and that do something."""
    config = kind.configure(card, settings or {})
    fields = set(type(config).model_fields)
    white = getattr(config, "access", "") == "white-box"
    if white or getattr(config, "surrogate", "") != "frozen":
        fields.discard("surrogate_steps")
    sizes: dict[str, Any] = {name: value for name, value in SMALL.items() if name in fields}
    if "attack_config" in fields:  # a defense that trains adversaries of its own
        sizes["attack_config"] = small(registry.attacks.load(config.attack), card)
    return sizes


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


COPIED = Device("cpu", apart=True)
"""The CPU as another device would be: its weights are a copy there."""


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """The device of every update from here on."""
    seen: list[Device] = []
    real = Descent.fetch

    def fetch(self: Descent) -> None:
        seen.append(self._device)
        real(self)

    monkeypatch.setattr(Descent, "fetch", fetch)
    return seen


def scribble(card: GameCard, seat: str, seed: int = 7) -> MLPPolicy:
    """A deterministic network with random weights for a seat of any game."""
    made = random_network(card, seat, seed)
    return MLPPolicy(made.card.model_copy(update={"name": "scribble"}), made.tensors())


def pong_arena(
    matches: int = MATCHES, *, white_box: bool = False, victim: Policy | None = None
) -> Arena:
    """The same fresh Pong arena every time, in the adversary's seat."""
    mixture = Mixture.of(victim or scribble(PONG, "right"))
    return Arena(registry.game("pong-v1")(matches), "left", mixture, seed=0, white_box=white_box)


@pytest.fixture
def make_arena() -> Callable[[int], Arena]:
    """Makes the same fresh Pong arena every time, in the adversary's seat."""
    return pong_arena


def made_up_rollout(
    rng: np.random.Generator, steps: int = STEPS, matches: int = MATCHES
) -> Rollout:
    """A rollout of Pong's shapes in random numbers, with two matches ending on the way."""

    def values(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    ends = np.zeros((steps, matches), dtype=bool)
    ends[2, 1] = ends[4, 3] = True
    return Rollout(
        obs=values(steps, matches, 13),
        actions=values(steps, matches, 2), means=values(steps, matches, 2),
        log_probs=values(steps, matches), values=values(steps, matches),
        rewards=values(steps, matches), ends=ends,
        last_obs=values(matches, 13), last_value=values(matches),
        other_obs=values(steps, matches, 13), other_action=values(steps, matches, 2),
        dense=values(steps, matches), member=np.zeros((steps, matches), dtype=np.intp),
        result=ends.astype(np.int8), tally=Tally(),
    )  # fmt: skip


def toy_config(kind: Any, **settings: Any) -> Any:
    """A method's config for Pong at toy sizes, `settings` on top."""
    return kind.configure(PONG, {**small(kind, PONG, settings), **settings})


def trained(
    kind: Any, progress: Quiet | None = None, *, white_box: bool = False, **settings: Any
) -> MLPPolicy:
    """The policy after a toy training in Pong, always from the same seeds."""
    attack = kind(toy_config(kind, **settings))
    arena = pong_arena(attack.matches, white_box=white_box)
    policy = attack.train(arena, BUDGET, np.random.default_rng(1), progress or Quiet())
    assert isinstance(policy, MLPPolicy)
    return policy


def assert_same_policy(one: Policy, other: Policy) -> None:
    """Equal in every weight to the last bit."""
    assert one.tensors().keys() == other.tensors().keys()
    for name, tensor in one.tensors().items():
        np.testing.assert_array_equal(tensor, other.tensors()[name], err_msg=name)


def differ(one: Policy, other: Policy) -> bool:
    """Whether two policies have different weights in the first layer."""
    first, second = (policy.tensors()["layer0.weight"] for policy in (one, other))
    return not np.array_equal(first, second)

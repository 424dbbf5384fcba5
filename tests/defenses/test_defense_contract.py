"""What every registered defense must do, on every registered game."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import check_fits
from benchmark.errors import Misuse
from benchmark.learning.device import CUDA, Device
from benchmark.learning.progress import Quiet
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import NetworkPolicy, ZeroPolicy
from benchmark.submissions.toys import Killed, Mortal
from tests.attacks.conftest import BUDGET, COPIED, assert_same_policy, scribble
from tests.defenses.conftest import harden, victim_seat
from tests.learning.recall import lstm

ELSEWHERE = [d for d in registry.defenses.names() if CUDA.name in registry.defenses.load(d).devices]
PAIRS = [(g, d) for g in registry.games.names() for d in registry.defenses.names()]
each = pytest.mark.parametrize(("game", "defense"), PAIRS)


class Hardening(NamedTuple):
    """What a toy hardening made, and the steps that it took by its curve and in its arenas."""

    policy: NetworkPolicy
    reported: int
    played: int


@functools.cache
def first(game: str, defense: str) -> Hardening:
    """The one that several tests look at: with seven games a second one each would be dear."""
    progress, arenas = Quiet(), list[Arena]()
    policy = harden(game, defense, progress=progress, seen=arenas)
    return Hardening(policy, progress.curve[-1].steps, sum(arena.steps for arena in arenas))


@each
def test_the_hardened_victim_fits_its_seat_and_has_changed(game: str, defense: str) -> None:
    card = registry.game(game).describe()
    hardened = first(game, defense).policy
    check_fits(hardened, card, victim_seat(card))
    original = scribble(card, victim_seat(card)).tensors()["layer0.weight"]
    assert not np.array_equal(hardened.tensors()["layer0.weight"], original)
    assert hardened.card.action_mode == "mean"


@each
def test_the_same_seed_gives_the_same_victim(game: str, defense: str) -> None:
    assert_same_policy(harden(game, defense), first(game, defense).policy)


@each
def test_it_stays_within_its_budget(game: str, defense: str) -> None:
    """In the arenas, where the budget is counted, and by what it says of itself."""
    made = first(game, defense)
    assert 0 < made.played == made.reported <= BUDGET


@each
def test_its_config_survives_json(game: str, defense: str) -> None:
    """A job's key and a record hold the config as JSON, and it comes back as it was."""
    kind, card = registry.defenses.load(defense), registry.game(game).describe()
    config = kind.configure(card, {})
    assert kind.configure(card, json.loads(config.model_dump_json())) == config


@pytest.mark.parametrize("defense", registry.defenses.names())
def test_a_killed_hardening_ends_as_if_it_had_not_been(defense: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    whole = first("pong-v1", defense).policy
    with pytest.raises(Killed):
        harden("pong-v1", defense, progress=Mortal(path, dies_at=3))
    resumed = harden("pong-v1", defense, progress=Mortal(path))
    assert resumed.card == whole.card
    assert_same_policy(resumed, whole)


@pytest.mark.parametrize("defense", ELSEWHERE)
def test_through_a_copy_of_the_weights_it_makes_the_same_victim(
    defense: str, tmp_path: Path, used: list[Device]
) -> None:
    """Of those that say so: what they add to PPO never reaches the device, also after a kill."""
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        harden("pong-v1", defense, progress=Mortal(path, dies_at=3), device=COPIED)
    resumed = harden("pong-v1", defense, progress=Mortal(path), device=COPIED)
    assert set(used) == {COPIED}
    assert_same_policy(resumed, first("pong-v1", defense).policy)


@pytest.mark.parametrize("defense", registry.defenses.names())
def test_it_says_what_it_is(defense: str) -> None:
    kind = registry.defenses.load(defense)
    assert kind.name == defense
    assert kind.citation
    assert kind.trains
    assert kind.__doc__


@each
def test_without_adversaries_it_is_refused(game: str, defense: str) -> None:
    with pytest.raises(Misuse, match="at least one adversary"):
        harden(game, defense, adversaries=[])


@each
def test_a_victim_without_weights_is_refused(game: str, defense: str) -> None:
    batch = registry.game(game)
    kind = registry.defenses.load(defense)
    made = kind(kind.configure(batch.describe(), {}))
    with pytest.raises(Misuse, match=r"trains networks \(mlp, lstm\); 'zero' is 'zero'"):
        made.harden(
            ZeroPolicy(2), lambda *_: None, [], [], BUDGET, np.random.default_rng(0), Quiet()
        )


@pytest.mark.parametrize("defense", registry.defenses.names())
def test_a_recurrent_victim_stays_one(defense: str) -> None:
    """As the published ones are: with a filter, ranked sampled, its deviation its own."""
    card = registry.game("pong-v1").describe()
    victim = lstm(
        game="pong-v1", seat=victim_seat(card), obs_dim=13, act_dim=2, filter_clip=5.0,
        stochastic=True, action_mode="sampled",
    )  # fmt: skip
    hardened, again = (harden("pong-v1", defense, victim=victim) for _ in range(2))
    check_fits(hardened, card, victim_seat(card))
    assert isinstance(hardened, LSTMPolicy)
    assert hardened.card.action_mode == "sampled"
    assert_same_policy(hardened, again)
    before, after = victim.tensors(), hardened.tensors()
    same = {name for name, tensor in before.items() if np.array_equal(tensor, after[name])}
    assert same == {"filter.mean", "filter.std"}


def test_retrain_meets_the_adversary_alone() -> None:
    seen: list[Arena] = []
    harden("pong-v1", "retrain", seen=seen)
    assert seen[0].players.mixture.shares.tolist() == [1.0]


def test_mixed_meets_both_by_its_share() -> None:
    kind = registry.defenses.load("mixed")
    card = registry.game("pong-v1").describe()
    two = [scribble(card, "left", k) for k in (1, 2)]
    three = [scribble(card, "left", k) for k in (3, 4, 5)]
    mixture = kind(kind.configure(card, {"p": 0.25})).mixture(two, three)
    assert mixture.shares.tolist() == pytest.approx([0.125] * 2 + [0.25] * 3)


def test_mixed_at_zero_needs_no_adversary() -> None:
    kind = registry.defenses.load("mixed")
    card = registry.game("pong-v1").describe()
    made = kind(kind.configure(card, {"p": 0}))
    assert len(made.mixture([], [scribble(card, "left")]).policies) == 1


@pytest.mark.parametrize("p", [-0.1, 1.5, "half"])
def test_a_share_outside_its_range_is_refused(p: object) -> None:
    kind = registry.defenses.load("mixed")
    with pytest.raises(Misuse, match="setting 'p'"):
        kind.configure(registry.game("pong-v1").describe(), {"p": p})


def test_retrain_with_another_share_points_to_mixed() -> None:
    kind = registry.defenses.load("retrain")
    with pytest.raises(Misuse, match="use --defense mixed"):
        kind.configure(registry.game("pong-v1").describe(), {"p": 0.5})


def test_mixed_reports_the_share_of_steps_that_was_adversarial() -> None:
    """By episodes it is a half; by steps whatever their lengths make of it."""
    progress = Quiet()
    harden("pong-v1", "mixed", progress=progress)
    shares = [point.diagnostics["adversarial_steps"] for point in progress.curve]
    assert all(0 < share < 1 for share in shares)
    progress = Quiet()
    harden("pong-v1", "retrain", progress=progress)
    assert [point.diagnostics["adversarial_steps"] for point in progress.curve] == [1.0] * 4


def test_mixed_retraining_without_regular_episodes_is_retraining() -> None:
    """To the last bit."""
    one, other = harden("pong-v1", "retrain"), harden("pong-v1", "mixed", p=1.0)
    for name, tensor in one.tensors().items():
        np.testing.assert_array_equal(tensor, other.tensors()[name])


def test_an_lstm_needs_whole_sequences_which_is_said_before_anything() -> None:
    kind = registry.defenses.load("mixed")
    card = registry.game("pong-v1").describe()
    victim = scribble(card, "right").card.model_copy(update={"kind": "lstm", "hidden": (4, 3)})
    kind(kind.configure(card, {})).check_victim(victim)
    with pytest.raises(Misuse, match="sequences of 16 steps"):
        kind(kind.configure(card, {"rollout_steps": 100})).check_victim(victim)
    with pytest.raises(Misuse, match="cannot train victim 'scribble', which is of kind 'zero'"):
        kind(kind.configure(card, {})).check_victim(victim.model_copy(update={"kind": "zero"}))

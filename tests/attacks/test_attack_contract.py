"""What every registered attack must do, on every registered game."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture, check_fits
from benchmark.errors import Misuse
from benchmark.learning.device import CPU, CUDA, Device
from benchmark.learning.progress import Quiet
from benchmark.policies.policy import MLPPolicy, Policy
from benchmark.submissions.toys import Killed, Mortal
from tests.attacks.conftest import BUDGET, COPIED, assert_same_policy, scribble, small

ELSEWHERE = [a for a in registry.attacks.names() if CUDA.name in registry.attacks.load(a).devices]
PAIRS = [(g, a) for g in registry.games.names() for a in registry.attacks.names()]
each = pytest.mark.parametrize(("game", "attack"), PAIRS)


def _train(
    game: str, attack: str, progress: Quiet | None = None, device: Device = CPU,
    seen: list[Arena] | None = None,
) -> Policy:  # fmt: skip
    """seen: takes the arena, where steps are counted whatever the attack says of them."""
    kind, batch = registry.attacks.load(attack), registry.game(game)
    card = batch.describe()
    made = kind(kind.configure(card, small(kind, card)))
    made.device = device
    other = card.seats[1 - card.seat_index(card.adversary_seat)].name
    mixture = Mixture.of(scribble(card, other))
    arena = Arena(batch(made.matches), card.adversary_seat, mixture, seed=0)
    if seen is not None:
        seen.append(arena)
    trained: Policy = made.train(arena, BUDGET, np.random.default_rng(3), progress or Quiet())
    return trained


@each
def test_it_returns_a_policy_that_fits_the_seat(game: str, attack: str) -> None:
    card = registry.game(game).describe()
    check_fits(_train(game, attack), card, card.adversary_seat)


@each
def test_the_same_seed_gives_the_same_policy(game: str, attack: str) -> None:
    first, second = (_train(game, attack).tensors() for _ in range(2))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, second[name])


@each
def test_a_killed_training_ends_as_if_it_had_not_been(game, attack, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "checkpoint.safetensors"
    whole = _train(game, attack)
    learns = registry.attacks.load(attack).track != "none"  # a script reports nothing to die at
    with pytest.raises(Killed) if learns else contextlib.nullcontext():
        _train(game, attack, Mortal(path, dies_at=3))
    resumed = _train(game, attack, Mortal(path))
    for name, tensor in whole.tensors().items():
        np.testing.assert_array_equal(tensor, resumed.tensors()[name])


@pytest.mark.parametrize("attack", ELSEWHERE)
def test_through_a_copy_of_the_weights_it_makes_the_same_policy(
    attack: str, tmp_path: Path, used: list[Device]
) -> None:
    """Of those that say so: what they add to PPO never reaches the device, also after a kill."""
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        _train("pong-v1", attack, Mortal(path, dies_at=3), COPIED)
    resumed = _train("pong-v1", attack, Mortal(path), COPIED)
    assert set(used) == {COPIED}
    assert_same_policy(_train("pong-v1", attack), resumed)


@each
def test_it_stays_within_its_budget(game: str, attack: str) -> None:
    """In the arena, where the budget is counted, and by what it says of itself."""
    progress, seen = Quiet(), list[Arena]()
    policy = _train(game, attack, progress, seen=seen)
    (arena,) = seen
    assert arena.steps <= BUDGET
    assert all(point.steps <= arena.steps for point in progress.curve)
    if isinstance(policy, MLPPolicy):
        assert progress.curve[-1].steps == arena.steps > 0


@each
def test_an_unknown_setting_is_refused_by_name(game: str, attack: str) -> None:
    kind = registry.attacks.load(attack)
    with pytest.raises(Misuse, match=f"attack '{attack}' has no setting 'moonshine'"):
        kind.configure(registry.game(game).describe(), {"moonshine": 1})


@each
def test_its_config_survives_json(game: str, attack: str) -> None:
    """A job's key and a record hold the config as JSON, and it comes back as it was."""
    kind, card = registry.attacks.load(attack), registry.game(game).describe()
    config = kind.configure(card, {})
    assert kind.configure(card, config.model_dump(mode="json")) == config


@pytest.mark.parametrize("attack", registry.attacks.names())
def test_it_says_what_it_is(attack: str) -> None:
    kind = registry.attacks.load(attack)
    assert kind.name == attack
    assert kind.citation
    assert kind.track in ("black-box", "white-box", "none")
    assert kind.__doc__

"""What every registered defense must do, on every registered game."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture, check_fits
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.learning.progress import Quiet
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import MLPPolicy, Policy, ZeroPolicy
from tests.attacks.conftest import BUDGET, scribble, small

PAIRS = [(g, d) for g in registry.games.names() for d in registry.defenses.names()]
each = pytest.mark.parametrize(("game", "defense"), PAIRS)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def _victim_seat(card: GameCard) -> str:
    return card.seats[1 - card.seat_index(card.adversary_seat)].name


def _harden(
    game: str,
    defense: str,
    adversaries: Sequence[Policy] | None = None,
    opponents: Sequence[Policy] | None = None,
    progress: Quiet | None = None,
    seen: list[Mixture] | None = None,
) -> MLPPolicy:
    batch = registry.game(game)
    card = batch.describe()
    kind = registry.defenses.load(defense)
    made = kind(kind.configure(card, small(kind, card)))
    seat = card.adversary_seat

    def make_arena(mixture: Mixture, matches: int) -> Arena:
        if seen is not None:
            seen.append(mixture)
        return Arena(batch(matches), _victim_seat(card), mixture, seed=0)

    hardened = made.harden(
        scribble(card, _victim_seat(card)),
        make_arena,
        [scribble(card, seat, 1)] if adversaries is None else adversaries,
        [scribble(card, seat, 2)] if opponents is None else opponents,
        BUDGET, np.random.default_rng(3), progress or Quiet(),
    )  # fmt: skip
    assert isinstance(hardened, MLPPolicy)
    return hardened


@each
def test_the_hardened_victim_fits_its_seat_and_has_changed(game: str, defense: str) -> None:
    card = registry.game(game).describe()
    hardened = _harden(game, defense)
    check_fits(hardened, card, _victim_seat(card))
    original = scribble(card, _victim_seat(card)).tensors()["layer0.weight"]
    assert not np.array_equal(hardened.tensors()["layer0.weight"], original)
    assert hardened.card.action_mode == "mean"


@each
def test_the_same_seed_gives_the_same_victim(game: str, defense: str) -> None:
    first, second = (_harden(game, defense).tensors() for _ in range(2))
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, second[name])


@each
def test_it_stays_within_its_budget(game: str, defense: str) -> None:
    progress = Quiet()
    _harden(game, defense, progress=progress)
    assert 0 < progress.curve[-1].steps <= BUDGET


@each
def test_without_adversaries_it_is_refused(game: str, defense: str) -> None:
    with pytest.raises(Misuse, match="at least one adversary"):
        _harden(game, defense, adversaries=[])


@each
def test_a_victim_without_weights_is_refused(game: str, defense: str) -> None:
    batch = registry.game(game)
    kind = registry.defenses.load(defense)
    made = kind(kind.configure(batch.describe(), {}))
    with pytest.raises(Misuse, match="trains feed-forward networks; 'zero' is 'zero'"):
        made.harden(
            ZeroPolicy(2), lambda *_: None, [], [], BUDGET, np.random.default_rng(0), Quiet()
        )


def test_retrain_meets_the_adversary_alone() -> None:
    seen: list[Mixture] = []
    _harden("pong-v1", "retrain", seen=seen)
    assert seen[0].shares.tolist() == [1.0]


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
    _harden("pong-v1", "mixed", progress=progress)
    shares = [point.diagnostics["adversarial_steps"] for point in progress.curve]
    assert all(0 < share < 1 for share in shares)
    progress = Quiet()
    _harden("pong-v1", "retrain", progress=progress)
    assert [point.diagnostics["adversarial_steps"] for point in progress.curve] == [1.0] * 4

"""F as published: fitted once on all its pairs, then frozen with its view."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from attacks.ours import Ours
from attacks.ours_config import PRESETS, OursConfig
from attacks.pretrained import Pretrained
from attacks.victim_model import VictimView
from benchmark import registry
from benchmark.arena.session import RefereeSpec
from tests.attacks.conftest import toy_config
from tests.attacks.victims import VICTIM, rng, shown_pairs, weights_of


def pretrained(wanted: int = 2000, epochs: int = 30, **settings: object) -> Pretrained:
    """F with a view of its own that has seen what the first rollouts show."""
    config = toy_config(Ours, surrogate_hidden=(24,), **settings)
    view = VictimView(VICTIM)
    view.see(shown_pairs().raw[None])
    return Pretrained(config, VICTIM, view, rng(), pairs_wanted=wanted, epochs=epochs)


def fitted(**settings: object) -> Pretrained:
    """After two rollouts of 1024 pairs."""
    made = pretrained(**settings)  # type: ignore[arg-type]
    made.fit(shown_pairs(0))
    made.fit(shown_pairs(1))
    return made


@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("game", sorted(PRESETS))
def test_a_referee_takes_the_pairs_of_every_preset(game: str, preset: str) -> None:
    """They are part of a checkpoint while they are collected, and one too large ends a training."""
    card = registry.game(game).describe()
    config = Ours.configure(card, {"preset": preset})
    assert isinstance(config, OursConfig)
    a_rollout = config.matches * config.rollout_steps
    pairs = config.surrogate_steps + a_rollout
    wide = card.victim_seat.obs_dim + card.victim_seat.act_dim
    limit = RefereeSpec.model_fields["checkpoint_bytes"].default
    assert 1.2 * 4 * pairs * wide < limit, "a fifth is left for networks and moments"


def test_it_says_nothing_before_it_has_seen_enough_and_does_not_move_after() -> None:
    made = pretrained()
    weights = [weights_of(made)]
    told = []
    for k in range(4):
        told.append(made.fit(shown_pairs(k)))
        weights.append(weights_of(made))
    assert [value is None for value in told] == [True, True, False, False]
    moved = [not np.array_equal(a, b) for a, b in pairwise(weights)]
    assert moved == [False, True, False, False]


def test_it_learns_the_victim_better_than_one_pass_would() -> None:
    told = fitted(epochs=100).fit(shown_pairs(2))
    once = fitted(epochs=1).fit(shown_pairs(2))
    assert told is not None
    assert once is not None
    assert told > 0.6
    assert told > once + 0.1


def test_its_view_is_frozen_with_it() -> None:
    made = fitted()
    before = made._view.moments.mean.copy()
    made._view.see(100.0 + shown_pairs(3).raw[None])
    np.testing.assert_array_equal(made._view.moments.mean, before)


def test_it_stops_early_and_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """With errors that only rise after the first epoch, it fits as long as patience lasts."""
    made, fits = pretrained(epochs=100), []
    fit = made.model.fit

    def spoiling(*args: object, **settings: object) -> None:
        if fits:
            with torch.no_grad():
                made.model._flat.add_(10.0)
        else:
            fit(*args, **settings)  # type: ignore[arg-type]
        fits.append(weights_of(made))

    monkeypatch.setattr(made.model, "fit", spoiling)
    made.fit(shown_pairs(0))
    made.fit(shown_pairs(1))
    assert len(fits) == 1 + 10
    np.testing.assert_array_equal(weights_of(made), fits[0])


def test_pairs_are_kept_until_they_are_fitted_and_dropped_then() -> None:
    made = pretrained()
    made.fit(shown_pairs(0))
    assert made.state()["obs"].shape == (1024, 6)
    made.fit(shown_pairs(1))
    assert "obs" not in made.state()


@pytest.mark.parametrize("shown", [1, 2])
def test_a_restored_one_continues_exactly(shown: int) -> None:
    whole = pretrained()
    for k in range(shown):
        whole.fit(shown_pairs(k))
    saved = {name: array.copy() for name, array in whole.state().items()}
    resumed = pretrained()
    resumed.restore(saved)
    resumed._rng.bit_generator.state = whole._rng.bit_generator.state
    assert resumed.ready == whole.ready
    for k in range(shown, 3):
        assert resumed.fit(shown_pairs(k)) == whole.fit(shown_pairs(k))
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))
    resumed._view.see(9.0 + shown_pairs(3).raw[None])
    if shown == 2:
        np.testing.assert_array_equal(resumed._view.moments.count, 1024)

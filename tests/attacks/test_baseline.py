"""The baseline's presets."""

from __future__ import annotations

import pytest

from attacks.baseline import Baseline
from benchmark import registry
from benchmark.errors import Misuse
from benchmark.games.mujoco_games import MUJOCO_GAMES

PONG = registry.game("pong-v1").describe()


def test_published_preset_is_the_released_pong_code() -> None:
    """Hyper-parameters of the paper's Pong code: pposgd_wrap.py, one environment."""
    config = Baseline.configure(PONG, {"preset": "published"})
    assert (config.matches, config.rollout_steps, config.minibatch) == (1, 1000, 64)
    assert (config.gamma, config.gae_lambda, config.entropy) == (0.99, 0.95, 0.01)
    assert config.anneal_clip
    assert config.max_grad_norm is None


@pytest.mark.parametrize("attack", ["baseline", "ours"])
@pytest.mark.parametrize("name", MUJOCO_GAMES)
def test_published_value_loss_weighs_what_ppo2_s_does(name: str, attack: str) -> None:
    """Its vf_coef of .5 is of half the squared error; `ours` as published trains with the same."""
    card, kind = registry.game(name).describe(), registry.attacks.load(attack)
    presets = ("published",) if attack == "baseline" else ("paper", "released")
    assert {kind.configure(card, {"preset": one}).value_weight for one in presets} == {0.25}
    assert kind.configure(card, {}).value_weight == 0.5


def test_settings_go_on_top_of_the_preset() -> None:
    config = Baseline.configure(PONG, {"preset": "published", "gamma": 0.9})
    assert (config.gamma, config.minibatch) == (0.9, 64)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Misuse, match="no preset 'tunned'; did you mean 'tuned'"):
        Baseline.configure(PONG, {"preset": "tunned"})


@pytest.mark.parametrize(("field", "value"), [("gamma", 2), ("epochs", 0), ("matches", "many")])
def test_a_wrong_value_names_its_field(field: str, value: object) -> None:
    with pytest.raises(Misuse, match=f"setting '{field}'"):
        Baseline.configure(PONG, {field: value})

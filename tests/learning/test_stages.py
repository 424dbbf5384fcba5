"""Several trainings under one progress: one curve, and a kill anywhere changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.games.pong import Pong
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO
from benchmark.learning.progress import CurvePoint, Progress, Quiet
from benchmark.learning.stages import Stages
from benchmark.policies.policy import NetworkPolicy, Policy, PolicyCard, ZeroPolicy
from benchmark.submissions.toys import Killed, Mortal
from tests.attacks.conftest import assert_same_policy
from tests.factories import scribble

UPDATES = 2
ROLLOUT = 16 * 32
CARD = PolicyCard(
    name="x", kind="mlp", game="pong-v1", seat="any", obs_dim=13, act_dim=2, origin="test"
)


def _three(
    progress: Progress, config: PPOConfig, victim: NetworkPolicy
) -> tuple[list[NetworkPolicy], list[Arena]]:
    """An attack, a retraining against what it made, another attack: each of two updates."""
    stages, made, arenas = Stages(progress), [victim], []
    for k, attacking in enumerate((True, False, True)):
        seat = "left" if attacking else "right"
        arena = Arena(Pong(16), seat, Mixture.of(made[-1]), seed=0)

        def train(own: Progress, arena: Arena = arena, k: int = k) -> Policy:
            learner = PPO(arena, config, np.random.default_rng(k))
            learner.learn(UPDATES * ROLLOUT, own)
            return learner.policy(CARD)

        made.append(stages.run(arena, train, attacking=attacking))
        arenas.append(arena)
    return made, arenas


@pytest.mark.parametrize("dies_at", range(1, 3 * UPDATES + 1))
def test_a_kill_at_any_point_changes_nothing(config, victim, tmp_path: Path, dies_at: int) -> None:
    """Neither the policies of all stages nor the steps that their arenas have counted."""
    path = tmp_path / "checkpoint.safetensors"
    whole, arenas = _three(Quiet(), config, victim)
    with pytest.raises(Killed):
        _three(Mortal(path, dies_at), config, victim)
    resumed, again = _three(Mortal(path), config, victim)
    for one, other in zip(whole, resumed, strict=True):
        assert one.card == other.card
        assert_same_policy(one, other)
    assert [a.steps for a in again] == [a.steps for a in arenas] == [UPDATES * ROLLOUT] * 3


def test_a_finished_stage_is_never_done_again(config, victim, tmp_path: Path) -> None:
    """Not even the last one: only its update after the last checkpoint is lost."""
    path = tmp_path / "checkpoint.safetensors"
    _three(Mortal(path), config, victim)
    after = Mortal(path)
    _three(after, config, victim)
    assert after.curve == []


def test_what_is_done_twice_is_at_most_one_update(config, victim, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    first, second = Mortal(path, dies_at=4), Mortal(path)
    with pytest.raises(Killed):
        _three(first, config, victim)
    _three(second, config, victim)
    assert [p.steps // ROLLOUT for p in first.curve] == [1, 2, 3, 4]
    assert [p.steps // ROLLOUT for p in second.curve] == [4, 5, 6]
    assert first.curve[-1] == second.curve[0]


def test_the_curve_counts_on_and_says_which_stage_it_is_of(config, victim) -> None:
    progress = Quiet()
    _three(progress, config, victim)
    assert [p.steps for p in progress.curve] == [ROLLOUT * (k + 1) for k in range(6)]
    assert [p.diagnostics["stage"] for p in progress.curve] == [1, 1, 2, 2, 3, 3]
    assert [p.diagnostics["attacking"] for p in progress.curve] == [1, 1, 0, 0, 1, 1]
    assert all("loss" in p.diagnostics for p in progress.curve)


def test_matches_of_an_attack_are_reported_from_the_victim_s_side(victim) -> None:
    won = Tally(wins=2, losses=1, breakdown={"win:point": 2, "loss:serve_miss": 1})
    progress = Quiet()
    stages = Stages(progress)
    arena = Arena(Pong(1), "left", Mixture.of(victim), seed=0)

    def train(own: Progress) -> Policy:
        own.report(CurvePoint(steps=1, tally=won))
        return victim

    for attacking in (True, False):
        stages.run(arena, train, attacking=attacking)
    lost = Tally(wins=1, losses=2, breakdown={"loss:point": 2, "win:serve_miss": 1})
    assert [point.tally for point in progress.curve] == [lost, won]


def test_a_stage_that_makes_no_network_is_refused() -> None:
    arena = Arena(Pong(1), "left", Mixture.of(scribble()), seed=0)
    with pytest.raises(Misuse, match="'zero' has no weights"):
        Stages(Quiet()).run(arena, lambda _: ZeroPolicy(2), attacking=True)

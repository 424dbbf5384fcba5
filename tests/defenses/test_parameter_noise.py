"""Noise on the policy's weights: where it is, where it is not, and how large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.pong import Pong
from benchmark.learning.noisy_weights import FIRST_SCALE, replayed
from benchmark.learning.ppo import PPO
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from benchmark.policies.policy import Policy
from benchmark.submissions.toys import Killed, Mortal
from defenses.mixed import StepShare
from defenses.parameter_noise import NoisyShare, ParameterNoise
from tests.attacks.conftest import BUDGET, PONG, assert_same_policy, differ, scribble, small
from tests.defenses.conftest import harden
from tests.learning.recall import lstm

VICTIMS = {
    "mlp": scribble(PONG, "right"),
    "lstm": lstm(game="pong-v1", seat="right", obs_dim=13, act_dim=2),
}
both = pytest.mark.parametrize("kind", VICTIMS)


def _learner(kind: str, hooks: StepShare) -> PPO:
    """In its arena, before its first rollout."""
    arena = Arena(Pong(16), "right", Mixture.of(scribble(PONG, "left", 1)), seed=0)
    config = ParameterNoise.configure(PONG, small(ParameterNoise, PONG))
    learner = PPO(arena, config, np.random.default_rng(0), start=VICTIMS[kind])
    learner.hooks = hooks
    learner.enter(arena)
    return learner


def _noise(delta: float = 0.5) -> NoisyShare:
    return NoisyShare([True], delta, np.random.default_rng(1))


@both
def test_at_delta_zero_it_is_mixed_retraining(kind: str) -> None:
    mixed = harden("pong-v1", "mixed", victim=VICTIMS[kind])
    assert_same_policy(harden("pong-v1", "parameter-noise", delta=0, victim=VICTIMS[kind]), mixed)
    noisy: Policy = harden("pong-v1", "parameter-noise", delta=0.5, victim=VICTIMS[kind])
    assert differ(noisy, mixed)


@both
def test_it_moves_the_policy_s_weights_alone_and_puts_them_back(kind: str) -> None:
    noise = _noise()
    network = _learner(kind, noise).network
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    noise.before_rollout(network)
    moved = {name: weight - before[name] for name, weight in network.state_dict().items()}
    policy = [change.flatten() for name, change in moved.items() if name.startswith("pi.")]
    assert all((change != 0).all() for change in policy)
    assert torch.cat(policy).std() == pytest.approx(FIRST_SCALE, rel=0.2)
    assert not any(change.any() for name, change in moved.items() if not name.startswith("pi."))
    noise.after_update(network)
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=1e-6)


@both
def test_rollout_and_update_happen_at_the_moved_weights(kind: str) -> None:
    """The network that the hook sees is the one that played; without noise it plays otherwise."""
    seen: list[float] = []

    class Watched(NoisyShare):
        def on_rollout(self, rollout: Rollout, progress: float) -> None:
            np.testing.assert_array_equal(replayed(self._network, rollout), rollout.means)
            super().on_rollout(rollout, progress)
            np.testing.assert_array_equal(replayed(self._network, rollout), rollout.means)
            seen.append(self._facts["noise_distance"])

    learner = _learner(kind, Watched([True], 0.5, np.random.default_rng(1)))
    for _ in range(2):
        learner.improve(BUDGET)
    assert min(seen) > 1e-3


@both
def test_what_the_update_learned_stays(kind: str) -> None:
    """With a learning rate of nearly nothing the weights come back; with a real one they do not."""
    moved = []
    for rate in (1e-12, 1e-2):
        learner = _learner(kind, _noise())
        learner.config = learner.config.model_copy(update={"learning_rate": rate})
        before = [weight.detach().clone() for weight in learner.network.policy_parameters()]
        learner.improve(BUDGET)
        after = [weight.detach() for weight in learner.network.policy_parameters()]
        moved.append(max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True)))
    assert moved[0] < 1e-6
    assert moved[1] > 1e-3


@both
@pytest.mark.parametrize("delta", [0.1, 1.0])
def test_the_scale_is_steered_to_the_wanted_distance(kind: str, delta: float) -> None:
    learner = _learner(kind, _noise(delta))
    points = [learner.improve(20 * 512).diagnostics for _ in range(10)]
    settled = np.array([point["noise_distance"] for point in points[-4:]])
    assert 0.6 * delta < settled.mean() < 1.5 * delta
    scales = [point["noise_scale"] for point in points]
    ratios = np.array(scales[1:]) / np.array(scales[:-1])
    assert ((ratios >= 0.499) & (ratios <= 2.001)).all()


def test_the_distance_is_in_deviations_of_the_action() -> None:
    """By hand: a network whose output bias alone is moved, by different amounts."""
    noise = _noise()
    learner = _learner("mlp", noise)
    network = learner.network
    noise.before_rollout(network)
    noise.after_update(network)
    noise._still = [weight.detach().clone() for weight in network.policy_parameters()]
    with torch.no_grad():
        network.log_std.copy_(torch.tensor([0.0, np.log(0.5)]))
        last = list(network.policy_parameters())[-1]
        last.add_(torch.tensor([0.3, 0.2]))
    rollout = learner._collector.collect()
    assert noise._distance(rollout) == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 2), rel=1e-3)


@both
@pytest.mark.parametrize("dies_at", [2, 4])
def test_a_killed_hardening_goes_on_with_its_scale_and_its_chance(
    kind: str, tmp_path: Path, dies_at: int
) -> None:
    path, quiet = tmp_path / "checkpoint.safetensors", Quiet()
    victim = VICTIMS[kind]
    whole = harden("pong-v1", "parameter-noise", victim=victim, progress=quiet)
    with pytest.raises(Killed):
        harden("pong-v1", "parameter-noise", victim=victim, progress=Mortal(path, dies_at))
    progress = Mortal(path)
    assert_same_policy(
        harden("pong-v1", "parameter-noise", victim=victim, progress=progress), whole
    )
    assert progress.curve == quiet.curve[-len(progress.curve) :]


@pytest.mark.parametrize("wrong", [{"delta": -0.1}, {"p": 2}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(Misuse, match=f"setting '{next(iter(wrong))}'"):
        ParameterNoise.configure(PONG, wrong)

"""Updates elsewhere: the same numbers through a copy of the weights, and no tensor left behind.

No GPU is at hand where these run. A copy on the CPU stands in for its memory, and torch's "meta"
device, which has shapes and no numbers, for its refusal to compute with tensors of another place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.arena.arena import Arena
from benchmark.errors import InfrastructureError, Misuse
from benchmark.learning import added_gradient
from benchmark.learning.added_gradient import AddedGradient
from benchmark.learning.descent import Descent
from benchmark.learning.device import CPU, CUDA, Device, called, device_of, missing
from benchmark.learning.loss import PPOConfig, Table
from benchmark.learning.networks import ActorCritic, Network
from benchmark.learning.ppo import PPO, Hooks
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from benchmark.learning.trial import apart, random_rollout, trial
from benchmark.submissions.toys import Killed, Mortal
from tests.learning.recall import lstm

COPIED = Device("cpu", apart=True)
META = Device("meta", apart=True)
BUDGET = 6 * 512
OBS, ACT = 13, 2
needs_cuda = pytest.mark.skipif(missing() is not None, reason=f"needs a GPU: {missing()}")
MakeArena = Callable[[], Arena]


class Restless(Hooks):
    """Pays for motion and moves the weights for a rollout: all that may be added on a device."""

    def before_rollout(self, network: Network) -> None:
        for weight in network.policy_parameters():
            weight.detach().add_(0.01)

    def after_update(self, network: Network) -> None:
        for weight in network.policy_parameters():
            weight.detach().sub_(0.01)

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        rollout.pay(np.square(rollout.actions).mean(axis=-1))


class Adds(Hooks):
    """Adds to the loss."""

    def extra_loss(self, rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        return mean.square().mean()


def trained(
    arena: Arena, config: PPOConfig, device: Device, progress: Quiet, hooks: Hooks | None = None
) -> dict[str, np.ndarray]:
    """All weights after a short training, and what a checkpoint then holds of the optimiser."""
    learner = PPO(arena, config, np.random.default_rng(5), hooks=hooks, device=device)
    learner.learn(BUDGET, progress)
    weights = {k: v.numpy().copy() for k, v in learner.network.state_dict().items()}
    return {**weights, **learner.checkpoint().get("optimiser")}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("hooks", [Hooks, Restless])
def test_through_a_copy_of_the_weights_all_is_the_same(
    arena: MakeArena, config: PPOConfig, shards: int, hooks: type[Hooks]
) -> None:
    """To the last bit, the curve included."""
    config = config.model_copy(update={"shards": shards})
    plain, copied = Quiet(), Quiet()
    here = trained(arena(), config, CPU, plain, hooks())
    assert_same(here, trained(arena(), config, COPIED, copied, hooks()))
    assert plain.curve == copied.curve


@pytest.mark.parametrize("after", [2, 5])
def test_a_training_killed_elsewhere_goes_on_there(
    arena: MakeArena, config: PPOConfig, tmp_path: Path, after: int
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        trained(arena(), config, COPIED, Mortal(path, after), Restless())
    resumed = trained(arena(), config, COPIED, Mortal(path), Restless())
    assert_same(resumed, trained(arena(), config, CPU, Quiet(), Restless()))


@pytest.mark.parametrize("way", ["fetch", "deliver"])
def test_the_copy_is_one(
    arena: MakeArena, config: PPOConfig, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without either way the numbers are others: nothing is shared behind them."""
    here = trained(arena(), config, CPU, Quiet(), Restless())
    monkeypatch.setattr(Descent, way, lambda self: None)
    there = trained(arena(), config, COPIED, Quiet(), Restless())
    assert any(not np.array_equal(here[name], there[name]) for name in here)


def on_meta(config: PPOConfig) -> tuple[Descent, Table, Rollout, torch.Tensor]:
    """What an update of a bonus works with on another device, and a minibatch's indices there."""
    rng = np.random.default_rng(0)
    network = ActorCritic(OBS, ACT, hidden=(8,), activation="tanh", log_std=-0.5, rng=rng)
    rollout = random_rollout(config, OBS, ACT, rng)
    rollout.pay(np.ones_like(rollout.rewards))
    table = Table(rollout, rollout.values, rollout.values, META)
    return Descent(network, config, META), table, rollout, torch.arange(100, device="meta")


def test_an_update_elsewhere_mixes_no_tensors_of_two_places(config: PPOConfig) -> None:
    descent, table, _, first = on_meta(config)
    descent.fetch()
    loss = descent.step(table, first, 0.2, lambda rows, mean: None)
    assert {loss.device.type, descent.gradient.device.type} == {"meta"}
    with pytest.raises(RuntimeError, match="device"):  # as it would where they were mixed
        descent.step(table, first, 0.2, lambda rows, mean: (mean - torch.zeros(ACT)).sum())


def test_what_a_bonus_adds_is_measured_elsewhere_too(
    config: PPOConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []

    def norm(loss: torch.Tensor, weights: list[torch.nn.Parameter]) -> float:
        parts = torch.autograd.grad(loss, weights, retain_graph=True)
        places.extend(part.device.type for part in parts)
        return 1.0

    monkeypatch.setattr(added_gradient, "_norm", norm)
    for advantage_norm in ("minibatch", "rollout"):
        config = config.model_copy(update={"advantage_norm": advantage_norm})
        descent, table, rollout, _ = on_meta(config)
        measured = AddedGradient(config, descent.network, rollout, table)
        assert measured.of_bonus(rollout.values, 2.0) == pytest.approx(1.0)
    assert set(places) == {"meta"}


def test_a_loss_of_a_method_s_own_is_refused_elsewhere(arena: MakeArena, config: PPOConfig) -> None:
    """Before anything is played; here it is not."""
    learner = PPO(arena(), config, np.random.default_rng(0), hooks=Adds(), device=COPIED)
    with pytest.raises(Misuse, match="Adds adds to the loss and learns on the CPU alone"):
        learner.learn(BUDGET, Quiet())
    assert learner.arena.steps == 0
    PPO(arena(), config, np.random.default_rng(0), hooks=Adds()).learn(512, Quiet())


def test_a_network_with_a_memory_is_refused_elsewhere(arena: MakeArena, config: PPOConfig) -> None:
    config = config.model_copy(update={"minibatch": 96})
    start = lstm(game="pong-v1", seat="left", obs_dim=OBS, act_dim=ACT)
    PPO(arena(), config, np.random.default_rng(0), start=start)
    with pytest.raises(Misuse, match="kind 'lstm' learn on the CPU alone"):
        PPO(arena(), config, np.random.default_rng(0), start=start, device=COPIED)


def test_a_trial_is_the_same_through_a_copy(config: PPOConfig) -> None:
    here, there = (trial(config, OBS, ACT, device) for device in (CPU, COPIED))
    assert apart(here.gradient, there.gradient) == 0.0
    assert np.abs(here.gradient).max() > 0
    assert here.seconds > 0
    assert there.seconds > 0


def test_how_far_gradients_are_apart() -> None:
    one = np.array([3.0, 4.0], dtype=np.float32)
    assert apart(one, one + np.array([0.5, 0.0], dtype=np.float32)) == pytest.approx(0.1)
    assert np.isnan(apart(one, one * np.float32(np.nan)))


def test_without_a_gpu_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of("cpu") is CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(InfrastructureError, match=r"planned for a GPU, and torch .* without CUDA"):
        device_of("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(InfrastructureError, match="finds no GPU on this machine"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Abacus 1")
    assert device_of("cuda") is CUDA
    assert called("cuda") == "cuda: Abacus 1"


@needs_cuda
def test_a_gpu_gives_the_cpu_s_numbers_within_rounding(arena: MakeArena, config: PPOConfig) -> None:
    """Of a training so short that rounding has had no time to change a match."""
    gap = apart(*(trial(config, OBS, ACT, device).gradient for device in (CPU, CUDA)))
    assert gap < 1e-4
    learners = [
        PPO(arena(), config, np.random.default_rng(5), hooks=Restless(), device=device)
        for device in (CPU, CUDA)
    ]
    for learner in learners:
        learner.learn(512, Quiet())
    here, there = (learner.network.state_dict() for learner in learners)
    for name, weight in here.items():
        torch.testing.assert_close(there[name], weight, rtol=1e-3, atol=1e-4, msg=name)


@needs_cuda
def test_a_training_killed_on_a_gpu_goes_on_there(
    arena: MakeArena, config: PPOConfig, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        trained(arena(), config, CUDA, Mortal(path, 2))
    resumed = trained(arena(), config, CUDA, Mortal(path))
    whole = trained(arena(), config, CUDA, Quiet())
    for name, array in whole.items():
        np.testing.assert_allclose(resumed[name], array, rtol=1e-3, atol=1e-4, err_msg=name)

"""The recurrent network in the learner: its unrolling, its memory, what it learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.learning.loss import PPOConfig, Table
from benchmark.learning.networks import ActorCritic, Sequences
from benchmark.learning.ppo import PPO, Hooks
from benchmark.learning.progress import Quiet
from benchmark.learning.recurrent import SEQUENCE, LSTMTower, RecurrentActorCritic
from benchmark.learning.rollout import Rollout, gae
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy, NetworkPolicy, ZeroPolicy
from benchmark.submissions.toys import Killed, Mortal
from tests.learning.recall import Recall, lstm

MATCHES, STEPS = 6, 2 * SEQUENCE
BUDGET = 5 * MATCHES * STEPS


def config(**changes: Any) -> PPOConfig:
    """A toy training in which minibatches are of 3 sequences and the last one of an epoch too."""
    base = {
        "matches": MATCHES, "rollout_steps": STEPS, "minibatch": 3 * SEQUENCE, "epochs": 2,
        "learning_rate": 1e-2, "gamma": 0.99, "log_std": -0.5, "scale_reward": True,
    }  # fmt: skip
    return PPOConfig.model_validate({**base, **changes})


def learner(
    start: LSTMPolicy | None = None, seed: int = 5, hooks: Hooks | None = None, **changes: Any
) -> PPO:
    """A PPO in a fresh arena of Recall, always the same one."""
    made = config(**changes)
    arena = Arena(Recall(made.matches), "left", Mixture.of(ZeroPolicy(1)), seed=0)
    start = start or lstm(filter_clip=2.0)
    return PPO(arena, made, np.random.default_rng(seed), hooks=hooks, start=start)


def trained(progress: Quiet, **changes: Any) -> NetworkPolicy:
    """The policy after a toy training."""
    made = learner(**changes)
    made.learn(BUDGET, progress)
    return made.policy(lstm().card)


def assert_same(one: NetworkPolicy, other: NetworkPolicy) -> None:
    """Equal in every weight to the last bit."""
    assert one.tensors().keys() == other.tensors().keys()
    for name, tensor in one.tensors().items():
        np.testing.assert_array_equal(tensor, other.tensors()[name], err_msg=name)


# --- the unrolling -------------------------------------------------------------------------


def scene(length: int = 12, rows: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations (L, B, 3), memories (B, 2 H), ends (L, B) with some at either border."""
    rng = np.random.default_rng(1)
    ends = rng.random((length, rows)) < 0.2
    ends[0, 0] = ends[-1, 1] = ends[3, 2] = ends[4, 2] = True
    obs = rng.normal(size=(length, rows, 3))
    return obs.astype(np.float32), rng.normal(size=(rows, 12)).astype(np.float32), ends


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_sequence_in_torch_equals_the_policy_step_by_step(activation: str) -> None:
    policy = lstm(obs_dim=3, act_dim=2, activation=activation)
    obs, memory, ends = scene()
    sequences = Sequences(torch.from_numpy(memory), torch.from_numpy(ends))
    unrolled = LSTMTower(policy)(torch.from_numpy(obs.reshape(-1, 3)), sequences)
    means = unrolled.detach().numpy().reshape(*ends.shape, 2)
    for z, end, mean in zip(obs, ends, means, strict=True):
        played, memory = policy.forward(z, memory)
        np.testing.assert_allclose(mean, played, atol=2e-6)
        memory[end] = policy.initial_state(int(end.sum()))


def torchs_own(weights: dict[str, torch.Tensor], cell: int) -> Callable[..., torch.Tensor]:
    """`torch.nn.LSTM` as a function of our weights, gradients included.

    Its gates are i, f, g (our j), o, and it adds no forget bias.
    """
    features = weights["layer0.bias"].shape[0]
    order = torch.cat([torch.arange(g * cell, (g + 1) * cell) for g in (0, 2, 1, 3)])
    kernel = weights["lstm.kernel"][:, order].T
    bias = weights["lstm.bias"][order] + torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(cell)
    net = torch.nn.LSTM(features, cell).double()
    converted = {
        "weight_ih_l0": kernel[:, :features], "weight_hh_l0": kernel[:, features:],
        "bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias),
    }  # fmt: skip

    def run(obs: torch.Tensor, c: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(obs @ weights["layer0.weight"] + weights["layer0.bias"])
        out, _ = torch.func.functional_call(net, converted, (x, (h[None], c[None])))
        return out @ weights["layer1.weight"] + weights["layer1.bias"]

    return run


def test_the_gradient_through_time_equals_torchs_own_lstm() -> None:
    """Sequence by sequence, and cut where a match ended: nothing passes from one to the next."""
    tower = LSTMTower(lstm(obs_dim=3, act_dim=2)).double()
    obs, memory, ends = (torch.from_numpy(part) for part in scene())
    obs, memory = obs.double(), memory.double()
    pull = torch.from_numpy(np.random.default_rng(2).normal(size=(*ends.shape, 2)))
    means = tower(obs.reshape(-1, 3), Sequences(memory, ends)).view(*ends.shape, 2)
    weights = dict(tower.named_parameters())
    ours = torch.autograd.grad((pull * means).sum(), list(weights.values()))
    run = torchs_own(weights, cell=6)
    loss = torch.zeros(())
    for row in range(ends.shape[1]):
        c, h = memory[row, None, :6], memory[row, None, 6:]
        begun = 0
        for stop in [*(np.flatnonzero(ends[:, row]) + 1), len(ends)]:
            if stop > begun:
                played = run(obs[begun:stop, row, None], c, h)[:, 0]
                loss = loss + (pull[begun:stop, row] * played).sum()
            begun, c, h = stop, torch.zeros_like(c), torch.zeros_like(h)
    theirs = torch.autograd.grad(loss, list(weights.values()))
    for name, one, other in zip(weights, ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9, msg=name)


def test_only_the_mean_s_weights_are_the_policy_s() -> None:
    rng = np.random.default_rng(0)
    recurrent = RecurrentActorCritic(lstm(), log_std=-0.5, rng=rng)
    plain = ActorCritic(2, 1, hidden=(4,), activation="tanh", log_std=-0.5, rng=rng)
    for network, count in ((recurrent, 6), (plain, 4)):
        own = {id(weight) for weight in network.policy_parameters()}
        others = {id(weight) for weight in (*network.vf.parameters(), network.log_std)}
        assert len(own) == count
        assert own | others == {id(weight) for weight in network.parameters()}
        assert not own & others


def test_it_starts_with_the_policy_s_deviation_or_the_one_given() -> None:
    own = lstm(stochastic=True)
    rng = np.random.default_rng(0)
    kept = RecurrentActorCritic(own, log_std=-1.5, rng=rng).log_std.detach().numpy()
    np.testing.assert_array_equal(kept, own.tensors()["log_std"])
    assert RecurrentActorCritic(lstm(), log_std=-1.5, rng=rng).log_std.tolist() == [-1.5]


# --- the memory ----------------------------------------------------------------------------


def rollouts(made: PPO, count: int) -> list[Rollout]:
    """Rollouts one after the other, without an update."""
    made.enter(made.arena)
    return [made._collector.collect() for _ in range(count)]


def test_rollouts_are_played_as_the_policy_plays() -> None:
    """To the last bit, over two rollouts: kept between them, forgotten where a match ended."""
    policy = lstm()
    first, second = rollouts(learner(policy, matches=16), 2)
    assert 0 < first.ends[-1].sum() < 16
    memory = policy.initial_state(16)
    for rollout in (first, second):
        for step, (obs, end) in enumerate(zip(rollout.obs, rollout.ends, strict=True)):
            if step % SEQUENCE == 0:
                np.testing.assert_array_equal(rollout.memory[step // SEQUENCE], memory)
            mean, memory = policy.forward(obs, memory)
            np.testing.assert_array_equal(rollout.means[step], mean)
            memory[end] = 0.0


def test_a_trained_network_freezes_into_what_it_plays() -> None:
    made = learner()
    made.learn(BUDGET, Quiet())
    frozen = made.policy(lstm().card)
    assert isinstance(frozen, LSTMPolicy)
    assert (frozen.card.filter_clip, frozen.card.hidden, frozen.card.stochastic) == (
        2.0,
        (8, 6),
        True,
    )
    obs = np.random.default_rng(0).normal(size=(20, 9, 2)).astype(np.float32)
    play = made.network.player()
    ours, theirs = made.network.initial_memory(9), frozen.initial_state(9)
    for raw in obs:
        mean, ours = play(made.filter.apply(raw), ours)
        acted, theirs = frozen.act(raw, theirs)
        np.testing.assert_array_equal(acted, mean)
        np.testing.assert_array_equal(theirs, ours)


def test_a_minibatch_unrolls_to_what_was_played() -> None:
    """Every sequence of a rollout in shuffled order, from the memory kept at its start."""
    made = learner()
    rollout = rollouts(made, 2)[1]
    advantages, returns = gae(
        rollout.rewards, rollout.values, rollout.ends, rollout.last_value, 0.99, 0.95
    )
    table = Table(rollout, advantages, returns)
    assert table.sequences == MATCHES * STEPS // SEQUENCE
    order = torch.from_numpy(np.random.default_rng(0).permutation(table.sequences))
    batch, rows = table.take(order), table.rows(order)
    np.testing.assert_array_equal(np.sort(rows), np.arange(rollout.steps))
    assert (rows.view(SEQUENCE, -1).diff(dim=0) == MATCHES).all()
    means = made.network.means(batch.obs, batch.sequences).detach().numpy()
    np.testing.assert_allclose(means, rollout.means.reshape(-1, 1)[rows], atol=2e-6)
    np.testing.assert_array_equal(batch.returns, returns.reshape(-1)[rows])


# --- the training --------------------------------------------------------------------------


def test_it_learns_what_only_a_memory_can_tell() -> None:
    """From cells that forget all but at once: without a gradient through time it stays at a half.

    Measured with the state detached at every step: .49 in place of .99.
    """
    tensors = lstm(1).tensors()
    tensors["lstm.bias"][12:18] -= 3.0  # forget gates near .12
    tensors["layer1.weight"] *= 0.1
    made = learner(
        LSTMPolicy(lstm().card, tensors), seed=1, matches=64, minibatch=512, epochs=4, anneal=False,
        scale_reward=False,
    )  # fmt: skip
    progress = Quiet()
    made.learn(16 * 64 * STEPS, progress)
    early, late = (Tally.sum(p.tally for p in part).win_rate for part in
                   (progress.curve[:3], progress.curve[-3:]))  # fmt: skip
    assert early < 0.6
    assert late > 0.9


def test_the_same_seed_gives_the_same_policy() -> None:
    first, second, other = Quiet(), Quiet(), Quiet()
    one = trained(first)
    assert_same(one, trained(second))
    assert first.curve == second.curve
    unlike = trained(other, seed=6)
    assert not np.array_equal(one.tensors()["lstm.kernel"], unlike.tensors()["lstm.kernel"])


@pytest.mark.parametrize("after", [2, 4])
def test_a_killed_training_ends_as_if_it_had_not_been(tmp_path, after: int) -> None:
    whole = trained(Quiet())
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        trained(Mortal(path, after))
    assert_same(whole, trained(Mortal(path)))


def test_a_training_moves_every_weight() -> None:
    before, after = lstm(filter_clip=2.0).tensors(), trained(Quiet()).tensors()
    for name in ("layer0.weight", "layer0.bias", "lstm.kernel", "lstm.bias", "layer1.weight"):
        assert (before[name] != after[name]).mean() > 0.9, name
    np.testing.assert_array_equal(before["filter.mean"], after["filter.mean"])


def test_shards_cut_between_sequences() -> None:
    """Equal to the unsharded training but for rounding."""
    alone, cut = trained(Quiet()).tensors(), trained(Quiet(), shards=2).tensors()
    for name, weight in alone.items():
        np.testing.assert_allclose(cut[name], weight, atol=2e-4, err_msg=name)


def test_a_minibatch_is_counted_in_steps() -> None:
    made = learner()
    made.enter(made.arena)
    made.improve(BUDGET)
    (moments,) = made._descent.optimiser.state_dict()["state"].values()
    assert int(moments["step"]) == 2 * MATCHES * STEPS // (3 * SEQUENCE)


@pytest.mark.parametrize("change", [{"rollout_steps": 40}, {"minibatch": 50}, {"minibatch": 8}])
def test_parts_of_sequences_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(Misuse, match=rf"sequences of 16 steps.*'{next(iter(change))}' = \d"):
        learner(**change)


# --- what a method adds --------------------------------------------------------------------


class Pull(Hooks):
    """Draws the mean action to 1, by a term of the loss and nothing else."""

    def advantages(self, rollout: Rollout, advantages: np.ndarray) -> np.ndarray:
        """None of PPO's own."""
        self.seen = rollout
        return np.zeros_like(advantages)

    def extra_loss(self, rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """The rows must be those that the means are of."""
        obs = self.seen.obs.reshape(-1, 2)[rows]
        assert len(obs) == len(mean)
        return (mean[obs[:, 1] > obs[:, 1].mean()] - 1.0).square().mean()


def test_a_method_s_loss_and_reward_reach_the_network() -> None:
    class Pay(Hooks):
        def on_rollout(self, rollout: Rollout, progress: float) -> None:
            rollout.pay(rollout.actions[:, :, 0])

    for hooks in (Pull(), Pay()):
        progress = Quiet()
        made = learner(hooks=hooks, scale_reward=False, anneal=False)
        made.learn(2 * BUDGET, progress)
        assert progress.curve[0].diagnostics["added_gradient"] > 0
        (last,) = rollouts(made, 1)
        (first,) = rollouts(learner(), 1)
        assert last.means[last.obs[:, :, 1] > 0].mean() > first.means.mean() + 0.3


def test_a_policy_without_a_memory_keeps_none(victim: MLPPolicy, arena: Any) -> None:
    config = PPOConfig(
        matches=16, rollout_steps=5, minibatch=7, epochs=1, learning_rate=1e-3, gamma=0.9,
        log_std=0.0,
    )  # fmt: skip
    made = PPO(arena(), config, np.random.default_rng(0), start=victim)
    (rollout,) = rollouts(made, 1)
    assert rollout.memory is None
    assert not made.checkpoint().get("collector")

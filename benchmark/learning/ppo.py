"""Proximal policy optimisation (Schulman et al. 2017) in an arena, with hooks for methods.

Read top to bottom: hooks, then the learner; its configuration and its loss are in loss.py.
`PPO.learn` alternates a rollout and an update until the budget is spent; a hook may see each
rollout and add a term to the loss.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.arena.arena import Arena
from benchmark.errors import CheckFailed, Misuse
from benchmark.learning.added_gradient import AddedGradient
from benchmark.learning.checkpoint import Checkpoint, generator_facts, restore_generator
from benchmark.learning.descent import Descent
from benchmark.learning.device import CPU, Device
from benchmark.learning.loss import PPOConfig, Table
from benchmark.learning.networks import ActorCritic, Network, ObsFilter
from benchmark.learning.normalise import RewardScale
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.learning.recurrent import RecurrentActorCritic
from benchmark.learning.rollout import Array, Collector, Rollout, gae
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy, NetworkPolicy, PolicyCard

VERSION = 1
"""Of the learner and the arena: raised whenever the same training may give another policy."""


class TrainingDiverged(CheckFailed):
    """A loss stopped being finite; the last checkpoint is still good."""


def whole_rollouts(config: PPOConfig, budget_steps: int) -> int:
    """The steps of the whole rollouts that fit a budget; raises Misuse where none does."""
    batch = config.matches * config.rollout_steps
    if budget_steps < batch:
        raise Misuse(f"the budget of {budget_steps} steps is less than one rollout ({batch})")
    return budget_steps // batch * batch


class Hooks:
    """What a method may add to PPO. The defaults add nothing, exactly."""

    def before_rollout(self, network: Network) -> None:
        """May move the weights in place, for one rollout and the update that follows it."""

    def after_update(self, network: Network) -> None:
        """Undo in place what `before_rollout` moved; checkpoints are taken after this."""

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        """See a rollout before PPO does; may add a reward by `rollout.pay`. progress: 0 to 1."""

    def advantages(self, rollout: Rollout, advantages: Array) -> Array:
        """The advantages (T, N) that the policy learns from, given PPO's own."""
        return advantages

    def extra_loss(self, rows: Tensor, mean: Tensor) -> Tensor | None:
        """A scalar added to PPO's loss for a minibatch, or None.

        rows: (B,) indices into the flattened rollout; mean: (B, act_dim) with its graph, which
        goes through time where the network has a memory. With shards B is a part of the minibatch,
        and parts are asked for from threads at once.
        """
        return None

    def diagnostics(self) -> dict[str, float]:
        """Numbers for the curve."""
        return {}

    def state(self) -> Checkpoint:
        """What a checkpoint must keep of the method."""
        return Checkpoint()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from `state()`."""


class PPO:
    """Learns a policy in an arena, from scratch or from `start`."""

    def __init__(
        self,
        arena: Arena,
        config: PPOConfig,
        rng: np.random.Generator,
        *,
        hooks: Hooks | None = None,
        start: MLPPolicy | LSTMPolicy | None = None,
        device: Device = CPU,
    ):
        """device: where updates are computed; the matches are played on the CPU.

        Raises:
            Misuse: the arena is of another width, or the network learns on the CPU alone.
        """
        if arena.num_envs != config.matches:
            raise Misuse(f"the arena has {arena.num_envs} matches, expected {config.matches}")
        self.arena, self.config, self.hooks = arena, config, hooks or Hooks()
        init_rng, self._action_rng, self._shuffle_rng = rng.spawn(3)
        self._arena_seed = int(rng.integers(2**62))
        seat = arena.game.card.seats[arena.seat_index]
        obs_dim, act_dim = seat.obs_dim, seat.act_dim
        self.network: Network
        if start is None:
            self.network = ActorCritic(
                obs_dim, act_dim, hidden=config.hidden, activation=config.activation,
                log_std=config.log_std, rng=init_rng,
            )  # fmt: skip
            self.filter = ObsFilter(obs_dim, config.obs_clip)
        elif isinstance(start, LSTMPolicy):
            self.network = RecurrentActorCritic(start, log_std=config.log_std, rng=init_rng)
            self.filter = ObsFilter.of_policy(start)
        else:
            self.network = ActorCritic.from_policy(start, log_std=config.log_std, rng=init_rng)
            self.filter = ObsFilter.of_policy(start)
        check_sequences(config, self.network.sequence)
        if device.apart and start is not None and start.card.kind != "mlp":
            raise Misuse(f"networks of kind '{start.card.kind}' learn on the CPU alone")
        self._device = device
        self._descent = Descent(self.network, config, device)
        self._reward_scale = RewardScale(config.matches, config.gamma)
        self._collector = Collector(
            arena, self.network, self.filter, config.rollout_steps, self._action_rng
        )
        self.steps = 0

    def learn(self, budget_steps: int, progress: Progress) -> Network:
        """Train for as many whole rollouts as the budget of environment steps allows.

        Raises:
            Misuse: the budget is less than one rollout, or the hooks need the CPU.
            TrainingDiverged: a loss is not finite.
        """
        total = whole_rollouts(self.config, budget_steps)
        check_hooks(self.hooks, self._device)
        saved = progress.resume()
        if saved is None:
            self.enter(self.arena)
        else:
            self.restore(saved)
        while self.steps < total:
            progress.report(self.improve(total))
            if progress.due() and self.steps < total:
                progress.save(self.checkpoint())
        return self.network

    def enter(self, arena: Arena) -> None:
        """Start new matches in an arena (the first one, or another with as many).

        All that was learned stays, also the running return by which rewards are scaled.
        """
        self.arena = arena
        arena.reset(seed=self._arena_seed + self.steps)
        self._collector.enter(arena)

    def improve(self, total: int) -> CurvePoint:
        """One rollout and one update of a training that ends at `total` steps."""
        self.hooks.before_rollout(self.network)
        rollout = self._collector.collect()
        self.hooks.on_rollout(rollout, self.steps / total)
        facts = self.update(rollout, remaining=1.0 - self.steps / total)
        self.hooks.after_update(self.network)
        self.steps += rollout.steps
        diagnostics = {**facts, **self.hooks.diagnostics()}
        for name, value in diagnostics.items():
            if not np.isfinite(value):
                raise TrainingDiverged(
                    f"'{name}' became {value} at step {self.steps}: expected finite numbers; lower "
                    "the learning rate of what it measures"
                )
        return CurvePoint(steps=self.steps, tally=rollout.tally, diagnostics=diagnostics)

    def update(self, rollout: Rollout, remaining: float) -> dict[str, float]:
        """Some epochs of minibatch steps on one rollout; returns the update's diagnostics."""
        config = self.config
        rewards = self._rewards(rollout)
        advantages, returns = gae(
            rewards, rollout.values, rollout.ends, rollout.last_value,
            config.gamma, config.gae_lambda,
        )  # fmt: skip
        advantages = raw = self.hooks.advantages(rollout, advantages)
        if config.advantage_norm == "rollout":
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        rate = config.learning_rate * (remaining if config.anneal else 1.0)
        clip = config.clip * (remaining if config.anneal_clip else 1.0)
        self._descent.fetch()
        table = Table(rollout, advantages, returns, self._device)
        facts = self._added_gradient(table, rollout, raw)
        mean_loss = self._descent.epochs(
            table, self._shuffle_rng, rate, clip, self.hooks.extra_loss
        )
        if not (np.isfinite(mean_loss) and self._descent.finite):
            raise TrainingDiverged(
                f"the loss became {mean_loss} at step {self.steps}: expected finite losses and "
                "weights; lower the learning rate or the method's weight"
            )
        self._descent.deliver()
        spread = float(np.var(returns))
        explained = 1.0 - float(np.var(returns - rollout.values)) / spread if spread else 0.0
        return {
            "loss": mean_loss,
            "explained_variance": explained,
            "log_std": float(self.network.log_std.detach().mean()),
            **facts,
        }

    @property
    def _spread(self) -> float:
        """What rewards are divided by now."""
        return self._reward_scale.spread if self.config.scale_reward else 1.0

    def _rewards(self, rollout: Rollout) -> Array:
        """What is learned from: (T, N), the game's rewards at their scale, and any bonus at it.

        The scale is that of the game's rewards alone: were the bonus part of it, outcomes would
        weigh less for as long as the running variance remembers, long after it has faded.
        """
        rewards = rollout.rewards
        if self.config.scale_reward:
            rewards = self._reward_scale.scale(rewards, rollout.ends)
        if rollout.bonus is not None:
            rewards = rewards + rollout.bonus / np.float32(self._spread)
        return rewards

    def _added_gradient(
        self, table: Table, rollout: Rollout, advantages: Array
    ) -> dict[str, float]:
        """What the method adds to the policy's gradient, where it adds to the loss or reward."""
        measured = AddedGradient(self.config, self._descent.network, rollout, table)
        term = self.hooks.extra_loss(measured.rows, measured.mean)
        if term is not None:
            return {"added_gradient": measured.of_loss(term)}
        if rollout.bonus is None:
            return {}
        return {"added_gradient": measured.of_bonus(advantages, self._spread)}

    def policy(self, card: PolicyCard) -> NetworkPolicy:
        """The policy as it stands."""
        return self.network.freeze(card, self.filter)

    def checkpoint(self) -> Checkpoint:
        """Everything, at an update's boundary; the matches in flight included."""
        made = self.hooks.state()
        made.put("network", {k: v.numpy() for k, v in self.network.state_dict().items()})
        made.put("optimiser", self._descent.state())
        made.put("filter", self.filter.state())
        made.put("reward_scale", self._reward_scale.state())
        made.put("arena", self.arena.state())
        made.put("collector", self._collector.state())
        made.facts["steps"] = self.steps
        made.facts["action_rng"] = generator_facts(self._action_rng)
        made.facts["shuffle_rng"] = generator_facts(self._shuffle_rng)
        return made

    def restore(self, saved: Checkpoint) -> None:
        """Continue from `checkpoint()`, in an arena of the same mixture."""
        tensors = {k: torch.from_numpy(v) for k, v in saved.get("network").items()}
        self.network.load_state_dict(tensors)
        self._descent.restore(saved.get("optimiser"))
        self.filter.restore(saved.get("filter"))
        self._reward_scale.restore(saved.get("reward_scale"))
        obs = self.arena.restore(saved.get("arena"))
        self._collector.restore(saved.get("collector"), obs)
        self.hooks.restore(saved)
        self.steps = int(saved.facts["steps"])
        restore_generator(self._action_rng, saved.facts["action_rng"])
        restore_generator(self._shuffle_rng, saved.facts["shuffle_rng"])


def check_hooks(hooks: Hooks, device: Device) -> None:
    """Raise Misuse for a term of the loss on a device apart: its tensors would be elsewhere."""
    if device.apart and type(hooks).extra_loss is not Hooks.extra_loss:
        raise Misuse(
            f"{type(hooks).__name__} adds to the loss and learns on the CPU alone; --device cpu"
        )


def check_sequences(config: PPOConfig, length: int) -> None:
    """Raise Misuse unless rollouts and minibatches hold whole sequences of `length` steps."""
    if config.rollout_steps % length or config.minibatch % length:
        raise Misuse(
            f"a recurrent network learns from sequences of {length} steps: expected multiples, got "
            f"'rollout_steps' = {config.rollout_steps}, 'minibatch' = {config.minibatch}"
        )

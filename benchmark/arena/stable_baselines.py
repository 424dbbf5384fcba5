"""The arena for stable-baselines3 (Raffin et al. 2021), and its policies as artifacts of ours.

    venv = ArenaVecEnv(arena)
    model = PPO("MlpPolicy", venv).learn(100_000)
    save(freeze(model, "my adversary", arena), Path("mine"))  # bench play --adversary mine ...

Needs `pip install stable-baselines3`; nothing else in this package imports this module.
"""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.games.game import VOID, VOID_ENDING, WIN
from benchmark.policies.policy import Activation, MLPPolicy, PolicyCard

try:
    from stable_baselines3.common.distributions import DiagGaussianDistribution
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.common.torch_layers import FlattenExtractor
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices
except ImportError as error:
    raise ImportError(f"{__name__} needs: pip install stable-baselines3 ({error})") from error

Array = NDArray[np.float32]
StepReturn = tuple[Array, Array, NDArray[np.bool_], list[dict[str, Any]]]
ACTIVATIONS: dict[type[nn.Module], Activation] = {nn.Tanh: "tanh", nn.ReLU: "relu"}


class ArenaVecEnv(VecEnv):
    """An arena as a `VecEnv`: its matches are the environments, restarted as they end.

    info of a match in a step that ends it (of any other it is empty):
        terminal_observation (obs_dim,) float32: the last that the learner saw of it;
        TimeLimit.truncated: always False, a time-out is an outcome by the game's rules;
        is_success: whether the learner won; result: WIN, TIE, LOSS or VOID of `games.game`;
        ending: its name;
        episode: {"r": reward, "l": steps, "t": seconds since the adapter was made}.
    """

    arena_info: dict[str, Any]
    """The arena's own info of the last step, (N, ...) arrays: the other side's view and action."""

    def __init__(self, arena: Arena):
        self.arena = arena
        super().__init__(arena.num_envs, arena.single_observation_space, arena.single_action_space)
        self.arena_info = {}
        self._lengths = np.zeros(arena.num_envs, dtype=np.int64)
        self._started = time.time()
        self._seed: int | None = None

    def seed(self, seed: int | None = None) -> list[int | None]:
        """The arena's seed at the next reset; None lets it go on where it is.

        One seed serves all matches: each takes episodes of its own from it.
        """
        if seed is not None:
            self._seed = seed
        return [seed] * self.num_envs

    def reset(self) -> Array:
        """Start every match afresh: (N, obs_dim). Without a new seed, the next episodes."""
        obs, info = self.arena.reset(seed=self._seed)
        self._seed = None
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self.arena_info = info
        self._lengths[:] = 0
        return obs

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take actions (N, act_dim) for the next `step_wait`."""
        self._actions = actions

    def step_wait(self) -> StepReturn:
        """Observations (N, obs_dim), rewards (N,), ends (N,) and an info for every match."""
        obs, reward, ended, _, info = self.arena.step(self._actions)
        self.arena_info = info
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(ended):
            infos[row] = self._summary(int(row), float(reward[row]), info)
        self._lengths[ended] = 0
        return obs, reward, ended, infos

    def _summary(self, row: int, reward: float, info: dict[str, Any]) -> dict[str, Any]:
        result, endings = int(info["result"][row]), self.arena.game.card.endings
        elapsed = round(time.time() - self._started, 6)
        return {
            "terminal_observation": info["final_obs"][row],
            "TimeLimit.truncated": False,
            "is_success": result == WIN,
            "result": result,
            "ending": VOID_ENDING if result == VOID else endings[info["ending"][row]],
            # The reward comes at the end alone, so the last one is the episode's sum.
            "episode": {"r": reward, "l": int(self._lengths[row]), "t": elapsed},
        }

    def close(self) -> None:
        """Close the arena."""
        self.arena.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The arena's attribute, once for each match; AttributeError where it has none."""
        return [getattr(self.arena, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: the matches of an arena have no attributes of their own."""
        raise Misuse(f"'{attr_name}': set it on `.arena`, which all matches share")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Refused: the matches of an arena have no methods of their own."""
        raise Misuse(f"'{method_name}': call it on `.arena`, which all matches share")

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """True for `Monitor` alone, whose `episode` infos it gives, so that none is added."""
        return [wrapper_class is Monitor] * len(self._rows(indices))

    def _rows(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))


def freeze(
    model: OnPolicyAlgorithm,
    name: str,
    arena: Arena,
    *,
    mode: Literal["mean", "sampled"] = "mean",
    normalise: VecNormalize | None = None,
    notes: str = "",
) -> MLPPolicy:
    """A trained PPO or A2C `MlpPolicy` as a policy of this project, for the arena's seat.

    Args:
        model: with tanh or ReLU between dense layers; the value network is left behind.
        name: on the card.
        arena: where it was trained, or another of the same game and seat.
        mode: how it acts when it is played.
        normalise: whose observation statistics become the policy's filter; by default those that
            the model's environment is wrapped in. A model that was loaded from a file without its
            environment has lost them, so hand them in.
        notes: on the card.

    Raises:
        Misuse: an architecture that an artifact cannot hold, or of another game's shape.
    """
    layers, activation = _tower(model.policy)
    clip, tensors = _filter(normalise or model.get_vec_normalize_env())
    tensors["log_std"] = _array(model.policy.log_std)
    for i, layer in enumerate(layers):
        tensors[f"layer{i}.weight"] = _array(layer.weight).T
        tensors[f"layer{i}.bias"] = _array(layer.bias)
    seat = arena.game.card.seats[arena.seat_index]
    card = PolicyCard(
        name=name, kind="mlp", game=arena.game.card.id, seat=seat.name,
        obs_dim=seat.obs_dim, act_dim=seat.act_dim, act_bound=seat.act_bound,
        hidden=tuple(layer.out_features for layer in layers[:-1]), activation=activation,
        filter_clip=clip, action_mode=mode, stochastic=True, notes=notes,
        origin=f"trained by stable-baselines3's {type(model).__name__}",
        training={"steps": model.num_timesteps},
    )  # fmt: skip
    try:
        return MLPPolicy(card, tensors)
    except ValueError as error:
        raise Misuse(f"'{name}' does not fit seat '{seat.name}' of {card.game}: {error}") from error


def _tower(policy: Any) -> tuple[list[nn.Linear], Activation]:
    """The dense layers from observation to mean action, and what lies between them."""
    if type(policy) is not ActorCriticPolicy:  # a subclass may compute anything
        raise Misuse(f"only an MlpPolicy of PPO or A2C is frozen, got {type(policy).__name__}")
    parts = (policy.action_dist, policy.pi_features_extractor)
    for part, held in zip(parts, (DiagGaussianDistribution, FlattenExtractor), strict=True):
        if type(part) is not held:
            raise Misuse(f"an artifact can hold a {held.__name__}, got {type(part).__name__}")
    modules = [*policy.mlp_extractor.policy_net, policy.action_net]
    dense, between = modules[::2], {type(module) for module in modules[1::2]}
    if len(between) > 1 or not between <= ACTIVATIONS.keys():
        names = ", ".join(sorted(kind.__name__ for kind in between))
        raise Misuse(f"an artifact can hold Tanh or ReLU between its layers, got {names}")
    return dense, ACTIVATIONS[between.pop()] if between else "tanh"


def _filter(normalise: VecNormalize | None) -> tuple[float | None, dict[str, Array]]:
    """VecNormalize's clip and observation statistics (obs_dim,), as an artifact stores them."""
    if normalise is None or not normalise.norm_obs:
        return None, {}
    moments: Any = normalise.obs_rms
    std = np.sqrt(moments.var + normalise.epsilon)
    tensors = {"filter.mean": moments.mean, "filter.std": std}
    return float(normalise.clip_obs), {k: v.astype(np.float32) for k, v in tensors.items()}


def _array(parameter: Tensor) -> Array:
    return np.asarray(parameter.detach().cpu().numpy(), dtype=np.float32)

"""One match of any game as a PettingZoo `ParallelEnv` (Terry et al. 2021): both seats are yours.

    env = parallel_env("pong-v1", {"slow_ball": "tie"})

The k-th `reset` since `reset(seed)` plays the k-th episode of `EpisodeSeeds(seed, 1)`: the very
matches that an arena of one match with that seed plays.
"""

from __future__ import annotations

import secrets
from typing import Any

import gymnasium
import numpy as np
from pettingzoo.utils.env import ParallelEnv

from benchmark import registry
from benchmark.errors import Misuse
from benchmark.games.game import (
    Array,
    Game,
    Outcome,
    SeatName,
    Step,
    result_for,
    reward_of,
)
from benchmark.games.render import Painter, Picture
from benchmark.seeding import EpisodeSeeds
from benchmark.settings import hint, resolve

RENDER_MODES = ("rgb_array",)
PICTURE = (640, 480)
"""Width and height of what `render` gives, pixels."""
_ONLY = np.zeros(1, dtype=np.intp)  # the one match of the batch

Seen = dict[SeatName, Array]
Infos = dict[SeatName, dict[str, Any]]


def parallel_env(
    game_id: str, options: Any = None, render_mode: str | None = None
) -> GameParallelEnv:
    """A registered game as a PettingZoo environment.

    Args:
        game_id: one of `bench list games`.
        options: the game's options: a mapping of fields, an instance of its `Options`, or None.
        render_mode: one of `RENDER_MODES`, or None.

    Raises:
        Misuse: an unknown game, option or render mode, or an option of the wrong type.
    """
    kind = registry.game(game_id)
    if not isinstance(options, kind.Options):
        options = resolve(kind.Options, {}, options or {}, f"game '{game_id}'")
    return GameParallelEnv(kind(1, options), render_mode)


class GameParallelEnv(ParallelEnv[SeatName, Array, Array]):  # type: ignore[misc]
    """A match between the agents of two seats, who act at the same time.

    An agent is named after its seat and sees (obs_dim,) float32; it acts with (act_dim,) float32,
    which the game clips to its box. Its reward is +1 where it has just won, -1 where it lost, 0
    otherwise. Both terminate together at the game's outcome; nothing is ever truncated, because a
    time-out is an outcome by the game's rules. The last observations are the finished match's own.

    info of a step, for each agent:
        result: int, WIN, TIE, LOSS or VOID of `games.game`; TIE while the match runs;
        ending: a name on the game's card or `games.game.VOID_ENDING`, None while the match runs;
        dense: float, the game's own shaping reward for the seat.
    """

    def __init__(self, game: Game, render_mode: str | None = None):
        """Raises Misuse unless the game is a batch of one match and the mode is known."""
        if game.matches != 1:
            raise Misuse(f"a ParallelEnv is one match, got a batch of {game.matches}")
        if render_mode not in (None, *RENDER_MODES):
            raise Misuse(f"no render mode '{render_mode}'; {hint(render_mode or '', RENDER_MODES)}")
        self.game, self.render_mode = game, render_mode
        self.metadata = {
            "name": game.card.id,
            "render_modes": list(RENDER_MODES),
            "is_parallelizable": True,
        }
        self.possible_agents: list[SeatName] = [seat.name for seat in game.card.seats]
        self.agents: list[SeatName] = []
        self.observation_spaces = {s.name: _box(np.inf, s.obs_dim) for s in game.card.seats}
        self.action_spaces = {s.name: _box(s.act_bound, s.act_dim) for s in game.card.seats}
        self._episodes: EpisodeSeeds | None = None
        self._painter: Painter | None = None

    def observation_space(self, agent: SeatName) -> gymnasium.spaces.Box:
        """What an agent sees: always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: SeatName) -> gymnasium.spaces.Box:
        """What an agent may do: always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, Infos]:
        """Start a match: the seed's first, or without a seed the next one of the last seed.

        An environment that never had a seed draws one from the system. `options` is part of
        PettingZoo's contract and has no meaning here: a game's options are fixed when it is made.
        """
        if seed is not None:
            self._episodes = EpisodeSeeds(_checked(seed), 1)
        elif self._episodes is None:
            self._episodes = EpisodeSeeds(secrets.randbits(63), 1)
        # A list of one: games may draw ahead, and what they draw must not move the next reset.
        episode = int(self._episodes.next(_ONLY)[0])
        obs = self.game.reset(EpisodeSeeds(0, 1, [[episode]]))
        self.agents = self.possible_agents.copy()
        return self._seen(obs), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[SeatName, Array]
    ) -> tuple[Seen, dict[SeatName, float], dict[SeatName, bool], dict[SeatName, bool], Infos]:
        """Both agents act at once.

        Raises:
            Misuse: no match is running, or the actions are not exactly those of both agents.
            BadAction: an action of another shape, or with NaN or infinity.
        """
        if not self.agents:
            raise Misuse("no match is running: call reset() before step()")
        agents, step = self.agents, self.game.step(self._joint(actions))
        ended = bool(step.outcome[0] != Outcome.RUNNING)
        results = [result_for(seat, step.outcome) for seat in range(len(agents))]
        rewards = [float(reward_of(result)[0]) for result in results]
        infos = [self._info(seat, int(results[seat][0]), step) for seat in range(len(agents))]
        if ended:
            self.agents = []
        return (
            self._seen(step.final_obs if ended else step.obs),  # step.obs is the next match's
            dict(zip(agents, rewards, strict=True)),
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, False),
            dict(zip(agents, infos, strict=True)),
        )

    def render(self) -> Picture | None:
        """The match as a picture (480, 640, 3) uint8; None without render_mode 'rgb_array'.

        A game begins the next match in the very step that ends one: after the end this shows how
        that one starts. `bench watch` films matches to their last step.

        Raises:
            InfrastructureError: MuJoCo's games, where no OpenGL works.
        """
        if self.render_mode is None:
            return None
        if self._painter is None:
            self._painter = self.game.painter(*PICTURE)
        return self._painter.picture()

    def close(self) -> None:
        """Give back what drawing holds."""
        if self._painter is not None:
            self._painter.close()
            self._painter = None

    def _joint(self, actions: dict[SeatName, Array]) -> tuple[Array, Array]:
        for agent in actions:
            if agent not in self.possible_agents:
                raise Misuse(f"no agent '{agent}'; {hint(agent, self.possible_agents)}")
        missing = [agent for agent in self.possible_agents if agent not in actions]
        if missing:
            raise Misuse(f"both agents act at once, no action came for {', '.join(missing)}")
        first, second = (
            np.asarray(actions[agent], dtype=np.float32)[None] for agent in self.possible_agents
        )
        return first, second

    def _info(self, seat: int, result: int, step: Step) -> dict[str, Any]:
        return {
            "result": result,
            "ending": self._ending(int(step.outcome[0]), int(step.ending[0])),
            "dense": float(step.dense[0, seat]),
        }

    def _ending(self, outcome: int, ending: int) -> str | None:
        if outcome == Outcome.RUNNING:
            return None
        return self.game.card.ending(outcome, ending)

    def _seen(self, obs: tuple[Array, Array]) -> Seen:
        return {agent: rows[0] for agent, rows in zip(self.possible_agents, obs, strict=True)}


def _checked(seed: Any) -> int:
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise Misuse(f"a seed is a whole number from 0 to 2^64 - 1, got {seed!r}")
    return int(seed)


def _box(bound: float, size: int) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-bound, bound, (size,), np.float32)

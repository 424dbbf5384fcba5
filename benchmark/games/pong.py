"""Two-player Pong after OpenAI's Roboschool, as identified from recordings of the real engine.

Bodies, constants and the order of a step were measured against the original (Bullet) game; the
golden test holds this port against an excerpt of that recording, one step ahead. One match is
one point. `pong_kernel.py` holds the compiled rules, `tests/games/pong_twin.py` the same in plain
NumPy, equal bit for bit.

A state row is (position, velocity) of: left bat x, left bat y, right bat x, right bat y, ball x,
ball y: bats in metres from their own centres, the ball in metres from the middle of the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import missing_packages
from benchmark.games.game import Array, Game, GameCard, SeatCard, Step, check_actions
from benchmark.games.pong_kernel import (
    ACT_DIM,
    ENDINGS,
    OBS_DIM,
    RALLY_LIMIT,
    RALLY_TIMEOUT,
    advance_all,
    observe,
    serve,
    step_matches,
)
from benchmark.seeding import STREAM_SERVE, EpisodeSeeds, Seeds, uniforms

if TYPE_CHECKING:
    from benchmark.games.render import Painter

Float = NDArray[np.float64]


class Advanced(NamedTuple):
    """One step ahead, before any re-serve: state (N, 12), the counters (N,) and the event (N,)."""

    state: Float
    timeout: NDArray[np.int64]
    timeout_dir: NDArray[np.int64]
    bounces: NDArray[np.int64]
    event: NDArray[np.int64]


def advance(
    state: Float,
    timeout: NDArray[Any],
    timeout_dir: NDArray[Any],
    bounces: NDArray[Any],
    left_action: Float,
    right_action: Float,
) -> Advanced:
    """The rules, one step ahead, as a pure function: to hold them against the real engine.

    Args:
        state: (N, 12) float64, see the module's docstring; a wall met on the last step is not
            yet reflected in the ball's velocity (as in the engine's own observations).
        timeout: (N,) steps left until the ball counts as slow.
        timeout_dir: (N,) +1 where the ball travels to the right player, -1 to the left.
        bounces: (N,) hits of the rally so far.
        left_action, right_action: (N, 2) each in its player's own frame, clipped to [-1, 1].

    Returns:
        The next of each and the event of the step: 0 none, 1 left scored, 2 right scored, 3 slow
        ball. After an event the counters are the next rally's and the ball is not yet re-served.

    Raises:
        ValueError: a shape differs from the above.
    """
    state = np.array(state, dtype=np.float64, order="C")
    rows = len(state)
    _expect("state", state, (rows, 12))
    clock, way, hits = (np.array(c, dtype=np.int64) for c in (timeout, timeout_dir, bounces))
    for name, counter in (("timeout", clock), ("timeout_dir", way), ("bounces", hits)):
        _expect(name, counter, (rows,))
    left = np.ascontiguousarray(left_action, dtype=np.float64)
    right = np.ascontiguousarray(right_action, dtype=np.float64)
    _expect("left_action", left, (rows, 2))
    _expect("right_action", right, (rows, 2))
    event = np.zeros(rows, dtype=np.int64)
    advance_all(state, clock, way, hits, left, right, event)
    return Advanced(state, clock, way, hits, event)


def _expect(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


RULES = (
    "One match is one point. The ball past a bat is a win for the other side, a serve that nobody "
    "touched included (counted apart as serve_miss). A ball that nobody has hit for 150 steps is "
    "slow: a loss for the player who hit it last (counted apart as slow_ball), a tie if nobody "
    "had; with slow_ball=tie every slow ball is a tie, as in the original. 6000 steps: a tie."
)


class PongOptions(BaseModel):
    """What `--set game.FIELD=VALUE` may change; part of the game's version in every record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slow_ball: Literal["loss", "tie"] = Field(
        default="loss", description="loss: for who hit it last; tie: the original rule"
    )


def make_card(options: PongOptions) -> GameCard:
    """The card of pong-v1 under these options."""
    seats = tuple(
        SeatCard(
            name=name, obs_dim=OBS_DIM, act_dim=ACT_DIM, act_bound=1.0,
            own_view=(0, 4), other_view=(4, 8), other_at_start=(0.0, 0.0, 0.0, 0.0),
            other_place=(4, 6),
        )
        for name in ("left", "right")
    )  # fmt: skip
    return GameCard(
        id="pong-v1",
        title="Pong",
        seats=(seats[0], seats[1]),
        adversary_seat="left",
        symmetric=True,
        rules=RULES,
        endings=ENDINGS,
        max_steps=RALLY_LIMIT,
        options=options.model_dump(),
        budgets={"smoke": 1_000_000, "lite": 2_000_000, "full": 8_000_000},
        training_speed=90_000,
        evaluation_s=0.8,
    )


def serve_draws(seeds: Seeds) -> Float:
    """The four uniforms (N, 4) that an episode's seed gives to its serve."""
    return uniforms(seeds, STREAM_SERVE, np.uint64(0), 4)


class Pong(Game):
    """A batch of points between two bats; seat 0 is the left player, seat 1 the right."""

    Options = PongOptions

    def __init__(self, matches: int, options: PongOptions | None = None):
        options = options or PongOptions()
        self.card = make_card(options)
        self.matches = matches
        self._slow_is_loss = options.slow_ball == "loss"
        self._state = np.zeros((matches, 12))
        self._timeout = np.full(matches, RALLY_TIMEOUT, dtype=np.int64)
        self._direction = np.ones(matches, dtype=np.int64)
        self._bounces = np.zeros(matches, dtype=np.int64)
        self.episode_step = np.zeros(matches, dtype=np.int64)
        self.episode_seed = np.zeros(matches, dtype=np.uint64)
        self._next_seed = np.zeros(matches, dtype=np.uint64)

    @classmethod
    def describe(cls, options: BaseModel | None = None) -> GameCard:
        return make_card(PongOptions() if options is None else PongOptions.model_validate(options))

    def reset(self, seeds: EpisodeSeeds) -> tuple[Array, Array]:
        everyone = np.arange(self.matches)
        self._seeds = seeds
        self.episode_seed = seeds.next(everyone)
        draws = serve_draws(self.episode_seed)
        self._next_seed = seeds.next(everyone)
        self._next_serve = serve_draws(self._next_seed)
        self.episode_step[:] = self._bounces[:] = 0
        self._timeout[:] = RALLY_TIMEOUT
        for i in range(self.matches):
            self._direction[i] = serve(self._state, i, draws)
        return self._observe_all()

    def step(self, actions: tuple[Array, Array]) -> Step:
        check_actions(self.card, self.matches, actions)
        rows = self.matches
        left, right, final_left, final_right = (
            np.empty((rows, OBS_DIM), dtype=np.float32) for _ in range(4)
        )
        outcome, ending = np.zeros(rows, dtype=np.int8), np.zeros(rows, dtype=np.int8)
        dense = np.zeros((rows, 2), dtype=np.float32)
        ended = step_matches(
            self._state, self._timeout, self._direction, self._bounces, self.episode_step,
            self.episode_seed, self._next_seed, self._next_serve, *actions, self._slow_is_loss,
            left, right, final_left, final_right, outcome, ending, dense,
        )  # fmt: skip
        finished = np.flatnonzero(outcome)
        if ended:
            self._next_seed[finished] = self._seeds.next(finished)
            self._next_serve[finished] = serve_draws(self._next_seed[finished])
        finals = (final_left[:ended], final_right[:ended])
        return Step((left, right), outcome, ending, dense, finished, finals)

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            "state": self._state.copy(),
            "timeout": self._timeout.copy(),
            "direction": self._direction.copy(),
            "bounces": self._bounces.copy(),
            "episode_step": self.episode_step.copy(),
            "episode_seed": self.episode_seed.copy(),
            "next_seed": self._next_seed.copy(),
        }

    def restore(self, state: dict[str, NDArray[Any]], seeds: EpisodeSeeds) -> tuple[Array, Array]:
        self._seeds = seeds
        self._state[:] = state["state"]
        self._timeout[:] = state["timeout"]
        self._direction[:] = state["direction"]
        self._bounces[:] = state["bounces"]
        self.episode_step[:] = state["episode_step"]
        self.episode_seed[:] = state["episode_seed"]
        self._next_seed[:] = state["next_seed"]
        self._next_serve = serve_draws(self._next_seed)
        return self._observe_all()

    def painter(self, width: int, height: int) -> Painter:
        try:
            from benchmark.games.pong_picture import PongPainter  # noqa: PLC0415 - needs an extra
        except ImportError as error:
            raise missing_packages("pillow", error) from error
        return PongPainter(self, width, height)

    def _observe_all(self) -> tuple[Array, Array]:
        left, right = (np.empty((self.matches, OBS_DIM), dtype=np.float32) for _ in range(2))
        for i in range(self.matches):
            observe(self._state, i, self._timeout[i], left, right, i)
        return left, right

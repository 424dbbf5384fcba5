"""A batch of MuJoCo matches between two bodies: stepping, restarts, what either body sees.

A game of this kind says how its scene is made, where bodies start, what a seat sees, who has
won, and what its shaping reward is; everything else is here. What is seen follows Bansal et al.
2018 (paper.md section 1): positions and velocities after a step's five substeps, everything
derived from them as MuJoCo's step leaves it. With Euler's method that is the state before the last
substep; RK4 leaves its own last stage, which is nearer to the state after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtri

from benchmark.cores import available_cores
from benchmark.games.game import Array, Game, GameCard, Outcome, Step, check_actions
from benchmark.games.render import DuelPainter
from benchmark.games.scene import FRAME_SKIP, Physics, Scene
from benchmark.seeding import STREAM_SERVE, EpisodeSeeds, uniforms

Float = NDArray[np.float64]
Rows = NDArray[np.intp]
MAX_STEPS = 500
POSITION_NOISE = 0.1
"""Half-width of the uniform noise on every start position; metres, radians, quaternion parts."""
VELOCITY_NOISE = 0.1
"""Standard deviation of the normal noise on every start velocity."""


class DuelOptions(BaseModel):
    """What `--set game.FIELD=VALUE` may change; part of the game's version in every record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    physics: Physics = Field(
        default="ranked",
        description="ranked: Euler and Newton; original: RK4 and PGS with 1000 iterations",
    )


ORIGINAL: dict[str, str | float | int | bool] = {"physics": "original"}
"""Where every adversary is played as well: some of what Euler's method lets them do, RK4 does not
(You Shall Not Pass, tuned baseline, 3 seeds: 85 % there, 75 % here)."""


def duel_card(options: DuelOptions, **facts: Any) -> GameCard:
    """A card with what all games of this kind share; facts: its other fields."""
    return GameCard(
        options=options.model_dump(),
        replay=ORIGINAL,
        max_steps=MAX_STEPS,
        budgets={"smoke": 250_000, "lite": 4_000_000, "full": 20_000_000},
        **facts,
    )


@cache
def mute_warnings() -> None:
    """Keep MuJoCo from printing its warnings and from writing MUJOCO_LOG.TXT where one stands.

    A match that warns is void, and that is counted. The handler runs on the batch's threads and
    must be a C function: `strlen` takes the text and does nothing with it.
    """
    library = next(Path(mujoco.__file__).parent.glob("libmujoco.*"), None)
    if library is None or os.name != "posix":
        return
    handler = ctypes.c_void_p.in_dll(ctypes.CDLL(str(library)), "mju_user_warning")
    handler.value = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value


class Verdict(NamedTuple):
    """How matches stand: outcome and ending, (N,) int8 each, as in `Step`."""

    outcome: NDArray[np.int8]
    ending: NDArray[np.int8]


class Duel(Game):
    """Two bodies in one MuJoCo world, many worlds at once on all cores the process may use."""

    Options: ClassVar[type[BaseModel]] = DuelOptions
    placements: ClassVar[int] = 0
    """How many uniforms `place` wants for an episode."""
    touch: ClassVar[str | None] = None
    """The sensor whose contacts `touched` remembers, see `scene.touch_sensor`."""
    before_step: Callable[[], None] | None = None
    """Puts forces on bodies: only while a house victim learns to run (victims/harness.py)."""

    def __init__(self, matches: int, options: Any = None):
        self.options = options or self.Options()
        self.card = self.describe(self.options)
        self.matches = matches
        mute_warnings()
        self.scene = self.compose(self.options)
        self.batch = Batch(self.scene.model, matches, nthread=available_cores())
        self.qpos: Float = self.batch.bind("qpos")
        self.qvel: Float = self.batch.bind("qvel")
        self._centre: Float = self.batch.bind("subtree_com")
        self._along = [self._centre[:, part.torso, 0] for part in self.scene.parts]
        self._ctrl: Float = self.batch.bind("ctrl")
        self._warned: NDArray[np.int32] = self.batch.warning[:, :, 1]
        if self.touch is not None:
            adr = int(self.scene.model.sensor(self.touch).adr[0])
            self._nearest = self.batch.bind("sensordata")[:, adr : adr + 2]
        self._everyone = np.arange(matches)
        self.touched = np.zeros(matches, dtype=bool)
        self.episode_step = np.zeros(matches, dtype=np.int64)
        self.episode_seed = np.zeros(matches, dtype=np.uint64)
        self.over = np.zeros(matches, dtype=bool)
        """Which matches end with this step; current when `reward` is called."""
        self.x: Float = np.zeros((matches, 2))
        """Both bodies' centres of mass along the axis of play, metres."""
        self.prepare()

    # What a game of this kind says ---------------------------------------------------------

    @classmethod
    @abstractmethod
    def compose(cls, options: Any) -> Scene:
        """The scene under these options."""

    def prepare(self) -> None:
        """Bind what the methods below read beyond what `Duel` binds; called once."""

    def place(self, rows: Rows, draws: Float) -> None:
        """Move the bodies of `rows` from their noisy start poses; draws: (K, placements)."""

    @abstractmethod
    def observe(self, seat: int, rows: Rows) -> Array:
        """What a seat sees in the matches `rows`: (K, obs_dim) float32, a new array."""

    @abstractmethod
    def judge(self) -> Verdict:
        """Who has won; called once a step, when `episode_step`, `touched` and `x` are current."""

    @abstractmethod
    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        """A seat's shaping reward (N,) of the step.

        action: (N, act_dim) clipped; moved: (N,) metres that its centre of mass moved along x.
        """

    # The contract of `Game` ------------------------------------------------------------------

    def reset(self, seeds: EpisodeSeeds) -> tuple[Array, Array]:
        self._seeds = seeds
        self._start(self._everyone)
        self._obs = (self.observe(0, self._everyone), self.observe(1, self._everyone))
        return self._obs

    def step(self, actions: tuple[Array, Array]) -> Step:
        check_actions(self.card, self.matches, actions)
        clipped = self._drive(actions)
        self._advance()
        self.episode_step += 1
        obs = (self.observe(0, self._everyone), self.observe(1, self._everyone))
        diverged = self._diverged(obs)
        before, self.x = self.x, self._centres()
        outcome, ending = self.judge()
        self.over = outcome != Outcome.RUNNING
        dense = np.empty((self.matches, 2), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # rows that diverged are void below
            for seat, action in enumerate(clipped):
                dense[:, seat] = self.reward(seat, action, self.x[:, seat] - before[:, seat])
        if diverged.any():
            outcome[diverged], ending[diverged] = Outcome.VOID, 0
            for numbers in (*obs, dense):
                numbers[diverged] = 0.0
        finished = np.flatnonzero(outcome)
        final = (obs[0][finished], obs[1][finished])
        if len(finished):
            self._start(finished)
            for seat, seen in enumerate(obs):
                seen[finished] = self.observe(seat, finished)
        self._obs = obs
        return Step(obs, outcome, ending, dense, finished, final)

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            "physics": self.batch.state.copy(),
            "x": self.x.copy(),
            "touched": self.touched.copy(),
            "episode_step": self.episode_step.copy(),
            "episode_seed": self.episode_seed.copy(),
            # Derived fields lag behind the state and cannot be computed from it again.
            "obs0": self._obs[0].copy(),
            "obs1": self._obs[1].copy(),
        }

    def restore(self, state: dict[str, NDArray[Any]], seeds: EpisodeSeeds) -> tuple[Array, Array]:
        self._seeds = seeds
        self.episode_seed[:] = state["episode_seed"]
        self.batch.reset()  # forgets the warnings of an earlier life
        self.place(self._everyone, self._draws(self._everyone)[2])
        self.batch.state[:] = state["physics"]
        self.x[:] = state["x"]
        self.touched[:] = state["touched"]
        self.episode_step[:] = state["episode_step"]
        self._obs = (state["obs0"].copy(), state["obs1"].copy())
        return self._obs

    def painter(self, width: int, height: int) -> DuelPainter:
        return DuelPainter(self, width, height)

    def height(self, seat: int) -> Float:
        """How high a seat's torso is: (N,) metres."""
        return self.qpos[:, self.scene.parts[seat].qpos.start + 2]

    def place_xy(self, seat: int, rows: Rows, x: Float, y: Float) -> None:
        """Put a seat's torso at (x, y), (K,) metres each."""
        first = self.scene.parts[seat].qpos.start
        self.qpos[rows, first], self.qpos[rows, first + 1] = x, y

    def places(self, obs: tuple[Array, Array]) -> Array:
        """See `Game.places`: a pose, as the other seat sees it, begins with the torso's place."""
        first = [seat.other_view[0] for seat in self.card.seats]
        seen = (obs[1][:, first[1] : first[1] + 3], obs[0][:, first[0] : first[0] + 3])
        return np.stack(seen, axis=1)

    # A step's parts --------------------------------------------------------------------------

    def _drive(self, actions: tuple[Array, Array]) -> list[Array]:
        """Clip both seats' actions to their boxes and hand them to the motors."""
        clipped = []
        for part, spec, action in zip(self.scene.parts, self.card.seats, actions, strict=True):
            bound = np.float32(spec.act_bound)
            clipped.append(np.minimum(np.maximum(action, -bound), bound))
            self._ctrl[:, part.ctrl] = clipped[-1]
        return clipped

    def _advance(self) -> None:
        if self.before_step is not None:
            self.before_step()
        # A simulation that MuJoCo gives up keeps its state and shows in `batch.status`.
        with contextlib.suppress(SimulationError):
            self.batch.step(nstep=FRAME_SKIP)
        if self.touch is not None:
            found, distance = self._nearest.T  # contacts within the margin are found as well
            self.touched |= (found > 0) & (distance < 0)

    def _diverged(self, obs: tuple[Array, Array]) -> NDArray[np.bool_]:
        """(N,) true where a simulation failed, warned, or shows a seat NaN or infinity."""
        with np.errstate(over="ignore", invalid="ignore"):
            failed = ~np.isfinite(obs[0].sum(axis=1) + obs[1].sum(axis=1))
        for alarms in (self._warned, self.batch.status[:, None]):
            if alarms.any():
                failed |= (alarms != 0).any(axis=1)
        return np.asarray(failed)

    def _centres(self) -> Float:
        """Both bodies' centres of mass along x: (N, 2) metres."""
        return np.stack(self._along, axis=1)

    def _start(self, rows: Rows) -> None:
        """Begin a new match in `rows`."""
        self.episode_seed[rows] = self._seeds.next(rows)
        self.episode_step[rows] = 0
        self.touched[rows] = False
        position, velocity, own = self._draws(rows)
        self.batch.reset(rows, stage=0)
        self.qpos[rows] += POSITION_NOISE * (2.0 * position - 1.0)
        self.qvel[rows] += VELOCITY_NOISE * ndtri(np.maximum(velocity, 2.0**-54))
        self.place(rows, own)
        self.batch.forward(rows)
        self.x[rows] = self._centres()[rows]

    def _draws(self, rows: Rows) -> list[Float]:
        """The uniforms that the episodes' seeds give to their starts.

        (K, nq) for positions, (K, nv) for velocities, (K, placements) for `place`.
        """
        sizes = self.scene.model.nq, self.scene.model.nv, self.placements
        draws = uniforms(self.episode_seed[rows], STREAM_SERVE, np.uint64(0), sum(sizes))
        return np.split(draws, np.cumsum(sizes[:-1]), axis=1)

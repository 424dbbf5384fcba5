"""What the tests of the MuJoCo games share: batches, and a slow plain MuJoCo beside one match."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from benchmark.games import sumo
from benchmark.games.duel import Duel
from benchmark.games.game import Outcome, Step
from benchmark.games.kick_and_defend import KickAndDefend
from benchmark.games.run_to_goal_ants import RunToGoalAnts
from benchmark.games.run_to_goal_humans import RunToGoalHumans
from benchmark.games.sumo_ants import SumoAnts
from benchmark.games.sumo_humans import SumoHumans
from benchmark.games.you_shall_not_pass import YouShallNotPass
from benchmark.seeding import EpisodeSeeds

GAMES: dict[str, type[Duel]] = {
    kind.describe().id: kind
    for kind in (
        YouShallNotPass, KickAndDefend, SumoHumans, SumoAnts, RunToGoalHumans, RunToGoalAnts,
    )
}  # fmt: skip
KINDS = {name: "ant" if "ants" in name else "humanoid" for name in GAMES}
HINGES = {
    "humanoid": (
        "abdomen_z", "abdomen_y", "abdomen_x", "right_hip_x", "right_hip_z", "right_hip_y",
        "right_knee", "left_hip_x", "left_hip_z", "left_hip_y", "left_knee", "right_shoulder1",
        "right_shoulder2", "right_elbow", "left_shoulder1", "left_shoulder2", "left_elbow",
    ),
    "ant": tuple(f"{joint}_{leg}" for leg in (1, 2, 3, 4) for joint in ("hip", "ankle")),
}  # fmt: skip
"""In the order of the joint positions."""
MOTORS = {
    "humanoid": ("abdomen_y", "abdomen_z", *HINGES["humanoid"][2:]),
    "ant": tuple(f"{joint}_{leg}" for leg in (4, 1, 2, 3) for joint in ("hip", "ankle")),
}
"""The joints in the order of the actions."""
BODIES = {
    "humanoid": (
        "torso", "lwaist", "pelvis", "right_thigh", "right_shin", "right_foot", "left_thigh",
        "left_shin", "left_foot", "right_upper_arm", "right_lower_arm", "left_upper_arm",
        "left_lower_arm",
    ),
    "ant": (
        "torso", "front_left_leg", "aux_1", "of ankle_1", "front_right_leg", "aux_2",
        "of ankle_2", "back_leg", "aux_3", "of ankle_3", "right_back_leg", "aux_4", "of ankle_4",
    ),
}  # fmt: skip
"""In the order of the senses; gymnasium gives the ant's feet no names, so their joint's does."""


def begin(kind: type[Duel], matches: int = 1, seed: int = 3, **options: Any) -> Any:
    """A batch under options, its first matches just begun."""
    game = kind(matches, kind.Options(**options))
    game.reset(EpisodeSeeds(seed, matches))
    return game


def idle(game: Duel) -> tuple[Any, Any]:
    """Both seats' actions that move nothing."""
    left, right = (np.zeros((game.matches, s.act_dim), np.float32) for s in game.card.seats)
    return left, right


def drawn(game: Duel, rng: np.random.Generator, reach: float = 1.0) -> tuple[Any, Any]:
    """Both seats' uniform actions, up to `reach` times their boxes."""
    left, right = (
        (reach * rng.uniform(-s.act_bound, s.act_bound, (game.matches, s.act_dim))).astype("f4")
        for s in game.card.seats
    )
    return left, right


def columns(step: Step) -> list[np.ndarray]:
    """The arrays of a step that have a row for every match."""
    return [*step.obs, step.outcome, step.ending, step.dense]


def ended(step: Step, game: Duel, row: int = 0) -> tuple[Outcome, str]:
    """How a match ended in this step."""
    assert row in step.finished
    return Outcome(step.outcome[row]), game.card.endings[step.ending[row]]


def verdict(game: Duel, row: int = 0) -> tuple[Outcome, str]:
    """How a match stands; no name of an ending while it goes on."""
    outcome, ending = game.judge()
    now = Outcome(outcome[row])
    return now, "" if now == Outcome.RUNNING else game.card.endings[ending[row]]


def root(game: Duel, seat: int) -> int:
    """Where a seat's torso's x stands in qpos; y, z and the quaternion follow."""
    return int(game.scene.model.joint(f"seat{seat}/root").qposadr[0])


def ball(game: Duel) -> tuple[int, int]:
    """Where the ball's place stands in qpos, and its speed in qvel."""
    joint = game.scene.model.joint("ball")
    return int(joint.qposadr[0]), int(joint.dofadr[0])


def still(game: Duel, pose: np.ndarray | None = None) -> None:
    """Every match without its noise: start poses (or `pose`), nothing moving."""
    game.qpos[:] = game.scene.model.qpos0 if pose is None else pose
    game.qvel[:] = 0.0


def settle(game: Duel) -> None:
    """Let what a game remembers of its matches follow states that were written by hand."""
    game.batch.forward()
    game.x[:] = game._centres()


def bend(game: Duel, seat: int, rows: Any = slice(None), degrees: float = 50.0) -> None:
    """Set an ant's ankles within their ranges, as one that stands has them."""
    for leg, way in zip("1234", (1, -1, -1, 1), strict=True):
        ankle = game.scene.model.joint(f"seat{seat}/ankle_{leg}")
        game.qpos[rows, ankle.qposadr[0]] = way * np.radians(degrees)


def lie(game: Duel, seat: int, z: float, rows: Any = slice(None)) -> None:
    """Lay a humanoid on its face, an ant on its back, its torso at a height."""
    first = root(game, seat)
    ant = KINDS[game.card.id] == "ant"
    turned, turn = np.empty(4), [0.0, 1.0, 0.0, 0.0] if ant else [0.5**0.5, 0.0, 0.5**0.5, 0.0]
    mujoco.mju_mulQuat(turned, game.scene.model.qpos0[first + 3 : first + 7], turn)
    game.qpos[rows, first + 2], game.qpos[rows, first + 3 : first + 7] = z, turned
    if ant:
        bend(game, seat, rows)


class Shadow:
    """A plain MjModel and MjData that follow one match of a batch from its state as it stands."""

    def __init__(self, game: Any, row: int = 0):
        self.game, self.row = game, row
        self.steps = int(game.episode_step[row])
        self.kind = KINDS[game.card.id]
        self.model = self._model()
        self.data = mujoco.MjData(self.model)
        mujoco.mj_setState(
            self.model, self.data, game.batch.state[row], mujoco.mjtState.mjSTATE_INTEGRATION
        )
        mujoco.mj_forward(self.model, self.data)

    def _model(self) -> Any:
        """The game's model; in a ring, one that was made with the match's own radius."""
        if not isinstance(self.game, sumo.Sumo):
            return self.game.scene.model
        widest, sumo.WIDEST = sumo.WIDEST, float(self.game.radius[self.row])
        try:
            return self.game.compose(self.game.options).model
        finally:
            sumo.WIDEST = widest

    def step(self, actions: tuple[Any, Any]) -> None:
        """The five substeps of one step; every motor is found by its joint's name."""
        for seat, action in enumerate(actions):
            bound = self.game.card.seats[seat].act_bound
            for name, push in zip(MOTORS[self.kind], action[self.row], strict=True):
                joint = self.model.joint(f"seat{seat}/{name}").id
                (motor,) = np.flatnonzero(self.model.actuator_trnid[:, 0] == joint)
                self.data.ctrl[motor] = np.clip(push, -np.float32(bound), np.float32(bound))
        for _ in range(5):
            mujoco.mj_step(self.model, self.data)
        self.steps += 1

    def bodies(self, seat: int) -> list[int]:
        """The ids of a seat's bodies in the order of the senses."""
        return [self._body(f"seat{seat}/", name) for name in BODIES[self.kind]]

    def _body(self, prefix: str, name: str) -> int:
        if name.startswith("of "):
            return int(self.model.joint(prefix + name.removeprefix("of ")).bodyid[0])
        return int(self.model.body(prefix + name).id)

    def place(self, seat: int) -> np.ndarray:
        """A torso's position (3,)."""
        first = int(self.model.joint(f"seat{seat}/root").qposadr[0])
        return self.data.qpos[first : first + 3].copy()

    def centre_x(self, seat: int) -> float:
        """The x of a body's centre of mass, from all its parts."""
        bodies = self.bodies(seat)
        mass = self.model.body_mass[bodies]
        return float((mass * self.data.xipos[bodies, 0]).sum() / mass.sum())

    def touching(self, first: set[int], second: set[int]) -> tuple[bool, bool]:
        """Are two sets of bodies in a contact at all, and in one that presses (dist < 0)?"""
        near = press = False
        for contact in self.data.contact:
            a, b = (int(self.model.geom_bodyid[g]) for g in contact.geom)
            if (a in first and b in second) or (a in second and b in first):
                near, press = True, press or contact.dist < 0
        return near, press

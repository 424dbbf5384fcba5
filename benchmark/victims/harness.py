"""Forces that hold a runner up and draw it on until it can run, and its pay for pace.

A humanoid that learns to run from scratch finds a slow fall first, and for millions of steps
nothing better (docs/victims.md). In a harness it seldom falls: what it does in its first matches
is on the way to the line, and the forces fade as it gets there without them (Yu, Turk, Liu,
"Learning Symmetric and Low-Energy Locomotion", 2018). Departs from it: the torso is also kept
upright and at its height, where theirs is kept from falling sideways and pushed; one learner's
success fades the forces, no search over curricula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from benchmark.games.duel import Duel

Float = NDArray[np.float64]

HEIGHT, PACE = 1.35, 1.5
"""Where the torso is held, m, and how fast it is drawn on, m/s."""
LEAST = 5e-4
"""The least step by which the forces fade, of their full strength."""
FASTEST = 2.5
"""m/s; more pace is not paid."""


class Curriculum(BaseModel):
    """How a runner's harness fades, and what it is paid until it can run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(gt=0, le=1, description="of a rollout's matches won, for it to fade")
    stride: float = Field(gt=0, lt=1, description="of what is left, by which it fades")
    pace: float = Field(gt=0, description="reward a step for 1 m/s towards the line, at first")
    standing: float = Field(ge=0, description="reward a step, at first")
    down: float = Field(gt=0, description="m; who is as low has fallen, while it learns to run")


class Harness:
    """On one seat's torso, in every match of a game; taken off at strength 0."""

    def __init__(self, game: Duel, seat: int):
        """game: of two humanoids; seat: who wears it."""
        part = game.scene.parts[seat]
        self.strength = 1.0
        self._pose, self._velocity = game.qpos[:, part.qpos], game.qvel[:, part.qvel]
        forces = game.batch.bind("xfrc_applied").reshape(game.matches, -1, 6)
        self._force: Float = forces[:, part.torso]
        self._heading, self._paces = heading_of(game, seat), list[Float]()
        game.before_step = self._pull

    def fade(self, stride: float) -> None:
        """By a share of what is left, until nothing is."""
        self.strength = max(0.0, min(self.strength - LEAST, self.strength * (1.0 - stride)))

    def paces(self, steps: int) -> Float:
        """How fast the wearer came on, m/s up to `FASTEST`, before each of the last steps: (T, N).

        Earlier ones are forgotten.
        """
        asked = np.stack(self._paces[-steps:])
        self._paces.clear()
        return np.minimum(self._heading * asked, FASTEST)

    def _pull(self) -> None:
        """Set the forces (N, 6) for the step to come: newtons and newton metres, world axes."""
        self._paces.append(self._velocity[:, 0].copy())
        if self.strength == 0.0:
            self._force[:] = 0.0
            return
        turn = rotations(self._pose[:, 3:7])
        spin = np.einsum("nij,nj->ni", turn, self._velocity[:, 3:6])
        ahead, up = turn[:, :, 0], turn[:, :, 2]
        x, y, z = self._velocity[:, :3].T
        fall = np.stack([up[:, 1], -up[:, 0], np.zeros(len(up))], axis=1)
        force, torque = self._force[:, :3], self._force[:, 3:]
        force[:, 0] = np.clip(100.0 * (self._heading * PACE - x), -100.0, 100.0)
        force[:, 1] = -50.0 * y
        force[:, 2] = np.clip(2000.0 * (HEIGHT - self._pose[:, 2]) - 100.0 * z, -100.0, 400.0)
        torque[:] = 300.0 * fall - 20.0 * spin
        torque[:, 2] -= 100.0 * self._heading * ahead[:, 1]
        self._force *= self.strength


def heading_of(game: Duel, seat: int) -> float:
    """Whether a seat starts with its face towards +x (1) or -x (-1)."""
    start = np.asarray([game.card.seats[1 - seat].other_at_start])
    return float(np.sign(rotations(start[:, 3:7])[0, 0, 0]))


def rotations(quaternions: Float) -> Float:
    """Quaternions (N, 4), of any length but 0, as matrices (N, 3, 3)."""
    w, x, y, z = quaternions.T / np.linalg.norm(quaternions, axis=1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.asarray(rows), 2, 0)

"""What the humanoid and the ant sense of themselves, and what their shaping rewards charge.

Layouts are those of Bansal et al. 2018 (paper.md section 1.2). Rewards: the same environments'
`reward_move`; actions are charged clipped to their box, where the original charged some of them
as they came.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.games.game import Array, SeatCard
from benchmark.games.scene import Kind, Scene, Start

Float = NDArray[np.float64]
Rows = slice | NDArray[np.intp]


class Layout(NamedTuple):
    """Sizes of a body's own senses, in their order; how far its actions reach."""

    senses: dict[str, int]
    act_dim: int
    act_bound: float
    pose: int

    @property
    def size(self) -> int:
        """Columns of its own senses."""
        return sum(self.senses.values())


HUMANOID = Layout(
    senses={
        "qpos": 24, "qvel": 23, "cinert": 130, "cvel": 78, "qfrc_actuator": 23, "cfrc_ext": 78,
    },
    act_dim=17, act_bound=0.4, pose=24,
)  # fmt: skip
ANT = Layout(senses={"qpos": 15, "qvel": 14, "cfrc_ext": 78}, act_dim=8, act_bound=1.0, pose=15)
LAYOUTS: dict[Kind, Layout] = {"humanoid": HUMANOID, "ant": ANT}
PER_BODY = ("cinert", "cvel", "cfrc_ext")


class Senses:
    """Reads both bodies' own senses out of a batch of worlds."""

    def __init__(self, batch: Any, scene: Scene, layout: Layout):
        self._fields: dict[str, Float] = {name: batch.bind(name) for name in layout.senses}
        self._parts = scene.parts

    def own(self, seat: int, rows: Rows) -> list[Float]:
        """A seat's senses in the layout's order: (K, width) each."""
        return [self._sense(name, seat, rows) for name in self._fields]

    def pose(self, seat: int, rows: Rows) -> Float:
        """A seat's joint positions: (K, pose); the first three are its torso's place."""
        return self._sense("qpos", seat, rows)

    def impact(self, seat: int) -> Float:
        """Squared external forces on a seat's bodies, summed: (N,)."""
        force = self._fields["cfrc_ext"][:, self._parts[seat].bodies].reshape(-1, 78)
        return _squares(force)

    def clipped_impact(self, seat: int) -> Float:
        """The same of forces clipped to [-1, 1], as they are seen."""
        force = self._sense("cfrc_ext", seat, slice(None))
        return _squares(force)

    def _sense(self, name: str, seat: int, rows: Rows) -> Float:
        part, field = self._parts[seat], self._fields[name]
        if name == "qpos":
            return field[rows, part.qpos]
        if name not in PER_BODY:
            return field[rows, part.qvel]
        of_bodies = field[rows, part.bodies]
        flat = of_bodies.reshape(len(of_bodies), -1)
        return np.clip(flat, -1.0, 1.0) if name == "cfrc_ext" else flat


def humanoid_upkeep(senses: Senses, seat: int, action: Array, upright: NDArray[np.bool_]) -> Float:
    """What every humanoid earns for standing, less its effort and the blows it takes: (N,)."""
    blows = np.minimum(0.5e-6 * senses.impact(seat), 10.0)
    return np.where(upright, 5.0, -5.0) - effort(action, 0.1) - blows


def joined(blocks: list[Float]) -> Array:
    """Blocks (K, w) side by side as float32."""
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="same_kind")


def effort(action: Array, weight: float) -> Float:
    """What an action costs: weight times its squares, (N,)."""
    return weight * _squares(action)


def _squares(rows: NDArray[Any]) -> Float:
    return np.asarray(np.einsum("ij,ij->i", rows, rows), dtype=np.float64)


def seat_card(
    kind: Kind, name: str, obs_dim: int, own: tuple[int, int], other_start: list[float],
    other_first: int,
) -> SeatCard:  # fmt: skip
    """The card of a seat that senses its own body in columns `own` and the other's pose later."""
    layout = LAYOUTS[kind]
    return SeatCard(
        name=name,
        obs_dim=obs_dim,
        act_dim=layout.act_dim,
        act_bound=layout.act_bound,
        own_view=own,
        other_view=(other_first, other_first + layout.pose),
        other_at_start=tuple(other_start),
    )


def start_pose(kind: Kind, start: Start) -> list[float]:
    """A body's joint positions before the noise: place, turn as a quaternion, hinges at 0."""
    half = math.radians(start.turn) / 2.0
    place = [start.x, 0.0, start.z, math.cos(half), 0.0, 0.0, math.sin(half)]
    return place + [0.0] * (LAYOUTS[kind].pose - len(place))

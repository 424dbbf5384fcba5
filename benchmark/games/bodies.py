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
from benchmark.games.scene import Kind, Part, Scene, Start
from benchmark.seeding import jit

Float = NDArray[np.float64]
Rows = NDArray[np.intp]


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
PER_BODY = {"cinert": 10, "cvel": 6, "cfrc_ext": 6}
"""Numbers that these fields have for every body; the others have one for every joint."""
FORCE_LIMIT = 1.0
"""Forces are seen clipped to [-1, 1]."""


class Price(NamedTuple):
    """Terms of the shaping rewards that all games share."""

    bonus: float
    """For every step upright; as much is taken for every other step."""
    effort: float
    """Times the squares of the action."""
    blow: float
    """Times the squares of the external forces on all bodies, each clipped at `limit`."""
    most: float
    """What blows may cost at most in a step."""
    limit: float


HUMANOID_PRICE = Price(bonus=5.0, effort=0.1, blow=0.5e-6, most=10.0, limit=np.inf)
ANT_PRICE = Price(bonus=1.0, effort=0.5, blow=0.5e-3, most=np.inf, limit=FORCE_LIMIT)
"""Of racing ants; fighting ones are charged like humanoids, in the original too."""


class Senses:
    """Reads both bodies' own senses out of a batch of worlds."""

    def __init__(self, batch: Any, scene: Scene, layout: Layout):
        matches = batch.nsim
        self._fields: dict[str, Float] = {
            name: batch.bind(name).reshape(matches, -1) for name in layout.senses
        }
        self._columns = [
            [part.qpos.start if name == "qpos" else _first(name, part) for name in layout.senses]
            for part in scene.parts
        ]
        self._layout, self._parts = layout, scene.parts

    def observe(self, seat: int, rows: Rows, extra: int, skip: int = 0) -> tuple[Array, int]:
        """A seat's senses in the layout's order, with room for more.

        Returns a new array (K, size - skip + extra) float32 and the column where the room
        begins; skip: how many of the first senses are left out.
        """
        seen = np.empty((len(rows), self._layout.size - skip + extra), dtype=np.float32)
        column = 0
        for (name, width), first in zip(
            self._layout.senses.items(), self._columns[seat], strict=True
        ):
            limit = FORCE_LIMIT if name == "cfrc_ext" else np.inf
            _gather(seen, column, self._fields[name], first + skip, width - skip, rows, limit)
            column, skip = column + width - skip, 0
        return seen, column

    def write_pose(self, seen: Array, column: int, seat: int, rows: Rows) -> None:
        """Write a seat's joint positions into the columns from `column` on."""
        first = self._parts[seat].qpos.start
        _gather(seen, column, self._fields["qpos"], first, self._layout.pose, rows, np.inf)

    def pose(self, seat: int) -> Float:
        """A seat's joint positions: (N, pose), a view; the first three are its torso's place."""
        return self._fields["qpos"][:, self._parts[seat].qpos]

    def upkeep(self, seat: int, action: Array, upright: NDArray[np.bool_], price: Price) -> Float:
        """What a seat earns for staying up, less its effort and the blows it takes: (N,)."""
        force, first = self._fields["cfrc_ext"], _first("cfrc_ext", self._parts[seat])
        width = self._layout.senses["cfrc_ext"]
        return np.asarray(_upkeep(force, first, width, action, upright, *price))


def _first(name: str, part: Part) -> int:
    """The column where a seat's share of a field begins."""
    start: int = part.qvel.start
    return part.bodies.start * PER_BODY[name] if name in PER_BODY else start


@jit
def _gather(
    seen: Any, column: int, field: Any, first: int, width: int, rows: Any, limit: float
) -> None:
    """Copy columns of a field, clipped: no array in between, as slices and np.clip would make."""
    clipped = limit < np.inf
    for i in range(len(rows)):
        source, target = field[rows[i], first : first + width], seen[i, column : column + width]
        if clipped:
            for j in range(width):
                target[j] = min(max(source[j], -limit), limit)
        else:
            for j in range(width):
                target[j] = source[j]


@jit
def _upkeep(
    force: Any, first: int, width: int, action: Any, upright: Any,
    bonus: float, effort: float, blow: float, most: float, limit: float,
) -> Any:  # fmt: skip
    paid = np.empty(len(force))
    for i in range(len(force)):
        blows, moved = 0.0, 0.0
        for j in range(first, first + width):
            blows += min(max(force[i, j], -limit), limit) ** 2
        for a in action[i]:
            moved += float(a) ** 2
        paid[i] = (bonus if upright[i] else -bonus) - effort * moved - min(blow * blows, most)
    return paid


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
        other_place=(other_first, other_first + 1),
    )


def start_pose(kind: Kind, start: Start) -> list[float]:
    """A body's joint positions before the noise: place, turn as a quaternion, hinges at 0."""
    half = math.radians(start.turn) / 2.0
    place = [start.x, 0.0, start.z, math.cos(half), 0.0, 0.0, math.sin(half)]
    return place + [0.0] * (LAYOUTS[kind].pose - len(place))

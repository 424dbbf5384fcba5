"""Sumo (Bansal et al. 2018), for any body: stay up and inside the ring, and touch the other.

The games are `sumo_humans.py` and `sumo_ants.py`.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.errors import Misuse
from benchmark.games.bodies import HUMANOID_PRICE, LAYOUTS, Senses, seat_card, start_pose
from benchmark.games.duel import (
    MAX_STEPS,
    Duel,
    DuelOptions,
    Float,
    Rows,
    Verdict,
    duel_card,
)
from benchmark.games.game import Array, GameCard, Outcome
from benchmark.games.scene import (
    FLOOR_FRICTION,
    TORSO,
    Kind,
    Scene,
    Start,
    compose,
    seat_prefix,
    touch_sensor,
)

ENDINGS = ("fall", "out", "both_fall", "both_out", "fall_untouched", "out_untouched", "timeout")
FALL, OUT, BOTH_FALL, BOTH_OUT, FALL_UNTOUCHED, OUT_UNTOUCHED, TIMEOUT = range(len(ENDINGS))
RING_HEIGHT = 0.5
"""The ring's surface above the floor, metres."""
WIDEST = 4.5
"""The radius the ring's cylinder is made with, metres: no match has a wider one."""
TORSOS = (seat_prefix(0) + TORSO, seat_prefix(1) + TORSO)


class SumoOptions(DuelOptions):
    """Sumo's options."""

    auto_contact: bool = Field(
        default=False,
        description="count the bodies as having touched from the start (Gleave et al. 2020)",
    )


class Ring(NamedTuple):
    """What tells the sumo of humans from that of ants; metres."""

    kind: Kind
    radius: tuple[float, float]
    down_z: float
    standing_z: float
    """Above the ring: from here on a body is paid for standing."""
    starts: tuple[Start, Start]

    @property
    def gap(self) -> float:
        """How far from the edge bodies start."""
        return 0.3 + self.radius[0] / 2.0


def add_ring(world: Any) -> None:
    """A flat cylinder that the bodies stand on."""
    ring = world.add_geom(name="ring", type=mujoco.mjtGeom.mjGEOM_CYLINDER)
    ring.size = [WIDEST, RING_HEIGHT / 2.0, 0.0]
    ring.pos = [0.0, 0.0, RING_HEIGHT / 2.0]
    ring.friction = FLOOR_FRICTION
    ring.rgba = [0.55, 0.55, 0.68, 1.0]


def sumo_card(options: SumoOptions, ring: Ring, *, game: str, title: str, speed: int) -> GameCard:
    """The card of a Sumo game."""
    layout = LAYOUTS[ring.kind]
    own = layout.size
    # In the mean a match begins with either body half-way between the middle and its edge.
    x = (sum(ring.radius) / 2.0 - ring.gap + 0.3) / 2.0
    seats = [
        seat_card(
            ring.kind, name, own + layout.pose + 15, (0, own),
            start_pose(ring.kind, start._replace(x=side * x)), own,
        )
        for name, start, side in (("left", ring.starts[1], 1), ("right", ring.starts[0], -1))
    ]  # fmt: skip
    return duel_card(
        options,
        id=game,
        title=title,
        seats=(seats[0], seats[1]),
        adversary_seat="right",
        symmetric=True,
        rules=(
            f"Who falls (torso {ring.down_z:g} m above the ring or lower) or leaves the ring "
            f"(radius {ring.radius[0]:g} to {ring.radius[1]:g} m, drawn for each match) loses, if "
            "the two have touched by then. A tie: they had not (fall_untouched, out_untouched), "
            "both did in one step (both_fall, both_out), 500 steps (timeout)."
        ),
        endings=ENDINGS,
        training_speed=speed,
        evaluation_s=10.0,
    )


class Sumo(Duel):
    """A batch of bouts; the ring of each has a radius of its own."""

    Options = SumoOptions
    options: SumoOptions
    ring: ClassVar[Ring]
    placements = 5
    touch = touch_sensor(*TORSOS)

    @classmethod
    def compose(cls, options: SumoOptions) -> Scene:
        return compose(cls.ring.kind, cls.ring.starts, add_ring, options.physics, touches=(TORSOS,))

    def prepare(self) -> None:
        self.senses = Senses(self.batch, self.scene, LAYOUTS[self.ring.kind])
        self._turn = self.batch.bind("xmat")
        self._sizes = self.batch.expand("geom_size")[:, self.scene.model.geom("ring").id]
        self.radius = np.full(self.matches, WIDEST)

    def place(self, rows: NDArray[np.intp], draws: Float) -> None:
        low, high = self.ring.radius
        radius = low + (high - low) * draws[:, 0]
        self.radius[rows] = self._sizes[rows, 0] = radius
        for seat, side in enumerate((-1.0, 1.0)):
            x = 0.3 + (radius - self.ring.gap - 0.3) * draws[:, 1 + 2 * seat]
            reach = np.sqrt(radius**2 - x**2) - self.ring.gap
            self.place_xy(seat, rows, side * x, reach * (2.0 * draws[:, 2 + 2 * seat] - 1.0))

    def observe(self, seat: int, rows: Rows) -> Array:
        pose = LAYOUTS[self.ring.kind].pose
        seen, at = self.senses.observe(seat, rows, pose + 15)
        self.senses.write_pose(seen, at, 1 - seat, rows)
        mine, theirs = (self.senses.pose(s)[rows, :2] for s in (seat, 1 - seat))
        seen[:, at + pose : at + pose + 2] = theirs - mine
        seen[:, -13:-4] = self._turn[rows, self.scene.parts[seat].torso].reshape(-1, 9)
        seen[:, -4] = self.radius[rows]
        seen[:, -3], seen[:, -2] = self.inside(seat)[rows], self.inside(1 - seat)[rows]
        seen[:, -1] = MAX_STEPS - self.episode_step[rows]
        return seen

    def places(self, obs: tuple[Array, Array]) -> Array:
        """Raises Misuse: bodies are dropped into the ring, so where they begin is no standing."""
        raise Misuse(
            f"{self.card.id} begins in the air, so who goes down cannot be told by heights"
        )

    def inside(self, seat: int) -> Float:
        """How far a seat's torso is from the ring's edge: (N,) metres, negative outside."""
        place = self.senses.pose(seat)
        return self.radius - np.hypot(place[:, 0], place[:, 1])

    def judge(self) -> Verdict:
        if self.options.auto_contact:
            self.touched[:] = True
        fallen = [self.height(s) <= self.ring.down_z + RING_HEIGHT for s in (0, 1)]
        out = [self.inside(s) < 0.0 for s in (0, 1)]
        outcome = np.zeros(self.matches, dtype=np.int8)
        ending = np.full(self.matches, TIMEOUT, dtype=np.int8)
        outcome[self.episode_step >= MAX_STEPS] = Outcome.TIE
        for lost, how, both, untouched in (
            (out, OUT, BOTH_OUT, OUT_UNTOUCHED),
            (fallen, FALL, BOTH_FALL, FALL_UNTOUCHED),  # a fall counts before a step outside
        ):
            either = lost[0] | lost[1]
            winner = np.where(lost[0], Outcome.SEAT_1, Outcome.SEAT_0)
            outcome[either] = np.where(self.touched, winner, Outcome.TIE)[either]
            ending[either] = np.where(self.touched, how, untouched)[either]
            outcome[lost[0] & lost[1]], ending[lost[0] & lost[1]] = Outcome.TIE, both
        return Verdict(outcome, ending)

    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        # Ants are charged like humanoids, in the original too.
        upright = self.height(seat) - RING_HEIGHT >= self.ring.standing_z
        upkeep = self.senses.upkeep(seat, action, upright, HUMANOID_PRICE)
        from_middle = self.radius - self.inside(seat)
        return upkeep - from_middle

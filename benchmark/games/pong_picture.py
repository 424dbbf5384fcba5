"""Pictures of Pong: the table from above, in plain two-dimensional drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from benchmark.games.pong_kernel import (
    BAT_CENTRE,
    CORE_X,
    CORE_Y,
    DT,
    GOAL_X,
    SUBSTEPS,
    WALL_Y,
)
from benchmark.games.render import RGB, SEAT_COLOURS, Picture

if TYPE_CHECKING:
    from benchmark.games.pong import Pong

FINER = 3
"""Pixels drawn for one shown, along either side: smooth edges."""
FREE = 0.84
"""Share of the height for the table; the rest is for what is written above and below."""
MARGIN = 0.1
BALL, ROUNDING = 0.025, 0.003  # m
LEAST_BALL_PIXELS = 4.0
TRAIL = 10
"""How many places of the ball before the present one are shown."""
ROOM, TABLE, LINE, BALL_COLOUR = (24, 30, 38), (30, 74, 66), (214, 226, 222), (250, 220, 120)
DASHES, DASH, THIN = 12, 0.08, 0.012  # how many, metres each


class PongPainter:
    """Draws match 0 of a batch of Pong."""

    step_seconds = SUBSTEPS * DT

    def __init__(self, game: Pong, width: int, height: int):
        self._game = game
        self._size = (width, height)
        across, down = 2.0 * (GOAL_X + MARGIN), 2.0 * (WALL_Y + MARGIN)
        self._scale = FINER * min(width / across, FREE * height / down)
        self._trail: list[tuple[float, float]] = []
        self._last_step = -1
        self._table = self._empty_table()

    def picture(self) -> Picture:
        left_x, left_y, right_x, right_y, ball_x, ball_y = self._game.state()["state"][0, ::2]
        step = int(self._game.episode_step[0])
        if step < self._last_step:
            self._trail.clear()
        self._last_step = step
        image = self._table.copy()
        draw = ImageDraw.Draw(image)
        self._draw_trail(draw)
        for x, y, colour in (
            (left_x - BAT_CENTRE, left_y, SEAT_COLOURS[0]),
            (right_x + BAT_CENTRE, right_y, SEAT_COLOURS[1]),
        ):
            draw.rounded_rectangle(
                self._box(x, y, CORE_X + ROUNDING, CORE_Y + ROUNDING), 0.02 * self._scale, colour
            )
        draw.ellipse(self._ball(ball_x, ball_y), BALL_COLOUR)
        self._trail = [*self._trail[1 - TRAIL :], (ball_x, ball_y)]
        return np.array(image.resize(self._size, Image.Resampling.BOX))

    def close(self) -> None:
        self._trail.clear()

    def _empty_table(self) -> Image.Image:
        """Table, walls, goals in the colour of who defends them, net."""
        image = Image.new("RGB", (FINER * self._size[0], FINER * self._size[1]), ROOM)
        draw = ImageDraw.Draw(image)
        draw.rectangle(self._box(0.0, 0.0, GOAL_X, WALL_Y), TABLE)
        for side in (-1.0, 1.0):
            draw.rectangle(self._box(0.0, side * (WALL_Y + THIN), GOAL_X + 2 * THIN, THIN), LINE)
            colour = _mixed(SEAT_COLOURS[side > 0], TABLE, 0.6)
            draw.rectangle(self._box(side * (GOAL_X + THIN), 0.0, THIN, WALL_Y), colour)
        for y in np.linspace(DASH - WALL_Y, WALL_Y - DASH, DASHES):
            draw.rectangle(
                self._box(0.0, float(y), THIN / 2.0, DASH / 2.0), _mixed(LINE, TABLE, 0.5)
            )
        return image

    def _draw_trail(self, draw: ImageDraw.ImageDraw) -> None:
        for age, place in zip(range(len(self._trail), 0, -1), self._trail, strict=True):
            faded = _mixed(BALL_COLOUR, TABLE, 0.5 * (1.0 - age / (TRAIL + 1)))
            draw.ellipse(self._ball(*place), faded)

    def _ball(self, x: float, y: float) -> tuple[float, float, float, float]:
        radius = max(BALL, LEAST_BALL_PIXELS * FINER / 2.0 / self._scale)
        return self._box(x, y, radius, radius)

    def _box(
        self, x: float, y: float, half_x: float, half_y: float
    ) -> tuple[float, float, float, float]:
        """Corners in pixels of a box about (x, y); metres, y upwards from the middle."""
        middle_x, middle_y = (FINER * size / 2.0 for size in self._size)
        s = self._scale
        return (
            middle_x + s * (x - half_x), middle_y - s * (y + half_y),
            middle_x + s * (x + half_x), middle_y - s * (y - half_y),
        )  # fmt: skip


def _mixed(colour: RGB, ground: RGB, share: float) -> RGB:
    """A colour laid over another, `share` of it opaque."""
    pairs = zip(colour, ground, strict=True)
    red, green, blue = (round(share * over + (1.0 - share) * under) for over, under in pairs)
    return red, green, blue

"""What is written on the pictures of a film: players, match, step, and the outcome."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmark.errors import missing_packages
from benchmark.games.game import GameCard, Outcome
from benchmark.games.render import RGB, SEAT_COLOURS, Picture

try:
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:
    raise missing_packages("pillow", error) from error

WHITE, GREY, NEUTRAL = (245, 245, 245), (200, 205, 210), (110, 110, 110)
DIMMED = 0.38
"""What is left of a picture's brightness under what is written."""


class Ended(NamedTuple):
    """How a match ended."""

    episode_seed: int
    outcome: Outcome
    ending: str
    steps: int

    def winner(self, card: GameCard) -> str | None:
        """The seat that won, if one did."""
        won = {Outcome.SEAT_0: 0, Outcome.SEAT_1: 1}.get(self.outcome)
        return None if won is None else card.seats[won].name

    def result(self, card: GameCard) -> str:
        """win, loss, tie or void, from the adversary's side."""
        winner = self.winner(card)
        if winner is None:
            return self.outcome.name.lower()
        return "win" if winner == card.adversary_seat else "loss"

    def told(self, card: GameCard) -> str:
        """In words."""
        winner = self.winner(card)
        if winner is not None:
            return f"{winner} wins: {self.ending}"
        return f"a tie: {self.ending}" if self.outcome == Outcome.TIE else "void: it diverged"


class Caption:
    """Writes the players above, match and step below, and the outcome when there is one."""

    def __init__(self, card: GameCard, names: tuple[str, str], matches: int, size: tuple[int, int]):
        self._card, self._names, self._matches = card, names, matches
        self._size = width, height = size
        points = max(9, min(height // 26, width // 36))
        self._font = ImageFont.load_default(points)
        self._small = ImageFont.load_default(max(8, round(0.8 * points)))
        self._large = ImageFont.load_default(round(1.35 * points))
        self._pad = points // 2

    def on(self, picture: Picture, number: int, step: int, end: Ended | None) -> Image.Image:
        """A picture with all that is to be written on it; the picture itself is not changed."""
        width, height = self._size
        top, line = self._tall(self._font) + self._tall(self._small), self._tall(self._small)
        shaded = picture.copy()
        for rows in (slice(0, top + self._pad), slice(height - line - self._pad, None)):
            shaded[rows] = (DIMMED * shaded[rows]).astype(np.uint8)
        image = Image.fromarray(shaded)
        draw = ImageDraw.Draw(image)
        for seat, (edge, anchor) in enumerate(((self._pad, "la"), (width - self._pad, "ra"))):
            self._player(draw, seat, edge, anchor)
        low = height - line - self._pad // 2
        of_many = f", match {number + 1} of {self._matches}" if self._matches > 1 else ""
        draw.text((self._pad, low), self._card.title + of_many, GREY, self._small)
        clock = f"step {step} / {self._card.max_steps}"
        draw.text((width - self._pad, low), clock, WHITE, self._small, "ra")
        if end is not None:
            self._outcome(draw, end, top + 2 * self._pad)
        return image

    def _player(self, draw: ImageDraw.ImageDraw, seat: int, edge: int, anchor: str) -> None:
        spec = self._card.seats[seat]
        attacks = spec.name == self._card.adversary_seat
        name = self._fitting(self._names[seat], self._size[0] // 2 - 2 * self._pad)
        draw.text((edge, self._pad // 2), name, _light(seat), self._font, anchor)
        role = f"{spec.name}, adversary" if attacks else spec.name
        below = self._pad // 2 + self._tall(self._font)
        draw.text((edge, below), role, WHITE if attacks else GREY, self._small, anchor)

    def _outcome(self, draw: ImageDraw.ImageDraw, end: Ended, top: int) -> None:
        text, middle = end.told(self._card).replace("_", " "), self._size[0] // 2
        font = self._large
        if font.getlength(text) > self._size[0] - 4 * self._pad:
            font = self._small
        left, _, right, low = draw.textbbox((middle, top + self._pad), text, font, "ma")
        box = (left - 2 * self._pad, top, right + 2 * self._pad, low + self._pad)
        ground = {Outcome.SEAT_0: SEAT_COLOURS[0], Outcome.SEAT_1: SEAT_COLOURS[1]}
        draw.rounded_rectangle(box, self._pad, ground.get(end.outcome, NEUTRAL))
        draw.text((middle, top + self._pad), text, WHITE, font, "ma")

    def _tall(self, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
        return round(1.1 * (font.getbbox("Ag")[3]))

    def _fitting(self, text: str, width: int) -> str:
        """The text, or as much of its start as fits."""
        if self._font.getlength(text) <= width:
            return text
        while text and self._font.getlength(text + "...") > width:
            text = text[:-1]
        return text + "..."


def _light(seat: int) -> RGB:
    """A seat's colour, light enough to be read on a dark ground."""
    red, green, blue = (round(0.55 * c + 0.45 * 255) for c in SEAT_COLOURS[seat])
    return red, green, blue

"""A film of matches: the very ones that an evaluation counts, with names, steps and outcomes."""

from __future__ import annotations

import math
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.mixture import Mixture, Players
from benchmark.errors import InfrastructureError, Misuse
from benchmark.evaluation.matches import EVALUATION_MATCHES
from benchmark.games.game import Game, GameCard, Outcome
from benchmark.games.render import RGB, SEAT_COLOURS, Painter, Picture
from benchmark.policies.policy import Array, Policy
from benchmark.seeding import EpisodeSeeds, derive

try:
    import imageio_ffmpeg  # type: ignore[import-untyped]
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:
    raise InfrastructureError(
        f"films need more packages ({error}): pip install 'competitive-rl-bench[watch]'"
    ) from error

FRAME_S = {".mp4": 0.03, ".gif": 0.06}
"""About how long a frame stands unless told otherwise, by suffix: a whole number of steps."""
SIDES = (64, 4096)
FPS = (1.0, 100.0)
SLOW = (0.05, 50.0)
HOLD_S = 1.5
"""How long the last picture of a match stands with its outcome."""
Tick = Callable[[int, str], None]
"""Told after every step how far the film is, of `Film.longest`, and where that is in words."""


class FilmSpec(NamedTuple):
    """What to write."""

    out: Path
    width: int = 640
    height: int = 480
    fps: float | None = None
    slow: float = 1.0
    """How much longer than in the game's own time everything takes."""


def check(spec: FilmSpec) -> None:
    """Raise Misuse for a film that cannot be written."""
    suffix = spec.out.suffix.lower()
    if suffix not in FRAME_S:
        raise Misuse(f"--out {spec.out}: the suffix says what to write, .mp4 or .gif")
    folder = spec.out.parent
    if not folder.is_dir():
        raise Misuse(f"--out {spec.out}: there is no folder {folder}")
    if spec.out.is_dir() or not os.access(folder, os.W_OK):
        raise Misuse(f"--out {spec.out}: cannot be written")
    for name, side in (("--width", spec.width), ("--height", spec.height)):
        if not SIDES[0] <= side <= SIDES[1]:
            raise Misuse(f"{name} is from {SIDES[0]} to {SIDES[1]}, got {side}")
        if side % 2 and suffix == ".mp4":
            raise Misuse(f"{name} of an .mp4 is even (its colours are halved), got {side}")
    limits = {"--fps": (spec.fps, FPS), "--slow": (spec.slow, SLOW)}
    for name, (value, (low, high)) in limits.items():
        if value is not None and not low <= value <= high:
            raise Misuse(f"{name} is from {low:g} to {high:g}, got {value:g}")


# --- The matches ------------------------------------------------------------------------------


class AsEvaluated(Policy):
    """Acts in a batch as large as an evaluation's, in the row that it would have there.

    The last bit of a product of matrices depends on how many rows there are, and whether a body
    falls depends, hundreds of steps later, on that bit.
    """

    def __init__(self, policy: Policy, row: int):
        self.card = policy.card
        self._policy, self._row = policy, slice(row, row + 1)

    @property
    def needs_draws(self) -> bool:
        return self._policy.needs_draws

    def initial_state(self, matches: int) -> Array | None:
        return self._policy.initial_state(matches)

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        rows = EVALUATION_MATCHES
        actions, memory = self._policy.act(
            np.repeat(obs, rows, axis=0),
            None if state is None else np.repeat(state, rows, axis=0),
            None if draws is None else np.repeat(draws, rows, axis=0),
        )
        return actions[self._row], None if memory is None else memory[self._row]


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


class Match:
    """One match of a list, step by step."""

    def __init__(self, game: Game, seats: tuple[Policy, Policy], seeds: Sequence[int], number: int):
        self._game = game
        self.seed = seeds[number]
        self._seeds = EpisodeSeeds(derive("past the list"), 1, [[self.seed]])
        row = number % EVALUATION_MATCHES
        self._players = [
            Players(Mixture.of(AsEvaluated(policy, row)), game, seat.name)
            for policy, seat in zip(seats, game.card.seats, strict=True)
        ]
        self._obs = game.reset(self._seeds)
        for player in self._players:
            player.start(np.arange(1))

    def step(self) -> Ended | None:
        """Advance; at the match's end, say how, and put the game back to just before it.

        A game restarts a finished match at once, so its last state cannot be seen.
        """
        before, steps = self._game.state(), int(self._game.episode_step[0]) + 1
        left, right = self._players
        step = self._game.step((left.act(self._obs[0]), right.act(self._obs[1])))
        self._obs = step.obs
        if not len(step.finished):
            return None
        self._game.restore(before, self._seeds)
        ending = self._game.card.endings[step.ending[0]]
        return Ended(self.seed, Outcome(step.outcome[0]), ending, steps)


# --- What is written on the pictures ----------------------------------------------------------

WHITE, GREY, NEUTRAL = (245, 245, 245), (200, 205, 210), (110, 110, 110)
DIMMED = 0.38
"""What is left of a picture's brightness under what is written."""


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
        text, middle = end.told(self._card), self._size[0] // 2
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


# --- The file ---------------------------------------------------------------------------------


class Mp4:
    """H.264 by the ffmpeg that imageio-ffmpeg brings; every player shows it."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float):
        command = [
            _ffmpeg(), "-loglevel", "error", "-y",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}",
            "-framerate", f"{fps:.6f}", "-i", "-",
            "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p",
            "-movflags", "+faststart", "-f", "mp4", str(path),
        ]  # fmt: skip
        # In a session of its own, Ctrl-C reaches only us, and we end it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._pipe: IO[bytes] = self._process.stdin  # type: ignore[assignment]

    def add(self, image: Image.Image) -> None:
        """Append a frame."""
        try:
            self._pipe.write(image.tobytes())
        except BrokenPipeError:
            self.finish()  # says why ffmpeg has ended
            raise

    def finish(self) -> None:
        """Make the file whole; OSError where ffmpeg fails."""
        _, told = self._process.communicate()
        if self._process.returncode:
            raise OSError(f"ffmpeg: {told.decode(errors='replace').strip() or 'failed'}")

    def drop(self) -> None:
        """End ffmpeg, whatever it has written."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()


def _ffmpeg() -> str:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:  # a package without a program, on a rare platform
        raise InfrastructureError(f"no ffmpeg: {' '.join(str(error).split())}") from error


class Gif:
    """An animation for a README; all frames share one palette, so that nothing flickers."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float):
        self._path, self._fps = path, fps
        self._frames: list[Image.Image] = []

    def add(self, image: Image.Image) -> None:
        """Append a frame; they are kept, one byte a pixel, until all are written."""
        if not self._frames:
            self._palette = _with_swatches(image).quantize(256, Image.Quantize.MEDIANCUT)
        self._frames.append(image.quantize(palette=self._palette, dither=Image.Dither.NONE))

    def finish(self) -> None:
        """Write the file."""
        first, *rest = self._frames
        # A GIF counts in hundredths of a second: round the times, not each duration.
        ends = [round(100.0 * i / self._fps) for i in range(len(self._frames) + 1)]
        durations = [10 * (b - a) for a, b in pairwise(ends)]
        first.save(
            self._path, format="GIF", save_all=True, append_images=rest, duration=durations,
            loop=0, optimize=False,
        )  # fmt: skip

    def drop(self) -> None:
        """Forget the frames."""
        self._frames.clear()


def _with_swatches(image: Image.Image) -> Image.Image:
    """A frame with patches of the colours that only later frames have: those of outcomes."""
    sample = image.copy()
    draw, side = ImageDraw.Draw(sample), max(8, image.height // 12)
    top = image.height // 2
    for i, colour in enumerate((*SEAT_COLOURS, NEUTRAL, WHITE)):
        draw.rectangle((i * side, top, (i + 1) * side, top + side), colour)
    return sample


REELS: dict[str, type[Mp4 | Gif]] = {".mp4": Mp4, ".gif": Gif}


@contextmanager
def _reel(spec: FilmSpec, fps: float) -> Iterator[Mp4 | Gif]:
    """Write to a temporary file, moved to its place when it is whole and removed when it is not."""
    part = spec.out.with_name(f".{spec.out.stem}.{secrets.token_hex(6)}.part")
    reel: Mp4 | Gif | None = None
    try:
        reel = REELS[spec.out.suffix.lower()](part, (spec.width, spec.height), fps)
        yield reel
        reel.finish()
        part.replace(spec.out)
    except OSError as error:
        raise InfrastructureError(f"{spec.out}: cannot be written ({error})") from error
    finally:
        if reel is not None:
            reel.drop()
        part.unlink(missing_ok=True)


# --- The film ---------------------------------------------------------------------------------


class Shown(NamedTuple):
    """What a film shows."""

    matches: list[Ended]
    frames: int
    fps: float
    bytes: int

    def as_json(self, card: GameCard) -> dict[str, Any]:
        """All of it, with the seats' names."""
        matches = [
            {
                "episode_seed": end.episode_seed,
                "outcome": end.result(card),
                "winner": end.winner(card),
                "ending": end.ending,
                "steps": end.steps,
            }
            for end in self.matches
        ]
        return {"frames": self.frames, "fps": self.fps, "bytes": self.bytes, "matches": matches}

    def told(self, out: Path, card: GameCard) -> list[str]:
        """All of it, in words."""
        ends = [
            f"match {i}: {e.told(card)} ({e.steps} steps)" for i, e in enumerate(self.matches, 1)
        ]
        size = f"{self.frames / self.fps:.1f} s, {self.bytes / 1000:.0f} kB"
        return [*ends, f"{out}: {_matches(len(ends))}, {size}"]


def _matches(count: int) -> str:
    return "1 match" if count == 1 else f"{count} matches"


class Film:
    """Two policies' matches on a list of seeds, to be filmed."""

    def __init__(
        self, game: Game, seats: tuple[Policy, Policy], seeds: Sequence[int], spec: FilmSpec
    ):
        """`game` is a batch of one match; seats as on its card.

        Raises:
            Misuse: the game draws no pictures.
            InfrastructureError: the machine cannot draw them.
        """
        self._game, self._seats, self._seeds, self._spec = game, seats, seeds, spec
        size = (spec.width, spec.height)
        names = (seats[0].card.name, seats[1].card.name)
        self._caption = Caption(game.card, names, len(seeds), size)
        self._painter: Painter = game.painter(*size)
        step_s = self._painter.step_seconds
        stride = max(1, round(FRAME_S[spec.out.suffix.lower()] / step_s))
        self.fps = spec.fps or min(FPS[1], 1.0 / (stride * step_s))
        self._painter.picture()  # the first one takes longer than all others
        self._frames_per_step = step_s * spec.slow * self.fps

    def close(self) -> None:
        """Give back what drawing needs."""
        self._painter.close()

    @property
    def longest(self) -> int:
        """Steps, if every match goes to its last one."""
        return len(self._seeds) * self._game.card.max_steps

    def plan(self) -> str:
        """What will be done, and about how long it takes at most."""
        start = time.perf_counter()
        self._caption.on(self._painter.picture(), 0, 0, None)
        frame_s = time.perf_counter() - start + ENCODE_S
        most_s = self.longest * (STEP_S + min(1.0, self._frames_per_step) * frame_s)
        card, spec, (one, other) = self._game.card, self._spec, (p.card.name for p in self._seats)
        return (
            f"{card.title}: {card.seats[0].name} {one}, {card.seats[1].name} {other}; "
            f"{_matches(len(self._seeds))} of at most {card.max_steps} steps, {spec.width}x"
            f"{spec.height} at {self.fps:.1f} frames/s; at most about {most_s:.0f} s"
        )

    def shoot(self, tick: Tick = lambda done, facts: None) -> Shown:
        """Play, draw, write.

        Raises:
            Misuse: a policy is not made for this game or seat.
            InfrastructureError: the file cannot be written.
        """
        ends, self._frames = [], 0
        with _reel(self._spec, self.fps) as reel:
            for number in range(len(self._seeds)):
                match = Match(self._game, self._seats, self._seeds, number)
                ends.append(self._shoot_match(match, number, reel, tick))
        size = self._spec.out.stat().st_size
        return Shown(ends, self._frames, self.fps, size)

    def _shoot_match(self, match: Match, number: int, reel: Mp4 | Gif, tick: Tick) -> Ended:
        step, end = 0, None
        while end is None:
            count = self._due(step + 1) - self._due(step)
            if count:
                self._add(reel, number, step, None, count)
            end = match.step()
            step += 1
            facts = f"match {number + 1}/{len(self._seeds)}, step {step}"
            tick(number * self._game.card.max_steps + step, facts)
        self._add(reel, number, step, end, max(1, round(HOLD_S * self.fps)))
        return end

    def _due(self, step: int) -> int:
        """Frames to show before a match's step `step`."""
        return math.ceil(round(step * self._frames_per_step, 6))

    def _add(self, reel: Mp4 | Gif, number: int, step: int, end: Ended | None, count: int) -> None:
        image = self._caption.on(self._painter.picture(), number, step, end)
        for _ in range(count):
            reel.add(image)
        self._frames += count


STEP_S, ENCODE_S = 0.002, 0.01
"""Rough times of a step and of encoding a frame, for `Film.plan`."""

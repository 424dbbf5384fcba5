"""A film of matches, or a picture of one: the very ones that an evaluation counts."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.mixture import Mixture, Players
from benchmark.errors import Misuse
from benchmark.evaluation.caption import Caption, Ended
from benchmark.evaluation.matches import EVALUATION_MATCHES
from benchmark.evaluation.reel import Reel, open_reel
from benchmark.games.game import Game, GameCard, Outcome
from benchmark.games.render import Painter
from benchmark.policies.policy import Array, Policy, Wrapped
from benchmark.seeding import EpisodeSeeds, derive

FRAME_S = {".mp4": 0.03, ".gif": 0.06}
"""About how long a frame stands unless told otherwise, by suffix: a whole number of steps."""
STILL = ".png"
"""The suffix of a single picture."""
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
    at: int | None = None
    """Of a picture: before which step of the match it is taken; None: at its end."""

    @property
    def still(self) -> bool:
        """Whether a single picture is asked for."""
        return self.out.suffix.lower() == STILL


def check(spec: FilmSpec) -> None:
    """Raise Misuse for a film that cannot be written."""
    suffix = spec.out.suffix.lower()
    if suffix not in (*FRAME_S, STILL):
        raise Misuse(f"--out {spec.out}: the suffix says what to write, .mp4, .gif or {STILL}")
    if spec.at is not None and (not spec.still or spec.at < 0):
        raise Misuse(f"--at is a step of a match, for a picture ({STILL}), got {spec.at}")
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


class AsEvaluated(Wrapped):
    """Acts in a batch as large as an evaluation's, in the row that it would have there.

    The last bit of a product of matrices depends on how many rows there are, and whether a body
    falls depends, hundreds of steps later, on that bit.
    """

    def __init__(self, policy: Policy, row: int):
        super().__init__(policy)
        self._row = slice(row, row + 1)

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
        ending = self._game.card.ending(step.outcome[0], step.ending[0])
        return Ended(self.seed, Outcome(step.outcome[0]), ending, steps)


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
        kb = f"{self.bytes / 1000:.0f} kB"
        if out.suffix.lower() == STILL:
            return [*ends, f"{out}: a picture, {kb}"]
        return [*ends, f"{out}: {_matches(len(ends))}, {self.frames / self.fps:.1f} s, {kb}"]


def _matches(count: int) -> str:
    return "1 match" if count == 1 else f"{count} matches"


class Film:
    """Two policies' matches on a list of seeds, to be filmed."""

    def __init__(
        self, game: Game, seats: tuple[Policy, Policy], seeds: Sequence[int], spec: FilmSpec
    ):
        """`game` is a batch of one match; seats as on its card.

        Raises:
            Misuse: the game draws no pictures, or a single one is asked of several matches.
            InfrastructureError: the machine cannot draw them.
        """
        if spec.still and len(seeds) > 1:
            raise Misuse(f"--episodes {len(seeds)}: a picture ({STILL}) is of one match")
        self._game, self._seats, self._seeds, self._spec = game, seats, seeds, spec
        size = (spec.width, spec.height)
        names = (seats[0].card.name, seats[1].card.name)
        self._caption = Caption(game.card, names, len(seeds), size)
        self._painter: Painter = game.painter(*size)
        step_s = self._painter.step_seconds
        stride = max(1, round(FRAME_S.get(spec.out.suffix.lower(), step_s) / step_s))
        self.fps = spec.fps or min(FPS[1], 1.0 / (stride * step_s))
        self._painter.picture()  # the first one takes longer than all others
        self._frames_per_step = 0.0 if spec.still else step_s * spec.slow * self.fps

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
        size = f"{spec.width}x{spec.height}"
        return (
            f"{card.title}: {card.seats[0].name} {one}, {card.seats[1].name} {other}; "
            f"{_matches(len(self._seeds))} of at most {card.max_steps} steps, "
            f"{size if spec.still else f'{size} at {self.fps:.1f} frames/s'}; "
            f"at most about {most_s:.0f} s"
        )

    def shoot(self, tick: Tick = lambda done, facts: None) -> Shown:
        """Play, draw, write.

        Raises:
            Misuse: a policy is not made for this game or seat, or a picture was asked for of a
                step that the match did not come to.
            InfrastructureError: the file cannot be written.
        """
        ends, self._frames = [], 0
        size = (self._spec.width, self._spec.height)
        with open_reel(self._spec.out, size, self.fps) as reel:
            for number in range(len(self._seeds)):
                match = Match(self._game, self._seats, self._seeds, number)
                ends.append(self._shoot_match(match, number, reel, tick))
        return Shown(ends, self._frames, self.fps, self._spec.out.stat().st_size)

    def _shoot_match(self, match: Match, number: int, reel: Reel, tick: Tick) -> Ended:
        step, end = 0, None
        while end is None:
            count = self._count(step)
            if count:
                self._add(reel, number, step, None, count)
            end = match.step()
            step += 1
            facts = f"match {number + 1}/{len(self._seeds)}, step {step}"
            tick(number * self._game.card.max_steps + step, facts)
        at = self._spec.at
        if at is None:
            self._add(reel, number, step, end, self._held())
        elif at >= step:
            raise Misuse(f"--at {at}: the match ended with its step {step}")
        return end

    def _count(self, step: int) -> int:
        """Frames of the state before a match's step `step`."""
        if self._spec.still:
            return int(step == self._spec.at)
        return self._due(step + 1) - self._due(step)

    def _held(self) -> int:
        """Frames of a match's last picture."""
        return 1 if self._spec.still else max(1, round(HOLD_S * self.fps))

    def _due(self, step: int) -> int:
        """Frames to show before a match's step `step`."""
        return math.ceil(round(step * self._frames_per_step, 6))

    def _add(self, reel: Reel, number: int, step: int, end: Ended | None, count: int) -> None:
        image = self._caption.on(self._painter.picture(), number, step, end)
        for _ in range(count):
            reel.add(image)
        self._frames += count


STEP_S, ENCODE_S = 0.002, 0.01
"""Rough times of a step and of encoding a frame, for `Film.plan`."""

"""Films: the matches that an evaluation counts, whole files or none, readable by anyone."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from benchmark import registry
from benchmark.errors import BenchError, InfrastructureError, Misuse
from benchmark.evaluation import caption, film, reel
from benchmark.evaluation.caption import Caption, Ended
from benchmark.evaluation.film import (
    AsEvaluated,
    Film,
    FilmSpec,
    Match,
    Shown,
    check,
)
from benchmark.evaluation.matches import EVALUATION_MATCHES, episode_list, play
from benchmark.games.game import Game, Outcome
from benchmark.games.pong import Pong
from benchmark.games.render import SEAT_COLOURS
from benchmark.games.you_shall_not_pass import YouShallNotPass
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import Policy, PolicyCard, RandomPolicy, ZeroPolicy, expected_shapes
from tests.factories import scribble

WIDTH, HEIGHT = 320, 240
STEP_S = 0.0165
Pair = tuple[Policy, Policy]


def floors() -> Pair:
    """Two policies that end a point of Pong within two seconds."""
    return RandomPolicy(2, 1.0), ZeroPolicy(2)


def shot(out: Path, matches: int = 1, **changes: Any) -> Shown:
    """Film Pong between the floors."""
    spec = FilmSpec(out, **({"width": WIDTH, "height": HEIGHT} | changes))
    check(spec)
    filming = Film(Pong(1), floors(), episode_list("pong-v1", matches, 0), spec)
    try:
        return filming.shoot()
    finally:
        filming.close()


def decoded(path: Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """All frames (H, W, 3) of an .mp4, and what it says of itself."""
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return [np.frombuffer(raw, np.uint8).reshape(height, width, 3) for raw in reader], about


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many pixels have about this colour."""
    return int((np.abs(pixels.astype(int) - np.array(colour)).max(axis=-1) < 24).sum())


def banner(frame: np.ndarray) -> np.ndarray:
    """Where the outcome is written: under the names, in the middle."""
    return frame[HEIGHT // 9 : HEIGHT // 4, WIDTH // 3 : -WIDTH // 3]


# --- files ----------------------------------------------------------------------------------


def test_mp4_shows_every_match_and_its_outcome(tmp_path: Path) -> None:
    """H.264 that any player shows, in the game's own time, with captions."""
    shown = shot(tmp_path / "match.mp4", matches=2)
    frames, about = decoded(tmp_path / "match.mp4")
    assert (about["codec"], about["size"]) == ("h264", (WIDTH, HEIGHT))
    assert "yuv420p" in about["pix_fmt"]
    assert about["fps"] == pytest.approx(1 / (2 * STEP_S), abs=0.01)
    assert len(frames) == shown.frames
    assert [path.name for path in tmp_path.iterdir()] == ["match.mp4"]
    assert shown.bytes == (tmp_path / "match.mp4").stat().st_size
    assert (frames[0] != frames[10]).any()
    held = round(film.HOLD_S * shown.fps)
    ends = np.cumsum([-(-end.steps // 2) + held for end in shown.matches])
    assert ends[-1] == shown.frames
    for end, match in zip(ends, shown.matches, strict=True):
        colour = SEAT_COLOURS[0 if match.outcome == Outcome.SEAT_0 else 1]
        assert near(banner(frames[end - 1]), colour) > 200
        assert near(banner(frames[end - held - 1]), colour) < 50
    for frame in (frames[0], frames[-1]):
        assert frame[: HEIGHT // 10].max() > 150  # the names, on a dark band
        assert np.median(frame[: HEIGHT // 10]) < 60


def test_gif_shows_the_same(tmp_path: Path) -> None:
    """In the game's own time, though a GIF counts in hundredths of a second."""
    shown = shot(tmp_path / "match.gif")
    with Image.open(tmp_path / "match.gif") as animation:
        assert animation.size == (WIDTH, HEIGHT)
        assert animation.info["loop"] == 0
        frames = [np.array(f.convert("RGB")) for f in ImageSequence.Iterator(animation)]
        times = [f.info["duration"] for f in ImageSequence.Iterator(animation)]
    assert 10 < len(frames) <= shown.frames  # equal frames in a row are one
    assert sum(times) / 1000 == pytest.approx(shown.frames / shown.fps, abs=0.011)
    steps = shown.matches[0].steps
    assert sum(times) / 1000 == pytest.approx(steps * STEP_S + film.HOLD_S, abs=0.2)
    assert (frames[0] != frames[5]).any()
    winner = 0 if shown.matches[0].outcome == Outcome.SEAT_0 else 1
    assert near(banner(frames[-1]), SEAT_COLOURS[winner]) > 200


def test_a_picture_is_a_frame_of_the_film(tmp_path: Path) -> None:
    """Before the step asked for, or at the end with the outcome; colours but for a palette's."""
    shot(tmp_path / "match.mp4", fps=1 / STEP_S)
    frames, _ = decoded(tmp_path / "match.mp4")
    for name, at, frame in (("some.png", 20, frames[20]), ("end.png", None, frames[-1])):
        shown = shot(tmp_path / name, at=at)
        with Image.open(tmp_path / name) as image:
            picture = np.array(image.convert("RGB"))
        assert shown.frames == 1
        assert shown.bytes == (tmp_path / name).stat().st_size < 100_000
        assert np.abs(picture.astype(int) - frame).mean() < 3
        other = frames[-1 if at is not None else 20]
        assert (
            np.abs(picture.astype(int) - other).mean() > np.abs(picture.astype(int) - frame).mean()
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["end.png", "match.mp4", "some.png"]


def test_of_a_step_that_never_came_there_is_no_picture(tmp_path: Path) -> None:
    """Nor a file."""
    with pytest.raises(Misuse, match="--at 4000: the match ended with its step"):
        shot(tmp_path / "match.png", at=4000)
    with pytest.raises(Misuse, match="of one match"):
        shot(tmp_path / "match.png", matches=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fps", "slow"), [(10.0, 1.0), (60.0, 1.0), (30.0, 3.0), (25.0, 0.5)])
def test_time_is_as_asked(tmp_path: Path, fps: float, slow: float) -> None:
    """Whatever the frames per second, a match lasts as long as it did, times `slow`."""
    shown = shot(tmp_path / "match.gif", width=64, height=64, fps=fps, slow=slow)
    held = round(film.HOLD_S * fps)
    assert shown.fps == fps
    assert (shown.frames - held) / fps == pytest.approx(
        shown.matches[0].steps * STEP_S * slow, abs=1.01 / fps
    )


class Stopped(Pong):
    """Pong whose painter meets something after five pictures."""

    met: BaseException = KeyboardInterrupt()

    def painter(self, width: int, height: int) -> Any:
        painter = super().painter(width, height)
        draw, count = painter.picture, iter(range(6))

        def picture() -> Any:
            if next(count) == 5:
                raise self.met
            return draw()

        painter.picture = picture  # type: ignore[method-assign]
        return painter


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_cut_short_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """And an older file as it was."""
    out = tmp_path / f"match{suffix}"
    out.write_bytes(b"older")
    spec = FilmSpec(out, WIDTH, HEIGHT)
    filming = Film(Stopped(1), floors(), episode_list("pong-v1", 1, 0), spec)
    with pytest.raises(KeyboardInterrupt):
        filming.shoot()
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"older"


def test_a_failing_encoder_is_the_machines_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told with what it says itself."""
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(reel, "_ffmpeg", lambda: str(program))
    folder = tmp_path / "films"
    folder.mkdir()
    with pytest.raises(InfrastructureError, match=r"match\.mp4: cannot be written .*no space"):
        shot(folder / "match.mp4")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("match.avi", {}, r"\.mp4, \.gif or \.png"),
        ("match", {}, r"\.mp4, \.gif or \.png"),
        ("none/match.mp4", {}, "there is no folder"),
        ("folder.mp4", {}, "cannot be written"),
        ("match.mp4", {"width": 0}, "--width is from 64"),
        ("match.gif", {"height": -480}, "--height is from 64"),
        ("match.mp4", {"width": 321}, "--width of an .mp4 is even"),
        ("match.mp4", {"fps": 0.0}, "--fps is from"),
        ("match.mp4", {"fps": float("nan")}, "--fps is from"),
        ("match.mp4", {"slow": -1.0}, "--slow is from"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, changes: dict[str, Any], told: str
) -> None:
    """Before anything is played."""
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(Misuse, match=told):
        check(FilmSpec(tmp_path / name, **changes))
    check(FilmSpec(tmp_path / "match.gif", width=321))


@pytest.mark.parametrize("package", ["imageio_ffmpeg", "PIL"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, package, None)
    for module in (film, reel, caption):
        monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(BenchError, match=r"pip install .*pillow"):
        __import__(film.__name__)


# --- matches --------------------------------------------------------------------------------


def ended(game: Game, pair: Pair, seeds: list[int], number: int = 0) -> Ended:
    """A match played to its end, without pictures."""
    match = Match(game, pair, seeds, number)
    end = None
    while end is None:
        end = match.step()
    return end


def recurrent() -> LSTMPolicy:
    """A small network with a memory and noise, for Pong."""
    card = PolicyCard(
        name="net", kind="lstm", game="any", seat="any", obs_dim=13, act_dim=2, hidden=(8, 6),
        stochastic=True, action_mode="sampled", origin="test",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    shapes = expected_shapes(card).items()
    return LSTMPolicy(card, {k: rng.normal(0, 0.5, s).astype(np.float32) for k, s in shapes})


def heavy() -> Policy:
    """A network for a body: many columns, so that rounding depends on the rows."""
    card = YouShallNotPass.describe().seats[0]
    return scribble(game="any", obs_dim=card.obs_dim, act_dim=card.act_dim, filter_clip=None)


@pytest.mark.parametrize(
    ("kind", "pair"),
    [
        (Pong, floors()),
        (Pong, (scribble(), recurrent())),
        (YouShallNotPass, (heavy(), RandomPolicy(17, 0.4))),
    ],
    ids=["floors", "memory", "bodies"],
)
def test_matches_are_those_that_an_evaluation_counts(kind: type[Game], pair: Pair) -> None:
    """Outcome and ending of the list's first two, played many times over beside each other."""
    game, seeds = kind(1), episode_list(kind.describe().id, 2, 0)
    ends = [ended(game, pair, seeds, number) for number in (0, 1)]
    told = Counter(f"{end.result(game.card)}:{end.ending}" for end in ends)
    times = EVALUATION_MATCHES // 2
    halves = play(kind(EVALUATION_MATCHES), pair, game.card.adversary_seat, seeds * times)
    assert halves.total.breakdown == {how: times * count for how, count in told.items()}


@pytest.mark.parametrize("policy", [heavy(), recurrent()], ids=["plain", "memory"])
@pytest.mark.parametrize("row", [0, 98, 99])
def test_actions_are_those_of_a_full_batch(policy: Policy, row: int) -> None:
    """To the last bit, in the row that the match has there, whoever is in the others."""
    rng = np.random.default_rng(2)
    rows = (EVALUATION_MATCHES, policy.card.obs_dim)
    obs = rng.normal(size=rows).astype(np.float32)
    draws = rng.uniform(size=(EVALUATION_MATCHES, policy.card.act_dim))
    alone, one = AsEvaluated(policy, row), slice(row, row + 1)
    many, state = policy.initial_state(EVALUATION_MATCHES), alone.initial_state(1)
    for _ in range(3):
        actions, many = policy.act(obs, many, draws)
        own, state = alone.act(obs[one], state, draws[one])
        assert np.array_equal(own, actions[one])


def test_a_match_stands_just_before_its_end() -> None:
    """So that its last picture is not of the next one."""
    game = Pong(1)
    seeds = episode_list("pong-v1", 1, 0)
    end = ended(game, floors(), seeds)
    assert game.episode_step[0] == end.steps - 1
    assert game.episode_seed[0] == seeds[0] == end.episode_seed
    assert abs(game.state()["state"][0, 8]) > 1.5  # the ball is on its way out


# --- what is written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "winner", "result", "words"),
    [
        (Outcome.SEAT_0, "blocker", "win", "blocker wins: timeout"),
        (Outcome.SEAT_1, "runner", "loss", "runner wins: timeout"),
        (Outcome.TIE, None, "tie", "a tie: timeout"),
        (Outcome.VOID, None, "void", "void: it diverged"),
    ],
)
def test_outcomes_in_words(outcome: Outcome, winner: str | None, result: str, words: str) -> None:
    """For people, and from the adversary's side for programs."""
    card = YouShallNotPass.describe()
    end = Ended(1, outcome, "timeout", 500)
    assert (end.winner(card), end.result(card), end.told(card)) == (winner, result, words)


@pytest.mark.parametrize("size", [(64, 64), (160, 120), (640, 480), (1280, 720)])
def test_captions_fit_any_size(size: tuple[int, int]) -> None:
    """With names longer than the picture is wide."""
    card = registry.game("pong-v1").describe()
    plain = np.full((size[1], size[0], 3), 120, np.uint8)
    names = ("a-policy-with-a-very-long-name" * 5, "short")
    end = Ended(1, Outcome.SEAT_1, "serve_miss", 12)
    caption = Caption(card, names, 3, size)
    written = np.array(caption.on(plain, 0, 12, end))
    assert written.shape == plain.shape
    assert (plain == 120).all()
    assert (written[: size[1] // 8] > 150).any()
    assert (written[-size[1] // 10 :] > 150).any()
    assert near(written, SEAT_COLOURS[1]) > 0

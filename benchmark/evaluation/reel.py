"""Frames into a file: .mp4 by ffmpeg, .gif and .png by Pillow, whole or not at all."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import IO

from benchmark.errors import InfrastructureError, missing_packages
from benchmark.evaluation.caption import NEUTRAL, WHITE
from benchmark.games.render import SEAT_COLOURS

try:
    import imageio_ffmpeg  # type: ignore[import-untyped]
    from PIL import Image, ImageDraw
except ImportError as error:
    raise missing_packages("imageio-ffmpeg pillow", error) from error


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


class Png:
    """A single picture, of few enough colours that a page may carry it."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float):
        self._path = path
        self._image: Image.Image | None = None

    def add(self, image: Image.Image) -> None:
        """Take the picture; there is one."""
        self._image = image

    def finish(self) -> None:
        """Write the file, if there is a picture."""
        if self._image is not None:
            picture = self._image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            picture.save(self._path, format="PNG", optimize=True)

    def drop(self) -> None:
        """Forget the picture."""
        self._image = None


Reel = Mp4 | Gif | Png
REELS: dict[str, type[Reel]] = {".mp4": Mp4, ".gif": Gif, ".png": Png}


@contextmanager
def open_reel(out: Path, size: tuple[int, int], fps: float) -> Iterator[Reel]:
    """Write to a temporary file, moved to its place when it is whole and removed when it is not.

    Raises:
        InfrastructureError: the file cannot be written.
    """
    part = out.with_name(f".{out.stem}.{secrets.token_hex(6)}.part")
    reel: Reel | None = None
    try:
        reel = REELS[out.suffix.lower()](part, size, fps)
        yield reel
        reel.finish()
        part.replace(out)
    except OSError as error:
        raise InfrastructureError(f"{out}: cannot be written ({error})") from error
    finally:
        if reel is not None:
            reel.drop()
        part.unlink(missing_ok=True)

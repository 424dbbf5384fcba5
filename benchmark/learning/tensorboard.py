"""TensorBoard logs of trainings: the points of a curve, with environment steps as the x axis."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark.errors import missing_packages
from benchmark.learning.progress import CurvePoint

FLUSH_S = 10
MAX_NAME = 100


def check_installed() -> None:
    """Raise InfrastructureError where TensorBoard is missing."""
    _summary_writer()


def part(name: str) -> str:
    """A name, which may be a stranger's, as one part of a path."""
    return re.sub(r"[^A-Za-z0-9._+=-]+|^\.+", "_", name)[:MAX_NAME]


def scalars(point: CurvePoint) -> dict[str, float]:
    """What a point says, by tag. Matches count from the learner's side, where any ended."""
    tally = point.tally
    rates = {"win_rate": tally.win_rate, "non_loss_rate": tally.non_loss_rate}
    matches = {"episodes": float(tally.episodes), **(rates if tally.episodes else {})}
    said = {
        **{f"matches/{name}": value for name, value in matches.items()},
        **{f"diagnostics/{name}": value for name, value in point.diagnostics.items()},
    }
    return {tag.encode("utf-8", "backslashreplace").decode(): said[tag] for tag in said}


class TensorBoardLog:
    """One training's log, in a folder of its own that is made with the first point.

    A resumed training is logged anew from its curve, in a file that voids those of earlier tries,
    so that TensorBoard shows every point once, also one that is running. A log that cannot be
    written ends with a warning; the training goes on.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writer: Any = None
        self._broken = False

    def restart(self, curve: Iterable[CurvePoint] = ()) -> None:
        """Begin anew, with the points so far."""
        self.close()
        for point in curve:
            self.add(point)

    @property
    def broken(self) -> bool:
        """Whether something could not be written."""
        return self._broken

    def add(self, point: CurvePoint) -> None:
        """Log a point."""
        if self._broken:
            return
        try:
            if self._writer is None:
                self._writer = self._opened()
            for tag, value in scalars(point).items():
                self._writer.add_scalar(tag, value, point.steps)
        except (OSError, ValueError) as error:  # ValueError: steps beyond 64 bits
            self._give_up(error)

    def close(self) -> None:
        """Write what is left; the next point begins anew."""
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        except OSError as error:
            self._give_up(error)

    def _opened(self) -> Any:
        # From step 0 on, what files of earlier names hold is void. They stay: a TensorBoard that
        # runs would never get past one that is gone.
        return _summary_writer()(log_dir=str(self.folder), purge_step=0, flush_secs=FLUSH_S)

    def _give_up(self, error: OSError | ValueError) -> None:
        self._broken, self._writer = True, None
        why = getattr(error, "strerror", None) or error
        warnings.warn(f"TensorBoard log {self.folder}: {why}; no more is logged", stacklevel=2)


def _summary_writer() -> Any:
    try:
        return importlib.import_module("torch.utils.tensorboard").SummaryWriter
    except ImportError as error:
        raise missing_packages("tensorboard", error) from error

"""Where a training's TensorBoard log lies: STORE/tensorboard/GAME/METHOD-VICTIM-seedN-KEY."""

from __future__ import annotations

from pathlib import Path

from benchmark.learning.tensorboard import TensorBoardLog, check_installed, part
from benchmark.runs.job import Job
from benchmark.runs.progress import Logs

FOLDER = "tensorboard"
KEY = 8
"""Characters of a job's key in its folder's name, which tell configurations apart."""


def beside(store: Path) -> Logs:
    """Logs in a store, beside its artifacts; raises InfrastructureError without TensorBoard."""
    check_installed()
    return lambda job: TensorBoardLog(store / FOLDER / folder_of(job))


def folder_of(job: Job) -> Path:
    """A training's folder within the logs."""
    assert job.method is not None
    name = f"{job.method.name}-{job.victim.name}-seed{job.seed}"
    return Path(part(job.game), f"{part(name)}-{job.key[:KEY]}")

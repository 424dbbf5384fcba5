"""What the commands share: options, the terminal, JSON."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmark.errors import Misuse
from benchmark.settings import parse

StoreOption = Annotated[
    Path, typer.Option("--store", envvar="BENCH_STORE", help="Folder of artifacts and records.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="PART.FIELD=VALUE; PART is game, attack or defense. Repeatable."),
]
PhysicsOption = Annotated[
    str | None,
    typer.Option(help="ranked or original, in MuJoCo games; short for --set game.physics=..."),
]
SeedsOption = Annotated[
    int | None, typer.Option("--seeds", help="How many training seeds; by tier 1, 3 or 5.")
]
FirstSeedOption = Annotated[
    int,
    typer.Option("--first-seed", help="The first of the seeds: those before it are not trained."),
]
TierOption = Annotated[str, typer.Option("--tier", help="smoke, lite or full.")]
BudgetOption = Annotated[
    int | None,
    typer.Option("--budget", help="Environment steps of each training (the tier's)."),
]
TrackOption = Annotated[
    str,
    typer.Option("--track", help="What attacks may see: black-box, or white-box (own ranks)."),
]
IsolationOption = Annotated[
    str,
    typer.Option(
        "--isolation",
        envvar="BENCH_ISOLATION",
        help="Where methods are trained: container, process, or auto (containers where an engine "
        "and this code's image are at hand).",
    ),
]
UnpinnedOption = Annotated[
    bool, typer.Option("--allow-unpinned", help="Run in an image that is not the pinned one.")
]
TensorBoardOption = Annotated[
    bool,
    typer.Option(
        "--tensorboard", help="Log every training for TensorBoard, under STORE/tensorboard."
    ),
]
DiagnoseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--diagnose",
        help="Look into besides: masked (the victim blind to whom it plays), split (how far the "
        "states it visits lie apart). Repeatable.",
    ),
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", help="Of torch and BLAS; MuJoCo takes all cores.")
]
WorkersOption = Annotated[
    str,
    typer.Option(
        "--workers",
        envvar="BENCH_WORKERS",
        help="How many jobs at once, each on cores of its own; auto: what is measured to be faster "
        "here, one with all cores or several with some each.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where updates are computed: cpu, cuda (a GPU), or auto (what is measured to be "
        "faster here).",
    ),
]
ExecutorOption = Annotated[
    str,
    typer.Option("--executor", help="Who does the jobs: local (this machine) or ray (a cluster)."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="HOST:PORT of a Ray cluster's head (RAY_ADDRESS, or the cluster that this machine is "
        "of).",
    ),
]
ArtifactsOption = Annotated[
    str,
    typer.Option(
        "--artifacts",
        help="How they get to Ray's nodes: shared (the store is one folder on all), ray (through "
        "Ray), auto (shared where it is).",
    ),
]
StoreUrlOption = Annotated[
    str,
    typer.Option("--store-url", help="Ray's nodes get and put artifacts here: any fsspec URL."),
]
NeedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--need",
        help="What Ray sets aside for each training: cpus=N, memory-mib=N, gpus=N. Repeatable.",
    ),
]
STORE = Path("store")
LOCAL = "local"

INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C."""

console = Console()


def command_line() -> str:
    """What was typed, for the record."""
    return shlex.join(["bench", *sys.argv[1:]])


@contextlib.contextmanager
def stoppable(
    folder: Path,
    left: str = "finished jobs and the last checkpoint, one every 10 s, are",
    again: str = "goes on from there",
) -> Iterator[None]:
    """Turn Ctrl-C during long work into one line that says how to go on, and its exit code.

    left: what of the work is in the folder, for people. again: what the same command then does.
    """
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print(
            f"stopped; {left} in {folder}: the same command {again}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def only_json(as_json: bool) -> Iterator[None]:
    """While methods run, what they print goes to standard error: the other is JSON's alone."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def print_json(value: Any) -> None:
    """JSON and nothing else on standard output."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def settings_of(given: list[str] | None, physics: str | None) -> dict[str, dict[str, Any]]:
    """What --set and --physics ask for, by part."""
    settings = parse(given or [])
    if physics is not None:
        game = settings.setdefault("game", {})
        if game.setdefault("physics", physics) != physics:
            raise Misuse(f"--physics {physics} and --set game.physics={game['physics']}: say one")
    return settings

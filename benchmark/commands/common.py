"""What the commands share: options, the terminal, JSON."""

from __future__ import annotations

import json
import sys
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
STORE = Path("store")

INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C."""

console = Console()


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

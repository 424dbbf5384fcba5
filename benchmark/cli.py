"""The `bench` command. Everything it does is a function elsewhere."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from benchmark.commands import lazy
from benchmark.errors import BenchError, InfrastructureError

VICTIMS = lazy.group(
    {
        "list": "listing:victims_list",
        "show": "listing:victims_show",
        "import": "listing:victims_import",
        "train": "house:victims_train",
    },
    "The policies under attack.",
)
IMAGE = lazy.group(
    {"build": "image:build", "show": "image:show"},
    "The image that runs in containers are made of.",
)
STORE = lazy.group(
    {"verify": "store:verify", "gc": "store:gc"},
    "What runs leave behind: is it whole, and what of it is needed?",
)
app = lazy.group(
    {
        "run": "run:run",
        "sweep": "sweep:sweep",
        "status": "status:status",
        "play": "play:play_command",
        "watch": "play:watch_command",
        "list": "listing:list_command",
        "leaderboard": "board:leaderboard",
        "findings": "findings:findings",
        "board": "programme:board",
        "export": "export:export",
        "schema": "schema:schema",
        "check": "check:check",
        "new": "submissions:new",
        "submit": "submissions:submit",
        "verify": "submissions:verify",
        "victims": VICTIMS,
        "image": IMAGE,
        "store": STORE,
    },
    "Attacks and defenses for two-player competitive deep RL, under one protocol.",
)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (BenchError, PermissionError) as error:
        told = (
            error
            if isinstance(error, BenchError)
            else InfrastructureError(
                f"{error.filename}: {error.strerror}; make it readable and writable"
            )
        )
        line = Text.assemble(("bench:", "red"), f" {told}")
        Console(stderr=True).print(line, soft_wrap=True)
        sys.exit(told.exit_code)


def main() -> None:
    """The console script."""
    warnings.formatwarning = lambda message, *_: f"bench: {message}\n"
    with _one_line_errors():
        app(standalone_mode=True)

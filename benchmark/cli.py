"""The `bench` command. Everything it does is a function elsewhere."""

from __future__ import annotations

import contextlib
import errno
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
        "leaderboard": "leaderboard:leaderboard",
        "findings": "findings:findings",
        "board": "board:board",
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
    except (BenchError, OSError) as error:
        told = error if isinstance(error, BenchError) else _of_the_disk(error)
        line = Text.assemble(("bench:", "red"), f" {told}")
        Console(stderr=True).print(line, soft_wrap=True)
        sys.exit(told.exit_code)


def _of_the_disk(error: OSError) -> InfrastructureError:
    """One line for what nobody nearer to it has put into words."""
    remedy = {
        errno.EACCES: "make it readable and writable",
        errno.EPERM: "make it readable and writable",
        errno.ENOSPC: "make room", errno.ENAMETOOLONG: "give a shorter path",
    }  # fmt: skip
    what = error.strerror or str(error) or type(error).__name__
    line = what if error.filename is None else f"{error.filename}: {what}"
    told = remedy.get(error.errno or 0)
    return InfrastructureError(line if told is None else f"{line}; {told}")


def main() -> None:
    """The console script."""
    warnings.formatwarning = lambda message, *_: f"bench: {message}\n"
    with _one_line_errors():
        app(standalone_mode=True)

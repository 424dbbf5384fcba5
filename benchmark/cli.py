"""The `bench` command. Everything it does is a function elsewhere."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.text import Text

from benchmark.commands import (
    board,
    check,
    export,
    image,
    listing,
    play,
    run,
    schema,
    submissions,
    sweep,
)
from benchmark.errors import BenchError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Attacks and defenses for two-player competitive deep RL, under one protocol.",
)  # fmt: skip
victims_app = typer.Typer(no_args_is_help=True, help="The policies under attack.")
app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.command("play")(play.play_command)
app.command("watch")(play.watch_command)
app.command("list")(listing.list_command)
app.command("leaderboard")(board.leaderboard)
app.command("export")(export.export)
app.command("schema")(schema.schema)
app.command("check")(check.check)
app.command("new")(submissions.new)
app.command("submit")(submissions.submit)
app.command("verify")(submissions.verify)
victims_app.command("list")(listing.victims_list)
victims_app.command("show")(listing.victims_show)
victims_app.command("import")(listing.victims_import)
victims_app.command("train")(listing.victims_train)
app.add_typer(victims_app, name="victims")
image_app = typer.Typer(no_args_is_help=True, help="The image that runs in containers are made of.")
image_app.command("build")(image.build)
image_app.command("show")(image.show)
app.add_typer(image_app, name="image")


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        line = Text.assemble(("bench:", "red"), f" {error}")
        Console(stderr=True).print(line, soft_wrap=True)
        sys.exit(error.exit_code)


def main() -> None:
    """The console script."""
    warnings.formatwarning = lambda message, *_: f"bench: {message}\n"
    with _one_line_errors():
        app(standalone_mode=True)

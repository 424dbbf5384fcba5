"""Groups of commands, each imported when it is asked for: a table need not wait for a learner."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

Commands = Mapping[str, "str | typer.Typer"]
"""By name: `module:function` in `benchmark.commands`, or another group."""


class Loading(Mapping[str, Any]):
    """What runs each command, by name; names alone import nothing."""

    def __init__(self, commands: Commands):
        self._commands = commands

    def __getitem__(self, name: str) -> Any:
        command = self._commands[name]
        app = command if isinstance(command, typer.Typer) else _alone(name, command)
        found = typer.main.get_command(app)
        found.name = name
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)


def group(commands: Commands, text: str) -> typer.Typer:
    """A group of commands, in their order; text: what its help begins with."""

    class Group(TyperGroup):
        """Looks its commands up where they are loaded."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands: Any = Loading(commands)

    app = typer.Typer(
        cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        help=text,
    )  # fmt: skip
    app.callback()(_nothing)
    return app


def _alone(name: str, command: str) -> typer.Typer:
    """An app of one command."""
    module, _, function = command.partition(":")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(getattr(importlib.import_module(f"{__package__}.{module}"), function))
    return app


def _nothing() -> None:
    """A group does nothing before its command does."""

"""`bench image`."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from benchmark.commands.common import JsonOption, console, print_json
from benchmark.errors import InfrastructureError
from benchmark.isolation import image
from benchmark.isolation.container import Task, run_container
from benchmark.isolation.engine import Engine, find
from benchmark.isolation.limits import Limits

NameOption = Annotated[str, typer.Option("--name", help="The image's name.")]
LISTING_S = 60


def build(
    name: NameOption = image.NAME,
    base: Annotated[
        str, typer.Option(help="The base; by tag, it is looked up at its registry.")
    ] = image.BASE,
    wheels: Annotated[
        str | None,
        typer.Option(help="An image that holds wheels in /wheels, used before any index."),
    ] = None,
    torch_index: Annotated[
        str | None, typer.Option(help="Index for torch alone; '' for pip's own (the CPU builds').")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Of the build; by default what the engine has.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Make every layer anew.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the image of both roles from this checkout, and pin it."""
    root = image.checkout()
    recipe = image.Recipe(
        name=name,
        base=base,
        wheels=wheels,
        torch_index=torch_index,
        network=network,
        fresh=no_cache,
    )
    engine = find()
    began = time.monotonic()
    found = image.build(engine, root, recipe, quiet=as_json)
    seconds = time.monotonic() - began
    if as_json:
        print_json({**found.model_dump(), "build_s": round(seconds, 1)})
        return
    console.print(_table(found))
    console.print(f"built in {seconds:.0f} s, pinned in {image.PIN}", markup=False)


def show(name: NameOption = image.NAME, as_json: JsonOption = False) -> None:
    """An image's digest, size, base and packages, and whether it is the pinned one."""
    engine = find()
    found = image.facts(engine, name)
    why = image.unpinned(found, image.checkout())
    packages = _packages(engine, found)
    if as_json:
        print_json({**found.model_dump(), "pinned": not why, "packages": packages})
        return
    table = _table(found)
    table.add_row("pinned", Text(f"no: {why}" if why else "yes"))
    listed = ", ".join(f"{package} {version}" for package, version in packages.items())
    table.add_row("packages", Text(listed))
    console.print(table)


def _packages(engine: Engine, found: image.Facts) -> dict[str, Any]:
    """Asked of the image itself, held like any container."""
    command = ("python", "-m", "benchmark.isolation.probe", "packages")
    task = Task(role="list", command=command, limits=Limits(wall_s=LISTING_S))
    lines: list[str] = []
    ended = run_container(engine, found.digest, task, told=lines.append)
    if ended.exit_code != 0 or not lines:
        raise InfrastructureError(f"{found.name} did not list its packages: {' '.join(ended.log)}")
    listed: dict[str, Any] = json.loads(lines[-1])
    return listed


def _table(found: image.Facts) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "image": found.name,
        "digest": found.digest,
        "size": f"{found.size_bytes / 1e9:.2f} GB",
        "created": found.created,
        "base": f"{found.base} ({found.base_digest or 'unknown'})",
        "source": found.source or "unknown",
    }
    for name, value in rows.items():
        table.add_row(name, Text(value, overflow="fold"))
    return table

"""`bench list` and `bench victims`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from benchmark import registry
from benchmark.commands.common import STORE, JsonOption, StoreOption, console, print_json
from benchmark.errors import BenchError, Misuse
from benchmark.games.game import GameCard
from benchmark.leaderboard.table import paper
from benchmark.policies import zoo
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.settings import hint


def list_command(
    what: Annotated[
        str, typer.Argument(help="games, victims, attacks, defenses or detectors.")
    ] = "",
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """What is there: games, victims, attacks, defenses and detectors."""
    listings: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "games": _games,
        "victims": lambda: _victims(Victims(Store(store).victims)),
        "attacks": lambda: _methods(registry.attacks),
        "defenses": lambda: _methods(registry.defenses),
        "detectors": lambda: _methods(registry.detectors),
    }
    if what and what not in listings:
        raise Misuse(f"nothing is listed as '{what}'; {hint(what, listings)}")
    found = {name: make() for name, make in listings.items() if what in ("", name)}
    if as_json:
        print_json(found[what] if what else found)
        return
    for name, rows in found.items():
        table = Table(title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for column in rows[0] if rows else ():
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(value)) for value in row.values()))
        paper(console).print(table, crop=False)
        console.print()


def _games() -> list[dict[str, Any]]:
    return [_game(name) for name in registry.games.names()]


def _game(name: str) -> dict[str, Any]:
    try:
        card: GameCard = registry.game(name).describe()
    except BenchError as error:  # one broken plug-in must not hide the others
        return {"name": name, "title": "-", "rules": str(error)}
    return {"name": card.id, "title": card.title, "rules": card.rules}


def _victims(victims: Victims) -> list[dict[str, Any]]:
    return [
        {"name": name, "game": c.game, "seat": c.seat, "ranked": c.ranked, "origin": c.origin}
        for name, c in victims.cards().items()
    ]


def _methods(group: registry.Registry) -> list[dict[str, Any]]:
    return [{"name": name, **_method(group, name)} for name in group.names()]


def _method(group: registry.Registry, name: str) -> dict[str, Any]:
    try:
        kind = group.load(name)
    except Misuse as error:  # one broken plug-in must not hide the others
        track = {"track": "-"} if group is registry.attacks else {}
        return {**track, "version": 0, "idea": str(error), "citation": "-"}
    return {
        **({"track": getattr(kind, "track", "-")} if group is registry.attacks else {}),
        "version": getattr(kind, "version", 0),
        "idea": next(iter((kind.__doc__ or "").strip().splitlines()), "-"),
        "citation": getattr(kind, "citation", "-"),
    }


def victims_list(store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Shipped and imported victims."""
    list_command("victims", store, as_json)


def victims_show(name: str, store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """A victim's card."""
    card = Victims(Store(store).victims).load(name).card.model_dump(mode="json")
    if as_json:
        print_json(card)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for field, value in card.items():
        shown = json.dumps(value) if isinstance(value, dict) else str(value)
        table.add_row(field, Text(shown))
    console.print(table)


def victims_import(
    path: Path,
    game: Annotated[
        str | None,
        typer.Option(help="Game of a single file in the zoo's form that is none of the zoo's."),
    ] = None,
    seat: Annotated[str | None, typer.Option(help="Its seat.")] = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Import published policies from a file or folder into the store."""
    policies = zoo.import_path(path, game, seat)  # all are read before any is filed
    home = Store(store)
    Victims(home.victims).check_free(policy.card.name for policy in policies)
    home.prepare()
    cards = [home.file_victim(policy) for policy in policies]
    if as_json:
        print_json([card.model_dump(mode="json") for card in cards])
        return
    for card in cards:
        line = f"imported {card.name} ({card.game}) into {home.victims}"
        console.print(line, markup=False, soft_wrap=True)

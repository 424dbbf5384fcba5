"""Plug-ins by name: games, victims and methods come from entry points, loaded lazily."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from benchmark.errors import BenchError, Misuse
from benchmark.games.game import Game
from benchmark.policies import artifact
from benchmark.policies.policy import NetworkPolicy, Policy, PolicyCard, RandomPolicy, ZeroPolicy
from benchmark.settings import hint


class Registry:
    """The entry points of one group. A plug-in that fails to load is named when it is asked for."""

    def __init__(self, group: str, kind: str):
        self.group, self.kind = group, kind

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._points())

    def load(self, name: str) -> Any:
        """The object that a name stands for.

        Raises:
            Misuse: unknown (with the nearest name and the list), or the plug-in cannot be loaded.
        """
        points = self._points()
        if name not in points:
            raise Misuse(f"no {self.kind} '{name}'; {hint(name, points)}")
        try:
            return points[name].load()
        except BenchError:
            raise
        except Exception as error:  # a stranger's plug-in may fail in any way
            raise Misuse(f"{self.kind} '{name}' ({points[name].value}) fails: {error}") from error

    def _points(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name in found and found[point.name].value != point.value:
                raise Misuse(
                    f"{self.kind} '{point.name}' is registered twice: {found[point.name].value} "
                    f"and {point.value}; uninstall or rename one"
                )
            found[point.name] = point
        return found


games = Registry("bench.games", "game")
attacks = Registry("bench.attacks", "attack")
defenses = Registry("bench.defenses", "defense")
detectors = Registry("bench.detectors", "detector")
_victim_sources = Registry("bench.victims", "source of victims")


def game(name: str) -> type[Game]:
    """A game's class by its id."""
    found: type[Game] = games.load(name)
    return found


class Victims:
    """Victims by name: shipped ones (entry points) and those imported into a store."""

    def __init__(self, imported: Path | None = None):
        self._imported = imported

    def folders(self) -> dict[str, Path]:
        """Name to artifact folder; an imported victim wins over a shipped one of its name."""
        found: dict[str, Path] = {}
        for source in _victim_sources.names():
            try:
                found |= _victim_sources.load(source)()
            except Exception as error:  # one broken plug-in must not hide the others
                warnings.warn(f"victims of '{source}' left out: {error}", stacklevel=2)
        if self._imported is not None and self._imported.is_dir():
            found |= {c.parent.name: c.parent for c in self._imported.glob("*/card.json")}
        return dict(sorted(found.items()))

    def cards(self, game_id: str | None = None) -> dict[str, PolicyCard]:
        """Cards of all victims, or of one game's; a damaged one is left out with a warning."""
        found = {}
        for name, folder in self.folders().items():
            try:
                card = artifact.load_card(folder)
            except artifact.BadArtifact as error:
                warnings.warn(f"victim '{name}' left out: {error}", stacklevel=2)
                continue
            if game_id in (None, card.game):
                found[name] = card
        return found

    def default(self, cards: Mapping[str, PolicyCard]) -> str:
        """Which of these a run attacks if it is not told: a shipped, ranked one if there is."""
        shipped = Victims().folders()
        return min(cards, key=lambda name: (not cards[name].ranked, name not in shipped, name))

    def check_free(self, names: Iterable[str]) -> None:
        """Raise Misuse where an import would take the name of a floor or of a shipped victim."""
        taken = {"random", "zero"} | set(Victims().folders())
        for name in names:
            if name in taken:
                raise Misuse(
                    f"'{name}' is the name of a floor or a shipped victim; rename the file"
                )

    def load(self, name: str) -> NetworkPolicy:
        """A victim by name; raises Misuse for an unknown one, BadArtifact for a damaged one."""
        folders = self.folders()
        if name not in folders:
            raise Misuse(
                f"no victim '{name}'; {hint(name, folders)}; "
                "`bench victims import PATH` adds published ones"
            )
        loaded = artifact.load(folders[name])
        if not isinstance(loaded, NetworkPolicy):
            raise artifact.BadArtifact(f"{folders[name]}: a victim must be a network")
        return loaded


def floors(game_class: type[Game], options: Any = None) -> Mapping[str, Policy]:
    """The scripted players of a game's adversary seat."""
    card = game_class.describe(options)
    seat = card.seats[card.seat_index(card.adversary_seat)]
    return {
        "random": RandomPolicy(seat.act_dim, seat.act_bound),
        "zero": ZeroPolicy(seat.act_dim),
    }

"""Plug-ins by name: games, victims and methods come from entry points, loaded lazily.

A method in a folder that is no installed package can be known to one process: `Registry.including`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from benchmark.errors import BenchError, Misuse
from benchmark.games.game import Game, GameCard
from benchmark.policies import artifact
from benchmark.policies.policy import NetworkPolicy, Policy, PolicyCard, RandomPolicy, ZeroPolicy
from benchmark.settings import hint, resolve


@dataclass(frozen=True)
class Local:
    """A plug-in in a folder, known to this process alone."""

    value: str
    """`module:Class`, as an entry point writes it."""
    folder: Path
    wheels: Path | None = None
    """Packages that it needs and that are not installed."""
    stand_in: Any = None
    """Is handed out instead of what `value` names, whose module is then not imported here."""

    def load(self) -> Any:
        """Import the folder's module; ImportError where one of another place has its name."""
        if self.stand_in is not None:
            return self.stand_in
        module, _, attribute = self.value.partition(":")
        for place in self._places():
            if place not in sys.path:
                sys.path.append(place)  # last, so that it hides nothing that is installed
        importlib.invalidate_caches()
        found = importlib.import_module(module)
        if not self._holds(found):
            raise ImportError(f"there is another module '{module}': {found}")
        return getattr(found, attribute)

    def _places(self) -> list[str]:
        return [str(self.folder)] + ([] if self.wheels is None else [str(self.wheels)])

    def forget(self) -> None:
        """Unload what was imported from the folder."""
        for place in self._places():
            with contextlib.suppress(ValueError):
                sys.path.remove(place)
        for name in [name for name, module in sys.modules.items() if self._holds(module)]:
            del sys.modules[name]

    def _holds(self, module: Any) -> bool:
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and Path(file).is_relative_to(self.folder)


OWN = ("attacks", "defenses", "benchmark")
"""Packages of this project."""


class Registry:
    """The entry points of one group. A plug-in that fails to load is named when it is asked for."""

    def __init__(self, group: str, kind: str):
        self.group, self.kind = group, kind
        self._local: dict[str, Local] = {}

    @contextlib.contextmanager
    def including(
        self, name: str, value: str, folder: Path, stand_in: Any = None,
        wheels: Path | None = None,
    ) -> Iterator[None]:  # fmt: skip
        """Know one more plug-in, `module:Class` of a folder, until the block ends.

        Nothing of it runs before it is loaded; with a stand-in, which also stands in for the same
        plug-in where it is installed, nothing at all.

        Raises:
            Misuse: the name is taken.
        """
        points = self._points()
        if name in points and (stand_in is None or points[name].value != value):
            raise Misuse(f"{self.kind} '{name}' is there already: {points[name].value}")
        self._local[name] = Local(value, folder.resolve(), wheels, stand_in)
        try:
            yield
        finally:
            self._local.pop(name).forget()

    def local(self, name: str) -> Local | None:
        """Where a plug-in lies that only this process knows; None for an installed one."""
        return self._local.get(name)

    def source(self, name: str) -> str | None:
        """The sha256 of the file of a stranger's class: its version is its author's word alone.

        None for this project's own, which a commit tells, and where there is no such file.
        """
        kind = self.load(name)
        if str(getattr(kind, "__module__", "")).partition(".")[0] in OWN:
            return None
        try:
            path = inspect.getsourcefile(kind)
            return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except (TypeError, OSError):
            return None

    def values(self) -> dict[str, str]:
        """The `module:Class` that each name stands for; nothing is loaded."""
        return {name: point.value for name, point in self._points().items()}

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

    def _points(self) -> Mapping[str, EntryPoint | Local]:
        found: dict[str, EntryPoint | Local] = dict(self._local)
        for point in _installed(self.group, tuple(sys.path)):
            if point.name in found and found[point.name].value != point.value:
                raise Misuse(
                    f"{self.kind} '{point.name}' is registered twice: {found[point.name].value} "
                    f"and {point.value}; uninstall or rename one"
                )
            found.setdefault(point.name, point)
        return found


@functools.cache
def _installed(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of a group, read anew where `sys.path` is another: 10 ms a time."""
    return tuple(entry_points(group=group))


games = Registry("bench.games", "game")
attacks = Registry("bench.attacks", "attack")
defenses = Registry("bench.defenses", "defense")
detectors = Registry("bench.detectors", "detector")
_victim_sources = Registry("bench.victims", "source of victims")


def game(name: str) -> type[Game]:
    """A game's class by its id."""
    found: type[Game] = games.load(name)
    return found


def game_card(name: str, options: Mapping[str, Any]) -> GameCard:
    """A game's card under some of its options; raises Misuse for what there is not."""
    kind = game(name)
    return kind.describe(resolve(kind.Options, {}, options, f"game '{name}'"))


FIRST_ATTACKED = frozenset({"house-tanh"})
"""Who is attacked where nobody is named: of the shipped ones those that fall within tier smoke."""


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

        def place(name: str) -> tuple[bool, bool, bool, str]:
            return not cards[name].ranked, name not in shipped, name not in FIRST_ATTACKED, name

        return min(cards, key=place)

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
                "`bench victims import PATH` adds published ones (where to get them: README.md)"
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

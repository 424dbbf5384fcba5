"""What a submission may be called."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Mapping

from benchmark import registry
from benchmark.errors import Misuse

FORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
EXPECTED = "lower-case letters, digits and single dashes, a letter first, such as 'calm-attack'"
MAX_LENGTH = 40
GROUPS = {
    "attack": registry.attacks,
    "defense": registry.defenses,
    "detector": registry.detectors,
}
"""Where methods of each kind are registered."""
FLOORS = ("random", "zero")


def module_of(name: str) -> str:
    """The Python module of a submission: its name with underscores."""
    return name.replace("-", "_")


def problem(name: str) -> str | None:
    """What is wrong with the form of a name, if anything."""
    if len(name) > MAX_LENGTH or not FORM.fullmatch(name):
        return f"{name!r} is no name: expected {EXPECTED}, at most {MAX_LENGTH} characters"
    if keyword.iskeyword(module_of(name)):
        return f"'{name}' is a word of Python; choose another name"
    return None


def taken() -> Mapping[str, str]:
    """Names that something has already, and what has them."""
    found = dict.fromkeys(registry.Victims().folders(), "a shipped victim")
    found |= dict.fromkeys(registry.games.names(), "a game")
    for kind, group in GROUPS.items():
        found |= {name: f"the {kind} {value}" for name, value in group.values().items()}
    return found | dict.fromkeys(FLOORS, "a floor")


def check_new(name: str) -> None:
    """Raise Misuse unless a new submission can have this name."""
    wrong = problem(name)
    if wrong is not None:
        raise Misuse(wrong)
    holder = taken().get(name)
    if holder is not None:
        raise Misuse(f"'{name}' is the name of {holder}; choose another")
    if importlib.util.find_spec(module_of(name)) is not None:
        raise Misuse(f"'{name}': Python has a module '{module_of(name)}'; choose another name")

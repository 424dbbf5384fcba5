"""What a board is to hold, and what of it is missing: rows of a TOML file against records.

A cell is there if a record of the same game, victim, methods, seed, tier and budget is, whoever
else was at hand when it was made.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from benchmark.errors import Misuse, first_problem
from benchmark.games.game import GameCard, Tier
from benchmark.records.cell import MOST, Cell, content_hash, method_key
from benchmark.records.record import Record
from benchmark.registry import Victims, defenses, game_card
from benchmark.runs.spec import (
    AttackPlan,
    MethodPlan,
    RunSpec,
    plan_attack,
    plan_defense,
    resolve_run,
)
from benchmark.settings import hint, parse

Key = tuple[str, str, str, str, str, int, str, int]
"""Game, its options, victim, attack, defense, seed, tier, budget: methods by all that they are."""


Named = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Row(BaseModel):
    """Every attack against every victim, with every defense where there are some."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    game: Named = Field(description="a name, then options: field=value")
    tier: Tier
    budget: Annotated[int, Field(ge=1, le=MOST, strict=True)] | None = Field(
        default=None,
        description="of each training, in steps, where it is not the tier's",
    )
    victims: list[Named] = Field(min_length=1)
    attacks: list[Named] = Field(min_length=1, description="a name, then settings: field=value")
    defenses: list[Named] = []
    seeds: int = Field(ge=1)

    @property
    def card(self) -> GameCard:
        """The game's, under the row's options; raises Misuse for what there is not."""
        return game_card(_name(self.game), parse(_words("game", self.game)).get("game", {}))

    @property
    def place(self) -> str:
        """For people: where its attacks are compared."""
        budget = "" if self.budget is None else f", {self.budget / 1e6:g} M steps"
        return f"{self.game}, tier {self.tier}{budget}"


class Programme(BaseModel):
    """A board to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    imports: dict[str, str] = Field(default={}, description="how a published victim is imported")
    rows: list[Row]


class Pairing(NamedTuple):
    """One attack against one victim, defended or not: as many cells as it has seeds."""

    row: Row
    victim: str
    attack: str
    defense: str | None

    @property
    def label(self) -> str:
        """For people."""
        against = "" if self.defense is None else f", defended by {self.defense}"
        return f"{self.attack} on {self.victim}{against}"


class Outlook(NamedTuple):
    """How far a pairing is."""

    pairing: Pairing
    missing: tuple[int, ...]
    """Seeds."""
    at_hand: bool
    """Whether its victim is."""


def read(path: Path) -> Programme:
    """A programme from its file.

    Raises:
        Misuse: no such file, or it is not what a programme looks like.
    """
    try:
        return Programme.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Misuse(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misuse(f"{path}: {error}") from error
    except ValidationError as error:
        raise Misuse(f"{path}: {first_problem(error)}") from error


def outlook(programme: Programme, records: Iterable[Record], victims: Victims) -> list[Outlook]:
    """Every pairing once, in the programme's order, with the seeds that no record has.

    Raises:
        Misuse: an unknown game, method or setting.
    """
    there = {key_of(record.cell) for record in records}
    told: set[Key] = set()
    found = []
    for pairing in pairings(programme):
        card = pairing.row.card
        keys = {seed: _wanted(pairing, card, seed) for seed in range(pairing.row.seeds)}
        missing = tuple(seed for seed, key in keys.items() if key not in there | told)
        told |= {keys[seed] for seed in missing}
        at_hand = pairing.victim in victims.cards(card.id)
        found.append(Outlook(pairing, missing, at_hand))
    return found


def pairings(programme: Programme) -> list[Pairing]:
    """All pairings of all rows."""
    undefended: list[str | None] = [None]
    return [
        Pairing(row, victim, attack, defense)
        for row in programme.rows
        for victim in row.victims
        for attack in row.attacks
        for defense in (row.defenses or undefended)
    ]


def specs(one: Outlook, victims: Victims) -> list[RunSpec]:
    """Runs that fill a pairing's missing cells: one for each stretch of seeds."""
    row = one.pairing.row
    return [
        resolve_run(
            victims=victims, game_name=_name(row.game), victim_names=[one.pairing.victim],
            attack_names=[_name(one.pairing.attack)],
            defense_names=[] if one.pairing.defense is None else [_name(one.pairing.defense)],
            seeds=len(stretch), first_seed=stretch[0], tier=row.tier, budget=row.budget,
            settings=parse(_set(one.pairing)), command=command(one.pairing, stretch),
        )
        for stretch in stretches(one.missing)
    ]  # fmt: skip


def command(pairing: Pairing, stretch: Sequence[int]) -> str:
    """The `bench run` that does the same."""
    row = pairing.row
    words = ["bench", "run", "--game", _name(row.game), "--victim", pairing.victim]
    words += ["--attack", _name(pairing.attack)]
    if pairing.defense is not None:
        words += ["--defense", _name(pairing.defense)]
    words += [word for setting in _set(pairing) for word in ("--set", setting)]
    words += [] if row.budget is None else ["--budget", str(row.budget)]
    words += ["--tier", row.tier, "--seeds", str(len(stretch)), "--first-seed", str(stretch[0])]
    return shlex.join(words)


def fills(record: Record, one: Outlook) -> bool:
    """Whether a record is of one of a pairing's missing cells."""
    return key_of(record.cell) in missing_keys([one])


def missing_keys(found: Iterable[Outlook]) -> set[Key]:
    """The cells that these pairings lack, as `key_of` tells them."""
    return {
        _wanted(one.pairing, one.pairing.row.card, seed) for one in found for seed in one.missing
    }


def stretches(seeds: Sequence[int]) -> list[list[int]]:
    """Rising numbers, cut where one is left out."""
    found: list[list[int]] = []
    for seed in seeds:
        if found and found[-1][-1] == seed - 1:
            found[-1].append(seed)
        else:
            found.append([seed])
    return found


def key_of(cell: Cell) -> Key:
    """What of a cell a programme asks for: all but who else was at hand when it was made."""
    return (
        cell.game, content_hash(cell.game_options), cell.victim.name, method_key(cell.attack),
        method_key(cell.defense), cell.seed, cell.tier, cell.budget_steps,
    )  # fmt: skip


def _wanted(pairing: Pairing, card: GameCard, seed: int) -> Key:
    attack = _planned("attack", pairing.attack, card)
    defense = None if pairing.defense is None else _planned("defense", pairing.defense, card)
    learns = not (isinstance(attack, AttackPlan) and attack.track == "none")
    row = pairing.row
    budget = card.budgets[row.tier] if row.budget is None else row.budget
    return (
        card.id, content_hash(dict(card.options)), pairing.victim, method_key(attack.method),
        method_key(None if defense is None else defense.method), seed, row.tier,
        budget if learns else 0,
    )  # fmt: skip


def _planned(part: str, text: str, card: GameCard) -> MethodPlan:
    """A method with its settings; raises Misuse for one that is unknown or lacks them."""
    name, settings = _name(text), _settings(part, text)
    if part == "defense" and name not in defenses.names():
        raise Misuse(f"a board's defenses are {', '.join(defenses.names())}; got '{name}'")
    plan = (plan_attack if part == "attack" else plan_defense)(name, card, settings)
    for field in settings:
        if field not in plan.fields:
            raise Misuse(f"{part} '{name}' has no setting '{field}'; {hint(field, plan.fields)}")
    return plan


def _name(text: str) -> str:
    return text.split(maxsplit=1)[0]


def _settings(part: str, text: str) -> dict[str, Any]:
    """What `ours norm=l2` sets."""
    return parse(_words(part, text)).get(part, {})


def _set(pairing: Pairing) -> list[str]:
    """The same as the values of --set."""
    return [
        *_words("game", pairing.row.game),
        *_words("attack", pairing.attack),
        *_words("defense", pairing.defense or ""),
    ]


def _words(part: str, text: str) -> list[str]:
    return [f"{part}.{word}" for word in text.split()[1:]]

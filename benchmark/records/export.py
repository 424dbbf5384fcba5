"""Records as tidy rows, the same in every format: one a match set, curve point or detection.

Counts are the records' own and rates follow from them as on the leaderboard. Nested values are
JSON text, sorted, so that a row is flat. `bench schema --what matches` tells the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import wilson
from benchmark.records.cell import Cell, MethodRef, PlayerRef
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote

VERSION = 1
"""Of the columns: raised when one goes or means something else."""
ABOUT = ("hardening", "attack")
"""The training that a row's provenance is of: the first of these that the record has."""


class Key(BaseModel):
    """Which cell a row is of: enough to group by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: str = Field(description="id of the record, and the name of its file")
    counted: bool = Field(
        description="whether the leaderboard counts it: of cells that differ only in who else was "
        "at hand, one has a vote, and none of a method that has a later version"
    )
    protocol: int
    game: str
    game_options: str = Field(description="JSON")
    seat: str = Field(description="the adversary's")
    victim: str = Field(description="the cell's, before any hardening")
    attack: str
    attack_version: int
    attack_settings: str = Field(description="JSON; what was set by hand")
    track: str
    defense: str | None
    defense_version: int | None
    defense_settings: str | None = Field(description="JSON; what was set by hand")
    seed: int
    tier: str
    budget_steps: int

    @model_validator(mode="before")
    @classmethod
    def _utf8(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Half a surrogate pair, which JSON may hold and UTF-8 may not, is written out."""
        return {
            name: value.encode("utf-8", "backslashreplace").decode()
            if isinstance(value, str) else value
            for name, value in values.items()
        }  # fmt: skip


class CellRow(Key):
    """The whole cell, with where its training was done."""

    victim_sha256: str | None
    victim_ranked: bool = Field(description="false: a replication variant")
    others: str = Field(description="JSON; names of the game's other victims at hand")
    held_out: str = Field(description="JSON; adversaries kept from the defense that they judge")
    foreign: str = Field(description="JSON; adversaries of other victims")
    diagnoses: str = Field(description="JSON")
    attack_config: str = Field(description="JSON; all of it, resolved")
    defense_config: str | None = Field(description="JSON; all of it, resolved")
    episodes: int
    level: int
    isolation: str
    image: str | None
    flags: str = Field(description="JSON")
    training: str | None = Field(
        description="the one that commit, dirty, lock, cpu and date are of; 'records' has all"
    )
    commit: str | None
    dirty: str | None = Field(description="JSON; whether the checkout had changes of code")
    lock: str | None = Field(description="sha256 of requirements.lock")
    cpu: str | None
    date: str | None


class Counts(BaseModel):
    """A tally from the adversary's side; in a curve from the learner's."""

    wins: int
    ties: int
    losses: int
    voids: int = Field(description="matches whose simulation failed: nobody's success")
    breakdown: str = Field(description="JSON; counts by outcome and ending")
    win_rate: float | None = Field(description="wins of all matches, voids included, in [0, 1]")
    win_rate_low: float | None = Field(description="of Wilson's 95 % interval")
    win_rate_high: float | None = Field(description="of Wilson's 95 % interval")
    non_loss_rate: float | None = Field(description="wins and ties of all matches")


class MatchRow(Counts, CellRow):
    """A match set: two players, one list of episode seeds."""

    role: str = Field(description="what the matches are for (benchmark/records/record.py)")
    adversary: str
    adversary_sha256: str | None = Field(description="none: a scripted floor")
    against: str = Field(description="the victim that played: hardened, or a transfer target")
    against_sha256: str | None
    victim_mode: str
    ranked_mode: bool = Field(description="the victim acted in the mode that its card ranks")
    played_options: str = Field(description="JSON; the game's, other than game_options in a replay")
    even_wins: int
    even_ties: int
    even_losses: int
    even_voids: int
    odd_wins: int
    odd_ties: int
    odd_losses: int
    odd_voids: int


class CurveRow(Counts, Key):
    """A point of a learning curve: the training matches that ended since the point before."""

    training: str = Field(description="'attack', 'hardening' or 'fresh'")
    steps: int = Field(description="environment steps so far")
    diagnostics: str = Field(description="JSON; the method's own numbers")


class DetectionRow(CellRow):
    """How a detector told adversarial episodes from regular ones."""

    role: str
    adversary: str
    adversary_sha256: str | None
    adversarial: int = Field(description="episodes")
    regular: int = Field(description="episodes")
    twice_u: int = Field(description="the rank sum statistic, doubled")
    false_alarms: int
    auroc: float
    auroc_low: float = Field(description="of its 95 % interval")
    auroc_high: float = Field(description="of its 95 % interval")
    false_alarm_rate: float


class SplitRow(CellRow):
    """How far the states that a victim visits lie apart."""

    adversary: str
    against: str
    apart: float
    floor: float


class RecordRow(CellRow):
    """A record without its matches: what became of the cell, failed trainings included."""

    failure: str | None = Field(description="why the training left no policy; nothing was played")
    lost: str = Field(description="JSON; roles that are missing, and why")
    steps: str = Field(description="JSON; environment steps of each training")
    artifacts: str = Field(description="JSON; sha256 of the policies that were made")
    timings: str = Field(description="JSON; wall and CPU seconds of each training")
    provenance: str = Field(description="JSON; of each training")
    command: str = Field(description="what reproduces the record")


def rows_of(records: Sequence[Record], what: str) -> Iterator[BaseModel]:
    """The rows of a kind (see KINDS), in the records' order."""
    counted = {record.id for record in one_vote(latest(records))}
    rows = KINDS[what][1]
    for record in records:
        yield from rows(record, record.id in counted)


def _matches(record: Record, counted: bool) -> Iterator[MatchRow]:
    cell = _cell(record, counted)
    for played in record.matches:
        halves = {"even": played.even, "odd": played.odd}
        options = played.game_options
        yield MatchRow(
            **cell, **_counts(played.tally), role=played.role,
            **_player("adversary", played.adversary), **_player("against", played.victim),
            victim_mode=played.victim_mode, ranked_mode=played.ranked_mode,
            played_options=_json(record.cell.game_options if options is None else options),
            **{f"{half}_{part}": getattr(tally, part) for half, tally in halves.items()
               for part in ("wins", "ties", "losses", "voids")},
        )  # fmt: skip


def _curves(record: Record, counted: bool) -> Iterator[CurveRow]:
    key = _key(record, counted)
    for training, points in record.curves.items():
        for point in points:
            yield CurveRow(
                **key, **_counts(point.tally), training=training, steps=point.steps,
                diagnostics=_json(point.diagnostics),
            )  # fmt: skip


def _detections(record: Record, counted: bool) -> Iterator[DetectionRow]:
    cell = _cell(record, counted)
    for found in record.detections:
        low, high = found.counts.interval()
        yield DetectionRow(
            **cell, role=found.role, **_player("adversary", found.adversary),
            **found.counts.model_dump(), auroc=found.counts.auroc, auroc_low=low, auroc_high=high,
            false_alarm_rate=found.counts.false_alarm_rate,
        )  # fmt: skip


def _splits(record: Record, counted: bool) -> Iterator[SplitRow]:
    cell = _cell(record, counted)
    for found in record.splits:
        yield SplitRow(
            **cell, adversary=found.adversary.name, against=found.victim.name, apart=found.apart,
            floor=found.floor,
        )  # fmt: skip


def _records(record: Record, counted: bool) -> Iterator[RecordRow]:
    nested = ("lost", "steps", "artifacts", "timings", "provenance")
    yield RecordRow(
        **_cell(record, counted), failure=record.failure, command=record.command,
        **{name: _json(getattr(record, name)) for name in nested},
    )  # fmt: skip


Rows = Callable[[Record, bool], Iterable[BaseModel]]
KINDS: dict[str, tuple[type[BaseModel], Rows]] = {
    "matches": (MatchRow, _matches),
    "curves": (CurveRow, _curves),
    "detections": (DetectionRow, _detections),
    "splits": (SplitRow, _splits),
    "records": (RecordRow, _records),
}
"""What may be exported: the rows' model, and the rows of one record."""


def _key(record: Record, counted: bool) -> dict[str, Any]:
    cell = record.cell
    plain = ("protocol", "game", "seat", "track", "seed", "tier", "budget_steps")
    return {
        "record": record.id, "counted": counted, "victim": cell.victim.name,
        "game_options": _json(cell.game_options),
        **{name: getattr(cell, name) for name in plain},
        **_method("attack", cell.attack), **_method("defense", cell.defense),
    }  # fmt: skip


def _cell(record: Record, counted: bool) -> dict[str, Any]:
    cell = record.cell
    return {
        **_key(record, counted), **_company(cell), **_origin(record),
        "victim_sha256": cell.victim.sha256 or None, "victim_ranked": cell.victim_ranked,
        "attack_config": _json(cell.attack.config),
        "defense_config": None if cell.defense is None else _json(cell.defense.config),
        "episodes": cell.episodes, "level": record.level, "isolation": record.isolation.kind,
        "image": record.isolation.image or None, "flags": _json(record.flags),
    }  # fmt: skip


def _company(cell: Cell) -> dict[str, str]:
    """Who else was at hand."""
    lists = {name: getattr(cell, name) for name in ("held_out", "foreign", "diagnoses")}
    return {
        "others": _json([other.name for other in cell.others]),
        **{name: _json(values) for name, values in lists.items()},
    }


def _origin(record: Record) -> dict[str, str | None]:
    training = next((name for name in ABOUT if name in record.provenance), None)
    facts = record.provenance.get(training, {}) if training is not None else {}
    dirty = facts.get("dirty")
    return {
        "training": training, "dirty": None if dirty is None else _json(dirty),
        **{name: _text(facts.get(name)) for name in ("commit", "lock", "cpu", "date")},
    }  # fmt: skip


def _method(part: str, method: MethodRef | None) -> dict[str, Any]:
    return {
        part: method and method.name,
        f"{part}_version": method and method.version,
        f"{part}_settings": method and _json(method.settings),
    }


def _player(part: str, player: PlayerRef) -> dict[str, str | None]:
    return {part: player.name, f"{part}_sha256": player.sha256 or None}


def _counts(tally: Tally) -> dict[str, Any]:
    """Counts, and the rates that follow; where nothing was played there are none."""
    plain = ("wins", "ties", "losses", "voids")
    counts = {name: getattr(tally, name) for name in plain}
    rates: tuple[float | None, ...] = (None,) * 4
    if tally.episodes:
        rates = (tally.win_rate, *wilson(tally.wins, tally.episodes), tally.non_loss_rate)
    names = ("win_rate", "win_rate_low", "win_rate_high", "non_loss_rate")
    return {
        **counts, "breakdown": _json(tally.breakdown), **dict(zip(names, rates, strict=True))
    }  # fmt: skip


def _text(value: Any) -> str | None:
    """A fact of a provenance, which may be anything, as text."""
    return value or None if value is None or isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

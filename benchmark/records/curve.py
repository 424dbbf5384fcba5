"""A learning curve as a record's file has it: by columns, in a third of the room of its points.

A board keeps a hundred thousand points. Told one by one, each repeats the names of all it holds,
and a board of some eight hundred cells would outgrow a repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, core_schema

from benchmark.arena.tally import Count, Tally
from benchmark.errors import first_problem
from benchmark.learning.progress import CurvePoint
from benchmark.records.cell import Frozen

MOST_POINTS = 10_000
"""Of a curve: this program writes some two hundred; a stranger's file is not to cost minutes."""


class Columns(Frozen):
    """One value a point in each; a breakdown's 0 and a diagnostic's null: this point has none."""

    steps: list[int] = Field(max_length=MOST_POINTS)
    wins: list[Count]
    ties: list[Count]
    losses: list[Count]
    voids: list[Count] = Field(
        default=[], description="where any match was void", exclude_if=lambda column: not column
    )
    breakdown: dict[str, list[Count]]
    diagnostics: dict[str, list[float | None]]

    @model_validator(mode="after")
    def _equally_long(self) -> Columns:
        told: list[tuple[str, Sequence[object]]] = [
            ("wins", self.wins), ("ties", self.ties), ("losses", self.losses),
            *self.breakdown.items(), *self.diagnostics.items(),
        ]  # fmt: skip
        told += [("voids", self.voids)] if self.voids else []
        for name, column in told:
            if len(column) != len(self.steps):
                raise ValueError(f"{name!r} has {len(column)} values, 'steps' {len(self.steps)}")
        for name, counts in self.breakdown.items():
            if not any(counts):
                raise ValueError(f"breakdown counts no {name!r}: leave it out")
        return self


def columns(curve: Sequence[CurvePoint]) -> Columns:
    """The curve's columns; names in the order in which its points first have them."""
    tallies = [point.tally for point in curve]
    voids = [tally.voids for tally in tallies]
    return Columns(
        steps=[point.steps for point in curve],
        wins=[tally.wins for tally in tallies],
        ties=[tally.ties for tally in tallies],
        losses=[tally.losses for tally in tallies],
        voids=voids if any(voids) else [],
        breakdown={
            name: [tally.breakdown.get(name, 0) for tally in tallies]
            for name in _names(tally.breakdown for tally in tallies)
        },
        diagnostics={
            name: [point.diagnostics.get(name) for point in curve]
            for name in _names(point.diagnostics for point in curve)
        },
    )


def points(told: Columns) -> list[CurvePoint]:
    """The curve that has these columns.

    Raises:
        ValueError: a point's counts do not add up; says which.
    """
    curve = []
    for at, steps in enumerate(told.steps):
        breakdown = {name: column[at] for name, column in told.breakdown.items() if column[at]}
        has = {name: value for name, c in told.diagnostics.items() if (value := c[at]) is not None}
        try:
            tally = Tally(
                wins=told.wins[at], ties=told.ties[at], losses=told.losses[at],
                voids=told.voids[at] if told.voids else 0, breakdown=breakdown,
            )  # fmt: skip
        except ValidationError as error:
            raise ValueError(f"point {at}: {first_problem(error)}") from error
        curve.append(CurvePoint(steps=steps, tally=tally, diagnostics=has))
    return curve


def _names(held: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in held for name in one))


class _ByColumns:
    """Points in Python, columns in JSON; in Python, what JSON's columns were parsed to as well."""

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        told = handler.generate_schema(Columns)
        from_columns = core_schema.no_info_after_validator_function(points, told)
        return core_schema.json_or_python_schema(
            json_schema=from_columns,
            python_schema=core_schema.union_schema([handler(source), from_columns]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                columns, return_schema=told
            ),
        )


Curve = Annotated[list[CurvePoint], _ByColumns()]
"""A record's field that holds a curve."""

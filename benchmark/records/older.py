"""Records as earlier versions of this program wrote them: their content, as it is written now."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, Field

from benchmark.learning.progress import CurvePoint
from benchmark.records.curve import MOST_POINTS, columns


class _First(BaseModel):
    """What schema 1 had otherwise: curves point by point."""

    curves: dict[str, Annotated[list[CurvePoint], Field(max_length=MOST_POINTS)]]


def from_first(found: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1, parsed from JSON, as one of schema 2.

    Raises:
        ValidationError: its curves are none.
    """
    told = json.dumps({"curves": found.get("curves")})
    curves = _First.model_validate_json(told, strict=True).curves
    by_columns = {name: columns(curve).model_dump() for name, curve in curves.items()}
    return {**found, "schema_version": 2, "curves": by_columns}

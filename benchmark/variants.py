"""A study's rows: methods by name, each with some of its settings. Knows no method itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Variant:
    """One row of a study."""

    label: str
    method: str
    settings: Mapping[str, Any]


def variant(label: str, method: str, **settings: Any) -> Variant:
    """A variant, its settings as keywords."""
    return Variant(label, method, settings)

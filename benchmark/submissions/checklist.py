"""What a command found out about a submission, one line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["passed", "failed", "to do"]


class Item(BaseModel):
    """Something that a pull request needs, and how it stands. To do: nobody looked, or could."""

    model_config = ConfigDict(frozen=True)

    status: Status
    what: str
    detail: str = ""


def passed(what: str, detail: str = "") -> Item:
    """It is as it must be."""
    return Item(status="passed", what=what, detail=detail)


def failed(what: str, detail: str) -> Item:
    """It is not."""
    return Item(status="failed", what=what, detail=detail)


def to_do(what: str, detail: str) -> Item:
    """It remains to be done, by whom the detail says it to."""
    return Item(status="to do", what=what, detail=detail)


def failures(items: Iterable[Item]) -> list[Item]:
    """Those that failed."""
    return [item for item in items if item.status == "failed"]

"""Turning `--set KEY=VALUE` into typed configuration, with errors that name field and type."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from benchmark.errors import Misuse

Config = TypeVar("Config", bound=BaseModel)
Settings = Mapping[str, Any]


def parse(pairs: list[str]) -> dict[str, dict[str, Any]]:
    """`attack.norm=l2` and the like, grouped by the part before the dot; values read as JSON.

    Raises:
        Misuse: not of the form PART.FIELD=VALUE.
    """
    parts: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        part, dot, field = key.partition(".")
        if not (equals and dot and part and field):
            raise Misuse(f"--set {pair}: expected PART.FIELD=VALUE, such as attack.norm=l2")
        if part not in ("game", "attack", "defense"):
            raise Misuse(f"--set {pair}: the part is game, attack or defense, got '{part}'")
        parts.setdefault(part, {})[field] = _value(text)
    return parts


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or more of it than there are settings for
        return text


def resolve(model: type[Config], base: Settings, settings: Settings, owner: str) -> Config:
    """A config from defaults `base` with `settings` on top.

    Raises:
        Misuse: an unknown field (with the nearest name), or a value of the wrong type.
    """
    for field in settings:
        if field not in model.model_fields:
            raise Misuse(f"{owner} has no setting '{field}'; {hint(field, model.model_fields)}")
    try:
        return model.model_validate({**base, **settings})
    except ValidationError as error:
        problem = error.errors()[0]
        if not problem["loc"]:
            raise Misuse(f"{owner}: {problem['msg']}") from error
        field = str(problem["loc"][0])
        wanted = type_name(model, field)
        given = settings.get(field, base.get(field))
        raise Misuse(
            f"{owner}: setting '{field}' is {wanted}, got {given!r} ({problem['msg']})"
        ) from error


def type_name(model: type[BaseModel], field: str) -> str:
    """A field's type as a person writes it."""
    info = model.model_fields.get(field)
    if info is None:
        return "of another type"
    kind = info.annotation
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    return text.replace("typing.", "")


def hint(wrong: str, known: Any) -> str:
    """'did you mean X? there are: ...' for an unknown name."""
    names = sorted(str(name) for name in known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    mean = f"did you mean '{near[0]}'? " if near else ""
    return f"{mean}there are: {', '.join(names) or 'none'}"

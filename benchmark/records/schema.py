"""JSON Schemas of what this program writes and reads, from the models that check it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMMENT = (
    "Made by `bench schema`. It is necessary, not sufficient: that counts add up and hashes fit is "
    "checked when the program reads a file."
)


def schema_of(name: str, model: type[BaseModel], version: int) -> dict[str, Any]:
    """The schema of a model, with an $id that names its version; the same every time."""
    head = {
        "$schema": DIALECT,
        "$id": f"urn:competitive-rl-bench:{name}:{version}",
        "$comment": COMMENT,
    }
    return {**head, **model.model_json_schema()}

"""`bench schema`."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel

from benchmark.commands.common import print_json
from benchmark.errors import Misuse
from benchmark.policies.policy import PolicyCard
from benchmark.records import export
from benchmark.records.files import SCHEMA
from benchmark.records.record import Record
from benchmark.records.schema import schema_of
from benchmark.settings import hint
from benchmark.submissions.manifest import Manifest

FILES: dict[str, tuple[type[BaseModel], int]] = {
    "record": (Record, SCHEMA),
    "policy": (PolicyCard, 1),
    "submission": (Manifest, 1),
}
"""Files by name: a record, an artifact's card.json, submission.toml; their model and version."""
SCHEMAS = FILES | {name: (model, export.VERSION) for name, (model, _) in export.KINDS.items()}


def schema(
    what: Annotated[
        str,
        typer.Option(help="record, policy (card.json), submission, or rows of `bench export`."),
    ] = "record",
) -> None:
    """Print the JSON Schema of a kind of file or row."""
    if what not in SCHEMAS:
        raise Misuse(f"--what: no schema '{what}'; {hint(what, SCHEMAS)}")
    print_json(schema_of(what, *SCHEMAS[what]))

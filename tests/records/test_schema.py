"""The JSON Schemas: current, stable, true of every committed file, and not of a broken one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from benchmark.commands.schema import FILES, SCHEMAS
from benchmark.records.export import rows_of
from benchmark.records.record import Record
from benchmark.records.schema import DIALECT, schema_of
from tests.factories import attacked, defended

ROOT = Path(__file__).parents[2]


def validator(what: str) -> Any:
    """A checker of the kind, whose schema is itself a good one."""
    schema = schema_of(what, *SCHEMAS[what])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("what", FILES)
def test_the_committed_schema_is_current(what: str) -> None:
    """`make schemas` writes them; the text is the same every time."""
    text = json.dumps(schema_of(what, *FILES[what]), indent=1) + "\n"
    assert (ROOT / f"docs/schema/{what}.schema.json").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("what", SCHEMAS)
def test_every_schema_names_itself_and_its_version(what: str) -> None:
    """In a dialect that validators know."""
    schema = schema_of(what, *SCHEMAS[what])
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:competitive-rl-bench:{what}:{SCHEMAS[what][1]}"
    assert validator(what)


def test_every_committed_file_validates() -> None:
    """Records under results/, cards of the shipped victims."""
    records = sorted((ROOT / "results").glob("*-v*/*.json"))
    homes = (ROOT / "benchmark/victims", ROOT / "results/policies")
    cards = sorted(path for home in homes for path in home.rglob("card.json"))
    assert len(records) > 50
    assert len(cards) > 1
    for what, paths in (("record", records), ("policy", cards)):
        check = validator(what)
        for path in paths:
            check.validate(json.loads(path.read_bytes()))


def payload() -> dict[str, Any]:
    """A good record, as its file has it."""
    return json.loads(attacked(50, others=["b"]).model_dump_json())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 3),
        (("curves", "attack"), [{"steps": 1000, "tally": {}}]),
        (("matches", 0, "even", "wins"), -1),
        (("matches", 0, "role"), "winner"),
        (("cell", "episodes"), 0),
        (("cell", "tier"), "huge"),
        (("level",), 4),
        (("surprise",), 1),
    ],
)
def test_a_broken_record_does_not(path: tuple[str | int, ...], value: object) -> None:
    """Impossible values, unknown words, unknown fields, another version."""
    broken = payload()
    validator("record").validate(broken)
    part: Any = broken
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator("record").validate(broken)


REQUIRED = [name for name, field in Record.model_fields.items() if field.is_required()]


@pytest.mark.parametrize("part", REQUIRED)
def test_no_required_part_may_be_missing(part: str) -> None:
    """One by one."""
    broken = payload()
    del broken[part]
    with pytest.raises(jsonschema.ValidationError):
        validator("record").validate(broken)


@pytest.mark.parametrize("what", ["matches", "curves", "records"])
def test_exported_rows_validate(what: str) -> None:
    """As a line of jsonl holds them."""
    rows = list(rows_of([attacked(50), defended(1, 2, 3)], what))
    assert rows
    for row in rows:
        validator(what).validate(json.loads(row.model_dump_json()))

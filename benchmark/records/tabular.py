"""Flat rows as csv, jsonl or parquet: the same columns and values in each.

A name in a record may be a stranger's. In csv, text that a spreadsheet could take for a formula
gets an apostrophe in front; so does text that begins with one, so that taking one off gives the
text back. Numbers are never touched.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from types import NoneType
from typing import get_args

from pydantic import BaseModel

from benchmark.errors import CheckFailed, Misuse, missing_packages
from benchmark.settings import hint

FORMULA = re.compile(r"[\x00-\x1f]|[\s\u200b-\u200f\ufeff]*['=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How text begins that is not left as it is: a control character, an apostrophe, or what starts a
formula, of usual or full width, behind any white space."""

Rows = Iterable[BaseModel]


def columns(model: type[BaseModel]) -> dict[str, tuple[type, bool]]:
    """The columns of a row: their type (str, int, float or bool), and whether they may be empty."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = get_args(field.annotation) or (field.annotation,)
        (kind,) = (one for one in kinds if one is not NoneType)
        found[name] = kind, NoneType in kinds
    return found


def to_csv(model: type[BaseModel], rows: Rows) -> bytes:
    """A header and a line a row, as RFC 4180 has it, in UTF-8; an empty cell is a missing value."""
    lines = [",".join(columns(model)), *(",".join(_cell(v) for _, v in row) for row in rows), ""]
    return "\n".join(lines).encode()


def _cell(value: str | float | bool | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    text = f"'{value}" if FORMULA.match(value) else value
    # Not by csv.writer: with lines that end in LF it leaves a lone CR unquoted.
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def to_jsonl(_: type[BaseModel], rows: Rows) -> bytes:
    """One JSON object a line, in ASCII; a missing value is null."""
    return "".join(json.dumps(dict(row)) + "\n" for row in rows).encode()


def to_parquet(model: type[BaseModel], rows: Rows) -> bytes:
    """A parquet file with typed columns.

    Raises:
        InfrastructureError: pyarrow is missing.
        CheckFailed: a number that fits no column of 64 bits.
    """
    try:
        import pyarrow  # noqa: PLC0415 - needs an extra
        import pyarrow.parquet  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        raise missing_packages("pyarrow", error) from error
    kinds = {
        str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(),
        bool: pyarrow.bool_(),
    }  # fmt: skip
    fields = [
        pyarrow.field(name, kinds[kind], nullable=nullable)
        for name, (kind, nullable) in columns(model).items()
    ]
    try:
        table = pyarrow.Table.from_pylist([dict(row) for row in rows], pyarrow.schema(fields))
    except (OverflowError, pyarrow.ArrowException) as error:
        raise CheckFailed(f"parquet holds whole numbers of 64 bits ({error}); use csv") from error
    payload = io.BytesIO()
    pyarrow.parquet.write_table(table, payload)
    return payload.getvalue()


Write = Callable[[type[BaseModel], Rows], bytes]
FORMATS: dict[str, Write] = {"csv": to_csv, "jsonl": to_jsonl, "parquet": to_parquet}


def writer(name: str) -> Write:
    """The writer of a format; raises Misuse for one that is not there."""
    if name not in FORMATS:
        known = [*FORMATS, "tensorboard"]  # which is no table, and has its own way
        raise Misuse(f"--format: no format '{name}'; {hint(name, known)}")
    return FORMATS[name]

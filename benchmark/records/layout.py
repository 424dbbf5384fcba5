"""JSON for people and diffs: a line for what fits on one, and for every list of plain values."""

from __future__ import annotations

import json

WIDTH = 100


def laid_out(value: object, depth: int = 0) -> str:
    """The value as JSON, indented by one; the same every time, and ending without a line break.

    What fits is what fits without the key before it.
    """
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or not value or depth + len(flat) <= WIDTH:
        return flat
    if isinstance(value, dict):
        named = ((json.dumps(key, ensure_ascii=False), v) for key, v in value.items())
        parts = [f"{key}: {laid_out(v, depth + 1)}" for key, v in named]
    elif any(isinstance(item, dict | list) for item in value):
        parts = [laid_out(item, depth + 1) for item in value]
    else:  # a column of numbers
        return flat
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inner = "\n" + " " * (depth + 1)
    return f"{opening}{inner}{f',{inner}'.join(parts)}\n{' ' * depth}{closing}"

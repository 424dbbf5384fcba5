"""JSON laid out: the same value, in lines that a person can read."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from benchmark.records.layout import WIDTH, laid_out

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    PLAIN.filter(lambda v: v not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_is_json_of_the_value(value: object) -> None:
    assert json.loads(laid_out(value)) == value


def test_what_fits_is_on_one_line() -> None:
    """The rest has a line for each part, a list of plain values being one."""
    value = {"curve": list(range(200)), "player": {"name": "may1"}, "empty": {}, "more": [["é"], 1]}
    assert laid_out(value).splitlines() == [
        "{",
        f' "curve": {list(range(200))},',
        ' "player": {"name": "may1"},',
        ' "empty": {},',
        ' "more": [["é"], 1]',
        "}",
    ]


def test_parts_that_do_not_fit_are_laid_out_too() -> None:
    """One deeper, and so indented by one more."""
    wide = "x" * WIDTH
    assert laid_out([{"a": wide, "b": [[wide]]}, 1]).splitlines() == [
        "[",
        " {",
        f'  "a": "{wide}",',
        '  "b": [',
        f'   ["{wide}"]',
        "  ]",
        " },",
        " 1",
        "]",
    ]

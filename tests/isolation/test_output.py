"""Output as it comes, in pieces of any size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmark.isolation.output import LONGEST_LINE, Output
from benchmark.isolation.status import SHOWN_LINES


@given(st.lists(st.text("ab \n", max_size=30)))
def test_lines_do_not_depend_on_the_pieces(pieces: list[str]) -> None:
    """However the engine cuts them."""
    lines: list[str] = []
    output = Output(10_000, lines.append)
    output.take(piece.encode() for piece in pieces)
    assert "\n".join(lines) == "".join(pieces).removesuffix("\n")
    assert not output.over
    assert list(output.lines()) == lines[-SHOWN_LINES:]


def test_it_stops_at_the_limit_and_says_so() -> None:
    """Nothing that comes after is read."""
    given_out = iter([b"one\n", b"two\n", b"three\n", b"four\n"])
    output = Output(9, None)
    output.take(given_out)
    assert output.over
    assert output.lines() == ("one", "two")
    assert list(given_out) == [b"four\n"]


def test_a_line_without_an_end_is_cut() -> None:
    """So that it cannot grow without end in this program's memory."""
    lines: list[str] = []
    Output(10**9, lines.append).take(b"x" * 1000 for _ in range(200))
    assert len(lines) == 4
    assert max(map(len, lines)) <= LONGEST_LINE + 1000


def test_what_is_no_text_is_shown_as_such() -> None:
    """Not an error."""
    output = Output(100)
    output.take([b"\xff\x1b[2J\n"])
    assert output.lines() == ("\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J",)

"""The page of findings: facts in their places, and nothing in it that the records do not say."""

from __future__ import annotations

import pytest

from benchmark.errors import CheckFailed
from benchmark.leaderboard.findings.material import Findings
from benchmark.leaderboard.findings.page import between, excerpt, fill, typed
from benchmark.leaderboard.table import Table

TABLE = Table("Two", ["attack", "rank", "score"], 1, [["a", "1", "97.7"], ["b", "2", "12.5"]])
FOUND = Findings(
    tables={"two": TABLE}, facts={"a/score": "97.7 (1 seed)"}, claims={"a/gain": "open"}
)


def test_facts_and_tables_stand_where_they_are_named() -> None:
    page = fill(
        "# Two\n\n{{ while a/gain is open }}\nIt won {{ a/score }}.\n\n{{ table two }}\n", FOUND
    )
    title, sentence, table = page.strip().split("\n\n")
    assert (title, sentence) == ("# Two", "It won 97.7 (1 seed).")
    assert [line.split("|")[3].strip() for line in table.splitlines()[2:]] == ["97.7", "12.5"]


def test_a_sentence_is_not_kept_when_its_verdict_changed() -> None:
    """What it rests on is named, with what the records say now."""
    with pytest.raises(CheckFailed, match=r"'a/gain' is open by the records.*it was above"):
        fill("{{ while a/gain is above }}\nIt is ahead.\n", FOUND)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ a/scor }}", "nothing is called 'a/scor'; near to it: a/score"),
        ("{{ table too }}", "nothing is called 'table too'; near to it: two"),
        ("{{ while a/gian is open }}\nx\n", "no claim 'a/gian'; near to it: a/gain"),
        ("It won 97.7 times.", "'97.7' is typed by hand"),
    ],
)
def test_what_nobody_measured_is_refused(template: str, told: str) -> None:
    with pytest.raises(CheckFailed, match=told):
        fill(template, FOUND)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(CheckFailed, match=r"'12' .*'one'.*'two'"):
        fill("12 % {{ one }} {{ two }}", FOUND)


@pytest.mark.parametrize("text", ["85.2", ".9", "+4", "-3", "61 %", "12%", "at 4.1 points"])
def test_rates_and_differences_are_not_typed(text: str) -> None:
    assert typed(f"It is {text} here.")


@pytest.mark.parametrize(
    "text",
    [
        "a 95 % interval", "8 M steps", "section 3", "may1 and l2", "`--budget 1.5`", "USENIX 2021",
        "[here](results/0.5.json)", "{{ setting/0.5 }}", "<!-- 1.5 -->", "p = 1", "v1.5",
    ],
)  # fmt: skip
def test_names_code_and_links_may_have_numbers(text: str) -> None:
    assert typed(f"It is {text} here.") == []


def test_paragraphs_are_broken_anew_and_lists_are_not() -> None:
    """A fact is longer or shorter than its name."""
    page = fill(
        "word " * 30 + "\nshort\n\n- one\n  two\n\n```\ncode " + "x " * 60 + "\n```\n", FOUND
    )
    paragraph, listed, code = page.split("\n\n")
    assert max(len(line) for line in paragraph.splitlines()) <= 100
    assert paragraph.endswith("word short")
    assert listed == "- one\n  two"
    assert len(code.splitlines()[1]) > 100


def test_between_the_marks_alone() -> None:
    page = "before\n<!-- board: begin -->\nold\n<!-- board: end -->\nafter\n"
    assert between(page, "board", "new") == page.replace("old", "new")
    with pytest.raises(CheckFailed, match="expected the marks <!-- other: begin -->"):
        between(page, "other", "new")


def test_an_excerpt_has_the_first_rows_and_the_columns_asked_for() -> None:
    lines = excerpt(TABLE, ["attack", "score"], 1).splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == ["attack", "score"]
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["a", "97.7"]
    assert len(lines) == 3

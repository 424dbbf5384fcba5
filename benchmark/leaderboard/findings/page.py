"""docs/findings.md from its template: sentences by people, every number from the records.

In the template `{{ NAME }}` stands for a fact, `{{ table NAME }}` for a table, and a line
`{{ while CLAIM is VERDICT }}` says what the sentences after it take for granted: where the records
say otherwise the page is not made, so that no sentence outlives what it rests on.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Iterable

from benchmark.errors import CheckFailed
from benchmark.leaderboard.findings.material import Findings
from benchmark.leaderboard.table import Table, to_markdown_grid

MARK = re.compile(r"\{\{ *(.+?) *\}\}")
GUARD = re.compile(r"^\{\{ *while (.+) is (.+?) *\}\}\n", re.M)
BLOCKS = re.compile(r"\n{2,}")
WIDTH = 100
"""Of the page's lines, but for tables and what cannot be broken."""
BEGIN, END = "<!-- {name}: begin -->", "<!-- {name}: end -->"
HIDDEN = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|\{\{.*?\}\}|<!--.*?-->", re.S)
"""What of a template is no sentence: code, targets of links, marks, comments."""
TYPED = re.compile(r"(?<![\w.])[+-]?(?:\d*\.\d+|\d+(?= ?%)|(?<=[+-])\d+)")
LEVEL = re.compile(r"95 %( interval)?")
"""The level of the intervals is a matter of definition, and may be typed."""


def fill(template: str, findings: Findings) -> str:
    """The page; raises CheckFailed where the template rests on what is not so, naming all of it."""
    problems = [f"'{text}' is typed by hand: name a fact instead" for text in typed(template)]
    problems += _stale(template, findings)

    def text(found: re.Match[str]) -> str:
        name = found[1]
        kind, _, rest = name.partition(" ")
        if kind == "table" and rest in findings.tables:
            return to_markdown_grid(findings.tables[rest])
        if name in findings.facts:
            return findings.facts[name]
        near = _near(rest, findings.tables) if kind == "table" else _near(name, findings.facts)
        problems.append(f"nothing is called '{name}'; {near}")
        return ""

    page = MARK.sub(text, GUARD.sub("", template))
    if problems:
        raise CheckFailed("; ".join(problems))
    return "\n\n".join(_wrapped(block) for block in BLOCKS.split(page.strip())) + "\n"


def _wrapped(block: str) -> str:
    """A paragraph broken anew, now that its numbers stand in it; all else as it is."""
    if not re.match(r"[\w*(]|`[^`]", block) or re.match(r"\d+\. ", block):
        return block
    return textwrap.fill(
        " ".join(block.split()), WIDTH, break_long_words=False, break_on_hyphens=False
    )


def typed(template: str) -> list[str]:
    """Numbers that somebody typed into a sentence: rates, signed ones, percentages."""
    return TYPED.findall(HIDDEN.sub(" ", LEVEL.sub(" ", template)))


def _stale(template: str, findings: Findings) -> list[str]:
    """What the sentences take for granted and the records do not say."""
    found = []
    for claim, said in GUARD.findall(template):
        now = findings.claims.get(claim)
        if now is None:
            found.append(f"no claim '{claim}'; {_near(claim, findings.claims)}")
        elif now != said:
            found.append(
                f"'{claim}' is {now} by the records, the page was written while it was {said}: "
                "read what follows that line again, amend it, then the line"
            )
    return found


def _near(name: str, known: Iterable[str]) -> str:
    """The names that come next to one that nothing has."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.3)
    return f"near to it: {', '.join(near) or 'nothing'}"


def between(page: str, name: str, text: str) -> str:
    """A page with what stands between its marks of this name replaced.

    Raises:
        CheckFailed: it has no such marks.
    """
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise CheckFailed(f"expected the marks {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def excerpt(table: Table, columns: list[str], rows: int) -> str:
    """The first rows of a table with some of its columns, as Markdown."""
    at = [table.columns.index(column) for column in columns]
    first = [[row[i] for i in at] for row in table.rows[:rows]]
    return to_markdown_grid(Table(table.title, columns, table.words, first))

"""Tables of records: the same columns in the terminal (rich) and in leaderboard.md (tabulate)."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import rich.table
from rich import box
from rich.console import Console
from rich.text import Text
from tabulate import tabulate

from benchmark.arena.tally import Tally
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.evaluation.statistics import wilson
from benchmark.leaderboard import scoring
from benchmark.records.cell import Cell
from benchmark.records.record import Record

HEADER = """# Leaderboard

Rendered from the records under `results/` by `bench leaderboard`; nothing here is typed by hand.
Protocol v{protocol}. Win rates are the adversary's, in percent, with 95 % intervals: Wilson's for
counts of matches, a bootstrap over training seeds within victims for scores. Read bootstrap
intervals as too narrow: in simulation they cover .66-.84 instead of .95 over 3 seeds, .83-.91 over
5, .93-.94 over 10. Wilson's tell how well the matches of these very policies are known, not how
another training would do, also where seeds are pooled. Of two equal attacks with 5 seeds, ranks put
one below the other in 10-18 % of cases instead of 5. All of it is in
[docs/statistics.md](docs/statistics.md). A score from a single seed has no interval. Tiers *smoke*
and *lite* are never ranked. *process* records are self-reported (level 0).
"""


LINKS = ("records", "record")
"""Columns whose texts are links and nothing that a record says of itself."""


WHOLE = 10_000
"""Columns of text that any table fits into."""
LEAST_NAME = 9
"""A column of names is not made narrower than this, or than its longest word."""


@dataclass
class Table:
    """Rows of text under columns; the first `words` columns are words, the rest are numbers."""

    title: str
    columns: list[str]
    words: int
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""
    flags: list[str] = field(default_factory=list)
    place: tuple[str, str] = ("", "")
    """The game, with options that are not the usual ones, and the tier; '' where it is of all."""

    @property
    def footer(self) -> str:
        """What stands below: the note, and the automatic flags of its records."""
        return _footer(self.note, self.flags)


def to_markdown(made: Sequence[Table], problems: Sequence[str] = ()) -> str:
    """leaderboard.md but for the list of records; problems: one line for each refused file."""
    parts = [HEADER.format(protocol=PROTOCOL), *(to_markdown_table(table) for table in made)]
    if problems:
        parts.insert(1, warning(problems))
    if not made:
        parts.append("No records yet.\n")
    return "\n".join(parts)


def warning(problems: Sequence[str]) -> str:
    """What the page says of files that were refused, so that nobody takes it for whole."""
    # A refused file may hold any text: no line break, no mark-up of it reaches the page.
    plain = (" ".join(problem.replace("`", "'").split()) for problem in problems)
    lines = "\n".join(f"> - `{line}`" for line in plain)
    return (
        f"> **Warning: {len(problems)} file(s) are refused and not counted below.**\n>\n{lines}\n"
    )


def to_markdown_table(table: Table) -> str:
    """A table with its title and footer."""
    grid = to_markdown_grid(table)
    footer = _footer(table.note, [plain(flag) for flag in table.flags])
    return f"## {plain(table.title)}\n\n{grid}\n" + (f"\n{footer}\n" if footer else "")


def _footer(note: str, flags: Sequence[str]) -> str:
    flagged = f"Flagged: {'; '.join(flags)}." if flags else ""
    return " ".join(part for part in (note, flagged) if part)


def to_markdown_grid(table: Table) -> str:
    """Columns and rows alone."""
    align = ["left"] * table.words + ["right"] * (len(table.columns) - table.words)
    if table.columns[-1] == "records":
        align[-1] = "left"
    links = {at for at, column in enumerate(table.columns) if column in LINKS}
    rows = [
        [text if at in links else plain(text) for at, text in enumerate(row)] for row in table.rows
    ]
    return tabulate(rows, table.columns, tablefmt="github", colalign=align, disable_numparse=True)


def plain(text: str) -> str:
    """Text as Markdown shows it, whatever a record calls its players: no mark-up, no new cell."""
    escaped = re.sub(r"[\\|\[\]`]|<(?=[A-Za-z/!?])", lambda found: "\\" + found[0], text)
    return " ".join(escaped.split())


def paper(console: Console) -> Console:
    """Where a table is printed: a terminal, or a file or a pipe, where no width is a reader's."""
    return console if console.is_terminal else Console(file=console.file, width=WHOLE)


def show(console: Console, table: Table) -> None:
    """Print it with its footer: in parts where a terminal is too narrow for all of its columns.

    Into a file or a pipe it goes whole.
    """
    parts = _parts(table, console) if console.is_terminal else [telling(table)]
    for at, columns in enumerate(parts):
        title = f"{table.title}, continued" if at else table.title
        console.print(Text(title, style="bold"))
        paper(console).print(_drawn(table, columns), crop=False)
    if table.footer:
        console.print(Text(table.footer))


def telling(table: Table) -> list[int]:
    """The columns that say something here: there is no room for others, but in leaderboard.md."""
    return [
        at
        for at in range(len(table.columns))
        if not table.rows or {row[at] for row in table.rows} != {"-"}
    ]


def _parts(table: Table, console: Console) -> list[list[int]]:
    """The columns, divided so that each part fits; those of words stand in all of them."""
    shown = telling(table)
    words = [at for at in shown if at < table.words]
    parts = [list(words)]
    for at in shown[len(words) :]:
        if len(parts[-1]) > len(words) and not _fits(table, [*parts[-1], at], console):
            parts.append(list(words))
        parts[-1].append(at)
    return parts


def _fits(table: Table, columns: Sequence[int], console: Console) -> bool:
    """Whether these columns can be drawn so: rich goes beyond a width rather than below a least."""
    tried = Console(file=io.StringIO(), width=console.width)
    with tried.capture() as drawn:
        tried.print(_drawn(table, columns), crop=False)
    return all(len(line.rstrip()) <= console.width for line in drawn.get().splitlines())


def _least(table: Table, at: int) -> int:
    """The width below which a column loses text: names may be broken, numbers may not."""
    texts = [table.columns[at], *(row[at] for row in table.rows)]
    longest = max((len(word) for text in texts for word in text.split()), default=1)
    return min(longest, LEAST_NAME) if at < table.words else longest


def _drawn(table: Table, columns: Sequence[int]) -> rich.table.Table:
    drawn = rich.table.Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for at in columns:
        drawn.add_column(
            table.columns[at], justify="left" if at < table.words else "right", overflow="fold",
            min_width=_least(table, at),
        )  # fmt: skip
    for row in table.rows:
        drawn.add_row(*(Text(row[at]) for at in columns))
    return drawn


def steps(count: int) -> str:
    """8000000 as '8 M', 999_936 as '1 M'."""
    for size, unit in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if float(f"{count:.3g}") >= size:
            return f"{float(f'{count / size:.3g}'):g}{unit}"
    return str(count)


def steps_text(count: float | None) -> str:
    """Steps until something happened: '8 M', 'never' for infinitely many, '-' for None."""
    if count is None:
        return "-"
    return "never" if count == inf else steps(int(count))


def runs_text(cells: Sequence[Record], budget: int) -> str:
    """Training seeds x steps: '3 x 8 M'."""
    return f"{len(cells)} x {steps(budget)}"


def score_text(score: scoring.Score, cells: Sequence[Record]) -> str:
    """A score with its interval, or with the note that one seed has none."""
    if is_single(cells):
        return f"{score.value:.1f} (1 seed)"
    return f"{score.value:.1f} ({score.low:.1f}-{score.high:.1f})"


def is_single(cells: Sequence[Record]) -> bool:
    """Whether every victim was met with one seed alone, so that no seeds tell an interval."""
    return len(cells) == len({cell.cell.victim.sha256 for cell in cells})


def victim_label(cell: Cell) -> str:
    """A victim's name, marked where it is a replication variant."""
    return cell.victim.name + ("" if cell.victim_ranked else " (variant)")


def rate_text(tally: Tally, digits: int = 1) -> str:
    """A win rate in percent with Wilson's interval, '-' where nothing was played."""
    if not tally.episodes:
        return "-"
    low, high = wilson(tally.wins, tally.episodes)
    texts = [f"{100 * value:.{digits}f}" for value in (tally.win_rate, low, high)]
    return f"{texts[0]} ({texts[1]}-{texts[2]})"


def percent(rate: float) -> str:
    """0.5 as '50.0'."""
    return f"{100 * rate:.1f}"


def mean_text(values: Sequence[float | None]) -> str:
    """The mean of the known ones."""
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"


def clean_text(cells: Sequence[Record]) -> str:
    """How clean play changed, with its interval; '-' where it was not played on both sides."""
    change = scoring.clean_change(cells)
    return "-" if change is None else "{:.2f} ({:.2f}-{:.2f})".format(*change)


def linked(row: list[str], cells: Sequence[Record], links: Mapping[str, str] | None) -> list[str]:
    """A row with links to its records, where there are any: by seed, of several victims by name."""
    if links is None:
        return row
    victims = scoring.group(cells, lambda c: victim_label(c.cell))
    texts = [
        ("" if len(victims) == 1 else f"{plain(name)} ") + _seeds(part, links)
        for name, part in victims.items()
    ]
    return [*row, ", ".join(texts)]


def _seeds(cells: Sequence[Record], links: Mapping[str, str]) -> str:
    by_seed = sorted(cells, key=lambda c: (c.cell.seed, c.id))
    return " ".join(f"[{c.cell.seed}]({links[c.id]})" for c in by_seed)


def with_links(table: Table, links: Mapping[str, str] | None) -> Table:
    """The table with a column for `linked` rows."""
    if links is not None:
        table.columns = [*table.columns, "records"]
    return table

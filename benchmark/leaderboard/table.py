"""Tables of records: the same columns in the terminal (rich) and in leaderboard.md (tabulate)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import rich.table
from rich import box
from rich.text import Text
from tabulate import tabulate

from benchmark.arena.tally import Tally
from benchmark.evaluation.matches import PROTOCOL
from benchmark.evaluation.statistics import wilson
from benchmark.leaderboard import scoring
from benchmark.records.record import Cell, Record, Role, method_key, one_vote

HEADER = """# Leaderboard

Rendered from the records under `results/` by `bench leaderboard`; nothing here is typed by hand.
Protocol v{protocol}. Win rates are the adversary's, in percent, with 95 % intervals: Wilson's for
a single pairing, a bootstrap over training seeds within victims for scores. Bootstrap intervals
over 3 seeds cover .79-.87 instead of .95, over 5 seeds .86-.91: read them as too narrow. A score
from a single seed has no interval. Tiers *smoke* and *lite* are never ranked. *process* records
are self-reported (level 0).
"""


@dataclass
class Table:
    """Rows of text under columns; the first `words` columns are words, the rest are numbers."""

    title: str
    columns: list[str]
    words: int
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""
    flags: list[str] = field(default_factory=list)

    @property
    def footer(self) -> str:
        """What stands below: the note, and the automatic flags of its records."""
        flagged = f"Flagged: {'; '.join(self.flags)}." if self.flags else ""
        return " ".join(part for part in (self.note, flagged) if part)


USUAL = {"slow_ball": "loss", "physics": "ranked", "auto_contact": False}
"""Options of games that a title leaves out. Not asked of the games: the board renders from records
alone, whatever is installed."""
TRACKS = {"black-box": "", "white-box": " (white-box)", "none": " (floor)"}


def tables(records: Sequence[Record], links: dict[str, str] | None = None) -> list[Table]:
    """All tables of these records; links: record id to where its file is, for the last column."""
    made = []
    records = one_vote(records)
    keyed = scoring.group(records, lambda r: (r.cell.game, _options(r), r.cell.tier))
    for (game, options, tier), part in keyed.items():
        title = f"{game}{options}, tier {tier}"
        undefended = [r for r in part if r.cell.defense is None]
        defended = [r for r in part if r.cell.defense is not None]
        if undefended:
            made += [_attacks(title, undefended, links), _victims(title, undefended)]
            made += _transfers(title, undefended)
        if defended:
            made.append(_defenses(title, defended, links))
    return made


def _attacks(title: str, records: Sequence[Record], links: dict[str, str] | None) -> Table:
    table = Table(
        f"Attacks on {title}",
        [
            "attack",
            "victim",
            "score (95 %)",
            "2nd mode",
            "no loss",
            "wins by",
            "replay",
            "transfer",
            "runs",
        ],
        words=2,
        note="runs: training seeds x steps. score: 100 x interquartile mean of the adversary's "
        "win rate over seeds. 2nd mode: win rate against the same victim acting the other way "
        "(sampled, where its card ranks the mean action). wins by: the commonest way in which its "
        "matches were won, with its share of them. replay: win rate of the same adversaries under "
        "the game's other physics. transfer: mean win rate against the other victims over "
        "the one against its own.",
    )
    rows = []
    for cells in scoring.rows(records):
        cell = cells[0].cell
        attack, victim, track = cell.attack.label, victim_label(cell), cell.track
        budget = cell.budget_steps
        score = scoring.attack_score(cells)
        tally = scoring.pooled(cells, "attack")
        ratio = scoring.transfer(cells).ratio
        row = [
            attack + TRACKS[track], victim, _score(score, cells), _other_mode(cells),
            _percent(tally.non_loss_rate),
            _commonest_win(tally), _played(cells, "replay"),
            "-" if ratio is None else f"{ratio:.2f}", _runs(cells, budget),
        ]  # fmt: skip
        rows.append((victim, -score.value, _linked(row, cells, links)))
        for flag in sorted({flag for cell in cells for flag in cell.flags}):
            table.flags.append(f"{attack} on {victim}: {flag}")
    table.rows = [row for *_, row in sorted(rows, key=lambda item: item[:2])]
    return _with_links(table, links)


def _victims(title: str, records: Sequence[Record]) -> Table:
    table = Table(
        f"Victims of {title}: the scale",
        ["victim", "random wins", "zero wins", "regular opponents win"],
        words=1,
        note="win rate of scripted floors and of regular opponents in the adversary's seat.",
    )
    for player, cells in scoring.group(records, lambda r: r.cell.victim).items():
        played = [cell for cell in cells if cell.failure is None] or cells
        one = [min(played, key=lambda r: (-len(r.cell.others), r.id))]  # met most opponents
        table.rows.append(
            [
                player.name,
                _rate(scoring.pooled(one, "floor", "random")),
                _rate(scoring.pooled(one, "floor", "zero")),
                _rate(scoring.pooled(one, "regular")),
            ]
        )
    return table


def _transfers(title: str, records: Sequence[Record]) -> list[Table]:
    made = []
    learned = [r for r in records if r.cell.track != "none"]
    for attack, cells in scoring.group(learned, _entry).items():
        matrix = scoring.transfer(cells)
        table = Table(
            f"Transfer of {attack[0]} on {title}",
            ["trained on", *matrix.targets],
            words=1,
            note="win rate in percent, with its interval, of adversaries against every victim.",
        )
        for source in matrix.sources:
            row = [matrix.tallies.get((source, target)) for target in matrix.targets]
            table.rows.append([source, *("-" if t is None else _rate(t, 0) for t in row)])
        if len(matrix.targets) > 1:
            made.append(table)
    return made


def _defenses(title: str, records: Sequence[Record], links: dict[str, str] | None) -> Table:
    table = Table(
        f"Defenses on {title}",
        ["defense", "attack", "victim", "score (95 %)", "stored", "held", "fresh", "clean", "runs"],
        words=3,
        note="Robustness, 1 - the adversary's win rate, against stored adversaries (trained on "
        "the undefended victim), held-out ones (other seeds and attacks) and fresh ones (the "
        "attack run again on the defended victim). clean: play kept against regular opponents. "
        "score: 100 x clean x robustness to the worst attack, which is chosen on one half of the "
        "episodes and reported on the other.",
    )  # fmt: skip
    for cells in scoring.rows(records):
        cell = cells[0].cell
        defense = cell.defense.label if cell.defense else ""
        attack, victim, budget = cell.attack.label, victim_label(cell), cell.budget_steps
        score = scoring.defense_score(cells)
        parts = [scoring.defense_parts(cell) for cell in cells]
        row = [
            defense, attack, victim, _score(score, cells),
            _mean([p.stored for p in parts]),
            _mean([p.held_out for p in parts]), _mean([p.fresh for p in parts]),
            _mean([p.clean for p in parts]), _runs(cells, budget),
        ]  # fmt: skip
        table.rows.append(_linked(row, cells, links))
    return _with_links(table, links)


def to_markdown(made: Sequence[Table]) -> str:
    """leaderboard.md, whole."""
    parts = [HEADER.format(protocol=PROTOCOL), *(to_markdown_table(table) for table in made)]
    if not made:
        parts.append("No records yet.\n")
    return "\n".join(parts)


def to_markdown_table(table: Table) -> str:
    """A table with its title and footer."""
    align = ["left"] * table.words + ["right"] * (len(table.columns) - table.words)
    if table.columns[-1] == "records":
        align[-1] = "left"
    body = tabulate(
        table.rows, table.columns, tablefmt="github", colalign=align, disable_numparse=True
    )
    return f"## {table.title}\n\n{body}\n" + (f"\n{table.footer}\n" if table.footer else "")


def to_rich(table: Table) -> rich.table.Table:
    """The same table for a terminal."""
    drawn = rich.table.Table(
        title=Text(table.title),
        caption=Text(table.footer) if table.footer else None,
        box=box.SIMPLE_HEAD,
        title_style="bold",
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
    )
    # A terminal has no room for columns that say nothing here: no transfer, no replay.
    telling = [
        i
        for i in range(len(table.columns))
        if not table.rows or {r[i] for r in table.rows} != {"-"}
    ]
    for i in telling:
        column = table.columns[i]
        texts = [column, *(row[i] for row in table.rows)]
        longest = max(len(word) for text in texts for word in text.split())
        if i < table.words:  # names may be broken where a terminal is narrow, numbers may not
            drawn.add_column(column, overflow="fold", min_width=min(longest, 9))
        else:
            drawn.add_column(column, justify="right", overflow="fold", min_width=longest)
    for row in table.rows:
        drawn.add_row(*(Text(row[i]) for i in telling))
    return drawn


def steps(count: int) -> str:
    """8000000 as '8 M'."""
    if count >= 1_000_000:
        return f"{count / 1e6:.3g} M"
    return f"{count / 1e3:.3g} k" if count >= 1000 else str(count)


def _entry(record: Record) -> tuple[str, str, int]:
    """An attack as an entry: its label, then what tells it from others of that label."""
    cell = record.cell
    return cell.attack.label, method_key(cell.attack), cell.budget_steps


def _options(record: Record) -> str:
    """The options of a game that are not the usual ones."""
    options = {k: v for k, v in record.cell.game_options.items() if USUAL.get(k) != v}
    return "".join(f" {k}={v}" for k, v in sorted(options.items()))


def _runs(cells: Sequence[Record], budget: int) -> str:
    return f"{len(cells)} x {steps(budget)}"


def _score(score: scoring.Score, cells: Sequence[Record]) -> str:
    if len(cells) == len({cell.cell.victim.name for cell in cells}):
        return f"{score.value:.1f} (1 seed)"
    return f"{score.value:.1f} ({score.low:.1f}-{score.high:.1f})"


def victim_label(cell: Cell) -> str:
    """A victim's name, marked where it is a replication variant."""
    return cell.victim.name + ("" if cell.victim_ranked else " (variant)")


def _commonest_win(tally: Tally) -> str:
    """How matches were won most often: 'slow ball 83 %' of the wins."""
    wins = {k.split(":", 1)[1]: n for k, n in tally.breakdown.items() if k.startswith("win:")}
    if not wins:
        return "-"
    how = max(sorted(wins), key=lambda name: wins[name])
    return f"{how.replace('_', ' ')} {100 * wins[how] / tally.wins:.0f} %"


def _played(cells: Sequence[Record], role: Role) -> str:
    tally = scoring.pooled(cells, role)
    return _percent(tally.win_rate) if tally.episodes else "-"


def _other_mode(cells: Sequence[Record]) -> str:
    played = [m for cell in cells for m in cell.matches if m.role == "attack" and not m.ranked_mode]
    return _percent(Tally.sum(m.tally for m in played).win_rate) if played else "-"


def _rate(tally: Tally, digits: int = 1) -> str:
    if not tally.episodes:
        return "-"
    low, high = wilson(tally.wins, tally.episodes)
    texts = [f"{100 * value:.{digits}f}" for value in (tally.win_rate, low, high)]
    return f"{texts[0]} ({texts[1]}-{texts[2]})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"


def _linked(row: list[str], cells: Sequence[Record], links: dict[str, str] | None) -> list[str]:
    if links is None:
        return row
    seeds = sorted(cells, key=lambda c: (c.cell.seed, c.id))
    return [*row, " ".join(f"[{c.cell.seed}]({links[c.id]})" for c in seeds)]


def _with_links(table: Table, links: dict[str, str] | None) -> Table:
    if links is not None:
        table.columns = [*table.columns, "records"]
    return table

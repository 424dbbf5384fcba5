"""Tables of entries: an attack over all victims of a game, and over games."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from benchmark.evaluation.protocol import RANKED_VICTIMS
from benchmark.evaluation.statistics import iqm
from benchmark.leaderboard import beside
from benchmark.leaderboard.attacked import TRACKS, seat_texts
from benchmark.leaderboard.overall import Line, overall
from benchmark.leaderboard.ranking import Entry, ranks
from benchmark.leaderboard.table import (
    Table,
    is_single,
    linked,
    score_text,
    steps,
    steps_text,
    with_links,
)

UNRANKED = "-"


def entry_table(
    title: str, entries: Sequence[Entry], links: Mapping[str, str] | None
) -> Table | None:
    """The entries of one game, its options and a tier; None where none of them is scored."""
    found = [entry for entry in entries if entry.counted]
    if not found:
        return None
    table = Table(
        f"Scores on {title}",
        [
            "attack", "rank", "score (95 %)", "worst victim", "lift", "AUC", "to 50 %", "seed sd",
            "wall", "level", "runs",
        ],
        words=1,
        note="One row an attack and budget, over its victims. rank: 1 + the entries of the same "
        "track and budget that are better by more than their seeds leave open (paired "
        "bootstrap); '-' is unranked: less than tier full with all its steps and 1000 "
        "episodes, without the seeds 0 to 4 on each of the ranked victims "
        f"({_ranked_victims(found)}), or with seeds that gave one policy. The row of a ranked "
        "attack is over those victims, and the seeds that all of them have; what it met "
        "besides stands in the next table. Settings of one method are entries of their own. "
        "score: 100 x interquartile mean of the win rate over victims and seeds. worst "
        "victim: the one it wins least against. lift: points won above the victim's regular "
        "opponents. AUC: mean win rate along the training. to 50 %: steps until half of the "
        "last 200 training matches were won; the upper median. seed sd: in points, within "
        "victims. wall: a training's time on the machine that it ran on. level: the lowest of "
        "its records. runs: victims x seeds x steps.",
    )  # fmt: skip
    records = [record for entry in entries for record in entry.records]
    seats = seat_texts(records)
    regular = beside.regular_rates(records)
    placed = list(zip(found, ranks(found), strict=True))
    scores = [entry.score for entry in found]
    order = sorted(range(len(found)), key=lambda i: (placed[i][1] or inf, -scores[i].value, i))
    for i in order:
        entry, rank = placed[i]
        name = entry.label + TRACKS[entry.track] + seats[entry.seat]
        row = [name, UNRANKED if rank is None else str(rank), score_text(scores[i], entry.counted)]
        row += [*_beside(entry, regular), runs(entry)]
        table.rows.append(linked(row, entry.counted, links))
    table.flags += unequal(found, [rank for _, rank in placed])
    return with_links(table, links)


def _ranked_victims(entries: Sequence[Entry]) -> str:
    """Names, as the protocol has them; 'none are named for this game' where it has not."""
    return ", ".join(RANKED_VICTIMS.get(entries[0].game, {})) or "none are named for this game"


def unequal(entries: Sequence[Entry], ranks: Sequence[int | None]) -> list[str]:
    """Of each league's unranked entries, where they differ in cells: scores over those of all."""
    told = []
    unranked = [entry for entry, rank in zip(entries, ranks, strict=True) if rank is None]
    for league in sorted({entry.league for entry in unranked}):
        members = [entry for entry in unranked if entry.league == league]
        common = set.intersection(*(set(entry.rates) for entry in members))
        if not common or all(set(entry.rates) == common for entry in members):
            continue
        scores = sorted(
            ((100 * iqm([entry.rates[cell] for cell in sorted(common)]), entry.label)
             for entry in members), reverse=True,
        )  # fmt: skip
        listed = ", ".join(f"{label} {score:.1f}" for score, label in scores)
        told.append(
            f"unranked rows are not over the same victims and seeds; over the {len(common)} cells "
            f"that all entries of {steps(league[1])} steps have: {listed}"
        )
    return told


def _beside(entry: Entry, regular: Mapping[str, float]) -> list[str]:
    cells, rates = entry.counted, entry.strata
    worst = beside.worst_victim(rates)
    return [
        f"{worst.victim} {100 * worst.win_rate:.1f}",
        _number(beside.lift(rates, regular), 100, "+.1f"),
        _number(beside.sample_efficiency(cells), 1, ".3f"),
        steps_text(beside.steps_to_exploit(cells)),
        _number(beside.seed_deviation(rates), 100, ".1f"),
        duration(beside.wall_s(cells)),
        str(min(cell.level for cell in cells)),
    ]


def runs(entry: Entry) -> str:
    """Victims x training seeds x steps: '2 x 5 x 8 M'; '3-5' where victims differ in seeds."""
    counts = [len(seeds) for seeds in entry.strata.values()]
    low, high = min(counts), max(counts)
    seeds = str(low) if low == high else f"{low}-{high}"
    return f"{len(counts)} x {seeds} x {steps(entry.budget_steps)}"


def overall_table(title: str, games: Mapping[str, Sequence[Entry]]) -> Table | None:
    """The entries of one tier over its games, under usual options; None with fewer than two."""
    found = overall(games)
    if len(found.games) < 2:
        return None
    table = Table(
        title,
        ["attack", "rank", "overall (95 %)", *found.games],
        words=1,
        note="Attacks that were run on two games or more: the unweighted mean of their scores, '-' "
        "where a game is missing. Each at the tier's budget, over the victims that it met there; a "
        "single seed on some game leaves the mean without an interval. rank: as on a game, of "
        "those that are ranked on every one.",
    )
    for line in (line for line in found.lines if len(line.games) > 1):
        table.rows.append(
            [
                line.label + TRACKS[line.track],
                UNRANKED if line.rank is None else str(line.rank),
                _mean_text(line),
                *(
                    f"{line.games[game].score.value:.1f}" if game in line.games else "-"
                    for game in found.games
                ),
            ]
        )
    return table


def _mean_text(line: Line) -> str:
    """The mean over games with its interval, or with the games that have a single seed."""
    if line.score is None:
        return "-"
    single = [game for game, entry in line.games.items() if is_single(entry.counted)]
    if single:
        return f"{line.score.value:.1f} (1 seed: {', '.join(single)})"
    return f"{line.score.value:.1f} ({line.score.low:.1f}-{line.score.high:.1f})"


def duration(seconds: float | None) -> str:
    """75 as '1.2 min', '-' where nobody knows."""
    if seconds is None:
        return "-"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _number(value: float | None, scale: float, form: str) -> str:
    return "-" if value is None else format(scale * value, form)

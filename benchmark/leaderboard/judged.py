"""Tables of defended victims: how robust, how clean, who else met them, what a detector tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from statistics import median_high

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import bootstrap_mean
from benchmark.leaderboard import scoring
from benchmark.leaderboard.attacked import matrix_table
from benchmark.leaderboard.flags import flags, fresh_fell_short
from benchmark.leaderboard.table import (
    Table,
    clean_text,
    linked,
    mean_text,
    rate_text,
    runs_text,
    score_text,
    victim_label,
    with_links,
)
from benchmark.records.cell import method_key
from benchmark.records.record import JUDGED, Record

NONE = "none"
"""What stands where a defense's name would: the undefended victim."""


def defense_tables(
    title: str,
    defended: Sequence[Record],
    undefended: Sequence[Record],
    links: Mapping[str, str] | None,
) -> list[Table]:
    """The tables of defended cells of one game, its options and a tier.

    undefended: cells of the same group; those of the same attack and victim are rows as well.
    """
    detected = [r for r in defended if r.detections]
    hardened = [r for r in defended if not r.detections]
    made = []
    if hardened:
        before = [r for r in undefended if _pairing(r) in {_pairing(one) for one in hardened}]
        made += [_defenses(title, [*before, *hardened], links), _company(title, hardened, links)]
        made += _transfers(title, hardened, links)
    if detected:
        made.append(_detections(title, detected, links))
    return made


def _pairing(record: Record) -> tuple[str, str, int, str]:
    cell = record.cell
    return method_key(cell.attack), cell.victim.sha256, cell.budget_steps, cell.seat


def _defenses(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Defenses on {title}",
        [
            "defense", "attack", "victim", "score (95 %)", "judges", "stored", "held", "fresh",
            "clean", "after / before (95 %)", "exploit", "level", "runs",
        ],
        words=3,
        note="Robustness, 1 - the adversary's win rate, against stored adversaries (trained on the "
        "undefended victim), held-out ones (other seeds and attacks) and fresh ones (the "
        "attack run again on the defended victim). held: against the worst of its "
        "adversaries. clean: play kept against regular opponents, at most 1. after / before: "
        "the same without that cap, matches pooled, with Katz's interval over matches. score: "
        "100 x clean x robustness to the worst attack, which is chosen on one half of the "
        "episodes and reported on the other; that of no defense is against the stored "
        "adversary alone, so that defended rows, which are judged by the worst of several, "
        "lose some points against it by that choice. judges: how many adversaries each seed "
        "was judged by; a row of fewer is held to less, so that only scores of equally many "
        "compare. exploit: steps that the fresh attack took to win half of its matches, over "
        "those of the first; the upper median over seeds, 'never' where at least half of them "
        "never did. A score with <= lacks fresh adversaries, whose training failed on some "
        "seed, and would be lower with them. Parts are means over the seeds that were not "
        "lost. level: the lowest of its records.",
    )  # fmt: skip
    for cells in scoring.rows(records):
        cell = cells[0].cell
        parts = [scoring.defense_parts(one) for one in cells]
        row = [
            *names(cells), _bound(cells) + score_text(scoring.defense_score(cells), cells),
            _judges(cells),
            mean_text([p.stored for p in parts]),
            mean_text([p.held_out for p in parts]), mean_text([p.fresh for p in parts]),
            mean_text([p.clean for p in parts]), clean_text(cells), exploit_text(cells),
            str(min(one.level for one in cells)),
            runs_text(cells, cell.budget_steps),
        ]  # fmt: skip
        table.rows.append(linked(row, cells, links))
        for flag in sorted({flag for one in cells if cell.defense for flag in flags(one)}):
            table.flags.append(f"{' '.join(row[:3])}: {flag}")
        table.flags += [f"{' '.join(row[:3])}: {line}" for line in fresh_fell_short(cells)]
    table.rows.sort(key=lambda row: (row[2], row[1], row[0] != NONE, row[0]))
    return with_links(table, links)


def _bound(cells: Sequence[Record]) -> str:
    """What stands before a score that a fresh adversary is missing from."""
    return "<= " if any("fresh" in one.lost for one in cells) else ""


def _judges(cells: Sequence[Record]) -> str:
    """Of how many adversaries the worst counts: '4', '3-4' where seeds differ."""
    counts = [sum(len(one.of_role(role)) for role in ("attack", *JUDGED)) for one in cells]
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"


def _company(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Who else met the defended victims of {title}",
        [
            "defense", "attack", "victim", "random wins", "zero wins", "regular opponents win",
            "other victims' adversaries win",
        ],
        words=3,
        note="win rates in percent against hardened victims, seeds pooled.",
    )  # fmt: skip
    for cells in scoring.rows(records):
        after = [scoring.regular_play(one)[1] for one in cells]
        row = [
            *names(cells),
            rate_text(scoring.pooled(cells, "floor", "random")),
            rate_text(scoring.pooled(cells, "floor", "zero")),
            rate_text(Tally.sum(after)),
            rate_text(scoring.pooled(cells, "foreign")),
        ]
        table.rows.append(linked(row, cells, links))
    return with_links(table, links)


def _transfers(
    title: str, records: Sequence[Record], links: Mapping[str, str] | None
) -> list[Table]:
    """One matrix a defense and attack, where there are several victims."""

    def entry(record: Record) -> tuple[str, ...]:
        cell = record.cell
        assert cell.defense is not None
        return (
            cell.defense.label, cell.attack.label, method_key(cell.defense),
            method_key(cell.attack), str(cell.budget_steps),
        )  # fmt: skip

    made = []
    for (defense, attack, *_), cells in scoring.group(records, entry).items():
        table = matrix_table(f"Transfer of {attack} over {defense} on {title}", cells, links)
        if table is not None:
            made.append(table)
    return made


def _detections(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Detection on {title}",
        [
            "detector", "attack", "victim", "stored (95 %)", "alarms", "held-out (95 %)",
            "alarms ", "stranger (95 %)", "runs",
        ],
        words=3,
        note="AUROC against stored and held-out adversaries: share of pairs of an adversarial and "
        "a regular match, of the same starts, in which the detector scores the adversarial one "
        "higher; .5 is chance; of several held-out ones the one that is told worst. stranger: the "
        "same of a harmless regular opponent that the detector did not learn from, of several the "
        "one that scores highest: what is strange is not yet adversarial. Intervals: bootstrap "
        "over seeds, of one seed Hanley and McNeil's over matches. alarms: share of regular "
        "matches, in percent, that a threshold catching 95 % of the adversarial ones also catches.",
    )  # fmt: skip
    for cells in scoring.rows(records):
        row = [*names(cells)]
        for role in ("stored", "held-out"):
            row += _detection_texts(cells, role)
        row += [_detection_texts(cells, "regular")[0], runs_text(cells, cells[0].cell.budget_steps)]
        table.rows.append(linked(row, cells, links))
    return with_links(table, links)


def _detection_texts(cells: Sequence[Record], role: str) -> list[str]:
    """AUROC with its interval, and false alarms, of each seed's case that speaks against it most.

    That is the adversary told worst, and of harmless strangers the one taken for one most.
    """
    found = [[d.counts for d in one.detections if d.role == role] for one in cells]
    pick = max if role == "regular" else min
    worst = [pick(counts, key=lambda c: c.auroc) for counts in found if counts]
    if not worst:
        return ["-", "-"]
    by_seed = [counts.auroc for counts in worst]
    low, high = (
        worst[0].interval() if len(worst) == 1
        else bootstrap_mean(by_seed, seed=scoring.BOOTSTRAP_SEED)
    )  # fmt: skip
    alarms = sum(c.false_alarms for c in worst) / sum(c.regular for c in worst)
    mean = sum(by_seed) / len(by_seed)
    return [f"{mean:.2f} ({low:.2f}-{high:.2f})", f"{100 * alarms:.1f}"]


def exploit_text(cells: Sequence[Record]) -> str:
    """The upper median ratio of steps to exploit, with how many seeds have one where not all do."""
    ratios = [r for one in cells if (r := scoring.exploit_ratio(one)) is not None]
    if not ratios:
        return "-"
    middle = median_high(ratios)
    text = "never" if middle == inf else f"{middle:.2f}"
    return text if len(ratios) == len(cells) else f"{text} ({len(ratios)} of {len(cells)})"


def names(cells: Sequence[Record]) -> list[str]:
    """Defense, attack and victim of a row."""
    cell = cells[0].cell
    return [cell.defense.label if cell.defense else NONE, cell.attack.label, victim_label(cell)]

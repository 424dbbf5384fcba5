"""Learning curves of several seeds as lines with bands, and sweeps over a setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from benchmark.evaluation.curves import Float
from benchmark.evaluation.statistics import iqm
from benchmark.leaderboard import scoring
from benchmark.leaderboard.defense_study import known
from benchmark.leaderboard.scoring import DefenseParts
from benchmark.leaderboard.study import binned
from benchmark.page.charts import SMALL, Axis, Chart, Series, line_chart, plane_chart
from benchmark.page.entries import Entry
from benchmark.records.cell import content_hash
from benchmark.records.record import Record

BINS = 60
MOST_LINES = 8
"""Lines of one chart: as many as there are colours."""
PARTS: tuple[tuple[str, Callable[[DefenseParts], float | None]], ...] = (
    ("held against stored", lambda part: part.stored),
    ("held against held-out", lambda part: part.held_out),
    ("held against fresh", lambda part: part.fresh),
    ("clean play kept", lambda part: part.clean),
)


def span_steps(records: Sequence[Record], name: str) -> int:
    """The steps that a curve is drawn over: the budget, or more where a defense took more."""
    ends = [record.curves[name][-1].steps for record in records if record.curves.get(name)]
    return max(records[0].cell.budget_steps, 1, *ends)


def band(label: str, records: Sequence[Record], name: str) -> Series | None:
    """Mean and range over seeds of a training's win rate; None where none of them has it."""
    having = [record for record in records if record.curves.get(name)]
    if not having:
        return None
    span = span_steps(having, name)
    values = np.stack([binned(record, name, span, BINS) for record in having])
    return _series(label, (np.arange(BINS) + 0.5) * span / BINS / 1e6, values)


def diagnostic(key: str, records: Sequence[Record], name: str) -> Series | None:
    """Mean and range over seeds of a method's own diagnostic, point by point of its curve."""
    edges = np.linspace(0, span_steps(records, name), BINS + 1)[1:]
    values = np.full((len(records), BINS), np.nan)
    for row, record in enumerate(records):
        for point in record.curves.get(name, []):
            if key in point.diagnostics:  # the last one of a bin stands for it
                at = min(int(np.searchsorted(edges, point.steps)), BINS - 1)
                values[row, at] = point.diagnostics[key]
    if np.isnan(values).all():
        return None
    return _series(key, edges / 1e6, values)


def _series(label: str, x: Float, values: Float) -> Series:
    """Mean, least and greatest of values (seeds, BINS), where at least one is known."""
    seen = ~np.isnan(values).all(axis=0)
    values = values[:, seen]
    low, high = (np.nanmin(values, axis=0), np.nanmax(values, axis=0))
    many = len(values) > 1
    return Series(
        label, x[seen].tolist(), np.nanmean(values, axis=0).tolist(),
        low.tolist() if many else (), high.tolist() if many else (),
    )  # fmt: skip


def curve_chart(
    title: str, named: Sequence[tuple[str, Sequence[Record], str]], y_label: str
) -> Chart | None:
    """Win rates over training steps: label, records and training of each; None without any."""
    banded = [(band(*one), span_steps(*one[1:]) / 1e6) for one in named]
    lines = [line for line, _ in banded if line and line.x]
    if not lines:
        return None
    last = max(span for line, span in banded if line)
    ends = "; ".join(f"{line.label}: {line.y[0]:.0f} to {line.y[-1]:.0f}" for line in lines)
    return line_chart(
        title, lines,
        Axis("million training steps", 0.0, last, _digits(last)), Axis(y_label, 0.0, 100.0),
        summary=f"Percent at the start and at the end of training. {ends}.",
    )  # fmt: skip


def diagnostic_chart(title: str, line: Series) -> Chart:
    """One diagnostic over training steps, on a scale of its own."""
    low, high = min(line.low or line.y), max(line.high or line.y)
    if high - low < 1e-9:  # a constant needs a scale, too
        low, high = low - 0.5, high + 0.5
    digits = max(0, 1 - math.floor(math.log10(high - low)))
    return line_chart(
        title, [line], Axis("", 0.0, line.x[-1], _digits(line.x[-1])),
        Axis("", low, high, min(digits, 6)), frame=SMALL,
        summary=f"From {line.y[0]:.3g} to {line.y[-1]:.3g}.",
    )  # fmt: skip


def attack_curves(victim: str, entries: Sequence[Entry]) -> tuple[Chart | None, int]:
    """The attacks on a victim, best first; and how many there was no room for."""
    trained = [e for e in entries if any(r.curves.get("attack") for r in e.records)]
    best = sorted(trained, key=lambda e: -iqm([scoring.win_rate(r) for r in e.records]))
    named = [(_named(e, best), e.records, "attack") for e in best[:MOST_LINES]]
    chart = curve_chart(f"Attacks on {victim} while they train", named, "adversary wins, %")
    return chart, max(0, len(best) - MOST_LINES)


def _named(entry: Entry, among: Sequence[Entry]) -> str:
    """An entry's label, with its budget where another of that name has a different one."""
    alike = [other for other in among if other.attack == entry.attack]
    seeds = len(entry.records)
    budget = f", {entry.budget}" if len({other.budget for other in alike}) > 1 else ""
    return f"{entry.attack} ({seeds}{budget})"


# --- Sweeps -----------------------------------------------------------------------------------


def sweeps(entries: Sequence[Entry]) -> list[list[tuple[float, Entry]]]:
    """Defended entries that differ in one number of their defense's configuration alone.

    At least three of its values make a sweep, in rising order: mixed retraining over p is one.
    """
    families: dict[str, list[tuple[float, Entry]]] = {}
    for entry in entries:
        method = entry.cell.defense
        if method is None or any(record.detections for record in entry.records):
            continue
        for name, value in method.config.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                rest = {k: v for k, v in method.config.items() if k != name}
                company = (entry.attack, entry.victim, entry.budget, method.name, method.version)
                key = content_hash([*company, name, rest])
                families.setdefault(key, []).append((float(value), entry))
    found = [sorted(family, key=lambda item: item[0]) for family in families.values()]
    return [one for one in found if len({value for value, _ in one}) >= 3]


def sweep_charts(sweep: Sequence[tuple[float, Entry]]) -> list[Chart]:
    """Robustness and clean play over the setting, and against each other."""
    name = _swept(sweep)
    scored = [(v, [scoring.defense_parts(r) for r in e.records]) for v, e in sweep]
    first = sweep[0][1]
    assert first.cell.defense is not None
    about = f"{first.cell.defense.name} over {name}, against {first.attack} on {first.victim}"
    lines = [_part_line(label, of, scored) for label, of in PARTS]
    across = Axis(name, scored[0][0], scored[-1][0], 2)
    held = Axis("share of matches, of clean play", 0.0, 1.0, 1)
    said = "; ".join(_said(line) for line in lines if line.x)
    charts = [line_chart(f"Robustness and generality: {about}", lines, across, held, summary=said)]
    pairs = [
        (f"{name} = {value:g}", [(p.clean, p.fresh) for p in parts
                                 if p.clean is not None and p.fresh is not None])
        for value, parts in scored
    ]  # fmt: skip
    known_pairs = [(label, found) for label, found in pairs if found]
    if known_pairs:
        charts.append(_plane(about, known_pairs))
    return charts


def _plane(about: str, groups: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> Chart:
    least = min(x for _, pairs in groups for x, _ in pairs)
    left = max(0.0, int(least * 10 - 1e-9) / 10) if least < 1 else 0.9
    said = "; ".join(
        f"{label}: clean {sum(x for x, _ in pairs) / len(pairs):.2f}, held against fresh "
        f"{sum(y for _, y in pairs) / len(pairs):.2f}"
        for label, pairs in groups
    )
    return plane_chart(
        f"Robustness against generality: {about}", groups,
        Axis("clean play kept", left, 1.0, 2), Axis("held against fresh", 0.0, 1.0, 1),
        summary=said,
    )  # fmt: skip


def _part_line(
    label: str,
    of: Callable[[DefenseParts], float | None],
    scored: Sequence[tuple[float, Sequence[DefenseParts]]],
) -> Series:
    points = [(value, found) for value, parts in scored if (found := known(parts, of))]
    return Series(
        label, [value for value, _ in points], [sum(f) / len(f) for _, f in points],
        [min(f) for _, f in points], [max(f) for _, f in points], dots=True,
    )  # fmt: skip


def _said(line: Series) -> str:
    return f"{line.label}: " + ", ".join(
        f"{y:.2f} at {x:g}" for x, y in zip(line.x, line.y, strict=True)
    )


def _swept(sweep: Sequence[tuple[float, Entry]]) -> str:
    """Which setting it is."""
    first, last = (entry.cell.defense for _, entry in (sweep[0], sweep[-1]))
    assert first is not None
    assert last is not None
    return next(k for k, v in first.config.items() if last.config[k] != v)


def _digits(last: float) -> int:
    """Decimals of ticks up to `last`."""
    return 0 if last >= 5 else 1 if last >= 0.5 else 3

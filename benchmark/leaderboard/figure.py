"""A study as a picture: learning curves, and how far the variants' areas lie apart."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError, Misuse, missing_packages
from benchmark.leaderboard.study import Row, area, binned, differences, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 40
FORMATS = (".svg", ".png")
COLOURS = (
    "#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b",
    "#332288", "#999933",
)  # fmt: skip
"""Okabe and Ito's palette and three of Tol's: apart for the colour-blind too."""
DASHES = ("-", "--", "-.", ":")


def save_figure(path: Path, title: str, rows: Sequence[Row], reference: Row) -> None:
    """Draw a study of attacks into a .svg or .png file; equal records give equal bytes.

    Raises:
        Misuse: another suffix, or there is nothing to draw.
        InfrastructureError: matplotlib is not installed, or the file cannot be written.
    """
    if not any(row.records for row in rows):
        raise Misuse("no record of this study yet, so there is nothing to draw")

    def draw(left: Axes, right: Axes) -> None:
        draw_curves(left, rows)
        legend_below(left)
        _draw_differences(right, rows, reference)

    write_figure(path, title, draw)


def differences_to(reference: str) -> str:
    """What an axis of differences says; on two lines, for a narrow panel."""
    return f"AUC - AUC of '{reference}', points\nseeds and mean (95 %)"


def write_figure(
    path: Path, title: str, draw: Callable[[Axes, Axes], None], description: str | None = None
) -> None:
    """Two panels side by side, filled by `draw`, into a file; see `save_figure`.

    description: what an .svg says of itself to programs.
    """
    check_drawable(path)
    from matplotlib import rc_context  # noqa: PLC0415 - needs an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10.0, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        draw(left, right)
        payload = io.BytesIO()
        kind = path.suffix[1:]
        told = {"Description": description} if description else {}
        figure.savefig(payload, format=kind, dpi=150, metadata={"Date": None, **told}
                       if kind == "svg" else {"Software": None})  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, payload.getvalue())
    except OSError as error:
        raise InfrastructureError(f"{path}: cannot be written ({error.strerror})") from error


def check_drawable(path: Path) -> None:
    """Raise Misuse for neither .svg nor .png, InfrastructureError where matplotlib is missing."""
    if path.suffix not in FORMATS:
        raise Misuse(f"{path}: a figure is {' or '.join(FORMATS)}")
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise missing_packages("matplotlib", error) from error


def style(index: int) -> dict[str, Any]:
    """Colour and dashes of the index-th line."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
    }


def legend_below(axes: Axes) -> None:
    """Under both panels: eleven lines leave no place for it among them."""
    figure = axes.get_figure()
    assert figure is not None
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower left", ncols=6, fontsize=8,
        frameon=False, title="mean and range of (seeds)", alignment="left",
    )  # fmt: skip


def draw_curves(axes: Axes, rows: Sequence[Row]) -> None:
    """Win rate while training: the mean over seeds, with the seeds' range."""
    for index, row in enumerate(rows):  # a variant keeps its colour while others are to come
        if not row.records:
            continue
        budget = row.records[0].cell.budget_steps
        steps = (np.arange(BINS) + 0.5) * budget / BINS / 1e6
        rates = np.stack([binned(record, "attack", budget, BINS) for record in row.records])
        seen = ~np.isnan(rates).all(axis=0)
        rates, at = rates[:, seen], steps[seen]
        label = f"{row.label} ({len(row.records)})"
        axes.plot(at, np.nanmean(rates, axis=0), label=label, **style(index))
        if len(rates) > 1:
            low, high = np.nanmin(rates, axis=0), np.nanmax(rates, axis=0)
            axes.fill_between(at, low, high, color=style(index)["color"], alpha=0.12, lw=0)
    axes.set(xlabel="million environment steps", ylabel="adversary's win rate in training, %")
    axes.set_ylim(0, 100)
    axes.grid(axis="y", alpha=0.25)


def _draw_differences(axes: Axes, rows: Sequence[Row], reference: Row) -> None:
    """AUC against the reference's, seed by seed and in the mean with its interval."""
    names: list[str] = []
    for index, row in enumerate(rows):
        values = differences(row, reference, area)
        if row is reference or not values:
            continue
        at, colour = len(names), style(index)["color"]
        names.append(row.label)
        axes.plot([100 * v for v in values], [at] * len(values), ".", color=colour, alpha=0.5)
        mean, low, high = (100 * v for v in interval(values))
        axes.errorbar(
            mean, at, xerr=[[mean - low], [high - mean]], fmt="o", color=colour, capsize=3
        )
    axes.axvline(0, color="#4d4d4d", lw=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_xlabel(differences_to(reference.label))

"""Simulates how often each interval holds the true value, and prints the tables of docs/statistics.

    make coverage

Not a test: it takes some minutes. Seeded, so it prints the same tables every time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, bootstrap, t

from benchmark.evaluation.statistics import (
    iqm,
    iqm_draws,
    mean_draws,
    percentiles,
    wilson,
)

Float = NDArray[np.float64]
Interval = tuple[float, float]
Draw = Callable[[np.random.Generator, float, int], Float]
SEEDS = (3, 5, 10)
EPISODES = 1000
MEANS = {1: (0.65,), 4: (0.35, 0.5, 0.65, 0.8)}
"""The victims' true mean win rates, by how many there are."""
DEVIATION = 0.15
"""Of a cell's true win rate over training seeds."""
BCA_DRAWS = 2000


def smooth(rng: np.random.Generator, mean: float, count: int) -> Float:
    """True win rates (count,) of training seeds: Beta with deviation .15."""
    weight = mean * (1 - mean) / DEVIATION**2 - 1
    return rng.beta(mean * weight, (1 - mean) * weight, count)


def lottery(rng: np.random.Generator, mean: float, count: int) -> Float:
    """True win rates (count,) of an attack that finds its trick or does not: .95 or .05."""
    return np.where(rng.random(count) < (mean - 0.05) / 0.9, 0.95, 0.05)


MODELS: dict[str, Draw] = {"smooth": smooth, "lottery": lottery}


def cells(rng: np.random.Generator, draw: Draw, means: Sequence[float], seeds: int) -> list[Float]:
    """Counted win rates, (seeds,) for every victim."""
    return [rng.binomial(EPISODES, draw(rng, mean, seeds)) / EPISODES for mean in means]


def student(point: float, error: float, freedom: int) -> Interval:
    """Student's interval about a point with this standard error."""
    half = float(t.ppf(0.975, freedom)) * error
    return point - half, point + half


def iqm_intervals(strata: list[Float]) -> Iterator[tuple[str, Interval]]:
    """The board's interval of the IQM, and two others."""
    seeds, draws = len(strata[0]), iqm_draws(strata, seed=1)
    yield "percentile", percentiles(draws)
    yield "BCa", _bca(strata, _iqm_rows)
    # A bootstrap deviation is too small by sqrt((n - 1) / n).
    error = float(draws.std()) * np.sqrt(seeds / (seeds - 1))
    middle = iqm(np.concatenate(strata))
    yield "t", student(middle, error, len(strata) * (seeds - 1))


def difference_intervals(strata: list[Float]) -> Iterator[tuple[str, Interval]]:
    """The board's interval of a mean of paired differences, and two others."""
    seeds = len(strata[0])
    yield "percentile", percentiles(mean_draws(strata, seed=1))
    yield "BCa", _bca(strata, _mean_rows)
    error = np.sqrt(sum(s.var(ddof=1) / seeds for s in strata)) / len(strata)
    yield "t", student(float(np.mean(strata)), error, len(strata) * (seeds - 1))


def _bca(strata: list[Float], statistic: Callable[..., Float]) -> Interval:
    if all(np.ptp(stratum) == 0 for stratum in strata):
        return iqm(np.concatenate(strata)), iqm(np.concatenate(strata))
    with np.errstate(all="ignore"):
        found = bootstrap(
            strata, statistic, n_resamples=BCA_DRAWS, method="BCa", vectorized=True, rng=1
        ).confidence_interval
    return float(found.low), float(found.high)


def _iqm_rows(*strata: Float, axis: int = -1) -> Float:
    ordered = np.sort(np.concatenate(strata, axis=axis), axis=axis)
    cut = ordered.shape[axis] // 4
    kept: Float = ordered.take(range(cut, ordered.shape[axis] - cut), axis=axis).mean(axis=axis)
    return kept


def _mean_rows(*strata: Float, axis: int = -1) -> Float:
    means: Float = np.concatenate(strata, axis=axis).mean(axis=axis)
    return means


class Found(NamedTuple):
    """Of all trials the shares that held the truth, and that lay above it."""

    held: float
    above: float
    width: float


def trials(
    count: int, make: Callable[[], Iterator[tuple[str, Interval]]], truth: float
) -> dict[str, Found]:
    """By interval; one that is not a number (BCa of equal values) holds nothing."""
    found: dict[str, list[Interval]] = {}
    for _ in range(count):
        for name, interval in make():
            found.setdefault(name, []).append(interval)
    shares = {}
    for name, intervals in found.items():
        low, high = np.array(intervals).T
        held = ((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean()
        width = float(np.nanmean(high - low))
        shares[name] = Found(float(held), float((low > truth + 1e-12).mean()), width)
    return shares


def report(title: str, kind: str, count: int) -> None:
    """One table: rows are model, victims and seeds; columns are intervals."""
    print(f"\n## {title}\n")
    names = ("percentile", "BCa", "t")
    head = [f"{name} {what}" for name in names for what in ("covers", "above", "width")]
    print("| seeds' win rates | victims | seeds | " + " | ".join(head) + " |")
    print("|---|" + "--:|" * (2 + len(head)))
    for model, draw in MODELS.items():
        for victims, means in MEANS.items():
            big = np.random.default_rng(7)
            whole = np.concatenate([draw(big, mean, 400_000) for mean in means])
            truth = iqm(whole) if kind == "iqm" else 0.0
            for seeds in SEEDS:
                rng = np.random.default_rng([seeds, victims, sorted(MODELS).index(model)])

                def make(
                    rng: np.random.Generator = rng,
                    draw: Draw = draw,
                    means: Sequence[float] = means,
                    seeds: int = seeds,
                ) -> Iterator[tuple[str, Interval]]:
                    one = cells(rng, draw, means, seeds)
                    if kind == "iqm":
                        return iqm_intervals(one)
                    other = cells(rng, draw, means, seeds)
                    return difference_intervals([a - b for a, b in zip(one, other, strict=True)])

                shares = trials(count, make, truth)
                numbers = " | ".join(
                    f"{n.held:.3f} | {n.above:.3f} | {n.width:.2f}"
                    for n in (shares[name] for name in names)
                )
                print(f"| {model} | {victims} | {seeds} | {numbers} |", flush=True)


def report_wilson(count: int) -> None:
    """Of one pairing exactly, by the binomial; of seeds pooled as the truth over all trainings."""
    print(
        "\n## Wilson's interval of a win rate\n\n| matches | covers, mean | least |\n|--:|--:|--:|"
    )
    grid = np.linspace(0.01, 0.99, 99)
    for episodes in (200, 1000, 5000):
        wins = np.arange(episodes + 1)
        low, high = np.array([wilson(int(w), episodes) for w in wins]).T
        held = [binom.pmf(wins, episodes, p)[(low <= p) & (p <= high)].sum() for p in grid]
        print(f"| {episodes} | {np.mean(held):.3f} | {np.min(held):.3f} |")
    print("\n| seeds' win rates | seeds pooled | covers the mean of all trainings |\n|---|--:|--:|")
    for model, draw in MODELS.items():
        for seeds in SEEDS:
            rng = np.random.default_rng(seeds)
            held = 0
            for _ in range(count):
                (rates,) = cells(rng, draw, MEANS[1], seeds)
                low, high = wilson(round(float(rates.sum()) * EPISODES), seeds * EPISODES)
                held += low <= MEANS[1][0] <= high
            print(f"| {model} | {seeds} | {held / count:.3f} |")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=2000, help="of each row")
    count = parser.parse_args().trials
    print(f"{count} trials a row: a share of .95 is known to {1.96 * (0.0475 / count) ** 0.5:.3f}")
    report_wilson(count)
    report("IQM over victims x seeds", "iqm", count)
    report("Mean of paired differences of two equal attacks", "difference", count)


if __name__ == "__main__":
    main()

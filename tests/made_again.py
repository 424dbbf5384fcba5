"""Rows of the published board, drawn at random and made again from nothing: `make again`.

A row's own command is run by this checkout on a store that is thrown away; what it gives is set
beside the committed records: the adversary's own matches, and whether the trained weights are the
very same. Exit code 1 where a seed's intervals do not meet.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

from benchmark.evaluation.statistics import wilson
from benchmark.leaderboard import board, scoring
from benchmark.records.record import Record, Role
from benchmark.records.store import Store
from benchmark.records.votes import latest, one_vote
from benchmark.registry import Victims
from benchmark.runs.programme import Outlook, command, fills, outlook, read
from tests.runs.kills import COMMAND


class Pair(NamedTuple):
    """One seed of a row: as committed, and as made again."""

    seed: int
    wins: tuple[int, int]
    episodes: tuple[int, int]
    same_weights: bool

    @property
    def meet(self) -> bool:
        """Whether Wilson's intervals of both have a rate in common."""
        (low, high), (least, most) = (
            wilson(won, of) for won, of in zip(self.wins, self.episodes, strict=True)
        )
        return low <= most and least <= high

    def told(self) -> str:
        """For people."""
        (before, after), (of, of_now) = self.wins, self.episodes
        weights = "the same weights" if self.same_weights else "other weights"
        verdict = "" if self.meet else ": THE INTERVALS DO NOT MEET"
        return (
            f"  seed {self.seed}: {before} of {of}, again {after} of {of_now}, {weights}{verdict}"
        )


def drawn(results: Path, store: Path, count: int, seed: int) -> list[tuple[Outlook, list[Record]]]:
    """Rows of the board that are complete and whose victim is at hand, with their records."""
    records = one_vote(latest(board.read_results(results)[0].values()))
    programme = read(results / "board.toml")
    there = [
        one for one in outlook(programme, records, Victims(Store(store).victims))
        if one.at_hand and not one.missing
    ]  # fmt: skip
    chosen = random.Random(seed).sample(there, min(count, len(there)))
    whole = [one._replace(missing=tuple(range(one.pairing.row.seeds))) for one in chosen]
    return [(one, [r for r in records if fills(r, one)]) for one in whole]


def again(one: Outlook, seeds: int, victims: Path) -> list[Record]:
    """What the row's command gives now, for its first seeds."""
    with tempfile.TemporaryDirectory(prefix="bench-again-") as folder:
        if victims.is_dir():
            copytree(victims, Path(folder) / "victims")
        words = shlex.split(command(one.pairing, range(seeds)))[1:]
        words += ["--isolation", "process", "--store", folder, "--json"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-c", COMMAND, *words], check=True, env=environment,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return Store(Path(folder)).records()


def pairs(before: Sequence[Record], after: Sequence[Record]) -> Iterator[Pair]:
    """Records of the same seed, side by side."""
    now = {record.cell.seed: record for record in after}
    for record in sorted(before, key=lambda r: r.cell.seed):
        other = now.get(record.cell.seed)
        if other is None:
            continue
        role: Role = scoring.OWN[record.cell.defense is not None]
        tallies = [scoring.pooled([one], role) for one in (record, other)]
        yield Pair(
            seed=record.cell.seed,
            wins=(tallies[0].wins, tallies[1].wins),
            episodes=(tallies[0].episodes, tallies[1].episodes),
            same_weights=record.artifacts == other.artifacts,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a seed; exit code 1 where intervals do not meet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--seeds", type=int, help="of each row, the first ones; all unless given")
    parser.add_argument("--seed", type=int, default=0, help="which rows are drawn")
    parser.add_argument("--store", type=Path, default=Path("store"), help="of imported victims")
    parser.add_argument("--results", type=Path, default=Path("results"))
    asked = parser.parse_args(arguments)
    apart = 0
    for one, before in drawn(asked.results, asked.store, asked.rows, asked.seed):
        row = one.pairing.row
        seeds = min(asked.seeds or row.seeds, row.seeds)
        print(f"{row.game}, tier {row.tier}: {one.pairing.label}, {seeds} seed(s)", flush=True)
        after = again(one, seeds, Store(asked.store).victims)
        for pair in pairs(before, after):
            print(pair.told(), flush=True)
            apart += not pair.meet
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a verification looks at, and how it trains a submission's cells again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import Tier
from benchmark.records.cell import Cell, content_hash, method_key
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.run import Outcome
from benchmark.runs.spec import RunSpec
from benchmark.seeding import derive
from benchmark.submissions import evidence
from benchmark.submissions.checklist import Item, failed
from benchmark.submissions.folder import Submission
from benchmark.submissions.measures import own
from benchmark.submissions.runners import Runner, Show
from benchmark.submissions.submit import Asked, own_store, spec_of, victims_of

SEEDS = 3
TIERS: tuple[Tier, ...] = ("smoke", "lite", "full")
REPLAYED = 1
"""The level of records whose matches were played again, and no more."""


@dataclass(frozen=True)
class Wanted:
    """What the command line says."""

    store: Store
    seeds: int = SEEDS
    salt: str = ""
    """What the authors could not know when they handed in; mixed into the seeds."""
    victims: Path | None = None
    tier: Tier | None = None
    command: str = "bench verify"


class Again(NamedTuple):
    """What a run came to."""

    problems: list[Item]
    records: list[Record]


class Inquiry:
    """The submitted records of the tier that is looked at, and runs of their cells."""

    def __init__(self, submission: Submission, wanted: Wanted, runner: Runner, show: Show):
        """Reads the evidence.

        Raises:
            Misuse: there is none, or none of the tier that was asked for.
        """
        self.submission, self.wanted = submission, wanted
        self.runner, self.show = runner, show
        self.every = every = evidence.records(submission)
        tiers = [tier for tier in TIERS if any(r.cell.tier == tier for r in every)]
        tier = wanted.tier or tiers[-1]
        self.records = [record for record in every if record.cell.tier == tier]
        self.own = own(submission.manifest, self.records)
        if not self.own:
            raise Misuse(f"{submission.evidence}: none of tier {tier}; it has {', '.join(tiers)}")
        used = {record.cell.seed for record in every}
        self.fresh = drawn(submission.sha256, wanted.salt, wanted.seeds, used)

    def level_of(self, record: Record, level: int) -> int:
        """What a verification that came to `level` says of one of the records.

        Those of cells that are not the submission's own were not trained again; replayed they were
        unless it is a detector. Those of another tier were not looked at: nothing is known of them,
        unless a tier was asked for, when they keep what the verification of theirs has said.
        """
        if record in self.own:
            return level
        if record in self.records:
            return min(level, 0 if self.submission.manifest.kind == "detector" else REPLAYED)
        return record.level if self.wanted.tier is not None else 0

    def groups(self) -> list[list[Record]]:
        """The submission's own records by everything of their cells but the seed, by seed."""
        found: dict[str, list[Record]] = {}
        for record in sorted(self.own, key=lambda one: one.cell.seed):
            found.setdefault(_but_the_seed(record.cell), []).append(record)
        return list(found.values())

    def asked(self, cell: Cell) -> Asked:
        """What is asked of a run that is to be like a cell, but for seeds."""
        wanted = self.wanted
        return Asked(
            store=wanted.store, tier=cell.tier, budget=cell.budget_steps or None,
            victims=[cell.victim.name], against=cell.attack.name, command=wanted.command,
        )  # fmt: skip

    def run(self, step: str, cell: Cell, seeds: Sequence[int]) -> Again:
        """A cell's run with these seeds."""
        asked = self.asked(cell)
        victims = victims_of(cell.game, asked.victims, self.wanted.store)
        try:
            done = self.execute(cell.game, victims, asked, seeds, self._store, cell)
        except CheckFailed as error:
            return Again([failed(step, f"{cell.game}, {cell.victim.name}: {error}")], [])
        problems = failures(step, cell.game, done)
        if any(record.isolation != self.runner.isolation for record in done.records):
            problems.append(failed(step, f"{cell.game}: trained elsewhere than {self._where}"))
        return Again(problems, own(self.submission.manifest, done.records))

    @property
    def _store(self) -> Store:
        """What is trained to verify, by where: nothing that its author, or a process, has trained.

        What stands in a store is not done again.
        """
        where = content_hash(self.runner.isolation.model_dump(mode="json"))[:16]
        return Store(own_store(self.submission, self.wanted.store).root / f"verified-{where}")

    @property
    def _where(self) -> str:
        kind = self.runner.isolation.kind
        return f"in this {kind}" if kind == "process" else "in containers of this image"

    def execute(
        self, game: str, victims: Victims, asked: Asked, seeds: Sequence[int], store: Store,
        like: Cell | None = None,
    ) -> Outcome:  # fmt: skip
        """A run of the submission.

        Raises:
            CheckFailed: its settings are no longer those of `like`.
            Misuse: the method refuses what is asked.
        """
        with self.runner.knowing(self.submission):
            spec = spec_of(self.submission.manifest, game, victims, asked)
            if like is not None:
                _check_alike(spec, like)
            spec = spec.model_copy(update={"seeds": tuple(seeds)})
            return self.runner.execute(spec, store, victims, self.show)


def drawn(sha256: str, salt: str, count: int, used: set[int]) -> list[int]:
    """Training seeds that follow from a submission's content: nobody chooses them."""
    found: list[int] = []
    k = 0
    while len(found) < count:
        seed = derive("verify", sha256, salt, k) % 2**31
        if seed not in used and seed not in found:
            found.append(seed)
        k += 1
    return found


def failures(step: str, game: str, done: Outcome) -> list[Item]:
    """An item for each job that failed."""
    return [
        failed(step, f"{game}: {one.label}: {one.message} ({one.kind})") for one in done.failures
    ]


def _check_alike(spec: RunSpec, cell: Cell) -> None:
    """Raise CheckFailed unless the submission's defaults are what its records were made with."""
    method = cell.attack if cell.defense is None else cell.defense
    now = {method_key(plan.method) for plan in (*spec.attacks, *spec.defenses, *spec.detectors)}
    if method_key(method) not in now:
        raise CheckFailed(f"its records are of other settings than '{method.name}' now has")
    if spec.game_options != cell.game_options or spec.episodes != cell.episodes:
        raise CheckFailed("its records are of other game options or another number of episodes")


def _but_the_seed(cell: Cell) -> str:
    """A cell's hash without its seed, and without who was trained beside it from that seed."""
    return content_hash(cell.model_dump(mode="json", exclude={"seed", "held_out", "foreign"}))

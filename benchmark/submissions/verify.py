"""`bench verify`: which level the evidence of a submission reaches (docs: the protocol's levels).

1. replay: the submitted policies played again give the same counts.
2. retrain: fresh seeds, drawn from the hash of the submission's content, fall inside the prediction
   interval of the submitted ones (`prediction.py`), two-sided, at 95 % for all measures together,
   and no two seeds of an attack that learns give the same policy.
3. held-out: the method also ran on victims that its authors did not have, and an attack does not
   collapse there: policies that were trained at home against the shipped victims, and are handed
   out by the code, do.

Only runs in containers of the pinned image can rise above level 0: in a process the method's code
runs beside the victim and the counting, and an image of other code may do anything. What is found
there is told, and the level stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import Tier
from benchmark.policies.policy import NetworkPolicy, PolicyCard
from benchmark.records.cell import Cell, content_hash, method_key
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims, game
from benchmark.runs.run import Outcome
from benchmark.runs.spec import EPISODES, RunSpec
from benchmark.seeding import derive
from benchmark.submissions import evidence, prediction
from benchmark.submissions.checklist import Item, failed, passed, to_do
from benchmark.submissions.folder import Submission
from benchmark.submissions.judging import HELD_OUT, RETRAIN, carried, place_of, predicted, unlike
from benchmark.submissions.measures import measures, own
from benchmark.submissions.measures import told as told_of
from benchmark.submissions.replay import Replay, policies_at
from benchmark.submissions.runners import Runner, Show
from benchmark.submissions.submit import Asked, own_store, refusal, spec_of, victims_of

SEEDS = 3
TIERS: tuple[Tier, ...] = ("smoke", "lite", "full")
STEPS = ("replay", RETRAIN, HELD_OUT)
"""What is shown for level 1, 2 and 3."""
REPLAYED = 1


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


@dataclass
class Verification:
    """What was found. shown: the level that the findings would carry in containers."""

    sha256: str
    items: list[Item] = field(default_factory=list)
    shown: int = 0
    level: int = 0
    why: str = ""
    seeds: list[int] = field(default_factory=list)


def verify(submission: Submission, wanted: Wanted, runner: Runner, show: Show) -> Verification:
    """Check a submission's evidence, step by step, as far as it holds.

    Raises:
        Misuse: there is no evidence, or it is not of this content, or an option is wrong.
        InfrastructureError: a requirement is not to be had, or the store cannot be used.
    """
    if wanted.seeds < 1:
        raise Misuse(f"--seeds: at least 1, got {wanted.seeds}")
    runner.ready(submission)
    found = Verification(submission.sha256)
    inquiry = _Inquiry(submission, wanted, runner, show)
    found.seeds = inquiry.fresh
    steps = (inquiry.replay, inquiry.retrain, inquiry.held_out)
    for name, step in zip(STEPS, steps, strict=True):
        items = []
        try:
            for item in step():
                items.append(item)
        except (CheckFailed, Misuse) as error:  # a method may also say so to keep what it has
            items.append(failed(name, str(error)))
        found.items += items
        if any(item.status != "passed" for item in items):
            break
        found.shown += 1
    found.level, found.why = _level(found.shown, runner, inquiry.records)
    for record in inquiry.every if runner.isolation.enforced else ():
        level = inquiry.level_of(record, found.level)
        if record.level != level:  # lowered too: until now it was the author's word
            evidence.replace(submission, record.model_copy(update={"level": level}))
    return found


def _level(shown: int, runner: Runner, records: Sequence[Record]) -> tuple[int, str]:
    """The level, and why it is not higher."""
    missing = f"'{STEPS[shown]}' is not shown" if shown < len(STEPS) else ""
    if runner.isolation.kind != "container":
        why = "runs in a process stay at level 0, since nothing is enforced there"
        told = f"{why}; in containers these findings would make it {shown}"
        return 0, f"{told}: {missing}" if missing else told
    if not runner.isolation.enforced:
        return 0, f"runs in an image that is not the pinned one stay at level 0; shown: {shown}"
    if any(record.isolation.kind != "container" for record in records):
        return 0, "the submitted records are of runs in a process; submit in containers"
    if not all(record.isolation.enforced for record in records):
        return 0, "the submitted records are of an image that was not the pinned one; submit again"
    return shown, missing


class _Again(NamedTuple):
    """What a run came to."""

    problems: list[Item]
    records: list[Record]


class _Inquiry:
    """The records of the tier that is looked at, and the three steps."""

    def __init__(self, submission: Submission, wanted: Wanted, runner: Runner, show: Show):
        self.submission, self.wanted = submission, wanted
        self.runner, self.show = runner, show
        self.every = every = evidence.records(submission)
        tiers = [tier for tier in TIERS if any(r.cell.tier == tier for r in every)]
        tier = wanted.tier or tiers[-1]
        self.records = [record for record in every if record.cell.tier == tier]
        self.own = own(submission.manifest, self.records)
        if not self.own:
            raise Misuse(f"{submission.evidence}: none of tier {tier}; it has {', '.join(tiers)}")
        self.strangers = [] if wanted.victims is None else _strangers(wanted.victims, every)
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

    def replay(self) -> Iterator[Item]:
        """No seed is left out, and every pairing gives the counts that its record has."""
        outsized = [line for record in self.records for line in _outsized(record)]
        if outsized:  # nothing of it is played: it could take for ever
            yield from (failed("replay", line) for line in outsized)
            return
        for group in self.groups():
            seeds = [record.cell.seed for record in group]
            if seeds != list(range(len(seeds))):
                yield failed(
                    "replay", f"{place_of(group[0])}: seeds {seeds}, expected all from 0 on"
                )
            lost = sorted({role for record in group for role in record.lost})
            if lost:
                yield failed("replay", f"{place_of(group[0])}: no {', '.join(lost)} matches")
        if self.submission.manifest.kind == "detector":
            yield from self._judged_again()
            return
        victims = Victims(self.wanted.store.victims)
        replay = Replay(evidence.policies(self.submission), victims)
        wrong = list(replay.differences(self.records))
        yield from (failed("replay", one) for one in wrong)
        if not wrong:
            yield passed(
                "replay", f"{len(self.records)} record(s), {replay.count} pairings: equal counts"
            )

    def _judged_again(self) -> Iterator[Item]:
        """A detector leaves no policy to play: the same seeds must give the same judgements."""
        for group in self.groups():
            again = self._run("replay", group[0].cell, [record.cell.seed for record in group])
            yield from again.problems
            if again.problems:
                continue
            judged = {r.cell.seed: r.detections for r in again.records}
            wrong = [r.cell.seed for r in group if judged.get(r.cell.seed) != r.detections]
            if wrong:
                yield failed("replay", f"{place_of(group[0])}: seeds {wrong} judge otherwise")
            else:
                yield passed("replay", f"{place_of(group[0])}: the same judgements")

    def retrain(self) -> Iterator[Item]:
        """Every measure of fresh seeds lies where the submitted ones predict it."""
        groups = self.groups()
        compared = sum(len(measures(group[0])) for group in groups)
        for group in groups:
            if len(group) < prediction.LEAST_SEEDS:
                cell = group[0].cell
                yield to_do(
                    "retrain", f"{place_of(group[0])}: 1 seed predicts nothing; `bench submit "
                    f"{self.submission.folder} --tier {cell.tier} --victim {cell.victim.name} "
                    f"--budget {cell.budget_steps} --seeds 5`",
                )  # fmt: skip
                continue
            fresh = self._run("retrain", group[0].cell, self.fresh)
            yield from fresh.problems
            if not fresh.problems:
                yield from unlike(group, fresh.records)
                alpha = (1 - prediction.LEVEL) / max(1, compared)
                yield from predicted(group, fresh.records, alpha)

    def held_out(self) -> Iterator[Item]:
        """The method on victims of `--victims`, in a store that is thrown away."""
        if self.wanted.victims is None:
            yield to_do(HELD_OUT, "name some with --victims PATH")
            return
        with tempfile.TemporaryDirectory(prefix="held-out-") as home:
            store = Store(Path(home))
            store.prepare()
            for policy in self.strangers:
                store.file_victim(policy)
            for game in sorted({record.cell.game for record in self.own}):
                yield from self._on_strangers(self._fullest(game), store)

    def _fullest(self, game: str) -> Cell:
        """A cell of the largest budget that was handed in for a game."""
        cells = [record.cell for record in self.own if record.cell.game == game]
        return max(cells, key=lambda cell: (cell.budget_steps, cell.id))

    def _on_strangers(self, cell: Cell, store: Store) -> Iterator[Item]:
        cards = [p.card for p in self.strangers if p.card.game == cell.game]
        if not cards:
            yield to_do(HELD_OUT, f"{self.wanted.victims}: no victim of {cell.game}")
            return
        asked, victims = replace(self._asked(cell), store=store), Victims(store.victims)
        refused = self._refused(cards, victims, asked)
        met = self._kinds_met()
        problems = [
            failed(HELD_OUT, f"{cell.game}: {why}; it has run on others of kind '{card.kind}'")
            for card, why in refused
            if card.kind in met
        ]
        left_out = [card for card, _ in refused]
        names = [card.name for card in cards if card not in left_out]
        if not names:
            problems.append(failed(HELD_OUT, f"{cell.game}: {refused[0][1]}"))
        if not problems:
            asked = replace(asked, victims=names)
            done = self._execute(cell.game, victims, asked, self.fresh, store)
            problems = _failures(HELD_OUT, cell.game, done)
        if problems:
            yield from problems
            return
        shown = told_of(self.submission.manifest, done.records)
        told = "".join(f"; not on {card.name}, of kind '{card.kind}'" for card in left_out)
        yield passed(HELD_OUT, f"{cell.game}: {shown}{told}")
        if self.submission.manifest.kind == "attack":
            known = [record for record in self.own if _alike(record.cell, cell)]
            yield carried(known, own(self.submission.manifest, done.records))

    def _refused(
        self, cards: Sequence[PolicyCard], victims: Victims, asked: Asked
    ) -> list[tuple[PolicyCard, Misuse]]:
        """Those of some victims that the method does not take, and why."""
        about, found = self.submission.manifest, []
        with self.runner.knowing(self.submission):
            for card in cards:
                why = refusal(about, card.game, victims, asked, card.name)
                if why is not None:
                    found.append((card, why))
        return found

    def _kinds_met(self) -> set[str]:
        """Kinds of victim that the method was handed in with: it has no reason to refuse one."""
        met = {record.cell.victim.sha256 for record in self.own}
        cards = Victims(self.wanted.store.victims).cards().values()
        return {card.kind for card in cards if card.sha256 in met}

    def _asked(self, cell: Cell) -> Asked:
        wanted = self.wanted
        return Asked(
            store=wanted.store, tier=cell.tier, budget=cell.budget_steps or None,
            victims=[cell.victim.name], against=cell.attack.name, command=wanted.command,
        )  # fmt: skip

    def _run(self, step: str, cell: Cell, seeds: Sequence[int]) -> _Again:
        """A cell's run with these seeds."""
        asked = self._asked(cell)
        victims = victims_of(cell.game, asked.victims, self.wanted.store)
        try:
            done = self._execute(cell.game, victims, asked, seeds, self._store, cell)
        except CheckFailed as error:
            return _Again([failed(step, f"{cell.game}, {cell.victim.name}: {error}")], [])
        problems = _failures(step, cell.game, done)
        if any(record.isolation != self.runner.isolation for record in done.records):
            problems.append(failed(step, f"{cell.game}: trained elsewhere than {self._where}"))
        return _Again(problems, own(self.submission.manifest, done.records))

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

    def _execute(
        self, game: str, victims: Victims, asked: Asked, seeds: Sequence[int], store: Store,
        like: Cell | None = None,
    ) -> Outcome:  # fmt: skip
        with self.runner.knowing(self.submission):
            spec = spec_of(self.submission.manifest, game, victims, asked)
            if like is not None:
                _check_alike(spec, like)
            spec = spec.model_copy(update={"seeds": tuple(seeds)})
            return self.runner.execute(spec, store, victims, self.show)


def _outsized(record: Record) -> Iterator[str]:
    """What a record claims of its size that is not its tier's."""
    cell = record.cell
    episodes, steps = EPISODES[cell.tier], game(cell.game).describe().budgets[cell.tier]
    if cell.episodes != episodes:
        yield (
            f"record {record.id}: {cell.episodes} episodes a pairing; tier {cell.tier} has "
            f"{episodes}"
        )
    if cell.budget_steps > steps:
        yield (
            f"record {record.id}: {cell.budget_steps} steps of training; tier {cell.tier} of "
            f"{cell.game} has {steps} at most"
        )


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


def _alike(cell: Cell, other: Cell) -> bool:
    """Whether two cells are of the same game, options, budget and settings of the attack."""
    return method_key(cell.attack) == method_key(other.attack) and all(
        getattr(cell, part) == getattr(other, part)
        for part in ("game", "game_options", "budget_steps", "episodes", "seat")
    )


def _failures(step: str, game: str, done: Outcome) -> list[Item]:
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


def _strangers(path: Path, records: Sequence[Record]) -> list[NetworkPolicy]:
    """Held-out victims, under names that none here has.

    Raises:
        Misuse: one that is shipped, or that the submission has met.
    """
    met = {card.sha256 for card in Victims().cards().values()}
    met |= {one.sha256 for r in records for one in (r.cell.victim, *r.cell.others)}
    found = []
    for i, policy in enumerate(policies_at(path), start=1):
        if policy.card.sha256 in met:
            raise Misuse(f"--victims: '{policy.card.name}' is shipped or was met: not held out")
        card = policy.card.model_copy(update={"name": f"held-out-{i}-{policy.card.name}"})
        found.append(type(policy)(card, policy.tensors()))
    return found


def _but_the_seed(cell: Cell) -> str:
    """A cell's hash without its seed, and without who was trained beside it from that seed."""
    return content_hash(cell.model_dump(mode="json", exclude={"seed", "held_out", "foreign"}))

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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.protocol import EPISODES
from benchmark.records.record import Record
from benchmark.registry import Victims, game
from benchmark.submissions import evidence, prediction
from benchmark.submissions.checklist import Item, failed, passed, to_do
from benchmark.submissions.folder import Submission
from benchmark.submissions.held_out import on_strangers, strangers_of
from benchmark.submissions.inquiry import Inquiry, Wanted
from benchmark.submissions.judging import HELD_OUT, RETRAIN, place_of, predicted, unlike
from benchmark.submissions.measures import measures
from benchmark.submissions.replay import Replay
from benchmark.submissions.runners import Runner, Show

Step = Callable[[Inquiry], Iterator[Item]]
"""One question to the evidence. It holds where every item is passed."""
REPLAY = "replay"
STEPS = (REPLAY, RETRAIN, HELD_OUT)
"""What is shown for level 1, 2 and 3."""


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
    inquiry = Inquiry(submission, wanted, runner, show)
    found.seeds = inquiry.fresh
    strangers = None if wanted.victims is None else strangers_of(wanted.victims, inquiry.every)
    steps: tuple[Step, ...] = (replayed, retrained, partial(on_strangers, strangers=strangers))
    for name, step in zip(STEPS, steps, strict=True):
        items = []
        try:
            for item in step(inquiry):
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


def replayed(inquiry: Inquiry) -> Iterator[Item]:
    """No seed is left out, and every pairing gives the counts that its record has."""
    outsized = [line for record in inquiry.records for line in _outsized(record)]
    if outsized:  # nothing of it is played: it could take for ever
        yield from (failed(REPLAY, line) for line in outsized)
        return
    for group in inquiry.groups():
        seeds = [record.cell.seed for record in group]
        if seeds != list(range(len(seeds))):
            yield failed(REPLAY, f"{place_of(group[0])}: seeds {seeds}, expected all from 0 on")
        lost = sorted({role for record in group for role in record.lost})
        if lost:
            yield failed(REPLAY, f"{place_of(group[0])}: no {', '.join(lost)} matches")
    if inquiry.submission.manifest.kind == "detector":
        yield from _judged_again(inquiry)
        return
    victims = Victims(inquiry.wanted.store.victims)
    replay = Replay(evidence.policies(inquiry.submission), victims)
    wrong = list(replay.differences(inquiry.records))
    yield from (failed(REPLAY, one) for one in wrong)
    if not wrong:
        yield passed(
            REPLAY, f"{len(inquiry.records)} record(s), {replay.count} pairings: equal counts"
        )


def _judged_again(inquiry: Inquiry) -> Iterator[Item]:
    """A detector leaves no policy to play: the same seeds must give the same judgements."""
    for group in inquiry.groups():
        again = inquiry.run(REPLAY, group[0].cell, [record.cell.seed for record in group])
        yield from again.problems
        if again.problems:
            continue
        judged = {r.cell.seed: r.detections for r in again.records}
        wrong = [r.cell.seed for r in group if judged.get(r.cell.seed) != r.detections]
        if wrong:
            yield failed(REPLAY, f"{place_of(group[0])}: seeds {wrong} judge otherwise")
        else:
            yield passed(REPLAY, f"{place_of(group[0])}: the same judgements")


def retrained(inquiry: Inquiry) -> Iterator[Item]:
    """Every measure of fresh seeds lies where the submitted ones predict it."""
    groups = inquiry.groups()
    compared = sum(len(measures(group[0])) for group in groups)
    for group in groups:
        if len(group) < prediction.LEAST_SEEDS:
            cell = group[0].cell
            yield to_do(
                RETRAIN, f"{place_of(group[0])}: 1 seed predicts nothing; `bench submit "
                f"{inquiry.submission.folder} --tier {cell.tier} --victim {cell.victim.name} "
                f"--budget {cell.budget_steps} --seeds 5`",
            )  # fmt: skip
            continue
        fresh = inquiry.run(RETRAIN, group[0].cell, inquiry.fresh)
        yield from fresh.problems
        if not fresh.problems:
            yield from unlike(group, fresh.records)
            alpha = (1 - prediction.LEVEL) / max(1, compared)
            yield from predicted(group, fresh.records, alpha)


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

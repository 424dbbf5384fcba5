"""`bench check`: do matches, trainings and the leaderboard still give what they gave?"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from benchmark.commands.common import (
    STORE,
    JsonOption,
    StoreOption,
    command_line,
    console,
    print_json,
    stoppable,
)
from benchmark.display import Live, Silent, duration
from benchmark.errors import CheckFailed, Misuse
from benchmark.leaderboard import board
from benchmark.leaderboard import policies as filed
from benchmark.leaderboard.table import show
from benchmark.learning.threads import use_threads
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.regression import baseline, policies, replay, training
from benchmark.regression.baseline import ReplayBaseline, TrainingBaseline
from benchmark.regression.findings import Finding, table
from benchmark.regression.platform import here
from benchmark.runs.executors.executor import Display
from benchmark.runs.plan import Plan
from benchmark.settings import hint
from benchmark.submissions.replay import Replay

FORMS = ("replay", "training", "table", "policies")
USUAL = ("replay", "table")


@dataclass
class _Asked:
    """Where things lie, and what is shown while they are done."""

    baselines: Path
    results: Path
    board: Path
    store: Path
    seeds: int | None
    first_seed: int
    records: int
    draw: int
    quiet: bool
    notes: list[str] = field(default_factory=list)


def check(
    forms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FORM]...", help="replay, training, table, policies (replay and table)."
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write new baselines and say what changed (replay).")
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", help="How many trainings of each cell (24; of a baseline 20)."),
    ] = None,
    first_seed: Annotated[
        int, typer.Option(help="The first of these seeds; a baseline's begin at 0.")
    ] = training.FIRST_SEED,
    baselines: Annotated[Path, typer.Option(help="Folder of baselines.")] = baseline.FOLDER,
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="The leaderboard to check.")] = Path("leaderboard.md"),
    records: Annotated[
        int, typer.Option(min=1, help="How many records, drawn at random, are played (policies).")
    ] = 3,
    draw: Annotated[int, typer.Option(help="Which are drawn (policies).")] = 0,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Play, train and render again, and fail where winning rates regressed."""
    use_threads(1)
    chosen = _chosen(forms or [], update=update)
    asked = _Asked(
        baselines, results, out, store, seeds, first_seed, records, draw, quiet=as_json
    )  # fmt: skip
    findings = [one for form in chosen for one in _DO[form, update](asked)]
    if as_json:
        print_json({"notes": asked.notes, "findings": [one.model_dump() for one in findings]})
    else:
        if not update:
            show(console, table(findings, "Regression of winning rates"))
        elif findings:
            show(console, table(findings, "What the new baselines change", "changed"))
        for note in asked.notes:
            console.print(note, markup=False)
    failed = [one.name for one in findings if one.failed]
    if failed and not update:
        raise CheckFailed(
            f"{len(failed)} of {len(findings)} comparisons regressed: {', '.join(failed)}; if this "
            "was meant, run `bench check --update` with the same form and commit what it writes"
        )


def _chosen(forms: Sequence[str], *, update: bool) -> list[str]:
    for form in forms:
        if form not in FORMS:
            raise Misuse(f"no form '{form}'; {hint(form, FORMS)}")
    for form in forms if update else ():
        if (form, True) not in _DO:
            raise Misuse(
                f"'{form}' has no baseline: it is held against the committed records, which `bench "
                "leaderboard` renders"
            )
    return list(dict.fromkeys(forms)) or list(USUAL[:1] if update else USUAL)


def _replay(asked: _Asked) -> list[Finding]:
    chosen = replay.choose(asked.baselines, here())  # before minutes are spent
    now = _measure(asked)
    differs = now.platform.differences(chosen.baseline.platform)
    if differs:
        asked.notes.append(
            f"Compared with {chosen.path}, of another platform ({'; '.join(differs)}): counts by "
            "two-sided tests, not bit by bit."
        )
    else:
        asked.notes.append(
            f"Compared bit by bit with {chosen.path} (made on {chosen.baseline.platform.cpu}, here "
            f"{now.platform.cpu})."
        )
    asked.notes += _out_of_date(chosen.stale)
    return replay.compare(chosen.baseline, now)


def _update_replay(asked: _Asked) -> list[Finding]:
    now = _measure(asked)
    moved = []
    with contextlib.suppress(Misuse):  # there may be none, or one of an older form
        found = replay.compare(replay.choose(asked.baselines, now.platform).baseline, now)
        moved = [one for one in found if one.failed]
    edition = replay.next_edition(asked.baselines, moved=bool(moved))
    now = now.model_copy(update={"edition": edition})
    path = baseline.write(now, asked.baselines, baseline.replay_name(now.platform))
    asked.notes.append(f"Written: {path}, edition {edition}.")
    if now.made["dirty"]:
        asked.notes.append("It says dirty: commit first, so that the baseline names its source.")
    found_now, problems = baseline.replays(asked.baselines)
    asked.notes += _out_of_date([p for p, one in found_now.items() if one.edition < edition])
    asked.notes += problems
    return moved


def _out_of_date(paths: Sequence[Path]) -> list[str]:
    """A word on each baseline that describes older code."""
    return [
        f"Out of date: {path} holds what was before results were moved on purpose, and is not "
        "compared with; `bench check replay --update` on its platform renews it."
        for path in paths
    ]


def _measure(asked: _Asked) -> ReplayBaseline:
    with contextlib.ExitStack() as stack:
        if asked.quiet:
            return replay.measure(asked.baselines, lambda name: None)
        status = stack.enter_context(console.status("replay"))
        return replay.measure(asked.baselines, status.update)


def _training(asked: _Asked) -> list[Finding]:
    before = baseline.read(TrainingBaseline, asked.baselines, "training")
    count = training.SEEDS if asked.seeds is None else asked.seeds
    seeds = range(asked.first_seed, asked.first_seed + count)
    training.check_new(before, seeds)
    now = training.measured(_train(asked, seeds))
    asked.notes.append(training.power_text(before, count))
    return training.compare(before, now)


def _update_training(asked: _Asked) -> list[Finding]:
    """The old baseline's cells against the new ones, where the two can be compared."""
    count = training.BASELINE_SEEDS if asked.seeds is None else asked.seeds
    training.check_count(count, training.SEEDS)
    records = _train(asked, range(count))
    trained = training.measured(records)
    now = training.baseline_of(trained, training.SEEDS)
    findings = []
    with contextlib.suppress(Misuse):
        old = baseline.read(TrainingBaseline, asked.baselines, "training")
        findings = training.moved(old, trained)
    kept = training.keep_policies(records, Store(asked.store), asked.baselines)
    asked.notes.append(f"Written: {baseline.write(now, asked.baselines, 'training')}.")
    asked.notes += [f"Policies for replay: {', '.join(kept)}."] if kept else []
    asked.notes.append(training.power_text(now, now.seeds))
    return findings


def _train(asked: _Asked, seeds: Sequence[int]) -> list[Record]:
    if not seeds:
        raise Misuse(f"--seeds: at least 1, got {0 if asked.seeds is None else asked.seeds}")
    runs = training.specs(seeds, command_line())
    with stoppable(asked.store), contextlib.ExitStack() as stack:

        def live(plan: Plan) -> Display:
            return Silent() if asked.quiet else stack.enter_context(Live(console, plan.jobs))

        return training.train(runs, Store(asked.store), live)


def _table(asked: _Asked) -> list[Finding]:
    try:
        count = board.check(asked.results, asked.board)
    except CheckFailed as error:
        now, failed = str(error), True
    else:
        now, failed = f"{count} records, current", False
    return [
        Finding(
            form="table", name=str(asked.board), before="what its records render to", now=now,
            change="differs" if failed else "none", sure="certain: text", failed=failed,
        )
    ]  # fmt: skip


def _policies(asked: _Asked) -> list[Finding]:
    found = board.sound_results(asked.results)
    victims, kept = Victims(Store(asked.store).victims), filed.kept(asked.results)
    records = policies.drawn(list(found.values()), kept, victims, asked.records, asked.draw)
    if not records:
        raise Misuse(
            f"{asked.results / filed.FOLDER}: no policy of a record whose victim is at hand; "
            "`bench board --run` files them, `bench victims import PATH` brings victims"
        )
    if not asked.quiet:
        matches, seconds = policies.work(records)
        names = ", ".join(record.id for record in records)
        console.print(f"{names}: {matches} matches, {duration(seconds)}", soft_wrap=True)
    with contextlib.ExitStack() as stack:
        status = None if asked.quiet else stack.enter_context(console.status("policies"))
        tell = (lambda name: None) if status is None else status.update
        findings, absent = policies.again(records, Replay(kept, victims), tell)
    asked.notes.append(
        f"Records {', '.join(record.id for record in records)}: drawn by --draw {asked.draw}."
    )
    if absent:
        asked.notes.append(f"{absent} pairing(s) were left out: a player of theirs is not here.")
    return findings


_DO = {
    ("replay", False): _replay,
    ("replay", True): _update_replay,
    ("training", False): _training,
    ("training", True): _update_training,
    ("table", False): _table,
    ("policies", False): _policies,
}

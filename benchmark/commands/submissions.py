"""`bench new`, `bench submit` and `bench verify`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark.commands.common import (
    STORE,
    BudgetOption,
    IsolationOption,
    JsonOption,
    SeedsOption,
    StoreOption,
    TierOption,
    UnpinnedOption,
    command_line,
    console,
    only_json,
    print_json,
    stoppable,
)
from benchmark.display import Live, Silent, show_plan
from benchmark.errors import CheckFailed, Misuse
from benchmark.leaderboard.table import show as show_table
from benchmark.leaderboard.tables import tables
from benchmark.learning.threads import use_threads
from benchmark.records.store import Store
from benchmark.runs.executors.executor import Display
from benchmark.runs.executors.workers import Workers
from benchmark.runs.run import preview
from benchmark.runs.spec import RunSpec, tier_of
from benchmark.submissions import checklist, folder, inquiry, template
from benchmark.submissions import submit as submitting
from benchmark.submissions import verify as verifying
from benchmark.submissions.checklist import Item
from benchmark.submissions.runners import Runner, Show, runner

COLOURS = {"passed": "green", "failed": "red", "to do": "yellow"}


def new(
    kind: Annotated[str, typer.Argument(help="attack, defense or detector.")],
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and dashes.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of submissions.")] = Path(
        "submissions"
    ),
) -> None:
    """Write a submission's folder: manifest, a method that works, its test, a README."""
    for path in template.write(kind, name, into):
        console.print(str(path), markup=False, soft_wrap=True)
    console.print(
        f"next: fill in what is marked TODO, then bench submit {into / name}",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def submit(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="The submission's folder.")],
    victim: Annotated[
        list[str] | None, typer.Option(help="Victim's name (all shipped ones). Repeatable.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Attack that a defense or a detector is tried on (baseline)."),
    ] = None,
    seeds: SeedsOption = None,
    tier: TierOption = "smoke",
    budget: BudgetOption = None,
    isolation: IsolationOption = "auto",
    allow_unpinned: UnpinnedOption = False,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Check a submission, run it, and say what its pull request still needs."""
    use_threads(1)
    submission = folder.read(path)
    if against is not None and submission.manifest.kind == "attack":
        raise Misuse("--against: an attack is tried on victims; name them with --victim")
    asked = submitting.Asked(
        store=Store(store), tier=tier_of(tier), seeds=seeds, budget=budget,
        victims=victim or [], against=against or "baseline", command=command_line(),
    )  # fmt: skip
    chosen = runner(isolation, Store(store), allow_unpinned=allow_unpinned)
    with stoppable(store), only_json(as_json), _showing(chosen, as_json) as show:
        report = submitting.submit(submission, asked, chosen, show)
    if as_json:
        print_json(
            {
                "name": submission.manifest.name, "sha256": report.sha256,
                "isolation": chosen.isolation.model_dump(), "flags": report.flags,
                "items": [item.model_dump() for item in report.items],
            }
        )  # fmt: skip
    else:
        for table in tables(report.records):
            show_table(console, table)
            console.print()
        _print(report.items)
        _note("content", report.sha256)
        _note("isolation", chosen.isolation.kind)
        for flag in dict.fromkeys(report.flags):
            _note("flag", flag)
    _end(report.items)


def verify(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="The submission's folder.")],
    victims: Annotated[
        Path | None, typer.Option(help="Held-out victims: an artifact, a folder, or a zoo's file.")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", help="How many fresh seeds to train.")
    ] = inquiry.SEEDS,
    salt: Annotated[
        str,
        typer.Option(help="Mixed into the fresh seeds: what the authors could not know before."),
    ] = "",
    tier: Annotated[
        str | None, typer.Option("--tier", help="Whose records are looked at (the highest).")
    ] = None,
    isolation: IsolationOption = "auto",
    allow_unpinned: UnpinnedOption = False,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Replay a submission's evidence, train it again, play held-out victims: which level it has."""
    use_threads(1)
    wanted = inquiry.Wanted(
        store=Store(store), seeds=seeds, salt=salt, victims=victims,
        tier=None if tier is None else tier_of(tier), command=command_line(),
    )  # fmt: skip
    chosen = runner(isolation, Store(store), allow_unpinned=allow_unpinned)
    submission = folder.read(path)
    left = "what was retrained is (held-out victims are met anew)"
    with stoppable(store, left), only_json(as_json), _showing(chosen, as_json) as show:
        found = verifying.verify(submission, wanted, chosen, show)
    if not salt:
        told = "bench: --salt is empty: who handed in could have known the fresh seeds"
        Console(stderr=True).print(told, soft_wrap=True)
    if as_json:
        print_json(
            {
                "name": submission.manifest.name, "sha256": found.sha256, "level": found.level,
                "shown": found.shown, "why": found.why, "seeds": found.seeds,
                "items": [item.model_dump() for item in found.items],
            }
        )  # fmt: skip
    else:
        _print(found.items)
        _note("level", f"{found.level}" + (f": {found.why}" if found.why else ""))
    _end(found.items)


@contextlib.contextmanager
def _showing(chosen: Runner, as_json: bool) -> Iterator[Show]:
    """What shows a run while it is done: its plan and bars, or nothing for --json."""
    with contextlib.ExitStack() as stack:

        def live(spec: RunSpec, store: Store) -> Display:
            stack.close()  # the bars of the run before
            ahead = preview(spec, store)
            show_plan(console, spec, ahead, chosen.note, Workers.alone())
            return stack.enter_context(Live(console, ahead.plan.jobs))

        yield (lambda spec, store: Silent()) if as_json else live


def _print(items: Sequence[Item]) -> None:
    for item in items:
        mark = Text(f"{item.status:7}", style=COLOURS[item.status])
        detail = f": {item.detail}" if item.detail else ""
        console.print(Text.assemble(mark, f" {item.what}{detail}"), soft_wrap=True)


def _note(name: str, text: str) -> None:
    console.print(Text(f"{name:9} {text}", style="dim"), soft_wrap=True)


def _end(items: Sequence[Item]) -> None:
    """Raise CheckFailed where something failed."""
    wrong = checklist.failures(items)
    if wrong:
        raise CheckFailed(f"{len(wrong)} of {len(items)} checks failed; the first: {wrong[0].what}")

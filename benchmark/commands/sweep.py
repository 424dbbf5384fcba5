"""`bench sweep`."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark.commands.common import (
    INTERRUPTED,
    STORE,
    PhysicsOption,
    StoreOption,
    console,
    settings_of,
)
from benchmark.display import Live, show_failures, show_plan
from benchmark.errors import CheckFailed, Misuse
from benchmark.leaderboard import board
from benchmark.leaderboard.figure import check_suffix, save_figure
from benchmark.leaderboard.study import Row, study_table
from benchmark.leaderboard.table import steps, to_markdown_table, to_rich
from benchmark.learning.threads import use_threads
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.registry import game as game_class
from benchmark.runs.executors.executor import Failure
from benchmark.runs.run import execute, preview
from benchmark.runs.spec import RunSpec, resolve_run, tier_of
from benchmark.runs.study import plan_study, rows_of, variants_of
from benchmark.variants import Variant


def sweep(
    study: Annotated[str, typer.Option(help="Which study; an unknown name lists them.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    victim: Annotated[str | None, typer.Option(help="Victim's name (a shipped one).")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="How many training seeds; by tier 1, 3 or 5.")
    ] = None,
    tier: Annotated[str, typer.Option(help="smoke, lite or full.")] = "smoke",
    budget: Annotated[
        int | None, typer.Option(help="Environment steps of each training (the tier's).")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Label of a variant to run. Repeatable.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Train nothing: show the records of this folder.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw it into this .svg or .png.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table into this .md.")] = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    threads: Annotated[int, typer.Option(help="Of torch and BLAS; MuJoCo takes all cores.")] = 1,
) -> None:
    """Run the variants of a study with equal seeds and budget, and compare them.

    Seed by seed, so that a study that is stopped compares as many seeds of every variant.
    """
    use_threads(threads)
    for path in [figure] if figure else []:
        check_suffix(path)
    victims = Victims(Store(store).victims)
    variants = _chosen(variants_of(study, game_class(game).describe()), only)
    specs = [
        resolve_run(
            victims=victims, game_name=game, victim_names=[victim] if victim else [],
            attack_names=[one.method], defense_names=[], seeds=seeds, tier=tier_of(tier),
            budget=budget,
            settings=settings_of(_as_set(one), physics),
            command=shlex.join(["bench", *sys.argv[1:]]),
        )
        for one in variants
    ]  # fmt: skip
    plans = tuple(spec.attacks[0] for spec in specs)
    spec = specs[0].model_copy(update={"attacks": plans})
    failures: list[Failure] = []
    if results is None:
        failures = _run(spec, Store(store), victims)
    records = _records(store, results)
    methods = [plan.method for plan in plans]
    rows = [
        Row(one.label, found)
        for one, found in zip(variants, rows_of(records, methods, spec), strict=True)
    ]
    _show(f"Study '{study}' on {_place(spec)}", rows, len(spec.seeds), figure, out)
    if failures:
        show_failures(Console(stderr=True), failures)
        raise CheckFailed(f"{len(failures)} job(s) failed; the others are in {store}")


def _chosen(variants: tuple[Variant, ...], only: list[str] | None) -> tuple[Variant, ...]:
    known = [one.label for one in variants]
    for label in only or []:
        if label not in known:
            raise Misuse(f"--only: the study has no variant '{label}'; it has {', '.join(known)}")
    return tuple(one for one in variants if not only or one.label in only)


def _as_set(one: Variant) -> list[str]:
    return [f"attack.{field}={value}" for field, value in one.settings.items()]


def _run(spec: RunSpec, store: Store, victims: Victims) -> list[Failure]:
    ahead = preview(spec, store, plan_study(spec))
    show_plan(console, spec, ahead)
    try:
        with contextlib.ExitStack() as stack:
            live = stack.enter_context(Live(console, ahead.plan.jobs))
            return execute(spec, ahead.plan, store, victims, lambda: live).failures
    except KeyboardInterrupt:
        Console(stderr=True).print(
            f"stopped; what is finished is in {store.root}: the same command goes on from there",
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED) from None


def _records(store: Path, results: Path | None) -> list[Record]:
    if results is None:
        return Store(store).records()
    found, problems = board.read_results(results)
    if problems:
        raise CheckFailed("; ".join(problems))
    return list(found.values())


def _place(spec: RunSpec) -> str:
    return f"{spec.game.id}, {', '.join(spec.victims)}, {steps(spec.budget_steps)} steps"


def _show(title: str, rows: list[Row], asked: int, figure: Path | None, out: Path | None) -> None:
    table = study_table(title, rows, asked)
    console.print(to_rich(table))
    if out is not None:
        board.write(to_markdown_table(table), out)
    if figure is not None:
        save_figure(figure, title, rows)
    for path in (out, figure):
        if path is not None:
            console.print(f"wrote {path}", markup=False)

"""`bench run`."""

from __future__ import annotations

import contextlib
import shlex
import sys
from typing import Annotated

import typer
from rich.console import Console

from benchmark.commands.common import (
    INTERRUPTED,
    STORE,
    JsonOption,
    PhysicsOption,
    SetOption,
    StoreOption,
    console,
    print_json,
    settings_of,
)
from benchmark.display import Live, Silent, show_failures, show_plan
from benchmark.errors import CheckFailed
from benchmark.leaderboard.table import tables, to_rich
from benchmark.learning.threads import use_threads
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Display
from benchmark.runs.run import Outcome, execute, preview
from benchmark.runs.spec import BLACK_BOX, RunSpec, resolve_run, tier_of


def run(
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    victim: Annotated[
        list[str] | None, typer.Option(help="Victim's name (a shipped one). Repeatable.")
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option(help="Attack's name (ours). Repeatable.")
    ] = None,
    defense: Annotated[
        list[str] | None, typer.Option(help="Defense's name (none). Repeatable.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="How many training seeds; by tier 1, 3 or 5.")
    ] = None,
    tier: Annotated[str, typer.Option(help="smoke, lite or full.")] = "smoke",
    budget: Annotated[
        int | None, typer.Option(help="Environment steps of each training (the tier's).")
    ] = None,
    track: Annotated[
        str, typer.Option(help="What attacks may see: black-box, or white-box (own ranks).")
    ] = BLACK_BOX,
    settings: SetOption = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    threads: Annotated[int, typer.Option(help="Of torch and BLAS; MuJoCo takes all cores.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train attacks on victims, harden victims with defenses, play, and print the scores."""
    use_threads(threads)
    victims = Victims(Store(store).victims)
    spec = resolve_run(
        victims=victims,
        game_name=game,
        victim_names=victim or [],
        attack_names=attack or ["ours"],
        defense_names=defense or [],
        seeds=seeds,
        tier=tier_of(tier),
        budget=budget,
        settings=settings_of(settings, physics),
        command=shlex.join(["bench", *sys.argv[1:]]),
        track=track,
    )
    try:
        outcome = _run(spec, Store(store), victims, as_json)
    except KeyboardInterrupt:
        Console(stderr=True).print(
            f"stopped; finished jobs and the last checkpoint are in {store}: "
            "the same command goes on from there",
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json([record.model_dump(mode="json") for record in outcome.records])
    else:
        for table in tables(outcome.records):
            console.print(to_rich(table))
        console.print(f"records: {store / 'records'}", markup=False)
    if outcome.failures:
        show_failures(Console(stderr=True), outcome.failures)
        raise CheckFailed(f"{len(outcome.failures)} job(s) failed; the others are in {store}")


def _run(spec: RunSpec, store: Store, victims: Victims, as_json: bool) -> Outcome:
    ahead = preview(spec, store)
    if as_json:
        return execute(spec, ahead.plan, store, victims, Silent)
    show_plan(console, spec, ahead)
    with contextlib.ExitStack() as stack:

        def live() -> Display:
            return stack.enter_context(Live(console, ahead.plan.jobs))

        return execute(spec, ahead.plan, store, victims, live)

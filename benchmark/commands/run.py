"""`bench run`."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer
from rich.console import Console

from benchmark.commands.common import (
    LOCAL,
    STORE,
    AddressOption,
    ArtifactsOption,
    BudgetOption,
    DeviceOption,
    DiagnoseOption,
    ExecutorOption,
    FirstSeedOption,
    IsolationOption,
    JsonOption,
    NeedOption,
    PhysicsOption,
    SeedsOption,
    SetOption,
    StoreOption,
    StoreUrlOption,
    TensorBoardOption,
    ThreadsOption,
    TierOption,
    TrackOption,
    UnpinnedOption,
    WorkersOption,
    command_line,
    console,
    only_json,
    print_json,
    settings_of,
    stoppable,
)
from benchmark.commands.crew import Crew, wish
from benchmark.display import Live, Silent, show_failures, show_plan
from benchmark.leaderboard.table import show
from benchmark.leaderboard.tables import tables
from benchmark.learning.device import CPU
from benchmark.learning.threads import use_threads
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.devices import choose
from benchmark.runs.executors.executor import Display, end
from benchmark.runs.executors.workers import AUTO
from benchmark.runs.run import Outcome, preview
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
    seeds: SeedsOption = None,
    first_seed: FirstSeedOption = 0,
    tier: TierOption = "smoke",
    budget: BudgetOption = None,
    track: TrackOption = BLACK_BOX,
    diagnose: DiagnoseOption = None,
    settings: SetOption = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    threads: ThreadsOption = 1,
    workers: WorkersOption = AUTO,
    device: DeviceOption = CPU.name,
    executor: ExecutorOption = LOCAL,
    address: AddressOption = None,
    artifacts: ArtifactsOption = "auto",
    store_url: StoreUrlOption = "",
    need: NeedOption = None,
    isolation: IsolationOption = "auto",
    allow_unpinned: UnpinnedOption = False,
    tensorboard: TensorBoardOption = False,
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
        command=command_line(),
        track=track,
        diagnoses=diagnose or [],
        first_seed=first_seed,
    )
    crew = Crew.of(
        store, isolation, allow_unpinned=allow_unpinned, threads=threads, tensorboard=tensorboard,
        cluster=wish(executor, address, artifacts, store_url, need),
    )  # fmt: skip
    with stoppable(store), only_json(as_json):
        place = choose(device, spec, crew.apart)
        spec = spec.model_copy(update={"device": place.name})
        outcome = _run(spec, victims, crew, workers, as_json, place.note)
    if as_json:
        print_json([record.model_dump(mode="json") for record in outcome.records])
    else:
        for table in tables(outcome.records):
            show(console, table)
        console.print(f"records: {store / 'records'}", markup=False)
    if outcome.failures:
        show_failures(Console(stderr=True), outcome.failures)
    end(outcome.failures, store)


def _run(
    spec: RunSpec, victims: Victims, crew: Crew, asked: str, as_json: bool, device: str
) -> Outcome:
    store = Store(crew.tools.store)
    ahead = preview(spec, store)
    if as_json:
        found = crew.workers(asked, ahead, lambda line: None)
        return crew.execute(spec.command, ahead.plan, found, victims, Silent)
    found = crew.workers(asked, ahead, console.print)
    show_plan(console, spec, ahead, crew.place.note, found, device)
    with contextlib.ExitStack() as stack:

        def live() -> Display:
            return stack.enter_context(Live(console, ahead.plan.jobs))

        return crew.execute(spec.command, ahead.plan, found, victims, live)

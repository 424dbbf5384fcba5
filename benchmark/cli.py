"""The `bench` command: parse, call, print. Everything it does is a function elsewhere."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Optional

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from benchmark import registry
from benchmark.arena.tally import Tally
from benchmark.display import Live, Silent, show_failures, show_plan
from benchmark.errors import BenchError, CheckFailed, Misuse
from benchmark.evaluation.matches import EVALUATION_MATCHES, episode_list, play
from benchmark.evaluation.statistics import wilson
from benchmark.games.game import Game, GameCard, Tier
from benchmark.leaderboard import board
from benchmark.leaderboard.table import tables, to_rich
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact, zoo
from benchmark.policies.policy import Policy
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Display
from benchmark.runs.run import Outcome, execute, preview
from benchmark.runs.spec import RunSpec, resolve_run
from benchmark.settings import hint, parse, resolve
from benchmark.victims import recipe as recipes

if TYPE_CHECKING:
    from benchmark.evaluation.film import Film, Shown

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Attacks and defenses for two-player competitive deep RL, under one protocol.",
)  # fmt: skip
victims_app = typer.Typer(no_args_is_help=True, help="The policies under attack.")
app.add_typer(victims_app, name="victims")

StoreOption = Annotated[
    Path, typer.Option("--store", envvar="BENCH_STORE", help="Folder of artifacts and records.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]
SetOption = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads this form
    typer.Option("--set", help="PART.FIELD=VALUE; PART is game, attack or defense. Repeatable."),
]
PhysicsOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads this form
    typer.Option(help="ranked or original, in MuJoCo games; short for --set game.physics=..."),
]
STORE = Path("store")
INTERRUPTED = 130

console = Console()


@app.command()
def run(
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    victim: Annotated[
        Optional[list[str]], typer.Option(help="Victim's name (a shipped one). Repeatable.")  # noqa: UP045
    ] = None,
    attack: Annotated[
        Optional[list[str]], typer.Option(help="Attack's name (ours). Repeatable.")  # noqa: UP045
    ] = None,
    defense: Annotated[
        Optional[list[str]], typer.Option(help="Defense's name (none). Repeatable.")  # noqa: UP045
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="How many training seeds; by tier 1, 3 or 5.")
    ] = None,
    tier: Annotated[str, typer.Option(help="smoke, lite or full.")] = "smoke",
    budget: Annotated[
        Optional[int], typer.Option(help="Environment steps of each training (the tier's).")  # noqa: UP045
    ] = None,
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
        tier=_tier(tier),
        budget=budget,
        settings=_settings(settings, physics),
        command=shlex.join(["bench", *sys.argv[1:]]),
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


@app.command("play")
def play_command(
    adversary: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    victim: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    episodes: Annotated[int, typer.Option(help="Matches to play.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Of the episode list.")] = 0,
    settings: SetOption = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Play two policies against each other and count wins, ties and losses of the adversary."""
    use_threads(1)
    pair = _pair(game, adversary, victim, _settings(settings, physics), store)
    batch, seats = pair.kind(EVALUATION_MATCHES, pair.options), pair.seats  # one rounding for all
    halves = play(
        batch, seats, batch.card.adversary_seat, episode_list(batch.card.id, episodes, seed)
    )
    tally = halves.total
    if as_json:
        print_json(
            {
                "game": batch.card.id,
                "options": batch.card.options,
                "adversary": adversary,
                "victim": victim,
                "seed": seed,
                "wins": tally.wins,
                "ties": tally.ties,
                "losses": tally.losses,
                "voids": tally.voids,
                "episodes": tally.episodes,
                "breakdown": tally.breakdown,
            }
        )
    else:
        _tell(f"{adversary} against {victim}", tally)
    tally.check_voids()


def _tell(pairing: str, tally: Tally) -> None:
    """A tally for people: counts, the rate with its interval, and how the matches ended."""
    low, high = wilson(tally.wins, tally.episodes)
    void = f", {tally.voids} void" if tally.voids else ""
    console.print(
        f"{pairing}: {tally.wins} won, {tally.ties} tied, {tally.losses} lost{void} "
        f"of {tally.episodes}; win rate {tally.win_rate:.3f} (95 %: {low:.3f}-{high:.3f})",
        markup=False,
    )
    for how, count in tally.breakdown.items():
        console.print(f"  {how:<24} {count}")


@app.command("watch")
def watch_command(
    adversary: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    victim: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    out: Annotated[Path, typer.Option(help="The film to write: .mp4 or .gif.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    episodes: Annotated[int, typer.Option(help="Matches to film.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the episode list, as in `bench play`.")] = 0,
    width: Annotated[int, typer.Option(help="Pixels.")] = 640,
    height: Annotated[int, typer.Option(help="Pixels.")] = 480,
    fps: Annotated[
        Optional[float],  # noqa: UP045 - typer reads this form
        typer.Option(help="Frames per second (about 33; 17 in a .gif)."),
    ] = None,
    slow: Annotated[float, typer.Option(help="How many times slower than in reality.")] = 1.0,
    settings: SetOption = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Film the first matches that `bench play` with the same seed counts; needs no screen."""
    from benchmark.evaluation import film  # noqa: PLC0415 - needs an extra

    use_threads(1)
    spec = film.FilmSpec(out, width, height, fps, slow)
    film.check(spec)
    pair = _pair(game, adversary, victim, _settings(settings, physics), store)
    match = pair.kind(1, pair.options)
    camera = film.Film(match, pair.seats, episode_list(match.card.id, episodes, seed), spec)
    try:
        with contextlib.closing(camera):
            shown = camera.shoot() if as_json else _shoot(camera)
    except KeyboardInterrupt:
        Console(stderr=True).print(f"stopped; {out} is not written", markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        played = {"game": match.card.id, "adversary": adversary, "victim": victim, "seed": seed}
        print_json({"file": str(out), **played, **shown.as_json(match.card)})
        return
    for line in shown.told(out, match.card):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _shoot(camera: Film) -> Shown:
    """Film with a line that says what is coming, and a bar."""
    console.print(camera.plan(), markup=False, highlight=False, soft_wrap=True)
    columns = (*Progress.get_default_columns()[:2], TextColumn("{task.fields[facts]}"))
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        bar = progress.add_task("filming", total=camera.longest, facts="")

        def tick(done: int, facts: str) -> None:
            progress.update(bar, completed=done, facts=facts)

        return camera.shoot(tick)


class _Pair(NamedTuple):
    """A game, its options, and two frozen policies in its seats."""

    kind: type[Game]
    options: Any
    seats: tuple[Policy, Policy]


def _pair(
    game: str, adversary: str, victim: str, given: dict[str, dict[str, Any]], store: Path
) -> _Pair:
    kind = registry.game(game)
    if given.keys() - {"game"}:
        raise Misuse("--set: two frozen policies have only game settings, such as game.FIELD=VALUE")
    options = resolve(kind.Options, {}, given.get("game", {}), f"game '{game}'")
    victims = Victims(Store(store).victims)
    mine, theirs = (_policy(name, victims, kind, options) for name in (adversary, victim))
    card = kind.describe(options)
    first = card.seat_index(card.adversary_seat) == 0
    return _Pair(kind, options, (mine, theirs) if first else (theirs, mine))


def _settings(given: list[str] | None, physics: str | None) -> dict[str, dict[str, Any]]:
    """What --set and --physics ask for, by part."""
    settings = parse(given or [])
    if physics is not None:
        game = settings.setdefault("game", {})
        if game.setdefault("physics", physics) != physics:
            raise Misuse(f"--physics {physics} and --set game.physics={game['physics']}: say one")
    return settings


def _policy(name: str, victims: Victims, game: Any, options: Any) -> Policy:
    floors = registry.floors(game, options)
    if name in floors:
        return floors[name]
    folder = Path(name)
    if folder.is_dir() and name not in victims.folders():
        return artifact.load(folder)
    known = [*victims.folders(), *floors]
    if name not in known:
        raise Misuse(f"no policy '{name}' (a victim, a floor or a folder); {hint(name, known)}")
    return victims.load(name)


@app.command("list")
def list_command(
    what: Annotated[str, typer.Argument(help="games, victims, attacks or defenses.")] = "",
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """What is there: games, victims, attacks and defenses."""
    listings: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "games": _games,
        "victims": lambda: _victims(Victims(Store(store).victims)),
        "attacks": lambda: _methods(registry.attacks),
        "defenses": lambda: _methods(registry.defenses),
    }
    if what and what not in listings:
        raise Misuse(f"nothing is listed as '{what}'; {hint(what, listings)}")
    found = {name: make() for name, make in listings.items() if what in ("", name)}
    if as_json:
        print_json(found[what] if what else found)
        return
    for name, rows in found.items():
        table = Table(title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for column in rows[0] if rows else ():
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(value)) for value in row.values()))
        console.print(table)
        console.print()


def _games() -> list[dict[str, Any]]:
    return [_game(name) for name in registry.games.names()]


def _game(name: str) -> dict[str, Any]:
    try:
        card: GameCard = registry.game(name).describe()
    except BenchError as error:  # one broken plug-in must not hide the others
        return {"name": name, "title": "-", "rules": str(error)}
    return {"name": card.id, "title": card.title, "rules": card.rules}


def _victims(victims: Victims) -> list[dict[str, Any]]:
    return [
        {"name": name, "game": c.game, "seat": c.seat, "ranked": c.ranked, "origin": c.origin}
        for name, c in victims.cards().items()
    ]


def _methods(group: registry.Registry) -> list[dict[str, Any]]:
    return [{"name": name, **_method(group, name)} for name in group.names()]


def _method(group: registry.Registry, name: str) -> dict[str, Any]:
    try:
        kind = group.load(name)
    except Misuse as error:  # one broken plug-in must not hide the others
        track = {"track": "-"} if group is registry.attacks else {}
        return {**track, "version": 0, "idea": str(error), "citation": "-"}
    return {
        **({"track": kind.track} if group is registry.attacks else {}),
        "version": kind.version,
        "idea": (kind.__doc__ or "").strip().splitlines()[0],
        "citation": kind.citation,
    }


@victims_app.command("list")
def victims_list(store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Shipped and imported victims."""
    list_command("victims", store, as_json)


@victims_app.command("show")
def victims_show(name: str, store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """A victim's card."""
    card = Victims(Store(store).victims).load(name).card.model_dump(mode="json")
    if as_json:
        print_json(card)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for field, value in card.items():
        shown = json.dumps(value) if isinstance(value, dict) else str(value)
        table.add_row(field, Text(shown))
    console.print(table)


@victims_app.command("import")
def victims_import(
    path: Path,
    game: Annotated[
        Optional[str],  # noqa: UP045 - typer reads this form
        typer.Option(help="Game of a single file in the zoo's form that is none of the zoo's."),
    ] = None,
    seat: Annotated[Optional[str], typer.Option(help="Its seat.")] = None,  # noqa: UP045
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Import published policies from a file or folder into the store."""
    policies = zoo.import_path(path, game, seat)  # all are read before any is filed
    home = Store(store)
    Victims(home.victims).check_free(policy.card.name for policy in policies)
    home.prepare()
    cards = [home.file_victim(policy) for policy in policies]
    if as_json:
        print_json([card.model_dump(mode="json") for card in cards])
        return
    for card in cards:
        line = f"imported {card.name} ({card.game}) into {home.victims}"
        console.print(line, markup=False, soft_wrap=True)


@victims_app.command("train")
def victims_train(
    recipe: Annotated[str, typer.Option(help="Recipe's name.")],
    out: Annotated[Path, typer.Option(help="Folder for the artifact.")],
) -> None:
    """Train a house victim by self-play, as its recipe says."""
    chosen = recipes.named(recipe)
    use_threads(1)
    if (out / artifact.CARD).exists():
        raise Misuse(f"{out} holds a policy already; choose another --out")
    console.print(f"{recipe}: self-play on {chosen.game}, {chosen.steps / 1e6:g} M steps")
    batch = registry.game(chosen.game)(chosen.ppo.matches)
    with recipes.Bar(console, chosen) as bar:
        policy = recipes.train(chosen, batch, recipe, bar)
    card = artifact.save(policy, out)
    console.print(f"{out}: sha256 {card.sha256[:12]}..")


@app.command()
def leaderboard(
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="The file to write or check.")] = Path("leaderboard.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Fail if the file is not current.")
    ] = False,
) -> None:
    """Render leaderboard.md from the records under results/ and nothing else."""
    if check:
        count = board.check(results, out)
        console.print(f"{out}: {count} records, current")
        return
    found, problems = board.read_results(results)
    for problem in problems:
        line = Text.assemble(("refused", "red"), f" {problem}")
        Console(stderr=True).print(line, soft_wrap=True)
    board.write(board.render(found, out), out)
    for table in tables(list(found.values())):
        console.print(to_rich(table))
    console.print(f"{out}: {len(found)} records", markup=False)
    if problems:
        raise CheckFailed(f"{len(problems)} record(s) refused")


def print_json(value: Any) -> None:
    """JSON and nothing else on standard output."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def _tier(name: str) -> Tier:
    tiers: dict[str, Tier] = {"smoke": "smoke", "lite": "lite", "full": "full"}
    if name not in tiers:
        raise Misuse(f"no tier '{name}'; {hint(name, tiers)}")
    return tiers[name]


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        line = Text.assemble(("bench:", "red"), f" {error}")
        Console(stderr=True).print(line, soft_wrap=True)
        sys.exit(error.exit_code)


def main() -> None:
    """The console script."""
    warnings.formatwarning = lambda message, *_: f"bench: {message}\n"
    with _one_line_errors():
        app(standalone_mode=True)

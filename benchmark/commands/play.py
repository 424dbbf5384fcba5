"""`bench play` and `bench watch`: matches between two frozen policies."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn

from benchmark import registry
from benchmark.arena.tally import TALLY, Tally
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
from benchmark.errors import Misuse
from benchmark.evaluation.approach import Approach, Medians, Surveyor, medians
from benchmark.evaluation.matches import EVALUATION_MATCHES, episode_list, play_out
from benchmark.evaluation.starts import Dependence, by_start, check_bins
from benchmark.evaluation.statistics import wilson
from benchmark.games.game import Game, GameCard
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.blind import Blind
from benchmark.policies.policy import Policy
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.settings import hint, resolve

if TYPE_CHECKING:
    from benchmark.evaluation.film import Film, Shown


def play_command(
    adversary: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    victim: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    episodes: Annotated[int, typer.Option(help="Matches to play.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Of the episode list.")] = 0,
    bins: Annotated[int, typer.Option(help="Also count by start, in so many groups.", min=0)] = 0,
    near: Annotated[
        bool, typer.Option("--near", help="Also tell how near both bodies came, and who went down.")
    ] = False,
    blind: Annotated[
        bool, typer.Option("--blind", help="The victim sees its adversary where it began, always.")
    ] = False,
    settings: SetOption = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Play two policies against each other and count wins, ties and losses of the adversary."""
    use_threads(1)
    if bins:
        check_bins(episodes, bins)
    pair = _pair(game, adversary, victim, settings_of(settings, physics), store)
    batch, seats = pair.kind(EVALUATION_MATCHES, pair.options), pair.seats  # one rounding for all
    if blind:
        seats = _blinded(seats, batch.card)
    view, seeds = batch.card.adversary_seat, episode_list(batch.card.id, episodes, seed)
    surveyor = Surveyor(batch, view, len(seeds)) if near else None
    played = play_out(batch, seats, view, seeds, surveyor)
    tally, grouped = played.halves.total, by_start(played, bins) if bins else None
    how = {} if surveyor is None else _approaches(surveyor.told())
    if as_json:
        print_json(
            {
                "game": batch.card.id,
                "options": batch.card.options,
                "adversary": adversary,
                "victim": victim,
                "seed": seed,
                "blind": blind,
                "wins": tally.wins,
                "ties": tally.ties,
                "losses": tally.losses,
                "voids": tally.voids,
                "episodes": tally.episodes,
                "breakdown": tally.breakdown,
                **({} if grouped is None else {"by_start": _start_facts(grouped)}),
                **({"near": {name: found._asdict() for name, found in how.items()}} if how else {}),
            }
        )
    else:
        _tell(f"{adversary} against {victim}{', blind' if blind else ''}", tally)
        if grouped is not None:
            _tell_starts(grouped)
        for name, found in how.items():
            _tell_approach(name, found)
    tally.check_voids()


def _tell(pairing: str, tally: Tally) -> None:
    """A tally for people: counts, the rate with its interval, and how the matches ended."""
    low, high = wilson(tally.wins, tally.episodes)
    void = f", {tally.voids} void" if tally.voids else ""
    console.print(
        f"{pairing}: {tally.wins} won, {tally.ties} tied, {tally.losses} lost{void} "
        f"of {tally.episodes}; win rate {tally.win_rate:.3f} (95 %: {low:.3f}-{high:.3f})",
        markup=False,
        soft_wrap=True,
    )
    for how, count in tally.breakdown.items():
        console.print(f"  {how:<24} {count}")


def _start_facts(found: Dependence) -> dict[str, Any]:
    bins = [TALLY.dump_python(tally) for tally in found.bins]
    return {"auroc": found.auroc, "p": found.p, "bins": bins}


def _tell_starts(found: Dependence) -> None:
    """Win rates by start, from those that promise least, and whether the promise holds."""
    console.print("  by start, from the least to the most promising")
    for tally in found.bins:
        low, high = wilson(tally.wins, tally.episodes)
        console.print(f"    {tally.win_rate:.3f} ({low:.3f}-{high:.3f}) of {tally.episodes}")
    console.print(f"  wins told from starts: AUROC {found.auroc:.3f}, p = {found.p:.2g}")


def _blinded(seats: tuple[Policy, Policy], card: GameCard) -> tuple[Policy, Policy]:
    """The seats, the victim's policy blind to whom it plays."""
    at = card.seat_index(card.victim_seat.name)
    masked = Blind.of(seats[at], card.victim_seat)
    return (masked, seats[1]) if at == 0 else (seats[0], masked)


def _approaches(found: Approach) -> dict[str, Medians]:
    """Of the matches that the adversary won, and of all others, where there are any."""
    named = {"won": medians(found, found.won), "not won": medians(found, ~found.won)}
    return {name: of for name, of in named.items() if of is not None}


def _tell_approach(name: str, of: Medians) -> None:
    adversary = _fell(of.down, of.down_after)
    victim = _fell(of.other_down, of.other_down_after)
    console.print(
        f"  {name} ({of.matches}), medians: {of.steps:.0f} steps; {of.nearest_m:.2f} m apart at "
        f"the nearest and {of.last_m:.2f} at the end; adversary {adversary}, victim {victim}",
        markup=False,
        soft_wrap=True,
    )


def _fell(count: int, after: float | None) -> str:
    return "never down" if after is None else f"down in {count}, after {after:.0f} steps"


def watch_command(
    adversary: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    victim: Annotated[str, typer.Option(help="Victim's or floor's name, or a folder.")],
    out: Annotated[Path, typer.Option(help="What to write: .mp4, .gif; .png, a picture.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    episodes: Annotated[int, typer.Option(help="Matches to film.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the episode list, as in `bench play`.")] = 0,
    width: Annotated[int, typer.Option(help="Pixels.")] = 640,
    height: Annotated[int, typer.Option(help="Pixels.")] = 480,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second (about 33; 17 in a .gif)."),
    ] = None,
    slow: Annotated[float, typer.Option(help="How many times slower than in reality.")] = 1.0,
    at: Annotated[
        int | None, typer.Option(help="Before which step a .png is taken (the match's end).")
    ] = None,
    settings: SetOption = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Film the first matches that `bench play` with the same seed counts; needs no screen."""
    from benchmark.evaluation import film  # noqa: PLC0415 - needs an extra

    use_threads(1)
    spec = film.FilmSpec(out, width, height, fps, slow, at)
    film.check(spec)
    pair = _pair(game, adversary, victim, settings_of(settings, physics), store)
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

"""`bench victims train`: house victims, and held-out ones that no submission has seen."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import rich.progress
import typer
from rich.console import Console

from benchmark import registry
from benchmark.commands.common import STORE, StoreOption, console, stoppable
from benchmark.disk import write_atomically
from benchmark.errors import Misuse, disk_errors
from benchmark.evaluation.matches import EVALUATION_MATCHES
from benchmark.learning.checkpoint import Checkpoint, begins_anew
from benchmark.learning.progress import CurvePoint, Kept
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.policy import NetworkPolicy, PolicyCard
from benchmark.records.leases import hold
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.victims import league
from benchmark.victims.held_out import held_out
from benchmark.victims.recipe import Recipe, named
from benchmark.victims.strength import opposite, rate, strength

CHECKPOINT = "unfinished.safetensors"
"""In the folder that the victim will be in, until it is."""
LOCK = "training.lock"
"""In the folder that a command trains into, for as long as it does."""
OPPONENT = "opponent"
"""In the victim's folder: the regular opponent that was trained with it."""
STEPS_A_MINUTE = {"pong-v1": 2_000_000, "you-shall-not-pass-v1": 230_000}
"""Training speed on one core, for the estimate that is printed, and for nothing else."""
THROUGH_TIME = 4
"""How many times as long a recurrent network takes."""


def victims_train(
    recipe: Annotated[str | None, typer.Option(help="Recipe's name.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the artifact.")] = None,
    held_out_dir: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            help="Instead: a folder for victims by the same recipes with other seeds, and one of "
            "another network.",
        ),
    ] = None,
    game: Annotated[str, typer.Option(help="Of held-out victims.")] = "pong-v1",
    seed: Annotated[
        int | None, typer.Option(help="Of held-out victims' seeds; drawn unless given.", min=0)
    ] = None,
    store: StoreOption = STORE,
) -> None:
    """Train a house victim as its recipe says, or held-out victims for `bench verify --victims`."""
    known = Victims(Store(store).victims)
    use_threads(1)
    if held_out_dir is not None:
        if recipe is not None or out is not None:
            raise Misuse("--held-out takes every recipe of a game: leave out --recipe and --out")
        _check_folder("--held-out", held_out_dir)
        held_out(game, np.random.default_rng(0))  # refused before there is a folder
        with _going_on_in(held_out_dir):
            _train_held_out(held_out_dir, game, seed, known)
        return
    if recipe is None or out is None:
        raise Misuse("say which victim and where: --recipe NAME --out DIR, or --held-out DIR")
    if seed is not None:
        raise Misuse("--seed is of held-out victims: a recipe has its own; leave it out")
    _check_folder("--out", out)
    if (out / artifact.CARD).exists():
        raise Misuse(f"{out} holds a policy already; choose another --out")
    chosen = named(recipe)
    missing = _missing(chosen, known)
    if missing:
        raise Misuse(f"recipe '{recipe}' {missing}")
    with _going_on_in(out):
        _train(chosen, recipe, out, known)


def _check_folder(option: str, path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise Misuse(f"{option} {path}: expected a folder, or none yet; a file is there")


@contextlib.contextmanager
def _going_on_in(folder: Path) -> Iterator[None]:
    """Alone in the folder; Ctrl-C and what the disk refuses are one line each, with exit codes."""
    remedy = "make the folder writable, free its disk or choose another, then run the same command"
    with disk_errors(folder, f"{remedy} again"), stoppable(folder, "the last snapshot is"):
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder / LOCK):
            yield


def _train_held_out(folder: Path, game: str, seed: int | None, known: Victims) -> None:
    """Every held-out victim whose sparring partners are at hand; those that are there are kept."""
    drawn = _seed_of(folder, seed)
    recipes = held_out(game, np.random.default_rng(drawn))
    left_out = {name: _missing(recipe, known) for name, recipe in recipes.items()}
    chosen = [recipe for name, recipe in recipes.items() if not left_out[name]]
    steps = sum(recipe.all_steps for recipe in chosen)
    console.print(
        f"{len(chosen)} of {len(recipes)} victims of {game} into {folder}, "
        f"{steps / 1e6:g} M steps, seed {drawn}",
        markup=False,
        soft_wrap=True,
    )
    for name, recipe in recipes.items():
        if left_out[name]:
            console.print(f"{name}: left out, it {left_out[name]}", markup=False, soft_wrap=True)
        elif (folder / name / artifact.CARD).exists():
            console.print(f"{name}: there already", markup=False, soft_wrap=True)
        else:
            command = f"bench victims train --held-out DIR --game {game} --seed {drawn}"
            _train(recipe, name, folder / name, known, command)


def _seed_of(folder: Path, given: int | None) -> int:
    """The seed of a folder of held-out victims: kept in it, so that a stopped run goes on."""
    path = folder / "seed.txt"
    if path.exists():
        kept = _seed_in(path)
        if given not in (None, kept):
            raise Misuse(f"{folder} was begun with seed {kept}; choose another folder for {given}")
        return kept
    drawn = secrets.randbits(63) if given is None else given
    write_atomically(path, f"{drawn}\n".encode("ascii"))
    return drawn


def _seed_in(path: Path) -> int:
    text = path.read_bytes().strip()
    if not text.isdigit():
        raise Misuse(f"{path}: expected a seed, a whole number; mend it or choose another folder")
    return int(text)


def _missing(recipe: Recipe, known: Victims) -> str:
    """Why a recipe cannot be followed here, or nothing."""
    absent = [name for name in recipe.partners if name not in known.cards(recipe.game)]
    if not absent:
        return ""
    return (
        f"is trained with {', '.join(absent)}, expected among the victims of {recipe.game} at "
        "hand; import what is missing (`bench victims import PATH`)"
    )


def _train(recipe: Recipe, name: str, out: Path, known: Victims, command: str = "") -> None:
    """Train, measure the strength, file the artifact; a stopped training goes on."""
    slower = 1 if recipe.memory is None else THROUGH_TIME
    minutes = recipe.all_steps / STEPS_A_MINUTE[recipe.game] * slower
    console.print(
        f"{name}: {recipe.all_steps / 1e6:g} M steps of {recipe.game}, about {minutes:.0f} min; "
        "stopped, the same command goes on",
        markup=False,
        soft_wrap=True,
    )
    kind = registry.game(recipe.game)
    partners = {one: known.load(one) for one in recipe.partners}
    out.mkdir(parents=True, exist_ok=True)
    with Bar(console, recipe, out / CHECKPOINT) as bar:
        matches = kind(recipe.ppo.matches)
        made = league.train(recipe, matches, name, partners, bar, command)
    if made.opponent is not None:
        _file(made.opponent, made.victim, known, out / OPPONENT)
    _file(made.victim, made.opponent, known, out)
    bar.forget()


def _file(policy: NetworkPolicy, beside: NetworkPolicy | None, known: Victims, out: Path) -> None:
    """File a policy with its strength, and say both; beside: who was trained with it."""
    card = measured(policy, known, out, () if beside is None else (beside,))
    for opponent, standing in card.strength.items():
        console.print(
            f"  {rate(standing):.2f} of its matches won against {opponent}",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"{out}: sha256 {card.sha256[:12]}..", markup=False, soft_wrap=True)


def measured(
    policy: NetworkPolicy, known: Victims, out: Path, beside: Sequence[NetworkPolicy] = ()
) -> PolicyCard:
    """File a policy with its strength against the floors, those beside, and all ranked victims."""
    kind, name = registry.game(policy.card.game), policy.card.name
    game = kind(EVALUATION_MATCHES)
    others = {
        other: known.load(other)
        for other, card in known.cards(policy.card.game).items()
        if card.ranked and other != name
    } | {one.card.name: one for one in beside}
    opponents = {**registry.floors(kind), **opposite(policy.card, game.card, others)}
    card = policy.card.model_copy(update={"strength": strength(policy, game, opponents)})
    return artifact.save(type(policy)(card, policy.tensors()), out)


class Bar(Kept):
    """Shows a recipe's training, and keeps its checkpoint in the victim's folder."""

    def __init__(self, console: Console, recipe: Recipe, path: Path):
        self._progress = rich.progress.Progress(console=console)
        self._task = self._progress.add_task("training", total=recipe.steps)
        super().__init__(path)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def resume(self) -> Checkpoint | None:
        """The last snapshot's; one that is not whole is told, since its steps are lost."""
        saved = super().resume()
        if saved is None and self._path.exists():
            self._progress.console.print(begins_anew(self._path), markup=False, soft_wrap=True)
        return saved

    def report(self, point: CurvePoint) -> None:
        """Advance the bar."""
        self._progress.update(
            self._task,
            completed=point.steps,
            description=f"training, {100 * point.tally.win_rate:.0f} % of "
            f"{point.tally.episodes} matches won",
        )

    def forget(self) -> None:
        """The victim is filed."""
        self._path.unlink(missing_ok=True)

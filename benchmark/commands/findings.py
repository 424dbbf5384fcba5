"""`bench findings`: the pages that have a template, and the board's head in the README."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmark.commands.common import console
from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import GameCard, Tier
from benchmark.leaderboard import board
from benchmark.leaderboard.figure import check_drawable
from benchmark.leaderboard.findings import make, rules
from benchmark.leaderboard.findings import published as others
from benchmark.leaderboard.findings.material import Findings, Material, Place
from benchmark.leaderboard.findings.page import between, excerpt, fill
from benchmark.leaderboard.findings.published import read_text
from benchmark.leaderboard.overall import options_text
from benchmark.leaderboard.study import Row
from benchmark.records.cell import MethodRef
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote
from benchmark.registry import game_card
from benchmark.runs.spec import plan_attack, plan_defense
from benchmark.runs.study import Scope, rows_of, study_of

HEAD = ["attack", "rank", "score (95 %)", "worst victim", "lift", "AUC", "to 50 %", "runs"]
"""Of the ranked table of Pong, what the README shows."""
HEAD_ROWS = 6
TEMPLATE = ".template.md"


def findings(
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    docs: Annotated[
        Path, typer.Option(help="Folder of pages: PAGE.template.md is rendered to PAGE.md.")
    ] = Path("docs"),
    figures: Annotated[Path, typer.Option(help="Folder of their figures.")] = Path("docs/findings"),
    readme: Annotated[Path, typer.Option(help="Where the board's head stands.")] = Path(
        "README.md"
    ),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if not current.")] = (
        False
    ),
    names: Annotated[
        bool, typer.Option("--names", help="List what the template may name, and write nothing.")
    ] = False,
) -> None:
    """Render docs/findings.md, the evidence behind it and the README's head from records.

    Sentences are the templates'; every number comes from the records, from published.toml beside
    them, or from the table of fidelity.md in the docs. Where a sentence rests on what they no
    longer say, nothing is written and the sentence is named.
    """
    found = board.sound_results(results)
    templates = _templates(docs)
    given = material(found, docs, results / "published.toml")
    made = make.findings(given)
    if names:
        for kind in (made.facts, made.claims):
            for name, text in kind.items():
                console.print(f"{name}: {text}", markup=False, highlight=False, soft_wrap=True)
        return
    pages = {
        **{page: _filled(template, made) for page, template in templates.items()},
        readme: between(read_text(readme), "board", _head(given)),
    }
    if check:
        stale = [str(path) for path, text in pages.items() if read_text(path) != text]
        stale += _old_figures(figures, given)
        if stale:
            raise CheckFailed(f"not what {results} renders to: {', '.join(stale)}; `make findings`")
        named = ", ".join(map(str, pages))
        console.print(f"{named}: {len(found)} records, current", markup=False, soft_wrap=True)
        return
    drawn = {figures / f"{name}.svg": one for name, one in make.pictures(given).items()}
    for path in drawn:
        check_drawable(path)  # before the first page: pages and figures are of the same records
    board.make_folder(figures)
    for path, text in pages.items():
        board.write(text, path)
    for path, picture in drawn.items():
        picture.save(path)
    for path in (*pages, *drawn):
        console.print(f"wrote {path}", markup=False)


def _templates(docs: Path) -> dict[Path, Path]:
    """Pages and their templates; raises Misuse where the folder has none."""
    found = {docs / f"{path.name.removesuffix(TEMPLATE)}.md": path
             for path in sorted(docs.glob(f"*{TEMPLATE}"))}  # fmt: skip
    if not found:
        raise Misuse(f"{docs}: no page's template there, which is called PAGE{TEMPLATE}")
    return found


def _filled(template: Path, made: Findings) -> str:
    try:
        return fill(read_text(template), made)
    except CheckFailed as error:
        raise CheckFailed(f"{template}: {error}") from error


def material(found: Mapping[Path, Record], docs: Path, published: Path) -> Material:
    """What pages are rendered from; their links are relative to the folder that they lie in."""
    links = {
        record.id: os.path.relpath(path, docs).replace(os.sep, "/")
        for path, record in found.items()
    }
    newest = latest(found.values())
    every = one_vote(newest)
    records = [record for record in every if not options_text(record)]
    masked = one_vote(r for r in newest if r.of_role("masked") and not options_text(r))
    return Material(
        records=records,
        original_rule=[r for r in every if r.cell.game_options == rules.ORIGINAL],
        masked=masked,
        links=links,
        attacks=_studies(records, "attacks", [(make.RUNNER.game, "lite"), (make.PONG, "full")]),
        varied={
            name: _studies(records, name, [(g, "lite") for g in _games(study.places)])
            for name, study in make.VARIED.items()
        },
        mixtures=_studies(records, "mixture", [(make.PONG, "lite")], against="ours"),
        published={
            **others.published(published),
            "fidelity": others.fidelity(docs / others.FIDELITY),
        },
    )


def _games(places: Sequence[Place]) -> list[str]:
    """The games of some places, each once."""
    return list(dict.fromkeys(place.game for place in places))


def _studies(
    records: Sequence[Record],
    name: str,
    where: Sequence[tuple[str, Tier]],
    against: str | None = None,
) -> dict[Place, list[Row]]:
    """A study's rows on every victim of these games and tiers that has records of it."""
    made = {}
    for game, tier in where:
        card = game_card(game, {})
        study = study_of(name, card)
        plan = plan_attack if study.of == "attacks" else plan_defense
        methods = [plan(one.method, card, dict(one.settings)).method for one in study.variants]
        attack = None if against is None else plan_attack(against, card, {}).method
        for victim in _victims(records, game, tier):
            found = rows_of(records, methods, _scope(card, victim, tier, attack))
            rows = [Row(one.label, its) for one, its in zip(study.variants, found, strict=True)]
            if sum(bool(row.records) for row in rows) > 1:
                made[Place(game, victim)] = rows
    return made


def _victims(records: Sequence[Record], game: str, tier: str) -> list[str]:
    cells = [record.cell for record in records]
    return sorted(
        {c.victim.name for c in cells if (c.game, c.tier) == (game, tier) and c.victim_ranked}
    )


def _scope(card: GameCard, victim: str, tier: Tier, attack: MethodRef | None) -> Scope:
    return Scope(
        card.id, dict(card.options), victim, tier, card.budgets[tier], seeds=None, attack=attack
    )


def _head(given: Material) -> str:
    """The first rows of the ranked table of Pong."""
    table = make.scores(given)
    if table is None:
        raise CheckFailed(f"the records have no table of {make.PONG}, tier full, for the README")
    return excerpt(table, HEAD, HEAD_ROWS)


def _old_figures(folder: Path, given: Material) -> list[str]:
    """Figures that are missing or were drawn from other records."""
    return [
        str(path)
        for name, picture in make.pictures(given).items()
        if not (path := folder / f"{name}.svg").is_file() or picture.source not in read_text(path)
    ]

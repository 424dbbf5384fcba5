"""Level 3 of a verification: the method on victims that its authors did not have."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.errors import Misuse
from benchmark.policies.policy import NetworkPolicy, PolicyCard
from benchmark.records.cell import Cell, method_key
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.submissions.checklist import Item, failed, passed, to_do
from benchmark.submissions.inquiry import Inquiry, failures
from benchmark.submissions.judging import HELD_OUT, carried
from benchmark.submissions.measures import own, told
from benchmark.submissions.replay import policies_at
from benchmark.submissions.submit import Asked, refusal


def strangers_of(path: Path, records: Sequence[Record]) -> list[NetworkPolicy]:
    """Held-out victims, under names that none here has.

    Raises:
        Misuse: one that is shipped, or that the submission has met.
    """
    met = {card.sha256 for card in Victims().cards().values()}
    met |= {one.sha256 for r in records for one in (r.cell.victim, *r.cell.others)}
    found = []
    for i, policy in enumerate(policies_at(path), start=1):
        if policy.card.sha256 in met:
            raise Misuse(f"--victims: '{policy.card.name}' is shipped or was met: not held out")
        card = policy.card.model_copy(update={"name": f"held-out-{i}-{policy.card.name}"})
        found.append(type(policy)(card, policy.tensors()))
    return found


def on_strangers(inquiry: Inquiry, strangers: Sequence[NetworkPolicy] | None) -> Iterator[Item]:
    """The submission on victims that it has not met, in a store that is thrown away.

    strangers: as `strangers_of` gives them; None where none were named.
    """
    if strangers is None:
        yield to_do(HELD_OUT, "name some with --victims PATH")
        return
    with tempfile.TemporaryDirectory(prefix="held-out-") as home:
        store = Store(Path(home))
        store.prepare()
        for policy in strangers:
            store.file_victim(policy)
        for game in sorted({record.cell.game for record in inquiry.own}):
            cards = [policy.card for policy in strangers if policy.card.game == game]
            yield from _of_game(inquiry, _fullest(inquiry.own, game), cards, store)


def _fullest(records: Sequence[Record], game: str) -> Cell:
    """A cell of the largest budget that was handed in for a game."""
    cells = [record.cell for record in records if record.cell.game == game]
    return max(cells, key=lambda cell: (cell.budget_steps, cell.id))


def _of_game(
    inquiry: Inquiry, cell: Cell, cards: Sequence[PolicyCard], store: Store
) -> Iterator[Item]:
    """A cell's method on the strangers of its game, as far as it takes them."""
    if not cards:
        yield to_do(HELD_OUT, f"{inquiry.wanted.victims}: no victim of {cell.game}")
        return
    asked, victims = replace(inquiry.asked(cell), store=store), Victims(store.victims)
    refused = _refused(inquiry, cards, victims, asked)
    taken = [card for card in cards if card not in [one for one, _ in refused]]
    problems = list(_unexpected(inquiry, cell.game, refused))
    if not taken:
        problems.append(failed(HELD_OUT, f"{cell.game}: {refused[0][1]}"))
    if not problems:
        asked = replace(asked, victims=[card.name for card in taken])
        done = inquiry.execute(cell.game, victims, asked, inquiry.fresh, store)
        problems = failures(HELD_OUT, cell.game, done)
    if problems:
        yield from problems
        return
    manifest = inquiry.submission.manifest
    left_out = "".join(f"; not on {card.name}, of kind '{card.kind}'" for card, _ in refused)
    yield passed(HELD_OUT, f"{cell.game}: {told(manifest, done.records)}{left_out}")
    if manifest.kind == "attack":
        known = [record for record in inquiry.own if _alike(record.cell, cell)]
        yield carried(known, own(manifest, done.records))


def _refused(
    inquiry: Inquiry, cards: Sequence[PolicyCard], victims: Victims, asked: Asked
) -> list[tuple[PolicyCard, Misuse]]:
    """Those of some victims that the method does not take, and why."""
    about, found = inquiry.submission.manifest, []
    with inquiry.runner.knowing(inquiry.submission):
        for card in cards:
            why = refusal(about, card.game, victims, asked, card.name)
            if why is not None:
                found.append((card, why))
    return found


def _unexpected(
    inquiry: Inquiry, game: str, refused: Sequence[tuple[PolicyCard, Misuse]]
) -> Iterator[Item]:
    """A failure for each refused victim of a kind that the method was handed in with.

    Of a kind that it never ran on, it may have a reason.
    """
    met = {record.cell.victim.sha256 for record in inquiry.own}
    known = Victims(inquiry.wanted.store.victims).cards().values()
    kinds = {card.kind for card in known if card.sha256 in met}
    for card, why in refused:
        if card.kind in kinds:
            yield failed(HELD_OUT, f"{game}: {why}; it has run on others of kind '{card.kind}'")


def _alike(cell: Cell, other: Cell) -> bool:
    """Whether two cells are of the same game, options, budget and settings of the attack."""
    return method_key(cell.attack) == method_key(other.attack) and all(
        getattr(cell, part) == getattr(other, part)
        for part in ("game", "game_options", "budget_steps", "episodes", "seat")
    )

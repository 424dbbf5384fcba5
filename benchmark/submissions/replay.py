"""Playing the matches of submitted records again, with the policies that were handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark.arena.mixture import check_fits
from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.matches import EVALUATION_MATCHES, Halves, episode_list, play
from benchmark.games.game import Game
from benchmark.policies import artifact, zoo
from benchmark.policies.blind import Blind
from benchmark.policies.policy import ANY, NetworkPolicy, Policy
from benchmark.records.cell import PlayerRef, content_hash
from benchmark.records.record import MatchSet, Record
from benchmark.registry import Victims, floors, game

AT_HAND = ("floor", "regular")
"""Roles whose adversary is not the submission's to hand in."""


class Absent(CheckFailed):
    """A player of recorded matches is not here."""


class Replay:
    """Plays match sets again. A pairing that several records share is played once."""

    def __init__(self, submitted: dict[str, Policy], victims: Victims):
        """submitted: by the sha256 of their weights; victims: those at hand here."""
        self._submitted = submitted
        self._victims = victims
        self._folders = {card.sha256: name for name, card in victims.cards().items()}
        self._played: dict[str, Halves] = {}

    def differences(self, records: Iterable[Record]) -> Iterator[str]:
        """For every match set whose counts are not those recorded, what is wrong."""
        for record in records:
            yield from (f"record {record.id}: {one}" for one in self.belied(record))
            for recorded in record.matches:
                pairing = f"{recorded.role}, {recorded.adversary.name} on {recorded.victim.name}"
                try:
                    halves = self.again(record, recorded)
                except (CheckFailed, Misuse, ValueError) as error:
                    yield f"record {record.id}, {pairing}: {error}"
                    continue
                if halves != Halves(recorded.even, recorded.odd):
                    yield (
                        f"record {record.id}, {pairing}: {recorded.tally.wins} won of "
                        f"{recorded.tally.episodes} recorded, {halves.total.wins} replayed"
                    )

    def belied(self, record: Record) -> Iterator[str]:
        """What a record says of its victim, or leaves out of opponents, that cards here say."""
        cell, cards = record.cell, {card.sha256: card for card in self._victims.cards().values()}
        card = cards.get(cell.victim.sha256)
        if card is None:
            yield f"its victim '{cell.victim.name}' is not among the victims here"
            return
        if cell.victim_ranked != card.ranked:
            yield f"victim_ranked is {cell.victim_ranked}, its card says {card.ranked}"
        own = {card.sha256, record.artifacts.get("hardening")}
        for one in record.matches:
            ranked = one.victim_mode == card.action_mode
            if one.victim.sha256 in own and one.ranked_mode != ranked:
                yield (
                    f"'{one.role}' matches in the mode '{one.victim_mode}' say ranked_mode "
                    f"{one.ranked_mode}; the card of '{card.name}' ranks '{card.action_mode}'"
                )
        met = {one.adversary.sha256 for one in record.of_role("regular")}
        for other in cell.others if record.of_role("regular") else ():
            fits = other.sha256 in cards and cards[other.sha256].seat in (ANY, cell.seat)
            if fits and other.sha256 not in met | {card.sha256}:
                yield f"no matches of the regular opponent '{other.name}'"

    @property
    def count(self) -> int:
        """Pairings that were played."""
        return len(self._played)

    def again(self, record: Record, recorded: MatchSet) -> Halves:
        """A record's matches, played now.

        Raises:
            Absent: one of the players is neither at hand nor handed in.
            Misuse: one of them does not fit the game.
        """
        cell = record.cell
        options = cell.game_options if recorded.game_options is None else recorded.game_options
        key = content_hash(
            [
                cell.game, options, cell.seat, recorded.adversary.model_dump(),
                recorded.victim.model_dump(), recorded.victim_mode, recorded.role == "masked",
                cell.episodes,
            ]
        )  # fmt: skip
        if key not in self._played:
            kind = game(cell.game)
            batch = kind(min(EVALUATION_MATCHES, cell.episodes), kind.Options(**options))
            seats = self._seated(batch, record, recorded)
            seeds = episode_list(cell.game, cell.episodes)
            self._played[key] = play(batch, seats, cell.seat, seeds)
        return self._played[key]

    def _seated(self, batch: Game, record: Record, recorded: MatchSet) -> tuple[Policy, Policy]:
        """Both players by the number of their seat."""
        seat = batch.card.opposite(record.cell.seat)
        adversary = self._adversary(batch, recorded)
        victim = self._victim(record, recorded)
        check_fits(adversary, batch.card, record.cell.seat)
        check_fits(victim, batch.card, seat.name)
        if isinstance(victim, NetworkPolicy):
            victim = victim.in_mode(recorded.victim_mode)
        if recorded.role == "masked":
            victim = Blind.of(victim, seat)
        first = batch.card.seat_index(record.cell.seat) == 0
        return (adversary, victim) if first else (victim, adversary)

    def _adversary(self, batch: Game, recorded: MatchSet) -> Policy:
        who = recorded.adversary
        scripted = floors(type(batch))
        if not who.sha256 and who.name in scripted:
            return scripted[who.name]
        return self._policy(who, handed_in=recorded.role not in AT_HAND)

    def _victim(self, record: Record, recorded: MatchSet) -> Policy:
        """A hardened victim is the submission's; an undefended one must be known here."""
        cell, who = record.cell, recorded.victim
        hardened = cell.defense is not None and who.sha256 != cell.victim.sha256
        return self._policy(who, handed_in=hardened)

    def _policy(self, who: PlayerRef, *, handed_in: bool) -> Policy:
        if who.sha256 in self._folders:
            return self._victims.load(self._folders[who.sha256])
        if handed_in and who.sha256 in self._submitted:
            return self._submitted[who.sha256]
        where = "the evidence" if handed_in else "the victims here"
        raise Absent(f"'{who.name}' ({who.sha256[:12]}..) is not among {where}")


def policies_at(path: Path) -> list[NetworkPolicy]:
    """Networks of a path: an artifact's folder, a folder of them, or published files.

    Raises:
        Misuse: there are none, or one is damaged.
    """
    folders = sorted({card.parent for card in path.glob("**/card.json")}) if path.is_dir() else []
    if not folders:
        return list(zoo.import_path(path))
    loaded = [artifact.load(folder) for folder in folders]
    for folder, policy in zip(folders, loaded, strict=True):
        if not isinstance(policy, NetworkPolicy):
            raise Misuse(f"{folder}: a victim must be a network")
    return [policy for policy in loaded if isinstance(policy, NetworkPolicy)]

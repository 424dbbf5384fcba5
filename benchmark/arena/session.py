"""What a referee grants a contestant, and what becomes of each request.

The referee owns the game, the frozen policies, the seeds of the episodes and the ledger. Of all
that, a contestant gets what an arena shows: observations, rewards, outcomes, and passively what
the other side saw and did. Whatever is not granted is a `Violation`, and nothing is played after
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from benchmark.arena.arena import Arena
from benchmark.arena.arrays import ArraysFile, Layout
from benchmark.arena.ledger import BadDiagnostics, Ledger
from benchmark.arena.mixture import Mixture
from benchmark.arena.snapshots import Snapshots
from benchmark.arena.wire import (
    MAX_ARENAS,
    PROTOCOL,
    Bye,
    Hello,
    Load,
    Message,
    OpenArena,
    Report,
    Reset,
    Restore,
    Save,
    SendPolicy,
    Snapshot,
    Status,
    Violation,
    Welcome,
)
from benchmark.disk import write_atomically
from benchmark.errors import Misuse, first_problem
from benchmark.games.game import BadAction
from benchmark.policies import artifact
from benchmark.policies.policy import Policy, PolicyCard
from benchmark.registry import game

Receive = Callable[[int], bytes]
"""Receives the bytes that follow a request, at most so many."""


class Answer(NamedTuple):
    """In JSON, and the bytes that follow it, if any do."""

    said: dict[str, Any]
    following: bytes = b""


TRAINING, CHECKPOINT = "training", "checkpoint"
SENT = "sent:"
"""Begins the names of policies that a contestant has sent."""


class RefereeSpec(BaseModel):
    """What is played, against whom, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    game: str
    options: dict[str, Any] = {}
    seat: str = Field(description="the contestant's own, from which the ledger counts")
    members: dict[str, Path] = Field(description="artifact folders by name, in the other seat")
    mixture: tuple[tuple[str, float], ...] | None = Field(
        default=None,
        description="members and shares that an attack plays; none: a defense has the choice",
    )
    budget_steps: NonNegativeInt
    seed_base: NonNegativeInt | None = Field(
        default=None,
        description="of all episodes, never shown; none: the seeds that the contestant names are "
        "taken as they are, which only a trusted one should be granted",
    )
    matches: PositiveInt = Field(default=1024, description="at most, of one arena")
    arenas: int = Field(default=64, ge=1, le=MAX_ARENAS, description="at most, in all")
    open_matches: PositiveInt = Field(
        default=1 << 15,
        description="at most, of all arenas together: none is ever closed, and "
        "each match of MuJoCo takes 20 KB of the referee's memory",
    )
    reports: PositiveInt = Field(default=20_000, description="at most, in all")
    saves: PositiveInt = Field(default=20_000, description="checkpoints, at most, in all")
    checkpoint_bytes: PositiveInt = Field(
        default=512 << 20,
        description="at most, of one; `ours` with a frozen F keeps 310 MiB of pairs for a while",
    )
    policies: PositiveInt = Field(default=1024, description="at most, that a defense may send")
    policy_bytes: PositiveInt = Field(default=128 << 20, description="at most, of all of them")
    arrays_bytes: PositiveInt = Field(default=64 << 20, description="at most, of the shared file")
    patience_s: PositiveFloat = Field(default=900.0, description="of silence, then it has stalled")
    threads: PositiveInt = Field(default=1, description="of BLAS: they move results' last bits")


@dataclass
class Table:
    """An open arena, where its arrays lie, and what a snapshot of it must match."""

    arena: Arena
    layout: Layout
    facts: dict[str, Any]
    sent: bool
    """Whether the contestant's own policies sit opposite."""
    started: bool = False


class Session:
    """One contestant's requests, answered one after the other."""

    def __init__(self, spec: RefereeSpec, arrays: ArraysFile, snapshots: Path):
        """Raises Misuse for a spec that cannot be played."""
        self.spec, self._arrays = spec, arrays
        self._game = game(spec.game)
        try:
            self._options = self._game.Options.model_validate(spec.options)
        except ValidationError as error:
            raise Misuse(f"options of {spec.game}: {first_problem(error)}") from error
        self.card = self._game.describe(self._options)
        self._seat_index = self.card.seat_index(spec.seat)
        self._members: dict[str, Policy] = {k: artifact.load(v) for k, v in spec.members.items()}
        if reserved := [name for name in spec.members if name.startswith(SENT)]:
            raise Misuse(f"members are called {reserved}: '{SENT}' names a contestant's own")
        if unknown := {name for name, _ in spec.mixture or ()} - self._members.keys():
            raise Misuse(f"the mixture names {sorted(unknown)}, who are no members")
        self._sent: set[str] = set()
        self._sendable = spec.policy_bytes
        self._tables: list[Table] = []
        self._snapshots = Snapshots(snapshots)
        self.ledger = Ledger(self.card, spec.seat)
        self._saves = 0
        self._greeted = self._played = False
        self._answers: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
            OpenArena: self._open, Reset: self._reset, Snapshot: self._keep,
            Restore: self._restore, Report: self._report, Bye: lambda _: {},
        }  # fmt: skip

    def answer(self, message: Message, receive: Receive) -> Answer:
        """Do what a request asks for; raises Violation."""
        if isinstance(message, Hello) is self._greeted:
            line = "a second greeting" if self._greeted else "a request before the greeting"
            raise Violation(Status.OUT_OF_ORDER, line)
        if isinstance(message, Hello):
            return Answer(self._welcome(message))
        if isinstance(message, SendPolicy):
            return Answer(self._take(message.card, receive))
        if isinstance(message, Save):
            return self._save(receive)
        if isinstance(message, Load):
            return self._load()
        return Answer(self._answers[type(message)](message))

    def step(self, number: int) -> None:
        """Play the actions that lie in an arena's region; raises Violation."""
        table = self._table(number)
        if not table.started:
            raise Violation(Status.OUT_OF_ORDER, f"a step before the reset of arena {number}")
        if self.ledger.steps + table.layout.matches > self.spec.budget_steps:
            line = f"a step beyond the budget of {self.spec.budget_steps} environment steps"
            raise Violation(Status.OVER_BUDGET, line)
        actions = self._arrays.actions(table.layout)
        if not np.isfinite(actions).all():
            raise Violation(Status.BAD_ACTIONS, f"NaN or infinity in the actions of arena {number}")
        self._played = True
        try:
            obs, reward, terminated, _, info = table.arena.step(actions)
        except BadAction as error:
            if not table.sent:
                raise
            raise Violation(Status.BAD_POLICY, f"a policy that was sent: {error}") from error
        given = {"obs": obs, "reward": reward, "terminated": terminated, **info}
        self._arrays.give(table.layout, given)

    def _welcome(self, message: Hello) -> dict[str, Any]:
        if message.protocol != PROTOCOL:
            line = f"protocol {message.protocol} is spoken, expected {PROTOCOL}"
            raise Violation(Status.OUT_OF_ORDER, line)
        self._greeted = True
        choice = self._members if self.spec.mixture is None else {}
        return Welcome(
            game=self.card,
            seat=self.spec.seat,
            budget_steps=self.spec.budget_steps,
            members={name: _outline(name, policy.card) for name, policy in choice.items()},
        ).model_dump(mode="json")

    def _open(self, message: OpenArena) -> dict[str, Any]:
        spec, number = self.spec, len(self._tables) + 1
        if number > spec.arenas or message.matches > spec.matches:
            line = f"arena {number} of {message.matches} matches: granted are {spec.arenas} arenas "
            raise Violation(Status.OVER_LIMIT, line + f"of {spec.matches} matches")
        opened = sum(table.layout.matches for table in self._tables) + message.matches
        if opened > spec.open_matches:
            line = f"{opened} matches open at once, at most {spec.open_matches} are granted"
            raise Violation(Status.OVER_LIMIT, line)
        names, mixture = self._opposite(message)
        seat_index = self._seat_index ^ message.attacking
        layout = Layout.of(self.card, seat_index, message.matches, self._arrays.used)
        self._arrays.claim(layout)
        batch = self._game(message.matches, self._options)
        seat = self.card.seats[seat_index].name
        try:
            arena = Arena(
                batch, seat, mixture, seed=0, seed_base=spec.seed_base, ledger=self.ledger
            )
        except Misuse as error:  # a policy that is not made for the seat
            raise Violation(Status.BAD_POLICY, str(error)) from error
        facts = {
            "matches": message.matches,
            "seat": seat,
            "opposite": [policy.card.identity for policy in mixture.policies],
            "shares": mixture.shares.tolist(),
        }
        self._tables.append(Table(arena, layout, facts, sent=not self._sent.isdisjoint(names)))
        return {"arena": number, "offset": layout.offset}

    def _opposite(self, message: OpenArena) -> tuple[list[str], Mixture]:
        """Who sits opposite in a new arena."""
        asked = self.spec.mixture or message.opposite
        if (message.opposite is None) is (self.spec.mixture is None) or asked is None:
            line = "whom to meet was to be said" if asked is None else "whom to meet is no choice"
            raise Violation(Status.OUT_OF_ORDER, line)
        if self.spec.mixture is not None and message.attacking:
            raise Violation(Status.OUT_OF_ORDER, "an arena in the seat of the frozen policies")
        names = [name for name, _ in asked]
        if unknown := set(names) - self._members.keys():
            raise Violation(Status.OUT_OF_ORDER, f"nobody is called {min(unknown)!a}")
        try:
            mixture = Mixture([(self._members[name], share) for name, share in asked])
        except Misuse as error:
            raise Violation(Status.MALFORMED, str(error)) from error
        if message.opposite is not None:
            # Shares of a mixture already: to divide by their sum again would move the last bit.
            shares = np.array([share for _, share in asked if share > 0])
            if abs(shares.sum() - 1.0) > 1e-9:
                raise Violation(Status.MALFORMED, f"shares add to {shares.sum()}, expected 1")
            mixture.shares = shares
        return names, mixture

    def _take(self, card: PolicyCard, receive: Receive) -> dict[str, Any]:
        """Read a policy that the contestant has made itself."""
        if self.spec.mixture is not None:
            raise Violation(Status.OUT_OF_ORDER, "a policy was sent where there is no choice")
        if len(self._sent) == self.spec.policies:
            raise Violation(Status.OVER_LIMIT, f"more than {self.spec.policies} policies")
        payload = receive(self._sendable)
        self._sendable -= len(payload)
        name = f"{SENT}{len(self._sent) + 1}"
        with TemporaryDirectory() as made:
            folder = Path(made)
            try:
                write_atomically(folder / artifact.WEIGHTS, payload)
                write_atomically(folder / artifact.CARD, card.model_dump_json().encode())
                self._members[name] = artifact.load(folder)
            except (artifact.BadArtifact, ValueError) as error:
                line = str(error).replace(made, name)
                raise Violation(Status.BAD_POLICY, line) from error
        self._sent.add(name)
        return {"name": name}

    def _reset(self, message: Reset) -> dict[str, Any]:
        table = self._table(message.arena)
        obs, info = table.arena.reset(seed=message.seed)
        self._arrays.give(table.layout, {"obs": obs, **info})
        table.started = True
        return {}

    def _keep(self, message: Snapshot) -> dict[str, Any]:
        table = self._table(message.arena)
        if not table.started:
            raise Violation(Status.OUT_OF_ORDER, "a snapshot of an arena before its reset")
        facts = {**table.facts, "steps": self.ledger.steps}
        return {"handle": self._snapshots.keep(_kind(message.arena), table.arena.state(), facts)}

    def _restore(self, message: Restore) -> dict[str, Any]:
        table = self._table(message.arena)
        self._check_fresh()
        kept = self._snapshots.find(_kind(message.arena), message.handle)
        steps = kept.facts.pop("steps")
        if kept.facts != table.facts:
            line = f"snapshot {message.handle} is of another arena: matches, seat or mixture differ"
            raise Violation(Status.UNKNOWN_SNAPSHOT, line)
        if self.ledger.steps < steps:
            line = "the ledger of a snapshot is to be resumed before its arena"
            raise Violation(Status.OUT_OF_ORDER, line)
        obs = table.arena.restore(kept.arrays)
        self._arrays.give(table.layout, {"obs": obs, "member": kept.arrays["players.member"]})
        table.started = True
        return {"steps": table.arena.steps}

    def _save(self, receive: Receive) -> Answer:
        """Keep ledger and checkpoint in one file, so that neither is ever without the other."""
        if self._saves == self.spec.saves:
            raise Violation(Status.OVER_LIMIT, f"more than {self.spec.saves} checkpoints")
        self._saves += 1
        payload = np.frombuffer(receive(self.spec.checkpoint_bytes), dtype=np.uint8)
        self._snapshots.keep(TRAINING, {CHECKPOINT: payload}, self.ledger.state())
        return Answer({})

    def _load(self) -> Answer:
        self._check_fresh()
        kept = self._snapshots.last(TRAINING)
        if kept is None:
            return Answer({"bytes": 0})
        self.ledger.restore(kept.facts)
        payload = kept.arrays[CHECKPOINT].tobytes()
        return Answer({"bytes": len(payload)}, payload)

    def _report(self, message: Report) -> dict[str, Any]:
        if len(self.ledger.intervals) == self.spec.reports:
            raise Violation(Status.OVER_LIMIT, f"more than {self.spec.reports} reports")
        try:
            self.ledger.close(message.diagnostics)
        except BadDiagnostics as error:
            raise Violation(Status.MALFORMED, str(error)) from error
        return {}

    def _table(self, number: int) -> Table:
        if not 1 <= number <= len(self._tables):
            raise Violation(Status.OUT_OF_ORDER, f"there is no arena {number}")
        return self._tables[number - 1]

    def _check_fresh(self) -> None:
        """What was played stays played: going back to play it again is not granted."""
        if self._played:
            line = "a snapshot can only be continued before anything is played"
            raise Violation(Status.OUT_OF_ORDER, line)


def _kind(number: int) -> str:
    return f"arena{number}"


def _outline(name: str, card: PolicyCard) -> PolicyCard:
    """A member's card for someone who meets it: nothing of its weights, its making or its shape."""
    return PolicyCard(
        name=name, kind=card.kind, game=card.game, seat=card.seat, obs_dim=card.obs_dim,
        act_dim=card.act_dim, act_bound=card.act_bound, origin="kept by the referee",
    )  # fmt: skip

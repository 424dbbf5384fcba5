"""The contestant's side: arenas that a referee plays, in another process, behind a socket.

    arena = RemoteArena.connect(Path("socket"), Path("arrays"), matches=512)     # an attack's

    referee = Client(Path("socket"), Path("arrays"))                             # a defense's
    adversary = referee.members["adversary0"]
    arena = referee(Mixture.of(adversary), 512)

A `RemoteArena` is an `Arena` to whoever learns in it. What the in-process one keeps to itself by
good manners, the game, the seeds and the policies opposite, is not in this process at all.
"""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmark.arena.arena import Arena, checked_seed
from benchmark.arena.arrays import Layout, Region
from benchmark.arena.mixture import Mixture
from benchmark.arena.wire import (
    BYTES,
    Bye,
    Channel,
    Hello,
    Load,
    OpenArena,
    Report,
    Reset,
    Restore,
    Save,
    SendPolicy,
    Snapshot,
    Violation,
    Welcome,
)
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.games.game import Array, BadAction, GameCard
from benchmark.policies.policy import Policy, PolicyCard

PATIENCE_S = 900.0
"""Seconds in which the referee must answer; it may have to compile a game first."""


class Refused(CheckFailed):
    """The referee ended the session: a rule was broken."""


class Member(Policy):
    """Someone whom the referee can seat opposite, known by name alone."""

    def __init__(self, name: str, card: PolicyCard):
        self.name, self.card = name, card

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        raise Misuse(f"'{self.name}' is kept by the referee: it can be met, not asked to act")


class _Known:
    """What the learner knows of the game: its card."""

    def __init__(self, card: GameCard):
        self.card = card


class _Chosen:
    """What the learner knows of the other seat."""

    def __init__(self, mixture: Mixture | None):
        self._mixture = mixture

    @property
    def mixture(self) -> Mixture:
        """The mixture that it chose; raises Misuse where it had no choice."""
        if self._mixture is None:
            raise Misuse("who sits opposite is known to the referee alone")
        return self._mixture


class Client:
    """A contestant's connection to its referee. Calling it makes an arena, as a defense's do."""

    def __init__(self, socket_path: Path, arrays_path: Path, patience_s: float = PATIENCE_S):
        """Connect; raises InfrastructureError where nobody answers."""
        self._arrays = arrays_path
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(socket_path))
        except OSError as error:
            connection.close()
            raise InfrastructureError(f"{socket_path}: no referee there ({error})") from error
        self._channel = Channel(connection, patience_s)
        welcome = Welcome.model_validate(self.ask(Hello()))
        self.card, self.seat = welcome.game, welcome.seat
        self.budget_steps = welcome.budget_steps
        self.members = {name: Member(name, card) for name, card in welcome.members.items()}
        self._sent: dict[str, str] = {}

    def arena(self, matches: int) -> RemoteArena:
        """An arena in the contestant's seat against whom the referee has seated there."""
        return self._open(OpenArena(matches=matches), None)

    def __call__(self, opposite: Mixture, matches: int, *, attacking: bool = False) -> RemoteArena:
        """An arena against a mixture of members, and of policies of one's own, which are sent.

        attacking: from the seat opposite the contestant's own.
        """
        shares = opposite.shares.tolist()
        named = tuple(zip(map(self._name, opposite.policies), shares, strict=True))
        asked = OpenArena(matches=matches, attacking=attacking, opposite=named)
        return self._open(asked, opposite)

    def report(self, diagnostics: dict[str, float]) -> None:
        """Let the referee close an interval of its ledger, with these words beside it."""
        self.ask(Report(diagnostics=diagnostics))

    def save(self, payload: bytes) -> None:
        """Have the ledger kept, and beside it a checkpoint that refers to snapshots of arenas."""
        self._follow(Save(), payload)

    def load(self) -> bytes | None:
        """Go on with the ledger of the last checkpoint, before any arena is restored.

        Returns:
            The checkpoint; None where there is none, and all begins.
        """
        try:
            count = int(self.ask(Load())["bytes"])
            return self._channel.receive_bytes(count) if count else None
        except Violation as error:
            raise _lost(error) from error

    def close(self) -> None:
        """Say that all is done, and hang up."""
        self.ask(Bye())
        self._channel.close()

    def ask(self, request: BaseModel) -> dict[str, Any]:
        """The answer to a request; raises Refused, or InfrastructureError where none comes."""
        try:
            self._channel.send(request.model_dump_json().encode())
            return self._answer()
        except Violation as error:
            raise _lost(error) from error

    def step(self, number: int) -> None:
        """Have a step of an arena played; raises as `ask`."""
        try:
            self._channel.send_step(number)
            said = self._channel.receive()
        except Violation as error:
            raise _lost(error) from error
        if said != number:
            _judge(said)
            raise InfrastructureError("the referee answered something else than was asked")

    def _open(self, asked: OpenArena, mixture: Mixture | None) -> RemoteArena:
        seat_index = self.card.seat_index(self.seat) ^ asked.attacking
        answer = self.ask(asked)
        layout = Layout.of(self.card, seat_index, asked.matches, int(answer["offset"]))
        region = Region(self._arrays, layout)
        return RemoteArena(self, int(answer["arena"]), seat_index, region, asked.matches, mixture)

    def _name(self, policy: Policy) -> str:
        """The name that the referee knows a policy by; one that it does not know is sent."""
        if isinstance(policy, Member):
            return policy.name
        payload = safetensors.numpy.save(policy.tensors())
        sha256 = hashlib.sha256(payload).hexdigest()
        card = policy.card.model_copy(update={"sha256": sha256, "training": {}})
        request = SendPolicy(card=card)
        said = request.model_dump_json()
        if said not in self._sent:
            self._sent[said] = str(self._follow(request, payload)["name"])
        return self._sent[said]

    def _follow(self, request: BaseModel, payload: bytes) -> dict[str, Any]:
        """The answer to a request that bytes follow; raises as `ask`."""
        try:
            self._channel.send(request.model_dump_json().encode())
            self._channel.send(payload, BYTES)
            return self._answer()
        except Violation as error:
            raise _lost(error) from error

    def _answer(self) -> dict[str, Any]:
        return _judge(self._channel.receive())


def _judge(said: int | bytes) -> dict[str, Any]:
    """An answer in JSON, unless it is a refusal."""
    answer = json.loads(said) if isinstance(said, bytes) else None
    if not isinstance(answer, dict):
        raise InfrastructureError("the referee answered something else than was asked")
    if "refused" in answer:
        raise Refused(f"the referee ended the run ({answer['refused']}): {answer['line']}")
    return answer


def _lost(error: Violation) -> InfrastructureError:
    return InfrastructureError(f"the referee is lost: {error}")


class RemoteArena(Arena):
    """An arena whose game a referee plays; to a learner it is an `Arena` like any other."""

    def __init__(
        self,
        client: Client,
        number: int,
        seat_index: int,
        region: Region,
        matches: int,
        mixture: Mixture | None,
    ):
        self._sit(client.card, client.card.seats[seat_index].name, matches)
        self.game, self.players = _Known(client.card), _Chosen(mixture)
        self._client, self._number, self._region = client, number, region
        self._seen: Array | None = None
        self._policy: Policy | None = None
        self._alone = False

    @classmethod
    def connect(
        cls, socket_path: Path, arrays_path: Path, matches: int, *, revealed: Policy | None = None
    ) -> RemoteArena:
        """The one arena of an attack.

        revealed: in the white-box track, the victim's policy as it was handed to the contestant.
        """
        arena = Client(socket_path, arrays_path).arena(matches)
        arena._policy, arena._alone = revealed, True
        return arena

    def close_extras(self, **kwargs: Any) -> None:
        """End the session with the one arena that it was for."""
        if self._alone:
            self._client.close()

    @property
    def client(self) -> Client:
        """The connection that it plays through."""
        return self._client

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """As an arena's; the referee hashes a seed together with its own."""
        self._client.ask(Reset(arena=self._number, seed=checked_seed(seed)))
        given = self._region.given()
        self._seen = given["obs"]
        return self._seen, {"member": given["member"]}

    def step(
        self, actions: Array
    ) -> tuple[Array, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        if self._seen is None:
            raise RuntimeError("call reset() before step()")
        mine = np.asarray(actions, dtype=np.float32)
        if mine.shape != self.action_space.shape:
            expected = self.action_space.shape
            raise BadAction(f"seat '{self.seat}': expected actions {expected}, got {mine.shape}")
        self._region.act(mine)
        self._client.step(self._number)
        info = self._region.given()
        self.steps += self.num_envs
        self._seen, reward, terminated = (info.pop(k) for k in ("obs", "reward", "terminated"))
        info["_final_obs"] = terminated
        return self._seen, reward, terminated, np.zeros(self.num_envs, dtype=bool), info

    def reveal(self, policy: Policy) -> None:
        """In the white-box track: the victim's policy, as it was handed to the contestant."""
        self._policy = policy

    def revealed(self) -> Policy:
        """The victim's policy where the contestant was handed it; raises Misuse otherwise."""
        if self._policy is None:
            raise Misuse("the other side's policy is only shown in the white-box track")
        return self._policy

    def observation(self) -> Array:
        """What the learner sees now: (N, obs_dim)."""
        if self._seen is None:
            raise RuntimeError("call reset() first")
        return self._seen

    def state(self) -> dict[str, NDArray[Any]]:
        """A handle: the matches in flight themselves stay with the referee."""
        return {"handle": np.array(self._client.ask(Snapshot(arena=self._number))["handle"])}

    def restore(self, state: dict[str, NDArray[Any]]) -> Array:
        """Continue from `state()`; returns the learner's observation at that point."""
        request = Restore(arena=self._number, handle=int(state["handle"]))
        self.steps = int(self._client.ask(request)["steps"])
        self._seen = self._region.given()["obs"]
        return self._seen

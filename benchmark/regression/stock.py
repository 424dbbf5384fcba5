"""Who plays in a check: shipped victims, stored policies, networks with random weights, floors.

None of them comes from a zoo, so every checkout has them all.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import NetworkPolicy, Policy, PolicyCard, expected_shapes
from benchmark.registry import Victims, floors, game, games
from benchmark.seeding import generator
from benchmark.settings import hint
from benchmark.submissions.toys import random_network

FLOORS = ("random", "zero")
PONG = "pong-v1"


class Stock(Victims):
    """The players of a check by name: `house-tanh`, `stored-ours`, `sumo-ants-v1 left`."""

    def __init__(self, stored: Path):
        """stored: a folder of artifacts, `NAME` of it known as `stored-NAME`."""
        super().__init__()
        self._stored = stored
        self._made = {
            name: made for kind in games.names() if kind != PONG for name, made in _networks(kind)
        }

    def folders(self) -> dict[str, Path]:
        """Of those that lie on a disk."""
        found = {
            f"stored-{card.parent.name}": card.parent for card in self._stored.glob("*/card.json")
        }
        return {**Victims().folders(), **found}

    def cards(self, game_id: str | None = None) -> dict[str, PolicyCard]:
        """See `Victims.cards`; stored policies are no victims of their own."""
        made = {name: p.card for name, p in self._made.items() if game_id in (None, p.card.game)}
        return {**Victims().cards(game_id), **made}

    def load(self, name: str) -> NetworkPolicy:
        """A network by name; raises Misuse for an unknown one."""
        if name in self._made:
            return self._made[name]
        if name not in self.folders():
            raise Misuse(f"no player '{name}'; {hint(name, self.folders())}")
        return super().load(name)

    def player(self, name: str, game_id: str) -> Policy:
        """A network or a floor of this game by name."""
        return floors(game(game_id))[name] if name in FLOORS else self.load(name)


def _networks(game_id: str) -> list[tuple[str, NetworkPolicy]]:
    """A network for either seat, and one with a memory for the victim's."""
    card = game(game_id).describe()
    made: list[NetworkPolicy] = [
        random_network(card, seat.name, index) for index, seat in enumerate(card.seats)
    ]
    victim = card.victim_seat.name
    named = [(f"{game_id} {policy.card.seat}", policy) for policy in made]
    named.append((f"{game_id} {victim} lstm", _with_memory(card, victim)))
    return [(name, _called(name, policy)) for name, policy in named]


def _with_memory(card: GameCard, seat: str) -> LSTMPolicy:
    spec = card.seats[card.seat_index(seat)]
    made = PolicyCard(
        name="random weights", kind="lstm", game=card.id, seat=seat, obs_dim=spec.obs_dim,
        act_dim=spec.act_dim, act_bound=spec.act_bound, hidden=(8, 8), activation="relu",
        origin="a check's", ranked=False,
    )  # fmt: skip
    rng = generator("a check's network with a memory", card.id, seat)
    return LSTMPolicy(
        made,
        {
            name: rng.normal(0, 0.3, shape).astype(np.float32)
            for name, shape in expected_shapes(made).items()
        },
    )


def _called(name: str, policy: NetworkPolicy) -> NetworkPolicy:
    """The policy under a name of its own and a hash that tells it from others of its shape."""
    payload = b"".join(tensor.tobytes() for _, tensor in sorted(policy.tensors().items()))
    named = {"name": name, "sha256": hashlib.sha256(payload).hexdigest()}
    return type(policy)(policy.card.model_copy(update=named), policy.tensors())

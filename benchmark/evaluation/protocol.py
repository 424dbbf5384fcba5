"""Which protocol counts are made by; docs and tables speak of its number."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.games.game import Tier

PROTOCOL = 1
"""Part of every evaluation's episode list and of every cell: counts of two never mix."""

EPISODES: Mapping[Tier, int] = {"smoke": 200, "lite": 200, "full": 1000}
"""Matches of each pairing: no fewer, and no more, or an author could stop where it looks best."""
_MUJOCO: Mapping[Tier, int] = {"smoke": 250_000, "lite": 4_000_000, "full": 20_000_000}
TIER_STEPS: Mapping[str, Mapping[Tier, int]] = {
    "pong-v1": {"smoke": 1_000_000, "lite": 2_000_000, "full": 8_000_000},
    "you-shall-not-pass-v1": _MUJOCO,
    "kick-and-defend-v1": _MUJOCO,
    "sumo-humans-v1": _MUJOCO,
    "sumo-ants-v1": _MUJOCO,
    "run-to-goal-humans-v1": _MUJOCO,
    "run-to-goal-ants-v1": _MUJOCO,
}
"""Environment steps of a training by game and tier, as the games' cards have them.

Said again here because a board is rendered from records alone, whatever games are installed. A
tier's name in a record does not say its budget: `bench run --tier full --budget 1000` is possible.
"""


RANKED_VICTIMS: dict[str, Mapping[str, str]] = {
    "pong-v1": {
        "house-relu": "d054b7810b418db8d679d3e3e2966188f9dd9a5ebe6326c6214dafbbad2d1e9c",
        "house-tanh": "4070504a3597af32a4bd8245941b18042f99ab412a31c1b7fe467f3535b175f5",
        "may1": "7be61d284a3e22ff10a39072a48842a60d710371cfbbc9b9b484a75c4ccca211",
    },
    "you-shall-not-pass-v1": {
        "house-runner": "96b19b13c0cfb5c84d4e2b55ef5cb3ff4212485074c4f6e5e4e3678e2abc1746",
        "zoo-runner-v1": "ac00f7aa50f0665dfa52f1ed074bad0970623119aec09856f0b5d539a8702bbc",
    },
}
"""By game the victims that ranks are over: name, and sha256 of the weights (their card's).

Every ranked attack has met all of them, and is scored over them alone. Named here and not chosen
by what is on file: whoever files three entries of their own would else choose for everybody. On a
game that is not here nobody is ranked yet.
"""


def is_whole(game: str, tier: Tier, budget_steps: int) -> bool:
    """Whether a training had its tier's whole budget; not of a game that the protocol lacks."""
    return TIER_STEPS.get(game, {}).get(tier) == budget_steps

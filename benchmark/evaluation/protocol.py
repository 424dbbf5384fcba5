"""Which protocol counts are made by; docs and tables speak of its number."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.games.game import Tier

PROTOCOL = 1
"""Part of every evaluation's episode list and of every cell: counts of two never mix."""

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


def is_whole(game: str, tier: Tier, budget_steps: int) -> bool:
    """Whether a training had its tier's whole budget; not of a game that the protocol lacks."""
    return TIER_STEPS.get(game, {}).get(tier) == budget_steps

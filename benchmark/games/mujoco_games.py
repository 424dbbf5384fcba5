"""The ids of the MuJoCo games, for methods that treat them alike."""

from __future__ import annotations

MUJOCO_GAMES = (
    "you-shall-not-pass-v1", "kick-and-defend-v1", "sumo-humans-v1", "sumo-ants-v1",
    "run-to-goal-humans-v1", "run-to-goal-ants-v1",
)  # fmt: skip

"""What a job is expected to take."""

from __future__ import annotations

from typing import Any

import pytest

from attacks.baseline import Baseline
from benchmark import registry
from benchmark.records.cell import MethodRef
from benchmark.runs.estimate import LEAST_LIMIT_S, training_seconds, wall_limit
from benchmark.runs.job import Job, Player

PONG = registry.game("pong-v1").describe()

VICTIM = Player(source="victim", name="alpha", ref="0")


def _training(steps: int = 8_000_000, **config: Any) -> Job:
    method = MethodRef(name="baseline", version=1, settings={}, config=config)
    return Job(
        kind="attack", game=PONG.id, game_options={}, seat="left", victim=VICTIM,
        method=method, budget_steps=steps,
    )  # fmt: skip


def _configured(preset: str) -> dict[str, Any]:
    return Baseline.configure(PONG, {"preset": preset}).model_dump()


def test_a_match_at_a_time_takes_ten_times_as_long_as_many_at_once() -> None:
    """`ours` with the published settings took 14 to 20 minutes; by the card's speed it is 90 s."""
    one, many = (_training(**_configured(preset)) for preset in ("published", "tuned"))
    published, tuned = training_seconds(one, PONG), training_seconds(many, PONG)
    assert 60 < tuned < 180
    assert 600 < published < 1800
    assert wall_limit(one, PONG) > 10 * published


@pytest.mark.parametrize("matches", [0, -3, "many", None])
def test_what_a_strangers_method_calls_matches_is_no_matter(matches: object) -> None:
    expected = training_seconds(_training(), PONG)
    assert training_seconds(_training(matches=matches), PONG) == expected > 0


def test_what_trains_nothing_takes_no_training() -> None:
    assert training_seconds(_training(0, matches=1), PONG) == 0.0
    assert wall_limit(_training(0), PONG) == LEAST_LIMIT_S

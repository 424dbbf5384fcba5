"""What attacks win from a blind victim, beside what they win from a seeing one."""

from __future__ import annotations

from typing import Any

from benchmark.evaluation.protocol import TIER_STEPS
from benchmark.leaderboard.findings.sight import sight
from benchmark.records.record import Record
from tests.factories import attacked, defended, match
from tests.leaderboard.findings.conftest import given

LITE: dict[str, Any] = {"tier": "lite", "budget_steps": TIER_STEPS["pong-v1"]["lite"]}


def diagnosed(wins: int, blind: int, seed: int = 0, attack: str = "ours", **more: Any) -> Record:
    """A record of 200 matches, and of as many against the blind victim."""
    record = attacked(wins, seed=seed, attack=attack, **(LITE | more))
    adversary, victim = f"{attack} (seed {seed})", more.get("victim", "house")
    masked = [
        match("masked", blind, adversary=adversary, victim=victim),
        match("masked", 199, adversary="rival", victim=victim),
    ]
    return record.model_copy(update={"matches": [*record.matches, *masked]})


def test_each_seed_stands_beside_itself_blind() -> None:
    """The regular opponents, who are played blind too, are no part of it."""
    made = sight(
        given(records=[
            diagnosed(100, 120, victim="other"), diagnosed(180, 2), diagnosed(160, 6, seed=1),
            attacked(10, seed=2, **LITE),
        ]),
        "pong-v1",
    )  # fmt: skip
    assert made.facts["seeing/house/ours"] == "85.0 (80.0 to 90.0)"
    assert made.facts["blind/house/ours"] == "2.0 (1.0 to 3.0)"
    assert made.claims == {"blind/house/ours": "all below", "blind/other/ours": "all above"}
    assert [row[0] for row in made.tables["sight/pong-v1"].rows] == ["house", "other"]
    rows = {(row[0], row[1]): row[2:5] for row in made.tables["sight/pong-v1"].rows}
    assert rows["house", "ours"] == ["2 x 2 M", "85.0 (80.0 to 90.0)", "2.0 (1.0 to 3.0)"]
    assert rows["other", "ours"] == ["1 x 2 M", "50.0 (1 seed)", "60.0 (1 seed)"]


def test_what_was_not_diagnosed_is_left_out() -> None:
    """And hardened victims, other budgets, other games."""
    hardened = defended(1, 2, 3, **LITE)
    records = [attacked(50, **LITE), hardened, diagnosed(9, 9, attack="dense")]
    records.append(diagnosed(7, 7, attack="drift", budget_steps=5))
    assert list(sight(given(records=records), "pong-v1").facts) == [
        "seeing/house/dense", "blind/house/dense",
    ]  # fmt: skip
    assert sight(given(records=records), "sumo-ants-v1").tables["sight/sumo-ants-v1"].rows == []


def test_tier_full_has_rows_of_its_own_and_no_part_in_the_facts() -> None:
    full: dict[str, Any] = {"tier": "full", "budget_steps": TIER_STEPS["pong-v1"]["full"]}
    made = sight(given(records=[diagnosed(180, 2), diagnosed(100, 120, **full)]), "pong-v1")
    assert made.facts["blind/house/ours"] == "1.0 (1 seed)"
    assert made.claims == {"blind/house/ours": "all below"}
    assert [row[:3] for row in made.tables["sight/pong-v1"].rows] == [
        ["house", "ours", "1 x 2 M"], ["house", "ours", "1 x 8 M"],
    ]  # fmt: skip

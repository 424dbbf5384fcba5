"""Population retraining: who meets whom, generation by generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.policies.policy import ANY
from benchmark.submissions.toys import Killed, Mortal
from defenses.population import Population
from tests.attacks.conftest import PONG, assert_same_policy, differ, scribble, small
from tests.defenses.conftest import harden

ROLLOUT = 512
BUDGET = 8 * ROLLOUT
RUNNER = registry.game("you-shall-not-pass-v1").describe()


def test_everybody_meets_all_that_the_other_side_has_been() -> None:
    arenas: list[Arena] = []
    stored, other, victim = (
        scribble(PONG, "left", 1),
        scribble(PONG, "left", 2),
        scribble(PONG, "right"),
    )
    harden(
        "pong-v1", "population", generations=2, p=0.6, budget=BUDGET, seen=arenas,
        adversaries=[stored], opponents=[other], victim=victim,
    )  # fmt: skip
    assert [arena.seat for arena in arenas] == ["left", "left", "right"] * 2
    mixtures = [arena.players.mixture for arena in arenas]
    assert [m.policies for m in mixtures[:2]] == [[victim]] * 2
    newer = mixtures[3].policies[1]
    assert [m.policies for m in mixtures[3:5]] == [[victim, newer]] * 2
    assert mixtures[3].shares.tolist() == [0.5, 0.5]
    assert differ(victim, newer)
    first, second = mixtures[2], mixtures[5]
    assert [len(m.policies) for m in (first, second)] == [3 + 1 + 1, 5 + 1 + 2]
    assert first.shares.tolist() == pytest.approx([0.2] * 3 + [0.2] * 2)
    assert second.shares.tolist() == pytest.approx([0.12] * 5 + [0.4 / 3] * 3)
    assert second.policies[:3] == first.policies[:3]
    selves = second.policies[-2:]
    for past, true in zip(selves, (victim, newer), strict=True):
        assert_same_policy(past, true)
        assert past.card.seat == ANY


def test_adversaries_of_a_generation_differ() -> None:
    arenas: list[Arena] = []
    harden("pong-v1", "population", seen=arenas)
    _, one, other = arenas[-1].players.mixture.policies[:3]
    assert differ(one, other)


def test_in_a_game_with_two_sides_past_selves_stay_out() -> None:
    arenas: list[Arena] = []
    harden(RUNNER.id, "population", seen=arenas)
    assert len(arenas[-1].players.mixture.policies) == 3 + 1
    with pytest.raises(Misuse, match="past selves cannot play the other seat"):
        Population.configure(RUNNER, {"past_selves": True})


def test_past_selves_can_be_left_out() -> None:
    arenas: list[Arena] = []
    harden("pong-v1", "population", past_selves=False, seen=arenas)
    assert len(arenas[-1].players.mixture.policies) == 3 + 1


def test_one_generation_without_attacks_and_selves_is_mixed_retraining() -> None:
    alone = harden("pong-v1", "population", attack_share=0, past_selves=False)
    assert_same_policy(alone, harden("pong-v1", "mixed"))


def test_past_selves_are_no_adversarial_steps() -> None:
    """At p = 0 all episodes are regular ones, those against past selves too."""
    quiet = Quiet()
    harden("pong-v1", "population", p=0, progress=quiet)
    shares = [p.diagnostics.get("adversarial_steps") for p in quiet.curve]
    assert shares == [None, None, 0.0, 0.0]


@pytest.mark.parametrize("dies_at", [2, 3, 5, 6, 8])
def test_a_kill_in_any_stage_changes_nothing(tmp_path: Path, dies_at: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    before, after = list[Arena](), list[Arena]()
    toy: dict[str, Any] = {"generations": 2, "budget": BUDGET}
    whole = harden("pong-v1", "population", seen=before, **toy)
    with pytest.raises(Killed):
        harden("pong-v1", "population", progress=Mortal(path, dies_at), **toy)
    resumed = harden("pong-v1", "population", progress=Mortal(path), seen=after, **toy)
    assert resumed.card == whole.card
    assert_same_policy(resumed, whole)
    assert [a.steps for a in after] == [a.steps for a in before]


def test_its_least_budget_knows_all_stages() -> None:
    made = Population(Population.configure(PONG, {**small(Population, PONG), "generations": 2}))
    assert made.stages == ["attack", "attack", "retrain"] * 2
    assert made.least_steps == 4 * ROLLOUT * 2


@pytest.mark.parametrize(
    "wrong", [{"generations": 0}, {"adversaries": 0}, {"p": -1}, {"attack_share": 1.0}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match=f"setting '{next(iter(wrong))}'"):
        Population.configure(PONG, wrong)


def test_the_victim_changes_in_every_generation() -> None:
    one, two = (
        harden("pong-v1", "population", generations=g, budget=BUDGET).tensors()["layer0.weight"]
        for g in (1, 2)
    )
    assert not np.array_equal(one, two)

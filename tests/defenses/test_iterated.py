"""Iterated retraining: its order, its budget, its adversaries, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.submissions.toys import Killed, Mortal
from defenses.iterated import Iterated
from tests.attacks.conftest import BUDGET, PONG, assert_same_policy, differ, scribble, small
from tests.defenses.conftest import harden
from tests.learning.recall import lstm

ROLLOUT = 512


def _made(**settings: Any) -> Iterated:
    return Iterated(Iterated.configure(PONG, {**small(Iterated, PONG), **settings}))


def test_with_one_round_it_is_mixed_retraining() -> None:
    assert_same_policy(harden("pong-v1", "iterated", rounds=1), harden("pong-v1", "mixed"))
    assert differ(harden("pong-v1", "iterated", rounds=2), harden("pong-v1", "mixed"))


def test_every_round_adds_an_adversary_of_the_newest_victim() -> None:
    arenas: list[Arena] = []
    stored, other = scribble(PONG, "left", 1), scribble(PONG, "left", 2)
    hardened = harden(
        "pong-v1", "iterated", rounds=3, budget=6 * ROLLOUT, seen=arenas,
        adversaries=[stored], opponents=[other], p=0.6,
    )  # fmt: skip
    assert [arena.seat for arena in arenas] == ["right", "left", "right", "left", "right"]
    first, attack, second, again, third = (arena.players.mixture for arena in arenas)
    assert first.policies == [stored, other]
    assert second.policies[::2] == [stored, other]
    assert third.policies[0] is stored
    assert third.policies[-1] is other
    shares = ([0.6, 0.4], [1], [0.3, 0.3, 0.4], [1], [0.2, 0.2, 0.2, 0.4])
    for mixture, wanted in zip((first, attack, second, again, third), shares, strict=True):
        assert mixture.shares.tolist() == pytest.approx(wanted)
    fresh = third.policies[1:3]
    assert second.policies[1] is fresh[0]
    assert differ(*fresh)
    assert all("trained by attack 'baseline'" in policy.card.origin for policy in fresh)
    victims = [scribble(PONG, "right"), attack.policies[0], again.policies[0], hardened]
    assert all(differ(one, other) for one, other in pairwise(victims))


def test_the_stages_share_the_budget() -> None:
    arenas: list[Arena] = []
    harden("pong-v1", "iterated", rounds=2, attack_share=0.5, budget=13 * ROLLOUT + 5, seen=arenas)
    # 6.5 rollouts for the attack, 3.25 for each retraining; the last one has what is left over.
    assert [arena.steps // ROLLOUT for arena in arenas] == [3, 6, 4]


def test_without_a_share_for_attacks_it_only_retrains() -> None:
    arenas: list[Arena] = []
    harden("pong-v1", "iterated", rounds=3, attack_share=0, seen=arenas)
    assert [arena.seat for arena in arenas] == ["right"] * 3
    assert [len(arena.players.mixture.policies) for arena in arenas] == [2] * 3


@settings(max_examples=30)
@given(st.floats(0, 0.999), st.integers(1, 6), st.sampled_from([8, 16, 48]))
def test_the_least_budget_is_enough_for_every_stage_and_one_less_is_not(
    share: float, rounds: int, matches: int
) -> None:
    attack = {**small(registry.attacks.load("baseline"), PONG), "matches": matches}
    made = _made(attack_share=share, rounds=rounds, attack_config=attack)
    needs = {"attack": matches * 32, "retrain": ROLLOUT}

    def enough(budget: int) -> bool:
        shares = made._shares()
        return all(int(budget * shares[stage]) >= needs[stage] for stage in made.stages)

    assert enough(made.least_steps)
    assert not enough(made.least_steps - 1)


def test_a_budget_too_small_for_its_stages_is_refused_before_any_training() -> None:
    arenas: list[Arena] = []
    least = _made(rounds=2).least_steps
    with pytest.raises(Misuse, match=rf"{least - 1} steps are too few .* 3 stages, .* {least}"):
        harden("pong-v1", "iterated", rounds=2, budget=least - 1, seen=arenas)
    with pytest.raises(Misuse, match="at least one regular opponent"):
        harden("pong-v1", "iterated", opponents=[], seen=arenas)
    assert arenas == []


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4, 5, 6])
def test_a_kill_in_any_stage_changes_nothing(tmp_path: Path, dies_at: int) -> None:
    """Neither the victim, nor its card, nor the steps in the arenas, nor where the curve ends."""
    path, budget = tmp_path / "checkpoint.safetensors", 6 * ROLLOUT
    before, after, quiet = list[Arena](), list[Arena](), Quiet()
    whole = harden("pong-v1", "iterated", budget=budget, progress=quiet, seen=before)
    with pytest.raises(Killed):
        harden("pong-v1", "iterated", budget=budget, progress=Mortal(path, dies_at))
    progress = Mortal(path)
    resumed = harden("pong-v1", "iterated", budget=budget, progress=progress, seen=after)
    assert resumed.card == whole.card
    assert_same_policy(resumed, whole)
    assert [a.steps for a in after] == [a.steps for a in before]
    assert progress.curve == quiet.curve[-len(progress.curve) :]


def test_a_recurrent_victim_is_hardened_and_kept_through_its_stages(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    victim = lstm(game="pong-v1", seat="right", obs_dim=13, act_dim=2)
    whole = harden("pong-v1", "iterated", victim=victim)
    with pytest.raises(Killed):
        harden("pong-v1", "iterated", victim=victim, progress=Mortal(path, dies_at=3))
    resumed = harden("pong-v1", "iterated", victim=victim, progress=Mortal(path))
    assert type(whole) is type(resumed) is type(victim)
    assert_same_policy(resumed, whole)
    assert not np.array_equal(whole.tensors()["lstm.kernel"], victim.tensors()["lstm.kernel"])


def test_another_attack_is_used_with_its_own_settings() -> None:
    quiet = Quiet()
    sizes = {**small(registry.attacks.load("ours"), PONG), "weight": 0.25}
    config = Iterated.configure(PONG, {"attack": "ours", "attack_config": sizes})
    assert config.model_dump(mode="json")["attack_config"]["weight"] == 0.25
    harden("pong-v1", "iterated", attack="ours", attack_config=sizes, progress=quiet)
    shaped = [
        point.diagnostics["stage"] for point in quiet.curve if "surrogate_r2" in point.diagnostics
    ]
    assert shaped == [2, 2]


def test_a_job_s_key_knows_the_attack_s_version_and_config() -> None:
    """So an adversary made otherwise is another hardening."""
    config = Iterated.configure(PONG, {"attack": "ours"}).model_dump(mode="json")
    ours = registry.attacks.load("ours")
    assert config["attack_version"] == ours.version
    assert config["attack_config"] == ours.configure(PONG, {}).model_dump(mode="json")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rounds": 0}, "setting 'rounds'"),
        ({"p": 1.5}, "setting 'p'"),
        ({"attack_share": 1}, "setting 'attack_share'"),
        ({"attack_share": -0.1}, "setting 'attack_share'"),
        ({"attack": "basline"}, "did you mean 'baseline'"),
        ({"attack": 3}, "'attack' is an attack's name"),
        ({"attack_config": "fast"}, "'attack_config' an object of its settings"),
        ({"attack_config": {"moonshine": 1}}, "attack 'baseline' has no setting 'moonshine'"),
        ({"attack": "zero"}, "'zero' is in track 'none'"),
        (
            {"attack": "ours", "attack_config": {"access": "white-box"}},
            "'ours' is in track 'white-box'",
        ),
        ({"attack_version": 99}, "of version 1 here, expected 99"),
        ({"hidden": [8]}, "the victim's own, not a setting"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(Misuse, match=says) as refused:
        Iterated.configure(PONG, wrong)
    assert "\n" not in str(refused.value)


def test_budget_of_the_toys() -> None:
    """The toy sizes of the contract's tests leave no stage without a rollout."""
    assert _made().least_steps <= BUDGET

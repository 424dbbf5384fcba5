"""What fresh records say of submitted ones, from records made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.evaluation.detection import Detection
from benchmark.records.cell import Cell
from benchmark.records.record import DetectionSet, Record
from benchmark.submissions.judging import carried, predicted, unlike
from benchmark.submissions.manifest import Manifest
from benchmark.submissions.measures import measures, own
from tests.factories import attacked, defended, player


@pytest.mark.parametrize(
    ("fresh", "holds"), [([181], True), ([172, 188], True), ([100], False), ([110, 120], False)]
)
def test_fresh_seeds_must_be_where_the_others_predict(fresh: list[int], holds: bool) -> None:
    """Wins of 200, five submitted seeds about 180."""
    group = [attacked(wins, seed=k) for k, wins in enumerate((178, 182, 180, 176, 184))]
    again = [attacked(wins, seed=100 + k) for k, wins in enumerate(fresh)]
    (item,) = predicted(group, again, 0.05)
    assert (item.status == "passed") == holds, item
    assert f"of {len(fresh)} fresh seed(s)" in item.detail


def test_one_policy_for_two_seeds_was_not_trained() -> None:
    """Whether both were handed in or one is fresh; in two cells of one seed it may be."""
    same, other = attacked(150, seed=0, attack="x"), attacked(150, seed=1, attack="x")
    weights = "a" * 64
    copied = [_with_adversary(record, weights) for record in (same, other)]
    assert not list(unlike([same], [_with_adversary(other, weights)]))
    for group, fresh in ((copied, []), (copied[:1], copied[1:])):
        (item,) = unlike(group, fresh)
        assert item.status == "failed"
        assert "seeds 0 and 1 gave the same policy" in item.detail
    scripted = [r.model_copy(update={"cell": _of_track(r.cell, "none")}) for r in copied]
    assert not list(unlike(scripted, []))


def test_a_submission_s_own_are_those_of_its_kind() -> None:
    """A defense's run also files what the attack wins before it, which is not its doing."""
    bare, hard = attacked(50), defended(10, 20, 30)
    manifest = Manifest.model_construct(kind="attack")
    assert own(manifest, [bare, hard]) == [bare]
    assert own(Manifest.model_construct(kind="defense"), [bare, hard]) == [hard]


def test_a_detector_is_measured_by_whom_it_judged() -> None:
    """Several of one role are averaged, and no role has another's."""
    counts = (("stored", 180), ("held-out", 120), ("regular", 60), ("stored", 140))
    judged = [_detected(role, twice_u) for role, twice_u in counts]
    found = measures(defended(10, 20, 30).model_copy(update={"detections": judged}))
    assert {one.name: round(one.rate, 3) for one in found} == {
        "AUROC, stored": 0.8, "AUROC, held-out": 0.6, "AUROC, regular": 0.3,
    }  # fmt: skip


def _detected(role: Any, twice_u: int) -> DetectionSet:
    counts = Detection(adversarial=10, regular=10, twice_u=twice_u, false_alarms=1)
    return DetectionSet(role=role, adversary=player("x"), victim=player("house"), counts=counts)


def _of_track(cell: Cell, track: str) -> Cell:
    return cell.model_copy(update={"track": track})


def _with_adversary(record: Record, sha256: str) -> Record:
    """The record, its attack's matches played by other weights."""
    played = [
        one.model_copy(
            update={"adversary": one.adversary.model_copy(update={"sha256": sha256})}
            if one.role == "attack" else {}
        )
        for one in record.matches
    ]  # fmt: skip
    return record.model_copy(update={"matches": played})


@pytest.mark.parametrize(
    ("known", "held_out", "status"),
    [
        ((180, 190, 185), (178, 182), "passed"),
        ((180, 190, 185), (20, 60, 40), "failed"),  # what weights for the known ones win elsewhere
        ((10, 12, 15), (180, 170), "passed"),  # more is no failure
        ((196, 195, 194), (180, 182), "passed"),  # victims differ; less is not yet a collapse
        ((40, 190), (60, 70), "passed"),  # 27 points less, of rates that predict anything
        ((180,), (20, 40), "failed"),  # one alone: half of its rate
        ((180,), (100, 90), "passed"),
        ((180, 190), (), "passed"),
    ],
)
def test_an_attack_must_win_on_held_out_victims_too(
    known: tuple[int, ...], held_out: tuple[int, ...], status: str
) -> None:
    """Wins of 200 by victim, two seeds each."""

    def played(wins: tuple[int, ...], kind: str) -> list[Record]:
        return [
            attacked(w + seed, seed=seed, victim=f"{kind}{v}")
            for v, w in enumerate(wins)
            for seed in (0, 1)
        ]

    item = carried(played(known, "known"), played(held_out, "stranger"))
    assert item.status == status, item
    assert ("not compared" in item.detail) == (not held_out)


def test_every_seed_must_have_every_measure() -> None:
    """A defense's records cannot leave out the adversaries that did it harm."""
    whole = [defended(10, 20, 30, seed=k) for k in range(3)]
    assert [one.status for one in predicted(whole, whole, 0.05)] == ["passed"] * 4
    kept = [m for m in whole[1].matches if m.role != "fresh"]
    less = [whole[0], whole[1].model_copy(update={"matches": kept}), whole[2]]
    told = {one.detail: one.status for one in predicted(less, whole, 0.05)}
    assert [detail for detail, status in told.items() if status == "failed"] == [
        "pong-v1, house: not every seed has a win rate, fresh"
    ]

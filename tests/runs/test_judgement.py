"""A defense's record: what is played, what a failure leaves, what a detector and a look add."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.errors import Misuse
from benchmark.leaderboard.scoring import defense_parts
from benchmark.leaderboard.tables import tables
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CurvePoint
from benchmark.policies.policy import MLPPolicy
from benchmark.records.record import Record
from benchmark.runs.jobs import WrongPolicy, checked
from benchmark.runs.plan import make_plan
from benchmark.runs.run import Outcome, execute
from tests.factories import scribble
from tests.runs.conftest import Resolve, named
from tests.runs.fakes import FakeAttack, House, NoConfig


class FakeDefense:
    """Plays a step, and gives back another victim or what the test says."""

    version: ClassVar[int] = 1
    trains: ClassVar[frozenset[str]] = frozenset({"mlp"})
    meets_opponents = True
    least_steps = 1
    made: ClassVar[Any] = None
    error: ClassVar[Exception | None] = None

    @classmethod
    def configure(cls, game: Any, settings: Any) -> NoConfig:
        """Nothing."""
        return NoConfig()

    def __init__(self, config: Any):
        self.config = config

    def harden(self, victim: Any, make_arena: Any, adversaries: Any, *rest: Any) -> Any:
        """See the class."""
        *_, progress = rest
        make_arena(Mixture.of(adversaries[0]), 2).reset()
        progress.report(CurvePoint(steps=10, tally=Tally(wins=1, breakdown={"win:point": 1})))
        if self.error is not None:
            raise self.error
        return named("hardened", 11) if self.made is None else self.made


@pytest.fixture(autouse=True)
def fake_defense(monkeypatch: pytest.MonkeyPatch) -> type[FakeDefense]:
    """Instead of `retrain`."""
    monkeypatch.setattr(registry.defenses, "load", lambda name: FakeDefense)
    monkeypatch.setattr(FakeDefense, "made", None)
    monkeypatch.setattr(FakeDefense, "error", None)
    return FakeDefense


def run(house: House, **more: Any) -> Outcome:
    """One victim, one attack, one seed, defended."""
    return house.execute(
        **{
            "attacks": ("first",), "victim_names": ["alpha"], "defense_names": ["retrain"],
            "seeds": 1, **more,
        }
    )  # fmt: skip


def defended(outcome: Outcome) -> Record:
    """The one record with a defense."""
    (found,) = [r for r in outcome.records if r.cell.defense is not None]
    return found


def test_a_defended_cell_is_judged_by_everyone(house: House) -> None:
    record = defended(run(house))
    assert {m.role for m in record.matches} == {
        "stored", "held-out", "fresh", "floor", "regular",
    }  # fmt: skip
    assert record.curves.keys() == {"attack", "hardening", "fresh"}
    assert not record.lost


def broken() -> MLPPolicy:
    """A policy whose weights are not those of its card."""
    policy = scribble(3)
    policy.card = policy.card.model_copy(update={"hidden": (9,)})
    return policy


@pytest.mark.parametrize("made", [broken(), "no policy at all"])
def test_a_policy_that_its_card_belies_is_refused_and_on_record(
    house: House, monkeypatch: pytest.MonkeyPatch, made: Any
) -> None:
    """As a defense that failed, which scores nothing, and not as a cell that is missing."""
    monkeypatch.setattr(FakeDefense, "made", made)
    outcome = run(house)
    assert "WrongPolicy" in {f.kind for f in outcome.failures}
    record = defended(outcome)
    assert record.failure is not None
    assert "expected" in record.failure
    assert record.flags == ["seed 0 failed in training and counts as no defense at all"]
    assert defense_parts(record).score == 0.0
    (table,) = [t for t in tables(outcome.records) if t.title.startswith("Defenses")]
    scores = {row[0]: row[3] for row in table.rows}
    assert scores["retrain"] == "0.0 (1 seed)"


def test_a_hardening_that_diverges_is_on_record(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDefense, "error", TrainingDiverged("the loss became nan"))
    record = defended(run(house))
    assert record.failure == "the loss became nan"
    assert [p.steps for p in record.curves["hardening"]] == [10]


def test_a_fresh_attack_that_diverges_costs_its_own_matches_only(house: House) -> None:
    """It counts as never winning: the others judge."""
    act = house.acts["first"]

    def on_the_hardened(arena: Any, progress: Any) -> Any:
        made = act(arena, progress)
        if arena.players.mixture.policies[0].card.name == "hardened":
            raise TrainingDiverged("the loss became nan")
        return made

    house.acts["first"] = on_the_hardened
    record = defended(run(house))
    assert record.failure is None
    assert record.lost.keys() == {"fresh"}
    assert not record.of_role("fresh")
    assert record.of_role("stored")
    assert any("no fresh matches" in flag for flag in record.flags)
    assert defense_parts(record).fresh is None


def test_without_a_stored_adversary_there_is_nothing_to_defend_against(house: House) -> None:
    def act(arena: Any, progress: Any) -> Any:
        raise TrainingDiverged("the loss became nan")

    house.acts["first"] = act
    assert not [r for r in run(house).records if r.cell.defense is not None]


def test_matches_may_only_be_missing_where_a_training_failed(house: House) -> None:
    record = defended(run(house))
    kept = [m for m in record.model_dump()["matches"] if m["role"] != "fresh"]
    with pytest.raises(ValueError, match="no 'fresh' matches"):
        Record.model_validate({**record.model_dump(), "matches": kept})
    excused = {**record.model_dump(), "matches": kept, "lost": {"fresh": "train first"}}
    assert Record.model_validate(excused).lost == {"fresh": "train first"}


@pytest.mark.parametrize("detector", ["density", "prediction-error"])
def test_a_detector_leaves_counts_for_every_adversary(house: House, detector: str) -> None:
    """Of matches from the protocol's list, and the same ones a second time."""
    spec = house.spec(
        attacks=("first",), victim_names=["alpha"], defense_names=[detector], seeds=1
    ).model_copy(update={"episodes": 12})
    record = defended(execute(spec, make_plan(spec), house.store, house.shelf, Silent))
    assert [d.role for d in record.detections] == ["stored", "held-out"]
    for found in record.detections:
        assert (found.counts.adversarial, found.counts.regular) == (12, 12)
        assert found.victim == record.cell.victim
    assert FakeAttack.trained["first"] == 2


def test_diagnoses_are_part_of_the_record(house: House) -> None:
    record = defended(run(house, diagnoses=["masked", "split"]))
    blind = [m.adversary.name for m in record.of_role("masked")]
    assert blind == ["first (seed 0)", "first (seed 0)", "beta"]
    before, after = record.splits
    assert before.victim == record.cell.victim
    assert after.victim.sha256 == record.artifacts["hardening"]


def test_unknown_names_are_refused(resolve: Resolve) -> None:
    with pytest.raises(Misuse, match=r"no diagnosis 'masks'.*masked"):
        resolve(diagnoses=["masks"])
    with pytest.raises(Misuse, match=r"no defense 'densities'.*density"):
        resolve(defense_names=["densities"])


def test_what_is_as_its_card_says_passes() -> None:
    policy = scribble(1)
    assert checked(policy) is policy
    with pytest.raises(WrongPolicy, match="got ndarray"):
        checked(np.zeros(3))

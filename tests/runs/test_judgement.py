"""A defense's record: what is played, what a failure leaves, what a detector and a look add."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally, TooManyVoids
from benchmark.display import Silent
from benchmark.errors import Misuse
from benchmark.leaderboard.scoring import defense_parts
from benchmark.leaderboard.tables import tables
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CurvePoint
from benchmark.policies.policy import MLPPolicy, ZeroPolicy
from benchmark.records.cell import Cell
from benchmark.records.record import Record
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.run import Outcome, execute
from defenses.density import Density
from tests.factories import scribble
from tests.runs.conftest import Resolve, Shelf, named
from tests.runs.fakes import FakeAttack, House, NoConfig, play


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

    def check_victim(self, card: Any) -> None:
        """Every one will do."""

    def harden(self, victim: Any, make_arena: Any, adversaries: Any, *rest: Any) -> Any:
        """See the class."""
        *_, progress = rest
        play(make_arena(Mixture.of(adversaries[0]), 2))
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


@pytest.mark.parametrize(
    "made",
    [
        broken(), "no policy at all", ZeroPolicy(2), scribble(3, game="other-v1"),
        scribble(3, seat="left"), scribble(3, obs_dim=12),
    ],
    ids=["weights", "no policy", "scripted", "game", "seat", "size"],
)  # fmt: skip
def test_a_policy_that_its_card_belies_is_refused_and_on_record(
    house: House, monkeypatch: pytest.MonkeyPatch, made: Any
) -> None:
    """As a defense that failed, which scores nothing, and not as a cell that is missing."""
    monkeypatch.setattr(FakeDefense, "made", made)
    outcome = run(house)
    assert "WrongPolicy" in {f.kind for f in outcome.failures}
    record = defended(outcome)
    assert record.failure is not None
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


def test_a_defended_cell_without_its_last_word_is_an_upper_bound(house: House) -> None:
    act = house.acts["first"]

    def on_the_hardened(arena: Any, progress: Any) -> Any:
        if arena.players.mixture.policies[0].card.name == "hardened":
            raise TrainingDiverged("the loss became nan")
        return act(arena, progress)

    house.acts["first"] = on_the_hardened
    (table,) = [t for t in tables(run(house).records) if t.title.startswith("Defenses")]
    scores = {row[0]: row[3] for row in table.rows}
    assert scores["retrain"].startswith("<= ")
    assert not scores["none"].startswith("<=")


def test_matches_that_cannot_be_simulated_are_no_way_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A victim whose matches are void is no defense at all, and stays on record."""

    def void(self: Tally) -> None:
        if "hardened" in playing:
            raise TooManyVoids("9 of 10 matches are void")

    playing: list[str] = []
    original = Worker.victim

    def told(self: Worker, job: Any) -> Any:
        policy = original(self, job)
        playing[:] = [policy.card.name]
        return policy

    monkeypatch.setattr(Worker, "victim", told)
    monkeypatch.setattr(Tally, "check_voids", void)
    record = defended(run(house))
    assert "9 of 10 matches are void" in str(record.failure)
    assert record.flags == ["seed 0 failed in its matches and counts as no defense at all"]
    assert defense_parts(record).score == 0.0
    assert record.curves.keys() == {"hardening"}


def test_without_a_stored_adversary_there_is_nothing_to_defend_against(house: House) -> None:
    def act(arena: Any, progress: Any) -> Any:
        raise TrainingDiverged("the loss became nan")

    house.acts["first"] = act
    assert not [r for r in run(house).records if r.cell.defense is not None]


def test_impossible_records_are_refused(house: House) -> None:
    """Judges of another victim, judges that may not be lost, clean play of one side."""
    record = defended(run(house))
    whole = record.model_dump()

    def without(role: str) -> list[Any]:
        return [m for m in whole["matches"] if m["role"] != role]

    undefended = whole["cell"]["victim"]
    moved = [{**m, "victim": undefended} if m["role"] == "fresh" else m for m in whole["matches"]]
    one_side = [m for m in whole["matches"] if m["role"] != "regular" or m["victim"] != undefended]
    for changes, told in (
        ({"matches": moved}, "not the victim that this record hardened"),
        ({"matches": without("stored"), "lost": {"stored": "?"}}, "no 'stored' matches"),
        ({"matches": one_side}, "both before and after"),
    ):
        with pytest.raises(ValueError, match=told):
            Record.model_validate({**whole, **changes})


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
    record = defended(execute(spec.command, make_plan(spec), house.store, house.shelf, Silent))
    assert [d.role for d in record.detections] == ["stored", "held-out"]
    for found in record.detections:
        assert (found.counts.adversarial, found.counts.regular) == (12, 12)
        assert found.victim == record.cell.victim
    assert FakeAttack.trained["first"] == 2
    for changes, told in (
        ({"episodes": 13}, "the cell says 13"),
        ({"victim": {"name": "other", "sha256": "x"}}, "the cell says 12 of 'other'"),
    ):
        cell = Cell.model_validate({**record.cell.model_dump(), **changes})
        with pytest.raises(ValueError, match=told):
            Record.model_validate({**record.model_dump(), "cell": cell, "id": cell.id})


def test_a_detector_is_fitted_once_for_all_adversaries_of_a_cell(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And anew for other company."""
    fits: list[int] = []

    class Counted(Density):
        def fit(self, regular: Any, *rest: Any) -> None:
            fits.append(len(regular))
            super().fit(regular, *rest)

    monkeypatch.setattr(registry.detectors, "load", lambda name: Counted)
    spec = house.spec(victim_names=["alpha"], defense_names=["density"], seeds=1)
    execute(spec.command, make_plan(spec), house.store, house.shelf, Silent)
    assert fits == [4]  # two attacks, a stored and two held-out adversaries each


def test_a_harmless_stranger_is_judged_too(house: House, shelf: Shelf) -> None:
    """Each regular opponent by a detector that learned from the others."""
    shelf.policies["gamma"] = named("gamma", 6)
    plan = make_plan(
        house.spec(attacks=("first",), victim_names=["alpha"], defense_names=["density"], seeds=1)
    )
    (cell,) = [c for c in plan.cells if c.cell.defense is not None]
    strangers = [job for role, job in cell.detections if role == "regular"]
    assert [job.adversaries[0].name for job in strangers] == ["beta", "gamma"]
    assert [[p.name for p in job.opponents] for job in strangers] == [["gamma"], ["beta"]]


def test_a_detector_outlives_a_held_out_attack_that_failed(house: House) -> None:
    """The stored adversary is judged all the same."""

    def act(arena: Any, progress: Any) -> Any:
        raise TrainingDiverged("the loss became nan")

    house.acts["second"] = act
    spec = house.spec(victim_names=["alpha"], defense_names=["prediction-error"], seeds=1)
    outcome = execute(spec.command, make_plan(spec), house.store, house.shelf, Silent)
    record = defended(outcome)
    assert record.cell.attack.name == "first"
    assert [d.role for d in record.detections] == ["stored", "held-out"]
    assert record.lost.keys() == {"held-out"}


def test_diagnoses_are_part_of_the_record(house: House) -> None:
    record = defended(run(house, diagnoses=["masked", "split"]))
    blind = [m.adversary.name for m in record.of_role("masked")]
    assert blind == ["first (seed 0)", "first (seed 0)", "beta"]
    before, after = record.splits
    assert before.victim == record.cell.victim
    assert after.victim.sha256 == record.artifacts["hardening"]


class ByTheLot(Density):
    """Judges all that it is shown by their mean: one call is regular play, the next is not."""

    def scores(self, episodes: Any) -> list[float]:
        """The lot's mean, for each."""
        found = super().scores(episodes)
        return [float(np.mean(found))] * len(found)


def test_a_detector_that_judges_by_the_lot_is_found_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regular matches stand among the adversary's, and were judged before."""
    monkeypatch.setattr(registry.detectors, "load", lambda name: ByTheLot)
    outcome = run(house, defense_names=["density"])
    (told,) = {f.message for f in outcome.failures if f.kind == "WrongScores"}
    assert "a score must be of its episode alone" in told
    assert not [record for record in outcome.records if record.detections]


def test_unknown_names_are_refused(resolve: Resolve) -> None:
    with pytest.raises(Misuse, match=r"no diagnosis 'masks'.*masked"):
        resolve(diagnoses=["masks"])
    with pytest.raises(Misuse, match=r"no defense 'densities'.*density"):
        resolve(defense_names=["densities"])


def test_a_victim_hardened_into_another_mode_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh attack would meet its noise, and be judged against its mean."""
    noisy = scribble(3)
    card = noisy.card.model_copy(update={"stochastic": True})
    tensors = {**noisy.tensors(), "log_std": np.full(2, 3.0, dtype=np.float32)}
    monkeypatch.setattr(FakeDefense, "made", MLPPolicy(card, tensors).in_mode("sampled"))
    outcome = run(house)
    (told,) = {f.message for f in outcome.failures if f.kind == "WrongPolicy"}
    assert "acts in the mode 'sampled', expected 'mean'" in told
    assert defended(outcome).failure is not None

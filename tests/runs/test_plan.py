"""Plans: what is trained once, what is never shown, and keys that tell all inputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import Misuse
from benchmark.policies.policy import ANY
from benchmark.records.cell import MethodRef
from benchmark.runs.job import Job, Player
from benchmark.runs.plan import Plan, PlannedCell, check_unseen, make_plan
from benchmark.runs.spec import HELD_OUT_SEED
from tests.runs.conftest import Resolve, Shelf, named

FIXED = Job(
    kind="harden",
    game="pong-v1",
    game_options={"slow_ball": "loss"},
    seat="left",
    protocol=1,
    victim=Player(source="victim", name="house", ref="aa"),
    method=MethodRef(name="mixed", version=1, settings={"p": 0.5}, config={"p": 0.5, "epochs": 4}),
    seed=3,
    budget_steps=1000,
    adversaries=(Player(source="job", name="ours (seed 3)", ref="bb"),),
    opponents=(Player(source="victim", name="rival", ref="cc"),),
    episodes=0,
    victim_mode="mean",
    parallel=100,
)
PLAYER = Player(source="victim", name="house", ref="dd")
CHANGES: dict[str, Any] = {
    "kind": "attack",
    "game": "pong-v2",
    "game_options": {"slow_ball": "tie"},
    "seat": "right",
    "protocol": 2,
    "victim": PLAYER,
    "method": MethodRef(name="mixed", version=1, settings={"p": 0.5}, config={"p": 0.5}),
    "seed": 4,
    "budget_steps": 1001,
    "adversaries": (),
    "opponents": (PLAYER,),
    "episodes": 1,
    "victim_mode": "sampled",
    "parallel": 99,
    "learner": 2,
    "blind": True,
    "look": 1,
    "device": "cuda",
}


def test_the_key_is_pinned() -> None:
    """Stores outlive programs: when this key changes, every store is trained anew."""
    assert FIXED.key == "1fae95362b391ed168496f866f30c61b"


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_key_changes_with_every_input(field: str) -> None:
    """Victim's weights, config, seed, budget, option, and all the rest."""
    assert set(CHANGES) == set(Job.model_fields)
    assert Job.model_validate({**dict(FIXED), field: CHANGES[field]}).key != FIXED.key
    assert FIXED.model_copy(update={field: CHANGES[field]}).key != FIXED.key


@pytest.mark.parametrize(
    "update", [{"name": "retrain"}, {"version": 2}, {"config": {"p": 0.5, "epochs": 5}}]
)
def test_the_key_changes_with_the_method(update: dict[str, Any]) -> None:
    """Its name, its version, any resolved field."""
    assert FIXED.method is not None
    other = Job.model_validate({**dict(FIXED), "method": FIXED.method.model_copy(update=update)})
    assert other.key != FIXED.key


@given(st.permutations(["p", "epochs"]))
def test_the_key_does_not_change_with_the_order_of_a_config(order: list[str]) -> None:
    """Nor by a round trip through JSON."""
    assert FIXED.method is not None
    config = {name: FIXED.method.config[name] for name in order}
    method = FIXED.method.model_copy(update={"config": config})
    assert Job.model_validate({**dict(FIXED), "method": method}).key == FIXED.key
    assert Job.model_validate_json(FIXED.model_dump_json()).key == FIXED.key


def plan_of(resolve: Resolve, **arguments: Any) -> Plan:
    """A plan of these arguments."""
    return make_plan(resolve(**arguments))


def of_kind(plan: Plan, kind: str) -> list[Job]:
    """Jobs of a kind, in order."""
    return [job for job in plan.jobs if job.kind == kind]


def keys(plan: Plan, kind: str) -> set[str]:
    """Keys of the jobs of a kind."""
    return {job.key for job in of_kind(plan, kind)}


def trainings_of_victims(plan: Plan) -> set[str]:
    """Keys of the attacks on undefended victims."""
    return {job.key for job in of_kind(plan, "attack") if job.victim.source == "victim"}


BIG: dict[str, Any] = {
    "victim_names": ["alpha", "beta"],
    "attack_names": ["ours", "baseline", "random"],
    "defense_names": ["retrain", "mixed"],
    "seeds": 2,
}


def test_a_run_that_is_planned_twice_has_the_same_jobs(resolve: Resolve) -> None:
    """In the same order, whatever the command was called."""
    first, second = plan_of(resolve, **BIG), plan_of(resolve, **BIG, command="other words")
    assert [job.key for job in first.jobs] == [job.key for job in second.jobs]
    assert [cell.cell.id for cell in first.cells] == [cell.cell.id for cell in second.cells]


def test_every_job_comes_after_what_it_needs(resolve: Resolve) -> None:
    """And once."""
    plan = plan_of(resolve, **BIG)
    seen: set[str] = set()
    for job in plan.jobs:
        assert set(job.needs) <= seen, job.label
        assert job.key not in seen
        seen.add(job.key)


def test_every_cell_is_filled_by_planned_jobs_and_no_job_is_idle(resolve: Resolve) -> None:
    """Each job is read by a record, or needed by one that is."""
    plan = plan_of(resolve, **BIG)
    read = {job.key for cell in plan.cells for job in cell.jobs}
    planned = {job.key for job in plan.jobs}
    needed = {key for job in plan.jobs for key in job.needs}
    assert read <= planned
    assert planned <= read | needed
    assert len({cell.cell.id for cell in plan.cells}) == len(plan.cells)
    assert len(plan.cells) == 2 * 2 * (3 + 2 * 2)  # floors are not defended against


def test_a_second_defense_trains_no_second_adversary(resolve: Resolve) -> None:
    """`--defense mixed` after `--defense retrain` finds the very same attack jobs."""
    retrain = plan_of(resolve, defense_names=["retrain"])
    mixed = plan_of(resolve, defense_names=["mixed"])
    assert trainings_of_victims(retrain) == trainings_of_victims(mixed)
    assert len(trainings_of_victims(mixed)) == 2  # stored and held-out
    assert not keys(retrain, "harden") & keys(mixed, "harden")
    assert trainings_of_victims(plan_of(resolve)) < trainings_of_victims(mixed)


def test_more_seeds_and_attacks_reuse_what_is_there(resolve: Resolve) -> None:
    """The first seed of three is the one seed of before."""
    small = plan_of(resolve, defense_names=["retrain"])
    assert {j.key for j in small.jobs} <= {
        j.key for j in plan_of(resolve, defense_names=["retrain"], seeds=3).jobs
    }
    assert keys(small, "attack") <= keys(plan_of(resolve, **BIG), "attack")


def test_a_setting_of_the_defense_leaves_the_attack_alone(resolve: Resolve) -> None:
    """And the other way round it does not leave the defense alone."""
    plain = plan_of(resolve, defense_names=["mixed"])
    other = plan_of(resolve, defense_names=["mixed"], settings={"defense": {"p": 0.25}})
    assert trainings_of_victims(plain) == trainings_of_victims(other)
    assert not keys(plain, "harden") & keys(other, "harden")
    attack = plan_of(resolve, defense_names=["mixed"], settings={"attack": {"norm": "l2"}})
    assert not keys(plain, "attack") & keys(attack, "attack")
    assert not keys(plain, "harden") & keys(attack, "harden")


def test_saying_a_default_out_loud_trains_nothing_anew(resolve: Resolve) -> None:
    """The key hashes the resolved config; who set it does not move the result."""
    plain, said = plan_of(resolve), plan_of(resolve, settings={"attack": {"norm": "l1"}})
    assert plain.cells[0].cell.attack.config == said.cells[0].cell.attack.config
    assert keys(plain, "attack") == keys(said, "attack")


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 123450},
        {"settings": {"game": {"slow_ball": "tie"}}},
        {"settings": {"attack": {"epochs": 7}}},
        {"victim_names": ["beta"]},
        {"attack_names": ["baseline"]},
    ],
)
def test_what_moves_the_training_moves_its_key(resolve: Resolve, change: dict[str, Any]) -> None:
    """Budget, option, setting, victim, attack."""
    assert not keys(plan_of(resolve), "attack") & keys(plan_of(resolve, **change), "attack")


def test_other_weights_under_the_same_name_are_another_victim(
    resolve: Resolve, shelf: Shelf
) -> None:
    """The hash counts."""
    before = plan_of(resolve)
    shelf.policies["alpha"] = named("alpha", 9)
    after = plan_of(resolve)
    assert not keys(before, "attack") & keys(after, "attack")
    assert before.cells[0].cell.id != after.cells[0].cell.id


def test_the_episodes_do_not_move_the_training(resolve: Resolve) -> None:
    """Tiers of equal budget share adversaries but not matches."""
    smoke = plan_of(resolve, budget=100_000, seeds=1)
    full = plan_of(resolve, budget=100_000, seeds=1, tier="full")
    assert keys(smoke, "attack") == keys(full, "attack")
    assert not keys(smoke, "play") & keys(full, "play")


def held_out(cell: PlannedCell) -> set[str]:
    """Keys of the adversaries that a cell plays as held-out."""
    return {m.job.adversaries[0].ref for m in cell.matches if m.role == "held-out"}


def test_held_out_adversaries_are_never_shown_to_a_hardening(resolve: Resolve) -> None:
    """Neither the cell's own nor those of any other cell of the run."""
    plan = plan_of(resolve, **BIG)
    for cell in plan.cells:
        if cell.cell.defense is None:
            assert not held_out(cell)
            continue
        hardening = cell.trainings["hardening"]
        shown = {player.ref for player in hardening.adversaries}
        assert shown == {cell.trainings["attack"].key}
        assert held_out(cell)
        assert not held_out(cell) & shown
        assert cell.trainings["fresh"].key not in shown
        assert not {p.ref for p in hardening.opponents} & (held_out(cell) | shown)


def test_held_out_adversaries_are_other_seeds_and_other_attacks(resolve: Resolve) -> None:
    """All of the undefended victim, none a floor."""
    plan = plan_of(resolve, **{**BIG, "victim_names": ["alpha"], "seeds": 1})
    jobs = {job.key: job for job in plan.jobs}
    cell = next(c for c in plan.cells if c.cell.defense and c.cell.attack.name == "ours")
    made = [jobs[key] for key in held_out(cell)]
    assert all(job.victim == cell.trainings["attack"].victim for job in made)
    assert {(job.method.name, job.seed == 0) for job in made if job.method} == {
        ("ours", False),
        ("baseline", True),
    }
    (fresh,) = [job.seed for job in made if job.seed != 0]
    assert fresh >= HELD_OUT_SEED  # no run may ask for it


def test_roles_of_a_defended_cell(resolve: Resolve) -> None:
    """Everything but the clean play before is against the hardened victim."""
    plan = plan_of(resolve, defense_names=["retrain"])
    (cell,) = [c for c in plan.cells if c.cell.defense]
    hardened = cell.trainings["hardening"].key
    before = [m for m in cell.matches if m.job.victim.source == "victim"]
    assert {m.role for m in cell.matches} == {"stored", "held-out", "fresh", "floor", "regular"}
    assert {m.role for m in before} == {"regular"}
    assert all(m.job.victim.ref == hardened for m in cell.matches if m not in before)
    assert cell.trainings["fresh"].victim.ref == hardened
    assert len(before) == len([m for m in cell.matches if m.role == "regular"]) / 2


def test_roles_of_an_undefended_cell(resolve: Resolve) -> None:
    """The attack, two floors, regular opponents, and every other ranked victim for transfer."""
    (cell,) = plan_of(resolve).cells
    by_role = {role: [m for m in cell.matches if m.role == role] for role in
               ("attack", "floor", "regular", "transfer")}  # fmt: skip
    assert [m.job.adversaries[0].name for m in by_role["floor"]] == ["random", "zero"]
    assert [m.job.victim.name for m in by_role["transfer"]] == ["beta"]  # buggy: unranked
    adversary = cell.trainings["attack"].key
    assert all(m.job.adversaries[0].ref == adversary for m in by_role["transfer"])
    assert [m.job.adversaries[0].name for m in by_role["regular"]] == ["beta"]
    assert [p.name for p in cell.cell.others] == ["beta"]


def test_a_lone_victim_meets_itself(resolve: Resolve) -> None:
    """Clean play needs somebody."""
    shelf = Shelf({"alpha": named("alpha")})
    (cell,) = plan_of(resolve, victims=shelf).cells
    regular = [m.job for m in cell.matches if m.role == "regular"]
    assert [(j.adversaries[0].name, j.victim.name) for j in regular] == [("alpha", "alpha")]


def test_a_stochastic_victim_is_played_in_both_modes(resolve: Resolve) -> None:
    """The card's mode is the ranked one."""
    shelf = Shelf({"alpha": _stochastic()})
    (cell,) = plan_of(resolve, victims=shelf).cells
    attack = [(m.job.victim_mode, m.ranked_mode) for m in cell.matches if m.role == "attack"]
    assert attack == [("sampled", True), ("mean", False)]


def test_a_victim_of_the_adversarys_seat_is_no_transfer_target(resolve: Resolve) -> None:
    """Having one at hand must not spoil runs against others; it may be an opponent."""
    shelf = Shelf({"alpha": named("alpha"), "lefty": named("lefty", 5, seat="left")})
    plan = plan_of(resolve, victims=shelf, defense_names=["mixed"])
    seats = {name: card.seat for name, card in shelf.cards().items()}
    played = {j.victim.name for j in of_kind(plan, "play") if j.victim.source == "victim"}
    opponents = {p.name for job in of_kind(plan, "harden") for p in job.opponents}
    assert "lefty" in opponents
    assert {seats[name] for name in played} <= {ANY, "right"}


def test_floors_train_for_no_step(resolve: Resolve) -> None:
    """Whatever the budget; their cells say so, on the track that is not ranked."""
    plan = plan_of(resolve, attack_names=["random"], budget=70_000)
    assert [job.budget_steps for job in of_kind(plan, "attack")] == [0]
    assert plan.cells[0].cell.track == "none"
    assert plan.cells[0].cell.budget_steps == 0
    assert plan.steps == 0


def test_against_floors_nothing_is_hardened(resolve: Resolve) -> None:
    """Beside an attack that learns; alone they are refused."""
    asked = {"defense_names": ["retrain"], "budget": 70_000}
    plan = plan_of(resolve, attack_names=["random", "baseline"], **asked)
    assert [cell.cell.attack.name for cell in plan.cells if cell.cell.defense] == ["baseline"]
    with pytest.raises(Misuse, match="no attack of this run learns"):
        plan_of(resolve, attack_names=["random"], **asked)


def test_steps_of_a_plan_are_those_of_its_trainings(resolve: Resolve) -> None:
    """Stored, held-out, hardening, fresh."""
    assert plan_of(resolve, budget=500_000).steps == 500_000
    assert plan_of(resolve, budget=500_000, defense_names=["retrain"]).steps == 4 * 500_000


def test_labels_are_for_people(resolve: Resolve) -> None:
    """They name the method, the victim, the seed."""
    plan = plan_of(resolve, defense_names=["retrain"])
    labels = [job.label for job in plan.jobs]
    assert "train ours, alpha, seed 0" in labels
    assert "harden with retrain, alpha, seed 0" in labels
    assert "play random against alpha" in labels


def _stochastic() -> Any:
    policy = named("alpha", action_mode="mean")
    card = policy.card.model_copy(update={"stochastic": True, "action_mode": "sampled"})
    policy.card = card
    return policy


def test_names_and_what_was_said_do_not_move_the_key() -> None:
    """A name is for people, a setting is in the config already."""
    assert FIXED.method is not None
    renamed = FIXED.victim.model_copy(update={"name": "x", "sha256": "y"})
    said = FIXED.method.model_copy(update={"settings": {}})
    other = Job.model_validate({**dict(FIXED), "victim": renamed, "method": said})
    assert other.key == FIXED.key


def test_what_a_defense_does_not_meet_is_not_what_it_depends_on(resolve: Resolve) -> None:
    """One more victim at hand trains no retrained victim anew."""
    few, many = ({n: named(n, s) for n, s in pairs} for pairs in
                 ([("alpha", 1)], [("alpha", 1), ("beta", 2)]))  # fmt: skip
    hardened = [
        keys(plan_of(resolve, victims=Shelf(shelf), defense_names=["retrain"]), "harden")
        for shelf in (few, many)
    ]
    assert hardened[0] == hardened[1]


def test_a_cell_knows_who_judges_its_defense(resolve: Resolve) -> None:
    """Two runs with other held-out adversaries are other records: none overwrites the other."""
    alone = plan_of(resolve, attack_names=["ours"], defense_names=["retrain"])
    beside = plan_of(resolve, attack_names=["ours", "baseline"], defense_names=["retrain"])

    def judged(plan: Plan) -> PlannedCell:
        return next(c for c in plan.cells if c.cell.defense and c.cell.attack.name == "ours")

    assert len(judged(alone).cell.held_out) == 1
    assert len(judged(beside).cell.held_out) == 2
    assert judged(alone).cell.id != judged(beside).cell.id


def test_a_card_that_acts_otherwise_is_another_victim(resolve: Resolve) -> None:
    """The same weights behind another activation or mode are trained against anew."""
    first, second = (
        plan_of(resolve, victims=Shelf({"alpha": named("alpha", 1, activation=activation)}))
        for activation in ("tanh", "relu")
    )
    assert not keys(first, "attack") & keys(second, "attack")


def test_defended_victims_meet_each_others_adversaries(resolve: Resolve) -> None:
    """Those of the undefended others, and the fresh one plays the others defended alike."""
    plan = plan_of(resolve, victim_names=["alpha", "beta"], defense_names=["retrain"])
    one, other = (c for c in plan.cells if c.cell.defense)
    foreign = [m.job for m in one.matches if m.role == "foreign"]
    assert {j.adversaries[0].ref for j in foreign} == {other.trainings["attack"].key}
    assert {j.victim.ref for j in foreign} == {one.trainings["hardening"].key}
    assert one.cell.foreign == [f"ours (seed 0) {other.trainings['attack'].key}"]
    moved = [m.job for m in one.matches if m.role == "transfer"]
    assert {j.adversaries[0].ref for j in moved} == {one.trainings["fresh"].key}
    assert {j.victim.ref for j in moved} == {other.trainings["hardening"].key}
    assert {p.ref for p in one.trainings["hardening"].adversaries} == {one.trainings["attack"].key}


def test_a_detector_judges_every_adversary_and_trains_none_anew(resolve: Resolve) -> None:
    """The stored and the held-out ones, each against the victim as it is."""
    plan = plan_of(resolve, defense_names=["density"], attack_names=["ours", "baseline"])
    hardened = plan_of(resolve, defense_names=["retrain"], attack_names=["ours", "baseline"])
    assert keys(plan, "attack") == trainings_of_victims(hardened)
    cell = next(c for c in plan.cells if c.cell.defense and c.cell.attack.name == "ours")
    assert [role for role, _ in cell.detections] == ["stored", "held-out", "held-out"]
    judged = [job.adversaries[0].ref for _, job in cell.detections]
    held = [text.split()[-1] for text in cell.cell.held_out]
    assert judged == [cell.trainings["attack"].key, *held]
    assert {job.victim.source for _, job in cell.detections} == {"victim"}
    assert not cell.matches


def test_a_masked_victim_is_played_beside_the_seeing_one(resolve: Resolve) -> None:
    """By the adversary and by the regular opponents; nothing else of the cell changes."""
    plain, asked = plan_of(resolve), plan_of(resolve, diagnoses=["masked"])
    (cell,) = asked.cells
    blind = [m.job for m in cell.matches if m.role == "masked"]
    assert [job.adversaries[0].name for job in blind] == ["ours (seed 0)", "beta"]
    assert all(job.blind for job in blind)
    assert {job.key for job in plain.jobs} == {job.key for job in asked.jobs if not job.blind}
    assert cell.cell.diagnoses == ["masked"]
    assert cell.cell.id != plain.cells[0].cell.id


def test_a_split_is_looked_at_before_and_after(resolve: Resolve) -> None:
    """With the adversary that the defense was shown."""
    plan = plan_of(resolve, defense_names=["retrain"], diagnoses=["split"])
    before, after = (cell.splits for cell in plan.cells)
    stored = plan.cells[0].trainings["attack"].key
    assert [job.victim.source for job in after] == ["victim", "job"]
    assert before == after[:1]
    assert {job.adversaries[0].ref for job in after} == {stored}


def test_a_defense_that_would_learn_from_its_judges_is_refused() -> None:
    judge = FIXED.model_copy(update={"kind": "attack", "adversaries": (), "opponents": ()})
    shown = FIXED.model_copy(update={"adversaries": (judge.made(),)})
    check_unseen(FIXED, [judge])
    with pytest.raises(Misuse, match=r"would learn from 'mixed.*held out to judge it"):
        check_unseen(shown, [judge])

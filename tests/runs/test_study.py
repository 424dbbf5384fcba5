"""Studies: their variants resolve, their order is fair, their rows are what they say."""

from __future__ import annotations

import pytest

from benchmark import registry
from benchmark.errors import CheckFailed, Misuse
from benchmark.records.cell import MethodRef, PlayerRef
from benchmark.records.record import Record
from benchmark.runs.study import Scope, plan_study, rows_of, studies, study_of
from tests.factories import attacked, defended
from tests.runs.conftest import Resolve

CASES = [
    (game, study)
    for game in registry.games.names()
    for study in studies(registry.game(game).describe())
]


@pytest.mark.parametrize(("game", "study"), CASES)
def test_every_variant_of_every_study_can_be_configured_and_differs(game: str, study: str) -> None:
    card = registry.game(game).describe()
    found = study_of(study, card)
    variants, kinds = found.variants, getattr(registry, found.of)
    configs = [(v.method, kinds.load(v.method).configure(card, dict(v.settings))) for v in variants]
    assert all(a != b for i, a in enumerate(configs) for b in configs[i + 1 :])
    assert len({v.label for v in variants}) == len(variants)


def test_the_issue_s_studies_are_there() -> None:
    known = studies(registry.game("you-shall-not-pass-v1").describe())
    assert {"norms", "eta", "saliency", "parts", "presets", "mixture"} <= set(known)
    shares = [dict(variant.settings)["p"] for variant in known["mixture"].variants]
    assert shares == [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]  # the protocol's


@pytest.mark.parametrize(("game", "weight"), [("pong-v1", 0.03), ("sumo-ants-v1", 0.3)])
def test_what_is_paid_at_once_follows_the_length_of_a_match(game: str, weight: float) -> None:
    """As thirty steps of the level, whose weight is the game's own."""
    variants = studies(registry.game(game).describe())["paid"].variants
    paid = {(d["paid"], d["weight"]) for d in (dict(v.settings) for v in variants) if d}
    assert paid == {("change", weight), ("rise", weight)}


def test_an_unknown_study_is_refused_with_the_list() -> None:
    with pytest.raises(Misuse, match=r"no study 'norm'.*norms"):
        study_of("norm", registry.game("pong-v1").describe())


def test_seeds_come_one_after_the_other(resolve: Resolve) -> None:
    """Stopped half-way, a study has as many seeds of every variant."""
    spec = resolve(attack_names=["ours", "baseline"], victim_names=["alpha"], seeds=3)
    trained = [job.seed for job in plan_study(spec).jobs if job.kind == "attack"]
    assert trained == [0, 0, 1, 1, 2, 2]
    assert len(plan_study(spec).cells) == 6


def test_rows_hold_the_records_of_their_method_and_no_others() -> None:
    """By configuration, budget, victim and seed, whatever else lies in the store."""
    cell = attacked(1).cell
    scope = Scope(cell.game, cell.game_options, "house", cell.tier, cell.budget_steps, (0, 1))
    other = MethodRef.model_validate({**cell.attack.model_dump(), "config": {"weight": 9}})
    strangers = [
        attacked(1, budget_steps=1),
        attacked(1, attack="baseline"),
        _with(attack=other),
        attacked(1, seed=5),
        attacked(1, tier="full"),
        attacked(1, victim="another"),
        defended(1, 1, 1),
    ]
    found = rows_of([*strangers, attacked(1, seed=1), attacked(1)], [cell.attack, other], scope)
    assert [[record.cell.seed for record in row] for row in found] == [[0, 1], [0]]


def test_rows_of_a_study_of_defenses_are_of_its_attack() -> None:
    """Undefended cells and other attacks' are none of it."""
    one = defended(1, 1, 1)
    cell = one.cell
    assert cell.defense is not None
    scope = Scope(
        cell.game, cell.game_options, "house", cell.tier, cell.budget_steps, (0, 1), cell.attack
    )
    strangers = [attacked(1), defended(1, 1, 1, attack="baseline"), defended(1, 1, 1, seed=5)]
    found = rows_of([*strangers, defended(1, 1, 1, seed=1), one], [cell.defense], scope)
    assert [[record.cell.seed for record in row] for row in found] == [[0, 1]]


def test_rows_of_a_study_of_defenses_are_judged_alike() -> None:
    """A sweep's record counts, though a run of its own has met more; without one, that one does."""
    plain = [defended(1, 1, 1, seed=seed) for seed in (0, 1)]
    fuller = [
        one.model_copy(
            update={"cell": one.cell.model_copy(update={"held_out": ["a", "b"], "diagnoses": []})}
        )
        for one in plain
    ]
    swept = plain[0].model_copy(
        update={"cell": plain[0].cell.model_copy(update={"diagnoses": ["split"]})}
    )
    cell = plain[0].cell
    assert cell.defense is not None
    scope = Scope(
        cell.game, cell.game_options, "house", cell.tier, cell.budget_steps, (0, 1), cell.attack
    )
    (row,) = rows_of([*fuller, swept], [cell.defense], scope)
    assert row == [swept, fuller[1]]


def test_two_victims_of_one_name_are_not_averaged() -> None:
    cell = attacked(1).cell
    scope = Scope(cell.game, cell.game_options, "house", cell.tier, cell.budget_steps, (0,))
    twin = _with(victim=PlayerRef(name="house", sha256="another"))
    with pytest.raises(CheckFailed, match="two victims called 'house'"):
        rows_of([attacked(1), twin], [cell.attack], scope)


def _with(**changes: object) -> Record:
    record = attacked(1)
    return record.model_copy(update={"cell": record.cell.model_copy(update=changes)})


def test_without_seeds_asked_for_all_are_shown() -> None:
    cell = attacked(1).cell
    scope = Scope(cell.game, cell.game_options, "house", cell.tier, cell.budget_steps, None)
    (row,) = rows_of([attacked(1, seed=s) for s in (7, 0, 3)], [cell.attack], scope)
    assert [record.cell.seed for record in row] == [0, 3, 7]

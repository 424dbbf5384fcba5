"""A run is resolved whole, or refused with what is wrong, before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.errors import Misuse
from benchmark.evaluation.protocol import EPISODES
from benchmark.policies.policy import PolicyCard
from benchmark.registry import attacks, defenses, games
from benchmark.runs.spec import HELD_OUT_SEED, SEEDS, RunSpec
from tests.runs.conftest import Resolve, Shelf, named


def test_defaults(resolve: Resolve) -> None:
    """The tier says what was not said; the first victim is attacked, the ranked ones are met."""
    spec = resolve()
    assert list(spec.victims) == ["alpha"]
    assert list(spec.others) == ["alpha", "beta"]
    assert spec.seeds == tuple(range(SEEDS["smoke"]))
    assert spec.episodes == EPISODES["smoke"]
    assert spec.budget_steps == spec.game.budgets["smoke"]
    assert spec.victim_seat == "right"
    assert spec.attacks[0].method.settings == {}
    assert spec.attacks[0].method.config["norm"] == "l1"


@pytest.mark.parametrize("tier", ["smoke", "lite", "full"])
def test_tiers_are_the_protocols(resolve: Resolve, tier: Any) -> None:
    """200 or 1000 episodes, at least 3 or 5 seeds."""
    spec = resolve(tier=tier)
    assert (spec.episodes, len(spec.seeds)) == (EPISODES[tier], SEEDS[tier])
    assert spec.budget_steps == spec.game.budgets[tier]
    assert EPISODES == {"smoke": 200, "lite": 200, "full": 1000}
    assert SEEDS["lite"] >= 3
    assert SEEDS["full"] >= 5


def test_what_is_said_wins(resolve: Resolve) -> None:
    """Seeds, budget, victims in their order and once."""
    spec = resolve(seeds=2, budget=77_000, victim_names=["beta", "alpha", "beta"], tier="full")
    assert spec.seeds == (0, 1)
    assert spec.budget_steps == 77_000
    assert list(spec.victims) == ["beta", "alpha"]


def test_a_run_may_begin_at_a_later_seed(resolve: Resolve) -> None:
    """As many as are asked for; those that others may have trained are left out."""
    assert resolve(seeds=2, first_seed=3).seeds == (3, 4)
    assert resolve(seeds=1, first_seed=HELD_OUT_SEED - 1).seeds == (HELD_OUT_SEED - 1,)


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (HELD_OUT_SEED, 1), (HELD_OUT_SEED - 1, 2)])
def test_no_seed_is_below_zero_or_held_out(resolve: Resolve, first: int, count: int) -> None:
    """Refused with the option's name, the value and what is allowed."""
    with pytest.raises(Misuse, match=rf"--first-seed: 0 to {HELD_OUT_SEED - count} .*got {first};"):
        resolve(seeds=count, first_seed=first)


def test_a_method_named_twice_runs_once(resolve: Resolve) -> None:
    """Attacks and defenses alike."""
    spec = resolve(attack_names=["ours", "ours"], defense_names=["mixed", "retrain", "mixed"])
    assert [a.method.name for a in spec.attacks] == ["ours"]
    assert [d.method.name for d in spec.defenses] == ["mixed", "retrain"]


@pytest.mark.parametrize(
    ("arguments", "wrong", "nearest", "group"),
    [
        ({"game_name": "pong-v2"}, "game 'pong-v2'", "pong-v1", games),
        ({"attack_names": ["basline"]}, "attack 'basline'", "baseline", attacks),
        ({"defense_names": ["retrian"]}, "defense 'retrian'", "retrain", defenses),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all(
    resolve: Resolve, arguments: dict[str, Any], wrong: str, nearest: str, group: Any
) -> None:
    """In one line."""
    with pytest.raises(Misuse) as caught:
        resolve(**arguments)
    message = str(caught.value)
    assert f"no {wrong}" in message
    assert f"did you mean '{nearest}'?" in message
    assert all(name in message for name in group.names())
    assert "\n" not in message


def test_a_name_that_is_like_nothing_gets_the_list_only(resolve: Resolve) -> None:
    """No far-fetched guess."""
    with pytest.raises(Misuse) as caught:
        resolve(attack_names=["xyzzy"])
    assert "did you mean" not in str(caught.value)
    assert "baseline" in str(caught.value)


def test_unknown_and_foreign_victims_are_refused(resolve: Resolve) -> None:
    """Also as the second of two; a victim of another game is told its game."""
    with pytest.raises(Misuse, match=r"no victim 'gamma'.*alpha, beta, buggy"):
        resolve(victim_names=["alpha", "gamma"])
    with pytest.raises(Misuse, match=r"'walker' plays walk-v1, this run plays pong-v1"):
        resolve(victim_names=["walker"])


def test_a_game_without_victims_says_how_to_get_some(resolve: Resolve) -> None:
    """An empty shelf."""
    with pytest.raises(Misuse, match=r"no victim for pong-v1.*bench victims import"):
        resolve(victims=Shelf({"walker": named("walker", game="walk-v1")}))


@pytest.mark.parametrize(
    ("part", "setting", "fragments"),
    [
        ("attack", {"learning_rate": "fast"}, ["'ours'", "'learning_rate' is float", "'fast'"]),
        ("attack", {"norm": "l3"}, ["'ours'", "'norm'", "l1", "l2", "linf", "'l3'"]),
        ("attack", {"epochs": 1.5}, ["'epochs' is int", "1.5"]),
        ("attack", {"weight": -1}, ["'weight' is float", "-1"]),
        ("attack", {"epoch": 3}, ["no setting 'epoch'", "did you mean 'epochs'?", "minibatch"]),
        ("attack", {"preset": "tunned"}, ["no preset 'tunned'", "did you mean 'tuned'?"]),
        ("defense", {"p": 2}, ["'mixed'", "'p' is float", "2"]),
        ("defense", {"q": 1}, ["'mixed'", "no setting 'q'", "learning_rate"]),
        ("game", {"slow_ball": "draw"}, ["'pong-v1'", "'slow_ball'", "loss", "tie", "'draw'"]),
        ("game", {"speed": 1}, ["'pong-v1'", "no setting 'speed'", "slow_ball"]),
    ],
)
def test_a_wrong_setting_names_field_and_type(
    resolve: Resolve, part: str, setting: dict[str, Any], fragments: list[str]
) -> None:
    """And what was given, in one line."""
    with pytest.raises(Misuse) as caught:
        resolve(defense_names=["mixed"], settings={part: setting})
    message = str(caught.value)
    assert all(fragment in message for fragment in fragments), message
    assert "\n" not in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_setting_that_is_no_number_is_refused(resolve: Resolve, value: float) -> None:
    """`--set attack.log_std=NaN` is read as JSON by Python; nothing can be trained with it."""
    with pytest.raises(Misuse, match="log_std"):
        resolve(settings={"attack": {"log_std": value}})


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"defense_names": [], "settings": {"defense": {"bogus": 1}}}, "bogus"),
        ({"attack_names": ["random", "zero"], "settings": {"attack": {"bogus": 1}}}, "bogus"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused(
    resolve: Resolve, arguments: dict[str, Any], field: str
) -> None:
    """Rather than dropped without a word."""
    with pytest.raises(Misuse, match=field):
        resolve(**arguments)


def test_a_floor_does_not_refuse_the_settings_of_an_attack_beside_it(resolve: Resolve) -> None:
    """And is not labelled with them."""
    spec = resolve(attack_names=["random", "ours"], settings={"attack": {"norm": "l2"}})
    assert [a.method.label for a in spec.attacks] == ["random", "ours v2 norm=l2"]
    assert spec.attacks[1].method.config["norm"] == "l2"


@pytest.mark.parametrize(("option", "value"), [("seeds", 0), ("seeds", -1), ("budget", 0)])
def test_nothing_to_do_is_refused(resolve: Resolve, option: str, value: int) -> None:
    """The option is named with what it got."""
    with pytest.raises(Misuse, match=rf"--{option}: (at least|from) 1.*got {value}"):
        resolve(**{option: value})


def test_held_out_seeds_are_none_of_a_runs_seeds(resolve: Resolve) -> None:
    """At any tier."""
    for tier in ("smoke", "lite", "full"):
        seeds = resolve(tier=tier).seeds
        assert not {seed + HELD_OUT_SEED for seed in seeds} & set(seeds)


def test_a_spec_cannot_be_changed(resolve: Resolve) -> None:
    """It is what the run is."""
    spec: RunSpec = resolve()
    with pytest.raises(ValueError, match="frozen"):
        spec.budget_steps = 5  # type: ignore[misc]


def test_a_budget_below_one_rollout_is_refused_before_anything(resolve: Resolve) -> None:
    """Known from the configuration; a floor needs no budget."""
    with pytest.raises(Misuse, match=r"1000 steps are too few for 'ours', which needs 65536"):
        resolve(budget=1000)
    assert resolve(budget=1000, attack_names=["random"]).budget_steps == 1000


def test_a_setting_goes_to_the_methods_that_have_it(resolve: Resolve) -> None:
    """So a variant can be run beside its baseline; one that nobody has is refused."""
    spec = resolve(attack_names=["baseline", "ours"], settings={"attack": {"norm": "l2"}})
    assert [a.method.label for a in spec.attacks] == ["baseline", "ours v2 norm=l2"]
    with pytest.raises(Misuse, match="'baseline' nor 'ours' has no setting 'nrm'; did you mean"):
        resolve(attack_names=["baseline", "ours"], settings={"attack": {"nrm": "l2"}})


@pytest.mark.parametrize("settings", [{"weight": 0}, {"weight": 0.0}])
def test_a_value_is_noted_as_the_config_understood_it(
    resolve: Resolve, settings: dict[str, Any]
) -> None:
    """0 and 0.0 are one entry."""
    assert resolve(settings={"attack": settings}).attacks[0].method.label == "ours v2 weight=0.0"


@pytest.mark.parametrize("field", ["hidden", "activation", "obs_clip"])
def test_what_is_the_victims_own_is_no_setting_of_retraining(resolve: Resolve, field: str) -> None:
    """It would be in the label and do nothing."""
    value = {"hidden": [8], "activation": "relu", "obs_clip": 5.0}[field]
    with pytest.raises(Misuse, match=f"'{field}' is the victim's own"):
        resolve(defense_names=["retrain"], settings={"defense": {field: value}})


def test_a_budget_below_one_rollout_of_a_defense_is_refused(resolve: Resolve) -> None:
    """Though the attack could do with it."""
    with pytest.raises(Misuse, match="too few for 'retrain'"):
        resolve(
            attack_names=["baseline"], defense_names=["retrain"],
            settings={"attack": {"preset": "published"}}, budget=2000,
        )  # fmt: skip


def test_white_box_must_be_declared(resolve: Resolve) -> None:
    """Before anything is trained, with what to do."""
    settings = {"attack": {"access": "white-box"}}
    with pytest.raises(Misuse, match=r"asks for the victim's network.*--track white-box"):
        resolve(settings=settings)
    (plan,) = resolve(settings=settings, track="white-box").attacks
    assert plan.track == "white-box"


def test_a_black_box_attack_stays_one_in_any_run(resolve: Resolve) -> None:
    (plan,) = resolve(track="white-box").attacks
    assert plan.track == "black-box"


def test_an_unknown_track_is_refused(resolve: Resolve) -> None:
    with pytest.raises(Misuse, match="no track 'grey-box'"):
        resolve(track="grey-box")


def test_a_victim_that_a_white_box_attack_cannot_read_is_refused(resolve: Resolve) -> None:
    """Before anything is trained, as for a defense that cannot train it."""
    shelf = Recurrent({"alpha": named("alpha")})
    settings = {"attack": {"access": "white-box"}}
    with pytest.raises(Misuse, match=r"cannot read victim 'alpha'.*'lstm'.*reads mlp"):
        resolve(victims=shelf, settings=settings, track="white-box")


class Recurrent(Shelf):
    """A shelf on which every victim's card says that it has a memory."""

    def cards(self, game_id: str | None = None) -> dict[str, PolicyCard]:
        """The cards, changed."""
        found = super().cards(game_id)
        return {name: card.model_copy(update={"kind": "lstm"}) for name, card in found.items()}


def test_a_setting_that_needs_another_is_kept_with_it(resolve: Resolve) -> None:
    """What each of them changes is asked one by one, and one may make no sense alone."""
    pair = {"surrogate": "frozen", "surrogate_steps": 512}
    (attack,) = resolve(settings={"attack": pair}).attacks
    assert attack.method.settings == pair
    inner = {"attack": "ours", "attack_config": {"norm": "l2"}}
    (defense,) = resolve(defense_names=["iterated"], settings={"defense": inner}).defenses
    assert defense.method.config["attack_config"]["norm"] == "l2"
    assert defense.method.settings.keys() == {"attack", "attack_config"}

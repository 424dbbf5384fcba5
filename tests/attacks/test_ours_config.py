"""Settings of `ours`: presets are what they say, and what cannot work is refused beforehand."""

from __future__ import annotations

import pytest

from attacks.baseline import Baseline, BaselineConfig
from attacks.ours import Ours
from attacks.ours_config import PPO_OF, PRESETS, columns_of
from attacks.shaping import shaped_defaults
from benchmark import registry
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from tests.attacks.conftest import PONG

# --- presets -------------------------------------------------------------------------------

MODEL_FIELDS = {
    "tuned": {
        "mode": "reward", "norm": "l1", "eta": 0.0, "saliency": "none", "surrogate": "online",
        "saliency_columns": "card", "transition_inputs": "text", "transition_output": "change",
        "transition_columns": "all", "standardise": True, "mask_ends": True, "eps_a": 0.05,
        "eps_s": 0.0, "access": "black-box", "transition_passes": 1,
    },
    "paper": {
        "mode": "loss", "norm": "l1", "eta": 1.0, "saliency": "gradient", "surrogate": "frozen",
        "saliency_columns": "card", "transition_inputs": "text", "transition_output": "next",
        "transition_columns": "all", "standardise": True, "mask_ends": True, "eps_a": 0.05,
        "access": "black-box", "weight": 1.0, "surrogate_epochs": 100,
    },
    "released": {
        "mode": "loss", "norm": "l1", "surrogate": "frozen", "transition_inputs": "released",
        "transition_output": "tanh", "standardise": False, "mask_ends": False, "eps_a": 0.0,
        "access": "black-box", "surrogate_epochs": 100, "transition_passes": 4,
    },
}  # fmt: skip
MUJOCO_FIELDS = {
    "tuned": {"weight": 0.01, "anneal_until": 0.6, "transition_hidden": (40, 64)},
    "paper": {"eps_s": 1.0, "surrogate_steps": 196_608, "transition_hidden": (40, 64)},
    "released": {
        "weight": 0.06, "eta": 1.0, "saliency": "gradient", "saliency_columns": "tail",
        "transition_columns": "all", "eps_s": 1.0, "surrogate_steps": 196_608,
        "transition_hidden": (36, 64), "model_rate": 3e-4,
    },
}  # fmt: skip
PONG_FIELDS = {
    "tuned": {"weight": 0.001, "anneal_until": 0.6, "transition_hidden": (40, 16)},
    "paper": {"eps_s": 0.01, "surrogate_steps": 51_000, "transition_hidden": (40, 16)},
    "released": {
        "weight": 1.0, "eta": 0.2, "saliency": "integrated", "saliency_columns": "card",
        "transition_columns": "own", "eps_s": 0.01, "surrogate_steps": 51_000,
        "surrogate_hidden": (64, 32),
        "transition_hidden": (36, 16), "model_rate": 1e-3,
    },
}  # fmt: skip


@pytest.mark.parametrize("preset", ["tuned", "paper", "released"])
@pytest.mark.parametrize("game", registry.games.names())
def test_presets_are_what_the_documents_say(game: str, preset: str) -> None:
    config = Ours.configure(registry.game(game).describe(), {"preset": preset})
    own = PONG_FIELDS if game == "pong-v1" else MUJOCO_FIELDS
    wanted = {**MODEL_FIELDS[preset], **own[preset], "preset": preset}
    assert {field: getattr(config, field) for field in wanted} == wanted


@pytest.mark.parametrize(
    ("preset", "of"), [("tuned", "tuned"), ("paper", "published"), ("released", "published")]
)
@pytest.mark.parametrize("game", registry.games.names())
def test_ppo_is_the_baseline_s_own(game: str, preset: str, of: str) -> None:
    """So that a difference between them is the method's."""
    card = registry.game(game).describe()
    ours = Ours.configure(card, {"preset": preset}).model_dump()
    theirs = Baseline.configure(card, {"preset": of}).model_dump()
    fields = set(BaselineConfig.model_fields) - {"preset"}
    assert {k: ours[k] for k in fields} == {k: theirs[k] for k in fields}


def test_every_registered_game_has_the_three_presets() -> None:
    assert set(PRESETS) == {"pong-v1", *MUJOCO_GAMES}
    assert all(set(known) == set(PPO_OF) for known in PRESETS.values())


def test_the_default_preset_is_tuned_and_weighs_as_all_shaped_attacks() -> None:
    for game in registry.games.names():
        card = registry.game(game).describe()
        config = Ours.configure(card, {})
        assert config == Ours.configure(card, {"preset": "tuned"})
        assert {k: getattr(config, k) for k in ("weight", "anneal_until")} == shaped_defaults(card)


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eta", -1), ("weight", -0.1), ("norm", "l3"), ("anneal_until", 0), ("action_weight", -1),
        ("saliency", "occlusion"), ("access", "grey-box"), ("surrogate", "warm"), ("mode", "both"),
        ("surrogate_steps", 0), ("surrogate_epochs", 0), ("transition_passes", 0), ("eps_a", -1),
        ("eps_s", -0.1),
        ("transition_inputs", "paper"), ("transition_output", "raw"), ("transition_columns", "x"),
        ("saliency_columns", "head"), ("put_back", "none"), ("model_rate", 0),
    ],
)  # fmt: skip
def test_a_combination_that_cannot_work_is_refused(field: str, value: object) -> None:
    with pytest.raises(Misuse, match=f"attack 'ours': setting '{field}'"):
        Ours.configure(PONG, {field: value})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"mask_ends": False}, "'mask_ends' changes nothing with mode=reward and eta=0"),
        ({"action_weight": 2.0}, "'action_weight' changes nothing with mode=reward and eta=0"),
        ({"surrogate": "frozen", "model_rate": 0.01}, "nothing with no network that learns along"),
        ({"access": "white-box", "model_rows": 9}, "nothing with no network that learns along"),
        ({"mode": "loss", "paid": "change"}, "'paid' changes nothing with mode=loss"),
        ({"mode": "loss", "put_back": "place"}, "'put_back' changes nothing with mode=loss"),
        (
            {"action_weight": 0.0, "eta": 1.0, "put_back": "place"},
            "'put_back' changes nothing with action_weight=0",
        ),
        ({"action_weight": 0.0}, "pays nothing at all"),
        ({"mode": "loss", "action_weight": 0.0, "eta": 0.0}, "pays nothing at all"),
    ],
)
def test_the_same_training_under_another_name_is_refused(
    settings: dict[str, object], why: str
) -> None:
    with pytest.raises(Misuse, match=why):
        Ours.configure(PONG, settings)


def test_what_changes_something_where_h_enters_is_not_refused() -> None:
    for settings in (
        {"mask_ends": False, "eta": 1.0}, {"action_weight": 2.0, "eta": 1.0},
        {"action_weight": 0.0, "eta": 1.0}, {"surrogate": "frozen", "eta": 1.0, "model_rate": 0.01},
    ):  # fmt: skip
        assert Ours.configure(PONG, settings)


def test_with_the_victim_s_own_network_nothing_is_to_be_fitted_first() -> None:
    """A frozen F needs steps before it enters; a white-box attack has none to fit."""

    def needed(**settings: object) -> int:
        return Ours(Ours.configure(PONG, {"preset": "paper", **settings})).least_steps

    assert needed(access="white-box") < needed()


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        Misuse, match=r"'ours' has no preset 'papers'; did you mean 'paper'.*paper, released, tuned"
    ):
        Ours.configure(PONG, {"preset": "papers"})
    stranger = PONG.model_copy(update={"id": "chess-v1"})
    with pytest.raises(Misuse, match="no preset 'tuned'"):
        Ours.configure(stranger, {})


def _blind_card() -> GameCard:
    """Pong's card, were there no columns that show a seat the other side."""
    seats = tuple(
        seat.model_copy(update={"other_view": (4, 4), "other_at_start": ()}) for seat in PONG.seats
    )
    return PONG.model_copy(update={"seats": seats})


@pytest.mark.parametrize("saliency", ["gradient", "integrated", "smooth"])
@pytest.mark.parametrize("columns", ["card", "tail"])
def test_a_saliency_is_refused_where_no_columns_show_the_adversary(
    saliency: str, columns: str
) -> None:
    settings = {"saliency": saliency, "saliency_columns": columns, "mode": "loss"}
    with pytest.raises(Misuse, match=f"saliency '{saliency}' needs .*'right'.*saliency=none"):
        Ours.configure(_blind_card(), settings)


def test_a_reward_that_could_pay_nothing_is_refused() -> None:
    """Without those columns the counterfactual is what happened."""
    with pytest.raises(Misuse, match=r"mode 'reward' .*'right'.*mode=loss"):
        Ours.configure(_blind_card(), {"saliency": "none"})


@pytest.mark.parametrize("put_back", ["place", "posture"])
def test_a_part_of_the_adversary_is_refused_where_no_column_tells_it(put_back: str) -> None:
    seats = tuple(seat.model_copy(update={"other_place": None}) for seat in PONG.seats)
    untold = PONG.model_copy(update={"seats": seats})
    with pytest.raises(Misuse, match=f"put_back={put_back} needs the columns .*'right' where"):
        Ours.configure(untold, {"put_back": put_back})
    assert Ours.configure(untold, {})
    assert Ours.configure(PONG, {"put_back": put_back})


def test_a_configuration_of_before_this_choice_is_the_one_of_today() -> None:
    """Records are older than `put_back`: at its default it is left unsaid."""
    assert "put_back" not in Ours.configure(PONG, {}).model_dump(mode="json")
    chosen = Ours.configure(PONG, {"put_back": "place"}).model_dump(mode="json")
    assert chosen["put_back"] == "place"


def test_the_loss_without_saliency_needs_no_columns() -> None:
    Ours.configure(_blind_card(), {"saliency": "none", "mode": "loss"})


def test_rollouts_of_one_step_are_refused() -> None:
    """They show no next observation."""
    with pytest.raises(Misuse, match="2 steps or more, got 1"):
        Ours.configure(PONG, {"rollout_steps": 1})


def test_the_mask_is_on_the_card_s_columns_or_as_many_at_the_tail() -> None:
    card = registry.game("sumo-ants-v1").describe()
    for columns, wanted in (("card", (107, 122)), ("tail", (122, 137))):
        config = Ours.configure(card, {"saliency": "gradient", "saliency_columns": columns})
        assert columns_of(config, card.seats[1]) == wanted  # type: ignore[arg-type]

"""`--set PART.FIELD=VALUE`: what is read, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, model_validator

from benchmark.errors import Misuse
from benchmark.settings import hint, parse, resolve, type_name


class Config(BaseModel):
    """A config with a field of every common kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm: Literal["l1", "l2", "linf"] = "linf"
    gamma: float = 0.99
    epochs: int = 4
    annealed: bool = True
    hidden: tuple[int, ...] = (64, 64)
    note: str | None = None

    @model_validator(mode="after")
    def _gamma_below_one(self) -> Config:
        if self.gamma > 1.0:
            raise ValueError("gamma must be at most 1")
        return self


def test_pairs_are_grouped_by_part():
    pairs = ["attack.norm=l2", "game.slow_ball=tie", "attack.gamma=0.9", "defense.p=1"]
    assert parse(pairs) == {
        "attack": {"norm": "l2", "gamma": 0.9},
        "game": {"slow_ball": "tie"},
        "defense": {"p": 1},
    }
    assert parse([]) == {}


def test_the_last_of_two_values_holds():
    assert parse(["attack.epochs=1", "attack.epochs=2"]) == {"attack": {"epochs": 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("0.5", 0.5), ("1e-4", 1e-4), ("true", True), ("null", None), ('"3"', "3"),
        ("[64, 32]", [64, 32]), ("linf", "linf"), ("", ""), ("a=b", "a=b"), ("True", "True"),
    ],
)  # fmt: skip
def test_values_are_json_or_else_text(text, value):
    found = parse([f"attack.x={text}"])["attack"]["x"]
    assert found == value
    assert type(found) is type(value)


@settings(deadline=None)
@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False),
        st.booleans(),
        st.text("ab1 \"'{[=.é\n", max_size=8),
        st.none(),
    )
)
def test_any_json_value_comes_through(value):
    assert parse([f"attack.x={json.dumps(value)}"]) == {"attack": {"x": value}}


@pytest.mark.parametrize("pair", ["norm=l2", "attack.norm", "attack.=1", ".norm=1", "", "=", "a"])
def test_another_form_is_refused_with_the_pair_named(pair):
    with pytest.raises(Misuse, match=r"expected PART\.FIELD=VALUE") as caught:
        parse([pair])
    assert pair in str(caught.value)


def test_another_part_is_refused():
    with pytest.raises(Misuse, match="game, attack or defense, got 'atack'"):
        parse(["atack.norm=l2"])


def test_settings_go_over_the_base_and_the_base_over_defaults():
    base = {"gamma": 0.5, "epochs": 2}
    config = resolve(Config, base, {"epochs": 8, "hidden": [32]}, "attack 'ours'")
    assert config == Config(gamma=0.5, epochs=8, hidden=(32,))
    assert base == {"gamma": 0.5, "epochs": 2}


def test_an_unknown_setting_is_answered_with_the_nearest():
    with pytest.raises(Misuse, match="attack 'ours' has no setting 'gama'; did you mean 'gamma'"):
        resolve(Config, {}, {"gama": 0.9}, "attack 'ours'")


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [("gamma", "high", "float"), ("epochs", 1.5, "int"), ("annealed", "maybe", "bool")],
)
def test_a_wrong_type_is_answered_with_field_type_and_value(field, value, kind):
    with pytest.raises(Misuse) as caught:
        resolve(Config, {}, {field: value}, "attack 'ours'")
    assert f"attack 'ours': setting '{field}' is {kind}, got {value!r}" in str(caught.value)


def test_a_wrong_choice_is_answered_with_the_choices():
    with pytest.raises(Misuse, match="one of l1, l2, linf"):
        resolve(Config, {}, {"norm": "l3"}, "attack 'ours'")


def test_a_rule_across_fields_is_answered_with_its_reason():
    with pytest.raises(Misuse, match="gamma must be at most 1"):
        resolve(Config, {}, {"gamma": 2.0}, "attack 'ours'")


def test_hint_names_the_nearest_or_lists_all():
    assert hint("bas", ["ours", "base"]) == "did you mean 'base'? there are: base, ours"
    assert hint("zzz", ["ours", "base"]) == "there are: base, ours"
    assert hint("x", []) == "there are: none"


def test_types_are_named_as_a_person_writes_them():
    assert type_name(Config, "gamma") == "float"
    assert type_name(Config, "hidden") == "tuple[int, ...]"
    assert type_name(Config, "norm") == "one of l1, l2, linf"
    assert type_name(Config, "nothing") == "of another type"

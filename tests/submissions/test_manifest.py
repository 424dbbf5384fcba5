"""submission.toml: what is taken, and that anything else is refused with its line."""

from __future__ import annotations

import json
import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.submissions import lines, manifest
from benchmark.submissions.manifest import BadManifest, Manifest, parse

GOOD: dict[str, Any] = {
    "name": "calm", "kind": "attack", "entry": "calm:Calm", "authors": ["A", "B"],
    "paper": "none", "licence": "Apache-2.0", "track": "black-box",
    "games": ["pong-v1", "sumo-ants-v1"], "configurations_tried": 3,
    "requirements": ["left==1.0", "right==2.0.post1"],
}  # fmt: skip
HASH = " --hash=sha256:" + "0" * 64
some = settings(max_examples=30)
FIELDS = st.sampled_from(sorted(GOOD))


def value(told: Any) -> str:
    """A value as TOML; a list over several lines, with comments in between."""
    if isinstance(told, list):
        return "[\n" + "".join(f"  {value(one)}, # one\n" for one in told) + "]"
    return "{ a = 1 }" if isinstance(told, dict) else json.dumps(told)


def written(fields: dict[str, Any], tail: str = "") -> tuple[str, dict[str, int]]:
    """A manifest, and the line on which each field begins."""
    text, begin = "# a manifest\n\n", {}
    for name, told in fields.items():
        begin[name] = text.count("\n") + 1
        text += f"{name} = {value(told)}\n"
    return text + tail, begin


def read(text: str, core: dict[str, str] | None = None) -> Manifest:
    return parse(text.encode(), "x/submission.toml", folder="calm", core=core or {})


def refusal(text: str, core: dict[str, str] | None = None) -> tuple[int, str]:
    """The line and the message of a refusal."""
    with pytest.raises(BadManifest) as error:
        read(text, core)
    message = str(error.value)
    assert "\n" not in message
    told = re.match(r"x/submission\.toml:(\d+): (.*)$", message)
    assert told, message
    return int(told[1]), told[2]


def test_a_good_one_is_read() -> None:
    toy = "[toy]\nbudget_steps = 64\nsettings = { matches = 4, hidden = [8], rate = 0.5 }\n"
    found = read(written(GOOD, toy)[0])
    assert found.authors == ("A", "B")
    assert found.toy.settings == {"matches": 4, "hidden": [8], "rate": 0.5}
    assert [(p.name, p.version) for p in manifest.pins(found)] == [
        ("left", "1.0"), ("right", "2.0.post1"),
    ]  # fmt: skip


@some
@given(FIELDS)
def test_a_missing_field_is_told_where_the_fields_end(name: str) -> None:
    rest = {k: v for k, v in GOOD.items() if k != name}
    text, begin = written(rest, "[toy]\n")
    line, message = refusal(text)
    assert line == max(begin.values())
    assert message.startswith(f"'{name}' is missing: expected ")


@some
@given(
    st.text(string.ascii_lowercase + "_", min_size=1).filter(
        lambda name: name not in Manifest.model_fields
    ),
    st.integers(0, len(GOOD)),
)
def test_an_unknown_field_is_told_by_its_line(name: str, place: int) -> None:
    fields = [*GOOD.items()]
    text, begin = written(dict([*fields[:place], (name, 1), *fields[place:]]))
    line, message = refusal(text)
    assert line == begin[name]
    assert message.startswith(f"there is no field '{name}'; ")


@some
@given(FIELDS, st.sampled_from([True, 1.5, {"a": 1}, "", " ", "\t"]))
def test_a_wrong_value_is_told_by_its_line(name: str, wrong: Any) -> None:
    text, begin = written({**GOOD, name: wrong})
    line, message = refusal(text)
    assert line == begin[name]
    assert message.startswith(f"{name}: expected ")


@some
@given(
    st.sampled_from(["authors", "games", "requirements"]),
    st.lists(st.booleans(), min_size=1, max_size=6).filter(any),
)
def test_an_element_of_a_list_is_told_by_its_own_line(name: str, bad: list[bool]) -> None:
    good = {"authors": "A", "games": "pong-v1", "requirements": "left==1"}[name]
    text, begin = written({**GOOD, name: ["" if one else good for one in bad]})
    line, message = refusal(text)
    assert line == begin[name] + 1 + bad.index(True)
    assert message.startswith(f"{name}[{bad.index(True)}]: ")


@some
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadManifest, match=r"^x/submission\.toml:\d+: .") as error:
        read(text)
    assert "\n" not in str(error.value)


@some
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(BadManifest, match=r"^x/submission\.toml:\d+: ."):
        parse(payload, "x/submission.toml", folder="calm", core={})


@some
@given(
    FIELDS, st.integers(0, 5), st.sampled_from(['"unclosed\n', "= 1\n", "a b\n", 'k = "\x00"\n'])
)
def test_a_broken_file_is_told_by_its_line(name: str, after: int, broken: str) -> None:
    fields = {k: v for k, v in GOOD.items() if not isinstance(v, list)}
    kept = list(fields.items())[:after]
    text, _ = written(dict(kept))
    line, message = refusal(text + broken + f"{name} = 1\n")
    assert line == text.count("\n") + 1
    assert message.startswith("not TOML")


@pytest.mark.parametrize(
    "pin",
    [
        "left", "left>=1", "left==1.*", "left~=1.0", "left===1.0", "left==1,<2", "left[x]==1",
        "left @ https://example.org/left.whl", "-r other.txt", "left==1 --pre", "left==1\n--pre",
        "left==1; python_version > '3'", "left == 1", "--index-url=x left==1",
        "left==1 --hash=sha256:abc", "git+https://example.org/left", "../left.whl", "left==",
    ],
)  # fmt: skip
def test_what_is_not_one_version_is_refused(pin: str) -> None:
    text, begin = written({**GOOD, "requirements": ["right==1", pin]})
    line, message = refusal(text)
    assert line == begin["requirements"] + 2
    assert "NAME==VERSION" in message


@some
@given(
    st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,9}[A-Za-z0-9]", fullmatch=True),
    st.lists(st.integers(0, 99), min_size=1, max_size=4),
    st.booleans(),
)
def test_a_pinned_wheel_is_taken(name: str, release: list[int], hashed: bool) -> None:
    version = ".".join(map(str, release))
    text, _ = written({**GOOD, "requirements": [f"{name}=={version}" + HASH * hashed]})
    (pin,) = manifest.pins(read(text))
    assert (pin.name, pin.version) == (manifest.canonical(name), version)


@pytest.mark.parametrize(
    ("change", "at", "told"),
    [
        ({"name": "other"}, "name", "expected 'calm', the folder's name"),
        ({"name": "Calm"}, "name", "lower-case letters"),
        ({"name": "../calm"}, "name", "lower-case letters"),
        ({"licence": ""}, "licence", "SPDX name such as 'Apache-2.0', got \"\" (it is empty)"),
        ({"games": ["pong-v1", "pong"]}, "games", "did you mean 'pong-v1'?"),
        ({"games": ["pong-v1", "pong-v1"]}, "games", "listed twice"),
        ({"games": []}, "games", "at least one"),
        ({"track": "gray-box"}, "track", "'black-box', 'white-box'"),
        ({"kind": "defense"}, "track", "expected 'white-box' of a defense"),
        ({"kind": "reward"}, "kind", "'attack', 'defense' or 'detector'"),
        ({"configurations_tried": 0}, "configurations_tried", "a whole number from 1"),
        ({"entry": "calm"}, "entry", "'module:Class'"),
        ({"entry": "calm.inner:Calm"}, "entry", "'module:Class'"),
        ({"requirements": ["left==1", "Left==1"]}, "requirements", "'left' is listed twice"),
        ({"requirements": ["a==1", "b==2" + HASH]}, "requirements", "behind all requirements"),
        ({"requirements": ["a==1", "torch==1.0"]}, "requirements", "torch==2.0, got 1.0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], at: str, told: str) -> None:
    text, begin = written({**GOOD, **change})
    line, message = refusal(text, {"torch": "2.0"})
    into = 2 if isinstance(GOOD[at], list) and change.get(at) else 0
    assert line == begin[at] + into
    assert told in message


def test_a_taken_name_is_refused() -> None:
    text, begin = written({**GOOD, "name": "ours"})
    with pytest.raises(BadManifest, match=r"'ours' is taken by the attack attacks\.ours:") as e:
        parse(text.encode(), "f", folder="ours", core={})
    assert str(e.value).startswith(f"f:{begin['name']}: ")


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        ("[toy]\nsteps = 1\n", "there is no field 'toy.steps'"),
        ("[toy]\nbudget_steps = -1\n", "toy.budget_steps: expected environment steps"),
        ("[toy]\nsettings = { a = 1979-05-27 }\n", "toy.settings.a"),
        ("[toy]\nsettings = { a = nan }\n", "toy.settings.a"),
    ],
)
def test_the_toy_is_as_strict(tail: str, told: str) -> None:
    text, _ = written(GOOD, tail)
    line, message = refusal(text)
    assert line == text.count("\n")
    assert message.startswith(told)


def test_a_long_file_is_refused() -> None:
    line, message = refusal("#\n" * 401)
    assert (line, message.partition(", got ")[2]) == (1, "401 lines and 802 bytes")
    assert "32 KiB" in refusal("#" * 40_000)[1]


def test_deep_nesting_is_refused() -> None:
    assert refusal("a = " + "[" * 5000)[0] == 1


def test_lines_are_not_fooled_by_what_stands_in_strings() -> None:
    text = 'a = """\nb = 1\n[t]\n"""\nb = [ # b = 0\n  [1,\n   2], 3,\n]\n[t]\nc.d = 1\n'
    assert [lines.line_of(text, path) for path in (["a"], ["b"], ["b", 1], ["t", "c", "d"])] == [
        1, 5, 7, 10,
    ]  # fmt: skip
    assert lines.last_line(text) == 5
    assert lines.line_of(text, ["z"]) == 1

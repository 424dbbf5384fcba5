"""Records: what is written is read again, and nothing that cannot be is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.errors import Misuse
from benchmark.leaderboard import board
from benchmark.leaderboard.table import to_markdown
from benchmark.leaderboard.tables import tables
from benchmark.records.cell import content_hash
from benchmark.records.files import BadRecord, read, to_json
from benchmark.records.record import Record
from tests.factories import attacked, defended, make_record, match, without_timings

Change = Callable[[dict[str, Any]], None]


def write(folder: Path, payload: Any) -> Path:
    """A file of this JSON (NaN included), under the name that the record says it has."""
    path = folder / f"{payload['id']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(payload), encoding="utf-8")
    return path


def payload_of(record: Record) -> dict[str, Any]:
    """The record's JSON."""
    loaded: dict[str, Any] = json.loads(to_json(record))
    return loaded


def rehash(payload: dict[str, Any]) -> None:
    """Give a changed cell the id that belongs to it, as a forger would."""
    payload["id"] = content_hash(payload["cell"])[:16]


def _set(*where: Any, to: Any, forge: bool = False) -> Change:
    def change(payload: dict[str, Any]) -> None:
        target: Any = payload
        for step in where[:-1]:
            target = target[step]
        target[where[-1]] = to
        if forge:
            rehash(payload)

    return change


def _drop(field: str) -> Change:
    def change(payload: dict[str, Any]) -> None:
        del payload[field]

    return change


EVEN = ("matches", 0, "even")
BAD: dict[str, tuple[Change, str]] = {
    "negative count": (_set(*EVEN, "wins", to=-1), "matches.0.even.wins"),
    "negative part": (_set(*EVEN, "breakdown", "win:point", to=-5), "win:point"),
    "part of none": (_set(*EVEN, "breakdown", "win:lucky", to=0), "counts no 'win:lucky'"),
    "fraction": (_set(*EVEN, "wins", to=25.5), "matches.0.even.wins"),
    "count as text": (_set(*EVEN, "wins", to="many"), "matches.0.even.wins"),
    "count spelled": (_set(*EVEN, "wins", to="25"), "matches.0.even.wins: Input"),
    "count with a point": (_set(*EVEN, "wins", to=25.0), "matches.0.even.wins: Input"),
    "count of true": (_set(*EVEN, "ties", to=False), "matches.0.even.ties: Input"),
    "part with a point": (_set(*EVEN, "breakdown", "win:point", to=25.0), "valid integer"),
    "seed spelled": (_set("cell", "seed", to="0"), "cell.seed: Input"),
    "steps with a point": (_set("steps", "attack", to=8e6), "steps.attack: Input"),
    "breakdown": (_set(*EVEN, "breakdown", "win:point", to=24), "adds to 24, the count is 25"),
    "one win more": (_set(*EVEN, "wins", to=26), "adds to 25, the count is 26"),
    "unknown ending": (_set(*EVEN, "breakdown", "draw:x", to=99), "draw:x"),
    "too few episodes": (
        _set(*EVEN, to={"wins": 3, "breakdown": {"win:point": 3}}),
        "counts 103 episodes, the cell says 200",
    ),
    "NaN in timings": (_set("timings", "attack", "wall_s", to=float("nan")), "timings.attack"),
    "infinite time": (_set("timings", "attack", "wall_s", to=float("inf")), "timings.attack"),
    "NaN in the curve": (
        _set("curves", "attack", "diagnostics", "loss", 0, to=float("nan")),
        "curves.attack.diagnostics.loss.0",
    ),
    "NaN in the cell": (_set("cell", "budget_steps", to=float("nan")), "cell.budget_steps"),
    "NaN in the config": (_set("cell", "attack", "config", "rate", to=float("nan")), ""),
    "no schema": (_drop("schema_version"), "schema version None"),
    "later schema": (_set("schema_version", to=3), "schema version 3, this program reads 1 and 2"),
    "schema as text": (_set("schema_version", to="1"), "schema version '1'"),
    "schema of true": (_set("schema_version", to=True), "schema version True"),
    "schema with a point": (_set("schema_version", to=1.0), "schema version 1.0"),
    "wrong id": (_set("id", to="0" * 16), "id is 0000000000000000, its cell hashes to"),
    "another cell's id": (_set("cell", "seed", to=7), "its cell hashes to"),
    "another protocol": (
        _set("cell", "protocol", to=2, forge=True), "protocol 2, this program's is 1",
    ),
    "negative steps": (_set("steps", "attack", to=-1), "steps.attack"),
    "attack on another victim": (
        _set("matches", 0, "victim", to={"name": "b", "sha256": "sha of b"}), "victim",
    ),
    "unknown role": (_set("matches", 0, "role", to="friendly"), "matches.0.role"),
    "unknown tier": (_set("cell", "tier", to="huge", forge=True), "cell.tier"),
    "unknown track": (_set("cell", "track", to="grey-box", forge=True), "cell.track"),
    "no episodes": (_set("cell", "episodes", to=0, forge=True), "cell.episodes"),
    "negative budget": (_set("cell", "budget_steps", to=-1, forge=True), "cell.budget_steps"),
    "level above 3": (_set("level", to=4), "level"),
    "extra field": (_set("bonus", to=1), "bonus"),
    "extra count": (_set(*EVEN, "draws", to=1), "matches.0.even.draws"),
    "no matches field": (_drop("matches"), "matches"),
    "no cell": (_drop("cell"), "cell"),
    "cell of text": (_set("cell", to="pong"), "cell"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD.keys())
def test_an_impossible_record_is_refused(tmp_path: Path, change: Change, reason: str) -> None:
    """With its path and what is wrong, in one line, as a misuse."""
    payload = payload_of(attacked(50))
    read(write(tmp_path, payload))
    change(payload)
    path = write(tmp_path, payload)
    with pytest.raises(BadRecord) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, Misuse)


PINNED = {"kind": "container", "image": "sha256:" + "a" * 64, "pinned": True}


@pytest.mark.parametrize(
    "isolation",
    [
        {**PINNED, "kind": "process"},
        {**PINNED, "pinned": False},
        {**PINNED, "image": None},
        {**PINNED, "image": "competitive-rl-bench"},
    ],
    ids=["process", "unpinned", "no image", "a tag"],
)
def test_only_a_run_in_containers_of_the_pinned_image_has_a_level(
    tmp_path: Path, isolation: dict[str, Any]
) -> None:
    """Whoever wrote the file."""
    payload = payload_of(attacked(50))
    payload |= {"level": 1, "isolation": PINNED}
    assert read(write(tmp_path, payload)).level == 1
    payload["isolation"] = isolation
    with pytest.raises(BadRecord, match="level 1 of a run outside containers of the pinned image"):
        read(write(tmp_path, payload))


def test_that_an_image_was_not_pinned_is_no_part_of_a_file() -> None:
    """Records that are older than the word keep their bytes."""
    assert b"pinned" not in to_json(attacked(50))


def test_a_training_that_was_never_tried_again_says_nothing_of_it() -> None:
    """Records that are older than the count keep their bytes."""
    record = attacked(50)
    assert b"retries" not in to_json(record)
    tried = to_json(record.model_copy(update={"retries": {"attack": 1}}))
    assert json.loads(tried)["retries"] == {"attack": 1}
    assert json.loads(tried)["id"] == record.id


def test_halves_of_unequal_size_are_refused(tmp_path: Path) -> None:
    """Else an empty odd half would be reported as a victim that is never beaten."""
    payload = payload_of(defended(50, 50, 50))
    for played in payload["matches"]:
        even, odd = played["even"], played["odd"]
        for name in ("wins", "losses"):
            even[name] += odd[name]
        even["breakdown"] = {"win:point": even["wins"], "loss:point": even["losses"]}
        played["odd"] = {"wins": 0, "ties": 0, "losses": 0, "breakdown": {}}
    with pytest.raises(BadRecord, match=r"half|halves|even|odd"):
        read(write(tmp_path, payload))


@pytest.mark.parametrize("kind", ["attack", "defense"])
def test_a_record_without_the_matches_that_it_is_about_is_refused(
    tmp_path: Path, kind: str
) -> None:
    """No score can be read off it, so it is refused where it is read, with its path."""
    regular = match("regular", 50, adversary="rival")
    payload = payload_of(make_record([regular], defense="retrain" if kind == "defense" else None))
    path = write(tmp_path, payload)
    with pytest.raises(BadRecord, match=re.escape(str(path))):
        read(path)


def test_the_same_cell_twice_is_refused(tmp_path: Path) -> None:
    """Both files are named; the first one is kept."""
    first = write(tmp_path, payload_of(attacked(50)))
    second = write(tmp_path / "more", payload_of(attacked(60)))
    found, problems = board.read_results(tmp_path)
    assert list(found) == [first]
    assert [str(first) in p and str(second) in p for p in problems] == [True]


COUNTS = re.compile(r'"(?:wins|ties|losses|[a-z]+:[a-z_]+)": ?(\d+)')


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_changed_digit_of_a_count_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Every count of the matches is held by another number."""
    text = to_json(attacked(50, others=["b"])).decode()
    start, end = text.index('"matches"'), text.index('"curves"')
    places = [i for m in COUNTS.finditer(text, start, end) for i in range(m.start(1), m.end(1))]
    place = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != text[place]]))
    path = tmp_path / f"{attacked(50, others=['b']).id}.json"
    path.write_text(text[:place] + digit + text[place + 1 :], encoding="utf-8")
    with pytest.raises(BadRecord, match=re.escape(str(path))):
        read(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_changed_digit_of_the_cell_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Budget, seed, setting: all of it is in the id."""
    text = to_json(attacked(50, others=["b"])).decode()
    start, end = text.index('"id"'), text.index('"matches"')
    place = data.draw(st.sampled_from([i for i in range(start, end) if text[i].isdigit()]))
    digit = data.draw(st.sampled_from([d for d in "123456789" if d != text[place]]))
    path = tmp_path / f"{attacked(50, others=['b']).id}.json"
    path.write_text(text[:place] + digit + text[place + 1 :], encoding="utf-8")
    with pytest.raises(BadRecord, match=re.escape(str(path))):
        read(path)


@settings(max_examples=40)
@given(st.integers(0, 99), st.integers(1, 100))
def test_a_forged_win_that_adds_up_changes_the_board(wins: int, more: int) -> None:
    """What no check can see is at least visible, without any digest."""
    after = min(100, wins + more)
    boards = [to_markdown(tables([attacked(2 * count)])) for count in (wins, after)]
    assert boards[0] != boards[1]


def test_without_timings_leaves_out_what_differs_between_machines() -> None:
    """And nothing else."""
    record = attacked(50)
    elsewhere = record.model_copy(
        update={"timings": {}, "provenance": {}, "command": "x", "retries": {"attack": 1}}
    )
    assert without_timings(elsewhere) == without_timings(record)
    for name, value in {"flags": ["x"], "steps": {}, "level": 1}.items():
        other = record.model_copy(update={name: value})
        assert without_timings(other) != without_timings(record), name


def test_of_role_gives_the_ranked_mode_only() -> None:
    """Matches in the other action mode are kept apart."""
    both = [match("attack", 50), match("attack", 90, ranked=False), match("floor", 3)]
    assert make_record(both).of_role("attack") == [both[0]]


def test_a_pairing_is_not_counted_twice(tmp_path: Path) -> None:
    """It would narrow their interval; in another mode of the victim they are other matches."""
    record = attacked(50)
    other = match("attack", 60, ranked=False)
    read(
        write(tmp_path, payload_of(record.model_copy(update={"matches": [*record.matches, other]})))
    )
    twice = [*record.matches, record.matches[0]]
    path = write(tmp_path, payload_of(record.model_copy(update={"matches": twice})))
    with pytest.raises(BadRecord, match=r"'attack' matches of .* stand there twice"):
        read(path)

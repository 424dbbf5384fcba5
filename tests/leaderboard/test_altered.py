"""No digit of a record changes unseen: it is refused, or the page is another."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmark.errors import CheckFailed
from benchmark.leaderboard import board
from benchmark.records.files import MAX_BYTES, to_json
from tests.factories import attacked, defended

ROOT = Path(__file__).parents[2]
KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "attack": lambda r: r["cell"]["defense"] is None and not r.get("splits"),
    "defense": lambda r: r["cell"]["defense"] and r["matches"] and not r.get("splits"),
    "detection": lambda r: r.get("detections"),
    "diagnosis": lambda r: r.get("splits"),
}
ALTERED = 12
"""Digits tried in each record."""


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A copy of one committed record of each kind, alone in a folder."""
    folder = tmp_path_factory.mktemp("altered") / "results"
    folder.mkdir()
    found: dict[str, Path] = {}
    for path in sorted((ROOT / "results").glob("*-v*/*.json")):
        record = json.loads(path.read_bytes())
        for kind, fits in KINDS.items():
            if kind not in found and fits(record):
                found[kind] = Path(shutil.copy(path, folder))
    return found


def page(folder: Path) -> tuple[str, list[str]]:
    """What a folder renders to, and what is refused."""
    found, problems = board.read_results(folder)
    return board.render(found, folder.parent / "leaderboard.md"), problems


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_digit_is_refused_or_changes_the_page(
    committed: dict[str, Path], kind: str
) -> None:
    """Any digit of the file, none is exempt: of counts, hashes, curves, machines, times."""
    path = committed[kind]
    text = path.read_text(encoding="utf-8")
    before, problems = page(path.parent)
    assert not problems
    random = Random(kind)
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    try:
        for at in random.sample(places, ALTERED):
            digit = random.choice([d for d in "0123456789" if d != text[at]])
            path.write_text(text[:at] + digit + text[at + 1 :], encoding="utf-8")
            after, problems = page(path.parent)
            if problems:
                assert problems[0].startswith(f"{path}: "), text[at - 60 : at + 20]
                assert "\n" not in problems[0]
            else:
                assert after != before, text[at - 60 : at + 20]
    finally:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_less_changes_the_page(committed: dict[str, Path], kind: str) -> None:
    path = committed[kind]
    before, _ = page(path.parent)
    aside = path.rename(path.with_suffix(".aside"))
    assert page(path.parent)[0] != before
    aside.rename(path)
    assert page(path.parent)[0] == before


def test_a_superseded_record_is_on_the_page_too(tmp_path: Path) -> None:
    """It feeds no row, and is listed with its digest all the same."""
    results = tmp_path / "results"
    results.mkdir()
    for record in (attacked(50), attacked(60, others=["x"])):
        (results / f"{record.id}.json").write_bytes(to_json(record))
    first = results / f"{attacked(50).id}.json"
    before, _ = page(results)
    assert before.count("(superseded)") == 1
    first.write_bytes(to_json(attacked(52)))
    assert page(results)[0] != before
    first.unlink()
    assert "(superseded)" not in page(results)[0]


def _link(path: Path) -> None:
    path.symlink_to(next(path.parent.glob("*.json")))


def _count(path: Path, wins: Any) -> None:
    record = json.loads(to_json(attacked(50, seed=9)))
    record["matches"][0]["even"]["wins"] = wins
    path.write_text(json.dumps(record), encoding="utf-8")


def _foreign_game(path: Path) -> None:
    record = attacked(50, seed=9, game="chess-v1")
    path.with_name(f"{record.id}.json").write_bytes(to_json(record))


def _copy(path: Path) -> None:
    path.with_suffix("").mkdir()
    name = f"{attacked(50).id}.json"
    shutil.copy(path.with_name(name), path.with_suffix("") / name)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _markup(path: Path) -> None:
    record = json.loads(to_json(attacked(50, seed=9)))
    record["schema_version"] = "`\n\n# Rank 1\n<script>"
    path.write_text(json.dumps(record), encoding="utf-8")


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "more wins than matches": (lambda p: _count(p, 26), "the count is 26"),
    "negative": (lambda p: _count(p, -1), "matches.0.even.wins"),
    "NaN": (lambda p: _count(p, float("nan")), "matches.0.even.wins"),
    "infinite": (lambda p: _count(p, float("inf")), "matches.0.even.wins"),
    "beyond any number": (lambda p: _count(p, 10**400), "matches"),
    "schema": (lambda p: p.write_text('{"schema_version": 9}'), "schema version 9"),
    "unknown game": (_foreign_game, "no game 'chess-v1'; "),
    "not UTF-8": (lambda p: p.write_bytes(b'{"a": "\xff\xfe"}'), "not JSON"),
    "huge": (_huge, "larger than 16 MiB"),
    "link": (_link, "a link"),
    "folder": (lambda p: p.mkdir(), "cannot be read"),
    "pipe": (_pipe, "cannot be read"),
    "copy": (_copy, "the same cell as"),
    "another name": (lambda p: p.write_bytes(to_json(attacked(50, seed=9))), "is called "),
    "mark-up": (_markup, "Rank 1"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_record_is_refused_with_a_warning_and_the_others_render(
    tmp_path: Path, plant: Callable[[Path], None], reason: str
) -> None:
    """By its path in one line of the page; the check fails, whatever the page says."""
    results, out = tmp_path / "results", tmp_path / "leaderboard.md"
    results.mkdir()
    for record in (attacked(50), defended(20, 10, 40)):
        (results / f"{record.id}.json").write_bytes(to_json(record))
    clean, _ = page(results)
    good = set(results.iterdir())
    plant(results / "zz.json")
    bad = max(set(results.rglob("*")) - good, key=lambda path: len(path.parts))
    found, problems = board.read_results(results)
    assert set(found) == good
    text = board.render(found, out, problems)
    (warned,) = [line for line in text.splitlines() if line.startswith("> - ")]
    assert warned.startswith(f"> - `{bad}: ")
    assert reason in warned
    assert "1 file(s) are refused" in text
    assert "\n# Rank 1" not in text
    assert clean.split("\n## ", 1)[1] == text.split("\n## ", 1)[1]
    board.write(text, out)
    with pytest.raises(CheckFailed, match=re.escape(bad.name)):
        board.check(results, out)

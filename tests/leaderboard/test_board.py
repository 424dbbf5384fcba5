"""leaderboard.md is what the records render to, and says so when it is not."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from benchmark.errors import BenchError, CheckFailed
from benchmark.leaderboard import board
from benchmark.records.files import to_json
from benchmark.records.record import Record
from tests.factories import attacked, defended, make_record, match

DIGEST = re.compile(r"\b[0-9a-f]{12}\b")


class Site:
    """A folder with records and a board."""

    def __init__(self, root: Path):
        self.results, self.board = root / "results", root / "leaderboard.md"
        self.results.mkdir()

    def add(self, record: Record, name: str = "") -> Path:
        """File a record, in a subfolder where the name has one."""
        path = self.results / (name or f"{record.id}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_json(record))
        return path

    def text(self) -> str:
        """What the records render to."""
        return board.render(board.read_results(self.results)[0], self.board)

    def check(self) -> int:
        """See `board.check`."""
        return board.check(self.results, self.board)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Three records and their current board."""
    made = Site(tmp_path)
    for record in (attacked(50), attacked(80, seed=1), defended(20, 10, 40)):
        made.add(record)
    made.board.write_text(made.text(), encoding="utf-8")
    return made


def test_what_is_rendered_is_accepted(site: Site) -> None:
    """And the number of records is told."""
    assert site.check() == 3


def test_a_folder_that_cannot_be_read_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a whole game would be missing without a word."""
    locked, real = site.results / "locked", os.scandir
    locked.mkdir()

    def scandir(path: str) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found, problems = board.read_results(site.results)
    assert len(found) == 3
    assert problems == [f"{locked}: cannot be read (Permission denied)"]


def test_policies_beside_the_records_are_no_records(site: Site) -> None:
    (site.results / "policies" / "one").mkdir(parents=True)
    (site.results / "policies" / "one" / "card.json").write_text("{}")
    assert site.check() == 3


def test_an_empty_folder_renders_too(tmp_path: Path) -> None:
    """Before the first record."""
    site = Site(tmp_path)
    site.board.write_text(site.text(), encoding="utf-8")
    assert site.check() == 0
    assert "No records yet." in site.text()


@pytest.mark.parametrize("edit", ["25.0", "\n", "Protocol"])
def test_a_board_that_was_typed_in_is_stale(site: Site, edit: str) -> None:
    """Any changed character; the message says what to do."""
    text = site.board.read_text(encoding="utf-8")
    site.board.write_text(text.replace(edit, edit + " ", 1), encoding="utf-8")
    with pytest.raises(CheckFailed, match=r"run `bench leaderboard`") as caught:
        site.check()
    assert caught.value.exit_code == 1
    assert str(site.board) in str(caught.value)


def test_a_missing_board_is_stale(site: Site) -> None:
    """Nothing is not what the records render to."""
    site.board.unlink()
    with pytest.raises(CheckFailed):
        site.check()


def test_a_board_that_is_not_text_is_stale(site: Site) -> None:
    """Whatever lies there, the check answers no."""
    site.board.write_bytes(b"\xff\xfe\x00board")
    with pytest.raises(CheckFailed):
        site.check()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_removing_a_record_makes_the_board_stale(site: Site, which: int) -> None:
    """Each one is on it."""
    sorted(site.results.glob("*.json"))[which].unlink()
    with pytest.raises(CheckFailed):
        site.check()


def test_adding_a_record_makes_the_board_stale(site: Site) -> None:
    """Also in a subfolder."""
    record = attacked(60, seed=2)
    site.add(record, f"more/deep/{record.id}.json")
    with pytest.raises(CheckFailed):
        site.check()
    assert f"results/more/deep/{record.id}.json" in site.text()


@pytest.mark.parametrize("record", [attacked(51), defended(20, 10, 60), attacked(50, seed=3)])
def test_altering_a_record_makes_the_board_stale(site: Site, record: Record) -> None:
    """One win more, another seed."""
    before = site.text()
    for path in list(site.results.glob("*.json")):
        old = json.loads(path.read_bytes())["cell"]
        if (old["defense"] is None) == (record.cell.defense is None) and old["seed"] == 0:
            path.unlink()
            site.add(record)
    assert site.text() != before
    with pytest.raises(CheckFailed):
        site.check()


def test_the_order_of_records_does_not_matter(site: Site) -> None:
    """Neither that of reading nor that of writing."""
    found, problems = board.read_results(site.results)
    backwards = dict(reversed(list(found.items())))
    assert not problems
    assert list(backwards) != list(found)
    assert board.render(backwards, site.board) == board.render(found, site.board)


def test_another_machine_shows_in_wall_time_and_digest_alone(site: Site) -> None:
    """The same run elsewhere gives the same page but for what says that it was another run."""
    before = site.text()
    elsewhere = attacked(50).model_copy(update={"provenance": {}, "command": "x"})
    site.add(elsewhere)
    assert site.text() != before
    assert DIGEST.sub("", site.text()) == DIGEST.sub("", before)
    site.add(attacked(50).model_copy(update={"timings": {"attack": {"wall_s": 7200.0}}}))
    assert "1.0 h" in site.text()  # the mean of two seeds
    assert "1.0 h" not in before


def test_refused_files_are_named_and_fail_the_check(site: Site) -> None:
    """All of them, while the good ones are still read."""
    broken, foreign = site.results / "broken.json", site.results / "sub" / "foreign.json"
    foreign.parent.mkdir()
    broken.write_text("{", encoding="utf-8")
    foreign.write_text('{"a": 1}', encoding="utf-8")
    found, problems = board.read_results(site.results)
    assert len(found) == 3
    assert [p.split(": ")[0] for p in problems] == [str(broken), str(foreign)]
    with pytest.raises(CheckFailed) as caught:
        site.check()
    assert str(broken) in str(caught.value)
    assert str(foreign) in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_copy_of_a_record_counts_once(site: Site) -> None:
    """It is refused by name, and the page does not change."""
    before = site.text()
    copy = site.add(attacked(50), "zz-copy.json")
    assert site.text() == before
    with pytest.raises(CheckFailed, match=re.escape(str(copy))):
        site.check()


def test_other_files_are_left_alone(site: Site) -> None:
    """Notes beside the records."""
    (site.results / "README.md").write_text("about", encoding="utf-8")
    assert site.check() == 3


@pytest.mark.parametrize(
    "record",
    [
        make_record([match("regular", 50, adversary="rival")], defense="retrain", seed=9),
        make_record([match("attack", 50)], defense="retrain", seed=9),
        make_record([], defense="retrain", seed=9),
        make_record([], seed=9),
    ],
)
def test_a_record_that_cannot_be_scored_is_refused_not_crashed_on(
    site: Site, record: Record
) -> None:
    """By its path, as any other bad record; never with a traceback."""
    path = site.add(record, "zz.json")
    with pytest.raises(BenchError, match=re.escape(str(path))):
        site.check()


def test_a_record_without_a_breakdown_does_not_crash_the_board(site: Site) -> None:
    """It is either refused by its path or rendered beside the others."""
    payload = json.loads(to_json(attacked(90, seed=5)))
    for played in payload["matches"]:
        played["even"]["breakdown"] = played["odd"]["breakdown"] = {}
    path = site.results / "bare.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    with pytest.raises(CheckFailed, match=f"{re.escape(str(path))}|is not what"):
        site.check()

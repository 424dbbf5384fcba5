"""`bench leaderboard` as its users meet it."""

from __future__ import annotations

from pathlib import Path

from benchmark.records.files import to_json
from tests.command_line import (
    bench,
    refused,
)
from tests.factories import attacked


def test_leaderboard_writes_what_check_accepts(elsewhere: Path, results: Path) -> None:
    """And the terminal shows the tables."""
    assert bench("leaderboard", "--check").code == 1
    written = bench("leaderboard")
    assert written.code == 0
    assert "Attacks on" in written.out
    assert (elsewhere / "leaderboard.md").read_text(encoding="utf-8").startswith("# Leaderboard")
    assert bench("leaderboard", "--check").code == 0


def test_a_stale_leaderboard_is_exit_code_1(elsewhere: Path, results: Path) -> None:
    """After a change of the page, and after a change of a record."""
    bench("leaderboard")
    page = elsewhere / "leaderboard.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("25.0", "95.0"), encoding="utf-8")
    refused(bench("leaderboard", "--check"), "leaderboard.md", "bench leaderboard", code=1)
    page.write_text(text, encoding="utf-8")
    assert bench("leaderboard", "--check").code == 0
    (results / f"{attacked(50).id}.json").write_bytes(to_json(attacked(51)))
    refused(bench("leaderboard", "--check"), code=1)


def test_refused_records_are_named_and_exit_code_1(elsewhere: Path, results: Path) -> None:
    """By check and by render, which still renders the good ones."""
    bench("leaderboard")
    (results / "bad.json").write_text("{", encoding="utf-8")
    refused(bench("leaderboard", "--check"), "bad.json", "not JSON", code=1)
    done = bench("leaderboard")
    assert done.code == 1
    assert "bad.json" in done.err
    assert "Traceback" not in done.err
    assert "Attacks on" in (elsewhere / "leaderboard.md").read_text(encoding="utf-8")


def test_a_misspelt_results_folder_does_not_empty_the_page(elsewhere: Path, results: Path) -> None:
    """It is refused with its path."""
    bench("leaderboard")
    before = (elsewhere / "leaderboard.md").read_bytes()
    refused(bench("leaderboard", "--results", "resluts"), "resluts")
    assert (elsewhere / "leaderboard.md").read_bytes() == before


def test_a_page_that_cannot_be_written_is_one_line(elsewhere: Path, results: Path) -> None:
    """A folder that is not there."""
    done = bench("leaderboard", "--out", elsewhere / "no" / "page.md")
    assert done.code == 3
    assert str(elsewhere / "no") in done.err
    assert "Traceback" not in done.err

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
    name = f"{attacked(50).id}.json"
    (results / name).write_bytes(to_json(attacked(51)))
    refused(bench("leaderboard", "--check"), f"other content of results/{name}", "restore", code=1)


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
    """A folder that is not there; one that is in the way."""
    refused(bench("leaderboard", "--out", elsewhere / "no" / "page.md"), elsewhere / "no", "--out")
    (elsewhere / "page.md").mkdir()
    done = bench("leaderboard", "--out", elsewhere / "page.md")
    assert done.code == 3
    assert str(elsewhere / "page.md") in done.err
    assert "Traceback" not in done.err


def test_a_folder_without_records_does_not_empty_the_page(elsewhere: Path, results: Path) -> None:
    bench("leaderboard")
    before = (elsewhere / "leaderboard.md").read_bytes()
    (elsewhere / "none").mkdir()
    refused(bench("leaderboard", "--results", "none"), "no record under none")
    assert (elsewhere / "leaderboard.md").read_bytes() == before


def test_a_submission_s_records_are_shown_beside_others(elsewhere: Path, results: Path) -> None:
    own = elsewhere / "mine"
    own.mkdir()
    (own / f"{attacked(60, attack='calm').id}.json").write_bytes(
        to_json(attacked(60, attack="calm"))
    )
    both = "--results", results, "--results", own
    assert bench("leaderboard", *both, "--out", "mine.md").code == 0
    page = (elsewhere / "mine.md").read_text(encoding="utf-8")
    assert "| calm" in page
    assert "| ours" in page
    refused(bench("leaderboard", *both, "--check"), "one --results folder")

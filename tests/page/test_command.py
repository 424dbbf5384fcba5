"""`bench leaderboard --html DIR --videos DIR`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.commands.leaderboard import leaderboard
from benchmark.errors import CheckFailed, Misuse
from benchmark.records.files import to_json
from tests.factories import attacked


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    record = attacked(50)
    (folder / f"{record.id}.json").write_bytes(to_json(record))
    return folder


def test_the_page_and_its_films_are_written(results: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / f"{attacked(50).id}-a_fall.mp4").write_bytes(b"film")
    leaderboard([results], tmp_path / "board.md", html=tmp_path / "site", videos=films)
    assert (tmp_path / "board.md").is_file()
    assert (tmp_path / "site" / "index.html").is_file()
    (film,) = (tmp_path / "site" / "videos").iterdir()
    assert film.read_bytes() == b"film"


def test_a_refused_record_is_on_the_page_and_fails_the_command(
    results: Path, tmp_path: Path
) -> None:
    (results / "broken.json").write_text("{")
    with pytest.raises(CheckFailed, match="1 record"):
        leaderboard([results], tmp_path / "board.md", html=tmp_path / "site")
    assert "1 file refused" in (tmp_path / "site" / "index.html").read_text()


def test_options_that_do_not_go_together_are_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="--html DIR"):
        leaderboard([results], tmp_path / "board.md", videos=tmp_path)
    with pytest.raises(Misuse, match="--check writes nothing"):
        leaderboard([results], tmp_path / "board.md", check=True, html=tmp_path / "site")

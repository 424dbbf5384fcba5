"""The pages under docs/studies are what the committed records render to."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.command_line import bench

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs/studies").glob("*.md"))
MADE_BY = re.compile(r"Made by `bench (.*)`\.")


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_what_its_own_command_makes(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run `make studies` and commit, where this fails. Pictures are not compared."""
    text = page.read_text()
    found = MADE_BY.search(text)
    assert found, f"{page.name} does not say how it was made"
    arguments = shlex.split(found[1])
    for option in ("--out", "--figure"):
        at = arguments.index(option) + 1
        assert (ROOT / arguments[at]).is_file(), f"{page.name} names a file that is not there"
        arguments[at] = str(tmp_path / Path(arguments[at]).name)
    monkeypatch.chdir(ROOT)
    done = bench(*arguments, "--store", tmp_path / "store")
    assert done.code == 0, done.err
    made = (tmp_path / page.name).read_text()
    assert MADE_BY.sub("", made) == MADE_BY.sub("", text)

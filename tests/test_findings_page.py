"""Pages with a template, and the README's head of the board, are what the records render to."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.command_line import bench, refused

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / f"docs/{name}.md" for name in ("findings", "evidence", "reproduction")]
PAGE = PAGES[0]
KEPT = ("results", "docs", "README.md")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the page is rendered from, to be spoilt."""
    for name in KEPT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_committed_pages_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `make findings` and commit, where this fails; it says what must be read again."""
    monkeypatch.chdir(ROOT)
    done = bench("findings", "--check")
    assert done.code == 0, done.err


def test_pages_of_a_folder_are_rendered_from_that_folder(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is called: the table of the fidelity page is read there, too."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    told = bench("findings", "--results", checkout / "results", "--docs", checkout / "docs",
                 "--readme", checkout / "README.md", "--names")  # fmt: skip
    assert told.code == 0, told.err
    assert "published/fidelity/change" in told.out


def test_what_was_changed_by_hand_is_found(checkout: Path) -> None:
    """A number of the page, one of the README, a figure of other records; and it is mended."""
    page, readme, figure = PAGE.name, checkout / "README.md", checkout / "docs/findings/attacks.svg"
    kept = {path: path.read_bytes() for path in (checkout / "docs" / page, readme)}
    for path, text in kept.items():
        path.write_bytes(re.sub(rb"\d\d\.\d", b"00.0", text, count=1))
    figure.write_text(re.sub(r"\d+ records, \w+", "1 records, 0", figure.read_text()))
    assert all(path.read_bytes() != text for path, text in kept.items())
    refused(bench("findings", "--check"), page, "README.md", "attacks.svg", code=1)
    assert bench("findings").code == 0
    assert all(path.read_bytes() == text for path, text in kept.items())


def test_without_records_that_a_sentence_rests_on_nothing_is_written(checkout: Path) -> None:
    """A verdict that is no longer given is named, and the page stays."""
    before = PAGE.read_bytes()
    for path in (checkout / "results/pong-v1").glob("*.json"):
        if '"defense":{' in path.read_text() or '"defense": {' in path.read_text():
            path.unlink()
    refused(bench("findings"), "'pong-v1/full/hardened' is not run by the records", code=1)
    assert (checkout / "docs/findings.md").read_bytes() == before


def test_where_nothing_can_be_drawn_nothing_is_written(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of today beside figures of yesterday would pass for one state."""
    readme = checkout / "README.md"
    stale = re.sub(r"\d\d\.\d", "00.0", readme.read_text(), count=1)
    readme.write_text(stale)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(bench("findings"), "pip install matplotlib", code=3)
    assert readme.read_text() == stale


@pytest.mark.parametrize(
    "text",
    [
        "x = [",
        "a = 1",
        "[attack]\nruns = 8",
        "[attack]\nruns = 8\nwindows = []",
        "[attack]\nruns = 8\nwindows = [{ from = 0, to = 1, mean = 2 }]",
    ],
)
def test_damaged_published_figures_are_told(checkout: Path, text: str) -> None:
    (checkout / "results/published.toml").write_text(text)
    refused(bench("findings", "--check"), "published.toml", code=2)


@pytest.mark.parametrize("row", ["| x | y |", "|  | 49.1 |", ""])
def test_a_damaged_row_of_the_fidelity_page_is_told(checkout: Path, row: str) -> None:
    """The regular players' win rates in either physics are in no record, but on that page."""
    page = checkout / "docs/fidelity.md"
    row_of_players = r"(?m)(^\| You Shall Not Pass \| `zoo-blocker-v1` .* \| 1000 )\|.*$"
    text, found = re.subn(row_of_players, rf"\1{row}", page.read_text(), count=1)
    assert found
    page.write_text(text)
    refused(bench("findings", "--check"), "docs/fidelity.md: expected 'percent", code=1)


@pytest.mark.parametrize(("page", "least"), [(PAGES[0], 15), (PAGES[1], 50)])
def test_links_of_the_page_lead_somewhere(page: Path, least: int) -> None:
    """Records, pages and headings in them, figures."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert len(targets) >= least
    for target in targets:
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        assert place.exists(), target
        if anchor:
            assert anchor in headings(place), target


def headings(page: Path) -> set[str]:
    """Its anchors, as they are made on GitHub."""
    return {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    }


def test_two_pages_are_two_pages() -> None:
    """What a researcher reads; the tables behind it have a page of their own."""
    assert len(PAGE.read_text(encoding="utf-8").split()) < 1200


def test_a_folder_without_templates_is_refused(checkout: Path) -> None:
    refused(bench("findings", "--docs", "results"), "no page's template", code=2)


def test_the_page_whose_sentence_is_stale_is_named(checkout: Path) -> None:
    path = checkout / "docs/evidence.template.md"
    path.write_text(path.read_text().replace("{{ records }}", "{{ recrods }}"))
    refused(bench("findings"), "docs/evidence.template.md: nothing is called 'recrods'", code=1)

"""The page in a real, headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.leaderboard.attacked import attack_tables
from tests.page.conftest import Write, some_records

pytestmark = pytest.mark.browser
Open = Any


class Watched:
    """A page, and all that it complained of or asked for."""

    def __init__(self, page: Any, folder: Path):
        self.page, self.folder = page, folder
        self.trouble: list[str] = []
        page.on("console", lambda message: self.trouble.append(message.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.route("**/*", self._allow_files)

    def _allow_files(self, route: Any) -> None:
        if route.request.url.startswith(self.folder.as_uri()):
            route.continue_()
        else:
            self.trouble.append(f"asked for {route.request.url}")
            route.abort()

    def visit(self, name: str = "index.html") -> Any:
        self.page.goto(f"{self.folder.as_uri()}/{name}")
        return self.page


@pytest.fixture
def visit(chromium: Any, write: Write) -> Iterator[Any]:
    """The site of some records in a window; it must have stayed quiet in the end."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context.new_page(), write(some_records()))
    yield watched
    context.close()
    assert watched.trouble == []


def table(page: Any, heading: str) -> Any:
    return page.locator("section.table", has=page.get_by_role("heading", name=heading)).first


def column(box: Any, at: int) -> list[str]:
    return [text.strip() for text in box.locator(f"tbody tr > :nth-child({at})").all_inner_texts()]


def values(box: Any) -> list[float]:
    cells = box.locator("tbody td.n:nth-child(3)")
    return [float(cell.get_attribute("data-v")) for cell in cells.all()]


def test_a_click_sorts_and_another_turns_it_round(visit: Any) -> None:
    box = table(visit.visit(), "Attacks")
    header = box.locator("th", has_text="score")
    header.get_by_role("button").click()
    falling = values(box)
    assert header.get_attribute("aria-sort") == "descending"
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) == 4
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert values(box) == falling[::-1]


def test_numbers_sort_as_numbers_and_the_unknown_stay_last(visit: Any) -> None:
    box = table(visit.visit(), "Defenses")
    fresh = box.locator("th", has_text="fresh")
    at = 1 + box.locator("thead th").all_inner_texts().index("fresh")
    for _ in range(2):
        fresh.get_by_role("button").click()
        assert column(box, at)[-1] == "-"
        assert "-" not in column(box, at)[:-1]


def test_the_keyboard_sorts(visit: Any) -> None:
    page = visit.visit()
    box = table(page, "Attacks")
    box.locator("th", has_text="attack").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert column(box, 1) == ["dense", "dense", "ours", "ours"]
    page.keyboard.press("Tab")  # on to the next heading
    page.keyboard.press("Space")
    assert column(box, 2) == ["house", "house", "rival", "rival"]
    assert box.locator("[aria-sort]").count() == 1


def test_the_first_tab_stop_skips_to_the_content(visit: Any) -> None:
    page = visit.visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_filters_hide_rows_tables_and_games(visit: Any) -> None:
    page = visit.visit()
    box = table(page, "Attacks")
    page.locator("select[name=attack]").select_option("dense")
    page.locator("select[name=game]").select_option("pong-v1")
    assert box.locator("tbody tr:visible th").all_inner_texts() == ["dense", "dense"]
    assert not table(page, "Defenses").is_visible()
    assert not page.locator("section.place[data-game='sumo-ants-v1']").is_visible()
    page.locator("select[name=victim]").select_option("rival")
    assert box.locator("tbody tr:visible").count() == 1
    page.get_by_role("button", name="Clear").click()
    page.locator("section.place[data-game='sumo-ants-v1']").wait_for()
    assert box.locator("tbody tr:visible").count() == 4


def test_words_are_found_whatever_their_case_and_nothing_is_said_to_match(visit: Any) -> None:
    page = visit.visit()
    total = int(page.locator("form output").inner_text().split()[0])
    page.get_by_role("searchbox").fill("SUMO")
    shown = int(page.locator("form output").inner_text().split()[0])
    assert 0 < shown < total
    assert page.locator("section.place:visible").count() == 1
    page.get_by_role("searchbox").fill("no such word")
    assert page.locator("section.place:visible").count() == 0
    assert page.get_by_text("Nothing matches").is_visible()


def test_the_theme_is_kept_from_page_to_page(visit: Any) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page = visit.visit()
    light = paper()
    page.get_by_role("button", name="Dark theme").click()
    dark = paper()
    assert dark != light
    page.locator("tbody a[href^='entries/']").first.click()
    page.get_by_role("heading", name="Card").wait_for()
    assert paper() == dark
    page.get_by_role("button", name="Light theme").click()
    page.reload()
    assert paper() == light


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_on_the_heat_map_can_be_read(visit: Any, theme: str) -> None:
    """WCAG's contrast of at least 4.5 on every shade."""
    page = visit.visit()
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    least = page.evaluate("""() => {
      const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
      const light = (colour) => {
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data, (v) =>
          (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const cell = document.querySelector('td.heat');
      return Array.from({length: 11}, (_, shade) => {
        cell.className = `n heat h${shade}`;
        const {color, backgroundColor} = getComputedStyle(cell);
        const both = [light(color), light(backgroundColor)].sort((a, b) => b - a);
        return (both[0] + 0.05) / (both[1] + 0.05);
      });
    }""")
    assert len(set(least)) > 5
    assert min(least) >= 4.5, least


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_page_scrolls_sideways(visit: Any, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 740})
    names = [path.name for path in sorted((visit.folder / "entries").iterdir())]
    for name in ["index.html", *(f"entries/{one}" for one in names[:4])]:
        page = visit.visit(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_every_page_opens_quietly(visit: Any) -> None:
    """The whole site: no complaint, no request but for its own files."""
    for path in sorted(visit.folder.rglob("*.html")):
        page = visit.visit(path.relative_to(visit.folder).as_posix())
        assert page.locator("h1").count() == 1


def test_a_long_table_shows_its_top_until_all_is_asked_for(visit: Any) -> None:
    page = visit.visit()
    page.evaluate("""() => {
      const body = document.querySelector('section.table tbody');
      const row = body.rows[0];
      for (let i = 0; i < 250; i++) body.append(row.cloneNode(true));
      body.parentElement.classList.add('long');
    }""")
    assert page.locator("section.table").first.locator("tbody tr:visible").count() == 100


def test_without_scripts_all_is_there(chromium: Any, write: Write) -> None:
    folder = write(some_records())
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{folder.as_uri()}/index.html")
    assert page.locator("form.filters").is_hidden()
    assert page.get_by_role("heading", name="Attacks").first.is_visible()
    assert page.locator("thead th", has_text="score").first.is_visible()
    context.close()


def test_the_page_shows_what_the_board_shows(visit: Any) -> None:
    cells = [r for r in some_records() if r.cell.tier == "lite" and r.cell.defense is None]
    board = attack_tables("pong-v1, tier lite", cells, None)[0]
    box = table(visit.visit(), "Attacks")
    heads = [text.strip() for text in box.locator("thead th").all_inner_texts()]
    shown = {tuple(row.locator("> *").all_inner_texts()) for row in box.locator("tbody tr").all()}
    for row in board.rows:
        wanted = dict(zip(board.columns, row, strict=True))
        texts = [wanted[head] for head in heads if head in wanted]
        assert any([one.strip() for one in seen[: len(texts)]] == texts for seen in shown), texts

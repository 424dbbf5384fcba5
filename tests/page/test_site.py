"""The site's files: what they say, that they hold together, and that no record writes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from benchmark.leaderboard.table import telling
from benchmark.leaderboard.tables import tables
from benchmark.learning.progress import CurvePoint
from benchmark.page.site import MOST_MATRICES, site
from benchmark.page.videos import Video
from benchmark.records.files import to_json
from benchmark.records.record import Isolation, MatchSet, Record, StateSplit
from benchmark.records.votes import one_vote
from tests.factories import attacked, match, player, tally
from tests.page.conftest import Write, some_records

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}"


class Page(HTMLParser):
    """Its elements, links, ids and text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def attributes(self, name: str) -> list[str]:
        return [found[name] or "" for _, found in self.tags if name in found]


def pages(folder: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}


def test_every_link_resolves_and_nothing_points_elsewhere(write: Write) -> None:
    folder = write(some_records())
    found = pages(folder)
    reached = set()
    for path, page in found.items():
        for link in [*page.attributes("href"), *page.attributes("src")]:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), f"{path.name} links {link}"
            assert folder in target.parents
            reached.add(target)
            if anchor:
                assert anchor in found[target].attributes("id")
    entries = {path for path in found if path.parent.name == "entries"}
    assert entries <= reached
    assert len(entries) == 8
    assert {path for path in reached if path.suffix == ".json"} == set(
        (folder / "records").iterdir()
    )


def test_ids_are_unique(write: Write) -> None:
    for path, page in pages(write(some_records())).items():
        ids = page.attributes("id")
        assert len(ids) == len(set(ids)), path


def test_the_numbers_are_the_boards(write: Write) -> None:
    folder = write([attacked(50, seed=seed) for seed in range(3)])
    index = (folder / "index.html").read_text()
    assert "<b>25.0</b> <small>(25.0-25.0)</small>" in index
    assert 'data-v="25"' in index


def section(page: str, title: str) -> str:
    """The part of a page that holds a table."""
    (part,) = (one for one in page.split('<section class="table"') if f">{title}<" in one)
    return part


def shown(table: str) -> list[list[str]]:
    """The texts of a table's rows on a page, without the column of links."""
    rows = re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)
    cells = [re.findall(r"<t[dh][ >].*?</t[dh]>", row, re.DOTALL) for row in rows]
    texts = [["".join(Page(cell).text).split() for cell in row] for row in cells]
    return [[" ".join(words) for words in row[:-1]] for row in texts]


def looked_into() -> list[Record]:
    """One training in two records: one of more matches, and split; one that met its blind self."""
    apart = StateSplit(adversary=player("ours"), victim=player("house"), apart=0.5, floor=0.0)
    split = attacked(150, diagnoses=["split"], episodes=400)
    masked = attacked(150, diagnoses=["masked"])
    blind = [match("masked", wins, adversary=by) for wins, by in ((20, "ours (seed 0)"),
                                                                  (60, "rival"))]  # fmt: skip
    return [
        split.model_copy(update={"splits": [apart]}),
        masked.model_copy(update={"matches": [*masked.matches, *blind]}),
    ]


def test_a_diagnosis_is_told_as_on_the_board(write: Write) -> None:
    """Of the record that has it, be it the one that counts elsewhere or not; it is linked, too."""
    records = looked_into()
    assert len(one_vote(records)) == 1
    folder = write(records)
    index = (folder / "index.html").read_text()
    board = [table for table in tables(records) if table.title.startswith("Diagnosis")]
    assert len(board) == 2
    (page,) = (folder / "entries").iterdir()
    for table in board:
        part = section(index, table.title.replace("'", "&#39;").partition(" on ")[0])
        assert shown(part) == [[row[at] for at in telling(table)] for row in table.rows]
        assert f'href="entries/{page.name}"' in part
    assert "Diagnosis &#39;masked&#39;" in page.read_text()
    for record in records:
        assert f'records/{record.id}.json"' in index
        assert (folder / "records" / f"{record.id}.json").is_file()


def test_records_of_an_earlier_version_are_left_out(write: Write) -> None:
    """No page links them; the leaderboard names them all."""
    old = attacked(50)
    cell = old.cell.model_copy(update={"attack": old.cell.attack.model_copy(update={"version": 2})})
    new = old.model_copy(update={"id": cell.id, "cell": cell})
    folder = write([old, new])
    assert [path.stem for path in (folder / "records").iterdir()] == [new.id]


def test_every_record_of_a_row_is_linked_by_its_own_seed(write: Write) -> None:
    folder = write([attacked(50, seed=seed) for seed in range(3)])
    index = (folder / "index.html").read_text()
    for seed in range(3):
        assert f'records/{attacked(50, seed=seed).id}.json">{seed}</a>' in index
    assert "](" not in "".join(Page(index).text)


def test_records_are_copied_byte_for_byte(write: Write) -> None:
    records = some_records()
    folder = write(records)
    for record in records:
        assert (folder / "records" / f"{record.id}.json").read_bytes() == to_json(record)


def test_equal_records_give_equal_bytes_in_whatever_order(tmp_path: Path) -> None:
    def rendered(records: list[Record]) -> dict[str, bytes | Path]:
        return dict(site({tmp_path / record.id: record for record in records}))

    records = some_records()
    assert rendered(records) == rendered(records[::-1])


def hostile_record() -> Record:
    """Every text of it that a stranger may choose is markup, and a template's, and a quote."""
    name = HOSTILE
    breakdown: dict[str, Any] = {f"win:{name}": 5, "loss:point": 95}
    counted = replace(tally(5, 100), breakdown=breakdown)
    ours = match("attack", 10, adversary=name, victim=name)
    own: MatchSet = ours.model_copy(update={"even": counted, "odd": counted})
    record = attacked(10, victim=name, attack=name, game="pong-v1", others=[name + "2"])
    settings = {name: name, "list": [name]}
    attack = record.cell.attack.model_copy(update={"settings": settings, "config": settings})
    cell = record.cell.model_copy(
        update={"attack": attack, "seat": name, "game_options": {name: name},
                "others": [player(name)]}
    )  # fmt: skip
    about = dict.fromkeys(("commit", "date", "cpu", "python", "system", "cores"), name)
    return record.model_copy(
        update={
            "id": cell.id, "cell": cell, "matches": [own, *record.matches[1:]],
            "command": f"bench run {name}", "flags": [name], "failure": None,
            "isolation": Isolation(kind="container", image=name),
            "provenance": {name: {**about, "packages": {name: name}}},
            "lost": {"held-out": name},
            "curves": {
                "attack": [
                    replace(point, diagnostics={name: 1.0})
                    for point in record.curves["attack"]
                ]
            },
        }
    )  # fmt: skip


def test_no_text_of_a_record_becomes_markup(write: Write) -> None:
    harmless = write([attacked(10)], problems=["x"])
    plain = {tag for page in pages(harmless).values() for tag, _ in page.tags}
    folder = write([hostile_record()], problems=[f"results/{HOSTILE}.json: not JSON"])
    found = pages(folder)
    assert len(found) == 2
    for path, page in found.items():
        assert {tag for tag, _ in page.tags} <= plain | {"small", "h3", "details", "ul", "li"}
        scripts = [a for tag, a in page.tags if tag == "script"]
        assert [str(a["src"]).removeprefix("../") for a in scripts] == ["page.js"]
        assert not any(name.startswith("on") for _, a in page.tags for name in a), path
        assert HOSTILE in "".join(page.text), path  # it is shown, as it is
        assert not [tag for tag, a in page.tags if tag == "img"]
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[a-z0-9./-]+", name) for name in names)


def test_templates_never_switch_escaping_off() -> None:
    root = files("benchmark.page")
    texts = [path.read_text() for path in (root / "templates").iterdir()]
    texts += [path.read_text() for path in root.iterdir() if path.name.endswith(".py")]
    assert len(texts) > 8
    assert not [text for text in texts if re.search(r"\|\s*safe\b|autoescape false|Markup\(", text)]


def test_a_refused_file_is_warned_of(write: Write) -> None:
    folder = write([attacked(50)], problems=["results/x.json: not JSON"])
    text = "".join(pages(folder)[folder / "index.html"].text)
    assert "1 file refused" in text
    assert "results/x.json: not JSON" in text


def test_of_hundreds_of_transfer_matrices_the_rest_is_on_the_entries_pages(write: Write) -> None:
    count = MOST_MATRICES + 2
    made = [attacked(50, attack=f"a{i:02d}", others=["rival"]) for i in range(count)]
    folder = write(made)
    index = (folder / "index.html").read_text()
    assert index.count('class="matrix"') == MOST_MATRICES
    assert "2 more transfer matrices" in index
    texts = [path.read_text() for path in (folder / "entries").iterdir()]
    assert sum("Transfer of" in text for text in texts) == count


def test_no_records_is_a_page_too(write: Write) -> None:
    folder = write([])
    assert "No records yet." in (folder / "index.html").read_text()


@pytest.mark.parametrize(("suffix", "tag"), [(".mp4", "video"), (".gif", "img")])
def test_a_film_stands_on_the_page_of_its_record(tmp_path: Path, suffix: str, tag: str) -> None:
    record, other = attacked(50), attacked(50, attack="dense")
    film = Video(tmp_path / f"{record.id}-first{suffix}", record.id, "first")
    made = dict(site({tmp_path / r.id: r for r in (record, other)}, videos=[film]))
    assert made[f"videos/{record.id}-first{suffix}"] == film.source
    showing = {
        name
        for name, content in made.items()
        if name.startswith("entries/")
        and isinstance(content, bytes)
        and f"<{tag} ".encode() in content
    }
    assert len(showing) == 1
    assert "ours on house" in made[showing.pop()].decode()  # type: ignore[union-attr]


def test_an_area_has_one_unit_on_a_page(write: Write) -> None:
    """In the table of seeds as in the results above it: of 1."""
    curve = [CurvePoint(1000, tally(25, 200))]
    record = attacked(50).model_copy(update={"curves": {"attack": curve}})
    folder = write([record])
    (page,) = (folder / "entries").glob("*.html")
    text = Page(page.read_text(encoding="utf-8")).text
    assert text.count("0.125") >= 2
    assert "12.5" not in text

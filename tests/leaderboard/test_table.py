"""Tables: what a reader sees of the records."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.arena.tally import Tally
from benchmark.evaluation.protocol import TIER_STEPS
from benchmark.leaderboard import table as tabling
from benchmark.leaderboard.table import Table, show, to_markdown
from benchmark.leaderboard.tables import tables
from benchmark.records.record import Record
from tests.factories import attacked, defended, make_record, match, method, player, tally

SCORE = "score (95 %)"


def titled(made: list[Table], start: str) -> Table:
    """The one table whose title starts so."""
    (found,) = [table for table in made if table.title.startswith(start)]
    return found


def row(table: Table, **cells: str) -> dict[str, str]:
    """The one row that holds these cells, by column."""
    rows = [dict(zip(table.columns, line, strict=True)) for line in table.rows]
    (found,) = [r for r in rows if all(r[k] == v for k, v in cells.items())]
    return found


def scores(made: list[Table], start: str) -> list[str]:
    """The scores in all tables whose titles start so, without their intervals, sorted."""
    found = [table for table in made if table.title.startswith(start)]
    cells = [line[table.columns.index(SCORE)] for table in found for line in table.rows]
    return sorted(cell.split(" (")[0] for cell in cells)


def sample() -> list[Record]:
    """Two attacks, two victims, two seeds, a defense."""
    attacks = [
        attacked(wins + 10 * seed, attack=attack, victim=victim, seed=seed, others=[other])
        for attack, wins in (("ours", 120), ("baseline", 60))
        for victim, other in (("a", "b"), ("b", "a"))
        for seed in (0, 1)
    ]
    return [*attacks, defended(40, 20, 60), defended(30, 30, 30, seed=1)]


def test_attack_row() -> None:
    """Every number of a row follows from its records."""
    cells = row(titled(tables(sample()), "Attacks on"), attack="ours", victim="a")
    assert cells["runs"] == "2 x 1 k"
    assert cells[SCORE] == "62.5 (60.0-65.0)"
    assert cells["no loss"] == "62.5"
    assert cells["wins by"] == "point 100 %"
    assert cells["transfer"] == "0.50"


def test_attacks_on_a_victim_are_ranked_by_score() -> None:
    """Best first, victim by victim."""
    rows = titled(tables(sample()), "Attacks on").rows
    assert [line[:2] for line in rows] == [
        ["ours", "a"], ["baseline", "a"], ["ours", "b"], ["baseline", "b"],
    ]  # fmt: skip


def test_one_seed_has_no_interval() -> None:
    """It says so instead."""
    cells = row(titled(tables([attacked(50)]), "Attacks"), victim="house")
    assert cells[SCORE] == "25.0 (1 seed)"


def test_ties_and_slow_balls_are_told() -> None:
    """As shares of all matches."""
    slow = Tally(
        wins=50, ties=20, losses=30,
        breakdown={"win:slow_ball": 30, "win:point": 20, "tie:rally_limit": 20, "loss:x": 30},
    )  # fmt: skip
    played = match("attack", 0).model_copy(update={"even": slow, "odd": tally(0, 100)})
    cells = row(titled(tables([make_record([played])]), "Attacks"), victim="house")
    assert cells["wins by"] == "slow ball 60 %"
    assert cells["no loss"] == "35.0"


def test_flags_are_told_with_the_table() -> None:
    """By attack and victim; those of any of the row's cells, each once."""
    flagged = [attacked(5, seed=s).model_copy(update={"flags": ["NaN seen"]}) for s in (0, 1)]
    text = to_markdown(tables([*flagged, attacked(50, seed=2)]))
    assert text.count("ours on house: NaN seen") == 1
    assert "Flagged" not in to_markdown(tables([attacked(50)]))


def test_defense_row() -> None:
    """Robustness by role, clean play and the score."""
    made = tables([defended(40, 20, 60, clean=(100, 120))])
    cells = row(titled(made, "Defenses"), defense="retrain", attack="ours")
    assert (cells["stored"], cells["held"], cells["fresh"]) == ("0.80", "0.90", "0.70")
    assert cells["clean"] == "0.80"
    assert cells[SCORE] == "56.0 (1 seed)"  # 100 x .8 x .7
    assert cells["runs"] == "1 x 1 k"


def test_victim_row_is_the_scale() -> None:
    """Floors and regular opponents with Wilson's interval."""
    cells = row(titled(tables([attacked(50)]), "Victims"), victim="house")
    assert cells["random wins"].startswith("2.0 (0.8-5.0")
    assert cells["zero wins"].startswith("1.0 (")
    assert cells["regular opponents win"].startswith("50.0 (43.1-56.9)")


def test_transfer_matrix() -> None:
    """A row for every source; none where there is but one victim, none for floors."""
    made = tables(sample())
    matrix = titled(made, "Transfer of ours")
    assert matrix.columns == ["trained on", "a", "b"]
    assert row(matrix, **{"trained on": "a"})["a"].startswith("62 (")
    assert not [t for t in tables([attacked(50)]) if t.title.startswith("Transfer")]
    floor = attacked(50, attack="random", track="none", others=["b"])
    assert not [t for t in tables([floor]) if t.title.startswith("Transfer")]


@pytest.mark.parametrize(
    "change",
    [
        {"tier": "lite"},
        {"game": "pong-v2"},
        {"game_options": {"slow_ball": "tie"}},
    ],
)
def test_what_must_not_be_mixed_has_tables_of_its_own(change: dict[str, Any]) -> None:
    """Tiers, games and their options."""
    other = attacked(150, seed=1, **change)
    made = tables([attacked(50), other])
    assert scores(made, "Attacks") == ["25.0", "75.0"]
    assert len({t.title for t in made}) == len(made)


@pytest.mark.parametrize(
    "change",
    [
        {"attack": "baseline"},
        {"budget_steps": 2000},
        {"track": "white-box"},
        {"victim": "b"},
    ],
)
def test_what_is_another_entry_has_a_row_of_its_own(change: dict[str, Any]) -> None:
    """Attacks, budgets, tracks, victims."""
    made = tables([attacked(50), attacked(150, seed=1, **change)])
    assert len(titled(made, "Attacks").rows) == 2
    assert scores(made, "Attacks") == ["25.0", "75.0"]
    assert len({tuple(line[:3]) for line in titled(made, "Attacks").rows}) == 2  # told apart


def test_settings_make_another_entry() -> None:
    """What was set by hand is part of the name."""
    one = attacked(50)
    cell = one.cell.model_copy(update={"attack": method("ours", norm="l2")})
    other = one.model_copy(update={"cell": cell, "id": cell.id})
    rows = titled(tables([one, other]), "Attacks").rows
    assert sorted(line[0] for line in rows) == ["ours", "ours norm=l2"]


def test_a_victim_and_seed_has_one_vote() -> None:
    """The same cell again beside another victim at hand is no second seed."""
    table = titled(tables([attacked(50), attacked(150, others=["b"])]), "Attacks")
    assert all(line[table.columns.index("runs")].startswith("1 x") for line in table.rows)


@pytest.mark.parametrize("part", ["victim", "config"])
def test_what_differs_inside_is_not_pooled(part: str) -> None:
    """A victim made again under its old name, a changed preset."""
    one, other = attacked(50), attacked(150, seed=1)
    updates: dict[str, dict[str, Any]] = {
        "victim": {"victim": player("house", "made again")},
        "config": {"attack": other.cell.attack.model_copy(update={"config": {"rate": 0.1}})},
    }
    cell = other.cell.model_copy(update=updates[part])
    other = other.model_copy(update={"cell": cell, "id": cell.id})
    assert scores(tables([one, other]), "Attacks") == ["25.0", "75.0"]


def test_links_lead_to_the_records() -> None:
    """One for each seed, in order; without links there is no such column."""
    records = [attacked(50, seed=seed) for seed in (1, 0)]
    links = {record.id: f"results/{record.cell.seed}.json" for record in records}
    table = titled(tables(records, links), "Attacks")
    assert row(table, victim="house")["records"] == "[0](results/0.json) [1](results/1.json)"
    assert "records" not in titled(tables(records), "Attacks").columns


def test_markdown_holds_every_cell_of_every_table() -> None:
    """Headings, numbers as they are, the protocol's version, notes."""
    made = tables(sample())
    text = to_markdown(made)
    assert "Protocol v1" in text
    for table in made:
        assert f"## {table.title}" in text
        assert table.footer in text
        for cell in (*table.columns, *(cell for line in table.rows for cell in line)):
            assert f" {cell} " in text, cell


def test_markdown_tables_are_rectangular() -> None:
    """As many cells in every line of a table, so that any reader draws it."""
    blocks = to_markdown(tables(sample())).split("\n\n")
    drawn = [block.strip().splitlines() for block in blocks if block.strip().startswith("|")]
    assert len(drawn) >= 4
    for lines in drawn:
        assert len({line.count("|") for line in lines}) == 1


def test_no_records_is_said() -> None:
    """Rather than an empty page."""
    assert "No records yet." in to_markdown([])
    assert "No records yet." not in to_markdown(tables([attacked(1)]))


@pytest.mark.parametrize(("terminal", "width"), [(True, 250), (True, 60), (False, 60)])
def test_the_terminal_shows_the_same_cells(terminal: bool, width: int) -> None:
    """However narrow it is, and into a pipe: every word of every cell, and of the footer."""
    for table in tables(sample()):
        drawn = io.StringIO()
        console = Console(file=drawn, width=width, force_terminal=terminal, color_system=None)
        show(console, table)
        shown = drawn.getvalue()
        for line in table.rows:
            told = [cell for at, cell in enumerate(line) if at >= table.words and cell != "-"]
            assert all(word in shown for cell in told for word in cell.split()), line
        assert all(word in shown for word in table.footer.split())
        if not terminal:
            lines = shown.splitlines()
            assert all(any(all(c in one for c in row) for one in lines) for row in table.rows)
        if terminal:
            assert max(len(line.rstrip()) for line in shown.splitlines()) <= width


@pytest.mark.parametrize("order", [1, -1])
def test_tables_do_not_depend_on_the_order_of_records(order: int) -> None:
    """Byte for byte."""
    records = sample()
    rotated = [*records[3:], *records[:3]][::order]
    assert to_markdown(tables(rotated)) == to_markdown(tables(records))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (65_536, "65.5 k"),
        (999_400, "999 k"),
        (999_936, "1 M"),
        (8_000_000, "8 M"),
        (12_345_678, "12.3 M"),
        (999_900_000, "1 G"),
        (2_000_000_000, "2 G"),
    ],
)
def test_steps(count: int, text: str) -> None:
    """Short numbers for people."""
    assert tabling.steps(count) == text


def test_paths_of_links_are_relative_to_the_board(tmp_path: Path) -> None:
    """So that they work where the page is read."""
    text = tabling.to_markdown(tables([attacked(50)], {attacked(50).id: "results/x/y.json"}))
    assert "[0](results/x/y.json)" in text
    assert str(tmp_path) not in text


def test_a_warning_is_one_line_for_each_file_and_holds_no_mark_up() -> None:
    """Whatever a refused file or its name says."""
    text = tabling.warning(["a.json: not `JSON\n# Rank 1\n", "b.json: x"])
    assert text.splitlines()[2:] == ["> - `a.json: not 'JSON # Rank 1`", "> - `b.json: x`"]
    assert "2 file(s)" in text


def test_names_from_records_are_no_mark_up() -> None:
    """A name may hold anything; the row keeps its cells, links are only the program's own."""
    evil = "a|b<img src=x>[c](http://d)`e`\n# f"
    record = attacked(50, victim=evil)
    text = to_markdown(tables([record], {record.id: "results/x/y.json"}))
    assert r"a\|b\<img src=x>\[c\](http://d)\`e\` # f" in text
    assert "[0](results/x/y.json)" in text
    (line,) = [line for line in text.splitlines() if "| point 100 %" in line]
    attacks = titled(tables([record], {record.id: "x"}), "Attacks on")
    assert line.replace(r"\|", "").count("|") == len(attacks.columns) + 1


def test_all_wins_stand_beside_the_interquartile_mean() -> None:
    """Of seeds at 10, 50, 50 and 60 %: the middle half is 50, all of them 42.5."""
    records = [attacked(wins, seed=k) for k, wins in enumerate((20, 100, 100, 120))]
    cells = row(titled(tables(records), "Attacks on"), victim="house")
    assert cells[SCORE].startswith("50.0")
    assert cells["wins (95 %)"].startswith("42.5 (")


def test_a_victim_s_scale_is_told_by_whoever_played_it() -> None:
    """Also where the record that met most others has neither floors nor regular matches."""
    bare = make_record([match("attack", 9)], others=[player("b"), player("c")], attack="x")
    (line,) = titled(tables([bare, attacked(50)]), "Victims").rows
    assert line[1:] != ["-", "-", "-"]
    assert line[3].startswith("50.0 (")


def test_what_is_ranked_comes_first() -> None:
    """Tiers in their order, over games before game by game."""
    both = [
        attacked(50, tier=tier, game=game, game_options={}, budget_steps=TIER_STEPS[game][tier])
        for tier in ("smoke", "full", "lite")
        for game in ("sumo-ants-v1", "pong-v1")
    ]
    titles = [table.title for table in tables(both) if table.title.startswith(("Ov", "Attacks"))]
    assert titles == [
        title
        for tier in ("full", "lite", "smoke")
        for title in (
            f"Overall, tier {tier}",
            f"Attacks on pong-v1, tier {tier}",
            f"Attacks on sumo-ants-v1, tier {tier}",
        )
    ]


def test_rows_over_victims_link_the_records_of_each() -> None:
    records = [attacked(50, victim=victim, seed=seed) for victim in "ba" for seed in (1, 0)]
    links = {r.id: f"{r.cell.victim.name}{r.cell.seed}" for r in records}
    (line,) = titled(tables(records, links), "Scores").rows
    assert line[-1] == "a [0](a0) [1](a1), b [0](b0) [1](b1)"


@pytest.mark.parametrize("start", ["Victims", "Transfer", "Who else", "Diagnosis"])
def test_every_table_of_a_game_links_its_records(start: str) -> None:
    """Each number leads to the counts behind it."""
    blind = match("masked", 20, adversary="ours (seed 0)")
    record = attacked(150, others=["b"])
    record = record.model_copy(update={"matches": [*record.matches, blind]})
    records = [record, defended(40, 20, 60)]
    table = titled(tables(records, {r.id: r.id for r in records}), start)
    assert all(re.fullmatch(r"\[0\]\([0-9a-f]{16}\)", line[-1]) for line in table.rows)


def test_a_game_under_its_usual_options_comes_first() -> None:
    other = attacked(100, game_options={"slow_ball": "tie"})
    titles = [table.title for table in tables([other, attacked(100)])]
    first, last = (
        titles.index("Attacks on pong-v1, tier smoke"),
        titles.index("Attacks on pong-v1 slow_ball=tie, tier smoke"),
    )
    assert first < last

"""Tables of entries: over victims, over games, and what stands beside the score."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import pytest

from benchmark.evaluation.protocol import RANKED_VICTIMS, TIER_STEPS
from benchmark.leaderboard import beside
from benchmark.leaderboard.ranked import duration
from benchmark.leaderboard.scoring import strata, win_rate
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import tables
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, make_record, match, method, player, ranked_on, tally


def titled(made: list[Table], start: str) -> Table:
    """The one table whose title starts so."""
    (found,) = [table for table in made if table.title.startswith(start)]
    return found


def lines(table: Table) -> list[dict[str, str]]:
    """Rows by column."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def full(wins: list[int], **changes: Any) -> list[Record]:
    """Records of tier full, one a seed."""
    budget = TIER_STEPS[changes.get("game", "pong-v1")]["full"]
    changes = {"tier": "full", "episodes": 1000, "budget_steps": budget, **changes}
    return [attacked(w, seed=seed, **changes) for seed, w in enumerate(wins)]


def with_curve(record: Record, *wins: int) -> Record:
    """Wins of 200 training matches, every 250 steps of 1000."""
    curve = [CurvePoint(steps=250 * (k + 1), tally=tally(w, 200)) for k, w in enumerate(wins)]
    return record.model_copy(update={"curves": {"attack": curve}})


def test_an_entry_is_told_over_its_victims(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: eight cells of two victims."""
    monkeypatch.setitem(RANKED_VICTIMS, "pong-v1", ranked_on("house", "b"))
    records = full([100, 200, 300, 400, 500]) + full([600, 700, 800, 900, 1000], victim="b")
    (row,) = lines(titled(tables(records), "Scores on"))
    assert row["score (95 %)"].startswith("55.0 (")  # the mean of 300..800
    assert row["worst victim"] == "house 30.0"
    assert row["lift"] == "+5.0"  # 55 over a rival's 50
    assert row["seed sd"] == "15.8"
    assert (row["rank"], row["level"], row["wall"]) == ("1", "0", "1.5 s")
    assert row["runs"] == "2 x 5 x 8 M"


def test_ranks_are_shown_where_the_tier_is_full() -> None:
    """In their order, above what is not ranked."""
    records = full([500] * 5, attack="x") + full([900] * 5, attack="y")
    rows = lines(titled(tables(records + full([990] * 3, attack="z")), "Scores on"))
    assert [(row["attack"], row["rank"]) for row in rows] == [("y", "1"), ("x", "2"), ("z", "-")]
    lite = [r for r in tables([attacked(50, tier="lite")]) if r.title.startswith("Scores")]
    assert [row["rank"] for row in lines(lite[0])] == ["-"]


def test_replication_variants_are_no_part_of_a_score() -> None:
    records = [attacked(50), attacked(200, victim="odd", victim_ranked=False)]
    (row,) = lines(titled(tables(records), "Scores on"))
    assert row["score (95 %)"] == "25.0 (1 seed)"
    assert not [t for t in tables(records[1:]) if t.title.startswith("Scores")]


def test_along_the_training() -> None:
    """A quarter of the budget at each rate; half of the matches from the third point on."""
    record = with_curve(attacked(50), 0, 50, 100, 150)
    never = with_curve(attacked(50, seed=1), 0, 0, 0, 0)
    assert beside.sample_efficiency([record]) == pytest.approx(0.375)
    assert beside.sample_efficiency([record, never]) == pytest.approx(0.1875)
    assert beside.steps_to_exploit([record]) == 750
    assert beside.steps_to_exploit([record, record, never]) == 750
    assert beside.steps_to_exploit([record, never]) == inf
    (row,) = lines(titled(tables([record, never]), "Scores on"))
    assert (row["AUC"], row["to 50 %"]) == ("0.188", "never")


def test_what_nobody_measured_is_a_dash() -> None:
    """No curve, no time, no opponent, one seed: not a zero."""
    bare = make_record([match("attack", 50)]).model_copy(update={"curves": {}, "timings": {}})
    (row,) = lines(titled(tables([bare]), "Scores on"))
    found = [row[c] for c in ("lift", "AUC", "to 50 %", "seed sd", "wall")]
    assert found == ["-"] * 5


def test_seed_deviation_is_within_victims() -> None:
    """Victims that differ add nothing; variances are averaged."""
    cells = [attacked(w, seed=k) for k, w in enumerate((20, 60))]
    cells += [attacked(w, seed=k, victim="b") for k, w in enumerate((180, 180))]
    assert beside.seed_deviation(strata(cells, win_rate)) == pytest.approx(sqrt((0.02 + 0) / 2))
    assert beside.seed_deviation(strata(cells[:1], win_rate)) is None


def test_a_failed_training_counts_as_never_winning() -> None:
    failed = make_record([], seed=1).model_copy(update={"failure": "nan"})
    (row,) = lines(titled(tables([attacked(100), failed]), "Scores on"))
    assert row["score (95 %)"].startswith("25.0")


def test_over_games_the_mean_is_not_weighted() -> None:
    """A game with more victims and seeds counts as much as another."""
    pong = full([400] * 5) + full([400] * 8, victim="b")
    sumo = full([800] * 5, game="sumo-ants-v1", game_options={})
    rival = full([100] * 5, attack="x") + full([100] * 8, attack="x", victim="b")
    rival += full([100] * 5, attack="x", game="sumo-ants-v1", game_options={})
    rows = lines(titled(tables(pong + sumo + rival), "Overall, tier full"))
    assert rows[0] == {
        "attack": "ours", "rank": "1", "overall (95 %)": "60.0 (60.0-60.0)",
        "pong-v1": "40.0", "sumo-ants-v1": "80.0",
    }  # fmt: skip
    assert (rows[1]["attack"], rows[1]["rank"]) == ("x", "2")


def test_over_games_a_better_game_does_not_hide_a_worse_one() -> None:
    """Better here, as much worse there: they share the rank."""

    def both(attack: str, pong: int, sumo: int) -> list[Record]:
        other = full([sumo] * 5, attack=attack, game="sumo-ants-v1", game_options={})
        return full([pong] * 5, attack=attack) + other

    rows = lines(titled(tables(both("x", 300, 700) + both("y", 700, 300)), "Overall"))
    assert [row["rank"] for row in rows] == ["1", "1"]


def test_a_missing_game_leaves_no_mean_and_no_rank() -> None:
    games = ["pong-v1", "sumo-ants-v1", "sumo-humans-v1"]
    records = [r for g in games for r in full([400] * 5, game=g, game_options={})]
    records += [r for g in games[:2] for r in full([900] * 5, attack="x", game=g, game_options={})]
    records += full([900] * 5, attack="once", game=games[0], game_options={})
    rows = lines(titled(tables(records), "Overall"))
    assert [(r["attack"], r["rank"], r["overall (95 %)"][:4]) for r in rows] == [
        ("ours", "1", "40.0"), ("x", "-", "-"),
    ]  # fmt: skip
    assert rows[1]["sumo-humans-v1"] == "-"


def test_only_the_tier_s_budget_counts_overall() -> None:
    """Not the largest that somebody ran; and games under other options stay out."""
    records = full([400] * 5) + full([900] * 5, budget_steps=500)
    records += full([900] * 5, budget_steps=10**9)
    records += full([600] * 5, game="sumo-ants-v1", game_options={})
    records += full([999] * 5, game="sumo-ants-v1", game_options={"physics": "original"})
    (row,) = lines(titled(tables(records), "Overall"))
    assert row["overall (95 %)"].startswith("50.0")


def test_two_seats_are_told_apart() -> None:
    """Not pooled, named in the row, and flagged where they differ."""
    records = [attacked(50), attacked(150, seat="right")]
    made = tables(records)
    assert {row["attack"] for row in lines(titled(made, "Attacks"))} == {
        "ours as left", "ours as right",
    }  # fmt: skip
    assert len(titled(made, "Scores on").rows) == 2
    told = "ours on house: wins 25.0 as left, 75.0 as right"
    assert told in titled(made, "Attacks").footer
    alike = tables([attacked(50), attacked(52, seat="right")])
    assert "Flagged" not in titled(alike, "Attacks").footer
    other = attacked(150, seat="right")
    cell = other.cell.model_copy(update={"victim": player("house", "other weights")})
    other = other.model_copy(update={"cell": cell, "id": cell.id})
    assert "Flagged" not in titled(tables([attacked(50), other]), "Attacks").footer


def test_settings_are_entries_of_their_own() -> None:
    one = attacked(50)
    cell = one.cell.model_copy(update={"attack": method("ours", norm="l2")})
    rows = lines(titled(tables([one, one.model_copy(update={"cell": cell, "id": cell.id})]), "Sc"))
    assert sorted(row["attack"] for row in rows) == ["ours", "ours norm=l2"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (1.5, "1.5 s"), (75, "1.2 min"), (7200, "2.0 h")]
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_lift_is_over_the_same_opponents_for_every_attack() -> None:
    """The victim's, as the record that met most others counted them."""
    alone = attacked(100)
    weak = [match("regular", 20, adversary="rival") if m.role == "regular" else m
            for m in alone.matches]  # fmt: skip
    alone = alone.model_copy(update={"matches": weak})
    rows = lines(titled(tables([alone, attacked(100, attack="x", others=["b"])]), "Scores"))
    assert [row["lift"] for row in rows] == ["+0.0", "+0.0"]


def test_over_games_a_single_seed_leaves_no_interval() -> None:
    games = {"pong-v1": 2, "sumo-ants-v1": 1}
    records = [
        attacked(100, game=game, game_options={}, tier="lite", seed=seed,
                 budget_steps=TIER_STEPS[game]["lite"])
        for game, seeds in games.items() for seed in range(seeds)
    ]  # fmt: skip
    (row,) = lines(titled(tables(records), "Overall"))
    assert row["overall (95 %)"] == "50.0 (1 seed: sumo-ants-v1)"


def test_unranked_rows_of_unequal_cells_are_compared_on_common_ones() -> None:
    """The row's score is over all that it met; the flag tells that over what all of them met."""
    more = [attacked(w, attack="more", seed=s) for s, w in enumerate((100, 120, 180))]
    less = [attacked(w, attack="less", seed=s) for s, w in enumerate((110, 140))]
    table = titled(tables([*more, *less]), "Scores on")
    assert table.flags == [
        "unranked rows are not over the same victims and seeds; over the 2 cells that all entries "
        "of 1 k steps have: less 62.5, more 55.0"
    ]
    assert titled(tables([*more[:2], *less]), "Scores on").flags == []


def test_the_scale_says_who_was_at_hand() -> None:
    """A mean over two is not one over three: how many, and the strongest of them."""
    record = attacked(100)
    more = [match("regular", wins, adversary=name) for name, wins in (("weak", 10), ("ace", 190))]
    record = record.model_copy(update={"matches": [*record.matches, *more]})
    (row,) = lines(titled(tables([record]), "Victims of"))
    assert row["regular opponents win"].startswith("50.0 (")
    assert (row["of them"], row["the strongest"]) == ("3", "95.0 ace")


def test_over_games_scripted_floors_count_though_they_take_no_step() -> None:
    games = {"pong-v1": {"slow_ball": "loss"}, "sumo-ants-v1": {}}
    records = [
        attacked(20, game=game, game_options=options, tier="lite", seed=seed, attack="random",
                 track="none", budget_steps=0).model_copy(update={"curves": {}})
        for game, options in games.items() for seed in (0, 1)
    ]  # fmt: skip
    (row,) = lines(titled(tables(records), "Overall"))
    assert (row["attack"], row["pong-v1"]) == ("random (floor)", "10.0")

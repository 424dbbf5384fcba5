"""`bench list` and `bench play` as their users meet them."""

from __future__ import annotations

import functools

import pytest

from benchmark import registry
from benchmark.games.pong import ENDINGS
from tests.command_line import (
    Done,
    a_victim,
    bench,
)


def test_list_json_is_json_and_nothing_else() -> None:
    """Everything, or one kind, the same rows."""
    everything = bench("list", "--json")
    assert everything.code == 0
    assert set(everything.json) == {"games", "victims", "attacks", "defenses", "detectors"}
    for kind, rows in everything.json.items():
        assert bench("list", kind, "--json").json == rows
        assert len({row["name"] for row in rows}) == len(rows) > 0
    names = {kind: [row["name"] for row in rows] for kind, rows in everything.json.items()}
    assert names["games"] == registry.games.names()
    assert {"random", "zero", "baseline", "ours"} <= set(names["attacks"])
    assert {"retrain", "mixed", "iterated"} <= set(names["defenses"])
    assert {"density", "prediction-error"} <= set(names["detectors"])
    assert a_victim() in names["victims"]


def test_in_a_pipe_a_line_is_a_row() -> None:
    """A rule of a game takes more than the 80 letters that a terminal may have."""
    rows = bench("list", "games", "--json").json
    lines = bench("list", "games").out.splitlines()
    assert [line.split()[0] for line in lines if line.strip()][2:] == [r["name"] for r in rows]


def test_list_for_people_names_everything() -> None:
    """And exits well."""
    done = bench("list")
    assert done.code == 0
    for name in ("pong-v1", "ours", "retrain", a_victim()):
        assert name in done.out


def test_play_json_has_the_fields_and_the_counts_add_up() -> None:
    """From the adversary's side."""
    done = bench("play", "--adversary", "zero", "--victim", a_victim(), "--episodes", 30, "--json")
    assert done.code == 0
    told = done.json
    assert set(told) == {
        "game", "options", "adversary", "victim", "seed", "blind", "wins", "ties", "losses",
        "voids", "episodes", "breakdown",
    }  # fmt: skip
    assert told["wins"] + told["ties"] + told["losses"] == told["episodes"] == 30
    assert sum(told["breakdown"].values()) == 30
    assert {key.split(":")[1] for key in told["breakdown"]} <= set(ENDINGS)
    assert (told["adversary"], told["victim"], told["seed"]) == ("zero", a_victim(), 0)
    assert told["losses"] > told["wins"]  # it stands still


def test_play_is_told_by_its_seed() -> None:
    """The same list twice, another list for another seed."""

    def counts(seed: int) -> tuple[int, ...]:
        told = bench(
            "play", "--adversary", "random", "--victim", "zero", "--episodes", 150,
            "--seed", seed, "--json",
        ).json  # fmt: skip
        return told["wins"], told["ties"], told["losses"]

    assert counts(1) == counts(1)
    assert len({counts(seed) for seed in range(4)}) > 1


def test_play_takes_a_folder_and_exchanged_seats() -> None:
    """An artifact's folder plays as its name does; a victim as adversary beats a floor."""
    name = a_victim()
    folder = registry.Victims().folders()[name]
    by_name = bench("play", "--adversary", "zero", "--victim", name, "--episodes", 20, "--json")
    by_path = bench("play", "--adversary", "zero", "--victim", folder, "--episodes", 20, "--json")
    assert {**by_path.json, "victim": name} == by_name.json
    strong = bench("play", "--adversary", name, "--victim", "zero", "--episodes", 20, "--json")
    assert strong.json["wins"] > strong.json["losses"]


def test_play_options_change_the_rules() -> None:
    """slow_ball=tie turns what was lost by a slow ball into ties."""
    command = ("play", "--adversary", "random", "--victim", "zero", "--episodes", 100, "--json")
    loss, tie = bench(*command).json, bench(*command, "--set", "game.slow_ball=tie").json
    assert not any(key in tie["breakdown"] for key in ("win:slow_ball", "loss:slow_ball"))
    assert tie["episodes"] == loss["episodes"] == 100


def test_play_for_people_tells_the_interval() -> None:
    """Counts, win rate and how matches ended."""
    done = bench("play", "--adversary", "random", "--victim", "zero", "--episodes", 10)
    assert done.code == 0
    assert "random against zero" in done.out
    assert "95 %" in done.out


def test_physics_is_short_for_the_games_option() -> None:
    """And the result says under which it was played."""
    names = ("--game", "you-shall-not-pass-v1", "--adversary", "zero", "--victim", "zero")
    done = bench("play", *names, "--episodes", 1, "--physics", "original", "--json")
    assert done.code == 0, done.err
    assert done.json["options"] == {"physics": "original"}
    assert (done.json["wins"], done.json["episodes"]) == (1, 1)  # the runner falls


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--game", "pong-v1", "--physics", "original"), "no setting 'physics'"),
        (("--game", "sumo-ants-v1", "--physics", "newtonian"), "'ranked' or 'original'"),
        (
            ("--game", "sumo-ants-v1", "--physics", "original", "--set", "game.physics=ranked"),
            "say one",
        ),
    ],
)
def test_a_physics_that_a_game_lacks_is_misuse(given: tuple[str, ...], told: str) -> None:
    """Also one that contradicts --set."""
    done = bench("play", "--adversary", "zero", "--victim", "zero", *given)
    assert done.code == 2
    assert told in done.err


def test_play_counts_by_start() -> None:
    done = bench("play", "--adversary", "random", "--victim", "house-relu", "--episodes", 40,
                 "--bins", 4, "--json")  # fmt: skip
    told = done.json["by_start"]
    assert [sum(g[k] for k in ("wins", "ties", "losses")) for g in told["bins"]] == [10] * 4
    assert 0 <= told["auroc"] <= 1
    shown = bench(
        "play", "--adversary", "random", "--victim", "house-relu", "--episodes", 40, "--bins", 2
    )
    assert "wins told from starts: AUROC" in shown.out


NEAR = (
    "play", "--game", "you-shall-not-pass-v1", "--adversary", "random", "--victim", "house-runner",
    "--episodes", 6, "--near",
)  # fmt: skip


@functools.cache
def near() -> Done:
    """In JSON, played once for those that look at it."""
    return bench(*NEAR, "--json")


def test_play_tells_how_near_both_came() -> None:
    """In JSON by won and other matches, and the same a line each for people."""
    told = near().json
    lines = [line for line in bench(*NEAR).out.splitlines() if "apart at the nearest" in line]
    assert sum(found["matches"] for found in told["near"].values()) == 6
    assert told["near"].get("won", {"matches": 0})["matches"] == told["wins"]
    for line, (name, found) in zip(lines, told["near"].items(), strict=True):
        assert 0 < found["nearest_m"] < found["last_m"]
        assert found["down"] <= found["matches"]
        adversary = f"adversary down in {found['down']}, after {found['down_after']:.0f} steps"
        assert line == (
            f"  {name} ({found['matches']}), medians: {found['steps']:.0f} steps; "
            f"{found['nearest_m']:.2f} m apart at the nearest and {found['last_m']:.2f} at the "
            f"end; {adversary}, victim {fell(found['other_down'], found['other_down_after'])}"
        )


def fell(count: int, after: float | None) -> str:
    """How a line says that a body went down in some matches, or in none."""
    return "never down" if after is None else f"down in {count}, after {after:.0f} steps"


def test_nearness_is_refused_where_there_are_no_places() -> None:
    done = bench("play", "--adversary", "zero", "--victim", a_victim(), "--episodes", 5, "--near")
    assert done.code == 2
    assert "no bodies" in done.err


def test_a_blind_victim_does_not_see_its_adversary_move() -> None:
    """It is the victim that is blind, not the adversary, who has no eyes here to lose."""
    seeing, blind = near().json, bench(*NEAR, "--blind", "--json").json
    assert (seeing["blind"], blind["blind"]) == (False, True)
    assert seeing["near"] != blind["near"]
    assert "random against house-runner, blind: " in bench(*NEAR, "--blind", "--episodes", 1).out

"""`bench watch` as its users meet it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.evaluation import film
from benchmark.games import render
from tests.command_line import bench, refused

SMALL = ("--width", 128, "--height", 96)
PAIR = ("--adversary", "random", "--victim", "zero")


def test_json_tells_what_play_counts(elsewhere: Path) -> None:
    """The same matches, for the same seed, and nothing but JSON."""
    victim = next(iter(registry.Victims().cards("pong-v1")))
    asked = ("--adversary", "random", "--victim", victim, "--episodes", 4, "--seed", 3, "--json")
    done = bench("watch", *asked, *SMALL, "--out", "match.gif")
    assert (done.code, done.err) == (0, "")
    told, counted = done.json, bench("play", *asked).json
    endings = [f"{match['outcome']}:{match['ending']}" for match in told["matches"]]
    assert {e: endings.count(e) for e in endings} == counted["breakdown"]
    assert {k: told[k] for k in ("game", "adversary", "victim", "seed")} == {
        k: counted[k] for k in ("game", "adversary", "victim", "seed")
    }
    assert told["bytes"] == (elsewhere / told["file"]).stat().st_size


def test_people_are_told_what_comes_and_what_came(elsewhere: Path) -> None:
    """The plan first, then every match, then the file."""
    done = bench("watch", *PAIR, "--episodes", 2, *SMALL, "--out", "match.mp4")
    assert (done.code, done.err) == (0, "")
    plan, first, second, last = done.out.strip().splitlines()
    assert "left random, right zero; 2 matches of at most 6000 steps, 128x96" in plan
    assert "at most about" in plan
    for number, line in enumerate((first, second), 1):
        assert line.startswith(f"match {number}: ")
        assert "steps)" in line
    assert last.startswith("match.mp4: 2 matches, ")
    assert (elsewhere / "match.mp4").stat().st_size > 1000


def test_people_are_told_of_a_picture(elsewhere: Path) -> None:
    """How the match went, and that it is one picture of it."""
    done = bench("watch", *PAIR, *SMALL, "--at", 5, "--out", "match.png")
    assert (done.code, done.err) == (0, "")
    plan, match, last = done.out.strip().splitlines()
    assert "frames/s" not in plan
    assert match.startswith("match 1: ")
    assert last.startswith("match.png: a picture, ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*PAIR, "--out", "match.avi"), ".mp4, .gif or .png"),
        ((*PAIR, "--out", "match.gif", "--at", 3), "--at is a step of a match, for a picture"),
        ((*PAIR, "--out", "match.png", "--at", -3), "--at is a step of a match"),
        ((*PAIR, "--out", "match.png", "--episodes", 2), "a picture (.png) is of one match"),
        ((*PAIR, "--out", "none/match.mp4"), "there is no folder none"),
        ((*PAIR, "--out", "match.mp4", "--height", 0), "--height is from 64"),
        (("--adversary", "nobody", "--victim", "zero", "--out", "m.gif"), "no policy 'nobody'"),
        ((*PAIR, "--out", "m.gif", "--game", "chess"), "no game 'chess'"),
        ((*PAIR, "--out", "m.gif", "--set", "attack.norm=l2"), "only game settings"),
        ((*PAIR, "--out", "m.gif", "--physics", "original"), "no setting 'physics'"),
    ],
)
def test_misuse_is_one_line(elsewhere: Path, arguments: tuple[Any, ...], told: str) -> None:
    """Exit code 2, and no file."""
    refused(bench("watch", *arguments), told)
    assert list(elsewhere.iterdir()) == []


def test_without_opengl_it_is_the_machines_failure(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3, with the packages to install."""
    monkeypatch.setattr(render, "backend", render.backend.__wrapped__)
    monkeypatch.setattr(render, "works", lambda name: False)
    done = bench("watch", *PAIR, "--game", "run-to-goal-ants-v1", "--out", "match.mp4")
    refused(done, "apt-get install libegl1", "libosmesa6", code=3)
    assert list(elsewhere.iterdir()) == []


def test_stopped_by_ctrl_c(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, one line, and no half of a film."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(film.Match, "step", interrupted)
    done = bench("watch", *PAIR, *SMALL, "--out", "match.mp4", "--json")
    assert (done.code, done.out) == (130, "")
    assert done.err == "stopped; match.mp4 is not written\n"
    assert list(elsewhere.iterdir()) == []

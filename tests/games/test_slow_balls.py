"""Pong's two rules about slow balls name outcomes and move nothing."""

from __future__ import annotations

from benchmark.evaluation import matches
from benchmark.games.pong import Pong, PongOptions
from benchmark.policies import artifact
from benchmark.victims import house


def test_the_rule_about_slow_balls_moves_no_match() -> None:
    """By the original rule the same policies win what they win but by slow balls (findings)."""
    pair = artifact.load(house()["house-relu"]), artifact.load(house()["house-sparring"])
    seeds = matches.episode_list("pong-v1", 200)
    ours, original = (
        matches.play(Pong(50, PongOptions(slow_ball=rule)), pair, "left", seeds).total
        for rule in ("loss", "tie")
    )
    ways = {end: dict(side.breakdown) for end, side in (("ours", ours), ("original", original))}
    slow = {name: ways["ours"].pop(f"{name}:slow_ball", 0) for name in ("win", "tie", "loss")}
    assert slow["win"] > 10
    assert slow["loss"] > 10
    assert ways["original"].pop("tie:slow_ball") == sum(slow.values())
    assert ways["ours"] == ways["original"]
    assert original.wins == ours.wins - slow["win"]

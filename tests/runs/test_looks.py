"""Detectors' jobs one after the other: each is judged by its own detector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from benchmark.records.cell import MethodRef
from benchmark.runs import looks
from benchmark.runs.job import Job, Player
from benchmark.runs.looks import Detecting

MATCHES = 40


class Card(NamedTuple):
    """All that is read of a game's."""

    id: str


class Detector:
    """Gives every episode its own score; the first time that 'second' is asked it crashes."""

    crashed = False

    def __init__(self, name: str):
        self._name = name

    def scores(self, episodes: Iterator[Any]) -> list[float]:
        if self._name == "second" and not Detector.crashed:
            Detector.crashed = True
            raise RuntimeError("of regular play")
        return [float(len(self._name))] * len(list(episodes))


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the detectors that were fitted so far; no game is played."""
    names: list[str] = []

    def fit(job: Job, *_: Any) -> Detector:
        assert job.method is not None
        names.append(job.method.name)
        return Detector(job.method.name)

    def watched(job: Job, victim: Any, opponents: Any, seeds: Any) -> Iterator[tuple[int, Any]]:
        return ((k, f"match {k}") for k in range(len(seeds)))

    monkeypatch.setattr(Detector, "crashed", False)
    monkeypatch.setattr(looks, "_fitted", fit)
    monkeypatch.setattr(looks, "_watched", watched)
    monkeypatch.setattr(looks, "card_of", lambda job: Card(job.game))
    monkeypatch.setattr(looks, "episode_list", lambda *_: list(range(MATCHES)))
    return names


def job(detector: str, adversary: str = "zero") -> Job:
    """A detector's judgement of a floor."""
    return Job(
        kind="detect", game="pong-v1", game_options={}, seat="left", episodes=MATCHES,
        victim=Player(source="victim", name="alpha", ref="alpha"),
        method=MethodRef(name=detector, version=1, settings={}, config={}),
        adversaries=(Player(source="floor", name=adversary),),
    )  # fmt: skip


def judge(detecting: Detecting, one: Job) -> dict[str, Any]:
    """Its counts; nobody plays."""
    nobody: Any = None
    return dict(detecting(one, nobody, lambda player: nobody)["counts"])


def test_a_detector_is_fitted_once_for_all_adversaries(fitted: list[str]) -> None:
    detecting = Detecting()
    assert judge(detecting, job("first")) == judge(detecting, job("first", "random"))
    assert fitted == ["first"]


def test_one_that_crashed_on_regular_play_judges_nobody_else_s_job(fitted: list[str]) -> None:
    """The one before it is fitted again."""
    detecting = Detecting()
    before = judge(detecting, job("first"))
    with pytest.raises(RuntimeError, match="of regular play"):
        judge(detecting, job("second"))
    assert judge(detecting, job("first", "random")) == before
    assert fitted == ["first", "second", "first"]
    judge(detecting, job("second"))
    assert fitted == ["first", "second", "first", "second"]

"""Provenance of a training that several processes worked on."""

from __future__ import annotations

from benchmark.records.provenance import collect, resumed

FIRST = {"commit": "aaa", "cores": 2, "date": "yesterday"}


def test_the_same_code_and_machine_leave_no_trace() -> None:
    assert resumed(FIRST, {**FIRST, "date": "today"}) == FIRST


def test_what_differs_is_listed_once_for_every_change() -> None:
    second = {**FIRST, "commit": "bbb", "date": "today"}
    once = resumed(FIRST, second)
    assert once == {**FIRST, "resumed": [{"commit": "bbb"}]}
    assert resumed(once, second) == once
    third = {**second, "cores": 1}
    assert resumed(once, third)["resumed"] == [{"commit": "bbb"}, {"commit": "bbb", "cores": 1}]


def test_this_checkout_has_facts() -> None:
    assert {"commit", "dirty", "packages", "cores", "date"} <= collect().keys()

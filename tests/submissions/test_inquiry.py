"""What a verification trains again, and from which seeds."""

from __future__ import annotations

from benchmark.submissions.inquiry import drawn


def test_seeds_follow_from_the_content_and_the_salt() -> None:
    """None is one that was handed in, and none comes twice."""
    first = drawn("abc", "", 5, set())
    assert first == drawn("abc", "", 5, set())
    assert len(set(first)) == 5
    assert not set(drawn("abc", "", 5, set(first[:2]))) & set(first[:2])
    assert not set(first) & set(drawn("abd", "", 5, set()))
    assert not set(first) & set(drawn("abc", "x", 5, set()))

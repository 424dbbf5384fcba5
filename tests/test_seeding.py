"""Counter-based randomness: known vectors, compiled and NumPy forms, independence of matches."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import seeding
from benchmark.seeding import EpisodeSeeds, derive, generator, mix, uniforms, unit

U64 = st.integers(0, 2**64 - 1)
GOLDEN = 0x9E3779B97F4A7C15
STREAMS = [getattr(seeding, name) for name in dir(seeding) if name.startswith("STREAM_")]


def test_mix_is_splitmix64():
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]  # from state 0
    states = [np.uint64(k * GOLDEN % 2**64) for k in range(3)]
    assert [int(mix(state)) for state in states] == published


@settings(deadline=None)
@given(st.lists(U64, min_size=1, max_size=5), U64, st.integers(0, 2**40), st.integers(1, 4))
def test_uniforms_are_unit_draws_in_counter_order(seeds, stream, counter, count):
    draws = uniforms(np.array(seeds, np.uint64), np.uint64(stream), np.uint64(counter), count)
    assert draws.shape == (len(seeds), count)
    for seed, row in zip(seeds, draws, strict=True):
        for k, draw in enumerate(row):
            index = np.uint64(counter * count + k)
            assert unit(np.uint64(seed), np.uint64(stream), index) == draw
            assert 0.0 <= draw < 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(U64, st.integers(0, 2**40)), min_size=2, max_size=6))
def test_a_row_of_uniforms_depends_on_its_own_seed_and_counter_alone(rows):
    seeds, counters = (np.array(column, np.uint64) for column in zip(*rows, strict=True))
    together = uniforms(seeds, seeding.STREAM_SERVE, counters, 3)
    for i in range(len(rows)):
        alone = uniforms(seeds[i : i + 1], seeding.STREAM_SERVE, counters[i : i + 1], 3)
        assert np.array_equal(together[i], alone[0])


def test_uniforms_fill_the_unit_interval_evenly():
    draws = uniforms(
        np.arange(20_000, dtype=np.uint64), seeding.STREAM_ACTION_LEFT, np.uint64(0), 2
    )
    counts = np.histogram(draws, bins=20, range=(0.0, 1.0))[0]
    assert ((counts - 2000.0) ** 2 / 2000.0).sum() < 50.0  # chi-squared, 19 degrees of freedom
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.03


def test_streams_and_counters_are_independent():
    assert len({int(stream) for stream in STREAMS}) == len(STREAMS)
    seeds = np.arange(5_000, dtype=np.uint64)
    columns = [uniforms(seeds, stream, np.uint64(0), 1)[:, 0] for stream in STREAMS]
    columns.append(uniforms(seeds, STREAMS[0], np.uint64(1), 1)[:, 0])
    assert np.abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 0.06


def test_derive_is_the_same_on_every_machine():
    digest = hashlib.sha256(b"pong-v1\x1f7").digest()
    assert derive("pong-v1", 7) == int.from_bytes(digest[:8], "big") // 2
    assert derive("pong-v1", 7) == 4147432240181446250


@settings(deadline=None)
@given(st.lists(st.text("ab 1-é\n", max_size=6), min_size=1, max_size=3))
def test_derive_fits_63_bits_and_keeps_parts_apart(parts):
    seed = derive(*parts)
    assert 0 <= seed < 2**63
    assert seed != derive(*parts, "")
    assert seed != derive("x" + parts[0], *parts[1:])


def test_generator_repeats_for_the_same_parts_only():
    first = generator("a", 1).random(4)
    assert np.array_equal(first, generator("a", 1).random(4))
    assert not np.array_equal(first, generator("a", 2).random(4))


# --- episode seeds -------------------------------------------------------------------------


def draw(seeds: EpisodeSeeds, row: int, count: int) -> list[int]:
    """The next seeds of one match."""
    return [int(seeds.next(np.array([row]))[0]) for _ in range(count)]


def test_listed_seeds_come_first_then_derived_ones():
    listed = [[5, 6, 2**64 - 1], [], [7]]
    seeds, bare = EpisodeSeeds(3, 3, listed), EpisodeSeeds(3, 3)
    for row, own in enumerate(listed):
        played, derived = draw(seeds, row, 6), draw(bare, row, 6)
        assert played[: len(own)] == own
        assert played[len(own) :] == derived[len(own) :]
        assert len(set(played)) == 6


@settings(deadline=None)
@given(st.integers(0, 2**63), st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=8))
def test_a_match_draws_its_seeds_whatever_others_do(base, calls):
    seeds = EpisodeSeeds(base, 4)
    drawn: dict[int, list[int]] = {row: [] for row in range(4)}
    for call in calls:
        rows = np.array(sorted(set(call)), dtype=np.intp)
        for row, seed in zip(rows, seeds.next(rows), strict=True):
            drawn[int(row)].append(int(seed))
    for row, own in drawn.items():
        assert own == draw(EpisodeSeeds(base, 4), row, len(own))
        assert seeds.drawn[row] == len(own)


def test_a_match_draws_its_seeds_in_a_batch_of_any_size():
    assert draw(EpisodeSeeds(9, 2), 1, 5) == draw(EpisodeSeeds(9, 200), 1, 5)


def test_no_two_episodes_share_a_seed():
    seeds = {base: EpisodeSeeds(base, 50) for base in (0, 1)}
    drawn = [seeds[base].next(np.arange(50)) for base in (0, 1) for _ in range(40)]
    assert np.concatenate(drawn).dtype == np.uint64
    assert len(np.unique(np.concatenate(drawn))) == 4000


@pytest.mark.parametrize("skip", [0, 1, 5])
def test_drawing_goes_on_from_a_stored_count(skip):
    whole = draw(EpisodeSeeds(2, 3), 2, 8)
    resumed = EpisodeSeeds(2, 3)
    resumed.drawn[2] = skip
    assert draw(resumed, 2, 8 - skip) == whole[skip:]

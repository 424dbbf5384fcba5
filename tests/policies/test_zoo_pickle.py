"""The restricted reader of array pickles: right numbers, or one reason; nothing ever runs."""

from __future__ import annotations

import builtins
import collections
import os
import pickle
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.policies.zoo_pickle import UnreadablePickle, read_vector
from tests.policies.flat import FORMS, as_published, modern

SMALL = np.array([0.0, 1.5, -2.25, np.pi, 1e-30, 3e38], dtype=np.float32)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_every_form_of_a_pickled_array_is_read(form, dtype):
    vector = np.random.default_rng(3).normal(size=300).astype(dtype)  # holds quotes, newlines
    payload = FORMS[form](vector)
    found = read_vector(payload)
    assert found.dtype == vector.dtype
    assert np.array_equal(found, vector)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old name of NumPy's
        assert np.array_equal(pickle.loads(payload, encoding="latin1"), vector)  # noqa: S301


class Bomb:
    """Unpickling one calls a function."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("what", ["os.system", "builtins.eval", "Path.touch"])
def test_a_pickle_that_would_act_is_refused_unrun(tmp_path, protocol, what):
    marker = tmp_path / "ran"
    bomb = {
        "os.system": Bomb(os.system, f"touch {marker}"),
        "builtins.eval": Bomb(builtins.eval, f"open({str(marker)!r}, 'w').close()"),
        "Path.touch": Bomb(Path.touch, marker),
    }[what]
    payload = pickle.dumps(bomb, protocol=protocol)
    with pytest.raises(UnreadablePickle, match=r"it names '[\w. ]+', which no array needs"):
        read_vector(payload)
    assert not marker.exists()
    pickle.loads(payload)  # noqa: S301 - the trap is armed
    assert marker.exists()


def test_a_call_smuggled_into_an_array_is_refused_unrun(tmp_path):
    marker = tmp_path / "ran"
    objects = np.array([Bomb(Path.touch, marker), 1.0], dtype=object)
    for protocol in range(6):
        with pytest.raises(UnreadablePickle):
            read_vector(pickle.dumps(objects, protocol=protocol))
    assert not marker.exists()


REDUCE_NAMES = b"c%s\n%s\n(K\x01tR."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (b"os", b"system"),
        (b"numpy", b"load"),
        (b"numpy.core.multiarray", b"fromfile"),
        (b"numpy._core.multiarray", b"scalar"),
        (b"numpy", b"ndarray.tofile"),
        (b"_codecs", b"lookup"),
        (b"os\rbench: done", b"system"),
    ],
)
def test_a_foreign_name_is_told_in_one_line(module, name):
    with pytest.raises(UnreadablePickle, match="which no array needs") as caught:
        read_vector(REDUCE_NAMES % (module, name))
    assert ascii(f"{module.decode()}.{name.decode()}") in str(caught.value)
    assert str(caught.value).isprintable()


# --- what is no flat array -----------------------------------------------------------------


def edited(old: bytes, new: bytes) -> bytes:
    """The published form of SMALL with a part of it replaced."""
    payload = as_published(SMALL)
    assert payload.count(old) == 1
    return payload.replace(old, new)


WHOLE = as_published(SMALL)
OTHER: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "a null": b"N.",
    "a number": pickle.dumps(1.0),
    "numbers": pickle.dumps([1.0, 2.0]),
    "a dictionary": pickle.dumps({"a": SMALL}),
    "a tuple of arrays": pickle.dumps((SMALL, SMALL)),
    "an ordered dictionary": pickle.dumps(collections.OrderedDict(a=1)),
    "a NumPy number": pickle.dumps(np.float32(1.0)),
    "two dimensions": pickle.dumps(SMALL.reshape(2, 3)),
    "no dimension": pickle.dumps(np.array(1.0)),
    "whole numbers": pickle.dumps(np.arange(3)),
    "half floats": pickle.dumps(np.zeros(3, np.float16)),
    "big-endian": pickle.dumps(np.zeros(3, ">f4")),
    "complex": pickle.dumps(np.zeros(3, np.complex64)),
    "text array": pickle.dumps(np.array(["a", "b"])),
    "objects": pickle.dumps(np.array([None, 1.0])),
    "fields": pickle.dumps(np.zeros(2, [("a", "<f4"), ("b", "<f4")])),
    "a masked array": pickle.dumps(np.ma.masked_array(SMALL)),
    "a dtype": pickle.dumps(np.dtype("f4")),
    "out-of-band bytes": pickle.dumps(SMALL, protocol=5, buffer_callback=lambda _: None),
    "something after the end": WHOLE + b"N",
    "two arrays": WHOLE[:-1] + WHOLE,
    "another array class": edited(b"cnumpy\nndarray", b"cnumpy\nmatrix"),
    "a dtype for an array": edited(b"cnumpy\nndarray", b"cnumpy\ndtype"),
    "a giant shape": edited(b"K\x06\x85", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"),
    "a negative shape": edited(b"K\x06\x85", b"J\xff\xff\xff\xff\x85"),
    "a shorter shape": edited(b"K\x06\x85", b"K\x05\x85"),
    "a shape of text": edited(b"K\x06\x85", b"C\x016\x85"),
    "giant bytes": edited(b"C\x18", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"),
    "a giant integer": b"I" + b"9" * 100_000 + b"\n.",
    "a persistent id": b"Pxyz\n.",
    "a binary persistent id": b"NQ.",
    "an extension": b"\x82\x01.",
    "an instance": b"(ios\nsystem\n.",
    "an object": b"(cnumpy\nndarray\no.",
    "a new object": b"cnumpy\nndarray\n)\x81.",
    "a state of nothing": b"NNb.",
    "a state twice": edited(b"q\x0eb.", b"q\x0ebNb."),
    "a call of nothing": b"N)R.",
    "a call without arguments": b"cnumpy\nndarray\nNR.",
    "an unknown memo": b"h\x07.",
    "a mark alone": b"(.",
    "a tuple without mark": b"Nt.",
    "an empty stack": b"\x87.",
    "a memo of nothing": b"q\x00.",
    "Python 2 text without quotes": b"Sabc\n.",
    "an escape that no repr writes": b"S'\\d'\n.",
    "no UTF-8": b"X\x01\x00\x00\x00\xff.",
}


@pytest.mark.parametrize("what", OTHER)
def test_anything_else_is_refused_with_a_reason(what):
    with pytest.raises(UnreadablePickle, match=r"^(it|its|no|bytes) .*[^.]$") as caught:
        read_vector(OTHER[what])
    assert str(caught.value).isprintable()


BOMBS = {
    "a far memo": b"Nr\xff\xff\xff\xff.",  # fills 64 GiB in `pickle`
    "a farther memo": b"Np99999999999999\n.",
    "tuples of tuples": b")" + b"q\x00h\x00\x86" * 60 + b".",
    "deep tuples": b")" + b"\x85" * 1_000_000 + b".",
    "many marks": b"(" * 1_000_000,
    "a giant byte array": b"\x96" + (1 << 40).to_bytes(8, "little") + b".",
    "a giant frame": b"\x95" + b"\xff" * 8 + b"N.",
    "a hash without end": b")" + b"q\x00h\x00\x86" * 60 + b"\x90.",
    "a call within its own state": b"cnumpy\ndtype\n)Rq\x00h\x00\x85b.",
    "calls of calls": b"cnumpy\ndtype\n)R" + b"q\x00cnumpy\ndtype\nh\x00h\x00\x86R" * 20 + b".",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_takes_no_memory(bomb):
    tracemalloc.start()
    try:
        with pytest.raises(UnreadablePickle):
            read_vector(BOMBS[bomb])
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


# --- damage --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_pickle_cut_short_anywhere_is_refused(form):
    payload = FORMS[form](SMALL)
    for length in range(len(payload)):
        with pytest.raises(UnreadablePickle):
            read_vector(payload[:length])


@pytest.mark.filterwarnings("error")
def test_an_odd_escape_does_not_warn():
    with pytest.raises(UnreadablePickle):
        read_vector(OTHER["an escape that no repr writes"])


def read_or_refused(payload: bytes) -> None:
    """Reading gives a vector of floats or UnreadablePickle, and nothing else."""
    try:
        found = read_vector(payload)
    except UnreadablePickle:
        return
    assert (found.ndim, found.dtype.kind) == (1, "f")


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_flipped_bytes_give_numbers_or_the_one_error(form, flips):
    payload = bytearray(FORMS[form](SMALL))
    for place, value in flips:
        payload[place % len(payload)] = value
    read_or_refused(bytes(payload))


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_give_numbers_or_the_one_error(payload):
    read_or_refused(payload)
    read_or_refused(b"\x80\x03" + payload + b".")


def test_every_byte_of_a_bomb_flipped_still_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    payload = pickle.dumps(Bomb(Path.touch, marker), protocol=2)
    for place in range(len(payload)):
        for bit in range(8):
            changed = bytearray(payload)
            changed[place] ^= 1 << bit
            read_or_refused(bytes(changed))
    assert not marker.exists()


def test_a_long_vector_is_read_as_fast_as_a_short_one():
    long = np.zeros(400_000, dtype=np.float32)
    assert len(read_vector(modern(5)(long))) == len(long)

"""Arrays and facts come back as they were; a payload that is not whole is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmark.packing import Damaged, pack, unpack

NAMES = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda one: one != "__metadata__")
ARRAYS = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
PAYLOAD = pack({"w": np.arange(6.0).reshape(2, 3)}, {"steps": 7})


@given(st.dictionaries(NAMES, ARRAYS, max_size=4), st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_packed_is_unpacked(tensors: dict[str, Any], facts: dict[str, Any]) -> None:
    found, told = unpack(pack(tensors, facts))
    assert told == facts
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()
        assert found[name].shape == array.shape


def test_an_array_in_another_order_keeps_its_values() -> None:
    turned = np.arange(6).reshape(2, 3).T
    found, _ = unpack(pack({"turned": turned}, {}))
    np.testing.assert_array_equal(found["turned"], turned)


@given(st.integers(0, len(PAYLOAD) - 1))
def test_a_payload_that_was_cut_is_told(length: int) -> None:
    with pytest.raises(Damaged):
        unpack(PAYLOAD[:length])


def test_a_payload_without_facts_is_told() -> None:
    with pytest.raises(Damaged):
        unpack(safetensors.numpy.save({"w": np.zeros(2)}))

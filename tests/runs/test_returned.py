"""What a method may give back."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark import registry
from benchmark.runs.returned import WrongPolicy, checked
from tests.factories import scribble


def test_what_is_as_its_card_says_passes() -> None:
    policy, card = scribble(1), registry.game("pong-v1").describe()
    assert checked(policy, card, "right") is policy
    with pytest.raises(WrongPolicy, match="got ndarray"):
        checked(np.zeros(3), card, "right")

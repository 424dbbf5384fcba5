"""Policies that a defense sends to its referee."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from benchmark.arena.wire import BYTES, Status
from benchmark.policies import artifact
from benchmark.policies.policy import MLPPolicy
from tests.arena.conftest import HELLO, RESET, Host, Raw, fouled, frame
from tests.factories import scribble


def defending(host: Host, tmp_path: Path, **changes: Any) -> Raw:
    """A defense in the right seat, which may meet 'adversary0', and has said hello."""
    artifact.save(scribble(1), tmp_path / "adversary")
    members = {"adversary0": tmp_path / "adversary"}
    raw = host(seat="right", members=members, mixture=None, **changes).raw()
    welcome = raw.ask(HELLO)
    assert list(welcome["members"]) == ["adversary0"]
    assert welcome["members"]["adversary0"]["sha256"] == ""
    return raw


def posted(raw: Raw, payload: bytes | None = None, **card: Any) -> Any:
    """The answer to a policy, sent as it should be but for what is changed."""
    policy = scribble(3)
    payload = safetensors.numpy.save(policy.tensors()) if payload is None else payload
    sha256 = hashlib.sha256(payload).hexdigest()
    described = {**policy.card.model_dump(mode="json"), "sha256": sha256, **card}
    raw.send(frame(json.dumps({"op": "policy", "card": described}).encode()))
    raw.send(frame(payload, BYTES))
    return json.loads(raw.receive() or b"null")


def weights(**tensors: Any) -> bytes:
    """The weights of a scribble, some of them changed."""
    return safetensors.numpy.save({**scribble(3).tensors(), **tensors})


def test_a_policy_that_was_sent_can_be_met(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path)
    name = posted(raw)["name"]
    asked = {"op": "arena", "matches": 4, "opposite": [[name, 0.25], ["adversary0", 0.75]]}
    assert raw.ask(asked)["arena"] == 1
    assert raw.ask(RESET) == {}
    assert raw.step() == b"\1"
    assert [path.name for path in raw.hosted.snapshots.iterdir()] == []


@pytest.mark.parametrize(
    ("payload", "card"),
    [
        (b"", {}),
        (b"\x80\x04\x95pickle", {}),
        (b"\xff" * 64, {}),
        (weights(**{"layer0.bias": np.full(8, np.nan, np.float32)}), {}),
        (weights(**{"layer0.bias": np.zeros(9, np.float32)}), {}),
        (weights(extra=np.zeros(1, np.float32)), {}),
        (None, {"sha256": "0" * 64}),
        (None, {"hidden": [8, 8]}),
        (None, {"kind": "lstm"}),
    ],
    ids=["empty", "pickle", "header", "nan", "shape", "surplus", "hash", "widths", "kind"],
)
def test_what_is_no_policy_is_refused(
    host: Host, tmp_path: Path, payload: bytes | None, card: dict[str, Any]
) -> None:
    raw = defending(host, tmp_path)
    answer = posted(raw, payload, **card)
    assert answer["refused"] == "bad-policy"
    assert str(tmp_path) not in answer["line"]
    assert list(raw.hosted.snapshots.iterdir()) == []


def test_policies_take_no_more_room_than_is_granted(host: Host, tmp_path: Path) -> None:
    size = len(weights())
    raw = defending(host, tmp_path, policy_bytes=2 * size + 1)
    assert [posted(raw)["name"] for _ in range(2)] == ["sent:1", "sent:2"]
    answer = posted(raw)
    assert answer is None or answer["refused"] == "malformed-message"
    fouled(raw.hosted.end(), Status.MALFORMED, "at most 1 are taken")


def test_no_more_policies_are_sent_than_are_granted(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path, policies=1)
    assert posted(raw)["name"] == "sent:1"
    posted(raw)
    fouled(raw.hosted.end(), Status.OVER_LIMIT)


@pytest.mark.parametrize(
    ("opposite", "status"),
    [
        (None, Status.OUT_OF_ORDER),
        ([], Status.MALFORMED),
        ([["victim", 1.0]], Status.OUT_OF_ORDER),
        ([["../../victim", 1.0]], Status.OUT_OF_ORDER),
        ([["adversary0", -1.0]], Status.MALFORMED),
        ([["adversary0", 0.0]], Status.MALFORMED),
        ([["adversary0", 0.5]], Status.MALFORMED),
        ([["adversary0", 1e308], ["adversary0", 1e308]], Status.MALFORMED),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(
    host: Host, tmp_path: Path, opposite: Any, status: Status
) -> None:
    raw = defending(host, tmp_path)
    raw.ask({"op": "arena", "matches": 4, "opposite": opposite})
    fouled(raw.hosted.end(), status)


def test_a_policy_of_another_game_is_refused(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path)
    name = posted(raw, game="sumo-ants-v1")["name"]
    raw.ask({"op": "arena", "matches": 4, "opposite": [[name, 1.0]]})
    fouled(raw.hosted.end(), Status.BAD_POLICY, "sumo-ants-v1")


NAN: dict[str, Any] = {
    "filter.mean": np.full(13, -3e38, np.float32),
    "filter.std": np.ones(13, np.float32),
    "layer0.weight": np.full((13, 8), 3e38, np.float32),
    "layer1.weight": np.tile(np.array([[1], [-1]], np.float32), (4, 2)),
}
"""Weights that are finite; what they compute is infinity less infinity."""
NAN_CARD: dict[str, Any] = {"activation": "relu", "filter_clip": 3e38}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_policy_that_acts_with_nan_is_its_senders_foul(host: Host, tmp_path: Path) -> None:
    raw = defending(host, tmp_path)
    name = posted(raw, weights(**NAN), **NAN_CARD)["name"]
    raw.ask({"op": "arena", "matches": 4, "opposite": [[name, 1.0]]})
    raw.ask(RESET)
    raw.step()
    account = raw.hosted.end()
    fouled(account, Status.BAD_POLICY, "sent", "NaN")
    assert account.steps == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_victim_that_acts_with_nan_is_nobodys_foul(host: Host, tmp_path: Path) -> None:
    card = scribble(3).card.model_copy(update=NAN_CARD)
    artifact.save(MLPPolicy(card, {**scribble(3).tensors(), **NAN}), tmp_path / "broken")
    raw = host(members={"victim": tmp_path / "broken"}).raw()
    raw.sit()
    raw.step()
    fouled(raw.hosted.end(), Status.FAILED, "NaN")

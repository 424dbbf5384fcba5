"""Importing flat vectors of the multiagent-competition zoo: known files, foreign ones, damage.

What is published is not part of the repository; the tests on it run where it lies beside it.
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark.policies import artifact, zoo_published
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy
from benchmark.policies.zoo import BadZooFile, import_path
from benchmark.policies.zoo_file import MAX_BYTES
from benchmark.policies.zoo_flat import GAMES, policy_name, vector_size
from benchmark.policies.zoo_published import PUBLISHED, Published
from tests.policies.flat import (
    FORMS,
    Parts,
    as_published,
    joined,
    lstm_by_hand,
    lstm_parts,
    mlp_by_hand,
    mlp_parts,
)

ANTS, ANT_SEAT = "run-to-goal-ants-v1", "left"  # the smallest vectors
SIZES = {
    "you-shall-not-pass-v1": 59039,
    "run-to-goal-humans-v1": 59039,
    "run-to-goal-ants-v1": 24905,
    "kick-and-defend-v1": 364839,
    "sumo-humans-v1": 367677,
    "sumo-ants-v1": 299943,
}


def parts_of(game: str, seed: int = 0) -> Parts:
    """Random parts of a game's policy."""
    spec = GAMES[game]
    make = mlp_parts if spec.kind == "mlp" else lstm_parts
    return make(spec.obs_dim, spec.act_dim, seed)


@pytest.fixture
def ants(tmp_path: Path) -> Path:
    """A whole file that is none of the published ones."""
    path = tmp_path / "My_Ant.pkl"
    path.write_bytes(as_published(joined(parts_of(ANTS))))
    return path


def refused(path: Path, *fragments: str, game: str | None = None, seat: str | None = None) -> None:
    """Importing raises BadZooFile, one line that holds the fragments."""
    with pytest.raises(BadZooFile) as caught:
        import_path(path, game, seat)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert str(caught.value).isprintable()


# --- what is read --------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_a_vector_has_the_published_size(game):
    assert vector_size(game) == SIZES[game] == len(joined(parts_of(game)))


@pytest.mark.parametrize("game", ["you-shall-not-pass-v1", ANTS])
def test_a_tanh_policy_plays_as_published(tmp_path, game):
    parts, spec = parts_of(game), GAMES[game]
    (tmp_path / "x.pkl").write_bytes(as_published(joined(parts)))
    (policy,) = import_path(tmp_path / "x.pkl", game, spec.seats[0])
    assert isinstance(policy, MLPPolicy)
    obs = np.random.default_rng(1).normal(size=(9, spec.obs_dim)).astype(np.float32)
    mean, _ = policy.in_mode("mean").act(obs)
    assert np.abs(mean - mlp_by_hand(parts, obs)).max() < 1e-5


@pytest.mark.parametrize("game", ["kick-and-defend-v1", "sumo-ants-v1"])
def test_a_recurrent_policy_plays_an_episode_as_published(tmp_path, game):
    parts, spec = parts_of(game), GAMES[game]
    (tmp_path / "x.pkl").write_bytes(as_published(joined(parts)))
    (policy,) = import_path(tmp_path / "x.pkl", game, spec.seats[0])
    assert isinstance(policy, LSTMPolicy)
    rng = np.random.default_rng(1)
    episode = [rng.normal(size=(5, spec.obs_dim)).astype(np.float32) for _ in range(6)]
    mean, state = policy.in_mode("mean"), policy.initial_state(5)
    for obs, wanted in zip(episode, lstm_by_hand(parts, episode), strict=True):
        acted, state = mean.act(obs, state)
        assert np.abs(acted - wanted).max() < 1e-5


def test_the_card_says_what_it_is(ants):
    (policy,) = import_path(ants, ANTS, ANT_SEAT)
    card, digest = policy.card, hashlib.sha256(ants.read_bytes()).hexdigest()
    assert (card.name, card.game, card.seat) == ("my-ant", ANTS, ANT_SEAT)
    assert (card.obs_dim, card.act_dim, card.act_bound) == (122, 8, 1.0)
    assert (card.action_mode, card.stochastic, card.filter_clip) == ("sampled", True, 5.0)
    assert card.origin == f"flat vector My_Ant.pkl, sha256 {digest[:12]}"
    assert "value branch is dropped" in card.notes


def test_the_filters_spread_has_a_floor_and_samples_the_published_one(ants):
    (policy,) = import_path(ants, ANTS, ANT_SEAT)
    parts, tensors = parts_of(ANTS), policy.tensors()
    assert tensors["filter.std"].min() == np.float32(0.1)
    assert tensors["filter.std"].max() > 0.3
    obs = np.zeros((2, 122), np.float32)
    draws = np.full((2, 8), 0.8413447460685429)  # one standard deviation above the middle
    spread = policy.act(obs, None, draws)[0] - policy.in_mode("mean").act(obs)[0]
    assert np.allclose(spread, np.exp(parts["logstd"]), rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_pickled_form_gives_the_same_policy(tmp_path, ants, form):
    path = tmp_path / "other"
    path.write_bytes(FORMS[form](joined(parts_of(ANTS))))
    (policy,), (wanted,) = import_path(path, ANTS, ANT_SEAT), import_path(ants, ANTS, ANT_SEAT)
    for name, tensor in wanted.tensors().items():
        assert np.array_equal(policy.tensors()[name], tensor)


def test_double_precision_is_read_and_stored_as_single(tmp_path, ants):
    path = tmp_path / "double.pkl"
    path.write_bytes(pickle.dumps(joined(parts_of(ANTS)).astype(np.float64)))
    (policy,), (wanted,) = import_path(path, ANTS, ANT_SEAT), import_path(ants, ANTS, ANT_SEAT)
    for name, tensor in wanted.tensors().items():
        assert np.array_equal(policy.tensors()[name], tensor)


def test_an_imported_policy_comes_back_from_its_artifact(tmp_path, ants):
    (policy,) = import_path(ants, ANTS, ANT_SEAT)
    card = artifact.save(policy, tmp_path / "kept")
    assert artifact.load(tmp_path / "kept").card == card
    assert card.identity != policy.card.identity  # it holds the weights' hash from here on


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("My_Ant.pkl", "my-ant"),
        ("agent1_parameters-v1pkl", "agent1-parameters-v1pkl"),
        ("..weird  näme!.pkl", "weird-n-me"),
        ("___", "policy"),
    ],
)
def test_a_foreign_policy_is_named_after_its_file(file, name):
    assert policy_name(Path(file)) == name


# --- known files ---------------------------------------------------------------------------


@pytest.fixture
def known(ants: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as published, under a name that says nothing."""
    payload = ants.read_bytes()
    which = Published("zoo-test-v1", ANTS, "right", "ants/agent_parameters-v1.pkl")
    monkeypatch.setitem(PUBLISHED, hashlib.sha256(payload).hexdigest(), which)
    monkeypatch.setattr(zoo_published, "FILE_SIZES", {len(payload)})
    return ants.rename(ants.with_name("download.npz"))


def test_a_known_file_is_known_whatever_it_is_called(known):
    (policy,) = import_path(known)
    card = policy.card
    assert (card.name, card.game, card.seat) == ("zoo-test-v1", ANTS, "right")
    assert card.origin.startswith(
        "multiagent-competition agent zoo (Bansal et al. 2018), ants/agent_parameters-v1.pkl, sha"
    )
    assert "licence" in card.notes
    assert import_path(known, ANTS, "right")[0].card == card


@pytest.mark.parametrize("claim", [{"game": "sumo-ants-v1"}, {"seat": "left"}])
def test_a_claim_that_contradicts_a_known_file_is_refused(known, claim):
    refused(known, str(known), "zoo-test-v1", ANTS, "seat right", "say otherwise", **claim)


def test_a_folder_gives_what_is_known_and_passes_over_the_rest(known, tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    known.rename(deep / "agent1_parameters-v1pkl")
    (tmp_path / "copy.bin").write_bytes((deep / "agent1_parameters-v1pkl").read_bytes())
    (tmp_path / "other.pkl").write_bytes(as_published(joined(parts_of(ANTS, seed=8))))
    (tmp_path / "README.md").write_text("not a policy")
    assert [policy.card.name for policy in import_path(tmp_path)] == ["zoo-test-v1"]


@pytest.mark.parametrize("name", ["agent1_parameters-v1.pkl", "agent_parameters-v3pkl"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_file_of_the_zoos_name_is_not_passed_over(known, tmp_path, name, damage):
    payload = bytearray(known.read_bytes())
    if damage == "flipped":
        payload[5000] ^= 1
    (tmp_path / "sub").mkdir()
    bad = tmp_path / "sub" / name
    bad.write_bytes({"cut": payload[:-9], "flipped": payload, "text": b"<html>"}[damage])
    refused(tmp_path, str(bad), "24905 (run-to-goal-ants-v1)")


def test_a_folder_without_any_is_refused_and_game_and_seat_are_for_a_file(ants, tmp_path):
    refused(tmp_path, "no published policy in it")
    refused(tmp_path, "a folder; --game and --seat", game=ANTS)
    refused(tmp_path, "a folder; --game and --seat", seat="left")


def test_the_table_of_published_files_is_whole():
    assert len(PUBLISHED) == 19
    assert len({which.name for which in PUBLISHED.values()}) == 19
    assert len({which.file for which in PUBLISHED.values()}) == 19
    for sha256, which in PUBLISHED.items():
        assert len(sha256) == 64
        assert which.seat in GAMES[which.game].seats


# --- what is refused -----------------------------------------------------------------------


def test_an_unknown_file_is_told_what_to_do(ants):
    digest = hashlib.sha256(ants.read_bytes()).hexdigest()[:12]
    refused(ants, str(ants), "24905 numbers", digest, "--game G --seat S", "299943 (sumo-ants-v1)")


@pytest.mark.parametrize(
    ("game", "seat", "wanted"),
    [
        ("run-to-goal-ant-v1", "left", "did you mean 'run-to-goal-ants-v1'?"),
        ("pong-v1", "left", "no flat vectors of 'pong-v1'"),
        (ANTS, None, "--seat: one of run-to-goal-ants-v1 is needed (left, right)"),
        (ANTS, "blocker", "got blocker"),
        ("sumo-ants-v1", "any", "24905 numbers, expected 299943 for sumo-ants-v1"),
        ("you-shall-not-pass-v1", "runner", "expected 59039 for you-shall-not-pass-v1"),
    ],
)
def test_a_game_or_seat_that_does_not_fit_is_refused(ants, game, seat, wanted):
    refused(ants, wanted, game=game, seat=seat)


def test_a_published_name_is_not_for_others(ants):
    taken = ants.rename(ants.with_name("zoo-runner-v1.pkl"))
    refused(taken, str(taken), "rename the file", game=ANTS, seat=ANT_SEAT)


@pytest.mark.parametrize("part", ["polfc1 w", "vffc2 b", "ret sum", "obs sumsq", "obs count"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused_wherever_they_are(ants, part, value):
    parts = parts_of(ANTS)
    parts[part].flat[-1] = value
    ants.write_bytes(as_published(joined(parts)))
    refused(ants, str(ants), "NaN", game=ANTS, seat=ANT_SEAT)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0.0, "expected more than 0"),
        (-5.0, "expected more than 0"),
        (1e-44, "holds NaN or infinity"),
    ],
)
def test_a_filter_that_has_seen_nothing_is_refused(ants, value, wanted):
    parts = parts_of(ANTS) | {"obs count": np.array(value)}
    ants.write_bytes(as_published(joined(parts)))
    refused(ants, str(ants), wanted, game=ANTS, seat=ANT_SEAT)


def test_numbers_beyond_single_precision_are_refused(ants):
    vector = joined(parts_of(ANTS)).astype(np.float64)
    vector[-20] = 1e200
    ants.write_bytes(pickle.dumps(vector))
    refused(ants, str(ants), "beyond float32", game=ANTS, seat=ANT_SEAT)


def test_a_file_cut_short_or_changed_is_refused_or_read_whole(ants):
    whole, rng = ants.read_bytes(), np.random.default_rng(0)
    for length in rng.integers(0, len(whole), 20):
        ants.write_bytes(whole[:length])
        refused(ants, str(ants), "59039 (you-shall-not-pass-v1", game=ANTS, seat=ANT_SEAT)
    for _ in range(60):
        changed = bytearray(whole)
        changed[int(rng.integers(160))] = int(rng.integers(256))
        ants.write_bytes(bytes(changed))
        try:
            (policy,) = import_path(ants, ANTS, ANT_SEAT)
        except BadZooFile:
            continue
        assert np.isfinite(policy.tensors()["layer0.weight"]).all()


class Bomb:
    """Unpickling one leaves a file behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("claim", [{}, {"game": ANTS, "seat": ANT_SEAT}])
def test_a_file_that_would_act_is_refused_unrun(tmp_path, claim):
    marker, path = tmp_path / "ran", tmp_path / "agent1_parameters-v1.pkl"
    path.write_bytes(pickle.dumps(Bomb(marker)))
    refused(path, str(path), "which no array needs", **claim)
    refused(tmp_path, str(path), "which no array needs")
    assert not marker.exists()


def test_too_large_a_file_is_not_even_read(tmp_path):
    path = tmp_path / "x.pkl"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    refused(path, "larger than 64 MiB")
    refused(path, "larger than 64 MiB", game=ANTS, seat=ANT_SEAT)


# --- the published zoo itself --------------------------------------------------------------

ZOO = Path(__file__).resolve().parents[3] / "shared" / "zoo" / "multiagent-competition"
with_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason=f"{ZOO} is not there")


@with_zoo
def test_the_whole_zoo_is_read_and_acts():
    policies = {policy.card.name: policy for policy in import_path(ZOO)}
    assert set(policies) == {which.name for which in PUBLISHED.values()}
    rng = np.random.default_rng(0)
    for name, policy in policies.items():
        card = policy.card
        which = next(w for w in PUBLISHED.values() if w.name == name)
        assert which.file in card.origin
        assert (ZOO / which.file).is_file()
        obs = rng.normal(size=(4, card.obs_dim)).astype(np.float32)
        state, draws = policy.initial_state(4), rng.random((4, card.act_dim))
        acted, after = policy.act(obs, state, draws)
        assert np.isfinite(acted).all()
        assert np.abs(acted).max() < 20.0
        assert (after is None) == (card.kind == "mlp")


@with_zoo
def test_the_runner_is_the_one_that_was_measured():
    """Against numbers read off the file by other means (reference/paper.md, 7.1)."""
    (runner,) = import_path(ZOO / "you-shall-not-pass" / "agent2_parameters-v1.pkl")
    tensors = runner.tensors()
    assert (np.round(tensors["filter.std"], 3) == np.float32(0.1)).sum() == 118
    spread = np.exp(tensors["log_std"])
    assert (round(float(spread.min()), 2), round(float(spread.max()), 2)) == (0.16, 0.45)

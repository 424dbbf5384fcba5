"""A remote arena is the in-process one, to the last bit, also after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline
from attacks.ours import Ours
from benchmark import registry
from benchmark.arena import wire
from benchmark.arena.arena import Arena
from benchmark.arena.ledger import Ledger
from benchmark.arena.mixture import Mixture
from benchmark.arena.referee import Account
from benchmark.arena.remote import Client, Refused, RemoteArena
from benchmark.arena.stable_baselines import ArenaVecEnv
from benchmark.arena.wire import Status
from benchmark.errors import InfrastructureError, Misuse
from benchmark.games.game import BadAction
from benchmark.games.pong import Pong
from benchmark.learning.checkpoint import Checkpoint, packed, unpacked
from benchmark.learning.progress import CURVE, CurvePoint, Quiet
from benchmark.policies import artifact
from benchmark.policies.policy import Policy, RandomPolicy
from benchmark.submissions.toys import Killed, Mortal
from tests.arena.conftest import CARD, SEED_BASE, Host
from tests.attacks.conftest import BUDGET, assert_same_policy, small
from tests.factories import scribble

METHODS: list[tuple[Any, dict[str, Any]]] = [
    (Baseline, {}),
    (Ours, {"mode": "loss", "eta": 0.2, "saliency": "gradient"}),
]


class Told(Mortal):
    """Passes on to the referee what it is told, and its checkpoints; dies when it is to."""

    def __init__(self, path: Path, client: Client, dies_at: int | None = None):
        super().__init__(path, dies_at)
        self.client = client

    def report(self, point: CurvePoint) -> None:
        self.client.report(point.diagnostics)
        super().report(point)

    def save(self, checkpoint: Checkpoint) -> None:
        self.client.save(packed(checkpoint))

    def resume(self) -> Checkpoint | None:
        kept = self.client.load()
        return None if kept is None else unpacked(kept)


def local(matches: int, ledger: Ledger | None = None, victim: Policy | None = None) -> Arena:
    """The arena that a remote one must equal."""
    mixture = Mixture.of(victim or scribble(7))
    return Arena(Pong(matches), "left", mixture, seed=0, seed_base=SEED_BASE, ledger=ledger)


def same(one: Any, other: Any) -> None:
    """Equal to the last bit, and of the same type."""
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


def trained(kind: Any, settings: dict[str, Any], arena: Arena, progress: Quiet) -> Policy:
    """The policy after a toy training."""
    attack = kind(kind.configure(CARD, {**small(kind, CARD, settings), **settings}))
    policy: Policy = attack.train(arena, BUDGET, np.random.default_rng(1), progress)
    return policy


def test_every_number_of_a_step_is_the_same(host: Host) -> None:
    ours, theirs = local(6), host().arena(6)
    rng = np.random.default_rng(0)
    for seed in (9, None):
        for one, other in zip(ours.reset(seed=seed), theirs.reset(seed=seed), strict=True):
            if isinstance(one, dict):
                assert one.keys() == other.keys()
                same(one["member"], other["member"])
            else:
                same(one, other)
        for _ in range(200):
            actions = rng.uniform(-1.5, 1.5, (6, 2)).astype(np.float32)
            *one, info = ours.step(actions)
            *other, told = theirs.step(actions)
            for mine, given in zip(one, other, strict=True):
                same(mine, given)
            assert info.keys() == told.keys()
            for key in info:
                same(info[key], told[key])
            same(ours.observation(), theirs.observation())
    assert ours.steps == theirs.steps == 6 * 400
    theirs.close()


def test_what_it_says_of_itself_is_the_same(host: Host) -> None:
    ours, theirs = local(6), host().arena(6)
    names = ["num_envs", "seat", "seat_index", "steps", "metadata", "action_space",
             "observation_space", "single_action_space", "single_observation_space"]  # fmt: skip
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert theirs.game.card == ours.game.card
    assert isinstance(theirs, Arena)
    theirs.close()


@pytest.mark.parametrize(("kind", "settings"), METHODS, ids=["baseline", "ours"])
def test_a_training_is_the_same_and_so_is_its_ledger(
    host: Host, tmp_path: Path, kind: Any, settings: dict[str, Any]
) -> None:
    ledger = Ledger(CARD, "left")
    matches = small(kind, CARD)["matches"]

    class Counted(Quiet):
        def report(self, point: CurvePoint) -> None:
            super().report(point)
            ledger.close(point.diagnostics)

    quiet = Counted()
    expected = trained(kind, settings, local(matches, ledger), quiet)
    hosted = host()
    arena = hosted.arena(matches)
    told = Told(tmp_path / "checkpoint", arena.client)
    assert_same_policy(trained(kind, settings, arena, told), expected)
    arena.close()
    account = hosted.end()
    assert account.status is Status.DONE
    assert account.steps == ledger.steps == BUDGET
    assert list(account.intervals) == ledger.intervals
    assert [interval.model_dump() for interval in account.intervals] == CURVE.dump_python(
        quiet.curve
    )
    assert sum(interval.tally.episodes for interval in account.intervals)


def killed_and_resumed(host: Host, path: Path, *, torn: bool) -> tuple[Policy, Account]:
    """A training that dies once, and is continued before another referee over the same folder."""
    matches = small(Baseline, CARD)["matches"]
    hosted = host()
    arena = hosted.arena(matches)
    told = Told(path, arena.client, dies_at=3)
    with pytest.raises(Killed):
        trained(Baseline, {}, arena, told)
    if torn:  # a snapshot is taken, and then no checkpoint
        arena.state()
    arena.client._channel.close()
    assert hosted.end().status is Status.DISCONNECTED
    again = host()
    arena = again.arena(matches)
    policy = trained(Baseline, {}, arena, Told(path, arena.client))
    assert arena.steps == BUDGET
    arena.close()
    return policy, again.end()


@pytest.mark.parametrize("torn", [False, True])
def test_a_training_that_was_killed_goes_on_as_if_it_never_had_been(
    host: Host, tmp_path: Path, torn: bool
) -> None:
    quiet = Quiet()
    expected = trained(Baseline, {}, local(small(Baseline, CARD)["matches"]), quiet)
    policy, account = killed_and_resumed(host, tmp_path / "checkpoint", torn=torn)
    assert_same_policy(policy, expected)
    assert account.steps == BUDGET
    assert [interval.model_dump() for interval in account.intervals] == CURVE.dump_python(
        quiet.curve
    )


def test_a_checkpoint_holds_a_handle_and_nothing_of_the_matches(host: Host) -> None:
    hosted = host()
    arena = hosted.arena(4)
    arena.reset(seed=1)
    (name, handle), *rest = arena.state().items()
    assert (name, handle.shape, int(handle), rest) == ("handle", (), 1, [])
    arena.close()


def test_the_last_two_snapshots_of_each_arena_are_kept(host: Host) -> None:
    hosted = host()
    arena = hosted.arena(4)
    other = arena.client.arena(4)
    for each in (arena, other):
        each.reset()
    for _ in range(4):
        arena.state()
        other.state()
        arena.client.save(b"mine")
    names = sorted(path.name.partition("-")[0] for path in hosted.snapshots.iterdir())
    assert names == ["arena1", "arena1", "arena2", "arena2", "training", "training"]
    handle = {"handle": np.array(1)}
    with pytest.raises(Refused, match=r"unknown-snapshot.*no snapshot 1"):
        arena.restore(handle)
    assert hosted.end().status is Status.UNKNOWN_SNAPSHOT


def test_a_second_kill_finds_the_checkpoint_of_the_first(host: Host) -> None:
    """Each time a snapshot is taken, and no checkpoint after it."""
    state = interrupted(host)
    for _ in range(3):
        hosted = host()
        arena = hosted.arena(4)
        assert arena.client.load() == b"mine"
        arena.restore(state)
        arena.step(np.zeros((4, 2), np.float32))
        arena.state()
        arena.client._channel.close()
        assert hosted.end().steps == 8


def test_nothing_is_played_twice(host: Host) -> None:
    """Going back to before a lost point, and playing it again, is what a restore could be for."""
    hosted = host()
    arena = hosted.arena(4)
    arena.reset()
    state = arena.state()
    arena.step(np.zeros((4, 2), np.float32))
    with pytest.raises(Refused, match="before anything is played"):
        arena.restore(state)
    assert hosted.end().status is Status.OUT_OF_ORDER


def interrupted(host: Host, matches: int = 4) -> dict[str, Any]:
    """The handle of an arena, of a contestant that died after its checkpoint."""
    hosted = host()
    arena = hosted.arena(matches)
    arena.reset()
    arena.step(np.zeros((matches, 2), np.float32))
    state = arena.state()
    arena.client.save(b"mine")
    arena.client._channel.close()
    hosted.end()
    return state


def test_an_arena_is_not_restored_without_the_steps_that_it_took(host: Host) -> None:
    state = interrupted(host)
    hosted = host()
    with pytest.raises(Refused, match="ledger"):
        hosted.arena(4).restore(state)
    assert hosted.end().status is Status.OUT_OF_ORDER


def test_steps_of_an_earlier_life_count_towards_the_budget(host: Host) -> None:
    state = interrupted(host)
    hosted = host(budget_steps=7)
    arena = hosted.arena(4)
    arena.client.load()
    arena.restore(state)
    assert arena.steps == 4
    with pytest.raises(Refused, match="over-budget"):
        arena.step(np.zeros((4, 2), np.float32))


def test_a_snapshot_of_another_arena_is_not_taken(host: Host) -> None:
    state = interrupted(host)
    arena = host().arena(5)
    arena.client.load()
    with pytest.raises(Refused, match="unknown-snapshot"):
        arena.restore(state)


# Defenses -------------------------------------------------------------------------------------


def hardened(
    make_arena: Any, adversary: Policy, opponent: Policy, defense: str, progress: Quiet
) -> Policy:
    """A scribble after a toy hardening."""
    kind = registry.defenses.load(defense)
    made = kind(kind.configure(CARD, small(kind, CARD)))
    policy: Policy = made.harden(
        scribble(3), make_arena, [adversary], [opponent], BUDGET, np.random.default_rng(3), progress
    )
    return policy


def from_the_right(ledger: Ledger) -> Any:
    """Makes the arenas that a defense's remote ones must equal."""

    def make_arena(opposite: Mixture, matches: int, *, attacking: bool = False) -> Arena:
        seat = "left" if attacking else "right"
        return Arena(Pong(matches), seat, opposite, seed=0, seed_base=SEED_BASE, ledger=ledger)

    return make_arena


def two_members(tmp_path: Path) -> dict[str, Any]:
    """The spec of a defense's referee, with somebody of either kind to meet."""
    artifact.save(scribble(1), tmp_path / "adversary")
    artifact.save(RandomPolicy(2, 1.0), tmp_path / "opponent")
    members = {"adversary0": tmp_path / "adversary", "opponent0": tmp_path / "opponent"}
    return {"seat": "right", "members": members, "mixture": None}


@pytest.mark.parametrize("defense", ["mixed", "iterated", "population"])
def test_a_hardening_is_the_same(host: Host, tmp_path: Path, defense: str) -> None:
    """Against members that stay with the referee, and policies of its own that it sends."""
    ledger, quiet = Ledger(CARD, "right"), Quiet()
    sparring = scribble(1), RandomPolicy(2, 1.0)
    expected = hardened(from_the_right(ledger), *sparring, defense, quiet)
    hosted = host(**two_members(tmp_path))
    referee = hosted.client()
    known = referee.members["adversary0"], referee.members["opponent0"]
    told = Told(tmp_path / "checkpoint", referee)
    assert_same_policy(hardened(referee, *known, defense, told), expected)
    referee.close()
    account = hosted.end()
    assert account.steps == ledger.steps
    assert [interval.model_dump() for interval in account.intervals] == CURVE.dump_python(
        quiet.curve
    )


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_hardening_that_was_killed_in_any_of_its_stages_goes_on(
    host: Host, tmp_path: Path, dies_at: int
) -> None:
    """The checkpoint at a stage's end holds no arena, and yet the ledger goes on from there."""
    quiet = Quiet()
    sparring = scribble(1), RandomPolicy(2, 1.0)
    make_arena = from_the_right(Ledger(CARD, "right"))
    expected = hardened(make_arena, *sparring, "iterated", quiet)
    assert len(quiet.curve) > 3
    spec, path = two_members(tmp_path), tmp_path / "checkpoint"
    hosted = host(**spec)
    referee = hosted.client()
    known = referee.members["adversary0"], referee.members["opponent0"]
    with pytest.raises(Killed):
        hardened(referee, *known, "iterated", Told(path, referee, dies_at))
    referee._channel.close()
    hosted.end()
    again = host(**spec)
    referee = again.client()
    assert_same_policy(hardened(referee, *known, "iterated", Told(path, referee)), expected)
    referee.close()
    assert [interval.model_dump() for interval in again.end().intervals] == CURVE.dump_python(
        quiet.curve
    )


def test_members_are_known_by_name_and_cannot_be_asked_to_act(host: Host, tmp_path: Path) -> None:
    artifact.save(scribble(1), tmp_path / "adversary")
    hosted = host(seat="right", members={"adversary0": tmp_path / "adversary"}, mixture=None)
    referee = hosted.client()
    member = referee.members["adversary0"]
    assert (member.card.name, member.card.act_dim) == ("adversary0", 2)
    assert (member.tensors(), member.card.sha256, member.card.training) == ({}, "", {})
    with pytest.raises(Misuse, match="kept by the referee"):
        member.act(np.zeros((1, 13), np.float32))
    mixture = Mixture.of(member)
    assert referee(mixture, 4).players.mixture is mixture
    referee.close()


def test_shares_arrive_to_the_last_bit(host: Host, tmp_path: Path) -> None:
    mixture = Mixture([(scribble(k), share) for k, share in enumerate((0.1, 0.1, 0.1, 0.3))])
    again = Mixture(list(zip(mixture.policies, mixture.shares.tolist(), strict=True)))
    assert mixture.shares.tolist() != again.shares.tolist()  # so that it could be seen
    hosted = host(**two_members(tmp_path))
    referee = hosted.client()
    referee(mixture, 4)
    seated = hosted.referee._session._tables[0].arena.players.mixture
    assert seated.shares.tolist() == mixture.shares.tolist()
    referee.close()


def test_a_policy_is_sent_once(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    send = wire.Channel.send

    def counted(channel: wire.Channel, payload: bytes, kind: int = wire.CONTROL) -> None:
        sent.append(kind)
        send(channel, payload, kind)

    monkeypatch.setattr(wire.Channel, "send", counted)
    artifact.save(scribble(1), tmp_path / "adversary")
    hosted = host(seat="right", members={"adversary0": tmp_path / "adversary"}, mixture=None)
    referee = hosted.client()
    for _ in range(2):
        referee(Mixture([(scribble(5), 0.5), (scribble(6), 0.5)]), 4)
    assert sent.count(wire.BYTES) == 2
    referee.close()


# What it does not show, and what goes wrong ---------------------------------------------------


def test_an_attack_is_not_shown_who_sits_opposite(host: Host) -> None:
    arena = host().arena(4)
    with pytest.raises(Misuse, match="known to the referee alone"):
        _ = arena.players.mixture
    with pytest.raises(Misuse, match="white-box"):
        arena.revealed()
    arena.close()


def test_a_white_box_contestant_is_handed_the_victim_by_others(host: Host) -> None:
    hosted, victim = host(), scribble(7)
    arena = RemoteArena.connect(hosted.socket, hosted.arrays, 4, revealed=victim)
    assert arena.revealed() is victim
    arena.close()


def test_stable_baselines_adapter_takes_it(host: Host) -> None:
    venv = ArenaVecEnv(host().arena(4))
    venv.reset()
    obs, _, _, infos = venv.step(np.zeros((4, 2), np.float32))
    assert obs.shape == (4, 13)
    assert len(infos) == 4
    venv.close()


def test_it_is_misused_as_an_arena_is(host: Host) -> None:
    arena = host().arena(4)
    with pytest.raises(RuntimeError, match="reset"):
        arena.step(np.zeros((4, 2), np.float32))
    with pytest.raises(RuntimeError, match="reset"):
        arena.observation()
    with pytest.raises(Misuse, match="whole number"):
        arena.reset(seed=-1)
    arena.reset()
    with pytest.raises(BadAction, match=r"expected actions \(4, 2\), got \(4, 3\)"):
        arena.step(np.zeros((4, 3), np.float32))
    arena.close()


def test_actions_with_nan_end_the_session(host: Host) -> None:
    hosted = host()
    arena = hosted.arena(4)
    arena.reset()
    with pytest.raises(Refused, match="bad-actions"):
        arena.step(np.full((4, 2), np.nan, np.float32))
    assert hosted.end().status is Status.BAD_ACTIONS
    with pytest.raises(InfrastructureError, match="lost"):
        arena.step(np.zeros((4, 2), np.float32))


def test_no_referee_is_infrastructure(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no referee there"):
        Client(tmp_path / "s", tmp_path / "a")

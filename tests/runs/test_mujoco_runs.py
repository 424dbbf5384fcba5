"""Runs of games that have seats of their own, another physics, and recurrent victims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from attacks.baseline import Baseline
from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.matches import Halves
from benchmark.learning.progress import CurvePoint
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import PolicyCard, expected_shapes
from benchmark.records.files import to_json
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.runs import jobs
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.run import execute
from benchmark.runs.spec import RunSpec, resolve_run
from defenses.mixed import Mixed
from tests.factories import scribble
from tests.runs.conftest import Shelf, named

YSNP, KICK = "you-shall-not-pass-v1", "kick-and-defend-v1"
WALKER = {"game": YSNP, "obs_dim": 380, "act_dim": 17}


def walker(name: str, seat: str, seed: int, **card: Any) -> Any:
    """A network for a seat of You Shall Not Pass."""
    return scribble(seed, name=name, seat=seat, sha256=f"sha256 of {name}", **WALKER, **card)


def kicker() -> LSTMPolicy:
    """A recurrent victim of Kick And Defend."""
    card = PolicyCard(
        name="kicker", kind="lstm", game=KICK, seat="kicker", obs_dim=384, act_dim=17,
        hidden=(8, 8), activation="relu", origin="test", stochastic=True, action_mode="sampled",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    tensors = {
        k: rng.normal(0, 0.1, s).astype(np.float32) for k, s in expected_shapes(card).items()
    }
    return LSTMPolicy(card, tensors)


@pytest.fixture
def shelf() -> Shelf:
    """A blocker whose name comes first, a runner; a recurrent kicker, a keeper; one of Pong."""
    policies: dict[str, Any] = {
        "a-blocker": walker("a-blocker", "blocker", 1),
        "b-runner": walker("b-runner", "runner", 2),
        "kicker": kicker(),
        "keeper": scribble(
            3, name="keeper", game=KICK, seat="keeper", obs_dim=384, act_dim=17, sha256="keeper"
        ),
        "alpha": named("alpha", 1),
    }
    return Shelf(policies)


def resolved(shelf: Shelf, game: str = YSNP, **changes: Any) -> RunSpec:
    """A small run's specification."""
    arguments: dict[str, Any] = {
        "victims": shelf, "game_name": game, "victim_names": [], "attack_names": ["baseline"],
        "defense_names": [], "seeds": None, "tier": "smoke", "budget": None, "settings": {},
        "command": "bench run",
    }  # fmt: skip
    return resolve_run(**{**arguments, **changes})


def test_the_default_victim_sits_opposite_the_adversary(shelf: Shelf) -> None:
    """Not the first of the game's policies: that one plays the adversary's own seat."""
    assert list(resolved(shelf).victims) == ["b-runner"]


def test_a_game_without_a_victim_in_that_seat_says_so(shelf: Shelf) -> None:
    del shelf.policies["b-runner"]
    with pytest.raises(Misuse, match="no victim for seat 'runner'"):
        resolved(shelf)


def test_a_victim_of_a_kind_that_a_defense_cannot_train_is_refused(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is trained; those here train recurrent ones too."""
    assert [d.method.name for d in resolved(shelf, KICK, defense_names=["mixed"]).defenses]
    monkeypatch.setattr(Mixed, "trains", frozenset({"mlp"}))
    with pytest.raises(
        Misuse, match="'mixed' cannot train victim 'kicker', which is of kind 'lstm'"
    ):
        resolved(shelf, KICK, defense_names=["mixed"])


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_shards_are_what_was_asked_for(shelf: Shelf, shards: int) -> None:
    """A config goes through JSON and the preset again before it is used: nothing may be lost."""
    spec = resolved(shelf, settings={"attack": {"shards": shards}})
    method, card = spec.attacks[0].method, spec.game
    assert Baseline.configure(card, method.config).shards == shards
    assert method.settings == ({} if shards == 2 else {"shards": shards})


def test_records_older_than_shards_keep_their_ids(resolve: Any) -> None:
    """In Pong, where 1 is the default, it stands in no config unless it is set otherwise."""
    assert "shards" not in resolve().attacks[0].method.config
    assert "shards" not in resolve(settings={"attack": {"shards": 1}}).attacks[0].method.config
    assert resolve(settings={"attack": {"shards": 2}}).attacks[0].method.config["shards"] == 2


def replays(shelf: Shelf, **changes: Any) -> list[Job]:
    """The planned matches of that role."""
    plan = make_plan(resolved(shelf, **changes))
    return [m.job for cell in plan.cells for m in cell.matches if m.role == "replay"]


def test_every_adversary_is_replayed_under_the_original_physics(shelf: Shelf) -> None:
    """In the ranked mode, against its victim, with its own weights; nothing else differs."""
    (replay,) = replays(shelf)
    plan = make_plan(resolved(shelf))
    main = next(m for m in plan.cells[0].matches if m.role == "attack" and m.ranked_mode).job
    assert replay.game_options == {**main.game_options, "physics": "original"}
    assert main.game_options["physics"] == "ranked"
    assert replay.model_copy(update={"game_options": main.game_options}) == main
    assert replay.key != main.key


def test_a_run_in_the_original_physics_is_another_run_and_replays_nothing(shelf: Shelf) -> None:
    original = {"game": {"physics": "original"}}
    assert replays(shelf, settings=original) == []
    there, here = (make_plan(resolved(shelf, settings=s)) for s in (original, {}))
    assert {job.key for job in there.jobs}.isdisjoint(job.key for job in here.jobs)
    assert there.cells[0].cell.id != here.cells[0].cell.id


def test_pong_has_no_other_physics(resolve: Any) -> None:
    plan = make_plan(resolve())
    assert not [m for cell in plan.cells for m in cell.matches if m.role == "replay"]


@pytest.mark.parametrize("mode", ["sampled", "mean"])
def test_a_recurrent_victim_plays_in_the_mode_that_it_is_asked_for(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    """Not in its card's, whatever the job says."""
    seen: list[str] = []
    monkeypatch.setattr(jobs, "play", lambda game, seats, *_: seen.append(seats[0]) or NOTHING)
    job = floor_job(shelf).model_copy(update={"victim_mode": mode})
    Worker(shop(tmp_path), shelf).run(job, lambda *_: None)
    (player,) = seen
    assert player.card.action_mode == mode


NOTHING = Halves(Tally(), Tally())


def floor_job(shelf: Shelf) -> Job:
    """Matches of the random floor against the recurrent victim."""
    plan = make_plan(resolved(shelf, KICK))
    return next(m.job for m in plan.cells[0].matches if m.role == "floor")


def shop(tmp_path: Path) -> Store:
    """An empty store."""
    store = Store(tmp_path)
    store.prepare()
    return store


def test_matches_of_which_too_many_are_void_fail_their_job(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is filed, and the line says how many."""
    broken = Halves(Tally(wins=97, voids=3), Tally(wins=100))
    monkeypatch.setattr(jobs, "play", lambda *_: broken)
    job, store = floor_job(shelf), shop(tmp_path)
    with pytest.raises(CheckFailed, match="3 of 200 matches are void"):
        Worker(store, shelf).run(job, lambda *_: None)
    assert not store.has(job.key)


def test_a_training_of_which_too_many_matches_are_void_fails(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adversary that learned to break the simulation is no result."""

    def train(self: Baseline, arena: Any, budget: int, rng: Any, progress: Any) -> Any:
        arena.steps = 100
        progress.report(CurvePoint(steps=100, tally=Tally(wins=95, voids=5)))
        return walker("made", "blocker", 3)

    monkeypatch.setattr(Baseline, "train", train)
    plan = make_plan(resolved(shelf))
    job, store = plan.cells[0].trainings["attack"], shop(tmp_path)
    with pytest.raises(CheckFailed, match="5 of 100 matches are void"):
        Worker(store, shelf).run(job, lambda *_: None)
    assert not store.has(job.key)


@pytest.fixture
def recorded(shelf: Shelf, tmp_path: Path) -> Record:
    """The record of a run that is as small as a run can be."""
    small = {"matches": 16, "rollout_steps": 16, "minibatch": 64}
    spec = resolved(shelf, settings={"attack": small}, budget=512)
    spec = spec.model_copy(update={"episodes": 6})
    outcome = execute(spec.command, make_plan(spec), shop(tmp_path), shelf, Silent)
    assert outcome.failures == []
    (record,) = outcome.records
    return record


def test_a_record_says_under_which_options_the_replay_was_played(recorded: Record) -> None:
    (replay,) = recorded.of_role("replay")
    (main,) = recorded.of_role("attack")
    assert replay.game_options == {"physics": "original"}
    assert main.game_options is None
    assert (replay.adversary, replay.victim) == (main.adversary, main.victim)
    assert Record.model_validate_json(to_json(recorded)) == recorded
    assert "game_options" not in main.model_dump()  # records older than the replay lack it


@pytest.mark.parametrize("options", [None, {"physics": "ranked"}])
def test_a_replay_under_the_cells_own_options_is_refused(recorded: Record, options: Any) -> None:
    dump = recorded.model_dump(mode="json")
    (replay,) = [m for m in dump["matches"] if m["role"] == "replay"]
    replay["game_options"] = options
    with pytest.raises(ValidationError, match="only a replay has others than the cell"):
        Record.model_validate(dump)


def test_no_other_match_may_be_played_elsewhere(recorded: Record) -> None:
    dump = recorded.model_dump(mode="json")
    dump["matches"][0]["game_options"] = {"physics": "original"}
    with pytest.raises(ValidationError, match="only a replay has others than the cell"):
        Record.model_validate(dump)

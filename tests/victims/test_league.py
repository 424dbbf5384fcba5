"""House victims' trainings: whom they meet, that they repeat, and that a stopped one goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.games.game import Outcome
from benchmark.games.pong import Pong
from benchmark.games.you_shall_not_pass import FALLEN_Z, RUNNER, YouShallNotPass
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO
from benchmark.learning.progress import CurvePoint, Quiet
from benchmark.learning.rollout import Rollout
from benchmark.policies.policy import NetworkPolicy, Policy
from benchmark.seeding import EpisodeSeeds
from benchmark.submissions.toys import Killed, Mortal
from benchmark.victims import league
from benchmark.victims.harness import Curriculum
from benchmark.victims.league import Harnessed, Taught, spread
from benchmark.victims.recipe import Recipe
from tests.attacks.conftest import PONG, assert_same_policy, differ, scribble

BATCH = 16 * 32
PARTNER = scribble(PONG, "right", 7)
DIETS: dict[str, dict[str, Any]] = {
    "self-play": {},
    "sparring": {"sparring": ("partner",), "sparring_share": 0.3},
    "exploiters": {"exploiters": 2, "exploiter_steps": BATCH, "exploiter_share": 0.4},
    "opponent": {
        "exploiters": 2,
        "exploiter_steps": BATCH,
        "exploiter_share": 0.4,
        "opponent": "rival",
    },
    "lstm": {"memory": (8, 8)},
    "taught": {"memory": (8, 8), "teacher": "partner", "taught_until": 0.7},
    "noise": {"noise": 0.5},
}
WORN: dict[str, Any] = {
    "harness": Curriculum(share=0.5, stride=0.2, pace=0.1, standing=0.01, down=0.8),
    "dense": 0.0,
}
diets = pytest.mark.parametrize("diet", DIETS)


def tiny(**settings: Any) -> Recipe:
    ppo = PPOConfig(
        matches=16, rollout_steps=32, minibatch=256, epochs=1, learning_rate=1e-3, gamma=0.99,
        log_std=-0.5, hidden=(8, 8),
    )  # fmt: skip
    return Recipe(
        **{
            "game": "pong-v1",
            "seed": 1,
            "steps": 6 * BATCH,
            "snapshots": 3,
            "newest": 0.4,
            "dense": 1.0,
            "dense_until": 0.5,
            "ppo": ppo,
            **settings,
        }
    )


def runner(**settings: Any) -> Recipe:
    return tiny(game="you-shall-not-pass-v1", seat="runner", newest=0.0, **WORN | settings)


def _train(recipe: Recipe, progress: Any = None) -> NetworkPolicy:
    partners = {"partner": PARTNER}
    return league.train(recipe, Pong(16), "house-test", partners, progress or Quiet()).victim


@diets
def test_a_recipe_repeats_and_its_seed_matters(diet: str) -> None:
    recipe = tiny(**DIETS[diet])
    made = _train(recipe)
    assert_same_policy(made, _train(recipe))
    assert differ(made, _train(recipe.model_copy(update={"seed": 2})))
    assert made.card.kind == ("lstm" if "memory" in DIETS[diet] else "mlp")
    assert made.card.training["seed"] == 1


def test_every_diet_makes_another_victim() -> None:
    made = [_train(tiny(**its)) for its in DIETS.values() if "memory" not in its]
    assert all(differ(one, other) for i, one in enumerate(made) for other in made[:i])


@diets
@pytest.mark.parametrize("dies_at", [4, 6])
def test_a_killed_training_goes_on_to_the_same_victim(
    diet: str, dies_at: int, tmp_path: Path
) -> None:
    recipe, path = tiny(**DIETS[diet]), tmp_path / "checkpoint"
    with pytest.raises(Killed):
        _train(recipe, Mortal(path, dies_at))
    assert path.exists()
    resumed = Mortal(path)
    assert_same_policy(_train(recipe, resumed), _train(recipe))
    assert resumed.curve[0].steps > 2 * BATCH  # what was done is not done again


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        _train(tiny(), Mortal(path, 3))
    with pytest.raises(Misuse, match="another recipe"):
        _train(tiny(seed=2), Mortal(path))


def test_a_checkpoint_with_other_partners_is_refused(tmp_path: Path) -> None:
    path, recipe = tmp_path / "checkpoint", tiny(**DIETS["sparring"])
    with pytest.raises(Killed):
        _train(recipe, Mortal(path, 3))
    changed = scribble(PONG, "right", 8)
    card = changed.card.model_copy(update={"sha256": "0" * 64})
    partners = {"partner": type(changed)(card, changed.tensors())}
    with pytest.raises(Misuse, match="other partners"):
        league.train(recipe, Pong(16), "house-test", partners, Mortal(path))


def _mixtures(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The mixture of every arena that a learner enters from now on, by the members' names."""
    seen: list[dict[str, float]] = []
    enter = PPO.enter

    def watched(self: PPO, arena: Arena) -> None:
        mixture = arena.players.mixture
        shares: dict[str, float] = {}
        for policy, share in zip(mixture.policies, mixture.shares, strict=True):
            name = policy.card.name
            shares[name] = shares.get(name, 0.0) + float(share)
        seen.append(shares)
        enter(self, arena)

    monkeypatch.setattr(PPO, "enter", watched)
    return seen


def test_shares_are_those_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny(snapshots=6, **DIETS["sparring"] | DIETS["exploiters"] | {"newest": 0.2})
    seen = _mixtures(monkeypatch)
    _train(recipe)
    learner = [shares for shares in seen if PARTNER.card.name in shares]
    assert len(learner) == 6
    assert len(seen) - len(learner) == 2  # the exploiters', against one snapshot each
    assert all(shares == {"house-test": 1.0} for shares in seen if shares not in learner)
    for shares in learner:
        assert shares[PARTNER.card.name] == pytest.approx(0.3)
    exploited = [sum(v for k, v in s.items() if k.startswith("exploiter")) for s in learner]
    assert exploited[0] == 0.0  # none yet: past selves play its share
    assert exploited[-1] == pytest.approx(0.4)
    assert set(learner[-1]) >= {"exploiter0", "exploiter1", "zero", "random"}


def test_shares_that_are_one_up_to_rounding_leave_older_selves_nothing() -> None:
    """.05 + .05 + .9 is more than 1 in the last bit, and .05 + .55 + .3 + .1 as well."""
    diet = {**DIETS["sparring"], **DIETS["exploiters"]}
    for newest, floors, sparring, exploiters in ((0.05, 0.05, 0.4, 0.5), (0.05, 0.55, 0.3, 0.1)):
        shares = {"sparring_share": sparring, "exploiter_share": exploiters}
        recipe = tiny(snapshots=6, **diet | shares | {"newest": newest, "floors": floors})
        assert 0.0 <= recipe.older(recipe.exploiter_share) < 1e-12
    _train(recipe)


def test_the_floors_may_have_a_share_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long list of past selves only the oldest, who does nothing, is met to the end."""
    seen = _mixtures(monkeypatch)
    _train(tiny(steps=12 * BATCH, snapshots=12, floors=0.2))
    assert seen[-1]["random"] == pytest.approx(0.1)
    assert seen[-1]["zero"] == pytest.approx(0.1 + 0.4 / league.SEEN)
    assert sum(seen[-1].values()) == pytest.approx(1.0)


def test_past_selves_are_spread_over_their_age() -> None:
    pool: list[Policy] = [scribble(PONG, "right", k) for k in range(40)]
    chosen = spread(pool)
    assert len(chosen) == league.SEEN
    assert chosen[0] is pool[0]
    assert chosen[-1] is pool[-1]
    gaps = np.diff([next(i for i, p in enumerate(pool) if p is one) for one in chosen])
    assert gaps.max() - gaps.min() <= 1
    assert spread(pool[:3]) == pool[:3]
    assert spread([]) == []


def test_an_exploiter_learns_against_the_newest_snapshot_alone() -> None:
    recipe = tiny(**DIETS["exploiters"])
    made = league._League(recipe, Pong(16), "house-test", {}, "")
    made._selves.append(scribble(PONG, "right", 3))
    progress = Quiet()
    exploiter = made._exploit(0, progress)
    rng = np.random.default_rng([1, 0])
    arena = Arena(Pong(16), "left", Mixture.of(made._selves[-1]), 1)
    by_hand = PPO(arena, recipe.ppo, rng, hooks=league.DenseStart(recipe))
    by_hand.enter(arena)
    by_hand.improve(BATCH)
    assert_same_policy(exploiter, by_hand.policy(exploiter.card))
    assert [point.steps for point in progress.curve] == [0]  # no step of the learner's


def test_the_regular_opponent_learns_on_from_turn_to_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same learner, its rate falling over all its turns; what it was after each is met."""
    told: list[tuple[int, int]] = []
    improve = PPO.improve

    def watched(self: PPO, total: int) -> CurvePoint:
        point = improve(self, total)
        told.append((point.steps, total))
        return point

    monkeypatch.setattr(PPO, "improve", watched)
    recipe = tiny(**DIETS["opponent"])
    made = league._League(recipe, Pong(16), "house-test", {}, "")
    victim, opponent = made.run(Quiet())
    assert [steps for steps, total in told if total == 2 * BATCH] == [BATCH, 2 * BATCH]
    assert opponent is not None
    assert (opponent.card.name, victim.card.name) == ("rival", "house-test")
    first, last = made._exploiters
    assert differ(first, last)
    assert_same_policy(opponent, last)


def test_exploiters_come_after_the_time_alone() -> None:
    def marks(**settings: Any) -> list[int]:
        recipe = tiny(snapshots=12, **DIETS["exploiters"] | settings)
        made = league._League(recipe, Pong(16), "house-test", {}, "")
        return [mark for mark in range(1, 12) if made._exploited_after(mark)]

    assert marks() == [4, 8]
    assert marks(alone=0.5) == [8, 10]
    assert marks(exploiters=5, alone=0.5) == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("seat", ["runner", "blocker"])
def test_where_seats_differ_the_floors_come_first_and_then_the_opponent(
    seat: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    matches, steps = 4, 8
    ppo = tiny().ppo.model_copy(update={"matches": matches, "rollout_steps": steps})
    recipe = tiny(
        game="you-shall-not-pass-v1", seat=seat, newest=0.0, ppo=ppo, opponent="rival",
        steps=3 * matches * steps, exploiters=1, exploiter_steps=matches * steps,
        alone=0.3, exploiter_share=0.5,
        **WORN if seat == "runner" else {},
    )  # fmt: skip

    def train(progress: Any) -> league.Made:
        game = YouShallNotPass(matches)
        return league.train(recipe, game, "house-test", {}, progress)

    seen = _mixtures(monkeypatch)
    made = train(Quiet())
    floors = pytest.approx({"zero": 0.5, "random": 0.5})
    assert seen[:2] == [floors, floors]
    assert seen[2:] == [
        {"house-test": 1.0},
        pytest.approx({"zero": 0.25, "random": 0.25, "exploiter0": 0.5}),
    ]
    other = {"runner": "blocker", "blocker": "runner"}[seat]
    assert made.opponent is not None
    assert (made.victim.card.seat, made.opponent.card.seat) == (seat, other)
    with pytest.raises(Killed):
        train(Mortal(tmp_path / "checkpoint", 4))
    resumed = train(Mortal(tmp_path / "checkpoint"))
    assert_same_policy(resumed.victim, made.victim)
    assert resumed.opponent is not None
    assert_same_policy(resumed.opponent, made.opponent)


def test_a_teacher_is_imitated_until_it_has_faded() -> None:
    """The term is the squared distance of means, the teacher's as far as the game lets it act."""
    recipe = tiny(teacher="partner", taught_until=0.5)
    rng = np.random.default_rng(1)
    obs = rng.normal(0, 3, (2, 4, PONG.seats[0].obs_dim)).astype(np.float32)
    nothing = np.zeros((2, 4), dtype=np.float32)
    seen = SimpleNamespace(obs=obs, steps=8, rewards=nothing, dense=nothing)
    hook, rows = Taught(recipe, PARTNER), torch.tensor([5, 0])
    wanted = PARTNER.mean(obs.reshape(8, -1)).clip(-1.0, 1.0)
    assert (np.abs(PARTNER.mean(obs.reshape(8, -1))) > 1.0).any()
    for progress, weight in ((0.0, 1.0), (0.25, 0.5)):
        hook.on_rollout(cast(Rollout, seen), progress)
        loss = hook.extra_loss(rows, torch.zeros(2, 2))
        assert loss is not None
        distance = np.square(wanted[[5, 0]]).sum(axis=1).mean()
        assert loss.item() == pytest.approx(weight * distance, rel=1e-5)
    hook.on_rollout(cast(Rollout, seen), 0.5)
    assert hook.extra_loss(rows, torch.zeros(2, 2)) is None


def test_the_taught_come_nearer_to_their_teacher() -> None:
    obs = np.random.default_rng(2).normal(0, 1, (200, PONG.seats[0].obs_dim)).astype(np.float32)

    def distance(**settings: Any) -> float:
        ppo = tiny().ppo.model_copy(update={"epochs": 8})
        made = _train(tiny(steps=48 * BATCH, dense=0.0, ppo=ppo, **settings))
        means = made.forward(obs, made.initial_state(len(obs)))[0]
        return float(np.square(means - PARTNER.mean(obs).clip(-1.0, 1.0)).mean())

    assert distance(teacher="partner", taught_until=1.0) < 0.8 * distance()


def test_a_recurrent_teacher_is_refused() -> None:
    taught = _train(tiny(memory=(8, 8)))
    recipe = tiny(teacher="other", taught_until=0.5)
    with pytest.raises(Misuse, match="teacher 'other' is of kind 'lstm', expected an mlp"):
        league.train(recipe, Pong(16), "house-test", {"other": taught}, Quiet())


def test_a_harness_fades_as_its_wearer_wins_and_is_off_when_others_come() -> None:
    """Pace is paid in every rollout, less and less; a checkpoint knows what was left."""
    recipe, game = runner(alone=0.4, snapshots=4, dense_until=0.8), YouShallNotPass(3)
    game.reset(EpisodeSeeds(0, 3))
    assert recipe.harness is not None
    hook = Harnessed(recipe, recipe.harness, game)
    harness, left, paid, falls = hook.harness, [], [], []
    still = np.zeros((3, 17), dtype=np.float32)
    for wins, losses, progress in ((1, 2, 0.0), (1, 1, 0.1), (0, 0, 0.2), (2, 0, 0.4), (0, 1, 0.5)):
        game.qvel[:, game.scene.parts[RUNNER].qvel.start] = -2.0
        game.step((still, still))
        nothing = np.zeros((1, 3), dtype=np.float32)
        seen = SimpleNamespace(tally=Tally(wins=wins, losses=losses), rewards=nothing)
        hook.on_rollout(cast(Rollout, seen), progress)
        left.append(harness.strength)
        paid.append(seen.rewards.max())
        falls.append(game.fallen_z)
    assert left == pytest.approx([1.0, 0.8, 0.8, 0.64, 0.0])
    assert paid == pytest.approx(
        [0.21 * (1 - progress / 0.8) for progress in (0, 0.1, 0.2, 0.4, 0.5)]
    )
    assert falls == [0.8] * 4 + [FALLEN_Z]
    harness.strength = 0.25
    other = YouShallNotPass(3)
    again = Harnessed(recipe, recipe.harness, other)
    again.restore(hook.state())
    assert (again.harness.strength, other.fallen_z) == (0.25, FALLEN_Z)
    assert again.diagnostics() == {"harness": 0.25}


def test_a_runner_has_fallen_at_the_height_of_the_rule() -> None:
    """As high as .8 m it has not, unless it is learning to run."""
    game = YouShallNotPass(2)
    game.reset(EpisodeSeeds(0, 2))
    game.qpos[:, game.scene.parts[RUNNER].qpos.start + 2] = [0.79, 0.29]
    assert game.judge().outcome.tolist() == [Outcome.RUNNING, Outcome.SEAT_0]
    game.fallen_z = 0.8
    assert (game.judge().outcome == Outcome.SEAT_0).all()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"newest": 0.8, "sparring": ("a",), "sparring_share": 0.3}, "more than 1"),
        ({"sparring": ("a",)}, "share"),
        ({"sparring_share": 0.1}, "partners"),
        ({"exploiters": 1}, "exploiters need"),
        ({"exploiters": 3, "exploiter_steps": 10, "exploiter_share": 0.1}, "snapshot"),
        ({**DIETS["exploiters"], "alone": 0.5}, "snapshot"),
        ({"opponent": "rival"}, "there are none"),
        ({"seat": "left"}, "newest must be 0"),
        ({"teacher": "a"}, "teacher needs a share"),
        ({"taught_until": 0.5}, "the share a teacher"),
        ({"harness": WORN["harness"], "dense": 0.0}, "a runner's of you-shall"),
        (
            {
                "game": "you-shall-not-pass-v1",
                "seat": "runner",
                "newest": 0.0,
                "harness": WORN["harness"],
            },
            "its own pay",
        ),
        (
            {"game": "you-shall-not-pass-v1", "seat": "runner", "newest": 0.0, **WORN},
            "leave it a snapshot",
        ),
    ],
)
def test_a_recipe_in_which_nobody_plays_a_share_is_refused(
    settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        tiny(**settings)

"""What all MuJoCo games share: senses, rewards, starts, seeds and failures, against plain MuJoCo.

A `Shadow` steps one match alone with `mj_step`; what a seat should see and earn is built from it
here in loops over names, from the layouts of Bansal et al. 2018.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from benchmark.errors import Misuse
from benchmark.games import duel
from benchmark.games.game import VOID, BadAction, Outcome, result_for
from benchmark.seeding import EpisodeSeeds
from tests.games.duels import (
    GAMES,
    HINGES,
    KINDS,
    Shadow,
    begin,
    columns,
    drawn,
    idle,
    root,
    still,
)

every_game = pytest.mark.parametrize("name", GAMES)
OBS_DIMS = {
    "you-shall-not-pass-v1": 380, "run-to-goal-humans-v1": 380, "kick-and-defend-v1": 384,
    "sumo-humans-v1": 395, "run-to-goal-ants-v1": 122, "sumo-ants-v1": 137,
}  # fmt: skip


# --- an independent reader -----------------------------------------------------------------


def joint_positions(shadow: Shadow, seat: int) -> list[float]:
    """A body's place, quaternion and hinges."""
    model, data = shadow.model, shadow.data
    first = int(model.joint(f"seat{seat}/root").qposadr[0])
    seen = [float(data.qpos[first + k]) for k in range(7)]
    for hinge in HINGES[shadow.kind]:
        seen.append(float(data.qpos[model.joint(f"seat{seat}/{hinge}").qposadr[0]]))
    return seen


def of_joints(shadow: Shadow, seat: int, field: str) -> list[float]:
    """A field with an entry per degree of freedom."""
    model, values = shadow.model, getattr(shadow.data, field)
    first = int(model.joint(f"seat{seat}/root").dofadr[0])
    seen = [float(values[first + k]) for k in range(6)]
    for hinge in HINGES[shadow.kind]:
        seen.append(float(values[model.joint(f"seat{seat}/{hinge}").dofadr[0]]))
    return seen


def of_bodies(shadow: Shadow, seat: int, field: str, limit: float = np.inf) -> list[float]:
    """A field with a row per body, one after the other."""
    seen = []
    for body in shadow.bodies(seat):
        for value in getattr(shadow.data, field)[body]:
            seen.append(min(max(float(value), -limit), limit))
    return seen


def expected_view(shadow: Shadow, seat: int) -> np.ndarray:
    """What a seat should see now."""
    name = shadow.game.card.id
    mine, theirs = joint_positions(shadow, seat), joint_positions(shadow, 1 - seat)
    rest = of_joints(shadow, seat, "qvel")
    if shadow.kind == "humanoid":
        rest += of_bodies(shadow, seat, "cinert") + of_bodies(shadow, seat, "cvel")
        rest += of_joints(shadow, seat, "qfrc_actuator")
    rest += of_bodies(shadow, seat, "cfrc_ext", limit=1.0)
    away = [theirs[0] - mine[0], theirs[1] - mine[1]]
    if name == "kick-and-defend-v1":
        x, y, z = (float(shadow.data.qpos[k]) for k in range(3))
        seen = [*mine[2:], *rest, *away, *theirs[2:], x - mine[0], y - mine[1], z]
        seen += [4.0 - x, 3.0 - y, -3.0 - y]
    elif name.startswith("sumo"):
        radius = float(shadow.model.geom("ring").size[0])
        inside = [radius - math.hypot(*pose[:2]) for pose in (mine, theirs)]
        turned = [float(v) for v in shadow.data.body(f"seat{seat}/torso").xmat]
        seen = [*mine, *rest, *theirs, *away, *turned, radius, *inside]
        seen.append(500.0 - shadow.steps)
    else:
        seen = [*mine, *rest, *theirs]
    return np.array(seen, dtype=np.float64)


def humanoid_pay(shadow: Shadow, seat: int, action: np.ndarray, upright: float) -> float:
    """5 for standing, -5 for not; less .1 a^2 and at most 10 for blows."""
    standing = 5.0 if shadow.place(seat)[2] >= upright else -5.0
    blows = 0.0
    for force in of_bodies(shadow, seat, "cfrc_ext"):
        blows += 0.5e-6 * force**2
    return standing - 0.1 * sum(float(a) ** 2 for a in action) - min(blows, 10.0)


def expected_pay(shadow: Shadow, seat: int, action: np.ndarray, before: float, over: bool) -> float:
    """A seat's shaping reward of the step just made.

    before: its centre's x until then; over: the match ended with this step.
    """
    name, here = shadow.game.card.id, shadow.place(seat)
    moved = shadow.centre_x(seat) - before
    if name == "you-shall-not-pass-v1":
        pay = humanoid_pay(shadow, seat, action, 1.0)
        to_go = abs(shadow.place(1)[0] + 4.0)
        if seat == 1:
            return pay - to_go - 0.25 * moved / 0.003
        return pay + (0.0 if shadow.centre_x(1) < -4.0 else to_go)
    if name == "run-to-goal-humans-v1":
        goal = (4.0, -4.0)[seat]
        ahead = math.copysign(moved, goal * moved)
        return humanoid_pay(shadow, seat, action, 1.0) - abs(here[0] - goal) + 0.25 * ahead / 0.003
    if name == "run-to-goal-ants-v1":
        blows = 0.5e-3 * sum(f**2 for f in of_bodies(shadow, seat, "cfrc_ext", limit=1.0))
        effort = 0.5 * sum(float(a) ** 2 for a in action)
        ahead = (moved, -moved)[seat] / 0.05
        return ahead - effort - blows + (1.0 if here[2] >= 0.28 else -1.0)
    if name.startswith("sumo"):
        upright = 0.5 + (1.0 if shadow.kind == "humanoid" else 0.28)
        return humanoid_pay(shadow, seat, action, upright) - math.hypot(here[0], here[1])
    x, y = (float(v) for v in shadow.data.qpos[:2])
    to_goal = 0.0 if over else abs(x - 4.0)
    if seat == 1:
        at_home = here[0] <= 4.05 and abs(here[1]) <= 3.0
        return humanoid_pay(shadow, seat, action, 1.0 if at_home else math.inf) + to_goal
    pay = humanoid_pay(shadow, seat, action, 1.0)
    return pay - math.hypot(here[0] - x, here[1] - y) - to_goal + 0.25 * moved / 0.003


def same_view(seen: np.ndarray, expected: np.ndarray) -> None:
    """Equal in float32, but for the last bit of a hypotenuse."""
    assert seen.shape == expected.shape
    np.testing.assert_array_max_ulp(seen, expected.astype(np.float32), maxulp=1)


@every_game
@pytest.mark.parametrize("physics", ["ranked", "original"])
def test_senses_and_rewards_are_what_a_slow_reader_finds(name, physics):
    """Every entry of both views and both rewards: at starts, as play goes on, and at the end."""
    game = begin(GAMES[name], 3, seed=8, physics=physics)
    for part in game.scene.parts:
        game.qvel[1, part.qvel.start + 2] = -15.0  # thrown down: a blow beyond the cap of 10
        game.qvel[2, part.qvel.start : part.qvel.start + 2] = 3.0, -1.0
    game.episode_step[2] = 492  # ends soon
    game.batch.forward()
    shadows = [Shadow(game, row) for row in range(3)]
    obs = (game.observe(0, np.arange(game.matches)), game.observe(1, np.arange(game.matches)))
    for shadow in shadows:
        for seat in (0, 1):
            same_view(obs[seat][shadow.row], expected_view(shadow, seat))
    rng, restarts, hardest = np.random.default_rng(1), 0, np.zeros(2)
    bounds = [np.float32(seat.act_bound) for seat in game.card.seats]
    for _ in range(45 if physics == "ranked" else 15):
        before = [[shadow.centre_x(seat) for seat in (0, 1)] for shadow in shadows]
        actions = drawn(game, rng, reach=1.5)
        step = game.step(actions)
        for row, shadow in enumerate(shadows):
            shadow.step(actions)
            over = row in step.finished
            for seat in (0, 1):
                seen = step.final_obs[seat][list(step.finished).index(row)] if over else None
                same_view(
                    step.obs[seat][row] if seen is None else seen, expected_view(shadow, seat)
                )
                played = np.clip(actions[seat][row], -bounds[seat], bounds[seat])
                pay = expected_pay(shadow, seat, played, before[row][seat], over)
                assert math.isclose(step.dense[row, seat], pay, rel_tol=1e-5, abs_tol=2e-5)
                forces = np.square(of_bodies(shadow, seat, "cfrc_ext"))
                hardest[seat] = max(hardest[seat], 0.5e-6 * forces.sum())
            if over:
                shadows[row] = Shadow(game, row)
                restarts += 1
                for seat in (0, 1):
                    same_view(step.obs[seat][row], expected_view(shadows[row], seat))
    assert restarts
    assert hardest.min() > (10.0 if KINDS[name] == "humanoid" else 1e-6), hardest


@every_game
def test_views_have_the_published_sizes_and_the_other_body_where_the_card_says(name):
    """A mask of the other's pose (a defense) hides those columns and nothing else."""
    game = begin(GAMES[name], 2)
    for seat, card in enumerate(game.card.seats):
        assert card.obs_dim == OBS_DIMS[name]
        start, stop = card.other_view
        obs = game.observe(seat, np.arange(game.matches))
        pose = joint_positions(Shadow(game), 1 - seat)
        assert stop - start == len(pose) == len(card.other_at_start)
        assert np.array_equal(obs[0, start + 2 : stop], np.array(pose[2:], dtype=np.float32))
        own = joint_positions(Shadow(game), seat)
        offset = own[:2] if name == "kick-and-defend-v1" else [0.0, 0.0]
        assert card.other_place == (start, start + 1)
        assert np.allclose(obs[0, start : start + 2], np.subtract(pose[:2], offset), atol=1e-6)
        assert card.own_view[1] <= start


# --- one match, whatever stands beside it --------------------------------------------------


def course(kind: Any, matches: int, steps: int) -> list[list[np.ndarray]]:
    """Random play in which every match restarts on the way: rows 0.. of any batch act alike."""
    listed = [[100 * row + k for k in range(4)] for row in range(matches)]
    game = kind(matches)
    seen = [list(game.reset(EpisodeSeeds(0, matches, listed)))]
    game.episode_step[:] = 488 + np.arange(matches) % 7
    for k in range(steps):
        rows = [
            np.random.default_rng((k, row)).uniform(-0.4, 0.4, (2, 17)) for row in range(matches)
        ]
        pushes = np.stack(rows, axis=1).astype(np.float32)
        step = game.step(
            (pushes[0, :, : game.card.seats[0].act_dim], pushes[1, :, : game.card.seats[1].act_dim])
        )
        seen.append([*columns(step), game.episode_seed.copy(), game.x.copy(), game.touched.copy()])
    assert (game.episode_step < steps).all()  # all have restarted
    return seen


@every_game
def test_a_match_is_the_same_beside_any_others_on_any_threads(name, monkeypatch):
    """Bit for bit, at 1, 3 and 64 matches and on 1 and 2 threads, across restarts."""
    courses = {}
    for matches, threads in ((64, 1), (64, 2), (3, 2), (3, 1), (1, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=threads: set(range(n)))
        assert GAMES[name](matches).batch.nthread == threads
        courses[matches, threads] = course(GAMES[name], matches, 18)
    whole = courses.pop((64, 1))
    for (matches, _), other in courses.items():
        for here, there in zip(whole, other, strict=True):
            for a, b in zip(here, there, strict=True):
                assert np.array_equal(a[:matches], b)


# --- where matches start -------------------------------------------------------------------

STARTS = 400


def noise(game: Any) -> tuple[np.ndarray, np.ndarray]:
    """How positions and speeds differ from the start pose: (N, nq) and (N, nv).

    Without what a game places by itself: torsos' x and y, and the ball.
    """
    name, model = game.card.id, game.scene.model
    position, velocity = game.qpos - model.qpos0, game.qvel.copy()
    placed, rolled = [], []
    if name.startswith("sumo") or name == "kick-and-defend-v1":
        placed += [root(game, seat) + k for seat in (0, 1) for k in (0, 1)]
    if name == "kick-and-defend-v1":
        placed, rolled = [*placed, 0, 1, 2], [0, 1, 2]
    return np.delete(position, placed, axis=1), np.delete(velocity, rolled, axis=1)


@every_game
def test_starts_are_noisy_as_published(name):
    """Positions by U(-.1, .1), speeds by N(0, .1), each entry by its own draw."""
    game = begin(GAMES[name], STARTS, seed=21)
    position, velocity = noise(game)
    assert np.abs(position).max() <= 0.1 + 1e-12
    assert kstest(position.ravel(), "uniform", args=(-0.1, 0.2)).pvalue > 1e-3
    assert kstest(velocity.ravel(), "norm", args=(0.0, 0.1)).pvalue > 1e-3
    both = np.concatenate([position, velocity], axis=1)
    assert np.abs(both.mean(axis=0)).max() < 0.1 * 5.0 / STARTS**0.5
    spread = both.std(axis=0) / np.repeat(
        [0.1 / 3**0.5, 0.1], [position.shape[1], velocity.shape[1]]
    )
    assert np.abs(spread - 1.0).max() < 0.2
    assert np.abs(np.corrcoef(both.T) - np.eye(both.shape[1])).max() < 5.5 / STARTS**0.5


@every_game
@pytest.mark.parametrize("draw", [0.0, 1.0 - 2.0**-53])
def test_the_rarest_draws_start_a_match_as_well(name, draw, monkeypatch):
    """A uniform of exactly 0 is no speed of minus infinity."""
    monkeypatch.setattr(
        duel, "uniforms", lambda seeds, stream, counters, count: np.full((len(seeds), count), draw)
    )
    game = begin(GAMES[name], 2)
    assert np.isfinite(game.batch.state).all()
    assert np.abs(noise(game)[1]).max() < 1.0
    step = game.step(idle(game))
    assert (step.outcome != Outcome.VOID).all()


# --- checkpoints ---------------------------------------------------------------------------


@every_game
@pytest.mark.parametrize("again", ["itself", "fresh", "of another life"])
def test_a_checkpoint_continues_bit_for_bit(name, again, tmp_path, monkeypatch):
    """Also in an instance whose simulations have warned before, or whose matches differ."""
    monkeypatch.chdir(tmp_path)  # MuJoCo logs warnings where it stands
    game, seeds = GAMES[name](5), EpisodeSeeds(2, 5)
    game.reset(seeds)
    rng = np.random.default_rng(0)
    for _ in range(12):
        last = game.step(drawn(game, rng))
    game.touched[1], game.episode_step[2] = True, 490
    saved, drawn_seeds, dice = game.state(), seeds.drawn.copy(), rng.bit_generator.state
    kept = {key: value.copy() for key, value in saved.items()}
    first = [game.step(drawn(game, rng)) for _ in range(20)]
    assert any(len(step.finished) for step in first)
    assert all(np.array_equal(saved[key], value) for key, value in kept.items())
    if again != "itself":
        game = GAMES[name](5)
    if again == "of another life":
        game.reset(EpisodeSeeds(77, 5))
        game.qpos[3, 7:] = np.nan
        assert game.step(drawn(game, np.random.default_rng(9))).outcome[3] == Outcome.VOID
        game.qpos[2, 7:] = np.nan
    seeds = EpisodeSeeds(2, 5)
    seeds.drawn[:] = drawn_seeds
    obs = game.restore(saved, seeds)
    assert all(np.array_equal(a, b) for a, b in zip(obs, last.obs, strict=True))
    assert all(np.array_equal(game.state()[key], value) for key, value in kept.items())
    rng.bit_generator.state = dice
    for step in first:
        for a, b in zip(columns(step), columns(game.step(drawn(game, rng))), strict=True):
            assert np.array_equal(a, b)


# --- matches whose simulation fails --------------------------------------------------------


def spoil(game: Any, how: str, row: int) -> None:
    """Make one match's state impossible."""
    if how == "speed of 1e9":
        game.qvel[row] = 1e9
    elif how == "place at 1e12":
        game.qpos[row, root(game, 1)] = 1e12
    elif how == "NaN speed":
        game.qvel[row, -1] = np.nan
    else:
        game.qpos[row, -1] = {"NaN place": np.nan, "infinite place": np.inf}[how]


@every_game
@pytest.mark.parametrize(
    "how", ["NaN place", "NaN speed", "infinite place", "place at 1e12", "speed of 1e9"]
)
def test_a_match_that_diverges_is_void_and_starts_anew(name, how, tmp_path, monkeypatch):
    """Nobody's win; the others, on the same thread, go on as if nothing had happened."""
    monkeypatch.chdir(tmp_path)  # MuJoCo logs warnings where it stands
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    game, twin, rng = begin(GAMES[name], 4), begin(GAMES[name], 4), np.random.default_rng(0)
    others = [0, 1, 3]
    for k in range(12):
        if k == 4:
            spoil(game, how, row=2)
            upcoming = game.state()["episode_seed"]
        actions = drawn(game, rng)
        step, calm = game.step(actions), twin.step(actions)
        for a, b in zip(columns(step), columns(calm), strict=True):
            assert np.array_equal(a[others], b[others])
        for numbers in (*step.obs, *step.final_obs, step.dense):
            assert np.isfinite(numbers).all()
        assert step.outcome[2] == (Outcome.VOID if k == 4 else Outcome.RUNNING)
        if k == 4:
            assert step.finished.tolist() == [2]
            assert [final.shape for final in step.final_obs] == [(1, OBS_DIMS[name])] * 2
            assert step.dense[2].tolist() == [0.0, 0.0]
            assert [result_for(seat, step.outcome)[2] for seat in (0, 1)] == [VOID, VOID]
            assert game.episode_seed[2] != upcoming[2]
            fresh = GAMES[name](1)
            obs = fresh.reset(EpisodeSeeds(0, 1, [[int(game.episode_seed[2])]]))
            assert all(np.array_equal(a[2], b[0]) for a, b in zip(step.obs, obs, strict=True))
        elif k > 4:
            alone = fresh.step((actions[0][2:3], actions[1][2:3]))
            for a, b in zip(columns(step), columns(alone), strict=True):
                assert np.array_equal(a[2], b[0])


@pytest.mark.parametrize(("matches", "broken"), [(4, [1, 3]), (20, [3]), (20, [3, 15])])
def test_a_simulation_that_raises_is_void_as_well(matches, broken):
    """MuJoCo itself gives some up, in a large batch: here over their integrator."""
    game, twin = (begin(GAMES["run-to-goal-ants-v1"], matches) for _ in range(2))
    integrator = game.batch.expand("opt.integrator")
    healthy = integrator.copy()
    integrator[broken] = 77
    step, calm = game.step(idle(game)), twin.step(idle(twin))
    assert np.flatnonzero(step.outcome == Outcome.VOID).tolist() == broken
    assert step.finished.tolist() == broken
    others = np.delete(np.arange(matches), broken)
    for a, b in zip(columns(step), columns(calm), strict=True):
        assert np.array_equal(a[others], b[others])
    integrator[:] = healthy
    assert not game.step(idle(game)).outcome.any()  # and the failure is not remembered


def test_a_void_beats_whatever_else_the_match_seemed_to_be(tmp_path, monkeypatch):
    """A simulation that fails as time runs out is no timeout."""
    monkeypatch.chdir(tmp_path)
    game = begin(GAMES["you-shall-not-pass-v1"], 2)
    game.episode_step[:] = 499
    spoil(game, "NaN speed", row=1)
    assert game.step(idle(game)).outcome.tolist() == [Outcome.SEAT_0, Outcome.VOID]


@every_game
def test_actions_of_nan_never_reach_the_physics(name):
    game = begin(GAMES[name], 3)
    actions = idle(game)
    actions[1][2, 5] = np.nan
    before = game.batch.state.copy()
    with pytest.raises(BadAction, match="acted with NaN or infinity in 1 of 3 matches"):
        game.step(actions)
    assert np.array_equal(game.batch.state, before)
    assert game.step(idle(game)).outcome.tolist() == [0, 0, 0]


@every_game
def test_an_action_drives_its_own_motors_only(name):
    """Seat by seat, motor by motor: a push turns the joint it is named for."""
    game = begin(GAMES[name], 2)
    for seat, part in enumerate(game.scene.parts):
        for k in range(game.card.seats[seat].act_dim):
            still(game)
            actions = idle(game)
            actions[seat][1, k] = 10.0
            game._drive(actions)
            control = game.batch.bind("ctrl")
            assert np.count_nonzero(control) == 1
            assert control[1, part.ctrl.start + k] == np.float32(game.card.seats[seat].act_bound)


@pytest.mark.parametrize("name", [name for name in GAMES if "sumo" not in name])
def test_places_are_where_the_torsos_are(name: str) -> None:
    """By what the seats see: as far apart, and as high, as the joint positions say."""
    game = begin(GAMES[name], matches=3)
    rng = np.random.default_rng(1)
    for _ in range(4):
        obs = game.step(drawn(game, rng)).obs
    places = game.places(obs)
    torso = [game.qpos[:, root(game, seat) : root(game, seat) + 3] for seat in (0, 1)]
    apart = (torso[1] - torso[0])[:, :2]
    np.testing.assert_allclose((places[:, 1] - places[:, 0])[:, :2], apart, atol=1e-5)
    for seat in (0, 1):
        np.testing.assert_allclose(places[:, seat, 2], torso[seat][:, 2], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in GAMES if "sumo" in name])
def test_bodies_that_are_dropped_have_no_place_to_fall_from(name: str) -> None:
    game = begin(GAMES[name])
    with pytest.raises(Misuse, match=f"{name} begins in the air"):
        game.places(game.step(idle(game)).obs)

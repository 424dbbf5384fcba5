"""Rules of Kick And Defend: goals, saves, fouls, and who has touched the ball."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from benchmark.games.game import Outcome
from benchmark.games.kick_and_defend import KickAndDefend
from tests.games.duels import Shadow, ball, begin, ended, idle, lie, root, settle, still, verdict

KICKER, KEEPER = 0, 1
RUNNING = (Outcome.RUNNING, "")
GOAL, WIDE = (Outcome.SEAT_0, "goal"), (Outcome.SEAT_1, "wide")
SAVE, TURNED_BACK = (Outcome.SEAT_1, "save"), (Outcome.SEAT_1, "turned_back")
BOTH_DOWN, TIMEOUT = (Outcome.SEAT_1, "both_down"), (Outcome.SEAT_1, "timeout")
FOUL = (Outcome.TIE, "foul")
PAST, BESIDE = float(np.nextafter(4.0, 5.0)), float(np.nextafter(3.0, 4.0))
FAST = float(np.nextafter(1.0, 2.0))


def standing(
    *, at: tuple[float, float] = (0.0, 0.0), speed: tuple[float, float, float] = (0.0, 0.0, 0.0),
    kicker: float = 1.4, keeper: float = 1.4, keeper_x: float = 3.0, touched: bool = False,
    step: int = 100,
) -> Any:  # fmt: skip
    """A match as it stands: the ball's place and speed, both heights, where the keeper is."""
    game = begin(KickAndDefend)
    place, velocity = ball(game)
    game.qpos[0, place : place + 2] = at
    game.qvel[0, velocity : velocity + 3] = speed
    game.qpos[0, root(game, KICKER) + 2] = kicker
    game.qpos[0, root(game, KEEPER) + 2] = keeper
    game.qpos[0, root(game, KEEPER)] = keeper_x
    game.touched[0], game.episode_step[0] = touched, step
    return game


BACK = (-2.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RUNNING),
        ({"at": (4.0, 0.0)}, RUNNING),
        ({"at": (PAST, 0.0)}, GOAL),
        ({"at": (PAST, 3.0)}, GOAL),  # the post's inner edge
        ({"at": (PAST, -3.0)}, GOAL),
        ({"at": (PAST, BESIDE)}, WIDE),
        ({"at": (PAST, -BESIDE)}, WIDE),
        ({"at": (3.9, 5.0)}, RUNNING),
        ({"at": (-5.0, 0.0)}, RUNNING),  # behind the kicker's own line
        ({"speed": (-1.0, 0.0, 0.0)}, RUNNING),
        ({"speed": (-FAST, 0.0, 0.0)}, TURNED_BACK),
        ({"speed": (-FAST, 0.0, 0.0), "touched": True}, SAVE),
        ({"speed": (-0.01, 2.0, 0.0)}, TURNED_BACK),  # a little back, but fast
        ({"speed": (-0.01, 0.0, -2.0), "touched": True}, SAVE),
        ({"speed": (-0.5, 0.5, 0.5)}, RUNNING),
        ({"speed": (0.0, 5.0, 0.0)}, RUNNING),  # not back at all
        ({"speed": (6.0, 0.0, 0.0)}, RUNNING),
        ({"touched": True}, RUNNING),
        ({"kicker": 0.79, "keeper": 0.5}, BOTH_DOWN),
        ({"kicker": 0.8, "keeper": 0.5}, RUNNING),
        ({"kicker": 0.79, "keeper": 0.51}, RUNNING),
        ({"kicker": 0.1}, RUNNING),
        ({"keeper": 0.1}, RUNNING),
        ({"step": 499}, RUNNING),
        ({"step": 500}, TIMEOUT),
        ({"keeper_x": 1.5}, RUNNING),
        ({"keeper_x": 1.5 - 1e-9}, FOUL),
        ({"keeper_x": 6.5}, RUNNING),
        ({"keeper_x": 6.5 + 1e-9}, FOUL),
        # a goal beats everything
        ({"at": (PAST, 0.0), "speed": BACK, "touched": True}, GOAL),
        ({"at": (PAST, 0.0), "kicker": 0.1, "keeper": 0.1}, GOAL),
        ({"at": (PAST, 0.0), "step": 500}, GOAL),
        ({"at": (PAST, 0.0), "keeper_x": 0.0}, GOAL),
        # what the keeper wins by beats its foul
        ({"at": (PAST, 4.0), "keeper_x": 0.0}, WIDE),
        ({"speed": BACK, "keeper_x": 0.0}, TURNED_BACK),
        ({"speed": BACK, "keeper_x": 0.0, "touched": True}, SAVE),
        ({"kicker": 0.1, "keeper": 0.1, "keeper_x": 0.0}, BOTH_DOWN),
        ({"step": 500, "keeper_x": 0.0}, TIMEOUT),
        # and each of its ways has one name
        ({"speed": BACK, "step": 500, "touched": True}, SAVE),
        ({"at": (PAST, 4.0), "step": 500}, WIDE),
        ({"kicker": 0.1, "keeper": 0.1, "step": 500}, BOTH_DOWN),
        ({"speed": BACK, "kicker": 0.1, "keeper": 0.1}, TURNED_BACK),
    ],
)
def test_who_wins_and_how(fields, expected):
    assert verdict(standing(**fields)) == expected


def test_every_ending_is_reached_by_playing():
    """By a step of physics, the ball moving by itself (a save is below)."""
    game = begin(KickAndDefend, 7)
    still(game)
    place, velocity = ball(game)
    x, y, vx = place, place + 1, velocity
    game.qpos[:, place : place + 3] = 0.0, 1.0, 1.0
    game.qpos[0, [x, y]], game.qvel[0, vx] = (3.98, 2.0), 4.0
    game.qpos[1, [x, y]], game.qvel[1, vx] = (3.98, 3.5), 4.0
    game.qvel[2, vx] = -2.0
    for seat in (KICKER, KEEPER):
        lie(game, seat, 0.2, 3)
    game.episode_step[4] = 499
    game.qpos[5, root(game, KEEPER)] = 1.4
    settle(game)
    step = game.step(idle(game))
    assert [ended(step, game, row) for row in range(6)] == [
        GOAL, WIDE, TURNED_BACK, BOTH_DOWN, TIMEOUT, FOUL,
    ]  # fmt: skip
    assert step.outcome[6] == Outcome.RUNNING


def test_the_keepers_own_touch_makes_it_a_save():
    """A ball shot at the keeper's chest springs back: played out, nothing set by hand."""
    game = begin(KickAndDefend, 2)
    still(game)
    place, velocity = ball(game)
    game.qpos[0, place : place + 3] = 2.4, 0.0, 1.5
    game.qvel[0, velocity : velocity + 3] = 9.0, 0.0, 0.5
    game.qpos[1, place : place + 3] = 1.0, 2.0, 1.5  # passes the keeper by
    game.qvel[1, velocity : velocity + 3] = 6.0, 0.0, 0.5
    settle(game)
    endings = {}
    for _ in range(40):
        step = game.step(idle(game))
        for row in step.finished:
            endings.setdefault(int(row), ended(step, game, row))
        if len(endings) == 2:
            break
    assert endings == {0: SAVE, 1: GOAL}


def around(game: Any, rng: np.random.Generator, seat: int, rows: range) -> None:
    """Put the balls of these rows somewhere around a body's surface."""
    place, _ = ball(game)
    model = game.scene.model
    geoms = [g for g in range(model.ngeom) if model.geom(g).name.startswith(f"seat{seat}/")]
    data = Shadow(game, rows.start).data
    for row in rows:
        geom = rng.choice(geoms)
        away = rng.normal(size=3)
        away *= (0.15 + model.geom_size[geom, 0] + rng.uniform(-0.01, 0.03)) / np.linalg.norm(away)
        game.qpos[row, place : place + 3] = data.geom_xpos[geom] + away


def test_only_the_keepers_body_touches_for_a_save():
    """Against the contacts that plain MuJoCo lists, the balls around either body."""
    game, rng = begin(KickAndDefend, 80), np.random.default_rng(2)
    still(game)
    around(game, rng, KEEPER, range(40))
    around(game, rng, KICKER, range(40, 80))
    settle(game)
    shadows = [Shadow(game, row) for row in range(80)]
    touched = np.zeros(80, dtype=bool)
    step = game.step(idle(game))
    touched[:] = game.touched
    found = []
    for shadow in shadows:
        shadow.step(idle(game))
        one = {int(shadow.model.body("ball").id)}
        by = [shadow.touching(one, set(shadow.bodies(seat))) for seat in (KICKER, KEEPER)]
        found.append((by[KICKER][1], by[KEEPER][0], by[KEEPER][1]))
    kicked, near, pressed = np.array(found).T
    over = np.zeros(80, dtype=bool)
    over[step.finished] = True
    assert (touched[~over] == pressed[~over]).all()
    for row in step.finished:  # the new match is untouched; what the old one was, its ending says
        if step.outcome[row] == Outcome.SEAT_1:
            assert game.card.endings[step.ending[row]] == (
                "save" if pressed[row] else "turned_back"
            )
    assert min(pressed.sum(), kicked.sum(), (~near).sum()) >= 10
    assert not (touched & kicked).any()
    assert not game.touched[over].any()


def test_where_a_match_starts():
    """Bodies and ball by uniform draws of their own; the ball .35 m high."""
    game = begin(KickAndDefend, 400, seed=6)
    place, _ = ball(game)
    spans = {
        root(game, KICKER): (-3.5, -0.5), root(game, KICKER) + 1: (-2.0, 2.0),
        root(game, KEEPER): (1.6, 3.5), root(game, KEEPER) + 1: (-2.0, 2.0),
        place: (-2.0, 1.0), place + 1: (-4.0, 4.0),
    }  # fmt: skip
    for column, (low, high) in spans.items():
        assert kstest(game.qpos[:, column], "uniform", args=(low, high - low)).pvalue > 1e-3
        assert low <= game.qpos[:, column].min() <= game.qpos[:, column].max() <= high
    assert (game.qpos[:, place + 2] == 0.35).all()
    assert np.abs(np.corrcoef(game.qpos[:, list(spans)].T) - np.eye(6)).max() < 0.2
    assert (game.judge().outcome == Outcome.RUNNING).all()


def test_no_ball_starts_on_its_way_back():
    """One whose noise would roll it back gets .1 m/s along every axis; the others keep theirs."""
    game = begin(KickAndDefend, 400, seed=6)
    _, velocity = ball(game)
    speed = game.qvel[:, velocity : velocity + 3]
    pushed = (speed == 0.1).all(axis=1)
    assert 0.4 < pushed.mean() < 0.6
    assert (speed[:, 0] >= 0.0).all()
    kept = speed[~pushed]
    assert kstest(np.abs(kept[:, 0]), "halfnorm", args=(0.0, 0.1)).pvalue > 1e-3
    assert kstest(kept[:, 1:].ravel(), "norm", args=(0.0, 0.1)).pvalue > 1e-3
    spin = game.qvel[:, velocity + 3 : velocity + 6]
    assert kstest(spin.ravel(), "norm", args=(0.0, 0.1)).pvalue > 1e-3  # spin is left alone


def test_the_seats_differ_and_the_keeper_is_the_adversarys():
    card = KickAndDefend.describe()
    assert (card.symmetric, card.adversary_seat) == (False, "keeper")
    assert [seat.name for seat in card.seats] == ["kicker", "keeper"]


@pytest.mark.parametrize(
    ("x", "y", "good"),
    [
        (3.0, 0.0, True),
        (4.05, 3.0, True),
        (4.06, 0.0, False),
        (3.0, 3.01, False),
        (3.0, -3.01, False),
    ],
)
def test_the_keeper_is_paid_for_standing_in_front_of_its_goal_only(x, y, good):
    """The shaping reward of the original; a kicker may stand anywhere."""
    game = begin(KickAndDefend, 1)
    action = np.zeros((1, 17), dtype=np.float32)
    game.place_xy(1, np.array([0]), np.array([x]), np.array([y]))
    to_goal = abs(game._ball[0, 0] - 4.0)
    hit = game.batch.bind("cfrc_ext")[0, game.scene.parts[1].bodies]
    blows = min(0.5e-6 * float(np.square(hit).sum()), 10.0)
    paid = float(game.reward(1, action, np.zeros(1))[0])
    assert paid == pytest.approx((5.0 if good else -5.0) + to_goal - blows)

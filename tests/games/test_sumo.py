"""Rules of Sumo, of humans and of ants: falls, steps outside, touches, rings of many sizes."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import pytest
from scipy.stats import kstest

from benchmark.games.game import Outcome
from benchmark.games.sumo_ants import SumoAnts
from benchmark.games.sumo_humans import SumoHumans
from benchmark.seeding import EpisodeSeeds
from tests.games.duels import Shadow, begin, ended, idle, lie, root, settle, still, verdict

LEFT, RIGHT = 0, 1
RING = 0.5
RADII = {SumoHumans: (1.5, 3.5), SumoAnts: (2.5, 4.5)}
GAP = {SumoHumans: 0.3 + 0.75, SumoAnts: 0.3 + 1.25}
DOWN = {SumoHumans: 0.5, SumoAnts: 0.3}
every_body = pytest.mark.parametrize("kind", RADII)

RUNNING = (Outcome.RUNNING, "")
LEFT_FELL, RIGHT_FELL = (Outcome.SEAT_1, "fall"), (Outcome.SEAT_0, "fall")
LEFT_OUT, RIGHT_OUT = (Outcome.SEAT_1, "out"), (Outcome.SEAT_0, "out")
BOTH_FELL, BOTH_OUT = (Outcome.TIE, "both_fall"), (Outcome.TIE, "both_out")
FELL_ALONE, OUT_ALONE = (Outcome.TIE, "fall_untouched"), (Outcome.TIE, "out_untouched")
TIMEOUT = (Outcome.TIE, "timeout")
LOW, HIGH = -1e-9, 1e-9
"""Just below and above the height of one that has fallen."""


def standing(
    kind: Any, *, inside: tuple[float, float] = (1.0, 1.0), above: tuple[float, float] = (1.0, 1.0),
    touched: bool = True, step: int = 100, **options: Any,
) -> Any:  # fmt: skip
    """A match as it stands: metres from the edge, metres above the height of one that fell."""
    game, everyone = begin(kind, **options), np.arange(1)
    game.radius[:] = 3.0
    for seat, way in ((LEFT, -1.0), (RIGHT, 1.0)):
        game.place_xy(seat, everyone, np.array([way * (3.0 - inside[seat])]), np.zeros(1))
        game.qpos[0, root(game, seat) + 2] = RING + DOWN[kind] + above[seat]
    game.touched[0], game.episode_step[0] = touched, step
    return game


@every_body
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RUNNING),
        ({"above": (LOW, 1.0)}, LEFT_FELL),
        ({"above": (1.0, LOW)}, RIGHT_FELL),
        ({"above": (HIGH, HIGH)}, RUNNING),
        ({"inside": (0.0, 0.0)}, RUNNING),  # on the very edge
        ({"inside": (-1e-9, 1.0)}, LEFT_OUT),
        ({"inside": (1.0, -1e-9)}, RIGHT_OUT),
        ({"above": (LOW, LOW)}, BOTH_FELL),
        ({"inside": (-0.1, -0.1)}, BOTH_OUT),
        ({"above": (LOW, 1.0), "inside": (1.0, -0.1)}, LEFT_FELL),  # a fall counts first
        ({"above": (1.0, LOW), "inside": (-0.1, 1.0)}, RIGHT_FELL),
        ({"above": (LOW, 1.0), "inside": (-0.1, -0.1)}, LEFT_FELL),
        ({"above": (LOW, 1.0), "inside": (-0.1, 1.0)}, LEFT_FELL),
        ({"above": (LOW, LOW), "inside": (-0.1, 1.0)}, BOTH_FELL),
        ({"step": 499}, RUNNING),
        ({"step": 500}, TIMEOUT),
        ({"step": 500, "above": (LOW, 1.0)}, LEFT_FELL),
        ({"step": 500, "inside": (1.0, -0.1)}, RIGHT_OUT),
        ({"touched": False}, RUNNING),
        ({"touched": False, "above": (LOW, 1.0)}, FELL_ALONE),
        ({"touched": False, "above": (1.0, LOW)}, FELL_ALONE),
        ({"touched": False, "inside": (-0.1, 1.0)}, OUT_ALONE),
        ({"touched": False, "inside": (1.0, -0.1)}, OUT_ALONE),
        ({"touched": False, "above": (LOW, LOW)}, BOTH_FELL),
        ({"touched": False, "inside": (-0.1, -0.1)}, BOTH_OUT),
        ({"touched": False, "above": (LOW, 1.0), "inside": (1.0, -0.1)}, FELL_ALONE),
        ({"touched": False, "step": 500}, TIMEOUT),
    ],
)
def test_who_wins_and_how(kind, fields, expected):
    assert verdict(standing(kind, **fields)) == expected


@every_body
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RUNNING),
        ({"above": (LOW, 1.0)}, LEFT_FELL),
        ({"inside": (1.0, -0.1)}, RIGHT_OUT),
        ({"above": (LOW, LOW)}, BOTH_FELL),
        ({"step": 500}, TIMEOUT),
    ],
)
def test_with_auto_contact_a_fall_needs_no_touch(kind, fields, expected):
    """Gleave et al.'s variant; its card says that it is another game."""
    game = standing(kind, touched=False, auto_contact=True, **fields)
    assert verdict(game) == expected
    assert game.card.options["auto_contact"] is True
    assert kind.describe().options["auto_contact"] is False


@every_body
def test_every_ending_is_reached_by_playing(kind):
    """By a step of physics: who has been touched before, and who has not."""
    game = begin(kind, 9)
    game.radius[:] = game._sizes[:, 0] = RADII[kind][1]
    still(game)
    beyond = RADII[kind][1] + 0.1
    for seat, way in ((LEFT, -1.0), (RIGHT, 1.0)):
        game.place_xy(seat, np.arange(9), np.full(9, way * 1.2), np.zeros(9))
        for row in (0, 2, 4) if seat == LEFT else (2,):
            lie(game, seat, RING + (0.2 if kind is SumoHumans else 0.26), row)
        for row in (1, 3, 5) if seat == RIGHT else (3,):
            game.qpos[row, root(game, seat)] = way * beyond
    game.touched[:] = [True] * 4 + [False] * 5
    game.episode_step[[6, 7]] = [499, 498]
    step = game.step(idle(game))
    assert [ended(step, game, row) for row in range(7)] == [
        LEFT_FELL, RIGHT_OUT, BOTH_FELL, BOTH_OUT, FELL_ALONE, OUT_ALONE, TIMEOUT,
    ]  # fmt: skip
    assert step.outcome[7:].tolist() == [Outcome.RUNNING] * 2
    assert not game.touched.any()  # new matches begin untouched


# --- touching ------------------------------------------------------------------------------


def gap(shadow: Shadow) -> float:
    """The least distance between the two bodies' surfaces."""
    nearest = 10.0
    for mine in shadow.bodies(LEFT):
        for theirs in shadow.bodies(RIGHT):
            for a in range(*own_geoms(shadow.model, mine)):
                for b in range(*own_geoms(shadow.model, theirs)):
                    apart = mujoco.mj_geomDistance(shadow.model, shadow.data, a, b, 10.0, None)
                    nearest = min(nearest, apart)
    return nearest


def own_geoms(model: Any, body: int) -> tuple[int, int]:
    """The first geom of a body and the first after it."""
    first = int(model.body_geomadr[body])
    return first, first + int(model.body_geomnum[body])


def face_to_face(kind: Any, matches: int) -> Any:
    """Bodies in the air that do not move, one before the other, 3 m apart."""
    game = begin(kind, matches)
    still(game)
    for seat, way in ((LEFT, -1.5), (RIGHT, 1.5)):
        game.qpos[:, root(game, seat) : root(game, seat) + 3] = way, 0.0, 5.0
    settle(game)
    return game


@every_body
def test_a_touch_is_a_contact_that_presses(kind):
    """Against the contacts that plain MuJoCo lists: near bodies are in contact before they touch.

    MuJoCo reports contacts within a margin around the bodies too; the original counts dist < 0.
    """
    game = face_to_face(kind, 48)
    apart, margin = gap(Shadow(game)), float(game.scene.model.geom_margin.max())
    closer = apart - np.linspace(-0.8 * margin, 2.5 * margin, 48)
    game.qpos[:, root(game, RIGHT)] -= closer
    settle(game)
    shadows = [Shadow(game, row) for row in range(48)]
    step = game.step(idle(game))
    assert not len(step.finished)
    found = []
    for shadow in shadows:
        shadow.step(idle(game))
        found.append(shadow.touching(set(shadow.bodies(LEFT)), set(shadow.bodies(RIGHT))))
    near, press = np.array(found).T
    assert game.touched.tolist() == press.tolist()
    assert min((~near).sum(), press.sum(), (near & ~press).sum()) >= 3


@every_body
def test_bodies_that_overlap_touch_and_it_is_remembered(kind):
    game = face_to_face(kind, 3)
    apart = gap(Shadow(game))
    game.qpos[:, root(game, RIGHT)] -= apart + np.array([0.02, 0.02, -1.0])
    game.step(idle(game))
    assert game.touched.tolist() == [True, True, False]
    game.qpos[:, root(game, RIGHT)] += 2.0
    game.step(idle(game))
    game.episode_step[1] = 499
    assert game.step(idle(game)).finished.tolist() == [1]
    assert game.touched.tolist() == [True, False, False]  # a new match is untouched


@every_body
def test_standing_on_the_ring_is_no_touch(kind):
    """Neither the ground nor a body's own limbs count."""
    game = begin(kind, 4, seed=4)
    game.radius[:] = game._sizes[:, 0] = RADII[kind][1]
    for seat, way in ((LEFT, -1.6), (RIGHT, 1.6)):
        game.place_xy(seat, np.arange(4), np.full(4, way), np.zeros(4))
        game.qpos[:, root(game, seat) + 2] -= 0.6 if kind is SumoHumans else 1.45
    shadows, grounded = [Shadow(game, row) for row in range(4)], 0
    for _ in range(15):
        step = game.step(idle(game))
        assert not len(step.finished)
        for shadow in shadows:
            shadow.step(idle(game))
            on_ground = [shadow.touching({0}, set(shadow.bodies(s)))[1] for s in (LEFT, RIGHT)]
            grounded += sum(on_ground)
    assert grounded > 8
    assert not game.touched.any()


# --- the ring and where bodies start -------------------------------------------------------


@every_body
def test_rings_have_every_radius_and_hold_both_bodies(kind):
    """Radius, and places half a radius and more from the edge, each by its own uniform draw."""
    game = begin(kind, 400, seed=9)
    (low, high), edge = RADII[kind], GAP[kind]
    radius = game.radius
    assert low <= radius.min() < low + 0.05
    assert high - 0.05 < radius.max() <= high
    assert kstest(radius, "uniform", args=(low, high - low)).pvalue > 1e-3
    drawn = [(radius - low) / (high - low)]
    for seat, way in ((LEFT, -1.0), (RIGHT, 1.0)):
        x, y = (game.qpos[:, root(game, seat) + k] for k in (0, 1))
        assert (way * x >= 0.3 - 1e-12).all()
        assert (way * x <= radius - edge + 1e-12).all()
        assert (x**2 + (np.abs(y) + edge) ** 2 <= radius**2 + 1e-9).all()
        reach = np.sqrt(radius**2 - x**2) - edge
        drawn += [(way * x - 0.3) / (radius - edge - 0.3), (y / reach + 1.0) / 2.0]
        assert (game.inside(seat) > 0.0).all()
    for part in drawn:
        assert kstest(part, "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn) - np.eye(5)).max() < 0.2


@every_body
def test_a_match_is_played_on_the_ring_that_it_is_judged_by(kind):
    """The body of the ring, the view of it and the rule share one radius; a restart redraws it."""
    game = begin(kind, 3)
    first = game.radius.copy()
    assert len(set(first)) == 3
    game.episode_step[1] = 499
    step = game.step(idle(game))
    assert step.finished.tolist() == [1]
    assert game.radius[1] != first[1]
    assert game.radius[[0, 2]].tolist() == first[[0, 2]].tolist()
    for row in range(3):
        ring = game.batch.get_model(row).geom("ring")
        assert ring.size[:2].tolist() == [game.radius[row], RING / 2.0]
        for obs in step.obs:
            assert obs[row, -4] == np.float32(game.radius[row])
    assert [o[0, -4] for o in step.final_obs] == [np.float32(first[1])] * 2


@every_body
def test_beyond_its_radius_the_ring_holds_nothing(kind):
    """The model's ring is the widest: bodies that lie beyond a match's own must not feel it."""
    game = begin(kind, 2)
    still(game)
    radius = np.array([RADII[kind][0], RADII[kind][1]])
    game.radius[:] = game._sizes[:, 0] = radius
    for seat, way in ((LEFT, -1.0), (RIGHT, 1.0)):
        lie(game, seat, RING + 0.05)
        game.qpos[:, root(game, seat)] = way * (RADII[kind][0] + 1.7)
    contacts = []
    for row in (0, 1):
        shadow = Shadow(game, row)
        ring = shadow.model.geom("ring").id
        contacts.append(sum(ring in contact.geom for contact in shadow.data.contact))
    game.batch.forward()
    force = game.batch.bind("cfrc_ext")[:, game.scene.parts[LEFT].bodies]
    felt = np.abs(force).reshape(2, -1).max(axis=1) > 0
    assert (np.array(contacts) > 0).tolist() == felt.tolist() == [False, True]


@every_body
def test_a_restored_match_keeps_its_ring(kind):
    """The radius is no part of the physics' state: it must follow from the episode's seed."""
    game = begin(kind, 4, seed=1)
    game.episode_step[:] = [499, 3, 499, 3]
    game.touched[3] = True
    game.step(idle(game))
    other = kind(4)
    other.restore(game.state(), EpisodeSeeds(1, 4))
    assert other.radius.tolist() == game.radius.tolist()
    assert other.touched.tolist() == game.touched.tolist()
    for row in range(4):
        assert other.batch.get_model(row).geom("ring").size[0] == game.radius[row]


@every_body
def test_either_body_may_be_the_attackers(kind):
    card = kind.describe()
    assert card.symmetric
    assert [seat.name for seat in card.seats] == ["left", "right"]
    assert f"{RADII[kind][0]:g} to {RADII[kind][1]:g} m" in card.rules
    assert f"{DOWN[kind]:g} m above the ring" in card.rules

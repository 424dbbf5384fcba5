"""The composed scenes against gymnasium's models, the old engine's masses, and literal numbers."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from benchmark.games.scene import ASSETS, Start, add_goal_lines, compose
from benchmark.policies.zoo import import_path
from tests.games.duels import (
    BODIES,
    GAMES,
    HINGES,
    KINDS,
    MOTORS,
    Shadow,
    ball,
    begin,
    bend,
    root,
    still,
)

REPOSITORY = Path(__file__).resolve().parents[2]
ZOO = REPOSITORY.parent / "shared" / "zoo" / "multiagent-competition"
RADIUS_OF_SPHERE = 0.15
every_game = pytest.mark.parametrize("name", GAMES)
every_kind = pytest.mark.parametrize("kind", ["humanoid", "ant"])


def scene(name: str, **options: Any) -> Any:
    """A game's compiled model."""
    kind = GAMES[name]
    return kind.compose(kind.Options(**options)).model


def pair(kind: Any, **options: Any) -> Any:
    """A scene of two bodies and nothing but the floor."""
    starts = (Start(-1.0, 1.4, 0.0), Start(1.0, 1.4, 180.0))
    return compose(kind, starts, lambda world: None, "ranked", **options).model


def gymnasium_model(kind: str) -> Any:
    """The model as gymnasium ships it."""
    return mujoco.MjModel.from_xml_path(str(ASSETS / f"{kind}.xml"))


# --- masses and inertias -------------------------------------------------------------------

DENSITY = {"humanoid": 1000.0, "ant": 5.0}
MASSES = {
    "humanoid": {
        "torso": 8.32207894, "lwaist": 2.03575204, "pelvis": 5.85278711, "right_thigh": 4.52555626,
        "right_shin": 2.63249442, "right_foot": 1.76714587, "left_thigh": 4.52555626,
        "left_shin": 2.63249442, "left_foot": 1.76714587, "right_upper_arm": 1.59405984,
        "right_lower_arm": 1.19834313, "left_upper_arm": 1.59405984, "left_lower_arm": 1.19834313,
    },
    "ant": {
        "torso": 0.32724923, "front_left_leg": 0.03647693, "aux_1": 0.03647693,
        "of ankle_1": 0.06491138, "front_right_leg": 0.03647693, "aux_2": 0.03647693,
        "of ankle_2": 0.06491138, "back_leg": 0.03647693, "aux_3": 0.03647693,
        "of ankle_3": 0.06491138, "right_back_leg": 0.03647693, "aux_4": 0.03647693,
        "of ankle_4": 0.06491138,
    },
}  # fmt: skip
SPHERES_ONLY = {"humanoid": {"right_foot", "left_foot"}, "ant": {"torso"}}


def body_id(model: Any, seat: int, name: str) -> int:
    """A body by its name, or by the joint that moves it."""
    if name.startswith("of "):
        return int(model.joint(f"seat{seat}/{name.removeprefix('of ')}").bodyid[0])
    return int(model.body(f"seat{seat}/{name}").id)


def floats(text: str | None) -> np.ndarray:
    """Numbers of an XML attribute."""
    return np.array([float(word) for word in (text or "").split()])


def xml_solids(kind: str) -> dict[str, list[ET.Element]]:
    """The geoms of every body in gymnasium's file, read with nothing of MuJoCo."""
    found: dict[str, list[ET.Element]] = {}
    for body in ET.parse(ASSETS / f"{kind}.xml").getroot().iter("body"):
        name = body.get("name") or f"of {body.find('joint').get('name')}"
        found[name] = body.findall("geom")
    return found


def grains(geom: ET.Element, density: float) -> tuple[np.ndarray, np.ndarray]:
    """A solid as points: (K,) masses and (K, 3) places in its body.

    Gauss-Legendre along and across, equal angles around: exact for mass, centre and inertia. A
    capsule is what the old engine took it for, a cylinder longer than its core by one radius.
    """
    nodes, weights = np.polynomial.legendre.leggauss(6)
    unit, half = (nodes + 1.0) / 2.0, weights / 2.0
    angles = np.arange(8) * np.pi / 4.0
    size = floats(geom.get("size"))[0]
    if geom.get("type") == "sphere":
        r, cosine, angle = np.meshgrid(unit * size, nodes, angles, indexing="ij")
        w = np.einsum("i,j,k->ijk", half * size, weights, np.full(8, np.pi / 4)) * r**2
        sine = np.sqrt(1.0 - cosine**2)
        local = np.stack([r * sine * np.cos(angle), r * sine * np.sin(angle), r * cosine], axis=-1)
        at = floats(geom.get("pos"))
    else:
        start, stop = floats(geom.get("fromto")).reshape(2, 3)
        length = np.linalg.norm(stop - start) + size
        r, z, angle = np.meshgrid(unit * size, nodes * length / 2.0, angles, indexing="ij")
        w = np.einsum("i,j,k->ijk", half * size, weights * length / 2, np.full(8, np.pi / 4)) * r
        axis = (stop - start) / np.linalg.norm(stop - start)
        side = np.cross(axis, [0.3, 0.5, 0.7])
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(axis, side), axis])
        local = np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1) @ frame
        at = (start + stop) / 2.0
    return density * w.ravel(), local.reshape(-1, 3) + at


def lump(kind: str, name: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass, centre (3,) and inertia about the centre (3, 3) of a body, summed over its grains."""
    parts = [grains(geom, DENSITY[kind]) for geom in xml_solids(kind)[name]]
    mass = np.concatenate([w for w, _ in parts])
    place = np.concatenate([p for _, p in parts])
    centre = (mass[:, None] * place).sum(axis=0) / mass.sum()
    away = place - centre
    squares = (mass[:, None, None] * away[:, :, None] * away[:, None, :]).sum(axis=0)
    return mass.sum(), centre, np.trace(squares) * np.eye(3) - squares


def tensor(model: Any, body: int) -> np.ndarray:
    """A body's inertia about its centre of mass, in its own frame: (3, 3)."""
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, model.body_iquat[body])
    axes = turn.reshape(3, 3)
    return axes @ np.diag(model.body_inertia[body]) @ axes.T


def test_the_quadrature_knows_a_cylinder_and_a_sphere():
    """The yardstick itself: textbook formulas of one solid each."""
    thigh = ET.fromstring('<geom type="capsule" fromto="0 0 0 0 0 -.3" size=".05"/>')
    weight, place = grains(thigh, 1000.0)
    length = 0.35
    mass = 1000.0 * np.pi * 0.05**2 * length
    about = place - [0, 0, -0.15]
    assert np.isclose(weight.sum(), mass)
    assert np.isclose((weight * (about[:, :2] ** 2).sum(axis=1)).sum(), mass * 0.05**2 / 2)
    across = mass * (3 * 0.05**2 + length**2) / 12
    assert np.isclose((weight * (about[:, 1:] ** 2).sum(axis=1)).sum(), across)
    weight, place = grains(ET.fromstring('<geom type="sphere" pos="1 0 0" size=".2"/>'), 10.0)
    mass = 10.0 * 4 / 3 * np.pi * 0.2**3
    about = place - [1, 0, 0]
    assert np.isclose(weight.sum(), mass)
    assert np.isclose((weight * (about[:, :2] ** 2).sum(axis=1)).sum(), 0.4 * mass * 0.2**2)


@every_kind
@pytest.mark.parametrize("seat", [0, 1])
def test_bodies_weigh_what_they_weighed_in_the_old_engine(kind, seat):
    """Literal numbers: under any other capsule formula the published policies fall over."""
    model = pair(kind)
    for name, mass in MASSES[kind].items():
        assert abs(model.body_mass[body_id(model, seat, name)] - mass) < 1e-7


@every_kind
@pytest.mark.parametrize("seat", [0, 1])
def test_mass_centre_and_inertia_are_those_of_the_old_solids(kind, seat):
    model = pair(kind)
    assert tuple(xml_solids(kind)) == BODIES[kind]
    for name in BODIES[kind]:
        body = body_id(model, seat, name)
        mass, centre, inertia = lump(kind, name)
        assert np.isclose(model.body_mass[body], mass, rtol=1e-9)
        assert np.allclose(model.body_ipos[body], centre, atol=1e-9)
        assert np.allclose(tensor(model, body), inertia, rtol=1e-9, atol=1e-9 * inertia.max())


@every_kind
def test_principal_axes_are_rotations_and_constants_follow_the_masses(kind):
    """mj_setConst must run after the masses change: subtree masses and weights hang on it."""
    model = pair(kind)
    assert np.allclose(np.linalg.norm(model.body_iquat, axis=1), 1.0)
    for seat in (0, 1):
        torso = model.body(f"seat{seat}/torso").id
        assert np.isclose(model.body_subtreemass[torso], sum(MASSES[kind].values()), atol=1e-6)
    same, before = pair(kind), model.body_invweight0.copy()
    mujoco.mj_setConst(same, mujoco.MjData(same))
    assert np.allclose(before, same.body_invweight0, rtol=1e-12)
    assert not np.allclose(before, pair(kind, legacy_masses=False).body_invweight0, rtol=1e-3)


@every_kind
def test_todays_masses_are_gymnasiums_and_differ(kind):
    todays, old, shipped = pair(kind, legacy_masses=False), pair(kind), gymnasium_model(kind)
    for k, name in enumerate(BODIES[kind], start=1):
        for seat in (0, 1):
            body = body_id(todays, seat, name)
            for field in ("body_mass", "body_inertia", "body_ipos", "body_iquat"):
                assert np.allclose(getattr(todays, field)[body], getattr(shipped, field)[k])
            same = np.isclose(old.body_mass[body], shipped.body_mass[k], rtol=1e-3)
            assert same == (name in SPHERES_ONLY[kind])


@pytest.mark.skipif(not ZOO.is_dir(), reason=f"{ZOO} is not there")
def test_masses_are_those_that_the_published_policies_saw():
    """The means of the mass entries (the tenth of each body's cinert) in their filters.

    The recurrent policies' sums were kept in float32 for so long that they are .15 % off.
    """
    expected, seen = np.array(list(MASSES["humanoid"].values())), {}
    for policy in import_path(ZOO):
        before = {380: 47, 395: 47, 384: 45}.get(policy.card.obs_dim)
        if before is None:
            continue
        masses = policy.tensors()["filter.mean"][before + 9 : before + 130 : 10]
        error = np.abs(masses / expected - 1.0).max()
        assert error < (1e-4 if policy.card.kind == "mlp" else 2e-3)
        seen.setdefault(policy.card.game, []).append(policy.card.name)
        if policy.card.kind == "mlp":
            assert np.abs(masses - expected).max() < 5e-4  # to three decimals
    assert {game: len(names) for game, names in seen.items()} == {
        "you-shall-not-pass-v1": 2, "run-to-goal-humans-v1": 2, "kick-and-defend-v1": 6,
        "sumo-humans-v1": 3,
    }  # fmt: skip


# --- sizes, options, contacts --------------------------------------------------------------

SIZES = {  # nq, nv, nu, nbody, ngeom, nsensor
    "you-shall-not-pass-v1": (48, 46, 34, 27, 37, 1),
    "run-to-goal-humans-v1": (48, 46, 34, 27, 37, 1),
    "run-to-goal-ants-v1": (30, 28, 16, 27, 29, 1),
    "sumo-humans-v1": (48, 46, 34, 27, 36, 2),
    "sumo-ants-v1": (30, 28, 16, 27, 28, 2),
    "kick-and-defend-v1": (55, 52, 34, 28, 39, 2),
}


@every_game
def test_a_scene_holds_two_bodies_and_the_games_furniture(name):
    m = scene(name)
    assert (m.nq, m.nv, m.nu, m.nbody, m.ngeom, m.nsensor) == SIZES[name]
    assert (m.ntendon, m.ncam, m.nmesh) == (0, 0, 0)


@every_game
@pytest.mark.parametrize("physics", ["ranked", "original"])
def test_physics_options_are_the_documented_ones(name, physics):
    option = scene(name, physics=physics).opt
    assert option.timestep == (0.01 if name == "run-to-goal-ants-v1" else 0.003)
    expected = {
        "ranked": (mujoco.mjtIntegrator.mjINT_EULER, mujoco.mjtSolver.mjSOL_NEWTON, 100),
        "original": (mujoco.mjtIntegrator.mjINT_RK4, mujoco.mjtSolver.mjSOL_PGS, 1000),
    }[physics]
    assert (option.integrator, option.solver, option.iterations) == expected
    assert option.gravity.tolist() == [0.0, 0.0, -9.81]


@every_game
def test_original_physics_is_another_game_on_the_card(name):
    """Records are told apart by the card's options."""
    kind = GAMES[name]
    ranked, original = (kind.describe(kind.Options(physics=p)) for p in ("ranked", "original"))
    assert ranked.options["physics"] == "ranked"
    assert original.options["physics"] == "original"
    assert kind.describe() == ranked != original


@every_game
def test_who_collides_with_whom(name):
    """Everything with everything, gymnasium's floor-only ants too; but nothing with a goal box."""
    model = scene(name)
    for geom in range(model.ngeom):
        mask = (model.geom_contype[geom], model.geom_conaffinity[geom])
        assert mask == ((0, 0) if model.geom(geom).name == "goal" else (1, 1))
    names = [model.geom(g).name for g in range(model.ngeom)]
    assert ("goal" in names) == (name == "kick-and-defend-v1")
    assert ("ring" in names) == ("sumo" in name)
    assert ("goal line +4" in names) == ("goal line -4" in names) == ("sumo" not in name)


@every_game
def test_floor_and_ring_have_the_published_friction(name):
    model = scene(name)
    for ground in ("floor", "ring") if "sumo" in name else ("floor",):
        assert model.geom(ground).friction.tolist() == [1.0, 0.1, 0.1]
        assert model.geom(ground).condim == 3
    assert model.geom("floor").pos.tolist() == [0.0, 0.0, 0.0]


def test_goal_lines_lie_at_four_metres_and_stop_a_ball():
    game = begin(GAMES["kick-and-defend-v1"])
    model = game.scene.model
    for x in (-4.0, 4.0):
        line = model.geom(f"goal line {x:+g}")
        assert np.allclose(line.pos, [x, 0.0, 0.0])
        assert np.allclose(line.size[:2], [0.03, 5.0])
        axis = np.empty(9)
        mujoco.mju_quat2Mat(axis, line.quat)
        assert np.allclose(np.abs(axis.reshape(3, 3)[:, 2]), [0.0, 1.0, 0.0])
    still(game)
    place, _ = ball(game)
    for x, z, hit in (
        (4.0, 0.17, {"goal line +4"}),
        (4.0, 1.0, set()),
        (-4.0, 0.17, {"goal line -4"}),
    ):
        game.qpos[0, place : place + 3] = x, 2.9, z
        shadow = Shadow(game)
        with_ball = {
            model.geom(g).name
            for contact in shadow.data.contact for g in contact.geom
            if "ball" in [model.geom(h).name for h in contact.geom]
        }  # fmt: skip
        assert with_ball - {"ball", "floor"} == hit  # never the goal box, within which it is


def test_the_ball_is_the_published_one():
    model = scene("kick-and-defend-v1")
    assert model.geom("ball").size[0] == RADIUS_OF_SPHERE
    assert model.body("ball").mass[0] == 0.1
    assert np.allclose(model.body("ball").inertia, 0.4 * 0.1 * RADIUS_OF_SPHERE**2)
    assert model.qpos0[:7].tolist() == [0.0, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0]
    assert model.dof_damping[:6].tolist() == [0.001] * 6
    assert model.geom("goal").pos.tolist() == [4.05, 0.0, 0.0]
    assert model.geom("goal").size.tolist() == [0.1, 3.0, 3.0]


def test_the_ring_is_a_cylinder_half_a_metre_high():
    for name in ("sumo-humans-v1", "sumo-ants-v1"):
        ring = scene(name).geom("ring")
        assert ring.type == mujoco.mjtGeom.mjGEOM_CYLINDER
        assert ring.size[:2].tolist() == [4.5, 0.25]
        assert ring.pos.tolist() == [0.0, 0.0, 0.25]


# --- the bodies ----------------------------------------------------------------------------


@every_game
@pytest.mark.parametrize("seat", [0, 1])
def test_joints_and_motors_are_gymnasiums_but_for_one_range(name, seat):
    model, shipped = scene(name), gymnasium_model(KINDS[name])
    for hinge in HINGES[KINDS[name]]:
        ours, theirs = model.joint(f"seat{seat}/{hinge}"), shipped.joint(hinge)
        expected = theirs.range.copy()
        if hinge == "left_hip_y":
            assert np.isclose(expected[0], np.radians(-110.0))
            expected[0] = np.radians(-120.0)
        assert np.allclose(ours.range, expected, atol=1e-12)
        assert model.jnt_limited[ours.id] == 1
        for field in ("axis", "pos", "stiffness", "margin", "qpos_spring"):
            assert np.array_equal(getattr(ours, field), getattr(theirs, field))
        for field in ("dof_damping", "dof_armature", "dof_frictionloss"):
            at, there = ours.dofadr[0], theirs.dofadr[0]
            assert getattr(model, field)[at] == getattr(shipped, field)[there]
    motors = [
        k
        for k in range(model.nu)
        if model.joint(model.actuator_trnid[k, 0]).name.startswith(f"seat{seat}/")
    ]
    driven = [model.joint(model.actuator_trnid[k, 0]).name for k in motors]
    assert driven == [f"seat{seat}/{hinge}" for hinge in MOTORS[KINDS[name]]]
    assert np.array_equal(model.actuator_gear[motors], shipped.actuator_gear)
    assert np.array_equal(model.actuator_ctrlrange[motors], shipped.actuator_ctrlrange)
    assert model.actuator_ctrllimited[motors].all()
    bound = GAMES[name].describe().seats[seat].act_bound
    assert np.allclose(model.actuator_ctrlrange[motors], [-bound, bound])


@every_game
@pytest.mark.parametrize("seat", [0, 1])
def test_a_bodys_geoms_and_places_are_gymnasiums(name, seat):
    model, shipped = scene(name), gymnasium_model(KINDS[name])
    for k in range(shipped.ngeom):
        theirs = shipped.geom(k)
        if theirs.name == "floor":
            continue
        ours = model.geom(f"seat{seat}/{theirs.name}")
        for field in (
            "type",
            "size",
            "pos",
            "quat",
            "condim",
            "friction",
            "margin",
            "solref",
            "solimp",
        ):
            assert np.allclose(getattr(ours, field), getattr(theirs, field)), field
    for k, body in enumerate(BODIES[KINDS[name]], start=1):
        ours = body_id(model, seat, body)
        if body != "torso":
            assert np.allclose(model.body_pos[ours], shipped.body_pos[k])
            assert np.allclose(model.body_quat[ours], shipped.body_quat[k])
    free = model.joint(f"seat{seat}/root")
    assert model.dof_damping[free.dofadr[0] :][:6].tolist() == [0.0] * 6
    assert model.dof_armature[free.dofadr[0] :][:6].tolist() == [0.0] * 6


STARTS = {  # of either torso: x, z, the turn's quaternion
    "you-shall-not-pass-v1": ((-1.0, 1.4, (1, 0, 0, 0)), (1.0, 1.4, (0, 0, 0, 1))),
    "run-to-goal-humans-v1": ((-1.0, 1.4, (1, 0, 0, 0)), (1.0, 1.4, (0, 0, 0, 1))),
    "run-to-goal-ants-v1": ((-1.0, 0.75, (1, 0, 0, 0)), (1.0, 0.75, (0, 0, 0, 1))),
    "sumo-humans-v1": ((-2.0, 2.5, (1, 0, 0, 0)), (2.0, 2.5, (0, 0, 0, 1))),
    "sumo-ants-v1": ((-1.0, 2.5, (0, 0, 0, 1)), (1.0, 2.5, (0, 0, 0, 1))),
    "kick-and-defend-v1": ((-3.0, 1.5, (1, 0, 0, 0)), (3.0, 1.5, (0, 0, 0, 1))),
}


@every_game
@pytest.mark.parametrize("seat", [0, 1])
def test_bodies_start_where_published_and_face_the_published_way(name, seat):
    game = begin(GAMES[name])
    x, z, turn = STARTS[name][seat]
    first = root(game, seat)
    start = game.scene.model.qpos0[first : first + 7 + len(HINGES[KINDS[name]])]
    assert np.allclose(start[:3], [x, 0.0, z], atol=1e-12)
    assert np.allclose(start[3:7], turn, atol=1e-12)
    assert not start[7:].any()
    still(game)
    ahead = Shadow(game).data.body(f"seat{seat}/torso").xmat.reshape(3, 3)[:, 0]
    assert np.allclose(ahead, [1.0 if turn[0] else -1.0, 0.0, 0.0], atol=1e-9)


@every_game
def test_bodies_that_stand_on_the_ground_feel_it(name):
    """cfrc_ext: MuJoCo leaves it at zero unless an acceleration sensor asks for it."""
    game = begin(GAMES[name])
    still(game)
    ground = 0.5 if "sumo" in name else 0.0
    for seat in (0, 1):
        first = root(game, seat)
        height = 1.27 if KINDS[name] == "humanoid" else 0.51
        game.qpos[0, first : first + 3] = (-1.0, 1.0)[seat], 0.0, ground + height
        if KINDS[name] == "ant":
            bend(game, seat)
    game.batch.forward()
    force = game.batch.bind("cfrc_ext")[0]
    for seat, part in enumerate(game.scene.parts):
        assert np.abs(force[part.bodies]).max() > 0.1, seat
    torsos = [int(game.scene.model.body(f"seat{s}/torso").id) for s in (0, 1)]
    assert [part.torso for part in game.scene.parts] == torsos


@every_kind
def test_parts_of_the_arrays_are_the_seats_own(kind):
    name = "sumo-ants-v1" if kind == "ant" else "kick-and-defend-v1"
    game = begin(GAMES[name])
    model, shadow = game.scene.model, Shadow(game)
    for seat, part in enumerate(game.scene.parts):
        assert list(range(model.nbody))[part.bodies] == shadow.bodies(seat)
        free = model.joint(f"seat{seat}/root")
        last = model.joint(f"seat{seat}/{HINGES[kind][-1]}")
        assert (part.qpos.start, part.qpos.stop) == (free.qposadr[0], last.qposadr[0] + 1)
        assert (part.qvel.start, part.qvel.stop) == (free.dofadr[0], last.dofadr[0] + 1)
        assert part.ctrl.stop - part.ctrl.start == len(MOTORS[kind])


# --- nothing left behind -------------------------------------------------------------------


@every_game
@pytest.mark.parametrize("physics", ["ranked", "original"])
def test_composing_says_nothing_and_leaves_no_log(name, physics, capfd, tmp_path, monkeypatch):
    """MuJoCo would warn on stderr, and write a MUJOCO_LOG.TXT, where two specs' options differ."""
    monkeypatch.chdir(tmp_path)
    scene(name, physics=physics)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_goal_lines_are_all_that_a_run_adds():
    """Furniture comes first, so that the bodies' numbers do not depend on what follows them."""
    model = compose("ant", (Start(-1, 1, 0), Start(1, 1, 0)), add_goal_lines, "ranked").model
    assert [model.geom(g).name for g in range(3)] == ["floor", "goal line -4", "goal line +4"]


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="not a checkout")
def test_no_model_file_of_anyone_else_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.lower().splitlines()  # fmt: skip
    assert len(listed) > 10
    assert [f for f in listed if f.endswith((".xml", ".mjcf", ".stl", ".obj", ".urdf"))] == []

"""MuJoCo scenes of two bodies in one world, composed from the models that gymnasium ships.

No XML lives here: the torso of gymnasium's humanoid or ant is attached twice with prefixes to a
world made in code. What the two-player environments of Bansal et al. (2018) have otherwise is
set in `_as_published`, and bodies get the masses of the old engine (`_legacy_masses`): with
today's capsule masses the published runner falls within a second.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

Kind = Literal["humanoid", "ant"]
Physics = Literal["ranked", "original"]
Furnish = Callable[[Any], None]
"""Puts a game's furniture into the world: called with the spec's world body."""

FRAME_SKIP = 5
TIMESTEP = 0.003
"""Seconds of a substep."""
TORSO = "torso"
ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
COLOURS = ((0.85, 0.30, 0.25, 1.0), (0.20, 0.50, 0.80, 1.0))
DENSITY: dict[Kind, float] = {"humanoid": 1000.0, "ant": 5.0}
"""kg/m^3, as in the models' own defaults; a compiled model keeps only the masses."""
FLOOR_FRICTION = (1.0, 0.1, 0.1)


class Start(NamedTuple):
    """Where a body's torso starts: x in metres along the axis of play, height, turn in degrees."""

    x: float
    z: float
    turn: float


class Part(NamedTuple):
    """Where one seat's body lies in the model's arrays."""

    qpos: slice
    qvel: slice
    bodies: slice
    ctrl: slice
    torso: int


class Scene(NamedTuple):
    """A compiled model and the two seats' parts of it."""

    model: Any
    parts: tuple[Part, Part]


def compose(
    kind: Kind,
    starts: tuple[Start, Start],
    furnish: Furnish,
    physics: Physics,
    *,
    timestep: float = TIMESTEP,
    touches: tuple[tuple[str, str], ...] = (),
    legacy_masses: bool = True,
) -> Scene:
    """Two bodies of a kind in a world.

    Args:
        starts: of seat 0 and seat 1.
        furnish: adds the game's furniture; called before the bodies, so it comes first.
        physics: ranked (Euler, Newton) or original (RK4, PGS with 1000 iterations).
        timestep: seconds.
        touches: pairs of body names whose subtrees' nearest contact a sensor shall report.
        legacy_masses: false gives today's capsule masses, under which the zoo cannot walk.
    """
    spec = mujoco.MjSpec()
    spec.modelname = "duel"
    _set_physics(spec, physics, timestep)
    _floor(spec.worldbody)
    furnish(spec.worldbody)
    for seat, start in enumerate(starts):
        _attach(spec, kind, seat, start)
    _sensors(spec, touches)
    model = spec.compile()
    parts = (_part(model, 0), _part(model, 1))
    if legacy_masses:
        _legacy_masses(model, kind, parts)
    return Scene(model, parts)


def seat_prefix(seat: int) -> str:
    """What a seat's names in the model begin with."""
    return f"seat{seat}/"


def touch_sensor(first: str, second: str) -> str:
    """The name of the sensor for a pair given to `compose`."""
    return f"{first} touches {second}"


def add_goal_lines(world: Any) -> None:
    """The two bars on the floor at x = -4 and x = +4 m; bodies and balls collide with them."""
    for x in (-4.0, 4.0):
        bar = world.add_geom(name=f"goal line {x:+g}", type=mujoco.mjtGeom.mjGEOM_CYLINDER)
        bar.fromto = [x, -5.0, 0.0, x, 5.0, 0.0]
        bar.size = [0.03, 0.0, 0.0]
        bar.rgba = [0.6, 0.0, 0.0, 1.0]


def _set_physics(spec: Any, physics: Physics, timestep: float) -> None:
    option = spec.option
    option.timestep = timestep
    if physics == "original":
        option.integrator = mujoco.mjtIntegrator.mjINT_RK4
        option.solver = mujoco.mjtSolver.mjSOL_PGS
        option.iterations = 1000
    else:
        option.integrator = mujoco.mjtIntegrator.mjINT_EULER
        option.solver = mujoco.mjtSolver.mjSOL_NEWTON
        option.iterations = 100


def _floor(world: Any) -> None:
    floor = world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE)
    floor.size = [20.0, 20.0, 0.125]
    floor.friction = FLOOR_FRICTION
    floor.rgba = [0.80, 0.82, 0.80, 1.0]
    world.add_light(pos=[0, 0, 6], dir=[0, 0.3, -1], diffuse=[0.8, 0.8, 0.8])


def _attach(spec: Any, kind: Kind, seat: int, start: Start) -> None:
    child = mujoco.MjSpec.from_file(str(ASSETS / f"{kind}.xml"))
    _as_published(child, kind, seat)
    _under_options_of(child, spec)
    torso = child.body(TORSO)
    torso.pos = [0.0, 0.0, start.z]
    frame = spec.worldbody.add_frame(pos=[start.x, 0.0, 0.0], euler=[0.0, 0.0, start.turn])
    frame.attach_body(torso, seat_prefix(seat), "")


def _as_published(child: Any, kind: Kind, seat: int) -> None:
    """What differs between gymnasium's body and that of Bansal et al. 2018."""
    for geom in child.geoms:
        geom.material = ""  # before the materials go
        geom.rgba = COLOURS[seat]
        if kind == "ant":
            geom.conaffinity = 1  # gymnasium's ant touches the floor only
    for ornament in (*child.tendons, *child.cameras, *child.materials, *child.textures):
        child.delete(ornament)
    if kind == "humanoid":
        child.joint("left_hip_y").range = [-120.0, 20.0]


def _under_options_of(child: Any, world: Any) -> None:
    """Drop a body's own options: the world's hold, and MuJoCo warns where the two differ."""
    for name in ("timestep", "integrator", "solver", "iterations"):
        setattr(child.option, name, getattr(world.option, name))
    child.nkey, child.nuser_geom = world.nkey, world.nuser_geom


def _sensors(spec: Any, touches: tuple[tuple[str, str], ...]) -> None:
    """One acceleration sensor, without which MuJoCo leaves cfrc_ext at zero, and the touches."""
    spec.add_sensor(
        name="acceleration",
        type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
        objtype=mujoco.mjtObj.mjOBJ_XBODY,
        objname=seat_prefix(0) + TORSO,
    )
    fields = (mujoco.mjtConDataField.mjCONDATA_FOUND, mujoco.mjtConDataField.mjCONDATA_DIST)
    nearest = 1  # of all contacts of the pair, report the one of least distance
    for first, second in touches:
        spec.add_sensor(
            name=touch_sensor(first, second),
            type=mujoco.mjtSensor.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname=first,
            reftype=mujoco.mjtObj.mjOBJ_XBODY,
            refname=second,
            intprm=[sum(1 << int(field) for field in fields), nearest, 1],
        )


def _part(model: Any, seat: int) -> Part:
    torso = model.body(seat_prefix(seat) + TORSO).id
    bodies = [i for i in range(model.nbody) if model.body_rootid[i] == torso]
    joints = [j for j in range(model.njnt) if model.jnt_bodyid[j] in bodies]
    start, velocity = int(model.jnt_qposadr[joints[0]]), int(model.jnt_dofadr[joints[0]])
    driven = [a for a in range(model.nu) if model.actuator_trnid[a, 0] in joints]
    hinges = len(joints) - 1
    return Part(
        qpos=slice(start, start + 7 + hinges),
        qvel=slice(velocity, velocity + 6 + hinges),
        bodies=slice(bodies[0], bodies[-1] + 1),
        ctrl=slice(driven[0], driven[-1] + 1),
        torso=torso,
    )


def _legacy_masses(model: Any, kind: Kind, parts: tuple[Part, Part]) -> None:
    """Give the bodies the masses and inertias that MuJoCo 1.31 gave them.

    There a capsule of radius r and half-length h weighed density * pi * r^2 * (2h + r), with the
    inertia of a cylinder of that length (games.md section 2; the means of the mass entries in
    the published observation filters agree to three decimals). Spheres weigh what they weigh.
    """
    for part in parts:
        for body in range(part.bodies.start, part.bodies.stop):
            first, count = model.body_geomadr[body], model.body_geomnum[body]
            solids = [_solid(model, g, DENSITY[kind]) for g in range(first, first + count)]
            if solids:
                _set_inertia(model, body, solids)
    mujoco.mj_setConst(model, mujoco.MjData(model))


class Solid(NamedTuple):
    """A rigid piece in its body's frame: kilograms, centre (3,), inertia tensor (3, 3)."""

    mass: float
    centre: NDArray[np.float64]
    inertia: NDArray[np.float64]


def _solid(model: Any, geom: int, density: float) -> Solid:
    """A sphere or an old engine's capsule."""
    radius, half = (float(size) for size in model.geom_size[geom][:2])
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
        length = 2.0 * half + radius
        mass = density * np.pi * radius**2 * length
        across = mass * (3.0 * radius**2 + length**2) / 12.0
        own = np.diag([across, across, mass * radius**2 / 2.0])
    else:
        mass = density * 4.0 / 3.0 * np.pi * radius**3
        own = np.eye(3) * 0.4 * mass * radius**2
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
    axes = turn.reshape(3, 3)
    return Solid(mass, model.geom_pos[geom].copy(), axes @ own @ axes.T)


def _set_inertia(model: Any, body: int, solids: list[Solid]) -> None:
    """Write the pieces' joint mass, centre and principal inertia (parallel axes) to a body."""
    mass = sum(solid.mass for solid in solids)
    centre = sum((solid.mass * solid.centre for solid in solids), np.zeros(3)) / mass
    tensor = np.zeros((3, 3))
    for solid in solids:
        away = solid.centre - centre
        tensor += solid.inertia + solid.mass * (away @ away * np.eye(3) - np.outer(away, away))
    moments, axes = np.linalg.eigh(tensor)
    if np.linalg.det(axes) < 0:
        axes[:, 2] *= -1.0  # a rotation, not a reflection
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(axes).reshape(9))
    model.body_mass[body] = mass
    model.body_ipos[body] = centre
    model.body_inertia[body] = moments
    model.body_iquat[body] = quat

"""Pictures of a match: the contract, and MuJoCo's games drawn without a screen.

A scenery (floor, sky, light) is compiled here by itself, and the bodies of the match are added
to its picture: the model that the match is played with is only read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InfrastructureError

try:
    import mujoco
except Exception as error:  # how it fails depends on the library that MUJOCO_GL names
    raise InfrastructureError(
        f"MuJoCo cannot be loaded ({error}); with MUJOCO_GL unset a working OpenGL is looked for"
    ) from error
from benchmark.games.scene import COLOURS, FRAME_SKIP

if TYPE_CHECKING:
    from benchmark.games.duel import Duel

Picture = NDArray[np.uint8]
RGB = tuple[int, int, int]


def _rgb(colour: tuple[float, ...]) -> RGB:
    red, green, blue = (round(255 * part) for part in colour[:3])
    return red, green, blue


SEAT_COLOURS = (_rgb(COLOURS[0]), _rgb(COLOURS[1]))
"""Of seat 0 and seat 1, in every game and in what is written about them."""


class Painter(Protocol):
    """Draws match 0 of a batch."""

    step_seconds: float
    """How long a step lasts in the game's own time."""

    def picture(self) -> Picture:
        """The match as it stands: (height, width, 3) red, green, blue; a new array."""

    def close(self) -> None:
        """Give back what the painter holds; it cannot draw any more."""


# --- OpenGL without a screen ------------------------------------------------------------------

BACKENDS = ("egl", "osmesa")
GL_MISSING = (
    "no OpenGL without a screen ({tried} tried): on Debian or Ubuntu `apt-get install libegl1 "
    "libgl1`, or `apt-get install libosmesa6`"
)
PROBE_S = 60.0
PROBE = """
import sys, importlib, mujoco
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(16, 16)
context.make_current()
spec = mujoco.MjSpec()
mujoco.MjrContext(spec.compile(), mujoco.mjtFontScale.mjFONTSCALE_100).free()
context.free()
"""


@cache
def backend() -> str:
    """The OpenGL that works on this machine; MUJOCO_GL=egl or =osmesa leaves no choice.

    Raises:
        InfrastructureError: none does; with the packages to install.
    """
    wish = os.environ.get("MUJOCO_GL", "").strip().lower()
    candidates = (wish,) if wish in BACKENDS else BACKENDS
    for name in candidates:
        if works(name):
            return name
    raise InfrastructureError(GL_MISSING.format(tried=" and ".join(candidates)))


def works(name: str) -> bool:
    """Whether a backend draws, tried in a process of its own: a broken driver may crash it."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", PROBE, name],
            env=os.environ | _platform(name), capture_output=True, timeout=PROBE_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _platform(name: str) -> dict[str, str]:
    """What tells MuJoCo and PyOpenGL which library to load."""
    return {"MUJOCO_GL": name, "PYOPENGL_PLATFORM": name}


def _gl_context(width: int, height: int) -> Any:
    """An OpenGL context of the working kind, made the current one."""
    name = backend()
    os.environ.update(_platform(name))
    context = import_module(f"mujoco.{name}").GLContext(width, height)
    context.make_current()
    return context


# --- The camera -------------------------------------------------------------------------------


FIELD_OF_VIEW = 45.0
"""MuJoCo's vertical angle, degrees."""
FOLLOW_S, BACK_S, NEARER_S = 0.25, 0.12, 1.5
"""How long the camera takes to follow the middle, to draw back, to come nearer again."""


class View(NamedTuple):
    """From where a game is watched; degrees and metres."""

    azimuth: float = 90.0
    """90: along the y axis, with x growing to the right, so that seat 0 starts on the left."""
    elevation: float = -16.0
    nearest: float = 4.0
    reach: float = 1.1
    """What to keep in the picture around every torso."""


VIEWS = {
    "kick-and-defend-v1": View(azimuth=68.0, elevation=-20.0, nearest=5.5),
    "sumo-humans-v1": View(azimuth=75.0, elevation=-24.0, nearest=5.0),
    "sumo-ants-v1": View(azimuth=75.0, elevation=-30.0, nearest=5.0, reach=1.3),
    "run-to-goal-ants-v1": View(elevation=-28.0, reach=1.3),
}


class Camera:
    """A camera that follows the middle of the bodies and draws back as they part."""

    def __init__(self, view: View, aspect: float):
        self._view = view
        self.lens = mujoco.MjvCamera()
        self.lens.azimuth, self.lens.elevation = view.azimuth, view.elevation
        turn, tilt = np.radians(view.azimuth), np.radians(view.elevation)
        level = np.array([np.cos(turn), np.sin(turn), 0.0])
        self._ahead = np.cos(tilt) * level + np.array([0.0, 0.0, np.sin(tilt)])
        right = np.array([np.sin(turn), -np.cos(turn), 0.0])
        half = np.tan(np.radians(FIELD_OF_VIEW / 2.0))
        self._across = np.stack([right / (half * aspect), np.cross(right, self._ahead) / half])
        self._reach = view.reach / (half * min(aspect, 1.0))

    def follow(self, places: NDArray[np.float64], passed_s: float) -> None:
        """Move towards the bodies at `places` (K, 3), as far as it can in `passed_s`."""
        middle = (places.min(axis=0) + places.max(axis=0)) / 2.0
        self.lens.lookat[:] += _share(passed_s, FOLLOW_S) * (middle - self.lens.lookat)
        aside = places - self.lens.lookat
        needed = np.abs(aside @ self._across.T).max(axis=1) + self._reach - aside @ self._ahead
        change = max(self._view.nearest, needed.max()) - self.lens.distance
        self.lens.distance += _share(passed_s, BACK_S if change > 0.0 else NEARER_S) * change


def _share(passed_s: float, takes_s: float) -> float:
    """How much of the way is gone, with `takes_s` for two thirds of it."""
    return float(1.0 - np.exp(-passed_s / takes_s))


# --- The painter ------------------------------------------------------------------------------

HIDDEN_GROUP = 5
"""A geom group that MuJoCo does not draw unless asked."""
MAX_GEOMS = 500
LIGHT_FROM = np.array([-2.5, -4.0, 9.0])
"""Where the lamp hangs, as seen from what the camera looks at; metres."""


class DuelPainter:
    """Draws match 0 of a `Duel`; it works on copies, so the match goes on as if unseen."""

    def __init__(self, game: Duel, width: int, height: int):
        """Raises InfrastructureError where OpenGL does not work."""
        self.step_seconds = float(game.scene.model.opt.timestep) * FRAME_SKIP
        self._game = game
        self._model, self._data = game.batch.get_model(0), game.batch.get_data(0)
        roots = [b for b in range(1, self._model.nbody) if self._model.body_parentid[b] == 0]
        self._watched = [b for b in roots if self._model.body_dofnum[b] > 0]
        self._camera = Camera(VIEWS.get(game.card.id, View()), width / height)
        self._last_step = -1
        self._scenery = _scenery(width, height)
        self._still = mujoco.MjData(self._scenery)
        mujoco.mj_forward(self._scenery, self._still)
        self._option, self._nobody = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._scene = mujoco.MjvScene(self._scenery, maxgeom=MAX_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = True
        self._frame = mujoco.MjrRect(0, 0, width, height)
        self._gl: Any = _gl_context(width, height)
        scale = mujoco.mjtFontScale.mjFONTSCALE_100
        self._context = mujoco.MjrContext(self._scenery, scale)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def picture(self) -> Picture:
        self._update()
        mujoco.mjv_updateScene(
            self._scenery, self._still, self._option, self._nobody, self._camera.lens,
            mujoco.mjtCatBit.mjCAT_ALL, self._scene,
        )  # fmt: skip
        mujoco.mjv_addGeoms(
            self._model, self._data, self._option, self._nobody,
            mujoco.mjtCatBit.mjCAT_ALL, self._scene,
        )  # fmt: skip
        self._gl.make_current()
        mujoco.mjr_render(self._frame, self._scene, self._context)
        pixels = np.empty((self._frame.height, self._frame.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._frame, self._context)
        return pixels[::-1].copy()

    def _update(self) -> None:
        """Take over the match's state; the copy of the model is fresh, as a ring may differ."""
        game = self._game
        game.batch.get_model(0, self._model)
        game.batch.get_data(0, self._data)
        self._model.geom_group[self._model.geom("floor").id] = HIDDEN_GROUP
        mujoco.mj_kinematics(self._model, self._data)  # what the batch holds lags a substep
        step = int(game.episode_step[0])
        passed = step - self._last_step
        cut = step == 0 or passed < 0 or self._last_step < 0  # a new match
        self._camera.follow(
            self._data.xpos[self._watched], np.inf if cut else passed * self.step_seconds
        )
        self._last_step = step
        self._still.light_xpos[0] = self._camera.lens.lookat + LIGHT_FROM

    def close(self) -> None:
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None


def _scenery(width: int, height: int) -> Any:
    """Floor, sky and light, and the size of the picture."""
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.global_.fovy = FIELD_OF_VIEW
    spec.visual.map.shadowclip = 1.5
    spec.visual.quality.shadowsize, spec.visual.quality.offsamples = 2048, 4
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.25, 0.25, 0.25]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.visual.rgba.haze = [0.86, 0.90, 0.94, 1.0]
    spec.stat.extent = 6.0
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=256, height=256 * 6,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, rgb1=[0.86, 0.90, 0.94],
        rgb2=[0.38, 0.55, 0.75],
    )  # fmt: skip
    spec.add_texture(
        name="tiles", type=mujoco.mjtTexture.mjTEXTURE_2D, width=256, height=256,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER, rgb1=[0.62, 0.68, 0.70],
        rgb2=[0.70, 0.76, 0.78],
    )  # fmt: skip
    tiles = spec.add_material(name="tiles", texrepeat=[0.5, 0.5], texuniform=True, specular=0.1)
    tiles.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "tiles"
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 1.0], material="tiles"
    )
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, dir=-LIGHT_FROM, castshadow=True,
        diffuse=[0.6, 0.6, 0.58], specular=[0.2, 0.2, 0.2],
    )  # fmt: skip
    return spec.compile()

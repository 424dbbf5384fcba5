"""Pictures: OpenGL is found or named, a picture shows the match, and drawing changes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.errors import InfrastructureError, Misuse
from benchmark.games import render
from benchmark.games.render import SEAT_COLOURS, Camera, Picture, View
from benchmark.seeding import EpisodeSeeds
from tests.factories import Clockwork

WIDTH, HEIGHT = 160, 120
NAMES = registry.games.names()
MUJOCO_NAMES = [name for name in NAMES if name != "pong-v1"]


@pytest.fixture
def opengl() -> None:
    """Skips a test where nothing draws."""
    try:
        render.backend()
    except InfrastructureError as error:
        pytest.skip(str(error))


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`backend` as at the start of a process, and nothing remembered of what it finds."""
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(render, "backend", render.backend.__wrapped__)
    return monkeypatch


def begun(name: str, seed: int = 5) -> Any:
    """A game's match, just begun."""
    game = registry.game(name)(1)
    game.reset(EpisodeSeeds(seed, 1))
    return game


def painted(game: Any, steps: int = 0) -> list[Picture]:
    """Pictures of the start and after every one of some steps without an action."""
    painter = game.painter(WIDTH, HEIGHT)
    still = tuple(np.zeros((1, s.act_dim), np.float32) for s in game.card.seats)
    try:
        pictures = [painter.picture()]
        for _ in range(steps):
            game.step(still)
            pictures.append(painter.picture())
        return pictures
    finally:
        painter.close()


def share_like(picture: Picture, colour: tuple[int, int, int]) -> float:
    """The share of pixels whose colour has about a given hue, in whatever light."""
    pixels = picture.reshape(-1, 3).astype(float) + 1.0
    wanted = np.array(colour) + 1.0
    apart = pixels / np.linalg.norm(pixels, axis=1, keepdims=True) - wanted / np.linalg.norm(wanted)
    return float((np.linalg.norm(apart, axis=1) < 0.15).mean())


# --- OpenGL ---------------------------------------------------------------------------------


@pytest.mark.parametrize("there", ["egl", "osmesa"])
def test_what_works_is_taken(unprobed: Any, there: str) -> None:
    """EGL first, OSMesa where there is none."""
    asked: list[str] = []

    def works(name: str) -> bool:
        asked.append(name)
        return name == there

    unprobed.setattr(render, "works", works)
    assert render.backend() == there
    assert asked == list(render.BACKENDS[: render.BACKENDS.index(there) + 1])


def test_without_opengl_the_packages_are_named(unprobed: Any) -> None:
    """In one line, as a failure of the machine."""
    unprobed.setattr(render, "works", lambda name: False)
    with pytest.raises(InfrastructureError) as told:
        begun("sumo-ants-v1").painter(WIDTH, HEIGHT)
    text = str(told.value)
    assert all(package in text for package in ("libegl1", "libgl1", "libosmesa6"))
    assert "\n" not in text
    assert told.value.exit_code == 3


def test_a_wish_is_a_wish(unprobed: Any) -> None:
    """MUJOCO_GL leaves no choice; a value that draws on a screen is passed over."""
    unprobed.setattr(render, "works", lambda name: name == "egl")
    unprobed.setenv("MUJOCO_GL", "osmesa")
    with pytest.raises(InfrastructureError, match=r"\(osmesa tried\)"):
        render.backend()
    unprobed.setenv("MUJOCO_GL", "glfw")
    assert render.backend() == "egl"


def test_a_probe_that_fails_is_no_failure_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """It crashes or hangs in a process of its own."""
    monkeypatch.setattr(render, "PROBE", "import os; os.abort()")
    assert not render.works("egl")
    monkeypatch.setattr(render, "PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(render, "PROBE_S", 0.2)
    assert not render.works("egl")


# --- the camera -----------------------------------------------------------------------------


def test_the_camera_follows_and_draws_back() -> None:
    """At once where a match begins, by and by within one; it comes nearer again."""
    camera = Camera(View(nearest=3.0), WIDTH / HEIGHT)
    close, apart = (np.array([[-x, 1.0, 1.0], [x, 1.0, 1.0]]) for x in (0.5, 8.0))
    camera.follow(close, np.inf)
    assert np.allclose(camera.lens.lookat, [0.0, 1.0, 1.0])
    before = camera.lens.distance
    camera.follow(apart + 1.0, 0.03)
    assert 0.0 < camera.lens.lookat[0] < 0.5
    assert before < camera.lens.distance
    camera.follow(apart, np.inf)
    far = camera.lens.distance
    assert far > 8.0 / np.tan(np.radians(render.FIELD_OF_VIEW / 2.0)) / (WIDTH / HEIGHT)
    for _ in range(300):
        camera.follow(close, 0.03)
    assert 3.0 <= camera.lens.distance < far / 2


# --- pictures -------------------------------------------------------------------------------


def check_pictures(name: str) -> None:
    """Sizes, both seats to be seen, movement, and a match that goes on as if unseen."""
    seen, unseen = begun(name), begun(name)
    pictures = painted(seen, steps=5)
    still = tuple(np.zeros((1, s.act_dim), np.float32) for s in unseen.card.seats)
    for _ in range(5):
        unseen.step(still)
    for picture in pictures:
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert picture.dtype == np.uint8
        assert all(share_like(picture, colour) > 0.001 for colour in SEAT_COLOURS)
    assert (pictures[0] != pictures[-1]).any()
    a, b = seen.state(), unseen.state()
    assert all(np.array_equal(a[field], b[field]) for field in a)


def test_pong_is_drawn_without_opengl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bats of both colours, and a ball that moves."""
    monkeypatch.setattr(render, "backend", lambda: pytest.fail("Pong needs no OpenGL"))
    check_pictures("pong-v1")


@pytest.mark.usefixtures("opengl")
@pytest.mark.parametrize("name", MUJOCO_NAMES)
def test_bodies_are_drawn(name: str) -> None:
    """Every game of bodies."""
    check_pictures(name)


@pytest.mark.usefixtures("opengl")
def test_drawing_leaves_the_model_alone() -> None:
    """What is hidden or coloured for a picture is so in a copy; the ring is the match's own."""
    game = begun("sumo-humans-v1")
    model = game.scene.model
    before = model.geom_group.copy(), model.geom_rgba.copy(), model.geom_size.copy()
    painter = game.painter(WIDTH, HEIGHT)
    try:
        painter.picture()
        for old, new in zip(
            before, (model.geom_group, model.geom_rgba, model.geom_size), strict=True
        ):
            assert np.array_equal(old, new)
        ring = painter._model.geom("ring")
        assert ring.size[0] == game.radius[0]
    finally:
        painter.close()
        painter.close()  # twice does no harm


def test_a_game_may_have_no_pictures() -> None:
    """It says so."""
    with pytest.raises(Misuse, match="clockwork-v1 draws no pictures"):
        Clockwork(1).painter(WIDTH, HEIGHT)


def test_the_ball_leaves_a_trail() -> None:
    """Of where it was before, in this match only."""
    state = np.zeros((1, 12))
    game = SimpleNamespace(state=lambda: {"state": state}, episode_step=np.zeros(1, np.int64))
    from benchmark.games.pong_picture import PongPainter  # noqa: PLC0415

    painter = PongPainter(game, WIDTH, HEIGHT)  # type: ignore[arg-type]
    first = painter.picture()
    state[0, 8], game.episode_step[0] = 0.5, 1
    assert (painter.picture()[55:65, 75:85] != 0).any()
    state[0, 8], game.episode_step[0] = 0.0, 0
    assert np.array_equal(painter.picture(), first)

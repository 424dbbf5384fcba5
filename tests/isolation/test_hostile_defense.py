"""A hostile defense in a real container: it holds its victim, and nothing else of what it meets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.arena.wire import Status as Word
from benchmark.isolation.engine import Engine
from benchmark.isolation.status import Status
from benchmark.policies import artifact
from benchmark.runs.boxes import Boxes
from benchmark.submissions.toys import random_network
from tests.attacks.conftest import assert_same_policy
from tests.isolation.conftest import readable
from tests.isolation.hostile import GAME, SEED_BASE, Ring, needle

pytestmark = pytest.mark.engine


def open_to_all(folder: Path) -> Path:
    """A folder that its permissions would let anybody change, with all that is in it."""
    for path in folder.iterdir():
        path.chmod(0o666)
    folder.chmod(0o777)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The files of an artifact."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def adversary(tmp_path: Path) -> Path:
    """The artifact of whom it meets."""
    made = random_network(registry.game(GAME).describe(), "left", 5)
    artifact.save(made, tmp_path / "adversary")
    return open_to_all(tmp_path / "adversary")


@pytest.fixture
def ring(engine: Engine, image: str, tmp_path: Path, adversary: Path) -> Ring:
    """Its victim is a copy, so that a test may open it to all."""
    made = Ring(Boxes(engine, image, memory_mib=768), tmp_path, members={"adversary0": adversary})
    readable(tmp_path / "victim")
    made.victim = Path(shutil.copytree(made.victim, tmp_path / "victim", dirs_exist_ok=True))
    open_to_all(made.victim)
    return made


def test_a_defense_holds_its_victim_and_nothing_of_its_adversary(
    ring: Ring, adversary: Path
) -> None:
    """Neither its weights, in any file or as a policy that can be asked, nor its code or seeds."""
    ring.run(
        f"""
        from benchmark.errors import Misuse
        own = "/task/victim/policy.safetensors"
        assert [str(p) for p in Path("/").rglob("*.safetensors")] == [own]
        assert holding(bytes.fromhex("{needle(ring.victim)}")) == [own]
        found = holding(bytes.fromhex("{needle(adversary)}"))
        assert not found, found
        given = sorted(p.name for p in Path("/task").iterdir())
        assert given == ["code", "task.json", "victim"], given
        assert [p.name for p in Path("/task/code").iterdir()] == ["hostile.py"]
        for place in ("/members", "/ledger", "/task/spec.json"):
            assert not Path(place).exists(), place
        assert b"{SEED_BASE}" not in Path("/task/task.json").read_bytes()
        (met,) = adversaries
        assert not met.tensors(), "weights"
        assert not (met.card.sha256 or met.card.hidden or met.card.training), met.card
        try:
            met.act(np.zeros((1, 13), np.float32))
        except Misuse:
            return victim
        raise AssertionError("the adversary acted")
        """
    )
    ring.assert_ledger(Word.DONE)


def test_a_defense_cannot_change_the_victim_that_it_was_given(ring: Ring) -> None:
    """What it hardened is compared with that one. Its permissions would allow all of this."""
    before = contents(ring.victim)
    returned = ring.run(
        """
        import errno, shutil
        home = Path("/task/victim")
        attempts = {
            "write": lambda: (home / "policy.safetensors").write_bytes(b"weak"),
            "cut": lambda: os.truncate(home / "card.json", 0),
            "add": lambda: (home / "new").write_bytes(b""),
            "remove": lambda: (home / "card.json").unlink(),
            "rename": lambda: (home / "card.json").rename(home / "old"),
            "link": lambda: os.symlink("/etc/passwd", home / "link"),
            "mode": lambda: (home / "card.json").chmod(0),
            "orders": lambda: Path("/task/task.json").write_bytes(b"{}"),
        }
        for name, attempt in attempts.items():
            try:
                attempt()
            except OSError as error:
                assert error.errno == errno.EROFS or name in ("mode", "orders"), (name, error)
            else:
                raise AssertionError(f"{name} went through")
        return victim
        """
    )
    assert contents(ring.victim) == before
    assert_same_policy(returned, artifact.load(ring.victim))
    ring.assert_ledger(Word.DONE)


def test_a_defense_that_seats_somebody_whom_the_referee_does_not_hold(ring: Ring) -> None:
    """The victim is no member, so that what its artifact is to others is not for it to say."""
    end = ring.end(
        """
        from benchmark.arena.wire import OpenArena
        arena.client.ask(OpenArena(matches=MATCHES, opposite=(("victim", 1.0),)))
        """
    )
    assert end.status is Status.VIOLATED
    assert "nobody is called 'victim'" in str(end)
    ring.assert_ledger(Word.OUT_OF_ORDER)

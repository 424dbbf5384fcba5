"""A submission's folder: nothing runs before it is good, and what runs is what was read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.submissions import folder
from tests.command_line import bench, refused
from tests.submissions.conftest import Make

TRAP = '"""Random weights, and one step of every match."""\n'


def trapped(mark: Path) -> tuple[str, str]:
    """Code that leaves a mark when it is imported."""
    return (TRAP, f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n")


def test_a_bad_manifest_runs_no_code(dice: Make, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    made = dice(trapped(mark), ('"Apache-2.0"', '""'))
    for command in ("submit", "verify"):
        refused(bench(command, made), f"{made}/submission.toml:6: licence: ", "SPDX")
    refused(bench("submit", made.parent / "nothing"), "no such folder")
    assert not mark.exists()
    with folder.read(dice(trapped(mark))).loaded():
        assert mark.exists()


def test_the_manifest_must_be_there(dice: Make) -> None:
    made = dice()
    (made / "submission.toml").unlink()
    refused(bench("submit", made), "submission.toml: missing")


def test_the_entry_must_be_in_the_folder(dice: Make) -> None:
    made = dice(manifest=("dice:Dice", "benchmark:Dice"))
    refused(bench("submit", made), "submission.toml:3: entry: expected benchmark.py")


@pytest.mark.parametrize("name", ["weights.pkl", "inner/fast.SO", "dice.pyc", "old.pt"])
def test_files_that_nobody_can_read_are_refused(dice: Make, name: str) -> None:
    made = dice()
    (made / name).parent.mkdir(exist_ok=True)
    (made / name).write_bytes(b"x")
    with pytest.raises(Misuse, match="may not be in a submission"):
        folder.read(made)


@pytest.mark.parametrize("target", ["/etc/hostname", "/etc", "nowhere"])
def test_links_are_refused(dice: Make, target: str) -> None:
    made = dice()
    (made / "link").symlink_to(target)
    with pytest.raises(Misuse, match="no links"):
        folder.read(made)


def test_size_and_number_are_bounded(dice: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dice()
    monkeypatch.setattr(folder, "MAX_FILES", 4)
    folder.read(made)
    monkeypatch.setattr(folder, "MAX_BYTES", 100)
    with pytest.raises(Misuse, match="at most 4 files"):
        folder.read(made)
    monkeypatch.setattr(folder, "MAX_BYTES", 10_000)
    (made / "more.txt").touch()
    with pytest.raises(Misuse, match="at most 4 files"):
        folder.read(made)


def test_the_hash_is_of_the_content(dice: Make) -> None:
    """Of every byte and name, and neither of caches nor of evidence."""
    made = dice()
    before = folder.read(made).sha256
    for name in ("__pycache__", "evidence"):
        (made / name).mkdir()
        (made / name / "x.txt").touch()
    assert folder.read(made).sha256 == before
    (made / "README.md").rename(made / "README.txt")
    renamed = folder.read(made).sha256
    (made / "README.txt").write_text("Dice!\n")
    assert len({before, renamed, folder.read(made).sha256}) == 3


def test_what_runs_is_what_was_read(dice: Make) -> None:
    """The folder may change meanwhile, and its bytecode is never looked at."""
    submission = folder.read(made := dice())
    (made / "dice.py").write_text("raise SystemExit")
    with submission.loaded() as kind:
        assert kind.name == "dice"
        assert registry.attacks.load("dice") is kind
        home = registry.attacks.local("dice")
        assert home is not None
        assert home.folder != made
        assert (home.folder / "dice.py").read_bytes() == submission.files["dice.py"]
        assert str(home.folder) in sys.path
    assert "dice" not in registry.attacks.names()
    assert "dice" not in sys.modules
    assert str(home.folder) not in sys.path
    assert not home.folder.exists()


def test_the_same_name_is_loaded_anew(dice: Make) -> None:
    for version in (1, 2):
        changed = ('"""Weights by chance."""', f'"""Weights by chance."""\n    version = {version}')
        with folder.read(dice(changed)).loaded() as kind:
            assert kind.version == version


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit(0)\n", "cannot be loaded"),
        ("import no_such_module\n", "no_such_module"),
        ("1 / 0\n", "division by zero"),
        ("def\n", "invalid syntax"),
    ],
)
def test_code_that_does_not_load_is_a_failed_check(dice: Make, code: str, told: str) -> None:
    """Also one that tries to end the command as if all was well."""
    with pytest.raises(CheckFailed, match=told), folder.read(dice((TRAP, code))).loaded():
        pass
    done = bench("submit", dice((TRAP, code)), "--json")
    assert done.code == 1
    assert told in next(i["detail"] for i in done.json["items"] if i["what"] == "the method loads")


def test_a_module_that_is_installed_is_not_replaced(dice: Make) -> None:
    made = dice(manifest=("dice:Dice", "json:Dice"))
    (made / "dice.py").rename(made / "json.py")
    with (
        pytest.raises(CheckFailed, match="there is another module 'json'"),
        folder.read(made).loaded(),
    ):
        pass


def test_a_requirement_must_be_installed_as_pinned(dice: Make) -> None:
    for pin, told in (("no-such-thing==1.0", "not installed"), ("typer==0.0.1", "here it is")):
        made = dice(manifest=("requirements = []", f'requirements = ["{pin}"]'))
        with pytest.raises(InfrastructureError, match=told):
            folder.check_requirements(folder.read(made).manifest)
        refused(bench("submit", made), f"pip install --no-deps --only-binary :all: {pin}", code=3)


def test_the_benchmarks_own_pins_are_not_moved(dice: Make) -> None:
    made = dice(manifest=("requirements = []", 'requirements = ["Torch==1.0"]'))
    refused(bench("submit", made), "submission.toml:10: ", "torch==", "leave it out")
    assert folder.core_pins()["mujoco"] == "3.17.0"


def test_a_requirement_may_lie_in_a_folder_of_wheels(dice: Make, tmp_path: Path) -> None:
    """In its very version, and behind what is installed; the method finds it, this machine not."""
    packages = tmp_path / "packages"
    for name, version in (("left-hand", "1.0"), ("typer", "0.0.1")):
        about = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    (packages / "left_hand.py").write_text("SPREAD = 0.25\n")
    made = dice(
        code=("import numpy as np\n", "import numpy as np\nfrom left_hand import SPREAD\n"),
        manifest=("requirements = []", 'requirements = ["left-hand==1.0"]'),
    )
    read = folder.read(made)
    folder.check_requirements(read.manifest, packages)
    with read.loaded(packages) as kind:
        assert sys.modules[kind.__module__].SPREAD == 0.25
    assert str(packages) not in sys.path
    hidden = read.manifest.model_copy(update={"requirements": ("typer==0.0.1",)})
    with pytest.raises(InfrastructureError, match="here it is"):
        folder.check_requirements(hidden, packages)

"""Methods known to one process from a folder, and those of a package by an entry point."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.errors import CheckFailed, Misuse
from benchmark.submissions import folder
from tests.command_line import bench, refused
from tests.submissions.conftest import DICE, Make

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def install(home: Path, monkeypatch: pytest.MonkeyPatch, entry: str = "dice = dice:Dice") -> None:
    """What `pip install` leaves of a package with one entry point, and the path to find it."""
    info = home / "tiny-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bench.attacks]\n{entry}\n")
    monkeypatch.syspath_prepend(home)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """A module of a test is not the next one's."""
    yield
    for name in ("dice", "dice.core", "dice_core"):
        sys.modules.pop(name, None)


def test_a_package_out_of_the_tree_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "installed"
    home.mkdir()
    (home / "dice.py").write_text(DICE)
    install(home, monkeypatch)
    assert "dice" in registry.attacks.names()
    assert registry.attacks.local("dice") is None
    listed = {row["name"]: row for row in bench("list", "attacks", "--json").json}
    assert listed["dice"]["idea"] == "Weights by chance."
    done = bench("run", "--attack", "dice", "--victim", "house-relu", "--budget", 64, "--json")
    assert done.code == 0, done.err
    assert [record["cell"]["attack"]["name"] for record in done.json] == ["dice"]


def test_a_bare_class_is_listed_as_well_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a docstring, a citation, a version: it must not hide the others."""
    home = tmp_path / "installed"
    home.mkdir()
    (home / "dice.py").write_text("class Dice:\n    pass\n")
    install(home, monkeypatch)
    listed = {row["name"]: row for row in bench("list", "attacks", "--json").json}
    assert listed["dice"] == {
        "name": "dice", "track": "-", "version": 0, "idea": "-", "citation": "-",
    }  # fmt: skip
    assert listed["baseline"]["idea"].startswith("Plain PPO")


def test_other_code_under_the_same_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key holds the version and not the code, so what is there is taken as it is."""
    home = tmp_path / "installed"
    home.mkdir()
    (home / "dice.py").write_text(DICE)
    install(home, monkeypatch)
    asked = ("run", "--attack", "dice", "--victim", "house-relu", "--budget", 64)
    told = "finished trainings of dice were made by another source"
    for code, changed in ((DICE, False), (DICE.replace("0.5", "0.6"), True)):
        (home / "dice.py").write_text(code)
        for _ in range(2):  # the first one trains
            done = bench(*asked)
            assert done.code == 0, done.err
        assert (told in " ".join(done.out.split())) == changed


def test_what_a_method_prints_is_not_among_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "installed"
    home.mkdir()
    (home / "dice.py").write_text(
        DICE.replace("        card = self", "        print('hello')\n        card = self", 1)
    )
    install(home, monkeypatch)
    done = bench("run", "--attack", "dice", "--victim", "house-relu", "--budget", 64, "--json")
    assert (done.code, len(done.json)) == (0, 1)
    assert "hello" in done.err


def test_a_package_is_submitted_as_it_is_installed(
    dice: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that is the same code; its own name is not taken, another's is."""
    made = dice()
    install(made, monkeypatch)
    done = bench("submit", made, "--budget", 64, "--victim", "house-relu", "--json")
    assert done.code == 0, done.json
    (made / "dice.py").write_text(DICE.replace("0.5", "0.6"))
    done = bench("submit", made, "--budget", 64, "--victim", "house-relu", "--json")
    assert done.code == 0, done.json  # an editable package: the folder is what is installed
    elsewhere = tmp_path / "installed"
    elsewhere.mkdir()
    (elsewhere / "dice.py").write_text(DICE)
    monkeypatch.syspath_prepend(elsewhere)
    del sys.modules["dice"]
    done = bench("submit", made, "--budget", 64, "--json")
    assert done.code == 1
    assert f"is installed from {elsewhere}/dice.py, with other code" in str(done.json["items"])
    path = made / "submission.toml"
    path.write_text(path.read_text().replace("dice:Dice", "test_dice:Dice"))
    refused(bench("submit", made), "'dice' is taken by the attack dice:Dice")


def unpacked(home: Path) -> None:
    """The method as a package: what it draws from is in a file of its own."""
    (home / "dice").mkdir(parents=True)
    (home / "dice" / "__init__.py").write_text(
        DICE.replace("import numpy", "from dice.core import SPREAD\nimport numpy")
        .replace("spread: float = 0.5", "spread: float = SPREAD")
    )  # fmt: skip
    (home / "dice" / "core.py").write_text("SPREAD = 0.5\n")


def as_module(home: Path) -> None:
    """The method as a module that draws from another one beside it."""
    (home / "dice.py").write_text(
        DICE.replace("import numpy", "from dice_core import SPREAD\nimport numpy")
        .replace("spread: float = 0.5", "spread: float = SPREAD")
    )  # fmt: skip
    (home / "dice_core.py").write_text("SPREAD = 0.5\n")


@pytest.mark.parametrize(
    ("written", "name"), [(unpacked, "dice/core.py"), (as_module, "dice_core.py")]
)
def test_all_code_that_is_installed_is_held_against_the_folder(
    dice: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Any, name: str
) -> None:
    """Not the entry's file alone: what runs may stand in another one."""
    made, elsewhere = dice(), tmp_path / "installed"
    (made / "dice.py").unlink()
    for home in (made, elsewhere):
        home.mkdir(exist_ok=True)
        written(home)
    install(elsewhere, monkeypatch)
    with folder.read(made).loaded() as kind:
        assert kind.name == "dice"
    (made / name).write_text("SPREAD = 0.6\n")
    told = rf"is installed from .*, with other code \({name}\)"
    with pytest.raises(CheckFailed, match=told), folder.read(made).loaded():
        pass


def test_a_file_more_or_less_is_other_code(
    dice: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a package; and so is a package in a module's place."""
    made, elsewhere = dice(), tmp_path / "installed"
    (made / "dice.py").unlink()
    for home in (made, elsewhere):
        unpacked(home)
    install(elsewhere, monkeypatch)
    for home in (made, elsewhere):
        (home / "dice" / "late.py").touch()
        with pytest.raises(CheckFailed, match=r"\(dice/late\.py\)"), folder.read(made).loaded():
            pass
        (home / "dice" / "late.py").unlink()
    (made / "dice" / "__init__.py").rename(made / "dice.py")
    (made / "dice" / "core.py").rename(made / "core.py")
    with pytest.raises(CheckFailed, match=r"\(dice\.py\)"), folder.read(made).loaded():
        pass


def test_the_example_of_contributing_is_such_a_package(tmp_path: Path) -> None:
    """Its entry point names a module that it packs."""
    section = CONTRIBUTING.read_text().split("## In a package of your own")[1]
    block = re.search(r"```toml\n(.*?)```", section, flags=re.DOTALL)
    assert block
    told = tomllib.loads(block[1])
    (value,) = told["project"]["entry-points"]["bench.attacks"].values()
    assert value.partition(":")[0] in told["tool"]["setuptools"]["py-modules"]
    assert told["project"]["dependencies"] == ["competitive-rl-bench"]


def test_a_folder_is_known_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "dice.py").write_text(DICE)
    with registry.attacks.including("dice", "dice:Dice", tmp_path):
        assert "dice" in registry.attacks.names()
        local = registry.attacks.local("dice")
        assert local is not None
        assert (local.value, local.folder) == ("dice:Dice", tmp_path)
        assert registry.attacks.load("dice").name == "dice"
        with (
            pytest.raises(Misuse, match="'dice' is there already"),
            registry.attacks.including("dice", "dice:Dice", tmp_path),
        ):
            pass
        assert "dice" in registry.attacks.names()
    with pytest.raises(Misuse, match="no attack 'dice'"):
        registry.attacks.load("dice")


def test_a_registered_name_is_not_taken_over(tmp_path: Path) -> None:
    with (
        pytest.raises(Misuse, match=r"'ours' is there already: attacks\.ours:Ours"),
        registry.attacks.including("ours", "dice:Dice", tmp_path),
    ):
        pass
    assert registry.attacks.load("ours").name == "ours"

"""`bench new`: what it writes works as it is, and CONTRIBUTING.md says how."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import Misuse
from benchmark.submissions import folder, names
from benchmark.submissions.manifest import Manifest
from tests.command_line import bench, refused
from tests.submissions.conftest import Make

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
KINDS = ("attack", "defense", "detector")


def run_tests(test: Path) -> int:
    """Call every test of a module that needs no fixture; how many there were."""
    test = test.resolve()
    sys.path.insert(0, str(test.parent))
    try:
        spec = importlib.util.spec_from_file_location(test.stem, test)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tests = [value for name, value in vars(module).items() if name.startswith("test_")]
        for one in tests:
            one()
        return len(tests)
    finally:
        sys.path.remove(str(test.parent))
        sys.modules.pop(test.stem.removeprefix("test_"), None)


def fill_in(made: Path) -> None:
    """Do what the template leaves to do."""
    for file in ("submission.toml", "README.md"):
        path = made / file
        path.write_text(path.read_text().replace("TODO", "done"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_keeps_its_contract_and_is_short(kind: str) -> None:
    """Its own test says so; at most 40 lines."""
    done = bench("new", kind, "my-own", "--into", "elsewhere")
    assert done.code == 0
    made = Path("elsewhere/my-own")
    told = sorted(path.name for path in made.iterdir())
    assert told == ["README.md", "my_own.py", "submission.toml", "test_my_own.py"]
    assert all(str(made / name) in done.out for name in told)
    assert len((made / "my_own.py").read_text().splitlines()) <= 40
    about = folder.read(made).manifest
    assert (about.kind, about.name, about.entry) == (kind, "my-own", "my_own:MyOwn")
    assert run_tests(made / "test_my_own.py") >= 2


def test_what_it_writes_is_clean() -> None:
    """By this project's own linter and formatter."""
    for kind in KINDS:
        bench("new", kind, f"my-{kind}")
    ruff = Path(sys.executable).with_name("ruff")
    for command in (("check",), ("format", "--check")):
        done = subprocess.run(
            [ruff, *command, "--config", ROOT / "pyproject.toml", Path("submissions").resolve()],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ours", "the name of the attack attacks.ours:Ours"),
        ("mixed", "the name of the defense"),
        ("density", "the name of the detector"),
        ("random", "the name of "),
        ("house-relu", "the name of a shipped victim"),
        ("pong-v1", "the name of a game"),
        ("json", "Python has a module 'json'"),
        ("benchmark", "Python has a module 'benchmark'"),
        ("class", "a word of Python"),
        ("Calm", "lower-case"),
        ("my_attack", "lower-case"),
        ("my--attack", "lower-case"),
        ("-x", None),
        ("2fast", "lower-case"),
        ("a/b", "lower-case"),
        ("..", "lower-case"),
        ("", "lower-case"),
        ("x" * 41, "at most 40"),
        ("calm\n", "lower-case"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, told: str | None) -> None:
    if told is None:
        assert bench("new", "attack", name).code == 2  # taken for an option
    else:
        with pytest.raises(Misuse, match=re.escape(told)):
            names.check_new(name)
        refused(bench("new", "attack", name), told)
    assert not Path("submissions").exists()


def test_a_folder_that_exists_is_kept() -> None:
    Path("submissions/calm").mkdir(parents=True)
    refused(bench("new", "attack", "calm"), "submissions/calm exists")
    refused(bench("new", "atack", "calm"), "did you mean 'attack'?")
    assert list(Path("submissions/calm").iterdir()) == []


def test_a_template_is_not_ready_to_be_handed_in(dice: Make) -> None:
    """Its fields and its README are still to be filled in, and nothing is left as evidence."""
    bench("new", "detector", "calm")
    about, made = folder.read(Path("submissions/calm")), dice(manifest=("A. Tester", "TODO"))
    assert "TODO" in about.manifest.authors
    assert "TODO" in about.manifest.paper
    (made / "README.md").write_bytes(about.files["README.md"])
    done = bench("submit", made, "--json")
    assert done.code == 1
    wrong = {i["what"]: i["detail"] for i in done.json["items"] if i["status"] == "failed"}
    assert wrong == {
        "submission.toml": "still TODO: authors", "README.md": "still has a TODO",
    }  # fmt: skip
    assert not (made / "evidence").exists()


def test_contributing_is_true() -> None:
    """The commands of its section, in order, on the template as it is filled in."""
    section = CONTRIBUTING.split("## Hand in a submission")[1].split("\n## ")[0]
    block = re.search(r"```\n(.*?)```", section, flags=re.DOTALL)
    assert block
    commands = [line.split() for line in block[1].splitlines()]
    made = Path("submissions/calm-attack")
    assert [words[:2] for words in commands] == [
        ["bench", "new"], ["python", "-m"], ["bench", "submit"], ["bench", "verify"],
    ]  # fmt: skip
    small = {"submit": ("--budget", "65536", "--victim", "house-relu"), "verify": ()}
    for words in commands:
        if words[0] == "python":
            assert words[1:] == ["-m", "pytest", str(made)]
            assert run_tests(made / "test_calm_attack.py") >= 2
            continue
        done = bench(*words[1:], *small.get(words[1], ()))
        assert done.code == 0, done.err
        if words[1] == "new":
            fill_in(made)
    assert "level     0" in done.out
    assert len(list(made.glob("evidence/records/*.json"))) == 1


def test_contributing_names_every_field() -> None:
    section = CONTRIBUTING.split("## Hand in a submission")[1].split("\n## ")[0]
    fields = re.findall(r"`\[?(\w+)\]?`", "".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
    assert sorted(fields) == sorted(Manifest.model_fields)

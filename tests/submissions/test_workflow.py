"""What runs on a stranger's pull request: a read-only token, pinned actions, plain names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.submissions import requirements
from tests.submissions.conftest import Make

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github" / "workflows" / "submissions.yml").read_text(encoding="utf-8")
SCRIPT = ROOT / ".github" / "submit-changed"
STUB = '#!/usr/bin/env bash\necho "$(basename "$0") $*" >> "$CALLS"\n[[ "$*" != *bad* ]]\n'


def test_the_workflow_gives_a_stranger_nothing() -> None:
    assert re.search(r"^on:\n  pull_request:\n    paths: \[\"submissions/\*\*\"\]$", WORKFLOW, re.M)
    assert "pull_request_target" not in WORKFLOW
    assert "secrets" not in WORKFLOW.replace("there are no secrets", "")
    assert re.search(r"^permissions:\n  contents: read\n\n", WORKFLOW, re.M)
    assert WORKFLOW.count("permissions:") == 1
    assert "persist-credentials: false" in WORKFLOW
    actions = re.findall(r"uses: (\S+)", WORKFLOW)
    assert len(actions) == 2
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in actions)
    ran = re.findall(r"run: (.*)", WORKFLOW)
    built = ".venv/bin/bench image build"  # what is submitted runs in containers of it
    assert ran == ["make setup", built, '.github/submit-changed "$BASE"']
    assert "${{" not in "".join(ran)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the script, stubs that write down how they are called, and a base."""
    home = tmp_path / "checkout"
    (home / ".github").mkdir(parents=True)
    shutil.copy(SCRIPT, home / ".github")
    stubs = tmp_path / "venv" / "bin"
    stubs.mkdir(parents=True)
    for name in ("bench", "python"):
        (stubs / name).write_text(STUB)
        (stubs / name).chmod(0o755)
    git(home, "init", "--quiet")
    for name in ("kept", "changed", "gone"):
        add(home, f"submissions/{name}/x.py")
    git(home, "add", "-A")
    git(home, "commit", "--quiet", "-m", "base")
    return home


def git(home: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", "-C", home, *who, *arguments], check=True)


def add(home: Path, name: str, text: str = "") -> None:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text(text)


def run(checkout: Path) -> tuple[int, list[str]]:
    """The script's exit code on what was changed since the base, and the calls it made."""
    git(checkout, "add", "-A")
    git(checkout, "commit", "--quiet", "-m", "changed")
    calls = checkout.parent / "calls"
    calls.touch()
    done = subprocess.run(
        [checkout / ".github" / "submit-changed", "HEAD~1"],
        env={**os.environ, "VENV": str(checkout.parent / "venv"), "CALLS": str(calls),
             "RUNNER_TEMP": "/t"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, calls.read_text().splitlines()


def test_what_changed_is_submitted_and_tested(checkout: Path) -> None:
    """Neither what stayed nor what was removed."""
    add(checkout, "submissions/changed/x.py", "1")
    add(checkout, "submissions/new-one/inner/x.py")
    add(checkout, "README.md")
    shutil.rmtree(checkout / "submissions" / "gone")
    code, calls = run(checkout)
    assert code == 0
    told = [line for line in calls if "pip install" not in line]
    assert told == [
        call
        for name in ("changed", "new-one")
        for call in (
            f"python -m benchmark.submissions.requirements submissions/{name}",
            f"bench submit submissions/{name} --isolation container --store /t/store-{name}",
            f"python -m pytest submissions/{name}",
        )
    ]
    installs = [line for line in calls if "pip install" in line]
    assert all("--no-deps --only-binary :all:" in line for line in installs)
    assert len(installs) == 2


def test_one_that_fails_fails_the_whole_and_stops_no_other(checkout: Path) -> None:
    for name in ("bad", "good"):
        add(checkout, f"submissions/{name}/x.py")
    code, calls = run(checkout)
    assert code == 1
    assert sum("pip install" in line for line in calls) == 1  # of the bad one nothing
    assert [line for line in calls if line.startswith("bench")] == [
        "bench submit submissions/good --isolation container --store /t/store-good"
    ]


def test_nothing_of_a_submission_is_installed_before_it_ran_in_containers(checkout: Path) -> None:
    add(checkout, "submissions/new-one/x.py")
    _, calls = run(checkout)
    order = ["benchmark.submissions.requirements", "bench submit", "pip install", "pytest"]
    assert [next(word for word in order if word in call) for call in calls] == order


@pytest.mark.parametrize("name", ["$(touch mark)", "a b", "-x", "x;touch mark", "..a", "a\nb"])
def test_a_folders_name_is_never_run(checkout: Path, name: str) -> None:
    add(checkout, f"submissions/{name}/x.py")
    code, calls = run(checkout)
    assert code == 1
    assert [line for line in calls if "bench" in line and "submissions/b" not in line] == []
    assert not (checkout / "mark").exists()


def test_pins_are_printed_for_pip(dice: Make, capsys: pytest.CaptureFixture[str]) -> None:
    made = dice(manifest=("requirements = []", 'requirements = ["left==1.0", "right==2"]'))
    assert requirements.main(made) == 0
    assert capsys.readouterr().out == "left==1.0\nright==2\n"
    assert requirements.main(made.parent) == 2
    assert capsys.readouterr().err.startswith("bench: ")

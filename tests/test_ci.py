"""What runs on a change: pinned workflows, a Makefile without holes, a browser for the tests."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPT = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
FUNCTIONS = SCRIPT[SCRIPT.index("has_browser()") : SCRIPT.index("printf '== make setup")]
TRY = """
set -euo pipefail
browser_log=$1
if install_browser > "$browser_log" 2>&1; then export BENCH_NEEDS_BROWSER=1; fi
tell_of_no_browser
echo "needed: ${BENCH_NEEDS_BROWSER:-no}"
"""
INSTALLS = """#!/bin/bash
[[ $1 != install ]] || { echo '#!/bin/sh' > "${0%/*}/chromium"; chmod +x "${0%/*}/chromium"; }
"""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_alike(path: Path) -> None:
    """A tag can be moved, and two versions of one action are one too many."""
    everywhere = "".join(each.read_text(encoding="utf-8") for each in WORKFLOWS)
    for action in re.findall(r"uses: *(\S+)", path.read_text(encoding="utf-8")):
        name, _, commit = action.partition("@")
        assert re.fullmatch("[0-9a-f]{40}", commit)
        assert set(re.findall(rf"uses: *{name}@(\S+)", everywhere)) == {commit}


def test_every_target_that_makes_no_file_is_phony() -> None:
    """Else a folder of its name would keep it from running."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    assert set(re.findall(r"^([a-z-]+):.*##", makefile, re.M)) == set(phony.split())


def browser(folder: Path, **programs: str) -> str:
    """What the script's part about the browser says where only these programs are."""
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for tool in ("tail", "chmod", "bash", "sh"):
        (folder / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(
        ["/usr/bin/bash", "-c", FUNCTIONS + TRY, "ci", str(folder / "log")],
        env={"PATH": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs")


def test_a_browser_that_is_there_is_needed(tmp_path: Path) -> None:
    assert browser(tmp_path, chromium="#!/bin/sh") == "needed: 1\n"


@ROOT_ONLY
def test_a_browser_that_is_missing_is_installed(tmp_path: Path) -> None:
    assert browser(tmp_path, **{"apt-get": INSTALLS}) == "needed: 1\n"


@pytest.mark.parametrize(
    ("programs", "why"),
    [
        ({}, "no apt-get to install it"),
        pytest.param(
            {"apt-get": "#!/bin/sh\necho no network\nexit 1"}, "no network", marks=ROOT_ONLY
        ),
    ],
)
def test_a_browser_that_cannot_be_installed_is_missed_aloud(
    tmp_path: Path, programs: dict[str, str], why: str
) -> None:
    said = browser(tmp_path, **programs)
    assert "*** SKIPPED: no test in a browser." in said
    assert why in said
    assert said.endswith("needed: no\n")

"""Commands are found, told and suggested by name, and import what they need when they are asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmark import cli
from benchmark.commands import lazy
from benchmark.records.files import to_json
from tests.factories import attacked

GROUPS = {"bench": cli.app, "victims": cli.VICTIMS, "image": cli.IMAGE, "store": cli.STORE}
ASKED = """
import sys
from benchmark.cli import app
app({arguments!r}, standalone_mode=False)
print(*sorted({{"torch", "numba", "mujoco", "gymnasium", "scipy.stats"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", GROUPS)
def test_every_command_of_a_group_is_there_and_says_what_it_does(name: str) -> None:
    group = typer.main.get_command(GROUPS[name])
    told = CliRunner().invoke(GROUPS[name], ["--help"]).output
    assert len(group.commands) >= 2
    for command, found in group.commands.items():
        assert found.name == command
        assert found.help
        assert command in told


def test_an_unknown_command_gets_the_nearest_name() -> None:
    found = CliRunner().invoke(cli.app, ["leaderbord"])
    assert found.exit_code == 2
    assert "Did you mean 'leaderboard'" in found.output


def test_names_alone_import_nothing() -> None:
    commands = lazy.Loading({"lost": "no_such_module:command"})
    assert list(commands) == ["lost"]
    assert len(commands) == 1
    with pytest.raises(ModuleNotFoundError):
        commands["lost"]
    assert commands.get("found") is None


@pytest.mark.parametrize("command", ["leaderboard", "export", "schema"])
def test_what_only_reads_records_waits_for_no_learner_and_no_game(
    command: str, tmp_path: Path
) -> None:
    record = attacked(50)
    (tmp_path / f"{record.id}.json").write_bytes(to_json(record))
    results = [] if command == "schema" else ["--results", str(tmp_path)]
    out = ["--out", str(tmp_path / "made")] if command == "leaderboard" else []
    code = ASKED.format(arguments=[command, *results, *out])
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == ""

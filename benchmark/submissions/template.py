"""`bench new`: a folder with an example that works, to be replaced by a method."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from benchmark.errors import InfrastructureError, Misuse
from benchmark.settings import hint
from benchmark.submissions import names
from benchmark.submissions.manifest import FILE


def write(kind: str, name: str, home: Path) -> list[Path]:
    """Make `home/name` with a manifest, a method, its test and a README; returns the files.

    Raises:
        Misuse: an unknown kind, a bad or taken name, or a folder that exists.
        InfrastructureError: the folder cannot be written.
    """
    if kind not in names.GROUPS:
        raise Misuse(f"nothing new is made of '{kind}'; {hint(kind, names.GROUPS)}")
    names.check_new(name)
    folder = home / name
    if folder.exists():
        raise Misuse(f"{folder} exists; choose another name")
    content = _content(kind, name, folder)
    try:
        folder.mkdir(parents=True)
        for file, text in content.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(f"{folder}: {error.strerror or error}") from error
    return [folder / file for file in content]


def class_of(name: str) -> str:
    """The class of a submission: calm-attack is CalmAttack."""
    return "".join(part.capitalize() for part in name.split("-"))


def _content(kind: str, name: str, folder: Path) -> dict[str, str]:
    words = {
        "name": name, "kind": kind, "module": names.module_of(name), "cls": class_of(name),
        "folder": folder.as_posix(), "track": "black-box" if kind == "attack" else "white-box",
    }  # fmt: skip
    toy = "" if kind == "detector" else _read("toy.toml")
    parts = {
        FILE: _read("submission.toml") + toy,
        f"{words['module']}.py": _read(f"{kind}.py"),
        f"test_{words['module']}.py": _read(f"{kind}_test.py"),
        "README.md": _read("README.md"),
    }
    return {file: Template(text).substitute(words) for file, text in parts.items()}


def _read(name: str) -> str:
    home = resources.files("benchmark.submissions") / "templates" / f"{name}.txt"
    return home.read_text(encoding="utf-8")

"""What a machine runs: cells from a cluster equal local ones only where that is the same."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmark import __version__
from benchmark.errors import InfrastructureError
from benchmark.records import provenance

PACKAGES = (*provenance.PACKAGES, "ray")
SOURCES = ("benchmark", "attacks", "defenses")
SHOWN = 12
"""Characters of a hash or commit in a message."""


class Software(BaseModel):
    """Code by its content; the commit is for people, since a checkout may be changed."""

    model_config = ConfigDict(frozen=True)

    code: str
    commit: str = ""
    versions: dict[str, str]

    def differences(self, node: Software) -> list[str]:
        """What is not on a node as it is here, with either side."""
        names = sorted({*self.versions, *node.versions})
        told = [
            f"{name} {node.versions.get(name, 'missing')} (here {self.versions.get(name, 'none')})"
            for name in names
            if node.versions.get(name) != self.versions.get(name)
        ]
        if self.code != node.code:
            told.append(f"code {node._source} (here {self._source})")
        return told

    def check(self, node: Software, name: str) -> None:
        """Raise InfrastructureError unless a node runs what this machine runs."""
        found = self.differences(node)
        if found:
            raise InfrastructureError(
                f"node {name} runs other software than this machine: {', '.join(found)}; "
                "install the same commit and packages on every node"
            )

    @property
    def _source(self) -> str:
        commit = f" of commit {self.commit[:SHOWN]}" if self.commit else ""
        return self.code[:SHOWN] + commit


@functools.cache
def here() -> Software:
    """This process's own: it does not change while the process lives."""
    installed = {name: _version(name) for name in PACKAGES}
    versions = {"benchmark": __version__, "python": platform.python_version(), **installed}
    root = Path(__file__).resolve().parents[3]
    commit = provenance.collect()["commit"] or ""
    return Software(code=_hash(root), commit=commit, versions=versions)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _hash(root: Path) -> str:
    """Of all Python sources by name and content."""
    found = hashlib.sha256()
    for path in sorted(path for name in SOURCES for path in (root / name).rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return found.hexdigest()

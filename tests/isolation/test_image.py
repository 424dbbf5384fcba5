"""The Dockerfile's lines, the hash of what an image is made of, the pin, the client that builds."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError, Misuse
from benchmark.isolation import image as images
from benchmark.isolation.engine import find
from benchmark.isolation.image import Facts, Pin, checkout, read_pin, source_hash, unpinned
from benchmark.isolation.limits import USER
from tests.command_line import bench, refused
from tests.isolation.fake_engine import Answers

DIGEST = "sha256:" + "a" * 64


def instructions() -> list[str]:
    """The Dockerfile's, comments left out and lines joined."""
    text = (checkout() / "Dockerfile").read_text(encoding="utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line for line in kept.replace("\\\n", " ").splitlines() if line.strip()]


def final_stage() -> list[str]:
    """From the last FROM on."""
    lines = instructions()
    last = max(i for i, line in enumerate(lines) if line.startswith("FROM"))
    return lines[last:]


def test_the_image_runs_as_its_own_user() -> None:
    """The one that the limits name."""
    users = [line for line in final_stage() if line.startswith("USER")]
    assert users == [f"USER {USER}"]


def test_everything_that_moves_results_is_fixed() -> None:
    """Time zone, locale, hash seed, threads."""
    environment = " ".join(line for line in final_stage() if line.startswith("ENV"))
    for setting in (
        "TZ=UTC", "LC_ALL=C.UTF-8", "PYTHONHASHSEED=0", "OMP_NUM_THREADS=1",
        "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1", "NUMBA_NUM_THREADS=1",
        "PYTHONDONTWRITEBYTECODE=1",
    ):  # fmt: skip
        assert setting in environment.split()


def test_only_what_a_run_needs_is_installed() -> None:
    """The lock file holds the line that the Dockerfile cuts at, and nothing above it is a tool."""
    install = next(line for line in instructions() if "requirements.lock >" in line)
    cut = re.search(r"sed '/\^(.*?)/,\$d' requirements.lock", install)
    assert cut is not None
    lock = (checkout() / "requirements.lock").read_text(encoding="utf-8")
    above, line, below = lock.partition(f"\n{cut.group(1)}")
    assert line
    assert "\ntorch==" in above
    assert "\npytest==" in below
    assert not {"pytest", "ruff", "mypy"} & {row.partition("==")[0] for row in above.splitlines()}


def test_the_base_is_an_argument_and_named_on_the_label() -> None:
    """So that a digest can be given, and read again."""
    lines = instructions()
    assert lines[0] == f"ARG BASE={images.BASE}"
    assert all(
        line.split()[1] in ("${BASE}", "${WHEELS}", "packages")
        for line in lines
        if "FROM" in line[:4]
    )
    label = next(line for line in final_stage() if line.startswith("LABEL"))
    assert 'base.name="${BASE}"' in label
    assert 'base.digest="${BASE_DIGEST}"' in label


def test_the_context_holds_what_the_hash_covers() -> None:
    """A file that changes the image changes the hash."""
    ignored = (checkout() / ".dockerignore").read_text(encoding="utf-8").split()
    named = {line[1:] for line in ignored if line.startswith("!")}
    assert named | {"Dockerfile", ".dockerignore"} == {*images.MADE_OF, *images.PACKAGES}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout in small."""
    for name in (*images.MADE_OF, "benchmark/a.py", "attacks/b.py", "defenses/c.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return tmp_path


def test_the_hash_follows_contents_and_names_and_nothing_else(tree: Path) -> None:
    """No times, no bytecode, no other folders."""
    before = source_hash(tree)
    os.utime(tree / "Dockerfile", (0, 0))
    (tree / "benchmark" / "__pycache__").mkdir()
    (tree / "benchmark" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tree / "tests").mkdir()
    (tree / "tests" / "t.py").write_text("x", encoding="utf-8")
    assert source_hash(tree) == before
    (tree / "benchmark" / "a.py").rename(tree / "benchmark" / "z.py")
    renamed = source_hash(tree)
    (tree / "attacks" / "b.py").write_text("changed", encoding="utf-8")
    assert len({before, renamed, source_hash(tree)}) == 3


def facts(tree: Path, digest: str = DIGEST) -> Facts:
    """Of an image made from a tree."""
    return Facts(
        name="x", digest=digest, size_bytes=1, created="", base="b", base_digest="d",
        source=source_hash(tree),
    )  # fmt: skip


def write_pin(tree: Path) -> None:
    """As a build would."""
    (tree / images.PIN).parent.mkdir(exist_ok=True)
    pin = Pin(digest=DIGEST, source=source_hash(tree), base="b", base_digest="d")
    (tree / images.PIN).write_text(pin.model_dump_json(), encoding="utf-8")


def test_only_the_last_build_of_the_present_code_is_pinned(tree: Path) -> None:
    """Another image, or code that has changed since, each says why not."""
    found = facts(tree)
    assert "no image is pinned" in unpinned(found, tree)
    write_pin(tree)
    assert unpinned(found, tree) == ""
    assert "digest" in unpinned(facts(tree, "sha256:" + "b" * 64), tree)
    (tree / "benchmark" / "a.py").write_text("changed", encoding="utf-8")
    assert "changed" in unpinned(found, tree)


def test_a_damaged_pin_is_refused_with_its_path(tree: Path) -> None:
    """And not taken for none."""
    write_pin(tree)
    (tree / images.PIN).write_text('{"digest": "sha256:1"}', encoding="utf-8")
    with pytest.raises(Misuse, match=r"build/image\.json.*bench image build"):
        read_pin(tree)


def client(folder: Path, version: str, buildx: bool) -> Path:
    """A docker client that knows its version and whether it has the plug-in."""
    folder.mkdir()
    path = folder / "docker"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = buildx ]; then exit {0 if buildx else 1}; fi\n'
        f'echo "{version}"\nexit 1\n',
        encoding="utf-8",
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("version", "buildx", "able"),
    [("20.10.24+dfsg1", False, True), ("28.2.2", False, False), ("28.2.2", True, True),
     ("18.09", False, False), ("", False, False)],
)  # fmt: skip
def test_a_client_that_can_build_is_told_from_one_that_cannot(
    tmp_path: Path, version: str, buildx: bool, able: bool
) -> None:
    """The first on PATH need not be the right one."""
    assert images.speaks_buildkit(str(client(tmp_path / "bin", version, buildx))) is able


def test_a_registry_s_digest_is_built_on_and_kept(answers: type[Answers]) -> None:
    """Asked for by tag, named by digest; one that was given is not asked for."""
    answers.registry = DIGEST
    assert images.base_of(find(), "python:3") == (f"python:3@{DIGEST}", DIGEST)
    given = "python:3@sha256:" + "c" * 64
    assert images.base_of(find(), given) == (given, "sha256:" + "c" * 64)


@pytest.mark.usefixtures("answers")
def test_a_base_that_nobody_has_is_one_line() -> None:
    """Neither a registry nor this machine."""
    refused(bench("image", "build"), images.BASE, "no registry", "--base", code=3)


def test_a_build_that_fails_says_how(
    tree: Path, answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the client's last line; it was given what the recipe says, and nothing is pinned."""
    answers.registry = DIGEST
    folder = tree / "bin"
    script = client(folder, "20.10", False)
    script.write_text(
        script.read_text(encoding="utf-8").replace(
            "echo", 'if [ "$1" = build ]; then echo "$@" >&2; exit 9; fi\necho'
        ),
        encoding="utf-8",
    )
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    recipe = images.Recipe(name="n", base="b", torch_index="", network="host", fresh=True)
    with pytest.raises(InfrastructureError, match="exit code 9") as failure:
        images.build(find(), tree, recipe, quiet=True)
    said = str(failure.value)
    for part in (
        "--tag n", f"BASE=b@{DIGEST}", f"BASE_DIGEST={DIGEST}", f"SOURCE={source_hash(tree)}",
        "TORCH_INDEX= ", "--network host", "--no-cache",
    ):  # fmt: skip
        assert part in said
    assert read_pin(tree) is None


def test_a_pin_is_replaced_whole_or_not_at_all(
    tree: Path, answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up leaves the one before, and is told in one line."""
    answers.registry = DIGEST
    made = facts(tree, "sha256:" + "b" * 64)
    monkeypatch.setattr(images, "_client", lambda engine: ["true"])
    monkeypatch.setattr(images, "facts", lambda engine, name: made)
    write_pin(tree)
    before = read_pin(tree)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InfrastructureError, match=r"image\.json: No space left.*build again"):
            images.build(find(), tree, images.Recipe(network="host"), quiet=True)
    assert read_pin(tree) == before
    assert os.listdir((tree / images.PIN).parent) == [images.PIN.name]
    images.build(find(), tree, images.Recipe(network="host"), quiet=True)
    assert unpinned(made, tree) == ""


def test_a_machine_without_a_client_says_so(
    tree: Path, answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or with one that cannot."""
    answers.registry = DIGEST
    client(tree / "bin", "28.2.2", False)
    monkeypatch.setenv("PATH", str(tree / "bin"))
    with pytest.raises(InfrastructureError, match="BuildKit"):
        images.build(find(), tree, images.Recipe(network="host"))

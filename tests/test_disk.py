"""Files are written whole or not at all, and read only where they are plain ones of some size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from benchmark.disk import instructions, plain, write_atomically
from benchmark.errors import Misuse


class Bad(Misuse):
    """What a reader calls a file that it cannot take."""


class Errand(BaseModel):
    """What a process may be asked."""

    steps: int


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One of ten bytes."""
    path = tmp_path / "file"
    path.write_bytes(bytes(10))
    return path


def test_a_file_is_read_up_to_a_size(file: Path) -> None:
    assert plain(file, 10, Bad) == bytes(10)
    with pytest.raises(Bad, match="10 bytes, expected at most 9"):
        plain(file, 9, Bad)


def test_a_link_is_not_followed(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    with pytest.raises(Bad, match="a link, which is not followed"):
        plain(link, 10, Bad)


def test_a_pipe_does_not_keep_the_reader_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Bad, match="not a file"):
        plain(tmp_path / "pipe", 10, Bad)


@pytest.mark.parametrize("name", [".", "none"])
def test_what_is_no_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(Bad, match="cannot be read"):
        plain(tmp_path / name, 10, Bad)


def test_what_is_written_replaces_what_was_there(file: Path) -> None:
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_writing_that_fails_leaves_the_old_file_and_no_other(
    file: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        write_atomically(file, b"new")
    assert file.read_bytes() == bytes(10)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_temporary_file_of_a_given_name_is_taken_over(file: Path) -> None:
    """One that a crash has left, say."""
    left = file.with_name("left")
    left.write_bytes(b"a part")
    write_atomically(file, b"new", left)
    assert file.read_bytes() == b"new"
    assert not left.exists()


def test_what_a_process_is_asked_is_read(file: Path) -> None:
    file.write_text('{"steps": 3}')
    assert instructions(file, Errand, "an errand") == Errand(steps=3)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (None, "cannot be read"),
        (b"{", "not an errand (Invalid JSON"),
        (b"\xff", "not an errand"),
        (b'{"steps": "x"}', "not an errand (steps: "),
    ],
)
def test_what_is_asked_by_no_good_file_is_misuse(
    file: Path, payload: bytes | None, told: str
) -> None:
    file.unlink() if payload is None else file.write_bytes(payload)
    with pytest.raises(Misuse) as refused:
        instructions(file, Errand, "an errand")
    assert str(refused.value).startswith(f"{file}: {told}")
    assert "\n" not in str(refused.value)

"""What the host takes out of a shared volume: plain files, and no more than was asked for."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from benchmark.isolation.exchange import MOST_FILES, unpack


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", link: str = "") -> bytes:
    """A tar archive's entry."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    padding = b"\0" * (-len(content) % tarfile.BLOCKSIZE)
    return info.tobuf() + content + padding


END = b"\0" * 2 * tarfile.BLOCKSIZE


def pieces(*members: bytes, size: int = 700) -> Iterator[bytes]:
    """An archive as it comes."""
    whole = io.BytesIO(b"".join([member("out", tarfile.DIRTYPE), *members, END]))
    return iter(lambda: whole.read(size), b"")


def test_plain_files_come_with_their_content() -> None:
    """By path below the folder."""
    found = unpack(pieces(member("out/a", content=b"1"), member("out/b/c", content=b"23")), 100)
    assert found.files == {"a": b"1", "b/c": b"23"}
    assert found.refused == ()


def test_links_devices_and_ways_up_are_refused_each_by_name() -> None:
    """The good file beside them still comes."""
    found = unpack(
        pieces(
            member("out/soft", tarfile.SYMTYPE, link="/etc/passwd"),
            member("out/hard", tarfile.LNKTYPE, link="out/good"),
            member("out/pipe", tarfile.FIFOTYPE),
            member("out/disk", tarfile.BLKTYPE),
            member("out/../../up", content=b"x"),
            member("out/good", content=b"y"),
        ),
        1000,
    )
    assert found.files == {"good": b"y"}
    assert [line.partition(":")[0] for line in found.refused] == [
        "soft", "hard", "pipe", "disk", "../../up",
    ]  # fmt: skip


def test_the_folder_itself_as_a_link_is_refused() -> None:
    """It leads to nothing of this machine."""
    archive = member("out", tarfile.SYMTYPE, link="/") + END
    assert unpack([archive], 100).refused == (".: a link",)


def test_too_much_is_not_read_to_its_end() -> None:
    """A sparse file of a terabyte takes no terabyte here."""

    def endless() -> Iterator[bytes]:
        yield member("out/a")
        while True:
            yield b"\0" * 65_536

    found = unpack(endless(), 1 << 20)
    assert found.files == {}
    assert found.refused == ("more than 1 MiB in all",)


def test_too_many_files_are_cut() -> None:
    """At a number that no honest result needs."""
    found = unpack(pieces(*(member(f"out/{i}") for i in range(2 * MOST_FILES))), 1 << 20)
    assert len(found.files) <= MOST_FILES
    assert found.refused == (f"more than {MOST_FILES} entries",)


@given(st.binary(max_size=3000))
def test_what_is_no_archive_is_no_error(junk: bytes) -> None:
    """But told."""
    found = unpack([junk], 10_000)
    assert isinstance(found.files, dict)


def test_a_broken_archive_is_told() -> None:
    """Cut in the middle of a file."""
    whole = b"".join(pieces(member("out/a", content=b"x" * 5000)))
    assert unpack([whole[:3000]], 10_000).refused

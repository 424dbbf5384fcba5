"""Wheels of a submission: fetched by pip for another Python, taken apart without being run."""

from __future__ import annotations

import errno
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError
from benchmark.submissions import wheels
from benchmark.submissions.wheels import BadWheel, Target, fetched, unpack

TARGET = Target(python="3.11", platforms=("linux_x86_64", "manylinux_2_17_x86_64"))
ABOUT = "Metadata-Version: 2.1\nName: left\nVersion: 1.0\n"
TAG = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
TRAP = "raise SystemExit('run on the machine that fetches it')\n"


def wheel(folder: Path, members: dict[str, str] | None = None, name: str = "left") -> Path:
    """A wheel with these files besides what every wheel has."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = ABOUT.replace("left", name)
    info = {f"{name}-1.0.dist-info/METADATA": about, f"{name}-1.0.dist-info/WHEEL": TAG}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, text in {**info, **(members or {f"{name}/__init__.py": TRAP})}.items():
            archive.writestr(place, text)
    return path


def files(folder: Path) -> list[str]:
    """What was taken out, without what every wheel has."""
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in found if ".dist-info/" not in name)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip finds wheels in, and nowhere else."""
    home = tmp_path / "index"
    wheel(home)
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(home)), ("EXTRA_INDEX_URL", "")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return home


def test_pinned_wheels_are_fetched_once_and_unpacked_for_any_user(
    index: Path, tmp_path: Path
) -> None:
    """Without running anything of them; the second time nobody asks for them."""
    home = fetched(["left==1.0"], TARGET, tmp_path / "cache")
    assert files(home) == ["left/__init__.py"]
    assert all(path.stat().st_mode & 0o004 for path in (home, *home.rglob("*")))
    assert not any(path.stat().st_mode & 0o022 for path in home.rglob("*"))
    (index / "left-1.0-py3-none-any.whl").unlink()
    assert fetched(["left==1.0"], TARGET, tmp_path / "cache") == home
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [home.name]


@pytest.mark.usefixtures("index")
def test_what_pip_does_not_get_is_nobodys_failure(tmp_path: Path) -> None:
    """One line, and nothing is left behind that would pass for packages."""
    with pytest.raises(InfrastructureError, match=r"No matching distribution found for left==2"):
        fetched(["left==2.0"], TARGET, tmp_path / "cache")
    digest = "0" * 64
    with pytest.raises(InfrastructureError, match="pip does not get"):
        fetched([f"left==1.0 --hash=sha256:{digest}"], TARGET, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_wheels_of_another_python_are_not_taken(index: Path, tmp_path: Path) -> None:
    """Those of the image's are asked for, whatever this machine runs."""
    (index / "left-1.0-py3-none-any.whl").rename(index / "left-1.0-cp310-cp310-linux_x86_64.whl")
    with pytest.raises(InfrastructureError):
        fetched(["left==1.0"], TARGET, tmp_path / "cache")
    older = TARGET.model_copy(update={"python": "3.10"})
    assert files(fetched(["left==1.0"], older, tmp_path / "cache")) == ["left/__init__.py"]


def test_pip_is_not_looked_for_in_the_folder_at_hand(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may be a stranger's."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    assert index.is_dir()
    assert fetched(["left==1.0"], TARGET, tmp_path / "cache").is_dir()


def test_what_can_be_imported_goes_where_it_is_looked_for(tmp_path: Path) -> None:
    """Of a wheel's data the libraries; its scripts are nobody's."""
    members = {
        "left.data/purelib/pure.py": "", "left.data/platlib/plain/x.so": "",
        "left.data/scripts/left": "", "left.data/data/etc/x": "", "left.pth": "import left",
    }  # fmt: skip
    into = tmp_path / "into"
    list(unpack(wheel(tmp_path / "made", members), into))
    assert files(into) == ["left.pth", "plain/x.so", "pure.py"]


@pytest.mark.parametrize(
    "name",
    ["../out.py", "/out.py", "a/../../out.py", "left.data/purelib/../../../out.py", "a\\b", "."],
)
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadWheel, match="is not a plain file in it"):
        list(unpack(wheel(tmp_path / "made", {name: "x"}), tmp_path / "a" / "b" / "into"))
    assert not list(tmp_path.rglob("out.py"))


def test_a_member_of_no_name_is_refused(tmp_path: Path) -> None:
    """Names end at a zero byte, wherever it stands."""
    made = wheel(tmp_path / "made", {"?.py": "x"})
    made.write_bytes(made.read_bytes().replace(b"?.py", b"\0.py"))
    with pytest.raises(BadWheel, match="'' is not a plain file in it"):
        list(unpack(made, tmp_path / "into"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    made = wheel(tmp_path / "made")
    with zipfile.ZipFile(made, "a") as archive:
        member = zipfile.ZipInfo("left/odd")
        member.external_attr = (kind | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(BadWheel, match="'left/odd' is not a plain file"):
        list(unpack(made, tmp_path / "into"))


def test_a_small_wheel_of_a_large_file_is_stopped(tmp_path: Path) -> None:
    """Whatever size it states."""
    made = wheel(tmp_path / "made", {"left/zeros": "\0" * (3 << 20)})
    assert made.stat().st_size < 1 << 16
    with pytest.raises(BadWheel, match="more than"):
        list(unpack(made, tmp_path / "into", room=1 << 20))
    assert (tmp_path / "into" / "left" / "zeros").stat().st_size <= 1 << 20


@pytest.mark.usefixtures("index")
def test_many_files_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "MAX_FILES", 2)
    with pytest.raises(BadWheel, match="more than 2 files"):
        fetched(["left==1.0"], TARGET, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("cut", [10, 200])
def test_a_damaged_wheel_is_refused(tmp_path: Path, cut: int) -> None:
    made = wheel(tmp_path / "made", {"left/x.py": "x = 1\n" * 100})
    payload = bytearray(made.read_bytes())
    payload[cut : cut + 40] = bytes(40)
    made.write_bytes(payload[: len(payload) - cut // 10])
    with pytest.raises(BadWheel, match=r"left-1\.0"):
        list(unpack(made, tmp_path / "into"))


def packed(folder: Path, method: int) -> Path:
    """A wheel whose members are packed by some method."""
    made = wheel(folder)
    with zipfile.ZipFile(made, "a", method) as archive:
        archive.writestr("left/x.py", "".join(f"x{i} = {i * i}\n" for i in range(100)))
    return made


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_refused_however_it_is_packed(tmp_path: Path, method: int) -> None:
    made = packed(tmp_path / "made", method)
    payload = bytearray(made.read_bytes())
    start = payload.index(b"left/x.py") + len("left/x.py") + 4  # behind the size of LZMA's header
    payload[start : start + 100] = b"\xff" * 100
    made.write_bytes(payload)
    with pytest.raises(BadWheel, match=r"left-1\.0.*: unreadable"):
        list(unpack(made, tmp_path / "into"))


def test_a_member_before_the_file_is_refused(tmp_path: Path) -> None:
    """Its archive says that it begins where nothing is."""
    made = packed(tmp_path / "made", zipfile.ZIP_DEFLATED)
    payload = bytearray(made.read_bytes())
    end = payload.rindex(b"PK\x05\x06")
    payload[end + 16 : end + 20] = (end + 1000).to_bytes(4, "little")  # where its list begins
    made.write_bytes(payload)
    with pytest.raises(BadWheel, match=r"left-1\.0.*: unreadable"):
        list(unpack(made, tmp_path / "into"))


def test_what_the_disk_refuses_is_not_the_wheels_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = wheel(tmp_path / "made")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(wheels, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        list(unpack(made, tmp_path / "into"))


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    made = wheel(tmp_path / "made", {"left": "", "left/x.py": ""})
    with pytest.raises(BadWheel, match="of one name"):
        list(unpack(made, tmp_path / "into"))


def test_the_target_is_printed_for_whoever_asks() -> None:
    """Of this Python, in the words that pip takes."""
    done = subprocess.run(
        [sys.executable, *wheels.COMMAND[1:]], capture_output=True, text=True, check=True
    )
    told = Target.model_validate_json(done.stdout)
    assert told == Target.here()
    assert told.python == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert told.platforms[0].startswith(("linux_", "macosx_", "win"))

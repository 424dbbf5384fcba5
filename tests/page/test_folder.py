"""A folder that changes as a whole, and only where it is ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError, Misuse
from benchmark.page.folder import MARK, replace_folder


def files(**named: str) -> list[tuple[str, bytes | Path]]:
    return [(name.replace("__", "/"), text.encode()) for name, text in named.items()]


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_is_made_and_then_replaced_whole(tmp_path: Path) -> None:
    home = tmp_path / "new" / "site"
    assert replace_folder(home, files(a="1", b__c="2")) == 2
    assert tree(home) == {"a": "1", "b/c": "2", MARK: "a\nb/c\n"}
    replace_folder(home, files(a="3"))
    assert tree(home) == {"a": "3", MARK: "a\n"}
    assert list(home.parent.iterdir()) == [home]


def test_a_file_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source.json"
    source.write_bytes(b"{}\n")
    replace_folder(tmp_path / "site", [("r.json", source)])
    assert (tmp_path / "site" / "r.json").read_bytes() == b"{}\n"


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    replace_folder(tmp_path / "site", files(a="1"))
    assert tree(tmp_path / "site")["a"] == "1"


def test_what_others_made_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "precious"
    home.mkdir()
    (home / "thesis.tex").write_text("years")
    with pytest.raises(Misuse, match="was not made by"):
        replace_folder(home, files(a="1"))
    assert tree(home) == {"thesis.tex": "years"}


@pytest.mark.parametrize("where", ["thesis.tex", "b/thesis.tex", "own/thesis.tex"])
def test_a_file_put_into_the_site_is_not_lost(tmp_path: Path, where: str) -> None:
    home = tmp_path / "site"
    replace_folder(home, files(a="1", b__c="2"))
    (home / where).parent.mkdir(exist_ok=True)
    (home / where).write_text("years")
    with pytest.raises(Misuse, match=r"thesis\.tex: not written by this program"):
        replace_folder(home, files(a="3"))
    assert tree(home)["a"] == "1"
    assert (home / where).read_text() == "years"


def test_a_link_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("x")
    for name in ("link", "file"):
        with pytest.raises(Misuse, match="is not a folder"):
            replace_folder(tmp_path / name, files(a="1"))


def test_a_render_that_fails_leaves_the_old_site(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[str, bytes | Path]]:
        yield "a", b"new"
        raise ValueError("halfway")

    home = tmp_path / "site"
    replace_folder(home, files(a="old"))
    with pytest.raises(ValueError, match="halfway"):
        replace_folder(home, broken())
    assert tree(home)["a"] == "old"
    assert list(tmp_path.iterdir()) == [home]


def test_a_swap_that_fails_puts_the_old_site_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "site"
    replace_folder(home, files(a="old"))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmark.page.folder.os.rename", refuse)
    with pytest.raises(InfrastructureError, match="No space left on device"):
        replace_folder(home, files(a="new"))
    assert tree(home)["a"] == "old"

"""`submission.toml`: read strictly, and refused with the line and what was expected there.

Nothing of a submission runs before its manifest is found good.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from benchmark import registry
from benchmark.errors import Misuse
from benchmark.settings import hint
from benchmark.submissions import lines, names

FILE = "submission.toml"
MAX_BYTES, MAX_LINES = 32 * 1024, 400
TODO = "TODO"
"""What a template leaves for its author to fill in."""
TRACKS = {"attack": ("black-box", "white-box", "none"), "defense": ("white-box",)}
TRACKS["detector"] = TRACKS["defense"]

_ENTRY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*")
_RELEASE = r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?"
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)"
    rf"==(?P<version>{_RELEASE})(?P<hashes>( --hash=sha256:[0-9a-f]{{64}})*)"
)


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    if not text.isprintable():
        raise ValueError("it has a line break or another control character")
    return text


def _named(text: str) -> str:
    wrong = names.problem(text)
    if wrong is not None:
        raise ValueError(wrong)
    return text


def _entry(text: str) -> str:
    if not _ENTRY.fullmatch(text):
        raise ValueError("it is not of that form")
    return text


def _pinned(text: str) -> str:
    if not _PIN.fullmatch(text):
        raise ValueError("it is not pinned to one version")
    return text


Said = Annotated[str, Field(max_length=500), AfterValidator(_said)]
Pinned = Annotated[str, Field(max_length=4000), AfterValidator(_pinned)]
Value = str | bool | int | Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Toy(_Strict):
    """A training of about a second, for the checks of the contract."""

    budget_steps: int = Field(
        default=0, ge=0, le=100_000,
        description="environment steps, up to 100000; 0: what two updates take",
    )  # fmt: skip
    settings: dict[str, Value | list[Value]] = Field(
        default={}, description="a table of the method's settings"
    )


class Manifest(_Strict):
    """What a submission says of itself. A field's description is what a refusal says of it."""

    name: Annotated[str, AfterValidator(_named)] = Field(description=names.EXPECTED)
    kind: Literal["attack", "defense", "detector"] = Field(
        description="'attack', 'defense' or 'detector'"
    )
    entry: Annotated[str, AfterValidator(_entry)] = Field(
        description="the method's class as 'module:Class', a module of this folder"
    )
    authors: tuple[Said, ...] = Field(
        min_length=1, strict=False, description="a list of names, at least one"
    )
    paper: Said = Field(description="where the idea is from: a citation, or 'none' and why")
    licence: Said = Field(description="the code's licence, an SPDX name such as 'Apache-2.0'")
    track: Literal["black-box", "white-box", "none"] = Field(
        description="what it is shown: 'black-box', 'white-box' (the victim's network) or 'none' "
        "(learns nothing)"
    )
    games: tuple[Said, ...] = Field(
        min_length=1, strict=False, description="a list of game ids, at least one"
    )
    configurations_tried: int = Field(
        ge=1, description="how many settings were tried in all, a whole number from 1"
    )
    requirements: tuple[Pinned, ...] = Field(
        strict=False,
        description="a list of 'NAME==VERSION' of all that is needed besides the benchmark's own "
        "packages, what they need included, one exact version each, with ' --hash=sha256:...' "
        "behind all of them or none; [] for none",
    )
    toy: Toy = Field(default=Toy(), description="a table")

    @property
    def group(self) -> registry.Registry:
        """Where methods of its kind are registered."""
        return names.GROUPS[self.kind]


class Pin(BaseModel):
    """One exact version of a distribution."""

    name: str
    version: str


def pins(manifest: Manifest) -> list[Pin]:
    """The requirements, apart; names as package indices compare them."""
    found = [_PIN.fullmatch(text) for text in manifest.requirements]
    return [Pin(name=canonical(m["name"]), version=m["version"]) for m in found if m]


def canonical(name: str) -> str:
    """A distribution's name in the one spelling in which all of its spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


class BadManifest(Misuse):
    """A submission.toml that is not what it must be."""


def parse(payload: bytes, where: str, *, folder: str, core: Mapping[str, str]) -> Manifest:
    """A manifest from the bytes of its file.

    where: the file, for messages; folder: the submission's own name; core: versions of packages
    that this benchmark pins, by canonical name.

    Raises:
        BadManifest: `where`, the line, what was expected and what is there.
    """
    text = _text(payload, where)
    refuse = _Refusal(where, text)
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadManifest(
            f"{where}:{lines.line_of_error(error, text)}: not TOML: {error}"
        ) from None
    except RecursionError:
        raise BadManifest(f"{where}:1: nested too deeply") from None
    try:
        manifest = Manifest.model_validate(told)
    except ValidationError as error:
        refuse.first(error)
    _check_place(manifest, folder, refuse)
    _check_games(manifest, refuse)
    _check_requirements(manifest, core, refuse)
    return manifest


def _text(payload: bytes, where: str) -> str:
    """The file's text, of a length that is a manifest's."""
    count = payload.count(b"\n")
    if len(payload) > MAX_BYTES or count > MAX_LINES:
        raise BadManifest(
            f"{where}:1: expected at most {MAX_LINES} lines and {MAX_BYTES >> 10} KiB, got "
            f"{count} lines and {len(payload)} bytes"
        )
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        line = payload[: error.start].count(b"\n") + 1
        raise BadManifest(f"{where}:{line}: expected UTF-8 ({error.reason})") from None


def _check_place(manifest: Manifest, folder: str, refuse: _Refusal) -> None:
    """The name must be the folder's and free, the track one of the kind's."""
    name = manifest.name
    if name != folder:
        refuse(["name"], f"expected '{folder}', the folder's name, got '{name}'")
    holder = names.taken().get(name)
    if holder is not None and manifest.group.values().get(name) != manifest.entry:
        refuse(["name"], f"'{name}' is taken by {holder}; choose another")
    if manifest.track not in TRACKS[manifest.kind]:
        allowed = " or ".join(f"'{track}'" for track in TRACKS[manifest.kind])
        refuse(
            ["track"],
            f"expected {allowed} of a {manifest.kind}, which holds the victim's network, got "
            f"'{manifest.track}'",
        )


def _check_games(manifest: Manifest, refuse: _Refusal) -> None:
    known = registry.games.names()
    for i, game in enumerate(manifest.games):
        if game not in known:
            refuse(["games", i], f"no game '{game}'; {hint(game, known)}")
        if game in manifest.games[:i]:
            refuse(["games", i], f"'{game}' is listed twice")


def _check_requirements(manifest: Manifest, core: Mapping[str, str], refuse: _Refusal) -> None:
    """No package twice or in a version other than this benchmark's; hashes for all or none."""
    found = pins(manifest)
    hashed = ["--hash" in text for text in manifest.requirements]
    for i, pin in enumerate(found):
        at: lines.Path = ["requirements", i]
        if pin.name in [other.name for other in found[:i]]:
            refuse(at, f"'{pin.name}' is listed twice")
        if core.get(pin.name, pin.version) != pin.version:
            refuse(
                at, f"the benchmark runs with {pin.name}=={core[pin.name]}, got {pin.version}: "
                "leave it out",
            )  # fmt: skip
        if hashed[i] != hashed[0]:
            refuse(at, "expected --hash=sha256:... behind all requirements or none")


class _Refusal:
    """Raises BadManifest with the line of a field."""

    def __init__(self, where: str, text: str):
        self._where, self._text = where, text

    def __call__(self, path: lines.Path, message: str) -> NoReturn:
        raise BadManifest(f"{self._line(path)}: {_shown(path)}: {message}")

    def first(self, error: ValidationError) -> NoReturn:
        """The first of a model's complaints, by line."""
        found = error.errors()
        within = {one["loc"][:-1] for one in found}  # a bad element makes its list a bad one
        complaints = [self._complaint(one) for one in found if one["loc"] not in within]
        raise BadManifest(min(complaints)[1]) from None

    def _complaint(self, problem: Any) -> tuple[int, str]:
        path = _of_the_file(problem["loc"])
        expected = _expected(path)
        if problem["type"] == "missing":
            line = lines.last_line(self._text)
            return line, f"{self._where}:{line}: '{_shown(path)}' is missing: expected {expected}"
        line = lines.line_of(self._text, path)
        if problem["type"] == "extra_forbidden":
            known = Toy.model_fields if path[0] == "toy" else Manifest.model_fields
            text = f"there is no field '{_shown(path)}'; {hint(str(path[-1]), known)}"
            return line, f"{self._where}:{line}: {text}"
        got = json.dumps(problem["input"], default=str, ensure_ascii=False)
        why = str(problem["msg"]).removeprefix("Value error, ")
        text = f"{_shown(path)}: expected {expected}, got {got[:80]} ({why})"
        return line, f"{self._where}:{line}: {text}"

    def _line(self, path: lines.Path) -> str:
        return f"{self._where}:{lines.line_of(self._text, path)}"


def _of_the_file(loc: tuple[str | int, ...]) -> list[str | int]:
    """A complaint's place without what only the model knows of it: which type was tried."""
    depth = 3 if loc[0] == "toy" else 2
    return list(loc[:depth])


def _expected(path: lines.Path) -> str:
    """What the description of a field says."""
    fields: Mapping[str, Any] = Manifest.model_fields
    if path[0] == "toy" and len(path) > 1:
        fields, path = Toy.model_fields, path[1:]
    info = fields.get(str(path[0]))
    return "nothing" if info is None else str(info.description)


def _shown(path: lines.Path) -> str:
    """A place as a person writes it: toy.settings, games[1]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")

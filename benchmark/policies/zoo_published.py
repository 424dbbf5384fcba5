"""Which file of the multiagent-competition zoo is which policy: by its SHA-256, not its name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from benchmark.policies.zoo_file import read_bytes, size_of


class Published(NamedTuple):
    """A policy of the zoo; `file` is its path there, below `agent-zoo/`."""

    name: str
    game: str
    seat: str
    file: str


class _Series(NamedTuple):
    """Versions 1, 2, .. of one player; {} stands for the version."""

    name: str
    game: str
    seat: str
    file: str
    sha256: tuple[str, ...]


SERIES = (
    _Series(
        "zoo-blocker-v{}", "you-shall-not-pass-v1", "blocker",
        "you-shall-not-pass/agent1_parameters-v{}pkl",  # so it is spelt
        ("eba00a1165b7b17f32b33d3e1062da1a0b2c4b822b76718db4f207cbcef64b7e",),
    ),
    _Series(
        "zoo-runner-v{}", "you-shall-not-pass-v1", "runner",
        "you-shall-not-pass/agent2_parameters-v{}.pkl",
        ("4918ddfca5828c2455c75e7b9def6a801567abc5b68cad34e038c22c2fbfdf6a",),
    ),
    _Series(
        "zoo-kicker-v{}", "kick-and-defend-v1", "kicker",
        "kick-and-defend/kicker/agent1_parameters-v{}.pkl",
        (
            "4f3f79909cc13960637672e8065fa3c6f38a68ee23703741f5dda6dbc0548fef",
            "4bdbda77beec972c534781cd0b7b6ed4f35b29b7a6dcb351a8da1c278f2a3e30",
            "f2decea19d00a9f7952c9e1c47c73e5af719ecc1c41b1545cff33286dcc0f9c3",
        ),
    ),
    _Series(
        "zoo-keeper-v{}", "kick-and-defend-v1", "keeper",
        "kick-and-defend/defender/agent2_parameters-v{}.pkl",
        (
            "525689ed9bf5e0bd99b84624781760f2de7faa41638c82bab674322bd85093ed",
            "5d0f271fe18d7a7f713af5827ad014ff0bd49d93149932f3eb052001b18f9182",
            "1e6975eede302adf254c2c61e4b16673bdece4c64fcd8f15481a54c702dba558",
        ),
    ),
    _Series(
        "zoo-sumo-humans-v{}", "sumo-humans-v1", "any",
        "sumo/humans/agent_parameters-v{}.pkl",
        (
            "cf2d4f4e67e0d50bdfcd7e053c2791362600255fc95b4a50b13177973cc63083",
            "ceb4716093db34ea3889af7f577888bb7420749bae41ac8c7042d10c13cbc8da",
            "e56d0b452f873a0a1f1ae27c07fe1709a246729731f0f1a0182d651784bbae7e",
        ),
    ),
    _Series(
        "zoo-sumo-ants-v{}", "sumo-ants-v1", "any",
        "sumo/ants/agent_parameters-v{}.pkl",
        (
            "c7c6d3104506bbd7ee69abe94746646f2bd9a377c168a6136b05a1e61cf00881",
            "10a6357fd1854e7ee390acff9c7fe9501c68aba64cc17efd15d78929bf3e7050",
            "a4ecc6a75b25e9dce8dbd555f557dc8b4811eafd0e96b752a62eb3e4f890279d",
            "5c79b84f30bd8b783e1b217d8b90c9f460d64a1a1174d075ccb204e66935eda1",
        ),
    ),
    _Series(
        "zoo-run-humans-left-v{}", "run-to-goal-humans-v1", "left",
        "run-to-goal/humans/agent1_parameters-v{}.pkl",
        ("bb68dfeaf4b51872ca63c8e0e5d9c0594e9296e5f869a2a2f741a5cb4d3cd5d8",),
    ),
    _Series(
        "zoo-run-humans-right-v{}", "run-to-goal-humans-v1", "right",
        "run-to-goal/humans/agent2_parameters-v{}.pkl",
        ("c7f30c19a2cdc05942572ff006d68003832f8680acea77504d5fc5fa9311423e",),
    ),
    _Series(
        "zoo-run-ants-left-v{}", "run-to-goal-ants-v1", "left",
        "run-to-goal/ants/agent1_parameters-v{}.pkl",
        ("a4952a461f762fa55973a113b42f1a797e6e2a3e45183b7eabc5181d9a90bc1c",),
    ),
    _Series(
        "zoo-run-ants-right-v{}", "run-to-goal-ants-v1", "right",
        "run-to-goal/ants/agent2_parameters-v{}.pkl",
        ("a4993568758d7eb48317a5051c87df242cc6e37f205319a32535250f4a950785",),
    ),
)  # fmt: skip

PUBLISHED: dict[str, Published] = {
    sha256: Published(
        series.name.format(version), series.game, series.seat, series.file.format(version)
    )
    for series in SERIES
    for version, sha256 in enumerate(series.sha256, start=1)
}
FILE_SIZES = frozenset({99_779, 236_315, 1_199_933, 1_459_517, 1_470_869})
"""Bytes of the published files: only files of these sizes are worth hashing."""


def published(path: Path) -> Published | None:
    """The published policy that a file holds, whatever it is called; None for any other file.

    Raises:
        BadZooFile: the file cannot be read.
    """
    if size_of(path) not in FILE_SIZES:
        return None
    return PUBLISHED.get(hashlib.sha256(read_bytes(path)).hexdigest())

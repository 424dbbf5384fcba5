"""Where jobs on nodes say how far they have got. Loads nothing, so that it is there at once."""

from __future__ import annotations


class Board:
    """An actor on the driver's own node; jobs write, the driver reads and wipes."""

    def __init__(self) -> None:
        self._said: list[tuple[str, dict[str, bytes]]] = []

    def say(self, key: str, files: dict[str, bytes]) -> None:
        """A job has begun (no files), or these files of its folder at work are new."""
        self._said.append((key, files))

    def hear(self) -> list[tuple[str, dict[str, bytes]]]:
        """All that was said since the last time, in order."""
        said, self._said = self._said, []
        return said

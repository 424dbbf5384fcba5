"""Finished artifacts behind a URL: an object store or a folder, whatever fsspec reaches.

URL/artifacts/<key>/ has the files of a store's folder of that name; `result.json` is written last.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from benchmark.errors import BenchError, InfrastructureError, Misuse, missing_packages
from benchmark.runs.cluster.parcels import Files

RESULT = "result.json"


class Bucket:
    """What is kept under a URL. Credentials are the environment's, never the URL's."""

    def __init__(self, url: str):
        """Raises Misuse for a URL that fsspec does not know, InfrastructureError for its package.

        Nothing is reached for as yet.
        """
        self.url = url
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415 - only who asks for a URL needs it

            self._files, self._root = url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise missing_packages("fsspec and the package for this URL", error) from error
        except Exception as error:
            raise Misuse(f"--store-url {url}: {error}") from error

    def has(self, key: str) -> bool:
        """Whether a finished artifact is there, whole."""
        path = f"{self._root}/artifacts/{key}/{RESULT}"
        with self._errors():
            if not self._files.exists(path):
                return False
            with contextlib.suppress(ValueError):  # half written, where a file is not put at once
                json.loads(self._files.cat_file(path))
                return True
        return False

    def push(self, files: Files) -> None:
        """Put files there; what names a finished artifact goes last."""
        with self._errors():
            for name in sorted(files, key=lambda name: name.endswith(RESULT)):
                path = f"{self._root}/{name}"
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(path, files[name])

    def pull(self, folder: str) -> Files:
        """All files right in a folder; none where there is no such folder."""
        with self._errors():
            home = f"{self._root}/{folder}"
            if not self._files.exists(home):
                return {}
            found = [one for one in self._files.ls(home, detail=True) if one["type"] == "file"]
            names = [str(one["name"]).rpartition("/")[2] for one in found]
            return {f"{folder}/{name}": self._read(f"{home}/{name}") for name in sorted(names)}

    def remove(self, folder: str) -> None:
        """Delete a folder."""
        with self._errors():
            self._files.rm(f"{self._root}/{folder}", recursive=True)

    def _read(self, path: str) -> bytes:
        content: Any = self._files.cat_file(path)
        return bytes(content)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Every file system has errors of its own; all of them are one line here."""
        try:
            yield
        except BenchError:
            raise
        except Exception as error:
            line = next(iter(str(error).splitlines()), "")
            raise InfrastructureError(
                f"store URL {self.url}: {type(error).__name__}: {line}; see that it can be read "
                "and written from here, with credentials in the environment"
            ) from error

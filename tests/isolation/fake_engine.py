"""An engine that answers questions about itself, for what is decided before it is used."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

DOCKER = {"ApiVersion": "1.41", "Version": "20.10", "Components": [{"Name": "Engine"}]}
PODMAN = {"ApiVersion": "1.41", "Version": "4.3", "Components": [{"Name": "Podman Engine"}]}
ABLE = {
    "MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": True,
    "SecurityOptions": ["name=seccomp,profile=default"],
}  # fmt: skip


class Answers(BaseHTTPRequestHandler):
    """An engine that knows only itself, has no containers, and makes none."""

    version: dict[str, Any] = DOCKER
    info: dict[str, Any] = ABLE
    registry = ""
    """The digest that a registry gives for any name; empty: none answers."""

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            return self._answer(200, self.version)
        if self.path.endswith("/info"):
            return self._answer(200, self.info)
        if "/distribution/" in self.path and self.registry:
            return self._answer(200, {"Descriptor": {"digest": self.registry}, "Platforms": []})
        if "/images/" in self.path or "/distribution/" in self.path:
            return self._answer(404, {"message": "no such image"})
        return self._answer(200, {"Volumes": []} if "/volumes" in self.path else [])

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self._answer(404, {"message": "No such image: x"})

    def do_DELETE(self) -> None:
        self._answer(404, {"message": "none of this name"})

    def _answer(self, code: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingMixIn, UnixStreamServer):
    """Many connections at once."""

    daemon_threads = True

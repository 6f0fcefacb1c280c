"""A rendered proxy at work on this machine: the real program in front of a stand-in for the engine."""

from __future__ import annotations

import http.client
import http.server
import os
import posixpath
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import render

KEY = "sk-Ab+c/d.e=0123456789"
SECRET = b"what only the machine itself may read"


class Engine(http.server.BaseHTTPRequestHandler):
    """Answers a chat in pieces, and shows its metrics for every spelling of their path that some engine accepts."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        """Every path exists."""
        self.seen.append((self.path, self.headers.get("Authorization")))
        path = unquote(self.path.partition("?")[0])
        spellings = (path, path.lower(), posixpath.normpath(path).replace("//", "/"))
        inside = any(one.startswith(("/metrics", "//metrics")) for one in spellings)
        self._answer(SECRET if inside else b"fine")

    def do_POST(self) -> None:
        """The second piece comes a second after the first."""
        self.seen.append((self.path, self.headers.get("Authorization")))
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"data: one\n\n", b"data: two\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(1)
        self.wfile.write(b"0\r\n\r\n")

    def handle(self) -> None:
        """Proxies hang up on whoever sends too much."""
        with suppress(ConnectionError):
            super().handle()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Service:
    """A proxy that runs."""

    port: int
    tls_port: int
    folder: Path
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def ask(self, path: str, key: str | None = KEY, method: str = "GET", body: bytes | None = None) -> Answer:
        """The answer to a request whose path is sent exactly as it stands here."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_accept_encoding=True)
        if key is not None:
            connection.putheader("Authorization", f"Bearer {key}")
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        with suppress(ConnectionError):  # what is too large is refused before it has arrived
            connection.send(body or b"")
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.read(), headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


@contextmanager
def at_work(
    advice: Recommendation,
    proxy: str,
    folder: Path,
    tls: dict[str, str] | None = None,
    files: tuple[Path, ...] = (),
) -> Iterator[Service]:
    """The proxy of the answer's bundle, started as its container starts it.

    ``tls`` are the variables that the override for TLS sets, ``files`` what the user puts into ``proxy/tls``.
    """
    program = shutil.which(proxy)
    if program is None:
        pytest.skip(f"{proxy} is not installed")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    Engine.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = {8080: _free_port(), 8443: _free_port(), 8480: _free_port()}
    _write(advice, proxy, folder, {"engine:8000": f"127.0.0.1:{server.server_port}"}, ports, with_tls=tls is not None)
    for path in files:
        shutil.copy(path, folder / "proxy" / "tls")
    process = _start(proxy, folder, {"API_KEY": KEY, **(tls or {})})
    try:
        _await(ports[8080], process)
        yield Service(ports[8080], ports[8443], folder, Engine.seen)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        server.shutdown()


def _write(
    advice: Recommendation, proxy: str, folder: Path, names: dict[str, str], ports: dict[int, int], *, with_tls: bool
) -> None:
    """The files with addresses of this machine in place of those in a container."""
    render(advice, ["compose"], proxy=proxy).write(folder)
    (folder / "run").mkdir()
    places = {"/tmp/nginx": f"{folder}/run", "/etc/nginx": f"{folder}/proxy", "/etc/caddy": f"{folder}/proxy"}
    numbers = {word: word.replace(str(old), str(new)) for old, new in ports.items() for word in _words(old)}
    for path in (folder / "proxy").rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for old, new in {**names, **places, **numbers}.items():
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
    if not with_tls:
        shutil.rmtree(folder / "proxy" / "tls")


def _words(port: int) -> tuple[str, ...]:
    return (f"listen {port}", f"http://:{port}", f"_port {port}")


def _start(proxy: str, folder: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    command = ["sh", "proxy/start.sh"]
    if proxy == "caddy":
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", "proxy/Caddyfile"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder / "run"), **variables}
    log = (folder / "run" / "log").open("wb")
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the proxy has ended"
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the proxy does not listen")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

"""A rendered folder on this machine: its own scripts run as they are, and nothing of it is left running."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

OUR_OWN = ("API_KEY", "BIND_ADDRESS", "CADDY", "PORT", "PYTHON", "PYTHONPATH", "WAIT_S")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Two layers gain nothing from more, and threads that wait for each other cost minutes on a busy machine."""


@dataclass(frozen=True)
class Answer:
    """What came back from the service."""

    status: int
    text: str

    @property
    def words(self) -> str:
        """The text of a chat's first choice."""
        return str(json.loads(self.text)["choices"][0]["message"]["content"]).strip()

    @cached_property
    def chunks(self) -> list[dict[str, Any]]:
        """The events of a stream, without the one that only ends it."""
        lines = [line.removeprefix("data: ") for line in self.text.splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]


@dataclass(frozen=True)
class Service:
    """The folder, the port of its proxy, and what clients call the model."""

    folder: Path
    port: int
    model: str

    @property
    def key(self) -> str:
        """The key that setup.sh made."""
        lines = (self.folder / ".env").read_text(encoding="utf-8").splitlines()
        return next(line.removeprefix("API_KEY=") for line in lines if line.startswith("API_KEY="))

    def run(self, *command: str, limit_s: float = 300, **extra: str) -> str:
        """What a script of the folder prints; it must succeed."""
        done = self.attempt(*command, limit_s=limit_s, **extra)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def attempt(self, *command: str, limit_s: float = 300, **extra: str) -> subprocess.CompletedProcess[str]:
        """A script of the folder, as a person would start it there."""
        inherited = {name: value for name, value in os.environ.items() if name not in OUR_OWN}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**inherited, **ONE_THREAD, **extra},
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )

    def start(self) -> str:
        """Start it; a service that has not answered within this time has failed."""
        return self.run("./start.sh", WAIT_S="180")

    def logs(self) -> str:
        """The end of each log, for a test that fails."""
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in (self.folder / "logs").glob("*.log")]
        return "\n".join(text[-2000:] for text in texts)

    def ask(self, question: str, **fields: Any) -> Answer:
        """A chat, with the right key unless ``authorization`` says otherwise."""
        authorization = fields.pop("authorization", f"Bearer {self.key}")
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 24,
            "temperature": 0,
            **fields,
        }
        return self.send("POST", "/v1/chat/completions", body, authorization)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None, authorization: str | None) -> Answer:
        """One request to the proxy; the path goes out as it is, dots and all."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())

    def processes(self) -> list[int]:
        """Every process that runs in the folder or from it, not only those whose numbers the scripts wrote down."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._holds(entry)]

    def _holds(self, entry: Path) -> bool:
        try:
            return any((entry / link).readlink().is_relative_to(self.folder.resolve()) for link in ("cwd", "exe"))
        except OSError:
            return False

    def end(self) -> None:
        """Stop it whatever state it is in, and see that it is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.attempt("./stop.sh", limit_s=150)
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.processes() == []


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether something on loopback accepts connections there."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def set_up(folder: Path, model: str) -> Service:
    """Run setup.sh with the Caddy of this machine, then choose a port in ``.env``, as its README says."""
    service = Service(folder, free_port(), model)
    service.run("./setup.sh", limit_s=1200, CADDY=program("caddy"), PYTHON=base_python())
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"PORT={service.port}\n")
    return service


def program(name: str) -> str:
    """Path of a program; without it the test cannot run here."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def base_python() -> str:
    """The interpreter that environments are made from."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


TIMES: list[str] = []
"""How long each part took, for the end of the report."""


@contextlib.contextmanager
def seconds(what: str) -> Iterator[None]:
    """Note how long something took: the stage has a limit."""
    began = time.monotonic()
    yield
    TIMES.append(f"{time.monotonic() - began:4.0f} s  {what}")

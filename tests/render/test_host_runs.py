"""The scripts of a machine without containers really run: a stand-in for the engine behind the real proxy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import served

pytestmark = [pytest.mark.slow, pytest.mark.tool]

ENGINE = """\
#!/usr/bin/env python3
import http.server, json, pathlib, sys

if pathlib.Path("broken").exists():
    sys.exit("out of memory")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer("ok")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        key = self.headers.get("Authorization")
        self.answer(json.dumps({"key": key, "choices": [{"finish_reason": "stop"}]}))


port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("API_KEY", "PORT"))}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**environment, "WAIT_S": "60"}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A bundle that was set up, with ports that are free and a program in place of the engine."""
    caddy, here = shutil.which("caddy"), tmp_path / "it's here"
    if caddy is None or shutil.which("curl") is None:
        pytest.skip("caddy or curl is not installed")
    model = tmp_path / "weights"
    model.mkdir()
    render(served("transformers", cards=0, model=str(model)), ["shell"]).write(here)
    port = free_port()
    for path in ("start.sh", "proxy/Caddyfile"):
        text = (here / path).read_text(encoding="utf-8")
        (here / path).write_text(text.replace("8000", port), encoding="utf-8")
    example = (here / ".env.example").read_text(encoding="utf-8")
    (here / ".env.example").write_text(example.replace("PORT=8080", f"PORT={free_port()}"), encoding="utf-8")
    programs = here / "engine-5.23.0" / "bin"
    programs.mkdir(parents=True)
    (programs / "transformers").write_text(ENGINE, encoding="utf-8")
    (programs / "transformers").chmod(0o755)
    (programs.parent / "complete").write_text(str(here), encoding="utf-8")
    done = run(here, "env", f"CADDY={caddy}", "./setup.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    yield here
    run(here, "./stop.sh")


def process_ids(folder: Path) -> list[int]:
    return [int(path.read_text(encoding="utf-8")) for path in (folder / "run").glob("*.pid")]


def is_running(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "cwd").resolve(strict=True).is_dir()
    except OSError:
        return False


def test_setup_makes_a_key_that_nobody_else_reads_and_keeps_it(folder: Path) -> None:
    before = (folder / ".env").read_text(encoding="utf-8")
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert len(before.rsplit("API_KEY=", 1)[1].strip()) == 64
    assert run(folder, "./setup.sh").returncode == 0
    assert (folder / ".env").read_text(encoding="utf-8") == before


def test_it_starts_answers_and_stops(folder: Path) -> None:
    started = run(folder, "./start.sh")
    assert started.returncode == 0, started.stdout + started.stderr
    assert started.stdout == "up: engine-1\nup: proxy\nready: ./smoke-test.sh\n"
    proven = run(folder, "./smoke-test.sh")
    assert proven.returncode == 0, proven.stderr
    assert "a wrong key is refused (401)" in proven.stdout
    assert '"key": null' in proven.stdout
    again = run(folder, "./start.sh")
    assert (again.returncode, again.stderr) == (1, "FAIL  engine-1 is running already: ./stop.sh first\n")
    processes = process_ids(folder)
    assert len(processes) == 2
    assert run(folder, "./stop.sh").stdout == "stopped: proxy\nstopped: engine-1\n"
    assert not any(map(is_running, processes))


def test_an_engine_that_ends_fails_the_start_and_takes_the_proxy_along(folder: Path) -> None:
    (folder / "broken").touch()
    started = run(folder, "./start.sh")
    assert started.returncode == 1
    assert "out of memory" in started.stderr
    assert "FAIL  engine-1 has ended: see logs/engine-1.log" in started.stderr
    assert process_ids(folder) == []


def test_a_key_that_others_read_is_refused(folder: Path) -> None:
    (folder / ".env").chmod(0o644)
    assert run(folder, "./start.sh").stderr == "FAIL  others may read the key: chmod 600 .env\n"


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (folder / ".env").open("a", encoding="utf-8") as file:
            file.write(f"PORT={port}\n")
        assert run(folder, "./start.sh").stderr == f"FAIL  port {port} is in use: ss -ltnp\n"


def test_a_process_of_another_program_is_not_stopped(folder: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd="/") as stranger:
        (folder / "run").mkdir()
        (folder / "run" / "engine-1.pid").write_text(str(stranger.pid), encoding="utf-8")
        assert "not running: engine-1" in run(folder, "./stop.sh").stdout
        assert stranger.poll() is None
        stranger.send_signal(signal.SIGTERM)


def test_an_address_that_is_not_loopback_is_where_it_listens_and_is_asked(folder: Path) -> None:
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write("BIND_ADDRESS=127.0.0.2\n")
    assert run(folder, "./start.sh").returncode == 0
    proven = run(folder, "./smoke-test.sh")
    assert proven.returncode == 0, proven.stderr
    assert "PASS  healthy: http://127.0.0.2:" in proven.stdout

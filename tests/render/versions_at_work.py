"""Two versions of a stand-in engine, for tests that really upgrade one to the other."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from deployadvisor.recommendation import Recommendation
from tests.render.factory import served

OLD, NEW = "5.23.0", "5.24.0"

# What the file beside it says, it does: "dies", is "mute" (healthy, but fails at a chat), or "slow".
ENGINE = """\
#!/usr/bin/env python3
import http.server, json, pathlib, sys, time

place = pathlib.Path(sys.argv[0]).resolve().parent.parent
manner = (place / "manner").read_text()
if manner == "dies":
    sys.exit("out of memory")
if manner == "slow":
    time.sleep(1)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer(200, "ok")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if manner == "mute":
            return self.answer(500, "no kernel image is available")
        self.answer(200, json.dumps({"version": place.name, "choices": [{"finish_reason": "stop"}]}))


port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


class Scripts:
    """A folder whose scripts are run, each in a session of its own."""

    path: Path

    def environment(self) -> dict[str, str]:
        """Variables that the scripts see."""
        raise NotImplementedError

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """A command that goes on beside the test."""
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, fails: bool = False) -> str:
        """What a command says."""
        process = self.begin(*command)
        said, _ = process.communicate(timeout=120)
        assert (process.returncode != 0) is fails, said
        return said

    @property
    def runs(self) -> str:
        """The version that answers a chat through the proxy."""
        return self.run("./smoke-test.sh").partition('"version": "engine-')[2].partition('"')[0]


def advice(version: str, model: Path, memory_gib: float = 0.1) -> Recommendation:
    """An answer that serves with a version, on the processor."""
    plan = served("transformers", cards=0, model=str(model), engine_version=version)
    assert plan.estimate.memory is not None
    (term,) = plan.estimate.memory.terms
    memory = plan.estimate.memory.model_copy(update={"terms": (term.model_copy(update={"gib": memory_gib}),)})
    return plan.model_copy(update={"estimate": plan.estimate.model_copy(update={"memory": memory})})


def install(programs: Path, version: str, complete: Path, manner: str = "answers") -> None:
    """A version as setup.sh leaves it, so that it fetches nothing."""
    place = programs / f"engine-{version}"
    (place / "bin").mkdir(parents=True, exist_ok=True)
    (place / "bin" / "transformers").write_text(ENGINE, encoding="utf-8")
    (place / "bin" / "transformers").chmod(0o755)
    (place / "complete").write_text(str(complete), encoding="utf-8")
    (place / "manner").write_text(manner, encoding="utf-8")


def kill_at(process: subprocess.Popen[str], *steps: str) -> None:
    """Kill a script and all that it has not put into a session of its own, once it has said these in their order."""
    assert process.stdout is not None
    said, left = [], list(steps)
    while left:
        line = process.stdout.readline()
        assert line, f"never said: {left[0]}\n{''.join(said)}"
        said.append(line)
        if left[0] in line:
            del left[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

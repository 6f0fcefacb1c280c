"""A kubectl whose cluster is one pod with a volume, both folders of this machine, and whose connections can break."""

from __future__ import annotations

import sys
from pathlib import Path

KUBECTL = """\
import hashlib, json, os, pathlib, shutil, subprocess, sys

place = pathlib.Path(os.environ["POD"])
setup, volume, noted = place / "setup", place / "volume", place / "state.json"
words = sys.argv[1:]
with (place / "asked").open("a") as log:
    print(*words, file=log)
state = json.loads(noted.read_text()) if noted.exists() else {"files": "", "pod": 0}
variables = {**os.environ, "WEIGHTS_ROOT": str(volume), "WEIGHTS_WANTED": str(setup / "weights.sha256")}


def whole():
    marker = volume / ".whole"
    return marker.exists() and marker.read_text() == (setup / "weights.sha256").read_text()


def broken(data):
    '''What arrives of what was sent, and whether the connection ends in the middle: the next word of faults.'''
    faults = place / "faults"
    lines = faults.read_text().split() if faults.exists() else []
    faults.write_text("\\n".join(lines[1:]))
    if lines[:1] == ["cut"]:
        return data[: len(data) // 2], True
    if lines[:1] == ["garble"]:
        return data[:-1] + bytes([data[-1] ^ 1]), False
    return data, False


match words:
    case ["apply", "-k", folder]:
        shutil.rmtree(setup, ignore_errors=True)
        shutil.copytree(pathlib.Path(folder) / "engine", setup)
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(setup.iterdir()))).hexdigest()[:8]
        if digest != state["files"]:
            state = {"files": digest, "pod": state["pod"] + 1}
        volume.mkdir(exist_ok=True)
        noted.write_text(json.dumps(state))
    case ["get", deployment, "-o", _] if deployment.startswith("deployment/"):
        print(f"engine-{state['files']}", end="")
    case ["get", "pods", "-l", label, "-o", _] if label.startswith("app.kubernetes.io/instance="):
        print("pod-0|2026-11-28T00:00:00Z|engine-0|2026-11-28T00:00:00Z||")
        print(f"pod-{state['pod']}||engine-{state['files']}|{'|0|' if whole() else '2026-11-28T00:00:00Z||'}")
    case ["exec", "-i", pod, "-c", "weights", "--", "sh", "/setup/weights.sh", *command]:
        if pod != f"pod-{state['pod']}" or whole():
            sys.exit(f"container weights of {pod} is not running")
        data, cut = sys.stdin.buffer.read(), False
        if command[0] == "take":
            data, cut = broken(data)
        done = subprocess.run(["sh", setup / "weights.sh", *command], input=data, env=variables)
        sys.exit("connection reset by peer" if cut else done.returncode)
    case ["create", "secret", "generic", _, _]:
        (place / "key").write_bytes(sys.stdin.buffer.read())
    case ["rollout", "status", _]:
        sys.exit(0 if whole() and (place / "key").exists() else "it waits")
    case _:
        sys.exit(f"not asked for in a test: kubectl {' '.join(words)}")
"""


def install(place: Path) -> dict[str, str]:
    """Put kubectl into ``place``; returns the variables that make scripts use it."""
    programs = place / "bin"
    programs.mkdir(parents=True)
    (programs / "kubectl").write_text(f"#!{sys.executable} -IS\n{KUBECTL}", encoding="utf-8")
    (programs / "kubectl").chmod(0o755)
    return {"POD": str(place), "programs": str(programs)}

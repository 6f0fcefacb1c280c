"""Programs that stand in for Docker and the hub: they keep images as small files and note what they were asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

DOCKER = """\
import hashlib, json, os, pathlib, runpy, shutil, subprocess, sys

state = pathlib.Path(os.environ["DOCKER_STATE"])
words = sys.argv[1:]
with (state / "asked").open("a") as log:
    print(*words, file=log)
store, registry = state / "images.json", pathlib.Path(os.environ["DOCKER_REGISTRY"])
images = json.loads(store.read_text()) if store.exists() else {}
mirrored = json.loads(registry.read_text()) if registry.exists() else {}


def save():
    store.write_text(json.dumps(images))
    registry.write_text(json.dumps(mirrored))


def after(option):
    return words[words.index(option) + 1]


def made(name):
    return "sha256:" + hashlib.sha256((name + os.environ.get("MOVED", "")).encode()).hexdigest()


name, command = words[-1], words[0]
if command == "info":
    print(state if "--format" in words else "Runtimes: nvidia runc")
elif command == "compose":
    print("Docker Compose version v2.40.0")
elif command == "pull":
    if name in mirrored:
        images[name] = mirrored[name]
    elif "OFFLINE" in os.environ:
        sys.exit("no route to host")
    else:
        images[name] = made(name)
elif command == "build":
    images[after("--tag")] = made("built")
elif command == "tag":
    images[name] = images[words[-2]]
elif command == "push":
    mirrored[name] = images[name]
elif command == "save":
    pathlib.Path(after("--output")).write_text(json.dumps({name: images[name]}))
elif command == "load":
    images.update(json.loads(pathlib.Path(after("--input")).read_text()))
elif command == "image":
    if name not in images:
        sys.exit("No such image: " + name)
    asked = after("--format")
    print("1048576" if ".Size" in asked else name + "@" + images[name] if ".RepoDigests" in asked else images[name])
elif command == "run":
    if "OFFLINE" in os.environ:
        sys.exit("no route to host")
    after_v = [words[at + 1].removesuffix(":ro") for at, word in enumerate(words) if word == "-v"]
    mounts = dict(reversed(one.rsplit(":", 1)) for one in after_v)
    given = [words[at + 1].partition("=") for at, word in enumerate(words) if word == "-e"]
    values = {one: value for one, equals, value in given if equals}
    if "fetch.py" in name:
        for one, value in values.items():
            for place, path in mounts.items():
                if value == place or value.startswith(place + "/"):
                    values[one] = path + value[len(place):]
        done = subprocess.run([sys.executable, mounts["/airgap"] + "/fetch.py"], env={**os.environ, **values})
        sys.exit(done.returncode)
    blobs = pathlib.Path(mounts["/weights"]) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "sha256-1").write_text("ollama")
save()
"""

HUB = {
    "__init__.py": """\
import hashlib, json, os, pathlib
from types import SimpleNamespace

from huggingface_hub.errors import GatedRepoError
from huggingface_hub.utils import filter_repo_objects

COMMITS = json.loads(pathlib.Path(os.environ["HUB"]).read_text())


class HfApi:
    def model_info(self, model, revision=None, files_metadata=False):
        if "GATED" in os.environ and "HF_TOKEN" not in os.environ:
            raise GatedRepoError()
        sha = revision or list(COMMITS)[-1]
        return SimpleNamespace(sha=sha, siblings=[listed(name, text) for name, text in COMMITS[sha].items()])


def listed(name, text):
    large = SimpleNamespace(sha256=hashlib.sha256(text.encode()).hexdigest()) if "model" in name else None
    return SimpleNamespace(rfilename=name, size=len(text), lfs=large)


def snapshot_download(model, revision, local_dir, **patterns):
    for name in filter_repo_objects(COMMITS[revision], **patterns):
        path = pathlib.Path(local_dir) / name
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(COMMITS[revision][name])
        with open(os.environ["HUB"] + ".fetched", "a") as log:
            print(name, file=log)
        if "BREAK" in os.environ:
            raise SystemExit("connection reset")
""",
    "errors.py": """\
class GatedRepoError(Exception): ...
class RepositoryNotFoundError(Exception): ...
class RevisionNotFoundError(Exception): ...
""",
    "utils.py": """\
from fnmatch import fnmatch


def filter_repo_objects(items, allow_patterns=None, ignore_patterns=None, key=str):
    for item in items:
        name = key(item)
        if allow_patterns and not any(fnmatch(name, one) for one in allow_patterns):
            continue
        if not any(fnmatch(name, one) for one in ignore_patterns or ()):
            yield item
""",
}

FILES = {"config.json": "{}", "model-1.safetensors": "first", "model-2.safetensors": "second", "onnx/model.onnx": "x"}
GGUF = {"m-Q4_K_M.gguf": "four", "m-Q8_0.gguf": "eight"}


def install(place: Path) -> dict[str, str]:
    """Put the programs into ``place``; returns the variables that make scripts use them."""
    programs, hub = place / "bin", place / "python" / "huggingface_hub"
    for folder in (programs, hub, place / "state"):
        folder.mkdir(parents=True)
    # Without site packages it starts several times as fast.
    (programs / "docker").write_text(f"#!{sys.executable} -IS\n{DOCKER}", encoding="utf-8")
    (programs / "docker").chmod(0o755)
    for name, text in HUB.items():
        (hub / name).write_text(text, encoding="utf-8")
    publish(place, {"c0ffee": {**FILES, **GGUF}})
    return {
        "DOCKER_STATE": str(place / "state"),
        "DOCKER_REGISTRY": str(place / "registry.json"),
        "HUB": str(place / "hub.json"),
        "PYTHONPATH": str(place / "python"),
        "programs": str(programs),
    }


def publish(place: Path, commits: dict[str, dict[str, str]]) -> None:
    """What the hub has, the newest commit last."""
    (place / "hub.json").write_text(json.dumps(commits), encoding="utf-8")

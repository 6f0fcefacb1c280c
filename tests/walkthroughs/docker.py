"""Stands in for Docker: ``compose up`` starts the service where the files and ``.env`` allow it, ``down`` ends it.

Files are read as Compose reads them: variables that are required must have a value, and mounted files must be there.
"""

import os
import pathlib
import re
import sys

import yaml

service = pathlib.Path(os.environ["SERVICE"])
words = sys.argv[1:]
profiles = {words[at + 1] for at, word in enumerate(words) if word == "--profile"}


def settings():
    lines = pathlib.Path(".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def mounted(stack):
    """Files on this machine that the services to be started bring into their containers."""
    for one in stack["services"].values():
        if not one.get("profiles") or profiles & set(one["profiles"]):
            yield from (mount["source"] for mount in one.get("volumes", ()) if mount["type"] == "bind")
            yield from (stack["secrets"][name]["file"] for name in one.get("secrets", ()))


def up():
    text, given = pathlib.Path("compose.yaml").read_text(), settings()
    for name in re.findall(r"(?<!\$)\$\{(\w+):\?", text):
        if not given.get(name):
            sys.exit(f"required variable {name} is missing a value")
    for path in mounted(yaml.safe_load(text)):
        if not pathlib.Path(path).exists():
            sys.exit(f"bind source path does not exist: {path}")
    service.write_text(given["API_KEY"])


if words == ["info"]:
    print("Runtimes: nvidia runc")
elif words[0] == "compose" and {"up", "start"} & set(words):
    up()
elif words[0] == "compose" and {"down", "stop"} & set(words):
    service.unlink(missing_ok=True)
elif words[0] == "compose" and {"ps", "logs", "exec", "version", "config", "pull"} & set(words):
    print("as asked")
else:
    sys.exit(f"not in this walk-through: docker {' '.join(words)}")

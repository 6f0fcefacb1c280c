"""Stands in for systemctl and systemd: runs the processes of units, and keeps their numbers in the folder ``UNITS``.

It knows what the units of a bundle use: the command, what follows the start, variables, a credential, and the
services that a target wants. Unlike systemd it confines nothing.
"""

import fnmatch
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

folders = [pathlib.Path(one) for one in os.environ["UNITS"].split(":")]
numbers = folders[0].parent / "numbers"
numbers.mkdir(exist_ok=True)
words = [word for word in sys.argv[1:] if not word.startswith("-") and word != "0"]
command, names = words[0], words[1:]


def settings(name):
    path = next((folder / name for folder in folders if (folder / name).exists()), None)
    found = {}
    for line in (path.read_text() if path else "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found.setdefault(key, []).append(value)
    return found


def number(name):
    try:
        pid = int((numbers / name).read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return 0 if state == "Z" else pid


def variables(unit):
    own = {"PATH": os.environ["PATH"]}
    for path in unit.get("EnvironmentFile", ()):
        own |= dict(line.split("=", 1) for line in pathlib.Path(path).read_text().splitlines())
    for line in unit.get("Environment", ()):
        own |= dict(word.split("=", 1) for word in shlex.split(line))
    for line in unit.get("LoadCredential", ()):
        own["CREDENTIALS_DIRECTORY"] = str(pathlib.Path(line.partition(":")[2]).parent)
    return own


def start(name):
    unit = settings(name)
    if not unit:
        sys.exit(f"Unit {name} not found.")
    if name.endswith(".target"):
        return not [one for line in unit["Wants"] for one in line.split() if not start(one)]
    if number(name):
        return True
    own = variables(unit)
    with (numbers / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            shlex.split(unit["ExecStart"][0].removeprefix(":")),
            env=own,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    (numbers / name).write_text(str(process.pid))
    for after in unit.get("ExecStartPost", ()):
        waiting = subprocess.Popen(shlex.split(after), env={**own, "MAINPID": str(process.pid)})
        while waiting.poll() is None:
            process.poll()
            time.sleep(0.02)
        if waiting.returncode:
            stop(name)
            return False
    return process.poll() is None


def stop(name):
    for one in [one for line in settings(name).get("Wants", ()) for one in line.split()]:
        stop(one)
    pid = number(name)
    if pid:
        os.killpg(pid, signal.SIGKILL)
    while number(name):
        time.sleep(0.02)
    (numbers / name).unlink(missing_ok=True)


match command:
    case "start":
        sys.exit(1 if [name for name in names if not start(name)] else 0)
    case "stop" | "disable":
        for name in names:
            stop(name)
    case "restart":
        # A target that is restarted takes along all that are part of it, whether it wants them or not.
        for path in list(numbers.iterdir()):
            if names[0] in settings(path.name).get("PartOf", ()):
                stop(path.name)
        start(names[0])
    case "is-active":
        sys.exit(0 if number(names[0]) else 3)
    case "daemon-reload" | "enable" | "reset-failed":
        pass
    case "status":
        shown = [path.name for path in numbers.iterdir() if any(fnmatch.fnmatch(path.name, one) for one in names)]
        sys.stdout.write("\n".join([*shown, ""]))
    case _:
        sys.exit(f"unknown: {command}")

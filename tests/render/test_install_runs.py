"""install.sh and uninstall.sh really run, in a folder that stands for the machine; what needs root has a stand-in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import served

pytestmark = [pytest.mark.slow, pytest.mark.tool]

SAYS = '#!/bin/sh\necho "$(basename "$0") $*" >>"$LOG"\n'
STANDINS = {
    "systemctl": SAYS,
    "modprobe": SAYS,
    "useradd": SAYS,
    "userdel": SAYS,
    "chown": SAYS,
    "id": "#!/bin/sh\nexit 1\n",
    # runuser -u USER -- COMMAND
    "runuser": SAYS + 'shift 3\nexec "$@"\n',
    "install": '#!/bin/bash\nwords=()\nwhile (($#)); do\n  case "$1" in\n    -o | -g) shift ;;\n'
    '    *) words+=("$1") ;;\n  esac\n  shift\ndone\nexec /usr/bin/install "${words[@]}"\n',
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine on which programs were fetched already, with a unit of a plan of more replicas."""
    for place in ("opt", "var/lib", "etc/systemd/system", "etc/modules-load.d", "stand-ins"):
        (tmp_path / place).mkdir(parents=True)
    for name, text in STANDINS.items():
        (tmp_path / "stand-ins" / name).write_text(text, encoding="utf-8")
        (tmp_path / "stand-ins" / name).chmod(0o755)
    for old in ("support-bot-engine-3.service", "support-bot-engine-x.service", "other-engine-1.service"):
        (tmp_path / "etc/systemd/system" / old).write_text("[Unit]\n", encoding="utf-8")
    render(served("vllm", cards=4, tensor_parallel=2, replicas=2), ["systemd"]).write(tmp_path / "bundle")
    for script in ("install.sh", "uninstall.sh"):
        path = tmp_path / "bundle" / script
        text = path.read_text(encoding="utf-8").replace("((EUID == 0))", "true")
        for place in ("opt", "var/lib", "etc"):
            text = text.replace(f"/{place}/", f"{tmp_path}/{place}/")
        path.write_text(text, encoding="utf-8")
    (tmp_path / "bundle" / "setup.sh").write_text(
        '#!/bin/sh\necho "setup in $PWD, cache $CACHE_DIR" >>"$LOG"\n', encoding="utf-8"
    )
    return tmp_path


def run(machine: Path, *command: str) -> str:
    """What the stand-ins were told."""
    log = machine / "log"
    log.write_text("", encoding="utf-8")
    path = f"{machine / 'stand-ins'}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=machine / "bundle",
        env={"PATH": path, "LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return log.read_text(encoding="utf-8")


def units(machine: Path) -> list[str]:
    return sorted(path.name for path in (machine / "etc/systemd/system").iterdir())


def test_it_installs_and_hands_the_key_to_root_alone(machine: Path) -> None:
    told = run(machine, "./install.sh")
    assert units(machine) == [
        "other-engine-1.service",
        "support-bot-engine-1.service",
        "support-bot-engine-2.service",
        "support-bot-engine-x.service",
        "support-bot-proxy.service",
        "support-bot.target",
    ]
    settings = machine / "etc/support-bot"
    env = (machine / "bundle/.env").read_text(encoding="utf-8")
    assert env.rstrip("\n").endswith((settings / "api-key").read_text(encoding="utf-8"))
    assert len((settings / "api-key").read_text(encoding="utf-8")) == 64
    assert (settings / "proxy.env").read_text(encoding="utf-8") == "PORT=8080\nBIND_ADDRESS=127.0.0.1\n"
    for path in (settings / "api-key", settings / "proxy.env", machine / "bundle/.env"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert settings.stat().st_mode & 0o777 == 0o700
    root, state = machine / "opt/support-bot", machine / "var/lib/support-bot"
    assert f"setup in {root}, cache {state}" in told
    assert "systemctl disable --now support-bot-engine-3.service" in told
    assert told.index("systemctl daemon-reload") < told.index("systemctl restart support-bot.target")
    assert (machine / "etc/modules-load.d/support-bot.conf").read_text(encoding="utf-8") == "nvidia-uvm\n"


def test_it_may_be_run_again_and_keeps_the_key(machine: Path) -> None:
    run(machine, "./install.sh")
    key = (machine / "etc/support-bot/api-key").read_text(encoding="utf-8")
    run(machine, "./install.sh")
    assert (machine / "etc/support-bot/api-key").read_text(encoding="utf-8") == key


@pytest.mark.parametrize("everything", [False, True])
def test_it_leaves_nothing_but_what_was_not_asked_for(machine: Path, everything: bool) -> None:
    run(machine, "./install.sh")
    told = run(machine, "./uninstall.sh", *(["--everything"] if everything else []))
    assert units(machine) == ["other-engine-1.service", "support-bot-engine-x.service"]
    assert not (machine / "opt/support-bot").exists()
    assert (machine / "etc/support-bot").exists() is not everything
    assert (machine / "var/lib/support-bot").exists() is not everything
    assert ("userdel llm-support-bot" in told) is everything


@pytest.mark.parametrize(("line", "words"), [("PORT=80;id", "PORT"), ("BIND_ADDRESS=$(id)", "BIND_ADDRESS")])
def test_settings_that_are_none_are_refused(machine: Path, line: str, words: str) -> None:
    (machine / "bundle/.env").write_text(f"API_KEY=x\n{line}\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=f"{words} in .env is not"):
        run(machine, "./install.sh")
    assert not (machine / "etc/support-bot").exists()

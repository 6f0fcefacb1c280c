"""upgrade.sh of the target systemd really switches between two versions; systemd and root have stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.test_install_runs import STANDINS
from tests.render.versions_at_work import NEW, OLD, Scripts, advice, install, kill_at

pytestmark = [pytest.mark.slow, pytest.mark.tool]

SYSTEMD = Path(__file__).parent / "systemd_standin.py"
UNITS = ("etc/systemd/system", "run/systemd/system")
FILES = ("install.sh", "units/engine-1.service", "proxy/Caddyfile", ".deployadvisor.yaml")


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


class Machine(Scripts):
    """A folder that stands for the machine, with a bundle in it."""

    def __init__(self, root: Path, caddy: str) -> None:
        self.root, self.path, self.model, self.caddy = root, root / "bundle", Path("/srv/weights"), caddy
        self.port, self.engine_port = free_port(), free_port()
        for place in ("opt", "var/lib", "etc/modules-load.d", *UNITS, "stand-ins", "srv/weights"):
            (root / place).mkdir(parents=True)
        for name, text in {**STANDINS, "systemctl": f"#!{sys.executable} -IS\n{SYSTEMD.read_text('utf-8')}"}.items():
            (root / "stand-ins" / name).write_text(text, encoding="utf-8")
            (root / "stand-ins" / name).chmod(0o755)

    @property
    def programs(self) -> Path:
        """Where programs are installed."""
        return self.root / "opt" / "support-bot"

    def render(self, version: str, manner: str = "answers", memory_gib: float = 0.1) -> None:
        """The files of a version, over those that lie here; its programs are there already."""
        render(advice(version, self.model, memory_gib), ["systemd"]).write(self.path, force=True)
        for path in set(self.path.rglob("*")) - set((self.path / "kept").rglob("*")):
            if path.suffix in (".sh", ".service") or path.name in ("Caddyfile", ".env.example"):
                path.write_text(self._of_this_machine(path.read_text(encoding="utf-8")), encoding="utf-8")
        install(self.programs, version, self.programs, manner)

    def _of_this_machine(self, text: str) -> str:
        text = re.sub(r"sleep \d", "sleep 0.1", text.replace("((EUID == 0))", "true"))
        text = text.replace("8000", self.engine_port).replace("PORT=8080", f"PORT={self.port}")
        return re.sub(r"(?<![\w.])/(opt|var/lib|etc|srv|run/systemd)/", rf"{self.root}/\1/", text)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.root / 'stand-ins'}:{os.environ['PATH']}",
            "LOG": str(self.root / "log"),
            "UNITS": ":".join(str(self.root / place) for place in UNITS),
            "CADDY": self.caddy,
            "WAIT_S": "60",
        }

    @property
    def services(self) -> dict[str, str]:
        """Process ids of the services that run."""
        numbers = self.root / "etc" / "systemd" / "numbers"
        return {path.stem: path.read_text(encoding="utf-8") for path in numbers.glob("*.service")}

    def files(self) -> dict[str, bytes]:
        """The files that an upgrade must put back, and what was installed of them."""
        own = {name: (self.path / name).read_bytes() for name in FILES}
        installed = self.root / UNITS[0] / "support-bot-engine-1.service"
        return {**own, "installed": installed.read_bytes()}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """The old version, which runs."""
    caddy = shutil.which("caddy")
    if caddy is None or shutil.which("curl") is None or shutil.which("flock") is None:
        pytest.skip("caddy, curl or flock is not installed")
    made = Machine(tmp_path, caddy)
    made.render(OLD)
    made.run("./install.sh")
    yield made
    made.run("./uninstall.sh")


def test_a_new_version_is_tried_beside_the_old_one_and_takes_over(machine: Machine) -> None:
    machine.render(NEW)
    said = machine.run("./upgrade.sh")
    assert "tried on a spare port" in said
    assert machine.runs == NEW
    assert set(machine.services) == {"support-bot-engine-1", "support-bot-proxy"}
    assert not list((machine.root / UNITS[1]).iterdir())
    assert "these files run" in machine.run("./upgrade.sh")


def test_it_goes_back_and_forth(machine: Machine) -> None:
    old = machine.files()
    machine.render(NEW)
    machine.run("./upgrade.sh")
    machine.run("./upgrade.sh", "--back")
    assert (machine.runs, machine.files()) == (OLD, old)
    machine.run("./upgrade.sh", "--back")
    assert machine.runs == NEW


@pytest.mark.parametrize("manner", ["dies", "mute"])
def test_a_version_that_does_not_answer_never_disturbs_the_old_one(machine: Machine, manner: str) -> None:
    old, services = machine.files(), machine.services
    machine.render(NEW, manner)
    said = machine.run("./upgrade.sh", fails=True)
    assert "the version that ran was not touched" in said
    assert (machine.services, machine.files(), machine.runs) == (services, old, OLD)


def test_without_room_the_old_one_is_stopped_first_and_runs_again(machine: Machine) -> None:
    old = machine.files()
    machine.render(NEW, "mute", memory_gib=1e6)
    unit = (machine.path / "units" / "engine-1.service").read_text(encoding="utf-8")
    (machine.path / "units" / "engine-2.service").write_text(
        unit.replace(machine.engine_port, free_port()), encoding="utf-8"
    )
    said = machine.run("./upgrade.sh", fails=True)
    assert "the version that ran runs again" in said
    assert (machine.files(), machine.runs) == (old, OLD)
    assert set(machine.services) == {"support-bot-engine-1", "support-bot-proxy"}
    assert not (machine.path / "units" / "engine-2.service").exists()


@pytest.mark.parametrize(
    ("step", "then"),
    [("tried on a spare port", ""), ("takes over", "--back"), ("services", ""), ("starting; loading", "--back")],
)
def test_killed_on_the_way_it_ends_or_goes_back(machine: Machine, step: str, then: str) -> None:
    old = machine.files()
    machine.render(NEW, "slow")
    kill_at(machine.begin("./upgrade.sh"), step)
    machine.run("./upgrade.sh", *filter(None, [then]))
    assert machine.runs == (OLD if then else NEW)
    assert set(machine.services) == {"support-bot-engine-1", "support-bot-proxy"}
    assert (machine.files() == old) is bool(then)


def test_killed_on_the_way_back_the_old_one_runs_again(machine: Machine) -> None:
    old = machine.files()
    install(machine.programs, OLD, machine.programs, "slow")
    machine.render(NEW, "mute", memory_gib=1e6)
    kill_at(machine.begin("./upgrade.sh"), "back to the version that ran", "the key and settings")
    machine.run("./upgrade.sh")
    assert (machine.runs, machine.files()) == (OLD, old)

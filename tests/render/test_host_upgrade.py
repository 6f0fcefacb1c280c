"""upgrade.sh of the target shell really switches between two versions of a stand-in engine, behind the real proxy."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import served
from tests.render.versions_at_work import NEW, OLD, Scripts, advice, install, kill_at

pytestmark = [pytest.mark.slow, pytest.mark.tool]

KEPT_FILES = (
    "start.sh",
    "stop.sh",
    "setup.sh",
    "upgrade.sh",
    "versions.sh",
    "proxy/Caddyfile",
    ".deployadvisor.yaml",
)


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


class Service(Scripts):
    """A folder of the target shell, with ports that are free."""

    def __init__(self, root: Path) -> None:
        self.path, self.model = root / "it's here", root / "weights"
        self.engine_port, self.port = free_port(), free_port()
        self.model.mkdir()

    def render(self, version: str, manner: str = "answers", memory_gib: float = 0.1) -> None:
        """The files of a version, over those that lie here; its programs are there already."""
        render(advice(version, self.model, memory_gib), ["shell"]).write(self.path, force=True)
        for name in ("start.sh", "proxy/Caddyfile"):
            text = (self.path / name).read_text(encoding="utf-8")
            (self.path / name).write_text(text.replace("8000", self.engine_port), encoding="utf-8")
        for name in ("start.sh", "stop.sh", "smoke-test.sh"):
            text = (self.path / name).read_text(encoding="utf-8")
            (self.path / name).write_text(re.sub(r"sleep \d", "sleep 0.1", text), encoding="utf-8")
        example = (self.path / ".env.example").read_text(encoding="utf-8")
        (self.path / ".env.example").write_text(example.replace("PORT=8080", f"PORT={self.port}"), encoding="utf-8")
        install(self.path, version, self.path, manner)

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("API_KEY", "PORT"))}
        return {**own, "WAIT_S": "60", "CADDY": shutil.which("caddy") or ""}

    @property
    def processes(self) -> dict[str, str]:
        """Process ids by name."""
        return {path.stem: path.read_text(encoding="utf-8").strip() for path in (self.path / "run").glob("*.pid")}

    def files(self) -> dict[str, bytes]:
        """The files that an upgrade must put back."""
        return {name: (self.path / name).read_bytes() for name in KEPT_FILES}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The old version, which runs."""
    if shutil.which("caddy") is None or shutil.which("curl") is None or shutil.which("flock") is None:
        pytest.skip("caddy, curl or flock is not installed")
    made = Service(tmp_path)
    made.render(OLD)
    made.run("./setup.sh")
    made.run("./start.sh")
    yield made
    made.run("./stop.sh")


def test_a_new_version_is_tried_beside_the_old_one_and_takes_over(service: Service) -> None:
    key = (service.path / ".env").read_text(encoding="utf-8")
    service.render(NEW)
    said = service.run("./upgrade.sh")
    assert "tried on a spare port" in said
    assert "up: trial" in said
    assert service.runs == NEW
    assert set(service.processes) == {"engine-1", "proxy"}
    assert (service.path / ".env").read_text(encoding="utf-8") == key
    assert "these files run" in service.run("./upgrade.sh")


def test_it_goes_back_and_forth(service: Service) -> None:
    old = service.files()
    service.render(NEW)
    service.run("./upgrade.sh")
    (service.path / "notes.txt").write_text("of mine\n", encoding="utf-8")
    service.run("./upgrade.sh", "--back")
    assert (service.runs, service.files()) == (OLD, old)
    service.run("./upgrade.sh", "--back")
    assert service.runs == NEW
    assert (service.path / "notes.txt").read_text(encoding="utf-8") == "of mine\n"


@pytest.mark.parametrize("manner", ["dies", "mute"])
def test_a_version_that_does_not_answer_never_disturbs_the_old_one(service: Service, manner: str) -> None:
    old, processes = service.files(), service.processes
    service.render(NEW, manner)
    new = service.files()
    said = service.run("./upgrade.sh", fails=True)
    assert "the version that ran was not touched" in said
    assert (service.processes, service.files(), service.runs) == (processes, old, OLD)
    service.run("./versions.sh", "put", "set-aside")
    assert service.files() == new


def test_without_room_the_old_one_is_stopped_first_and_runs_again(service: Service) -> None:
    old = service.files()
    service.render(NEW, "mute", memory_gib=1e6)
    said = service.run("./upgrade.sh", fails=True)
    assert "of memory are free, and it takes 1000000; the service is down" in said
    assert "FAIL  the new version does not answer; the version that ran runs again" in said
    assert (service.files(), service.runs) == (old, OLD)
    service.render(NEW, memory_gib=1e6)
    service.run("./upgrade.sh")
    assert service.runs == NEW


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("echo '0, 300, 81559'; echo '1, 79000, 81559'", "card 1 is taken: 79000 of 81559 MiB\n"),
        ("echo '0, [N/A], [N/A]'", "card 0 is taken: [N/A] of [N/A] MiB\n"),
        ("exit 9", "nvidia-smi does not tell what is free\n"),
        ("echo '0, 300, 81559'; echo '1, 0, 81559'", ""),
    ],
)
def test_cards_that_are_taken_are_named(tmp_path: Path, told: str, said: str) -> None:
    script = render(served("vllm"), ["shell"])["upgrade.sh"].text
    crowded = script[script.index("crowded() {") : script.index("spare_port() {")]
    smi = f"nvidia-smi() {{ ({told}); }}\n"
    done = subprocess.run(["bash", "-c", f"{smi}{crowded}crowded"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (said, 0 if said else 1)


def test_programs_that_cannot_be_installed_change_nothing(service: Service) -> None:
    old, processes = service.files(), service.processes
    service.render(NEW)
    shutil.rmtree(service.model)
    said = service.run("./upgrade.sh", fails=True)
    assert "they could not be installed; the version that ran was not touched" in said
    assert (service.processes, service.files(), service.runs) == (processes, old, OLD)


@pytest.mark.parametrize(
    ("step", "then"),
    [
        ("programs and weights", ""),
        ("tried on a spare port", "--back"),
        ("takes over", ""),
        ("takes over", "--back"),
        ("up: engine-1", ""),
    ],
)
def test_killed_on_the_way_it_ends_or_goes_back(service: Service, step: str, then: str) -> None:
    old = service.files()
    service.render(NEW, "slow")
    kill_at(service.begin("./upgrade.sh"), step)
    service.run("./upgrade.sh", *filter(None, [then]))
    assert service.runs == (OLD if then else NEW)
    assert set(service.processes) == {"engine-1", "proxy"}
    assert (service.files() == old) is bool(then)
    assert "these files run" in service.run("./upgrade.sh")


@pytest.mark.parametrize("then", ["", "--back"])
def test_killed_on_the_way_back_the_old_one_runs_again(service: Service, then: str) -> None:
    old = service.files()
    install(service.path, OLD, service.path, "slow")
    service.render(NEW, "mute", memory_gib=1e6)
    kill_at(service.begin("./upgrade.sh"), "back to the version that ran", "stopped: engine-1")
    (service.path / "kept" / "putting").write_text((service.path / "kept" / "running").read_text(encoding="utf-8"))
    (service.path / "start.sh").write_text("half\n", encoding="utf-8")
    service.run("./upgrade.sh", *filter(None, [then]))
    assert (service.files(), service.runs) == (old, OLD)


def test_a_plain_start_of_new_files_keeps_a_way_back(service: Service) -> None:
    service.render(NEW)
    service.run("./stop.sh")
    service.run("./start.sh")
    assert service.runs == NEW
    service.run("./upgrade.sh", "--back")
    assert service.runs == OLD


def test_interrupted_it_goes_back(service: Service) -> None:
    old = service.files()
    service.render(NEW, "slow", memory_gib=1e6)
    process = service.begin("./upgrade.sh")
    assert process.stdout is not None
    for line in process.stdout:
        if "takes over" in line:
            os.kill(process.pid, signal.SIGTERM)
            break
    rest = process.stdout.read()
    assert process.wait() == 1
    assert "it was interrupted; the version that ran runs again" in rest
    status = Path(f"/proc/{service.processes['engine-1']}/status").read_text(encoding="utf-8")
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert not ignored & 1 << signal.SIGTERM - 1
    assert (service.files(), service.runs) == (old, OLD)


def test_one_at_a_time(service: Service) -> None:
    service.render(NEW, "slow")
    first = service.begin("./upgrade.sh")
    assert first.stdout is not None
    first.stdout.readline()
    assert "another upgrade is running" in service.run("./upgrade.sh", fails=True)
    first.stdout.read()
    assert first.wait() == 0


def test_without_a_start_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    made = Service(tmp_path)
    made.render(OLD)
    assert "nothing was started from this folder yet" in made.run("./upgrade.sh", fails=True)


def test_what_cannot_be_made_again_is_backed_up(service: Service, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    place.mkdir()
    (service.path / "tune" / "output" / "adapter").mkdir(parents=True)
    (service.path / "tune" / "output" / "adapter" / "adapter.bin").write_bytes(b"tuned")
    service.run("./backup.sh", "--with-keys", str(place))
    (archive,) = place.iterdir()
    back = tmp_path / "back"
    service.run("./restore.sh", str(archive), str(back))
    assert (back / "tune" / "output" / "adapter" / "adapter.bin").read_bytes() == b"tuned"
    assert (back / ".env").read_bytes() == (service.path / ".env").read_bytes()
    for name, text in service.files().items():
        assert (back / name).read_bytes() == text
    assert not list(back.glob("engine-*"))
    assert not (back / "run").exists()
    assert f"program engine-{OLD}" in (back / "INVENTORY.txt").read_text(encoding="utf-8")

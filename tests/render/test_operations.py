"""Backup, restore and upgrade really run, with a stand-in for Docker that writes down what it is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import render
from tests.render.factory import served

pytestmark = [pytest.mark.slow, pytest.mark.tool]

DOCKER = """\
#!/bin/sh
echo "${COMPOSE_FILE:-none} $*" >>"$CALLS"
case "$*" in
  *config*) echo example/engine:1 ;;
  "image inspect"*) printf '    "example/engine@sha256:%064d",\\n' 7 ;;
  *exec*)
    case "${COMPOSE_FILE:-}:$BROKEN" in *compose.image.yaml*:yes) exit 1 ;; esac
    echo '{"finish_reason": "stop"}'
    ;;
esac
"""
NEW = "vllm/vllm-openai:v0.34.0"
REPLICAS = served("vllm", cards=4, tensor_parallel=2, replicas=2)


class Folder:
    """A bundle that was started, with programs in place of Docker and of its smoke test."""

    def __init__(self, root: Path, advice: Recommendation) -> None:
        self.root, self.path, self.calls = root, root / "it's here", root / "calls"
        render(advice, ["compose"]).write(self.path)
        (root / "bin").mkdir()
        (root / "bin" / "docker").write_text(DOCKER, encoding="utf-8")
        (root / "bin" / "docker").chmod(0o755)
        (self.path / "smoke-test.sh").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        (self.path / ".env").write_text("API_KEY=secret-key\nPORT=8080\n", encoding="utf-8")

    def run(self, *command: str | Path, broken: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a script of the folder."""
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        own = {"PATH": path, "CALLS": str(self.calls), "BROKEN": "yes" if broken else "no"}
        return subprocess.run(command, cwd=self.path, env=own, capture_output=True, text=True, check=False)

    @property
    def told(self) -> list[str]:
        """What Docker was told."""
        return self.calls.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, served("vllm"))


def test_a_backup_comes_back_whole_and_without_keys(folder: Folder) -> None:
    place = folder.root / "backup"
    place.mkdir()
    (folder.path / "tune" / "output" / "adapter").mkdir(parents=True)
    (folder.path / "tune" / "output" / "adapter" / "adapter.bin").write_bytes(b"tuned")
    (folder.path / "README.md").write_text("my edit\n", encoding="utf-8")
    done = folder.run("./backup.sh", place)
    assert done.returncode == 0, done.stderr
    (archive,) = place.iterdir()
    assert archive.stat().st_mode & 0o777 == 0o600
    back = folder.root / "back"
    assert folder.run("./restore.sh", archive, back).returncode == 0
    assert not (back / ".env").exists()
    assert (back / "tune" / "output" / "adapter" / "adapter.bin").read_bytes() == b"tuned"
    for path in folder.path.rglob("*"):
        if path.is_file() and path.name != ".env":
            assert (back / path.relative_to(folder.path)).read_bytes() == path.read_bytes()
    assert "example/engine@sha256:" in (back / "INVENTORY.txt").read_text(encoding="utf-8")
    assert b"secret-key" not in b"".join(path.read_bytes() for path in back.rglob("*") if path.is_file())


def test_keys_come_along_when_asked_for(folder: Folder) -> None:
    place = folder.root / "backup"
    place.mkdir()
    assert folder.run("./backup.sh", "--with-keys", place).returncode == 0
    (archive,) = place.iterdir()
    assert folder.run("./restore.sh", archive, folder.root / "back").returncode == 0
    assert "secret-key" in (folder.root / "back" / ".env").read_text(encoding="utf-8")


def test_a_backup_goes_nowhere_inside_and_a_restore_over_nothing(folder: Folder) -> None:
    assert folder.run("./backup.sh").returncode == 1
    assert folder.run("./backup.sh", folder.path / "proxy").returncode == 1
    place = folder.root / "backup"
    place.mkdir()
    folder.run("./backup.sh", place)
    (archive,) = place.iterdir()
    assert "is not empty" in folder.run("./restore.sh", archive, folder.path).stderr


def test_a_damaged_archive_is_noticed(folder: Folder, tmp_path: Path) -> None:
    place = folder.root / "backup"
    place.mkdir()
    folder.run("./backup.sh", place)
    (archive,) = place.iterdir()
    opened = tmp_path / "opened"
    opened.mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", opened], check=True)
    (opened / "folder" / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    subprocess.run(["tar", "-czf", archive, "-C", opened, "INVENTORY.txt", "SHA256SUMS", "folder"], check=True)
    done = folder.run("./restore.sh", archive, folder.root / "back")
    assert (done.returncode, (folder.root / "back").exists()) == (1, False)


def test_an_upgrade_is_remembered_and_goes_back(folder: Folder) -> None:
    done = folder.run("./upgrade.sh", NEW)
    assert done.returncode == 0, done.stderr
    assert f'image: "{NEW}"' in (folder.path / "compose.image.yaml").read_text(encoding="utf-8")
    environment = folder.path / ".env"
    assert environment.read_text(encoding="utf-8").splitlines() == [
        "API_KEY=secret-key",
        "PORT=8080",
        "COMPOSE_FILE=compose.yaml:compose.image.yaml",
    ]
    assert environment.stat().st_mode & 0o777 == 0o600
    assert folder.run("./upgrade.sh", "--back").returncode == 0
    assert not (folder.path / "compose.image.yaml").exists()
    assert folder.told[-1] == "compose.yaml compose up -d --wait"
    assert "COMPOSE_FILE=compose.yaml\n" in environment.read_text(encoding="utf-8")


def test_an_image_that_does_not_answer_goes_away_again(folder: Folder) -> None:
    done = folder.run("./upgrade.sh", NEW, broken=True)
    assert (done.returncode, "runs again" in done.stderr) == (1, True)
    assert folder.told[-1] == "compose.yaml compose up -d --wait"
    assert not (folder.path / "compose.image.yaml").exists()


def test_one_replica_takes_it_first(tmp_path: Path) -> None:
    folder = Folder(tmp_path, REPLICAS)
    assert folder.run("./upgrade.sh", NEW).returncode == 0
    started = [line.partition(" ")[2] for line in folder.told if " up " in line]
    assert started == ["compose up -d --no-deps --wait engine-1", "compose up -d --wait"]
    (tmp_path / "second").mkdir()
    broken = Folder(tmp_path / "second", REPLICAS)
    done = broken.run("./upgrade.sh", NEW, broken=True)
    assert (done.returncode, "the others were not touched" in done.stderr) == (1, True)
    assert "engine-2" not in " ".join(broken.told)


def test_the_port_with_tls_stays_open(folder: Folder) -> None:
    with (folder.path / ".env").open("a", encoding="utf-8") as file:
        file.write("COMPOSE_FILE=compose.yaml:compose.tls.yaml\n")
    assert folder.run("./upgrade.sh", NEW).returncode == 0
    assert "compose.yaml:compose.tls.yaml:compose.image.yaml compose up -d --wait" in folder.told
    assert folder.run("./upgrade.sh", "--back").returncode == 0
    assert "COMPOSE_FILE=compose.yaml:compose.tls.yaml\n" in (folder.path / ".env").read_text(encoding="utf-8")


@pytest.mark.parametrize("image", ["", "vllm", "vllm:latest", 'x:1"\n    privileged: true', "x:1 y", "--pull", "X:1"])
def test_only_a_pinned_image_is_taken(folder: Folder, image: str) -> None:
    done = folder.run("./upgrade.sh", image)
    assert (done.returncode, "usage" in done.stderr) == (1, True)
    assert not folder.calls.exists()

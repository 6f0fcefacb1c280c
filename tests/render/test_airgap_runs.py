"""The scripts that carry a bundle over really run, on two machines made of stand-ins for Docker and the hub."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import ENGINES, served
from tests.render.stand_ins import FILES, install, publish

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")]


@dataclass
class Machine:
    """A folder with a bundle, and a Docker with a store of its own."""

    folder: Path
    place: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, **more: str) -> subprocess.CompletedProcess[str]:
        given = {**self.variables, **more}
        path = f"{given.pop('programs')}:{os.environ['PATH']}"
        mine = {"HOME": str(self.place), "PATH": path, **given}
        return subprocess.run(
            ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, check=False, env=mine
        )

    def asked(self, word: str) -> int:
        log = Path(self.variables["DOCKER_STATE"]) / "asked"
        return sum(line.startswith(word) for line in log.read_text(encoding="utf-8").splitlines())


def connected(tmp_path: Path, engine: str = "vllm") -> Machine:
    folder, place = tmp_path / "it's here", tmp_path / "connected"
    render(served(engine), ["airgap"]).write(folder)
    return Machine(folder, place, install(place))


def closed(open_side: Machine) -> Machine:
    """The folder, carried to a machine where nothing can be reached."""
    place = open_side.place.parent / "closed"
    folder = place / "carried"
    shutil.copytree(open_side.folder, folder)
    variables = install(place)
    (place / "hub.json").unlink()
    registry = open_side.variables["DOCKER_REGISTRY"]
    return Machine(folder, place, {**variables, "OFFLINE": "1", "DOCKER_REGISTRY": registry})


Carry = Callable[..., Machine]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Carry:
    """One export an engine for all tests, which change copies of it only."""

    @cache
    def export(engine: str) -> Machine:
        source = connected(tmp_path_factory.mktemp(engine), engine)
        done = source.run("./export.sh")
        assert done.returncode == 0, done.stdout + done.stderr
        return source

    return export


@pytest.fixture
def carry(exported: Carry, tmp_path: Path) -> Carry:
    """Makes the closed machine that gets a copy of the folder."""

    def carried(engine: str = "vllm") -> Machine:
        source, place = exported(engine), tmp_path / "connected"
        variables = {**source.variables, "DOCKER_REGISTRY": str(tmp_path / "registry.json")}
        return closed(Machine(source.folder, place, variables))

    return carried


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_exported_can_be_imported_where_nothing_is_reached(engine: str, carry: Carry) -> None:
    machine = carry(engine)
    done = machine.run("./import.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("ready: docker compose up -d --wait\n")
    assert machine.asked("pull") == machine.asked("run") == machine.asked("build") == 0
    assert (machine.folder / ".env").stat().st_mode & 0o777 == 0o600


def test_the_weights_are_those_of_the_model_and_nothing_else(carry: Carry) -> None:
    weights = carry().folder / "weights"
    found = sorted(path.name for path in weights.rglob("*") if path.is_file())
    assert found == ["config.json", "model-1.safetensors", "model-2.safetensors"]


def test_one_quantisation_is_taken_of_a_gguf_repository(carry: Carry) -> None:
    weights = carry("llama_cpp").folder / "weights"
    assert [path.name for path in weights.iterdir()] == ["m-Q4_K_M.gguf"]


def test_a_damaged_file_is_refused_by_name_and_nothing_is_loaded(carry: Carry) -> None:
    machine = carry()
    (machine.folder / "weights" / "model-2.safetensors").write_text("secone", encoding="utf-8")
    done = machine.run("./import.sh")
    assert done.returncode == 1
    assert done.stderr == "damaged or missing: weights/model-2.safetensors\nFAIL  carry these files again\n"
    assert machine.asked("load") == 0


def test_a_missing_archive_is_refused(carry: Carry) -> None:
    machine = carry()
    (machine.folder / "images" / "caddy_2.11.4-alpine.tar").unlink()
    assert "damaged or missing: images/caddy_2.11.4-alpine.tar" in machine.run("./import.sh").stderr


def test_a_list_that_was_cut_off_is_refused(carry: Carry) -> None:
    machine = carry()
    sums = machine.folder / "airgap" / "SHA256SUMS"
    sums.write_text("\n".join(sums.read_text(encoding="utf-8").splitlines()[:3]) + "\n", encoding="utf-8")
    assert "SHA256SUMS was cut off" in machine.run("./import.sh").stderr


def test_an_edit_is_kept_only_when_it_is_meant(carry: Carry) -> None:
    machine = carry()
    with (machine.folder / "compose.yaml").open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    done = machine.run("./import.sh")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "not as exported: compose.yaml")
    assert machine.run("./import.sh --keep-edits").returncode == 0


def test_a_second_import_loads_nothing_again_and_keeps_the_key(carry: Carry) -> None:
    machine = carry()
    machine.run("./import.sh")
    key, loads = (machine.folder / ".env").read_text(encoding="utf-8"), machine.asked("load")
    assert machine.run("./import.sh").returncode == 0
    assert machine.asked("load") == loads == 4
    assert (machine.folder / ".env").read_text(encoding="utf-8") == key


def test_an_image_of_the_same_name_is_not_taken_for_the_exported_one(carry: Carry) -> None:
    machine = carry()
    archive = machine.folder / "images" / "caddy_2.11.4-alpine.tar"
    machine.run("./import.sh")
    (machine.folder / "other").write_text('{"caddy:2.11.4-alpine": "sha256:0"}', encoding="utf-8")
    machine.run("docker load --input other")
    verified = machine.run("./verify.sh")
    assert (verified.returncode, verified.stderr) == (
        1,
        "FAIL  caddy:2.11.4-alpine is not loaded, or is another one: ./import.sh\n",
    )
    assert archive.exists()
    assert machine.run("./import.sh").returncode == 0


def test_verify_lists_everything_that_is_missing_at_once(carry: Carry) -> None:
    machine = carry()
    (machine.folder / "weights" / "config.json").unlink()
    done = machine.run("./verify.sh")
    assert done.returncode == 1
    missing = [line for line in done.stderr.splitlines() if line.startswith("FAIL")]
    assert len(missing) == 4 + 1 + 1
    assert "FAIL  weights/config.json: carry it again" in missing
    assert "FAIL  API_KEY is not set in .env: ./import.sh" in missing


def test_before_an_export_verify_says_so(tmp_path: Path) -> None:
    done = connected(tmp_path).run("./verify.sh")
    assert done.returncode == 1
    assert "caddy:2.11.4-alpine was not exported" in done.stderr
    assert "no weights are listed" in done.stderr


def test_a_broken_fetch_goes_on_with_the_same_commit(tmp_path: Path) -> None:
    machine = connected(tmp_path)
    broken = machine.run("./export.sh", BREAK="1")
    assert broken.returncode == 1
    assert "connection reset" in broken.stderr
    assert not (machine.folder / "airgap" / "SHA256SUMS").exists()
    publish(machine.place, {"c0ffee": FILES, "facade": {**FILES, "model-1.safetensors": "newer"}})
    pulls = machine.asked("pull")
    assert machine.run("./export.sh").returncode == 0
    assert machine.asked("pull") == pulls == 4
    fetched = (machine.place / "hub.json.fetched").read_text(encoding="utf-8").split()
    assert sorted(fetched) == ["config.json", "model-1.safetensors", "model-2.safetensors"]
    assert '"revision": "c0ffee"' in (machine.folder / "airgap" / "weights.lock").read_text(encoding="utf-8")


def test_a_revision_can_be_asked_for(tmp_path: Path) -> None:
    machine = connected(tmp_path)
    publish(machine.place, {"c0ffee": FILES, "facade": FILES})
    machine.run("./export.sh", REVISION="c0ffee")
    assert '"revision": "c0ffee"' in (machine.folder / "airgap" / "weights.lock").read_text(encoding="utf-8")


def test_a_model_with_terms_asks_for_the_login(tmp_path: Path) -> None:
    machine = connected(tmp_path)
    done = machine.run("./export.sh", GATED="1")
    assert (done.returncode, "asks for a login" in done.stderr) == (1, True)
    assert machine.run("./export.sh", GATED="1", HF_TOKEN="hf_x").returncode == 0


def test_a_file_that_is_not_what_the_hub_published_is_refused(tmp_path: Path) -> None:
    machine = connected(tmp_path)
    machine.run("./export.sh")
    (machine.folder / "weights" / "model-1.safetensors").write_text("fjrst", encoding="utf-8")
    done = machine.run("./export.sh")
    assert done.returncode == 1
    assert "FAIL  weights/model-1.safetensors is not what the hub published" in done.stderr


def test_a_disk_that_is_too_small_stops_before_anything_is_fetched(tmp_path: Path) -> None:
    machine = connected(tmp_path)
    small = machine.place / "bin" / "df"
    small.write_text("#!/bin/sh\necho head\necho disk 9 8 1048576 10% /\n", encoding="utf-8")
    small.chmod(0o755)
    done = machine.run("./export.sh")
    assert done.returncode == 1
    assert "FAIL  fetching the weights needs 16 GiB in this folder, and 1 are free" in done.stderr
    assert machine.asked("pull") == machine.asked("run") == 0


def test_images_go_through_a_mirror_without_archives(tmp_path: Path) -> None:
    source = connected(tmp_path)
    assert source.run("./export.sh", REGISTRY_MIRROR="mirror:5000").returncode == 0
    assert list((source.folder / "images").iterdir()) == []
    machine = closed(source)
    assert (
        "images/caddy_2.11.4-alpine.tar is missing, and REGISTRY_MIRROR is not set"
        in machine.run("./import.sh").stderr
    )
    done = machine.run("./import.sh", REGISTRY_MIRROR="mirror:5000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.asked("pull --quiet mirror:5000/") == 4


def test_the_first_closed_machine_fills_the_mirror_for_the_others(carry: Carry) -> None:
    machine = carry()
    assert machine.run("./import.sh --push", REGISTRY_MIRROR="mirror:5000").returncode == 0
    shutil.rmtree(machine.folder / "images")
    (Path(machine.variables["DOCKER_STATE"]) / "images.json").unlink()
    assert machine.run("./import.sh", REGISTRY_MIRROR="mirror:5000").returncode == 0


def test_a_tag_that_moved_between_two_runs_is_refused(tmp_path: Path) -> None:
    machine = connected(tmp_path)
    machine.run("./export.sh", BREAK="1")
    (machine.folder / "images" / "caddy_2.11.4-alpine.tar").unlink()
    done = machine.run("./export.sh", MOVED="1")
    assert (done.returncode, "caddy:2.11.4-alpine is not what the first run got" in done.stderr) == (1, True)


def test_the_engine_of_llama_cpp_starts_with_the_first_part(carry: Carry) -> None:
    machine = carry("llama_cpp")
    script = (machine.folder / "engine" / "start.sh").read_text(encoding="utf-8")
    models = machine.place / "models"
    models.mkdir()
    for name in ("m-00002-of-00002.gguf", "m-00001-of-00002.gguf", "mmproj-f16.gguf"):
        (models / name).touch()
    (machine.folder / "engine" / "start.sh").write_text(script.replace("/models", str(models)), encoding="utf-8")
    done = machine.run("sh engine/start.sh --port 8080", LLAMA_SERVER="echo")
    assert done.stdout == f"--model {models}/m-00001-of-00002.gguf --port 8080\n"

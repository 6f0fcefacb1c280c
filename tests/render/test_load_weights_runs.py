"""load-weights.sh really runs, with a pod and a volume that are folders, over connections that break."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import served
from tests.render.pod_of_ours import install

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")]

FILES = {
    "config.json": b"{}",
    "model-1.safetensors": b"first" * 9_000,
    "1_Pooling/config.json": b"pool",
    "empty": b"",
}


@dataclass
class Desk:
    """A folder with a bundle, weights beside it, and the pod that waits for them."""

    folder: Path
    weights: Path
    pod: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        given = {**self.variables, "LOAD_WAIT_S": "0", "LOAD_PAUSE_S": "0", **more}
        path = f"{given.pop('programs')}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", self.folder / "load-weights.sh", *words],
            cwd=self.pod,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"HOME": str(self.pod), "PATH": path, **given},
        )

    def loads(self, *words: str, **more: str) -> str:
        done = self.run(*words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def volume(self) -> dict[str, bytes]:
        """Every file on the volume but those of the loading itself."""
        root = self.pod / "volume"
        found = (path for path in root.rglob("*") if path.is_file())
        names = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
        return {name: text for name, text in names.items() if not name.startswith(".")}

    @property
    def whole(self) -> bool:
        """Whether the pod goes on."""
        marker = self.pod / "volume" / ".whole"
        wanted = self.pod / "setup" / "weights.sha256"
        return marker.exists() and marker.read_text() == wanted.read_text()

    def sent(self) -> int:
        log = (self.pod / "asked").read_text(encoding="utf-8").splitlines()
        return sum(" take " in line for line in log)


def desk(tmp_path: Path, engine: str = "vllm", name: str = "it's $(here)") -> Desk:
    weights = tmp_path / name
    if engine == "vllm":
        for file, content in FILES.items():
            (weights / file).parent.mkdir(parents=True, exist_ok=True)
            (weights / file).write_bytes(content)
    else:
        weights = tmp_path / f"{name}.gguf"
        weights.write_bytes(b"GGUF")
    folder, pod = tmp_path / "a bundle", tmp_path / "pod"
    render(served(engine, model=str(weights)), ["kubernetes"]).write(folder)
    return Desk(folder, weights, pod, install(pod))


def on_volume(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"model/{name}": content for name, content in files.items()}


@pytest.mark.parametrize("name", ["plain", "it's $(here)", "two\nlines", "-dash; rm -rf x", "模型 \U0001f600"])
def test_the_files_of_a_folder_arrive_and_the_pod_goes_on(name: str, tmp_path: Path) -> None:
    here = desk(tmp_path, name=name)
    printed = here.loads()
    assert here.volume == on_volume(FILES)
    assert here.whole
    assert printed.endswith("==> the weights are whole: kubectl rollout status deploy/support-bot\n")


@pytest.mark.parametrize("engine", ["llama_cpp", "ollama"])
def test_one_file_gets_the_name_that_the_engine_is_told(engine: str, tmp_path: Path) -> None:
    here = desk(tmp_path, engine)
    here.loads()
    assert here.volume == {"model.gguf": b"GGUF"}
    assert here.whole


def test_a_second_run_sends_nothing(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.loads()
    sent = here.sent()
    assert "the weights are there already" in here.loads()
    assert here.sent() == sent == 4


def test_what_was_broken_off_goes_on_in_the_middle_of_a_file(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.pod / "faults").write_text("fine cut")
    broken = here.run(LOAD_TRIES="1")
    assert broken.returncode == 1
    assert "FAIL  it was broken off 1 times: run it again" in broken.stderr
    assert not here.whole
    (part,) = (here.pod / "volume" / ".parts").iterdir()
    assert part.stat().st_size > 0
    sent = here.sent()
    here.loads()
    assert here.volume == on_volume(FILES)
    assert here.whole
    assert here.sent() - sent == 3


def test_a_lost_connection_is_taken_up_again_by_itself(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.pod / "faults").write_text("cut cut")
    assert here.loads().count("broken off, going on") == 2
    assert here.volume == on_volume(FILES)


def test_a_file_that_arrives_garbled_is_sent_again(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.pod / "faults").write_text("garble")
    done = here.run()
    assert done.returncode == 0
    assert "did not arrive as it was sent" in done.stderr
    assert here.volume == on_volume(FILES)


def test_a_file_that_is_damaged_on_the_volume_is_replaced(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.pod / "faults").write_text("fine fine fine cut")
    assert here.run(LOAD_TRIES="1").returncode == 1
    damaged = here.pod / "volume" / "model" / "config.json"
    damaged.write_bytes(b"[]")
    (here.pod / "volume" / "model" / "foreign").write_bytes(b"x")
    here.loads()
    assert here.volume == on_volume(FILES)


def test_changed_weights_replace_the_pod_and_what_is_no_longer_there_goes(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.loads()
    (here.weights / "model-1.safetensors").write_bytes(b"tuned")
    (here.weights / "empty").unlink()
    sent = here.sent()
    here.loads()
    kept = {name: content for name, content in FILES.items() if name != "empty"}
    assert here.volume == on_volume({**kept, "model-1.safetensors": b"tuned"})
    assert here.sent() - sent == 1
    assert '"pod": 2' in (here.pod / "state.json").read_text()


def test_a_change_is_noticed_although_size_and_name_are_the_same(tmp_path: Path) -> None:
    here = desk(tmp_path)
    file = here.weights / "config.json"
    os.utime(file, (2, 2))
    here.loads()
    assert (here.folder / "load-weights.list").read_text(encoding="utf-8").count("\n") == 1
    for content, time in ((b"[]", 1), (b"12", None), (b"34", None)):
        file.write_bytes(content)
        if time:
            os.utime(file, (time, time))
        here.loads()
        assert here.volume["model/config.json"] == content


def test_other_weights_can_be_named(tmp_path: Path) -> None:
    here = desk(tmp_path)
    other = here.pod / "merged"
    other.mkdir()
    (other / "config.json").write_bytes(b"{}")
    here.loads("merged")
    assert here.volume == {"model/config.json": b"{}"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: (w / "a b.safetensors").touch(), "rename it, the name has odd signs: ./a\\ b.safetensors"),
        (lambda w: (w / "x\ny").touch(), "rename it, the name has odd signs"),
        (lambda w: (w / "m.safetensors.part").touch(), "not fetched to its end: ./m.safetensors.part"),
        (lambda w: (w / "link").symlink_to("/etc/passwd"), "./link is a link, not a file"),
        (lambda w: (w / "config.json").unlink(), "no config.json in"),
        (shutil.rmtree, "no folder of weights: "),
    ],
)
def test_what_is_no_whole_set_of_weights_is_refused(change: object, words: str, tmp_path: Path) -> None:
    here = desk(tmp_path)
    assert callable(change)
    change(here.weights)
    done = here.run()
    assert done.returncode == 1
    assert f"FAIL  {words}" in done.stderr
    assert not (here.pod / "setup").exists()


def test_hidden_files_stay_behind(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.weights / ".cache").mkdir()
    (here.weights / ".cache" / "a b").touch()
    (here.weights / ".gitattributes").touch()
    here.loads()
    assert here.volume == on_volume(FILES)


def test_a_volume_that_is_too_small_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    here = desk(tmp_path)
    small = here.pod / "bin" / "df"
    small.write_text("#!/bin/sh\necho head\necho disk 9 8 10 10% /\n", encoding="utf-8")
    small.chmod(0o755)
    done = here.run()
    assert done.returncode == 1
    assert "FAIL  the volume has 0 GiB left, and 1 are needed" in done.stderr
    assert here.sent() == 0


def test_names_that_lead_out_of_the_folder_are_refused_in_the_pod_too(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.loads()
    script = here.folder / "kubernetes" / "engine" / "weights.sh"
    for name in ("model/../../x", "../x", "/x", "model/a b", "other", ""):
        done = subprocess.run(
            ["sh", script, "take", "0", "0", name],
            env={**os.environ, "WEIGHTS_ROOT": str(here.pod / "volume")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "not a name of weights" in done.stderr) == (2, True)


def test_the_waiting_container_ends_when_it_is_told_to_or_when_all_is_there(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.loads()
    script = here.folder / "kubernetes" / "engine" / "weights.sh"
    setting = {
        **os.environ,
        "WEIGHTS_ROOT": str(here.pod / "volume"),
        "WEIGHTS_WANTED": str(here.pod / "setup/weights.sha256"),
    }
    done = subprocess.run(["sh", script, "wait"], env=setting, capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.startswith("the weights are whole: ")
    (here.pod / "volume" / ".whole").unlink()
    with subprocess.Popen(["sh", script, "wait"], env=setting, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert "run ./load-weights.sh" in waiting.stdout.readline()
        waiting.terminate()
        assert waiting.wait(timeout=20) == 143


def test_another_version_of_the_files_changes_nothing_about_what_lies_on_the_volume(tmp_path: Path) -> None:
    here = desk(tmp_path)
    versions, wanted = here.folder / "versions.sh", here.folder / "kubernetes" / "engine" / "weights.sha256"
    subprocess.run([versions, "keep"], check=True)
    here.loads()
    loaded = wanted.read_text(encoding="utf-8")
    subprocess.run([versions, "same"], check=True)
    subprocess.run([versions, "put", "running"], check=True)
    assert wanted.read_text(encoding="utf-8") == loaded

"""The job really runs in a cluster of one node, with a stand-in for the engine behind the real proxy."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import ON_HOST, served, tuned
from tests.render.slurm_cluster import cluster, lacking
from tests.render.test_host_runs import ENGINE

pytestmark = [pytest.mark.slow, pytest.mark.tool]

TELLS = ENGINE.replace(
    'json.dumps({"key": key,',
    'json.dumps({"own_key": os.environ["VLLM_API_KEY"], "cards": os.environ["CUDA_VISIBLE_DEVICES"], "key": key,',
).replace("import http.server,", "import http.server, os,")
TELLS = TELLS.replace('self.answer("ok")', 'self.answer(f"asked_at{{path=\\"{self.path}\\"}} 1\\n")')


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    reason = lacking()
    if reason:
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle that was set up, with a program in place of the engine."""
    caddy, here = shutil.which("caddy"), tmp_path / "it's here"
    if caddy is None or shutil.which("curl") is None:
        pytest.skip("caddy or curl is not installed")
    (tmp_path / "weights").mkdir()
    render(served("vllm", model=str(tmp_path / "weights")), ["slurm"]).write(here)
    programs = here / "engine-0.33.0" / "bin"
    programs.mkdir(parents=True)
    (programs / "vllm").write_text(TELLS, encoding="utf-8")
    (programs / "vllm").chmod(0o755)
    (programs.parent / "complete").write_text(str(here), encoding="utf-8")
    subprocess.run(["env", f"CADDY={caddy}", "./setup.sh"], cwd=here, check=True, capture_output=True)
    return here


@pytest.fixture
def run(folder: Path, variables: dict[str, str]) -> Iterator[Run]:
    def started(*command: str) -> subprocess.CompletedProcess[str]:
        mine = {**os.environ, **variables}
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=mine, timeout=120)

    yield started
    started("./cancel.sh")


def found(address: str) -> list[tuple[str, str]]:
    """The engines that a Prometheus has, and whether they are up."""
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/query?query=up", timeout=5) as answer:
            results = json.loads(answer.read())["data"]["result"]
    except OSError:
        return []
    return [(one["metric"]["instance"], one["value"][1]) for one in results]


def until(holds: Callable[[], bool]) -> None:
    for _ in range(120):
        if holds():
            return
        time.sleep(0.5)
    raise AssertionError("it did not come to that within a minute")


def ask(port: str, key: str) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", data=b"{}", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the address is ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def metrics(port: str, path: str, key: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the address is ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def place(folder: Path) -> list[str]:
    return (folder / "run" / "where").read_text(encoding="utf-8").split()


def log(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (folder / "logs").glob("serve-*.log"))


def test_it_is_submitted_serves_and_is_ended(folder: Path, run: Run) -> None:
    submitted = run("./submit.sh")
    assert submitted.returncode == 0, submitted.stderr
    connected = run("./connect.sh", "--print")
    assert connected.returncode == 0, connected.stdout + connected.stderr + log(folder)
    job, node, port, address = place(folder)
    assert f"job {job} serves on {node}, port {port}" in connected.stdout
    assert address == "127.0.0.1"
    key = (folder / ".env").read_text(encoding="utf-8").rsplit("API_KEY=", 1)[1].strip()
    assert ask(port, "wrong")[0] == 401
    status, text = ask(port, key)
    answer = json.loads(text)
    assert (status, answer["own_key"], answer["cards"]) == (200, key, "0,1")
    (target,) = json.loads((folder / "monitoring" / "targets.json").read_text(encoding="utf-8"))
    assert target == {
        "targets": ["127.0.0.1:8080"],
        "labels": {"__metrics_path__": "/metrics/1", "instance": "engine-1"},
    }
    assert metrics(port, "/metrics/1", key) == (200, 'asked_at{path="/metrics"} 1\n')
    assert [metrics(port, path, key)[0] for path in ("/metrics", "/metrics/2", "/metrics/1/")] == [404, 404, 404]
    assert metrics(port, "/metrics/1", "wrong")[0] == 401
    again = run("./submit.sh")
    assert (again.returncode, again.stderr) == (
        1,
        f"FAIL  job {job} is there already: ./connect.sh, or ./cancel.sh first\n",
    )
    ended = run("./cancel.sh")
    assert ended.stdout == f"ended: job {job}\n"
    assert "is told to end" in log(folder)
    with pytest.raises(urllib.error.URLError):
        ask(port, key)
    assert run("./connect.sh").stderr == "FAIL  nothing was submitted: ./submit.sh\n"


def test_a_prometheus_follows_the_job(folder: Path, run: Run, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    if not own or ":" in own[0]:
        pytest.skip("this machine has no address but loopback")
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"BIND_ADDRESS={own[0]}\n")
    key = (folder / ".env").read_text(encoding="utf-8").partition("\nAPI_KEY=")[2].split()[0]
    (folder / "monitoring" / "engine-key").write_text(key, encoding="utf-8")
    settings = folder / "monitoring" / "prometheus.yaml"
    settings.write_text(re.sub(r"\b\d\ds\b", "1s", settings.read_text(encoding="utf-8")), encoding="utf-8")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    words = [
        f"--config.file={settings}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as prometheus:
        try:
            for _ in range(2):
                run("./submit.sh")
                assert run("./connect.sh", "--print").returncode == 0, log(folder)
                until(lambda: found(address) == [("engine-1", "1")])
                run("./cancel.sh")
                until(lambda: found(address) == [("engine-1", "0")])
        finally:
            prometheus.terminate()


def test_when_its_time_is_nearly_over_it_asks_for_another_turn(folder: Path, run: Run) -> None:
    run("./submit.sh")
    run("./connect.sh", "--print")
    job, *_ = place(folder)
    run("scancel", "--batch", "--signal=USR1", job)
    until(lambda: "PENDING" in run("squeue", "--noheader", "--format=%T", f"--jobs={job}").stdout)
    assert "asking for another turn" in log(folder)
    assert not (folder / "run" / "where").exists()


def test_without_being_asked_to_it_does_not_come_back(folder: Path, run: Run) -> None:
    settings = folder / ".env"
    settings.write_text(settings.read_text(encoding="utf-8").replace("RESUBMIT=yes", "RESUBMIT=no"), encoding="utf-8")
    run("./submit.sh")
    run("./connect.sh", "--print")
    job, *_ = place(folder)
    run("scancel", "--batch", "--signal=USR1", job)
    until(lambda: not run("squeue", "--noheader", f"--jobs={job}").stdout)
    assert "asking for another turn" not in log(folder)


def test_an_engine_that_ends_ends_the_job_and_connect_says_so(folder: Path, run: Run) -> None:
    (folder / "broken").touch()
    run("./submit.sh")
    connected = run("./connect.sh")
    assert connected.returncode == 1
    assert "has ended: tail logs/serve-" in connected.stderr
    assert "out of memory" in log(folder)
    assert "FAIL  engine-1 has ended: see logs/engine-1.log" in log(folder)


def test_settings_reach_the_scheduler(folder: Path, run: Run) -> None:
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write("TIME_LIMIT=00:30:00\nPARTITION=nowhere\n")
    refused = run("./submit.sh")
    assert refused.returncode != 0
    assert "invalid partition" in refused.stderr
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write("PARTITION=gpu\n")
    run("./submit.sh")
    job = (folder / "run" / "job").read_text(encoding="utf-8").strip()
    shown = run("squeue", "--noheader", "--format=%l %P %m %C %b", f"--jobs={job}").stdout
    assert shown.split() == ["30:00", "gpu", "32G", "4", "gres:gpu:2"]


def test_a_key_that_others_read_is_refused(folder: Path, run: Run) -> None:
    (folder / ".env").chmod(0o644)
    run("./submit.sh")
    assert "has ended" in run("./connect.sh").stderr
    assert "FAIL  others may read the key: chmod 600 .env" in log(folder)


def test_the_scheduler_accepts_every_job(variables: dict[str, str], tmp_path: Path) -> None:
    for engine in ON_HOST:
        render(served(engine), ["slurm"]).write(tmp_path / engine)
    render(tuned("vllm"), ["slurm", "tune"]).write(tmp_path / "tuned")
    render(served("transformers", cards=0), ["slurm"]).write(tmp_path / "cpu")
    scripts = sorted(tmp_path.rglob("*.sbatch"))
    assert len(scripts) == 8
    for script in scripts:
        done = subprocess.run(
            ["sbatch", "--test-only", script],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )
        assert done.returncode == 0, f"{script}: {done.stderr}"

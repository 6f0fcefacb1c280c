"""One engine over two nodes really runs as a job, in a cluster of two daemons, with stand-ins for its two parts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.nodes import spanning
from tests.render.slurm_cluster import cluster, lacking
from tests.render.test_slurm_runs import Run, ask, log, place, until

pytestmark = [pytest.mark.slow, pytest.mark.tool]

NODES = ("one", "two")

ENGINE = """\
#!/usr/bin/env python3
import http.server, json, os, pathlib, signal, socket, sys, threading, time

told = dict(zip(sys.argv, sys.argv[1:]))
rank, headless = int(told["--node-rank"]), "--headless" in sys.argv
place = (told["--master-addr"], int(told["--master-port"]))
about = {
    "rank": rank,
    "node": os.environ["SLURMD_NODENAME"],
    "address": os.environ["VLLM_HOST_IP"],
    "cards": os.environ["CUDA_VISIBLE_DEVICES"],
    "offline": os.environ["HF_HUB_OFFLINE"],
    "home": os.environ["HF_HOME"],
    "cores": os.environ.get("SLURM_CPUS_PER_TASK"),
    "interfaces": [os.environ.get(f"{one}_SOCKET_IFNAME") for one in ("NCCL", "GLOO")],
    "own_key": os.environ.get("VLLM_API_KEY"),
    "variables": " ".join(os.environ.values()),
}
pathlib.Path(f"told-{rank}.json").write_text(json.dumps(about))
if pathlib.Path(f"broken-{rank}").exists():
    sys.exit("out of memory")

if headless:
    for _ in range(300):
        try:
            link = socket.create_connection(place)
            break
        except OSError:
            time.sleep(0.1)
    link.sendall(b"here")
    print("connected", flush=True)
    while question := link.recv(1):
        link.sendall(question)
    sys.exit("lost the first node")

listening = socket.create_server(place)
link, _ = listening.accept()
assert link.recv(4) == b"here"


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer("ok")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(float(self.headers.get("slow", 0)))
        link.sendall(b"?")
        assert link.recv(1) == b"?"  # no answer without the other node
        self.answer(json.dumps({"own_key": about["own_key"]}))


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(told["--port"])), Handler)
server.daemon_threads = False
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()  # waits for the answers that have begun
print("finished", flush=True)
"""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    reason = lacking()
    if reason:
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm"), NODES) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle for two nodes that was set up, with a program in place of the engine."""
    caddy, here = shutil.which("caddy"), tmp_path / "it's here"
    if caddy is None or shutil.which("curl") is None or shutil.which("ip") is None:
        pytest.skip("caddy, curl or ip is not installed")
    (tmp_path / "weights").mkdir()
    render(spanning(each=2, model=str(tmp_path / "weights")), ["slurm"]).write(here)
    programs = here / "engine-0.33.0" / "bin"
    programs.mkdir(parents=True)
    (programs / "vllm").write_text(ENGINE, encoding="utf-8")
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
    until(lambda: not running(folder))


@pytest.fixture
def serving(folder: Path, run: Run) -> list[str]:
    """The job serves: its number, node, port and address."""
    submitted = run("./submit.sh")
    assert submitted.returncode == 0, submitted.stderr
    connected = run("./connect.sh", "--print")
    assert connected.returncode == 0, connected.stdout + connected.stderr + log(folder)
    return place(folder)


def processes(folder: Path) -> Iterator[tuple[int, str]]:
    """Number and command line of all processes that work in the folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def running(folder: Path) -> list[str]:
    return [line for _, line in processes(folder)]


def told(folder: Path, rank: int) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / f"told-{rank}.json").read_text(encoding="utf-8"))
    return found


def key_of(folder: Path) -> str:
    return (folder / ".env").read_text(encoding="utf-8").rsplit("API_KEY=", 1)[1].strip()


def add_setting(folder: Path, line: str) -> None:
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def test_two_nodes_become_one_engine_behind_the_proxy_of_the_first(
    folder: Path, run: Run, serving: list[str]
) -> None:
    job, node, port, address = serving
    key = key_of(folder)
    assert (node, address) == ("one", "127.0.0.1")
    assert ask(port, "wrong")[0] == 401
    assert ask(port, key) == (200, json.dumps({"own_key": key}))
    first, second = told(folder, 0), told(folder, 1)
    assert (first["node"], second["node"]) == NODES
    for one in (first, second):
        assert (one["address"], one["cards"], one["offline"]) == ("127.0.0.1", "0,1", "1")
        assert one["interfaces"] == [None, None]
        assert (one["home"], one["cores"]) == (f"{folder}/cache/huggingface", "4")
    shown = run("squeue", "--noheader", "--format=%D %m %C %b", f"--jobs={job}").stdout.split()
    assert shown == ["2", "32G", "8", "gres:gpu:2"]
    assert "connected" in (folder / "logs" / "engine-1-rank-1.log").read_text(encoding="utf-8")


def test_the_key_stays_on_the_first_node_and_out_of_sight(folder: Path, run: Run, serving: list[str]) -> None:
    key, (job, *_) = key_of(folder), serving
    assert told(folder, 1)["own_key"] is None
    assert key not in told(folder, 1)["variables"]
    assert key in told(folder, 0)["variables"]
    lines = running(folder)
    assert any("--headless" in line for line in lines)
    assert not [line for line in lines if key in line]
    for kind in ("job", "step"):
        shown = run("scontrol", "show", "--details", kind, job).stdout
        assert f"{'Job' if kind == 'job' else 'Step'}Id={job}" in shown
        assert key not in shown


def test_cancelling_ends_every_process_on_both_nodes(folder: Path, run: Run, serving: list[str]) -> None:
    assert len(running(folder)) > 3
    assert run("./cancel.sh").stdout == f"ended: job {serving[0]}\n"
    until(lambda: not running(folder))
    assert "is told to end" in log(folder)
    assert "FAIL" not in log(folder)
    assert "finished" in (folder / "logs" / "engine-1.log").read_text(encoding="utf-8")


def test_a_job_that_the_scheduler_ends_did_not_fail(folder: Path, run: Run, serving: list[str]) -> None:
    run("scancel", serving[0])
    until(lambda: not running(folder))
    assert "is told to end" in log(folder)
    assert "FAIL" not in log(folder)


def test_an_answer_that_has_begun_is_finished_when_the_job_is_cancelled(
    folder: Path, run: Run, serving: list[str]
) -> None:
    headers = {"Authorization": f"Bearer {key_of(folder)}", "slow": "4"}
    url = f"http://127.0.0.1:{serving[2]}/v1/chat/completions"
    request = urllib.request.Request(url, data=b"{}", headers=headers)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(lambda: urllib.request.urlopen(request, timeout=30).status)  # noqa: S310 - the address is ours
        time.sleep(1)
        run("./cancel.sh")
        assert answer.result() == 200


def test_when_its_time_is_nearly_over_both_nodes_take_another_turn(
    folder: Path, run: Run, serving: list[str]
) -> None:
    job, *_ = serving
    run("scancel", "--batch", "--signal=USR1", job)
    until(lambda: "PENDING" in run("squeue", "--noheader", "--format=%T", f"--jobs={job}").stdout)
    until(lambda: not running(folder))
    assert "asking for another turn" in log(folder)
    assert not (folder / "run" / "where").exists()


@pytest.mark.parametrize("after", ["at its start", "while it serves"])
def test_a_node_whose_engine_ends_ends_the_job_and_is_named(folder: Path, run: Run, after: str) -> None:
    if after == "at its start":
        (folder / "broken-1").touch()
    run("./submit.sh")
    if after == "while it serves":
        run("./connect.sh", "--print")
        (part,) = (number for number, line in processes(folder) if "--headless" in line and "rank.sh" not in line)
        os.kill(part, signal.SIGKILL)
    until(lambda: "FAIL" in log(folder) and not running(folder))
    assert "FAIL  engine-1 on two (rank 1) has ended with" in log(folder)
    assert "see logs/engine-1-rank-1.log" in log(folder)
    assert ("out of memory" in log(folder)) is (after == "at its start")
    assert "has ended: tail logs/serve-" in run("./connect.sh").stderr


def test_what_is_killed_without_a_word_stands_in_the_log_of_the_step(
    folder: Path, run: Run, serving: list[str]
) -> None:
    (part,) = (number for number, line in processes(folder) if line.startswith("bash") and "rank.sh" in line)
    os.kill(part, signal.SIGKILL)
    until(lambda: "FAIL" in log(folder) and not running(folder))
    assert serving[1] == "one"
    assert "FAIL  other-nodes has ended: see logs/other-nodes.log" in log(folder)
    assert "two: task 0: Killed" in log(folder)


def test_the_first_node_is_named_when_its_engine_ends(folder: Path, run: Run) -> None:
    (folder / "broken-0").touch()
    run("./submit.sh")
    assert "has ended" in run("./connect.sh").stderr
    until(lambda: not running(folder))
    assert "FAIL  engine-1 has ended: see logs/engine-1.log" in log(folder)
    assert "out of memory" in log(folder)


def test_the_interface_that_the_settings_name_is_used(folder: Path, run: Run) -> None:
    add_setting(folder, "NETWORK_INTERFACE=lo")
    run("./submit.sh")
    connected = run("./connect.sh", "--print")
    assert connected.returncode == 0, log(folder)
    assert told(folder, 0)["interfaces"] == told(folder, 1)["interfaces"] == ["lo", "lo"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("NETWORK_INTERFACE=nothere0", "one has no IPv4 address on nothere0 to be reached at by two"),
        ("NETWORK_INTERFACE=lo,eth0", "NETWORK_INTERFACE in .env is not the name of one interface"),
    ],
)
def test_an_interface_that_is_none_is_refused(folder: Path, run: Run, line: str, words: str) -> None:
    add_setting(folder, line)
    run("./submit.sh")
    assert "has ended" in run("./connect.sh").stderr
    assert f"FAIL  {words}" in log(folder)


def test_a_node_that_does_not_see_the_weights_is_named(folder: Path, run: Run) -> None:
    (folder.parent / "weights").rmdir()
    run("./submit.sh")
    assert "has ended" in run("./connect.sh").stderr
    assert f"FAIL  {folder} or the weights cannot be seen by one two: all nodes must share" in log(folder)


def test_the_scheduler_accepts_jobs_over_several_nodes(variables: dict[str, str], tmp_path: Path) -> None:
    for engine in ("vllm", "sglang"):
        render(spanning(engine, each=2), ["slurm"]).write(tmp_path / engine)
        done = subprocess.run(
            ["sbatch", "--test-only", tmp_path / engine / "serve.sbatch"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )
        assert done.returncode == 0, done.stderr

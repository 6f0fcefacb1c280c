"""``preflight.sh`` really runs, with stand-ins for the tools: each check passes, and each fails with what to do."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.checklist.preflight import checks_for, preflight
from deployadvisor.checklist.results import Preflight
from deployadvisor.checklist.wording import wordings
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.manifest import manifests
from deployadvisor.render.preflight import requirements
from deployadvisor.surfaces.cli import main
from tests.render.factory import hosted, served
from tests.render.nodes import spanning

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="bash is not installed"),
]


def images_of(advice: Recommendation, target: str) -> tuple[str, ...]:
    """Images that the files start."""
    needs = requirements(advice, [target])
    assert needs is not None
    return needs.images


ORDINARY = "bash cat date df dirname ls mv readlink tail timeout tr curl tar sha512sum setsid python3 git cmake c++"
"""Programs of the machine that the script may use, or looks for; others are stand-ins, or not there."""
IMAGES = images_of(served("vllm"), "compose")
SMI = "--query-gpu=index,name,memory.total,memory.free --format=csv,noheader,nounits"
CARDS = "0, NVIDIA H100 80GB HBM3, 81559, 80995\n1, NVIDIA H100 80GB HBM3, 81559, 80995\n"
CAN = "auth can-i create deployments"
NODES = r"""get nodes --output jsonpath={range .items[*]}{.status.allocatable.nvidia\.com/gpu}{"\n"}{end}"""
CLASSES = (
    r"""get storageclass --output jsonpath={range .items[*]}{.metadata.name}{"="}"""
    r"""{.metadata.annotations.storageclass\.kubernetes\.io/is-default-class}{"\n"}{end}"""
)
SECRET = "get secret support-bot-keys --output name"
NTP = "show --property=NTPSynchronized --value"

Answers = Mapping[str, Mapping[str, str | tuple[str, int]]]
DOCKER: dict[str, str | tuple[str, int]] = {
    "version --format {{.Server.Version}}": "28.1.0\n",
    "compose version --short": "v2.33.1\n",
    "info --format {{json .Runtimes}}": '{"nvidia":{},"runc":{}}',
    "info --format {{.DockerRootDir}}": "/\n",
    **{f"image inspect --format {{{{.Id}}}} {name}": "sha256:1" for name in IMAGES},
}
READY: Answers = {
    "docker": DOCKER,
    "nvidia-smi": {"--query-gpu=driver_version --format=csv,noheader": "580.95.05\n580.95.05\n", SMI: CARDS},
    "timedatectl": {NTP: "yes\n"},
    "kubectl": {CAN: "yes\n", NODES: "2\n\n", CLASSES: "slow=\nfast=true\n", SECRET: "secret/support-bot-keys\n"},
    "systemctl": {"--version": "systemd 255 (255.4)\n+PAM\n", "is-active support-bot.target": ("inactive\n", 3)},
}


def stand_in(answers: Mapping[str, str | tuple[str, int]]) -> str:
    """A program that knows these command lines and fails for all others."""
    lines = ["#!/bin/bash", 'case "$*" in']
    for words, answer in answers.items():
        text, code = (answer, 0) if isinstance(answer, str) else answer
        out = "" if code == 0 or words.startswith(("auth", "is-active")) else " >&2"
        lines.append(f"  {shlex.quote(words)}) printf %s {shlex.quote(text)}{out}; exit {code} ;;")
    return "\n".join([*lines, "esac", 'echo "stand-in: $*" >&2', "exit 1", ""])


def changed(program: str, **answers: Any) -> Answers:
    """The ready machine with other answers of one program."""
    return {**READY, program: {**READY[program], **answers}}


def without(*programs: str) -> Answers:
    return {name: answers for name, answers in READY.items() if name not in programs}


class Bundle:
    """A rendered folder, and a machine with nothing but stand-ins on its path."""

    def __init__(self, root: Path, advice: Recommendation, target: str) -> None:
        self.advice, self.target = advice, target
        self.folder, self.programs = root / "it's here", root / "bin"
        advice.write(self.folder, targets=[target])
        self.programs.mkdir()
        for name in ORDINARY.split():
            if (place := shutil.which(name)) is not None:
                (self.programs / name).symlink_to(place)

    def env(self, text: str, mode: int = 0o600) -> None:
        path = self.folder / ".env"
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def install(self, answers: Answers) -> None:
        for program in READY:
            (self.programs / program).unlink(missing_ok=True)
        for program, known in answers.items():
            path = self.programs / program
            path.write_text(stand_in(known), encoding="utf-8")
            path.chmod(0o755)

    def run(self, answers: Answers, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.install(answers)
        known = {"PATH": str(self.programs), "HOME": str(self.folder.parent), **environment}
        return subprocess.run(
            [self.programs / "bash", str(self.folder / "preflight.sh"), *options],
            capture_output=True,
            text=True,
            check=False,
            env=known,
            cwd="/",
        )

    def results(self, answers: Answers, *options: str, **environment: str) -> Preflight:
        done = self.run(answers, "--json", *options, **environment)
        assert done.stderr == ""
        text = (self.folder / "preflight.json").read_text(encoding="utf-8")
        found = Preflight.model_validate(json.loads(text))
        assert done.returncode == (1 if found.failed else 0)
        return found


@pytest.fixture
def compose(tmp_path: Path) -> Bundle:
    made = Bundle(tmp_path, served("vllm"), "compose")
    made.env("API_KEY=0123456789abcdef\n")
    return made


def of(found: Preflight, check: str) -> tuple[str, str, str]:
    one = next(result for result in found.results if result.check == check)
    return one.status, one.evidence, one.remedy or ""


def settled(result: tuple[str, str, str]) -> tuple[str, str, str]:
    """Without the free space, which other tests change between two looks."""
    status, evidence, remedy = result
    return status, re.sub(r"\d+\.\d GiB free", "… GiB free", evidence), remedy


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_machine_that_is_ready_passes(compose: Bundle) -> None:
    found = compose.results(READY, "--offline")
    assert {result.check: result.status for result in found.results if result.status != "passed"} == {
        "registry": "unknown",
        "hub": "unknown",
        "token": "not_applicable",
    }
    assert tuple(result.check for result in found.results) == checks_for(requirements(compose.advice, ["compose"]))
    assert found.by == "preflight.sh"
    assert "0123456789abcdef" not in found.to_json()


def test_the_results_are_those_of_the_folder_and_tick_its_checklist(compose: Bundle) -> None:
    assert compose.results(READY).requirements == requirements(compose.advice, ["compose"]).digest
    compose.advice.write(compose.folder, targets=["compose"])
    text = (compose.folder / "CHECKLIST.md").read_text(encoding="utf-8")
    assert re.search(r"- \[x\] What the files need is installed", text)
    assert "driver 580.95.05; 580 or newer is needed" in text


KEY = "API_KEY=0123456789abcdef\n"
VERSION, RUNTIMES = "version --format {{.Server.Version}}", "info --format {{json .Runtimes}}"
SHORT, PROJECT = "compose version --short", "ps --quiet --filter label=com.docker.compose.project=support-bot"
DRIVER = "--query-gpu=driver_version --format=csv,noheader"
GONE: dict[str, Any] = {f"image inspect --format {{{{.Id}}}} {IMAGES[0]}": ("", 1)}
MANIFEST = f"manifest inspect {IMAGES[0]}"
UNHEARD: dict[str, Any] = {MANIFEST: ("no such manifest: x", 1)}


def docker(**answers: Any) -> Answers:
    return changed("docker", **answers)


def smi(**answers: Any) -> Answers:
    return changed("nvidia-smi", **answers)


FAILURES: list[tuple[str, str, Answers, str, str]] = [
    # check, status, answers, .env, words
    ("settings", "failed", READY, "", "does not fill in API_KEY"),
    ("settings", "failed", READY, "API_KEY=\nPORT=8080\n", "does not fill in API_KEY"),
    ("settings", "failed", READY, "API_KEY=<your key>\n", "does not fill in API_KEY"),
    ("settings", "failed", READY, "API_KEY='change-me'\n", "does not fill in API_KEY"),
    ("docker", "failed", without("docker"), KEY, "docker is not installed"),
    ("docker", "failed", docker(**{VERSION: ("refused\x1b[31m", 1)}), KEY, "does not answer: refused[31m"),
    ("compose", "failed", docker(**{SHORT: "1.29.2"}), KEY, "1.29.2 is older than 2"),
    ("compose", "failed", docker(**{SHORT: ("no plugin", 1)}), KEY, "does not answer: no plugin"),
    ("toolkit", "failed", docker(**{RUNTIMES: '{"runc":{}}'}), KEY, "nothing hands"),
    ("driver", "failed", without("nvidia-smi"), KEY, "nvidia-smi is not installed"),
    ("driver", "failed", smi(**{DRIVER: "535.183.01\n"}), KEY, "535.183.01 is older than 580"),
    ("driver", "unknown", smi(**{DRIVER: ("lost", 9)}), KEY, "does not tell the driver: lost"),
    ("cards", "failed", without("nvidia-smi"), KEY, "no card of the plan's maker answers, and it uses 0-1"),
    ("cards", "failed", smi(**{SMI: CARDS.splitlines()[0]}), KEY, "the plan uses card 0-1"),
    ("gpu-memory", "failed", smi(**{SMI: CARDS.replace("80995\n1", "7000\n1")}), KEY, "6.8 GiB free"),
    ("gpu-memory", "unknown", smi(**{SMI: CARDS.replace("80995\n1", "[N/A]\n1")}), KEY, "card 0: [N/A]"),
    ("gpu-memory", "not_applicable", docker(**{PROJECT: "3f\n"}), KEY, "running"),
    ("images", "failed", docker(**GONE, **UNHEARD), KEY, f"do not hand out: {IMAGES[0]}"),
    ("images", "unknown", docker(**GONE), KEY, f"nothing is known of: {IMAGES[0]}"),
    ("images", "passed", docker(**{**GONE, MANIFEST: "{}"}), KEY, f"registries have: {IMAGES[0]}"),
    ("clock", "unknown", changed("timedatectl", **{NTP: "no\n"}), KEY, "UTC"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "status", "answers", "env", "words"), FAILURES)
def test_a_check_says_what_is_wrong(
    compose: Bundle, check: str, status: str, answers: Answers, env: str, words: str
) -> None:
    compose.env(env)
    found = of(compose.results(answers), check)
    assert found[0] == status
    assert words in found[1]
    assert found[2] or status != "failed"


def test_settings_that_are_absent_or_open_are_named(compose: Bundle) -> None:
    compose.env("API_KEY=x1\n", 0o644)
    assert "others may read .env (-rw-r--r--)" in of(compose.results(READY), "settings")[1]
    (compose.folder / ".env").unlink()
    assert of(compose.results(READY), "settings")[:2] == ("failed", "there is no .env")
    assert of(compose.results(READY, API_KEY="x1"), "settings")[0] == "passed"


def test_a_port_that_is_taken_is_named(compose: Bundle) -> None:
    with listening() as port:
        compose.env(f"API_KEY=x1\nPORT={port}\n")
        assert of(compose.results(READY), "ports")[:2] == ("failed", f"somebody listens on {port} already")
    assert of(compose.results(READY), "ports")[0] == "passed"


def test_what_can_be_reached_and_what_cannot(compose: Bundle) -> None:
    with listening() as port:
        found = compose.results(READY, HF_ENDPOINT=f"http://127.0.0.1:{port}")
    assert of(found, "hub")[:2] == ("passed", "127.0.0.1 answer")
    if of(found, "registry")[0] != "passed":  # on a machine with a way out it is reached
        assert of(found, "registry")[:2] == ("failed", "no connection to registry-1.docker.io, while others answer")
        assert of(compose.results(READY), "registry")[0] == "unknown"
        found = compose.results(READY, HTTPS_PROXY="http://proxy:3128")
        assert "an HTTP proxy is set" in of(found, "registry")[1]


def test_a_token_is_found_and_not_shown(compose: Bundle) -> None:
    done = compose.run(READY, "--json", HF_TOKEN="hf_secret")
    assert "a token is set in HF_TOKEN" in done.stdout
    assert "hf_secret" not in done.stdout + (compose.folder / "preflight.json").read_text(encoding="utf-8")
    compose.env("API_KEY=x1\nHF_TOKEN=hf_secret\n")
    assert of(compose.results(READY), "token")[1] == "a token is set in .env"


def test_a_disk_that_is_too_small_fails(tmp_path: Path) -> None:
    advice = served("vllm")
    memory = advice.estimate.memory
    assert memory is not None
    larger = advice.estimate.model_copy(update={"memory": memory.model_copy(update={"weights_gib": 1e6})})
    made = Bundle(tmp_path, advice.model_copy(update={"estimate": larger}), "compose")
    assert of(made.results(READY), "disk")[0] == "failed"
    assert "the weights take 1000000.0 GiB" in of(made.results(READY), "disk")[1]


def test_a_machine_without_internet_is_asked_nothing_outside(tmp_path: Path) -> None:
    advice = served("vllm")
    sealed = advice.model_copy(update={"profile": {**advice.profile, "internet": "no"}})
    made = Bundle(tmp_path, sealed, "compose")
    found = made.results(docker(**GONE))
    assert of(found, "registry")[0] == of(found, "hub")[0] == "not_applicable"
    assert of(found, "images")[:2] == ("failed", f"this machine is offline and lacks: {IMAGES[0]}")


CLUSTER: list[tuple[str, str, Answers, str]] = [
    ("kubectl", "passed", READY, "lets this account"),
    ("kubectl", "failed", changed("kubectl", **{CAN: ("no\n", 1)}), "does not let this account"),
    ("kubectl", "failed", changed("kubectl", **{CAN: ("connection refused", 1)}), "connection refused"),
    ("kubectl", "failed", without("kubectl"), "kubectl is not installed"),
    ("cluster-cards", "passed", READY, "room for 1 pods of 2 nvidia.com/gpu"),
    ("cluster-cards", "failed", changed("kubectl", **{NODES: "1\n1\n"}), "room for 0 pods"),
    ("cluster-cards", "unknown", changed("kubectl", **{NODES: ("forbidden", 1)}), "forbidden"),
    ("storage", "passed", READY, "class is fast"),
    ("storage", "failed", changed("kubectl", **{CLASSES: "slow=\n"}), "no default storage class"),
    ("storage", "unknown", changed("kubectl", **{CLASSES: ("forbidden", 1)}), "forbidden"),
    ("secrets", "passed", READY, "has support-bot-keys"),
    ("secrets", "failed", changed("kubectl", **{SECRET: ("Error (NotFound): x", 1)}), "has no support-bot-keys"),
    ("secrets", "unknown", changed("kubectl", **{SECRET: ("refused", 1)}), "refused"),
]


@pytest.mark.parametrize(("check", "status", "answers", "words"), CLUSTER)
def test_a_cluster_is_asked(tmp_path: Path, check: str, status: str, answers: Answers, words: str) -> None:
    found = of(Bundle(tmp_path, served("vllm"), "kubernetes").results(answers), check)
    assert found[0] == status
    assert words in found[1]


ACTIVE = "is-active support-bot.target"
HOST: list[tuple[str, str, str, Answers, str]] = [
    ("systemd", "systemd", "passed", READY, "systemd 255"),
    ("systemd", "systemd", "failed", changed("systemctl", **{"--version": "systemd 239\n"}), "239 is older than 247"),
    ("systemd", "systemd", "failed", without("systemctl"), "no systemd"),
    ("systemd", "settings", "not_applicable", READY, "install.sh makes .env"),
    ("systemd", "ports", "not_applicable", changed("systemctl", **{ACTIVE: "active\n"}), "running"),
    ("shell", "settings", "not_applicable", READY, "setup.sh makes .env"),
    ("shell", "proxy", "not_applicable", READY, "fetches Caddy"),
    ("shell", "open-files", "passed", READY, "the engine raises its own to 65535"),
    ("shell", "shared-memory", "passed", READY, "are needed between the cards"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "check", "status", "answers", "words"), HOST)
def test_a_machine_without_containers_is_asked(
    tmp_path: Path, target: str, check: str, status: str, answers: Answers, words: str
) -> None:
    found = of(Bundle(tmp_path, served("vllm"), target).results(answers), check)
    if check in ("open-files", "shared-memory") and found[0] != "passed":
        pytest.skip(f"this machine has too little: {found[1]}")
    assert found[0] == status
    assert words in found[1]


def test_programs_and_the_proxy_are_looked_for(tmp_path: Path) -> None:
    made = Bundle(tmp_path, served("vllm"), "shell")
    (made.programs / "tar").unlink(missing_ok=True)
    assert "tar" in of(made.results(READY), "programs")[1]
    (made.programs / "caddy").symlink_to("/bin/true")
    assert of(made.results(READY), "proxy")[:1] == ("passed",)


def test_the_gateway_is_asked_for_keys_and_providers(tmp_path: Path) -> None:
    made = Bundle(tmp_path, hosted("openai", "deepseek"), "gateway")
    made.env("API_KEY=sk-x1\nOPENAI_API_KEY=sk-y1\n")
    found = made.results(READY, "--offline")
    assert of(found, "settings")[:2] == ("failed", ".env does not fill in DEEPSEEK_API_KEY")
    assert of(found, "provider")[:2] == (
        "unknown",
        "not asked, because of --offline: api.openai.com, api.deepseek.com",
    )


def test_a_desktop_is_asked_for_its_runner(tmp_path: Path) -> None:
    made = Bundle(tmp_path, served("ollama", gpu="m3-max"), "native")
    found = made.results(READY)
    assert of(found, "programs")[:2] == ("failed", "not on the path: ollama")
    assert of(found, "cards")[0] == "unknown"


def test_the_table_is_for_people_and_markdown_for_pages(compose: Bundle) -> None:
    done = compose.run(READY, "--offline")
    assert "passed          Docker                    Docker Engine 28.1.0 answers\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert not (compose.folder / "preflight.json").exists()
    done = compose.run(READY, "--offline", "--markdown")
    assert done.stdout.startswith("| Check | Result | Evidence |\n|---|---|---|\n| Settings | passed |")
    assert compose.run(READY, "--frob").returncode == 2


def test_chinese_files_speak_chinese(tmp_path: Path) -> None:
    made = Bundle(tmp_path, served("vllm").model_copy(update={"lang": "zh"}), "compose")
    done = made.run(READY, "--offline")
    assert "未通过  配置项" in done.stdout
    assert "Docker Engine 28.1.0 正常响应" in done.stdout


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("lustre\n", "passed", "is on lustre, a file system that machines share"),
        ("k-afs\n", "passed", "is on k-afs"),
        ("gfs/gfs2\n", "passed", "is on gfs/gfs2"),
        ("ext2/ext3\n", "unknown", "is on ext2/ext3, which may be a disk of this machine alone"),
        ("xnfs\n", "unknown", "is on xnfs, which"),
        (("stat: no\x1b[31m such file\n", 1), "unknown", "cannot be read: stat: no[31m such file"),
    ],
)
def test_a_folder_for_several_nodes_lies_where_they_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str | tuple[str, int], status: str, words: str
) -> None:
    made = Bundle(tmp_path, spanning("vllm"), "slurm")
    asked = f"--file-system --format=%T {made.folder}"
    (made.programs / "stat").write_text(stand_in({asked: kind}), encoding="utf-8")
    (made.programs / "stat").chmod(0o755)
    found = of(made.results(READY, "--offline"), "shared-folder")
    assert found[0] == status
    assert words in found[1]
    assert (f"ls -d {made.folder}" in found[2]) is (found[0] == "unknown" and isinstance(kind, str))
    monkeypatch.setenv("PATH", str(made.programs))
    needs = requirements(made.advice, ["slurm"])
    assert needs is not None
    same = of(preflight(needs, folder=made.folder, network=False), "shared-folder")
    assert same == found or not isinstance(kind, str)
    assert "shared-folder" not in {
        one.check for one in Bundle(tmp_path / "one", served("vllm"), "slurm").results(READY, "--offline").results
    }


CALM = ("docker", "compose", "toolkit", "disk", "ports", "images", "token", "clock", "settings")
"""Checks that read the same sources in the script and in Python."""


@pytest.mark.parametrize("answers", [READY, changed("docker", **{SHORT: "1.29.2", VERSION: ("refused", 1)})])
def test_the_script_and_python_come_to_the_same(
    compose: Bundle, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = compose.results(answers, "--offline")
    monkeypatch.setenv("PATH", str(compose.programs))
    monkeypatch.setenv("HOME", str(compose.folder.parent))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    needs = requirements(compose.advice, ["compose"])
    assert needs is not None
    python = preflight(needs, folder=compose.folder, network=False)
    for check in CALM:
        assert settled(of(script, check)) == settled(of(python, check)) or check == "clock", check
        assert of(script, check)[0] == of(python, check)[0]


def test_hostile_names_stay_words(tmp_path: Path) -> None:
    advice = served("vllm", model="/data/it's $(touch owned) `touch owned` \"model").model_copy(
        update={"name": "a'$(b)"}
    )
    made = Bundle(tmp_path, advice, "compose")
    found = made.results(READY)
    assert of(found, "disk")[:2] == (
        "failed",
        "there are no weights at /data/it's $(touch owned) `touch owned` \"model that this account may read",
    )
    assert not list(tmp_path.rglob("owned"))


def test_every_bundle_that_starts_something_has_the_script() -> None:
    for target in ("compose", "airgap", "kubernetes", "lws", "kuberay", "systemd", "shell", "native", "gateway"):
        assert "preflight.sh" in {entry.path for entry in manifests()[target].files}


def test_the_page_for_the_person_on_call_names_it(compose: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert "./preflight.sh" in (compose.folder / "README.md").read_text(encoding="utf-8")
    compose.results(READY)
    assert main(["checklist", str(compose.folder)]) == 0
    assert "Preflight of " in capsys.readouterr().out
    assert all(check in wordings().checks for check in CALM)

"""Every check on recorded machines: each outcome, its words, and that nothing hostile or secret gets through."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.checklist import asked
from deployadvisor.checklist.asked import Asked
from deployadvisor.checklist.items import load_items
from deployadvisor.checklist.preflight import CHECKS, checks_for, preflight, result, shown
from deployadvisor.checklist.requirements import Cards, Port, Requirements, Weights
from deployadvisor.checklist.results import Preflight, Result
from deployadvisor.checklist.wording import wordings
from deployadvisor.hardware.recording import RecordedSystem, Recording

NOW = datetime.datetime(2026, 11, 28, 17, 0, tzinfo=datetime.UTC)
FOLDER = PurePosixPath("/srv/bundle")
SMI = "nvidia-smi --query-gpu=driver_version --format=csv,noheader"
KEY = "sk-do-not-show"
GIB = 2**30

DOCKER = Requirements(
    place="docker",
    project="bot",
    cards=Cards("nvidia", (0,), free_gib=70.0, driver_branch=580, replica=1),
    weights=Weights(15.3, None),
    ports=(Port(8080, "PORT"),),
    settings=("API_KEY",),
    images=("caddy:2", "ghcr.io/a/b:1"),
    registries=("registry-1.docker.io", "ghcr.io"),
    hubs=("https://huggingface.co",),
    token=True,
)
HOST = Requirements(
    place="host",
    project="bot",
    cards=Cards("nvidia", (0, 1), free_gib=70.0, replica=2),
    weights=Weights(15.3, "."),
    programs=("curl", "tar"),
    ports=(Port(8080, "PORT"), Port(8000)),
    settings=("API_KEY",),
    settings_made_by="setup.sh",
    proxy="caddy-2/caddy",
    unit="bot.target",
    open_files=True,
    shared_memory=True,
    locked_memory=True,
)
SPREAD = Requirements("host", "bot", Cards("none"), weights=Weights(15.3, "."), shared_folder=True)
FILE_SYSTEM = "stat --file-system --format=%T /srv/bundle"
CLUSTER = Requirements(
    place="cluster",
    project="bot",
    cards=Cards("nvidia", (0, 1), replica=2),
    weights=Weights(15.3, None),
    secrets=("bot-keys",),
    replicas=2,
)
REGISTRY = "kubernetes/registry/kustomization.yaml"
CLOSED = replace(CLUSTER, registry_file=REGISTRY)


def renamed(*names: tuple[str, str]) -> dict[str, Any]:
    """A folder whose component gives images these names."""
    rows = "".join(f"  - name: {name}\n    newName: {new}\n" for name, new in names)
    return {"files": {f"{FOLDER}/{REGISTRY}": f"kind: Component\nimages:\n{rows}"}}


GATEWAY = Requirements(place="docker", project="bot", cards=Cards("none"), providers=("api.example.org",))


def card(free: float = 79.0) -> dict[str, Any]:
    return {
        "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
        "nvmlDeviceGetMemoryInfo": {"total": 80 * GIB, "free": int(free * GIB), "used": 0},
    }


def system(**parts: Any) -> RecordedSystem:
    """A Linux machine with what the test names; everything else is not there."""
    commands = {
        line: {"out": answer} if isinstance(answer, str) else answer for line, answer in parts.pop("run", {}).items()
    }
    lately = {"platform": ("Linux", "x86_64"), **parts.pop("system", {})}
    return RecordedSystem(
        Recording.model_validate({"about": "t", "basis": "made up", "system": lately, "commands": commands, **parts})
    )


def came_to(name: str, needs: Requirements, machine: RecordedSystem, **given: Any) -> Result:
    question = Asked(needs, machine, FOLDER, NOW, **given)
    return result(name, CHECKS[name](question), "en")


ENV = f"{FOLDER}/.env"
LS = f"ls -ld -- {ENV}"
FILLED = {"files": {ENV: f"API_KEY={KEY}\n"}}
NOT_FOUND = {"err": 'Error from server (NotFound): secrets "bot-keys" not found', "code": 1}
LIMITS = "Limit  Soft  Hard  Units\nMax open files  1024  {}  files\nMax locked memory  8388608  {}  bytes\n"


def nodes(*counts: str) -> str:
    return json.dumps({"items": [{"status": {"allocatable": {"nvidia.com/gpu": one}}} for one in counts]})


def classes(default: str) -> str:
    annotations = {"storageclass.kubernetes.io/is-default-class": default}
    return json.dumps({"items": [{"metadata": {"name": "fast", "annotations": annotations}}]})


RUNNING = {"docker ps --quiet --filter label=com.docker.compose.project=bot": "3f2a\n"}
NO_NODES = "kubectl get nodes --output json"
NO_CLASS = "kubectl get storageclass --output json"
OUTCOMES: list[tuple[str, str, Requirements, dict[str, Any], dict[str, Any]]] = [
    # check, status, requirements, machine, evidence and options
    (
        "settings",
        "passed",
        DOCKER,
        {**FILLED, "run": {LS: "-rw------- 1 a a 9 x .env"}},
        {"says": ".env sets all of API_KEY"},
    ),
    ("settings", "failed", DOCKER, {}, {"says": "there is no .env", "do": "fill in API_KEY"}),
    ("settings", "failed", DOCKER, {"files": {ENV: "API_KEY=\nPORT=1\n"}}, {"says": "does not fill in API_KEY"}),
    ("settings", "failed", DOCKER, {"files": {ENV: "API_KEY=<your key>"}}, {"says": "does not fill in API_KEY"}),
    (
        "settings",
        "failed",
        DOCKER,
        {**FILLED, "run": {LS: "-rw-r--r-- 1 a a 9 x .env"}},
        {"says": "others may read .env"},
    ),
    ("settings", "not_applicable", HOST, {}, {"says": "setup.sh makes .env"}),
    ("settings", "passed", DOCKER, {"env": {"API_KEY": KEY}}, {"says": "sets all of API_KEY"}),
    (
        "docker",
        "passed",
        DOCKER,
        {"run": {"docker version --format {{.Server.Version}}": "28.1.0\n"}},
        {"says": "28.1.0"},
    ),
    ("docker", "failed", DOCKER, {}, {"says": "not installed"}),
    (
        "docker",
        "failed",
        DOCKER,
        {"run": {"docker version --format {{.Server.Version}}": {"err": "refused", "code": 1}}},
        {"says": "refused"},
    ),
    (
        "compose",
        "passed",
        DOCKER,
        {"run": {"docker compose version --short": "v2.33.1\n"}},
        {"says": "Compose 2.33.1"},
    ),
    ("compose", "failed", DOCKER, {"run": {"docker compose version --short": "1.29.2\n"}}, {"says": "older than 2"}),
    ("compose", "failed", DOCKER, {}, {"says": "not installed"}),
    (
        "toolkit",
        "passed",
        DOCKER,
        {"run": {"docker info --format {{json .Runtimes}}": '{"nvidia":{},"runc":{}}'}},
        {"says": "runtime nvidia"},
    ),
    ("toolkit", "passed", DOCKER, {"programs": ["nvidia-container-runtime-hook"]}, {"says": "hook is installed"}),
    (
        "toolkit",
        "failed",
        DOCKER,
        {"run": {"docker info --format {{json .Runtimes}}": '{"runc":{}}'}},
        {"says": "nothing hands"},
    ),
    (
        "driver",
        "passed",
        DOCKER,
        {"run": {SMI: "580.95.05\n580.95.05\n"}},
        {"says": "driver 580.95.05; 580 or newer"},
    ),
    ("driver", "passed", HOST, {"run": {SMI: "470.10\n"}}, {"says": "driver 470.10; nobody has read"}),
    ("driver", "failed", DOCKER, {"run": {SMI: "579.99\n"}}, {"says": "579.99 is older than 580"}),
    ("driver", "failed", DOCKER, {}, {"says": "nvidia-smi is not installed"}),
    (
        "driver",
        "unknown",
        DOCKER,
        {"run": {SMI: {"err": "couldn't communicate", "code": 9}}},
        {"says": "couldn't communicate"},
    ),
    ("driver", "unknown", DOCKER, {"run": {SMI: {"hangs": True}}}, {"says": "did not answer within 5 s"}),
    ("cards", "passed", DOCKER, {"nvml": {"devices": [card()]}}, {"says": "0: NVIDIA H100 80GB HBM3"}),
    ("cards", "failed", HOST, {"nvml": {"devices": [card()]}}, {"says": "the plan uses card 0-1"}),
    ("cards", "failed", DOCKER, {}, {"says": "no card of the plan's maker answers, and it uses 0"}),
    ("gpu-memory", "passed", DOCKER, {"nvml": {"devices": [card()]}}, {"says": "70.0 GiB are needed"}),
    ("gpu-memory", "failed", DOCKER, {"nvml": {"devices": [card(69.9)]}}, {"says": "69.9 GiB free"}),
    ("gpu-memory", "failed", HOST, {"nvml": {"devices": [card(), card(3.0)]}}, {"says": "3.0 GiB free"}),
    ("gpu-memory", "unknown", DOCKER, {}, {"says": "none of them answers"}),
    ("gpu-memory", "unknown", CLUSTER, {"nvml": {"devices": [card(), card(9)]}}, {"says": "was not computed"}),
    ("gpu-memory", "not_applicable", DOCKER, {"run": RUNNING}, {"says": "running"}),
    (
        "disk",
        "passed",
        DOCKER,
        {"system": {"disk_free_bytes": 16 * GIB}},
        {"says": "16.0 GiB free at /var/lib/docker"},
    ),
    ("disk", "passed", HOST, {"system": {"disk_free_bytes": 16 * GIB}}, {"says": "free at /srv/bundle;"}),
    (
        "disk",
        "failed",
        DOCKER,
        {"system": {"disk_free_bytes": 15 * GIB}, "run": {"docker info --format {{.DockerRootDir}}": "/big\n"}},
        {"says": "15.0 GiB free at /big"},
    ),
    ("disk", "unknown", DOCKER, {}, {"says": "cannot be read"}),
    ("disk", "not_applicable", DOCKER, {"run": RUNNING}, {"says": "running"}),
    ("ports", "passed", HOST, {}, {"says": "nobody listens on 8080, 8000"}),
    ("ports", "failed", HOST, {"reached": ["127.0.0.1:8000"]}, {"says": "somebody listens on 8000 already"}),
    (
        "ports",
        "failed",
        DOCKER,
        {"reached": ["127.0.0.1:9000"], "files": {ENV: "PORT=9000"}},
        {"says": "listens on 9000"},
    ),
    ("ports", "not_applicable", HOST, {"run": {"systemctl is-active bot.target": "active\n"}}, {"says": "running"}),
    ("programs", "passed", HOST, {"programs": ["curl", "tar"]}, {"says": "curl, tar are on the path"}),
    ("programs", "failed", HOST, {"programs": ["curl"]}, {"says": "not on the path: tar"}),
    (
        "systemd",
        "passed",
        HOST,
        {"run": {"systemctl --version": "systemd 255 (255.4)\n+PAM"}},
        {"says": "systemd 255"},
    ),
    (
        "systemd",
        "failed",
        HOST,
        {"run": {"systemctl --version": "systemd 239 (239)\n"}},
        {"says": "239 is older than 247"},
    ),
    ("systemd", "failed", HOST, {}, {"says": "no systemd"}),
    (
        "proxy",
        "passed",
        HOST,
        {"files": {f"{FOLDER}/caddy-2/caddy": "x"}},
        {"says": "installed at /srv/bundle/caddy-2/caddy"},
    ),
    ("proxy", "passed", HOST, {"programs": ["caddy"]}, {"says": "caddy is on the path"}),
    ("proxy", "not_applicable", HOST, {}, {"says": "fetches Caddy"}),
    (
        "images",
        "passed",
        DOCKER,
        {"run": {f"docker image inspect --format {{{{.Id}}}} {name}": "sha256:1" for name in DOCKER.images}},
        {"says": "on this machine already: caddy:2"},
    ),
    (
        "images",
        "passed",
        DOCKER,
        {"run": {f"docker manifest inspect {name}": "{}" for name in DOCKER.images}},
        {"says": "their registries have: caddy:2, ghcr.io/a/b:1"},
    ),
    (
        "images",
        "failed",
        DOCKER,
        {"run": {"docker manifest inspect caddy:2": {"err": "no such manifest: x", "code": 1}}},
        {"says": "do not hand out: caddy:2"},
    ),
    ("images", "unknown", DOCKER, {}, {"says": "nothing is known of: caddy:2, ghcr.io/a/b:1"}),
    (
        "images",
        "unknown",
        DOCKER,
        {"run": {"docker manifest inspect caddy:2": "{}"}},
        {"says": "nothing is known of", "network": False},
    ),
    (
        "registry",
        "passed",
        DOCKER,
        {"reached": ["registry-1.docker.io:443", "ghcr.io:443"]},
        {"says": "registry-1.docker.io, ghcr.io answer"},
    ),
    ("registry", "failed", DOCKER, {"reached": ["ghcr.io:443"]}, {"says": "no connection to registry-1.docker.io"}),
    ("registry", "unknown", DOCKER, {}, {"says": "seems to be offline"}),
    ("registry", "unknown", DOCKER, {"env": {"HTTPS_PROXY": "http://proxy:3128"}}, {"says": "an HTTP proxy is set"}),
    ("registry", "unknown", DOCKER, {"reached": ["ghcr.io:443"]}, {"says": "because of --offline", "network": False}),
    (
        "hub",
        "passed",
        DOCKER,
        {"reached": ["mirror.example.org:8443"], "env": {"HF_ENDPOINT": "https://mirror.example.org:8443"}},
        {"says": "mirror.example.org answer"},
    ),
    ("provider", "passed", GATEWAY, {"reached": ["api.example.org:443"]}, {"says": "api.example.org answer"}),
    ("token", "passed", DOCKER, {"env": {"HF_TOKEN": KEY}}, {"says": "set in HF_TOKEN"}),
    ("token", "passed", DOCKER, {"files": {ENV: f"HF_TOKEN={KEY}"}}, {"says": "set in .env"}),
    (
        "token",
        "passed",
        DOCKER,
        {"files": {"/home/user/.cache/huggingface/token": KEY}},
        {"says": "~/.cache/huggingface/token"},
    ),
    ("token", "not_applicable", DOCKER, {}, {"says": "only models that ask for a login"}),
    (
        "open-files",
        "passed",
        HOST,
        {"files": {"/proc/self/limits": LIMITS.format("65535", "unlimited")}},
        {"says": "limit is 65535"},
    ),
    (
        "open-files",
        "unknown",
        HOST,
        {"files": {"/proc/self/limits": LIMITS.format("4096", "unlimited")}},
        {"says": "hard limit is 4096"},
    ),
    ("open-files", "unknown", HOST, {}, {"says": "cannot be read"}),
    (
        "locked-memory",
        "passed",
        HOST,
        {"files": {"/proc/self/limits": LIMITS.format("9", "unlimited")}},
        {"says": "without a limit"},
    ),
    (
        "locked-memory",
        "failed",
        HOST,
        {"files": {"/proc/self/limits": LIMITS.format("9", "65536")}},
        {"says": "65536 bytes"},
    ),
    ("locked-memory", "unknown", HOST, {}, {"says": "cannot be read"}),
    ("shared-folder", "passed", SPREAD, {"run": {FILE_SYSTEM: "lustre\n"}}, {"says": "is on lustre"}),
    ("shared-folder", "passed", SPREAD, {"run": {FILE_SYSTEM: "k-afs\n"}}, {"says": "is on k-afs"}),
    ("shared-folder", "unknown", SPREAD, {"run": {FILE_SYSTEM: "ext2/ext3\n"}}, {"says": "is on ext2/ext3, which"}),
    ("shared-folder", "unknown", SPREAD, {"run": {FILE_SYSTEM: "xnfs\n"}}, {"says": "is on xnfs, which may"}),
    ("shared-folder", "unknown", SPREAD, {}, {"says": "cannot be read"}),
    ("shared-memory", "passed", HOST, {"system": {"shared_memory_bytes": GIB}}, {"says": "holds 1.0 GiB"}),
    ("shared-memory", "failed", HOST, {"system": {"shared_memory_bytes": GIB // 16}}, {"says": "holds 0.1 GiB"}),
    ("shared-memory", "unknown", HOST, {}, {"says": "cannot be read"}),
    (
        "clock",
        "passed",
        DOCKER,
        {"run": {"timedatectl show --property=NTPSynchronized --value": "yes\n"}},
        {"says": "follows a time server"},
    ),
    (
        "clock",
        "unknown",
        DOCKER,
        {"run": {"timedatectl show --property=NTPSynchronized --value": "no\n"}},
        {"says": "2026-11-28 17:00 UTC"},
    ),
    (
        "kubectl",
        "passed",
        CLUSTER,
        {"run": {"kubectl auth can-i create deployments": "yes\n"}},
        {"says": "lets this account"},
    ),
    (
        "kubectl",
        "failed",
        CLUSTER,
        {"run": {"kubectl auth can-i create deployments": {"out": "no\n", "code": 1}}},
        {"says": "does not let"},
    ),
    ("kubectl", "failed", CLUSTER, {}, {"says": "kubectl is not installed"}),
    (
        "kubectl",
        "failed",
        CLUSTER,
        {"run": {"kubectl auth can-i create deployments": {"err": "refused", "code": 1}}},
        {"says": "refused"},
    ),
    (
        "cluster-cards",
        "passed",
        CLUSTER,
        {"run": {NO_NODES: nodes("3", "2", "1")}},
        {"says": "room for 2 pods of 2 nvidia.com/gpu"},
    ),
    (
        "closed-registry",
        "passed",
        CLOSED,
        renamed(("caddy", "r:5000/caddy"), ("a/b", "r:5000/a/b")),
        {"says": REGISTRY},
    ),
    ("closed-registry", "failed", CLOSED, renamed(("caddy", "r:5000/caddy"), ("a/b", "a/b")), {"do": "import.sh"}),
    (
        "closed-registry",
        "failed",
        CLOSED,
        {"files": {f"{FOLDER}/{REGISTRY}": "images: []\n"}},
        {"says": "names none"},
    ),
    ("closed-registry", "failed", CLOSED, {}, {"says": f"there is no {REGISTRY}"}),
    ("cluster-cards", "failed", CLUSTER, {"run": {NO_NODES: nodes("3", "1")}}, {"says": "room for 1 pods"}),
    (
        "cluster-cards",
        "failed",
        CLUSTER,
        {"run": {NO_NODES: '{"items": [null, {}, 3]}'}},
        {"says": "room for 0 pods"},
    ),
    (
        "cluster-cards",
        "unknown",
        CLUSTER,
        {"run": {NO_NODES: {"err": "forbidden", "code": 1}}},
        {"says": "forbidden"},
    ),
    ("storage", "passed", CLUSTER, {"run": {NO_CLASS: classes("true")}}, {"says": "class is fast"}),
    ("storage", "failed", CLUSTER, {"run": {NO_CLASS: classes("false")}}, {"says": "no default storage class"}),
    ("storage", "unknown", CLUSTER, {"run": {NO_CLASS: "[]"}}, {"says": "kubectl does not tell"}),
    (
        "secrets",
        "passed",
        CLUSTER,
        {"run": {"kubectl get secret bot-keys --output name": "secret/bot-keys"}},
        {"says": "has bot-keys"},
    ),
    (
        "secrets",
        "failed",
        CLUSTER,
        {"run": {"kubectl get secret bot-keys --output name": NOT_FOUND}},
        {"says": "has no bot-keys"},
    ),
    ("secrets", "unknown", CLUSTER, {}, {"says": "not installed"}),
]


@pytest.mark.parametrize(("check", "status", "needs", "machine", "told"), OUTCOMES)
def test_a_check_comes_to(
    check: str, status: str, needs: Requirements, machine: dict[str, Any], told: dict[str, Any]
) -> None:
    said = came_to(check, needs, system(**machine), network=told.get("network", True))
    assert said.status == status
    assert told.get("says", "") in said.evidence
    assert told.get("do", "") in (said.remedy or "")
    assert KEY not in said.model_dump_json()
    assert (said.remedy is not None) or status != "failed"


def test_every_check_is_tried() -> None:
    assert {row[0] for row in OUTCOMES} == set(CHECKS) == set(wordings().checks)


def test_weights_that_lie_there_must_be_there() -> None:
    needs = Requirements("docker", "bot", Cards("none"), weights=Weights(9.0, "/data/model", local=True))
    assert came_to("disk", needs, system(files={"/data/model": "x"})).status == "passed"
    assert came_to("disk", needs, system()).status == "failed"
    unsized = Requirements("host", "bot", Cards("none"), weights=Weights(None, "~/models"))
    told = came_to("disk", unsized, system(system={"disk_free_bytes": GIB}))
    assert (told.status, "1.0 GiB free at /home/user/models" in told.evidence) == ("unknown", True)


def test_a_machine_without_internet_is_told_so_and_must_have_the_images() -> None:
    sealed = Requirements("docker", "bot", Cards("none"), images=("a:1",), registries=("ghcr.io",), internet=False)
    assert came_to("registry", sealed, system(reached=["ghcr.io:443"])).status == "not_applicable"
    assert "this machine is offline and lacks: a:1" in came_to("images", sealed, system()).evidence
    host = Requirements("host", "bot", Cards("none"), proxy="caddy", internet=False)
    assert came_to("proxy", host, system()).status == "failed"


def test_a_slice_is_named_in_the_settings_and_the_freest_counts() -> None:
    needs = Requirements("docker", "bot", Cards("nvidia", (7,), free_gib=10.0, slices=True))
    machine = system(nvml={"devices": [card(5.0), card(20.0)]})
    assert came_to("cards", needs, machine).status == "passed"
    assert "20.0 GiB free" in came_to("gpu-memory", needs, machine).evidence


def test_scripts_that_run_are_known_by_their_process() -> None:
    shell = Requirements("host", "bot", Cards("none"), ports=(Port(8080),))
    files = {f"{FOLDER}/run/proxy.pid": "41\n"}
    assert came_to("ports", shell, system(files=files, links={"/proc/41/cwd": "bundle"})).status == "not_applicable"
    assert came_to("ports", shell, system(files=files, links={"/proc/41/cwd": "other"})).status == "passed"


LIMIT_CHECKS = "open-files shared-memory locked-memory"


@pytest.mark.parametrize(("needs", "names"), [
    (DOCKER, "settings docker compose toolkit driver cards gpu-memory disk ports images registry hub token clock"),
    (HOST, f"settings programs systemd proxy driver cards gpu-memory disk ports {LIMIT_CHECKS} clock"),
    (SPREAD, "disk shared-folder clock"),
    (CLUSTER, "secrets kubectl cluster-cards storage"),
    (CLOSED, "secrets kubectl closed-registry cluster-cards storage"),
    (GATEWAY, "docker compose provider clock"),
])  # fmt: skip
def test_only_what_concerns_the_bundle_is_checked(needs: Requirements, names: str) -> None:
    assert checks_for(needs) == tuple(names.split())


def test_a_run_is_the_same_for_the_same_machine_and_reads_back() -> None:
    runs = [preflight(DOCKER, system=system(**FILLED), folder=FOLDER, now=NOW) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].checked_at == "2026-11-28T17:00:00Z"
    assert Preflight.model_validate_json(runs[0].to_json()) == runs[0]
    assert sum(runs[0].counts.values()) == len(runs[0].results)
    assert "null" not in runs[0].to_json()


def test_requirements_that_differ_have_another_digest() -> None:
    assert DOCKER.digest != HOST.digest
    assert DOCKER.digest == Requirements(**{name: getattr(DOCKER, name) for name in DOCKER.__slots__}).digest


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CHECKS)), st.text(max_size=400), st.integers(0, 255), st.booleans())
def test_no_answer_of_a_tool_breaks_a_check(check: str, text: str, code: int, err: bool) -> None:
    class Babbling(RecordedSystem):
        def run(self, *words: str, timeout_s: float) -> Any:  # noqa: ARG002 - answers a protocol
            return asked.Output("" if err else text, text if err else "", code)

        def text(self, path: str) -> str | None:
            return text if path.startswith(("/proc/self", str(FOLDER))) else None

    for needs in (DOCKER, HOST, SPREAD, CLUSTER, GATEWAY):
        recorded = system().recording
        said = came_to(check, needs, Babbling(recorded))
        assert said.evidence.isprintable()
        assert len(said.evidence) < 1200


def test_long_and_hostile_words_are_bounded() -> None:
    assert shown("a\x1b[31m\nb\u202e" + "c" * 999).startswith("a [31m b")
    assert len(shown("c" * 999)) == 300


@pytest.mark.parametrize("name", sorted(wordings().checks))
def test_what_a_check_ticks_is_in_the_checklist(name: str) -> None:
    ids = {item.id for item in load_items().items}
    check = wordings().checks[name]
    assert check.ticks
    assert {*check.ticks, *check.supports} <= ids


def test_every_item_before_the_first_start_has_a_check() -> None:
    ticked = {item for check in wordings().checks.values() for item in check.ticks}
    assert {item.id for item in load_items().items if item.group == "K"} <= ticked

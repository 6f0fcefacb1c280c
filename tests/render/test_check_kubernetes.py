"""The faults that the schemas of Kubernetes accept."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.render import artefacts
from deployadvisor.render.bundle import render
from deployadvisor.render.check_kubernetes import check_kubernetes, check_kustomization
from tests.render.factory import served
from tests.render.reading import yaml_of
from tests.render.test_tools import run, tool

SECRETS = frozenset({"support-bot-keys", "support-bot-hub-token"})
_BUNDLE = render(served("vllm", cards=4, tensor_parallel=2, replicas=2), ["kubernetes"])
GOOD: dict[str, Any] = {
    path.removeprefix("kubernetes/"): yaml_of(_BUNDLE, path)
    for path in _BUNDLE
    if path.startswith("kubernetes/") and path.endswith(".yaml")
}
PATHS = frozenset(path.removeprefix("kubernetes/") for path in _BUNDLE if path.startswith("kubernetes/"))

Change = Callable[[Any], object]


def pod(change: Change) -> Change:
    return lambda files: change(files["deployment.yaml"]["spec"]["template"]["spec"])


def engine(change: Change) -> Change:
    return pod(lambda spec: change(spec["containers"][0]))


def proxy(change: Change) -> Change:
    return pod(lambda spec: change(spec["containers"][1]))


def of(path: str, change: Change) -> Change:
    return lambda files: change(files[path]["spec"])


FAULTS: dict[str, tuple[Change, str]] = {
    "selector": (
        of("deployment.yaml", lambda s: s["selector"]["matchLabels"].update({"app.kubernetes.io/name": "x"})),
        "does not match the labels",
    ),
    "surge": (of("deployment.yaml", lambda s: s["strategy"]["rollingUpdate"].update(maxSurge=1)), "would need cards"),
    "no strategy": (of("deployment.yaml", lambda s: s.pop("strategy")), "would need cards"),
    "service": (
        of("service.yaml", lambda s: s["selector"].update({"app.kubernetes.io/instance": "x"})),
        "selects no pod",
    ),
    "policy": (
        of("network-policy.yaml", lambda s: s["podSelector"]["matchLabels"].update({"app.kubernetes.io/name": "x"})),
        "selects no pod",
    ),
    "policy of all pods": (of("fetch-egress.yaml", lambda s: s.update(podSelector={})), "selects no pod"),
    "budget": (
        of("disruption-budget.yaml", lambda s: s["selector"]["matchLabels"].update({"app.kubernetes.io/name": "x"})),
        "selects no pod",
    ),
    "target port": (of("service.yaml", lambda s: s["ports"][0].update(targetPort="web")), "port web is not a port"),
    "policy port": (
        of("network-policy.yaml", lambda s: s["ingress"][0]["ports"][0].update(port="web")),
        "port web is not a port",
    ),
    "outside": (of("service.yaml", lambda s: s.update(type="LoadBalancer")), "opens the cluster"),
    "probe port": (proxy(lambda c: c["readinessProbe"]["httpGet"].update(port="web")), "asks port web"),
    "probe path": (proxy(lambda c: c["readinessProbe"]["httpGet"].update(path="/v1/models")), "no path of health"),
    "probe address": (
        engine(lambda c: c["livenessProbe"]["exec"].update(command=["curl", "http://127.0.0.1:1/health"])),
        "does not ask /health on port 8000",
    ),
    "decimal memory": (engine(lambda c: c["resources"]["limits"].update(memory="32GB")), "no quantity of memory"),
    "plain memory": (engine(lambda c: c["resources"]["limits"].update(memory="32")), "no quantity of memory"),
    "half a card": (
        engine(lambda c: [c["resources"][one].update({"nvidia.com/gpu": "500m"}) for one in ("requests", "limits")]),
        "no quantity of nvidia.com/gpu",
    ),
    "unequal cards": (engine(lambda c: c["resources"]["requests"].update({"nvidia.com/gpu": "1"})), "differ"),
    "storage": (
        of("storage.yaml", lambda s: s["resources"]["requests"].update(storage="25GB")),
        "no quantity of storage",
    ),
    "no memory": (engine(lambda c: c["resources"]["requests"].pop("memory")), "requests no memory"),
    "no limit": (engine(lambda c: c["resources"]["limits"].pop("memory")), "no limit of memory"),
    "account": (pod(lambda s: s.update(serviceAccountName="ghost")), "ServiceAccount ghost"),
    "claim": (
        pod(lambda s: s["volumes"][0]["persistentVolumeClaim"].update(claimName="ghost")),
        "PersistentVolumeClaim ghost",
    ),
    "config": (pod(lambda s: s["volumes"][1]["configMap"].update(name="ghost")), "ConfigMap ghost"),
    "secret": (
        proxy(lambda c: c["env"][0]["valueFrom"]["secretKeyRef"].update(name="ghost")),
        "Secret ghost is not one that README.md has made",
    ),
    "written key": (proxy(lambda c: c["env"].append({"name": "MY_KEY", "value": "x"})), "stands in the file"),
    "mount": (engine(lambda c: c["volumeMounts"].append({"name": "ghost", "mountPath": "/x"})), "mounts ghost"),
    "mount twice": (
        engine(lambda c: c["volumeMounts"].append({"name": "proxy", "mountPath": "/dev/shm"})),
        "mounts /dev/shm twice",
    ),
    "latest": (engine(lambda c: c.update(image="vllm/vllm-openai:latest")), "not pinned"),
    "no tag": (engine(lambda c: c.update(image="vllm/vllm-openai")), "not pinned"),
    "privileged": (engine(lambda c: c["securityContext"].update(privileged=True)), "is privileged"),
    "escalation": (engine(lambda c: c["securityContext"].pop("allowPrivilegeEscalation")), "may gain privileges"),
    "capabilities": (engine(lambda c: c["securityContext"].pop("capabilities")), "keeps capabilities"),
    "nobody": (proxy(lambda c: c["securityContext"].pop("runAsUser")), "names no other user"),
    "token": (pod(lambda s: s.pop("automountServiceAccountToken")), "token of the cluster"),
    "host network": (pod(lambda s: s.update(hostNetwork=True)), "shares hostNetwork"),
    "host path": (pod(lambda s: s["volumes"].append({"name": "x", "hostPath": {"path": "/"}})), "folder of the node"),
    "grace": (pod(lambda s: s.update(terminationGracePeriodSeconds=20)), "grace period ends before"),
    "namespace": (lambda files: files["service.yaml"]["metadata"].update(namespace="prod"), "names a namespace"),
    "name": (lambda files: files["fetch-egress.yaml"]["metadata"].update(name="9-lives"), "not a DNS label"),
    "label": (
        lambda files: files["service.yaml"]["metadata"]["labels"].update({"app.kubernetes.io/version": "a b"}),
        "cannot be 'a b'",
    ),
}
ALSO_SCHEMA = ("label",)
"""Faults of which a schema could say the same."""


def faulty(change: Change) -> dict[str, Any]:
    files = deepcopy(GOOD)
    change(files)
    return files


def problems(files: dict[str, Any]) -> list[str]:
    return [problem for _, problem in check_kubernetes(files, engines()["vllm"], SECRETS)]


def test_good_files_pass() -> None:
    assert problems(GOOD) == []
    assert list(check_kustomization(GOOD["kustomization.yaml"], PATHS, frozenset())) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault: str) -> None:
    change, words = FAULTS[fault]
    found = problems(faulty(change))
    assert len(found) == 1, found
    assert words in found[0]


def test_no_seccomp_profile_is_named_for_every_container() -> None:
    found = problems(faulty(pod(lambda spec: spec["securityContext"].pop("seccompProfile"))))
    assert [text.rpartition(": ")[2] for text in found] == ["runs without a seccomp profile"] * 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda k: k["resources"].append("ghost.yaml"), "ghost.yaml is not a file"),
        (lambda k: k["resources"].remove("service.yaml"), "service.yaml is not applied"),
        (lambda k: k["patches"].append({"path": "ghost.yaml"}), "ghost.yaml is not a file"),
        (lambda k: k["configMapGenerator"][0]["files"].append("ghost"), "ghost is not a file"),
        (lambda k: k["configMapGenerator"][0]["files"].clear(), "support-bot-proxy has no file"),
    ],
)
def test_each_fault_of_the_kustomization_is_named(change: Change, words: str) -> None:
    data = deepcopy(GOOD["kustomization.yaml"])
    change(data)
    (found,) = check_kustomization(data, PATHS, frozenset({"service.yaml"}))
    assert words in found


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ALSO_SCHEMA])
def test_the_schemas_let_these_through(fault: str, tmp_path: Path) -> None:
    """Why the checks are needed at all."""
    others = ("kustomization.yaml", "placement.yaml", "scaling-keda.yaml", "pod-monitor.yaml", "alert-rules.yaml")
    for path, data in faulty(FAULTS[fault][0]).items():
        if path not in others:
            (tmp_path / path).write_text(artefacts.dump(data, ".yaml"), encoding="utf-8")
    run(tool("kubernetes-validate"), "--strict", *sorted(tmp_path.glob("*.yaml")))

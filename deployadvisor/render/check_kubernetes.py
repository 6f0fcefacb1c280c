"""What Kubernetes' schemas let through although it cannot work, or should not: our own checks on ``kubernetes/``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployadvisor.catalog.engines import Engine
from deployadvisor.render.check_images import is_pinned

Data = dict[str, Any]

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"(?P<number>[1-9]\d*)(?P<unit>m|Ki|Mi|Gi|Ti)?")
_MEMORY_UNITS = ("Ki", "Mi", "Gi", "Ti")
_SHARES_THE_NODE = ("hostNetwork", "hostPID", "hostIPC")
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_PROXY_HEALTH = "/health"


def check_kubernetes(files: Mapping[str, Data], engine: Engine, secrets: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Path and fault of everything wrong with the manifests; ``secrets`` are those the user is told to make."""
    resources = {path: data for path, data in files.items() if "spec" in data or "metadata" in data}
    for path, data in resources.items():
        yield from ((path, problem) for problem in _naming_problems(data))
    deployments = {path: data for path, data in resources.items() if _is_whole_deployment(data)}
    for path, data in deployments.items():
        yield from ((path, problem) for problem in _deployment_problems(data, engine))
        yield from ((path, problem) for problem in _reference_problems(data, files, secrets))
    for path, data in resources.items():
        yield from ((path, problem) for problem in _selection_problems(data, list(deployments.values())))
    yield from _claim_problems(resources)


def check_kustomization(data: Data, paths: frozenset[str], resources: frozenset[str]) -> Iterator[str]:
    """Files that are named but not there, and ``resources`` that are there but not named."""
    generated = (path for one in data.get("configMapGenerator", ()) for path in one["files"])
    patches = (one["path"] for one in data.get("patches", ()))
    components = (f"{one}/kustomization.yaml" for one in data.get("components", ()))
    for path in (*data["resources"], *components, *patches, *generated):
        if path not in paths:
            yield f"{path} is not a file of the folder"
    yield from (f"{path} is not applied" for path in sorted(resources - set(data["resources"])))
    for one in data.get("configMapGenerator", ()):
        if not one["files"]:
            yield f"ConfigMap {one['name']} has no file"


def _is_whole_deployment(data: Data) -> bool:
    return data.get("kind") == "Deployment" and "selector" in data["spec"]


def _naming_problems(data: Data) -> Iterator[str]:
    meta = data["metadata"]
    if not _NAME.fullmatch(meta["name"]):
        yield f"{meta['name']!r} is not a DNS label"
    if "namespace" in meta:
        yield "names a namespace, which is the user's to choose"
    for key, value in meta.get("labels", {}).items():
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            yield f"label {key} cannot be {value!r}"


def _deployment_problems(data: Data, engine: Engine) -> Iterator[str]:
    spec = data["spec"]
    pod = spec["template"]["spec"]
    if not _is_part(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
        yield "the selector does not match the labels of its own pods"
    if spec.get("strategy", {}).get("type") != "Recreate" and _surge(spec) != 0:
        yield "an update would need cards for a pod more than the plan has"
    yield from (f"shares {key} with the node" for key in _SHARES_THE_NODE if pod.get(key))
    yield from (
        f"volume {one['name']} is a folder of the node" for one in pod.get("volumes", ()) if "hostPath" in one
    )
    if pod.get("automountServiceAccountToken") is not False:
        yield "hands the pod a token of the cluster"
    longest_wait_s = max((_wait_s(one) for one in pod["containers"]), default=0)
    if longest_wait_s >= pod.get("terminationGracePeriodSeconds", 30):
        yield "the grace period ends before the wait of preStop does"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for problem in _container_problems(container, pod, engine):
            yield f"container {container['name']}: {problem}"


def _surge(spec: Data) -> object:
    return spec.get("strategy", {}).get("rollingUpdate", {}).get("maxSurge")


def _wait_s(container: Data) -> int:
    command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    return int(command[-1])


def _container_problems(container: Data, pod: Data, engine: Engine) -> Iterator[str]:
    if not is_pinned(container["image"]):
        yield f"image {container['image']} is not pinned to a tag"
    yield from _security_problems(container.get("securityContext", {}), pod.get("securityContext", {}))
    yield from _resource_problems(container.get("resources", {}))
    yield from _mount_problems(container, pod)
    ports = {port["name"] for port in container.get("ports", ())} | _numbers(pod)
    for name in _PROBES:
        for problem in _probe_problems(container.get(name), ports, engine):
            yield f"{name} {problem}"


def _numbers(pod: Data) -> set[str | int]:
    """Ports of all containers, which share one address."""
    return {port["containerPort"] for one in pod["containers"] for port in one.get("ports", ())}


def _security_problems(own: Data, of_pod: Data) -> Iterator[str]:
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    if {**of_pod, **own}.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "runs without a seccomp profile"
    if own.get("runAsNonRoot") and not own.get("runAsUser"):
        yield "may not be root and names no other user"


def _resource_problems(resources: Data) -> Iterator[str]:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    yield from (f"requests no {kind}" for kind in ("cpu", "memory") if kind not in requests)
    if "memory" not in limits:
        yield "has no limit of memory"
    for kind, quantity in dict.fromkeys((*requests.items(), *limits.items())):
        yield from quantity_problems(kind, quantity)
    for kind in {*requests, *limits}:
        if "/" in kind and requests.get(kind) != limits.get(kind):
            yield f"requests and limits of {kind} differ"


def quantity_problems(kind: str, quantity: object) -> Iterator[str]:
    """What is wrong with an amount of a resource."""
    match = _QUANTITY.fullmatch(quantity) if isinstance(quantity, str) else None
    unit = match["unit"] if match else None
    right = unit in _MEMORY_UNITS if kind in ("memory", "storage") else unit in (None, "m") and "/" not in kind
    if match is None or not (right or ("/" in kind and unit is None)):
        yield f"{quantity!r} is no quantity of {kind}"


def _mount_problems(container: Data, pod: Data) -> Iterator[str]:
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    mounts = container.get("volumeMounts", ())
    yield from (f"mounts {one['name']}, which is not a volume" for one in mounts if one["name"] not in volumes)
    places = [one["mountPath"] for one in mounts]
    yield from (f"mounts {place} twice" for place in sorted({one for one in places if places.count(one) > 1}))


def _probe_problems(probe: Data | None, ports: set[str | int], engine: Engine) -> Iterator[str]:
    if probe is None:
        return
    asked = probe.get("httpGet") or probe.get("tcpSocket")
    if asked and asked["port"] not in ports:
        yield f"asks port {asked['port']}, which no container names"
    if "httpGet" in probe and probe["httpGet"].get("path") not in (_PROXY_HEALTH, engine.health_path):
        yield f"asks {probe['httpGet'].get('path')}, which is no path of health"
    words = " ".join(probe.get("exec", {}).get("command", ()))
    if "http://" in words and f":{engine.port}{engine.health_path}" not in words:
        yield f"does not ask {engine.health_path} on port {engine.port}"


def _reference_problems(data: Data, files: Mapping[str, Data], secrets: frozenset[str]) -> Iterator[str]:
    pod = data["spec"]["template"]["spec"]
    known = {kind: _names(files, kind) for kind in ("ServiceAccount", "PersistentVolumeClaim")}
    if pod.get("serviceAccountName") not in known["ServiceAccount"]:
        yield f"ServiceAccount {pod.get('serviceAccountName')} is not in the folder"
    made = {one["name"] for file in files.values() for one in file.get("configMapGenerator", ())}
    for volume in pod.get("volumes", ()):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in known["PersistentVolumeClaim"]:
            yield f"PersistentVolumeClaim {claim} is not in the folder"
        config = volume.get("configMap", {}).get("name")
        if config is not None and config not in made:
            yield f"ConfigMap {config} is not in the folder"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for variable in container.get("env", ()):
            yield from _variable_problems(variable, secrets)


def _variable_problems(variable: Data, secrets: frozenset[str]) -> Iterator[str]:
    reference = variable.get("valueFrom", {}).get("secretKeyRef")
    if reference and reference["name"] not in secrets:
        yield f"Secret {reference['name']} is not one that README.md has made"
    if variable["name"].endswith(("KEY", "TOKEN")) and "value" in variable:
        yield f"{variable['name']} stands in the file instead of a Secret"


def _names(files: Mapping[str, Data], kind: str) -> set[str]:
    return {data["metadata"]["name"] for data in files.values() if data.get("kind") == kind}


def _selection_problems(data: Data, deployments: list[Data]) -> Iterator[str]:
    pods = [one["spec"]["template"] for one in deployments]
    spec, kind = data.get("spec", {}), data["kind"]
    wanted = {
        "Service": lambda: spec["selector"],
        "NetworkPolicy": lambda: spec["podSelector"].get("matchLabels", {}),
        "PodDisruptionBudget": lambda: spec["selector"]["matchLabels"],
        "PodMonitor": lambda: spec["selector"]["matchLabels"],
    }.get(kind)
    if wanted and not any(wanted() and _is_part(wanted(), pod["metadata"]["labels"]) for pod in pods):
        yield "selects no pod of the folder"
    opened = [port for pod in pods for one in pod["spec"]["containers"] for port in one.get("ports", ())]
    ports = {port["name"] for port in opened} | {port["containerPort"] for port in opened}
    for port in _named_ports(data):
        if port not in ports:
            yield f"port {port} is not a port of any container"
    if kind == "Service" and spec.get("type", "ClusterIP") != "ClusterIP":
        yield f"opens the cluster to the outside ({spec['type']})"


def _named_ports(data: Data) -> Iterator[str | int]:
    spec = data.get("spec", {})
    if data["kind"] == "Service":
        yield from (str(port.get("targetPort")) for port in spec["ports"])
    if data["kind"] == "NetworkPolicy":
        yield from (port["port"] for rule in spec.get("ingress", ()) for port in rule.get("ports", ()))
    if data["kind"] == "PodMonitor":
        yield from (one["port"] for one in spec["podMetricsEndpoints"])


def _claim_problems(resources: Mapping[str, Data]) -> Iterator[tuple[str, str]]:
    for path, data in resources.items():
        if data.get("kind") == "PersistentVolumeClaim":
            storage = data["spec"]["resources"]["requests"].get("storage")
            yield from ((path, problem) for problem in quantity_problems("storage", storage))


def _is_part(wanted: Data, labels: Data) -> bool:
    return wanted.items() <= labels.items()

"""What KServe's definitions let through although KServe would make something else of it than is meant.

The resources are also turned into the Deployments and the LeaderWorkerSet that KServe makes of them, for the checks
of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployadvisor.catalog.engines import Engine
from deployadvisor.figures import Plan
from deployadvisor.render import lws
from deployadvisor.render.check_compose import strings
from deployadvisor.render.check_kubernetes import quantity_problems
from deployadvisor.render.check_lws import group_problems
from deployadvisor.render.kserve import GO_BRACES, LISTENER, LOCAL_ONLY, NO_FETCH, PRESET, SERVING
from deployadvisor.render.kubernetes_names import llm_service, predictor

Data = dict[str, Any]

_OF_PREDICTOR = ("annotations", "labels", "minReplicas", "maxReplicas", "deploymentStrategy")
_HANDLERS = {"exec", "tcpSocket", "grpc"}
_TEMPLATES = {"home", "dshm", "model-cache", "tmp-dir", "tls-certs"}
"""Volumes of KServe's template for vLLM; a volume of the same name and another kind would be both."""


def check_kserve(files: Mapping[str, Data]) -> Iterator[tuple[str, str]]:
    """Path and fault of every resource of KServe, and of the route to it."""
    checks = {"LLMInferenceService": _llm_problems, "InferenceService": _predictor_problems}
    found = [path for path, data in files.items() if data.get("kind") in checks and _is_whole(data)]
    if len(found) != 1:
        yield "kustomization.yaml", f"{len(found)} resources of KServe serve the model"
    for path in found:
        yield from ((path, problem) for problem in checks[files[path]["kind"]](files[path]))
    for path, data in files.items():
        if data.get("kind") == "HTTPRoute":
            yield from ((path, problem) for problem in _route_problems(data, files))
        if "nameReference" in data:
            yield from ((path, problem) for problem in _reference_problems(data, files))


def check_group(files: Mapping[str, Data], engine: Engine, plan: Plan) -> Iterator[tuple[str, str]]:
    """Path and fault of every service that is to span nodes."""
    for path, data in files.items():
        if data.get("kind") == "LLMInferenceService" and _is_whole(data):
            found = _spread_problems(data, files) if "worker" in data["spec"] else ("has no workers",)
            yield from ((path, problem) for problem in found)
            yield from ((path, problem) for problem in group_problems(_set_of(data), files, engine, plan))


def as_made(files: Mapping[str, Data]) -> dict[str, Data]:
    """The files with what KServe makes in the place of its own resources."""
    made = {"LLMInferenceService": _of_llm, "InferenceService": _of_predictor}
    return {
        path: made[data["kind"]](data) if data.get("kind") in made and _is_whole(data) else data
        for path, data in files.items()
    }


def _is_whole(data: Data) -> bool:
    """Whether it is the resource and not a patch of it."""
    return bool(pod_of(data).get("containers"))


def pod_of(data: Data) -> Data:
    """The pod in a resource of KServe."""
    spec = data["spec"]
    found: Data = spec.get("template") or spec.get("predictor") or {}
    return {key: value for key, value in found.items() if key not in _OF_PREDICTOR}


def _of_llm(data: Data) -> Data:
    if "worker" in data["spec"]:
        return _set_of(data)
    name, spec = data["metadata"]["name"], _from_go(data["spec"])
    pods = {"app.kubernetes.io/name": name, **llm_service(name).answering, **spec.get("labels", {})}
    # KServe leaves no choice of how an update goes: the page says to stop the service first.
    return _deployment(data, pods, {"type": "Recreate"}, pod_of({"spec": spec}))


def _set_of(data: Data) -> Data:
    """The LeaderWorkerSet of a service (workload_multi_node.go), with the defaults of LeaderWorkerSet itself."""
    name, spec = data["metadata"]["name"], _from_go(data["spec"])
    shared = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "llminferenceservice"}
    part = {"app.kubernetes.io/component": "llminferenceservice-workload-leader", **llm_service(name).answering}
    labels = {
        "leaderTemplate": {**shared, **part, **spec.get("labels", {})},
        "workerTemplate": {
            **shared,
            "app.kubernetes.io/component": "llminferenceservice-workload-worker",
            **spec.get("labels", {}),
        },
    }
    pods = {"leaderTemplate": spec["template"], "workerTemplate": spec.get("worker", spec["template"])}
    return {
        "apiVersion": lws.API_VERSION,
        "kind": lws.KIND,
        "metadata": {"name": f"{name}-kserve-mn"},
        "spec": {
            "replicas": spec.get("replicas", 1),
            "startupPolicy": "LeaderCreated",
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "leaderWorkerTemplate": {
                "size": spec.get("parallelism", {}).get("pipeline", 1),
                "restartPolicy": "RecreateGroupOnPodRestart",
                **{part: {"metadata": {"labels": labels[part]}, "spec": pod} for part, pod in pods.items()},
            },
        },
    }


def _of_predictor(data: Data) -> Data:
    spec = data["spec"]["predictor"]
    pods = {**data["metadata"].get("labels", {}), **spec.get("labels", {}), "component": "predictor"}
    return _deployment(data, pods, spec.get("deploymentStrategy", {}), pod_of(data))


def _deployment(data: Data, labels: Data, strategy: Data, pod: Data) -> Data:
    spec = {
        "selector": {"matchLabels": labels},
        "strategy": strategy,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": data["metadata"], "spec": spec}


def _from_go(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_go(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_go(item) for item in value]
    return value.replace(GO_BRACES, "{{") if isinstance(value, str) else value


def _llm_problems(data: Data) -> Iterator[str]:
    spec, pod = data["spec"], pod_of(data)
    if spec.get("storageInitializer", {}).get("enabled") is not False:
        yield "lets KServe fetch the weights a second time"
    if "router" in spec:
        yield "opens a route for every path"
    changing = set(spec.get("labels", {})) - {"app.kubernetes.io/instance"}
    yield from (f"label {key} becomes part of a selector that cannot be changed" for key in sorted(changing))
    if any("{{" in text.replace(GO_BRACES, "") for text in strings(spec)):
        yield "has braces that KServe would run as a Go template"
    engine = pod["containers"][0]
    yield from _first_container_problems(engine, llm_service("").container)
    if not engine.get("command"):
        yield "leaves the command to KServe's template, a shell that reads arguments as commands"
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = engine.get(name, {})
        if "httpGet" not in probe or _HANDLERS & set(probe):
            yield f"{name} would ask twice, since KServe's template asks by HTTP"
        if probe.get("httpGet", {}).get("scheme") != "HTTP":
            yield f"{name} leaves the scheme to KServe's template"
    yield from _template_problems(pod, engine)


def _template_problems(pod: Data, engine: Data) -> Iterator[str]:
    """What would come out mixed with KServe's template."""
    if "runAsNonRoot" not in engine.get("securityContext", {}):
        yield "leaves runAsNonRoot to KServe's template"
    for volume in pod.get("volumes", ()):
        if volume["name"] in _TEMPLATES and set(volume) - {"name", "emptyDir"}:
            yield f"volume {volume['name']} would be of two kinds, since KServe's template has it too"
    if "HF_HUB_CACHE" not in {one["name"] for one in engine.get("env", ())}:
        yield "leaves HF_HUB_CACHE to KServe's template, beside the volume of the weights"


def _spread_problems(data: Data, files: Mapping[str, Data]) -> Iterator[str]:
    """What keeps KServe from making a group, or its pods from starting on several nodes."""
    spec = data["spec"]
    presets = [one for one in files.values() if one.get("kind") == "LLMInferenceServiceConfig"]
    if [one["metadata"]["name"] for one in presets] != [PRESET]:
        yield f"is not made without the preset {PRESET}"
    if spec.get("baseRefs") != [{"name": PRESET}]:
        yield "would not be looked at again when the preset comes after it"
    if any(one.get("spec") != NO_FETCH for one in presets):
        yield "the preset says something to every service of the namespace"
    if set(spec.get("parallelism", {})) & {"data", "dataLocal"}:
        yield "gets KServe's preset for data parallelism, which adds capabilities"
    engine = spec["worker"]["containers"][0]
    if engine["name"] != llm_service("").container or not engine.get("command"):
        yield "leaves the command of its workers to a preset"
    for part in ("template", "worker"):
        volumes = {one["name"]: one for one in spec[part].get("volumes", ())}
        if any("persistentVolumeClaim" in one for one in volumes.values()):
            yield f"the pods of {part} wait for a volume that another node may hold"
        for one in (each["ephemeral"] for each in volumes.values() if "ephemeral" in each):
            requests = one["volumeClaimTemplate"]["spec"]["resources"]["requests"]
            yield from quantity_problems("storage", requests.get("storage"))


def _predictor_problems(data: Data) -> Iterator[str]:
    meta, spec = data["metadata"], data["spec"]["predictor"]
    if not LOCAL_ONLY.items() <= meta.get("labels", {}).items():
        yield "is opened by KServe, since it is not marked as local to the cluster"
    modes = meta.get("annotations", {})
    if modes.get(f"{SERVING}/deploymentMode") != "Standard":
        yield "may become a Knative service, which takes no volumes and no second container"
    if modes.get(f"{SERVING}/autoscalerClass") != "none" or spec.get("minReplicas") != spec.get("maxReplicas"):
        yield "is scaled by processor load, which an engine on cards does not show"
    engine = spec["containers"][0]
    yield from _first_container_problems(engine, predictor("").container)
    if "cpu" not in engine["resources"].get("limits", {}):
        yield "gets the limit of one core that KServe sets where none stands"


def _first_container_problems(engine: Data, wanted: str) -> Iterator[str]:
    if engine["name"] != wanted:
        yield f"the first container is {engine['name']}, and KServe looks for {wanted}"
    if not engine.get("ports"):
        yield "the first container names no port, and KServe sends requests to 8080"


def _route_problems(data: Data, files: Mapping[str, Data]) -> Iterator[str]:
    services = {one["metadata"]["name"]: one["spec"] for one in files.values() if one.get("kind") == "Service"}
    if any(parent.get("sectionName") != LISTENER for parent in data["spec"]["parentRefs"]):
        yield "may be attached to a listener without TLS"
    for rule in data["spec"]["rules"]:
        if any("/v1" not in match.get("path", {}).get("value", "") for match in rule.get("matches", [{}])):
            yield "leads to more than the API"
        for backend in rule["backendRefs"]:
            ports = {port["port"] for port in services.get(backend["name"], {}).get("ports", ())}
            if backend.get("port") not in ports:
                yield f"leads to port {backend.get('port')} of {backend['name']}, which no Service has"


def _reference_problems(data: Data, files: Mapping[str, Data]) -> Iterator[str]:
    """A ConfigMap that Kustomize does not find in a resource keeps a name that nobody has."""
    places = {(field["kind"], field["path"]) for one in data["nameReference"] for field in one["fieldSpecs"]}
    for one in files.values():
        for part in ("template", "worker", "predictor"):
            pod = one.get("spec", {}).get(part, {}) if one.get("kind") in _KINDS else {}
            used = any("configMap" in volume for volume in pod.get("volumes", ()))
            if used and (one["kind"], f"spec/{part}/volumes/configMap/name") not in places:
                yield f"ConfigMaps of {one['kind']} {part} would keep their old names"


_KINDS = ("LLMInferenceService", "InferenceService")

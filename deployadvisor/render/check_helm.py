"""The objects that the chart makes of our values, for the checks of plain manifests.

Only what the checks look at, and only what the chart's templates read: helm/templates of vllm-stack-0.1.12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployadvisor.render.helm import DATA, MODEL, ROUTER

Data = dict[str, Any]

VALUES = "values.yaml"
_STORAGE = "storage"
_WRITTEN_BY_THE_CHART = ("--host", "--port")


def with_chart(files: Mapping[str, Data], name: str) -> dict[str, Data]:
    """The files with the chart's objects in the place of its values."""
    if VALUES not in files:
        return dict(files)
    values = files[VALUES]
    made = {
        VALUES: _engine(values["servingEngineSpec"], name),
        f"{VALUES} (router)": _router(values["routerSpec"], name),
        f"{VALUES} (volume)": _claim(values["servingEngineSpec"]["modelSpec"][0], name),
    }
    return {**files, **made}


def check_values(values: Data) -> Iterator[str]:
    """What the chart would take as something else than is meant."""
    engine, router = values["servingEngineSpec"], values["routerSpec"]
    key = engine.get("vllmApiKey")
    if not isinstance(key, dict) or not key.get("secretName") or not key.get("secretKey"):
        yield "vllmApiKey names no Secret, and the engine would ask for no key"
    if engine.get("runtimeClassName") != "":
        yield "runtimeClassName is left to the chart, which asks for one that many clusters do not have"
    if "release" not in engine.get("labels", {}) or engine["labels"]["release"] == "test":
        yield "labels of the engine are those of the chart, by which routers find engines of other releases"
    if router.get("serviceType") != "ClusterIP" or router.get("ingress") or router.get("route"):
        yield "opens the router, which answers paths without a key"
    for model in engine["modelSpec"]:
        yield from _model_problems(model)


def _model_problems(model: Data) -> Iterator[str]:
    if model.get("enabled") is not True:
        yield "the model is not enabled"
    arguments = model["vllmConfig"].get("extraArgs", ())
    twice = sorted({word for word in arguments if word in _WRITTEN_BY_THE_CHART})
    yield from (f"{word} is given by the chart as well" for word in twice)
    if "lmcacheConfig" in model or model["repository"] == "lmcache/vllm-openai":
        yield "asks for LMCache, which the image of vLLM does not bring"
    if "resources" not in model:
        yield "has no resources, and the chart would ask for its own"


def _labels(name: str, component: str, short: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": short,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
    }


def _deployment(name: str, labels: Data, strategy: Data, pod: Data) -> Data:
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "strategy": strategy, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


def _engine(spec: Data, name: str) -> Data:
    model = spec["modelSpec"][0]
    labels = {**_labels(name, "serving-engine", MODEL), **spec["labels"], **model.get("podLabels", {})}
    storage = {"name": _STORAGE, "mountPath": DATA}
    key = {"secretKeyRef": {"name": spec["vllmApiKey"]["secretName"], "key": spec["vllmApiKey"]["secretKey"]}}
    fetch = model["initContainer"]
    container = {
        "name": "vllm",
        "image": f"{model['repository']}:{model['tag']}",
        "command": ["vllm", "serve", model["modelURL"], *model["vllmConfig"]["extraArgs"]],
        "env": [{"name": "VLLM_API_KEY", "valueFrom": key}, *model["env"]],
        "ports": [{"name": "container-port", "containerPort": spec["containerPort"]}],
        **{probe: spec[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe")},
        "resources": model["resources"],
        "securityContext": spec["containerSecurityContext"],
        "volumeMounts": [storage, *model["extraVolumeMounts"]],
    }
    first = {
        **{part: fetch[part] for part in ("name", "image", "command", "env", "resources")},
        "securityContext": spec["containerSecurityContext"],
        "volumeMounts": [storage, *fetch["extraVolumeMounts"]],
    }
    claim = {"name": _STORAGE, "persistentVolumeClaim": {"claimName": _claim_name(name)}}
    pod = {
        "serviceAccountName": model["serviceAccountName"],
        "automountServiceAccountToken": False,  # said by the account, since the chart says nothing of it
        "securityContext": spec["securityContext"],
        "initContainers": [first],
        "containers": [container],
        "volumes": [claim, *model["extraVolumes"]],
    }
    return _deployment(f"{name}-{MODEL}-deployment-vllm", labels, spec["strategy"], pod)


def _router(spec: Data, name: str) -> Data:
    labels = {**_labels(name, ROUTER, ROUTER), **spec["labels"]}
    container = {
        "name": "router-container",
        "image": f"{spec['repository']}:{spec['tag']}",
        "ports": [{"name": "router-port", "containerPort": spec["containerPort"]}],
        **{probe: spec[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe")},
        "resources": spec["resources"],
        "securityContext": spec["containerSecurityContext"],
    }
    pod = {
        # The chart makes an account that may list pods, and the router needs its token.
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "securityContext": spec["securityContext"],
        "containers": [container],
    }
    return _deployment(f"{name}-deployment-router", labels, {"type": "Recreate"}, pod)


def _claim_name(name: str) -> str:
    return f"{name}-{MODEL}-storage-claim"


def _claim(model: Data, name: str) -> Data:
    spec = {"accessModes": model["pvcAccessMode"], "resources": {"requests": {"storage": model["pvcStorage"]}}}
    meta = {"name": _claim_name(name)}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}

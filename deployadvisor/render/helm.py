"""The folder ``helm/``: values for the chart of vLLM's production stack, and what the chart leaves open around it.

The chart runs engine and router. Both answer some paths without a key, and the router acts with the engine's own key
on two of them, so that a proxy with an allow-list stands before the router and policies shut every other way. Read in
github.com/vllm-project/production-stack at vllm-stack-0.1.12: helm, src/vllm_router.
"""

from __future__ import annotations

from typing import Any

from deployadvisor.render import compose_engine, kubernetes
from deployadvisor.render.arguments import chart_arguments
from deployadvisor.render.kubernetes_names import client_label, scraper_label, secret_name, selector
from deployadvisor.render.kubernetes_network import HTTPS, dns, meta, policy
from deployadvisor.render.kubernetes_pod import (
    ENGINE_FILES,
    container_security,
    engine_environment,
    fetch,
    literal,
    pod_security,
    proxy,
    proxy_volumes,
    resources,
)
from deployadvisor.render.kubernetes_sizes import sizes_of
from deployadvisor.render.view import View

Data = dict[str, Any]

MODEL = "engine"
"""What the chart calls the model in names of objects and in a label."""
DATA = "/data"
"""Where the chart mounts the volume, and the home of the Hugging Face cache."""
PORT = 8000
API_SERVER_PORTS = (HTTPS, 6443)
ROUTER = "router"
_PERIOD_S = 10
_SHARED = "/dev/shm"  # noqa: S108 - inside the container, where NCCL looks
_ROUTER_RESOURCES = {"requests": {"cpu": "400m", "memory": "1000Mi"}, "limits": {"memory": "1000Mi"}}
"""What the chart gives the router by default."""


def values(view: View) -> Data:
    """The values file. Every key is one that the chart's templates read."""
    labels = {"environment": "production", "release": view.cluster_name}
    return {
        "servingEngineSpec": {
            "enableEngine": True,
            # By these the router finds its engines: by the chart's own it would find those of other releases.
            "labels": labels,
            "vllmApiKey": {"secretName": secret_name(view.cluster_name), "secretKey": "API_KEY"},
            "runtimeClassName": "",
            "imagePullPolicy": "IfNotPresent",
            "strategy": kubernetes.strategy(view.advice.plan.replicas),
            "containerPort": PORT,
            "servicePort": 80,
            **_probes(view),
            "securityContext": pod_security(view),
            "containerSecurityContext": _engine_security(view),
            "tolerations": [],
            "modelSpec": [model_spec(view)],
        },
        "routerSpec": router_spec(view),
    }


def model_spec(view: View) -> Data:
    """The one model of the release."""
    plan, sizes = view.advice.plan, sizes_of(view.advice, view.engine)
    repository, tag = _parts(compose_engine.image(view)["image"])
    words = [literal(word) for word in chart_arguments(view.engine, view.served_name, plan)]
    shared = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{sizes.shared_gib}Gi"}}
    files = {"name": ENGINE_FILES, "configMap": {"name": f"{view.cluster_name}-{ENGINE_FILES}"}}
    return {
        "name": MODEL,
        "enabled": True,
        "repository": repository,
        "tag": tag,
        "modelURL": literal(view.weights.in_container),
        "replicaCount": plan.replicas,
        "resources": resources(view, sizes),
        "pvcStorage": f"{sizes.volume_gib}Gi",
        "pvcAccessMode": ["ReadWriteOnce"],
        "serviceAccountName": view.cluster_name,
        "podLabels": {"app.kubernetes.io/version": meta(view)["labels"]["app.kubernetes.io/version"]},
        "vllmConfig": {"enablePrefixCaching": _caches_prefixes(view), "extraArgs": words},
        "env": engine_environment(view, key=False),
        "initContainer": _fetching(view),
        "extraVolumes": [files, *([shared] if sizes.shared_gib else [])],
        "extraVolumeMounts": [{"name": "shm", "mountPath": _SHARED}] if sizes.shared_gib else [],
        "nodeSelectorTerms": [],
        **_beside_its_volume(view),
        **({"pdb": {"enabled": True, "maxUnavailable": 1}} if plan.replicas > 1 else {}),
    }


def _parts(image: str) -> tuple[str, str]:
    """Repository, and tag with the digest where there is one: the chart writes a colon between the two."""
    plain, at, digest = image.partition("@")
    repository, _, tag = plain.rpartition(":")
    return repository, f"{tag}{at}{digest}"


def _caches_prefixes(view: View) -> bool:
    """The chart passes the one flag or the other whatever is said; the engine's own default is on."""
    option = view.engine.flags.get("enable_prefix_caching")
    return option is None or option.disabled_by not in view.advice.plan.flags


def _fetching(view: View) -> Data:
    """The container that fills the volume, as far as the chart passes one on."""
    made = fetch(view, sizes_of(view.advice, view.engine))
    return {
        "name": made["name"],
        "image": made["image"],
        "command": made["command"],
        "env": [*made["env"], {"name": "HF_HOME", "value": DATA}],
        "resources": made["resources"],
        "mountPvcStorage": True,
        "extraVolumeMounts": [one for one in made["volumeMounts"] if one["name"] == ENGINE_FILES],
    }


def _engine_security(view: View) -> Data:
    """The chart's default says that root is welcome, and is merged with what stands here."""
    found = container_security(view, read_only=False)
    return {**found, "runAsNonRoot": found.get("runAsNonRoot", False)}


def _probes(view: View) -> Data:
    health: Data = {"path": view.engine.health_path, "port": PORT}
    failures = -(-sizes_of(view.advice, view.engine).start_s // _PERIOD_S)
    return {
        "startupProbe": _probe(health, failures, timeout_s=_PERIOD_S),
        "livenessProbe": _probe(health, 6, timeout_s=_PERIOD_S),
        "readinessProbe": _probe(health, 3, timeout_s=5),
    }


def _probe(health: Data, failures: int, timeout_s: int) -> Data:
    timing = {"initialDelaySeconds": _PERIOD_S, "periodSeconds": _PERIOD_S, "timeoutSeconds": timeout_s}
    return {**timing, "failureThreshold": failures, "httpGet": health}


def _beside_its_volume(view: View) -> Data:
    if view.advice.plan.replicas == 1:
        return {}
    term = {"labelSelector": {"matchLabels": engine_labels(view)}, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def router_spec(view: View) -> Data:
    """The router: spreads requests over the pods of the engine, which it asks the cluster for."""
    repository, tag = _parts(str(view.versions["router"].image))
    health: Data = {"path": "/health", "port": PORT}
    return {
        "enableRouter": True,
        "repository": repository,
        "tag": tag,
        "imagePullPolicy": "IfNotPresent",
        "replicaCount": 1,
        "containerPort": PORT,
        "servicePort": 80,
        "serviceType": "ClusterIP",
        "serviceDiscovery": "k8s",
        "k8sServiceDiscoveryType": "pod-ip",
        "routingLogic": "roundrobin",
        "labels": {"environment": "production", "release": view.cluster_name},
        "resources": _ROUTER_RESOURCES,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containerSecurityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "startupProbe": _probe(health, 30, timeout_s=5),
        "livenessProbe": _probe(health, 6, timeout_s=5),
        "readinessProbe": _probe(health, 3, timeout_s=5),
    }


# Around the chart


def engine_labels(view: View) -> dict[str, str]:
    """Labels that the chart gives the pods of the engine."""
    return view.workload.pods


def router_labels(view: View) -> dict[str, str]:
    """Labels that the chart gives the pods of the router."""
    return {"app.kubernetes.io/instance": view.cluster_name, "app.kubernetes.io/component": ROUTER}


def proxy_deployment(view: View) -> Data:
    """The door: checks the key, passes inference paths to the router and nothing else."""
    name = view.cluster_name
    found = meta(view, "-proxy")
    pod = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": sizes_of(view.advice, view.engine).drain_s + 30,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [proxy(view)],
        "volumes": proxy_volumes(view),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": found,
        "spec": {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": selector(name)},
            "template": {"metadata": {"labels": found["labels"]}, "spec": pod},
        },
    }


def proxy_policy(view: View) -> Data:
    """In: labelled pods, at the API or at the router's metrics. Out: names, and the router."""
    way = {"to": [_pods(router_labels(view))], "ports": _tcp(PORT)}
    coming = {"from": [_pods(client_label(view.cluster_name))], "ports": _tcp("http")}
    reading = {"from": [_pods(scraper_label(view.cluster_name))], "ports": _tcp("metrics")}
    return policy(view, "", view.workload.answering, ingress=[coming, reading], egress=[dns(), way])


def router_policy(view: View) -> Data:
    """In: the proxy. Out: names, the engine, and the API server that says where its pods are."""
    coming = {"from": [_pods(view.workload.answering)], "ports": _tcp(PORT)}
    way = {"to": [_pods(engine_labels(view))], "ports": _tcp(PORT)}
    return policy(
        view,
        "-router",
        router_labels(view),
        ingress=[coming],
        egress=[dns(), way, {"ports": _tcp(*API_SERVER_PORTS)}],
    )


def engine_policy(view: View) -> Data:
    """In: the router, and whoever may read metrics. Out: names only."""
    peers = [_pods(router_labels(view)), _pods(scraper_label(view.cluster_name))]
    coming = {"from": peers, "ports": _tcp(PORT)}
    return policy(view, "-engine", engine_labels(view), ingress=[coming], egress=[dns()])


def _pods(labels: dict[str, str]) -> Data:
    return {"podSelector": {"matchLabels": labels}}


def _tcp(*ports: int | str) -> list[Data]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def kustomization(view: View) -> Data:
    """Ties together what goes around the chart; the chart knows the names of the ConfigMaps, so they keep them."""
    tied = {key: value for key, value in kubernetes.kustomization(view).items() if key != "patches"}
    return {**tied, "generatorOptions": {"disableNameSuffixHash": True}}

"""The folder ``lws/``: one copy of the model over several nodes, as a LeaderWorkerSet.

Each group has a pod a node. The first holds the engine's API behind the proxy, the others only compute. The engines'
own processes find each other, without Ray. Read in github.com/kubernetes-sigs/lws at v0.10.0: api/leaderworkerset/v1,
pkg/utils/pod, pkg/controllers; github.com/vllm-project/vllm/pull/23691 for vLLM's flags.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deployadvisor.catalog.engines import PlanField
from deployadvisor.render import kubernetes
from deployadvisor.render.kubernetes_names import LEADER, ROLE, WORKER
from deployadvisor.render.kubernetes_network import meta, policy
from deployadvisor.render.kubernetes_pod import (
    PROXY_CONFIG,
    engine_container,
    pod_template,
    pod_with,
    proxy,
    volumes,
)
from deployadvisor.render.kubernetes_sizes import Sizes, sizes_of
from deployadvisor.render.spanning import OWN_ADDRESS, leaders_address, words_for
from deployadvisor.render.view import View

Data = dict[str, Any]

KIND = "LeaderWorkerSet"
API_VERSION = "leaderworkerset.x-k8s.io/v1"
LEADER_ADDRESS, WORKER_INDEX = "$(LWS_LEADER_ADDRESS)", "$(LWS_WORKER_INDEX)"
"""Variables that LeaderWorkerSet gives to every container; Kubernetes fills them in where arguments name them."""

_PORT = 29501
_WEIGHTS = "weights"
PART_OF_PROXY = (PROXY_CONFIG, "proxy-config", "proxy-data")
"""Volumes that only a pod with the proxy has."""
_OF_WHAT_ANSWERS = ("startupProbe", "livenessProbe", "readinessProbe", "ports")


def leader_worker_set(view: View) -> Data:
    """One group for each replica. A failed pod takes its group with it: no part can go on without the others."""
    plan = view.advice.plan
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": _named(view),
        "spec": {
            "replicas": plan.replicas,
            "startupPolicy": "LeaderCreated",
            # The old group ends first: there are no cards for a new one beside it.
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "leaderWorkerTemplate": {
                "size": plan.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "volumeClaimTemplates": [_claim(view)],
                "leaderTemplate": _template(view, LEADER),
                "workerTemplate": _template(view, WORKER),
            },
        },
    }


def _named(view: View) -> Data:
    """Its own Service, by which the pods find each other, has its name, so the project's Service has another."""
    return {**meta(view), "name": view.workload.resource.partition("/")[2]}


def _claim(view: View) -> Data:
    """A volume for each pod: common storage classes attach one to a single node, and none needs to be shared."""
    storage = kubernetes.storage(view)["spec"]
    return {"metadata": {"name": _WEIGHTS}, "spec": storage}


def _template(view: View, role: str) -> Data:
    template, sizes = pod_template(view), sizes_of(view.advice, view.engine)
    shown = template["metadata"] if role == LEADER else {"labels": template["metadata"]["labels"]}
    engine = in_group(view, engine_container(view, sizes), role)
    containers = [engine, *([proxy(view)] if role == LEADER else [])]
    hidden = {_WEIGHTS, *(PART_OF_PROXY if role == WORKER else ())}
    mounted = [one for one in volumes(view, sizes) if one["name"] not in hidden]
    return {
        "metadata": {**shown, "labels": {**shown["labels"], ROLE: role}},
        "spec": pod_with(view, containers, mounted),
    }


def in_group(view: View, engine: Data, role: str) -> Data:
    """The engine of one node, told its place; only the leader answers, so only it is asked whether it lives."""
    sizes = sizes_of(view.advice, view.engine)
    address = OWN_ADDRESS.get(view.engine.id)
    own = {"name": address, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} if address else None
    told = {
        **engine,
        "args": [*engine["args"], *_place(view, sizes, role)],
        "env": [*engine["env"], *([own] if own else [])],
    }
    if role == WORKER:
        return {key: value for key, value in told.items() if key not in _OF_WHAT_ANSWERS}
    probe = engine["startupProbe"]
    # The leader is up when all are, and the slowest may still be fetching its weights.
    patience = probe["failureThreshold"] + -(-sizes.fetch_s // probe["periodSeconds"])
    return {**told, "startupProbe": {**probe, "failureThreshold": patience}}


def _place(view: View, sizes: Sizes, role: str) -> Iterator[str]:
    """Arguments that make one engine of several: how many, which one this is, and where the first is."""
    values: dict[PlanField, object] = {
        "executor": "mp",
        "nodes": view.advice.plan.nodes,
        "node_rank": WORKER_INDEX,
        "leader": leaders_address(view.engine, LEADER_ADDRESS, _PORT),
        "leader_port": _PORT,
        "group_timeout": sizes.fetch_s + sizes.start_s,
        "headless": role == WORKER,
    }
    return words_for(view.engine, values)


def group_policy(view: View) -> Data:
    """Lets the pods of the project talk to each other at any port: engines choose theirs when they start."""
    peers = [{"podSelector": {"matchLabels": view.workload.pods}}]
    return policy(view, "-group", ingress=[{"from": peers}], egress=[{"to": peers}])


def placement(view: View) -> Data:
    """The one file for what only the cluster's owner knows: labels of the nodes, taints to tolerate."""
    empty: Data = {"spec": {"nodeSelector": {}, "tolerations": []}}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": _named(view)["name"]},
        "spec": {"leaderWorkerTemplate": {"leaderTemplate": empty, "workerTemplate": empty}},
    }


def names(view: View) -> Data:  # noqa: ARG001 - every builder is called alike
    """Where the set names ConfigMaps, which Kustomize renames at every change of their files."""
    parts = ("leaderTemplate", "workerTemplate")
    path = "spec/leaderWorkerTemplate/{part}/spec/volumes/configMap/name"
    fields = [{"kind": KIND, "path": path.format(part=part)} for part in parts]
    return {"nameReference": [{"kind": "ConfigMap", "version": "v1", "fieldSpecs": fields}]}


def kustomization(view: View) -> Data:
    """Ties the files together."""
    return {**kubernetes.kustomization(view), "configurations": ["names.yaml"]}

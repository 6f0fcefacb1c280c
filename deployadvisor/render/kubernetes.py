"""The folder ``kubernetes/``: plain manifests without a namespace, tied together for ``kubectl apply -k``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from deployadvisor.render.addresses import Addresses
from deployadvisor.render.arguments import planned_value
from deployadvisor.render.kubernetes_names import selector
from deployadvisor.render.kubernetes_network import meta
from deployadvisor.render.kubernetes_pod import ENGINE_FILES, PROXY_CONFIG, pod_template
from deployadvisor.render.kubernetes_sizes import sizes_of
from deployadvisor.render.loaded import PEOPLE_S, has_place, is_closed, is_loaded
from deployadvisor.render.manifest import FileEntry
from deployadvisor.render.view import View

Data = dict[str, Any]

KUSTOMIZATION = "kustomization.yaml"
PLACEMENT = "placement.yaml"
REGISTRY = "registry"
"""Folder of the component that puts the registry of a closed cluster before the names of images."""

NOT_APPLIED = (
    KUSTOMIZATION,
    PLACEMENT,
    "scaling-keda.yaml",
    "pod-monitor.yaml",
    "router-monitor.yaml",
    "alert-rules.yaml",
    "names.yaml",
    "route.yaml",
    "route-ingress.yaml",
    "values.yaml",
    f"{REGISTRY}/{KUSTOMIZATION}",
)
"""Files beside those that are applied: what ties them together, a patch, and what waits for a decision."""

_PROMETHEUS = "http://prometheus-operated.monitoring.svc:9090"


def deployment(view: View) -> Data:
    """The replicas of the plan. An update ends old pods first, because no cards are left for new ones beside them."""
    plan, sizes = view.advice.plan, sizes_of(view.advice, view.engine)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(view),
        "spec": {
            "replicas": plan.replicas,
            "strategy": strategy(plan.replicas),
            # Otherwise a rollout counts as failed after ten minutes, while the weights are still being fetched.
            "progressDeadlineSeconds": (PEOPLE_S if is_loaded(view) else sizes.fetch_s) + sizes.start_s,
            "selector": {"matchLabels": selector(view.cluster_name)},
            "template": pod_template(view),
        },
    }


def strategy(replicas: int) -> Data:
    """How an update goes where no cards are left beside those in use."""
    one_by_one = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return one_by_one if replicas > 1 else {"type": "Recreate"}


def storage(view: View) -> Data:
    """The volume of the weights, in the cluster's default storage class."""
    size = f"{sizes_of(view.advice, view.engine).volume_gib}Gi"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": meta(view, "-weights"),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def service_account(view: View) -> Data:
    """An identity of its own that may do nothing."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(view),
        "automountServiceAccountToken": False,
    }


def disruption_budget(view: View) -> Data | None:
    """Nodes are drained one replica at a time; with a single replica a budget could only forbid or do nothing."""
    if view.advice.plan.replicas == 1:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(view),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": view.workload.answering}},
    }


def placement(view: View) -> Data:
    """The one file for what only the cluster's owner knows: labels of the nodes, taints to tolerate."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": view.cluster_name},
        "spec": {"template": {"spec": {"nodeSelector": {}, "tolerations": []}}},
    }


def scaling(view: View) -> Data | None:
    """For KEDA: as few replicas as hold the requests in flight, so that idle cards can serve somebody else.

    Running requests count as well as waiting ones; with the queue alone, the replica that empties it would be taken
    away at once. None where there is one replica, no gauge, or no limit on what one replica runs.
    """
    plan = view.advice.plan
    limit = planned_value(view.engine, "max_concurrency", plan)
    if plan.replicas == 1 or limit is None or not view.layout.in_flight or not Addresses(view).metrics_port:
        return None
    total = " + ".join(f'sum({gauge}{{pod=~"{view.cluster_name}-.*"}})' for gauge in view.layout.in_flight)
    prometheus = {"serverAddress": _PROMETHEUS, "query": total, "threshold": limit}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta(view),
        "spec": {
            "scaleTargetRef": {"name": view.cluster_name},
            "minReplicaCount": 1,
            "maxReplicaCount": plan.replicas,
            "triggers": [{"type": "prometheus", "metricType": "AverageValue", "metadata": prometheus}],
        },
    }


def kustomization(view: View) -> Data:
    """Ties the files together; files that containers read become ConfigMaps, and a change of one a rollout."""
    files = _files(view)
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [_inside(one, view) for one in files if _is_resource(one, view)],
        **({"components": [REGISTRY]} if is_closed(view.serving, view.advice) else {}),
        "patches": [{"path": PLACEMENT}],
        "configMapGenerator": [
            {"name": f"{view.cluster_name}-{part}", "files": _members(files, part, view)}
            for part in (PROXY_CONFIG, ENGINE_FILES)
        ],
    }


def _files(view: View) -> list[FileEntry]:
    entries = view.serving.files if view.serving else ()
    fits = (one for one in entries if not one.engines or view.engine.id in one.engines)
    wanted = (one for one in fits if has_place(one, view))
    return [one for one in wanted if PurePosixPath(one.path).is_relative_to(folder_of(view))]


def folder_of(view: View) -> PurePosixPath:
    """The folder of the manifests, named after the target."""
    return PurePosixPath(view.serving.id if view.serving else "kubernetes")


def _inside(entry: FileEntry, view: View) -> str:
    return str(PurePosixPath(entry.path).relative_to(folder_of(view)))


def _members(files: list[FileEntry], part: str, view: View) -> list[str]:
    return [inside for inside in (_inside(one, view) for one in files) if inside.startswith(f"{part}/")]


def _is_resource(entry: FileEntry, view: View) -> bool:
    left_out = entry.data == "kubernetes_disruption" and disruption_budget(view) is None
    return entry.data is not None and _inside(entry, view) not in NOT_APPLIED and not left_out

"""What a Prometheus of the cluster's operator reads: where the metrics are, and when somebody is called.

Two files that are applied by hand, because a cluster without the operator knows neither kind. Fields as read in
github.com/prometheus-operator/prometheus-operator, Documentation/api-reference/api.md (2026-11-28).
"""

from __future__ import annotations

from typing import Any

from deployadvisor.render import monitoring
from deployadvisor.render.kubernetes_network import meta
from deployadvisor.render.view import View

Data = dict[str, Any]

API_VERSION = "monitoring.coreos.com/v1"
CHART_PORT = "container-port"
"""What the chart of the production stack calls the engine's port: helm/templates/_helpers.tpl."""
_INSTANCE = "app.kubernetes.io/instance"
"""Label of every pod that says which deployment it belongs to."""


def pod_monitor(view: View) -> Data | None:
    """Every pod that hands out metrics, by its name: its address changes with each start."""
    if monitoring.exported(view) is None:
        return None
    # Behind the chart's router the engine shows its metrics itself, and each pod of Ray has what runs in it.
    without_proxy = view.behind_router or view.on_ray
    pods = view.workload.pods if without_proxy else view.workload.answering
    return _monitor(view, meta(view), pods, CHART_PORT if view.behind_router else "metrics")


def router_monitor(view: View) -> Data | None:
    """The metrics of the chart's router, which the proxy hands out: its own port has paths that act without a key."""
    if monitoring.exported(view) is None:
        return None
    # The router uses names of the engine for numbers of its own, so that its job must be another.
    job = {"action": "replace", "targetLabel": "job", "replacement": monitoring.router_job(view)}
    return _monitor(view, meta(view, "-router"), view.workload.answering, "metrics", job)


def _monitor(view: View, metadata: Data, pods: dict[str, str], port: str, *changes: Data) -> Data:
    named = {"action": "replace", "sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "instance"}
    scraped = {
        "port": port,
        "path": view.engine.metrics_path,
        "interval": "15s",
        "relabelings": [named, *changes],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "PodMonitor",
        "metadata": metadata,
        "spec": {
            "jobLabel": _INSTANCE,
            "selector": {"matchLabels": pods},
            "podMetricsEndpoints": [scraped],
        },
    }


def alert_rules(view: View) -> Data | None:
    """The same rules as elsewhere, as an object of the cluster."""
    rules = monitoring.alert_rules(view)
    if rules is None:
        return None
    return {"apiVersion": API_VERSION, "kind": "PrometheusRule", "metadata": meta(view), "spec": rules}

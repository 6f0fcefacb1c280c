"""Who reaches the pods and whom they reach: a Service inside the cluster and policies that shut everything else."""

from __future__ import annotations

from typing import Any

from deployadvisor.render.addresses import Addresses
from deployadvisor.render.kubernetes_names import client_label, labels, scraper_label
from deployadvisor.render.view import View

Data = dict[str, Any]

SERVICE_PORT = 80
HTTPS, _DNS = 443, 53
_NODE_LOCAL_DNS = "169.254.20.10"  # where NodeLocal DNSCache listens on every node


def meta(view: View, suffix: str = "") -> Data:
    """Name and labels of an object."""
    engine = view.engine
    version = view.advice.plan.engine_version or engine.version
    return {"name": view.cluster_name + suffix, "labels": labels(view.cluster_name, engine.id, version)}


def service(view: View) -> Data:
    """Reaches the proxies, from inside the cluster only."""
    ports = [{"name": "http", "port": SERVICE_PORT, "targetPort": "http"}]
    metrics_port = Addresses(view).metrics_port
    if metrics_port:
        ports.append({"name": "metrics", "port": metrics_port, "targetPort": "metrics"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(view),
        "spec": {"type": "ClusterIP", "selector": view.workload.answering, "ports": ports},
    }


def network_policy(view: View) -> Data:
    """In: labelled pods, at the proxy. Out: names only, so that a prompt cannot leave by way of the engine."""
    name = view.cluster_name
    ingress = [_from(client_label(name), "http")]
    if Addresses(view).metrics_port or view.on_ray:
        ingress.append(_from(scraper_label(name), "metrics"))
    return policy(view, "", ingress=ingress, egress=[dns()])


def fetch_egress(view: View) -> Data:
    """Adds the way to the weights. Policies add up, so deleting this one shuts the way again."""
    return policy(view, "-fetch-egress", egress=[{"ports": [{"protocol": "TCP", "port": HTTPS}]}])


def policy(view: View, suffix: str, pods: dict[str, str] | None = None, **rules: list[Data]) -> Data:
    """A policy for all pods of the engine, or for others."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(view, suffix),
        "spec": {
            "podSelector": {"matchLabels": pods or view.workload.pods},
            "policyTypes": [direction.capitalize() for direction in rules],
            **rules,
        },
    }


def _from(wanted: Data, port: str) -> Data:
    return {"from": [{"podSelector": {"matchLabels": wanted}}], "ports": [{"protocol": "TCP", "port": port}]}


def dns() -> Data:
    """The way to the names of the cluster."""
    pods: Data = {"namespaceSelector": {}}
    node: Data = {"ipBlock": {"cidr": f"{_NODE_LOCAL_DNS}/32"}}
    return {"to": [pods, node], "ports": [{"protocol": protocol, "port": _DNS} for protocol in ("UDP", "TCP")]}

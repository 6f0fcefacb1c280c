"""Names of Kubernetes objects, and the labels by which they find one another."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from deployadvisor.documents import stays_text

POD_PROXY_PORT = 8900
POD_METRICS_PORT = 8901
"""Ports of the proxy in a pod, which no engine of the catalogue takes."""

KSERVE_PORT = 8000
"""Where KServe sends requests to in a pod; an engine that would be there makes room for the proxy."""

ROLE, LEADER, WORKER = "role", "leader", "worker"
"""Label of the pods of a group, and its values."""

_LONGEST = 40
"""Leaves room within the 63 signs of a DNS label for what is added: ``-fetch-egress``, the hash of a ConfigMap."""


def dns_label(text: str) -> str:
    """A DNS label (RFC 1035) for any text. What a label cannot hold is told apart by a digest.

    Two projects must not get the same name: the second would replace the first in its namespace.

    >>> dns_label("Support bot"), dns_label("9 lives")
    ('support-bot', 'llm-9-lives')
    >>> dns_label("客服") == dns_label("法务")
    False
    >>> dns_label("No")
    'llm-no'
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    plain = "-".join(words)
    whole = plain if plain[:1].isalpha() else f"llm-{plain}".rstrip("-")
    # In a chart's template the name stands bare, where "no" would be no text.
    whole = whole if stays_text(whole) else f"llm-{whole}"
    lost = re.search(r"[^\x00-\x7f]", text) is not None or len(whole) > _LONGEST or not plain
    if not lost:
        return whole
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{whole[: _LONGEST - 9].rstrip('-')}-{digest}"


def selector(name: str) -> dict[str, str]:
    """Labels that pick the pods of this deployment; a selector can never be changed, so it holds nothing that may."""
    return {"app.kubernetes.io/name": "llm", "app.kubernetes.io/instance": name}


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes and runs the pods of a deployment, and how they are told from others."""

    resource: str
    """The object that is applied, as kubectl is told it."""
    runs: str
    """The object that runs the pods."""
    container: str
    """The engine's container."""
    pods: dict[str, str]
    """Labels of all its pods."""
    answering: dict[str, str]
    """Labels of the pods that answer requests."""

    @property
    def log(self) -> str:
        """Command that prints the engine's log."""
        return f"kubectl logs {self.runs} -c {self.container}"

    @property
    def inside(self) -> str:
        """Start of a command that runs in the engine's container."""
        return f"kubectl exec {self.runs} -c {self.container} --"

    @property
    def kind(self) -> str:
        """The kind of the object that is applied."""
        return self.resource.partition("/")[0]


def deployment(name: str) -> Workload:
    """A plain Deployment."""
    return Workload(f"deploy/{name}", f"deploy/{name}", "engine", selector(name), selector(name))


def predictor(name: str) -> Workload:
    """The Deployment that KServe makes of an InferenceService; its pods have the labels of the service."""
    made = f"deploy/{name}-predictor"
    return Workload(f"inferenceservice/{name}", made, "kserve-container", selector(name), selector(name))


def llm_service(name: str) -> Workload:
    """The Deployment that KServe makes of an LLMInferenceService, whose pods have labels of KServe's own."""
    pods = {"app.kubernetes.io/part-of": "llminferenceservice", "app.kubernetes.io/instance": name}
    answering = {**pods, "kserve.io/component": "workload"}
    return Workload(f"llminferenceservice/{name}", f"deploy/{name}-kserve", "main", pods, answering)


def llm_group(name: str) -> Workload:
    """The LeaderWorkerSet that KServe makes of an LLMInferenceService with workers; its leader has the label too."""
    one = llm_service(name)
    return Workload(one.resource, f"pod/{name}-kserve-mn-0", one.container, one.pods, one.answering)


def stack(name: str) -> Workload:
    """What the chart of vLLM's production stack makes of a release, behind a proxy of ours."""
    made = f"deploy/{name}-engine-deployment-vllm"
    pods = {"app.kubernetes.io/instance": name, "app.kubernetes.io/component": "serving-engine"}
    return Workload(made, made, "vllm", pods, selector(name))


def group(name: str) -> Workload:
    """A LeaderWorkerSet, whose own Service takes its name: the project's Service needs another."""
    own = f"{name}-group"
    answering = {**selector(name), ROLE: LEADER}
    return Workload(f"leaderworkerset/{own}", f"pod/{own}-0", "engine", selector(name), answering)


def ray_cluster(name: str) -> Workload:
    """A RayService: the head answers, and the Service is the one steady name of it."""
    answering = {**selector(name), ROLE: LEADER}
    return Workload(f"rayservice/{name}", f"svc/{name}", "ray-head", selector(name), answering)


def workload(target: str, engine_id: str, name: str, nodes: int) -> Workload:
    """What a target makes of an engine on one node or several."""
    if target == "kserve":
        llm = llm_group if nodes > 1 else llm_service
        return llm(name) if engine_id == "vllm" else predictor(name)
    return {"helm": stack, "lws": group, "kuberay": ray_cluster}.get(target, deployment)(name)


def labels(name: str, engine_id: str, version: str) -> dict[str, str]:
    """Labels of every object."""
    shown = {"app.kubernetes.io/component": engine_id.replace("_", "-"), "app.kubernetes.io/version": version}
    return {**selector(name), **shown}


def client_label(name: str) -> dict[str, str]:
    """Label of pods in the same namespace that may call the service."""
    return {f"{name}-client": "true"}


def scraper_label(name: str) -> dict[str, str]:
    """Label of pods in the same namespace that may read the metrics."""
    return {f"{name}-metrics": "true"}


def secret_name(name: str) -> str:
    """The Secret with the key of the clients, which the user makes."""
    return f"{name}-keys"


def hub_secret_name(name: str) -> str:
    """The Secret with the token for models that ask for a login; it may be missing."""
    return f"{name}-hub-token"

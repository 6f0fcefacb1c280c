"""The folder ``kserve/``: the pod of the target ``kubernetes``, handed to KServe as one of its own resources.

vLLM becomes an LLMInferenceService, every other engine the custom predictor of an InferenceService. Both get the
whole command line, so that nothing between the plan and the engine rewrites a flag; what KServe adds to a pod is
answered here. Read in github.com/kserve/kserve at v0.20.0: pkg/controller, config/llmisvcconfig.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from deployadvisor.render import kubernetes, lws
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.kubernetes_names import LEADER, WORKER
from deployadvisor.render.kubernetes_network import SERVICE_PORT, meta, policy
from deployadvisor.render.kubernetes_pod import LLM_HOME, pod_template, user_of
from deployadvisor.render.view import View

Data = dict[str, Any]

SERVING = "serving.kserve.io"
LOCAL_ONLY = {"networking.kserve.io/visibility": "cluster-local"}
"""Label that keeps KServe from opening an Ingress or a route."""
GATEWAY = {"name": "kserve-ingress-gateway", "namespace": "kserve"}
"""KServe's own Gateway, as its configuration names it unless that was changed."""
GATEWAY_PODS = {f"{SERVING}/gateway": GATEWAY["name"]}
LISTENER = "https"
GO_BRACES = "{{`{{`}}"
"""Two opening braces, as KServe's Go templates write them."""

PRESET = "kserve-config-llm-worker-pipeline-parallel"
"""What KServe merges into every service with workers and a pipeline, and does not bring along.

Looked for in the service's own namespace first: combineBaseRefsConfig and getConfig of config_merge.go.
"""
NO_FETCH: Data = {"storageInitializer": {"enabled": False}}

_NO_LIMIT = "1024"
"""KServe limits a predictor without a limit to one core; this is more than any node has."""
_HTTP = "http"
_WEIGHTS = "weights"
_OF_A_GROUP, _OF_ONE_NODE = ("worker-preset.yaml", "group-policy.yaml"), ("storage.yaml",)
"""Files that there are only over several nodes, or only on one."""


def llm_inference_service(view: View) -> Data:
    """For vLLM. Everything in it is a Go template to KServe, so braces are written for one."""
    plan, pod = view.advice.plan, llm_pod(view)
    # KServe would put them on the pods of workers too, which hand out no metrics.
    annotations = pod_template(view)["metadata"].get("annotations", {}) if plan.nodes == 1 else {}
    spec = {
        # Only told: the weights come from the volume that the container "fetch" fills.
        "model": {"uri": f"hf://{quote(view.weights.name)}", "name": view.served_name},
        **NO_FETCH,
        "replicas": plan.replicas,
        # Labels here become part of a selector that can never be changed.
        "labels": {"app.kubernetes.io/instance": view.cluster_name},
        "annotations": {**annotations, f"{SERVING}/model-based-routing-enabled": "false"},
        **({"template": pod} if plan.nodes == 1 else _group(view, pod)),
    }
    whole = {
        "apiVersion": f"{SERVING}/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": meta(view),
        "spec": spec,
    }
    return dict(for_go(whole))


def _group(view: View, pod: Data) -> Data:
    """The pods of several nodes, of which KServe makes a LeaderWorkerSet."""
    engine, proxy = pod["containers"]
    mounted = [_own_volume(view) if one["name"] == _WEIGHTS else one for one in pod["volumes"]]
    leader = {**pod, "containers": [lws.in_group(view, engine, LEADER), proxy], "volumes": mounted}
    without_proxy = [one for one in mounted if one["name"] not in lws.PART_OF_PROXY]
    worker = {**pod, "containers": [lws.in_group(view, engine, WORKER)], "volumes": without_proxy}
    return {
        # KServe merges it unasked, but looks again when it comes late only where it is named.
        "baseRefs": [{"name": PRESET}],
        # Groups of this size; how the engines share the model is what their flags say.
        "parallelism": {"pipeline": view.advice.plan.nodes},
        "template": leader,
        "worker": worker,
    }


def _own_volume(view: View) -> Data:
    """A volume that lives as long as its pod: a service has no fields for volumes that stay with a node."""
    return {"name": _WEIGHTS, "ephemeral": {"volumeClaimTemplate": {"spec": kubernetes.storage(view)["spec"]}}}


def worker_preset(view: View) -> Data | None:
    """The preset for workers, with nothing in it that a service of this folder does not say itself.

    Every service with workers in the namespace gets it, so that it names no project.
    """
    if view.advice.plan.nodes == 1:
        return None
    return {
        "apiVersion": f"{SERVING}/v1alpha2",
        "kind": "LLMInferenceServiceConfig",
        "metadata": {"name": PRESET},
        "spec": NO_FETCH,
    }


def storage(view: View) -> Data | None:
    """The one volume that the pods of one node share."""
    return kubernetes.storage(view) if view.advice.plan.nodes == 1 else None


def group_policy(view: View) -> Data | None:
    """Lets the pods of several nodes talk to each other."""
    return lws.group_policy(view) if view.advice.plan.nodes > 1 else None


def inference_service(view: View) -> Data:
    """For the other engines: a Deployment of a fixed number of replicas that KServe opens to nobody."""
    plan, template, named = view.advice.plan, pod_template(view), meta(view)
    modes = {f"{SERVING}/deploymentMode": "Standard", f"{SERVING}/autoscalerClass": "none"}
    return {
        "apiVersion": f"{SERVING}/v1beta1",
        "kind": "InferenceService",
        "metadata": {**named, "labels": {**named["labels"], **LOCAL_ONLY}, "annotations": modes},
        "spec": {
            "predictor": {
                "annotations": template["metadata"].get("annotations", {}),
                "minReplicas": plan.replicas,
                "maxReplicas": plan.replicas,
                "deploymentStrategy": kubernetes.strategy(plan.replicas),
                **predictor_pod(view),
            }
        },
    }


def predictor_pod(view: View) -> Data:
    """The pod of a custom predictor."""
    pod = _for_kserve(view)
    engine, *others = pod["containers"]
    resources = engine["resources"]
    limits = {**resources["limits"], "cpu": _NO_LIMIT}
    return {**pod, "containers": [{**engine, "resources": {**resources, "limits": limits}}, *others]}


def llm_pod(view: View) -> Data:
    """The pod of vLLM, so that it comes out right on top of KServe's template for it, field by field."""
    pod = _for_kserve(view)
    engine, *others = pod["containers"]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        # The template's probes ask by HTTP; a probe of another kind would be a second question in the same probe.
        engine = {**engine, name: {**_timing(engine[name]), "httpGet": _health(_HTTP)}}
    engine = {
        **engine,
        # The template starts vLLM through a shell that would read the arguments as commands.
        "command": list(view.layout.on_host.program if view.layout.on_host else ()),
        "env": [*engine["env"], {"name": "HF_HUB_CACHE", "value": f"{LLM_HOME}/.cache/huggingface/hub"}],
        "securityContext": {**engine["securityContext"], "runAsNonRoot": user_of(view) is not None},
        "volumeMounts": [{"name": "home", "mountPath": LLM_HOME}, *engine["volumeMounts"]],
    }
    return {**pod, "containers": [engine, *others], "volumes": [*pod["volumes"], {"name": "home", "emptyDir": {}}]}


def _for_kserve(view: View) -> Data:
    """The pod with the proxy's port at the engine's container, where KServe looks for what answers."""
    pod = pod_template(view)["spec"]
    engine, proxy = pod["containers"]
    (http,) = (one for one in proxy["ports"] if one["name"] == _HTTP)
    ready, port = proxy["readinessProbe"], Addresses(view).proxy_port
    engine = {
        **engine,
        "name": view.workload.container,
        "ports": [{**http, "protocol": "TCP"}],
        "readinessProbe": {**_timing(ready), "httpGet": _health(_HTTP)},
    }
    others = [other for other in proxy["ports"] if other is not http]
    proxy = {
        **{key: value for key, value in proxy.items() if key != "ports"},
        **({"ports": others} if others else {}),
        "readinessProbe": {**_timing(ready), "httpGet": _health(port)},
        "livenessProbe": {**proxy["livenessProbe"], "tcpSocket": {"port": port}},
    }
    return {**pod, "containers": [engine, proxy]}


def _timing(probe: Data) -> Data:
    return {key: value for key, value in probe.items() if key not in ("exec", "httpGet", "tcpSocket")}


def _health(port: str | int) -> Data:
    return {"path": "/health", "port": port, "scheme": "HTTP"}


def for_go(value: Any) -> Any:
    """Data in which every text comes out of KServe's Go templates as it went in.

    >>> for_go({"a": ["{{ 7 }}", 1]})
    {'a': ['{{`{{`}} 7 }}', 1]}
    """
    if isinstance(value, dict):
        return {key: for_go(item) for key, item in value.items()}
    if isinstance(value, list):
        return [for_go(item) for item in value]
    return value.replace("{{", GO_BRACES) if isinstance(value, str) else value


def placement(view: View) -> Data:
    """The one file for what only the cluster's owner knows: labels of the nodes, taints to tolerate."""
    empty: Data = {"nodeSelector": {}, "tolerations": []}
    llm = view.engine.id == "vllm"
    return {
        "apiVersion": f"{SERVING}/{'v1alpha2' if llm else 'v1beta1'}",
        "kind": "LLMInferenceService" if llm else "InferenceService",
        "metadata": {"name": view.cluster_name},
        "spec": dict.fromkeys(_parts(view) if llm else ("predictor",), empty),
    }


def _parts(view: View) -> tuple[str, ...]:
    """Fields of an LLMInferenceService that hold a pod."""
    return ("template",) if view.advice.plan.nodes == 1 else ("template", "worker")


def names(view: View) -> Data:
    """Where the resources of KServe name ConfigMaps, which Kustomize renames at every change of their files."""
    places = [("InferenceService", "predictor"), *(("LLMInferenceService", part) for part in _parts(view))]
    fields = [{"kind": kind, "path": f"spec/{part}/volumes/configMap/name"} for kind, part in places]
    return {"nameReference": [{"kind": "ConfigMap", "version": "v1", "fieldSpecs": fields}]}


def kustomization(view: View) -> Data:
    """Ties the files together that there are."""
    tied = kubernetes.kustomization(view)
    absent = _OF_A_GROUP if view.advice.plan.nodes == 1 else _OF_ONE_NODE
    applied = [path for path in tied["resources"] if path not in absent]
    return {**tied, "resources": applied, "configurations": ["names.yaml"]}


def route(view: View) -> Data:
    """The way in through KServe's Gateway, for inference only and for TLS only; not applied by itself."""
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", **GATEWAY, "sectionName": LISTENER}
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"}}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{view.cluster_name}/v1"}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        "backendRefs": [{"name": view.cluster_name, "port": SERVICE_PORT}],
        # Zero is no limit: a long answer takes minutes.
        "timeouts": {"request": "0s", "backendRequest": "0s"},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": meta(view),
        "spec": {"parentRefs": [parent], "rules": [rule]},
    }


def route_ingress(view: View) -> Data:
    """Lets the pods of KServe's Gateway in, in whichever namespace they run; goes with the route."""
    peer: Data = {"namespaceSelector": {}, "podSelector": {"matchLabels": GATEWAY_PODS}}
    return policy(view, "-route", ingress=[{"from": [peer], "ports": [{"protocol": "TCP", "port": _HTTP}]}])

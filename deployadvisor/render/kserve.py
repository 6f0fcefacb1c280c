"""The folder ``kserve/``: the pod of the target ``kubernetes``, handed to KServe as one of its own resources.

vLLM becomes an LLMInferenceService, every other engine the custom predictor of an InferenceService. Both get the
whole command line, so that nothing between the plan and the engine rewrites a flag; what KServe adds to a pod is
answered here. Read in github.com/kserve/kserve at v0.20.0: pkg/controller, config/llmisvcconfig.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from deployadvisor.render import kubernetes
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

_NO_LIMIT = "1024"
"""KServe limits a predictor without a limit to one core; this is more than any node has."""
_HTTP = "http"


def llm_inference_service(view: View) -> Data:
    """For vLLM. Everything in it is a Go template to KServe, so braces are written for one."""
    plan, pod = view.advice.plan, llm_pod(view)
    annotations = pod_template(view)["metadata"].get("annotations", {})
    spec = {
        # Only told: the weights come from the volume that the container "fetch" fills.
        "model": {"uri": f"hf://{quote(view.weights.name)}", "name": view.served_name},
        "storageInitializer": {"enabled": False},
        "replicas": plan.replicas,
        # Labels here become part of a selector that can never be changed.
        "labels": {"app.kubernetes.io/instance": view.cluster_name},
        "annotations": {**annotations, f"{SERVING}/model-based-routing-enabled": "false"},
        "template": pod,
    }
    whole = {
        "apiVersion": f"{SERVING}/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": meta(view),
        "spec": spec,
    }
    return dict(for_go(whole))


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
    (http,) = (port for port in proxy["ports"] if port["name"] == _HTTP)
    ready = proxy["readinessProbe"]
    engine = {
        **engine,
        "name": view.workload.container,
        "ports": [{**http, "protocol": "TCP"}],
        "readinessProbe": {**_timing(ready), "httpGet": _health(_HTTP)},
    }
    others = [port for port in proxy["ports"] if port is not http]
    proxy = {
        **{key: value for key, value in proxy.items() if key != "ports"},
        **({"ports": others} if others else {}),
        "readinessProbe": {**_timing(ready), "httpGet": _health(view.proxy_port)},
        "livenessProbe": {**proxy["livenessProbe"], "tcpSocket": {"port": view.proxy_port}},
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
        "spec": {"template" if llm else "predictor": empty},
    }


def names(view: View) -> Data:  # noqa: ARG001 - every builder is called alike
    """Where the resources of KServe name ConfigMaps, which Kustomize renames at every change of their files."""
    places = {"InferenceService": "spec/predictor", "LLMInferenceService": "spec/template"}
    fields = [{"kind": kind, "path": f"{place}/volumes/configMap/name"} for kind, place in places.items()]
    return {"nameReference": [{"kind": "ConfigMap", "version": "v1", "fieldSpecs": fields}]}


def kustomization(view: View) -> Data:
    """Ties the files together."""
    return {**kubernetes.kustomization(view), "configurations": ["names.yaml"]}


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

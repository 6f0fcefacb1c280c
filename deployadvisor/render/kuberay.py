"""The folder ``kuberay/``: one copy of the model over several nodes, as a RayService.

Ray Serve LLM starts vLLM on the cards of a Ray cluster that KubeRay makes: a head without cards, and a worker a node.
Its HTTP port has no key, so it listens on loopback and the proxy stands in front of it in the head's pod. Ray's own
ports run whatever they are sent, so they ask for a token and are shut to other pods. Read in
github.com/ray-project/kuberay at feeaf72 (ray-operator) and in the wheel of ray 2.56.0 (ray.serve.schema, ray.llm).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from deployadvisor.catalog.engines import PlanField
from deployadvisor.errors import RenderError
from deployadvisor.render import kubernetes
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.compose_engine import SETUP
from deployadvisor.render.dumping import dump
from deployadvisor.render.kubernetes_names import LEADER, ROLE, WORKER, labels
from deployadvisor.render.kubernetes_network import meta, policy
from deployadvisor.render.kubernetes_pod import ENGINE_FILES, PROXY_CONFIG, hub_token, literal, proxy
from deployadvisor.render.kubernetes_sizes import Sizes, sizes_of
from deployadvisor.render.view import View

Data = dict[str, Any]

KIND, API_VERSION = "RayService", "ray.io/v1"
DASHBOARD_PORT = 8265
METRICS_PORT = 8080
"""Where KubeRay has Ray hand out metrics in every pod, under the name ``metrics``, which policies need to know."""
OPERATOR = {"app.kubernetes.io/name": "kuberay-operator"}
"""Label of the operator's pods, as its Helm chart sets it."""
KWARGS: tuple[PlanField, ...] = (
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "max_model_len",
    "max_concurrency",
    "memory_share",
    "dtype",
    "kv_dtype",
    "enable_prefix_caching",
    "trust_remote_code",
    "tool_choice",
    "tool_parser",
    "reasoning_parser",
)
"""Fields of the plan whose flags are also fields of EngineArgs or FrontendArgs in the vLLM of this Ray."""

_UID, _GID, _HOME = 1000, 100, "/home/ray"
"""User of Ray's images: docker/base-deps/Dockerfile of github.com/ray-project/ray."""
_WEIGHTS, _SHARED = "weights", "shm"
_HEAD_MEMORY, _HEAD_CORES = "8Gi", "2"
"""Of the head in ray-operator/config/samples/ray-service.high-throughput-llm.yaml."""
_OBJECT_STORE_BYTES = 2 * 2**30
"""Ray would take a third of the memory for objects, of which serving makes few."""
_GRACE_S = 60
_METRICS: Data = {"name": "metrics", "containerPort": METRICS_PORT}


def ray_service(view: View) -> Data:
    """The whole service. An update does not start a second cluster, for which there would be no cards."""
    ray = view.versions["ray"]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": meta(view),
        "spec": {
            "upgradeStrategy": {"type": "None"},
            # KubeRay would ask the head's HTTP port from outside the pod, where nobody hears it.
            "excludeHeadPodFromServeSvc": True,
            "serveConfigV2": dump(serve_config(view), ".yaml"),
            "rayClusterConfig": {
                "rayVersion": ray.version,
                "authOptions": {"mode": "token"},
                "headGroupSpec": {
                    "rayStartParams": {"num-cpus": "0", "num-gpus": "0", **_metrics_port()},
                    "template": _template(view, LEADER, _head(view), _head_volumes(view)),
                },
                "workerGroupSpecs": [_workers(view)],
            },
        },
    }


def serve_config(view: View) -> Data:
    """What Ray Serve runs: one application that speaks the OpenAI API."""
    plan = view.advice.plan
    model = {
        "model_loading_config": {"model_id": view.served_name, "model_source": view.weights.name},
        "engine_kwargs": engine_arguments(view),
        "deployment_config": {"num_replicas": plan.replicas},
    }
    return {
        "http_options": {"host": "127.0.0.1", "port": Addresses(view).engine_listens},
        "applications": [
            {
                "name": "llm",
                "import_path": "ray.serve.llm:build_openai_app",
                "route_prefix": "/",
                "args": {"llm_configs": [model]},
            }
        ],
    }


def engine_arguments(view: View) -> Data:
    """The plan's flags as the fields of the engine that they set; raises RenderError for one that Ray's has not."""
    plan, found = view.advice.plan, {}
    for flag, value in pairwise((*plan.flags, "")):
        if flag.startswith("--"):
            name, setting = _argument(view, flag, value)
            found[name] = setting
    return found


def _argument(view: View, flag: str, value: str) -> tuple[str, object]:
    for field in KWARGS:
        option = view.engine.flags[field]
        if flag in option.flags:
            name = option.names[0].removeprefix("--").replace("-", "_")
            return name, (flag in option.names) if option.kind == "switch" else _typed(value)
    raise RenderError(f"the vLLM of Ray {view.versions['ray'].version} is not known to have {flag}")


def _typed(value: str) -> object:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


# Pods


def _template(view: View, role: str, pod: Data, volumes: list[Data]) -> Data:
    """Labels of the project on the pods of Ray, which KubeRay makes under names of its own."""
    shown = labels(view.cluster_name, view.engine.id, view.versions["vllm"].version)
    return {
        "metadata": {"labels": {**shown, ROLE: role}},
        "spec": {
            "serviceAccountName": view.cluster_name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE_S,
            "securityContext": {
                "seccompProfile": {"type": "RuntimeDefault"},
                "fsGroup": _GID,
                "fsGroupChangePolicy": "OnRootMismatch",
            },
            **pod,
            "volumes": volumes,
        },
    }


def _workers(view: View) -> Data:
    """A worker a node; Ray packs the processes of a replica onto as few of them as hold it."""
    plan, sizes = view.advice.plan, sizes_of(view.advice, view.engine)
    count = plan.nodes * plan.replicas
    return {
        "groupName": "cards",
        "replicas": count,
        "minReplicas": count,
        "maxReplicas": count,
        "rayStartParams": {"object-store-memory": str(_OBJECT_STORE_BYTES), **_metrics_port()},
        "template": _template(view, WORKER, _worker(view, sizes), _worker_volumes(view, sizes)),
    }


def _head(view: View) -> Data:
    ports = [
        {"name": "gcs-server", "containerPort": 6379},
        {"name": "dashboard", "containerPort": DASHBOARD_PORT},
        {"name": "client", "containerPort": 10001},
        _METRICS,
    ]
    resources = {"requests": {"cpu": _HEAD_CORES, "memory": _HEAD_MEMORY}, "limits": {"memory": _HEAD_MEMORY}}
    ray = {"name": view.workload.container, **_ray(view), "ports": ports, "resources": resources}
    return {"containers": [ray, proxy(view)]}


def _worker(view: View, sizes: Sizes) -> Data:
    memory, cards = f"{sizes.memory_gib}Gi", {"nvidia.com/gpu": str(sizes.cards)}
    resources = {
        "requests": {"cpu": str(sizes.cores), "memory": memory, **cards},
        "limits": {"memory": memory, **cards},
    }
    mounts = [_weights_mount(), {"name": _SHARED, "mountPath": "/dev/shm"}]  # noqa: S108 - inside the container
    ray = {"name": "ray-worker", **_ray(view), "ports": [_METRICS], "resources": resources, "volumeMounts": mounts}
    return {"initContainers": [_fetch(view, sizes)], "containers": [ray]}


def _metrics_port() -> dict[str, str]:
    return {"metrics-export-port": str(METRICS_PORT)}


def _ray(view: View) -> Data:
    """Image, variables and rights of a container of Ray; KubeRay adds the command, the token and the probes."""
    values = {
        "HOME": _HOME,
        "RAY_USAGE_STATS_ENABLED": "0",
        **view.layout.environment,
        **view.layout.offline,
        **view.advice.plan.environment,
    }
    return {"image": view.versions["ray"].image, "env": _plain(values), "securityContext": _security()}


def _fetch(view: View, sizes: Sizes) -> Data:
    """Fetches the weights onto the worker's own volume before Ray starts there."""
    values = {"HOME": _HOME, "NVIDIA_VISIBLE_DEVICES": "void", "MODEL_ID": view.weights.name}
    requests = {"cpu": str(sizes.cores), "memory": f"{sizes.memory_gib}Gi"}
    return {
        "name": "fetch",
        "image": view.versions["ray"].image,
        "command": ["python", f"{SETUP}/fetch.py"],
        "env": [*_plain(values), hub_token(view)],
        "resources": {"requests": requests, "limits": {"memory": requests["memory"]}},
        "securityContext": _security(),
        "volumeMounts": [_weights_mount(), {"name": ENGINE_FILES, "mountPath": SETUP}],
    }


def _plain(values: dict[str, str]) -> list[Data]:
    return [{"name": name, "value": literal(value)} for name, value in values.items()]


def _security() -> Data:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": False,
        "runAsNonRoot": True,
        "runAsUser": _UID,
        "runAsGroup": _GID,
    }


def _weights_mount() -> Data:
    return {"name": _WEIGHTS, "mountPath": f"{_HOME}/.cache/huggingface"}


def _head_volumes(view: View) -> list[Data]:
    empty: list[Data] = [{"name": name, "emptyDir": {}} for name in ("proxy-config", "proxy-data")]
    return [_config(view, PROXY_CONFIG), *empty]


def _worker_volumes(view: View, sizes: Sizes) -> list[Data]:
    """The weights' volume lives as long as the pod: KubeRay has no volumes that stay with a worker."""
    claim = kubernetes.storage(view)["spec"]
    shared = {"medium": "Memory", "sizeLimit": f"{sizes.shared_gib}Gi"}
    return [
        {"name": _WEIGHTS, "ephemeral": {"volumeClaimTemplate": {"spec": claim}}},
        _config(view, ENGINE_FILES),
        {"name": _SHARED, "emptyDir": shared},
    ]


def _config(view: View, part: str) -> Data:
    return {"name": part, "configMap": {"name": f"{view.cluster_name}-{part}"}}


# Around the pods


def operator_policy(view: View) -> Data:
    """Lets the operator tell the head what to serve, from whichever namespace it runs in; Ray wants its token."""
    peer: Data = {"namespaceSelector": {}, "podSelector": {"matchLabels": OPERATOR}}
    return policy(view, "-operator", ingress=[{"from": [peer], "ports": [{"protocol": "TCP", "port": "dashboard"}]}])


def placement(view: View) -> list[Data]:  # noqa: ARG001 - every builder is called alike
    """The one file for what only the cluster's owner knows: labels of the nodes with cards, taints to tolerate.

    A patch of single fields, because a patch that names the list of workers would replace all of it.
    """
    pod = "/spec/rayClusterConfig/workerGroupSpecs/0/template/spec"
    values: Data = {"nodeSelector": {}, "tolerations": []}
    return [{"op": "add", "path": f"{pod}/{name}", "value": value} for name, value in values.items()]


def names(view: View) -> Data:  # noqa: ARG001 - every builder is called alike
    """Where the service names ConfigMaps, which Kustomize renames at every change of their files."""
    fields = [{"kind": KIND, "path": path} for path in _config_places()]
    return {"nameReference": [{"kind": "ConfigMap", "version": "v1", "fieldSpecs": fields}]}


def _config_places() -> Iterator[str]:
    for part in ("headGroupSpec", "workerGroupSpecs"):
        yield f"spec/rayClusterConfig/{part}/template/spec/volumes/configMap/name"


def kustomization(view: View) -> Data:
    """Ties the files together."""
    patch = {"path": kubernetes.PLACEMENT, "target": {"kind": KIND, "name": view.cluster_name}}
    return {**kubernetes.kustomization(view), "patches": [patch], "configurations": ["names.yaml"]}

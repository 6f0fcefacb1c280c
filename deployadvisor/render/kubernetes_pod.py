"""The pod: weights come first, then the engine runs on loopback beside the proxy that checks the key."""

from __future__ import annotations

from typing import Any

from deployadvisor.catalog.image_digests import without_digest
from deployadvisor.render import compose_engine
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.compose_proxy import NOBODY
from deployadvisor.render.kubernetes_names import hub_secret_name, labels, secret_name
from deployadvisor.render.kubernetes_sizes import Sizes, sizes_of
from deployadvisor.render.layout import User
from deployadvisor.render.loaded import (
    by_tag,
    finds_its_file,
    is_closed,
    is_loaded,
    makes_a_model,
    offline_of,
    store_of,
    waiting,
)
from deployadvisor.render.view import View
from deployadvisor.render.weights import IN_CONTAINER

Data = dict[str, Any]

PROXY_CONFIG, ENGINE_FILES = "proxy", "engine"
"""ConfigMaps, named after the deployment with this added, and the volumes they become."""

_ENGINE_FILES_MOUNT = {"name": ENGINE_FILES, "mountPath": compose_engine.SETUP}

_RESOURCE = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
_ROOT_HOME = "/root"
LLM_HOME = "/home"
"""Where KServe's template for vLLM mounts an empty volume."""

_SHARED = "/dev/shm"  # noqa: S108 - inside the container, where NCCL looks
_PERIOD_S = 10
_SHUT_DOWN_S = 30  # what an engine gets to end after its last answer: the default grace period of Kubernetes
_ENDPOINTS_S = 10  # until no node sends new requests to a pod that ends
_PROXY_RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}


def pod_template(view: View) -> Data:
    """Labels and specification of one pod."""
    name, engine = view.cluster_name, view.engine
    annotations = {"annotations": _scraping(view)} if Addresses(view).metrics_port else {}
    version = view.advice.plan.engine_version or engine.version
    return {"metadata": {"labels": labels(name, engine.id, version), **annotations}, "spec": _pod(view)}


def _pod(view: View) -> Data:
    whole = whole_pod(view)
    return by_tag(whole) if is_closed(view.serving, view.advice) else whole


def whole_pod(view: View) -> Data:
    """The pod with its images as the catalogue pins them."""
    sizes = sizes_of(view.advice, view.engine)
    return pod_with(view, [engine_container(view, sizes), proxy(view)], volumes(view, sizes))


def pod_with(view: View, containers: list[Data], mounted: list[Data]) -> Data:
    """A pod that gets its weights before its containers start."""
    sizes = sizes_of(view.advice, view.engine)
    return {
        "serviceAccountName": view.cluster_name,
        "automountServiceAccountToken": False,
        # A Service called like the engine would otherwise set variables such as VLLM_PORT.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": sizes.drain_s + _ENDPOINTS_S + _SHUT_DOWN_S,
        "securityContext": pod_security(view),
        **_beside_its_volume(view),
        "initContainers": _brings_weights(view, sizes),
        "containers": containers,
        "volumes": mounted,
    }


def _brings_weights(view: View, sizes: Sizes) -> list[Data]:
    """What fetches the weights, or waits until somebody has loaded them; Ollama makes its model of a loaded file."""
    if not is_loaded(view):
        return [fetch(view, sizes)]
    security = container_security(view, read_only=True)
    mounts = [{"name": "weights", "mountPath": str(IN_CONTAINER)}, _ENGINE_FILES_MOUNT]
    waits = waiting(view.versions["caddy"].image, compose_engine.SETUP, security, mounts)
    makes = {**fetch(view, sizes), "name": "create", "volumeMounts": mounts} if makes_a_model(view) else None
    return [waits, makes] if makes else [waits]


def _scraping(view: View) -> Data:
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(Addresses(view).metrics_port),
        "prometheus.io/path": str(view.engine.metrics_path),
    }


def _beside_its_volume(view: View) -> Data:
    """Replicas share one volume, which most storage classes attach to one node only; a group shares none."""
    if view.advice.plan.replicas == 1 or view.advice.plan.nodes > 1:
        return {}
    term = {"labelSelector": {"matchLabels": view.workload.answering}, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def user_of(view: View) -> User | None:
    """The user without privileges in the plan's image, where it is known to have one."""
    user = view.layout.user
    return user if user and without_digest(compose_engine.image(view)["image"]) in user.images else None


def pod_security(view: View) -> Data:
    """What holds for all containers of the pod."""
    user = user_of(view)
    seccomp = {"seccompProfile": {"type": "RuntimeDefault"}}
    # The volume belongs to root; the group makes it writable, once and not at every start.
    group = {"fsGroup": user.uid, "fsGroupChangePolicy": "OnRootMismatch"} if user else {}
    return {**seccomp, **group}


def container_security(view: View, *, read_only: bool) -> Data:
    """What a container of the engine may do."""
    user = user_of(view)
    person = {"runAsNonRoot": True, "runAsUser": user.uid} if user else {}
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": read_only,
        **person,
    }


def engine_container(view: View, sizes: Sizes) -> Data:
    """The engine, alone in its pod or with the proxy."""
    arguments = compose_engine.command(view).get("command", [])
    return {
        "name": "engine",
        **compose_engine.image(view),
        **({"command": ["sh", f"{compose_engine.SETUP}/start.sh"]} if finds_its_file(view) else {}),
        **({"args": [literal(word) for word in arguments]} if arguments else {}),
        "env": engine_environment(view),
        "resources": resources(view, sizes),
        "startupProbe": _probe(view, failures=-(-sizes.start_s // _PERIOD_S)),
        "livenessProbe": _probe(view, period_s=30, failures=4),
        # Answers that have begun are finished: the proxy takes no new ones by then.
        "lifecycle": _wait(_ENDPOINTS_S + sizes.drain_s),
        "securityContext": container_security(view, read_only=view.layout.read_only),
        "volumeMounts": [
            _weights_mount(view),
            *([_ENGINE_FILES_MOUNT] if finds_its_file(view) else []),
            *_scratch_mounts(view),
            *_shared_mount(sizes),
        ],
    }


def _probe(view: View, *, failures: int, period_s: int = _PERIOD_S) -> Data:
    """Asks the engine in its own container: outside it is not heard, and the proxy would hide which of them died."""
    command = compose_engine.healthcheck(view)["test"][1:]
    return {
        "exec": {"command": command},
        "periodSeconds": period_s,
        "timeoutSeconds": _PERIOD_S,
        "failureThreshold": failures,
        # An engine that does not answer has nothing to finish.
        "terminationGracePeriodSeconds": _SHUT_DOWN_S,
    }


def _wait(seconds: int) -> Data:
    return {"preStop": {"exec": {"command": ["sleep", str(seconds)]}}}


def resources(view: View, sizes: Sizes) -> Data:
    """Memory is reserved whole; the processor is not limited, since a throttled engine stalls every card."""
    memory = f"{sizes.memory_gib}Gi"
    cards = {_RESOURCE[view.cards.vendor]: str(sizes.cards)} if sizes.cards else {}
    return {"requests": {"cpu": str(sizes.cores), "memory": memory, **cards}, "limits": {"memory": memory, **cards}}


def engine_environment(view: View, *, key: bool = True) -> list[Data]:
    """Variables of the engine, with its key unless somebody else sets that."""
    layout, plan = view.layout, view.advice.plan
    values = {**_home(view), **layout.environment, **layout.offline, **plan.environment, **offline_of(view)}
    if view.engine.id == "ollama":
        values["OLLAMA_HOST"] = f"127.0.0.1:{Addresses(view).engine_listens}"
    name = view.engine.api_key.name if view.engine_checks_key and key else None
    return [*_plain(values), *([_client_key(view, name)] if name else [])]


def home_of(view: View) -> str | None:
    """Where the engine is at home, or None where that is root's home; KServe's template covers all of /home."""
    if view.workload.container == "main":
        return LLM_HOME
    user = user_of(view)
    return user.home if user else None


def _home(view: View) -> dict[str, str]:
    home = home_of(view)
    return {"HOME": home} if home else {}


def _plain(values: dict[str, str]) -> list[Data]:
    return [{"name": name, "value": literal(value)} for name, value in values.items()]


def _client_key(view: View, variable: str) -> Data:
    reference = {"name": secret_name(view.cluster_name), "key": "API_KEY"}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def hub_token(view: View) -> Data:
    """The token for gated models, which may be missing."""
    reference = {"name": hub_secret_name(view.cluster_name), "key": "HF_TOKEN", "optional": True}
    return {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}}


def literal(text: str) -> str:
    """Text that Kubernetes hands on as it is: in arguments and values it replaces ``$(NAME)`` and halves ``$$``.

    >>> literal("$(API_KEY)")
    '$$(API_KEY)'
    """
    return text.replace("$", "$$")


def fetch(view: View, sizes: Sizes) -> Data:
    """Fetches the weights, or makes the Ollama model, before the engine starts; what is there stays."""
    service = compose_engine.fetch_service(view) or {}
    variables = dict(service.get("environment", {}))
    token = [hub_token(view)] if variables.pop("HF_TOKEN", None) else []
    # Images built on CUDA ask for all cards, also for a container that was given none.
    hidden = {"NVIDIA_VISIBLE_DEVICES": "void"} if view.cards.vendor == "nvidia" else {}
    # Costs nothing: a pod is charged for its first or its other containers, whichever ask for more.
    requests = {"cpu": str(sizes.cores), "memory": f"{sizes.memory_gib}Gi"}
    return {
        "name": "fetch",
        "image": service["image"],
        "command": service["entrypoint"],
        "env": [*_plain({**_home(view), **hidden, **variables, **store_of(view)}), *token],
        "resources": {"requests": requests, "limits": {"memory": requests["memory"]}},
        "securityContext": container_security(view, read_only=False),
        "volumeMounts": [_weights_mount(view), _ENGINE_FILES_MOUNT],
    }


def proxy(view: View) -> Data:
    """The container that checks the key."""
    uid = int(NOBODY.partition(":")[0])
    address = Addresses(view)
    ports = [{"name": "http", "containerPort": address.proxy_port}]
    if address.metrics_port:
        ports.append({"name": "metrics", "containerPort": address.metrics_port})
    return {
        "name": "proxy",
        "image": view.versions["caddy"].image,
        "env": [_client_key(view, "API_KEY")],
        "ports": ports,
        "resources": _PROXY_RESOURCES,
        "readinessProbe": {
            "httpGet": {"path": "/health", "port": "http"},
            "periodSeconds": _PERIOD_S,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 20, "failureThreshold": 3},
        "lifecycle": _wait(_ENDPOINTS_S),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            # Caddy's binary carries this file capability and cannot be started where the capability is taken away.
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": uid,
        },
        "volumeMounts": [
            {"name": PROXY_CONFIG, "mountPath": "/etc/caddy"},
            {"name": "proxy-config", "mountPath": "/config"},
            {"name": "proxy-data", "mountPath": "/data"},
        ],
    }


def _weights_mount(view: View) -> Data:
    """The volume at the place where Compose has it, in the home of whoever runs the engine.

    Weights that were loaded are not the engine's to change.
    """
    if is_loaded(view):
        return {"name": "weights", "mountPath": str(IN_CONTAINER), "readOnly": True}
    place = str(compose_engine.weights_mount(view)["target"])
    home = home_of(view)
    if home and place.startswith(f"{_ROOT_HOME}/"):
        place = home + place.removeprefix(_ROOT_HOME)
    return {"name": "weights", "mountPath": place}


def _scratch_mounts(view: View) -> list[Data]:
    if not view.layout.read_only:
        return []
    return [{"name": _scratch_name(path), "mountPath": path} for path in compose_engine.SCRATCH]


def _scratch_name(path: str) -> str:
    return path.strip("/").replace("/", "-")


def _shared_mount(sizes: Sizes) -> list[Data]:
    return [{"name": "shm", "mountPath": _SHARED}] if sizes.shared_gib else []


def volumes(view: View, sizes: Sizes) -> list[Data]:
    """Everything that the pod's containers mount."""
    name = view.cluster_name
    files = {"name": ENGINE_FILES, "configMap": {"name": f"{name}-{ENGINE_FILES}"}}
    shared = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{sizes.shared_gib}Gi"}}
    return [
        {"name": "weights", "persistentVolumeClaim": {"claimName": f"{name}-weights"}},
        files,
        *({"name": mount["name"], "emptyDir": {}} for mount in _scratch_mounts(view)),
        *proxy_volumes(view),
        *([shared] if sizes.shared_gib else []),
    ]


def proxy_volumes(view: View) -> list[Data]:
    """The configuration of the proxy, and what it writes."""
    config = {"name": PROXY_CONFIG, "configMap": {"name": f"{view.cluster_name}-{PROXY_CONFIG}"}}
    return [config, *({"name": one, "emptyDir": {}} for one in ("proxy-config", "proxy-data"))]

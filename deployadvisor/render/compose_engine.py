"""The engine's own services: the one that answers, one a replica, and the one that fetches the weights first."""

from __future__ import annotations

from typing import Any

from deployadvisor.catalog.image_digests import with_digest
from deployadvisor.driver_gate import build_for
from deployadvisor.errors import RenderError
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.arguments import container_arguments, pod_arguments
from deployadvisor.render.interpolation import optional, required
from deployadvisor.render.layout import image_refusal
from deployadvisor.render.view import View
from deployadvisor.render.weights import IN_CONTAINER

Data = dict[str, Any]

INSIDE, OUTSIDE = "inside", "outside"
"""The network of the engine, without internet, and the one with it."""

ALIAS = "engines"
"""Name that stands for all replicas, for a proxy that asks the network who they are."""

WEIGHTS_VOLUME = "weights"
SETUP = "/setup"
"""Where files of the bundle that a container runs are mounted."""

_IMAGE_FOR = {"amd": "rocm", "none": "cpu", "nvidia": "cuda"}
SCRATCH = ("/tmp", "/run")  # noqa: S108 - inside the container
_LOADING = "30m"  # large checkpoints load, compile and warm up for this long before the health check counts


def engine_service(view: View, index: int) -> Data:
    """The service of replica ``index``."""
    return {
        **image(view),
        **command(view),
        "environment": environment(view, index),
        "volumes": mounts(view),
        "networks": {INSIDE: {"aliases": [ALIAS]}} if Addresses(view).asks_for_replicas else [INSIDE],
        **_waits_for_fetch(view),
        "healthcheck": healthcheck(view),
        **cards(view, index),
        **hardening(read_only=view.layout.read_only),
    }


def image(view: View) -> Data:
    """The pinned image, or how to build it where the project publishes none."""
    engine = view.engine
    lacking = image_refusal(engine, view.cards.vendor)
    if lacking:
        raise RenderError(lacking)
    if engine.image is None:
        return {"image": f"deployadvisor-{engine.id}:{engine.version}", "build": {"context": "./engine"}}
    variant = _IMAGE_FOR.get(view.cards.vendor, "")
    own = _image_for_the_plan(view) if view.cards.vendor == "nvidia" else None
    return {"image": with_digest(own or engine.image_variants.get(variant, engine.image))}


def _image_for_the_plan(view: View) -> str | None:
    """The image of the earlier version that the model needs, or of the build that the cards need."""
    engine, plan = view.engine, view.advice.plan
    earlier = next((one.image for one in engine.earlier if one.version == plan.engine_version), None)
    build = build_for(engine, view.cards.compute_capability)
    return earlier or (build.image if build else None)


def command(view: View) -> Data:
    """The command line of the engine; engines that are set up by variables have none."""
    if not view.engine.flags:
        return {}
    told = (view.engine, view.layout, view.weights, view.served_name, view.advice.plan)
    if view.in_pod:
        return {"command": pod_arguments(*told, Addresses(view).engine_listens)}
    return {"command": container_arguments(*told)}


def environment(view: View, index: int = 0) -> Data:
    """Variables: the layout's, the plan's, switches that keep the engine offline, and keys by reference."""
    values: Data = {**view.layout.environment, **view.layout.offline, **view.advice.plan.environment}
    key = view.engine.api_key
    # Engines that take the key only as a flag get none: it would show in process lists and `docker inspect`, and
    # only the proxy, which checks it, can reach them.
    if view.engine_checks_key and key.name:
        values[key.name] = required("API_KEY")
    if view.cards.vendor == "amd":
        values["ROCR_VISIBLE_DEVICES"] = ",".join(card_numbers(view, index))
    return values


def mounts(view: View) -> list[Data]:
    """Local weights, or the volume they are fetched into, and caches that must survive a restart."""
    found = [weights_mount(view)]
    found += [volume(name, path) for name, path in view.layout.caches.items()]
    return [mount for mount in found if mount]


def weights_mount(view: View) -> Data:
    """Where the engine finds its weights."""
    weights, engine = view.weights, view.engine
    if weights.is_local and engine.id != "ollama":
        return bind(weights.name, weights.in_container)
    if view.layout.fetch == "gguf":
        return volume(WEIGHTS_VOLUME, str(IN_CONTAINER))
    return volume(WEIGHTS_VOLUME, view.layout.cache_path or engine.cache_path or "/root/.cache")


def healthcheck(view: View) -> Data:
    """Asks the engine itself, with what its image has on board; loading is given time."""
    url = f"http://127.0.0.1:{Addresses(view).engine_listens}{view.engine.health_path}"
    tests = {
        "curl": ["CMD", "curl", "--fail", "--silent", "--output", "/dev/null", url],
        "python": ["CMD", "python3", "-c", f"import urllib.request as r; r.urlopen('{url}', timeout=4)"],
        "ollama": ["CMD", "ollama", "list"],
    }
    return {
        "test": tests[view.layout.probe],
        "interval": "10s",
        "timeout": "5s",
        "retries": 6,
        "start_period": _LOADING,
    }


def cards(view: View, index: int) -> Data:
    """The cards of one replica, and the shared memory that several cards talk through."""
    plan = view.advice.plan
    count = plan.tensor_parallel * plan.pipeline_parallel
    if not plan.gpus:
        return {}
    shared = {"shm_size": "16gb"} if count > 1 else {}
    if view.cards.vendor == "amd":
        return {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video"], **shared}
    device = {"driver": "nvidia", "device_ids": card_numbers(view, index), "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}, **shared}


def card_numbers(view: View, index: int) -> list[str]:
    """The cards of replica ``index``: the plan's indexes, or the slice that the user names by its UUID.

    Answers saved before plans had indexes take the first cards.
    """
    plan = view.advice.plan
    if view.cards.slices:
        return [required("MIG_DEVICE")]
    count = plan.tensor_parallel * plan.pipeline_parallel
    numbers = plan.cards or range(plan.gpus)
    return [str(number) for number in numbers[index * count : (index + 1) * count]]


def fetch_service(view: View) -> Data | None:
    """A service that fetches the weights, or makes the Ollama model, and ends; None where there is nothing to do."""
    kind = view.layout.fetch
    if kind == "ollama":
        return {**_one_shot(view), **_ollama_create(view)}
    if view.weights.is_local:
        return None
    return {**_one_shot(view), **(_llama_download(view) if kind == "llama" else _hub_download(view))}


def _one_shot(view: View) -> Data:
    return {**image(view), "restart": "no", "networks": [OUTSIDE], **hardening(restart=False)}


def _hub_download(view: View) -> Data:
    weights = view.weights
    wanted = {"MODEL_ID": weights.name, **({"GGUF_QUANT": weights.quant} if weights.quant else {})}
    place = {"GGUF_FOLDER": str(IN_CONTAINER)} if view.layout.fetch == "gguf" else {}
    return {
        "entrypoint": ["python3", f"{SETUP}/fetch.py"],
        "environment": {**wanted, **place, "HF_TOKEN": optional("HF_TOKEN")},
        "volumes": [bind("./engine/fetch.py", f"{SETUP}/fetch.py"), weights_mount(view)],
    }


def _llama_download(view: View) -> Data:
    """llama.cpp fetches by itself while it starts, so it is started once on the CPU."""
    return {
        "image": with_digest(view.engine.image_variants["cpu"]),
        "entrypoint": ["sh", f"{SETUP}/fetch.sh"],
        "environment": {"HF_TOKEN": optional("HF_TOKEN")},
        "volumes": [bind("./engine/fetch.sh", f"{SETUP}/fetch.sh"), weights_mount(view)],
    }


def _ollama_create(view: View) -> Data:
    weights = view.weights
    local = [bind(weights.name, weights.in_container)] if weights.is_local else []
    return {
        "entrypoint": ["sh", f"{SETUP}/create-model.sh"],
        "volumes": [bind("./engine", SETUP), *local, weights_mount(view)],
    }


def _waits_for_fetch(view: View) -> Data:
    if fetch_service(view) is None:
        return {}
    return {"depends_on": {"fetch": {"condition": "service_completed_successfully"}}}


def hardening(*, read_only: bool = False, restart: bool = True) -> Data:
    """What every container gets: no privileges, bounded logs, a fixed root file system where the image bears it."""
    frozen = {"read_only": True, "tmpfs": list(SCRATCH)} if read_only else {}
    return {
        **({"restart": "unless-stopped"} if restart else {}),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        **frozen,
        "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}},
    }


def bind(source: str, target: str, *, read_only: bool = True) -> Data:
    """A file or folder of the host; Compose refuses to start when it is not there instead of making it."""
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": read_only,
        "bind": {"create_host_path": False},
    }


def volume(name: str, target: str) -> Data:
    """A named volume."""
    return {"type": "volume", "source": name, "target": target}

"""A machine without internet: what is carried to it, and ``compose.yaml`` that asks nobody for anything.

The services are those of the ``compose`` target. Images come under their tags out of archives or a registry of the
closed side, weights lie in the folder as plain files, and nothing is fetched or built there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployadvisor.catalog.engines import engines
from deployadvisor.hardware.machine import value_of
from deployadvisor.render.compose import services_of, whole_file
from deployadvisor.render.compose_engine import INSIDE, SETUP, bind
from deployadvisor.render.compose_monitoring import monitoring_secrets
from deployadvisor.render.kubernetes_pod import whole_pod
from deployadvisor.render.loaded import OFFLINE
from deployadvisor.render.view import View
from deployadvisor.render.weights import CARRIED

Data = dict[str, Any]

_PLATFORMS = {"arm64": "linux/arm64", "aarch64": "linux/arm64"}
_OLLAMA_MODELS = "/root/.ollama/models"
_START_LLAMA = ["sh", f"{SETUP}/start.sh"]
_DEFAULT_QUANT = "Q4_K_M"  # what llama.cpp and Ollama take where a repository is named without a quantisation


@dataclass(frozen=True, slots=True)
class Image:
    """One image to carry, under the tag that the other files name."""

    name: str
    digest: str
    """``unknown`` where the catalogue has none: export.sh records the one that it got."""
    origin: str
    """``pull`` or ``build``."""
    service: str
    """The service or container that runs it."""


@dataclass(frozen=True)
class Airgap:
    """What the templates of the target may say."""

    view: View

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """Every image of the bundle once, with the first that runs it."""
        found: dict[str, Image] = {}
        for name, service in _runs(self.view):
            tag, _, digest = service["image"].partition("@")
            origin = "build" if "build" in service else "pull"
            found.setdefault(tag, Image(tag, digest or "unknown", origin, name))
        return tuple(found.values())

    @property
    def repositories(self) -> tuple[str, ...]:
        """Names of the images without their tags, as Kustomize looks for them."""
        return tuple(dict.fromkeys(one.name.rpartition(":")[0] for one in self.images))

    @property
    def setup(self) -> str:
        """Folder with what the engine's image runs."""
        return "kubernetes/engine" if self.view.in_pod else "engine"

    @property
    def engine_image(self) -> str:
        """The image of the engine."""
        return next(one.name for one in self.images if one.service in self.view.services)

    @property
    def platform(self) -> str:
        """Platform of the closed machine, which need not be that of the machine with internet."""
        return _PLATFORMS.get(str(value_of(self.view.advice.machine.host.arch)), "linux/amd64")

    @property
    def carries_weights(self) -> bool:
        """Whether weights must be fetched; local ones lie on the closed machine already."""
        return not self.view.source.is_local

    @property
    def from_ollama(self) -> bool:
        """Whether Ollama fetches them into a store of its own."""
        return self.carries_weights and self.view.engine.id == "ollama"

    @property
    def weights_gib(self) -> int:
        """Room for the weights, rounded up; 0 where nobody knows their size."""
        memory = self.view.advice.estimate.memory
        return math.ceil(memory.weights_gib) if memory and self.carries_weights else 0

    @property
    def fetcher(self) -> str:
        """Image in which the fetcher runs on the machine with internet; it is not carried over."""
        return engines()["transformers"].base_image or "python:3.12-slim"

    @property
    def quant(self) -> str:
        """Which GGUF file of the repository; empty where a whole checkpoint is taken."""
        source = self.view.source
        return (source.quant or _DEFAULT_QUANT) if source.origin == "gguf_repo" else ""

    @property
    def first_card(self) -> bool:
        """Whether Docker must hand NVIDIA cards to containers."""
        return self.view.cards.vendor == "nvidia"


def compose_file(view: View) -> Data:
    """The services of ``compose``, closed: nothing is pulled, built or fetched when they start."""
    services = {name: _closed(view, name, one) for name, one in services_of(view).items() if _stays(view, name)}
    return whole_file(view.project, services, monitoring_secrets(view))


def weights_list(view: View) -> Data:
    """``airgap/weights.yaml``: what is fetched, for people who mirror it and for those who approve it."""
    source = view.source
    if source.is_local:
        return {"carried": False, "place": source.name}
    return {
        "carried": True,
        "from": "ollama.com" if source.origin == "ollama" else "huggingface.co",
        "model": source.name,
        **({"quantisation": source.quant or _DEFAULT_QUANT} if source.origin == "gguf_repo" else {}),
        "revision": "the newest when export.sh first runs; recorded in airgap/weights.lock",
        "size_gib": Airgap(view).weights_gib or "not known",
        "files": "listed with size and digest in airgap/SHA256SUMS after export.sh",
    }


def registry(view: View) -> Data:
    """The names of the images in the registry of the closed side; ``import.sh`` puts that in."""
    named = [{"name": one, "newName": one} for one in Airgap(view).repositories]
    return {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "images": named}


def _runs(view: View) -> Iterator[tuple[str, Data]]:
    """What runs an image: services of Compose, or containers of the pod."""
    if not view.in_pod:
        yield from services_of(view).items()
        return
    pod = whole_pod(view)
    yield from ((one["name"], one) for one in (*pod["initContainers"], *pod["containers"]))


def _stays(view: View, name: str) -> bool:
    """What fetches is left behind, but Ollama still makes its model of a local file."""
    return name != "fetch" or view.source.is_local


def _closed(view: View, name: str, service: Data) -> Data:
    kept = {key: value for key, value in service.items() if key not in ("build", "image", "depends_on")}
    return {
        "image": service["image"].partition("@")[0],
        "pull_policy": "never",
        **kept,
        **_waits(view, service),
        **({"networks": [INSIDE]} if name == "fetch" else {}),
        **(_engine(view, service) if name in view.services else {}),
    }


def _waits(view: View, service: Data) -> Data:
    others = {name: state for name, state in service.get("depends_on", {}).items() if _stays(view, name)}
    return {"depends_on": others} if others else {}


def _engine(view: View, service: Data) -> Data:
    """Offline switches, and weights where they were carried to."""
    hub = OFFLINE if view.layout.fetch == "hub" else {}
    if view.engine.id == "ollama" and not view.source.is_local:
        mount = bind(CARRIED, _OLLAMA_MODELS)
        return {"environment": {**service["environment"], "OLLAMA_NOPRUNE": "1"}, "volumes": [mount]}
    changed = {"environment": {**service["environment"], **hub}}
    if view.engine.id == "llama_cpp" and not view.source.is_local:
        script = bind("./engine/start.sh", f"{SETUP}/start.sh")
        return {**changed, "entrypoint": _START_LLAMA, "volumes": [*service["volumes"], script]}
    return changed


def check_airgap(data: Data, images: str) -> Iterator[str]:
    """What would ask somebody for something, and what would be missing: for ``compose.yaml`` and ``images.txt``."""
    listed = _listed(images)
    for name, service in data["services"].items():
        if service.get("pull_policy") != "never":
            yield f"service {name} may pull its image"
        if "build" in service:
            yield f"service {name} is built, which needs the internet"
        if service["image"] not in listed:
            yield f"image {service['image']} is not in airgap/images.txt"


def check_closed_cluster(deployment: Data, component: Data, images: str) -> Iterator[str]:
    """What a closed cluster would pull from nowhere: images that are not carried, or not renamed for its registry."""
    renamed = {one["name"] for one in component["images"]}
    pod = deployment["spec"]["template"]["spec"]
    for one in (*pod["initContainers"], *pod["containers"]):
        if one["image"] not in _listed(images):
            yield f"image {one['image']} is not in airgap/images.txt"
        if one["image"].rpartition(":")[0] not in renamed:
            yield f"image {one['image']} would not come from the registry of the closed side"


def _listed(images: str) -> set[str]:
    return {line.split()[0] for line in images.splitlines() if line and not line.startswith("#")}

"""Weights that no pod can fetch: those on a machine of the user's, and all of them where the cluster is closed.

They are loaded into the volume by ``load-weights.sh``, while the first container of the pod waits for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployadvisor.catalog.image_digests import without_digest
from deployadvisor.render.weights import IN_CONTAINER, Weights, carried_over

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""Switches of the Hugging Face libraries, which would ask their hub otherwise; others do not know them."""

if TYPE_CHECKING:
    from deployadvisor.recommendation import Recommendation
    from deployadvisor.render.manifest import FileEntry, Manifest
    from deployadvisor.render.view import View

WAITS = "weights"
"""The container that waits, and takes the files in."""

PEOPLE_S = 7 * 24 * 3600
"""How long a rollout may wait for somebody who loads the weights."""

STORE = str(IN_CONTAINER / "store")
"""Where Ollama keeps what it made of a local file."""

_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}


def is_closed(serving: Manifest | None, advice: Recommendation) -> bool:
    """Whether the cluster reaches neither registries nor the hub."""
    return serving is not None and serving.needs.loads_weights and advice.profile.get("internet") == "no"


def is_loaded(view: View) -> bool:
    """Whether the weights are loaded instead of fetched."""
    serving = view.serving
    loads = serving is not None and serving.needs.loads_weights
    return loads and (view.source.is_local or is_closed(serving, view.advice))


@dataclass(frozen=True)
class Loading:
    """What templates may say about weights that are loaded."""

    view: View

    @property
    def used(self) -> bool:
        """Whether it is this way that weights reach the pods."""
        return is_loaded(self.view)

    @property
    def closed(self) -> bool:
        """Whether the cluster has no internet."""
        return is_closed(self.view.serving, self.view.advice)

    @property
    def carried(self) -> bool:
        """Whether the weights are fetched elsewhere and carried to the cluster's side."""
        return is_carried(self.view)

    @property
    def store(self) -> bool:
        """Whether what is loaded is a store of Ollama, with the model in it."""
        return self.carried and self.view.engine.id == "ollama"


def is_carried(view: View) -> bool:
    """Whether the weights are fetched elsewhere and carried to the closed side of a cluster."""
    return is_closed(view.serving, view.advice) and not view.source.is_local


def weights_of(view: View) -> Weights:
    """Where the engine gets its weights from, unless they are tuned."""
    moved = view.air_gapped or is_loaded(view)
    return carried_over(view.engine, view.source) if moved else view.source


def has_place(entry: FileEntry, view: View) -> bool:
    """Whether a file is for weights that come the way they do here."""
    if entry.closed and not is_closed(view.serving, view.advice):
        return False
    if entry.weights == "carried":
        return is_carried(view)
    return entry.weights is None or (entry.weights == "loaded") == is_loaded(view)


def store_of(view: View) -> dict[str, str]:
    """Where Ollama finds its models on the volume."""
    if view.engine.id != "ollama" or not is_loaded(view):
        return {}
    return {"OLLAMA_MODELS": STORE if view.source.is_local else str(IN_CONTAINER / "model")}


def offline_of(view: View) -> dict[str, str]:
    """What an engine is told beside the plan where its weights were loaded: where they are, and to ask nobody."""
    if not is_loaded(view):
        return {}
    hub = OFFLINE if view.layout.fetch == "hub" else {}
    kept = {"OLLAMA_NOPRUNE": "1"} if view.engine.id == "ollama" else {}
    return {**hub, **store_of(view), **kept}


def finds_its_file(view: View) -> bool:
    """Whether a script looks for the file of llama.cpp, which may have been carried in parts."""
    return view.engine.id == "llama_cpp" and is_loaded(view) and view.weights.origin == "folder"


def by_tag(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod with images by their tags alone: in another registry they have other digests."""
    lists = ("initContainers", "containers")
    named = {kind: [{**one, "image": without_digest(one["image"])} for one in pod[kind]] for kind in lists}
    return {**pod, **named}


def makes_a_model(view: View) -> bool:
    """Whether Ollama makes its model of a file on the volume; what was carried over is its model already."""
    return view.engine.id == "ollama" and view.source.is_local


def waiting(image: str, setup: str, security: dict[str, Any], mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """The container that ends when the weights on the volume are those that are wanted."""
    return {
        "name": WAITS,
        "image": image,
        "command": ["sh", f"{setup}/weights.sh", "wait"],
        "resources": _RESOURCES,
        "securityContext": security,
        "volumeMounts": mounts,
    }

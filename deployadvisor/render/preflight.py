"""What the files of a bundle need of the machine: the requirements that a preflight checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployadvisor.checklist.check_machine import host_of
from deployadvisor.checklist.requirements import Cards, Place, Port, Requirements, Weights
from deployadvisor.driver_gate import needed
from deployadvisor.hardware.network import registry_of
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.artefacts import BUILDERS
from deployadvisor.render.host import Host
from deployadvisor.render.loaded import has_place, is_closed, is_loaded
from deployadvisor.render.manifest import FileEntry
from deployadvisor.render.targets import chosen_proxy, select
from deployadvisor.render.view import View

_REGISTRY = "kubernetes/registry/kustomization.yaml"
_COMPILERS = ("git", "cmake", "c++")
_HOST_PROGRAMS = ("curl", "tar", "sha512sum", "setsid")
_DESKTOP_PROGRAMS = {"ollama": ("ollama",), "llama_cpp": ("llama-server",), "textgen": ("python3", "curl", "tar")}
_DESKTOP_CACHES = {"ollama": "~/.ollama", "llama_cpp": "~/.cache"}
_HUB = "https://huggingface.co"
_OLLAMA_LIBRARY = "https://registry.ollama.ai"
_CLUSTERS = frozenset({"kubernetes", "lws", "kuberay", "kserve", "helm"})
_IN_CONTAINERS = frozenset({"compose", "gateway", "airgap"})
_RAISES_OPEN_FILES = frozenset({"vllm", "sglang"})


def requirements(
    advice: Recommendation, targets: Sequence[str] | None = None, proxy: str | None = None
) -> Requirements | None:
    """What the bundle of an answer needs; None where its targets start nothing."""
    chosen = select(advice, targets)
    view = View(advice, chosen, proxy=chosen_proxy(chosen, proxy))
    return requirements_of(view) if view.serving is not None else None


def requirements_of(view: View) -> Requirements:
    """What the files of a view need."""
    return _Needs(view).whole()


@dataclass(frozen=True)
class _Needs:
    """Reads the requirements off one view."""

    view: View

    def whole(self) -> Requirements:
        view = self.view
        images = () if self.place in ("host", "desktop") else tuple(dict.fromkeys(self._images()))
        alone = self.place in ("host", "desktop") and not self._queued
        return Requirements(
            place=self.place,
            project=view.project,
            cards=self._cards(),
            weights=None if view.hosted else self._weights(),
            programs=self._programs(),
            ports=tuple(self._ports()),
            settings=self._settings(),
            settings_made_by=self._maker(),
            secrets=tuple(dict.fromkeys(self._secrets())) if self.place == "cluster" else (),
            images=images,
            registries=tuple(dict.fromkeys(map(registry_of, images))),
            hubs=() if view.hosted or view.weights.is_local or is_loaded(view) else (self._hub(),),
            providers=self._providers(),
            token=not view.hosted and view.needs_hub_token and not is_loaded(view),
            internet=view.advice.profile.get("internet") != "no" and not self._is("airgap"),
            proxy=self._proxy(),
            registry_file=_REGISTRY if is_closed(view.serving, view.advice) else None,
            unit=f"{view.project}.target" if self._is("systemd") else None,
            replicas=view.advice.plan.replicas * self._pods,
            open_files=alone and not view.hosted and view.engine.id in _RAISES_OPEN_FILES,
            shared_folder=self._queued and view.advice.plan.nodes > 1,
            shared_memory=alone and view.advice.plan.tensor_parallel * view.advice.plan.pipeline_parallel > 1,
            locked_memory=alone and view.advice.plan.nodes > 1,
        )

    @cached_property
    def place(self) -> Place:
        if self._is(*_CLUSTERS):
            return "cluster"
        if self.view.native:
            return "desktop"
        return "docker" if self._is(*_IN_CONTAINERS) else "host"

    @property
    def _pods(self) -> int:
        """Pods of one replica in a cluster: one a node."""
        return self.view.advice.plan.nodes if self.place == "cluster" else 1

    @cached_property
    def _queued(self) -> bool:
        """Whether the engine runs where a scheduler puts it, and not on the machine that is asked."""
        return self._is("slurm")

    def _is(self, *names: str) -> bool:
        return self.view.serving is not None and self.view.serving.id in names

    def _cards(self) -> Cards:
        view, plan = self.view, self.view.advice.plan
        if view.hosted or not plan.gpus or self._queued:
            return Cards("none")
        return Cards(
            vendor=view.cards.vendor,
            numbers=plan.cards or tuple(range(plan.gpus)),
            free_gib=self._free_gib(),
            driver_branch=self._driver_branch() if view.cards.vendor == "nvidia" else None,
            slices=view.cards.slices,
            replica=plan.tensor_parallel * plan.pipeline_parallel // self._pods,
        )

    def _free_gib(self) -> float | None:
        """What the engine takes when it starts: its share of the card, or what the model needs of it."""
        memory = self.view.advice.estimate.memory
        if memory is None:
            return None
        context = sum(term.gib for term in memory.held_back if term.name == "context")
        used = sum(term.gib for term in memory.terms) + context
        return round(memory.reserved_gib or used, 2) or None

    def _driver_branch(self) -> int | None:
        view = self.view
        if view.on_host:
            return Host(view).driver_branch
        need = needed(view.engine, view.cards.compute_capability)
        return need.branch if need else None

    def _weights(self) -> Weights:
        view, memory = self.view, self.view.advice.estimate.memory
        size = round(memory.weights_gib, 2) if memory else None
        if view.weights.is_local:
            return Weights(size, view.weights.name, local=True)
        return Weights(size, self._place_of_weights())

    def _place_of_weights(self) -> str | None:
        if self.place in ("docker", "cluster"):
            return None
        if self._is("systemd"):
            return Host(self.view).state
        return _DESKTOP_CACHES.get(self.view.engine.id, ".") if self.place == "desktop" else "."

    def _programs(self) -> tuple[str, ...]:
        view = self.view
        if self.place == "desktop":
            return _DESKTOP_PROGRAMS[view.engine.id]
        if not view.on_host:
            return ()
        compiler = ("nvcc",) if view.cards.vendor == "nvidia" else ()
        own = (*_COMPILERS, *compiler) if Host(view).compiled else ("python3",)
        scheduler = ("sbatch", "ssh") if self._queued else ()
        return (*_HOST_PROGRAMS, *own, *scheduler)

    def _ports(self) -> Iterator[Port]:
        view = self.view
        if self.place == "cluster":
            return
        address = Addresses(view)
        yield Port(address.port, None if view.native else "PORT")
        if address.web_ui_port:
            yield Port(address.web_ui_port, None if view.native else "WEB_UI_PORT")
        if view.on_host and not self._queued:
            yield from (Port(replica.port) for replica in Host(view).replicas)

    def _settings(self) -> tuple[str, ...]:
        view = self.view
        if self.place in ("cluster", "desktop"):
            return ()
        return (
            "API_KEY",
            *(view.gateway.variables if view.hosted else ()),
            *(("MIG_DEVICE",) if view.cards.slices else ()),
        )

    def _maker(self) -> str | None:
        return "install.sh" if self._is("systemd") else "setup.sh" if self._is("shell", "slurm") else None

    def _images(self) -> Iterator[str]:
        """Images of the data files, without those that are built here or started only when asked for."""
        for data in self._data:
            yield from _named_images(data)

    def _secrets(self) -> Iterator[str]:
        """Secrets that pods cannot start without."""
        for data in self._data:
            yield from _named_secrets(data)

    @cached_property
    def _data(self) -> tuple[Any, ...]:
        """Files of the serving target that are data."""
        serving = self.view.serving
        entries = [entry for entry in (serving.files if serving is not None else ()) if self._applies(entry)]
        return tuple(BUILDERS[entry.data](self.view) for entry in entries if entry.data is not None)

    def _applies(self, entry: FileEntry) -> bool:
        view = self.view
        fits = not entry.engines or (not view.hosted and view.engine.id in entry.engines)
        return fits and entry.proxy in (None, view.proxy) and has_place(entry, view)

    def _hub(self) -> str:
        return _OLLAMA_LIBRARY if self.view.weights.origin == "ollama" else _HUB

    def _providers(self) -> tuple[str, ...]:
        if not self.view.hosted:
            return ()
        urls = (one.endpoint.base_url for one in self.view.gateway.deployments)
        return tuple(dict.fromkeys(host_of(url)[0] for url in urls if "{" not in url))

    def _proxy(self) -> str | None:
        if not self.view.on_host:
            return None
        host = Host(self.view)
        return f"{host.root}/{host.proxy}" if self._is("systemd") else host.proxy


def _named_secrets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, name in (("secretKeyRef", "name"), ("secret", "secretName")):
            named = value.get(key)
            if isinstance(named, dict) and isinstance(named.get(name), str) and not named.get("optional"):
                yield named[name]
        for part in value.values():
            yield from _named_secrets(part)
    elif isinstance(value, list):
        for part in value:
            yield from _named_secrets(part)


def _named_images(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        named = value.get("image")
        if isinstance(named, str) and "build" not in value and "profiles" not in value:
            yield named
        for part in value.values():
            yield from _named_images(part)
    elif isinstance(value, list):
        for part in value:
            yield from _named_images(part)

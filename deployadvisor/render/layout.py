"""How each engine sits in a container or on a desktop, and what goes wrong with it: ``templates/engines/<id>.yaml``.

What an engine *is* stands in the engine catalogue; here stands only what the rendered files and pages need beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from pydantic import Field

from deployadvisor.catalog.engines import Engine
from deployadvisor.documents import read
from deployadvisor.render.manifest import Part, Words, validated
from deployadvisor.resources import display_path, templates_folder


class Trouble(Part):
    """One row of the troubleshooting table. Commands may use ``{{ view }}``."""

    symptom: Words
    cause: Words
    command: str
    native: str | None = None
    """The command outside a container; None where the row cannot happen there."""
    host: str | None = None
    """The command where the engine is a program of the machine; None where the row cannot happen there."""
    source: str | None = None
    in_pod: bool = True
    """Whether the row can happen in a pod, where the engine shares the proxy's loopback address."""
    targets: tuple[str, ...] = ()
    """The targets where the row can happen; all of them where none is named."""
    several_cards: bool = False
    """Whether the row takes an engine on more than one card."""


class User(Part):
    """A user without privileges that images have ready, home folder and all."""

    uid: int
    home: str
    images: tuple[str, ...]
    """The images that have it; in all others the engine runs as root without capabilities."""
    source: str


class OnHost(Part):
    """What is known of the engine as a program of the machine, installed without a container."""

    program: tuple[str, ...]
    """What starts the server; the first word is a program that the installation brings."""
    vendors: tuple[str, ...]
    """Makers of the cards that the installation works with (``none`` without cards)."""
    cuda: str | None = None
    """CUDA release of the PyTorch that pip brings, where it is another than the image's."""
    compute_capability_min: str | None = None
    """Oldest NVIDIA cards of that PyTorch, where the image has older ones."""
    environment: Mapping[str, str] = Field(default_factory=dict)
    """Variables that it needs here and not in a container."""
    source: str


class Base(Part):
    """An image to build upon."""

    image: str
    source: str


class Metric(Part):
    """A metric worth watching."""

    metric: str
    meaning: Words


class Layout(Part):
    """One engine's container and pages."""

    probe: Literal["curl", "python", "ollama"]
    """What the image has on board to ask for its own health."""
    read_only: bool = False
    """The container works with a root file system that it cannot change."""
    caches: Mapping[str, str] = Field(default_factory=dict)
    """Further folders that must survive a restart: volume name to path."""
    environment: Mapping[str, str] = Field(default_factory=dict)
    offline: Mapping[str, str] = Field(default_factory=dict)
    """Variables that keep an engine whose weights are on disk from asking the internet."""
    fetch: Literal["hub", "gguf", "ollama", "llama"]
    """How weights are fetched before the engine starts: a checkpoint, one GGUF file, by Ollama, by llama.cpp."""
    web_ui_port: int | None = None
    cache_path: str | None = None
    """Folder of the cache in an image that the bundle builds itself; otherwise the catalogue has it."""
    requirements: Mapping[str, str] = Field(default_factory=dict)
    """What a self-built image installs beside the engine, by maker of the cards (``none`` without cards)."""
    bases: Mapping[str, Base] = Field(default_factory=dict)
    """What a self-built image builds upon where that is not the catalogue's base, by maker of the cards."""
    user: User | None = None
    """None where nobody has read that the image runs as anybody but root."""
    in_flight: tuple[str, ...] = ()
    """Gauges whose sum is the requests in flight, running and waiting."""
    always: tuple[str, ...] = ()
    """Flags that the engine needs to answer at all, whatever the plan."""
    watch: tuple[Metric, ...] = ()
    on_host: OnHost | None = None
    """None where the project has no installation without a container that can be pinned."""
    troubleshoot: tuple[Trouble, ...]


@cache
def layout_of(engine_id: str) -> Layout:
    """The layout of one engine."""
    path = templates_folder() / "engines" / f"{engine_id}.yaml"
    document = read(path, display_path(path))
    return validated(Layout, document.value, document)


def image_refusal(engine: Engine, vendor: str) -> str | None:
    """Why no container of this engine can use the cards of this maker, or None when one can."""
    if engine.image is None:
        buildable = vendor in layout_of(engine.id).requirements
        return None if buildable else f"no image of {engine.name} can be built for {vendor} cards"
    lacking = vendor == "amd" and "rocm" not in engine.image_variants
    return f"no image of {engine.name} for AMD cards is in the catalogue" if lacking else None

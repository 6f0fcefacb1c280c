"""What a render target consists of: ``templates/<target>/manifest.yaml``. A folder with a manifest is a target."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployadvisor.documents import Document, read
from deployadvisor.errors import RenderError
from deployadvisor.render.quoting import QUOTING
from deployadvisor.resources import display_path, templates_folder

Section = Literal["prerequisites", "tune", "start", "verify", "connect", "operate", "troubleshoot"]
Proxy = Literal["caddy", "nginx"]
"""Programs that may stand in front of the engine."""

PROXIES: tuple[Proxy, ...] = get_args(Proxy)


M = TypeVar("M", bound=BaseModel)


class Part(BaseModel):
    """Base of everything that is read from a template folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(Part):
    """A text in both languages."""

    en: str
    zh: str


class FileEntry(Part):
    """One file of the target, made from a text template or from data built in Python."""

    path: str
    template: str | None = None
    """Path in ``templates/``."""
    language: str = "trusted"
    """Format that values are quoted for; ``trusted`` is a file without any values, copied as it is."""
    data: str | None = None
    """Name of the builder in ``artefacts.py`` whose result is dumped as YAML or JSON, by the suffix of ``path``."""
    executable: bool = False
    engines: tuple[str, ...] = ()
    """Only for these engines; empty means for all."""
    proxy: Proxy | None = None
    """Only with this proxy."""
    weights: Literal["fetched", "loaded", "carried"] | None = None
    """Only where pods fetch their weights, where a script loads them, or where those were carried over."""
    closed: bool = False
    """Only for a cluster without internet."""
    keeps_logs: bool = False
    """Only where the log policy has something to keep."""
    tuning: bool = False
    """Only in bundles that train something."""
    windows: bool = False
    """Only where the machine may run Windows."""
    spanning: bool = False
    """Only for plans over several machines."""
    per_replica: bool = False
    """One file a replica, with its number in place of ``{replica}`` in the path."""

    @model_validator(mode="after")
    def has_one_origin(self) -> Self:
        """A file comes from a template or from data, and stays inside the folder."""
        if (self.template is None) == (self.data is None):
            raise ValueError("a file has either a template or data")
        if self.language != "trusted" and self.language not in QUOTING:
            raise ValueError(f"language is one of trusted, {', '.join(QUOTING)}")
        if self.per_replica != ("{replica}" in self.path):
            raise ValueError("a file for each replica has {replica} in its path")
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("path leaves the folder")
        return self


class Pin(Part):
    """A tool or image that the target brings along, in one version."""

    version: str
    image: str | None = None
    source: tuple[str, ...]
    checked_on: datetime.date


class Needs(Part):
    """What a plan must be like for the target to run it. An empty list sets no condition."""

    serves_with: Literal["engine", "provider", "either"]
    engines: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    """Makers of the cards that the target can hand to the engine; ``none`` is a plan without cards."""
    min_nodes: int = 1
    max_nodes: int | None = None
    spans_with: tuple[str, ...] = ()
    """Engines that the target also runs over more machines than ``max_nodes``."""
    one_copy: bool = False
    """Over several machines only for plans of one copy."""
    on_host: bool = False
    """The engine is installed as a program of the machine."""
    containers: bool = False
    """The engine runs from an image, published or built in the bundle."""
    fetched_weights: bool = False
    """Only for weights that can be fetched and whose size is known: local files cannot be reached."""
    loads_weights: bool = False
    """Weights that cannot be fetched are loaded into the volume by a script."""
    whole_cards: bool = False
    """Not for a slice of a card."""
    published_weights: bool = False
    """Only for weights as they are published: the target brings an engine that quantises otherwise while loading."""
    known_size: bool = False
    """Only where the size of the weights is known."""
    no_adapters: bool = False
    """Only for plans that serve one set of weights: the target brings an engine whose options for adapters differ."""
    tuning: bool = False
    """Only for plans that have something to train."""


class Preferred(Part):
    """Situations in which this target is taken without being asked for, before those that stand first."""

    platforms: tuple[str, ...] = ()
    only_there: bool = False
    """Not taken unasked where the profile names no such platform, whatever else there is."""
    os: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    offline: bool = False
    """Plans without internet."""


class Validator(Part):
    """A real tool that accepts the files: for tests and for people who want to check for themselves."""

    files: tuple[str, ...]
    command: str


class Manifest(Part):
    """One target."""

    id: str
    order: int
    title: Words
    role: Literal["serve", "tune"]
    """A bundle has at most one target that serves; a target that tunes stands beside it."""
    needs: Needs
    preferred: Preferred = Preferred()
    proxies: tuple[Proxy, ...] = ("caddy",)
    """Proxies that the target can put in front, the one that is taken unasked first."""
    versions: Mapping[str, Pin] = Field(default_factory=dict)
    files: tuple[FileEntry, ...]
    readme: tuple[Section, ...]
    """Sections that ``readme/<section>.<lang>.md.j2`` of the folder adds to README.md."""
    validators: tuple[Validator, ...] = ()


@cache
def manifests() -> Mapping[str, Manifest]:
    """All targets by name, in the order in which they are preferred."""
    found = [_load(path.parent.name) for path in templates_folder().glob("*/manifest.yaml")]
    return MappingProxyType({one.id: one for one in sorted(found, key=lambda one: one.order)})


def _load(name: str) -> Manifest:
    path = templates_folder() / name / "manifest.yaml"
    document = read(path, display_path(path))
    return validated(Manifest, {"id": name, **document.value}, document)


def validated(kind: type[M], fields: Mapping[str, object], document: Document) -> M:
    """Make a ``kind`` of what a template data file says; a wrong value names its line."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = document.where(tuple(first["loc"]))
        raise RenderError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=where) from error

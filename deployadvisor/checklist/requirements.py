"""What the files of one bundle need of the machine that they start on, as far as a machine can check it.

The render room fills it in; the preflight and ``preflight.sh`` check it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

Place = Literal["docker", "host", "desktop", "cluster"]
"""Where the service starts: in containers of this machine, as its programs, on a desktop, or in a cluster."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port on loopback that the service takes."""

    number: int
    setting: str | None = None
    """Variable of ``.env`` that puts another in its place."""


@dataclass(frozen=True, slots=True)
class Cards:
    """Accelerators that the plan uses; none where ``numbers`` is empty."""

    vendor: str
    """Maker of the cards, or ``none``."""
    numbers: tuple[int, ...] = ()
    """As the maker's tools count them."""
    free_gib: float | None = None
    """What must be free on each; None where it was not computed."""
    driver_branch: int | None = None
    slices: bool = False
    """The plan runs on a slice, which only its UUID names."""
    replica: int = 0
    """Cards of one replica, which share one pod or talk through shared memory."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights: how large they are and where they will lie."""

    gib: float | None
    """On disk; None where it was not computed."""
    place: str | None
    """A folder or file; None where Docker keeps them."""
    local: bool = False
    """They lie there already."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Everything that one bundle needs and that a machine can check."""

    place: Place
    project: str
    cards: Cards
    weights: Weights | None = None
    programs: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    settings: tuple[str, ...] = ()
    """Variables of ``.env`` that must be filled in."""
    settings_made_by: str | None = None
    """Script that makes ``.env`` with a key; None where people make it."""
    secrets: tuple[str, ...] = ()
    """Names of Secrets that must be in the namespace."""
    images: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    hubs: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    token: bool = False
    """A token of the model hub may be needed."""
    internet: bool = True
    proxy: str | None = None
    """Where the installation puts Caddy; None where it needs none."""
    unit: str | None = None
    """Unit of systemd that runs the service; None without systemd."""
    replicas: int = 1
    registry_file: str | None = None
    """File that names the registry of a closed cluster; None where images come from where they are published."""
    shared_folder: bool = False
    """Other machines must see the folder too."""
    open_files: bool = False
    shared_memory: bool = False
    locked_memory: bool = False

    @property
    def digest(self) -> str:
        """Tells whether a result belongs to these files."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

"""NVIDIA drivers: which branch runs what was built with which CUDA release, and on which cards.

A branch is the number before the first dot of a driver version.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from pydantic import PositiveInt

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Frozen, Sourced


def capability(text: str) -> tuple[int, int]:
    """Read a compute capability or CUDA release as numbers, so that ``"10.0"`` is more than ``"9.0"``.

    >>> capability("10.0") > capability("9.0")
    True
    """
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


class Release(Sourced):
    """One CUDA release."""

    id: str
    branch: PositiveInt
    """Driver branch that came with it; an older one does not compile what was left to the driver."""
    image_branches: tuple[PositiveInt, ...] = ()
    """Older branches that NVIDIA's base images let pass, on data-centre and professional cards."""


class Family(Sourced):
    """CUDA releases of one major number, between which programs are compatible."""

    id: str
    branch: PositiveInt
    """Oldest branch that runs machine code built with any of them."""


class Generation(Sourced):
    """Cards that newer drivers have dropped."""

    id: str
    compute_capability_below: str
    last_branch: PositiveInt


@cache
def releases() -> Mapping[str, Release]:
    """CUDA releases, the oldest first."""
    return load_entries("drivers", Release)


@cache
def families() -> Mapping[str, Family]:
    """CUDA families by major number."""
    return load_entries("drivers", Family, "families")


@cache
def generations() -> Mapping[str, Generation]:
    """Generations of cards that have a last driver branch."""
    return load_entries("drivers", Generation, "generations")


def branch_for(cuda: str) -> int | None:
    """The newest known branch that supports no newer CUDA than this; None before the first.

    >>> branch_for("12.4"), branch_for("12.7")
    (550, 560)
    """
    known = [release.branch for name, release in releases().items() if capability(name) <= capability(cuda)]
    return known[-1] if known else None


def needed_branch(cuda: str, machine_code_for: tuple[str, ...], has: str | None) -> int:
    """Oldest branch for what was built with a CUDA release, on a card of the compute capability ``has``.

    Machine code runs on its own and later capabilities of one major number, with an ``a`` on its own only. Where
    there is none the driver compiles, from the branch of the release on.

    >>> needed_branch("12.8", ("8.6",), "8.9"), needed_branch("12.8", ("8.6",), "9.0")
    (525, 570)
    """
    if has is None or not machine_code_for or any(_runs_on(has, name) for name in machine_code_for):
        return families()[cuda.partition(".")[0]].branch
    return releases()[cuda].branch


def _runs_on(has: str, built_for: str) -> bool:
    wanted, own = capability(has), capability(built_for.removesuffix("a"))
    later = own[0] == wanted[0] and own < wanted and not built_for.endswith("a")
    return own == wanted or later


def last_branch(compute_capability: str) -> int | None:
    """The last branch for cards of a compute capability; None while new ones still have drivers for it."""
    has = capability(compute_capability)
    ended = (each for each in generations().values() if has < capability(each.compute_capability_below))
    return next((each.last_branch for each in ended), None)


class OlderCards(Frozen):
    """Cards up to a compute capability, which need a newer driver than the rest."""

    compute_capability_max: str
    branch: PositiveInt


class ForwardCompatibility(Frozen):
    """How an image runs on older drivers of another family, on data-centre cards only."""

    setting: str
    branches: tuple[PositiveInt, ...]
    source: str


class DriverFloor(Frozen):
    """Oldest NVIDIA driver branch that runs the pinned build."""

    major: PositiveInt
    status: Literal["verified", "secondary"]
    """``secondary``: not read at NVIDIA or the engine itself."""
    source: str
    note: str | None = None
    cuda: str | None = None
    """CUDA release it is built with; None where the engine states a driver of its own."""
    older_cards: tuple[OlderCards, ...] = ()
    image_checks: bool = False
    """Whether its image, built on NVIDIA's, refuses drivers older than its CUDA release by itself."""
    forward: ForwardCompatibility | None = None


class LeftToDriver(Frozen):
    """What a build has no machine code for, on cards from a compute capability on: older drivers refuse that part."""

    what: str
    compute_capability_min: str
    source: str


class Build(Frozen):
    """Another build of an engine, for drivers or cards that the pinned one does not run on."""

    version: str
    cuda: str
    """CUDA release it is built with, which sets the oldest driver."""
    compute_capability_min: str | None = None
    compute_capability_max: str | None = None
    machine_code_for: tuple[str, ...] = ()
    """Cards for which it is machine code; the driver compiles for the others. Empty: nobody has read it."""
    image: str | None = None
    image_basis: str | None = None
    """How the tag is known to exist."""
    image_checks: bool = False
    """Whether its image refuses drivers older than its CUDA release by itself."""
    install: str | None = None
    left_to_driver: LeftToDriver | None = None
    note: str | None = None
    source: str

    @property
    def named(self) -> str:
        """The build in words, with where to get it."""
        return f"{self.version} built with CUDA {self.cuda} ({self.image or self.install})"

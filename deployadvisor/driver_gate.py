"""Which builds of an engine run on an NVIDIA card and its driver, and the sentence behind each no.

An engine has the build that is pinned, and others for older drivers or other cards. One of the pinned version is as
good: it holds, with a word on how to get it. One of another version is only advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployadvisor.catalog.drivers import (
    Build,
    DriverFloor,
    branch_for,
    capability,
    last_branch,
    needed_branch,
    releases,
)
from deployadvisor.catalog.engines import Engine, Gates
from deployadvisor.catalog.gpus import gpus
from deployadvisor.site import Site
from deployadvisor.sizing.cards import Cards

Answer = tuple[bool | None, str | None]
YES: Answer = (True, None)
_LEADING_NUMBER = re.compile(r"\d+")
_CUDA = re.compile(r"\d+(\.\d+)?")
_UNCHECKED = "NVIDIA_DISABLE_REQUIRE=1"
"""What keeps an image from checking the driver."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The driver here."""

    branch: int
    text: str


def installed(site: Site) -> Installed | None:
    """The newest branch that the driver or the CUDA version it supports stands for; None where both are unknown.

    The drivers of embedded boards count in their own way, and compatibility libraries support more than the driver.
    """
    driver = _LEADING_NUMBER.match(site.driver or "")
    by_cuda = branch_for(site.runtime) if site.runtime and _CUDA.fullmatch(site.runtime) else None
    if driver is None:
        return Installed(by_cuda, f"the driver here supports CUDA {site.runtime}") if by_cuda else None
    return Installed(max(int(driver[0]), by_cuda or 0), f"{site.driver} is installed")


# Cards


def kernels(engine: Engine, cards: Cards) -> Answer:
    """Whether a build of the pinned version has kernels for the card."""
    gates, has = engine.gates, cards.compute_capability
    if cards.vendor == "amd" and gates.gfx_targets:
        return _amd_kernels(engine, cards)
    if cards.vendor != "nvidia" or (gates.compute_capability_min, gates.compute_capability_max) == (None, None):
        return YES
    if has is None:
        return None, f"the compute capability of {cards.name} is not known"
    if _pinned_covers(engine, has):
        return YES
    if other := build_for(engine, has):
        return True, f"for {cards.name} take {other.named}"
    return False, f"{_range(engine)}; {cards.name} has {has}"


def _amd_kernels(engine: Engine, cards: Cards) -> Answer:
    target, targets = cards.gfx_target, engine.gates.gfx_targets
    if target is None:
        return None, f"the gfx target of {cards.name} is not known"
    if target in targets:
        return YES
    return False, f"{engine.version} has kernels for {', '.join(targets)}; {cards.name} is {target}"


def _range(engine: Engine) -> str:
    least, most = engine.gates.compute_capability_min, engine.gates.compute_capability_max
    bounds = [
        f"starts at compute capability {least}" if least else "",
        f"ends at compute capability {most}" if most else "",
    ]
    return f"{engine.version} {' and '.join(filter(None, bounds))}"


def build_for(engine: Engine, has: str | None) -> Build | None:
    """The build of the pinned version to take on cards that the pinned build has no kernels for."""
    return None if _pinned_covers(engine, has) else next(_of_the_pinned_version(engine, has), None)


def _of_the_pinned_version(engine: Engine, has: str | None) -> Iterator[Build]:
    """Other builds of the pinned version that have kernels for a compute capability."""
    return (build for build in engine.other_builds if build.version == engine.version and _covers(build, has))


def _pinned_covers(engine: Engine, has: str | None) -> bool:
    return has is None or _within(engine.gates.compute_capability_min, engine.gates.compute_capability_max, has)


def _covers(build: Build, has: str | None) -> bool:
    return has is None or _within(build.compute_capability_min, build.compute_capability_max, has)


def _within(least: str | None, most: str | None, has: str) -> bool:
    above = least is None or capability(has) >= capability(least)
    return above and (most is None or capability(has) <= capability(most))


# Drivers


@dataclass(frozen=True, slots=True)
class Needed:
    """The driver that an engine needs on some cards, and why it is more than on others."""

    branch: int
    why: str = ""


def needed(engine: Engine, has: str | None) -> Needed | None:
    """The oldest driver branch for the pinned version on cards of a compute capability; None where none was read."""
    if engine.gates.driver_min is None:
        return None
    other = build_for(engine, has)
    return Needed(_branch(other, has)) if other else _needed_by_pinned(engine.gates, engine.gates.driver_min, has)


def _needed_by_pinned(gates: Gates, floor: DriverFloor, has: str | None) -> Needed:
    older = (each for each in floor.older_cards if has and capability(has) <= capability(each.compute_capability_max))
    if card := next(older, None):
        return Needed(card.branch, f" for compute capability {has}")
    branch = needed_branch(floor.cuda, gates.machine_code_for, has) if floor.cuda else floor.major
    why = f", which compiles its kernels for compute capability {has}" if branch > floor.major else ""
    return Needed(max(branch, floor.major), why)


def _branch(build: Build, has: str | None) -> int:
    return needed_branch(build.cuda, build.machine_code_for, has)


def driver(engine: Engine, site: Site) -> Answer:
    """Whether the driver runs a build of the pinned version that has kernels for the cards."""
    cards = site.cards
    if cards is None or cards.vendor != "nvidia":
        return YES
    has, here = cards.compute_capability, installed(site)
    need = needed(engine, has)
    if need is None:
        return YES
    if here is None:
        return True, f"needs NVIDIA driver {need.branch} or newer; the driver here is not known"
    if here.branch >= need.branch:
        return True, _image_note(engine, here, cards)
    too_old = f"{engine.version} needs NVIDIA driver {need.branch} or newer{need.why}; {here.text}"
    other = next((build for build in _of_the_pinned_version(engine, has) if here.branch >= _branch(build, has)), None)
    return (True, f"{too_old}: take {other.named}") if other else (False, too_old)


def _image_note(engine: Engine, here: Installed, cards: Cards) -> str | None:
    """How to start an image that runs on the driver, but refuses it by itself."""
    cuda = _unwilling_image(engine, here, cards)
    if cuda is None:
        return None
    way = f"start it with {_UNCHECKED}, or update to driver {releases()[cuda].branch}"
    return f"its image asks for CUDA {cuda} and {here.text}: {way}"


def _unwilling_image(engine: Engine, here: Installed, cards: Cards) -> str | None:
    """The CUDA release of the pinned image where it refuses the driver by itself."""
    floor = engine.gates.driver_min
    if floor is None or floor.cuda is None or not floor.image_checks:
        return None
    fits = _pinned_covers(engine, cards.compute_capability)
    return floor.cuda if fits and _refused(floor.cuda, here, cards) else None


def _refused(cuda: str, here: Installed, cards: Cards) -> bool:
    """Whether NVIDIA's base image of a CUDA release refuses the driver."""
    release = releases()[cuda]
    let_pass = here.branch in release.image_branches and _in_data_centres(cards)
    return here.branch < release.branch and not let_pass


def _in_data_centres(cards: Cards) -> bool:
    """Whether they are known to be data-centre or professional cards."""
    entry = gpus().get(cards.id or "")
    return entry is not None and not entry.consumer


# What else there is


def pinned(engine: Engine, site: Site) -> str:
    """The pinned version of an engine that runs here, with its oldest driver and what starts its image."""
    cards, here = site.cards, installed(site)
    need = needed(engine, cards.compute_capability) if cards else None
    if cards is None or here is None or need is None:
        return f"{engine.name} {engine.version}"
    start = f", started with {_UNCHECKED}" if _unwilling_image(engine, here, cards) else ""
    return f"{engine.name} {engine.version} (from driver {need.branch}{start})"


def ways_on(engine: Engine, site: Site) -> Iterator[str]:
    """What to do about a driver that is too old for the pinned version, without another engine."""
    cards, here = site.cards, installed(site)
    if cards is None or here is None:
        return
    has = cards.compute_capability
    yield from _newer_driver(engine, has)
    forward = engine.gates.driver_min.forward if engine.gates.driver_min else None
    if forward and here.branch in forward.branches and _in_data_centres(cards):
        yield f"start its image with {forward.setting}"
    for build in engine.other_builds:
        if build.version != engine.version and _covers(build, has) and here.branch >= _branch(build, has):
            yield f"take {engine.name} {build.named}{_reservation(build, here, cards)}"
            return


def _newer_driver(engine: Engine, has: str | None) -> Iterator[str]:
    """To update the driver, unless no new enough one was made for the cards."""
    last, need = last_branch(has) if has else None, needed(engine, has)
    if last is None:
        yield "update the driver"
    elif need and need.branch <= last:
        yield f"update the driver ({last} is the last for this generation of cards)"


def _reservation(build: Build, here: Installed, cards: Cards) -> str:
    """What to mind with a build on a driver that is older than its CUDA release."""
    left, has, branch = build.left_to_driver, cards.compute_capability, releases()[build.cuda].branch
    start = f" started with {_UNCHECKED}" if build.image_checks and _refused(build.cuda, here, cards) else ""
    if left is None or here.branch >= branch or (has and capability(has) < capability(left.compute_capability_min)):
        return start
    return f"{start}, whose {left.what} need driver {branch}"

"""Whether the model hub and the image registries answer: asked only when the user wants to know."""

from __future__ import annotations

from typing import TypedDict
from urllib.parse import urlsplit

from deployadvisor.catalog.engines import engines
from deployadvisor.hardware.machine import Flag, Known, Unknown
from deployadvisor.hardware.system import System

_HUB = "https://huggingface.co"
_DOCKER_HUB = "registry-1.docker.io"
_CONNECT_S = 1.0
_HTTPS = 443


class Reachable(TypedDict):
    """The part of a host that is asked here."""

    hub_reachable: Flag
    registry_reachable: Flag


def reachable(system: System) -> Reachable:
    """Open a connection to each, and close it again."""
    endpoint = urlsplit(system.env().get("HF_ENDPOINT") or _HUB)
    hub = _connects(system, (endpoint.hostname or "",), endpoint.port or _HTTPS)
    return Reachable(hub_reachable=hub, registry_reachable=_connects(system, image_registries(), _HTTPS))


def image_registries() -> tuple[str, ...]:
    """Hosts that the engines' pinned images come from.

    >>> image_registries()[0]
    'registry-1.docker.io'
    """
    images = [image for engine in engines().values() for image in (engine.image, *engine.image_variants.values())]
    return tuple(dict.fromkeys(registry_of(image) for image in images if image))


def registry_of(image: str) -> str:
    """A first part with a dot is a host; without one the image is on Docker Hub."""
    first, slash, _ = image.partition("/")
    return first if slash and "." in first else _DOCKER_HUB


def _connects(system: System, hosts: tuple[str, ...], port: int) -> Flag:
    closed = [host for host in hosts if not host or not system.connects(host, port, timeout_s=_CONNECT_S)]
    if not all(hosts):
        return Unknown(unknown="HF_ENDPOINT names no host", remedy="write it like https://host")
    names = ", ".join(closed or hosts)
    return Known[bool](value=not closed, source=f"TCP connection to {names}, port {port}")

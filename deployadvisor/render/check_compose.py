"""What Compose's schema lets through although it cannot start: our own checks on ``compose.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from deployadvisor.render.check_images import is_pinned

Data = dict[str, Any]

_DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
_REFERENCE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Z_][A-Z0-9_]*)(?::[?-][^${}]*)?\})")
_DURATIONS = ("interval", "timeout", "start_period", "start_interval")


def check_compose(data: Data, variables: frozenset[str]) -> Iterator[str]:
    """Everything wrong with a whole Compose file; ``variables`` are those that ``.env.example`` explains."""
    for name, service in data["services"].items():
        for problem in _service_problems(service, data):
            yield f"service {name}: {problem}"
    yield from check_references(data, variables)


def _service_problems(service: Data, data: Data) -> Iterator[str]:
    yield from _undeclared(service, data)
    yield from _port_problems(service)
    yield from _health_problems(service.get("healthcheck", {}))
    if not is_pinned(service.get("image", "")):
        yield f"image {service.get('image')} is not pinned to a tag"


def _undeclared(service: Data, data: Data) -> Iterator[str]:
    for other in service.get("depends_on", {}):
        if other not in data["services"]:
            yield f"depends on {other}, which is not a service"
    for network in service.get("networks", ()):
        if network not in data.get("networks", {}):
            yield f"network {network} is not declared"
    for secret in service.get("secrets", ()):
        if secret not in data.get("secrets", {}):
            yield f"secret {secret} is not declared"
    for mount in service.get("volumes", ()):
        if mount["type"] == "volume" and mount["source"] not in data.get("volumes", {}):
            yield f"volume {mount['source']} is not declared"
        if mount["type"] == "bind" and not mount["source"].startswith(("/", "./", "${")):
            yield f"bind mount {mount['source']} is not a path"


def _port_problems(service: Data) -> Iterator[str]:
    for published in service.get("ports", ()):
        numbers = re.findall(r"(?:^|:-?)(\d+)(?=$|:|\})", re.sub(r"\d+\.\d+\.\d+\.\d+", "", published))
        if not numbers or not all(1 <= int(number) <= 65535 for number in numbers):
            yield f"port {published} is out of range"


def _health_problems(health: Data) -> Iterator[str]:
    for key in _DURATIONS:
        if key in health and not _DURATION.fullmatch(health[key]):
            yield f"healthcheck {key} {health[key]!r} is not a duration"


def check_references(data: Data, variables: frozenset[str]) -> Iterator[str]:
    """Texts in which ``$`` means nothing, or names a variable that ``.env.example`` does not explain."""
    for text in strings(data):
        rest = _REFERENCE.sub("", text)
        if "$" in rest:
            yield f"unfinished or unescaped $ in {text!r}"
        names = (match["name"] for match in _REFERENCE.finditer(text))
        yield from (f"${{{name}}} is not in .env.example" for name in names if name and name not in variables)


def strings(value: Any) -> Iterator[str]:
    """All texts in a value, keys excluded."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)

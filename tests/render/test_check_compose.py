"""The faults that Compose's schema accepts."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from deployadvisor.render.check_compose import check_compose

GOOD: dict[str, Any] = {
    "services": {
        "proxy": {
            "image": "caddy:2.11.4-alpine",
            "ports": ["${BIND_ADDRESS:-127.0.0.1}:${PORT:-8080}:8080", "127.0.0.1:80:80"],
            "environment": {"API_KEY": "${API_KEY:?set it}", "LITERAL": "pa$$word"},
            "depends_on": {"engine": {"condition": "service_healthy"}},
            "networks": ["inside"],
        },
        "engine": {
            "image": "ghcr.io/ggml-org/llama.cpp:server-b1@sha256:" + "0" * 64,
            "volumes": [
                {"type": "volume", "source": "weights", "target": "/w"},
                {"type": "bind", "source": "./a", "target": "/a"},
            ],
            "networks": ["inside"],
            "healthcheck": {"interval": "10s", "timeout": "500ms", "start_period": "1h30m"},
        },
    },
    "networks": {"inside": {"internal": True}},
    "volumes": {"weights": {}},
}
VARIABLES = frozenset({"API_KEY", "PORT", "BIND_ADDRESS"})


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    data = deepcopy(GOOD)
    change(data["services"])
    return list(check_compose(data, VARIABLES))


def test_a_good_file_passes() -> None:
    assert list(check_compose(GOOD, VARIABLES)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["proxy"]["depends_on"].update(ghost={}), "depends on ghost"),
        (lambda s: s["proxy"]["networks"].append("ghost"), "network ghost is not declared"),
        (lambda s: s["engine"]["volumes"][0].update(source="ghost"), "volume ghost is not declared"),
        (lambda s: s["engine"]["volumes"][1].update(source="a"), "bind mount a is not a path"),
        (lambda s: s["proxy"].update(ports=["127.0.0.1:800000:80"]), "out of range"),
        (lambda s: s["proxy"].update(ports=["${BIND_ADDRESS:-127.0.0.1}:${PORT:-0}:80"]), "out of range"),
        (lambda s: s["engine"]["healthcheck"].update(interval="30 seconds"), "not a duration"),
        (lambda s: s["proxy"]["environment"].update(X="${API_KEY"), "unfinished"),
        (lambda s: s["proxy"]["environment"].update(X="pa$word"), "unfinished"),
        (lambda s: s["proxy"]["environment"].update(X="${GHOST}"), "GHOST} is not in .env.example"),
        (lambda s: s["engine"].update(image="vllm/vllm-openai:latest"), "not pinned"),
        (lambda s: s["engine"].update(image="vllm/vllm-openai"), "not pinned"),
        (lambda s: s["engine"].pop("image"), "not pinned"),
    ],
)
def test_each_fault_is_named(change: Callable[[dict[str, Any]], object], words: str) -> None:
    found = changed(change)
    assert len(found) == 1
    assert words in found[0]

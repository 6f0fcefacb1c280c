"""What must hold for every engine behind its rendered proxy."""

from __future__ import annotations

from collections.abc import Sequence

from tests.e2e.service import Service, is_open
from tests.e2e.tiny import ANSWERS

QUESTION, ANSWER = next(iter(ANSWERS.items()))


def refuses_without_the_key(service: Service) -> None:
    """No key, a wrong, a longer, a shorter one, and the right one in the wrong words."""
    key = service.key
    wrong = (
        None,
        "Bearer ",
        "Bearer wrong",
        f"Bearer {key}x",
        f"Bearer {key[:-1]}",
        key,
        f"Basic {key}",
        f"bearer {key}",
    )
    for authorization in wrong:
        assert service.ask(QUESTION, authorization=authorization).status == 401, authorization
        assert service.send("GET", "/v1/models", None, authorization).status == 401, authorization


def keeps_shut(service: Service, paths: Sequence[str]) -> None:
    """Paths that are not for clients do not exist, even with the key."""
    for path in paths:
        for method in ("GET", "POST"):
            assert service.send(method, path, {"model": "x"}, f"Bearer {service.key}").status == 404, path


def streams(service: Service) -> None:
    """An answer arrives in several pieces that make up the whole."""
    chunks = service.ask(QUESTION, stream=True).chunks
    deltas = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]]
    assert "".join(deltas).strip() == ANSWER
    assert len([delta for delta in deltas if delta]) > 2


def hides_the_key(service: Service) -> None:
    """The engine listens on loopback, and neither a command line nor a log shows the key."""
    told = service.run("sh", "-c", "cat /proc/$(cat run/engine-1.pid)/cmdline /proc/$(cat run/proxy.pid)/cmdline")
    assert "127.0.0.1" in told
    assert service.key not in told
    assert service.key not in service.logs()


def survives_a_restart(service: Service, engine_port: int) -> None:
    """stop.sh leaves nothing behind, and after start.sh the same key opens the same service."""
    key = service.key
    assert service.run("./stop.sh") == "stopped: proxy\nstopped: engine-1\n"
    assert service.processes() == []
    assert not is_open(service.port)
    assert not is_open(engine_port)
    service.run("./setup.sh")
    service.start()
    assert service.key == key
    assert service.ask(QUESTION).words == ANSWER

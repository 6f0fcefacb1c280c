"""``compose.yaml`` of an engine: the engine on a network without internet, behind a proxy that checks the key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployadvisor.render.compose_engine import (
    INSIDE,
    OUTSIDE,
    bind,
    command,
    engine_service,
    fetch_service,
    hardening,
)
from deployadvisor.render.compose_monitoring import monitoring_secrets, monitoring_services
from deployadvisor.render.interpolation import Reference, escaped, optional, required
from deployadvisor.render.view import PORT, View
from deployadvisor.render.weights import IN_CONTAINER

Data = dict[str, Any]

PROXY_PORT = 8080
WEB_UI_PORT = 8081
NOBODY = "65534:65534"


def compose_file(view: View) -> Data:
    """All services of the bundle, as plain data with ``$`` escaped."""
    return whole_file(view.project, services_of(view), monitoring_secrets(view))


def services_of(view: View) -> Data:
    """The proxy, the engines, what fetches for them, and what watches them."""
    fetch = fetch_service(view)
    return {
        "proxy": proxy_service(view, view.services),
        **{name: engine_service(view, index) for index, name in enumerate(view.services)},
        **({"fetch": fetch} if fetch else {}),
        **monitoring_services(view),
    }


def whole_file(project: str, services: Data, secrets: Data | None = None) -> Data:
    """Services with the networks, volumes and secrets they mention."""
    data: Data = escaped(
        {
            "name": project,
            "services": services,
            # No way out of the inner network: a prompt cannot leave by way of the engine.
            "networks": {INSIDE: {"internal": True}, OUTSIDE: {"driver": "bridge"}},
            **_volumes(services),
            **({"secrets": secrets} if secrets else {}),
        }
    )
    return data


def proxy_service(view: View, upstreams: tuple[str, ...]) -> Data:
    """Caddy: the only service with a port on the host, and only on loopback unless BIND_ADDRESS says otherwise."""
    return {
        "image": view.versions["caddy"].image,
        "user": NOBODY,
        "ports": _ports(view),
        "environment": {"API_KEY": required("API_KEY")},
        "volumes": [bind("./proxy/Caddyfile", "/etc/caddy/Caddyfile")],
        "networks": [INSIDE, OUTSIDE],
        "depends_on": {name: {"condition": "service_healthy"} for name in upstreams},
        "healthcheck": {
            "test": ["CMD", "wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{PROXY_PORT}/health"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
        },
        **hardening(read_only=True),
        "tmpfs": ["/config", "/data"],
        # Caddy's binary carries this file capability and cannot be started where the capability is taken away.
        "cap_add": ["NET_BIND_SERVICE"],
    }


def _ports(view: View) -> list[str]:
    address = optional("BIND_ADDRESS", "127.0.0.1")
    ports: list[str] = [Reference(f"{address}:{optional('PORT', str(PORT))}:{PROXY_PORT}")]
    if not view.hosted and view.layout.web_ui_port:
        # The page has no login, so it stays on loopback whatever BIND_ADDRESS says.
        default = str(view.layout.web_ui_port)
        ports.append(Reference(f"127.0.0.1:{optional('WEB_UI_PORT', default)}:{WEB_UI_PORT}"))
    return ports


def _volumes(services: Data) -> Data:
    mounts = (mount for service in services.values() for mount in service.get("volumes", ()))
    names = dict.fromkeys(mount["source"] for mount in mounts if mount["type"] == "volume")
    return {"volumes": {name: {"driver": "local"} for name in names}} if names else {}


def tuned_file(view: View) -> Data | None:
    """Override that serves the merged model of ``tune/`` under the same name; None where Compose does not serve."""
    if not view.composed:
        return None
    tuned = replace(view, tuned=True)
    change = {**command(tuned), "volumes": [bind(tuned.weights.name, tuned.weights.in_container)]}
    return _override(view, change)


def adapter_file(view: View) -> Data | None:
    """Override that serves the adapter beside the base model; None where the engine cannot."""
    words = adapter_arguments(view)
    if not view.composed or not words:
        return None
    place = str(IN_CONTAINER / "adapter")
    change = {"command": [*command(view)["command"], *words], "volumes": [bind("./tune/output/adapter", place)]}
    return _override(view, change)


def adapter_arguments(view: View) -> list[str]:
    """Flags that serve the adapter, without those that the plan has set already."""
    engine, plan = view.engine, view.advice.plan
    if not engine.lora.supported or engine.lora.backend not in (None, plan.backend):
        return []
    words: list[str] = []
    values = {"lora_enable": [], "lora_modules": [f"{view.adapter_name}={IN_CONTAINER / 'adapter'}"]}
    for field, value in values.items():
        option = engine.flags.get(field)  # type: ignore[call-overload]
        if option is not None and not set(option.names) & set(plan.flags):
            words += [option.names[0], *value]
    return words


def _override(view: View, change: Data) -> Data:
    return {"services": {name: escaped(change) for name in view.services}}

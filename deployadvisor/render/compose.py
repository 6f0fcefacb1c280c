"""``compose.yaml`` of an engine: the engine on a network without internet, behind a proxy that checks the key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployadvisor.catalog.engines import PlanField
from deployadvisor.render.compose_engine import INSIDE, OUTSIDE, bind, command, engine_service, fetch_service
from deployadvisor.render.compose_monitoring import monitoring_secrets, monitoring_services
from deployadvisor.render.compose_proxy import proxy_service
from deployadvisor.render.interpolation import escaped
from deployadvisor.render.view import View
from deployadvisor.render.weights import IN_CONTAINER

Data = dict[str, Any]


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
    named = f"{view.adapter_name}={IN_CONTAINER / 'adapter'}"
    values: dict[PlanField, list[str]] = {"lora_enable": [], "lora_modules": [named]}
    for field, value in values.items():
        option = engine.flags.get(field)
        if option is not None and not set(option.names) & set(plan.flags):
            words += [option.names[0], *value]
    return words


def _override(view: View, change: Data) -> Data:
    return {"services": {name: escaped(change) for name in view.services}}

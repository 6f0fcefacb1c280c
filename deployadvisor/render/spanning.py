"""One engine over several machines: what its processes are told to find each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from deployadvisor.catalog.engines import Engine, PlanField

OWN_ADDRESS: Mapping[str, str] = MappingProxyType({"vllm": "VLLM_HOST_IP"})
"""Variable by which an engine is told its own address, where it would otherwise guess it from its routes."""


def words_for(engine: Engine, values: Mapping[PlanField, object]) -> Iterator[str]:
    """The arguments that tell an engine these values, without those that it has no option for."""
    for field, value in values.items():
        if field in engine.flags:
            yield from engine.flags[field].arguments(value)


def leaders_address(engine: Engine, address: str, port: str | int) -> str:
    """Where the first machine is: with the port, where the engine has no option for it alone."""
    return address if "leader_port" in engine.flags else f"{address}:{port}"

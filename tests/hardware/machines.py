"""Machines of every kind that the probe and machine files can give, known in parts, for laws that hold on all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from deployadvisor.catalog.gpus import gpus
from deployadvisor.hardware.machine import Accelerator, Host, Known, Machine, Unknown

UNKNOWN = st.just(Unknown(unknown="nobody answered"))
VENDORS = ("nvidia", "amd", "apple", "intel", "huawei")
NAMES = ("NVIDIA H100", "NVIDIA GPU", "AMD Radeon", "Apple M9", "Ascend 999")


def known(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Readings: mostly known, at times not."""
    return st.one_of(values.map(lambda value: Known[Any](value=value, source="a test")), UNKNOWN)


def of(*values: Any) -> st.SearchStrategy[Any]:
    return known(st.sampled_from(values))


@st.composite
def accelerators(draw: st.DrawFn, index: int) -> Accelerator:
    """One card: of the catalogue, or one that nobody knows."""
    card = draw(st.none() | st.sampled_from(list(gpus().values())))
    total = draw(of(0.5, 7.6, 16.0, 23.99, 79.6, 140.4, 503.0))
    free: Any = draw(UNKNOWN)
    if isinstance(total, Known):
        free = draw(known(st.sampled_from([0.0, 0.3, 0.97, 1.0]).map(lambda share: share * total.value)))
    content = {
        "index": index,
        "vendor": card.vendor if card else draw(st.sampled_from(VENDORS)),
        "name": card.name if card else draw(st.sampled_from(NAMES)),
        "id": card.id if card else None,
        "kind": draw(st.sampled_from(["gpu", "mig", "vgpu", "integrated", "npu"])),
        "memory_total_gib": total,
        "memory_free_gib": free,
        "unified_memory": card.unified_memory if card else draw(st.booleans()),
        "compute_capability": draw(of("3.7", "7.0", "8.9", "12.1")),
        "driver_version": draw(of("470.256.02", "550.54.14", "580.159.04", "6.16.6", "25.0.rc1")),
        "runtime_version": draw(of("11.4", "12.4", "13.0", "7.0.2")),
        "visible": draw(st.booleans()),
    }
    return Accelerator.model_validate({name: _plain(value) for name, value in content.items()})


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, Known | Unknown) else value


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    total = draw(of(3.0, 15.5, 125.9, 2015.0))
    content = {
        "os": draw(of("linux", "macos", "windows")),
        "arch": draw(of("x86_64", "arm64", "ppc64le")),
        "cpu_model": draw(of("Intel(R) Xeon(R) Processor")),
        "cores": draw(of(0.5, 4.0, 256.0)),
        "memory_total_gib": total,
        "memory_available_gib": draw(st.one_of(st.just(total), UNKNOWN)),
        "container": draw(of(True, False)),
        "disk_free_gib": draw(of(0.0, 20.0, 9000.0)),
    }
    return Host.model_validate({name: _plain(value) for name, value in content.items()})


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Up to four cards, equal or not, on any host."""
    cards = [draw(accelerators(index)) for index in range(draw(st.integers(0, 3)))]
    if cards and draw(st.booleans()):
        cards.append(cards[0].model_copy(update={"index": len(cards)}))
    return Machine(description="a test", accelerators=tuple(cards), host=draw(hosts()))

"""Read cards on Windows that have no reader of their own: those of AMD and Intel, from registry and system.

NVIDIA's cards are left to NVIDIA's reader. Only where nvidia-smi, which comes with every driver, is missing, that
reader can see none of them; then they are listed here, so that they do not vanish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from deployadvisor.catalog.gpus import Gpu, gpus_by_pci
from deployadvisor.catalog.integrated import is_integrated
from deployadvisor.hardware.amd_names import is_nameless
from deployadvisor.hardware.findings import printed
from deployadvisor.hardware.identity import entry_by_names, why_unlisted
from deployadvisor.hardware.machine import (
    Accelerator,
    Host,
    Ids,
    Known,
    Number,
    Problem,
    Text,
    Unknown,
    Vendor,
    value_of,
)
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import Output, System
from deployadvisor.hardware.visible_amd import HIP
from deployadvisor.hardware.windows_adapters import (
    PRESENT,
    REGISTRY,
    Adapter,
    present_adapters,
    registry_adapters,
    used_by_all,
)

_REGISTRY_S = 1.5
_PRESENT_S = 2.3
_WHAT = "display adapters"
_MAKERS: Mapping[str, Vendor] = {"1002": "amd", "8086": "intel", "10de": "nvidia"}
_HIP_SDKS = "C:/Program Files/AMD/ROCm"
_SHARED_WITH_GRAPHICS = 0.5
"""Microsoft, "Calculating Graphics Memory": TotalSystemMemoryAvailableForGraphics."""

_NOT_ON_WINDOWS = Unknown(unknown="not read on Windows")
_NO_CAPABILITY: Mapping[str, Unknown] = {
    "amd": Unknown(unknown="AMD cards have a gfx target instead"),
    "intel": Unknown(unknown="Intel cards have no CUDA"),
    "nvidia": Unknown(unknown="the registry does not say", remedy="install the NVIDIA driver"),
}


def read_windows(system: System, host: Host, patience: Patience) -> Reading:
    """Cards of AMD and Intel; graphics of a processor are not counted, but for those worth planning with."""
    output = system.run(*REGISTRY, timeout_s=patience.at_most(_REGISTRY_S))
    registered = registry_adapters(output.text)
    answer = system.run(*PRESENT, timeout_s=patience.at_most(_PRESENT_S))
    present = present_adapters(answer.text, registered)
    adapters = registered if present is None else present
    used = used_by_all(answer.text)
    ours = [adapter for adapter in adapters if _is_ours(adapter, system)]
    counted = [adapter for adapter in ours if not _is_left_out(adapter)]
    cards = tuple(
        _accelerator(adapter, _index(counted, place), used, system, host) for place, adapter in enumerate(counted)
    )
    silent = _silence(output, answer, registered=bool(registered), stale=present is None and bool(registered))
    notes = (_left_out(adapter) for adapter in ours if _is_left_out(adapter))
    of_cards = (problem for card in cards for problem in _card_problems(card, system))
    return Reading(cards, tuple(dict.fromkeys((*silent, *of_cards, *notes))))


def _is_ours(adapter: Adapter, system: System) -> bool:
    maker = _MAKERS.get(adapter.pci_id[:4])
    return maker is not None and not (maker == "nvidia" and system.has_program("nvidia-smi"))


def _index(counted: Sequence[Adapter], place: int) -> int:
    """Each maker's programs count their own."""
    return sum(other.pci_id[:4] == counted[place].pci_id[:4] for other in counted[:place])


def _is_unified(adapter: Adapter) -> bool:
    entries = gpus_by_pci(adapter.pci_id)
    return bool(entries) and all(entry.unified_memory for entry in entries)


def _is_left_out(adapter: Adapter) -> bool:
    """Graphics of a processor: listed as such, or named as nothing else is.

    Intel's cards are all listed; any other adapter of Intel is taken for a processor's.
    """
    if gpus_by_pci(adapter.pci_id):
        return False
    if is_integrated(adapter.pci_id):
        return True
    maker = _MAKERS.get(adapter.pci_id[:4])
    return maker == "intel" or (maker == "amd" and is_nameless(adapter.name))


def _left_out(adapter: Adapter) -> Problem:
    reason = "integrated graphics of the processor, no memory of its own; not counted"
    return Problem(what=f"{adapter.name} ({adapter.pci_id})", reason=reason)


def _accelerator(adapter: Adapter, index: int, used: Number, system: System, host: Host) -> Accelerator:
    vendor = _MAKERS[adapter.pci_id[:4]]
    unified = _is_unified(adapter)
    free = _free(adapter.memory, used)
    entry = entry_by_names(adapter.pci_id, None, (adapter.name,), value_of(adapter.memory), vendor)
    return Accelerator(
        index=index,
        vendor=vendor,
        name=entry.name if entry and is_nameless(adapter.name) else adapter.name,
        id=entry.id if entry else None,
        kind="integrated" if unified else "gpu",
        memory_total_gib=_with_shared(adapter.memory, host.memory_total_gib, host) if unified else adapter.memory,
        memory_free_gib=_with_shared(free, host.memory_available_gib, host) if unified else free,
        unified_memory=unified,
        compute_capability=_NO_CAPABILITY[vendor],
        gfx_target=_target(entry),
        driver_version=_said(adapter.driver, "registry DriverVersion"),
        runtime_version=_hip_version(system) if vendor == "amd" else _NOT_ON_WINDOWS,
        pci_id=Known[str](value=adapter.pci_id, source="registry MatchingDeviceId"),
        ids=Ids(uuid=_NOT_ON_WINDOWS, serial=_NOT_ON_WINDOWS, pci_address=_NOT_ON_WINDOWS),
    )


def _free(own: Number, used: Number) -> Number:
    """At least this much: everything that is in use anywhere is taken off."""
    if isinstance(own, Unknown) or isinstance(used, Unknown):
        return own if isinstance(own, Unknown) else used
    if used.value > own.value:
        return Unknown(unknown="all adapters together use more than this one has", remedy="close other programs")
    return Known[float](value=own.value - used.value, source=f"{own.source} less {used.source}")


def _with_shared(own: Number, at_most: Number, host: Host) -> Number:
    """What the firmware set aside, and the half of the rest that Windows lends to graphics, as far as it is there."""
    rest = host.memory_total_gib
    if isinstance(own, Known) and isinstance(rest, Known) and isinstance(at_most, Known):
        lent = min(rest.value * _SHARED_WITH_GRAPHICS, at_most.value)
        source = f"set aside by the firmware ({own.source}) and half of what Windows has ({rest.source})"
        return Known[float](value=own.value + lent, source=source)
    return next(reading for reading in (own, rest, at_most) if isinstance(reading, Unknown))


def _target(entry: Gpu | None) -> Text:
    if entry and entry.gfx_target:
        return Known[str](value=entry.gfx_target, source=f"catalogue, {entry.id}")
    return Unknown(unknown="the catalogue does not tell it")


def _said(value: str | None, source: str) -> Text:
    return Known[str](value=value, source=source) if value else Unknown(unknown=f"{source} says nothing")


def _hip_version(system: System) -> Text:
    """The newest HIP SDK; engines that bring their own, as Ollama does, need none."""
    found = [name for name in system.names(_HIP_SDKS) if re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2}){1,2}", name)]
    if found:
        newest = max(found, key=lambda name: [int(part) for part in name.split(".")])
        return Known[str](value=newest, source=_HIP_SDKS)
    remedy = "install the HIP SDK, or choose an engine that brings its own or runs on Vulkan"
    return Unknown(unknown=f"there is no HIP SDK in {_HIP_SDKS}", remedy=remedy)


# What the user should know


def _silence(registry: Output, present: Output, *, registered: bool, stale: bool) -> Iterator[Problem]:
    """Which of the two did not answer. A registry with closed parts ends with an error, and still tells the rest."""
    if not registered:
        reason = f"the registry names no display adapter: {registry.silence or printed(registry)}"
        yield Problem(what=_WHAT, reason=reason, remedy="try reg query in a terminal")
    if stale:
        why = present.silence or "it printed no adapters"
        reason = (
            f"Windows did not say which adapters are present ({why}), so cards that were removed may be among them"
        )
        yield Problem(what=_WHAT, reason=reason, remedy="try Get-CimInstance Win32_VideoController in PowerShell")


def _card_problems(card: Accelerator, system: System) -> Iterator[Problem]:
    total = card.memory_total_gib
    if isinstance(total, Unknown):
        yield Problem(what=f"memory of {card.name}", reason=total.unknown, remedy=total.remedy)
    elif card.id is None:
        reason, remedy = why_unlisted(value_of(card.pci_id), total.value)
        yield Problem(what=card.name, reason=reason, remedy=remedy)
    if card.unified_memory:
        reason = "it works in the computer's memory: what the firmware set aside, and half of what Windows has left"
        yield Problem(what=f"memory of {card.name}", reason=reason, remedy="set aside more in the firmware")
    if card.vendor == "amd" and system.env().get(HIP):
        reason = "on Windows nobody says which adapter has which number, so it is not applied here"
        yield Problem(what=HIP, reason=reason, remedy="unset it to use all cards")
    if card.vendor == "nvidia":
        reason = "nvidia-smi is missing, so only the registry tells of this card"
        yield Problem(what=card.name, reason=reason, remedy="install the NVIDIA driver")

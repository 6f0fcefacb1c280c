"""NVIDIA devices from NVML's answers: cards, MIG slices and vGPUs, and what each really gives to a process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.hardware.answers import (
    FUNCTION_NOT_FOUND,
    NOT_FOUND,
    NOT_SUPPORTED,
    Answers,
    Refusal,
    is_plain,
    memory,
)
from deployadvisor.hardware.host import MEMINFO_TOTAL
from deployadvisor.hardware.machine import Accelerator, Host, Ids, Kind, Known, Number, Text, Unknown, Use, value_of
from deployadvisor.hardware.names import identify
from deployadvisor.hardware.pci import bus_address, numa_node
from deployadvisor.hardware.system import GIB, System

MEMORY = "nvmlDeviceGetMemoryInfo"

_TEGRA_MARK = "(nvgpu)"  # what the driver of Jetson boards adds to the name of its built-in GPU
_VGPU_MODE = 2  # NVML_GPU_VIRTUALIZATION_MODE_VGPU
_VGPU_NAME = "GRID "
_NVIDIA = 0x10DE
_MOST_PROCESSES = 64
_NOT_ON_SLICES = Unknown(unknown="the driver says this of whole cards only")
_NO_GFX = Unknown(unknown="NVIDIA cards have a compute capability instead")
_WHOLE_CARD = Unknown(unknown="not a MIG slice")


@dataclass(frozen=True, slots=True)
class Driver:
    """What all cards of the machine share."""

    version: Text
    runtime: Text


@dataclass(frozen=True, slots=True)
class Device:
    """A device that CUDA may use, before it has an index and ``CUDA_VISIBLE_DEVICES`` has been applied."""

    accelerator: Accelerator
    card: int
    uuids: tuple[str, ...] = ()
    """Of the slice, if it is one, and of its card; compared, and shown only when asked for."""

    @property
    def has_uuid(self) -> bool:
        """Whether the UUID of the device itself is among them, not only that of a slice's card."""
        is_slice = self.accelerator.kind == "mig"
        return any(uuid.startswith("MIG-") for uuid in self.uuids) if is_slice else bool(self.uuids)


def read_driver(answers: Answers) -> Driver:
    """Driver version, and the newest CUDA version that it supports."""
    function = "nvmlSystemGetCudaDriverVersion_v2"
    number = answers.whole(function, lowest=1000, highest=99_999)
    if isinstance(number, Refusal):
        runtime: Text = number.unknown()
    else:
        runtime = Known[str](value=f"{number // 1000}.{number % 1000 // 10}", source=answers.source(function))
    return Driver(answers.text("nvmlSystemGetDriverVersion"), runtime)


def card_devices(answers: Answers, card: int, driver: Driver, system: System, host: Host) -> tuple[Device, ...]:
    """The card itself, or its slices when MIG is on; never both."""
    handle = answers.values.get("nvmlDeviceGetHandleByIndex")
    if handle is not None:
        return (Device(_unreadable(answers, card, driver), card),)
    if _mig_is_on(answers.ask("nvmlDeviceGetMigMode")):
        return tuple(_slice(answers, part, card, driver, system) for part in slices(answers))
    return (_whole_card(answers, card, driver, system, host),)


def slices(answers: Answers) -> list[Answers]:
    """The slices of a card: slots that are not empty."""
    slots = answers.parts("mig")
    return [part for part in slots if part.values and not _is_empty(part.ask("nvmlDeviceGetMigDeviceHandleByIndex"))]


def _is_empty(answer: Any) -> bool:
    return isinstance(answer, Refusal) and answer.code == NOT_FOUND


def is_split(answers: Answers) -> bool:
    """Whether the card's MIG mode is on."""
    return _mig_is_on(answers.ask("nvmlDeviceGetMigMode"))


def _mig_is_on(mode: Any) -> bool:
    return isinstance(mode, list) and bool(mode) and mode[0] == 1


def _unreadable(answers: Answers, card: int, driver: Driver) -> Accelerator:
    refused = answers.ask("nvmlDeviceGetHandleByIndex")
    reason = refused.unknown() if isinstance(refused, Refusal) else Unknown(unknown="the driver gives no access")
    return Accelerator(
        index=card,
        vendor="nvidia",
        name=f"NVIDIA GPU {card}",
        id=None,
        memory_total_gib=reason,
        memory_free_gib=reason,
        compute_capability=reason,
        gfx_target=_NO_GFX,
        driver_version=driver.version,
        runtime_version=driver.runtime,
        visible=False,
        ids=Ids(uuid=reason, serial=reason, pci_address=answers.text("nvmlDeviceGetPciInfo", name="busId")),
    )


def _whole_card(answers: Answers, card: int, driver: Driver, system: System, host: Host) -> Device:
    name = _name(answers, f"NVIDIA GPU {card}")
    kind = _kind(answers, name)
    total, free = memory(answers, MEMORY) if _is_whole(answers) else _maybe_split(answers)
    entry = identify(name, value_of(total) if kind == "gpu" else None)
    unified = entry.unified_memory if entry else name.endswith(_TEGRA_MARK)
    if unified:
        entry = _unified_entry(name, host)
        kind, total = "integrated", _of_host(host.memory_total_gib, total)
        free = _of_host(host.memory_available_gib, free)
    accelerator = Accelerator(
        index=card,
        vendor="nvidia",
        name=name,
        id=entry.id if entry else None,
        kind=kind,
        memory_total_gib=total,
        memory_free_gib=free,
        unified_memory=unified,
        driver_version=driver.version,
        runtime_version=driver.runtime,
        mig_profile=_WHOLE_CARD,
        used_by=_users(answers, system, total, free, _others(host, unified=unified)),
        **_card_details(answers, system, entry),
    )
    return Device(accelerator, card, _uuids(answers))


def _slice(answers: Answers, part: Answers, card: int, driver: Driver, system: System) -> Device:
    """One slice: its own memory, and what it shares with its card."""
    parent = _name(answers, f"NVIDIA GPU {card}")
    name = _name(part, f"{parent} MIG")
    entry = identify(parent, None)
    total, free = memory(part, MEMORY)
    details = _card_details(answers, system, entry)
    accelerator = Accelerator(
        index=card,
        vendor="nvidia",
        name=name,
        id=entry.id if entry else None,
        kind="mig",
        memory_total_gib=total,
        memory_free_gib=free,
        driver_version=driver.version,
        runtime_version=driver.runtime,
        card=card,
        mig_profile=_profile(part, name),
        used_by=_users(part, system, total, free),
        **{**details, "ids": _slice_ids(part, details["ids"])},
    )
    return Device(accelerator, card, (*_uuids(part), *_uuids(answers)))


def _card_details(answers: Answers, system: System, entry: Gpu | None) -> dict[str, Any]:
    """What is said of the card, be it whole or cut."""
    address = _address(answers)
    watts = answers.number("nvmlDeviceGetPowerManagementLimit", lowest=1, highest=10_000_000, scale=0.001)
    return {
        "compute_capability": _compute_capability(answers, entry),
        "gfx_target": _NO_GFX,
        "ecc": answers.flag("nvmlDeviceGetEccMode"),
        "power_cap_w": watts,
        "pcie_generation": answers.number("nvmlDeviceGetCurrPcieLinkGeneration", lowest=1, highest=9),
        "pcie_width": answers.number("nvmlDeviceGetCurrPcieLinkWidth", lowest=1, highest=32),
        "numa_node": numa_node(system, address),
        "display_attached": answers.flag("nvmlDeviceGetDisplayActive"),
        "pci_id": _pci_id(answers),
        "ids": Ids(
            uuid=answers.text("nvmlDeviceGetUUID"),
            serial=answers.text("nvmlDeviceGetSerial"),
            pci_address=answers.text("nvmlDeviceGetPciInfo", name="busId"),
        ),
    }


def _slice_ids(part: Answers, ids: Ids) -> Ids:
    return ids.model_copy(update={"uuid": part.text("nvmlDeviceGetUUID"), "serial": _NOT_ON_SLICES})


def _name(answers: Answers, otherwise: str) -> str:
    return value_of(answers.text("nvmlDeviceGetName")) or otherwise


def _kind(answers: Answers, name: str) -> Kind:
    mode = answers.ask("nvmlDeviceGetVirtualizationMode")
    return "vgpu" if mode == _VGPU_MODE or name.startswith(_VGPU_NAME) else "gpu"


def _is_whole(answers: Answers) -> bool:
    """MIG is off, or the card cannot be split at all; an answer that means nothing leaves both open."""
    mode = answers.ask("nvmlDeviceGetMigMode")
    if isinstance(mode, Refusal):
        return mode.code in (NOT_SUPPORTED, FUNCTION_NOT_FOUND)
    return isinstance(mode, list) and bool(mode) and mode[0] == 0


def _maybe_split(answers: Answers) -> tuple[Unknown, Unknown]:
    """A card that may be split is not read: its whole memory would not be this process's."""
    function = "nvmlDeviceGetMigMode"
    mode = answers.ask(function)
    cause = (
        mode if isinstance(mode, Refusal) else answers.refusal(function, "answered nothing it can mean")
    ).unknown()
    reason = Unknown(
        unknown=f"the card may be split by MIG, so its own total says nothing ({cause.unknown})",
        remedy=cause.remedy or "compare nvidia-smi -L",
    )
    return reason, reason


def _profile(part: Answers, name: str) -> Text:
    """``1g.18gb`` out of ``NVIDIA H200 MIG 1g.18gb``: the profile is rounded up, the memory is not."""
    _, mark, profile = name.partition(" MIG ")
    if mark and is_plain(profile):
        return Known[str](value=profile, source=part.source("nvmlDeviceGetName"))
    return Unknown(unknown=f"the name of the slice, {name}, does not say its profile")


def _compute_capability(answers: Answers, entry: Gpu | None) -> Text:
    function = "nvmlDeviceGetCudaComputeCapability"
    answer = answers.ask(function)
    if isinstance(answer, Refusal):
        return _catalogued_capability(entry) or answer.unknown()
    parts = answer if isinstance(answer, list) else []
    if len(parts) != 2 or not all(type(part) is int and 0 <= part < 100 for part in parts) or parts[0] == 0:
        return answers.refusal(function, "answered nothing it can mean").unknown()
    return Known[str](value=f"{parts[0]}.{parts[1]}", source=answers.source(function))


def _catalogued_capability(entry: Gpu | None) -> Text | None:
    """A property of the product, which the name gives away where a tool does not print it."""
    if entry is None or entry.compute_capability is None:
        return None
    return Known[str](value=entry.compute_capability, source=f"catalogue, {entry.id}")


def _address(answers: Answers) -> str | None:
    address = value_of(answers.text("nvmlDeviceGetPciInfo", name="busId"))
    return bus_address(address) if address else None


def _pci_id(answers: Answers) -> Text:
    function = "nvmlDeviceGetPciInfo"
    number = answers.whole(function, lowest=1, highest=0xFFFFFFFF, name="pciDeviceId")
    if isinstance(number, Refusal):
        return number.unknown()
    if number & 0xFFFF != _NVIDIA:
        return answers.refusal(function, f"names the vendor {number & 0xFFFF:04x}").unknown()
    return Known[str](value=f"{_NVIDIA:04x}:{number >> 16:04x}", source=answers.source(function))


def _uuids(answers: Answers) -> tuple[str, ...]:
    uuid = value_of(answers.text("nvmlDeviceGetUUID"))
    return (uuid,) if uuid else ()


# Who holds the memory


_UNSEEN = "driver, and what it shows to nobody"


def _others(host: Host, *, unified: bool) -> str:
    """Who holds what no process was named for."""
    if unified:
        return "system, and programs that do not use the GPU"
    return "Windows and its programs, and the driver" if value_of(host.wsl) else _UNSEEN


def _users(
    answers: Answers, system: System, total: Number, free: Number, others: str = _UNSEEN
) -> Known[tuple[Use, ...]] | Unknown:
    """Processes with their memory, and what is left over as that of ``others``."""
    asked = [answers.ask(f"nvmlDeviceGet{kind}RunningProcesses") for kind in ("Compute", "Graphics")]
    lists = [rows for rows in asked if isinstance(rows, list)]
    if not lists:
        refused = next((answer for answer in asked if isinstance(answer, Refusal)), None)
        return refused.unknown() if refused else Unknown(unknown="the driver names no processes")
    rows = {row["pid"]: row for rows in lists for row in rows[:_MOST_PROCESSES] if _is_process(row)}
    uses = [_use(row, system, answers.name) for row in rows.values()]
    source = answers.source("nvmlDeviceGetComputeRunningProcesses")
    return Known[tuple[Use, ...]](value=(*uses, *_rest(uses, total, free, others)), source=source)


def _is_process(row: object) -> bool:
    return isinstance(row, dict) and type(row.get("pid")) is int and row["pid"] > 0


def _use(row: dict[str, Any], system: System, source: str) -> Use:
    used = row.get("usedGpuMemory")
    if type(used) is int and 0 < used < 1 << 50:
        return Use(who=_who(row, system), memory_gib=Known[float](value=used / GIB, source=source))
    return Use(who=_who(row, system), memory_gib=Unknown(unknown="the driver does not say how much it holds"))


def _who(row: dict[str, Any], system: System) -> str:
    """Name and number: as this system knows it, else as the driver does, else that it ended or is somewhere else."""
    pid, told = row["pid"], row.get("name")
    comm = (system.text(f"/proc/{pid}/comm") or "").strip()
    name = comm if is_plain(comm) else told if isinstance(told, str) and is_plain(told) else None
    return f"{name} ({pid})" if name else f"process {pid}, which is not seen from here"


def _rest(uses: list[Use], total: Number, free: Number, others: str) -> Iterator[Use]:
    """What no process was named for: the driver's own share, or processes that this user may not see."""
    if isinstance(total, Unknown) or isinstance(free, Unknown):
        return
    rest = total.value - free.value - sum(value_of(use.memory_gib) or 0.0 for use in uses)
    if rest > 0.01:
        source = "total less free less processes"
        yield Use(who=others, memory_gib=Known[float](value=rest, source=source))


# Memory shared with the host


def _unified_entry(name: str, host: Host) -> Gpu | None:
    """Jetson drivers name the family only, ``Orin (nvgpu)``: the board's memory tells which one it is."""
    board_gib = _physical_gib(host)
    if not name.endswith(_TEGRA_MARK):
        return identify(name, board_gib)
    return identify(f"Jetson {name.removesuffix(_TEGRA_MARK)}", board_gib) if board_gib else None


def _physical_gib(host: Host) -> float | None:
    """Memory of the board, unless a control group hides it."""
    total = host.memory_total_gib
    return total.value if isinstance(total, Known) and total.source == MEMINFO_TOTAL else None


def _of_host(host_memory: Number, own: Number) -> Number:
    """Unified memory is the host's, limits included; NVML answers for it on some drivers only."""
    if isinstance(host_memory, Known):
        return Known[float](value=host_memory.value, source=f"unified with the host: {host_memory.source}")
    return own

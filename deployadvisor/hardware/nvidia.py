"""Read NVIDIA cards, MIG slices and vGPUs: what each one really gives to a process, or why that is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.hardware.host import MEMINFO_TOTAL
from deployadvisor.hardware.machine import (
    Accelerator,
    Host,
    Kind,
    Known,
    Number,
    Problem,
    Text,
    Unknown,
    value_of,
)
from deployadvisor.hardware.names import identify
from deployadvisor.hardware.nvml import (
    DRIVER_NOT_LOADED,
    FUNCTION_NOT_FOUND,
    LIBRARY_NOT_FOUND,
    NO_PERMISSION,
    NOT_FOUND,
    NOT_SUPPORTED,
    VERSION_MISMATCH,
    Nvml,
    Refusal,
    ask,
    ask_compute_capability,
    ask_cuda_version,
    ask_memory,
    ask_text,
)
from deployadvisor.hardware.visible import VARIABLE, Device, choose, needs_uuids

_TEGRA_MARK = "(nvgpu)"  # what the driver of Jetson boards adds to the name of its built-in GPU
_VGPU_MODE = 2  # NVML_GPU_VIRTUALIZATION_MODE_VGPU
_VGPU_NAME = "GRID "
_MAX_CARDS = 256
_MAX_SLICES = 64

_STARTUP: dict[int | None, tuple[str, str]] = {
    LIBRARY_NOT_FOUND: (
        "no NVIDIA driver library (libnvidia-ml) is installed here",
        "install the NVIDIA driver; in a container, start it with --gpus all and the NVIDIA container toolkit",
    ),
    DRIVER_NOT_LOADED: (
        "the NVIDIA driver is installed but its kernel module is not loaded",
        "run modprobe nvidia and read dmesg; after a kernel update, reinstall the driver",
    ),
    VERSION_MISMATCH: (
        "the NVIDIA library and the loaded kernel module have different versions",
        "reboot, or reload the nvidia modules: the driver was updated while it was in use",
    ),
    NO_PERMISSION: (
        "this user may not open the NVIDIA devices",
        "give the user access to /dev/nvidia* (often the groups video and render)",
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Accelerators of one vendor, and what could not be read."""

    accelerators: tuple[Accelerator, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A device that CUDA may use, before it has an index and ``CUDA_VISIBLE_DEVICES`` has been applied."""

    accelerator: Accelerator
    card: int
    handles: tuple[Any, ...] = ()
    """NVML handles of the slice, if it is one, and of its card."""


@dataclass(frozen=True, slots=True)
class _CardReading:
    devices: tuple[_Found, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Driver:
    """What all cards of the machine share."""

    version: Text
    runtime: Text


def read_nvidia(nvml: Nvml, env: Mapping[str, str], host: Host) -> Reading:
    """Every NVIDIA device; NVML is connected for the time of the call."""
    started = ask(nvml, "nvmlInit")
    if isinstance(started, Refusal):
        return Reading(problems=(_startup_problem(started),))
    try:
        return _read(nvml, env, host)
    finally:
        ask(nvml, "nvmlShutdown")


def missing_package() -> Reading:
    """The reading where ``nvidia-ml-py`` is not installed."""
    reason = "the Python package nvidia-ml-py is not installed, so no card can be asked"
    return Reading(problems=(_problem(reason, "pip install nvidia-ml-py"),))


def no_answer(timeout_s: float) -> Reading:
    """The reading where the driver hangs."""
    reason = f"the NVIDIA driver did not answer within {timeout_s:g} seconds"
    return Reading(problems=(_problem(reason, "try nvidia-smi; a card that hangs needs a reset or a reboot"),))


def _startup_problem(refusal: Refusal) -> Problem:
    return _problem(*_STARTUP.get(refusal.code, (f"NVML does not start: {refusal.words}", "try nvidia-smi")))


def _problem(reason: str, remedy: str | None, *, what: str = "NVIDIA GPUs") -> Problem:
    return Problem(what=what, reason=reason, remedy=remedy)


def _read(nvml: Nvml, env: Mapping[str, str], host: Host) -> Reading:
    count = ask(nvml, "nvmlDeviceGetCount")
    if isinstance(count, Refusal):
        return Reading(problems=(_problem(count.unknown().unknown, "try nvidia-smi"),))
    if count <= 0:
        reason = "the NVIDIA driver runs but shows no card to this process"
        return Reading(problems=(_problem(reason, "in a container, start it with --gpus all"),))
    driver = _Driver(ask_text(nvml, "nvmlSystemGetDriverVersion"), ask_cuda_version(nvml))
    cards = [_card_reading(nvml, card, driver, host) for card in range(min(count, _MAX_CARDS))]
    found = [device for card in cards for device in card.devices]
    problems = [problem for card in cards for problem in card.problems]
    return _with_visibility(nvml, env, found, [*problems, *_device_problems(found)])


# Devices of one card


def _card_reading(nvml: Nvml, card: int, driver: _Driver, host: Host) -> _CardReading:
    """The card itself, or its slices when MIG is on; never both."""
    handle = ask(nvml, "nvmlDeviceGetHandleByIndex", card)
    if isinstance(handle, Refusal):
        return _CardReading((_Found(_unreadable(card, handle, driver), card),))
    mode = ask(nvml, "nvmlDeviceGetMigMode", handle)
    if not isinstance(mode, Refusal) and mode[0] == 1:
        return _split_card(nvml, card, handle, driver)
    return _CardReading((_whole_card(nvml, card, handle, driver, host, mode),))


def _unreadable(card: int, refusal: Refusal, driver: _Driver) -> Accelerator:
    reason = refusal.unknown()
    return Accelerator(
        index=card,
        vendor="nvidia",
        name=f"NVIDIA GPU {card}",
        id=None,
        memory_total_gib=reason,
        memory_free_gib=reason,
        compute_capability=reason,
        driver_version=driver.version,
        runtime_version=driver.runtime,
        visible=False,
    )


def _whole_card(nvml: Nvml, card: int, handle: Any, driver: _Driver, host: Host, mode: Any) -> _Found:
    name = _name(nvml, handle, f"NVIDIA GPU {card}")
    kind = _kind(nvml, handle, name)
    total, free = ask_memory(nvml, handle) if _is_whole(mode) else _maybe_split(mode)
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
        compute_capability=ask_compute_capability(nvml, handle),
        driver_version=driver.version,
        runtime_version=driver.runtime,
    )
    return _Found(accelerator, card, (handle,))


def _split_card(nvml: Nvml, card: int, handle: Any, driver: _Driver) -> _CardReading:
    """The slices of a card; its own memory belongs to nobody as a whole."""
    answers = _slice_answers(nvml, handle)
    parts = [answer for answer in answers if not isinstance(answer, Refusal)]
    refused = [answer.unknown() for answer in answers if isinstance(answer, Refusal)]
    problems = [_problem(f"MIG slices of card {card}: {reason.unknown}", reason.remedy) for reason in refused]
    if not parts and not problems:
        reason = f"MIG is on, but card {card} has no slice that this process may use"
        problems.append(_problem(reason, "create a slice (nvidia-smi mig -cgi ... -C) or ask for one"))
    return _CardReading(tuple(_slice(nvml, card, handle, part, driver) for part in parts), tuple(problems))


def _slice_answers(nvml: Nvml, handle: Any) -> list[Any]:
    """Handles of slices, and refusals that mean something else than an empty slot."""
    slots = ask(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle)
    if isinstance(slots, Refusal):
        return [slots]
    answers = [
        ask(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, slot) for slot in range(min(slots, _MAX_SLICES))
    ]
    return [answer for answer in answers if not (isinstance(answer, Refusal) and answer.code == NOT_FOUND)]


def _slice(nvml: Nvml, card: int, handle: Any, part: Any, driver: _Driver) -> _Found:
    parent = _name(nvml, handle, f"NVIDIA GPU {card}")
    entry = identify(parent, None)
    total, free = ask_memory(nvml, part)
    accelerator = Accelerator(
        index=card,
        vendor="nvidia",
        name=_name(nvml, part, f"{parent} MIG"),
        id=entry.id if entry else None,
        kind="mig",
        memory_total_gib=total,
        memory_free_gib=free,
        compute_capability=ask_compute_capability(nvml, handle),
        driver_version=driver.version,
        runtime_version=driver.runtime,
    )
    return _Found(accelerator, card, (part, handle))


def _name(nvml: Nvml, handle: Any, otherwise: str) -> str:
    return value_of(ask_text(nvml, "nvmlDeviceGetName", handle)) or otherwise


def _kind(nvml: Nvml, handle: Any, name: str) -> Kind:
    mode = ask(nvml, "nvmlDeviceGetVirtualizationMode", handle)
    return "vgpu" if mode == _VGPU_MODE or name.startswith(_VGPU_NAME) else "gpu"


def _is_whole(mode: Any) -> bool:
    """MIG is off, or the card cannot be split at all."""
    return not isinstance(mode, Refusal) or mode.code in (NOT_SUPPORTED, FUNCTION_NOT_FOUND)


def _maybe_split(mode: Refusal) -> tuple[Unknown, Unknown]:
    """A card that may be split is not read: its whole memory would not be this process's."""
    cause = mode.unknown()
    reason = Unknown(
        unknown=f"the card may be split by MIG, so its own total says nothing ({cause.unknown})",
        remedy=cause.remedy or "compare nvidia-smi -L",
    )
    return reason, reason


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


# What the user should know


def _device_problems(found: list[_Found]) -> Iterator[Problem]:
    for accelerator in (device.accelerator for device in found):
        if isinstance(unknown := accelerator.memory_total_gib, Unknown):
            yield _problem(unknown.unknown, unknown.remedy, what=f"memory of {accelerator.name}")
        elif accelerator.id is None:
            reason = "the catalogue has no entry for this name and memory, so its speed cannot be estimated"
            yield _problem(reason, "add an entry to the GPU catalogue", what=accelerator.name)
    if sum(device.accelerator.kind == "mig" for device in found) > 1:
        reason = "CUDA gives a process one MIG slice; slices cannot be joined by tensor parallelism"
        yield _problem(reason, "start one replica a slice")


def _with_visibility(nvml: Nvml, env: Mapping[str, str], found: list[_Found], problems: list[Problem]) -> Reading:
    """Number the devices and apply ``CUDA_VISIBLE_DEVICES``."""
    value = env.get(VARIABLE)
    uuids = needs_uuids(value)
    devices = [_as_device(nvml, device, uuids=uuids) for device in found]
    choice = choose(value, env.get("CUDA_DEVICE_ORDER"), devices)
    accelerators = tuple(
        _numbered(device.accelerator, index, visible=index in choice.positions) for index, device in enumerate(found)
    )
    return Reading(accelerators, tuple(dict.fromkeys((*problems, *choice.problems))))


def _as_device(nvml: Nvml, device: _Found, *, uuids: bool) -> Device:
    answers = [ask_text(nvml, "nvmlDeviceGetUUID", handle) for handle in device.handles] if uuids else []
    known = tuple(answer.value for answer in answers if isinstance(answer, Known))
    return Device(device.card, device.accelerator.name, known)


def _numbered(accelerator: Accelerator, index: int, *, visible: bool) -> Accelerator:
    return accelerator.model_copy(update={"index": index, "visible": visible and accelerator.visible})

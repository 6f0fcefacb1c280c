"""Apple chips: one memory for processor and GPU, of which macOS lets the GPU have only a part."""

from __future__ import annotations

from collections.abc import Iterable

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.catalog.metal import metal_share
from deployadvisor.hardware.machine import Accelerator, Host, Known, Number, Problem, Unknown
from deployadvisor.hardware.names import identify
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import GIB, System

_SYSCTL = "/usr/sbin/sysctl"
_SYSCTL_S = 2.0
_CHIP = "machdep.cpu.brand_string"
_MEMORY = "hw.memsize"
_LIMIT = "iogpu.wired_limit_mb"


def apple_accelerator(name: str, entry: Gpu | None, total: Number, free: Number, index: int = 0) -> Accelerator:
    """The GPU of an Apple chip."""
    not_nvidia = Unknown(unknown="Apple chips have no CUDA")
    return Accelerator(
        index=index,
        vendor="apple",
        name=name,
        id=entry.id if entry else None,
        kind="integrated",
        memory_total_gib=total,
        memory_free_gib=free,
        unified_memory=True,
        compute_capability=not_nvidia,
        driver_version=Unknown(unknown="Metal comes with macOS"),
        runtime_version=not_nvidia,
    )


def gpu_share(total: Number) -> Number:
    """What the GPU may use of ``total`` unless the owner raises the limit."""
    if isinstance(total, Unknown):
        return total
    default = metal_share(total.value)
    source = f"{default.share} of unified memory, the usual macOS default ({'; '.join(default.source)})"
    return Known[float](value=float(default.share * total.value), source=source)


def share_problem(name: str, total: Number) -> Problem:
    """Why less than the whole memory is free."""
    part = "a part" if isinstance(total, Unknown) else f"about {float(metal_share(total.value).share):.0%}"
    return Problem(
        what=f"memory of {name}",
        reason=f"macOS lets the GPU use {part} of the unified memory by default",
        remedy="raise it with sudo sysctl iogpu.wired_limit_mb=<MiB>, and leave some to the system",
    )


def read_apple(system: System, host: Host, patience: Patience) -> Reading:
    """The GPU of this Mac; none where the processor is not Apple's."""
    output = system.run(_SYSCTL, _CHIP, _MEMORY, _LIMIT, timeout_s=patience.at_most(_SYSCTL_S))
    answers = _answers(output.text)
    name = answers.get(_CHIP, "")
    if not name:
        reason = f"sysctl named no chip: {output.silence or f'status {output.code}'}"
        return Reading(problems=(Problem(what="Apple GPU", reason=reason, remedy=f"try sysctl {_CHIP}"),))
    if not name.startswith("Apple"):
        return Reading()
    total = _total(answers, host)
    allowed, problems = _allowed(answers, total, name)
    free = _smallest((allowed, host.memory_available_gib))
    return Reading((apple_accelerator(name, identify(name, None), total, free),), problems)


def _answers(text: str) -> dict[str, str]:
    """``name: value`` lines; a variable that the system lacks is left out."""
    lines = (line.partition(": ") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in lines if colon}


def _total(answers: dict[str, str], host: Host) -> Number:
    size = answers.get(_MEMORY, "")
    if size.isdecimal() and len(size) < 20 and int(size) > 0:
        return Known[float](value=int(size) / GIB, source=f"sysctl {_MEMORY}")
    return host.memory_total_gib


def _allowed(answers: dict[str, str], total: Number, name: str) -> tuple[Number, tuple[Problem, ...]]:
    """The owner's limit where one is set (0 means the default), else the default share."""
    limit = answers.get(_LIMIT, "0")
    if limit.isdecimal() and len(limit) < 20 and int(limit) > 0:
        return Known[float](value=int(limit) / 1024, source=f"sysctl {_LIMIT}"), ()
    return gpu_share(total), (share_problem(name, total),)


def _smallest(readings: Iterable[Number]) -> Number:
    known = [reading for reading in readings if isinstance(reading, Known)]
    if known:
        return min(known, key=lambda reading: reading.value)
    return Unknown(unknown="neither sysctl nor psutil says how much memory there is")

"""Apple chips: one memory for processor and GPU, of which macOS lets the GPU have only a part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.catalog.metal import metal_share
from deployadvisor.hardware.answers import is_plain, shown
from deployadvisor.hardware.apple_registry import NAME as REGISTRY_NAME
from deployadvisor.hardware.apple_registry import REGISTRY, Registry, read_registry
from deployadvisor.hardware.machine import Accelerator, Host, Known, Number, Problem, Unknown, Use, value_of
from deployadvisor.hardware.names import identify
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import GIB, Output, System

_SYSCTL = "/usr/sbin/sysctl"
_SYSCTL_S = 2.0
_REGISTRY_S = 1.0
_MOST_BYTES = 1 << 40
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
    answers = _answers(output)
    registry = read_registry(system.run(*REGISTRY, timeout_s=patience.at_most(_REGISTRY_S)))
    name = _chip(answers.get(_CHIP, ""), registry)
    if not name:
        return Reading(problems=tuple(_without_chip(answers.get(_CHIP, ""), output, registry)))
    total = _total(answers, host)
    allowed, problems = _allowed(answers, total, name)
    free = _free(allowed, registry, (total, host.memory_available_gib))
    card = apple_accelerator(name, identify(name, None), total, free)
    held = card.model_copy(update={"used_by": _users(registry)})
    return Reading((held,), (*problems, *_translated(host)))


def _chip(brand: str, registry: Registry) -> str:
    """Apple's chip: an x86 program is told of another processor, but the registry names the GPU by its chip."""
    if brand.startswith("Apple ") and is_plain(brand):
        return brand
    return registry.chip or ("Apple chip" if "Apple" in brand else "")


def _translated(host: Host) -> Iterator[Problem]:
    if value_of(host.arch) == "x86_64":
        reason = "it is an x86 program that Rosetta translates, and what it starts is translated too"
        yield Problem(what="Python", reason=reason, remedy="install Python for arm64, and the engines with it")


def _without_chip(brand: str, output: Output, registry: Registry) -> Iterator[Problem]:
    """Macs with an Intel processor, whose graphics cards are no help, and Macs that do not answer."""
    if not brand.startswith("Intel"):
        said = f"the chip {shown(brand)}" if brand else f"no chip: {output.silence or f'status {output.code}'}"
        yield Problem(what="Apple GPU", reason=f"sysctl named {said}", remedy=f"try sysctl {_CHIP}")
    if registry.others:
        makers = ", ".join(registry.others)
        reason = "this Mac has an Intel processor; engines that use Metal are planned for Apple chips only"
        yield Problem(what=f"GPU of this Mac ({makers})", reason=reason, remedy="plan with processor and memory")


def _free(allowed: Number, registry: Registry, bounds: Iterable[Number]) -> Number:
    """What the limit leaves, and no more than there is and than the system has available."""
    left = _left(allowed, registry)
    if isinstance(allowed, Known) and isinstance(left, Unknown):
        return left
    return _smallest((left, *bounds))


def _left(allowed: Number, registry: Registry) -> Number:
    """What is left of the limit, which holds for all programs together."""
    if isinstance(allowed, Unknown) or registry.held_bytes is None:
        return allowed
    left = allowed.value - registry.held_bytes / GIB
    if left <= 0:
        return Unknown(unknown="programs hold as much as macOS lets the GPU use", remedy="quit what uses the GPU")
    return Known[float](value=left, source=f"{allowed.source}; less what programs hold ({REGISTRY_NAME})")


def _users(registry: Registry) -> Known[tuple[Use, ...]] | Unknown:
    if registry.held_bytes is None:
        return Unknown(unknown=f"{REGISTRY_NAME} does not show what the GPU holds")
    memory = Known[float](value=registry.held_bytes / GIB, source=f"{REGISTRY_NAME}, In use system memory")
    return Known[tuple[Use, ...]](value=(Use(who="all programs together", memory_gib=memory),), source=REGISTRY_NAME)


def _answers(output: Output) -> dict[str, str]:
    """``name: value`` lines; a variable that the system lacks is left out, and a line that may have been cut."""
    whole = output.text.splitlines() if output.silence is None else output.text.splitlines()[:-1]
    lines = (line.partition(": ") for line in whole)
    return {name: value.strip() for name, colon, value in lines if colon}


def _total(answers: dict[str, str], host: Host) -> Number:
    size = answers.get(_MEMORY, "")
    if size.isdecimal() and len(size) < 20 and 0 < int(size) <= _MOST_BYTES:
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

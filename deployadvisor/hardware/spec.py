"""Turn a hardware phrase into a machine: ``8x H200``, ``2x RTX 4090 + cpu 64GB 16 cores``, ``M3 Max 64GB``, ``none``.

Terms are joined by ``+``. A term is cards, ``[N x] NAME [MEMORY]``, or the host, ``cpu MEMORY [N cores]`` or
``MEMORY RAM``. An instance type, ``[CLOUD] TYPE``, is a whole machine and stands alone. Several equal machines that
work together are ``2 nodes of 8x H100`` or ``2x 8x H100``. What a phrase does not say stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from deployadvisor.catalog.gpus import Gpu, gpus
from deployadvisor.catalog.instances import Instance, instances
from deployadvisor.catalog.workload import planning
from deployadvisor.errors import HardwareError, Where
from deployadvisor.hardware.apple import apple_accelerator, gpu_share, share_problem
from deployadvisor.hardware.host import Os
from deployadvisor.hardware.machine import (
    Accelerator,
    Host,
    Kind,
    Known,
    Machine,
    Number,
    Problem,
    Text,
    Unknown,
)
from deployadvisor.hardware.phrase import MAX_CARDS, Cards, HostTerm, InstanceTerm, machines, read_term, terms
from deployadvisor.hardware.saved import is_path, read_machine

MAX_PHRASE_CHARS = 400

_NOT_SAID = Unknown(unknown="the phrase does not say")
_NPU_VENDORS = ("huawei",)


def resolve_hardware(value: str | Machine | None, probe: Callable[[], Machine]) -> Machine:
    """The machine that ``value`` means: a machine, ``probe`` (the default), a saved file, or a phrase."""
    if isinstance(value, Machine):
        return value
    if value is None or value.strip().casefold() == "probe":
        return probe()
    if is_path(value):
        return read_machine(value)
    return machine_from_phrase(value)


def machine_from_phrase(text: str) -> Machine:
    """The machine that a phrase describes; ``HardwareError`` says which term is wrong, and where.

    >>> [card.id for card in machine_from_phrase("2x H200").accelerators]
    ['h200', 'h200']
    """
    _check_text(text)
    nodes, one = machines(text)
    machine = _one_machine(text.strip(), one, nodes)
    if machine.nodes * len(machine.accelerators) > MAX_CARDS:
        _refuse(f"the phrase has {machine.nodes * len(machine.accelerators):,} cards; the limit is {MAX_CARDS:,}")
    if machine.nodes > 1 and not machine.accelerators:
        _refuse("several machines work together with their accelerators, and these have none", "describe one of them")
    return machine


def _one_machine(description: str, text: str, nodes: int) -> Machine:
    """The machine that the terms describe, of which there are ``nodes``."""
    if text.strip().casefold() == "none":
        unsaid = Unknown(unknown='the phrase is "none"')
        return Machine(description="none", nodes=nodes, host=_host(unsaid, unsaid, unsaid, unsaid))
    parts = [read_term(term) for term in terms(text)]
    whole = next((part for part in parts if isinstance(part, InstanceTerm)), None)
    if whole:
        return _rented(description, whole, nodes, alone=len(parts) == 1)
    cards = [part for part in parts if isinstance(part, Cards)]
    hosts = [part for part in parts if isinstance(part, HostTerm)]
    _check_together(cards, hosts)
    return _assembled(description, cards, _described_host(cards, hosts[0] if hosts else None), nodes)


def _check_text(text: str) -> None:
    where = Where("hardware", 1, 1)
    if len(text) > MAX_PHRASE_CHARS:
        message = f"the hardware phrase has {len(text):,} characters; the limit is {MAX_PHRASE_CHARS}"
        raise HardwareError(message, where=where)
    if not all(letter.isprintable() or letter.isspace() for letter in text):
        raise HardwareError("the hardware phrase has a character that cannot be printed", where=where)


# What fits together


def _check_together(cards: Sequence[Cards], hosts: Sequence[HostTerm]) -> None:
    if len(hosts) > 1:
        hosts[1].term.refuse("the host is described twice")
    total = sum(part.count for part in cards)
    if total > MAX_CARDS:
        _refuse(f"the phrase has {total:,} cards; the limit is {MAX_CARDS:,}")
    vendors = {part.gpu.vendor for part in cards}
    if "apple" in vendors and len(vendors) > 1:
        _refuse("an Apple chip works in a Mac, which takes no other accelerator", "describe one machine at a time")
    unified = next((part.gpu for part in cards if part.gpu.unified_memory), None)
    if unified and hosts:
        name = unified.name
        hosts[0].term.refuse(f"the memory of {name} is the host's memory", remedy=f'write it once, after "{name}"')


def _refuse(message: str, remedy: str | None = None) -> NoReturn:
    raise HardwareError(message, where=Where("hardware", 1, 1), remedy=remedy)


def _assembled(description: str, cards: Sequence[Cards], host: Host, nodes: int) -> Machine:
    each = [part for part in cards for _ in range(part.count)]
    return Machine(
        description=description,
        nodes=nodes,
        accelerators=tuple(_accelerator(part, index) for index, part in enumerate(each)),
        host=host,
        problems=tuple(_problems(cards)),
    )


def _described_host(cards: Sequence[Cards], part: HostTerm | None) -> Host:
    unified = next((card for card in cards if card.gpu.unified_memory), None)
    memory: Number = _NOT_SAID
    cores: Number = _NOT_SAID
    if unified:
        memory = _memory(unified)
    elif part:
        memory = Known[float](value=part.memory_gib, source="phrase")
    if part and part.cores:
        cores = Known[float](value=part.cores, source="phrase")
    arch: Text = _NOT_SAID
    if any(card.gpu.vendor == "apple" for card in cards):
        arch = Known[str](value="arm64", source="Apple chips")
    return _host(_os(cards), arch, cores, memory)


def _host(os: Known[Os] | Unknown, arch: Text, cores: Number, memory: Number, unsaid: Unknown = _NOT_SAID) -> Host:
    return Host(
        os=os,
        arch=arch,
        cpu_model=unsaid,
        cores=cores,
        memory_total_gib=memory,
        memory_available_gib=memory,
        container=unsaid,
        disk_free_gib=unsaid,
    )


def _os(cards: Sequence[Cards]) -> Known[Os] | Unknown:
    if any(part.gpu.vendor == "apple" for part in cards):
        return Known[Os](value="macos", source="Apple chips run macOS")
    if cards and not any(part.gpu.consumer for part in cards):
        source = "assumed for a phrase with a data-centre card"
        return Known[Os](value="linux", source=source)
    return _NOT_SAID


# Instances of a cloud


def _rented(description: str, part: InstanceTerm, nodes: int, *, alone: bool) -> Machine:
    if not alone:
        part.term.refuse("an instance type is a whole machine and stands alone, not beside other terms")
    if nodes > 1 and part.count > 1:
        part.term.refuse("the number of machines is said twice")
    instance = part.instance
    cards = [Cards(gpus()[instance.gpu], instance.gpus, None)]
    return _assembled(description, cards, _rented_host(instance), nodes * part.count)


def _rented_host(instance: Instance) -> Host:
    """Processors and memory as sold; how much of a local disk is free for models, no type says."""
    unsaid = Unknown(unknown=f"the catalogue does not say it of {instance.id}")
    linux = Known[Os](value="linux", source="assumed for a cloud instance")
    return _host(linux, unsaid, _sold(instance.vcpus, instance), _sold(instance.memory_gib, instance), unsaid)


def _sold(amount: float | None, instance: Instance) -> Number:
    if amount is None:
        return Unknown(unknown=f"the catalogue does not know it of {instance.id}")
    return Known[float](value=amount, source=f"{instance.cloud} {instance.id}: {'; '.join(instance.source)}")


# Accelerators


def _accelerator(part: Cards, index: int) -> Accelerator:
    gpu, total = part.gpu, _memory(part)
    if gpu.vendor == "apple":
        return apple_accelerator(gpu.name, gpu, total, gpu_share(total), index)
    return Accelerator(
        index=index,
        vendor=gpu.vendor,
        name=gpu.name,
        id=gpu.id,
        kind=_kind(gpu),
        memory_total_gib=total,
        memory_free_gib=_all_free(total),
        unified_memory=gpu.unified_memory,
        compute_capability=_compute_capability(gpu),
        gfx_target=_gfx_target(gpu),
        driver_version=_NOT_SAID,
        runtime_version=_NOT_SAID,
    )


def _memory(part: Cards) -> Number:
    """Chips that share the host's memory are sold with several sizes; other cards have what the catalogue says."""
    gpu = part.gpu
    if gpu.vendor == "apple" and part.size_gib:
        return Known[float](value=part.size_gib, source="phrase")
    if gpu.memory_options_gb and part.size_gib and gpu.usable_memory_gib and gpu.memory_gb:
        value = gpu.usable_memory_gib * part.size_gib / gpu.memory_gb
        return Known[float](value=value, source=f"phrase; {gpu.memory_basis}")
    if gpu.usable_memory_gib is None:
        remedy = f'write it in the phrase, like "{gpu.name} 64GB"' if gpu.vendor == "apple" else None
        return Unknown(unknown=f"the catalogue does not know the memory of {gpu.name}", remedy=remedy)
    return Known[float](value=gpu.usable_memory_gib, source=gpu.memory_basis)


def _all_free(total: Number) -> Number:
    if isinstance(total, Unknown):
        return total
    return Known[float](value=total.value, source="phrase: card assumed idle")


def _kind(gpu: Gpu) -> Kind:
    if gpu.unified_memory:
        return "integrated"
    return "npu" if gpu.vendor in _NPU_VENDORS else "gpu"


def _compute_capability(gpu: Gpu) -> Text:
    if gpu.compute_capability is not None:
        return Known[str](value=gpu.compute_capability, source="; ".join(gpu.source))
    if gpu.vendor != "nvidia":
        return Unknown(unknown="only NVIDIA cards have one")
    return Unknown(unknown="the catalogue does not know it")


def _gfx_target(gpu: Gpu) -> Text:
    if gpu.gfx_target is not None:
        return Known[str](value=gpu.gfx_target, source=gpu.gfx_target_source or "; ".join(gpu.source))
    return Unknown(unknown="only AMD cards have one" if gpu.vendor != "amd" else "the catalogue does not know it")


def _problems(cards: Sequence[Cards]) -> Iterator[Problem]:
    for part in cards:
        if part.gpu.vendor == "apple":
            yield share_problem(part.gpu.name, _memory(part))
    count = sum(part.count for part in cards if part.gpu.unified_memory)
    if count > 1:
        reason = "each of these chips is a computer of its own; the memory shown for the host is that of one"
        yield Problem(what=f"{count} chips with unified memory", reason=reason, remedy="plan one replica each")
    for part in cards:
        if not part.gpu.unified_memory:
            yield from _more_than_a_machine_holds(part)


def _more_than_a_machine_holds(part: Cards) -> Iterator[Problem]:
    """Somebody may have meant the cards of a rack; only then is the list of instance types read."""
    usual = int(planning("cards_of_a_server"))
    if part.count <= usual:
        return
    most = max((entry.gpus for entry in instances().values() if entry.gpu == part.gpu.id), default=usual)
    if part.count > max(most, usual):
        nodes = f"{-(-part.count // usual)} nodes of {usual}x {part.gpu.name}"
        yield Problem(
            what=f"{part.count}x {part.gpu.name} are taken as the cards of one machine",
            reason=f"no machine with more than {max(most, usual)} of them is in the catalogue",
            remedy=f'several machines are written as "{nodes}"',
        )

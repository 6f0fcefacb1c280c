"""Read NVIDIA cards: by NVML, else by nvidia-smi, else at least see that they are on the bus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deployadvisor.catalog.gpus import gpus_by_pci
from deployadvisor.hardware.answers import (
    DRIVER_NOT_LOADED,
    LIBRARY_NOT_FOUND,
    NO_PERMISSION,
    VERSION_MISMATCH,
    Answers,
    Refusal,
    library_answers,
)
from deployadvisor.hardware.machine import Accelerator, Host, Problem, Unknown, value_of
from deployadvisor.hardware.nvidia_cards import Device, card_devices, is_split, read_driver, slices
from deployadvisor.hardware.nvidia_links import links
from deployadvisor.hardware.nvidia_smi import COMMAND, smi_answers
from deployadvisor.hardware.pci import PciDevice, pci_devices
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import System
from deployadvisor.hardware.visible import VARIABLE, choose
from deployadvisor.hardware.visible import Device as VisibleDevice

PCI_VENDOR = "10de"

_NVML_S = 3.0
_SMI_S = 1.5
_MOST_CARDS = 256
_NO_CARDS = 6  # what nvidia-smi ends with where there is none
_DRIVER_FAULTS = (DRIVER_NOT_LOADED, VERSION_MISMATCH, NO_PERMISSION)
"""What nvidia-smi would only say again."""

_WITHOUT_CARDS = ("none", "void", "")
_IN_CONTAINER = "in a container, start it with --gpus all and the NVIDIA container toolkit"
_STARTUP: dict[int | None, tuple[str, str]] = {
    LIBRARY_NOT_FOUND: (
        "no NVIDIA driver library (libnvidia-ml) is installed here",
        f"install the NVIDIA driver; {_IN_CONTAINER}",
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


def read_nvidia(system: System, host: Host, patience: Patience) -> Reading:
    """Every NVIDIA device; a driver that does not answer leaves its cards with an unknown memory."""
    answers = library_answers("NVML", system.library("nvml", timeout_s=patience.at_most(_NVML_S)))
    if not _cards(answers) and _refused(answers).code not in _DRIVER_FAULTS:
        by_program = smi_answers(system.run(*COMMAND, timeout_s=patience.at_most(_SMI_S)))
        answers = by_program if _cards(by_program) else answers
    if not _cards(answers):
        return _unread(answers, system, host)
    return _read(answers, system, host)


def _cards(answers: Answers) -> list[Answers]:
    """What was answered about each card; a card is there even if the library stopped before it."""
    rows = answers.parts("devices")[:_MOST_CARDS]
    count = answers.whole("nvmlDeviceGetCount", highest=_MOST_CARDS)
    silent = max(0, count - len(rows)) if answers.stopped and isinstance(count, int) else 0
    return [*rows, *(Answers(answers.name, {}, answers.stopped, answers.is_library) for _ in range(silent))]


def _refused(answers: Answers) -> Refusal:
    """Why there are no cards."""
    for function in ("nvmlInit", "nvmlDeviceGetCount"):
        refused = answers.ask(function)
        if isinstance(refused, Refusal) and (answers.stopped or answers.values.get(function) is not None):
            return refused
    return Refusal(answers.name, _NO_CARDS, "it shows no card")


def _problem(reason: str, remedy: str | None, *, what: str = "NVIDIA GPUs") -> Problem:
    return Problem(what=what, reason=reason, remedy=remedy)


# Cards that the driver tells of


def _read(answers: Answers, system: System, host: Host) -> Reading:
    driver = read_driver(answers)
    cards = _cards(answers)
    found = [device for card, each in enumerate(cards) for device in card_devices(each, card, driver, system, host)]
    problems = [problem for card, each in enumerate(cards) for problem in _slice_problems(each, card)]
    if answers.stopped is not None:
        problems.append(_problem(f"{answers.name} stopped at {answers.stopped}", _HANGS))
    linked = _linked(found, cards)
    return _with_visibility(system.env(), linked, [*problems, *_device_problems(linked)])


_HANGS = "try nvidia-smi; a card that hangs needs a reset or a reboot; with many cards, nvidia-smi -pm 1 speeds it up"


def _linked(found: Sequence[Device], cards: list[Answers]) -> list[Device]:
    """Devices with their links; slices have none of their own. An index is a card's number until it is numbered."""
    if len(found) != len(cards) or any(device.accelerator.kind == "mig" for device in found):
        return list(found)
    return [
        Device(device.accelerator.model_copy(update={"links": links(cards, device.card)}), device.card, device.uuids)
        for device in found
    ]


def _slice_problems(card: Answers, number: int) -> Iterator[Problem]:
    if not is_split(card):
        return
    parts = slices(card)
    for part in parts:
        refused = part.ask("nvmlDeviceGetMigDeviceHandleByIndex")
        if isinstance(refused, Refusal) and part.values.get("nvmlDeviceGetMigDeviceHandleByIndex") is not None:
            yield _problem(f"MIG slices of card {number}: {refused.unknown().unknown}", refused.unknown().remedy)
    if not parts:
        reason = f"MIG is on, but card {number} has no slice that this process may use"
        yield _problem(reason, "create a slice (nvidia-smi mig -cgi ... -C) or ask for one")


def _device_problems(found: list[Device]) -> Iterator[Problem]:
    for accelerator in (device.accelerator for device in found):
        if isinstance(unknown := accelerator.memory_total_gib, Unknown):
            yield _problem(unknown.unknown, unknown.remedy, what=f"memory of {accelerator.name}")
        elif accelerator.id is None:
            reason = "the catalogue has no entry for this name and memory, so its speed cannot be estimated"
            yield _problem(reason, "add an entry to the GPU catalogue", what=accelerator.name)
    if sum(device.accelerator.kind == "mig" for device in found) > 1:
        reason = "CUDA gives a process one MIG slice; slices cannot be joined by tensor parallelism"
        yield _problem(reason, "start one replica a slice")


def _with_visibility(env: Mapping[str, str], found: list[Device], problems: list[Problem]) -> Reading:
    """Number the devices and apply ``CUDA_VISIBLE_DEVICES``."""
    devices = [VisibleDevice(device.card, device.accelerator.name, device.uuids) for device in found]
    choice = choose(env.get(VARIABLE), env.get("CUDA_DEVICE_ORDER"), devices)
    accelerators = tuple(
        _numbered(device.accelerator, index, visible=index in choice.positions) for index, device in enumerate(found)
    )
    return Reading(accelerators, tuple(dict.fromkeys((*problems, *choice.problems))))


def _numbered(accelerator: Accelerator, index: int, *, visible: bool) -> Accelerator:
    return accelerator.model_copy(update={"index": index, "visible": visible and accelerator.visible})


# Cards that only the bus knows, or nobody


def _unread(answers: Answers, system: System, host: Host) -> Reading:
    """Why no card was read. Those that are on the bus all the same are there, with a memory that nobody knows."""
    refused = _refused(answers)
    reason, remedy = _why(answers, refused, system)
    on_bus = pci_devices(system, PCI_VENDOR)
    here = on_bus and not (value_of(host.container) and refused.code == LIBRARY_NOT_FOUND)
    unknown = Unknown(unknown=reason, remedy=remedy)
    if here:
        cards = tuple(_on_bus(device, index, unknown) for index, device in enumerate(on_bus))
    elif _hides_cards(answers, refused):
        cards = (_silent(unknown),)
    else:
        cards = ()
    return Reading(cards, (_problem(reason, remedy), *_of_container(on_bus, here=bool(here))))


def _why(answers: Answers, refused: Refusal, system: System) -> tuple[str, str | None]:
    if answers.stopped is not None:
        remedy = "pip install nvidia-ml-py" if "not installed" in answers.stopped else _HANGS
        return f"{answers.name}: {answers.stopped}", remedy
    if refused.code in _STARTUP:
        reason, remedy = _STARTUP[refused.code]
        return f"{reason} ({refused.source}: {refused.words})", remedy
    if refused.code == _NO_CARDS:
        return "the NVIDIA driver runs but shows no card to this process", _shown_by(system.env())
    return f"NVML does not start: {refused.words}", "try nvidia-smi"


def _shown_by(env: Mapping[str, str]) -> str:
    """How a container is given cards; the variable may say that it was given none on purpose."""
    value = env.get("NVIDIA_VISIBLE_DEVICES")
    if value is not None and value.strip().casefold() in _WITHOUT_CARDS:
        return f'this container was started without cards (NVIDIA_VISIBLE_DEVICES="{value.strip()}"): use --gpus all'
    return "in a container, start it with --gpus all"


def _hides_cards(answers: Answers, refused: Refusal) -> bool:
    """Whether a driver is there that has cards, but does not tell of them."""
    hangs = answers.stopped is not None and "not installed" not in answers.stopped
    return hangs or refused.code in (VERSION_MISMATCH, NO_PERMISSION, 999)


def _silent(reason: Unknown) -> Accelerator:
    """Stands for the cards of a driver that does not answer: there is at least one."""
    return _nameless("NVIDIA GPU", None, 0, reason)


def _on_bus(device: PciDevice, index: int, reason: Unknown) -> Accelerator:
    """A card by its PCI identity; where that means one product only, its name and id are known."""
    entries = gpus_by_pci(device.pci_id)
    entry = entries[0] if len(entries) == 1 else None
    name = entry.name if entry else f"NVIDIA GPU {device.pci_id}"
    return _nameless(name, entry.id if entry else None, index, reason)


def _nameless(name: str, entry_id: str | None, index: int, reason: Unknown) -> Accelerator:
    return Accelerator(
        index=index,
        vendor="nvidia",
        name=name,
        id=entry_id,
        memory_total_gib=reason,
        memory_free_gib=reason,
        compute_capability=reason,
        driver_version=reason,
        runtime_version=reason,
    )


def _of_container(on_bus: Sequence[PciDevice], *, here: bool) -> Iterator[Problem]:
    if on_bus and not here:
        reason = f"{len(on_bus)} on the bus of the computer, none given to this container"
        yield _problem(reason, _IN_CONTAINER)

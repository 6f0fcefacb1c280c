"""Read NVIDIA cards: by NVML, else by nvidia-smi, else at least see that they are on the bus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from deployadvisor.hardware.answers import (
    DRIVER_NOT_LOADED,
    LIBRARY_NOT_FOUND,
    NO_PERMISSION,
    NOT_SUPPORTED,
    VERSION_MISMATCH,
    Answers,
    Refusal,
    library_answers,
)
from deployadvisor.hardware.machine import Accelerator, Host, Problem, Unknown
from deployadvisor.hardware.nvidia_cards import Device, card_devices, is_split, read_driver, slices
from deployadvisor.hardware.nvidia_compat import shadowing
from deployadvisor.hardware.nvidia_links import links
from deployadvisor.hardware.nvidia_smi import COMMAND, slices_named, smi_answers
from deployadvisor.hardware.nvidia_smi_text import LIST
from deployadvisor.hardware.nvidia_unread import HANGS, nvidia_problem, off_the_bus, refusal_of, unread
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import System
from deployadvisor.hardware.visible import VARIABLE, choose
from deployadvisor.hardware.visible import Device as VisibleDevice

_NVML_S = 3.0
_SMI_S = 1.5
_LIST_S = 1.0
_MOST_CARDS = 256
_DRIVER_FAULTS = (DRIVER_NOT_LOADED, VERSION_MISMATCH, NO_PERMISSION)
"""What nvidia-smi would only say again."""


def read_nvidia(system: System, host: Host, patience: Patience) -> Reading:
    """Every NVIDIA device; a driver that does not answer leaves its cards with an unknown memory."""
    answers = library_answers("NVML", system.library("nvml", timeout_s=patience.at_most(_NVML_S)))
    if _cards(answers):
        return _read(answers, system, host)
    by_program = _by_program(answers, system, patience)
    if not _cards(by_program):
        return unread(by_program, system, host)
    return _note_of(answers) + _read(by_program, system, host)


def _by_program(answers: Answers, system: System, patience: Patience) -> Answers:
    """What nvidia-smi answers, unless the library has said already why it would not, or has said it better."""
    if refusal_of(answers).code in _DRIVER_FAULTS:
        return answers
    output = system.run(*COMMAND, timeout_s=patience.at_most(_SMI_S))
    found = smi_answers(output)
    if any(card.values.get("mig") for card in _cards(found)):
        return slices_named(found, system.run(*LIST, timeout_s=patience.at_most(_LIST_S)))
    no_library = answers.is_absent or refusal_of(answers).code == LIBRARY_NOT_FOUND
    told = not output.missing and (no_library or refusal_of(found).code is not None)
    if _cards(found) or told:
        return found
    both_hang = answers.stopped is not None and output.silence is not None and not output.missing
    return replace(answers, stopped=f"{answers.stopped}; nvidia-smi: {output.silence}") if both_hang else answers


def _note_of(answers: Answers) -> Reading:
    """That the library hangs: programs that ask it will hang too."""
    if answers.stopped is None or answers.is_absent:
        return Reading()
    reason = f"{answers.name} stopped at {answers.stopped}; nvidia-smi answered instead"
    return Reading(problems=(nvidia_problem(reason, HANGS),))


def _cards(answers: Answers) -> list[Answers]:
    """What was answered about each card; one that was only counted is there too, and nothing is known of it."""
    rows = answers.parts("devices")[:_MOST_CARDS]
    count = answers.whole("nvmlDeviceGetCount", highest=_MOST_CARDS)
    silent = count - len(rows) if isinstance(count, int) and (answers.stopped or rows) else 0
    return [*rows, *(Answers(answers.name, {}, answers.stopped, answers.is_library) for _ in range(silent))]


# Cards that the driver tells of


def _read(answers: Answers, system: System, host: Host) -> Reading:
    driver = read_driver(answers)
    cards = _cards(answers)
    found = [device for card, each in enumerate(cards) for device in card_devices(each, card, driver, system, host)]
    problems = [problem for card, each in enumerate(cards) for problem in _slice_problems(each, card)]
    if answers.stopped is not None:
        problems.append(nvidia_problem(f"{answers.name} stopped at {answers.stopped}", HANGS))
    linked = _linked(found, cards)
    problems += [*_device_problems(linked), *off_the_bus(cards, system, host), *shadowing(system, driver.version)]
    return _with_visibility(system.env(), linked, problems)


def _linked(found: Sequence[Device], cards: list[Answers]) -> list[Device]:
    """Devices with their links; slices have none of their own. An index is a card's number until it is numbered."""
    if len(found) != len(cards) or any(device.accelerator.kind == "mig" for device in found):
        return list(found)
    return [_with_links(device, cards) for device in found]


def _with_links(device: Device, cards: list[Answers]) -> Device:
    linked = device.accelerator.model_copy(update={"links": links(cards, device.card)})
    return replace(device, accelerator=linked)


def _slice_problems(card: Answers, number: int) -> Iterator[Problem]:
    if not is_split(card):
        return
    parts = slices(card)
    for part in parts:
        refused = part.ask("nvmlDeviceGetMigDeviceHandleByIndex")
        if isinstance(refused, Refusal) and part.values.get("nvmlDeviceGetMigDeviceHandleByIndex") is not None:
            why = refused.unknown()
            yield nvidia_problem(f"MIG slices of card {number}: {why.unknown}", why.remedy)
    if not parts:
        yield _no_slice(card, number)


def _no_slice(card: Answers, number: int) -> Problem:
    """A split card without slices, or one that does not say how many it has."""
    counted = card.ask("nvmlDeviceGetMaxMigDeviceCount")
    if isinstance(counted, Refusal) and counted.code not in (NOT_SUPPORTED, None):
        why = counted.unknown()
        return nvidia_problem(f"MIG is on, but the slices of card {number} are not told: {why.unknown}", why.remedy)
    reason = f"MIG is on, but card {number} has no slice that this process may use"
    return nvidia_problem(reason, "create a slice (nvidia-smi mig -cgi ... -C) or ask for one")


def _device_problems(found: list[Device]) -> Iterator[Problem]:
    for accelerator in (device.accelerator for device in found):
        if isinstance(unknown := accelerator.memory_total_gib, Unknown):
            yield nvidia_problem(unknown.unknown, unknown.remedy, what=f"memory of {accelerator.name}")
        elif accelerator.id is None:
            reason = "the catalogue has no entry for this name and memory, so its speed cannot be estimated"
            yield nvidia_problem(reason, "add an entry to the GPU catalogue", what=accelerator.name)
    if sum(device.accelerator.kind == "mig" for device in found) > 1:
        reason = "CUDA gives a process one MIG slice; slices cannot be joined by tensor parallelism"
        yield nvidia_problem(reason, "start one replica a slice")


def _with_visibility(env: Mapping[str, str], found: list[Device], problems: list[Problem]) -> Reading:
    """Number the devices and apply ``CUDA_VISIBLE_DEVICES``."""
    devices = [VisibleDevice(each.card, each.accelerator.name, each.uuids, each.has_uuid) for each in found]
    choice = choose(env.get(VARIABLE), env.get("CUDA_DEVICE_ORDER"), devices)
    accelerators = tuple(
        _numbered(device.accelerator, index, visible=index in choice.positions) for index, device in enumerate(found)
    )
    return Reading(accelerators, tuple(dict.fromkeys((*problems, *choice.problems))))


def _numbered(accelerator: Accelerator, index: int, *, visible: bool) -> Accelerator:
    return accelerator.model_copy(update={"index": index, "visible": visible and accelerator.visible})

"""Read ``nvidia-smi -q -x`` into the answers that NVML would have given, where the library itself cannot be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any
from xml.etree import ElementTree as Tree

from deployadvisor.hardware.answers import LOST, NO_PERMISSION, NOT_SUPPORTED, UNKNOWN_ERROR, Answers
from deployadvisor.hardware.nvidia_smi_text import failure, lost_cards, with_lost, with_slice_names
from deployadvisor.hardware.system import Output

COMMAND = ("nvidia-smi", "-q", "-x")
NAME = "nvidia-smi -q -x"

_BEGIN, _END = "<nvidia_smi_log", "</nvidia_smi_log>"
_LOST = {"error": LOST, "words": "GPU is lost"}
_MIB = 2**20
_VGPU = 2  # NVML_GPU_VIRTUALIZATION_MODE_VGPU
_MOST_CARDS, _MOST_SLICES, _MOST_PROCESSES = 256, 64, 256
_QUANTITY = re.compile(r"([0-9]{1,12})(?:\.[0-9]+)? (?:MiB|W)|([0-9]{1,3})x?")
_POWER_LIMITS = (
    "gpu_power_readings/current_power_limit",
    "gpu_power_readings/power_limit",
    "power_readings/power_limit",
)
"""Where drivers have put it, newest first."""
_SLICE_IDS = ("gpu_instance_id", "compute_instance_id")


def smi_answers(output: Output) -> Answers:
    """The program's answers under NVML's names; a failure is the answer to ``nvmlInit``.

    It describes the cards that work whatever its exit status: 14 is a damaged store on a card that works.
    """
    if output.silence is None:
        root = _root(output.text)
        cards = with_lost(list(_cards(root)), lost_cards(output))
        if root is not None or cards:
            return Answers(NAME, {**_of_driver(root), "devices": cards}, is_library=False)
    return Answers(NAME, {"nvmlInit": failure(output)}, is_library=False)


def slices_named(answers: Answers, listed: Output) -> Answers:
    """The program's answers with slices called by the names and UUIDs of :data:`nvidia_smi_text.LIST`."""
    values = {**answers.values, "devices": with_slice_names(answers.values["devices"], listed)}
    return Answers(answers.name, values, answers.stopped, answers.is_library)


def _root(text: str) -> Tree.Element | None:
    """The document, warnings before and after it left out; one that declares entities is not the driver's."""
    start, (document, end, _) = text.find(_BEGIN), text.rpartition(_END)
    if start < 0 or "<!ENTITY" in text:
        return None
    try:
        return Tree.fromstring(document[start:] + end)  # noqa: S314 - without document type nothing is expanded
    except (Tree.ParseError, ValueError):
        return None


def _cards(root: Tree.Element | None) -> Iterator[dict[str, Any]]:
    if root is not None:
        yield from (_card(gpu) for gpu in islice(root.iter("gpu"), _MOST_CARDS))


def _of_driver(root: Tree.Element | None) -> dict[str, Any]:
    if root is None:
        return {}
    count = _word(root, "attached_gpus") or ""
    found = {
        "nvmlDeviceGetCount": int(count) if re.fullmatch("[0-9]{1,3}", count) else None,
        "nvmlSystemGetDriverVersion": _word(root, "driver_version"),
        "nvmlSystemGetCudaDriverVersion_v2": _cuda(_word(root, "cuda_version")),
    }
    return _without_silence(found)


def _card(gpu: Tree.Element) -> dict[str, Any]:
    link = "pci/pci_gpu_link_info"
    watts = _first(gpu, *_POWER_LIMITS)
    found = {
        "nvmlDeviceGetName": _word(gpu, "product_name"),
        "nvmlDeviceGetUUID": _word(gpu, "uuid"),
        "nvmlDeviceGetSerial": _word(gpu, "serial"),
        "nvmlDeviceGetMemoryInfo": _memory(gpu),
        "nvmlDeviceGetMigMode": _switch(_word(gpu, "mig_mode/current_mig"), pair=True),
        "nvmlDeviceGetVirtualizationMode": _virtualization(_word(gpu, "gpu_virtualization_mode/virtualization_mode")),
        "nvmlDeviceGetPciInfo": _pci(gpu),
        "nvmlDeviceGetEccMode": _switch(_word(gpu, "ecc_mode/current_ecc"), pair=True),
        "nvmlDeviceGetPowerManagementLimit": _amount(watts, 1000),
        "nvmlDeviceGetCurrPcieLinkGeneration": _amount(_word(gpu, f"{link}/pcie_gen/current_link_gen"), 1),
        "nvmlDeviceGetCurrPcieLinkWidth": _amount(_word(gpu, f"{link}/link_widths/current_link_width"), 1),
        "nvmlDeviceGetDisplayActive": _switch(_word(gpu, "display_active"), pair=False),
        "nvmlDeviceGetComputeRunningProcesses": _processes(gpu),
        "mig": [_slice(gpu, part) for part in islice(gpu.iterfind("mig_devices/mig_device"), _MOST_SLICES)],
    }
    return _without_silence(found)


def _slice(gpu: Tree.Element, part: Tree.Element) -> dict[str, Any]:
    """A slice; this answer gives it neither profile nor UUID."""
    found = {
        "nvmlDeviceGetName": f"{_word(gpu, 'product_name')} MIG",
        "nvmlDeviceGetMemoryInfo": _memory(part),
        "nvmlDeviceGetComputeRunningProcesses": _processes(gpu, part),
    }
    return _without_silence(found)


def _memory(element: Tree.Element) -> Any:
    amounts = {name: _amount(_word(element, f"fb_memory_usage/{name}"), _MIB) for name in ("total", "free", "used")}
    refused = amounts["total"]
    return amounts if isinstance(refused, int) else refused


def _pci(gpu: Tree.Element) -> dict[str, Any]:
    word = _word(gpu, "pci/pci_device_id") or ""
    number = int(word, 16) if re.fullmatch(r"(0x)?[0-9A-Fa-f]{8}", word) else None
    return {"busId": _word(gpu, "pci/pci_bus_id"), "pciDeviceId": number}


def _processes(gpu: Tree.Element, part: Tree.Element | None = None) -> list[dict[str, Any]]:
    """Processes of a card, or of one of its slices."""
    return [
        _without_silence({"pid": int(pid), "usedGpuMemory": used if isinstance(used, int) else None, "name": name})
        for process in islice(gpu.iterfind("processes/process_info"), _MOST_PROCESSES)
        if part is None or all(_word(process, each) == _word(part, each) for each in _SLICE_IDS)
        if (pid := _word(process, "pid") or "").isdecimal() and len(pid) < 10
        for used in (_amount(_word(process, "used_memory"), _MIB),)
        for name in (PurePath(_word(process, "process_name") or "").name or None,)
    ]


def _word(element: Tree.Element, path: str) -> str | None:
    found = element.findtext(path)
    return found.strip() if found is not None else None


def _first(element: Tree.Element, *paths: str) -> str | None:
    return next((word for path in paths if (word := _word(element, path)) is not None), None)


def _amount(word: str | None, unit: int) -> Any:
    """``143771 MiB`` in bytes, ``700.00 W`` in mW; words instead of a number are a refusal."""
    if word is None:
        return None
    found = _QUANTITY.fullmatch(word)
    return int(found[1] or found[2]) * unit if found else _refusal(word)


def _switch(word: str | None, *, pair: bool) -> Any:
    if word is None:
        return None
    state = {"enabled": 1, "yes": 1, "disabled": 0, "no": 0}.get(word.casefold())
    if state is None:
        return _refusal(word)
    return [state, state] if pair else state


def _virtualization(word: str | None) -> Any:
    return _VGPU if (word or "").casefold() == "vgpu" else None


def _cuda(word: str | None) -> Any:
    found = re.fullmatch(r"([0-9]{1,2})\.([0-9]{1,2})", word or "")
    return int(found[1]) * 1000 + int(found[2]) * 10 if found else None


def _refusal(word: str) -> dict[str, Any]:
    """``[N/A]``, ``Not Supported`` and ``[Insufficient Permissions]`` as the library's errors."""
    words = word.strip("[] ")
    if "permission" in words.casefold():
        return {"error": NO_PERMISSION, "words": words}
    if words.casefold() in ("n/a", "not supported", ""):
        return {"error": NOT_SUPPORTED, "words": words or "Not Supported"}
    return _LOST if "lost" in words.casefold() else {"error": UNKNOWN_ERROR, "words": words[:100]}


def _without_silence(answers: dict[str, Any]) -> dict[str, Any]:
    return dict(_said(answers))


def _said(answers: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for function, answer in answers.items():
        if answer is not None:
            yield function, answer

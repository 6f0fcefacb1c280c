"""The words in which AMD's library and its two programs are compared: the library's functions, whoever answered.

A program's answers are filed under these names too, in bytes and microwatts; "N/A" is no answer from any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployadvisor.hardware.amd_sysfs import version_in
from deployadvisor.hardware.answers import Answers, Refusal, shown
from deployadvisor.hardware.machine import Known, Number, Text, Unknown, value_of
from deployadvisor.hardware.pci import bus_address
from deployadvisor.hardware.system import GIB

ADDRESS = "amdsmi_get_gpu_device_bdf"
UUID = "amdsmi_get_gpu_device_uuid"
ASIC = "amdsmi_get_gpu_asic_info"
BOARD = "amdsmi_get_gpu_board_info"
NODE = "amdsmi_get_gpu_kfd_info"
DRIVER = "amdsmi_get_gpu_driver_info"
POWER = "amdsmi_get_power_cap_info"
ECC = "amdsmi_get_gpu_ecc_enabled"
PROCESSES = "amdsmi_get_gpu_process_list"
TOTAL = {"vram": "amdsmi_get_gpu_memory_total(VRAM)", "gtt": "amdsmi_get_gpu_memory_total(GTT)"}
USED = {"vram": "amdsmi_get_gpu_memory_usage(VRAM)", "gtt": "amdsmi_get_gpu_memory_usage(GTT)"}

_MOST_BYTES = 1 << 50
_MOST_CARDS = 256
_NOTHING = frozenset(("n/a", "unknown", "none", ""))
_VENDOR = "1002"


def rows(answers: Answers) -> list[Answers]:
    """What was said about each device, without the words that say nothing; other makers' devices are left out."""
    parts = answers.parts("devices")[:_MOST_CARDS]
    said = (Answers(part.name, without_nothing(part.values), part.stopped, part.is_library) for part in parts)
    return [part for part in said if _is_amd(part)]


def without_nothing(value: Any) -> Any:
    """An answer without its ``N/A``, at any depth that tools use."""
    return _kept(value, 4)


def _kept(value: Any, depth: int) -> Any:
    if not isinstance(value, Mapping) or depth == 0:
        return value
    kept = ((key, _kept(part, depth - 1)) for key, part in value.items() if isinstance(key, str))
    return {key: part for key, part in kept if not _says_nothing(part)}


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().casefold() in _NOTHING)


def _is_amd(part: Answers) -> bool:
    """Clones of AMD's tools print the same documents with less in them."""
    vendor = part.field(ASIC, "vendor_id")
    return bool(part.values) and (isinstance(vendor, Refusal) or hex_word(vendor) in (None, _VENDOR))


def hex_word(word: object) -> str | None:
    """Four hexadecimal digits out of ``0x74a1`` or ``74A1``."""
    found = re.fullmatch(r"(?:0x)?([0-9a-f]{4})", word.strip().casefold()) if isinstance(word, str) else None
    return found[1] if found else None


def said_address(answers: Answers) -> str | None:
    """Place on the bus."""
    address = value_of(answers.text(ADDRESS))
    return bus_address(address) if address else None


def said_node(answers: Answers) -> int | None:
    """Number of the node of the compute driver."""
    number = answers.whole(NODE, highest=65_535, name="node_id")
    return number if isinstance(number, int) else None


def said_pci_id(answers: Answers) -> str | None:
    """Vendor and device."""
    device = hex_word(answers.field(ASIC, "device_id"))
    return f"{_VENDOR}:{device}" if device else None


def said_target(answers: Answers) -> Text:
    """Instruction set."""
    target = answers.text(ASIC, name="target_graphics_version")
    if isinstance(target, Known) and not re.fullmatch(r"gfx[0-9a-f]{3,5}", target.value, re.ASCII):
        return answers.refusal(ASIC, f"answered {shown(target.value)}, which is no target").unknown()
    return target


def said_names(answers: Answers) -> Iterator[str]:
    """Names of the product; a number instead of one is none."""
    for function, field in ((ASIC, "market_name"), (BOARD, "product_name")):
        name = value_of(answers.text(function, name=field))
        if name and not name.casefold().startswith("0x"):
            yield name


def said_memory(answers: Answers, kind: str) -> tuple[Number, Number]:
    """Total and used memory in GiB, of the card's own or of what the kernel lends; a total of 0 is no answer."""
    return _gib(answers, TOTAL[kind], lowest=1), _gib(answers, USED[kind], lowest=0)


def _gib(answers: Answers, function: str, *, lowest: int) -> Number:
    size = answers.whole(function, lowest=lowest, highest=_MOST_BYTES)
    if isinstance(size, Refusal):
        return size.unknown()
    return Known[float](value=size / GIB, source=answers.source(function))


def said_power_cap(answers: Answers) -> Number:
    """The limit in W; graphics of a processor say 0, which is none."""
    microwatts = answers.whole(POWER, lowest=1, highest=10**11, name="power_cap")
    if isinstance(microwatts, Refusal):
        return microwatts.unknown()
    return Known[float](value=microwatts / 1e6, source=answers.source(POWER))


def said_ecc(answers: Answers) -> Known[bool] | Unknown:
    """Bit 0 of the blocks that correct errors is the memory controller's."""
    mask = answers.whole(ECC, highest=(1 << 64) - 1)
    return (
        mask.unknown() if isinstance(mask, Refusal) else Known[bool](value=bool(mask & 1), source=answers.source(ECC))
    )


def said_driver(answers: Answers) -> Text:
    """Version of the driver; some print the whole banner of the kernel instead, which is none."""
    version = answers.text(DRIVER, name="driver_version")
    if isinstance(version, Unknown):
        return version
    numbers = version_in(version.value)
    if numbers is None:
        return answers.refusal(DRIVER, "answered with the kernel's banner").unknown()
    return Known[str](value=numbers, source=version.source)

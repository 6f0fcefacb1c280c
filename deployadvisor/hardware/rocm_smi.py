"""Read ``rocm-smi --json``, the older program, into the answers that AMD's library would have given.

All values are texts. The keys changed their capitals and meanings with ROCm 6.2: "Card model" was the board's
number, "Card Model" is the device's. ``cardN`` is the program's own count, not the kernel's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployadvisor.hardware.amd_said import ADDRESS, ASIC, DRIVER, NODE, TOTAL, USED, UUID, without_nothing
from deployadvisor.hardware.amd_sysfs import digits
from deployadvisor.hardware.answers import Answers
from deployadvisor.hardware.json_text import json_document

PROGRAM = "rocm-smi"
COMMAND = (
    *(PROGRAM, "--showproductname", "--showmeminfo", "vram", "gtt"),
    *("--showbus", "--showuniqueid", "--showdriverversion", "--json"),
)


def rocm_smi_answers(text: str) -> Answers:
    """What it says of each card."""
    document = json_document(text)
    cards = document if isinstance(document, dict) else {}
    driver = _fields(cards.get("system")).get("driver version")
    found = [
        _card(_fields(cards[name]), driver)
        for name in sorted(cards, key=_number)
        if isinstance(name, str) and _number(name) < 1024
    ]
    return Answers(PROGRAM, {"devices": [card for card in found if card]}, is_library=False)


def _number(name: object) -> int:
    found = re.fullmatch(r"card([0-9]{1,3})", name, re.ASCII) if isinstance(name, str) else None
    return int(found[1]) if found else 1 << 30


def _fields(row: Any) -> dict[str, str]:
    """Texts by their key in small letters."""
    kept = without_nothing(row) if isinstance(row, Mapping) else {}
    return {key.casefold(): value.strip() for key, value in kept.items() if isinstance(value, str)}


def _card(row: Mapping[str, str], driver: str | None) -> dict[str, Any]:
    asic = {
        "market_name": row.get("card series") or row.get("device name"),
        "device_id": row.get("device id") or row.get("gpu id") or _device_of_model(row),
        "target_graphics_version": row.get("gfx version"),
    }
    node = digits(row.get("node id"))
    found = {
        ADDRESS: row.get("pci bus"),
        UUID: row.get("unique id"),
        ASIC: without_nothing(asic) or None,
        NODE: None if node is None else {"node_id": node},
        **{TOTAL[kind]: digits(row.get(f"{kind} total memory (b)")) for kind in TOTAL},
        **{USED[kind]: digits(row.get(f"{kind} total used memory (b)")) for kind in USED},
    }
    said = {function: answer for function, answer in found.items() if answer is not None}
    return {**said, DRIVER: {"driver_version": driver}} if said and driver else said


def _device_of_model(row: Mapping[str, str]) -> str | None:
    """The model is the device's number only where the newer keys stand beside it."""
    return row.get("card model") if "gfx version" in row else None

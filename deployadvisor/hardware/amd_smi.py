"""Read ``amd-smi ... --json`` into the answers that AMD's library would have given.

ROCm 6 prints a list of cards, ROCm 7 wraps it in ``gpu_data``; a value is ``{"value": 24560, "unit": "MB"}``, bare,
or ``N/A`` in either place. Its MB are 2**20 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployadvisor.hardware.amd_said import (
    ADDRESS,
    ASIC,
    BOARD,
    DRIVER,
    ECC,
    NODE,
    POWER,
    TOTAL,
    USED,
    UUID,
    without_nothing,
)
from deployadvisor.hardware.answers import Answers
from deployadvisor.hardware.json_text import json_document

PROGRAM = "amd-smi"
STATIC = (PROGRAM, "static", "--json")
LIST = (PROGRAM, "list", "--json")
MEMORY = (PROGRAM, "metric", "--mem-usage", "--json")

_UNIT_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "MIB": 2**20, "GB": 2**30, "GIB": 2**30}
_UNIT_MICROWATTS = {"W": 10**6, "MW": 10**3, "UW": 1}


def amd_smi_answers(*texts: str) -> Answers:
    """What the outputs of several commands say together, card by card."""
    cards: dict[int, dict[str, Any]] = {}
    for text in texts:
        for position, row in enumerate(_rows(text)):
            number = row.get("gpu", position)
            if isinstance(number, int) and 0 <= number < 1024:
                cards.setdefault(number, {}).update(_card(row))
    return Answers(PROGRAM, {"devices": [cards[number] for number in sorted(cards)]}, is_library=False)


def _rows(text: str) -> list[dict[str, Any]]:
    document = json_document(text)
    found = document.get("gpu_data") if isinstance(document, dict) else document
    return [without_nothing(row) for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _card(row: Mapping[str, Any]) -> dict[str, Any]:
    asic, driver = _part(row, "asic"), _part(row, "driver")
    found = {
        ADDRESS: _part(row, "bus").get("bdf", row.get("bdf")),
        UUID: row.get("uuid"),
        ASIC: asic or None,
        BOARD: _part(row, "board") or None,
        NODE: {"node_id": row["node_id"]} if "node_id" in row else None,
        DRIVER: _named(driver_version=driver.get("version", driver.get("driver_version"))),
        POWER: _named(power_cap=_power_cap(row)),
        ECC: _ecc(row),
        **dict(_memory(row)),
    }
    return {function: answer for function, answer in found.items() if answer is not None}


def _memory(row: Mapping[str, Any]) -> Iterator[tuple[str, int | None]]:
    usage = _part(row, "mem_usage")
    for kind in ("vram", "gtt"):
        yield TOTAL[kind], _amount(usage.get(f"total_{kind}"), _UNIT_BYTES)
        yield USED[kind], _amount(usage.get(f"used_{kind}"), _UNIT_BYTES)
    if "vram" in row:
        yield TOTAL["vram"], _amount(_part(row, "vram").get("size"), _UNIT_BYTES)


def _power_cap(row: Mapping[str, Any]) -> int | None:
    """The cap that holds now, which newer versions call a limit of the package."""
    limit = _part(row, "limit")
    watts = limit.get("socket_power", _part(limit, "ppt0").get("socket_power_limit"))
    return _amount(watts, _UNIT_MICROWATTS)


def _ecc(row: Mapping[str, Any]) -> int | None:
    """Whether the memory controller, ``UMC``, corrects errors."""
    blocks = _part(_part(row, "ras"), "ecc_block_state")
    return {"ENABLED": 1, "DISABLED": 0}.get(str(blocks.get("UMC")))


def _amount(value: Any, units: Mapping[str, int]) -> int | None:
    """A whole number of the smallest unit; a bare number has no unit, and is none."""
    if not isinstance(value, Mapping):
        return None
    number, unit = value.get("value"), value.get("unit")
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not isinstance(unit, str):
        return None
    scale = units.get(unit.upper())
    return int(number * scale) if scale and 0 <= number < 1 << 60 else None


def _named(**fields: Any) -> dict[str, Any] | None:
    said = {name: value for name, value in fields.items() if value is not None}
    return said or None


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = row.get(name)
    return part if isinstance(part, Mapping) else {}

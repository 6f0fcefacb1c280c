"""Read what ``nvidia-smi`` says in plain words: why it failed, which cards it lost, and how slices are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor.hardware.answers import (
    DRIVER_NOT_LOADED,
    LIBRARY_NOT_FOUND,
    LOST,
    NO_PERMISSION,
    NOT_FOUND,
    UNKNOWN_ERROR,
    VERSION_MISMATCH,
    is_plain,
)
from deployadvisor.hardware.pci import bus_address
from deployadvisor.hardware.system import Output

LIST = ("nvidia-smi", "-L")
"""Names and UUIDs of slices, which the XML leaves out."""

_EXITS = {code: code for code in (NO_PERMISSION, NOT_FOUND, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, VERSION_MISMATCH)}
_EXITS |= {LOST: LOST, 255: UNKNOWN_ERROR}
_SAYINGS = (
    ("library version mismatch", VERSION_MISMATCH),
    ("communicate with the nvidia driver", DRIVER_NOT_LOADED),
    ("insufficient permissions", NO_PERMISSION),
    ("no devices were found", NOT_FOUND),
)
"""What it says where its exit status got lost, as under a script that wraps it."""
_MOST_LINES = 1024

_NO_HANDLE = re.compile(
    r"Unable to determine the device handle for (?:GPU ?(?P<index>[0-9]{1,3}): )?(?:GPU ?)?"
    r"(?P<address>[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7])?:? ?(?P<words>.*)"
)
_CARD = re.compile(r"GPU [0-9]{1,3}: .{1,200} \(UUID: (?P<uuid>[\w-]{1,80})\)")
_SLICE = re.compile(r"\s+MIG (?P<profile>[\w.+]{1,40})\s+Device\s+[0-9]{1,3}: \(UUID: (?P<uuid>[\w/-]{1,80})\)")


def failure(output: Output) -> dict[str, Any]:
    """Why it gave no answers, as an error of the library; its words may stand on either stream."""
    if output.silence is not None:
        return {"error": None, "words": output.silence}
    said = f"{output.errors} {output.text}".casefold()
    code = next((code for saying, code in _SAYINGS if saying in said), _EXITS.get(output.code or 0))
    return {"error": code, "words": _words(output)}


def _words(output: Output) -> str:
    """What it said; an answer that broke off says nothing, and may name a card."""
    if "<" in output.words or not is_plain(output.words):
        return f"it ended with status {output.code} and no whole answer"
    return output.words


@dataclass(frozen=True, slots=True)
class Lost:
    """A card that it knows of and cannot open."""

    index: int | None
    address: str | None
    words: str

    @property
    def answers(self) -> dict[str, Any]:
        """The card as the library would have answered for it."""
        known = {"nvmlDeviceGetPciInfo": {"busId": self.address}} if self.address else {}
        return {"nvmlDeviceGetHandleByIndex": {"error": LOST, "words": self.words}, **known}


def lost_cards(output: Output) -> list[Lost]:
    """Cards without a handle, one line each, on either stream and with any exit status."""
    lines = (line for text in (output.errors, output.text) for line in text.splitlines()[:_MOST_LINES])
    found = (_NO_HANDLE.match(line) for line in lines)
    return list(dict.fromkeys(_lost(line) for line in found if line))


def _lost(line: re.Match[str]) -> Lost:
    words = line["words"].strip()
    index = int(line["index"]) if line["index"] else None
    return Lost(index, bus_address(line["address"] or ""), words if is_plain(words) else "Unknown Error")


def with_lost(cards: list[dict[str, Any]], lost: list[Lost]) -> list[dict[str, Any]]:
    """All cards as the driver counts them: by their place on the bus, of which lost ones keep theirs."""
    found = list(cards)
    for card in sorted(lost, key=lambda card: (card.index is None, card.index or 0, card.address or "")):
        found.insert(_place(card, found), card.answers)
    return found


def _place(card: Lost, cards: list[dict[str, Any]]) -> int:
    if card.index is not None:
        return card.index
    if card.address is None:
        return len(cards)
    return sum((bus_address(_bus(other)) or "") < card.address for other in cards)


def _bus(card: Mapping[str, Any]) -> str:
    return str((card.get("nvmlDeviceGetPciInfo") or {}).get("busId") or "")


def with_slice_names(cards: list[dict[str, Any]], listed: Output) -> list[dict[str, Any]]:
    """Slices with the UUID and profile that ``nvidia-smi -L`` lists for them, in the same order."""
    names = dict(_slices_by_card(listed.text))
    return [_named(card, names.get(str(card.get("nvmlDeviceGetUUID")), [])) for card in cards]


def _slices_by_card(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """UUID of each card, and profile and UUID of its slices."""
    slices: list[tuple[str, str]] = []
    for line in text.splitlines()[:_MOST_LINES]:
        if card := _CARD.match(line):
            slices = []
            yield card["uuid"], slices
        elif part := _SLICE.match(line):
            slices.append((part["profile"], part["uuid"]))


def _named(card: dict[str, Any], names: list[tuple[str, str]]) -> dict[str, Any]:
    parts = card.get("mig") or []
    if len(names) != len(parts):
        return card
    return {**card, "mig": [_slice(part, *name) for part, name in zip(parts, names, strict=True)]}


def _slice(part: dict[str, Any], profile: str, uuid: str) -> dict[str, Any]:
    return {**part, "nvmlDeviceGetName": f"{part['nvmlDeviceGetName']} {profile}", "nvmlDeviceGetUUID": uuid}

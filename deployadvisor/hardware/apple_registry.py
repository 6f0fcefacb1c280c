"""Read what macOS' registry of devices says of its GPUs: ``ioreg`` answers much faster than ``system_profiler``.

The classes of all makers' drivers derive from IOAccelerator: ``AGXAcceleratorG16G`` of Apple's chips, names that
begin with ``AMD`` or ``Intel`` on Macs with an Intel processor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.system import Output

NAME = "ioreg IOAccelerator"
REGISTRY = ("/usr/sbin/ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")

_MOST_BYTES = 1 << 40
_ENTRY = re.compile(r"^\s*\+-o ([A-Za-z][\w]{0,80})", re.MULTILINE)
_MODEL = re.compile(r'"model" = "(Apple [^"\n]{1,60})"')
_HELD = re.compile(r'"In use system memory"\s*=\s*([0-9]{1,16})\b')
_OTHER_MAKERS = ("AMD", "Intel", "NVDA")


@dataclass(frozen=True, slots=True)
class Registry:
    """What the registry shows; None where it does not."""

    chip: str | None = None
    """Apple's name of the chip, such as ``Apple M4``."""
    held_bytes: int | None = None
    """Memory that programs hold for the GPU now."""
    others: tuple[str, ...] = ()
    """Makers of other GPUs."""


def read_registry(output: Output) -> Registry:
    """Apple's GPU, else who made the others."""
    if not output.succeeded:
        return Registry()
    parts = _ENTRY.split(output.text)
    entries = list(zip(parts[1::2], parts[2::2], strict=True))
    apple = next((text for name, text in entries if name.startswith("AGX")), None)
    if apple is not None:
        return Registry(_chip(apple), _held(apple))
    makers = {maker for name, _ in entries for maker in _OTHER_MAKERS if name.startswith(maker)}
    return Registry(others=tuple(sorted(makers)))


def _chip(text: str) -> str:
    """A GPU whose model is not shown is Apple's all the same."""
    found = _MODEL.search(text)
    return found[1].strip() if found and is_plain(found[1]) else "Apple chip"


def _held(text: str) -> int | None:
    found = _HELD.search(text)
    return int(found[1]) if found and 0 < int(found[1]) <= _MOST_BYTES else None

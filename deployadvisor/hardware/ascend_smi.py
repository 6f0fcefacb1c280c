"""Read the table of ``npu-smi info``, which has two lines for a chip and one for a process.

Versions differ in columns and widths: older chips have no HBM column, two-die cards a ``Phy-ID``, inference cards a
``Device``, the newest layout no chip number. Amounts are labelled MB and count 2**20 bytes.
Sources: npu_info_print.c of the Ascend driver; tables in github.com/vllm-project/vllm-ascend issues 312, 1875, 3548.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from deployadvisor.hardware.answers import is_plain

COMMAND = ("npu-smi", "info")
NAME = "npu-smi info"

_MOST_ROWS = 4096
_MOST_MIB = 1 << 20
_VERSION = re.compile(r"Version: ([0-9]{1,5}(?:\.[0-9A-Za-z_-]{1,20}){0,4})\s")
_FIRST = re.compile(r"([0-9]{1,6})(?:\s+(\S.{0,60}))?")
_SECOND = re.compile(r"([0-9]{1,4})?(?:\s+([0-9]{1,4}))?")
_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]|NA")
_AMOUNTS = re.compile(r"([0-9]{1,9}|NA|-)\s*/\s*([0-9]{1,9}|NA|-)")


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip, which is what runtimes call a device."""

    card: int
    """Number of the card, which need not begin at 0 nor be followed by the next one."""
    chip: int
    """Number of the chip on its card."""
    device: int | None
    """Number under ``Device`` (logical) or ``Phy-ID`` (physical), where the table has one."""
    name: str
    health: str
    bus: str | None = None
    total_mib: int | None = None
    used_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory of a chip."""

    card: int
    chip: int
    pid: int
    name: str
    memory_mib: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """What the program showed."""

    version: str | None = None
    chips: tuple[Chip, ...] = ()
    holders: tuple[Holder, ...] = ()
    lists_processes: bool = False
    has_physical_ids: bool = False
    """The column that cards with several dies bring along."""
    has_logical_ids: bool = False


@dataclass(slots=True)
class _Reading:
    chips: list[Chip] = field(default_factory=list)
    holders: list[Holder] = field(default_factory=list)
    pending: Chip | None = None
    processes: bool = False
    has_hbm: bool = False

    def take(self, cells: Sequence[str]) -> None:
        if self.processes:
            self.holders.extend(_holder(cells))
        elif self.pending is not None and (complete := _complete(self.pending, cells, has_hbm=self.has_hbm)):
            self.chips.append(complete)
            self.pending = None
        else:
            self.finish()
            self.pending = _begin(cells)

    def finish(self) -> None:
        """A chip whose second line is missing is there all the same, as the next one of its card."""
        if self.pending is not None:
            number = sum(chip.card == self.pending.card for chip in self.chips)
            self.chips.append(replace(self.pending, chip=number))
            self.pending = None


def read_table(text: str) -> Table:
    """Everything in the table that can be understood."""
    reading = _Reading(has_hbm="HBM-Usage" in text)
    for line in text.splitlines()[:_MOST_ROWS]:
        if "Process id" in line:
            reading.finish()
            reading.processes = True
        elif (cells := _cells(line)) is not None:
            reading.take(cells)
    reading.finish()
    version = _VERSION.search(text)
    return Table(
        version=version[1] if version else None,
        chips=tuple(_distinct(reading.chips)),
        holders=tuple(reading.holders),
        lists_processes=reading.processes,
        has_physical_ids="Phy-ID" in text,
        has_logical_ids=bool(re.search(r"\| Chip\s+Device\s*\|", text)),
    )


def _cells(line: str) -> list[str] | None:
    """Cells of a row; rules and headings are none."""
    line = line.strip()
    if not line.startswith("|") or not line.endswith("|") or len(line) > 300:
        return None
    cells = [cell.strip() for cell in line[1:-1].split("|")]
    return cells if any(cell[:1].isdigit() or _BUS.fullmatch(cell) for cell in cells) else None


def _begin(cells: Sequence[str]) -> Chip | None:
    """A chip by its first line: ``0 910B1 | OK | ...``, or in the newest layout ``0 | 910B1 | OK | ...``."""
    first = _FIRST.fullmatch(cells[0])
    if first is None or len(cells) < 3:
        return None
    name, health = (first[2], cells[1]) if first[2] else cells[1:3]
    if not is_plain(name) or not is_plain(health) or not health[0].isalpha() or _BUS.fullmatch(health):
        return None
    return Chip(int(first[1]), 0, None, name, health)


def _complete(chip: Chip, cells: Sequence[str], *, has_hbm: bool) -> Chip | None:
    """The chip with its second line: ``0 | 0000:C1:00.0 | 0   0 / 0   3437 / 65536``."""
    second = _SECOND.fullmatch(cells[0])
    bus = next((cell for cell in cells[1:3] if _BUS.fullmatch(cell)), None)
    if second is None or bus is None or len(cells) < 3:
        return None
    used, total = _memory(cells[-1], has_hbm=has_hbm)
    return replace(
        chip,
        chip=int(second[1] or 0),
        device=int(second[2]) if second[2] else None,
        bus=None if bus == "NA" else bus,
        total_mib=total,
        used_mib=used,
    )


def _memory(cell: str, *, has_hbm: bool) -> tuple[int | None, int | None]:
    """Used and total of what models are loaded into: the HBM where there is such a column, else the only memory."""
    pairs = _AMOUNTS.findall(cell)
    if len(pairs) != 1 + has_hbm:
        return None, None
    used, total = map(_amount, pairs[-1])
    return used, total or None


def _amount(word: str) -> int | None:
    return int(word) if word.isdigit() and int(word) <= _MOST_MIB else None


def _holder(cells: Sequence[str]) -> Iterator[Holder]:
    """A process: ``0       0 | 4071417 | python | 47881``, with its number in the container after it or not."""
    place = re.fullmatch(r"([0-9]{1,6})(?:\s+([0-9]{1,4}))?", cells[0])
    if place is None or len(cells) < 4 or not re.fullmatch(r"[0-9]{1,9}", cells[1]) or int(cells[1]) == 0:
        return
    amount = _amount(cells[3])
    yield Holder(int(place[1]), int(place[2] or 0), int(cells[1]), cells[2], amount or None)


def _distinct(chips: Sequence[Chip]) -> Iterator[Chip]:
    """Each chip once, whatever the text repeats."""
    seen: set[tuple[int, int]] = set()
    for chip in chips:
        if (chip.card, chip.chip) not in seen:
            seen.add((chip.card, chip.chip))
            yield chip

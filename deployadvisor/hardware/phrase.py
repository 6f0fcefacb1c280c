"""Read the terms of a hardware phrase: cards, the host, or an instance type of a cloud.

Cards are ``[N x] NAME [MEMORY]``, the host is ``cpu MEMORY [N cores]``, an instance ``[N x] [CLOUD] TYPE``. How many
machines there are stands before all terms: ``N nodes of``, ``N x`` before a count of cards, or ``N 台``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.catalog.instances import Instance, find_instance, instance_called
from deployadvisor.errors import CatalogError, DeployAdvisorError, HardwareError, Where, nearest
from deployadvisor.hardware.machine import MAX_NODES
from deployadvisor.hardware.names import find_card, sizes_gb, take_size

MAX_CARDS = 1024
MAX_HOST_GIB = 65_536
MAX_CORES = 4096
_LIKE_A_TYPE = 0.8
"""Types hold names of cards, so a card badly written is a little like some of them."""

_COUNT = re.compile(r"([-0-9][0-9.,_]*)(?:\s*[×*]\s*|[xX]\s*|\s+[xX]\s+)(?=\S)")
_MACHINES = re.compile(
    r"\s*(?P<count>[-0-9][0-9.,_]*)\s*(?:"
    r"(?:[x×*]\s*)?(?:nodes?|machines?|servers?)\s+(?:of\s+|with\s+|[x×*]\s*)?"
    r"|(?:台|个)?(?:机器|服务器|节点)[，,]?\s*(?:每[台个]\s*)?|台[，,]?\s*(?:每台\s*)?"
    r"|[x×*]\s*(?=[0-9]{1,3}(?:\s*[×*]|x|\s+x\s)))",
    re.IGNORECASE,
)
"""Before all terms."""
_MACHINES_AFTER = re.compile(
    r"(?P<each>.+?)[\s,]*(?:\b(?:on|in|x)\b|[×*])?\s*\b(?P<count>[0-9]+)\s*(?:nodes?|machines?|servers?)\s*",
    re.IGNORECASE,
)
_COUNT_AFTER = re.compile(r"(?P<name>.+?)\s*[x×*]\s*(?P<count>[0-9]+)", re.IGNORECASE)
_COUNT_ALONE = re.compile(r"(?P<count>[0-9]+)\s+(?P<name>.+)")
_CORES = re.compile(r"(?<![\w.-])(-?[0-9]+)[\s-]*(?:v?cpus|v?cores?|threads)\b", re.IGNORECASE)
_HOST_START = re.compile(r"cpu\b", re.IGNORECASE)
_MIG_SLICE = re.compile(r"\bmig\b|\b[0-9]+g\.[0-9]+gb\b", re.IGNORECASE)
_RAM = re.compile(r"\bram\b", re.IGNORECASE)
_HOST_WORD = re.compile(r"\b(?:cpu|ram|memory)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a phrase and the column (from 1) at which it starts."""

    text: str
    column: int

    def refuse(self, message: str, *, allowed: Sequence[str] = (), remedy: str | None = None) -> NoReturn:
        """Raise an error that names this term and its place."""
        raise HardwareError(f'"{shortened(self.text)}": {message}', where=self.where, allowed=allowed, remedy=remedy)

    @property
    def where(self) -> Where:
        """Place in the phrase, which counts as line 1 of "hardware"."""
        return Where("hardware", 1, self.column)


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards of one kind."""

    gpu: Gpu
    count: int
    size_gib: float | None
    """Memory that the phrase states; for a card sold in one size it only confirms the catalogue."""


@dataclass(frozen=True, slots=True)
class HostTerm:
    """What a phrase says about the host."""

    memory_gib: float
    cores: int | None
    term: Term


@dataclass(frozen=True, slots=True)
class InstanceTerm:
    """A whole machine of a cloud, or several of them."""

    instance: Instance
    term: Term
    count: int = 1


def machines(text: str) -> tuple[int, str]:
    """How many machines a phrase speaks of, and the phrase of one, with blanks where the number stood.

    >>> machines("2 nodes of 8x H100")
    (2, '           8x H100')
    """
    found = _MACHINES.match(text)
    after = None if found else _MACHINES_AFTER.fullmatch(text)
    if after:
        remedy = f'write them first: "{after["count"]} nodes of {shortened(after["each"].strip())}"'
        Term(text.strip(), 1).refuse("the number of machines stands last", remedy=remedy)
    if found is None:
        return 1, text
    count = _number(found["count"], Term(text.strip(), 1), "number of machines", MAX_NODES)
    return count, " " * found.end() + text[found.end() :]


def terms(text: str) -> Iterator[Term]:
    """Split a phrase at ``+``; an empty part is an error."""
    position = 0
    for piece in text.split("+"):
        column = position + len(piece) - len(piece.lstrip()) + 1
        if not piece.strip():
            message = "a term is missing" if "+" in text else "the hardware phrase is empty"
            raise HardwareError(message, where=Where("hardware", 1, column), remedy='write one like "2x H100"')
        yield Term(piece.strip(), column)
        position += len(piece) + 1


def read_term(term: Term) -> Cards | HostTerm | InstanceTerm:
    """What one term says; ``HardwareError`` for one that names nothing."""
    if term.text.casefold() == "none":
        term.refuse("stands alone, not beside other terms")
    try:
        return _host_term(term) if _is_host(term.text) else _cards(term)
    except DeployAdvisorError as error:
        if error.where:
            raise
        if isinstance(error, CatalogError):
            return _instance_term(term, error)
        raise _located(error, term) from error


def _instance_term(term: Term, no_card: CatalogError) -> InstanceTerm:
    """The instance type that a term names which names no card; only now is the list of types read."""
    instance = instance_called(term.text)
    if instance:
        return InstanceTerm(instance, term)
    name, counted, other = _without_count(term.text), _COUNT.match(term.text), _other_count(term.text)
    if counted and (several := instance_called(name)):
        return InstanceTerm(several, term, _number(counted[1], term, "number of machines", MAX_NODES))
    if other and instance_called(other["name"]):
        term.refuse("the number of machines stands first", remedy=f'write "{other["count"]}x {other["name"]}"')
    raise _located(_nearer_complaint(name, no_card), term) from no_card


def _nearer_complaint(name: str, no_card: CatalogError) -> CatalogError:
    """That ``name`` is no instance type where it is very much like one, and less like a card."""
    try:
        find_instance(name)
    except CatalogError as no_instance:
        near = [error.suggestion for error in (no_card, no_instance) if error.suggestion]
        if no_instance.suggestion and nearest(name, near, likeness=_LIKE_A_TYPE) == no_instance.suggestion:
            return no_instance
    return no_card


def _located(error: DeployAdvisorError, term: Term) -> HardwareError:
    """The catalogue's answer, said about a place in the phrase."""
    hint = _count_hint(term.text)
    prefix = "" if f'"{term.text}"' in error.message else f'"{shortened(term.text)}": '
    return HardwareError(
        shortened(prefix + error.message, 300),
        where=term.where,
        allowed=error.allowed,
        suggestion=None if hint else error.suggestion,
        remedy=hint or error.remedy,
    )


def _count_hint(text: str) -> str | None:
    """How to write ``H100 x8`` and ``8 H100``."""
    found = _other_count(text)
    if found is None:
        return None
    try:
        find_card(found["name"])
    except DeployAdvisorError:
        return None
    return f'write the count first: "{found["count"]}x {found["name"]}"'


def _without_count(text: str) -> str:
    counted = _COUNT.match(text)
    return text[counted.end() :] if counted else text


def _other_count(text: str) -> re.Match[str] | None:
    return _COUNT_AFTER.fullmatch(text) or _COUNT_ALONE.fullmatch(text)


def _is_host(text: str) -> bool:
    """It begins with cpu, speaks of RAM, or has only sizes: ``M3 Max (16-core CPU)`` is a card."""
    words = _without_count(text)
    return bool(_HOST_START.match(words) or _RAM.search(words) or not _left_over(words))


def _left_over(text: str) -> str:
    """What is neither a size, a number of cores nor a host word."""
    rest, _ = take_size(_CORES.sub(" ", text))
    return " ".join(re.sub(r"[,;:()]", " ", _HOST_WORD.sub(" ", rest)).split())


def _host_term(term: Term) -> HostTerm:
    if _COUNT.match(term.text):
        term.refuse("the host takes no count", remedy='write its whole memory, like "cpu 64GB 16 cores"')
    cores = _CORES.search(term.text)
    _, memory_gib = take_size(_CORES.sub(" ", term.text))
    if extra := _left_over(term.text):
        term.refuse(f'cannot read "{shortened(extra)}"', remedy='write it like "cpu 64GB 16 cores"')
    if memory_gib is None:
        term.refuse("the host's memory is missing", remedy='write it like "cpu 32GB"')
    if not _HOST_WORD.search(term.text) and not cores:
        term.refuse("memory of what?", remedy=f'write "cpu {shortened(term.text)}", or a card before it')
    if not 0 < memory_gib <= MAX_HOST_GIB:
        term.refuse(f"host memory must be more than 0 and at most {MAX_HOST_GIB:,} GB")
    return HostTerm(memory_gib, _core_count(cores[1], term) if cores else None, term)


def _core_count(digits: str, term: Term) -> int:
    if not 1 <= int(digits) <= MAX_CORES:
        term.refuse(f"the number of cores must be from 1 to {MAX_CORES:,}")
    return int(digits)


def _cards(term: Term) -> Cards:
    counted = _COUNT.match(term.text)
    count = _number(counted[1], term, "count", MAX_CARDS) if counted else 1
    if _MIG_SLICE.search(term.text):
        remedy = "run deployadvisor probe where the slice is, and use its file from probe --save"
        term.refuse(
            "a phrase names whole cards; a MIG slice is read by the probe or from a machine file", remedy=remedy
        )
    gpu, size_gib = find_card(_without_count(term.text))
    if size_gib is not None and gpu.vendor == "apple":
        _check_apple_size(gpu, size_gib, term)
    return Cards(gpu, count, size_gib)


def _number(digits: str, term: Term, what: str, most: int) -> int:
    if not digits.isdecimal():
        term.refuse(f'the {what} must be a whole number from 1, not "{digits}"')
    if not 1 <= int(digits) <= most:
        term.refuse(f"the {what} must be from 1 to {most:,}")
    return int(digits)


def _check_apple_size(gpu: Gpu, size_gib: float, term: Term) -> None:
    largest = gpu.memory_gb or MAX_HOST_GIB
    if not 1 <= size_gib <= largest:
        term.refuse(f"{gpu.name} is sold with up to {largest:g} GB", allowed=sizes_gb([gpu]))


def shortened(text: str, limit: int = 60) -> str:
    """``text`` on one line of at most ``limit`` characters, for messages."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= limit else f"{printable[: limit - 3]}..."

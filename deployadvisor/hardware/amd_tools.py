"""Ask AMD's own library, else its program, else the older program; what the kernel says is read beside them.

A later one is asked only where an earlier one said nothing of any card. The small files of the kernel tell most of
it without any of them: the tools add names, error correction and other programs' shares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployadvisor.hardware.amd_said import rows, said_address, said_node
from deployadvisor.hardware.amd_smi import LIST, MEMORY, STATIC, amd_smi_answers
from deployadvisor.hardware.answers import Answers, library_answers
from deployadvisor.hardware.machine import Problem
from deployadvisor.hardware.reading import Patience
from deployadvisor.hardware.rocm_smi import COMMAND, rocm_smi_answers
from deployadvisor.hardware.system import LibraryName, Output, System

LIBRARY: LibraryName = "amdsmi"

_LIBRARY_S = 2.0
_AMD_SMI_S = 1.8
_ROCM_SMI_S = 1.5
_REMEDY = "read dmesg; a card that hangs needs a reset or a reboot"


@dataclass(frozen=True, slots=True)
class Tools:
    """What tools said of each card, and which of them did not answer."""

    cards: tuple[Answers, ...] = ()
    problems: tuple[Problem, ...] = ()


def ask_tools(system: System, patience: Patience, *, with_memory: bool) -> Tools:
    """The first tool that knows any card; ``with_memory`` asks for what the kernel's files did not tell."""
    problems: tuple[Problem, ...] = ()
    for ask in _SOURCES:
        found = ask(system, patience, with_memory)
        problems += found.problems
        if found.cards:
            return Tools(found.cards, problems)
    return Tools((), problems)


def _library(system: System, patience: Patience, _with_memory: bool) -> Tools:
    answers = library_answers(LIBRARY, system.library(LIBRARY, timeout_s=patience.at_most(_LIBRARY_S)))
    stopped = answers.stopped or ""
    hangs = (_silent(LIBRARY, stopped),) if "did not answer" in stopped else ()
    return Tools(tuple(rows(answers)), hangs)


def _amd_smi(system: System, patience: Patience, with_memory: bool) -> Tools:
    first = system.run(*STATIC, timeout_s=patience.at_most(_AMD_SMI_S))
    texts = [first.text]
    known = rows(amd_smi_answers(*texts))
    if known and any(said_address(card) is None for card in known):
        texts.append(system.run(*LIST, timeout_s=patience.at_most(_AMD_SMI_S)).text)
    if known and with_memory:
        texts.append(system.run(*MEMORY, timeout_s=patience.at_most(_AMD_SMI_S)).text)
    return Tools(tuple(rows(amd_smi_answers(*texts))), _silence(first, STATIC))


def _rocm_smi(system: System, patience: Patience, _with_memory: bool) -> Tools:
    output = system.run(*COMMAND, timeout_s=patience.at_most(_ROCM_SMI_S))
    return Tools(tuple(rows(rocm_smi_answers(output.text))), _silence(output, COMMAND))


_SOURCES: tuple[Callable[[System, Patience, bool], Tools], ...] = (_library, _amd_smi, _rocm_smi)


def _silence(output: Output, words: Sequence[str]) -> tuple[Problem, ...]:
    if output.silence is None or output.missing:
        return ()
    return (_silent(words[0], output.silence),)


def _silent(what: str, why: str) -> Problem:
    return Problem(what=what, reason=why, remedy=_REMEDY)


def said_of(
    cards: Sequence[Answers], node: int | None, address: str | None, place: int, count: int
) -> Answers | None:
    """What was said about one device: by its node, else by its place on the bus, else by its turn there.

    The turn counts only where tools name neither, and know as many devices as the bus.
    """
    by_node = [card for card in cards if node is not None and said_node(card) == node]
    if by_node:
        return by_node[0]
    by_address = [card for card in cards if address is not None and said_address(card) == address]
    if by_address:
        return by_address[0]
    nameless = all(said_address(card) is None and said_node(card) is None for card in cards)
    return cards[place] if nameless and len(cards) == count else None

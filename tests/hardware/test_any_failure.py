"""The law of every probe: whatever one tool does, the probe ends in time, invents nothing and loses no card silently.

Holds for every recorded machine: each of its programs and libraries hangs, fails, prints nonsense or megabytes, each
alone and several together by chance. Time is that of the recording, which only passes where a tool hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Known, Machine, Number, Unknown
from deployadvisor.hardware.probe import HOST_S, READERS_S, probe
from deployadvisor.hardware.recording import CommandAnswer, RecordedSystem, Recording
from deployadvisor.hardware.system import Library, LibraryName, Output

from .replay import changed, machine_names, probe_of, recording

GRACE_S = 0.1
"""A question takes at least 50 ms, so a reader that has no time left may still ask one or two."""

NONSENSE = (
    "",
    "\0\x1b[31m",
    "null",
    "[]",
    '{"a": [{}]}',
    "<x/>",
    "N/A\n" * 3,
    "-1 MiB",
    "9" * 400,
    "Ünïcode\n\u2028",
)
FLOODS = ("x" * (1 << 20), "[" * 200_000, "<a>" * 100_000, "GPU 0: a (UUID: GPU-0)\n" * 10_000)
COMMAND_FAILURES: tuple[Mapping[str, Any], ...] = (
    {"hangs": True},
    {"silence": "it printed more than 8 MiB"},
    {"err": "Segmentation fault", "code": -11},
    {"out": "error while loading shared libraries", "code": 127},
    *({"out": text, "code": 0} for text in NONSENSE),
    *({"err": text, "code": 1} for text in NONSENSE[:3]),
    *({"out": text} for text in FLOODS),
)
LIBRARY_FAILURES: tuple[Mapping[str, Any], ...] = (
    {"hangs": "the first question"},
    {"stopped": "the library: its process ended with status -11"},
    {"stopped": "the Python package is not installed"},
    *({"nvmlInit": {"error": code}} for code in (4, 9, 12, 18, 999, None)),
    {"devices": "none", "nvmlDeviceGetCount": "many"},
    {"devices": [None, [], {"nvmlDeviceGetName": "x" * (1 << 20)}]},
)
LIBRARIES: tuple[LibraryName, ...] = ("nvml", "amdsmi")


class WatchedSystem(RecordedSystem):
    """Also knows the longest time that any thread has waited for tools."""

    def __init__(self, recorded: Recording) -> None:
        super().__init__(recorded)
        self.waited_s: dict[int, float] = {}

    def run(self, *words: str, timeout_s: float) -> Output:
        output = super().run(*words, timeout_s=timeout_s)
        self.waited_s[threading.get_ident()] = self.clock()
        return output

    def library(self, name: LibraryName, *, timeout_s: float) -> Library:
        library = super().library(name, timeout_s=timeout_s)
        self.waited_s[threading.get_ident()] = self.clock()
        return library

    @property
    def longest_s(self) -> float:
        return max(self.waited_s.values(), default=0.0)


@cache
def healthy(name: str) -> Machine:
    return probe_of(recording(name))


def single_failures(name: str) -> Iterator[tuple[str, Recording]]:
    """The machine with one of its tools broken, in every way."""
    recorded = recording(name)
    for line in recorded.commands:
        for failure in COMMAND_FAILURES:
            yield f"{line}: {str(failure)[:60]}", changed(name, commands={line: failure})
    for library in LIBRARIES:
        if getattr(recorded, library):
            for failure in LIBRARY_FAILURES:
                yield f"{library}: {str(failure)[:60]}", changed(name, **{library: failure})


def check(name: str, what: str, recorded: Recording) -> None:
    """Hold the whole law."""
    lost = lost_silently(healthy(name), checked(name, what, recorded))
    assert not lost, f"{name}, {what}: {lost}"


def checked(name: str, what: str, recorded: Recording) -> Machine:
    """Hold what is true even of answers that no tool would give: time, and nothing raised or invented."""
    host, everything = WatchedSystem(recorded), WatchedSystem(recorded)
    read_host(host)
    assert host.longest_s <= HOST_S, f"{name}, {what}: the host took {host.longest_s} s"
    machine = probe(everything)
    assert everything.longest_s <= READERS_S + GRACE_S, f"{name}, {what}: a reader took {everything.longest_s} s"
    assert not broken_readers(machine), f"{name}, {what}: {broken_readers(machine)}"
    assert not wrong_memories(machine), f"{name}, {what}: {wrong_memories(machine)}"
    return machine


def broken_readers(machine: Machine) -> list[str]:
    return [problem.reason for problem in machine.problems if "the reader failed" in problem.reason]


def wrong_memories(machine: Machine) -> list[str]:
    """A total of 0, less than nothing free, or an unknown without a reason."""
    totals = [(card.name, card.memory_total_gib) for card in machine.accelerators]
    frees = [(card.name, card.memory_free_gib) for card in machine.accelerators]
    wrong = [reading for reading in (*totals, ("host", machine.host.memory_total_gib)) if amount(reading[1]) <= 0]
    return [f"{name}: {reading}" for name, reading in (*wrong, *(each for each in frees if amount(each[1]) < 0))]


def amount(reading: Number) -> float:
    """What is known, or 1 for what is unknown with a reason."""
    return reading.value if isinstance(reading, Known) else float(bool(reading.unknown))


def lost_silently(before: Machine, after: Machine) -> list[str]:
    """Cards that are gone where no problem says anything new, and cards without memory where none says why."""
    new = set(after.problems) - set(before.problems)
    gone = len(after.accelerators) < len(before.accelerators) and not new
    reasons = [problem.reason for problem in after.problems]
    unread = [(card.name, card.memory_total_gib) for card in after.accelerators]
    silent = [name for name, reading in unread if isinstance(reading, Unknown) and not is_said(reading, reasons)]
    return [*(card.name for card in before.accelerators if gone), *silent]


def is_said(reading: Unknown, reasons: list[str]) -> bool:
    return any(reading.unknown in reason or reason in reading.unknown for reason in reasons)


@pytest.mark.parametrize("name", machine_names())
def test_one_broken_tool_costs_neither_time_nor_truth(name: str):
    check(name, "as recorded", recording(name))
    for what, recorded in single_failures(name):
        check(name, what, recorded)


@given(st.sampled_from(machine_names()), st.data())
@settings(max_examples=120, deadline=None)
def test_any_broken_tools_cost_neither_time_nor_truth(name: str, data: st.DataObject):
    recorded = recording(name)
    broken = {line: data.draw(broken_answers(answer)) for line, answer in recorded.commands.items()}
    libraries = {library: getattr(recorded, library) for library in LIBRARIES if getattr(recorded, library)}
    failing = {library: data.draw(st.sampled_from([own, *LIBRARY_FAILURES])) for library, own in libraries.items()}
    check(name, f"{failing}, {broken}"[:2000], changed(name, commands=broken, **failing))


def broken_answers(true: CommandAnswer) -> st.SearchStrategy[dict[str, Any]]:
    """The true answer, a failure, or the true one up to where the program broke off or hung."""
    cut = st.builds(lambda end, how: {"out": true.out[:end], **how}, places(true.out), st.sampled_from(BREAKS))
    return st.one_of(st.just(true.model_dump()), st.sampled_from(COMMAND_FAILURES).map(dict), cut)


BREAKS = ({"code": 1}, {"code": -9, "err": "Killed"}, {"hangs": True})


@given(st.sampled_from([name for name in machine_names() if recording(name).commands]), st.data())
@settings(max_examples=120, deadline=None)
def test_any_garbled_answers_invent_nothing(name: str, data: st.DataObject):
    commands = recording(name).commands.items()
    garbled = {line: {"out": data.draw(garbled_text(answer.out))} for line, answer in commands}
    checked(name, str(garbled)[:2000], changed(name, commands=garbled))


def garbled_text(text: str) -> st.SearchStrategy[str]:
    return st.builds(
        lambda at, length, new: text[:at] + new + text[at + length :],
        places(text),
        st.integers(0, 9),
        st.text(max_size=8),
    )


def places(text: str) -> st.SearchStrategy[int]:
    return st.integers(0, max(len(text) - 1, 0))


def test_a_thread_that_waits_is_noticed():
    system = WatchedSystem(changed("everything-hangs", nvml={"hangs": "nvmlInit"}))
    probe(system)
    assert system.longest_s == pytest.approx(READERS_S)

"""Read a vendor library's answers: each is a value of the expected kind, or a ``Refusal`` with the library's words.

An answer of another kind, a number out of all bounds, or nothing at all is a refusal too: never 0, never "no".
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from deployadvisor.hardware.machine import Flag, Known, Number, Text, Unknown
from deployadvisor.hardware.system import GIB, Library

NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
LOST = 15
VERSION_MISMATCH = 18
UNKNOWN_ERROR = 999

_WORDS = {
    2: "Invalid Argument",
    NOT_SUPPORTED: "Not Supported",
    NO_PERMISSION: "Insufficient Permissions",
    NOT_FOUND: "Not Found",
    DRIVER_NOT_LOADED: "Driver Not Loaded",
    10: "Timeout",
    LIBRARY_NOT_FOUND: "NVML Shared Library Not Found",
    FUNCTION_NOT_FOUND: "Function Not Found",
    LOST: "GPU is lost",
    VERSION_MISMATCH: "Driver/library version mismatch",
    UNKNOWN_ERROR: "Unknown Error",
}
_REMEDIES = {
    NO_PERMISSION: "run the probe as a user who may read this device",
    LOST: "read dmesg, then reset the card or reboot; until then CUDA may fail on the other cards too",
}
_MOST_BYTES = 1 << 50
_MOST_CHARS = 200

_BRIEF = reprlib.Repr()  # never walks through megabytes or a hundred levels
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question without a usable answer."""

    source: str
    """Library and function."""
    code: int | None
    words: str

    def unknown(self) -> Unknown:
        """Say it as a machine value."""
        return Unknown(unknown=f"{self.source}: {self.words}", remedy=_REMEDIES.get(self.code or 0))


@dataclass(frozen=True, slots=True)
class Answers:
    """What a library said about one device, or about all of them."""

    name: str
    """The library or program, as messages call it."""
    values: Mapping[str, Any] = field(default_factory=dict)
    stopped: str | None = None
    is_library: bool = True
    """A program's answers are filed under the library's function names, which then say nothing to the user."""

    @property
    def is_absent(self) -> bool:
        """Whether the library is not installed, which is no fault of a driver."""
        return self.stopped is not None and "not installed" in self.stopped

    def source(self, function: str) -> str:
        """Where an answer was read."""
        return f"{self.name} {function}" if self.is_library else self.name

    def refusal(self, function: str, words: str) -> Refusal:
        """Refuse an answer in our own words."""
        return Refusal(self.source(function), None, words)

    def ask(self, function: str) -> Any | Refusal:
        """The raw answer; a question that was not answered is refused, with the reason."""
        answer = self.values.get(function)
        if isinstance(answer, Mapping) and "error" in answer:
            return _error(self.source(function), answer)
        if answer is not None:
            return answer
        if self.stopped is not None:
            return Refusal(
                self.source(function), None, f"not answered, because {self.name} stopped at {self.stopped}"
            )
        words = _WORDS[NOT_SUPPORTED] if self.is_library else "does not say"
        return Refusal(self.source(function), NOT_SUPPORTED, words)

    def parts(self, name: str) -> list[Answers]:
        """The devices, slices or links below this one; one that is no mapping has no answers."""
        rows = self.values.get(name)
        return [
            Answers(self.name, row if isinstance(row, Mapping) else {}, self.stopped, self.is_library)
            for row in (rows if isinstance(rows, list) else ())
        ]

    def field(self, function: str, name: str) -> Any | Refusal:
        """One field of an answer that is a mapping."""
        answer = self.ask(function)
        if isinstance(answer, Refusal):
            return answer
        if isinstance(answer, Mapping) and answer.get(name) is not None:
            return answer[name]
        return self.refusal(function, f"said nothing of {name}")

    def whole(
        self, function: str, *, lowest: int = 0, highest: int = 1 << 62, name: str | None = None
    ) -> int | Refusal:
        """A whole number within bounds; of a mapping, its field ``name``."""
        answer = self.field(function, name) if name else self.ask(function)
        if isinstance(answer, Refusal):
            return answer
        if isinstance(answer, bool) or not isinstance(answer, int) or not lowest <= answer <= highest:
            return self.refusal(function, f"answered {shown(answer)}, which is no number it can mean")
        return answer

    def text(self, function: str, *, name: str | None = None) -> Text:
        """A text of one printable line."""
        answer = self.field(function, name) if name else self.ask(function)
        if isinstance(answer, Refusal):
            return answer.unknown()
        if not isinstance(answer, str) or not is_plain(answer):
            return self.refusal(function, f"answered {shown(answer)}, which is no text it can mean").unknown()
        return Known[str](value=answer.strip(), source=self.source(function))

    def number(self, function: str, *, lowest: int = 0, highest: int, scale: float = 1.0) -> Number:
        """A whole number within bounds, times ``scale``."""
        answer = self.whole(function, lowest=lowest, highest=highest)
        if isinstance(answer, Refusal):
            return answer.unknown()
        return Known[float](value=answer * scale, source=self.source(function))

    def flag(self, function: str) -> Flag:
        """0 or 1; of a pair the first, which is what holds now."""
        answer = self.ask(function)
        if isinstance(answer, Refusal):
            return answer.unknown()
        first = answer[0] if isinstance(answer, list) and answer else answer
        if first not in (0, 1):
            return self.refusal(function, f"answered {shown(answer)}, which is neither on nor off").unknown()
        return Known[bool](value=bool(first), source=self.source(function))


def memory(answers: Answers, function: str) -> tuple[Number, Number]:
    """Total and free memory of a device; a driver that answers 0 has not answered."""
    total = answers.whole(function, lowest=1, highest=_MOST_BYTES, name="total")
    free = answers.whole(function, lowest=0, highest=_MOST_BYTES, name="free")
    source = answers.source(function)
    if isinstance(total, Refusal):
        return total.unknown(), total.unknown()
    known = Known[float](value=total / GIB, source=f"{source} total")
    if isinstance(free, Refusal):
        return known, free.unknown()
    return known, Known[float](value=min(free, total) / GIB, source=f"{source} free")


def is_plain(text: str) -> bool:
    """Whether ``text`` can be shown as it is: one short printable line that is not empty."""
    return bool(text.strip()) and len(text) <= _MOST_CHARS and text.isprintable()


def shown(answer: object) -> str:
    """A strange answer, short and printable, for a message."""
    if isinstance(answer, float) and not math.isfinite(answer):
        return str(answer)
    text = "".join(letter if letter.isprintable() else "?" for letter in _BRIEF.repr(answer)[:60])
    return text if len(text) < 60 else f"{text[:57]}..."


def library_answers(name: str, library: Library) -> Answers:
    """The answers of a library under the name that messages use."""
    return Answers(name, library.answers, library.stopped)


def first_known(readings: Iterator[Known[T] | Unknown]) -> Known[T] | Unknown:
    """The first reading that is known; else the first at all, whose reason comes from the best source."""
    first: Unknown | None = None
    for reading in readings:
        if isinstance(reading, Known):
            return reading
        first = first or reading
    return first or Unknown(unknown="nothing was asked")


def _error(source: str, answer: Mapping[str, Any]) -> Refusal:
    code, words = answer.get("error"), answer.get("words")
    known = code if isinstance(code, int) and not isinstance(code, bool) else None
    said = words if isinstance(words, str) and is_plain(words) else _WORDS.get(known or -1, f"error {shown(code)}")
    return Refusal(source, known, said)

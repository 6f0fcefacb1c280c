"""One value of a document that remembers its place: what the readers of rule files walk over and complain about."""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from deployadvisor.documents import Document, Key, KeyPath, quoted
from deployadvisor.errors import DeployAdvisorError, RulesError, Where, nearest

_LISTED = 12
"""Words that a message lists when it cannot guess the one that was meant."""
_LONGEST_WORD = 60


def refusal(
    message: str, where: Where, *, allowed: Collection[str] = (), word: str = "", remedy: str | None = None
) -> RulesError:
    """The error for a wrong word: it names the nearest allowed one, or else lists what is allowed."""
    suggestion = nearest(word[:_LONGEST_WORD], allowed) if word else None
    if allowed and not suggestion:
        message += f" (allowed: {listed(allowed)})"
    return RulesError(message, where=where, allowed=allowed, suggestion=suggestion, remedy=remedy)


def boolean_trap(value: bool) -> str:
    """What to say where YAML made a boolean of a word."""
    return f"YAML reads {str(value).lower()} here, from yes, no, on or off"


def listed(words: Collection[str]) -> str:
    """The words with commas between them; of many only the first."""
    shown = ", ".join([*words][:_LISTED])
    return f"{shown} and {len(words) - _LISTED} more" if len(words) > _LISTED else shown


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Let the message of every error inside begin with ``subject``, such as ``rule acme-no-laptops``."""
    try:
        yield
    except DeployAdvisorError as error:
        error.message = f"{subject}: {error.message}"
        raise


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the path that leads to it."""

    document: Document
    value: Any
    path: KeyPath = ()

    @property
    def where(self) -> Where:
        """Place of the value."""
        return self.document.where(self.path)

    @property
    def where_key(self) -> Where:
        """Place of the key that leads to the value."""
        return self.document.where(self.path, key=True)

    @property
    def name(self) -> str:
        """The key that leads to the value; nothing for the whole document."""
        return str(self.path[-1]) if self.path else ""

    def __getitem__(self, key: Key) -> Entry:
        """The part called ``key``; its value is None when it is left out."""
        value = self.value.get(key) if isinstance(self.value, dict) else self.value[key]
        return Entry(self.document, value, (*self.path, key))

    def __contains__(self, key: str) -> bool:
        """Whether the mapping says something under this key."""
        return self.value.get(key) is not None

    def fail(
        self,
        message: str,
        *,
        allowed: Collection[str] = (),
        word: str = "",
        key: bool = False,
        remedy: str | None = None,
    ) -> NoReturn:
        """Refuse the value, or its key with ``key``."""
        where = self.where_key if key else self.where
        raise refusal(message, where, allowed=allowed, word=word, remedy=remedy)

    # What a value must be

    def check(self, message: str, allowed: Collection[str] = ()) -> None:
        """Refuse anything but a mapping, with ``message``, and keys other than the ``allowed``, if there are any."""
        if not isinstance(self.value, dict):
            self.fail(message)
        for key in self.value if allowed else ():
            if key not in allowed:
                self[key].fail(f"unknown key {quoted(key)}", allowed=allowed, word=key, key=True)

    def parts(self) -> Iterator[Entry]:
        """The parts of a mapping by their keys; none when it is left out."""
        if self.value is not None:
            self.check(f"{self.name}: must be a mapping")
        return (self[key] for key in self.value or ())

    def items(self) -> Iterator[Entry]:
        """The parts of a list; none when it is left out."""
        if self.value is not None and not isinstance(self.value, list):
            self.fail(f"{self.name}: must be a list")
        return (self[position] for position in range(len(self.value or ())))

    def text(self, default: str | None = None) -> str:
        """A text that says something; without a ``default`` it may not be left out."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"needs {self.name}, a text" if self.value is None else f"{self.name} must be a text")
        return str(self.value).strip()

    def flag(self, *, default: bool = False) -> bool:
        """Yes or no."""
        if not isinstance(self.value, bool | None):
            self.fail(f"{self.name} is yes or no")
        return default if self.value is None else self.value

    def positive(self, default: float = 1.0) -> float:
        """A finite number above 0."""
        if self.value is None:
            return default
        if type(self.value) not in {int, float} or not 0 < self.value < math.inf:
            self.fail(f"{self.name} is a number above 0")
        return float(self.value)

    def date(self) -> datetime.date | None:
        """A day as ``2026-11-22``; none when it is left out."""
        if self.value is None:
            return None
        try:
            return datetime.date.fromisoformat(self.value)
        except (TypeError, ValueError):
            self.fail(f"{self.name} is a date such as 2026-11-22")

    def word(self) -> str:
        """The key that leads to the value, as a name: letters, digits, ``_`` and ``-``."""
        if not is_word(self.name):
            self.fail(f"{quoted(self.name)} is not a name of letters, digits, _ and -", key=True)
        return self.name


def is_word(text: object) -> bool:
    """Whether a text is a name: letters, digits, ``_`` and ``-``, and not a long one."""
    return isinstance(text, str) and len(text) <= _LONGEST_WORD and text.replace("_", "").replace("-", "").isalnum()

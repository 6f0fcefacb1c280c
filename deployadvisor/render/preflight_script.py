"""What ``preflight.sh`` is made of: the requirements, and the words of every outcome as a line of shell."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from deployadvisor.checklist import wording
from deployadvisor.checklist.check_machine import host_of
from deployadvisor.checklist.check_software import RESOURCES
from deployadvisor.checklist.preflight import checks_for
from deployadvisor.checklist.requirements import Requirements
from deployadvisor.checklist.results import STATUSES
from deployadvisor.checklist.wording import wordings
from deployadvisor.hardware.machine import numbers_text
from deployadvisor.render.preflight import requirements_of
from deployadvisor.render.quoting import Quoted, shell
from deployadvisor.render.view import View

SCRIPT = "preflight.sh"
"""Name of the file in the folder."""

_COLOURS = {"passed": 32, "failed": 31, "unknown": 33, "not_applicable": 90}
_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Script:
    """What the template of the script, and pages that mention it, may say."""

    view: View

    @property
    def offered(self) -> bool:
        """Whether the bundle has the script."""
        serving = self.view.serving
        return serving is not None and any(entry.path == SCRIPT for entry in serving.files)

    @cached_property
    def needs(self) -> Requirements:
        """What is checked."""
        return requirements_of(self.view)

    @cached_property
    def checks(self) -> tuple[str, ...]:
        """Names of the checks, in order."""
        return checks_for(self.needs)

    @property
    def lang(self) -> str:
        """Language of the results."""
        return self.view.advice.lang

    def say(self, check: str, outcome: str) -> Quoted:
        """The line that adds a result; its texts take their values from variables of the same name."""
        what = wordings().checks[check]
        came_to = what.outcomes[outcome]
        title = what.title.say(self.lang)
        remedy = self._text(came_to.remedy.say(self.lang)) if came_to.remedy else Quoted("''")
        text = self._text(came_to.say(self.lang))
        pad = self._title_width - _columns(title)
        return Quoted(f"add {shell(check)} {shell(title)} {pad} {came_to.status} {text} {remedy}")

    def _text(self, text: str) -> Quoted:
        """A text whose braces a shell fills in."""
        parts = list(Formatter().parse(text))
        names = [name for _, name, _, _ in parts if name]
        if not names:
            return shell(text)
        layout = "".join(_literal(before) + ("%s" if name else "") for before, name, _, _ in parts)
        values = " ".join(f'"${name}"' for name in names)
        return Quoted(f'"$(printf -- {shell(layout)} {values})"')

    def limit(self, name: str) -> int:
        """A number that a check compares with."""
        return wording.limit(name)

    @cached_property
    def _title_width(self) -> int:
        return max((_columns(wordings().checks[name].title.say(self.lang)) for name in self.checks), default=0)

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the Markdown table."""
        return tuple(words.say(self.lang) for words in wordings().headings)

    @property
    def statuses(self) -> Iterator[tuple[str, str, int, int]]:
        """Each status with its word, the columns that fill the word up, and its colour."""
        words = {status: wordings().statuses[status].say(self.lang) for status in STATUSES}
        width = max(map(_columns, words.values()))
        for status, word in words.items():
            yield status, word, width - _columns(word), _COLOURS[status]

    @property
    def indent(self) -> int:
        """Columns before a remedy."""
        width = max(_columns(wordings().statuses[status].say(self.lang)) for status in STATUSES)
        return width + self._title_width + 4

    @property
    def numbers(self) -> str:
        """The plan's cards in words."""
        return numbers_text(self.needs.cards.numbers)

    @property
    def free_mib(self) -> int:
        """What must be free on each card, rounded up."""
        return _mib(self.needs.cards.free_gib or 0)

    @property
    def weights_mib(self) -> int:
        """Size of the weights, rounded up."""
        weights = self.needs.weights
        return _mib(weights.gib or 0) if weights else 0

    @property
    def each(self) -> int:
        """Cards of one pod."""
        return max(1, self.needs.cards.replica)

    @property
    def resource(self) -> str:
        """What a cluster calls the cards."""
        return RESOURCES.get(self.needs.cards.vendor, RESOURCES["nvidia"])

    @property
    def resource_key(self) -> str:
        """The same in a JSON path, where a dot would lead deeper."""
        return self.resource.replace(".", "\\.")

    @cached_property
    def reaches(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Checks that open connections, with their hosts."""
        urls = {"registry": self.needs.registries, "hub": self.needs.hubs, "provider": self.needs.providers}
        return tuple((name, _hosts(urls[name])) for name in self.checks if name in urls)

    @property
    def others(self) -> tuple[tuple[str, int], ...]:
        """Hosts and ports of all of them but the hub, whose address a variable may change."""
        return tuple(dict.fromkeys(host_of(url) for url in (*self.needs.registries, *self.needs.providers)))

    def one_decimal(self, value: float) -> str:
        """A number as the results say it."""
        return f"{value:.1f}"


def _hosts(urls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host_of(url)[0] for url in urls))


def _mib(gib: float) -> int:
    return math.ceil(gib * _MIB_PER_GIB)


def _literal(text: str) -> str:
    """Text that printf prints as it is."""
    return text.replace("\\", "\\\\").replace("%", "%%")


def _columns(text: str) -> int:
    """Columns on a terminal, where Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)

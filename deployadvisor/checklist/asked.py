"""What the checks of a preflight may ask, and the settings of the folder, each read once."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from deployadvisor.checklist.requirements import Requirements
from deployadvisor.hardware.machine import Accelerator, Machine
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.system import Output, System

SETTINGS = ".env"
ANSWER_S = 5.0
REGISTRY_S = 20.0
"""For one image: the registry is asked for a token, then for the manifest."""
CONNECT_S = 2.0

_LINE = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)=(.*)$", re.MULTILINE)
_UNFILLED = re.compile(r"[<>{}…]|^change.?me$", re.IGNORECASE)
"""What stands for a value in an example, and in no key."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a check came to: the name of one of its outcomes, and what its texts have in braces."""

    outcome: str
    values: Mapping[str, object]


def found(outcome: str, **values: object) -> Found:
    """The outcome of a check."""
    return Found(outcome, values)


@dataclass(frozen=True)
class Asked:
    """One preflight: the machine, the folder, and what is required of them."""

    needs: Requirements
    system: System
    folder: PurePath | None
    """The bundle; None where only a profile was named."""
    now: datetime.datetime
    network: bool = True

    @cached_property
    def machine(self) -> Machine:
        """The accelerators and the host, probed when the first check asks."""
        return probe(self.system)

    @cached_property
    def cards(self) -> tuple[Accelerator, ...]:
        """Visible cards of the plan's maker."""
        vendor = self.needs.cards.vendor
        return tuple(card for card in self.machine.accelerators if card.vendor == vendor and card.visible)

    @cached_property
    def settings_text(self) -> str | None:
        """The file of settings; None where there is none."""
        return self.system.text(self.path(SETTINGS))

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """Variables of ``.env``, the last of a name counts, without quotes around the value."""
        rows = _LINE.findall((self.settings_text or "").replace("\r", ""))
        return {name: unquoted(value.strip()) for name, value in rows}

    @cached_property
    def running(self) -> bool:
        """Whether the service runs already, and so holds its ports and memory itself."""
        needs = self.needs
        if needs.place == "docker":
            label = f"label=com.docker.compose.project={needs.project}"
            return bool(self.run("docker", "ps", "--quiet", "--filter", label).text.strip())
        if needs.unit is not None:
            return self.run("systemctl", "is-active", needs.unit).text.strip() == "active"
        pid = (self.system.text(self.path("run/proxy.pid")) or "").strip()
        return pid.isdecimal() and self.system.target(f"/proc/{pid}/cwd") == self.here.name

    @property
    def here(self) -> PurePath:
        """The folder, or the current one."""
        return self.folder or PurePath()

    def path(self, name: str) -> str:
        """Place of a file of the bundle."""
        return str(self.here / name)

    def expanded(self, place: str) -> str:
        """A place of this machine, from one in the folder, or in the user's own."""
        if place.startswith("~/"):
            return f"{self.system.home()}/{place[2:]}"
        return str(self.here / place)

    def run(self, *words: str, timeout_s: float = ANSWER_S) -> Output:
        """Run a program of the machine; a silence has its reason."""
        return self.system.run(*words, timeout_s=timeout_s)

    def setting(self, name: str) -> str:
        """A variable of the environment, else of ``.env``; empty where neither has it."""
        return self.system.env().get(name) or self.settings.get(name, "")

    def filled(self, name: str) -> bool:
        """Whether a variable has a value that is no stand-in for one."""
        value = self.setting(name)
        return bool(value) and _UNFILLED.search(value) is None


def unquoted(value: str) -> str:
    """A value of ``.env`` without the quotes around it.

    >>> unquoted("'a b'"), unquoted('"'), unquoted("a")
    ('a b', '"', 'a')
    """
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def words_of(output: Output) -> str:
    """Why there is no answer, or the last words of a program; never empty."""
    return output.silence or output.words or f"it ended with {output.code}"

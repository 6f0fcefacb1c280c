"""What is logged of a request and for how long, as the obligations of the answer and ``policy.yaml`` say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from deployadvisor.catalog.regulations import Obligation, obligations
from deployadvisor.documents import read
from deployadvisor.recommendation import Duty
from deployadvisor.render.manifest import Part, validated
from deployadvisor.render.view import View
from deployadvisor.resources import display_path, templates_folder

Policy = Literal["retain", "redact", "none"]
_ABOUT_LOGS = ("log", "minimise_log")


class Choice(Part):
    """One row: a policy and when it is taken."""

    policy: Policy
    effect: str | None = None
    data_sensitivity: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()


class Days(Part):
    """Periods."""

    unsaid: int
    in_a_year: int


class Table(Part):
    """``policy.yaml``."""

    policies: tuple[Choice, ...]
    days: Days
    prompts: Mapping[str, tuple[str, ...]]
    """Options of each engine that would put prompts into its log."""


@dataclass(frozen=True, slots=True)
class LogDuty:
    """A duty about logs, and the days that it names; None where it names none."""

    duty: Duty
    days: int | None


@dataclass(frozen=True)
class Logs:
    """The log policy of one bundle."""

    view: View

    @cached_property
    def duties(self) -> tuple[LogDuty, ...]:
        """Duties about logs that hold for this answer; unknown ones are not cited."""
        return tuple(one for one in self._all if one.duty.condition is None)

    @cached_property
    def conditional(self) -> tuple[LogDuty, ...]:
        """Duties that hold if a person says so."""
        return tuple(one for one in self._all if one.duty.condition is not None)

    @cached_property
    def _all(self) -> tuple[LogDuty, ...]:
        known = {one.id: one for one in obligations()}
        about = (duty for duty in self.view.advice.obligations if duty.effect in _ABOUT_LOGS and duty.id in known)
        return tuple(LogDuty(duty, _days(known[duty.id])) for duty in about)

    @cached_property
    def policy(self) -> Policy:
        """What happens to the line of a request."""
        return next(one.policy for one in log_table().policies if self._holds(one))

    def _holds(self, choice: Choice) -> bool:
        profile = self.view.advice.profile
        effects = {one.duty.effect for one in self.duties}
        return (
            (choice.effect is None or choice.effect in effects)
            and (not choice.data_sensitivity or profile.get("data_sensitivity") in choice.data_sensitivity)
            and (not choice.purpose or profile.get("purpose") in choice.purpose)
        )

    @cached_property
    def days(self) -> int:
        """How long lines are kept: what the strictest duty says."""
        said = [one.days for one in self.duties if one.days is not None]
        return max(said) if said and self.policy == "retain" else log_table().days.unsaid

    @property
    def days_are_said(self) -> bool:
        """Whether a duty names the period."""
        return self.policy == "retain" and any(one.days is not None for one in self.duties)


def _days(obligation: Obligation) -> int | None:
    """The days that an obligation names, years counted as days; the longest of several."""
    given = obligation.params.get("retention_days")
    if isinstance(given, int):
        return given
    years = obligation.params.get("retention_years")
    if isinstance(years, tuple):
        return max(int(year) for year in years) * log_table().days.in_a_year
    return None


def check_log_flags(engine: str, words: Sequence[str]) -> Iterator[str]:
    """Options in a command line that would put prompts into the log."""
    shut = log_table().prompts.get(engine, ())
    yield from (f"{word} would log prompts" for word in words if word.partition("=")[0] in shut)


@cache
def log_table() -> Table:
    """The table of policies."""
    path = templates_folder() / "logging" / "policy.yaml"
    document = read(path, display_path(path))
    return validated(Table, document.value, document)

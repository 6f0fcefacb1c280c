"""What is found about rules: each finding has a code, a place and, where one helps, a profile that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.vocabulary import FactValue
from deployadvisor.errors import Where

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: how bad it is, and what is asked."""

    severity: Severity
    question: str


CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        "DA001": Code("error", "Does every possible profile get a candidate, or an objection that says why not?"),
        "DA002": Code("warning", "Where does only the listed order decide?"),
        "DA003": Code("error", "Is there a winner that no case argues for?"),
        "DA004": Code("error", "Can every rule apply, and every constraint not apply?"),
        "DA005": Code("warning", "Does every rule change an answer, and does its condition tell profiles apart?"),
        "DA006": Code("warning", "Can every candidate win?"),
        "DA007": Code("warning", "Where nothing is allowed, does an objection name something to obtain?"),
        "DA008": Code("error", "Does every promise about a raised fact hold, for all pairs of values?"),
        "DA009": Code("error", "Does every promise about the winner hold?"),
        "DA010": Code("error", "Does an overlay allow nothing that its base forbids?"),
        "DA011": Code("error", "Does every example beside a rule come out as stated, however it is completed?"),
        "DA012": Code("warning", "Is every fact, term, value, threshold, promise and acceptance of use?"),
        "DA013": Code("error", "Does every rule, fact and candidate read well in both languages?"),
        "DA014": Code("warning", "Is every rule seen both to apply and not to?"),
        "DA015": Code("warning", "Does every source say when it was read, and was that recently?"),
    }
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. ``about`` names the rule, candidate, fact or property; ``ruleset`` the file that it belongs to."""

    code: str
    where: Where
    message: str
    about: str
    ruleset: str
    witness: Facts | None = None
    """Facts that show it, whatever the others are."""
    after: Facts | None = None
    """The same profile with one fact raised, where the finding is about both."""

    @property
    def severity(self) -> Severity:
        """Whether it can be accepted, as a warning can."""
        return CODES[self.code].severity

    def __str__(self) -> str:
        """One line: ``rules/route.yaml:41:5: DA004 error: …; e.g. purpose=production``."""
        line = f"{self.where}: {self.code} {self.severity}: {self.message}"
        if self.witness is not None:
            line += f"; e.g. {in_words(self.witness)}"
        if self.after is not None:
            line += f", then {in_words(_changed(self.witness or {}, self.after))}"
        return line

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "where": str(self.where),
            "message": self.message,
            "about": self.about,
            "ruleset": self.ruleset,
            "witness": None if self.witness is None else dict(self.witness),
            "after": None if self.after is None else dict(self.after),
        }


def in_order(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Issues as a reader of the files meets them."""
    return tuple(sorted(issues, key=lambda i: (i.where.source, i.where.line or 0, i.where.column or 0, i.code)))


def in_words(facts: Facts) -> str:
    """Facts on one line: ``purpose=production, peak_concurrency=5``."""
    return ", ".join(f"{name}={_value(value)}" for name, value in facts.items()) or "any profile"


def _value(value: FactValue) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _changed(before: Facts, after: Facts) -> Facts:
    return {name: value for name, value in after.items() if before.get(name) != value}

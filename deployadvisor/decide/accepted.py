"""Warnings that somebody has looked at and accepted, each with the reason. An error cannot be accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployadvisor import documents
from deployadvisor.decide.entry import Entry
from deployadvisor.decide.findings import CODES, Issue
from deployadvisor.documents import Document, quoted
from deployadvisor.errors import Where

ACCEPTED = "accepted"
"""What findings about the acceptances themselves name as their ruleset."""
_KEYS = ("code", "ruleset", "about", "reason")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Warnings of one code in one ruleset, about one thing or about anything."""

    code: str
    ruleset: str
    about: str | None
    reason: str
    where: Where

    def covers(self, issue: Issue) -> bool:
        """Whether an issue is among those that are accepted."""
        about = self.about is None or self.about == issue.about
        return issue.severity == "warning" and (self.code, self.ruleset) == (issue.code, issue.ruleset) and about


@dataclass(frozen=True, slots=True)
class Sorted:
    """Issues that are open, and those that are accepted, each with its acceptance."""

    issues: tuple[Issue, ...]
    accepted: tuple[tuple[Issue, Acceptance], ...]


def load(path: Path, source: str | None = None) -> tuple[Acceptance, ...]:
    """Read a file of acceptances; RulesError with file:line:column when it is not one."""
    return read(documents.read(path, source))


def read(document: Document) -> tuple[Acceptance, ...]:
    """Acceptances from a document that has been read."""
    documents.expect_schema(document, "accepted")
    top = Entry(document, document.value)
    top.check("a file of acceptances is a mapping", ("schema", "accepted"))
    return tuple(acceptance for entry in top["accepted"].items() for acceptance in _read(entry))


def _read(entry: Entry) -> Iterator[Acceptance]:
    entry.check("an acceptance is a mapping with code, ruleset and reason", _KEYS)
    code = entry["code"].text()
    if code not in CODES:
        entry["code"].fail(f"no finding {quoted(code)}", allowed=tuple(CODES), word=code)
    if CODES[code].severity == "error":
        entry["code"].fail(f"{code} is an error, which cannot be accepted")
    about = entry["about"]
    listed = [one.text() for one in about.items()] if isinstance(about.value, list) else [about.text("") or None]
    for name in listed:
        yield Acceptance(code, entry["ruleset"].text(), name, entry["reason"].text(), entry.where)


def sort(issues: Iterable[Issue], acceptances: Sequence[Acceptance]) -> Sorted:
    """Tell accepted issues from open ones; an acceptance that covers nothing is an issue itself (DA012)."""
    open_: list[Issue] = []
    accepted: list[tuple[Issue, Acceptance]] = []
    for issue in issues:
        covering = next((acceptance for acceptance in acceptances if acceptance.covers(issue)), None)
        if covering is None:
            open_.append(issue)
        else:
            accepted.append((issue, covering))
    used = {acceptance for _, acceptance in accepted}
    open_ += [_stale(acceptance) for acceptance in acceptances if acceptance not in used]
    return Sorted(tuple(open_), tuple(accepted))


def _stale(acceptance: Acceptance) -> Issue:
    about = f" about {acceptance.about}" if acceptance.about else ""
    message = f"there is no {acceptance.code}{about} in {acceptance.ruleset} to accept"
    return Issue("DA012", acceptance.where, message, acceptance.about or acceptance.code, ACCEPTED)

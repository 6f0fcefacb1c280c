"""Every error a user can meet: where it is, what is wrong, what is allowed, and the nearest match.

One exception class a kind of input, all with the same four parts, so that the command line, the JSON
output and a Python caller show the same thing. Anything else that escapes is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's input: a file (or ``--set``, an argument) with line and column, both from 1."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """``source:line:column``, the form that editors and terminals link."""
        return ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)


class DeployAdvisorError(Exception):
    """Base of all user-facing errors; ``exit_code`` is what the command line returns."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        where: Where | None = None,
        allowed: Iterable[str] = (),
        suggestion: str | None = None,
        remedy: str | None = None,
    ) -> None:
        """``suggestion`` is the nearest allowed word; ``remedy`` is what to do when words do not help."""
        super().__init__(message)
        self.message = message
        self.where = where
        self.allowed = tuple(allowed)
        self.suggestion = suggestion
        self.remedy = remedy

    @property
    def brief(self) -> str:
        """What is wrong and what to do, without the place."""
        text = self.message
        if self.suggestion:
            text += f'; did you mean "{self.suggestion}"?'
        return f"{text}; {self.remedy}" if self.remedy else text

    def __str__(self) -> str:
        """One line: ``where: error: message; did you mean "x"?``."""
        return f"{self.where}: error: {self.brief}" if self.where else f"error: {self.brief}"

    def to_dict(self) -> dict[str, object]:
        """The ``error`` object of ``--json`` output."""
        return {
            "kind": type(self).__name__,
            "message": self.message,
            "where": str(self.where) if self.where else None,
            "allowed": list(self.allowed),
            "did_you_mean": self.suggestion,
            "remedy": self.remedy,
        }


class DocumentError(DeployAdvisorError):
    """A file that cannot be read, or that is not the YAML or JSON it should be."""


class ProfileError(DeployAdvisorError):
    """A project profile with an unknown key, a wrong value or a contradiction."""


class HardwareError(DeployAdvisorError):
    """A hardware phrase or machine file that names nothing that exists."""


class CatalogError(DeployAdvisorError):
    """A catalogue file, or a name looked up in it, that is not right."""


class ModelError(DeployAdvisorError):
    """A model that is not in the catalogue, or a local folder that cannot be read as one."""


class RulesError(DeployAdvisorError):
    """A rule file that does not load: unknown fact, wrong constant, duplicate id."""


class RenderError(DeployAdvisorError):
    """Files that cannot be rendered or written; nothing has been changed on disk."""


def nearest(word: str, options: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The allowed word closest to ``word``, ignoring case, or None when none has at least that ``likeness`` of 1."""
    by_folded = {option.casefold(): option for option in options}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=likeness)
    return by_folded[matches[0]] if matches else None

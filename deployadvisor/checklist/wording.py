"""``rules/preflight.yaml`` as typed values: what each check is called, what it can come to, and what it ticks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from deployadvisor import documents
from deployadvisor.errors import RulesError
from deployadvisor.resources import display_path, rules_folder

Status = Literal["passed", "failed", "unknown", "not_applicable"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(_Part):
    """A text in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    def say(self, lang: str) -> str:
        """The text in ``lang``."""
        return self.zh if lang == "zh" else self.en


class Outcome(Words):
    """What a check can come to; braces in its texts are filled in by the check."""

    status: Status
    remedy: Words | None = None

    @property
    def names(self) -> frozenset[str]:
        """What the texts have in braces."""
        return frozenset(_names(f"{self.en} {self.remedy.en if self.remedy else ''}"))

    @model_validator(mode="after")
    def says_the_same_in_both(self) -> Self:
        """Both languages name the same, and what failed says what to do."""
        known = {"text": (self.en, self.zh)}
        if self.remedy is not None:
            known["remedy"] = (self.remedy.en, self.remedy.zh)
        for what, (english, chinese) in known.items():
            if set(_names(english)) != set(_names(chinese)):
                raise ValueError(f"the {what} names other things in the two languages")
        if self.status == "failed" and self.remedy is None:
            raise ValueError("an outcome that failed has a remedy")
        return self


class Check(_Part):
    """One thing that a machine can check."""

    title: Words
    ticks: tuple[str, ...]
    supports: tuple[str, ...] = ()
    outcomes: Mapping[str, Outcome]


class Limit(_Part):
    """A number that a check compares with."""

    value: PositiveInt
    source: tuple[str, ...]


class Wordings(_Part):
    """The whole file."""

    form: Literal["deployadvisor/preflight-checks@1"] = Field(alias="schema")
    checked_on: str
    statuses: Mapping[Status, Words]
    headings: tuple[Words, Words, Words]
    """Of a table of results: check, status, evidence."""
    limits: Mapping[str, Limit]
    checks: Mapping[str, Check]


def _names(text: str) -> Iterator[str]:
    return (name for _, name, _, _ in Formatter().parse(text) if name is not None)


@cache
def wordings() -> Wordings:
    """The shipped file; RulesError with file, line and column when it does not load."""
    path = rules_folder() / "preflight.yaml"
    document = documents.read(path, display_path(path))
    try:
        return Wordings.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise RulesError(f"{name}: {first['msg']}", where=document.where(tuple(first["loc"]))) from None


def limit(name: str) -> int:
    """A number of the file.

    >>> limit("systemd")
    247
    """
    return wordings().limits[name].value

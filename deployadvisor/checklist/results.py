"""``preflight.json``: what a preflight found, for the checklist and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployadvisor import documents
from deployadvisor.checklist.wording import Status, wordings
from deployadvisor.errors import DocumentError

PREFLIGHT = "preflight.json"
"""Name of the file in the folder."""

STATUSES: tuple[Status, ...] = ("passed", "failed", "unknown", "not_applicable")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Result(_Part):
    """What one check came to, in the language of the answer."""

    check: str
    title: str
    status: Status
    evidence: str = Field(min_length=1)
    remedy: str | None = None


class Preflight(_Part):
    """One run of all checks of a bundle."""

    form: Literal["deployadvisor/preflight@1"] = Field("deployadvisor/preflight@1", alias="schema")
    checked_at: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    by: str
    """The program that looked."""
    requirements: str
    """Digest of what was required: results for other files prove nothing."""
    results: tuple[Result, ...]

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return any(result.status == "failed" for result in self.results)

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many checks came to each status."""
        found = [result.status for result in self.results]
        return {status: found.count(status) for status in STATUSES}

    def to_json(self) -> str:
        """Text of the file."""
        body = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"

    def of_item(self, item: str) -> tuple[tuple[Result, ...], tuple[Result, ...]]:
        """Results that tick an item of the checklist, and those that are only shown beside it."""
        checks = wordings().checks
        known = [result for result in self.results if result.check in checks]
        ticking = tuple(one for one in known if item in checks[one.check].ticks)
        return ticking, tuple(one for one in known if item in checks[one.check].supports)


def read_preflight(folder: Path) -> Preflight | None:
    """The results in a folder, None where there are none; DocumentError with the place when they cannot be read."""
    path = folder / PREFLIGHT
    if not path.exists():
        return None
    document = documents.read(path)
    remedy = f"remove {path} and run the preflight again"
    try:
        return Preflight.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or PREFLIGHT
        where = document.where(tuple(first["loc"]))
        raise DocumentError(f"{name}: {first['msg'].lower()}", where=where, remedy=remedy) from None

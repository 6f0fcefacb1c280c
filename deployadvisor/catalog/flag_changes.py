"""Options that an engine no longer has, or has under another name: what somebody with an older command line needs.

Versions are those that were opened and read; None where nobody has looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced
from deployadvisor.documents import read
from deployadvisor.resources import catalog_file


class FlagChange(Sourced):
    """One option that the pinned version refuses."""

    id: str
    since: str | None = None
    """The earliest version in which it was found."""
    until: str | None = None
    """The last version in which it was found."""
    gone_in: str | None = None
    """The first version, of those that were opened, in which it was missing."""
    renamed_to: str | None = None
    """The option of the pinned version that takes its place."""

    def __str__(self) -> str:
        """What became of it, in a sentence."""
        when = f"it was in {self.until} and is gone in {self.gone_in}" if self.until else "it is gone"
        return f"{when}; {f'use {self.renamed_to}' if self.renamed_to else 'no replacement is recorded'}"


@cache
def changes_of(engine_id: str) -> Mapping[str, FlagChange]:
    """The options that the pinned version of an engine refuses, by their old names."""
    return load_entries("flag_changes", FlagChange, engine_id) if engine_id in _engines() else {}


@cache
def _engines() -> frozenset[str]:
    document = read(catalog_file("flag_changes"))
    return frozenset(document.value) - {"checked_on", "sources"}

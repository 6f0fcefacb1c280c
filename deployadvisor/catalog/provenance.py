"""Where a catalogue fact comes from: the base of every catalogue entry."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Part of a catalogue entry: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Sourced(Frozen):
    """A catalogue entry that says where its facts were read and when."""

    source: tuple[str, ...] = Field(min_length=1)
    """Public documents, packages or repositories in which the values were read."""
    checked_on: datetime.date
    """The day on which the entry was last compared with its sources."""

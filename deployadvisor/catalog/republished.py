"""Names of repositories that hold another publisher's model: requantised, as GGUF files, or copied unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import Field, PositiveInt

from deployadvisor.catalog.lookup import load_entries, read_catalog
from deployadvisor.catalog.provenance import Sourced


class Republication(Sourced):
    """What the end of a repository's name says about the files in it."""

    id: str
    endings: tuple[str, ...] = Field(min_length=1)
    repositories: tuple[str, ...] = ()
    """Beginnings of the names for which the ending means this; none: of any name."""
    native_format: str | None = None
    """Number format of the weights; None where it is that of the original."""
    gguf: bool = False
    """The repository holds GGUF files, of several formats."""

    def names(self, repository: str) -> bool:
        """Whether the ending means this in the name of this repository."""
        beginnings = tuple(name.casefold() for name in self.repositories)
        return not beginnings or repository.casefold().startswith(beginnings)


class Padded(Sourced):
    """Fields of a model that its publisher padded with zeros before quantising it."""

    id: str
    publisher: str
    republished: tuple[str, ...]
    """Ids of the republications for which this holds."""
    intermediate_size: PositiveInt
    total_params: PositiveInt
    active_params: PositiveInt

    @property
    def fields(self) -> Mapping[str, int]:
        """What replaces the fields of the catalogue model."""
        names = ("intermediate_size", "total_params", "active_params")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a name: the original's name, and what was done to it."""

    original: str
    """With the publisher where the name leaves no other, else the part after the slash."""
    ending: str
    republication: Republication
    publisher: str

    def padded(self, model: str) -> Padded | None:
        """What padding changed in the files, where the original is the catalogue model of this id."""
        entry = padded().get(model)
        fits = entry and entry.publisher.casefold() == self.publisher.casefold()
        return entry if entry and fits and self.republication.id in entry.republished else None


@cache
def republications() -> Mapping[str, Republication]:
    """All known endings by id, in the order in which they are tried."""
    return load_entries("republished", Republication)


@cache
def padded() -> Mapping[str, Padded]:
    """Models that are padded before they are quantised, by id."""
    return load_entries("padded", Padded)


@cache
def publishers() -> frozenset[str]:
    """Publishers of other publishers' models, in lower case."""
    return frozenset(name.casefold() for name in read_catalog("republished").value["publishers"])


def readings(name: str) -> Iterator[Reading]:
    """Yield what ``publisher/MODEL-ENDING`` may mean, the publisher's own model first.

    >>> [reading.original for reading in readings("unsloth/Qwen3-8B-FP8")]
    ['unsloth/Qwen3-8B', 'Qwen3-8B', 'Qwen3-8B-FP8']
    """
    publisher, slash, model = name.partition("/")
    if not slash:
        return
    for republication in republications().values():
        for ending in republication.endings:
            if republication.names(name) and model.casefold().endswith(ending.casefold()):
                original = model[: len(model) - len(ending)]
                if ending:
                    yield Reading(f"{publisher}/{original}", ending, republication, publisher)
                if publisher.casefold() in publishers():
                    yield Reading(original, ending, republication, publisher)

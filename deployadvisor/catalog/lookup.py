"""Read a catalogue file into typed entries, and find one of them by whatever a person types.

A catalogue file is a mapping of ``checked_on`` (default of all entries), ``sources`` (short key to public
source) and one section named after the file: ``id: {fields}``. In an entry, ``source`` and every field that
ends in ``_source`` hold keys of ``sources``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from deployadvisor.catalog.provenance import Sourced
from deployadvisor.documents import Document, Key, read
from deployadvisor.errors import CatalogError, DeployAdvisorError, nearest
from deployadvisor.resources import catalog_file, display_path

T = TypeVar("T", bound=Sourced)
M = TypeVar("M", bound=BaseModel)

_SEPARATORS = re.compile(r"[\s_-]+")


def load_entries(name: str, kind: type[T], part: str | None = None) -> Mapping[str, T]:
    """Load the entries of ``catalog/data/<name>.yaml`` by id, in file order; of the section ``part`` of it."""
    section = part or name
    document = read_catalog(name, section)
    entries = document.value[section]
    return MappingProxyType(
        {key: validate(kind, {"id": key, **fields}, document, (section, key)) for key, fields in entries.items()}
    )


def read_catalog(name: str, part: str | None = None) -> Document:
    """Read the catalogue file ``name``, with its sources and default date in every entry of a section."""
    path = catalog_file(name)
    document = read(path, display_path(path))
    where = part or name
    section = document.value[where]
    for key, fields in section.items() if isinstance(section, dict) else enumerate(section):
        fields.setdefault("checked_on", document.value.get("checked_on"))
        _resolve_sources(fields, document, (where, key))
    return document


def _resolve_sources(fields: dict[str, Any], document: Document, path: tuple[Key, ...]) -> None:
    """Replace the short keys in ``source`` and ``*_source`` by the public sources they stand for."""
    sources = document.value.get("sources", {})
    for field, value in fields.items():
        if field == "source":
            fields[field] = [_source(key, sources, document, (*path, field)) for key in value]
        elif field.endswith("_source") and value is not None:
            fields[field] = _source(value, sources, document, (*path, field))


def _source(key: str, sources: Mapping[str, str], document: Document, path: tuple[Key, ...]) -> str:
    if key in sources:
        return sources[key]
    raise CatalogError(
        f'"{key}" is not a key of "sources"',
        where=document.where(path),
        allowed=sources,
        suggestion=nearest(key, sources),
    )


def validate(kind: type[M], fields: Mapping[str, Any], document: Document, path: tuple[Key, ...]) -> M:
    """Make a ``kind`` of ``fields``; a wrong one raises an error that points at its line."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        place, message = complaint(error)
        raise CatalogError(f"{path[-1]}: {message}", where=document.where((*path, *place))) from error


def complaint(error: ValidationError) -> tuple[tuple[Key, ...], str]:
    """Say in one line what is first wrong, and in which field; a check of a whole entry names none."""
    first = error.errors()[0]
    place, message = first["loc"], first["msg"].removeprefix("Value error, ")
    return place, f"{'.'.join(map(str, place))}: {message[:1].lower()}{message[1:]}" if place else message


def fold(text: str) -> str:
    """Spell ``text`` as names are compared: case, spaces, hyphens and underscores do not count."""
    return _SEPARATORS.sub("", text.casefold())


class Names:
    """Every name of every entry of one kind, each leading to exactly one id."""

    def __init__(
        self,
        names: Mapping[str, Iterable[str]],
        *,
        what: str,
        folding: Callable[[str], str] = fold,
        error: type[DeployAdvisorError] = CatalogError,
    ) -> None:
        """``names`` maps an id to its other names; ``what`` is the noun in messages."""
        self._what = what
        self._fold = folding
        self._error = error
        self._ids = tuple(names)
        self._spelled: dict[str, str] = {}
        self._id_by_folded: dict[str, str] = {}
        for entry_id, others in names.items():
            for name in (entry_id, *others):
                self._claim(name, entry_id)

    def _claim(self, name: str, entry_id: str) -> None:
        """Refuse a name that another entry already has."""
        folded = self._fold(name)
        owner = self._id_by_folded.setdefault(folded, entry_id)
        if owner != entry_id:
            raise CatalogError(f'"{name}" names two entries: {owner} and {entry_id}')
        self._spelled.setdefault(name, entry_id)

    def find(self, text: str) -> str:
        """Return the id that ``text`` names; an error with the nearest name when there is none."""
        entry_id = self.get(text)
        if entry_id is not None:
            return entry_id
        raise self._error(
            f'"{text}" is not {self._what} in the catalogue',
            allowed=self._ids,
            suggestion=nearest(text, self._spelled),
        )

    def get(self, text: str) -> str | None:
        """Return the id that ``text`` names, or None."""
        return self._id_by_folded.get(self._fold(text))

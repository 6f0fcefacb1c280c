"""Whether a custom resource meets its definition, as an API server checks it when asked to be strict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from tests.render.crds.reduce import FOLDER


def faults(resource: Mapping[str, Any]) -> list[str]:
    """What is wrong with a resource, each with its place; empty where the definition takes it."""
    version = str(resource["apiVersion"]).rpartition("/")[2]
    found = _validator(str(resource["kind"]), version).iter_errors(resource)
    return sorted(line for error in found for line in _lines(error))


def known(resource: Mapping[str, Any]) -> bool:
    """Whether there is a definition for a resource."""
    version = str(resource["apiVersion"]).rpartition("/")[2]
    return (FOLDER / f"{resource['kind']}.{version}.json").is_file()


def _lines(error: ValidationError) -> Iterator[str]:
    place = ".".join(map(str, error.absolute_path)) or "the resource"
    yield f"{place}: {error.message[:300]}"


def _unique_by(_: Any, keys: Mapping[str, Any], entries: Any, __: Any) -> Iterator[ValidationError]:
    """Entries of a list that is a map by some of their fields; a field that is not there has its default."""
    if not isinstance(entries, list):
        return
    seen = set()
    for entry in (one for one in entries if isinstance(one, dict)):
        names = tuple(json.dumps(entry.get(key, default)) for key, default in keys.items())
        if names in seen:
            yield ValidationError(f"two entries with {', '.join(keys)} {', '.join(names)}")
        seen.add(names)


_Strict = validators.extend(Draft202012Validator, {"x-unique-by": _unique_by})


@cache
def _validator(kind: str, version: str) -> Any:
    return _Strict(json.loads((FOLDER / f"{kind}.{version}.json").read_text(encoding="utf-8")))

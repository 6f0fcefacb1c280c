"""Save a machine to a file, and read it back with errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from deployadvisor.documents import Document, KeyPath, read
from deployadvisor.errors import HardwareError, Where, nearest
from deployadvisor.hardware.machine import Accelerator, Host, Machine, Problem
from deployadvisor.hardware.saved_checks import mistakes

SCHEMA = "deployadvisor/machine@1"
SUFFIXES = (".yaml", ".yml", ".json")

_MAX_PATH_CHARS = 1024
_LESS_TELLING = {"extra_forbidden": 1, "missing": 2}
_PLAIN = {
    "extra_forbidden": "there is no such field",
    "missing": "the field is missing",
    "tuple_type": "write a list, [] for none",
}
"""What pydantic means, in the words of the file."""
_UNITS = {"_gib": "GiB (2**30 bytes)", "_w": "watts"}
_SAVE_HINT = "save one with: deployadvisor probe --save FILE"
_FIELDS = {name for model in (Machine, Accelerator, Host, Problem) for name in model.model_fields}


def is_path(value: str) -> bool:
    """Whether ``value`` is meant as a file: by its suffix, or by a folder in it."""
    return value.strip().casefold().endswith(SUFFIXES) or value.startswith(("/", "./", "../", "~", ".\\"))


def read_machine(value: str) -> Machine:
    """The machine saved in the file ``value``; ``HardwareError`` names file and line of what is wrong."""
    document = read(_existing(value), value)
    content = document.value
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        message = f'this is no saved machine: "schema" must be "{SCHEMA}"'
        raise HardwareError(message, where=document.where(("schema",)), remedy=_SAVE_HINT)
    try:
        machine = Machine.model_validate({"description": value, **content})
    except ValidationError as error:
        raise _invalid(error, document) from error
    _refuse_mistakes(machine, document)
    return machine.model_copy(update={"description": value})


def save_machine(machine: Machine, path: Path, *, force: bool = False) -> None:
    """Write ``machine`` as YAML, or as JSON where ``path`` ends in ``.json``.

    An existing file is kept unless ``force``. A machine holds no serial number and no UUID, so neither does the file.
    """
    if path.suffix.casefold() not in SUFFIXES:
        raise HardwareError(f'"{path.name}" must end in one of {", ".join(SUFFIXES)}', allowed=SUFFIXES)
    content = machine.model_dump(mode="json", by_alias=True)
    text = (
        json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        if path.suffix.casefold() == ".json"
        else yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    )
    write_new(path, text, force=force)


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write a file; ``HardwareError`` where one exists already, unless ``force``."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise HardwareError(f"{path} exists", remedy="write elsewhere, or use --force") from error
    except OSError as error:
        raise HardwareError(f"cannot write {path}: {error.strerror}") from error


def _existing(value: str) -> Path:
    path = Path(value.strip())
    if path.suffix.casefold() not in SUFFIXES:
        raise HardwareError(
            "a saved machine ends in .yaml, .yml or .json", where=Where(value[:_MAX_PATH_CHARS]), remedy=_SAVE_HINT
        )
    try:
        path = path.expanduser()
        if path.is_file():
            return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise HardwareError("there is no such file", where=Where(value[:_MAX_PATH_CHARS]), remedy=_SAVE_HINT)


def _invalid(error: ValidationError, document: Document) -> HardwareError:
    """Say the most telling complaint: a reading is tried as known and as unknown, so one field has several."""
    detail = min(error.errors(), key=lambda detail: _LESS_TELLING.get(detail["type"], 0))
    loc, reason = detail["loc"], detail["msg"][:1].lower() + detail["msg"][1:]
    variant = next((place for place, key in enumerate(loc) if str(key).startswith(("Known[", "Unknown"))), None)
    name = ".".join(str(key) for key in loc[:variant])
    if variant is not None:
        message = f"{name}: {_misread(loc[:variant], reason, document)}"
        return HardwareError(message, where=document.where(loc[:variant]))
    suggestion = nearest(str(loc[-1]), _FIELDS) if detail["type"] == "extra_forbidden" else None
    where = document.where(loc, key=suggestion is not None)
    return HardwareError(f"{name}: {_PLAIN.get(detail['type'], reason)}", where=where, suggestion=suggestion)


def _misread(loc: KeyPath, reason: str, document: Document) -> str:
    """How to write a reading, by what stands there instead."""
    written = _at(document.value, loc)
    unit = next((words for suffix, words in _UNITS.items() if str(loc[-1]).endswith(suffix)), None)
    if not isinstance(written, dict):
        return f"write {{value: {_shortly(written)}, source: where it was read}}, or {{unknown: why}}"
    if "value" in written and "source" not in written and set(written) == {"value"}:
        return "the source is missing: where was the value read?"
    if unit and isinstance(written.get("value"), str):
        return f"{_shortly(written['value'])} is no number; write it in {unit}, without the unit"
    return f"write {{value, source}} or {{unknown, remedy}} ({reason})"


def _at(value: Any, loc: KeyPath) -> Any:
    """What stands at a path that the document has."""
    for key in loc:
        value = value[key]
    return value


def _shortly(value: object) -> str:
    text = repr(value).replace("'", '"')
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refuse_mistakes(machine: Machine, document: Document) -> None:
    for mistake in mistakes(machine):
        name = ".".join(str(key) for key in mistake.path if key != "value")
        where = document.where(mistake.path)
        raise HardwareError(f"{name}: {mistake.message}", where=where, suggestion=mistake.suggestion)

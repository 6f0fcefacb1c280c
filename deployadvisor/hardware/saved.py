"""Save a machine to a file, and read it back with errors that name the line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from deployadvisor.documents import Document, KeyPath, read
from deployadvisor.errors import HardwareError, Where, nearest
from deployadvisor.hardware.machine import Accelerator, Host, Known, Machine, Problem

SCHEMA = "deployadvisor/machine@1"
SUFFIXES = (".yaml", ".yml", ".json")

_MAX_PATH_CHARS = 1024
_LESS_TELLING = {"extra_forbidden": 1, "missing": 2}
_MAY_BE_ZERO = ("free_gib", "available_gib", "numa_node")
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
    _check_numbers(machine, document)
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
        message = f"{name}: write {{value, source}} or {{unknown, remedy}} ({reason})"
        return HardwareError(message, where=document.where(loc[:variant]))
    suggestion = nearest(str(loc[-1]), _FIELDS) if detail["type"] == "extra_forbidden" else None
    where = document.where(loc, key=suggestion is not None)
    return HardwareError(f"{name}: {reason}", where=where, suggestion=suggestion)


def _check_numbers(machine: Machine, document: Document) -> None:
    for path, name, model in _parts(machine):
        for field, reading in model:
            if not isinstance(reading, Known) or not isinstance(reading.value, float):
                continue
            lowest = 0 if field.endswith(_MAY_BE_ZERO) else math.nextafter(0, 1)
            if not (math.isfinite(reading.value) and reading.value >= lowest):
                message = f"{name}.{field}: {reading.value:g} is no amount; say unknown, with the reason"
                raise HardwareError(message, where=document.where((*path, field, "value")))


def _parts(machine: Machine) -> Iterator[tuple[KeyPath, str, Accelerator | Host]]:
    yield ("host",), "host", machine.host
    for index, accelerator in enumerate(machine.accelerators):
        yield ("accelerators", index), f"accelerators.{index}", accelerator

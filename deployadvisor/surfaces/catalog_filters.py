"""Conditions of ``catalog --where``: a field, an operator and a value, checked against the kind of entry.

A field that nobody has read is unknown and meets no condition but ``field=?``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from deployadvisor.catalog.drivers import capability
from deployadvisor.documents import quoted
from deployadvisor.errors import CatalogError, Where, nearest

UNKNOWN = "?"

_CONDITION = re.compile(r"(?P<field>\w+(\.\w+)*)\s*(?P<operator>!=|<=|>=|=|<|>)\s*(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(\.\d*)?(e\d{1,2})?", re.IGNORECASE)
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CAPABILITIES = ("compute_capability", "compute_capability_min", "native_from", "compiled_for")
"""Fields that hold compute capabilities, which compare as versions."""
_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``--where``: what an entry's field must be."""

    field: str
    operator: str
    value: Any
    """Text in lower case, a number, yes or no, a compute capability; None for unknown."""

    def holds(self, entry: BaseModel) -> bool:
        """Whether the entry's field is known to meet the condition."""
        found = field_value(entry, self.field)
        if self.value is None:
            return (found is None) == (self.operator == "=")
        if found is None:
            return False
        if isinstance(found, (tuple, list, Mapping)):
            among = self.value in {_comparable(self.field, item) for item in found}
            return among == (self.operator == "=")
        return _OPERATORS[self.operator](_comparable(self.field, found), self.value)


def field_value(entry: BaseModel, field: str) -> Any:
    """What stands in a field; ``mla.kv_lora_rank`` is a field of a part, and unknown where there is no such part."""
    value: Any = entry
    for name in field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return None if value == "" else value


def read_condition(text: str, entries: Sequence[BaseModel]) -> Condition:
    """Read ``field=value`` for entries of one kind; an unknown field or an impossible value is an error."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise _refusal(f"{quoted(text)} is not a condition", remedy="write FIELD=VALUE, or one of != < <= > >=")
    field, sign, value = match["field"], match["operator"], match["value"].strip()
    _check_field(field, entries)
    if value == UNKNOWN:
        return Condition(field, _equality(field, sign), None)
    known = [found for entry in entries if (found := field_value(entry, field)) is not None]
    return Condition(field, *_typed(field, sign, value, known, _choices(type(entries[0]), field)))


def _check_field(field: str, entries: Sequence[BaseModel]) -> None:
    """Refuse a field that no entry of this kind can have."""
    head, _, rest = field.partition(".")
    fields = (*type(entries[0]).model_fields, *_computed(type(entries[0])))
    if head not in fields:
        raise _refusal(f"{quoted(head)} is not a field", allowed=fields, suggestion=nearest(head, fields))
    if rest:
        parts = [part for entry in entries if (part := getattr(entry, head)) is not None]
        names = {name for part in parts for name in _names(part)}
        if (
            not any(field_value(entry, field) is not None for entry in entries)
            and rest.partition(".")[0] not in names
        ):
            raise _refusal(
                f"{quoted(rest)} is not a field of {head}", allowed=sorted(names), suggestion=nearest(rest, names)
            )


def _names(part: object) -> Iterable[str]:
    if isinstance(part, BaseModel):
        return type(part).model_fields
    return part if isinstance(part, Mapping) else ()


def _computed(kind: type[BaseModel]) -> tuple[str, ...]:
    own = (name for base in kind.__mro__ if base not in BaseModel.__mro__ for name in vars(base))
    return tuple(name for name in own if isinstance(getattr(kind, name), property) and not name.startswith("_"))


def _choices(kind: type[BaseModel], field: str) -> tuple[str, ...]:
    """The only words that a field may hold; none where any text may stand."""
    info = kind.model_fields.get(field)
    return tuple(_literals(info.annotation)) if info else ()


def _literals(annotation: object) -> Iterable[str]:
    if get_origin(annotation) is Literal:
        yield from (word for word in get_args(annotation) if isinstance(word, str))
    else:
        for inner in get_args(annotation):
            yield from _literals(inner)


def _typed(field: str, sign: str, value: str, known: list[Any], choices: tuple[str, ...]) -> tuple[str, Any]:
    """The operator and the value as what the field holds: yes or no, a number, a capability or text."""
    sample = known[0] if known else ""
    if isinstance(sample, bool):
        return _equality(field, sign), _yes_or_no(field, value)
    if isinstance(sample, (int, float)):
        return sign, _number(field, value)
    if _is_capability(field):
        return sign, _capability(field, value)
    if choices and value.casefold() not in {word.casefold() for word in choices}:
        message = f"{field}: {quoted(value)} is not one of its values"
        raise _refusal(message, allowed=choices, suggestion=nearest(value, choices))
    dates = bool(known) and hasattr(sample, "isoformat")
    return (sign if dates else _equality(field, sign)), value.casefold()


def _equality(field: str, sign: str) -> str:
    if sign not in ("=", "!="):
        raise _refusal(f"{field}: {quoted(sign)} compares numbers, and this is none", allowed=("=", "!="))
    return sign


def _yes_or_no(field: str, value: str) -> bool:
    if value.casefold() not in _YES_NO:
        raise _refusal(f"{field}: {quoted(value)} is not yes or no", allowed=_YES_NO)
    return _YES_NO[value.casefold()]


def _number(field: str, value: str) -> float:
    if _NUMBER.fullmatch(value) is None:
        raise _refusal(f"{field}: {quoted(value)} is not a number", remedy="such as 80, 22.5 or 10e9")
    return float(value)


def _capability(field: str, value: str) -> tuple[int, int]:
    try:
        return capability(value)
    except ValueError:
        raise _refusal(f"{field}: {quoted(value)} is not a compute capability", remedy="such as 8.9") from None


def _is_capability(field: str) -> bool:
    return field.rpartition(".")[2] in _CAPABILITIES


def _comparable(field: str, found: Any) -> Any:
    if isinstance(found, str) and _is_capability(field):
        return capability(found.rstrip("a"))
    if isinstance(found, (bool, int, float)):
        return found
    return (found.isoformat() if hasattr(found, "isoformat") else str(found)).casefold()


def _refusal(
    message: str, *, allowed: Iterable[str] = (), suggestion: str | None = None, remedy: str | None = None
) -> CatalogError:
    return CatalogError(message, where=Where("--where"), allowed=allowed, suggestion=suggestion, remedy=remedy)

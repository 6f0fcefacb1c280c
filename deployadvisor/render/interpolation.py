"""Compose replaces ``$NAME`` in every value: our references on purpose, everything else escaped."""

from __future__ import annotations

from typing import Any


class Reference(str):
    """A value in which ``${NAME}`` is meant for Compose."""

    __slots__ = ()


def required(name: str) -> Reference:
    """The variable ``name`` of ``.env``; Compose stops with a message when it is missing.

    >>> required("API_KEY")
    '${API_KEY:?set API_KEY in .env}'
    """
    return Reference(f"${{{name}:?set {name} in .env}}")


def optional(name: str, default: str = "") -> Reference:
    """The variable ``name``, or ``default``."""
    return Reference(f"${{{name}:-{default}}}")


def escaped(value: Any) -> Any:
    """``value`` as plain data with every ``$`` doubled, except in references.

    >>> escaped({"command": ["$HOME"], "key": required("KEY")})
    {'command': ['$$HOME'], 'key': '${KEY:?set KEY in .env}'}
    """
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(item) for item in value]
    return value

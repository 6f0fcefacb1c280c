"""One catalogue entry in full: what is known, what is not, where it was read and when."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import yaml
from pydantic import BaseModel

_WIDTH = 100
_ELSEWHERE = ("id", "source", "checked_on")


def entry_text(entry: BaseModel, title: str, also: Iterable[str] = ()) -> str:
    """The entry as YAML under its name, then the fields without a value, then its sources.

    ``also`` are sources of what the entry takes from another one.
    """
    fields = entry.model_dump(mode="json")
    values = {name: _stated(value) for name, value in fields.items() if name not in _ELSEWHERE}
    known = {name: value for name, value in values.items() if not _is_empty(value)}
    missing = [name for name, value in values.items() if value is None]
    body = yaml.safe_dump(
        known, sort_keys=False, allow_unicode=True, width=_WIDTH - 2, default_flow_style=_flow(known)
    )
    parts = [f"{title}\n{textwrap.indent(body.rstrip(), '  ')}"]
    if missing:
        parts.append(_paragraph("not read, or no such part", ", ".join(missing)))
    sources = [*fields["source"], *also]
    parts.append("\n".join(["read in", *(_bullet(source) for source in sources)]))
    parts.append(f"compared with its sources on {fields['checked_on']}")
    return "\n\n".join(parts)


def _flow(known: dict[str, Any]) -> bool | None:
    """Whether parts may stand in one line; PyYAML would write an entry without parts in one line altogether."""
    return None if any(isinstance(value, (dict, list)) for value in known.values()) else False


def _stated(value: Any) -> Any:
    """A nested value without its empty parts."""
    if isinstance(value, dict):
        return {name: stated for name, part in value.items() if not _is_empty(stated := _stated(part))}
    return value


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _paragraph(heading: str, text: str) -> str:
    return f"{heading}\n{textwrap.fill(text, _WIDTH, initial_indent='  ', subsequent_indent='  ')}"


def _bullet(text: str) -> str:
    words = " ".join(text.split())
    return textwrap.fill(words, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)

"""Find the JSON document in what a program printed: warnings may stand before it, and its end may be missing."""

from __future__ import annotations

import json
from typing import Any

_MOST_STARTS = 50


def json_document(text: str) -> Any | None:
    """The first whole object or list that begins a line; None where there is none.

    Only lines that are not indented can begin a document, so that a part of a cut one is never taken for the whole.
    """
    decoder = json.JSONDecoder()
    place = tried = 0
    for line in text.splitlines(keepends=True):
        if line.startswith(("{", "[")) and tried < _MOST_STARTS:
            tried += 1
            try:
                return decoder.raw_decode(text, place)[0]
            except (ValueError, RecursionError):
                pass
        place += len(line)
    return None

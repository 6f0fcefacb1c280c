"""What a folder has gained since it was rendered, and what is carried over into the files that are written next.

CHECKLIST.md belongs to people and to the preflight as much as to us: it is written with their ticks and signatures,
and so is never in conflict.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deployadvisor.checklist.document import markdown
from deployadvisor.checklist.requirements import Requirements
from deployadvisor.checklist.results import PREFLIGHT, Preflight, read_preflight
from deployadvisor.checklist.signed import UNSIGNED, Signatures, read_signatures
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.changes import inside
from deployadvisor.render.update import locked

CHECKLIST = "CHECKLIST.md"
"""Name of the file in the folder."""


def carried_over(advice: Recommendation, needs: Requirements | None, folder: Path) -> Mapping[str, str]:
    """Files whose text depends on what stands in the folder, by their path."""
    signed, checked = signatures(advice, folder), read_preflight(folder)
    if signed == UNSIGNED and checked is None:
        return {}
    return {CHECKLIST: checklist(advice, needs, signed, checked)}


def checklist(
    advice: Recommendation, needs: Requirements | None, signed: Signatures, checked: Preflight | None
) -> str:
    """The checklist with what people and the preflight said; results for other files prove nothing."""
    fits = checked is not None and needs is not None and checked.requirements == needs.digest
    return markdown(
        advice, signed=signed, checked=checked if fits else None, outdated=checked is not None and not fits
    )


def signatures(advice: Recommendation, folder: Path) -> Signatures:
    """What people wrote into the checklist of a folder; RenderError when it cannot be read."""
    path = folder / CHECKLIST
    if not path.is_file():
        return UNSIGNED
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RenderError(f"cannot read {path}: {reason}", remedy="mend it or move it away") from error
    return read_signatures(text, advice.obligations)


def write_checked(advice: Recommendation, needs: Requirements | None, checked: Preflight, folder: Path) -> None:
    """Write the results of a preflight and the checklist with them; what people wrote there stays.

    Raises before anything is written when the checklist or earlier results cannot be read.
    """
    folder = Path(os.path.realpath(folder))
    try:
        with locked(folder):
            read_preflight(folder)
            text = checklist(advice, needs, signatures(advice, folder), checked)
            _replace(inside(folder, PREFLIGHT), checked.to_json())
            _replace(inside(folder, CHECKLIST), text)
    except OSError as error:
        raise RenderError(f"cannot write into {folder}: {error.strerror or error}") from error


def _replace(path: Path, text: str) -> None:
    """The whole file or the one that was there."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(text.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

"""What writing a folder did, or would do, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from deployadvisor.render.changes import FolderDiff, WriteReport

_COLOURS = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))
_COUNTED = ("created", "updated", "removed", "unchanged")
_SAID = {
    "edited": "edited by you, kept",
    "kept": "no longer rendered, but edited by you, kept",
    "conflicts": "conflict, edited by you and rendered differently now",
}
_KINDS = (*_COUNTED, *_SAID)


def as_dict(folder: Path, report: WriteReport) -> dict[str, Any]:
    """The report for ``--json``."""
    return {
        "folder": str(folder),
        "files": list(report.paths),
        **{kind: sorted(getattr(report, kind)) for kind in _KINDS},
    }


def diff_as_dict(folder: Path, found: FolderDiff) -> dict[str, Any]:
    """What would change, for ``--json``."""
    return {**as_dict(folder, found.report), "changes": found.report.changes, "diff": dict(found.texts)}


def notes(folder: Path, report: WriteReport) -> Iterator[str]:
    """What happened to files that were not simply written."""
    yield from (f"removed, no longer rendered: {folder}/{name}" for name in sorted(report.removed))
    for kind, words in _SAID.items():
        yield from (f"{words}: {folder}/{name}" for name in sorted(getattr(report, kind)))


def diff_lines(folder: Path, found: FolderDiff, *, terminal: bool) -> Iterator[str]:
    """The diffs, and a summary; colour, and no control characters, on a terminal."""
    for text in found.texts.values():
        for line in text.removesuffix("\n").split("\n"):
            yield _coloured(_harmless(line)) if terminal else line
    report = found.report
    counts = ", ".join(f"{len(getattr(report, kind))} {kind}" for kind in _COUNTED)
    yield f"{folder}: {counts}"
    yield from (line for line in notes(folder, report) if not line.startswith("removed"))


def _harmless(line: str) -> str:
    """A file may hold escape sequences, which the terminal would obey."""
    return "".join(sign if sign.isprintable() or sign == "\t" else "\N{REPLACEMENT CHARACTER}" for sign in line)


def _coloured(line: str) -> str:
    style = next((style for start, style in _COLOURS if line.startswith(start)), None)
    if style is None:
        return line
    return click.style(line, bold=True) if style == "bold" else click.style(line, fg=style)

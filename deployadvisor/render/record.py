"""``.deployadvisor.yaml``: what a folder remembers, so that it can be rendered again and edits are noticed.

It holds the answers, never the machine or a secret: readings of a probed machine stand in ``advice.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployadvisor import documents
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.dumping import dump
from deployadvisor.render.manifest import Proxy

RECORD = ".deployadvisor.yaml"
"""Name of the file in the folder."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Rules(_Part):
    """The rules that decided."""

    version: str
    digest: str
    own: bool = False
    """Whether they came from a folder that the user named."""
    overlays: tuple[str, ...] = ()


class Question(_Part):
    """Everything that was asked for, so that it can be asked again."""

    profile: dict[str, Any]
    hardware: str
    """A phrase, ``none``, or ``probe`` or a file, whose readings then stand in ``advice.json``."""
    lang: Literal["en", "zh"]
    strict: bool
    targets: tuple[str, ...]
    """Targets that were named; without any the plan's own are taken."""
    proxy: Proxy = "caddy"


class Record(_Part):
    """One ``.deployadvisor.yaml``."""

    form: Literal["deployadvisor/folder@1"] = Field("deployadvisor/folder@1", alias="schema")
    deployadvisor: str
    """Version of the program that rendered the files."""
    ruleset: Rules
    targets: tuple[str, ...]
    question: Question | None = None
    """None in folders of version 0.1.0."""
    files: dict[str, str]
    """SHA-256 of every file as it was rendered."""

    def to_yaml(self) -> str:
        """Text of the file."""
        rest = self.model_dump(mode="json", exclude_defaults=True, exclude={"form"})
        return dump({"schema": self.form, **rest}, ".yaml")


def record_of(
    advice: Recommendation,
    targets: Sequence[str],
    asked: Sequence[str],
    files: Mapping[str, str],
    proxy: Proxy = "caddy",
) -> Record:
    """What the folder of ``advice`` remembers; ``asked`` are the targets that were named, ``files`` the digests."""
    ruleset = advice.ruleset
    return Record(
        deployadvisor=advice.deployadvisor_version,
        ruleset=Rules(
            version=ruleset.version,
            digest=ruleset.digest,
            own=advice._origin.rules is not None,
            overlays=ruleset.overlays,
        ),
        targets=tuple(targets),
        question=Question(
            profile=advice.profile,
            hardware=advice.machine.description,
            lang=advice.lang,
            strict=advice.strict,
            targets=tuple(asked),
            proxy=proxy,
        ),
        files=dict(files),
    )


def read_record(folder: Path) -> Record:
    """The record of ``folder``; RenderError with the place when there is none or it is not one."""
    path = folder / RECORD
    if not path.is_file():
        raise RenderError(f"{folder} was not written by deployadvisor: it has no {RECORD}")
    document = documents.read(path)
    try:
        return Record.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or RECORD
        raise RenderError(f"{name}: {first['msg'].lower()}", where=document.where(tuple(first["loc"]))) from None

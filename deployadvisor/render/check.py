"""Read every rendered file back as its own kind of file before anything is written.

What real tools accept although it cannot work (undeclared services, wrong ports, half a ``${``, abbreviated
flags) is checked in ``check_compose``. Problems are values; the bundle turns them into one error.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Protocol

from deployadvisor import documents
from deployadvisor.documents import Document
from deployadvisor.errors import DocumentError
from deployadvisor.render.check_units import check_unit

_LEFTOVER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
_MEANT_TO_BE_EMPTY = (".runtimeClassName",)  # a chart's word for none; left out, it would be the chart's default
_GO_BRACES = "{{`{{`}}"  # what Go templates, which KServe makes of its resources, turn into two braces
_ENV_LINE = re.compile(r"(?P<comment>#\s*)?(?P<name>[A-Z_][A-Z0-9_]*)=(?P<value>.*)")
_HOLLOW = ("None", "TODO", "FIXME", "CHANGEME")
_MEANT = {("spec.upgradeStrategy.type", "None")}
"""Where such a word is a value: KubeRay's word for no second cluster."""


class HasText(Protocol):
    """A rendered file."""

    @property
    def text(self) -> str:
        """Its content."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with one file."""

    path: str
    text: str

    def __str__(self) -> str:
        """``path: what is wrong``."""
        return f"{self.path}: {self.text}"


def check_files(files: Mapping[str, HasText], allowed: str = "") -> tuple[Issue, ...]:
    """Parse all files back; ``allowed`` is text of the user's in which template marks are meant."""
    return tuple(
        Issue(path, problem) for path, file in files.items() for problem in _problems(path, file.text, allowed)
    )


@lru_cache(maxsize=128)
def read_back(text: str, path: str) -> Document:
    """A rendered YAML file as its reader sees it; several checks look at the same one, and none may change it."""
    return documents.parse(text, path)


def _problems(path: str, text: str, allowed: str) -> Iterator[str]:
    if not text.strip():
        yield "is empty"
        return
    if not text.endswith("\n"):
        yield "does not end with a line break"
    name = PurePosixPath(path)
    yield from _PARSERS.get(name.suffix or name.name, _nothing)(text, path)
    if name.suffix == ".yaml":
        yield from _hollow_values(text, path, allowed)
    if name.suffix not in (".json", ".jsonl", ".py"):
        marks = (
            mark for mark in _LEFTOVER.findall(text.replace(_GO_BRACES, "{{")) if _bare(mark) not in _bare(allowed)
        )
        yield from (f"template mark left over: {mark}" for mark in marks)


def _bare(text: str) -> str:
    """Without what quoting adds: the user's own braces are compared, however they were escaped."""
    return re.sub(r"[\\\s'\"`]", "", text).replace("%%", "%")


def _nothing(text: str, path: str) -> Iterator[str]:
    return iter(())


def _yaml(text: str, path: str) -> Iterator[str]:
    try:
        read_back(text, path)
    except DocumentError as error:
        yield error.message


def _hollow_values(text: str, path: str, allowed: str) -> Iterator[str]:
    try:
        value = read_back(text, path).value
    except DocumentError:
        return
    yield from (f"{place} has no value" for place, word in hollow(value) if not word or word not in allowed)


def _json(text: str, path: str) -> Iterator[str]:
    try:
        documents.parse_json(text, path)
    except DocumentError as error:
        yield error.message


def _jsonl(text: str, path: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            json.loads(line)
        except ValueError as error:
            yield f"line {number}: {error}"


def _env(text: str, path: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        match = _ENV_LINE.fullmatch(line)
        if match is None and line.strip() and not line.startswith("#"):
            yield f"line {number} is neither NAME=value nor a comment"
        if match is not None and not match["comment"] and not match["value"]:
            yield f"line {number}: {match['name']} is empty"


def _shell(text: str, path: str) -> Iterator[str]:
    lines = text.splitlines()
    if not lines[0].startswith("#!/"):
        yield "does not start with #!/"
    if not any(line.startswith("set -eu") for line in lines):
        yield "does not stop at the first error (set -eu)"


def _python(text: str, path: str) -> Iterator[str]:
    try:
        ast.parse(text, path)
    except SyntaxError as error:
        yield f"line {error.lineno}: {error.msg}"


def _unit(text: str, path: str) -> Iterator[str]:
    return check_unit(text)


def _nginx(text: str, path: str) -> Iterator[str]:
    """Outside quotes, where braces belong to a pattern."""
    bare = re.sub(r'"[^"\n]*"|#.*', "", text)
    if bare.count("{") != bare.count("}"):
        yield "braces do not match"
    for number, line in enumerate(bare.splitlines(), 1):
        if line.strip() and not line.rstrip().endswith((";", "{", "}")):
            yield f"line {number} does not end"


def _caddyfile(text: str, path: str) -> Iterator[str]:
    if text.count("{") != text.count("}"):
        yield "braces do not match"


_PARSERS: Mapping[str, Callable[[str, str], Iterator[str]]] = {
    ".yaml": _yaml,
    ".json": _json,
    ".jsonl": _jsonl,
    ".example": _env,
    ".sh": _shell,
    ".sbatch": _shell,
    ".py": _python,
    ".service": _unit,
    ".target": _unit,
    "Caddyfile": _caddyfile,
    ".caddy": _caddyfile,
    ".conf": _nginx,
}


def hollow(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Places of values that somebody still has to fill in, with the word that stands there."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from hollow(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from hollow(item, f"{place}[{index}]")
    elif value is None or (value == "" and not place.endswith(_MEANT_TO_BE_EMPTY)) or _is_left_over(place, value):
        yield place, value or ""


def _is_left_over(place: str, value: Any) -> bool:
    return value in _HOLLOW and (place, value) not in _MEANT


def env_names(text: str) -> frozenset[str]:
    """Variables that a ``.env.example`` explains, set or commented out."""
    matches = (_ENV_LINE.fullmatch(line) for line in text.splitlines())
    return frozenset(match["name"] for match in matches if match)

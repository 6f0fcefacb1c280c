"""The words of a rendered file as the reader of its format sees them, comments dropped.

A text that became syntax changes their number, or a word that has nothing to do with it.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from markdown_it import MarkdownIt

from deployadvisor import documents
from deployadvisor.render.check_units import unit_words
from tests.render import powershell

Words = list[str]


def words_of(path: str, text: str) -> Words:
    """All words of one file in their order."""
    name = PurePosixPath(path)
    return list(_READERS.get(name.suffix or name.name, _lines)(text))


def _data(value: Any) -> Iterator[str]:
    """Keys and values; JSON within a value is read too."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{key}:"
            yield from _data(item)
    elif isinstance(value, list):
        yield f"[{len(value)}]"
        for item in value:
            yield from _data(item)
    elif isinstance(value, str) and value[:1] in "[{" and _is_json(value):
        yield from _data(json.loads(value))
    else:
        yield f"{type(value).__name__} {value}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _yaml(text: str) -> Iterator[str]:
    return _data(documents.parse(text, "file.yaml").value)


def _json(text: str) -> Iterator[str]:
    return _data(json.loads(text))


def _jsonl(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from _data(json.loads(line))


def _shell(text: str) -> Iterator[str]:
    """Words and operators; the text of here-documents and of double quotes as it stands."""
    lines = (line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    lexer = shlex.shlex("".join(lines), posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    for word in lexer:
        yield from _data(word)


def _python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        yield from _data(node.value) if isinstance(node, ast.Constant) else (type(node).__name__,)


_SCRIPT = re.compile(r'//.*|\s+|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<word>[\w$]+|.)')


def _javascript(text: str) -> Iterator[str]:
    """Signs, names, and strings as they read back."""
    for found in _SCRIPT.finditer(text):
        if found["string"]:
            yield json.loads(found["string"])
        elif found["word"]:
            yield found["word"]


def _powershell(text: str) -> Iterator[str]:
    for word in powershell.words(text):
        yield from _data(word)


def _markdown(text: str) -> Iterator[str]:
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield f"{token.type} {token.tag}"
        if token.type in ("fence", "code_block"):
            yield from _FENCES.get(token.info, _lines)(token.content)
        kinds = [child.type for child in token.children or () if child.type not in ("text", "text_special")]
        yield f"{token.level} {kinds}"
        yield "".join(child.content for child in token.children or ())


def _unit(text: str) -> Iterator[str]:
    for line in text.splitlines():
        key, _, value = line.partition("=")
        yield key
        yield from unit_words(value) if key in ("ExecStart", "Environment") else (value,)


def _lines(text: str) -> Iterator[str]:
    return iter(text.split("\n"))


_READERS: Mapping[str, Callable[[str], Iterator[str]]] = {
    ".yaml": _yaml,
    ".json": _json,
    ".jsonl": _jsonl,
    ".sh": _shell,
    ".py": _python,
    ".mjs": _javascript,
    ".ps1": _powershell,
    ".md": _markdown,
    ".service": _unit,
}
_FENCES: Mapping[str, Callable[[str], Iterator[str]]] = {"python": _python, "sh": _shell, "bash": _shell}

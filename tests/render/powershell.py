"""PowerShell as a parser of its language reads it: what is wrong, and every string with what it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_powershell.language()))
_CHARACTER = re.compile(r"\[char\]0x([0-9A-F]{4})")


def errors(text: str) -> list[str]:
    """Where the parser does not understand the script."""
    return [f"line {node.start_point.row + 1}: {_source(node)[:60]!r}" for node in _broken(_tree(text))]


def words(text: str) -> Iterator[str]:
    """Strings and sums of strings as they read back, everything else word by word, comments dropped."""
    return _words(_tree(text))


def _tree(text: str) -> Node:
    return _PARSER.parse(text.encode()).root_node


def _broken(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from _broken(child)


def _words(node: Node) -> Iterator[str]:
    if node.type == "comment":
        return
    value = _value(node)
    if value is not None:
        yield value
    elif node.children:
        for child in node.children:
            yield from _words(child)
    elif _source(node).strip():
        yield _source(node)


def _value(node: Node) -> str | None:
    """What a literal string, or a sum of strings and characters in brackets, stands for; None for all else."""
    source = _source(node)
    if node.type == "verbatim_string_characters":
        return source[1:-1].replace("''", "'")
    if node.type != "parenthesized_expression":
        return None
    parts = [_term(leaf) for leaf in _terms(node)]
    if not parts or None in parts:
        return None
    return "".join(part or "" for part in parts).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _terms(node: Node) -> Iterator[Node]:
    """The operands of the sum, outermost node that stands alone."""
    if node.type in ("verbatim_string_characters", "cast_expression") or not node.children:
        if node.type not in ("(", ")", "+"):
            yield node
        return
    for child in node.children:
        yield from _terms(child)


def _term(node: Node) -> str | None:
    if node.type == "verbatim_string_characters":
        return _value(node)
    found = _CHARACTER.fullmatch(_source(node))
    return chr(int(found[1], 16)) if found else None


def _source(node: Node) -> str:
    return (node.text or b"").decode()

"""Markdown that shows any text as it is, and the comment that tells one item of a checklist from another."""

from __future__ import annotations

import re

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKUP = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")


def escape(text: str) -> str:
    r"""Text as one line of Markdown that shows it as it is.

    >>> escape("a *b*\n<script> max_model_len")
    'a \\*b\\* &lt;script&gt; max_model_len'
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return _MARKUP.sub(r"\\\g<0>", " ".join(printable.split()).translate(_ENTITIES))


def mark(name: str) -> str:
    """The comment that tells one item from another, whatever language or version wrote the rest of the line.

    >>> mark("data-is-classified")
    '<!-- data-is-classified -->'
    """
    return f"<!-- {' '.join(name.translate(_ENTITIES).split())} -->"

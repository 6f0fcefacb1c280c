"""Texts that try to become syntax somewhere, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.render.reading import HOSTILE

_PIECES = (
    *HOSTILE,
    *"\"'`$\\{}()[]<>|&;:#%*?!~=,@^-+./ \t\n\r",
    "$(id)",
    "`id`",
    "${IFS}",
    "$$",
    "{{ cycler.__init__ }}",
    "{% raw %}",
    "<<EOF\nEOF\n",
    "\n---\n",
    "\n- privileged: true\n",
    ": &a {b: c}",
    "!!python/object/apply:os.system [id]",
    "]]>",
    "</script>",
    "-->",
    "<img src=x onerror=id>",
    "](javascript:id)",
    "'''",
    '"""',
    "%(id)s",
    "%n%s",
    "../../../etc/passwd",
    "\\\n",
    "\u2028",
    "\x85",
    "\ufeff",
    "\u202e",
    "\x1b[31m",
    "\x00",
    "\x7f",
    "é模型\U0001f600",
    "null",
    "1e5",
    "yes",
    "TODO",
    "None",
    "x",
    "Zz",
    "7",
)

NOTHING = "nothing"
"""Stands for a text of which nothing can be shown."""


def hostile_texts(count: int, seed: int) -> Iterator[str]:
    """``count`` different texts, each of one to five pieces."""
    chance, seen = random.Random(seed), set[str]()  # noqa: S311 - nothing secret
    while len(seen) < count:
        text = "".join(chance.choice(_PIECES) for _ in range(chance.randint(1, 5)))
        if text not in seen and printable(text) != NOTHING:
            seen.add(text)
            yield text


def printable(text: str) -> str:
    """What a profile takes of a text: one line of printable signs."""
    return "".join(sign for sign in text if sign.isprintable()).strip()[:400] or NOTHING

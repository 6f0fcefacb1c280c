"""Whether an image stays the same: every target that names one asks here."""

from __future__ import annotations

import re

_IMAGE = re.compile(r"[a-z0-9][a-z0-9./_-]*:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]*)(@sha256:[0-9a-f]{64})?")


def is_pinned(image: str) -> bool:
    """Whether the image has a tag that names a version.

    >>> is_pinned("caddy:2.11.4-alpine"), is_pinned("caddy:latest"), is_pinned("caddy")
    (True, False, False)
    """
    match = _IMAGE.fullmatch(image)
    return match is not None and match["tag"] != "latest"

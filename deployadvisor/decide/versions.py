"""Versions of rulesets: what ``1.2.0`` and ``>=1.0,<2`` mean, and which step leads from one version to another."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Version = tuple[int, int, int]
Bump = Literal["none", "patch", "minor", "major"]
BUMPS: tuple[Bump, ...] = ("none", "patch", "minor", "major")
"""Steps between versions, from none to the greatest."""

_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,2}")
_BOUND = re.compile(r"(>=|<|==)\s*(\S+)")
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {">=": operator.ge, "<": operator.lt, "==": operator.eq}


def parse_version(text: str) -> Version | None:
    """Three numbers, those left out being 0; None when the text is not a version."""
    if not _VERSION.fullmatch(text):
        return None
    numbers = [int(part) for part in text.split(".")]
    major, minor, patch = [*numbers, 0, 0][:3]
    return major, minor, patch


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that meet every one of several bounds."""

    text: str
    bounds: tuple[tuple[str, Version], ...]

    def __contains__(self, version: Version) -> bool:
        """Whether a version meets all bounds."""
        return all(_COMPARISONS[sign](version, bound) for sign, bound in self.bounds)


def parse_versions(text: str) -> Versions | None:
    """Bounds such as ``>=1.0,<2``, joined by commas; None when one is not a bound."""
    matches = [_BOUND.fullmatch(part.strip()) for part in text.split(",")]
    bounds = [(match[1], parse_version(match[2])) for match in matches if match]
    known = tuple((sign, version) for sign, version in bounds if version is not None)
    return Versions(text, known) if len(known) == len(matches) else None


def step(before: Version, after: Version) -> Bump:
    """The step from one version to a later one; ``none`` when it is not later."""
    if after <= before:
        return "none"
    changed = next(place for place in range(3) if before[place] != after[place])
    return BUMPS[3 - changed]


def carries(before: Version, after: Version, needed: Bump) -> bool:
    """Whether the later version says at least as much as the change behind it; going back says too little."""
    return after >= before and BUMPS.index(step(before, after)) >= BUMPS.index(needed)

"""Read rendered files the way their real readers do."""

from __future__ import annotations

import re
from typing import Any

from deployadvisor import documents
from deployadvisor.render.bundle import Bundle

HOSTILE = (
    "plain",
    'it\'s "quoted"',
    "two\nlines: yes\n- item",
    "${HOME} $$ $(id) `id`",
    "{{ 7*7 }} {% if x %} {# c #}",
    "key: value # comment",
    "&anchor *alias !tag | > @ %",
    "| cell | <script>alert(1)</script> <!-- x -->",
    "# heading",
    "- item",
    "1. item",
    "[link](javascript:alert(1)) ![image](x)",
    "```\nfence\n```",
    "back\\slash \\n \\$",
    "no",
    "12:30:45",
    "0x10",
    "~",
    "café 模型 \U0001f600 \u2028 \x85",
    "'; rm -rf / #",
    "--help",
    "a" * 300,
)


def yaml_of(bundle: Bundle, path: str) -> Any:
    """A YAML file as a safe reader sees it."""
    return documents.parse(bundle[path].text, path).value


def interpolated(value: Any, variables: dict[str, str] | None = None) -> Any:
    """What Compose makes of a value: references filled in, ``$$`` halved."""
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"\$(\$|\{(\w+)(?::([?-])([^}]*))?\})", lambda match: _replacement(match, variables or {}), value)


def _replacement(match: re.Match[str], variables: dict[str, str]) -> str:
    if match[1] == "$":
        return "$"
    default = match[4] if match[3] == "-" else ""
    return variables.get(match[2]) or default


def engine_command(bundle: Bundle, service: str = "engine") -> list[str]:
    """The command line that the container gets."""
    return list(interpolated(yaml_of(bundle, "compose.yaml"))["services"][service]["command"])

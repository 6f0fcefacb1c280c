"""Data as YAML or JSON text that reads back as the same data."""

from __future__ import annotations

import json
from typing import Any

import yaml

from deployadvisor import documents


def dump(data: Any, suffix: str) -> str:
    """YAML with every character beyond ASCII escaped, which alone reads every string back unchanged; or JSON."""
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data)
    if suffix == ".json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return yaml.dump(data, Dumper=_Indented, allow_unicode=False, sort_keys=False, width=10_000)


class _Indented(yaml.SafeDumper):
    """Lists stand inside their key, and nothing is an anchor."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML passes it
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML passes it
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """PyYAML leaves bare what only YAML 1.2 takes for a number, such as 1e5; a "None" that is meant shows it."""
    style = None if documents.stays_text(text) and text != "None" else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Indented.add_representer(str, _text)

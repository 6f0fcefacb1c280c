"""``deployadvisor schema``: JSON Schemas for editors and other programs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import click
from pydantic import BaseModel

from deployadvisor import figures, profile, reasoning, recommendation
from deployadvisor.hardware import machine
from deployadvisor.surfaces import options

_SCHEMAS: dict[str, type[BaseModel]] = {
    "profile": profile.Profile,
    "recommendation": recommendation.Recommendation,
    "machine": machine.Machine,
}


def schema(name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of ``profile``, ``recommendation`` or ``machine``, with the docstrings of its fields."""
    kind = _SCHEMAS[name]
    body = kind.model_json_schema(mode="validation" if name == "profile" else "serialization")
    for described, part in ((kind.__name__, body), *body.get("$defs", {}).items()):
        for field, text in attribute_docs(_models().get(described)).items():
            if field in part.get("properties", {}):
                part["properties"][field].setdefault("description", text)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


def attribute_docs(kind: type | None) -> dict[str, str]:
    """The docstring under each field of a class.

    Read from the source here and not by pydantic when the class is made, which would slow down every start.
    """
    if kind is None:
        return {}
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    return dict(_documented(body)) if isinstance(body, ast.ClassDef) else {}


def _documented(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield field.target.id, inspect.cleandoc(value.value)


def _models() -> dict[str, type]:
    modules: tuple[ModuleType, ...] = (profile, figures, reasoning, recommendation, machine)
    return {name: value for module in modules for name, value in vars(module).items() if isinstance(value, type)}


@click.command("schema", epilog="Example: deployadvisor schema profile > profile.schema.json")
@click.argument("name", type=click.Choice(list(_SCHEMAS)))
@options.json_option
def command(name: str, as_json: bool) -> int:  # noqa: ARG001 - a schema is JSON with and without --json
    """Print the JSON Schema of a file format."""
    options.print_json(schema(name))
    return 0

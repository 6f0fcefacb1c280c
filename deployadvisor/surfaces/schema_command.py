"""``deployadvisor schema``: JSON Schemas for editors and other programs."""

from __future__ import annotations

from typing import Any

import click
from pydantic import BaseModel

from deployadvisor.hardware.machine import Machine
from deployadvisor.profile import Profile
from deployadvisor.recommendation import Recommendation
from deployadvisor.surfaces import options

_SCHEMAS: dict[str, type[BaseModel]] = {"profile": Profile, "recommendation": Recommendation, "machine": Machine}


def schema(name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of ``profile``, ``recommendation`` or ``machine``."""
    body = _SCHEMAS[name].model_json_schema(mode="validation" if name == "profile" else "serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


@click.command("schema", epilog="Example: deployadvisor schema profile > profile.schema.json")
@click.argument("name", type=click.Choice(list(_SCHEMAS)))
@options.json_option
def command(name: str, as_json: bool) -> int:  # noqa: ARG001 - a schema is JSON with and without --json
    """Print the JSON Schema of a file format."""
    options.print_json(schema(name))
    return 0

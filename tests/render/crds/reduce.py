"""Make a small JSON Schema of a custom resource out of its CustomResourceDefinition.

    python -m tests.render.crds.reduce DEFINITION.yaml [VERSION]

Writes ``KIND.VERSION.json`` beside this file, of the version that is stored where none is named. What stays is what
an API server checks of an object under ``fieldValidation=Strict``: fields that nobody declared, types, required
fields, enumerations, patterns, bounds, and entries of a list with the same keys. Descriptions, defaults and status
go, as do the rules in CEL, which nothing here runs. Parts that recur, such as a pod's, are written once.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
KEPT = (
    "enum", "pattern", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems",
)  # fmt: skip
JUNCTIONS = ("allOf", "anyOf", "oneOf")
BOUNDS = {"int32": 2**31, "int64": 2**63}
WORTH_A_NAME = 120
"""Characters from which a part that recurs is written once."""
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": TEXTS,
        "annotations": TEXTS,
    },
}
"""What a manifest may say about an object; the rest is the API server's."""


def main(path: str, version: str | None = None) -> None:
    """Reduce every definition in a file."""
    for definition in yaml.safe_load_all(Path(path).read_text(encoding="utf-8")):
        if definition and definition.get("kind") == "CustomResourceDefinition":
            write(definition, version)


def write(definition: dict[str, Any], version: str | None) -> Path:
    """One schema, on one line: nobody reads it, and a diff of it says nothing."""
    spec = definition["spec"]
    (found,) = (one for one in spec["versions"] if (one["name"] == version if version else one["storage"]))
    kind = spec["names"]["kind"]
    schema = of_root(found["schema"]["openAPIV3Schema"], f"{spec['group']}/{found['name']}", kind)
    path = FOLDER / f"{kind}.{found['name']}.json"
    path.write_text(json.dumps(schema, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
    return path


def of_root(schema: dict[str, Any], api_version: str, kind: str) -> dict[str, Any]:
    """The schema of a whole object."""
    given = {name: part for name, part in schema["properties"].items() if name != "status"}
    reduced = reduce({**schema, "properties": given})
    reduced["properties"] |= {"apiVersion": {"const": api_version}, "kind": {"const": kind}, "metadata": METADATA}
    reduced["required"] = sorted({*reduced.get("required", ()), "apiVersion", "kind", "metadata"})
    return shared(reduced)


def reduce(schema: dict[str, Any]) -> dict[str, Any]:
    """A part of a structural schema as JSON Schema."""
    made: dict[str, Any] = {key: schema[key] for key in KEPT if key in schema}
    made |= _type(schema)
    if schema.get("type") == "object":
        made |= _fields(schema)
    if "items" in schema:
        made |= _list(schema)
    for junction in JUNCTIONS:
        if junction in schema:
            made[junction] = [reduce(part) for part in schema[junction]]
    if "not" in schema:
        made["not"] = reduce(schema["not"])
    return made


def _type(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "type" not in schema:
        return {}
    bound = BOUNDS.get(schema.get("format", ""))
    limits = {"minimum": schema.get("minimum", -bound), "maximum": schema.get("maximum", bound - 1)} if bound else {}
    return limits | {"type": [schema["type"], "null"] if schema.get("nullable") else schema["type"]}


def _fields(schema: dict[str, Any]) -> dict[str, Any]:
    """Fields, and that there are no others unless the definition lets them be."""
    fields = {name: reduce(part) for name, part in schema.get("properties", {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        fields |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    made: dict[str, Any] = {"properties": fields} if fields else {}
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        return made | {"additionalProperties": reduce(others)}
    if not others and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made


def _list(schema: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"items": reduce(schema["items"])}
    if schema.get("x-kubernetes-list-type") == "set":
        made["uniqueItems"] = True
    if schema.get("x-kubernetes-list-type") == "map":
        fields = schema["items"].get("properties", {})
        keys = schema.get("x-kubernetes-list-map-keys", ())
        made["x-unique-by"] = {key: fields.get(key, {}).get("default") for key in keys}
    return made


# Parts that recur


def shared(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, in which each part that recurs stands once, under ``$defs``."""
    counts = Counter(_text(part) for part in _parts(schema))
    repeated = [text for text, count in counts.items() if count > 1 and len(text) > WORTH_A_NAME]
    names = {text: str(number) for number, text in enumerate(sorted(repeated))}
    definitions = {name: _named(json.loads(text), names, top=True) for text, name in names.items()}
    return {**_named(schema, names, top=True), "$defs": definitions}


def _text(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in _below(schema):
        yield part
        yield from _parts(part)


def _below(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas right below a schema."""
    yield from schema.get("properties", {}).values()
    for junction in JUNCTIONS:
        yield from schema.get(junction, ())
    yield from (schema[key] for key in ("items", "not", "additionalProperties") if isinstance(schema.get(key), dict))


def _named(schema: dict[str, Any], names: dict[str, str], *, top: bool = False) -> dict[str, Any]:
    """A schema with references in place of what has a name."""
    name = names.get(_text(schema))
    if name is not None and not top:
        return {"$ref": f"#/$defs/{name}"}
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {key: _named(part, names) for key, part in made["properties"].items()}
    for junction in JUNCTIONS:
        if junction in made:
            made[junction] = [_named(part, names) for part in made[junction]]
    for key in ("items", "not", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _named(made[key], names)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

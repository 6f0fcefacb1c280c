"""How an answer is scored: one rule a question, decided before anybody has seen an answer.

exact      the answer is one of ``expected`` (spaces and case do not count)
contains   every text of ``expected`` stands in the answer (case does not count)
regex      the pattern ``expected`` is found in the answer
number     the last number of the answer is ``expected``, within ``tolerance`` (0 where none is given)
json       the answer is JSON that meets the schema ``expected`` (the keywords of KEYWORDS, no others)
human      people decide, on a sheet that does not say which answer is whose
"""

from __future__ import annotations

import json
import re
from typing import Any

RULES = ("exact", "contains", "regex", "number", "json", "human")
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (),
}
KEYWORDS = {
    *("type", "enum", "const", "required", "properties", "additionalProperties", "items", "minItems", "maxItems"),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "anyOf", "title", "description"),
}
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def passes(question: dict[str, Any], answer: str) -> bool:
    """Whether an answer passes the rule of its question."""
    expected, text = question.get("expected"), without_thoughts(answer)
    rule = question["rule"]
    if rule == "exact":
        return plain(text) in {plain(one) for one in listed(expected)}
    if rule == "contains":
        return all(plain(one) in plain(text) for one in listed(expected))
    if rule == "regex":
        return re.search(expected, text) is not None
    if rule == "number":
        found = _NUMBER.findall(text)
        return bool(found) and abs(float(found[-1].replace(",", "")) - expected) <= question.get("tolerance", 0)
    try:
        return meets(json.loads(without_fence(text)), expected)
    except ValueError:
        return False


def problem(question: dict[str, Any]) -> str:
    """What is wrong with a question; nothing where it can be asked and scored."""
    rule, expected = question.get("rule"), question.get("expected")
    if rule not in RULES:
        return f"rule is one of {', '.join(RULES)}"
    if rule in ("exact", "contains") and not all(isinstance(one, str) and one for one in listed(expected) or [0]):
        return "expected is a text, or a list of texts"
    if rule == "number" and (isinstance(expected, bool) or not isinstance(expected, (int, float))):
        return "expected is a number"
    if rule == "json":
        return schema_problem(expected)
    if rule == "regex":
        try:
            re.compile(expected if isinstance(expected, str) else "(")
        except re.error as error:
            return f"expected is a regular expression ({error})"
    return ""


def schema_problem(schema: Any) -> str:
    """What this validator would not understand of a schema."""
    if not isinstance(schema, dict):
        return "expected is a JSON Schema"
    unknown = sorted(set(schema) - KEYWORDS)
    if unknown:
        return f"{unknown[0]} is not among the keywords that are checked here: {', '.join(sorted(KEYWORDS))}"
    names = listed(schema.get("type", []))
    if not all(name in TYPES for name in names):
        return f"type is one of {', '.join(TYPES)}"
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    below += [schema["items"]] if "items" in schema else []
    return next((found for one in below if (found := schema_problem(one))), "")


def meets(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a JSON value meets a schema."""
    if "type" in schema and not any(is_type(value, name) for name in listed(schema["type"])):
        return False
    if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
        return False
    if "anyOf" in schema and not any(meets(value, one) for one in schema["anyOf"]):
        return False
    if isinstance(value, dict):
        return object_meets(value, schema)
    if isinstance(value, list):
        return within(len(value), schema, "Items") and all(meets(one, schema.get("items", {})) for one in value)
    if isinstance(value, str):
        return within(len(value), schema, "Length") and re.search(schema.get("pattern", ""), value) is not None
    if is_type(value, "number"):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return True


def object_meets(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether the properties of an object are there, right, and no others where no others may be."""
    known = schema.get("properties", {})
    if any(name not in value for name in schema.get("required", [])):
        return False
    if schema.get("additionalProperties") is False and set(value) - set(known):
        return False
    return all(meets(one, known[name]) for name, one in value.items() if name in known)


def is_type(value: Any, name: str) -> bool:
    """Whether a value has a type of JSON Schema: there true is no number, and 1.0 an integer."""
    if value is None or isinstance(value, bool):
        return name == ("null" if value is None else "boolean")
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def within(size: int, schema: dict[str, Any], what: str) -> bool:
    """Whether a length keeps its bounds."""
    return schema.get(f"min{what}", 0) <= size <= schema.get(f"max{what}", size)


def listed(value: Any) -> list[Any]:
    """A value as a list of values."""
    return value if isinstance(value, list) else [value]


def plain(text: str) -> str:
    """A text without what does not count: case, and how its words are spaced."""
    return " ".join(text.split()).casefold()


def without_thoughts(text: str) -> str:
    """The answer itself, where a model thinks aloud before it."""
    return re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.DOTALL).strip()


def without_fence(text: str) -> str:
    """The content of a fenced block, where that is the whole answer."""
    match = re.fullmatch(r"```\w*\n(.*?)\n?```", text, flags=re.DOTALL)
    return match[1] if match else text

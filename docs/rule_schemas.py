"""JSON Schemas for the files that rule authors edit: vocabulary, rulesets, overlays, properties, scenarios.

They serve editors (completion, the wrong key underlined); what a name means is checked when the rules load.
Editors read YAML 1.2, in which ``yes`` and ``no`` are words; the program reads them as true and false. Both pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployadvisor.decide.findings import CODES
from deployadvisor.decide.ruleset import EVERY, FITS
from deployadvisor.decide.vocabulary import RESERVED, Fact
from deployadvisor.recommendation import Recommendation
from deployadvisor.rulebook import DECISIONS, load_rules
from deployadvisor.scenarios import Scenario

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_FLAG: Schema = {"enum": [True, False, "yes", "no"]}
_YES: Schema = {"enum": [True, "yes"]}
_VALUE: Schema = {"type": ["string", "number", "boolean"]}
_CONDITION: Schema = {"$ref": "#/$defs/condition"}
_EFFORT: Schema = {"type": "number", "exclusiveMinimum": 0}
_WORDS: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+$"}
_TARGETS: Schema = {"anyOf": [_WORDS, {"type": "array", "items": _WORDS, "minItems": 1}]}


def _mapping(properties: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    body = {"type": "object", "additionalProperties": False, "properties": properties, **more}
    return {**body, "required": list(required)} if required else body


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _file(name: str, properties: Schema, required: tuple[str, ...], **more: Any) -> Schema:
    schema_name = {"const": f"deployadvisor/{name}@1"}
    body = _mapping({"schema": schema_name, **properties}, ("schema", *required), **more)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"deployadvisor {name}", **body}


# Vocabulary


def _fact() -> Schema:
    listed = {"if": {"properties": {"type": {"enum": ["ordinal", "choice"]}}}, "then": {"required": ["values"]}}
    properties = {
        "type": {
            "enum": ["ordinal", "choice", "flag", "number"],
            "description": "ordinal: from least to most; choice: no order; flag: no, yes; number: with a unit",
        },
        "values": {"type": "array", "items": _WORDS, "minItems": 2, "uniqueItems": True},
        "unit": _TEXT,
        "ask": {**_TEXT, "description": "The question; for a derived fact, what it says."},
        "decides": {**_TEXT, "description": "Why it is asked: what the answer can change."},
        "assume": {**_VALUE, "description": "Taken when nobody answers; without it the question stays open."},
        "derived": {**_FLAG, "description": "Computed, never asked."},
        "from": {**_list(_TEXT), "description": "For a derived fact the facts and inputs it is computed from."},
        "source": {**_TEXT, "description": "Where an assumed number comes from."},
        "ask_cost": {**_EFFORT, "description": "Effort of answering; a plain answer is 1."},
        "change_cost": {**_EFFORT, "description": "Effort of making the fact another one; a plain change is 1."},
        "changeable": {**_FLAG, "description": "no where a person cannot simply change the fact."},
    }
    return _mapping(properties, ("type", "ask"), **listed)


def _facts() -> Schema:
    return {
        "type": "object",
        "propertyNames": {"not": {"enum": sorted(RESERVED)}},
        "additionalProperties": {"$ref": "#/$defs/fact"},
    }


def vocabulary() -> Schema:
    """Schema of ``vocabulary.yaml``."""
    asked = {"ask": _TEXT, "decides": {**_TEXT, "description": "What the answer can change."}, "ask_cost": _EFFORT}
    properties = {
        "facts": _facts(),
        "inputs": {
            "type": "object",
            "additionalProperties": _mapping(asked, ("ask", "decides")),
            "description": "Asked, but never compared: derived facts are computed from them.",
        },
        "assumptions": {**_list(_assumption()), "description": "What no combination of facts can break."},
    }
    return _file("vocabulary", properties, ("facts",), **{"$defs": {"fact": _fact(), "condition": _condition()}})


def _assumption() -> Schema:
    return _mapping({"id": _WORDS, "if": _CONDITION, "then": _CONDITION, "because": _TEXT}, ("id", "then", "because"))


# Rulesets


def _condition() -> Schema:
    """A mapping of facts to tests; the facts that are shipped are listed for completion."""
    nested = {"type": "array", "items": _CONDITION, "minItems": 1}
    words = {"any": nested, "all": nested, "not": _CONDITION, "is": {**_TARGETS, "description": "Terms that hold."}}
    rulebook = load_rules()
    own = {name: fact for ruleset in rulebook.rulesets for name, fact in ruleset.attributes.items()}
    shipped = {name: _test(fact) for name, fact in {**rulebook.vocabulary.facts, **own}.items()}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {**words, **shipped},
        "additionalProperties": _VALUE,
    }


def _test(fact: Fact) -> Schema:
    values = ", ".join(fact.values) or f"{fact.type} ({fact.unit})"
    return {**_VALUE, "description": f"{fact.ask} {values}"}


def _rule(verb: str, target: Schema, texts: tuple[str, ...], **more: Schema) -> Schema:
    test = _mapping(
        {"given": {"type": "object", "additionalProperties": _VALUE}, "applies": _FLAG}, ("given", "applies")
    )
    conditional: Schema = {"oneOf": [{"required": ["when"]}, {"required": ["unless"]}]}
    if verb == "recommend":
        conditional = {"not": {"required": ["when", "unless"]}}
    properties = {
        "id": {**_WORDS, "description": "Unique over all rules, never used again for another rule."},
        verb: target,
        "when": _CONDITION,
        "unless": _CONDITION,
        **dict.fromkeys(texts, _TEXT),
        **more,
        "source": {**_TEXT, "description": "Where the rule comes from; required where it holds a threshold."},
        "checked_on": {"type": "string", "format": "date"},
        "tests": _list(test),
    }
    says = {"oneOf": [{"required": [text]} for text in texts]}
    return _mapping(properties, ("id", verb), allOf=[conditional, says])


def _term() -> Schema:
    return _mapping({"means": _CONDITION, "source": _TEXT, "checked_on": _TEXT}, ("means",))


def _rules() -> dict[str, Schema]:
    """A rule of each section."""
    points = {"type": "integer", "minimum": 1, "maximum": 15}
    return {
        "constraints": _rule("forbid", _TARGETS, ("because", "missing"), overridable=_FLAG),
        "cases": _rule("recommend", _TARGETS, ("because",), fit={"enum": list(FITS[1:])}),
        "preferences": _rule("prefer", {"type": "object", "additionalProperties": points}, ("because",)),
    }


def ruleset() -> Schema:
    """Schema of ``route.yaml``, ``engine.yaml``, ``provider.yaml``."""
    stands = {**_CONDITION, "description": "When it stands for election at all; always when left out."}
    candidate = _mapping({"title": _TEXT, "stands": stands}, ("title",))
    given = _mapping({"from": {"enum": ["engines", "providers"]}}, ("from",))
    properties = {
        "ruleset": {"enum": list(DECISIONS)},
        "version": {"type": "string"},
        "candidates": {
            "anyOf": [given, {"type": "object", "additionalProperties": candidate, "not": {"required": ["from"]}}]
        },
        "attributes": {**_facts(), "propertyNames": {"pattern": "^its_"}},
        "terms": {"type": "object", "additionalProperties": _term()},
        **{section: _list(rule) for section, rule in _rules().items()},
    }
    definitions = {"condition": _condition(), "fact": _fact()}
    description = f"Targets are candidates, or {EVERY}."
    return _file("ruleset", properties, ("ruleset", "candidates"), description=description, **{"$defs": definitions})


# Overlays


def overlay() -> Schema:
    """Schema of an organisation's changes to one ruleset."""
    extends = _mapping({"ruleset": {"enum": list(DECISIONS)}, "version": _TEXT}, ("ruleset", "version"))
    properties = {
        "name": _TEXT,
        "extends": {**extends, "description": "Which ruleset, and for which of its versions, such as >=1.0,<2."},
        "terms": {"type": "object", "additionalProperties": _change(_term(), {})},
        **{section: _list(_change(rule, {"id": _WORDS})) for section, rule in _rules().items()},
    }
    definitions = {"condition": _condition()}
    return _file("overlay", properties, ("name", "extends"), **{"$defs": definitions})


def _change(entry: Schema, name: Schema) -> Schema:
    """An entry that is added, replaces another one, or is removed; to take something away needs a reason."""

    def said(action: str, *more: str) -> Schema:
        properties = {**entry["properties"], action: _YES, "reason": _TEXT}
        return {**entry, "properties": properties, "required": [*entry["required"], action, *more]}

    removal = _mapping({**name, "remove": _YES, "reason": _TEXT}, (*name, "remove", "reason"))
    return {"anyOf": [said("add"), said("replace", "reason"), removal]}


# Promises, and warnings that are accepted


def properties() -> Schema:
    """Schema of ``properties.yaml``."""
    promise = {
        "id": _WORDS,
        "ruleset": {"enum": list(DECISIONS), "description": "route when left out"},
        "raise": {**_TARGETS, "description": "An ordered fact that goes up, or several, each by itself."},
        "when": _CONDITION,
        "never": _mapping({"from": _TARGETS, "to": _TARGETS}, ("to",)),
        "because": _TEXT,
    }
    groups = _mapping({name: {"type": "object", "additionalProperties": _TARGETS} for name in DECISIONS})
    body = {
        "sources": _mapping({"limit_days": _EFFORT}, ("limit_days",)),
        "groups": {**groups, "description": "Names for candidates, by ruleset."},
        "properties": _list(_mapping(promise, ("id", "never", "because"))),
    }
    return _file("properties", body, ("properties",), **{"$defs": {"condition": _condition()}})


def accepted() -> Schema:
    """Schema of ``accepted.yaml``."""
    row = {
        "code": {"enum": [name for name, code in CODES.items() if code.severity == "warning"]},
        "ruleset": _WORDS,
        "about": {"anyOf": [_TEXT, _list(_TEXT)], "description": "Everything of this code when left out."},
        "reason": _TEXT,
    }
    return _file("accepted", {"accepted": _list(_mapping(row, ("code", "ruleset", "reason")))}, ("accepted",))


# Scenarios


def scenarios() -> Schema:
    """Schema of ``scenarios.yaml``."""
    one_or_more = {"anyOf": [_TEXT, _list(_TEXT)]}
    statuses = Recommendation.model_json_schema()["properties"]["status"]["enum"]
    expect = {
        "status": {"enum": statuses},
        **dict.fromkeys(("route", "engine", "provider", "backend", "reason", "missing", "obligation"), one_or_more),
        **dict.fromkeys(("fallback", "rent"), _FLAG),
    }
    row = {"id": _WORDS, "situation": _TEXT, "given": {"$ref": "profile.json"}, "expect": _mapping(expect)}
    required = tuple(name for name in Scenario.__dataclass_fields__ if name in row)
    return _file("scenarios", {"scenarios": _list(_mapping(row, required))}, ("scenarios",))


RULE_SCHEMAS: dict[str, Callable[[], Schema]] = {
    "vocabulary": vocabulary,
    "ruleset": ruleset,
    "overlay": overlay,
    "properties": properties,
    "accepted": accepted,
    "scenarios": scenarios,
}

"""A small vocabulary, rulesets built from YAML text, and strategies for random ones."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import conditions, reader, vocabulary
from deployadvisor.decide.conditions import Condition, Facts
from deployadvisor.decide.ruleset import Given, Ruleset
from deployadvisor.decide.vocabulary import FactValue, Vocabulary

VOCABULARY = """
facts:
  level: {type: ordinal, values: [low, mid, high], ask: How much?, changeable: no}
  colour: {type: choice, values: [red, green, blue], ask: Which colour?, ask_cost: 4}
  open: {type: flag, ask: Is it open?}
  load: {type: number, unit: requests, ask: How many requests?}
"""
CANDIDATES = ("first", "second", "third")
TITLES = {name: {"title": name.capitalize()} for name in CANDIDATES}
DOMAIN: Mapping[str, tuple[FactValue, ...]] = {
    "level": ("low", "mid", "high"),
    "colour": ("red", "green", "blue"),
    "open": ("no", "yes"),
    "load": (1.0, 2.0, 3.0, 5.0, 6.0),
}
"""Every word of each fact, and one number from each cell that the constants 2 and 5 can cut."""


def words(text: str = VOCABULARY) -> Vocabulary:
    document = documents.parse(text, "v.yaml")
    return vocabulary.Vocabulary(vocabulary.read_facts(document, ("facts",), document.value["facts"]))


def rules(text: str) -> Ruleset:
    """A ruleset over the vocabulary above; candidates are the three above unless the text has its own."""
    if "candidates:" not in text:
        text += f"\ncandidates: {json.dumps(TITLES)}\n"
    return reader.read(
        documents.parse(text, "r.yaml"), words(), {"fruit": {"apple": Given("Apple"), "pear": Given("Pear")}}
    )


def condition(body: Any) -> Condition:
    document = documents.parse(json.dumps(body), "c.yaml")
    return conditions.parse(document.value, document, (), words(), {})


def completions(facts: Facts) -> Iterator[Facts]:
    """Every way to answer the facts that are open."""
    choices = ((facts[name],) if name in facts else values for name, values in DOMAIN.items())
    return (dict(zip(DOMAIN, values, strict=True)) for values in itertools.product(*choices))


PHRASES: Mapping[str, tuple[Any, ...]] = {
    "level": ("low", "not low", "at least mid", "at most mid", "above low", "below high", "between low and mid"),
    "colour": ("red", "not green", "red or blue", "not red or blue"),
    "open": (True, False),
    "load": (2, "at least 2", "at most 5", "above 2", "below 5", "between 2 and 5"),
}
LEAVES = st.sampled_from([{fact: phrase} for fact, phrases in PHRASES.items() for phrase in phrases])
ROWS = st.fixed_dictionaries({}, optional={fact: st.sampled_from(phrases) for fact, phrases in PHRASES.items()})


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        *(st.fixed_dictionaries({key: parts}) for key, parts in (("not", inner), ("any", several), ("all", several)))
    )


CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.recursive(LEAVES | ROWS.filter(bool), _nested, max_leaves=4)
FACTS: st.SearchStrategy[Facts] = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in DOMAIN.items()}
)
ANSWERS: st.SearchStrategy[Facts] = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in DOMAIN.items()}
)


def _rule(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    common = {"when": CONDITIONS, "because": st.just("why"), "source": st.just("here")}
    return st.fixed_dictionaries({**common, **fields})


_SOME = st.lists(st.sampled_from(CANDIDATES), min_size=1, max_size=3, unique=True)
_CONSTRAINTS = _rule(forbid=_SOME)
_CASES = _rule(recommend=_SOME, fit=st.sampled_from(["acceptable", "good", "ideal"]))
_PREFERENCES = _rule(
    prefer=st.dictionaries(st.sampled_from(CANDIDATES), st.integers(1, 3), min_size=1),
)


def _numbered(body: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        kind: [{"id": f"{kind}-{position}", **rule} for position, rule in enumerate(entries)]
        for kind, entries in body.items()
    }


BODIES = st.fixed_dictionaries(
    {
        "constraints": st.lists(_CONSTRAINTS, max_size=3),
        "cases": st.lists(_CASES, max_size=4),
        "preferences": st.lists(_PREFERENCES, max_size=3),
    }
).map(_numbered)
"""Random rulesets as plain data, ready to be written."""


def built(body: Mapping[str, Any]) -> Ruleset:
    return reader.read(documents.parse(json.dumps({"candidates": TITLES, **body}), "r.yaml"), words())

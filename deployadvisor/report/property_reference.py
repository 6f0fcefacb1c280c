"""What a decision promises, as a table of its reference page."""

from __future__ import annotations

from collections.abc import Sequence

from deployadvisor.decide.conditions import ALWAYS
from deployadvisor.decide.properties import BLOCKED, Property, Winners
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.report.markdown import escape
from deployadvisor.report.reference_parts import anchor, fact_link, in_words, marked, table
from deployadvisor.report.reference_words import Voice


def property_table(ruleset: Ruleset, promises: Sequence[Property], voice: Voice) -> list[str]:
    """One row a promise: its name, what never happens, and why."""
    words = voice.words
    rows = [
        (marked(property_anchor(promise), promise.id), _never(ruleset, promise, voice), escape(promise.because))
        for promise in promises
    ]
    return table((words["property"], words["never"], words["because"]), rows)


def property_anchor(promise: Property) -> str:
    """The anchor of a promise on the page of its decision."""
    return f"property-{anchor(promise.id)}"


def _never(ruleset: Ruleset, promise: Property, voice: Voice) -> str:
    words = voice.words
    target = _names(ruleset, promise.target, voice)
    if promise.raised:
        facts = words["comma"].join(map(fact_link, promise.raised))
        origin = _names(ruleset, promise.origin, voice)
        if len(promise.origin) + len(promise.target) == len(ruleset.candidates) + 1:
            origin = words["anything_else"]
        text = words["never_moves"].format(facts=facts, origin=origin, target=target)
    else:
        text = words["never_wins"].format(target=target)
    if promise.when == ALWAYS:
        return text
    return words["never_when"].format(text=text, condition=in_words(promise.when, ruleset.terms, voice))


def _names(ruleset: Ruleset, winners: Winners, voice: Voice) -> str:
    names = [name for name in ruleset.candidates if name in winners] + [BLOCKED] * (None in winners)
    return voice.words["either"].join(map(escape, names))

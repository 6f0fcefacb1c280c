"""The reference page of the facts: what each means, what it can be, what is assumed, and which rules mention it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import Any_, Not
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Fact, Input
from deployadvisor.report.markdown import escape
from deployadvisor.report.reference_parts import anchor, decisions, in_words, link, number, point
from deployadvisor.report.reference_words import Voice
from deployadvisor.rulebook import Rulebook


def facts_page(rulebook: Rulebook, voice: Voice) -> str:
    """Facts by how they become known, attributes by decision, inputs, and what cannot be."""
    words = voice.words
    facts = rulebook.vocabulary.facts.values()
    lines = [f"# {words['facts']}", "", words["facts_say"], ""]
    for heading, derived in (("asked", False), ("computed", True)):
        chosen = [fact for fact in facts if fact.derived is derived]
        lines += _section(words[heading], (_fact(fact, decisions(rulebook), voice) for fact in chosen))
    for name, ruleset in decisions(rulebook).items():
        heading = words["attributes"].format(decision=name)
        lines += _section(heading, (_fact(fact, {name: ruleset}, voice) for fact in ruleset.attributes.values()))
    inputs = (_input(one, voice) for one in rulebook.vocabulary.inputs.values())
    lines += _section(words["inputs"], inputs, words["inputs_say"])
    lines += _section(words["cannot"], _assumptions(rulebook, voice), words["cannot_says"])
    return "\n".join(lines).rstrip() + "\n"


def _section(heading: str, entries: Iterable[Iterable[str]], says: str = "") -> list[str]:
    body = [line for entry in entries for line in (*entry, "")]
    return [f"## {heading}", "", *([says, ""] if says else []), *body] if body else []


def _fact(fact: Fact, rulesets: Mapping[str, Ruleset], voice: Voice) -> Iterator[str]:
    words = voice.words
    yield f"### {escape(fact.name)}"
    yield ""
    yield point(words["says" if fact.derived else "question"], escape(voice.texts.ask(fact)), voice)
    if fact.decides:
        yield point(words["decides"], escape(voice.texts.decides(fact)), voice)
    yield point(words["values"], _values(fact, voice), voice)
    yield point(words["left_out"], _left_out(fact, voice), voice)
    if fact.computed_from:
        sources = words["comma"].join(link(name, f"#{anchor(name)}") for name in fact.computed_from)
        yield point(words["computed_from"], sources, voice)
    if not fact.changeable:
        yield f"- {words['unchangeable']}"
    yield point(words["mentioned"], _mentioned(fact, rulesets, voice), voice)


def _values(fact: Fact, voice: Voice) -> str:
    words = voice.words
    if fact.type == "number":
        return words["number"].format(unit=escape(fact.unit)) if fact.unit else words["number_plain"]
    listed = words["comma"].join(escape(value) for value in fact.values)
    return listed if fact.type == "flag" else words[fact.type].format(values=listed)


def _left_out(fact: Fact, voice: Voice) -> str:
    if fact.assume is None:
        return voice.words["open"]
    assumed = voice.words["assumed"].format(value=escape(number(fact.assume)))
    return f"{assumed} ({escape(fact.source)})" if fact.source else assumed


def _mentioned(fact: Fact, rulesets: Mapping[str, Ruleset], voice: Voice) -> str:
    """Links to the rules whose condition tests the fact, be it through a term."""
    links = [
        link(rule.id, f"{name}.md#{anchor(rule.id)}")
        for name, ruleset in rulesets.items()
        for rule in ruleset.mentioning.get(fact.name, ())
    ]
    return voice.words["comma"].join(links) or voice.words["nobody"]


def _input(one: Input, voice: Voice) -> Iterator[str]:
    yield f"### {escape(one.name)}"
    yield ""
    yield point(voice.words["question"], escape(voice.texts.ask(one)), voice)
    yield point(voice.words["decides"], escape(voice.texts.decides(one)), voice)


def _assumptions(rulebook: Rulebook, voice: Voice) -> Iterator[Iterator[str]]:
    assumptions = {one.id: one for ruleset in rulebook.rulesets for one in ruleset.assumptions}
    return (_assumption(one, voice) for one in assumptions.values())


def _assumption(one: Assumption, voice: Voice) -> Iterator[str]:
    yield f"### {escape(one.id)}"
    yield ""
    yield point(voice.words["because"], escape(one.because), voice)
    match one.holds:
        case Any_((Not(part=condition), then)):
            yield point(voice.words["if"], in_words(condition, {}, voice), voice)
            yield point(voice.words["then"], in_words(then, {}, voice), voice)
        case always:
            yield point(voice.words["then"], in_words(always, {}, voice), voice)
    yield point(voice.words["stands_at"], escape(one.where), voice)

"""Reference pages of the rules: one Markdown page a decision, one of the facts, and drawings.

Everything on them is taken from the rule files, whose texts may be anybody's: they are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deployadvisor import documents
from deployadvisor.decide.conditions import ALWAYS, Not
from deployadvisor.decide.properties import Properties, Property
from deployadvisor.decide.reliance import reliance
from deployadvisor.decide.ruleset import EVERY, FITS, Candidate, Kind, Rule, Ruleset
from deployadvisor.report.fact_reference import facts_page
from deployadvisor.report.markdown import escape
from deployadvisor.report.property_reference import property_anchor, property_table
from deployadvisor.report.reference_parts import decisions, in_words, link, marked, number, point, table, term_anchor
from deployadvisor.report.reference_words import Voice, voice
from deployadvisor.report.rule_drawings import DRAWINGS, Drawing, can_draw, draw
from deployadvisor.rulebook import Rulebook

_KINDS: tuple[Kind, ...] = ("constraint", "case", "preference")


def files(rulebook: Rulebook, promises: Properties, lang: str = "en") -> dict[str, str]:
    """Every file of the reference by name, with links between them."""
    speaker = voice(rulebook, lang)
    rulesets = decisions(rulebook)
    pages = {f"{name}.md": decision_page(rulebook, name, promises, speaker) for name in rulesets}
    pages["facts.md"] = facts_page(rulebook, speaker)
    drawn = (each for name, ruleset in rulesets.items() for each in _drawings(name, ruleset))
    return pages | {f"{each.name}.svg": draw(rulesets[each.decision], each.given, speaker) for each in drawn}


def decision_page(rulebook: Rulebook, name: str, promises: Properties, voice: Voice) -> str:
    """The page of one decision: candidates, terms, drawings, then every rule by kind."""
    ruleset, words = decisions(rulebook)[name], voice.words
    sources = _term_sources(rulebook.folder / f"{name}.yaml")
    lines = [f"# {words['decision'].format(name=escape(ruleset.name))}", ""]
    lines += [words["version"].format(version=escape(ruleset.version)), ""]
    lines += [f"## {words['candidates']}", "", *_candidates(ruleset, voice), "", words["order"], ""]
    if ruleset.terms:
        lines += [f"## {words['terms']}", "", *_terms(ruleset, sources, voice), ""]
    if drawn := _drawings(name, ruleset):
        lines += [f"## {words['drawing']}", ""]
        lines += [line for each in drawn for line in _drawing(each, voice)]
    if made := promises.of(ruleset.name):
        lines += [f"## {words['properties']}", "", words["proven"], ""]
        lines += [*property_table(ruleset, made, voice), ""]
    kept = reliance(ruleset, made)
    for kind in _KINDS:
        rules = list(ruleset.of_kind(kind))
        if rules:
            lines += [f"## {words[kind]}", "", words[f"{kind}_says"], ""]
            lines += [line for rule in rules for line in (*_rule(ruleset, rule, kept.get(rule.id, ()), voice), "")]
    return "\n".join(lines).rstrip() + "\n"


def _candidates(ruleset: Ruleset, voice: Voice) -> list[str]:
    words = voice.words
    rows = [
        (
            escape(candidate.id),
            escape(voice.texts.title(ruleset, candidate)),
            in_words(candidate.stands, ruleset.terms, voice),
        )
        for candidate in ruleset.candidates.values()
    ]
    headings = (words["candidate"], words["title"], words["stands"])
    columns = 3 if any(_conditional(candidate) for candidate in ruleset.candidates.values()) else 2
    return table(headings[:columns], [row[:columns] for row in rows])


def _conditional(candidate: Candidate) -> bool:
    return candidate.stands != ALWAYS


def _terms(ruleset: Ruleset, sources: Mapping[str, str], voice: Voice) -> list[str]:
    words = voice.words
    rows = []
    for name, meaning in ruleset.terms.items():
        others = {other: body for other, body in ruleset.terms.items() if other != name}
        said = in_words(meaning, others, voice)
        rows.append((marked(term_anchor(name), name), said, escape(sources.get(name, ""))))
    return table((words["term"], words["means"], words["source"]), rows)


def _term_sources(path: Path) -> dict[str, str]:
    terms = documents.read(path).value.get("terms") or {}
    return {name: str(term["source"]) for name, term in terms.items() if "source" in term}


def _drawings(name: str, ruleset: Ruleset) -> list[Drawing]:
    return [each for each in DRAWINGS if each.decision == name and can_draw(ruleset, each.given)]


def _drawing(each: Drawing, voice: Voice) -> list[str]:
    given = voice.words["comma"].join(escape(f"{name} {value}") for name, value in each.given.items())
    picture = f"![{escape(each.name)}]({each.name}.svg)"
    return [
        f"### {each.name}",
        "",
        point(voice.words["known"], given, voice),
        "",
        f"[{picture}]({each.name}.svg)",
        "",
    ]


# Rules


def _rule(ruleset: Ruleset, rule: Rule, kept: Sequence[Property], voice: Voice) -> Iterator[str]:
    words = voice.words
    yield f"### {escape(rule.id)}"
    yield ""
    yield point(words["missing" if rule.is_missing else "because"], escape(voice.texts.rule(rule)), voice)
    yield point(*_does(rule, voice), voice)
    yield point(*_when(ruleset, rule, voice), voice)
    if rule.source:
        yield point(words["source"], escape(rule.source), voice)
    if kept:
        links = (link(promise.id, f"#{property_anchor(promise)}") for promise in kept)
        yield point(words["serves"], words["comma"].join(links), voice)
    yield point(words["stands_at"], escape(rule.where), voice)
    if rule.tests:
        yield ""
        yield from _tests(rule, voice)


def _does(rule: Rule, voice: Voice) -> tuple[str, str]:
    """What the rule does, and to whom."""
    words = voice.words
    names = {name: words["every"] if name == EVERY else escape(name) for name in rule.targets}
    if rule.kind == "preference":
        return words["prefers"], words["comma"].join(
            words["points"].format(name=names[target], points=points) for target, points in rule.targets.items()
        )
    listed = words["comma"].join(names.values())
    if rule.kind == "case":
        return words["argues"], f"{listed}{words['comma']}{words['fit']} {FITS[rule.fit]}"
    return words["forbids"], listed


def _when(ruleset: Ruleset, rule: Rule, voice: Voice) -> tuple[str, str]:
    """The condition as it is written, with ``when`` or ``unless``."""
    if isinstance(rule.when, Not) and rule.when not in ruleset.terms.values():
        return voice.words["unless"], in_words(rule.when.part, ruleset.terms, voice)
    return voice.words["when"], in_words(rule.when, ruleset.terms, voice)


def _tests(rule: Rule, voice: Voice) -> list[str]:
    words = voice.words
    rows = []
    for test in rule.tests:
        given = words["comma"].join(escape(f"{name} {number(value)}") for name, value in test.given.items())
        rows.append((given, words["yes" if test.applies else "no"]))
    return table((words["example"], words["applies"]), rows)

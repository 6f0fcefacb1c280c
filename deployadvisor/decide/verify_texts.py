"""Checks on what rules say: one id each, a text that reads well, and the same in every language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployadvisor.decide.findings import Issue
from deployadvisor.decide.ruleset import Rule, Ruleset
from deployadvisor.decide.texts import Texts, missing_texts, stale_texts
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.errors import Where

MAX_TEXT = 200
"""Characters of a text that still fit an answer on one screen."""
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FULL_STOPS = (".", "。")


def check_rule_texts(rulesets: Sequence[Ruleset]) -> Iterator[Issue]:
    """DA013: ids that are used twice or hard to read, and texts that are not as long and shaped as they should be."""
    first: dict[str, Rule] = {}
    for ruleset in rulesets:
        for rule in ruleset.rules:
            problems = [*_wording(rule.text, is_missing=rule.is_missing)]
            if not _ID.fullmatch(rule.id):
                problems.append("an id is words of small letters and digits with hyphens between them")
            if rule.id in first:
                problems.append(f"the id is used twice (first at {first[rule.id].where})")
            first.setdefault(rule.id, rule)
            for problem in problems:
                yield Issue("DA013", rule.where, f"{rule.id}: {problem}", rule.id, ruleset.name)


def check_translation(translation: Texts, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> Iterator[Issue]:
    """DA013: texts that a translation lacks, has too many of, or words otherwise than the rule does."""
    about = f"texts.{translation.language}"
    for key in missing_texts(translation, rulesets, vocabulary):
        message = f"no text in {translation.language} for {key}"
        yield Issue("DA013", _place(key, rulesets, vocabulary), message, key, about)
    for key in stale_texts(translation, rulesets, vocabulary):
        place = translation.places[tuple(key.split("."))]
        yield Issue("DA013", place, f"a text for nothing called {key}", key, about)
    for rule in (rule for ruleset in rulesets for rule in ruleset.rules):
        if (where := translation.places.get(("rules", rule.id))) is not None:
            for problem in _wording(translation.rule(rule), is_missing=rule.is_missing):
                yield Issue("DA013", where, f"{rule.id}: {problem}", rule.id, about)


def _wording(text: str, *, is_missing: bool) -> Iterator[str]:
    if "\n" in text:
        yield "the text has more than one line"
    if len(text) > MAX_TEXT:
        yield f"the text has more than {MAX_TEXT} characters"
    if text.endswith(_FULL_STOPS) is is_missing:
        yield (
            "missing names a thing to obtain, without a full stop" if is_missing else "because ends with a full stop"
        )


def _place(key: str, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> Where:
    """Where the text stands that is to be translated."""
    section, name, *rest = key.split(".")
    if section == "rules":
        return next(rule.where for ruleset in rulesets for rule in ruleset.rules if rule.id == name)
    if section == "candidates":
        return next(ruleset.candidates[rest[0]].where for ruleset in rulesets if ruleset.name == name)
    if section == "inputs":
        return vocabulary.inputs[name].where
    attributes = {name: fact for ruleset in rulesets for name, fact in ruleset.attributes.items()}
    return {**attributes, **vocabulary.facts}[name].where

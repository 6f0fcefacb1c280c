"""Everything that can be proven about rules: each decision by itself, and the words that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.leads import leaders
from deployadvisor.decide.properties import Properties
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.verify_answers import check_answers
from deployadvisor.decide.verify_properties import check_properties
from deployadvisor.decide.verify_rules import check_rules
from deployadvisor.decide.verify_words import Decided, check_words
from deployadvisor.decide.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found, and over how much."""

    issues: tuple[Issue, ...]
    profiles: Mapping[str, int]
    """Possible profiles that each ruleset can tell apart."""
    nodes: int
    """Nodes of all diagrams that were needed."""


def verify(vocabulary: Vocabulary, rulesets: Sequence[Ruleset], properties: Properties) -> Verified:
    """Prove what can be proven; what is not so becomes an issue."""
    issues: list[Issue] = []
    decisions: list[Decided] = []
    for ruleset in rulesets:
        promises = properties.of(ruleset.name)
        compiled = Compiled(ruleset, [promise.when for promise in promises])
        answers = leaders(compiled)
        decisions.append(Decided(compiled, answers))
        issues += check_answers(compiled, answers)
        issues += check_rules(compiled, answers)
        issues += check_properties(compiled, promises)
    issues += check_words(vocabulary, decisions)
    return Verified(
        issues=tuple(issues),
        profiles={decided.ruleset.name: decided.compiled.profiles for decided in decisions},
        nodes=sum(len(decided.compiled.diagrams) for decided in decisions),
    )

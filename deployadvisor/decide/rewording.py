"""What two versions of a ruleset say differently: rules, candidates and the facts they use, compared as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields

from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import tests_in
from deployadvisor.decide.ruleset import Rule, Ruleset
from deployadvisor.decide.vocabulary import Fact

_NOT_COMPARED = frozenset({"id", "where", "tests"})


@dataclass(frozen=True, slots=True)
class Rewording:
    """Differences of what is written, whether or not an answer depends on them."""

    added: tuple[str, ...]
    """Rules by id, in file order."""
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    """Which parts of a rule read differently; ``when`` also where a term means something else now."""
    titles: tuple[str, ...]
    """Candidates that are called differently."""
    scope: tuple[str, ...]
    """Candidates and facts of the decision that came, went or changed, in words."""
    assumptions: tuple[str, ...]
    """Assumptions about these facts that came, went or changed, in words."""

    @property
    def is_empty(self) -> bool:
        """Whether both versions say the same about the same."""
        return not (self.added or self.removed or self.changed or self.titles or self.scope or self.assumptions)


def rewording(old: Ruleset, new: Ruleset) -> Rewording:
    """Compare what two versions of a ruleset say."""
    before, after = ({rule.id: rule for rule in ruleset.rules} for ruleset in (old, new))
    common = [name for name in after if name in before]
    parts = {name: _changed_parts(before[name], after[name]) for name in common}
    return Rewording(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed={name: changed for name, changed in parts.items() if changed},
        titles=tuple(
            name
            for name, candidate in new.candidates.items()
            if name in old.candidates and candidate.title != old.candidates[name].title
        ),
        scope=(*_came_and_went("candidate", old.candidates, new.candidates), *_facts(old, new)),
        assumptions=tuple(_assumptions(old, new)),
    )


def _changed_parts(before: Rule, after: Rule) -> tuple[str, ...]:
    names = (field.name for field in fields(Rule) if field.name not in _NOT_COMPARED)
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _came_and_went(noun: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{noun} {name} is new" for name in after if name not in before)
    yield from (f"{noun} {name} is gone" for name in before if name not in after)


def _facts(old: Ruleset, new: Ruleset) -> Iterator[str]:
    """Changes of the facts that the rules of either version test."""
    tested = old.tests_of.keys() | new.tests_of.keys()
    before, after = (
        {name: fact for name, fact in ruleset.vocabulary.facts.items() if name in tested} for ruleset in (old, new)
    )
    yield from _came_and_went("fact", before, after)
    for name, fact in after.items():
        if name in before:
            yield from _changed_fact(before[name], fact)


def _assumptions(old: Ruleset, new: Ruleset) -> Iterator[str]:
    tested = old.tests_of.keys() | new.tests_of.keys()
    before, after = (
        {one.id: one.holds for one in ruleset.assumptions if _about(one, tested)} for ruleset in (old, new)
    )
    yield from _came_and_went("assumption", before, after)
    yield from (
        f"assumption {name} says something else" for name in after if name in before and before[name] != after[name]
    )


def _about(assumption: Assumption, facts: Set[str]) -> bool:
    return any(test.fact in facts for test in tests_in(assumption.holds))


def _changed_fact(before: Fact, after: Fact) -> Iterator[str]:
    if before.type != after.type:
        yield f"fact {after.name}: type {before.type} became {after.type}"
    for value in after.values:
        if value not in before.values:
            yield f"fact {after.name}: value {value} is new"
    for value in before.values:
        if value not in after.values:
            yield f"fact {after.name}: value {value} is gone"
    if before.assume != after.assume:
        yield f"fact {after.name}: assumed {_or_nothing(before)} became {_or_nothing(after)}"


def _or_nothing(fact: Fact) -> str:
    return "nothing" if fact.assume is None else str(fact.assume)

"""Why: the facts that an answer rests on, none of which can be spared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deployadvisor.answer import Answer
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.compatibility import Assessment
from deployadvisor.decide.compiled import compiled
from deployadvisor.decide.evaluate import Decision
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.space import attribute_of
from deployadvisor.decide.sufficient import duel, sufficient, sufficient_for
from deployadvisor.decide.vocabulary import Fact
from deployadvisor.explanation import Explanation
from deployadvisor.facts import provider_attributes
from deployadvisor.reasoning import FactValue, Why, WhyChoice, WhyFact

Known = Mapping[str, FactValue]

_SPARED_LAST = {"answered": 2, "assumed": 1}
"""What a person said stays among the facts rather than what was assumed, and that rather than what follows."""


def why(answer: Answer, words: Explanation) -> Why:
    """Facts that force the route, and those that force the engine or provider; none while the answer is open."""
    decision, known = answer.verdict.route, answer.verdict.situation.known
    if decision.status == "open":
        return Why(route=None, facts=(), reasons=())
    ruleset = answer.rulebook.route
    names = sufficient(compiled(ruleset), answer.verdict.situation.values(), _spared_first(known))
    return Why(
        route=decision.winner or decision.status,
        facts=tuple(_fact(words, ruleset.vocabulary.facts[name], known[name]) for name in names),
        reasons=tuple(words.reasons_of(decision)),
        choice=_of_engine(answer, words) or _of_provider(answer, words),
    )


def _spared_first(known: Known) -> list[str]:
    """Names of facts, those that follow from others first, and of equals the last in the vocabulary."""
    order = list(known)
    order.reverse()
    return sorted(order, key=lambda name: _SPARED_LAST.get(known[name].basis, 0))


def _fact(words: Explanation, fact: Fact, known: FactValue, candidate: str | None = None) -> WhyFact:
    return WhyFact(fact=fact.name, candidate=candidate, text=words.texts.ask(fact), **known.model_dump())


def _of_engine(answer: Answer, words: Explanation) -> WhyChoice | None:
    role = answer.planned.role
    if role is None or role.decision.winner is None:
        return None
    source = f"role of the engine on route {answer.verdict.route.winner}"
    known = {**answer.verdict.situation.known, "role": FactValue(value=role.role, basis="computed", source=source)}
    own = {name: _gates(assessment) for name, assessment in role.assessments.items()}
    return WhyChoice(
        engine=role.decision.winner,
        title=engines()[role.decision.winner].name,
        facts=tuple(_election(answer.rulebook.engine, role.decision, known, own, words)),
        reasons=tuple(words.reasons_of(role.decision)),
    )


def _gates(assessment: Assessment) -> Known:
    """The gates that an engine has passed or not, each with the sentence behind it."""
    listed = f"{assessment.engine.name} {assessment.engine.version} in the engine catalogue"
    return {
        name: FactValue(value=value, basis="computed", source=assessment.details.get(name) or listed)
        for name, value in assessment.attributes.items()
    }


def _of_provider(answer: Answer, words: Explanation) -> WhyChoice | None:
    decision, situation = answer.verdict.provider, answer.verdict.situation
    if answer.planned.provider is None or decision.winner is None:
        return None
    own = {
        name: {
            key: FactValue(value=value, basis="looked up", source="provider catalogue") for key, value in it.items()
        }
        for name, it in provider_attributes(answer.verdict.profile, situation).items()
    }
    return WhyChoice(
        provider=decision.winner,
        title=providers()[decision.winner].name,
        facts=tuple(_election(answer.rulebook.provider, decision, situation.known, own, words)),
        reasons=tuple(words.reasons_of(decision)),
    )


def _election(
    ruleset: Ruleset, decision: Decision, known: Known, own: Mapping[str, Known], words: Explanation
) -> Iterator[WhyFact]:
    """Facts that force the winner of a decision among candidates with attributes: those of others go first."""
    winner = decision.winner or ""
    rivals = [name for name in decision.standings if name != winner]
    owners = {attribute_of(name, key): (name, key) for name in (winner, *rivals) for key in own[name]}
    everything = dict(known) | {label: own[name][key] for label, (name, key) in owners.items()}
    theirs = [label for label, (name, _) in owners.items() if name != winner]
    names = sufficient_for(
        [duel(ruleset, winner, rival) for rival in rivals or [winner]],
        {name: fact.value for name, fact in everything.items()},
        (*reversed(theirs), *_spared_first(known)),
    )
    for name in _own_last(names, owners):
        candidate, key = owners.get(name, (None, name))
        yield _fact(words, ruleset.vocabulary.facts[key], everything[name], candidate)


def _own_last(names: Iterable[str], owners: Mapping[str, object]) -> list[str]:
    """Facts of the project before those of candidates."""
    return sorted(names, key=lambda name: name in owners)

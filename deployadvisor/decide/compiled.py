"""A ruleset as diagrams: the whole decision as one function of all facts, on which proofs are walks.

What :mod:`deployadvisor.decide.evaluate` computes for one profile, this holds for every profile at once. Each part
(the condition of a rule, what a candidate may, its fit, the winner) is built when it is first asked for.

Attributes belong to candidates, so each candidate has its own copy of each attribute, the fact ``its_fit of vllm``.
Where candidates are judged by attributes, those that no rule names are alike but for their place in the list; two of
them stand for all, which keeps a decision among twenty candidates as small as one among seven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from deployadvisor.decide.cells import Cells
from deployadvisor.decide.conditions import All, Condition, Facts, Not, Test, tests_in
from deployadvisor.decide.diagram import Node, Value
from deployadvisor.decide.evaluate import Attributes
from deployadvisor.decide.ruleset import Candidate, Rule, Ruleset
from deployadvisor.decide.space import Space, attribute_of, space_of
from deployadvisor.decide.vocabulary import FactValue

_POINTS = 4096
"""More than the points that one candidate can collect."""


@dataclass(frozen=True, slots=True)
class Score:
    """What ranks a candidate: fit, then points, then the earlier place in the list."""

    fit: int
    points: int
    candidate: str


class Compiled:
    """One ruleset as diagrams over the cells of its facts. Nodes belong to ``diagrams``."""

    def __init__(self, ruleset: Ruleset, also: Iterable[Condition] = (), space: Space | None = None) -> None:
        """``also`` holds conditions that are asked about beside the rules; ``space`` one that is shared."""
        space = space or space_of([ruleset], also)
        self.ruleset = ruleset
        self.candidates: Mapping[str, Candidate] = {
            name: ruleset.candidates[name] for name in space.candidates if name in ruleset.candidates
        }
        self.facts: Mapping[str, Cells] = space.facts
        self.levels: Mapping[str, int] = {name: level for level, name in enumerate(space.facts)}
        self.names: tuple[str, ...] = tuple(space.facts)
        self.diagrams = space.diagrams
        self._applies: dict[tuple[str, str | None], Node] = {}
        self._from_last = tuple(self.candidates)[::-1]

    # Conditions

    def condition(self, condition: Condition, candidate: str | None = None) -> Node:
        """Where a condition holds; ``candidate`` says whose attributes it tests."""
        diagrams = self.diagrams
        if isinstance(condition, Test):
            own = condition.fact in self.ruleset.attributes
            name = attribute_of(candidate, condition.fact) if own and candidate else condition.fact
            return diagrams.test(self.levels[name], self.facts[name].accepted(condition.accepted))
        if isinstance(condition, Not):
            return diagrams.inverse(self.condition(condition.part, candidate))
        result = diagrams.true if isinstance(condition, All) else diagrams.false
        join = diagrams.both if isinstance(condition, All) else diagrams.either
        for part in condition.parts:
            result = join(result, self.condition(part, candidate))
        return result

    def applies(self, rule: Rule, candidate: str) -> Node:
        """Where a rule applies to a candidate."""
        own = any(test.fact in self.ruleset.attributes for test in tests_in(rule.when))
        key = (rule.id, candidate if own else None)
        if key not in self._applies:
            self._applies[key] = self.condition(rule.when, candidate)
        return self._applies[key]

    # Candidates

    def allowed(self, candidate: str, without: str = "") -> Node:
        """Where a candidate stands and no constraint forbids it; ``without`` leaves one rule out."""
        diagrams = self.diagrams
        forbidden = diagrams.false
        for rule in self.ruleset.speaking[candidate]:
            if rule.kind == "constraint" and rule.id != without:
                forbidden = diagrams.either(forbidden, self.applies(rule, candidate))
        stands = self.condition(self.candidates[candidate].stands, candidate)
        return diagrams.both(stands, diagrams.inverse(forbidden))

    def score(self, candidate: str, without: str = "") -> Node:
        """Rank of a candidate as one number, 0 where it is not allowed; :meth:`read_score` takes it apart."""
        diagrams = self.diagrams
        fit, points = diagrams.leaf(0), diagrams.leaf(0)
        for rule in self.ruleset.speaking[candidate]:
            if rule.kind == "constraint" or rule.id == without:
                continue
            worth = diagrams.leaf(rule.fit if rule.kind == "case" else rule.points_for(candidate))
            worth = diagrams.combine(_where_true, self.applies(rule, candidate), worth)
            if rule.kind == "case":
                fit = diagrams.combine(_larger, fit, worth)
            else:
                points = diagrams.combine(_sum, points, worth)
        rank = diagrams.combine(_rank, fit, points)
        place = diagrams.leaf((self._from_last.index(candidate), len(self._from_last)))
        placed = diagrams.combine(_placed, rank, place)
        return diagrams.combine(_where_true, self.allowed(candidate, without), placed)

    def read_score(self, number: Value) -> Score | None:
        """Fit, points and candidate of a leaf of :attr:`best`; None where nothing is allowed."""
        if not isinstance(number, int) or number == 0:
            return None
        rank, place = divmod(number - 1, len(self._from_last))
        fit, points = divmod(rank, _POINTS)
        return Score(fit, points, self._from_last[place])

    @cached_property
    def scores(self) -> Mapping[str, Node]:
        """The rank of each candidate."""
        return {name: self.score(name) for name in self.candidates}

    @cached_property
    def best(self) -> Node:
        """The highest rank of all candidates."""
        return self.highest(self.scores.values())

    def highest(self, scores: Iterable[Node]) -> Node:
        """The highest of several ranks."""
        result = self.diagrams.leaf(0)
        for score in scores:
            result = self.diagrams.combine(_larger, result, score)
        return result

    def winner_of(self, best: Node) -> Node:
        """Name of the candidate that a diagram of ranks elects; the leaf None where nothing is allowed."""
        return self.diagrams.combine(_elected, best, self.diagrams.leaf(self._from_last))

    @cached_property
    def winner(self) -> Node:
        """Name of the winner; None where nothing is allowed."""
        return self.winner_of(self.best)

    # Profiles

    @cached_property
    def possible(self) -> Node:
        """True for combinations of facts that the assumptions of the vocabulary admit."""
        result = self.diagrams.true
        for assumption in self.ruleset.assumptions:
            if all(test.fact in self.levels for test in tests_in(assumption.holds)):
                result = self.diagrams.both(result, self.condition(assumption.holds))
        return result

    @cached_property
    def profiles(self) -> int:
        """How many possible profiles the rules can tell apart."""
        return self.diagrams.counts(self.possible).get(True, 0)

    def share(self, condition: Node) -> float:
        """Share of the possible profiles in which a condition holds."""
        both = self.diagrams.both(self.possible, condition)
        return self.diagrams.counts(both).get(True, 0) / max(self.profiles, 1)

    def known(self, facts: Facts, attributes: Attributes | None = None) -> dict[int, int]:
        """The cells of what is known, by level; facts that no rule mentions are left out."""
        cells = {
            self.levels[name]: self.facts[name].index(value) for name, value in facts.items() if name in self.levels
        }
        for candidate, own in (attributes or {}).items():
            for attribute, value in own.items():
                name = attribute_of(candidate, attribute)
                if name in self.levels:
                    cells[self.levels[name]] = self.facts[name].index(value)
        return cells

    def witness(self, condition: Node) -> dict[str, FactValue] | None:
        """A possible profile in which a condition holds: the facts that matter. None when there is none."""
        path = self.diagrams.witness(self.diagrams.both(self.possible, condition), bool)
        if path is None:
            return None
        return {self.names[level]: self.facts[self.names[level]].witnesses[cell] for level, cell in path.items()}

    def winner_for(self, facts: Facts) -> str | None:
        """The winner for a complete profile; None where nothing is allowed. Without provenance, hence fast."""
        diagrams, node = self.diagrams, self.winner
        while diagrams.level[node] != diagrams.bottom:
            name = self.names[diagrams.level[node]]
            node = diagrams.kids(node)[self.facts[name].index(facts[name])]
        winner: str | None = diagrams.value(node)
        return winner

    def remaining(self, facts: Facts, attributes: Attributes | None = None) -> frozenset[str | None]:
        """Winners that are still possible while some facts are open; exact. None stands for "nothing is allowed"."""
        known = self.known(facts, attributes)
        diagrams = self.diagrams
        answers = diagrams.restrict(diagrams.combine(_among_possible, self.winner, self.possible), known)
        return frozenset(w for w in diagrams.leaves(answers) if w is not IMPOSSIBLE)


class _Impossible:
    """The value of a profile that cannot be."""

    def __repr__(self) -> str:
        return "IMPOSSIBLE"


IMPOSSIBLE = _Impossible()


@lru_cache(maxsize=32)
def compiled(ruleset: Ruleset) -> Compiled:
    """The diagrams of a ruleset, built once."""
    return Compiled(ruleset)


def _where_true(condition: Value, value: Value) -> Value:
    return value if condition else 0


def _larger(a: Value, b: Value) -> Value:
    return max(a, b)


def _sum(a: Value, b: Value) -> Value:
    return a + b


def _rank(fit: Value, points: Value) -> Value:
    return fit * _POINTS + points


def _placed(rank: Value, place: Value) -> Value:
    position, candidates = place
    return 1 + position + candidates * rank


def _elected(number: Value, names: Value) -> Value:
    return names[(number - 1) % len(names)] if number else None


def _among_possible(value: Value, possible: Value) -> Value:
    return value if possible else IMPOSSIBLE

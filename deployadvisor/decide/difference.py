"""What two versions of a ruleset answer differently, over all profiles, and the proof that one is not weaker.

Both versions are compiled over the same cells: the facts of both, cut at the constants of both. Then every question
about the two (where do the answers differ, where is something allowed that was forbidden) is a walk over one diagram,
exact and with a profile to show for it. Profiles that the later version assumes impossible are left out.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.diagram import Value
from deployadvisor.decide.rewording import Rewording, rewording
from deployadvisor.decide.ruleset import Rule, Ruleset
from deployadvisor.decide.space import space_of
from deployadvisor.decide.sufficient import sufficient_for
from deployadvisor.decide.versions import Bump
from deployadvisor.decide.vocabulary import FactValue

Witness = Mapping[str, FactValue]
"""The facts that matter of one profile; whatever the others are, it shows what it is there to show."""


@dataclass(frozen=True, slots=True)
class Move:
    """Profiles that one answer of the old version and another of the new one; None where nothing is allowed."""

    before: str | None
    after: str | None
    share: float
    """Of the possible profiles that the two versions can tell apart."""
    witness: Witness


@dataclass(frozen=True, slots=True)
class Weakening:
    """A candidate that is allowed now although a rule that may not be overridden kept it out."""

    candidate: str
    rule: Rule | None
    """The rule that no longer holds; None where the candidate did not even stand for election."""
    witness: Witness

    @property
    def message(self) -> str:
        """What has become weaker, in words."""
        if self.rule is None:
            return f"{self.candidate} stands for election where it did not"
        return f"{self.rule.id} no longer forbids {self.candidate}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One ruleset in two versions."""

    name: str
    before: str
    """The version that the old rules declare."""
    after: str
    moves: tuple[Move, ...]
    """Changed answers, the most frequent first."""
    weakened: tuple[Weakening, ...]
    rewording: Rewording

    @property
    def share(self) -> float:
        """Share of the distinguishable profiles that change their answer."""
        return sum(move.share for move in self.moves)

    @property
    def bump(self) -> Bump:
        """The step that the version must take: major for a weaker hard rule, minor for other answers or facts."""
        if self.weakened:
            return "major"
        if self.moves or self.rewording.scope:
            return "minor"
        return "none" if self.rewording.is_empty else "patch"


def difference(old: Ruleset, new: Ruleset) -> Difference:
    """Compare two versions of a ruleset; RulesError where a fact has changed so much that they have no profile."""
    before, after = _side_by_side(old, new)
    return Difference(
        name=new.name,
        before=old.version,
        after=new.version,
        moves=_moves(before, after),
        weakened=tuple(_weakenings(before, after)),
        rewording=rewording(old, new),
    )


def weakened(base: Ruleset, effective: Ruleset) -> Weakening | None:
    """A candidate that is allowed where the base forbids it for good; None proves that there is none."""
    return next(_weakenings(*_side_by_side(base, effective)), None)


def _moves(old: Compiled, new: Compiled) -> tuple[Move, ...]:
    """Each pair of answers with its share and a profile, of which only the facts are kept that force both answers."""
    diagrams = new.diagrams
    moved = diagrams.combine(_where_possible, diagrams.combine(_move, old.winner, new.winner), new.possible)
    counts = diagrams.counts(moved)
    found = []
    for before, after in diagrams.leaves(moved) - {None}:
        pair = (before, after)
        path = diagrams.witness(moved, partial(operator.eq, pair)) or {}
        facts = {new.names[level]: new.facts[new.names[level]].witnesses[cell] for level, cell in path.items()}
        witness = {name: facts[name] for name in sufficient_for((old, new), facts)}
        found.append(Move(before, after, counts[pair] / new.profiles, witness))
    return tuple(sorted(found, key=lambda move: (-move.share, str(move.before), str(move.after))))


def _weakenings(old: Compiled, new: Compiled) -> Iterator[Weakening]:
    diagrams = new.diagrams
    for name, candidate in old.candidates.items():
        if name not in new.candidates:
            continue
        allowed = new.allowed(name)
        hard = [rule for rule in old.ruleset.speaking[name] if rule.kind == "constraint" and not rule.overridable]
        for rule in (None, *hard):
            kept_out = old.applies(rule, name) if rule else diagrams.inverse(old.condition(candidate.stands, name))
            witness = new.witness(diagrams.both(allowed, kept_out))
            if witness is not None:
                yield Weakening(name, rule, witness)


def _side_by_side(old: Ruleset, new: Ruleset) -> tuple[Compiled, Compiled]:
    """Both versions over one space, so that nodes of the two can be combined."""
    space = space_of([old, new])
    return Compiled(replace(old, assumptions=new.assumptions), space=space), Compiled(new, space=space)


def _move(before: Value, after: Value) -> Value:
    return None if before == after else (before, after)


def _where_possible(move: Value, possible: Value) -> Value:
    return move if possible else None

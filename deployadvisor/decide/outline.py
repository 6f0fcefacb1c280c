"""Decisions in the words of the rules: conditions that name their terms, diagrams as questions and answers.

What this returns is still to be laid out, as a page or as a drawing. It holds no text but that of the rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deployadvisor.decide.cells import Cells
from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.conditions import All, Any_, Condition, Not, Test
from deployadvisor.decide.diagram import Diagrams, Node
from deployadvisor.decide.evidence import where_possible

# Conditions


@dataclass(frozen=True, slots=True)
class Speech:
    """How to say the parts of a condition."""

    test: Callable[[Test], str] = lambda test: f"{test.fact} {test.phrase}"
    term: Callable[[str], str] = str
    both: str = " and "
    either: str = " or "
    opposite: str = "not "
    always: str = "always"
    brackets: tuple[str, str] = ("(", ")")


def spoken(condition: Condition, terms: Mapping[str, Condition], speech: Speech) -> str:
    """A condition as its author wrote it: a term by its name, everything else by its tests."""
    name = _term(condition, terms)
    if name is not None:
        return speech.term(name)
    if isinstance(condition, Test):
        return speech.test(condition)
    if isinstance(condition, Not):
        plain = _term(condition.part, terms) is not None
        part = spoken(condition.part, terms, speech)
        return speech.opposite + (part if plain else _bracketed(part, speech))
    if not condition.parts:
        return speech.always
    joint = speech.both if isinstance(condition, All) else speech.either
    return joint.join(_part(part, type(condition), terms, speech) for part in condition.parts)


def _term(condition: Condition, terms: Mapping[str, Condition]) -> str | None:
    """The term that stood here: a rule that uses a term holds the very condition that the term means."""
    return next((name for name, meaning in terms.items() if meaning is condition), None)


def _part(part: Condition, around: type[All | Any_], terms: Mapping[str, Condition], speech: Speech) -> str:
    words = spoken(part, terms, speech)
    joined = isinstance(part, All | Any_) and len(part.parts) > 1 and _term(part, terms) is None
    return _bracketed(words, speech) if joined and not isinstance(part, around) else words


def _bracketed(words: str, speech: Speech) -> str:
    return words.join(speech.brackets)


# Diagrams


@dataclass(frozen=True, slots=True)
class Answer:
    """Some answers to a question, in words, and the node that they all lead to."""

    words: str
    to: Node


@dataclass(frozen=True, slots=True)
class Question:
    """A node of a diagram: it asks for a fact, and each answer leads to another node."""

    node: Node
    fact: str
    answers: tuple[Answer, ...]


def winners(compiled: Compiled, known: Mapping[int, int]) -> Node:
    """The winner once some cells are known; nothing is asked that only impossible profiles could answer otherwise."""
    diagrams = compiled.diagrams
    left = diagrams.restrict(where_possible(compiled, compiled.winner), known)
    return _without(diagrams, left, diagrams.leaf(IMPOSSIBLE))


def _without(diagrams: Diagrams, root: Node, unwanted: Node) -> Node:
    memo: dict[Node, Node] = {}

    def settle(node: Node) -> Node:
        if diagrams.is_leaf(node):
            return node
        if node not in memo:
            kids = tuple(settle(kid) for kid in diagrams.kids(node))
            wanted = set(kids) - {unwanted}
            memo[node] = wanted.pop() if len(wanted) == 1 else diagrams.node(diagrams.level[node], kids)
        return memo[node]

    return settle(root)


def questions(compiled: Compiled, root: Node) -> tuple[Question, ...]:
    """Every question below ``root``, in the order in which facts are asked."""
    diagrams = compiled.diagrams
    inner = [node for node in diagrams.nodes(root) if not diagrams.is_leaf(node)]
    return tuple(_question(compiled, node) for node in sorted(inner, key=diagrams.level.__getitem__))


def _question(compiled: Compiled, node: Node) -> Question:
    diagrams = compiled.diagrams
    fact = compiled.names[diagrams.level[node]]
    cells = compiled.facts[fact]
    leading: dict[Node, list[int]] = {}
    for cell, kid in enumerate(_possible_kids(compiled, cells, node)):
        leading.setdefault(kid, []).append(cell)
    leading.pop(diagrams.leaf(IMPOSSIBLE), None)
    answers = (Answer(described(cells, chosen), kid) for kid, chosen in leading.items())
    return Question(node, fact, tuple(answers))


def _possible_kids(compiled: Compiled, cells: Cells, node: Node) -> list[Node]:
    """Children by cell; numbers that cannot be go with their neighbours: ``below 5``, not ``1 to below 5``."""
    kids, impossible = list(compiled.diagrams.kids(node)), compiled.diagrams.leaf(IMPOSSIBLE)
    if cells.fact.type == "number":
        for order in (range(1, len(kids)), range(len(kids) - 2, -1, -1)):
            for at in order:
                if kids[at] == impossible:
                    kids[at] = kids[at - order.step]
    return kids


def described(cells: Cells, chosen: Sequence[int]) -> str:
    """Several cells of one fact as a test in words, as a rule would write it; ``chosen`` is in order."""
    if cells.fact.type == "number":
        runs = (_run(cells, run) for run in _runs(chosen))
        return " or ".join(runs)
    words = [str(word) for word in cells.witnesses]
    others = [word for at, word in enumerate(words) if at not in chosen]
    if len(chosen) > 1 and others:
        if cells.fact.ordered and len(_runs(chosen)) == 1 and chosen[-1] == len(words) - 1:
            return f"at least {words[chosen[0]]}"
        if cells.fact.ordered and len(_runs(chosen)) == 1 and chosen[0] == 0:
            return f"at most {words[chosen[-1]]}"
        if len(others) == 1:
            return f"not {others[0]}"
    return " or ".join(words[at] for at in chosen)


def _runs(chosen: Sequence[int]) -> list[list[int]]:
    """Neighbours together: ``[0, 1, 4]`` is ``[0, 1]`` and ``[4]``."""
    groups = itertools.groupby(enumerate(chosen), lambda pair: pair[1] - pair[0])
    return [[at for _, at in group] for _, group in groups]


def _run(cells: Cells, run: Sequence[int]) -> str:
    low = cells.cuts[run[0] - 1] if run[0] > 0 else None
    high = cells.cuts[run[-1]] if run[-1] < len(cells.cuts) else None
    if low and high and low[0] == high[0]:
        return f"{low[0]:,.10g}"
    ends = [f"{'above' if low[1] else 'at least'} {low[0]:,.10g}"] if low else []
    ends += [f"{'at most' if high[1] else 'below'} {high[0]:,.10g}"] if high else []
    return " and ".join(ends) or "any number"


def narrowing(compiled: Compiled, root: Node) -> tuple[str, ...]:
    """The facts on which a diagram depends, the one that makes it smallest when it is known first."""
    diagrams = compiled.diagrams

    def left(level: int) -> int:
        return max(_size(diagrams, diagrams.restrict(root, {level: cell})) for cell in range(diagrams.sizes[level]))

    return tuple(compiled.names[level] for level in sorted(sorted(diagrams.support(root)), key=left))


def _size(diagrams: Diagrams, root: Node) -> int:
    return sum(1 for _ in diagrams.nodes(root))

"""A profile that shows something, told with as few facts as will do: however the others are, it still shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.diagram import Diagrams, Node, Value
from deployadvisor.decide.vocabulary import FactValue

Wanted = Callable[[Value], bool]


def where_possible(compiled: Compiled, root: Node) -> Node:
    """The same function, with the leaf IMPOSSIBLE for profiles that cannot be."""
    return compiled.diagrams.combine(_where_possible, root, compiled.possible)


def ever(diagrams: Diagrams, *conditions: Node) -> bool:
    """Whether some profile meets all conditions. Nothing is built, and the search ends with the first profile."""
    level, false = diagrams.level, diagrams.false
    seen = {conditions}
    left = [conditions]
    while left:
        nodes = left.pop()
        top = min(level[node] for node in nodes)
        if top == diagrams.bottom:
            if false not in nodes:
                return True
            continue
        branches = (diagrams.kids(node) if level[node] == top else (node,) * diagrams.sizes[top] for node in nodes)
        fresh = {kids for kids in zip(*branches, strict=True) if false not in kids} - seen
        seen |= fresh
        left.extend(fresh)
    return False


def evidence(compiled: Compiled, root: Node, wanted: Wanted) -> dict[str, FactValue] | None:
    """Facts after which ``root`` has only wanted values, none of which can be spared; None when it has none."""
    path = compiled.diagrams.witness(root, wanted)
    if path is None:
        return None
    kept = dict(path)
    for level in sorted(path, reverse=True):
        rest = {other: cell for other, cell in kept.items() if other != level}
        if _always(compiled.diagrams, root, rest, wanted):
            kept = rest
    return {
        compiled.names[level]: compiled.facts[compiled.names[level]].witnesses[cell] for level, cell in kept.items()
    }


def _always(diagrams: Diagrams, root: Node, known: Mapping[int, int], wanted: Wanted) -> bool:
    """Whether every value is wanted that can still be reached once some cells are known."""
    seen, nodes = {root}, [root]
    while nodes:
        node = nodes.pop()
        if diagrams.is_leaf(node):
            if not wanted(diagrams.value(node)):
                return False
            continue
        kids, cell = diagrams.kids(node), known.get(diagrams.level[node])
        fresh = {*kids} if cell is None else {kids[cell]}
        nodes.extend(fresh - seen)
        seen |= fresh
    return True


def _where_possible(value: Value, possible: Value) -> Value:
    return value if possible else IMPOSSIBLE

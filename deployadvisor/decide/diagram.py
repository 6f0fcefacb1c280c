"""Multi-valued decision diagrams: a function of many facts as a graph in which equal parts are shared.

A node asks for the cell of one fact and has one child for each; a leaf holds a value. Facts are asked in one fixed
order, and a node is made only once (hash-consing), so two functions are equal exactly when their numbers are. On this
form every question about all profiles at once (is it ever, how often, show me one) is a walk over a small graph.

Bryant, R. E. (1986), Graph-Based Algorithms for Boolean Function Manipulation, IEEE Trans. Computers C-35(8);
Srinivasan, A. et al. (1990), Algorithms for Discrete Function Manipulation, ICCAD.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deployadvisor.errors import RulesError

Node = int
Value = Any
"""What a leaf holds: anything hashable."""
NODE_BUDGET = 500_000
"""Nodes after which a compilation gives up; the shipped decisions need a few thousand."""


class Diagrams:
    """All diagrams over one list of facts. Nodes are numbers that mean something only here."""

    def __init__(self, sizes: Sequence[int], budget: int = NODE_BUDGET) -> None:
        """``sizes`` holds the number of cells of each fact, in the order in which the facts are asked."""
        self.sizes = tuple(sizes)
        self.budget = budget
        self.bottom = len(self.sizes)
        """Level of the leaves."""
        self.level: list[int] = []
        self._content: list[tuple[Value, ...]] = []
        self._numbers: dict[tuple[Value, ...], Node] = {}
        self._combined: dict[Callable[[Value, Value], Value], dict[tuple[Node, Node], Node]] = {}
        self.false, self.true = self.leaf(False), self.leaf(True)

    def __len__(self) -> int:
        """Nodes made so far, leaves included."""
        return len(self.level)

    # Making

    def leaf(self, value: Value) -> Node:
        """The constant function."""
        return self._intern(self.bottom, (value.__class__, value))

    def node(self, level: int, kids: tuple[Node, ...]) -> Node:
        """The function that asks for fact ``level`` and goes on with the child of its cell."""
        first = kids[0]
        if kids.count(first) == len(kids):
            return first
        return self._intern(level, kids)

    def test(self, level: int, accepted: Sequence[bool]) -> Node:
        """True where the fact's cell is accepted."""
        return self.node(level, tuple(self.true if yes else self.false for yes in accepted))

    def _intern(self, level: int, content: tuple[Value, ...]) -> Node:
        key = (level, *content)
        number = self._numbers.get(key)
        if number is None:
            if len(self.level) >= self.budget:
                raise RulesError(
                    f"the decision needs more than {self.budget:,} nodes",
                    remedy="split it into decisions of fewer facts, or let fewer preferences touch the same facts",
                )
            number = self._numbers[key] = len(self.level)
            self.level.append(level)
            self._content.append(content)
        return number

    # Reading

    def kids(self, node: Node) -> tuple[Node, ...]:
        """Children of an inner node, one for each cell."""
        return self._content[node]

    def value(self, leaf: Node) -> Value:
        """What a leaf holds."""
        return self._content[leaf][1]

    def is_leaf(self, node: Node) -> bool:
        """Whether no fact is asked any more."""
        return self.level[node] == self.bottom

    def nodes(self, root: Node) -> Iterator[Node]:
        """Every node below and including ``root``, each once, parents before children."""
        seen = {root}
        found = [root]
        while found:
            node = found.pop()
            yield node
            if not self.is_leaf(node):
                fresh = [kid for kid in dict.fromkeys(self.kids(node)) if kid not in seen]
                seen.update(fresh)
                found.extend(fresh)

    def leaves(self, root: Node) -> frozenset[Value]:
        """Every value that the function takes."""
        return frozenset(self.value(node) for node in self.nodes(root) if self.is_leaf(node))

    def support(self, root: Node) -> frozenset[int]:
        """The facts on which the function depends."""
        return frozenset(self.level[node] for node in self.nodes(root) if not self.is_leaf(node))

    def walk(self, root: Node, cells: Sequence[int]) -> Value:
        """The value for one complete profile; ``cells`` holds the cell of every fact."""
        node = root
        while self.level[node] != self.bottom:
            node = self.kids(node)[cells[self.level[node]]]
        return self.value(node)

    def counts(self, root: Node) -> Mapping[Value, int]:
        """How many profiles lead to each value; the sum is the product of all sizes."""
        below = self._counts(root, {})
        factor = math.prod(self.sizes[: self.level[root]])
        return {value: number * factor for value, number in below.items()}

    def _counts(self, node: Node, memo: dict[Node, Mapping[Value, int]]) -> Mapping[Value, int]:
        """Profiles of the facts from the node's own on."""
        if node in memo:
            return memo[node]
        if self.is_leaf(node):
            memo[node] = {self.value(node): 1}
            return memo[node]
        total: dict[Value, int] = {}
        for kid in self.kids(node):
            skipped = math.prod(self.sizes[self.level[node] + 1 : self.level[kid]])
            for value, number in self._counts(kid, memo).items():
                total[value] = total.get(value, 0) + number * skipped
        memo[node] = total
        return total

    def witness(self, root: Node, wanted: Callable[[Value], bool]) -> Mapping[int, int] | None:
        """Cells of the facts that matter on a path to a wanted value; None when there is none."""
        dead: set[Node] = set()

        def search(node: Node) -> dict[int, int] | None:
            if self.is_leaf(node):
                return {} if wanted(self.value(node)) else None
            if node in dead:
                return None
            for cell, kid in enumerate(self.kids(node)):
                if (found := search(kid)) is not None:
                    return {self.level[node]: cell, **found}
            dead.add(node)
            return None

        return search(root)

    # Combining

    def combine(self, operation: Callable[[Value, Value], Value], a: Node, b: Node) -> Node:
        """The function that applies ``operation``, a function of two values, to the values of both."""
        memo = self._combined.setdefault(operation, {})
        return self._combine(operation, memo, a, b)

    def _combine(
        self, operation: Callable[[Value, Value], Value], memo: dict[tuple[Node, Node], Node], a: Node, b: Node
    ) -> Node:
        found = memo.get((a, b))
        if found is not None:
            return found
        level_a, level_b = self.level[a], self.level[b]
        level = min(level_a, level_b)
        if level == self.bottom:
            result = self.leaf(operation(self.value(a), self.value(b)))
        else:
            size = self.sizes[level]
            kids_a = self.kids(a) if level_a == level else (a,) * size
            kids_b = self.kids(b) if level_b == level else (b,) * size
            kids = [self._combine(operation, memo, x, y) for x, y in zip(kids_a, kids_b, strict=True)]
            result = self.node(level, tuple(kids))
        memo[a, b] = result
        return result

    def both(self, a: Node, b: Node) -> Node:
        """True where both are."""
        return b if a == self.true else a if b == self.true else self.combine(_and, a, b)

    def either(self, a: Node, b: Node) -> Node:
        """True where one is."""
        return b if a == self.false else a if b == self.false else self.combine(_or, a, b)

    def inverse(self, a: Node) -> Node:
        """True where the function is false."""
        return self.combine(_first_is_not, a, self.false)

    def where(self, condition: Node, value: Node, otherwise: Node) -> Node:
        """``value`` where the condition holds, else ``otherwise``."""
        return self.combine(_chosen, self.combine(_pair, value, otherwise), condition)

    def restrict(self, root: Node, known: Mapping[int, int]) -> Node:
        """The function of the other facts that is left once the cells of some are known."""
        memo: dict[Node, Node] = {}

        def settle(node: Node) -> Node:
            if self.is_leaf(node):
                return node
            if node not in memo:
                level, kids = self.level[node], self.kids(node)
                cell = known.get(level)
                memo[node] = (
                    self.node(level, tuple(settle(kid) for kid in kids)) if cell is None else settle(kids[cell])
                )
            return memo[node]

        return settle(root)


def _and(a: Value, b: Value) -> Value:
    return a and b


def _or(a: Value, b: Value) -> Value:
    return a or b


def _first_is_not(a: Value, _: Value) -> Value:
    return not a


def _pair(a: Value, b: Value) -> Value:
    return a, b


def _chosen(pair: Value, first: Value) -> Value:
    return pair[0] if first else pair[1]

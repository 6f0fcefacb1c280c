"""Many profiles at once get exactly the winners that they get one by one."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.decide.cells import Cells
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.vectorised import cell_indexes, table_of, winner_table
from deployadvisor.rulebook import DECISIONS, load_rules

from .examples import BODIES, built, completions, rules

SHIPPED = compiled(load_rules().route)


def winners(made: Compiled, profiles: list[Facts]) -> list[str | None]:
    table = table_of(made)
    cells = {name: cell_indexes(made.facts[name], [facts[name] for facts in profiles]) for name in table.facts}
    return [table.candidates[code] for code in table.winners(cells, len(profiles))]


@settings(deadline=None)
@given(BODIES)
def test_it_agrees_with_the_reference_on_every_profile(body: dict[str, Any]) -> None:
    ruleset = built(body)
    profiles = list(completions({}))
    assert winners(Compiled(ruleset), profiles) == [evaluate(ruleset, facts).winner for facts in profiles]


def values(cells: Cells) -> st.SearchStrategy[Any]:
    """Values of a fact; of a number mostly those at its cuts and right beside them."""
    if cells.fact.type != "number":
        return st.sampled_from(cells.fact.values)
    constants = [constant for constant, _ in cells.cuts]
    near = [math.nextafter(constant, way) for constant in constants for way in (-math.inf, math.inf)]
    return st.sampled_from([*constants, *near]) | st.floats(0, 1e9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.fixed_dictionaries({name: values(cells) for name, cells in SHIPPED.facts.items()}), min_size=1))
def test_it_agrees_on_the_shipped_routes(profiles: list[Facts]) -> None:
    found = winners(SHIPPED, profiles)
    assert found == [SHIPPED.winner_for(facts) for facts in profiles]
    assert found == [evaluate(SHIPPED.ruleset, facts).winner for facts in profiles]


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_table_is_the_diagram_of_any_shipped_decision(decision: str) -> None:
    made = compiled(getattr(load_rules(), decision))
    table = winner_table(made.ruleset)
    rows = 500
    sizes = np.array(made.diagrams.sizes)
    cells = np.random.default_rng(7).integers(0, sizes, (rows, len(sizes)), dtype=np.int32)
    codes = table.winners({name: cells[:, level] for name, level in made.levels.items()}, rows)
    assert [table.candidates[code] for code in codes] == [
        made.diagrams.walk(made.winner, row) for row in cells.tolist()
    ]


def test_a_decision_without_facts_is_the_same_for_every_row() -> None:
    table = table_of(Compiled(rules("cases: []")))
    assert table.facts == ()
    assert [table.candidates[code] for code in table.winners({}, 3)] == ["first"] * 3


@given(st.data())
def test_cells_are_those_of_single_values(data: st.DataObject) -> None:
    cells = SHIPPED.facts[data.draw(st.sampled_from(SHIPPED.names))]
    column = data.draw(st.lists(values(cells), min_size=1))
    assert cell_indexes(cells, column).tolist() == [cells.index(value) for value in column]


def test_a_strange_word_is_refused() -> None:
    with pytest.raises(KeyError, match="persnal"):
        cell_indexes(SHIPPED.facts["purpose"], ["personal", "persnal"])


def test_without_numpy_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['numpy'] = None; import deployadvisor.decide.vectorised"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("needs numpy; pip install 'deployadvisor[sweep]'")

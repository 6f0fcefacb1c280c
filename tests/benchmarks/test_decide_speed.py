"""How long deciding takes; `make bench` prints it. Nothing here fails for being slow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from deployadvisor import load_rules, recommend, rulebook
from deployadvisor.decide.cells import Cells
from deployadvisor.decide.change import cheapest_changes
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.diagram import Node
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.interview import questions
from deployadvisor.decide.sufficient import sufficient
from deployadvisor.decide.vectorised import Codes, cell_indexes, table_of, winner_table
from deployadvisor.profile import Profile
from deployadvisor.rulebook import Rulebook
from deployadvisor.rulecheck import check
from deployadvisor.sweep import Sweep
from deployadvisor.sweep_rows import Grid, grid

MILLION = 1_000_000
ROUNDS = 5


@pytest.fixture(scope="module")
def facts() -> Mapping[str, Any]:
    """Every fact of one question, as the route rules see them."""
    answers: dict[str, Any] = {"data_sensitivity": "confidential", "requests_per_day": 50_000}
    return {name: fact.value for name, fact in recommend(hardware="1x H100", **answers).facts.items()}


def test_loading_all_shipped_rules(benchmark: BenchmarkFixture) -> None:
    def load() -> Rulebook:
        rulebook._load.cache_clear()
        return load_rules()

    assert benchmark(load).route.name == "route"


def test_compiling_the_route_rules(benchmark: BenchmarkFixture) -> None:
    def compile_winner() -> Node:
        return Compiled(load_rules().route).winner

    assert benchmark(compile_winner) > 0


def test_deciding_with_full_provenance(benchmark: BenchmarkFixture, facts: Mapping[str, Any]) -> None:
    assert benchmark(evaluate, load_rules().route, facts).status == "decided"


def test_deciding_the_winner_only(benchmark: BenchmarkFixture, facts: Mapping[str, Any]) -> None:
    made = compiled(load_rules().route)
    assert benchmark(made.winner_for, facts) == evaluate(load_rules().route, facts).winner


# Many profiles


def random_column(cells: Cells, random: np.random.Generator) -> Any:
    """A million values of a fact: numbers up to ten times the largest constant, or words."""
    if cells.fact.type == "number":
        return random.uniform(0, 10 * max((constant for constant, _ in cells.cuts), default=1.0), MILLION)
    return np.array(cells.fact.values)[random.integers(0, len(cells.fact.values), MILLION)]


@pytest.fixture(scope="module")
def columns() -> Mapping[str, Any]:
    """A million random profiles, one column a fact."""
    random = np.random.default_rng(1)
    return {name: random_column(cells, random) for name, cells in compiled(load_rules().route).facts.items()}


def test_a_million_profiles_as_words(benchmark: BenchmarkFixture, columns: Mapping[str, Any]) -> None:
    """From raw words and numbers to winners."""
    made, table = compiled(load_rules().route), winner_table(load_rules().route)

    def decide() -> Codes:
        return table.winners({name: cell_indexes(made.facts[name], columns[name]) for name in table.facts}, MILLION)

    assert len(benchmark.pedantic(decide, rounds=ROUNDS, warmup_rounds=1)) == MILLION


def test_a_million_profiles(benchmark: BenchmarkFixture, columns: Mapping[str, Any]) -> None:
    """From numbers and words to winners, in columns as a sweep holds them: each different word is looked up once."""
    made, table = compiled(load_rules().route), winner_table(load_rules().route)
    words = {name: made.facts[name].fact.values for name in table.facts}
    coded = {name: cell_indexes(made.facts[name], columns[name]) for name in table.facts if words[name]}

    def decide() -> Codes:
        cells = {
            name: cell_indexes(made.facts[name], words[name]).take(coded[name])
            if words[name]
            else cell_indexes(made.facts[name], columns[name])
            for name in table.facts
        }
        return table.winners(cells, MILLION)

    assert len(benchmark.pedantic(decide, rounds=ROUNDS, warmup_rounds=1)) == MILLION


def test_flattening_the_diagram(benchmark: BenchmarkFixture) -> None:
    assert benchmark(table_of, compiled(load_rules().route)).candidates


@pytest.fixture(scope="module")
def sheet() -> Grid:
    """Ten thousand rows of sixty groups."""
    free = ["purpose=personal,prototype,evaluation,production", "internet=yes,no", "ops_capacity=nobody,part_time"]
    bound = ["requests_per_day=10:1000000:x10", "data_sensitivity=public,internal,confidential,restricted"]
    return grid([*bound, "hardware=none,1x H100", "growth_per_year=0:9:1", *free], MILLION)


def test_a_sweep(benchmark: BenchmarkFixture, sheet: Grid) -> None:
    """A grid with everything that a row needs but reading and writing it."""

    def sweep() -> int:
        swept = Sweep(Profile(), sheet.keys)
        return sum(len(swept.outcomes(block).codes) for block in sheet.blocks(10_000))

    assert benchmark.pedantic(sweep, rounds=2) == len(sheet)


# Proofs and explanations


def test_checking_all_rules(benchmark: BenchmarkFixture) -> None:
    report = benchmark.pedantic(check, (load_rules(),), rounds=ROUNDS)
    assert report.issues == ()


def test_why(benchmark: BenchmarkFixture, facts: Mapping[str, Any]) -> None:
    made = compiled(load_rules().route)
    assert benchmark(sufficient, made, facts)


def test_what_would_change(benchmark: BenchmarkFixture, facts: Mapping[str, Any]) -> None:
    made = compiled(load_rules().route)
    cost = {name: fact.change_cost for name, fact in load_rules().vocabulary.facts.items() if fact.changeable}
    assert benchmark(cheapest_changes, made, facts, cost)


def test_what_would_change_in_a_whole_answer(benchmark: BenchmarkFixture) -> None:
    advice = recommend(hardware="1x H100", data_sensitivity="confidential", requests_per_day=50_000)
    assert benchmark.pedantic(advice.what_would_change, rounds=ROUNDS, warmup_rounds=1)


def test_the_first_question(benchmark: BenchmarkFixture) -> None:
    made = compiled(load_rules().route)
    askable = {name: fact.ask_cost for name, fact in load_rules().vocabulary.facts.items() if not fact.derived}
    assert benchmark(questions, made, {}, askable)

"""Drawings of a decision once some of its facts are given; whole decisions are too large to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployadvisor.decide import outline
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Fact, FactValue, admits
from deployadvisor.documents import quoted
from deployadvisor.errors import RulesError, nearest
from deployadvisor.report import drawing
from deployadvisor.report.drawing import Legend
from deployadvisor.report.reference_words import Voice

Given = Mapping[str, str]
"""Facts by name, as a person writes them: ``{"role": "serve"}``. An attribute is given for every candidate."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of the reference pages: its file, the decision, and what is given."""

    name: str
    decision: str
    given: Given


_UNRESTRICTED = {
    "hosted_choice": "several",
    "law_needs_contract": "none",
    "law_excludes_hosted": "no",
    "acquirable": "yes",
    "data_region": "any",
    "internet": "yes",
}
DRAWINGS = (
    Drawing(
        "route-without-gpu",
        "route",
        {
            **_UNRESTRICTED,
            **dict.fromkeys(("can_serve", "can_run_desktop", "can_run_cpu", "can_experiment"), "no"),
            "can_tune": "nothing",
        },
    ),
    Drawing(
        "route-with-gpu-server",
        "route",
        {
            **_UNRESTRICTED,
            **dict.fromkeys(("can_serve", "can_run_desktop", "can_run_cpu", "can_experiment"), "yes"),
            "can_tune": "full_model",
            "gpu_busy_share": "0.2",
            "platform": "docker",
            "ops_capacity": "part_time",
            "vendor_contract": "none",
            "vendor_dependence": "accepted",
        },
    ),
    Drawing(
        "engine-serve",
        "engine",
        {"role": "serve", **dict.fromkeys(("its_platform", "its_gpu", "its_driver", "its_model"), "yes")},
    ),
)
"""Where a drawing helps. The provider decision asks five things of each provider, which no drawing makes clearer."""


def draw(ruleset: Ruleset, given: Given, voice: Voice) -> str:
    """The SVG of what is left to ask; RulesError when that is nothing, or too much to read."""
    decision = compiled(ruleset)
    root = outline.winners(decision, _cells(decision, given))
    legend = _legend(decision, given, voice)
    if decision.diagrams.is_leaf(root):
        winner = legend.winners[decision.diagrams.value(root)]
        raise RulesError(
            f"nothing is left to ask, the {ruleset.name} is settled: {winner}", remedy="give fewer facts"
        )
    return drawing.svg(decision, root, legend)


def can_draw(ruleset: Ruleset, given: Given) -> bool:
    """Whether a decision has the facts and values that a drawing gives."""
    try:
        _cells(compiled(ruleset), given)
    except RulesError:
        return False
    return True


def _cells(decision: Compiled, given: Given) -> dict[int, int]:
    cells = {}
    for name, text in given.items():
        for copy in _copies(decision, name):
            known = decision.facts[copy]
            cells[decision.levels[copy]] = known.index(_value(known.fact, text))
    return cells


def _copies(decision: Compiled, name: str) -> list[str]:
    """The facts that a name means: itself, or the copies that candidates have of an attribute."""
    copies = [name] if name in decision.facts else []
    copies += [copy for copy, cells in decision.facts.items() if cells.fact.name == name and copy != name]
    if not copies:
        names = dict.fromkeys((*(cells.fact.name for cells in decision.facts.values()), *decision.facts))
        message = f"the {decision.ruleset.name} does not depend on {quoted(name)}"
        raise RulesError(message, allowed=names, suggestion=nearest(name, names))
    return copies


def _value(fact: Fact, text: str) -> FactValue:
    value: FactValue = text
    if fact.type == "number":
        try:
            value = float(text)
        except ValueError:
            raise RulesError(f"{fact.name}: {quoted(text)} is not a number") from None
    if not admits(fact, value):
        kind = f"one of {', '.join(fact.values)}" if fact.values else "a finite number"
        suggestion = nearest(text, fact.values)
        raise RulesError(f"{fact.name}: {quoted(text)} is not {kind}", allowed=fact.values, suggestion=suggestion)
    return value


def _legend(decision: Compiled, given: Given, voice: Voice) -> Legend:
    ruleset, texts = decision.ruleset, voice.texts
    winners: dict[str | None, str] = {None: voice.words["nothing"]}
    winners |= {name: texts.title(ruleset, candidate) for name, candidate in ruleset.candidates.items()}
    asked = {name: texts.ask(cells.fact) for name, cells in decision.facts.items()}
    return Legend(_caption(ruleset, given, voice), winners, asked)


def _caption(ruleset: Ruleset, given: Given, voice: Voice) -> str:
    """What a drawing shows: the decision and everything that is given."""
    facts = voice.words["comma"].join(f"{name} {value}" for name, value in given.items())
    return voice.words["given"].format(decision=ruleset.name, facts=facts) if given else ruleset.name

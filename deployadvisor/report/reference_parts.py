"""Parts that the reference pages share: anchors, tables, points of a list, and conditions with their links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from deployadvisor.decide.conditions import Condition, Test
from deployadvisor.decide.outline import Speech, spoken
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import FactValue
from deployadvisor.report.markdown import escape
from deployadvisor.report.reference_words import Voice
from deployadvisor.rulebook import DECISIONS, Rulebook

_LONG_NUMBER = re.compile(r"\b\d{5,}\b")


def decisions(rulebook: Rulebook) -> dict[str, Ruleset]:
    """The decisions by the names of their files, whatever they call themselves."""
    return {name: getattr(rulebook, name) for name in DECISIONS}


def anchor(heading: str) -> str:
    """The anchor that Markdown viewers give to a heading."""
    return re.sub(r"[^\w-]", "", heading.strip().lower().replace(" ", "-"))


def marked(name: str, text: str) -> str:
    """Text that links can lead to by the anchor ``name``."""
    return f'<a id="{name}"></a>{escape(text)}'


def link(text: str, target: str) -> str:
    """A link; the text is escaped, the target is not."""
    return f"[{escape(text)}]({target})"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table of cells that are Markdown already."""
    lines = [headings, ("---",) * len(headings), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def point(name: str, text: str, voice: Voice) -> str:
    """A point of a list that says one thing about a rule or fact; ``text`` is Markdown already."""
    return f"- **{name}**{voice.words['colon']}{text}"


def in_words(condition: Condition, terms: Mapping[str, Condition], voice: Voice) -> str:
    """A condition in words; facts link to their page and terms to the page of the decision."""
    words = voice.words
    speech = Speech(
        test=_test,
        term=lambda name: link(name, f"#{term_anchor(name)}"),
        both=words["both"],
        either=words["either"],
        opposite=words["opposite"],
        always=words["always"],
    )
    return spoken(condition, terms, speech)


def _test(test: Test) -> str:
    phrase = _LONG_NUMBER.sub(lambda match: f"{int(match[0]):,}", test.phrase)
    return f"{fact_link(test.fact)} {escape(phrase)}"


def fact_link(fact: str) -> str:
    """A fact by name, with a link to what it means."""
    return link(fact, f"facts.md#{anchor(fact)}")


def term_anchor(name: str) -> str:
    """The anchor of a term on the page of its decision."""
    return f"term-{anchor(name)}"


def number(value: FactValue) -> str:
    """A value of a fact as a person writes it."""
    return f"{value:,.10g}" if isinstance(value, float) else value

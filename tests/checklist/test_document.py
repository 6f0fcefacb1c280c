"""CHECKLIST.md: its layout, its languages, and names that try to break out of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployadvisor.checklist.document import markdown
from deployadvisor.checklist.entries import placeholders
from deployadvisor.checklist.evidence import gather
from deployadvisor.checklist.items import applying, load_items
from deployadvisor.checklist.markup import escape
from deployadvisor.recommendation import Duty

from .answers import answer, card, hosted, machine, memory, private

DUTY = Duty(
    id="gdpr-processor",
    regulation="gdpr",
    text="Use only a provider that gives sufficient guarantees.",
    effect="require_contract",
    condition="a hosted provider processes personal data for you",
    citation="GDPR Art. 28(1)-(4)",
    source="the regulation",
    checked_on="2026-11-22",
)


def test_the_document_from_top_to_bottom() -> None:
    lines = markdown(hosted(answered={"data_sensitivity": "public"}, obligations=(DUTY,))).splitlines()
    assert lines[0] == "# Checklist: a project"
    assert lines[2].startswith("Settle every open item")
    assert re.fullmatch(r"\d+ of \d+ items are ticked already, .*", lines[3])
    headings = [line for line in lines if line.startswith("## ")]
    assert headings[0] == "## A. Purpose and decision"
    assert headings[-1] == "## Legal obligations"
    assert lines[-1].startswith("These obligations are guidance for engineers, not legal advice")


def test_an_item_shows_why_how_owner_and_proof() -> None:
    text = markdown(hosted(answered={"data_sensitivity": "public"}))
    assert (
        "- [x] The data is classified, with what may leave your own systems and what never may. "
        "<!-- data-is-classified -->\n"
        "  - Why: The class of the most sensitive text decides between a hosted and a private service.\n"
        "  - How to tick it: A table of the kinds of text that reach the model, each with its class and where it may "
        "be processed.\n"
        "  - Owner: Data owner\n"
        "  - From the decision: data_sensitivity public (answered)\n"
        "  - Proven: The profile states that even the most sensitive text is public, so nothing has to stay. "
        "<!-- proven -->\n"
    ) in text


def test_every_item_that_applies_stands_in_the_document_once() -> None:
    advice = private(estimate=memory(), machine=machine(card()))
    text = markdown(advice)
    for entry in applying(advice):
        line = f"- [{'x' if entry.done else ' '}] {escape(entry.item.text.en)} <!-- {entry.item.id} -->\n"
        assert text.count(line) == 1
    assert len(re.findall(r"^- \[[ x]\] ", text, re.MULTILINE)) == len(applying(advice))


def test_an_item_shows_the_facts_of_the_decision_that_it_is_read_against() -> None:
    text = markdown(private(estimate=memory(), assumed={"internet": "yes"}, plan={"model": "m", "precision": "bf16"}))
    facts = "route private_engine (computed), purpose production (answered), internet yes (assumed)"
    assert f"  - From the decision: {facts}\n" in text
    facts = "route private_engine (computed), model m (plan), precision bf16 (plan)"
    assert f"  - From the decision: {facts}\n" in text


def test_a_list_and_a_fraction_are_shown_for_people() -> None:
    answers = {"regulations": ["gdpr", "pipl"], "gpu_busy_share": 6.707188375}
    readings = gather(private(answered=answers), load_items().vocabulary).readings
    assert readings["regulations"] == ("gdpr, pipl", "answered")
    assert readings["gpu_busy_share"] == ("6.71", "answered")


def test_what_may_not_apply_says_what_it_hangs_on() -> None:
    assert "  - Applies or not depending on what is not known yet: audience\n" in markdown(hosted())


def test_an_obligation_shows_its_question_and_citation() -> None:
    assert (
        "- [ ] gdpr: Use only a provider that gives sufficient guarantees. <!-- duty gdpr-processor -->\n"
        "  - Does this apply: a hosted provider processes personal data for you?\n"
        "  - Citation: GDPR Art. 28(1)-(4) (checked on 2026-11-22)\n"
    ) in markdown(hosted(obligations=(DUTY,)))


def test_an_obligation_without_a_condition_asks_nothing() -> None:
    text = markdown(hosted(obligations=(DUTY.model_copy(update={"condition": None}),)))
    assert "Does this apply" not in text


def test_without_obligations_there_is_no_such_section() -> None:
    assert "legal advice" not in markdown(hosted())


def test_chinese_answers_get_a_chinese_document() -> None:
    advice = private(
        answered={"data_sensitivity": "public", "peak_concurrency": 20},
        name="示例",
        lang="zh",
        estimate=memory(),
        obligations=(DUTY.model_copy(update={"regulation": "GDPR", "text": "文本。", "condition": "条件"}),),
    )
    text = markdown(advice)
    assert text.startswith("# 项目启动清单：示例\n")
    for line in text.splitlines():
        assert not line or re.search(r"[\u4e00-\u9fff]", line), line


def test_every_label_is_there_with_its_braces() -> None:
    for label in load_items().labels.values():
        assert placeholders(label.en) == placeholders(label.zh)
    markdown(answer(obligations=(DUTY,), status="blocked"))


# Hostile names

MARK = re.compile(r" <!-- [a-z -]+ -->$", re.MULTILINE)
"""What stands behind every item and is none of the user's."""

HOSTILE = [
    "<script>alert(1)</script>",
    "a\n\n## Owned\n- [x] Everything is fine",
    "``` \n rm -rf / \n```",
    "`` ` ``",
    "[click](javascript:alert(1))",
    "![x](http://example.invalid/x.png)",
    "**bold** _it_ ~~gone~~ $x$ #",
    "&lt;b&gt; &amp; &#60;",
    "back\\slash\\",
    "\u202egnp.exe \u2028 line \x00 \x1b[31m",
    "| a | b |",
    "{name} {0} {advice.facts}",
    "<!-- -->",
    "名称 <b>",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_hostile_name_stays_text(name: str, lang: Any) -> None:
    assert_is_text(name, lang)


@settings(max_examples=30, deadline=None)
@example("*")
@given(st.text(min_size=1, max_size=40))
def test_any_name_stays_text(name: str) -> None:
    assert_is_text(name, "en")


def assert_is_text(name: str, lang: Any) -> None:
    """The document has the same blocks as with a tame name, and shows the hostile one as it is."""
    tame, hostile = (MARK.sub("", _document(one, lang)) for one in ("tame", name))
    assert len(tame.splitlines()) == len(hostile.splitlines())
    assert not re.search(r"(?<!\\)[<`]|<", hostile)
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark")
    tokens, wanted = parser.parse(hostile), parser.parse(tame)
    assert [token.type for token in tokens] == [token.type for token in wanted]
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    inlines = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inlines for child in token.children}
    assert kinds <= {"text", "text_special", "softbreak"}
    said = ["".join(child.content for child in token.children) for token in inlines]
    assert sum(shown in text for text in said) >= 4
    assert said[0].endswith(shown)


def _document(name: str, lang: Any) -> str:
    """A document with the name wherever a user's word can go."""
    duty = DUTY.model_copy(update={"regulation": name, "text": name, "condition": name, "citation": name})
    advice = private(
        name=name,
        lang=lang,
        answered={"regulations": [name], "data_region": "eu", "peak_concurrency": 1},
        plan={"model": name},
        machine=machine(card(name=name)),
        estimate=memory(),
        obligations=(duty,),
    )
    return markdown(advice)

"""The reference pages say what the rules say, lead to each other, and are safe from what rules may contain."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from deployadvisor import documents
from deployadvisor.report.reference_parts import anchor, decisions
from deployadvisor.report.reference_words import WORDS
from deployadvisor.report.rule_drawings import DRAWINGS
from deployadvisor.report.rules_reference import files
from deployadvisor.resources import rules_folder
from deployadvisor.rulebook import load_rules
from deployadvisor.rulecheck import load_properties

MARKDOWN = MarkdownIt("commonmark", {"linkify": False}).enable("table")
EVIL = "</td><script>alert(1)</script> | [x](javascript:alert(1)) `c` **b** <!-- y --> ![z](http://evil.test/z.png)"
PROPERTIES = """
schema: deployadvisor/properties@1
properties:
  - id: no-way-out
    when: {internet: no}
    never: {to: [hosted_api, managed_api]}
    because: Without internet there is nobody to call.
  - id: sensitive-stays
    raise: data_sensitivity
    when: {internet: yes}
    never: {to: [hosted_api]}
    because: More sensitive text needs more care.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped rules with few promises: to find what rests on which takes a second for every ten of them."""
    copied = tmp_path_factory.mktemp("shipped") / "rules"
    shutil.copytree(rules_folder(), copied)
    (copied / "properties.yaml").write_text(PROPERTIES, encoding="utf-8")
    return copied


@pytest.fixture(scope="module")
def shipped(folder: Path) -> dict[str, str]:
    return made(folder)


@pytest.fixture
def edited(folder: Path, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Reference pages of the shipped rules with some texts replaced; whole files as keywords."""

    def edit(changes: dict[str, list[tuple[str, str]]], **whole: str) -> dict[str, str]:
        own = tmp_path / "rules"
        shutil.copytree(folder, own, ignore=shutil.ignore_patterns("properties.yaml"))
        for name, pairs in changes.items():
            text = (own / f"{name}.yaml").read_text(encoding="utf-8")
            for old, new in pairs:
                assert old in text
                text = text.replace(old, new, 1)
            whole[name] = text
        for name, text in whole.items():
            (own / f"{name}.yaml").write_text(text, encoding="utf-8")
        return made(own)

    return edit


def made(folder: Path, lang: str = "en") -> dict[str, str]:
    rulebook = load_rules(folder)
    return files(rulebook, load_properties(rulebook), lang)


def section(page: str, heading: str) -> str:
    return page.partition(f"### {heading}\n")[2].partition("\n### ")[0].partition("\n## ")[0].strip()


def tokens(page: str) -> list[Token]:
    found = []
    for token in MARKDOWN.parse(page):
        found += [token, *(token.children or [])]
    return found


def anchors(page: str) -> list[str]:
    headings = [line.lstrip("# ").replace("\\", "") for line in page.splitlines() if line.startswith("#")]
    return [*map(anchor, headings), *re.findall(r'<a id="([^"]+)"></a>', page)]


# Content


def test_every_rule_term_and_fact_has_its_place(folder: Path, shipped: dict[str, str]):
    rulebook = load_rules(folder)
    for name, ruleset in decisions(rulebook).items():
        found = anchors(shipped[f"{name}.md"])
        wanted = [*(anchor(rule.id) for rule in ruleset.rules), *(f"term-{term}" for term in ruleset.terms)]
        assert [one for one in wanted if found.count(one) != 1] == []
        assert [one for one in ruleset.attributes if one not in anchors(shipped["facts.md"])] == []
    facts = [*rulebook.vocabulary.facts, *rulebook.vocabulary.inputs]
    assert [one for one in facts if anchors(shipped["facts.md"]).count(one) != 1] == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_link_leads_somewhere(folder: Path, lang: str):
    pages = made(folder, lang)
    for name, page in pages.items():
        if name.endswith(".md"):
            links = [str(token.attrs["href"]) for token in tokens(page) if token.type == "link_open"]
            links += [str(token.attrs["src"]) for token in tokens(page) if token.type == "image"]
            assert links or name == "facts.md"
            for link in links:
                file, _, place = link.partition("#")
                assert not place or place in anchors(pages[file or name]), link
                assert (file or name) in pages, link


def test_a_rule_is_told_in_full(edited: Callable[..., dict[str, str]]):
    rule = """constraints:
  - id: acme-policy
    forbid: [lab, hosted_api]
    unless: {any: [{is: [light_load, sensitive]}, {purpose: not production, tokens_per_day: at least 250000}]}
    missing: a signed policy
    source: Acme policy 7; read 2026-11-22
    tests:
      - {given: {purpose: production, tokens_per_day: 1000000}, applies: yes}
"""
    page = edited({"route": [("constraints:\n", rule)]})["route.md"]
    line = next(at for at, text in enumerate(page.splitlines()) if text == "### acme-policy")
    assert line
    told = section(page, "acme-policy")
    assert re.sub(r"(?<=: )\S+route\.yaml:\d+:\d+", "…", told) == (
        """- **Missing**: a signed policy
- **Forbids**: lab, hosted\\_api
- **Unless**: ([light\\_load](#term-light_load) and [sensitive](#term-sensitive)) or \
([purpose](facts.md#purpose) not production and [tokens\\_per\\_day](facts.md#tokens_per_day) at least 250,000)
- **Source**: Acme policy 7; read 2026-11-22
- **Stands at**: …

| Example | Applies |
| --- | --- |
| purpose production, tokens\\_per\\_day 1,000,000 | yes |"""
    )


def test_cases_and_preferences_say_what_they_do(shipped: dict[str, str]):
    assert "- **Argues for**: lab, fit ideal" in section(shipped["route.md"], "lab-for-verifying-quality")
    assert re.search(r"- \*\*Prefers\*\*: [\w\\]+ by \d, [\w\\]+ by \d\n", shipped["route.md"])
    assert "- **Forbids**: every candidate, by its own attributes" in shipped["engine.md"]
    assert "- **When**: always" in section(shipped["provider.md"], "provider-meets-the-conditions")


def test_a_fact_is_told_in_full(shipped: dict[str, str]):
    told = section(shipped["facts.md"], "data\\_sensitivity")
    assert told.startswith(
        """- **Question**: How sensitive is the most sensitive text that reaches the model?
- **Decides**: Whether text may leave the systems you control.
- **Values**: public, internal, confidential, restricted; from least to most
- **Left out**: internal is assumed
- Cannot simply be changed
- **Mentioned by**: [sensitive-text-not-on-a-plain-api](route.md#sensitive-text-not-on-a-plain-api)"""
    )
    computed = section(shipped["facts.md"], "tokens\\_per\\_day")
    assert "- **Values**: a number, tokens/day" in computed
    assert "[requests\\_per\\_day](#requests_per_day)" in computed
    assert "- **Left out**: 1,000 is assumed (" in section(shipped["facts.md"], "requests\\_per\\_day")
    assert "- **Mentioned by**: no rule" in section(shipped["facts.md"], "requests\\_per\\_day")


def test_facts_are_mentioned_through_terms(shipped: dict[str, str]):
    assert "(route.md#engine-when-hosted-is-out)" in section(shipped["facts.md"], "vendor\\_contract")


def test_promises_stand_beside_the_rules_that_keep_them(shipped: dict[str, str]):
    page = shipped["route.md"]
    assert "- **Needed for**: [no-way-out](#property-no-way-out)" in section(page, "hosted-api-needs-internet")
    assert "Needed for" not in section(page, "keep-internal-text-in-house")
    (row,) = [line for line in page.splitlines() if line.startswith('| <a id="property-no-way-out">')]
    assert row.split(" | ")[1:] == [
        "hosted\\_api or managed\\_api wins, where [internet](facts.md#internet) no",
        "Without internet there is nobody to call. |",
    ]
    assert "moves the answer from anything else to hosted\\_api, where [internet](facts.md#internet) yes" in page


def test_what_cannot_be_is_listed(edited: Callable[..., dict[str, str]]):
    assumption = """assumptions:
  - {id: no-serving-on-a-laptop, if: {platform: laptop}, then: {can_serve: no}, because: It sleeps.}
  - {id: nobody-waits, then: {peak_concurrency: above 0}, because: b}
"""
    text = (rules_folder() / "vocabulary.yaml").read_text(encoding="utf-8").partition("\nassumptions:\n")[0]
    page = edited({}, vocabulary=f"{text}\n{assumption}")["facts.md"]
    told = section(page, "no-serving-on-a-laptop").splitlines()[:3]
    assert told == [
        "- **Because**: It sleeps.",
        "- **If**: [platform](facts.md#platform) laptop",
        "- **Then**: [can\\_serve](facts.md#can_serve) no",
    ]
    assert "**If**" not in section(page, "nobody-waits")


# Drawings


def test_drawings_stand_on_the_page_of_their_decision(shipped: dict[str, str]):
    for each in DRAWINGS:
        assert f"![{each.name}]({each.name}.svg)" in shipped[f"{each.decision}.md"]
        assert shipped[f"{each.name}.svg"].startswith("<svg ")


def test_rules_without_the_facts_of_a_drawing_have_none(edited: Callable[..., dict[str, str]]):
    own = "schema: deployadvisor/ruleset@1\nruleset: engine\nversion: 2.0.0\ncandidates: {from: engines}\n"
    own += "cases: [{id: any-engine, recommend: every, fit: good, because: All are welcome.}]\n"
    pages = edited({}, engine=own)
    assert "engine-serve.svg" not in pages
    assert "Drawings" not in pages["engine.md"]


# Languages


def test_both_languages_have_the_same_words():
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, text in WORDS["en"].items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", WORDS["zh"][key])), key


def test_the_chinese_pages_speak_chinese(folder: Path, shipped: dict[str, str]):
    pages = made(folder, "zh")
    assert "- **排除**：hosted\\_api" in pages["route.md"]
    assert pages.keys() == shipped.keys()
    english = [text for text in WORDS["en"].values() if len(text) > 12]
    assert [text for text in english if any(text in page for page in pages.values())] == []


def test_pages_are_the_same_each_time(folder: Path, shipped: dict[str, str]):
    assert made(folder) == shipped


# Hostile rules


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_hostile_texts_stay_texts(edited: Callable[..., dict[str, str]], shipped: dict[str, str]):
    evil = quoted(EVIL)
    rule = f"""constraints:
  - id: evil
    forbid: lab
    when: {{purpose: personal}}
    because: {evil}
    source: {evil}
"""
    term = "  light_load:\n    means: {peak_concurrency: below 5}\n    source: "
    changes: dict[str, list[tuple[str, str]]] = {
        "route": [
            ("constraints:\n", rule),
            ("{title: Use a hosted API}", f"{{title: {evil}}}"),
            ("version: ", f"version: {evil} # "),
            ("ruleset: route", f"ruleset: {evil}"),
            (f"{term}>-\n", f"{term}{evil}\n{term.replace('light_load', 'spare')}>-\n"),
        ],
        "vocabulary": [
            ("ask: What is this deployment for?", f"ask: {evil}"),
            ("unit: requests/day", f"unit: {evil}"),
        ],
    }
    for name, page in edited(changes).items():
        if name.endswith(".svg"):
            assert "<script" not in page
            continue
        found = tokens(page)
        raw = {token.content for token in found if token.type in {"html_inline", "html_block"}}
        assert all(re.fullmatch(r'<a id="[\w-]+">|</a>', html) for html in raw)
        targets = [str(token.attrs.get("href") or token.attrs.get("src")) for token in found if token.attrs]
        assert not [target for target in targets if ":" in target]
        assert {token.type for token in found} <= {token.type for token in tokens(shipped[name])} | {"html_inline"}
        if name == "route.md":
            assert sum(token.content.count("<script>") for token in found if token.type == "text") >= 4


def test_no_text_breaks_a_table(edited: Callable[..., dict[str, str]]):
    page = edited({"route": [("{title: Use a hosted API}", f"{{title: {quoted('a | b ' + chr(92) + '| c')}}}")]})[
        "route.md"
    ]
    (row,) = [line for line in page.splitlines() if line.startswith("| hosted\\_api |")]
    cells = [token.content for token in MARKDOWN.parse(f"| a | b |\n|---|---|\n{row}\n") if token.type == "inline"]
    assert len(cells) == 4


@pytest.mark.parametrize("heading", ["data_sensitivity", "engine-for-high-volume", "A b", "a.b/c"])
def test_anchors_are_those_that_viewers_make(heading: str):
    assert anchor(heading) == {"A b": "a-b", "a.b/c": "abc"}.get(heading, heading)


def test_the_sources_of_terms_are_told(shipped: dict[str, str]):
    terms: dict[str, Any] = documents.read(rules_folder() / "route.yaml").value["terms"]
    told = {name for name, term in terms.items() if "source" in term}
    rows = {
        row[2]: row
        for row in re.findall(r'^(\| <a id="term-(\w+)"></a>(\S+) \|.*)$', shipped["route.md"], re.MULTILINE)
    }
    assert {name.replace("\\", "") for name, row in rows.items() if not row[0].endswith("|  |")} == told

"""The shipped file as data, and what a wrong file is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from deployadvisor.catalog.engines import EngineId
from deployadvisor.catalog.regulations import regulations
from deployadvisor.checklist.entries import Checklist, Item, read_items
from deployadvisor.checklist.evidence import REGULATION_PREFIX
from deployadvisor.checklist.items import load_items
from deployadvisor.decide import reader, vocabulary
from deployadvisor.decide.conditions import tests_in as facts_tested
from deployadvisor.errors import RulesError
from deployadvisor.profile import Profile, allowed_values
from deployadvisor.reasoning import Basis
from deployadvisor.resources import rules_folder

HAN = re.compile(r"[\u4e00-\u9fff]")
WORDS = vocabulary.load(rules_folder() / "vocabulary.yaml")
TOPICS = """
A problem-is-measurable workflow-is-described success-is-defined sponsor-is-named stage-is-named
A everyone-is-at-the-table
B data-is-classified regulations-are-listed data-inventory-exists sources-are-permitted personal-data-is-masked
B retention-is-set filing-is-checked output-policy-is-set
C lengths-are-measured context-length-is-set latency-target-is-set throughput-target-is-set peak-is-known
C training-or-inference-is-decided growth-is-estimated
D candidates-are-compared licence-is-approved precision-is-documented model-is-pinned features-are-tested
D tuning-is-justified retrieval-respects-access
E memory-fits-at-the-peak cards-are-documented parallelism-is-chosen machine-room-carries-it spare-power-and-parts
E storage-is-measured network-is-settled cost-is-compared
F engine-is-pinned limits-are-explicit cold-start-is-known container-is-hardened offline-install-works
F timeouts-are-set fallback-is-defined
G access-is-controlled quotas-are-set injection-is-defended encryption-is-on audit-log-exists supply-chain-is-checked
G threats-are-modelled
H evaluation-set-exists quantised-model-is-evaluated load-test-passed reproducibility-is-checked
I operators-are-named alerts-are-set recovery-is-tested rollback-is-rehearsed runbooks-exist unit-cost-is-tracked
J users-are-trained exit-is-tested
"""
"""The 62 topics that the published lists have together, by group."""
CONTRACTS = {"processing-agreement-is-signed", "business-associate-agreement-is-signed"}
"""Two items more for one of the topics, regulations: the DPA and the BAA."""


def shipped() -> Checklist:
    return load_items()


@pytest.mark.parametrize("item", load_items().items, ids=lambda item: item.id)
def test_an_item_speaks_both_languages(item: Item) -> None:
    texts = [item.text, item.why, item.how, item.owner, *([item.evidence] if item.evidence else [])]
    for text in texts:
        assert not HAN.search(text.en)
        assert HAN.search(text.zh)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", item.id)
    assert item.source


def topics() -> list[tuple[str, str]]:
    lines = (line.split() for line in TOPICS.strip().splitlines())
    return [(group, name) for group, *names in lines for name in names]


@pytest.mark.parametrize(("group", "name"), topics())
def test_a_published_topic_is_there_in_its_group(group: str, name: str) -> None:
    assert {item.id: item.group for item in shipped().items}[name] == group


def test_there_are_62_topics_and_nothing_unaccounted_for() -> None:
    names = {name for _, name in topics()}
    assert len(topics()) == len(names) == 62
    first_start = {item.id for item in shipped().items if item.group == "K"}
    assert len(first_start) == 7
    assert {item.id for item in shipped().items} - names == CONTRACTS | first_start


def test_every_basis_of_a_fact_has_words() -> None:
    assert set(shipped().bases) == {*get_args(Basis), "plan"} - {"unknown"}


def test_every_group_has_items_and_both_titles() -> None:
    groups = shipped().groups
    assert list(groups) == list("ABCDEFGHIJK")
    assert {item.group for item in shipped().items} == set(groups)
    assert all(HAN.search(title.zh) and not HAN.search(title.en) for title in groups.values())


def test_no_two_items_say_the_same() -> None:
    for part in ("text", "why", "how"):
        for lang in ("en", "zh"):
            said = [getattr(item, part).say(lang) for item in shipped().items]
            assert len(set(said)) == len(said)


def test_routes_are_those_of_the_rules() -> None:
    route = reader.load(rules_folder() / "route.yaml", WORDS)
    assert shipped().vocabulary.facts["route"].values == tuple(route.candidates)


def test_engines_are_those_of_the_catalogue() -> None:
    assert shipped().vocabulary.facts["engine"].values == (*get_args(EngineId), "none")


def test_facts_of_the_profile_have_its_values() -> None:
    own = shipped().vocabulary.facts.keys() - WORDS.facts.keys()
    for name in own & Profile.model_fields.keys():
        words = tuple(word for word in allowed_values().get(name, ()) if word != "unknown")
        assert shipped().vocabulary.facts[name].values == words


def test_regulations_that_conditions_ask_for_exist() -> None:
    asked = [name for name in shipped().vocabulary.facts if name.startswith(REGULATION_PREFIX)]
    assert asked
    assert {name.removeprefix(REGULATION_PREFIX) for name in asked} <= regulations().keys()


def test_no_fact_is_declared_in_vain() -> None:
    own = shipped().vocabulary.facts.keys() - WORDS.facts.keys()
    conditions = [part for item in shipped().items for part in (item.when, item.proven_when) if part]
    used = {test.fact for condition in conditions for test in facts_tested(condition)}
    shown = {name for item in shipped().items for name in item.facts}
    assert own - used - shown == set()


MINIMAL = """
facts:
  route: {type: choice, values: [here, there], ask: Where}
terms:
  away: {means: {route: there}}
labels: {title: {en: Title, zh: 标题}}
bases: {answered: {en: answered, zh: 已回答}}
owners: {one: {en: One, zh: 一}}
groups: {A: {en: First, zh: 第一}, B: {en: Second, zh: 第二}}
sources: {list: a published list}
items:
  - id: an-item
    group: B
    text: A text.
    text_zh: 文本。
    why: A reason.
    why_zh: 原因。
    how: A way.
    how_zh: 办法。
    owner: one
    when: {is: away}
    proven_when: {purpose: personal}
    evidence: "The purpose is {purpose}."
    evidence_zh: 用途为 {purpose}。
    facts: [model, route]
    source: [list]
"""


def read(tmp_path: Path, text: str) -> Checklist:
    path = tmp_path / "checklist.yaml"
    path.write_text(text, encoding="utf-8")
    return read_items(path, WORDS)


def test_the_smallest_checklist_reads(tmp_path: Path) -> None:
    item = read(tmp_path, MINIMAL).items[0]
    assert (item.id, item.owner.zh, item.source) == ("an-item", "一", ("a published list",))
    assert item.facts == ("model", "route")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("when: {is: away}", "when: {routes: there}", 'unknown fact "routes"'),
        ("when: {is: away}", "when: {is: afar}", 'unknown term "afar"'),
        ("when: {is: away}", "when: {route: nowhere}", '"nowhere" is not a value; did you mean "here"?'),
        ("proven_when: {purpose: personal}", "proven_when: {purpos: personal}", 'unknown fact "purpos"'),
        ("proven_when: {purpose: personal}\n", "x: y\n", 'unknown key "x"'),
        ("    proven_when: {purpose: personal}\n", "", "go together"),
        ("is {purpose}.", "is {purpos}.", 'nothing is called "purpos"; did you mean "purpose"'),
        ("is {purpose}.", "is {purpose.real}.", 'nothing is called "purpose.real"'),
        ("is {purpose}.", "is {}.", 'nothing is called ""'),
        ("is {purpose}.", "is {purpose.", "braces do not match"),
        ("facts: [model", "facts: [models", 'nothing is called "models"; did you mean "model"'),
        ("facts: [model, route]", "facts: model", "facts is a list of names"),
        ("owner: one", "owner: two", 'owner "two" is not declared'),
        ("group: B", "group: C", 'group "C" is not declared'),
        ("source: [list]", "source: [lists]", 'did you mean "list"'),
        ("source: [list]", "source: list", "needs a list of sources"),
        ("    how_zh: 办法。\n", "", "needs a text how_zh"),
        ("zh: 标题", "zh: ''", "needs a text zh"),
        ("route: {type", "purpose: {type", "stands in the vocabulary already"),
        ("labels:", "label:", 'unknown key "label"'),
        ("means: {route: there}", "mean: {route: there}", 'unknown key "mean"'),
    ],
)
def test_a_wrong_file_says_what_and_where(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(RulesError) as caught:
        read(tmp_path, MINIMAL.replace(old, new))
    assert message in str(caught.value)
    assert re.search(r"checklist\.yaml:\d+:\d+: error: ", str(caught.value))


def test_ids_are_used_once_and_groups_keep_their_order(tmp_path: Path) -> None:
    item = MINIMAL[MINIMAL.index("  - id:") :]
    with pytest.raises(RulesError, match="used twice"):
        read(tmp_path, MINIMAL + item)
    with pytest.raises(RulesError, match="order of their groups"):
        read(tmp_path, MINIMAL + item.replace("an-item", "another").replace("group: B", "group: A"))

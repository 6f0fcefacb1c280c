"""Overlays over the shipped rules: what they change in an answer, and that none of them can weaken a hard rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deployadvisor import documents, recommend
from deployadvisor.decide import overlay
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.errors import DeployAdvisorError, DocumentError, RulesError
from deployadvisor.resources import rules_folder
from deployadvisor.rulebook import Rulebook, load_rules

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
FLEET = EXAMPLES / "overlays" / "managed-fleet.yaml"
LMDEPLOY = EXAMPLES / "overlays" / "lmdeploy-first.yaml"
HEAD = 'name: acme\nextends: {ruleset: route, version: ">=1.0,<99"}\n'

LaidOver = Callable[[str], Rulebook]


@pytest.fixture
def laid_over(tmp_path: Path) -> LaidOver:
    """Load the shipped rules under an overlay of this text."""

    def load(text: str) -> Rulebook:
        path = tmp_path / "acme.yaml"
        path.write_text(HEAD + text)
        return load_rules(overlays=path)

    return load


# The shipped examples


def test_an_overlay_changes_the_answer_and_is_named_in_its_reasons() -> None:
    plain, advice = recommend(EXAMPLES / "idle-gpu.yaml"), recommend(EXAMPLES / "idle-gpu.yaml", overlay=FLEET)
    assert (plain.route, advice.route) == ("hosted_api", "private_engine")
    places = {reason.rule: reason.where for reason in advice.reasons}
    assert places["acme-clusters-are-paid-for"].startswith("docs/examples/overlays/managed-fleet.yaml:")
    (hosted,) = [item for item in advice.rejected if item.route == "hosted_api"]
    assert hosted.objections[0].rule == "acme-internal-text-needs-a-contract"
    assert hosted.objections[0].where.startswith("docs/examples/overlays/managed-fleet.yaml:")
    assert plain.ruleset.digest != advice.ruleset.digest
    assert (plain.ruleset.overlays, advice.ruleset.overlays) == ((), ("managed-fleet",))


def test_several_overlays_apply_each_to_its_own_decision() -> None:
    advice = recommend(EXAMPLES / "idle-gpu.yaml", overlay=[FLEET, LMDEPLOY])
    assert (advice.route, advice.engine) == ("private_engine", "lmdeploy")
    assert advice.ruleset.overlays == ("managed-fleet", "lmdeploy-first")


def test_a_replaced_rule_speaks_in_the_words_of_the_overlay_in_every_language() -> None:
    book = load_rules(overlays=FLEET)
    chinese = {rule.id: book.texts("zh").rule(rule) for rule in book.rules()}
    assert chinese["spare-a-team-without-operators"].startswith("The platform team operates it")
    assert not chinese["hosted-by-default"].isascii()


@pytest.mark.parametrize("path", [FLEET, LMDEPLOY], ids=lambda path: path.stem)
def test_tests_beside_the_rules_of_an_example_hold(path: Path) -> None:
    document = documents.read(path).value
    changed = {
        entry["id"] for section in ("constraints", "cases", "preferences") for entry in document.get(section, [])
    }
    rules = [rule for rule in load_rules(overlays=path).rules() if rule.id in changed]
    assert rules
    for rule in rules:
        assert {test.applies for test in rule.tests} == {True, False}
        assert [rule.when.evaluate(test.given) for test in rule.tests] == [test.applies for test in rule.tests]


# Loading


def test_no_overlay_is_the_rules_as_they_are() -> None:
    assert load_rules(overlays=()) is load_rules()
    assert load_rules().overlays == ()


def test_an_edited_overlay_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    ban = "constraints: [{{id: a-ban, add: yes, forbid: {}, when: {{purpose: personal}}, because: Policy.}}]\n"
    books = []
    for target in ("hosted_api", "lab", "lab"):
        path.write_text(HEAD + ban.format(target))
        books.append(load_rules(overlays=[path]))
    (hosted, lab, same) = ({rule.id: rule for rule in book.rules()}["a-ban"].targets for book in books)
    assert (list(hosted), list(lab)) == (["hosted_api"], ["lab"])
    assert lab is same
    assert len({book.digest for book in books}) == 2


def test_an_overlay_lies_over_the_folder_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(rules_folder(), folder)
    path = folder / "route.yaml"
    path.write_text(path.read_text().replace("version: ", "version: 7", 1))
    with pytest.raises(RulesError, match="but the rules are 7"):
        recommend(purpose="personal", hardware="none", rules=folder, overlay=FLEET)


def test_the_reasons_of_changes_are_kept() -> None:
    (one,) = load_rules(overlays=FLEET).overlays
    reasons = {change.id: change.reason for change in one.changes if change.action != "add"}
    assert set(reasons) == {"restricted-text-on-rented-machines", "spare-a-team-without-operators"}
    assert all(reasons.values())


def test_a_missing_overlay_is_refused() -> None:
    with pytest.raises(DocumentError) as caught:
        recommend(purpose="personal", hardware="none", overlay="nowhere.yaml")
    assert str(caught.value) == "nowhere.yaml: error: cannot read the file: No such file or directory"


# Weakening


SENSITIVE = "terms:\n  sensitive: {replace: yes, reason: Ours is not, means: {data_sensitivity: restricted}}\n"
STRICTER = "  high_volume: {replace: yes, reason: Ours, source: acme, means: {tokens_per_day: at least 2000000}}\n"


def test_an_added_ban_is_not_weaker(laid_over: LaidOver) -> None:
    ban = "constraints: [{id: no-lab, add: yes, forbid: lab, when: {purpose: prototype}, because: Policy.}]\n"
    assert [change.id for change in laid_over(ban).overlays[0].changes] == ["no-lab"]


def test_a_hard_rule_cannot_be_relaxed(laid_over: LaidOver) -> None:
    relaxed = (
        "constraints:\n  - {id: hosted-api-needs-internet, replace: yes, reason: A proxy,\n"
        "     forbid: hosted_api, unless: {internet: yes}, missing: internet}\n"
    )
    with pytest.raises(
        RulesError, match=r"hosted-api-needs-internet: cannot be replaced, rules/route\.yaml:"
    ) as caught:
        laid_over(relaxed)
    assert (caught.value.where.line, caught.value.where.column) == (4, 5)


def test_a_redefined_term_is_caught_by_the_proof(laid_over: LaidOver) -> None:
    """The text of every hard rule stays; what it means does not."""
    with pytest.raises(RulesError) as caught:
        laid_over(SENSITIVE)
    assert caught.value.message.startswith(
        "term sensitive: sensitive-text-not-on-a-plain-api no longer forbids hosted_api (DA010), for example "
        "with data_sensitivity=confidential"
    )
    assert caught.value.remedy == "a rule that is not marked overridable can only be made stricter"
    assert caught.value.exit_code == 2


def test_the_place_is_that_of_the_change_that_weakens(laid_over: LaidOver) -> None:
    before, after = "terms:\n" + STRICTER + SENSITIVE[7:], SENSITIVE + STRICTER
    lines = []
    for text in (before, after):
        with pytest.raises(RulesError) as caught:
            laid_over(text)
        lines.append(caught.value.where.line)
    assert lines == [5, 4]


def test_a_term_made_stricter_is_welcome(laid_over: LaidOver) -> None:
    text = "terms:\n  sensitive: {replace: yes, reason: Ours is, means: {data_sensitivity: at least internal}}\n"
    route = laid_over(text).route
    decision = evaluate(route, {"data_sensitivity": "internal"})
    assert "hosted_api" in [standing.candidate.id for standing in decision.rejected]


def test_an_overlay_cannot_lift_the_ban_of_an_overlay_below_it(tmp_path: Path) -> None:
    """Each layer is held against all layers below it, not against the shipped rules alone."""
    below, above = tmp_path / "below.yaml", tmp_path / "above.yaml"
    below.write_text(
        HEAD
        + "terms: {ours: {add: yes, means: {purpose: production}}}\n"
        + "constraints: [{id: not-ours, add: yes, forbid: lab, unless: {is: ours}, because: Policy.}]\n"
    )
    above.write_text(HEAD + "terms: {ours: {replace: yes, reason: Wider, means: {purpose: not personal}}}\n")
    assert load_rules(overlays=below)
    with pytest.raises(RulesError, match=r"term ours: not-ours no longer forbids lab \(DA010\)") as caught:
        load_rules(overlays=[below, above])
    assert str(caught.value.where) == f"{above}:3:9"


def test_a_mistake_that_shows_in_the_base_names_the_overlay(laid_over: LaidOver) -> None:
    with pytest.raises(DeployAdvisorError, match='unknown term "high_volume"') as caught:
        laid_over("terms: {high_volume: {remove: yes, reason: Nobody has that}}\n")
    assert caught.value.where.source == "rules/route.yaml"
    assert caught.value.remedy == f"it loads without the overlay {laid_over.__closure__[0].cell_contents}/acme.yaml"


def test_the_vocabulary_is_not_for_overlays() -> None:
    text = HEAD + "facts: {purpose: {type: choice, values: [a, b], ask: x}}\n"
    with pytest.raises(RulesError, match='an overlay cannot change "facts": facts and candidates belong to the base'):
        overlay.read(documents.parse(text, "acme.yaml"))

"""The check of a whole rulebook: the shipped one is clean, and each kind of defect in a copy of it is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from deployadvisor.decide.evaluate import evaluate
from deployadvisor.resources import rules_folder
from deployadvisor.rulebook import load_rules
from deployadvisor.rulecheck import Report, check, load_properties

READ_ON = date(2026, 11, 22)
"""The day on which the sources of the shipped rules were read."""


@cache
def shipped() -> Report:
    return check(load_rules(), READ_ON)


def test_the_shipped_rules_have_no_finding() -> None:
    assert [str(issue) for issue in shipped().issues] == []


def test_every_accepted_warning_has_its_reason() -> None:
    assert shipped().accepted
    assert all(issue.severity == "warning" for issue, _ in shipped().accepted)
    assert all(len(acceptance.reason.split()) > 10 for _, acceptance in shipped().accepted)


def test_what_is_counted() -> None:
    report = shipped()
    assert set(report.profiles) == {"route", "engine", "provider"}
    assert report.profiles["route"] > 1_000_000_000
    assert report.nodes > 1_000
    assert report.properties == len(load_properties(load_rules()).promises) > 50


Edit = Callable[[Path], None]


def replaced(name: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def added(name: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return edit


def found(tmp_path: Path, edit: Edit, today: date = READ_ON) -> list[str]:
    """Findings in an edited copy of the shipped rules, as code, what they are about, and their place."""
    folder = tmp_path / "rules"
    shutil.copytree(rules_folder(), folder)
    edit(folder)
    report = check(load_rules(folder), today)
    return [f"{issue.code} {issue.about} {Path(issue.where.source).name}" for issue in report.issues]


WORDS = (
    (replaced("vocabulary.yaml", "  interface:\n",
              "  mood: {type: flag, derived: yes, ask: How do you feel?}\n  interface:\n"),
     {"DA012 mood vocabulary.yaml", "DA013 facts.mood.ask vocabulary.yaml"}),
    (replaced("route.yaml", "  one_user:\n", "  idle_team: {means: {ops_capacity: nobody}}\n  one_user:\n"),
     {"DA012 idle_team route.yaml"}),
    (replaced("texts.zh.yaml", "  nothing-to-tune:", "  nothing-to-tuen:"),
     {"DA013 rules.nothing-to-tune route.yaml", "DA013 rules.nothing-to-tuen texts.zh.yaml"}),
    (replaced("provider.yaml", "      - {given: {its_excluded: no}, applies: no}\n", ""),
     {"DA014 provider-outside-an-excluded-jurisdiction provider.yaml"}),
    (replaced("route.yaml", "22 CFR 120.54, 120.50 and 126; read 2026-11-22", "22 CFR 120.54"),
     {"DA015 law-excludes-hosted route.yaml"}),
    (added("accepted.yaml", "  - {code: DA006, ruleset: route, about: lab, reason: It is a test of what is left.}\n"),
     {"DA012 lab accepted.yaml"}),
    (replaced("route.yaml", "{given: {acquirable: no}, applies: yes}", "{given: {data_region: cn}, applies: yes}"),
     {"DA011 acquiring-needs-a-machine-that-holds-it route.yaml"}),
)  # fmt: skip
MEANING = (
    (replaced("route.yaml", "prefer: {hosted_api: 1}", "prefer: {hosted_api: 1, managed_api: 1}"),
     {"DA002 hosted_api, managed_api route.yaml"}),
    (replaced("route.yaml", "        - {hosted_choice: none}\n", ""), {"DA003 acquire_gpu route.yaml"}),
    (replaced("route.yaml", "unless: {can_run_cpu: yes}", "unless: {can_run_cpu: yes, not: {is: [light_load]}}"),
     {"DA006 cpu_small route.yaml"}),
    (replaced("engine.yaml", "when: {role: lab}", "when: {role: serve}"),
     {"DA004 transformers-for-the-lab engine.yaml", "DA003 transformers engine.yaml"}),
    (replaced("properties.yaml", "  - id: air-gapped-is-never-hosted\n    when: {internet: no}",
              "  - id: air-gapped-is-never-hosted\n    when: {internet: yes}"),
     {"DA009 air-gapped-is-never-hosted properties.yaml"}),
)  # fmt: skip


@pytest.mark.parametrize("defects", [WORDS, MEANING], ids=["words", "meaning"])
def test_defects_are_found(defects: tuple[tuple[Edit, set[str]], ...], tmp_path: Path) -> None:
    def edit(folder: Path) -> None:
        for one, _ in defects:
            one(folder)

    made = set(found(tmp_path, edit))
    assert {line for _, expected in defects for line in expected} - made == set()


def test_scenarios_show_what_no_example_does(tmp_path: Path) -> None:
    examples = (
        "    tests:\n      - {given: {ops_capacity: nobody}, applies: yes}\n"
        "      - {given: {ops_capacity: on_call}, applies: no}\n"
    )
    assert found(tmp_path, replaced("route.yaml", examples, "")) == []


def test_sources_expire(tmp_path: Path) -> None:
    made = found(tmp_path, lambda _: None, date(2028, 1, 1))
    assert {line.partition(" ")[0] for line in made} == {"DA015"}
    assert "DA015 law-excludes-hosted route.yaml" in made
    assert "DA015 light_load route.yaml" in made
    assert "DA015 checklist checklist.yaml" in made


def test_without_properties_and_acceptances_nothing_is_promised_or_accepted(tmp_path: Path) -> None:
    def edit(folder: Path) -> None:
        (folder / "properties.yaml").unlink()
        (folder / "accepted.yaml").unlink()

    made = found(tmp_path, edit)
    assert {line.partition(" ")[0] for line in made} == {"DA002", "DA005", "DA007", "DA012"}
    assert len(made) == len(shipped().accepted)


def test_a_rulebook_without_translation_owes_none(tmp_path: Path) -> None:
    assert found(tmp_path, lambda folder: (folder / "texts.zh.yaml").unlink()) == []


def test_a_broken_promise_shows_profiles_that_break_it(tmp_path: Path) -> None:
    """Before it was fixed: internal text was kept in house where confidential text went to a provider."""
    rule = """
  - id: keep-internal-text-in-house
    prefer: {private_engine: 1, local_runner: 1}
    when: {data_sensitivity: internal}
    because: Internal text is better kept in house where it costs nothing more.
"""
    folder = tmp_path / "rules"
    shutil.copytree(rules_folder(), folder)
    replaced("route.yaml", "private_engine: 7, local_runner: 6, lab: 6", "lab: 6")(folder)
    added("route.yaml", rule)(folder)
    rulebook = load_rules(folder)
    leak = next(i for i in check(rulebook).issues if i.about == "more-sensitive-text-never-leaves")
    assert leak.witness is not None
    assert leak.after is not None
    assert (leak.witness["data_sensitivity"], leak.after["data_sensitivity"]) == ("internal", "confidential")
    assert evaluate(rulebook.route, leak.witness).winner in {"private_engine", "local_runner"}
    assert evaluate(rulebook.route, leak.after).winner == "managed_api"

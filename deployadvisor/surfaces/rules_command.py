"""``deployadvisor rules``: show the rules, and run the tests that stand beside them."""

from __future__ import annotations

from pathlib import Path

import click

from deployadvisor.decide.ruleset import EVERY, FITS, Rule
from deployadvisor.errors import RulesError, nearest
from deployadvisor.rulebook import Rulebook, load_rules
from deployadvisor.scenarios import failing_rule_tests, run_scenarios
from deployadvisor.surfaces import options

_folder_option = click.option(
    "--rules", "rules_folder", type=click.Path(path_type=Path), help="Folder of rules; the shipped one by default."
)


@click.group("rules", epilog="Example: deployadvisor rules show engine-needs-a-gpu-server")
def command() -> None:
    """Show and test the rules."""


@command.command("test", epilog="Example: deployadvisor rules test --rules my-rules/")
@_folder_option
@options.json_option
def test(rules_folder: Path | None, as_json: bool) -> int:
    """Run the tests inside the rules and the scenarios; exit code 1 when one fails."""
    rulebook = load_rules(rules_folder)
    counted = sum(len(rule.tests) for rule in rulebook.rules())
    failures = list(failing_rule_tests(rulebook))
    outcomes = run_scenarios(rulebook)
    failures += [outcome.text for outcome in outcomes if not outcome.passed]
    if as_json:
        options.print_json({"rule_tests": counted, "scenarios": len(outcomes), "failures": failures})
    else:
        for failure in failures:
            click.echo(failure)
        click.echo(f"{counted} rule tests, {len(outcomes)} scenarios, {len(failures)} failed")
    return 1 if failures else 0


@command.command("show", epilog="Example: deployadvisor rules show --lang zh hosted-by-default")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@_folder_option
@options.lang_option
@options.json_option
def show(ids: tuple[str, ...], rules_folder: Path | None, lang: str, as_json: bool) -> int:
    """Print rules: all of them, or those named."""
    rulebook = load_rules(rules_folder)
    by_id = {rule.id: rule for rule in rulebook.rules()}
    for name in ids:
        if name not in by_id:
            raise RulesError(f'no rule "{name}"', suggestion=nearest(name, by_id))
    rules = [by_id[name] for name in ids] if ids else list(by_id.values())
    if as_json:
        options.print_json([_as_dict(rule, rulebook, lang) for rule in rules])
    else:
        click.echo(f"rules {rulebook.version}  sha256 {rulebook.digest[:16]}  {rulebook.folder}\n")
        click.echo("\n\n".join(_as_text(rule, rulebook, lang) for rule in rules))
    return 0


def _as_dict(rule: Rule, rulebook: Rulebook, lang: str) -> dict[str, object]:
    return {
        "id": rule.id,
        "kind": rule.kind,
        "targets": dict(rule.targets),
        "fit": FITS[rule.fit] if rule.kind == "case" else None,
        "text": rulebook.texts(lang).rule(rule),
        "when": rule.condition_text,
        "source": rule.source,
        "where": str(rule.where),
        "tests": len(rule.tests),
    }


def _as_text(rule: Rule, rulebook: Rulebook, lang: str) -> str:
    verb = {"constraint": "forbids", "case": f"argues ({FITS[rule.fit]}) for", "preference": "prefers"}[rule.kind]
    targets = ", ".join("every candidate" if name == EVERY else name for name in rule.targets)
    lines = [
        f"{rule.id}   {rule.where}",
        f"  {verb} {targets}",
        f"  when {rule.condition_text}",
        f"  {rulebook.texts(lang).rule(rule)}",
    ]
    return "\n".join([*lines, f"  source: {rule.source}"] if rule.source else lines)

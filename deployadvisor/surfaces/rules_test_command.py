"""``deployadvisor rules test``: run the tests inside the rules and the scenarios."""

from __future__ import annotations

from pathlib import Path

import click

from deployadvisor.rulebook import load_rules
from deployadvisor.scenarios import failing_rule_tests, run_scenarios
from deployadvisor.surfaces import options


@click.command("test", epilog="Example: deployadvisor rules test --rules my-rules/")
@options.rules_option
@options.overlay_option
@options.json_option
def command(rules_folder: Path | None, overlays: tuple[Path, ...], as_json: bool) -> int:
    """Run the tests inside the rules and the scenarios; exit code 1 when one fails.

    With an overlay only the tests inside the rules: scenarios state the answers without it.
    """
    rulebook = load_rules(rules_folder, overlays)
    counted = sum(len(rule.tests) for rule in rulebook.rules())
    failures = list(failing_rule_tests(rulebook))
    outcomes = [] if overlays else run_scenarios(rulebook)
    failures += [outcome.text for outcome in outcomes if not outcome.passed]
    if as_json:
        options.print_json({"rule_tests": counted, "scenarios": len(outcomes), "failures": failures})
    else:
        for failure in failures:
            click.echo(failure)
        click.echo(f"{counted} rule tests, {len(outcomes)} scenarios, {len(failures)} failed")
    return 1 if failures else 0

"""``deployadvisor rules check``: prove what the rules promise, and find gaps."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from deployadvisor.rulebook import load_rules
from deployadvisor.rulecheck import Report, check
from deployadvisor.surfaces import options


@click.command("check", epilog="Example: deployadvisor rules check --rules my-rules/ --all")
@options.rules_option
@options.overlay_option
@click.option("--all", "show_accepted", is_flag=True, help="Show accepted warnings too, each with its reason.")
@options.json_option
def command(rules_folder: Path | None, overlays: tuple[Path, ...], show_accepted: bool, as_json: bool) -> int:
    """Prove what the rules promise, and find gaps; exit code 1 for an error or a warning that nobody accepted.

    With an overlay, see which promises of the base it breaks: hard rules it cannot weaken, but habits it may change.
    """
    started = time.perf_counter()
    report = check(load_rules(rules_folder, overlays), datetime.now(UTC).date())
    seconds = time.perf_counter() - started
    if as_json:
        options.print_json(_as_dict(report, seconds))
    else:
        for issue in report.issues:
            click.echo(str(issue))
        for issue, acceptance in report.accepted if show_accepted else ():
            click.echo(f"{issue}\n  accepted: {acceptance.reason}")
        click.echo(_summary(report, seconds))
    return 1 if report.issues else 0


def _summary(report: Report, seconds: float) -> str:
    profiles = ", ".join(f"{number:,} of {name}" for name, number in report.profiles.items())
    errors = sum(issue.severity == "error" for issue in report.issues)
    return (
        f"{errors} errors, {len(report.issues) - errors} warnings, {len(report.accepted)} accepted; "
        f"{report.properties} properties over all profiles ({profiles}) "
        f"in {report.nodes:,} nodes and {seconds:.1f} s"
    )


def _as_dict(report: Report, seconds: float) -> dict[str, object]:
    return {
        "issues": [issue.to_dict() for issue in report.issues],
        "accepted": [{**issue.to_dict(), "reason": acceptance.reason} for issue, acceptance in report.accepted],
        "profiles": dict(report.profiles),
        "nodes": report.nodes,
        "properties": report.properties,
        "seconds": round(seconds, 3),
    }

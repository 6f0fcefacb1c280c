"""``deployadvisor rules show``: rules as text or JSON."""

from __future__ import annotations

from pathlib import Path

import click

from deployadvisor.decide.ruleset import EVERY, FITS, Rule
from deployadvisor.errors import RulesError, nearest
from deployadvisor.rulebook import Rulebook, load_rules
from deployadvisor.surfaces import options

_CHANGED = {"add": "added", "replace": "replaced", "remove": "removed"}


@click.command("show", epilog="Example: deployadvisor rules show --lang zh hosted-by-default")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@options.rules_option
@options.overlay_option
@options.lang_option
@options.json_option
def command(
    ids: tuple[str, ...], rules_folder: Path | None, overlays: tuple[Path, ...], lang: str, as_json: bool
) -> int:
    """Print rules: all of them, or those named."""
    rulebook = load_rules(rules_folder, overlays)
    by_id = {rule.id: rule for rule in rulebook.rules()}
    for name in ids:
        if name not in by_id:
            raise RulesError(f'no rule "{name}"', suggestion=nearest(name, by_id))
    rules = [by_id[name] for name in ids] if ids else list(by_id.values())
    if as_json:
        options.print_json([_as_dict(rule, rulebook, lang) for rule in rules])
    else:
        click.echo(f"rules {rulebook.version}  sha256 {rulebook.digest[:16]}  {rulebook.folder}")
        for change in (change for overlay in rulebook.overlays for change in overlay.changes):
            click.echo(f"  {_CHANGED[change.action]} {change.subject}   {change.where}   {change.reason}".rstrip())
        click.echo()
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

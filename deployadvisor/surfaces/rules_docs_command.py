"""``deployadvisor rules docs``: the reference pages of the rules, or the drawing of one decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from deployadvisor.documents import quoted
from deployadvisor.errors import RenderError, RulesError, Where
from deployadvisor.report import rules_reference
from deployadvisor.report.reference_words import voice
from deployadvisor.report.rule_drawings import draw
from deployadvisor.rulebook import DECISIONS, Rulebook, load_rules
from deployadvisor.rulecheck import load_properties
from deployadvisor.surfaces import options


@click.command("docs", epilog="Example: deployadvisor rules docs --diagram engine --given role=desktop > desktop.svg")
@options.rules_option
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("docs/reference"),
    show_default=True,
    help="Folder for the pages.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a page in the folder is not current.")
@click.option("--diagram", "decision", type=click.Choice(DECISIONS), help="Print the drawing of one decision as SVG.")
@click.option(
    "--given", "settings", multiple=True, metavar="FACT=VALUE", help="State a fact of the drawing; repeatable."
)
@options.lang_option
def command(
    rules_folder: Path | None, folder: Path, check: bool, decision: str | None, settings: tuple[str, ...], lang: str
) -> int:
    """Write the reference pages of the rules, one a decision and one of the facts."""
    rulebook = load_rules(rules_folder)
    if decision:
        click.echo(_drawing(rulebook, decision, settings, lang), nl=False)
        return 0
    if settings:
        raise click.UsageError("--given states facts of a drawing: name its decision with --diagram")
    files = rules_reference.files(rulebook, load_properties(rulebook), lang)
    stale = [name for name, text in files.items() if _read(folder / name) != text]
    for name in stale:
        if not check:
            _write(folder / name, files[name])
        click.echo(f"{'not current' if check else 'wrote'}: {folder / name}")
    click.echo(f"{len(files)} files, {len(stale)} {'not current' if check else 'written'}")
    return 1 if check and stale else 0


def _drawing(rulebook: Rulebook, decision: str, settings: Sequence[str], lang: str) -> str:
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        if not (name and equals and value):
            raise RulesError(f"{quoted(setting)} is not fact=value", where=Where("--given"))
        if name in given:
            raise RulesError(f"{quoted(name)} is given twice", where=Where("--given"))
        given[name] = value
    return draw(getattr(rulebook, decision), given, voice(rulebook, lang))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror}") from error

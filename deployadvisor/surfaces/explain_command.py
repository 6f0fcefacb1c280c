"""``deployadvisor explain``: why, why not, and what would change the answer."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deployadvisor import documents
from deployadvisor import profile as profiles
from deployadvisor.advise import load_advice, recommend
from deployadvisor.documents import Document
from deployadvisor.explained import explained
from deployadvisor.surfaces import explain_view, options

_EPILOG = """\b
Examples:
  deployadvisor explain project.yaml --hardware "2x A100 80GB"
  deployadvisor explain project.yaml --why-not ollama --why-not hosted_api
  deployadvisor explain deploy/advice.json --to private_engine
  deployadvisor explain project.yaml --json | jq .why.facts
"""


@click.command("explain", epilog=_EPILOG)
@options.question_options
@options.overlay_option
@click.option("--why", is_flag=True, help="Only the facts and rules that decide.")
@click.option("--why-not", "why_not", multiple=True, metavar="NAME", help="What stands against it; repeatable.")
@click.option("--to", metavar="NAME", help="What would have to change to get this route, engine or provider.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the texts; that of a saved answer.")
@options.json_option
def command(
    profile_path: str | None,
    settings: tuple[str, ...],
    hardware: str | None,
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    strict: bool,
    why: bool,
    why_not: tuple[str, ...],
    to: str | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """Say why the answer to PROFILE, or of a saved advice.json, is what it is, why not another, what would change it.

    The facts shown decide it whatever all others are, and none of them can be spared. Every change was decided anew
    to see where it leads.
    """
    document = _read(profile_path)
    saved = load_advice(document) if _is_advice(document) else None
    asked = profiles.parse_settings(settings)
    advice = recommend(
        {**saved.profile, **asked} if saved else profiles.from_document(document, asked),
        hardware=hardware or (saved.machine if saved else None),
        rules=rules_folder,
        overlay=overlays,
        lang=lang or (saved.lang if saved else "en"),
        strict=strict or bool(saved and saved.strict),
    )
    same_question = not (settings or hardware or strict)
    found = explained(advice, why=why, why_not=why_not, to=to, saved=saved if same_question else None)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        for line in explain_view.show(found):
            click.echo(line)
    return options.EXIT_CODES[advice.status]


def _read(path: str | None) -> Document:
    if path is None:
        return Document("--set", {}, {})
    return documents.parse(sys.stdin.read(), "stdin") if path == "-" else documents.read(Path(path))


def _is_advice(document: Document) -> bool:
    return isinstance(document.value, dict) and "schema" in document.value

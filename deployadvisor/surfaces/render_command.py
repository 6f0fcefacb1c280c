"""``deployadvisor render``: files from a profile, from a saved answer, or from the folder that they are in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deployadvisor import documents, profile
from deployadvisor.advise import load_advice, recommend
from deployadvisor.documents import Document
from deployadvisor.errors import RulesError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle
from deployadvisor.surfaces import folder_view, options
from deployadvisor.surfaces.render_again import Asked, Wanted, answer_again

EXIT_CHANGES = 1
"""What ``--diff`` returns when writing would change something."""

_EPILOG = """\b
Examples:
  deployadvisor render project.yaml --out deploy/ --target compose
  deployadvisor render deploy/ --diff
  deployadvisor render deploy/ --set peak_concurrency=64 --keep-edits
"""


@click.command("render", epilog=_EPILOG)
@click.argument("source", metavar="[PROFILE|ADVICE.json|FOLDER]", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write; FOLDER itself by default.")
@click.option("--diff", "diff", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--hardware", help="Hardware, when SOURCE is a profile or a folder.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Answer one question; repeatable.")
@options.rules_option
@options.overlay_option
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the texts; that of the folder, or en.")
@options.json_option
@options.bundle_options
def command(
    source: str | None,
    out: Path | None,
    diff: bool,
    hardware: str | None,
    settings: tuple[str, ...],
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    lang: str | None,
    as_json: bool,
    targets: tuple[str, ...],
    proxy: str | None,
    force: bool,
    keep_edits: bool,
) -> int:
    """Render the deployment folder of a profile or of a saved answer, or render a folder again.

    A folder remembers its question. It is asked again with the rules and the catalogue of today; files that you
    edited stay, and where the new rendering differs there too, nothing is written until you say whose version counts.
    Exit code 1 when --diff finds changes.
    """
    origin, folder = _places(source, out)
    asked = Asked(profile.parse_settings(settings), hardware, rules_folder, overlays, lang)
    advice, before = _answer(origin, asked)
    bundle = advice.bundle(targets or before.targets or None, proxy=proxy or before.proxy)
    if diff:
        return _show_diff(bundle, folder, force, keep_edits, as_json)
    report = bundle.write(folder, force=force, keep_edits=keep_edits)
    if as_json:
        options.print_json(folder_view.as_dict(folder, report))
    else:
        for path in report.paths:
            click.echo(f"{folder}/{path}")
        options.print_notes(folder_view.notes(folder, report))
    return 0


def _places(source: str | None, out: Path | None) -> tuple[Path, Path]:
    """Where the question comes from, and the folder that is written."""
    origin = Path(source) if source is not None else out
    if origin is None:
        raise click.UsageError("name a profile, a saved answer or a folder")
    folder = out or (origin if origin.is_dir() else None)
    if folder is None:
        documents.read(origin)  # a wrong name is the likelier mistake
        raise click.UsageError("Missing option '--out'.")
    return origin, folder


def _answer(origin: Path, asked: Asked) -> tuple[Recommendation, Wanted]:
    if origin.is_dir():
        return answer_again(origin, asked)
    document = documents.read(origin)
    if isinstance(document.value, dict) and "schema" in document.value:
        return _saved(document, asked), Wanted()
    advice = recommend(
        profile.from_document(document, asked.settings),
        hardware=asked.hardware,
        rules=asked.rules,
        overlay=asked.overlays,
        lang=asked.lang or "en",
    )
    return advice, Wanted()


def _saved(document: Document, asked: Asked) -> Recommendation:
    given = {
        "an overlay": asked.overlays,
        "--rules": asked.rules,
        "--set": asked.settings,
        "--hardware": asked.hardware,
        "--lang": asked.lang,
    }
    name = next((name for name, value in given.items() if value), None)
    if name is not None:
        message = f"a saved answer has been decided; {name} goes with a profile or a folder"
        raise RulesError(message, where=document.where())
    return load_advice(document)


def _show_diff(
    bundle: Bundle,
    folder: Path,
    force: bool,
    keep_edits: bool,
    as_json: bool,
) -> int:
    found = bundle.diff(folder, force=force, keep_edits=keep_edits)
    if as_json:
        options.print_json(folder_view.diff_as_dict(folder, found))
    else:
        terminal = sys.stdout.isatty()
        for line in folder_view.diff_lines(folder, found, terminal=terminal):
            # color: the text is that of the files, and stays as it is where it is not coloured here.
            click.echo(line, color=True)
    return EXIT_CHANGES if found.report.changes else 0

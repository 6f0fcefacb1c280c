"""``deployadvisor render``: files from a profile, or from an answer that was saved."""

from __future__ import annotations

from pathlib import Path

import click

from deployadvisor import documents, profile
from deployadvisor.advise import load_advice, recommend
from deployadvisor.errors import RulesError
from deployadvisor.surfaces import options


@click.command("render", epilog="Example: deployadvisor render deploy/advice.json --out deploy/ --target compose")
@click.argument("source", metavar="PROFILE|ADVICE.json")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--hardware", help="Hardware, when SOURCE is a profile.")
@options.overlay_option
@options.lang_option
@options.json_option
@options.bundle_options
def command(
    source: str,
    out: Path,
    hardware: str | None,
    overlays: tuple[Path, ...],
    lang: str,
    as_json: bool,
    targets: tuple[str, ...],
    force: bool,
) -> int:
    """Render the deployment folder of a profile or of a saved answer."""
    document = documents.read(Path(source))
    if isinstance(document.value, dict) and "schema" in document.value:
        if overlays:
            raise RulesError(
                "a saved answer has been decided; an overlay goes with a profile", where=document.where()
            )
        advice = load_advice(document)
    else:
        advice = recommend(profile.from_document(document), hardware=hardware, overlay=overlays, lang=lang)
    report = advice.write(out, targets=targets or None, force=force)
    if as_json:
        options.print_json({"folder": str(out), "files": list(report.paths)})
    else:
        for path in report.paths:
            click.echo(f"{out}/{path}")
    return 0

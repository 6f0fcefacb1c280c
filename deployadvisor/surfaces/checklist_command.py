"""``deployadvisor checklist``: what to settle before the project starts."""

from __future__ import annotations

from pathlib import Path

import click

from deployadvisor.advise import recommend
from deployadvisor.checklist.document import markdown
from deployadvisor.errors import RenderError
from deployadvisor.surfaces import options


@click.command("checklist", epilog="Example: deployadvisor checklist project.yaml --hardware none --out CHECKLIST.md")
@options.question_options
@options.overlay_option
@options.lang_option
@options.json_option
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file, which must not exist.")
def command(
    profile_path: str | None,
    settings: tuple[str, ...],
    hardware: str | None,
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    strict: bool,
    lang: str,
    as_json: bool,
    out: Path | None,
) -> int:
    """Print the pre-project checklist: only the items that apply, ticked where profile or probe prove them."""
    profile = options.read_profile(profile_path, settings)
    advice = recommend(profile, hardware=hardware, rules=rules_folder, overlay=overlays, lang=lang, strict=strict)
    text = markdown(advice)
    if out is not None:
        _write_new(out, text)
    if as_json:
        options.print_json({"status": advice.status, "route": advice.route, "markdown": text})
    elif out is None:
        click.echo(text, nl=False)
    return options.EXIT_CODES[advice.status]


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror}") from error

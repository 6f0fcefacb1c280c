"""``deployadvisor recommend``: the whole main job."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deployadvisor.advise import recommend
from deployadvisor.recommendation import Recommendation
from deployadvisor.surfaces import folder_view, options
from deployadvisor.surfaces.words import WORDS

if TYPE_CHECKING:
    from deployadvisor.render.bundle import Bundle

_EPILOG = """\b
Examples:
  deployadvisor recommend project.yaml --hardware "2x A100 80GB" --out deploy/
  deployadvisor recommend --set data_sensitivity=public --set requests_per_day=300 --hardware none
  deployadvisor recommend project.yaml --json | jq .route
"""


@click.command("recommend", epilog=_EPILOG)
@options.question_options
@options.overlay_option
@options.lang_option
@options.json_option
@click.option("--markdown", is_flag=True, help="Print the answer as Markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the deployment folder here.")
@options.bundle_options
def command(
    profile_path: str | None,
    settings: tuple[str, ...],
    hardware: str | None,
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    strict: bool,
    lang: str,
    as_json: bool,
    markdown: bool,
    out: Path | None,
    targets: tuple[str, ...],
    proxy: str | None,
    force: bool,
    keep_edits: bool,
) -> int:
    """Recommend how to run the model of PROFILE (YAML or JSON, - for standard input), and say why."""
    profile = options.read_profile(profile_path, settings)
    advice = recommend(profile, hardware=hardware, rules=rules_folder, overlay=overlays, lang=lang, strict=strict)
    written = ""
    if out is not None and advice.status == "decided":
        bundle = advice.bundle(targets or None, proxy=proxy)
        report = bundle.write(out, force=force, keep_edits=keep_edits)
        options.print_notes(folder_view.notes(out, report))
        written = _written(advice, bundle, out, len(report.paths))
    if as_json:
        click.echo(advice.to_json(), nl=False)
    elif markdown:
        click.echo(advice.to_markdown(), nl=False)
    else:
        from deployadvisor.surfaces import view  # noqa: PLC0415 - not needed for JSON

        for line in view.show(advice):
            click.echo(line)
        click.echo(written or _to_write(advice))
    return options.EXIT_CODES[advice.status]


def _to_write(advice: Recommendation) -> str:
    words = WORDS[advice.lang]
    return f"\n  {words['next']}: {words['next_render']}\n" if advice.status == "decided" else ""


def _written(advice: Recommendation, bundle: Bundle, out: Path, files: int) -> str:
    words = WORDS[advice.lang]
    step = words["next_run"] if bundle.serves else words["next_read"]
    then = step.format(folder=out, quoted=shlex.quote(f"{out}/"))
    return f"\n  {words['wrote']} {out}/: {files} {words['files']}.  {words['next']}: {then}\n"

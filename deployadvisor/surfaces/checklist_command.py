"""``deployadvisor checklist``: what to settle before the project starts, and the preflight of this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from deployadvisor import documents
from deployadvisor.advise import load_advice, recommend
from deployadvisor.checklist.preflight import preflight
from deployadvisor.checklist.requirements import Requirements
from deployadvisor.checklist.results import Preflight, read_preflight
from deployadvisor.checklist.signed import UNSIGNED, Signatures
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.carried import checklist, signatures, write_checked
from deployadvisor.render.preflight import requirements
from deployadvisor.render.record import read_record
from deployadvisor.surfaces import options
from deployadvisor.surfaces.preflight_view import show

EXIT_FAILED = 1
"""What ``--run`` returns when a check failed."""

_EPILOG = """\b
Examples:
  deployadvisor checklist project.yaml --hardware none --out CHECKLIST.md
  deployadvisor checklist --run deploy/
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An answer, and what stands in its folder; a profile has none."""

    advice: Recommendation
    requirements: Callable[[], Requirements | None]
    folder: Path | None = None
    signed: Signatures = UNSIGNED
    checked: Preflight | None = None


@click.command("checklist", epilog=_EPILOG)
@options.question_options
@options.overlay_option
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the texts; that of the folder, or en.")
@options.json_option
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file, which must not exist.")
@click.option("--run", "run", is_flag=True, help="Preflight: check what this machine can check, and tick it.")
@click.option("--offline", is_flag=True, help="With --run: ask no other computer.")
def command(
    profile_path: str | None,
    settings: tuple[str, ...],
    hardware: str | None,
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    strict: bool,
    lang: str | None,
    as_json: bool,
    out: Path | None,
    run: bool,
    offline: bool,
) -> int:
    """Print the checklist of a profile or of a rendered folder: only the items that apply, ticked where proven.

    --run looks at this machine before the first start, changes nothing on it, and shows what passed and what to do.
    In a folder it writes preflight.json, and CHECKLIST.md with the results; ticks, signatures and notes of people
    stay. Exit code 1 when a check failed.
    """
    folder = Path(profile_path) if profile_path is not None and Path(profile_path).is_dir() else None
    if folder is not None:
        given = (bool(settings), hardware, rules_folder, bool(overlays), strict, lang)
        _refuse_answers(any(given))
        asked = _of_folder(folder)
    else:
        profile = options.read_profile(profile_path, settings)
        advice = recommend(
            profile, hardware=hardware, rules=rules_folder, overlay=overlays, lang=lang or "en", strict=strict
        )
        asked = _Asked(advice, lambda: requirements(advice))
    if run:
        return _run(asked, out, network=not offline, as_json=as_json)
    if offline:
        raise click.UsageError("--offline goes with --run")
    return _print(asked, out, as_json=as_json)


def _refuse_answers(given: bool) -> None:
    if given:
        message = "a folder holds its answers and its language; change them with deployadvisor render FOLDER"
        raise click.UsageError(message)


def _of_folder(folder: Path) -> _Asked:
    """The answer of a folder, with what people and the last preflight said."""
    record = read_record(folder)
    advice = load_advice(documents.read(folder / "advice.json"))
    return _Asked(
        advice,
        lambda: requirements(advice, record.targets, record.question.proxy if record.question else None),
        folder,
        signatures(advice, folder),
        read_preflight(folder),
    )


def _run(asked: _Asked, out: Path | None, *, network: bool, as_json: bool) -> int:
    needs = asked.requirements()
    if needs is None:
        raise RenderError("these files start nothing, so there is nothing to check")
    lang = asked.advice.lang
    checked = preflight(needs, lang=lang, folder=asked.folder, network=network)
    if asked.folder is not None:
        write_checked(asked.advice, needs, checked, asked.folder)
    if out is not None:
        _write_new(out, checklist(asked.advice, needs, asked.signed, checked))
    if as_json:
        options.print_json(checked.model_dump(mode="json", by_alias=True, exclude_none=True))
    else:
        terminal = sys.stdout.isatty()
        for line in show(checked, lang, colour=terminal):
            click.echo(line, color=terminal)
    return EXIT_FAILED if checked.failed else 0


def _print(asked: _Asked, out: Path | None, *, as_json: bool) -> int:
    advice = asked.advice
    needs = asked.requirements() if asked.checked is not None else None
    text = checklist(advice, needs, asked.signed, asked.checked)
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

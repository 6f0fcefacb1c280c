"""Ask the question of a deployment folder again: its answers from ``.deployadvisor.yaml``, with today's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployadvisor import documents
from deployadvisor import profile as profiles
from deployadvisor.advise import load_advice, recommend
from deployadvisor.errors import DocumentError, ProfileError, RenderError
from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.saved import is_path
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.manifest import PROXIES
from deployadvisor.render.record import RECORD, Question, Record, read_record


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the folder; what it leaves out stays as recorded."""

    settings: Mapping[str, Any]
    hardware: str | None
    rules: Path | None
    overlays: tuple[Path, ...]
    lang: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What files were asked for: targets by name, and the proxy; nothing where the usual ones are taken."""

    targets: tuple[str, ...] = ()
    proxy: str | None = None


def answer_again(folder: Path, asked: Asked) -> tuple[Recommendation, Wanted]:
    """The answer to the folder's question as it comes out now, and the files that were asked for then."""
    record = read_record(folder)
    question = record.question
    if question is None:
        raise RenderError(
            f"{folder / RECORD} holds no answers: deployadvisor {record.deployadvisor} kept none",
            remedy=f"render its saved answer: deployadvisor render {folder}/advice.json --out {folder}",
        )
    _refuse_other_rules(record, asked)
    profile = _profile(folder, {**question.profile, **asked.settings})
    advice = recommend(
        profile,
        hardware=asked.hardware or _machine(folder, question, profile.hardware),
        rules=asked.rules,
        overlay=asked.overlays,
        lang=asked.lang or question.lang,
        strict=question.strict,
    )
    return advice, Wanted(question.targets, question.proxy if question.proxy != PROXIES[0] else None)


def _profile(folder: Path, answers: Mapping[str, Any]) -> profiles.Profile:
    return profiles.from_answers(answers, str(folder / RECORD))


def _refuse_other_rules(record: Record, asked: Asked) -> None:
    """Shipped rules must not quietly take the place of the organisation's own."""
    if record.ruleset.own and asked.rules is None:
        raise RenderError("this folder was decided by rules of your own", remedy="name their folder with --rules")
    if record.ruleset.overlays and not asked.overlays:
        names = ", ".join(record.ruleset.overlays)
        raise RenderError(f"this folder was decided with overlays: {names}", remedy="name them with --overlay")


def _machine(folder: Path, question: Question, in_profile: str | None) -> Machine | str:
    """A phrase is read anew; what was probed or saved is taken as it was then, wherever this runs.

    An answer of ``--set hardware=`` counts, because it differs from the recorded one.
    """
    if in_profile is not None and in_profile != question.profile.get("hardware"):
        return in_profile
    if question.hardware != "probe" and not is_path(question.hardware):
        return question.hardware
    try:
        return load_advice(documents.read(folder / "advice.json")).machine
    except (DocumentError, ProfileError) as error:
        raise RenderError(
            f"the machine was read by {question.hardware}, and {folder / 'advice.json'} does not tell it any more",
            remedy="name it with --hardware",
        ) from error

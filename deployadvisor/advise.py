"""``recommend``: from a profile and a machine to the whole answer, in one readable page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from deployadvisor import profile as profiles
from deployadvisor.answer import Answer, answer_to
from deployadvisor.catalog.regulations import find_regulation
from deployadvisor.cautions import Cautions
from deployadvisor.documents import Document
from deployadvisor.errors import CatalogError, DeployAdvisorError, ProfileError, Where, nearest
from deployadvisor.explanation import Explanation
from deployadvisor.hardware.here import machine_for
from deployadvisor.hardware.machine import Machine
from deployadvisor.plan import routes_of
from deployadvisor.profile import Profile
from deployadvisor.recommendation import Origin, Recommendation, RulesetRef
from deployadvisor.rulebook import Paths, load_rules
from deployadvisor.verdict import Bench
from deployadvisor.version import __version__

Lang = Literal["en", "zh"]


def recommend(
    profile: Profile | Mapping[str, Any] | Path | str | None = None,
    *,
    hardware: Machine | str | None = None,
    rules: Path | str | None = None,
    overlay: Paths | None = None,
    lang: str = "en",
    strict: bool = False,
    **answers: Any,
) -> Recommendation:
    """Recommend how to run a model.

    ``profile`` is a Profile, a mapping, or a path of a YAML or JSON file; ``answers`` are profile keys and win over
    it. ``hardware`` is a Machine, ``"probe"`` (the default), ``"none"``, a saved machine file, or a phrase such as
    ``"8x H200"``. ``overlay`` is a file, or several, that change rules of the folder ``rules``, the shipped one by
    default. ``strict`` assumes nothing. Raises a DeployAdvisorError for input that is not right.
    """
    if lang not in ("en", "zh"):
        raise DeployAdvisorError(f'lang "{lang}" is not one of en, zh', suggestion=nearest(lang, ("en", "zh")))
    project = _with_known_regulations(_project(profile, answers))
    rulebook = load_rules(rules, () if overlay is None else overlay)
    machine = machine_for(hardware if hardware is not None else project.hardware)
    answer = answer_to(project, Bench(rulebook, machine), strict=strict)
    advice = _advice(answer, "zh" if lang == "zh" else "en")
    advice._origin = Origin(rules, overlay)
    return advice


def load_advice(document: Document, rules: Path | str | None = None, overlay: Paths | None = None) -> Recommendation:
    """A saved ``advice.json`` as a Recommendation; DeployAdvisorError with its place when it is not one.

    ``rules`` and ``overlay`` explain it when it is asked why; the shipped rules by default.
    """
    try:
        advice = Recommendation.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"not a saved answer: {'.'.join(str(part) for part in first['loc'])}: {first['msg'].lower()}"
        raise ProfileError(message, where=document.where(tuple(first["loc"]))) from None
    advice._origin = Origin(rules, overlay)
    return advice


def _project(profile: Profile | Mapping[str, Any] | Path | str | None, answers: Mapping[str, Any]) -> Profile:
    if profile is None:
        return profiles.from_answers(answers)
    if isinstance(profile, (str, Path)):
        profile = profiles.load(Path(profile))
    if not answers and isinstance(profile, Profile):
        return profile
    given = profile.answers() if isinstance(profile, Profile) else profile
    return profiles.from_answers({**given, **answers})


def _with_known_regulations(profile: Profile) -> Profile:
    """Regulation names as catalogue ids."""
    named = profile.answered("regulations")
    if not named:
        return profile
    try:
        ids = tuple(dict.fromkeys(find_regulation(name).id for name in named))
    except CatalogError as error:
        raise ProfileError(
            error.message, allowed=error.allowed, suggestion=error.suggestion, where=Where("regulations")
        ) from None
    return profile.model_copy(update={"regulations": ids})


def _advice(answer: Answer, lang: Lang) -> Recommendation:
    words = Explanation(answer, lang)
    verdict, planned, rulebook = answer.verdict, answer.planned, answer.rulebook
    route = verdict.route
    return Recommendation(
        deployadvisor_version=__version__,
        lang=lang,
        name=verdict.profile.name or "project",
        status=route.status,
        route="blocked" if route.status == "blocked" else route.winner,
        title=words.title(),
        engine=planned.engine,
        provider=planned.provider,
        stages=words.stages(),
        plan=planned.plan,
        estimate=planned.estimate,
        cost=planned.cost,
        reasons=tuple(words.reasons()),
        rejected=tuple(words.losers.rejected()),
        runners_up=tuple(words.losers.runners_up()),
        routes_of=routes_of(),
        possible=route.possible if route.status == "open" else (),
        missing=words.losers.missing(),
        changes=tuple(words.changes()),
        assumed=(*words.assumed(), *words.planned_with()),
        unknown=tuple(words.unknown()),
        next_question=words.question(),
        warnings=tuple(Cautions(verdict, planned, lang).all()),
        obligations=tuple(words.duties(verdict.profile.answered("regulations") or ())),
        ruleset=RulesetRef(
            version=rulebook.version,
            digest=rulebook.digest,
            overlays=tuple(overlay.name for overlay in rulebook.overlays),
        ),
        facts=verdict.situation.known,
        profile=verdict.profile.answers(),
        machine=verdict.machine,
        strict=answer.strict,
    )

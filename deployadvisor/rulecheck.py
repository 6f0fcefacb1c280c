"""The check of a whole rulebook: its decisions proven, its texts, sources, examples and scenarios gone through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deployadvisor import documents
from deployadvisor.decide import accepted, properties
from deployadvisor.decide.accepted import Acceptance
from deployadvisor.decide.coverage import check_coverage, seen_in, seen_in_examples
from deployadvisor.decide.findings import Issue, in_order
from deployadvisor.decide.properties import Properties
from deployadvisor.decide.verify import verify
from deployadvisor.decide.verify_files import check_sources, check_terms
from deployadvisor.decide.verify_texts import check_rule_texts, check_translation
from deployadvisor.documents import Document
from deployadvisor.resources import display_path
from deployadvisor.rulebook import DECISIONS, Rulebook
from deployadvisor.scenarios import facts_of_scenarios

_DATED = (*DECISIONS, "vocabulary", "checklist")
"""Files whose sources were read by somebody on some day."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found, and over how much."""

    issues: tuple[Issue, ...]
    """Errors, and warnings that nobody accepted, in the order of the files."""
    accepted: tuple[tuple[Issue, Acceptance], ...]
    profiles: Mapping[str, int]
    """Possible profiles that each ruleset can tell apart."""
    nodes: int
    """Nodes of all diagrams that were needed."""
    properties: int
    """Promises that were to be proven."""


def check(rulebook: Rulebook, today: date | None = None) -> Report:
    """Find everything that is wrong with a rulebook. Without a day ``today`` no source is too old."""
    promises = load_properties(rulebook)
    verified = verify(rulebook.vocabulary, rulebook.rulesets, promises)
    issues = [*verified.issues, *_texts(rulebook), *_files(rulebook, promises, today), *_coverage(rulebook)]
    path = rulebook.folder / "accepted.yaml"
    acceptances = accepted.load(path, display_path(path)) if path.exists() else ()
    sorted_ = accepted.sort(in_order(issues), acceptances)
    return Report(
        issues=in_order(sorted_.issues),
        accepted=sorted_.accepted,
        profiles=verified.profiles,
        nodes=verified.nodes,
        properties=len(promises.promises),
    )


def load_properties(rulebook: Rulebook) -> Properties:
    """What the rules of a folder promise; nothing when it has no ``properties.yaml``."""
    path = rulebook.folder / "properties.yaml"
    return properties.load(path, rulebook.rulesets, display_path(path)) if path.exists() else Properties()


def _texts(rulebook: Rulebook) -> Iterator[Issue]:
    yield from check_rule_texts(rulebook.rulesets)
    if rulebook.chinese.language != "en" and not rulebook.overlays:  # an overlay speaks one language
        yield from check_translation(rulebook.chinese, rulebook.rulesets, rulebook.vocabulary)


def _files(rulebook: Rulebook, promises: Properties, today: date | None) -> Iterator[Issue]:
    read = {name: _document(path) for name in _DATED if (path := rulebook.folder / f"{name}.yaml").exists()}
    for name in DECISIONS:
        yield from check_terms(getattr(rulebook, name), read[name])
    for name, document in read.items():
        yield from check_sources(document, name, today, promises.source_limit_days)


def _document(path: Path) -> Document:
    return documents.read(path, display_path(path))


def _coverage(rulebook: Rulebook) -> Iterator[Issue]:
    lacking = [one for one in rulebook.rulesets if any(check_coverage(one, seen_in_examples(one)))]
    # whole scenarios are asked only for what the examples beside the rules do not show
    profiles = facts_of_scenarios(rulebook) if lacking else ()
    for ruleset in lacking:
        yield from check_coverage(ruleset, seen_in_examples(ruleset), seen_in(ruleset, profiles))

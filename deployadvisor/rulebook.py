"""The rules of this project as one value: vocabulary, the three decisions, their texts, version and digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.decide import reader, texts, vocabulary
from deployadvisor.decide.reader import GivenCandidates
from deployadvisor.decide.ruleset import Given, Rule, Ruleset
from deployadvisor.decide.texts import Texts
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.errors import RulesError, Where
from deployadvisor.resources import display_path, rules_folder

DECISIONS = ("route", "engine", "provider")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything ``recommend`` decides with. ``digest`` is the SHA-256 over all rule files."""

    folder: Path
    vocabulary: Vocabulary
    route: Ruleset
    engine: Ruleset
    provider: Ruleset
    chinese: Texts
    digest: str

    @property
    def version(self) -> str:
        """Version of the route ruleset, which names the answer."""
        return self.route.version

    @property
    def rulesets(self) -> tuple[Ruleset, ...]:
        """The three decisions in the order in which they are taken."""
        return (self.provider, self.engine, self.route)

    def rules(self) -> Iterator[Rule]:
        """Every rule of every decision."""
        return (rule for decision in self.rulesets for rule in decision.rules)

    def texts(self, lang: str) -> Texts:
        """Texts in a language; English stands in the rules themselves."""
        return self.chinese if lang == "zh" else texts.english()


def load_rules(folder: Path | str | None = None) -> Rulebook:
    """Read a folder of rules, the shipped one by default; RulesError with file:line:column when it does not load."""
    return _load(Path(folder) if folder is not None else rules_folder())


@cache
def _load(folder: Path) -> Rulebook:
    if not folder.is_dir():
        raise RulesError("no such rules folder", where=Where(str(folder)))
    words = vocabulary.load(folder / "vocabulary.yaml", display_path(folder / "vocabulary.yaml"))
    given = _candidates()
    decisions = {name: _ruleset(folder / f"{name}.yaml", words, given) for name in DECISIONS}
    chinese = folder / "texts.zh.yaml"
    return Rulebook(
        folder=folder,
        vocabulary=words,
        **decisions,
        chinese=texts.load_texts(chinese) if chinese.exists() else texts.english(),
        digest=_digest(folder),
    )


def _ruleset(path: Path, words: Vocabulary, given: GivenCandidates) -> Ruleset:
    return reader.load(path, words, given, display_path(path))


def _candidates() -> GivenCandidates:
    """Engines and providers are candidates by standing in the catalogue: one entry there adds one."""
    return {
        "engines": {
            name: Given(engine.name, {"role": " or ".join(engine.roles)}) for name, engine in engines().items()
        },
        "providers": {name: Given(provider.name) for name, provider in providers().items()},
    }


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.yaml")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

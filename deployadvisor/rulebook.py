"""The rules of this project as one value: vocabulary, the three decisions, their texts, version and digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from deployadvisor import documents
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.decide import assumptions, overlay, reader, texts, vocabulary
from deployadvisor.decide.layers import layered
from deployadvisor.decide.overlay import Overlay
from deployadvisor.decide.reader import GivenCandidates
from deployadvisor.decide.ruleset import Given, Rule, Ruleset
from deployadvisor.decide.texts import Texts
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.documents import Document
from deployadvisor.errors import RulesError, Where
from deployadvisor.resources import display_path, rules_folder

DECISIONS = ("route", "engine", "provider")
Paths = Sequence[Path | str] | Path | str
"""One file or several."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything ``recommend`` decides with. ``digest`` is the SHA-256 over all rule files and overlays."""

    folder: Path
    vocabulary: Vocabulary
    route: Ruleset
    engine: Ruleset
    provider: Ruleset
    chinese: Texts
    digest: str
    overlays: tuple[Overlay, ...] = ()
    """What was laid over the folder, in this order."""

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


def load_rules(folder: Path | str | None = None, overlays: Paths = ()) -> Rulebook:
    """Read a folder of rules, the shipped one by default, and lay overlays over it, in their order.

    RulesError with file:line:column when one does not load, or when an overlay weakens what may not be overridden.
    """
    paths = [overlays] if isinstance(overlays, (Path, str)) else overlays
    files = tuple((Path(path), _fingerprint(Path(path))) for path in paths)
    return _load(Path(folder) if folder is not None else rules_folder(), files)


@cache
def _load(folder: Path, files: tuple[tuple[Path, str], ...]) -> Rulebook:
    if not folder.is_dir():
        raise RulesError("no such rules folder", where=Where(str(folder)))
    document = _document(folder, "vocabulary")
    words = vocabulary.read(document)
    assumed = assumptions.read(document, words)
    given = _candidates()
    overlays = tuple(overlay.load(path, display_path(path)) for path, _ in files)
    bases = {name: _document(folder, name) for name in DECISIONS}
    layers = layered(bases, overlays, lambda document: reader.read(document, words, given, assumed))
    decisions = {name: rulesets[-1] for name, rulesets in layers.items()}
    chinese = folder / "texts.zh.yaml"
    return Rulebook(
        folder=folder,
        vocabulary=words,
        **decisions,
        chinese=_still_true(texts.load_texts(chinese), layers) if chinese.exists() else texts.english(),
        digest=_digest(folder, files),
        overlays=overlays,
    )


def _still_true(translation: Texts, layers: Mapping[str, Sequence[Ruleset]]) -> Texts:
    """The translation without the rules whose text an overlay changed: they speak in the words of the overlay."""
    stale = set()
    for base, *_, effective in (rulesets for rulesets in layers.values() if len(rulesets) > 1):
        before = {rule.id: rule.text for rule in base.rules}
        stale |= {("rules", rule.id) for rule in effective.rules if rule.text != before.get(rule.id)}
    kept = {key: text for key, text in translation.wordings.items() if key not in stale}
    return replace(translation, wordings=kept) if stale else translation


def _document(folder: Path, name: str) -> Document:
    path = folder / f"{name}.yaml"
    return documents.read(path, display_path(path))


def _candidates() -> GivenCandidates:
    """Engines and providers are candidates by standing in the catalogue: one entry there adds one."""
    return {
        "engines": {
            name: Given(engine.name, {"role": " or ".join(engine.roles)}) for name, engine in engines().items()
        },
        "providers": {name: Given(provider.name) for name, provider in providers().items()},
    }


def _digest(folder: Path, files: tuple[tuple[Path, str], ...]) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.yaml")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for path, fingerprint in files:
        digest.update(path.name.encode() + b"\0" + fingerprint.encode())
    return digest.hexdigest()


def _fingerprint(path: Path) -> str:
    """What an overlay holds, so that an edited one is read anew; one that cannot be read is refused later."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(documents.MAX_BYTES + 1)).hexdigest()
    except OSError:
        return ""

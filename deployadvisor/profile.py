"""The user's answers about a project: typed, bounded, frozen. Every key may be left out or be ``unknown``.

A key left out (None here) takes the assumption stated in ``rules/vocabulary.yaml``; ``unknown`` keeps the
question open. Loaded from YAML, JSON, keywords or ``--set``; errors name file, line, column and what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from deployadvisor import documents
from deployadvisor.documents import Document, Key, KeyPath
from deployadvisor.errors import ProfileError, Where, nearest

Open = Literal["unknown"]

Purpose = Literal["personal", "prototype", "evaluation", "production"]
DataSensitivity = Literal["public", "internal", "confidential", "restricted"]
Audience = Literal["internal", "customers", "public"]
DataRegion = Literal["cn", "eu", "us", "other", "any"]
VendorContract = Literal["none", "dpa", "baa"]
VendorDependence = Literal["accepted", "limited", "unacceptable"]
Internet = Literal["yes", "no"]
Traffic = Literal["steady", "business_hours", "bursty"]
Customization = Literal["none", "prompting", "retrieval", "adapter", "full_tuning"]
Quality = Literal["small", "medium", "large", "frontier"]
OpsCapacity = Literal["nobody", "part_time", "on_call"]
CanAcquireGpu = Literal["cannot", "rent", "buy"]
Currency = Literal["USD", "CNY", "EUR"]
Platform = Literal["laptop", "docker", "kubernetes", "bare_metal", "slurm"]
Modality = Literal["text", "image", "audio"]
Interface = Literal["api", "web_ui"]

_MAX_TEXT = 400


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_MAX_TEXT),
    AfterValidator(_printable),
]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Words = Annotated[tuple[Word, ...], Field(max_length=30)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Volume = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1, le=20_000_000)]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)]


class Profile(BaseModel):
    """What a project needs. All keys are optional; see ``deployadvisor schema profile``."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="deployadvisor project profile")

    name: Line | None = None
    """What the project is called."""
    purpose: Purpose | Open | None = None
    """What the deployment is for; evaluation means fine-tuning experiments and verifying quality."""
    data_sensitivity: DataSensitivity | Open | None = None
    """The most sensitive text that reaches the model."""
    regulations: Words | Open | None = None
    """What the data falls under, as ids of the regulation catalogue: gdpr, pipl, hipaa …"""
    audience: Audience | Open | None = None
    """Who talks to it; services to the public carry filing and labelling duties."""
    data_region: DataRegion | Open | None = None
    """Where the data must stay."""
    vendor_contract: VendorContract | Open | None = None
    """The contract a hosted provider may be used under: data processing or business associate agreement."""
    vendor_dependence: VendorDependence | Open | None = None
    """May the service hang on one vendor's limits, outages, prices? limited = two vendors or a tested exit."""
    internet: Internet | Open | None = None
    """May the service reach the internet? no = air-gapped."""
    requests_per_day: Volume | Open | None = None
    """Requests on a busy day."""
    peak_concurrency: Count | Open | None = None
    """Requests in flight at the peak."""
    input_tokens: Tokens | Open | None = None
    """Average prompt length in tokens."""
    output_tokens: Tokens | Open | None = None
    """Average answer length in tokens."""
    traffic: Traffic | Open | None = None
    """Shape of the load over the day, hence utilisation."""
    growth_per_year: Annotated[float, Field(ge=-1, le=100, allow_inf_nan=False)] | Open | None = None
    """Growth of the volume as a fraction: 0.5 is half as much again after a year."""
    customization: Customization | Open | None = None
    """How far the model must be adapted to the task."""
    model: Line | None = None
    """A wanted model: hub id or alias in the catalogue, a local folder with config.json, or a GGUF file."""
    quality: Quality | Open | None = None
    """Quality class wanted when no model is named."""
    context_tokens: Tokens | Open | None = None
    """Longest prompt plus answer in tokens."""
    ttft_ms: Milliseconds | Open | None = None
    """Target for the time to first token, 95th percentile."""
    tpot_ms: Milliseconds | Open | None = None
    """Target for the time per output token, 95th percentile."""
    ops_capacity: OpsCapacity | Open | None = None
    """Who keeps it running."""
    can_acquire_gpu: CanAcquireGpu | Open | None = None
    """May GPUs be rented or bought?"""
    budget_per_month: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | Open | None = None
    """What it may cost a month, in ``currency``."""
    currency: Currency | None = None
    """Currency of the budget."""
    platform: Platform | Open | None = None
    """Where it is deployed."""
    hardware: Line | None = None
    """``probe``, ``none``, a machine file, an instance type (``p5.48xlarge``) or a phrase (``8x H200 + cpu 1TB``)."""
    languages: Words | Open | None = None
    """Languages of the texts: zh, en …"""
    modalities: Annotated[tuple[Modality, ...], Field(max_length=3)] | Open | None = None
    """Kinds of input and output."""
    interface: Interface | Open | None = None
    """How people reach it: programs through an API, or people through a web page."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        for keys, text in _contradictions(self.answered):
            message = f"contradiction: {text}"
            raise PydanticCustomError("contradiction", "{message}", {"message": message, "keys": keys})
        return self

    def allows(self, key: str, value: Any) -> bool:
        """Whether answering ``key`` with ``value`` would contradict no other answer."""
        changed = {key: value}
        return not any(_contradictions(lambda name: changed.get(name, self.answered(name))))

    def answered(self, key: str) -> Any:
        """The answer to ``key``, or None when it was left out or is ``unknown``."""
        value = getattr(self, key)
        return None if value == "unknown" else value

    def answers(self) -> dict[str, Any]:
        """The keys that were answered, in the order of this class."""
        return self.model_dump(mode="json", exclude_none=True)


_CONTRADICTIONS: tuple[tuple[tuple[str, ...], Any, str], ...] = (
    (
        ("context_tokens", "input_tokens", "output_tokens"),
        lambda context, prompt, answer: context < prompt + answer,
        "context_tokens {0} is less than input_tokens {1} + output_tokens {2}",
    ),
    (
        ("requests_per_day", "peak_concurrency"),
        lambda per_day, peak: peak > max(per_day, 1),
        "peak_concurrency {1} is more than the {0:g} requests of a whole day",
    ),
    (
        ("purpose", "audience"),
        lambda purpose, audience: purpose == "personal" and audience != "internal",
        "purpose {0} cannot have audience {1}",
    ),
    (
        ("internet", "audience"),
        lambda internet, audience: internet == "no" and audience == "public",
        "internet no (air-gapped) cannot serve audience public",
    ),
)


def _contradictions(answer: Callable[[str], Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Answers that cannot hold together: their keys, and why."""
    for keys, clash, text in _CONTRADICTIONS:
        values = [answer(key) for key in keys]
        if None not in values and clash(*values):
            yield keys, text.format(*values)


@cache
def allowed_values() -> dict[str, tuple[str, ...]]:
    """The words each choice key accepts, ``unknown`` included."""
    return {key: words for key, info in Profile.model_fields.items() if (words := _words(info.annotation))}


def _words(annotation: Any) -> tuple[str, ...]:
    parts = get_args(annotation)
    if parts and all(isinstance(part, str) for part in parts):
        return parts
    return tuple(word for part in parts for word in _words(part))


def load(path: Path) -> Profile:
    """Read a profile file; raises ProfileError or DocumentError with file, line and column."""
    return from_document(documents.read(path))


def from_document(document: Document, overrides: Mapping[str, Any] | None = None) -> Profile:
    """Validate a read document; ``overrides`` (from ``--set``) replace its keys."""
    values = document.value
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ProfileError("a profile is a mapping of keys to values", where=document.where())
    return _validate({**values, **(overrides or {})}, document, tuple(overrides or ()))


def from_answers(answers: Mapping[str, Any], source: str = "argument") -> Profile:
    """Validate keyword answers."""
    return _validate(dict(answers), Document(source, dict(answers), {}), tuple(answers))


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts of ``--set``; values are read as YAML, so ``[zh, en]`` and ``unknown`` work."""
    answers: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        where = Where(f"--set {key.strip()}")
        if not equals or not key.strip():
            raise ProfileError(f'"{setting}" is not key=value', where=Where("--set"))
        if key.strip() in answers:
            raise ProfileError("given twice", where=where)
        answers[key.strip()] = documents.parse(text, str(where)).value
    return answers


def _validate(values: dict[str, Any], document: Document, arguments: tuple[str, ...]) -> Profile:
    for key in values:
        if key not in Profile.model_fields:
            raise ProfileError(
                f'unknown key "{key}"',
                where=_where(document, (key,), arguments, key=True),
                allowed=tuple(Profile.model_fields),
                suggestion=nearest(key, Profile.model_fields),
            )
    prepared = {key: _prepare(key, value) for key, value in values.items()}
    for path, value in _booleans(prepared):
        raise ProfileError(
            f"{path[0]}: YAML reads {str(value).lower()} here (from yes/no/on/off)",
            where=_where(document, path, arguments),
            remedy="write a number" if _is_number(path[0]) else "write the word in quotes",
        )
    try:
        return Profile.model_validate(prepared)
    except ValidationError as error:
        raise _explain(error, prepared, document, arguments) from None


def _prepare(key: str, value: Any) -> Any:
    """The flag ``internet`` takes YAML's booleans; a list may be written as words with commas."""
    if key == "internet" and isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and key in _LISTS:
        return value if value == "unknown" else [word.strip() for word in value.split(",") if word.strip()]
    return value


def _booleans(values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, bool]]:
    """YAML reads ``yes`` and ``no`` as booleans, ``no`` for Norwegian among them: never meant here."""
    for key, value in values.items():
        items: Any = value if isinstance(value, (list, tuple)) else ()
        yield from (((key, position), item) for position, item in enumerate(items) if isinstance(item, bool))
        if isinstance(value, bool):
            yield (key,), value


def _is_number(key: Key) -> bool:
    return key not in _LISTS and allowed_values().get(str(key)) == get_args(Open)


_LISTS = frozenset({"regulations", "languages", "modalities"})


def _where(document: Document, path: KeyPath, arguments: tuple[str, ...], *, key: bool = False) -> Where:
    name = str(path[0]) if path else ""
    if name in arguments:
        return Where(f"--set {name}" if document.marks else f"{document.source} {name}")
    return document.where(path, key=key)


def _explain(
    error: ValidationError, values: Mapping[str, Any], document: Document, arguments: tuple[str, ...]
) -> ProfileError:
    """The first problem in the words of this project instead of pydantic's."""
    first = error.errors()[0]
    if first["type"] == "contradiction":
        keys = first["ctx"]["keys"]
        blamed = next((key for key in keys if key in arguments), keys[0])
        return ProfileError(first["msg"], where=_where(document, (blamed,), arguments))
    key = str(first["loc"][0])
    index = tuple(part for part in first["loc"] if isinstance(part, int))
    value = values[key][index[0]] if index else values[key]
    words = tuple(word for word in allowed_values().get(key, ()) if not index or word != "unknown")
    listed = first["type"] == "literal_error"
    reason = f"is not one of {', '.join(words)}" if listed else f"is not valid: {_reason(first)}"
    return ProfileError(
        f"{key}: {_quoted(value)} {reason}",
        where=_where(document, (key, *index), arguments),
        allowed=words,
        suggestion=nearest(str(value), words),
    )


_REASONS = {
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "should be a number"),
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "should be a whole number"),
    "string_type": "should be text",
    "string_too_short": "should not be empty",
    "string_pattern_mismatch": "should be a word of letters, digits, _ and -",
    "tuple_type": "should be a list",
}


def _reason(problem: ErrorDetails) -> str:
    text = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return _REASONS.get(problem["type"], text[0].lower() + text[1:])


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + '…"'

"""What proves a running service: load test, evaluation and parity, beside every target that serves.

The scripts hold no values; what is decided stands in the JSON files beside them, made here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import count, takewhile
from typing import Any, TypeGuard

from pydantic import Field

from deployadvisor.catalog.precisions import precisions
from deployadvisor.documents import read
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.kubernetes_names import secret_name
from deployadvisor.render.manifest import FileEntry, Part, Pin, validated
from deployadvisor.render.quoting import Quoted, trusted
from deployadvisor.render.targets import has_tuning
from deployadvisor.render.view import View
from deployadvisor.resources import display_path, templates_folder

Data = dict[str, Any]

_STEP = 4
"""How much more is in flight at each step of the load test."""
_WAVES, _PAID_WAVES = 4, 1
"""Chats for each request in flight: enough to see a tail, and one only where each costs money."""
_LEAST_CHATS = 4
"""Chats at a step of the load test, whatever the level; as in load_test.py."""
_PROMPT_TOKENS, _ANSWER_TOKENS = 1000, 256
"""Lengths where neither answered nor assumed; the assumptions of rules/vocabulary.yaml."""
_ROOM = 4
"""How much longer than on average an answer may be before the evaluation cuts it off."""
_TRAINED_ON = "./tune/data/train.jsonl"
_SPARE_TOKENS = 64
"""Room for the chat template in a prompt that fills the context."""


class Proof(Part):
    """One kind of proof and its files."""

    id: str
    when: str
    versions: Mapping[str, Pin] = Field(default_factory=dict)
    files: tuple[FileEntry, ...]


class _Proofs(Part):
    proofs: tuple[Proof, ...]


@cache
def _all() -> tuple[Proof, ...]:
    path = templates_folder() / "proof" / "proofs.yaml"
    document = read(path, display_path(path))
    return validated(_Proofs, document.value, document).proofs


def proofs(view: View) -> tuple[Proof, ...]:
    """The kinds of proof that this bundle has."""
    return tuple(one for one in _all() if view.serving is not None and CONDITIONS[one.when](view))


def proof_files(view: View) -> Iterator[FileEntry]:
    """The files of all of them."""
    for one in proofs(view):
        yield from one.files


def quality_matters(view: View) -> bool:
    """Whether others rely on the answers, or the model is adapted: then somebody must measure how good they are."""
    purpose = _known(view, "purpose") in ("evaluation", "production")
    return purpose or _known(view, "customization") not in (None, "none") or has_tuning(view.advice)


def loads_in_transformers(view: View) -> bool:
    """Whether the engine serves a checkpoint that Transformers loads as well."""
    return not view.hosted and view.weights.origin in ("hub", "folder")


CONDITIONS: Mapping[str, Callable[[View], bool]] = {
    "serving": lambda view: view.serving is not None,
    "quality_matters": quality_matters,
    "loads_in_transformers": loads_in_transformers,
}
"""When a proof belongs into a bundle that serves."""


def service(view: View) -> Data:
    """Where the scripts find the service."""
    return {
        "base_url": Addresses(view).base_url,
        "model": view.served_name,
        "requires_key": view.serving is not None and view.requires_key,
        "paid": view.hosted,
    }


def load_test(view: View) -> Data:
    """The ladder and lengths of the load test, and what it is compared with; unknown figures are left out."""
    prompt, answer = lengths(view)
    estimate = view.advice.estimate
    ranges = {name: getattr(estimate, name) for name in ("output_tok_s", "ttft_ms", "tpot_ms")}
    profile = view.advice.profile
    return {
        "levels": levels(view),
        "judged_at": _peak(view) or max(levels(view)),
        "waves": _PAID_WAVES if view.hosted else _WAVES,
        "prompt_tokens": prompt,
        "answer_tokens": answer,
        "targets": {name: profile[name] for name in ("ttft_ms", "tpot_ms") if _is_number(profile.get(name))},
        "estimate": {name: one.model_dump(mode="json") for name, one in ranges.items() if one is not None},
    }


def lengths(view: View) -> tuple[int, int]:
    """Tokens of prompt and answer as the profile has them, no longer than the context that is served."""
    prompt = _number(view, "input_tokens") or _PROMPT_TOKENS
    answer = _number(view, "output_tokens") or _ANSWER_TOKENS
    context = view.advice.plan.max_model_len
    if context is None:
        return prompt, answer
    answer = min(answer, max(context // 2, 1))
    return max(min(prompt, context - answer - _SPARE_TOKENS), 1), answer


def levels(view: View) -> list[int]:
    """Requests in flight at each step: one, then four times more up to what the plan admits, and the peak."""
    peak = _peak(view) or 1
    top = max((view.advice.plan.max_concurrency or 1) * view.advice.plan.replicas, peak)
    return sorted({*takewhile(lambda level: level < top, (_STEP**power for power in count())), peak, top})


def _peak(view: View) -> int | None:
    return _number(view, "peak_concurrency")


def _known(view: View, name: str) -> Any:
    """A fact as answered, else as assumed; None where neither."""
    answered = view.advice.profile.get(name, "unknown")
    assumed = view.advice.facts.get(name)
    return answered if answered != "unknown" else assumed.value if assumed else None


def _number(view: View, name: str) -> int | None:
    value = _known(view, name)
    return max(int(value), 1) if _is_number(value) else None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def evaluation(view: View) -> Data:
    """The settings of the evaluation, with answers as long as the profile's, four times over."""
    values = _read("evaluation.yaml")
    answer = lengths(view)[1] * _ROOM
    return {**values, "max_tokens": max(values["max_tokens"], answer)}


def questions(view: View) -> list[Data]:
    """Example questions in the language of the answer, each marked as one."""
    return [
        {"messages": [{"role": "user", "content": row["question"]}], "example": True}
        | {name: value for name, value in row.items() if name != "question"}
        for row in _read("questions.yaml")[view.advice.lang]
    ]


def parity(view: View) -> Data:
    """What the service is compared with, and how far both may lie apart at the precision of the plan."""
    values = _read("parity.yaml")
    known = precisions().get(view.advice.plan.precision or "")
    bits = known.bits_per_weight if known else 16
    limits = next(one for one in values["limits"] if bits >= one["from_bits"])
    return {
        "reference": view.weights.name,
        "trust_remote_code": view.advice.plan.trust_remote_code,
        "precision": view.advice.plan.precision or "the checkpoint's own precision",
        "max_tokens": values["max_tokens"],
        "dtype": "bfloat16" if known is None or known.id != "fp16" else "float16",
        "cpu_dtype": "float32",
        **{name: limit for name, limit in limits.items() if name != "from_bits"},
    }


def tuned_parity(view: View) -> Data:
    """The same for the merged model, on the conversations that it learnt from."""
    return {**parity(replace(view, tuned=True)), "prompts": _TRAINED_ON}


def _read(name: str) -> Any:
    path = templates_folder() / "proof" / name
    return read(path, display_path(path)).value


@dataclass(frozen=True)
class Proving:
    """What the pages say about the proofs."""

    view: View

    @property
    def ids(self) -> tuple[str, ...]:
        """The kinds of proof that this bundle has."""
        return tuple(one.id for one in proofs(self.view))

    @property
    def versions(self) -> Mapping[str, Pin]:
        """Pinned tools of the proofs by name."""
        return {name: pin for one in proofs(self.view) for name, pin in one.versions.items()}

    @cached_property
    def evaluation(self) -> Data:
        """The settings of the evaluation."""
        return evaluation(self.view)

    @cached_property
    def parity(self) -> Data:
        """The limits of the parity check."""
        return parity(self.view)

    @cached_property
    def load_test(self) -> Data:
        """The values of the load test."""
        return load_test(self.view)

    @property
    def paid_tokens(self) -> int:
        """About how many tokens the load test spends."""
        chats = sum(max(level * _PAID_WAVES, _LEAST_CHATS) for level in levels(self.view))
        return chats * sum(lengths(self.view))

    @property
    def key(self) -> Quoted:
        """What stands before a command where no .env holds the key."""
        secret = shlex.quote(secret_name(self.view.cluster_name))
        ask = f"API_KEY=$(kubectl get secret {secret} -o jsonpath='{{.data.API_KEY}}' | base64 -d) "
        return trusted(ask if self.view.in_pod else "")

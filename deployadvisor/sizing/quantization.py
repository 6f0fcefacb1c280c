"""How a checkpoint says that its weights are quantised: one value for every library that writes such a section.

Fields: AutoAWQ, GPTQModel, compressed-tensors, NVIDIA ModelOpt, bitsandbytes, AutoRound and Quark, as transformers
5.23 utils/quantization_config.py and vLLM 0.33 model_executor/layers/quantization read them. Patterns of modules are
taken for the words in them and never run: a pattern of a stranger may take forever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployadvisor.catalog.precisions import precisions
from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.tensors import Group, group_of

Config = Mapping[str, Any]

_SCALE_BITS = 16
_ROW = 1_024
"""Weights that share a scale when there is one a row; longer rows take less."""
_MAX_BITS = 16
_LONGEST = 1_000
"""Characters of a module's name or pattern."""
_MAX_GROUP = 2**20
_LINEAR: frozenset[Group] = frozenset(("attention", "recurrent", "feed_forward", "shared_experts", "experts"))
_NUMBER = re.compile(r"(?<![^.])[0-9]+(?![^.])")
_WHOLE_LAYER = re.compile(r"layers\W{1,3}([0-9]{1,6})\W*$")
_ALTERNATIVES = re.compile(r"\([^()]{0,100}\)_proj")


@dataclass(frozen=True, slots=True)
class Quantization:
    """The number format of a checkpoint's quantised weights, and what it leaves alone."""

    method: str
    """The word that the checkpoint uses."""
    format: str
    """Id of a precision; the method itself where none is the same."""
    bits: float | None
    """Stored bits of one quantised weight, scales included; of several formats the most. None: not known.

    Parts with a format of their own are in ``parts``.
    """
    parts: Mapping[Group, float] = field(default_factory=dict)
    """Bits in parts with a format of their own."""
    kept: frozenset[Group] = frozenset()
    """Parts of the model of which some or all weights are not quantised."""
    kept_layers: frozenset[int] = frozenset()
    """Layers that are not quantised at all."""
    mixed: bool = False
    """Several formats, of which ``format`` has the fewest bits, or exceptions for single layers."""


def quantization_of(section: object, where: Where) -> Quantization:
    """Read a ``quantization_config``; a method that nobody here knows is named, and its bits are not."""
    if not isinstance(section, dict):
        raise ModelError(f"quantization_config must be an object, not {quoted(section)}", where=where)
    method = _method(section)
    if not isinstance(method, str) or not method:
        raise ModelError(f"quant_method must be a word, not {quoted(method)}", where=where)
    name = _OTHER_NAMES.get(method.casefold(), method.casefold())
    packed = _READERS[name](section, where) if name in _READERS else ()
    parts = {text: _part(text) for text in _exceptions(section)}
    layers = {
        text: int(match[1])
        for text in parts
        if parts[text] == "unknown" and (match := _WHOLE_LAYER.search(text[:_LONGEST]))
    }
    kept = frozenset(part for text, part in parts.items() if text not in layers) | _untargeted(section)
    found = _combined(method, packed, kept) if packed else Quantization(method, name, None, kept=kept)
    single = any(part in _LINEAR and _NUMBER.search(text) for text, part in parts.items())
    mixed = bool(packed) and (single or _is_mixture(packed))
    return replace(found, kept_layers=frozenset(layers.values()), mixed=mixed)


def _method(section: Config) -> object:
    """The library; early files of ModelOpt do not name it."""
    unnamed = "modelopt" if "quant_algo" in section else "unknown"
    return section.get("quant_method", section.get("quant_library", unnamed))


def _combined(method: str, packed: _Forms, kept: frozenset[Group]) -> Quantization:
    """What several formats, some of them for one part only, come to."""
    general = [form.bits for form in packed if form.part is None]
    parts: dict[Group, float] = {}
    for form in packed:
        if form.part is not None:
            parts[form.part] = max(form.bits, parts.get(form.part, 0))
    if not general:
        kept |= _LINEAR - parts.keys()
    label = _label(min(packed, key=lambda form: form.bits).format, kept)
    return Quantization(method, label, max(general or parts.values()), parts, kept)


def _is_mixture(packed: _Forms) -> bool:
    """Whether several formats share one part."""
    formats = {(form.part, form.format) for form in packed}
    return len(formats) > len({part for part, _ in formats})


def _label(name: str, kept: frozenset[Group]) -> str:
    """The precision for experts only, where there is one."""
    experts_only = f"{name.partition('_g')[0]}_experts"
    return experts_only if "attention" in kept and experts_only in precisions() else name


# Number formats


@dataclass(frozen=True, slots=True)
class _Packed:
    format: str
    bits: float
    part: Group | None = None
    """The only part of the model that it is for; None: all that no other is for."""


_Forms = tuple[_Packed, ...]


def _form(name: str) -> _Forms:
    return (_Packed(name, precisions()[name].bits_per_weight),)


def _integer(bits: int, group: int, *, zeros: bool = True) -> _Forms:
    """Integers with one 16-bit scale and, unless symmetric, one zero a group; ``group`` -1 is a whole row."""
    shared = _SCALE_BITS + (bits if zeros else 0)
    name = {(4, -1): "int4_channel", (4, 128): "int4", (8, -1): "int8_g128"}.get((bits, group), f"int{bits}_g{group}")
    nearest = {8: "int8_g128", 4: "int4"}.get(bits, f"int{bits}")
    return (_Packed(name if name in precisions() else nearest, bits + shared / (_ROW if group == -1 else group)),)


def _whole(section: Config, names: Iterable[str], default: int, most: int, where: Where) -> int:
    """A whole number under the first of its names; -1 and null mean a whole row."""
    name = next((name for name in names if section.get(name) is not None), None)
    value = default if name is None else section[name]
    if isinstance(value, bool) or not isinstance(value, int) or not (value == -1 or 1 <= value <= most):
        raise ModelError(f"{name} must be from 1 to {most:,}, not {quoted(value)}", where=where)
    return value


def _grouped(section: Config, where: Where) -> _Forms:
    """AWQ, GPTQ and AutoRound: ``bits`` and ``group_size``."""
    if str(section.get("data_type", "int")).startswith(("mx_fp", "nv_fp")):
        return _form("mxfp4" if str(section["data_type"]).startswith("mx") else "nvfp4")
    bits = _whole(section, ("bits", "w_bit"), 4, _MAX_BITS, where)
    if bits == -1:
        raise ModelError(f"bits must be from 1 to {_MAX_BITS}, not -1", where=where)
    return _integer(bits, _whole(section, ("group_size", "q_group_size"), 128, _MAX_GROUP, where))


def _fp8(section: Config, _: Where) -> _Forms:
    """FP8, with the experts in four bits where a checkpoint says so (vLLM ``DeepseekV4FP8Config``)."""
    general = _form("fp8_block" if section.get("weight_block_size") else "fp8")
    listed = _listed(section)
    if listed is None:
        return ()
    experts = _form("mxfp4") if section.get("expert_dtype") == "fp4" and not listed else ()
    return (*general, *(replace(form, part="experts") for form in experts), *listed)


def _bitsandbytes(section: Config, _: Where) -> _Forms:
    if section.get("load_in_8bit") is True or section.get("_load_in_8bit") is True:
        return _form("bnb_int8")
    if section.get("load_in_4bit") is True or section.get("_load_in_4bit") is True:
        return _form("bnb_nf4_double" if section.get("bnb_4bit_use_double_quant") is True else "bnb_nf4")
    return ()


_ALGORITHMS = {
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8_block",
    "MXFP8": "mxfp8",
    "MXFP4": "mxfp4",
    "NVFP4": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "W4A16_NVFP4": "nvfp4",
    "W4A16_AWQ": "int4",
    "W4A8_AWQ": "int4",
    "INT8_SQ": "int8",
}


def _modelopt(section: Config, where: Where) -> _Forms:
    """ModelOpt: one algorithm for the model, or one for each layer."""
    listed = _listed(section)
    if listed is None:
        return ()
    name = _ALGORITHMS.get(str(section.get("quant_algo")).upper())
    return (*(_form(name) if name else ()), *listed) or _compressed(section, where)


def _listed(section: Config) -> _Forms | None:
    """Formats that single modules have, by part of the model; None where one is not known."""
    modules = section.get("quantized_layers")
    entries = modules.items() if isinstance(modules, dict) else ()
    pairs = {(_part(name), str(entry.get("quant_algo"))) for name, entry in entries if isinstance(entry, dict)}
    if any(algorithm.upper() not in _ALGORITHMS for _, algorithm in pairs):
        return None
    return tuple(
        replace(form, part=None if part == "unknown" else part)
        for part, algorithm in sorted(pairs)
        for form in _form(_ALGORITHMS[algorithm.upper()])
    )


def _compressed(section: Config, where: Where) -> _Forms:
    """compressed-tensors: groups of modules, each with its own weights."""
    groups = section.get("config_groups")
    entries = list(groups.values()) if isinstance(groups, dict) else []
    found: list[_Packed] = []
    for group in entries:
        forms = _compressed_group(group, where) if isinstance(group, dict) else ()
        if not forms:
            return ()
        found += forms
    return tuple(found)


def _compressed_group(group: Config, where: Where) -> _Forms:
    weights = group.get("weights")
    if not isinstance(weights, dict):
        return ()
    bits = _whole(weights, ("num_bits",), _MAX_BITS, _MAX_BITS, where)
    size = _whole(weights, ("group_size",), -1, _MAX_GROUP, where)
    if weights.get("type") == "float":
        return _floating(bits, size, block=bool(weights.get("block_structure")))
    if bits == 8 and group.get("input_activations"):
        return _form("int8")
    return _integer(bits, size, zeros=weights.get("symmetric") is False)


def _floating(bits: int, group: int, *, block: bool = False) -> _Forms:
    if bits == 8:
        return _form("fp8_block" if block else "mxfp8" if group == 32 else "fp8")
    return _form("mxfp4" if group == 32 else "nvfp4") if bits == 4 else ()


def _quark(section: Config, where: Where) -> _Forms:
    """AMD Quark: a number format by name for all layers, and others for some."""
    sections = [section.get("global_quant_config")]
    for others in (section.get("layer_quant_config"), section.get("layer_type_quant_config")):
        sections += others.values() if isinstance(others, dict) else ()
    found = [_quark_weight(entry, where) for entry in sections if isinstance(entry, dict)]
    return tuple(form for forms in found for form in forms) if all(found) else ()


def _quark_weight(section: Config, where: Where) -> _Forms:
    weight = section.get("weight")
    weight = weight[0] if isinstance(weight, list) and weight else weight
    if not isinstance(weight, dict):
        return ()
    name = str(weight.get("dtype")).casefold()
    size = _whole(weight, ("group_size",), -1, _MAX_GROUP, where)
    if name.startswith(("fp8", "fp4")):
        return _floating(int(name[2]), size)
    if name in ("int8", "uint8"):
        return _form("int8")
    return _integer(4, size) if name in ("int4", "uint4") else ()


_READERS: Mapping[str, Callable[[Config, Where], _Forms]] = {
    "awq": _grouped,
    "gptq": _grouped,
    "auto-round": _grouped,
    "fp8": _fp8,
    "mxfp8": lambda _, __: _form("mxfp8"),
    "mxfp4": lambda _, __: _form("mxfp4"),
    "bitsandbytes": _bitsandbytes,
    "modelopt": _modelopt,
    "compressed-tensors": _compressed,
    "quark": _quark,
}
_OTHER_NAMES = {
    "fbgemm_fp8": "fp8",
    "auto_awq": "awq",
    "awq_marlin": "awq",
    "auto_gptq": "gptq",
    "gptq_marlin": "gptq",
    "gptqmodel": "gptq",
    "inc": "auto-round",
    "intel/auto-round": "auto-round",
    "gpt_oss_mxfp4": "mxfp4",
    "modelopt_fp4": "modelopt",
    "modelopt_mixed": "modelopt",
    "compressed_tensors": "compressed-tensors",
}


# Modules that stay as they are


_IGNORED = (
    "ignore",
    "ignored_layers",
    "modules_to_not_convert",
    "llm_int8_skip_modules",
    "exclude_modules",
    "exclude",
)


def _exceptions(section: Config) -> list[str]:
    """Names and patterns of modules that are not quantised."""
    names = [name for key in _IGNORED for name in _texts(section.get(key))]
    names += [name[2:] for name in _texts(section.get("dynamic")) if name.startswith("-:")]
    extra = section.get("extra_config")
    named = extra.items() if isinstance(extra, dict) else ()
    return names + [name for name, entry in named if isinstance(entry, dict) and entry.get("bits") == _MAX_BITS]


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, (list, dict)) else []


def _part(pattern: str) -> Group:
    """The part of a model that a name, a pattern with stars or a regular expression speaks of.

    >>> _part("re:.*self_attn.*")
    'attention'
    """
    if len(pattern) > _LONGEST:
        return "unknown"
    words = re.findall(r"\w+", _ALTERNATIVES.sub("up_proj", pattern))
    return next((_MODULES[word] for word in words[-1:] if word in _MODULES), None) or group_of(".".join(words))


_MODULES: Mapping[str, Group] = {"e_score_correction_bias": "router", "head": "head", "patch_merge_mlp": "vision"}
"""Modules that no tensor is named after: MiniMax, DeepSeek-V4."""


def _untargeted(section: Config) -> frozenset[Group]:
    """Linear layers that no group of compressed-tensors is for; "Linear" is for all of them."""
    groups = section.get("config_groups")
    entries = groups.values() if isinstance(groups, dict) else ()
    targets = [name for entry in entries if isinstance(entry, dict) for name in _texts(entry.get("targets"))]
    meant = frozenset(map(_part, targets))
    return _LINEAR - meant if meant and "unknown" not in meant else frozenset()

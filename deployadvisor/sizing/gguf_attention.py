"""What each layer of a GGUF model caches, from its metadata: by architecture, never guessed.

Keys and defaults: llama.cpp, gguf-py/gguf/constants.py and ``load_arch_hparams`` in src/models/*.cpp. An
architecture that is not listed, or says something that its reader does not understand, is of "unknown" attention,
for which sizing has bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.gguf_header import Gguf

Fields = dict[str, Any]
"""Fields of a catalogue ``Model``."""

MAX_LAYERS = 1_000
MAX_COUNT = 100_000_000
_LLAMA4_CHUNK = 8_192  # fixed in llama.cpp's src/models/llama4.cpp, as is one full layer in four
_LLAMA4_PERIOD = 4


class Keys:
    """Typed look-ups in the metadata of one architecture; a wrong value is a ``ModelError`` that names its key."""

    def __init__(self, gguf: Gguf, path: Path, architecture: str) -> None:
        """Check the number of layers, on which all lists depend."""
        self.architecture = architecture
        self._gguf = gguf
        self._path = path
        self.stored_layers = self.needed("block_count", most=MAX_LAYERS)
        self.layers = self.stored_layers - (self.whole("nextn_predict_layers", least=0) or 0)
        """Layers of a forward pass; multi-token prediction is stored as layers after them."""
        if self.layers < 1:
            self.refuse("nextn_predict_layers", "leaves no layer")

    def whole(self, name: str, *, least: int = 1, most: int = MAX_COUNT) -> int | None:
        """A whole number; None when the key is absent."""
        value = self._value(name)
        return None if value is None else self._checked(name, value, least, most)

    def needed(self, name: str, *, most: int = MAX_COUNT) -> int:
        """A whole number that the model cannot do without."""
        value = self.whole(name, most=most)
        if value is None:
            self.refuse(name, "is missing")
        return value

    def per_layer(self, name: str) -> tuple[int, ...] | None:
        """One whole number a layer, from a list or one number for all; None when the key is absent."""
        value = self._value(name)
        if value is None:
            return None
        values = value if isinstance(value, tuple) else (value,) * self.stored_layers
        if len(values) != self.stored_layers:
            self.refuse(name, f"lists {len(values)} layers, block_count says {self.stored_layers}")
        return tuple(self._checked(name, each, 0, MAX_COUNT) for each in values[: self.layers])

    def flags(self, name: str) -> tuple[bool, ...] | None:
        """One yes or no a layer; None when the key is absent or is no list."""
        values = self._value(name)
        if not isinstance(values, tuple):
            return None
        if len(values) != self.stored_layers or not set(values) <= {0, 1}:
            self.refuse(name, f"must list yes or no for each of {self.stored_layers} layers")
        return tuple(bool(value) for value in values[: self.layers])

    def has(self, name: str) -> bool:
        """Whether the key is there."""
        return self._value(name) is not None

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise a ``ModelError`` about one key."""
        raise ModelError(f"{quoted(f'{self.architecture}.{name}')} {problem}", where=Where(str(self._path)))

    def _value(self, name: str) -> object:
        return self._gguf.metadata.get(f"{self.architecture}.{name}")

    def _checked(self, name: str, value: object, least: int, most: int) -> int:
        if type(value) is not int or not least <= value <= most:
            self.refuse(name, f"must be a whole number from {least} to {most:,}")
        return value


def head_counts(keys: Keys) -> tuple[int, ...]:
    """Attention heads of every layer."""
    heads = keys.per_layer("attention.head_count")
    if heads is None or not any(heads):
        keys.refuse("attention.head_count", "is missing")
    return heads


def _kv_heads(keys: Keys) -> tuple[int, ...]:
    return keys.per_layer("attention.head_count_kv") or head_counts(keys)


def _row(keys: Keys, suffix: str = "") -> tuple[int, int]:
    """Widths of one head's key and value."""
    width = keys.needed("embedding_length") // max(head_counts(keys)) or 1
    key = keys.whole(f"attention.key_length{suffix}") or keys.whole("attention.key_length") or width
    value = keys.whole(f"attention.value_length{suffix}") or keys.whole("attention.value_length") or width
    return key, value


def _only(values: Sequence[int]) -> int | None:
    """The one number other than 0 that all layers share; None when they differ."""
    different = set(values) - {0}
    return different.pop() if len(different) == 1 else None


# One reader a kind of attention


def unknown(keys: Keys) -> Fields:
    """Attention without a formula: the widest row of any layer, from which sizing makes a bound."""
    if not any(keys.per_layer("attention.head_count") or ()):
        return {"attention": "unknown"}
    heads, most = max(head_counts(keys)), max(_kv_heads(keys))
    rows = (_row(keys), _row(keys, "_swa"))
    key, value = (max(widths) for widths in zip(*rows, strict=True))
    kv_heads = most if most and heads % most == 0 else heads
    return {"attention": "unknown", "num_key_value_heads": kv_heads} | _widths(key, value)


def _plain(keys: Keys) -> Fields:
    """Every layer keeps everything, but for layers without heads (Nemotron-NAS)."""
    heads, (key, value) = _kv_heads(keys), _row(keys)
    kv_heads = _only(heads)
    if kv_heads is None:
        return unknown(keys)
    growing = sum(1 for count in heads if count)
    return {
        "attention": "mha" if kv_heads == max(head_counts(keys)) else "gqa",
        "num_key_value_heads": kv_heads,
        "full_attention_layers": growing if growing < keys.layers else None,
    } | _widths(key, value)


def _widths(key: int, value: int) -> Fields:
    return {"head_dim": key, "v_head_dim": value if value != key else None}


def _windowed(keys: Keys, period: int | None = None, window: int | None = None) -> Fields:
    """Layers bounded by a window between full ones; ``period`` and ``window`` hold where the file is silent."""
    window = keys.whole("attention.sliding_window") or window
    if window is None:
        return _plain(keys)
    bounded = _window_layers(keys, period)
    shared = keys.whole("attention.shared_kv_layers", least=0) or 0
    cached = keys.layers - shared
    if bounded is None or cached < 1:
        return unknown(keys)
    if not any(bounded) and cached == keys.layers:
        return _plain(keys)
    heads = _kv_heads(keys)[:cached]
    sliding = [count for count, short in zip(heads, bounded, strict=False) if short]
    full = [count for count, short in zip(heads, bounded, strict=False) if not short]
    rows = _two_rows(keys, sliding, full)
    if rows is None:
        return unknown(keys)
    counts = {"full_attention_layers": len(full), "sliding_layers": len(sliding)}
    counts |= {"num_kv_shared_layers": shared} if shared else {}
    return {"attention": "gqa_swa", "sliding_window": window} | counts | rows


def _window_layers(keys: Keys, period: int | None) -> tuple[bool, ...] | None:
    """Which layers the window bounds: a list, or all but the last of every ``period`` layers."""
    flags = keys.flags("attention.sliding_window_pattern")
    if flags is not None:
        return flags
    period = keys.whole("attention.sliding_window_pattern") or period
    if period is None:
        return None
    return tuple(layer % period < period - 1 for layer in range(keys.layers))


def _two_rows(keys: Keys, sliding: list[int], full: list[int]) -> Fields | None:
    """Heads and widths of bounded layers, and those of full layers where they differ (Gemma 4)."""
    few, many = _only(sliding or full), _only(full or sliding)
    short, long = _row(keys, "_swa"), _row(keys)
    if few is None or many is None or 0 in (*sliding, *full):
        return None
    fields = {"num_key_value_heads": few} | _widths(*short)
    if (few, short) == (many, long):
        return fields
    if long[0] != long[1]:
        return None
    return fields | {"global_head_dim": long[0], "num_global_key_value_heads": many}


def _chunked(keys: Keys) -> Fields:
    fields = _plain(keys)
    if fields["attention"] == "unknown" or keys.has("attention.sliding_window"):
        return unknown(keys)
    full = keys.layers // _LLAMA4_PERIOD
    counts = {"full_attention_layers": full, "sliding_layers": keys.layers - full}
    return fields | {"attention": "chunked", "attention_chunk_size": _LLAMA4_CHUNK} | counts


def _latent(keys: Keys) -> Fields:
    """One compressed vector a token; files from before llama.cpp could cache it hold, and cache, every head."""
    if not keys.has("attention.key_length_mla"):
        return _plain(keys)
    rope = keys.needed("rope.dimension_count")
    mla = {
        "kv_lora_rank": keys.needed("attention.kv_lora_rank"),
        "q_lora_rank": keys.whole("attention.q_lora_rank"),
        "qk_rope_head_dim": rope,
        "qk_nope_head_dim": keys.needed("attention.key_length_mla") - rope,
        "v_head_dim": keys.needed("attention.value_length_mla"),
        "index_head_dim": keys.whole("attention.indexer.key_length"),
        "index_n_heads": keys.whole("attention.indexer.head_count"),
    }
    return {"attention": "mla", "mla": mla}


def _delta_net(keys: Keys) -> Fields:
    recurrent = keys.flags("attention.recurrent_layers")
    if recurrent is None:
        interval = keys.whole("full_attention_interval") or 4
        recurrent = tuple((layer + 1) % interval != 0 for layer in range(keys.layers))
    value_heads = keys.needed("ssm.time_step_rank")
    linear = {
        "kind": "gated_delta_net",
        "linear_num_value_heads": value_heads,
        "linear_num_key_heads": keys.needed("ssm.group_count"),
        "linear_value_head_dim": _part_of(keys, "ssm.inner_size", value_heads),
        "linear_key_head_dim": keys.needed("ssm.state_size"),
        "linear_conv_kernel_dim": keys.needed("ssm.conv_kernel"),
    }
    return _hybrid(keys, recurrent, linear)


def _mamba2(keys: Keys) -> Fields:
    """Layers without KV heads are recurrent, unless they are feed-forward blocks of their own (Nemotron-H)."""
    feed_forward = keys.per_layer("feed_forward_length") if keys.architecture.startswith("nemotron_h") else None
    recurrent = tuple(
        not heads and not width
        for heads, width in zip(_kv_heads(keys), feed_forward or (0,) * keys.layers, strict=True)
    )
    heads = keys.needed("ssm.time_step_rank")
    linear = {
        "kind": "mamba2",
        "mamba_num_heads": heads,
        "mamba_head_dim": _part_of(keys, "ssm.inner_size", heads),
        "ssm_state_size": keys.needed("ssm.state_size"),
        "n_groups": keys.needed("ssm.group_count"),
        "conv_kernel": keys.needed("ssm.conv_kernel"),
    }
    return _hybrid(keys, recurrent, linear)


def _mamba1(keys: Keys) -> Fields:
    linear = {
        "kind": "mamba1",
        "mamba_expand": _part_of(keys, "ssm.inner_size", keys.needed("embedding_length")),
        "mamba_d_state": keys.needed("ssm.state_size"),
        "mamba_d_conv": keys.needed("ssm.conv_kernel"),
    }
    return _hybrid(keys, tuple(not heads for heads in _kv_heads(keys)), linear)


def _part_of(keys: Keys, name: str, parts: int) -> int:
    whole = keys.needed(name)
    if whole % parts:
        keys.refuse(name, f"is {whole:,}, which does not divide into {parts:,} parts")
    return whole // parts


def _hybrid(keys: Keys, recurrent: Sequence[bool], linear: Fields) -> Fields:
    """Recurrent layers between full-attention ones."""
    heads = [count for count, without in zip(_kv_heads(keys), recurrent, strict=True) if not without and count]
    kv_heads = _only(heads)
    if kv_heads is None or not any(recurrent):
        return unknown(keys)
    counts = {"full_attention_layers": len(heads), "linear_or_ssm_layers": sum(recurrent)}
    key, value = _row(keys)
    return (
        {"attention": "hybrid_linear", "num_key_value_heads": kv_heads, "linear": linear}
        | counts
        | _widths(key, value)
    )


Reader = Callable[[Keys], Fields]

_NAMES: tuple[tuple[Reader, str], ...] = (
    (_plain, "llama mistral3 deci qwen qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe phi2 phi3 phimoe"),
    (_plain, "gemma starcoder2 command-r internlm2 baichuan chatglm glm4 glm4moe deepseek bailingmoe stablelm"),
    (_plain, "granite granitemoe exaone nemotron minicpm falcon xverse orion olmo olmoe gptneox gpt2 bloom mpt"),
    (_plain, "minimax-m2 ernie4_5 ernie4_5-moe seed_oss smollm3 dots1 hunyuan-dense hunyuan-moe arcee dbrx arctic"),
    (partial(_windowed, period=2, window=4_096), "gemma2"),
    (partial(_windowed, period=2), "gpt-oss"),
    (partial(_windowed, period=4), "cohere2 exaone4"),
    (partial(_windowed, period=6), "gemma3"),
    (_windowed, "gemma4 mimo2 olmo2"),
    (_chunked, "llama4"),
    (_latent, "deepseek2 deepseek32"),
    (_delta_net, "qwen3next qwen35 qwen35moe"),
    (_mamba2, "nemotron_h nemotron_h_moe granitehybrid"),
    (_mamba1, "jamba"),
)
READERS: Mapping[str, Reader] = {name: reader for reader, names in _NAMES for name in names.split()}
"""What ``general.architecture`` means for the cache."""

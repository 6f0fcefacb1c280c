"""What each layer of a model keeps between tokens: rows that grow, rows that a window bounds, states of fixed size.

Shapes: transformers 5.23, ``cache_utils.py`` and the modelling files.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployadvisor.catalog.models import (
    CompressedLayers,
    GatedDeltaNet,
    LightningAttention,
    Linear,
    Mamba1,
    Mamba2,
    Mla,
    Model,
    ShortConvolution,
)
from deployadvisor.catalog.overheads import RowKind

STATE_BYTES = 4  # recurrent states are kept in fp32
MODEL_BYTES = 2  # what stays in the model's own 16 bit, such as the inputs of a short convolution


@dataclass(frozen=True, slots=True)
class KvRows:
    """Layers that cache one row a token: keys and values, one compressed vector, or an indexer's key."""

    layers: int
    heads: int
    """Heads that tensor parallelism can spread; 1 for a row that every card must hold."""
    width: int
    """Elements of one head's row, keys and values together."""
    window: int | None = None
    """Tokens after which the oldest row is dropped."""
    kind: RowKind = "heads"
    chunked: bool = False
    """The window does not slide: it starts anew with every chunk."""
    tokens_per_row: int = 1

    @property
    def elements(self) -> int:
        """Elements of one row over all these layers."""
        return self.layers * self.heads * self.width


@dataclass(frozen=True, slots=True)
class KvState:
    """Layers that keep a state of fixed size: a recurrent part, and the last inputs of a short convolution."""

    layers: int
    heads: int
    """Heads that tensor parallelism can spread; 1 for a state that every card must hold."""
    elements: int
    channels: int = 0
    kernel: int = 0
    """Width of the convolution; what it remembers is this many columns, or one less."""
    element_bytes: int = STATE_BYTES

    @property
    def bytes_per_layer(self) -> int:
        """Bytes of one layer as transformers keeps it."""
        return self.stored_bytes(columns=self.kernel, column_bytes=MODEL_BYTES)

    def stored_bytes(self, *, columns: int, column_bytes: int) -> int:
        """Bytes of one layer in an engine that keeps ``columns`` inputs of ``column_bytes`` an element."""
        return self.elements * self.element_bytes + self.channels * columns * column_bytes


@dataclass(frozen=True, slots=True)
class CacheLayers:
    """The layers of a model that cache something, or why that is not known."""

    rows: tuple[KvRows, ...] = ()
    states: tuple[KvState, ...] = ()
    unknown: str | None = None
    """Why not even a bound can be computed."""
    why_bounds: str | None = None
    """Why ``rows`` are an upper bound, of which nothing is certain."""


def cache_layers(model: Model) -> CacheLayers:
    """The caching layers of ``model``; for attention of no known kind the most that they can be."""
    unclear = model.attention == "unknown"
    missing = _missing_field(model, unclear=unclear)
    if missing:
        return CacheLayers(unknown=f"{missing} of {model.id} is not known")
    if unclear:
        return CacheLayers(rows=_every_layer(model), why_bounds=_why_bounds(model))
    rows = tuple(rows for rows in _rows(model) if rows.elements)
    return CacheLayers(rows, tuple(state for state in _states(model) if state.layers))


def head_dim(model: Model) -> int | None:
    """Width of one head: as stated, or the model's width over its heads."""
    if model.head_dim or not (model.hidden_size and model.num_attention_heads):
        return model.head_dim
    return model.hidden_size // model.num_attention_heads


def _missing_field(model: Model, *, unclear: bool) -> str | None:
    """The first field that the cache of this kind of attention needs and nobody has read."""
    needed: dict[str, object] = {"num_hidden_layers": model.num_hidden_layers}
    if model.attention in ("hybrid_linear", "hybrid_latent"):
        needed["full_attention_layers"] = model.full_attention_layers
        needed["linear_or_ssm_layers"] = model.linear_or_ssm_layers
    if isinstance(model.linear, (Mamba1, ShortConvolution)):
        needed["hidden_size"] = model.hidden_size
    if model.attention in ("gqa_swa", "chunked", "compressed"):
        needed["sliding_window"] = _window(model)
    if model.mla:
        needed["num_attention_heads"] = model.num_attention_heads if unclear else 1
    elif _attends(model):
        needed |= {"num_key_value_heads": model.num_key_value_heads, "head_dim": head_dim(model)}
    return next((name for name, value in needed.items() if value is None), None)


def _attends(model: Model) -> bool:
    return bool(_full_layers(model) or model.sliding_layers or model.attention == "gqa_swa")


def _window(model: Model) -> int | None:
    return model.attention_chunk_size if model.attention == "chunked" else model.sliding_window


def _full_layers(model: Model) -> int:
    """Layers that keep every token; a window without layer counts bounds all of them (Mistral-7B-v0.1)."""
    total = model.num_hidden_layers or 0
    if model.full_attention_layers is not None:
        return model.full_attention_layers
    if model.attention not in ("gqa_swa", "chunked"):
        return total
    return total - (model.sliding_layers or total)


# Rows


def _rows(model: Model) -> tuple[KvRows, ...]:
    if model.mla:
        return _latent_rows(model, model.mla)
    if model.compressed:
        return _compressed_rows(model)
    rows = (_full_rows(model), *_windowed_rows(model))
    if model.index_head_dim and model.index_layers:
        return (*rows, KvRows(model.index_layers, 1, model.index_head_dim, kind="index"))
    return rows


def _full_rows(model: Model) -> KvRows:
    """Gemma 4 and MiMo-V2 give their full-attention layers a number of heads of their own, Gemma 4 a width too."""
    heads = model.num_global_key_value_heads or model.num_key_value_heads or 0
    width = 2 * model.global_head_dim if model.global_head_dim else _row_width(model)
    return KvRows(_full_layers(model), heads, width)


def _windowed_rows(model: Model) -> tuple[KvRows, ...]:
    window = _window(model)
    layers = model.sliding_layers
    if layers is None and model.attention in ("gqa_swa", "chunked"):
        layers = (model.num_hidden_layers or 0) - _full_layers(model)
    if not (window and layers):
        return ()
    chunked = model.attention == "chunked"
    return (KvRows(layers, model.num_key_value_heads or 0, _row_width(model), window, chunked=chunked),)


def _row_width(model: Model) -> int:
    key = head_dim(model) or 0
    return key + (model.v_head_dim or key)


def _latent_rows(model: Model, mla: Mla) -> tuple[KvRows, ...]:
    """Multi-head latent attention: one compressed vector, no heads to divide (DeepSeek-V2, section 2.1)."""
    layers = _full_layers(model)
    latent = KvRows(layers, 1, mla.kv_lora_rank + mla.qk_rope_head_dim, kind="latent")
    width = mla.index_row or mla.index_head_dim
    if not width:
        return (latent,)
    return (latent, KvRows(mla.index_layers or layers, 1, width, kind="index"))


def _compressed_rows(model: Model) -> tuple[KvRows, ...]:
    """DeepSeek-V4: every layer keeps a window, most also a row for several tokens; a row is key and value at once."""
    width = head_dim(model) or 0
    window = KvRows(model.num_hidden_layers or 0, 1, width, model.sliding_window, "compressed")
    rows = [window]
    for part in model.compressed:
        rows.append(KvRows(part.layers, 1, width, kind="compressed", tokens_per_row=part.tokens_per_row))
        if part.index_head_dim:
            index = KvRows(part.layers, 1, part.index_head_dim, kind="index", tokens_per_row=part.tokens_per_row)
            rows.append(index)
    return tuple(rows)


# States


def _states(model: Model) -> tuple[KvState, ...]:
    if model.linear:
        return (_state(model.linear, model.linear_or_ssm_layers or 0, model.hidden_size or 0),)
    return tuple(_half_filled_row(part, head_dim(model) or 0) for part in model.compressed)


def _state(linear: Linear, layers: int, hidden: int) -> KvState:
    if isinstance(linear, GatedDeltaNet):
        keys = linear.linear_num_key_heads * linear.linear_key_head_dim
        values = linear.linear_num_value_heads * linear.linear_value_head_dim
        size = values * linear.linear_key_head_dim
        return KvState(layers, linear.linear_num_key_heads, size, 2 * keys + values, linear.linear_conv_kernel_dim)
    if isinstance(linear, Mamba2):
        inner = linear.mamba_num_heads * linear.mamba_head_dim
        channels = inner + 2 * linear.n_groups * linear.ssm_state_size
        return KvState(layers, linear.mamba_num_heads, inner * linear.ssm_state_size, channels, linear.conv_kernel)
    if isinstance(linear, ShortConvolution):
        return KvState(layers, hidden, 0, hidden, linear.conv_L_cache)
    if isinstance(linear, LightningAttention):
        heads, width = linear.linear_num_heads, linear.linear_head_dim
        return KvState(layers, heads, heads * width * width, element_bytes=MODEL_BYTES)
    inner = linear.mamba_expand * hidden
    return KvState(layers, inner, inner * linear.mamba_d_state, inner, linear.mamba_d_conv)


def _half_filled_row(part: CompressedLayers, width: int) -> KvState:
    """Keys and gates of tokens that wait for their row to fill; rows with an indexer overlap by one row."""
    waiting = part.tokens_per_row - 1
    if not part.index_head_dim:
        return KvState(part.layers, 1, 2 * waiting * width, element_bytes=MODEL_BYTES)
    elements = 2 * (2 * waiting + part.tokens_per_row) * (width + part.index_head_dim)
    return KvState(part.layers, 1, elements, element_bytes=MODEL_BYTES)


# Bounds


def _every_layer(model: Model) -> tuple[KvRows, ...]:
    """Full keys and values in every layer: the most that attention keeps, however it is arranged."""
    layers = model.num_hidden_layers or 0
    if model.mla:
        width = model.mla.qk_nope_head_dim + model.mla.qk_rope_head_dim + model.mla.v_head_dim
        return (KvRows(layers, model.num_attention_heads or 0, width),)
    return (KvRows(layers, model.num_key_value_heads or 0, _row_width(model)),)


def _why_bounds(model: Model) -> str:
    note = f" ({model.attention_note})" if model.attention_note else ""
    return (
        f"how {model.architecture} caches is not known{note}: at most every layer keeps the keys and values of "
        "every token, at least none does; a recurrent state would come on top"
    )

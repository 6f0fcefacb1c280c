"""Parameters that single families add to a layer, or beside the layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployadvisor.catalog.families import Family
from deployadvisor.sizing.params.counts import Parts
from deployadvisor.sizing.params.layers import Layer
from deployadvisor.sizing.params.mixers import head_width, mamba2
from deployadvisor.sizing.params.shape import Shape


def _alternating_updates(shape: Shape, _family: Family, _layer: Layer) -> Parts:
    """AltUp and LAuReL of Gemma 3n."""
    hidden, inputs, rank = shape.count("hidden_size"), shape.count("altup_num_inputs"), shape.count("laurel_rank")
    coefficients = inputs * inputs + inputs**3 + inputs * hidden
    return Parts(other=hidden + coefficients + 2 * rank * hidden, norms=2 * hidden)


def _altup_projections(shape: Shape, _layers: int) -> Parts:
    hidden = shape.count("hidden_size")
    return Parts(other=2 * (shape.count("altup_num_inputs") - 1) * hidden * hidden)


def _per_layer_input(shape: Shape, _family: Family, _layer: Layer) -> Parts:
    """Gemma 3n and 4: each layer mixes in a small embedding of its own."""
    hidden, width = shape.count("hidden_size"), shape.count("hidden_size_per_layer_input", 0)
    return Parts(other=2 * hidden * width, norms=hidden) if width else Parts()


def _per_layer_embeddings(shape: Shape, layers: int) -> Parts:
    width = shape.count("hidden_size_per_layer_input", 0)
    vocabulary = shape.count("vocab_size_per_layer_input")
    projection = shape.count("hidden_size") * layers * width
    return Parts(embedding=vocabulary * layers * width, other=projection, norms=width)


def _hyper_connections(shape: Shape, _family: Family, _layer: Layer) -> Parts:
    """DeepSeek-V4: streams that are mixed before and after attention and feed-forward."""
    streams = shape.count("hc_mult")
    rows = streams * (streams + 2)
    return Parts(other=2 * (rows * streams * shape.count("hidden_size") + rows + 3))


def _last_hyper_connection(shape: Shape, _layers: int) -> Parts:
    streams = shape.count("hc_mult")
    return Parts(other=streams * streams * shape.count("hidden_size") + streams + 1)


def _expert_norms(shape: Shape, _family: Family, layer: Layer) -> Parts:
    """Gemma 4: three norms more where experts stand beside the dense block."""
    return Parts(norms=3 * shape.count("hidden_size") if layer.feed_forward == "sparse" else 0)


def _inner_norms(shape: Shape, _family: Family, _layer: Layer) -> Parts:
    """BitNet: a norm before each output projection."""
    return Parts(norms=shape.count("hidden_size") + shape.count("intermediate_size"))


def _learned_activation(_shape: Shape, _family: Family, _layer: Layer) -> Parts:
    """XIELU of Apertus has two parameters."""
    return Parts(other=2)


def _differential(shape: Shape, _family: Family, _layer: Layer) -> Parts:
    """Differential attention: four vectors as wide as a head."""
    return Parts(attention=4 * head_width(shape))


def _parallel_mamba(shape: Shape, family: Family, layer: Layer) -> Parts:
    return mamba2(shape, family, layer.kind)


IN_LAYER: Mapping[str, Callable[[Shape, Family, Layer], Parts]] = {
    "alternating_updates": _alternating_updates,
    "differential": _differential,
    "expert_norms": _expert_norms,
    "hyper_connections": _hyper_connections,
    "inner_norms": _inner_norms,
    "learned_activation": _learned_activation,
    "parallel_mamba": _parallel_mamba,
    "per_layer_embeddings": _per_layer_input,
}
"""Parameters of one layer, by the name that ``families.yaml`` uses."""

BESIDE_LAYERS: Mapping[str, Callable[[Shape, int], Parts]] = {
    "alternating_updates": _altup_projections,
    "hyper_connections": _last_hyper_connection,
    "per_layer_embeddings": _per_layer_embeddings,
}
"""Parameters of the whole model, given its number of layers."""

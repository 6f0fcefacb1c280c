"""Parameters of a whole model: embeddings, layers, norms and what families add."""

from __future__ import annotations

from deployadvisor.catalog.families import Family
from deployadvisor.sizing.params.counts import Counts, Parts, counts_of
from deployadvisor.sizing.params.extras import BESIDE_LAYERS, IN_LAYER
from deployadvisor.sizing.params.feed_forward import feed_forward, idle_experts
from deployadvisor.sizing.params.layers import Layer, layers_of, prediction_layer
from deployadvisor.sizing.params.mixers import MIXERS
from deployadvisor.sizing.params.shape import Shape


def count(shape: Shape, family: Family) -> Counts:
    """Count a model of this family; an error where a shape is missing or not understood."""
    family = _as_configured(shape, family)
    layers = layers_of(shape, family)
    parts = _beside_layers(shape, family, sum(layers.values()))
    for layer, number in layers.items():
        for name, parameters in _layer(shape, family, layer).items():
            parts[name] += parameters * number
    idle = idle_experts(shape, parts["routed_experts"]) if parts["routed_experts"] else 0
    return counts_of(parts, idle, _prediction_layers(shape, family))


def _as_configured(shape: Shape, family: Family) -> Family:
    for key, changes in family.when.items():
        if shape.on(key):
            family = family.model_copy(update=dict(changes))
    return family


def _beside_layers(shape: Shape, family: Family, layers: int) -> Parts:
    hidden, vocabulary = shape.count("hidden_size"), shape.count("vocab_size")
    head = 0 if shape.on("tie_word_embeddings") else vocabulary * hidden
    positions = shape.count(family.positions) + family.positions_offset if family.positions else 0
    parts = Parts(
        embedding=(vocabulary + positions) * hidden,
        lm_head=head + shape.on(family.head_bias) * vocabulary,
        norms=(family.final_norm + family.embedding_norm) * _norm(shape, family),
    )
    for extra in family.extras:
        if extra in BESIDE_LAYERS:
            parts.update(BESIDE_LAYERS[extra](shape, layers))
    return parts


def _layer(shape: Shape, family: Family, layer: Layer) -> Parts:
    own = shape.with_own(layer.own)
    parts = MIXERS[layer.mixer](own, family, layer.kind)
    parts.update(feed_forward(own, family, layer.feed_forward))
    norms = shape.count(family.norms_key, family.norms) if family.norms_key else family.norms
    parts["norms"] += norms * _norm(shape, family)
    for extra in family.extras:
        if extra in IN_LAYER:
            parts.update(IN_LAYER[extra](own, family, layer))
    return parts


def _norm(shape: Shape, family: Family) -> int:
    return shape.count("hidden_size") * (1 + shape.on(family.norm_bias))


def _prediction_layers(shape: Shape, family: Family) -> int | None:
    """Multi-token prediction: a projection of two hidden states to one, three norms and a layer."""
    layers = shape.count("mtp_layers", 0)
    if not layers:
        return 0
    if not family.mtp:
        return None
    hidden = shape.count("hidden_size")
    return layers * (
        _layer(shape, family, prediction_layer(shape, family)).total() + 2 * hidden * hidden + 3 * hidden
    )

"""Memory that one pass works in: activations and logits, by the tokens of the batch.

The peak is the larger of two moments that do not overlap. Sampling holds several copies of the logits, the last
hidden states and the experts' workspace; a layer holds its feed-forward block and four vectors of the model's
width. Constants and the runs they were fitted to: ``overheads.yaml``.
"""

from __future__ import annotations

from deployadvisor.catalog.overheads import Batch, Overhead
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.policy import GIB
from deployadvisor.sizing.terms import Sure, Term


def working_terms(
    geometry: Geometry, overhead: Overhead, batch: Batch, context_tokens: int, split: int = 1
) -> tuple[Term, Term]:
    """Activations and logits of one card at the peak; ``split`` cards divide a layer, none the logits.

    Without a batch limit the engine computes the whole prompt in one pass, ``context_tokens`` at most.
    """
    tokens = batch.tokens or context_tokens
    logits = _logits_gib(geometry, overhead, batch)
    sampling = logits + _hidden_gib(geometry, overhead, tokens, split)
    layer = _layer_gib(geometry, overhead, tokens, split)
    peak = max(sampling, layer, overhead.activation_min_gib)
    logits = logits if sampling >= layer else 0.0
    sure: Sure = "measured" if overhead.measured else "assumed"
    moment = "one layer is the larger moment" if sampling < layer else f"{batch.sequences:,} sequences are sampled"
    return (
        Term("activations", peak - logits, f"{tokens:,} tokens a pass; {moment}", sure),
        Term("logits", logits, f"{batch.sequences:,} sequences x {geometry.vocab or 0:,} words", sure),
    )


def _logits_gib(geometry: Geometry, overhead: Overhead, batch: Batch) -> float:
    return batch.sequences * (geometry.vocab or 0) * overhead.bytes_per_logit / GIB


def _hidden_gib(geometry: Geometry, overhead: Overhead, tokens: int, split: int) -> float:
    """The last hidden states, and the experts' workspace where there are experts."""
    elements = (geometry.hidden or 0) + _expert_elements(geometry) / split
    return overhead.activation_bytes * tokens * elements / GIB


def _layer_gib(geometry: Geometry, overhead: Overhead, tokens: int, split: int) -> float:
    width = 0 if geometry.experts else geometry.intermediate or 0
    return overhead.activation_bytes * tokens * (3 * width / split + 4 * (geometry.hidden or 0)) / GIB


def _expert_elements(geometry: Geometry) -> int:
    """Elements a token needs while its experts work: gate and up, their product, and the output they reuse."""
    if not geometry.experts:
        return 0
    width = geometry.expert_intermediate or 0
    return (geometry.experts_per_token or 1) * (max(2 * width, geometry.hidden or 0) + width)

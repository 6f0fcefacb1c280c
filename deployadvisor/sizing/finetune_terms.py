"""The terms of fine-tuning memory on one card, each with what divides it over several.

Constants and their sources: ``finetune_costs`` in ``overheads.yaml``; how each term was derived and checked:
``docs/finetuning-memory.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from deployadvisor.catalog.overheads import FinetuneCosts, LayerBytes, Trainer, finetune_costs
from deployadvisor.sizing.finetune_shape import LayerShape, adapter_inputs, adapter_params
from deployadvisor.sizing.finetune_tuning import Tuning
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.policy import GIB
from deployadvisor.sizing.terms import Sure, Term

Divided = Literal["weights", "gradients", "states", "nothing"]

_TURNS = ("layer_backward", "logits", "head_gradient")
"""Terms of which one is gone before the next peaks."""


@dataclass(frozen=True, slots=True)
class Part:
    """A term, and which kind of sharding divides it over cards."""

    term: Term
    divided: Divided


@dataclass(frozen=True, slots=True)
class _Job:
    geometry: Geometry
    shape: LayerShape
    tuning: Tuning
    costs: FinetuneCosts

    @property
    def total(self) -> int:
        return self.geometry.total_params or 0

    @property
    def trainer(self) -> Trainer:
        return self.costs.trainers[self.tuning.trainer]

    @property
    def trained(self) -> int:
        """Parameters that are trained: all, or the adapter's."""
        tuning = self.tuning
        if tuning.method == "full":
            return self.total
        return adapter_params(self.shape, tuning.rank, tuning.targets, experts=tuning.adapt_experts)

    @property
    def trained_bytes(self) -> float:
        """Width of one trained parameter, and of its gradient."""
        tuning = self.tuning
        if tuning.method != "full":
            return self.trainer.adapter_bytes[tuning.method]
        return self.costs.compute_bytes if tuning.precision == "bf16" else self.costs.full_bytes

    @property
    def layer_bytes(self) -> LayerBytes:
        """What a layer holds for each element of its widths."""
        tuning = self.tuning
        return self.costs.layer_bytes[tuning.precision if tuning.method == "full" else "adapter"]

    @property
    def stream_bytes(self) -> float:
        """Width of one element of a layer's input."""
        tuning = self.tuning
        if tuning.method == "full" and tuning.precision == "bf16":
            return self.costs.compute_bytes
        return self.trainer.stream_bytes[tuning.method]

    @property
    def tiled(self) -> bool:
        """Whether logits are made tile by tile."""
        return self.trainer.tile_vocab is not None


def training_parts(geometry: Geometry, shape: LayerShape, tuning: Tuning) -> tuple[Part, ...]:
    """Every term of ``tuning`` on one card."""
    job = _Job(geometry, shape, tuning, finetune_costs())
    states, passing = tuple(_states(job)), tuple(_passing(job))
    passing = (*passing, _allocator(job, passing))
    return (*states, *passing, *_step(job, sum(part.term.gib for part in passing)), _context(job))


def layer_weights_gib(geometry: Geometry, shape: LayerShape) -> float:
    """16-bit weights of the largest unit that sharded cards gather: two layers, or the embeddings."""
    layer = (geometry.total_params or 0) - geometry.embedding_params - geometry.vision_params
    return 2 * max(2 * layer / shape.layers, geometry.embedding_params) / GIB


def _part(name: str, size: float, basis: str, sure: Sure, divided: Divided = "nothing") -> Part:
    return Part(Term(name, size / GIB, basis, sure), divided)


# What stays from step to step


def _states(job: _Job) -> Iterator[Part]:
    yield from _base_weights(job)
    trained, width, optimizer = job.trained, job.trained_bytes, job.tuning.optimizer
    counted: Sure = "computed" if job.tuning.method == "full" else job.shape.sure
    if job.tuning.method != "full":
        basis = f"{trained:,} parameters of rank {job.tuning.rank} on {job.tuning.targets} x {width:g} bytes"
        yield _part("adapter", trained * width, basis, counted, "weights")
    elif width > job.costs.compute_bytes:
        yield _part("master_weights", trained * width, f"{trained:,} parameters x {width:g} bytes", counted, "states")
    yield _part("gradients", trained * width, f"{trained:,} gradients x {width:g} bytes", counted, "gradients")
    state = job.costs.optimizers[optimizer].state_bytes(width)
    yield _part("optimizer_states", trained * state, f"{optimizer}, {state:g} bytes a parameter", counted, "states")


def _base_weights(job: _Job) -> Iterator[Part]:
    total, width = job.total, job.costs.compute_bytes
    if job.tuning.method != "qlora":
        yield _part("weights", total * width, f"{total:,} parameters x {width:g} bytes", "computed", "weights")
        return
    experts, plain = job.geometry.expert_params, 0
    if not job.tuning.quantized_experts:
        experts, plain = 0, experts
    quantized = job.shape.linear_params + experts
    bits = job.costs.double_quantized_bits if job.tuning.double_quantization else job.costs.nf4_bits
    wide = job.trainer.unquantized_bytes
    yield _part("weights", quantized * bits / 8, f"{quantized:,} parameters x {bits:g} bits", "computed", "weights")
    others = max(total - quantized - plain, 0)
    basis = f"{others:,} parameters of embeddings and head x {wide:g} bytes"
    if plain:
        basis += f", {plain:,} of experts, which bitsandbytes does not quantise, x {width:g}"
    yield _part("unquantized_weights", others * wide + plain * width, basis, "computed", "weights")


# What comes and goes in a step


def _passing(job: _Job) -> Iterator[Part]:
    shape, tuning, costs = job.shape, job.tuning, job.costs
    kept, basis = _kept_of_a_layer(job), f"{shape.layers} layers x {tuning.tokens:,} tokens"
    if tuning.checkpointing:
        entry = shape.hidden * job.stream_bytes
        yield _part("activations", shape.layers * tuning.tokens * entry, f"{basis} x {entry:,.0f} bytes", "computed")
    else:
        yield _part("activations", shape.layers * kept, f"{basis}, everything kept", shape.sure)
    yield from _by_turns(_backward(job, kept), _logits(job), *_head_gradient(job))
    if tuning.method == "qlora":
        largest = shape.hidden * max(shape.feed_forward, shape.query)
        yield _part("dequantized_matrix", largest * costs.compute_bytes, f"one of {largest:,} elements", "computed")


def _by_turns(*parts: Part) -> Iterator[Part]:
    """Parts that are never there together: only the largest counts."""
    largest = max(parts, key=lambda part: part.term.gib)
    for part in parts:
        term = part.term
        basis = f"{term.basis}: {term.gib:.2f} GiB, gone before {largest.term.name} peaks"
        yield part if part is largest else Part(Term(term.name, 0.0, basis, term.sure), part.divided)


def _logits(job: _Job) -> Part:
    """Scores of every word for every token, or of one tile of them and the head's gradient summed up over tiles."""
    shape, trainer, method = job.shape, job.trainer, job.tuning.method
    tokens = min(job.tuning.tokens, trainer.tile_tokens or job.tuning.tokens)
    words = min(shape.vocab, trainer.tile_vocab or shape.vocab)
    per_logit = trainer.bytes_per_logit[method]
    beside = job.tuning.tokens * shape.hidden * trainer.hidden_bytes[method]
    if method == "full" and job.tiled:
        beside += shape.vocab * shape.hidden * trainer.head_gradient_bytes
    basis = f"{tokens:,} tokens x vocabulary of {words:,} x {per_logit:g} bytes{' a tile' if job.tiled else ''}"
    basis += f", {beside / GIB:.2f} GiB of hidden states and gradients"
    return _part("logits", tokens * words * per_logit + beside, basis, "measured")


def _head_gradient(job: _Job) -> Iterator[Part]:
    """The gradient of a trained head, made when of whole logits only their 16-bit gradient is left."""
    if job.tuning.method != "full" or job.tiled:
        return
    shape, width = job.shape, job.trainer.head_gradient_bytes
    size = shape.vocab * (shape.hidden * width + job.tuning.tokens * job.costs.compute_bytes)
    yield _part("head_gradient", size, f"{shape.vocab:,} x {shape.hidden:,} x {width:g} bytes", "measured")


def _kept_of_a_layer(job: _Job) -> float:
    """Bytes of one layer that its way back needs."""
    shape, tuning, costs, per = job.shape, job.tuning, job.costs, job.layer_bytes
    a_token = shape.hidden * (per.hidden + shape.routed * per.routed)
    a_token += shape.query * per.query + shape.key_value * per.key_value
    a_token += shape.feed_forward * per.feed_forward
    if tuning.method != "full":
        a_token += adapter_inputs(shape, tuning.targets) * costs.adapter_input_bytes
    return tuning.tokens * a_token + _scores(job) * costs.score_bytes


def _scores(job: _Job) -> int:
    """Attention scores of one layer that are stored."""
    tuning = job.tuning
    return 0 if tuning.flash_attention else tuning.micro_batch * job.shape.heads * tuning.sequence_tokens**2


def _backward(job: _Job, kept: float) -> Part:
    """One layer on its way back: its gradients, and with checkpointing everything it had kept, computed again."""
    shape, tuning, per = job.shape, job.tuning, job.layer_bytes
    a_token = shape.hidden * per.working_hidden + shape.feed_forward * per.working_feed_forward
    size = tuning.tokens * a_token + _scores(job) * job.costs.score_gradient_bytes
    if not tuning.checkpointing:
        return _part("layer_backward", size, f"gradients of one layer, {tuning.tokens:,} tokens", shape.sure)
    basis = f"one layer computed again and its gradients, {tuning.tokens:,} tokens"
    return _part("layer_backward", size + kept, basis, shape.sure)


def _step(job: _Job, busy_gib: float) -> Iterator[Part]:
    """What the optimiser's step needs beyond the room that the passes have left."""
    values = job.costs.optimizers[job.tuning.optimizer].step_values
    more = max(job.trained * values * job.trained_bytes / GIB - busy_gib, 0.0)
    if more:
        yield _part(
            "optimizer_step", more * GIB, f"{job.tuning.optimizer} updates all parameters at once", "computed"
        )


def _allocator(job: _Job, passing: tuple[Part, ...]) -> Part:
    """Memory between blocks: little with one length; whole logits of changing lengths rarely fit an earlier gap."""
    shares = job.costs.allocator_shares
    largest = max(part.term.gib for part in passing if part.term.name in _TURNS)
    lost = largest * shares.turns
    basis = f"between blocks, {shares.turns:.0%} of the largest of logits, head and layer"
    if job.tuning.varying_lengths:
        activations = next(part.term.gib for part in passing if part.term.name == "activations")
        logits = 0.0 if job.tiled else _logits(job).term.gib
        more = activations * shares.changing_activations + logits * shares.changing_logits
        lost, basis = lost + more, f"{basis}, {more:.2f} GiB for lengths that change"
    return _part("allocator", lost * GIB, basis, "measured")


def _context(job: _Job) -> Part:
    return _part("context", job.costs.context_gib * GIB, "CUDA context, libraries and workspaces", "measured")

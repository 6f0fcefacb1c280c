"""Laws of fine-tuning memory: what each setting does to it, how cards share it, and which jobs are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.models import models
from deployadvisor.catalog.overheads import Method, finetune_costs, finetune_tables
from deployadvisor.errors import CatalogError
from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.finetune import FinetuneMemory, Sharding, finetune_memory
from deployadvisor.sizing.finetune_shape import adapter_params, layer_shape, linear_params
from deployadvisor.sizing.finetune_tuning import Tuning
from deployadvisor.sizing.geometry import Geometry, geometry_of

from .builders import cards, geometry, tiny

METHODS: tuple[Method, ...] = ("qlora", "lora", "full")
SIZED = [model.id for model in models().values() if not isinstance(layer_shape(geometry_of(model)), Unknown)]
geometries = st.sampled_from(SIZED).map(geometry)
jobs = st.builds(
    Tuning,
    st.sampled_from(METHODS),
    sequence_tokens=st.integers(1, 2**20),
    micro_batch=st.integers(1, 64),
    rank=st.integers(1, 512),
    targets=st.sampled_from(("all_linear", "attention", "query_value")),
    optimizer=st.sampled_from(sorted(finetune_costs().optimizers)),
    trainer=st.sampled_from(sorted(finetune_costs().trainers)),
    checkpointing=st.booleans(),
    flash_attention=st.booleans(),
    varying_lengths=st.booleans(),
    precision=st.sampled_from(("mixed", "bf16")),
    adapt_experts=st.booleans(),
    quantized_experts=st.booleans(),
)
STATES = ("weights", "master_weights", "unquantized_weights", "adapter", "gradients", "optimizer_states")


def memory_of(where: Geometry, job: Method | Tuning) -> FinetuneMemory:
    memory = finetune_memory(where, job)
    assert isinstance(memory, FinetuneMemory)
    return memory


def states_gib(where: Geometry, job: Method | Tuning) -> float:
    return sum(term.gib for term in memory_of(where, job).terms if term.name in STATES)


def test_every_model_of_the_catalogue_is_sized() -> None:
    """But those of which the shape is not known."""
    known = [model.id for model in models().values() if model.total_params and model.vocab_size and model.hidden_size]
    assert known == SIZED


@pytest.mark.parametrize(
    ("name", "rank", "targets", "params"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 16, "all_linear", 41_943_040),
        ("mistralai/Mistral-7B-Instruct-v0.3", 16, "attention", 13_631_488),
        ("Qwen/Qwen2.5-7B-Instruct", 16, "attention", 10_092_544),
        ("meta-llama/Llama-3.2-3B-Instruct", 16, "attention", 9_175_040),
        ("meta-llama/Llama-3.2-1B-Instruct", 16, "attention", 3_407_872),
        ("Qwen/Qwen2.5-1.5B-Instruct", 32, "attention", 8_716_288),
    ],
)
def test_adapters_have_the_size_that_peft_prints(name: str, rank: int, targets: Any, params: int) -> None:
    """Trainable parameters of published runs: unslothai notebooks, Anassbzdd/fitcheck measurements."""
    shape = layer_shape(geometry(name))
    assert not isinstance(shape, Unknown)
    assert adapter_params(shape, rank, targets, experts=False) == params


def test_adapters_of_experts_count_every_expert() -> None:
    shape = layer_shape(geometry("Qwen/Qwen3-30B-A3B"))
    assert not isinstance(shape, Unknown)
    without, beside = (adapter_params(shape, 16, "all_linear", experts=experts) for experts in (False, True))
    assert beside - without == 48 * 128 * 3 * 16 * (2048 + 768)


@pytest.mark.parametrize(
    ("job", "bytes_per_param"),
    [
        (Tuning("full"), 18),
        (Tuning("full", precision="bf16"), 8),
        (Tuning("full", precision="bf16", optimizer="sgd"), 4),
        (Tuning("full", optimizer="adamw_8bit"), 12.04),
    ],
)
def test_full_tuning_has_the_published_bytes_a_parameter(job: Tuning, bytes_per_param: float) -> None:
    """LLaMA-Factory's "Hardware Requirement": 18 GB a billion in mixed precision, 8 in pure 16 bit."""
    where = geometry("meta-llama/Llama-3.1-8B-Instruct")
    assert states_gib(where, job) * 2**30 / (where.total_params or 0) == pytest.approx(bytes_per_param)


@pytest.mark.parametrize("method", METHODS)
def test_the_published_table_is_met(method: Method) -> None:
    """LLaMA-Factory's table, an estimate for short conversations: from 10 % below to 75 % above it."""
    table, job = (
        finetune_tables()[method],
        Tuning(method, sequence_tokens=512, trainer="transformers", varying_lengths=False),
    )
    of_size = {
        7: "mistralai/Mistral-7B-Instruct-v0.3",
        14: "microsoft/phi-4",
        70: "meta-llama/Llama-3.3-70B-Instruct",
    }
    for billions, gb in zip(table.billions, table.gb, strict=True):
        if billions in of_size:
            where = geometry(of_size[int(billions)])
            published = gb * (where.total_params or 0) / 1e9 / billions
            computed = memory_of(where, job).gib * 2**30 / 1e9
            assert 0.9 * published <= computed <= 1.75 * published, (where.name, computed, published)


@given(geometries, jobs, st.sampled_from(("sequence_tokens", "micro_batch", "rank")), st.integers(1, 1000))
def test_more_of_anything_never_needs_less(where: Geometry, job: Tuning, name: str, more: int) -> None:
    larger = replace(job, **{name: getattr(job, name) + more})
    assert memory_of(where, larger).gib >= memory_of(where, job).gib


@given(geometries, jobs)
def test_checkpointing_and_flash_attention_never_need_more(where: Geometry, job: Tuning) -> None:
    for name in ("checkpointing", "flash_attention"):
        with_it, without = (memory_of(where, replace(job, **{name: on})).gib for on in (True, False))
        assert with_it <= without * (1 + 1e-12)


@given(geometries, jobs)
def test_one_length_never_needs_more_than_changing_ones(where: Geometry, job: Tuning) -> None:
    one, changing = (memory_of(where, replace(job, varying_lengths=on)).gib for on in (False, True))
    assert one <= changing


def test_lengths_that_change_cost_whole_logits_far_more_than_tiles() -> None:
    where = geometry("Qwen/Qwen3-8B")
    more = {
        trainer: memory_of(where, Tuning("lora", trainer=trainer)).gib
        - memory_of(where, Tuning("lora", trainer=trainer, varying_lengths=False)).gib
        for trainer in ("trl", "transformers")
    }
    assert more["trl"] < 0.1
    assert more["transformers"] > 8


@given(geometries, st.integers(1, 128))
def test_fuller_methods_hold_more(where: Geometry, rank: int) -> None:
    """Weights and states; PEFT's 32-bit embeddings outweigh what is saved where they are most of the model."""
    qlora, lora, full = (states_gib(where, Tuning(method, rank=rank)) for method in METHODS)
    assert qlora <= lora < full
    qlora, lora = (states_gib(where, Tuning(m, rank=rank, trainer="transformers")) for m in ("qlora", "lora"))
    if where.embedding_params + where.vision_params < 0.7 * linear_params(where):
        assert qlora <= lora


def test_widened_embeddings_can_outweigh_what_is_quantised() -> None:
    where = geometry("google/gemma-4-E4B-it")
    lora, qlora = (states_gib(where, Tuning(method, trainer="transformers")) for method in ("lora", "qlora"))
    assert qlora > 0.9 * lora
    assert states_gib(where, "qlora") < 0.7 * lora


def test_experts_stay_in_16_bit_unless_the_tool_quantises_them() -> None:
    where = geometry("Qwen/Qwen3-30B-A3B")
    left, taken = (states_gib(where, Tuning("qlora", quantized_experts=taken)) for taken in (False, True))
    assert left > 54
    assert taken == pytest.approx(left - where.expert_params * (2 - 4.127 / 8) / 2**30)


@given(geometries, jobs, st.integers(2, 512), st.sampled_from(("none", "zero1", "zero2", "zero3")))
def test_more_cards_never_raise_what_one_holds(where: Geometry, job: Tuning, count: int, sharding: Sharding) -> None:
    memory = memory_of(where, job)
    few, many = (sum(term.gib for term in memory.on(n, sharding)) for n in (count, 2 * count))
    assert many <= few * (1 + 1e-12)
    kept = [term.gib for term in memory.on(count, "zero3") if term.name in (*STATES, "gathered_weights")]
    assert sum(kept) <= states_gib(where, job) * (1 + 1e-12)


@given(geometries, jobs, st.integers(2, 64))
def test_each_stage_of_sharding_saves(where: Geometry, job: Tuning, count: int) -> None:
    none, zero1, zero2 = (
        sum(t.gib for t in memory_of(where, job).on(count, how)) for how in ("none", "zero1", "zero2")
    )
    assert zero2 <= zero1 <= none


@given(geometries, jobs, st.floats(1, 300))
def test_cards_needed_is_the_least_number_that_fits(where: Geometry, job: Tuning, free: float) -> None:
    memory = memory_of(where, job)
    needed = memory.cards_needed(cards(free))
    if isinstance(needed, Unknown):
        assert memory.fits(cards(free, 100_000)).value is False  # type: ignore[union-attr] - known cards
        return
    assert memory.fits(cards(free, needed.value)).value  # type: ignore[union-attr] - known cards
    assert ("one card" in needed.source) == (needed.value == 1)
    assert ("FSDP" in needed.source) == (needed.value > 1)


def test_a_single_card_comes_first_and_several_name_their_sharding() -> None:
    memory = memory_of(geometry("meta-llama/Llama-3.3-70B-Instruct"), "lora")
    assert memory.cards_needed(cards(200.0)).source.startswith("one card: 70.6B parameters, lora")  # type: ignore[union-attr] - known cards
    assert memory.cards_needed(cards(79.0)).source.startswith("2 cards, all sharded (ZeRO-3 or FSDP)")  # type: ignore[union-attr] - known cards
    assert memory.fits(cards(79.0, 1)) == Known[bool](value=False, source=memory.basis)
    assert memory.fits(cards(79.0, 2)) == Known[bool](value=True, source=memory.basis)


def test_the_terms_add_up_and_every_one_says_why() -> None:
    for method in METHODS:
        memory = memory_of(geometry("Qwen/Qwen3-8B"), method)
        assert memory.gib == pytest.approx(sum(term.gib for term in memory.terms))
        assert all(term.basis for term in memory.terms)
        assert len({term.name for term in memory.terms}) == len(memory.terms)


WHOLE = Tuning("lora", trainer="transformers")


def test_trl_makes_one_tile_of_logits_at_a_time() -> None:
    terms = {term.name: term for term in memory_of(geometry("Qwen/Qwen3-8B"), "lora").terms}
    assert "2,048 tokens x vocabulary of 32,768 x 2 bytes a tile" in terms["logits"].basis
    assert memory_of(geometry("Qwen/Qwen3-8B"), "lora").gib < memory_of(geometry("Qwen/Qwen3-8B"), WHOLE).gib - 3


def test_logits_and_layer_are_not_counted_together() -> None:
    terms = {term.name: term for term in memory_of(geometry("Qwen/Qwen3-8B"), WHOLE).terms}
    assert terms["logits"].gib == pytest.approx(2048 * (151936 * 14 + 4096 * 4) / 2**30)
    assert terms["layer_backward"].gib == 0
    assert "gone before logits peaks" in terms["layer_backward"].basis


def test_a_trained_head_takes_its_turn_where_logits_are_few() -> None:
    where = geometry("meta-llama/Llama-3.1-8B-Instruct")
    job = Tuning("full", sequence_tokens=256, trainer="transformers")
    terms = {term.name: term.gib for term in memory_of(where, job).terms}
    assert terms["head_gradient"] == pytest.approx(128256 * (4096 * 6 + 256 * 2) / 2**30)
    assert terms["logits"] == terms["layer_backward"] == 0
    assert "head_gradient" not in {term.name for term in memory_of(where, WHOLE).terms}


@pytest.mark.parametrize(("precision", "width"), [("bf16", 2), ("mixed", 4)])
def test_a_checkpoint_is_as_wide_as_the_stream(precision: Any, width: int) -> None:
    where = geometry("meta-llama/Llama-3.1-8B-Instruct")
    terms = {term.name: term.gib for term in memory_of(where, Tuning("full", precision=precision)).terms}
    assert terms["activations"] == pytest.approx(2048 * 32 * 4096 * width / 2**30)


def test_unknown_shapes_and_unknown_memory_stay_unknown() -> None:
    for field in ("total_params", "num_hidden_layers", "hidden_size", "vocab_size"):
        assert isinstance(finetune_memory(geometry_of(tiny(**{field: None})), "lora"), Unknown), field
    memory = memory_of(geometry_of(tiny()), "lora")
    assert isinstance(memory.fits(cards(None)), Unknown)
    assert isinstance(memory.cards_needed(cards(None)), Unknown)
    assert isinstance(memory.cards_needed(cards(8.0, free_gib=0.0)), Unknown)


def test_a_sequence_too_long_for_any_number_of_cards_says_so() -> None:
    memory = memory_of(geometry("Qwen/Qwen3-8B"), Tuning("lora", sequence_tokens=200_000))
    needed = memory.cards_needed(cards(24.0))
    assert isinstance(needed, Unknown)
    assert "however many share it" in needed.unknown


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({"method": "qlorra"}, 'error: "qlorra" is no method of fine-tuning; did you mean "qlora"?'),
        ({"optimizer": "adam8bit"}, '"adam8bit" is no optimizer of fine-tuning; did you mean "adamw_8bit"?'),
        ({"trainer": "tlr"}, '"tlr" is no trainer of fine-tuning; did you mean "trl"?'),
        ({"targets": "all-linear"}, 'did you mean "all_linear"?'),
        ({"precision": "fp64"}, '"fp64" is no precision'),
        ({"rank": 0}, "rank must be a whole number from 1, not 0"),
        ({"sequence_tokens": -5}, "sequence_tokens must be a whole number from 1, not -5"),
        ({"micro_batch": True}, "micro_batch must be a whole number from 1, not True"),
        ({"micro_batch": 1.5}, "micro_batch must be a whole number from 1, not 1.5"),
    ],
)
def test_what_no_tool_knows_is_refused(job: dict[str, Any], text: str) -> None:
    with pytest.raises(CatalogError) as error:
        Tuning(**{"method": "lora", **job})
    assert text in str(error.value)


def test_an_unknown_method_or_sharding_is_refused_by_name() -> None:
    with pytest.raises(CatalogError, match='did you mean "lora"'):
        finetune_memory(geometry("Qwen/Qwen3-8B"), "lorra")  # type: ignore[arg-type] - wrong on purpose
    with pytest.raises(CatalogError, match='did you mean "zero3"'):
        memory_of(geometry("Qwen/Qwen3-8B"), "lora").on(2, "zero4")  # type: ignore[arg-type] - wrong on purpose

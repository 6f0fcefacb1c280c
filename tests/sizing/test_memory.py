"""The fit: ledger arithmetic, measured starts of vLLM, and the laws that every answer obeys."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.overheads import Batch, Overhead, Window, overheads
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.memory import Fit, Load, fit, longest_context
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.sizing.policy import EnginePolicy
from deployadvisor.sizing.terms import Term
from deployadvisor.sizing.working import working_terms

from .builders import LLAMA_CPP, LMDEPLOY, SUPPORTED, VLLM, cards, geometries, geometry, gib, placed, policies, tiny

LLAMA, GPT_OSS = "meta-llama/Llama-3.1-8B-Instruct", "openai/gpt-oss-20b"
H100_GIB = 79.65  # nvidia-smi; CUDA hands out 79.19


def stated_policy(activation_gib: float, non_torch_gib: float, padding: dict[str, float]) -> EnginePolicy:
    """vLLM 0.11 with the overheads of its own log instead of ours."""
    overhead = overheads()["vllm"].model_copy(
        update={
            "batches": (Batch(min_total_gib=0, sequences=1, tokens=1, cuda_graphs_gib=0),),
            "activation_min_gib": activation_gib,
            "engine_gib": non_torch_gib,
            "weight_padding": padding,
            "window": Window(bounded=True),
        }
    )
    return EnginePolicy("vLLM 0.11", "share_of_total", 0.9, tensor_parallel=True, overhead=overhead, cards={})


@pytest.mark.parametrize(
    ("model", "precision", "weights", "activation", "kv"),
    [(LLAMA, "bf16", 14.99, 4.76, 51.38), (GPT_OSS, "mxfp4", 13.47, 7.38, 50.28)],
)
def test_the_ledger_adds_up_to_the_documented_room(
    model: str, precision: str, weights: float, activation: float, kv: float
) -> None:
    """llm-d-planner docs/empirical-vllm-memory-results.md: 0.9 x 79.18 - weights - activation - 0.13."""
    own = placed(model, stated_policy(activation, 0.13, {}), cards(79.18), Load(precision, 1000)).weights_gib
    policy = stated_policy(activation, 0.13, {precision: weights / own - 1})
    result = placed(model, policy, cards(79.18), Load(precision, 1000))
    assert result.available_gib == pytest.approx(71.26, abs=0.005)
    assert result.kv_room_gib == pytest.approx(kv, abs=0.01)


@pytest.mark.parametrize(
    ("model", "card", "count", "share", "measured_gib"),
    [
        (LLAMA, H100_GIB, 1, 0.95, 58.11),
        ("Qwen/Qwen2.5-7B-Instruct", H100_GIB, 1, 0.95, 58.53),
    ],
)
def test_room_for_the_cache_as_vllm_0_19_measured_it(
    model: str, card: float, count: int, share: float, measured_gib: float
) -> None:
    """llm-d-planner vLLM 0.19 report; that version did not yet set the CUDA graphs aside."""
    result = placed(model, VLLM, cards(card, count), Load("bf16", 8192), memory_share=share)
    graphs = next(term.gib for term in result.terms if term.name == "cuda_graphs")
    assert result.kv_room_gib + graphs == pytest.approx(measured_gib, rel=0.005)


def test_room_on_an_h200_as_measured() -> None:
    """redhat-performance/configiq issue 112: Gemma-4-31B, 64.68 GiB."""
    result = placed("google/gemma-4-31B-it", VLLM, cards(140.4), Load("bf16", 262_144))
    assert result.kv_room_gib == pytest.approx(64.68, rel=0.02)


def term(result: Fit, name: str) -> Term:
    return next(item for item in (*result.terms, *result.held_back) if item.name == name)


def working_gib(model: str, overhead: Overhead, batch: Batch, tokens: int, split: int = 1) -> float:
    return sum(term.gib for term in working_terms(geometry(model), overhead, batch, tokens, split))


@pytest.mark.parametrize(
    ("model", "split", "measured_gib"),
    [
        (LLAMA, 1, 1.89),
        (LLAMA, 4, 1.89),
        ("Qwen/Qwen2.5-7B-Instruct", 1, 2.21),
        ("Qwen/Qwen3-8B", 1, 2.21),
        ("microsoft/phi-4", 1, 1.52),
        ("Qwen/Qwen3-30B-A3B", 1, 2.68),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 2, 1.21),
        ("meta-llama/Llama-3.3-70B-Instruct", 2, 1.97),
    ],
)
def test_working_memory_is_within_8_percent_of_vllm(model: str, split: int, measured_gib: float) -> None:
    """llm-d-planner vLLM 0.19 report, H100: 1024 sequences, 8192 tokens, the last two on the fewest cards."""
    overhead = overheads()["vllm"].model_copy(update={"activation_min_gib": 0.0})
    batch = next(batch for batch in overhead.batches if batch.tokens == 8192)
    assert working_gib(model, overhead, batch, 8192, split) == pytest.approx(measured_gib, rel=0.08)


def test_the_compute_buffer_of_llama_cpp_is_exact() -> None:
    """llama.cpp logs 258.50 MiB for Llama-3-8B at a micro-batch of 512."""
    overhead = overheads()["llama_cpp"]
    assert working_gib(LLAMA, overhead, overhead.batches[0], 512) * 1024 == pytest.approx(258.50)


# Cards and shares


def test_weights_that_exceed_the_card_are_named() -> None:
    result = placed("Qwen/Qwen3-32B", VLLM, cards(24.5), Load("bf16", 4096))
    assert not result.fits
    assert result.reason == "needs 61.0 GiB of weights on 21.9 GiB"
    assert (result.max_concurrency, result.kv_room_gib) == (0, 0)


def test_a_cache_that_exceeds_the_card_is_named() -> None:
    result = placed("Qwen/Qwen3-8B", VLLM, cards(24.0), Load("bf16", 8192, concurrency=8))
    assert not result.fits
    assert result.reason.startswith("needs 9.0 GiB of KV cache for 8 sequences of 8,192 tokens; ")
    assert 0 < result.max_concurrency < 8


def test_the_smallest_legal_number_of_cards_is_taken() -> None:
    load = Load("bf16", 8192, concurrency=2)
    assert placed("Qwen/Qwen3-32B", VLLM, cards(80.0, 8), load).tensor_parallel == 1
    assert placed("Qwen/Qwen3-32B", VLLM, cards(48.0, 8), load).tensor_parallel == 2
    assert placed("Qwen/Qwen3-32B", VLLM, cards(24.0, 8), load).tensor_parallel == 4


def test_an_odd_card_stays_idle() -> None:
    result = placed("meta-llama/Llama-3.3-70B-Instruct", VLLM, cards(140.4, 3), Load("bf16", 8192, concurrency=16))
    assert (result.fits, result.cards, result.tensor_parallel) == (True, 2, 2)


@pytest.mark.parametrize(
    ("policy", "wanted", "reason"),
    [
        (VLLM, 3, "tensor parallel 3 does not divide the 32 attention heads of Qwen/Qwen3-8B"),
        (VLLM, 8, "tensor parallel 8 needs 8 equal cards, there are 4"),
        (LLAMA_CPP, 2, "llama.cpp has no tensor parallelism: several cards hold different layers"),
    ],
)
def test_an_impossible_demand_is_refused_with_its_reason(policy: EnginePolicy, wanted: int, reason: str) -> None:
    result = placed("Qwen/Qwen3-8B", policy, cards(80.0, 4), Load("bf16", 4096), wanted=Wanted(tensor=wanted))
    assert (result.fits, result.reason) == (False, reason)


def test_memory_in_use_lowers_the_share() -> None:
    busy = placed("Qwen/Qwen3-8B", VLLM, cards(80.5, free_gib=40.0), Load("bf16", 4096))
    assert busy.fits
    assert busy.memory_share == 0.49  # the context takes 0.6 GiB of the 40 that are free of 79.75
    assert busy.available_gib == pytest.approx(0.49 * 79.75)


def test_a_card_in_use_does_not_fit() -> None:
    """23.5 of 24 GiB in use: graded on what is free, not on what the card has."""
    assert not placed("Qwen/Qwen3-8B", LLAMA_CPP, cards(24.0, free_gib=1.0), Load("q4_k_m", 4096)).fits


def test_lmdeploy_takes_its_share_of_what_weights_leave() -> None:
    result = placed("Qwen/Qwen3-8B", LMDEPLOY, cards(80.5), Load("bf16", 4096))
    free = 80.5 - 0.75 - 0.6  # driver and context
    assert result.kv_room_gib == pytest.approx(0.8 * (free - result.weights_gib))
    half = placed("Qwen/Qwen3-8B", LMDEPLOY, cards(80.5), Load("bf16", 4096), memory_share=0.5)
    assert (result.memory_share, half.memory_share) == (0.8, 0.5)
    assert half.kv_room_gib == pytest.approx(0.5 * (free - result.weights_gib))


def test_layers_are_spread_where_there_is_no_tensor_parallelism() -> None:
    result = placed("meta-llama/Llama-3.3-70B-Instruct", LLAMA_CPP, cards(24.0, 3), Load("q4_k_m", 8192))
    assert (result.fits, result.cards, result.tensor_parallel) == (True, 2, 1)
    edges = 2 * 128_256 * 8192 * 4.8944 / 8 / 2**30  # the output counts as one more layer
    assert result.terms[0].gib == pytest.approx((result.weights_gib - edges) * 41 / 80)


def test_the_fullest_card_holds_one_layer_more() -> None:
    result = placed("Qwen/Qwen3-32B", LLAMA_CPP, cards(9.0, 3), Load("q4_k_m", 2048))
    assert result.cards == 3
    edges = 2 * 151_936 * 5120 * 4.8944 / 8 / 2**30  # the input embedding stays on the host, the output is elsewhere
    assert result.terms[0].gib == pytest.approx((result.weights_gib - edges) * 22 / 64, rel=1e-6)


def test_the_host_serves_from_its_free_memory() -> None:
    host = Cards("CPU", None, "cpu", 1, gib(32.0), gib(24.0))
    result = placed("Qwen/Qwen3-8B", LLAMA_CPP, host, Load("q4_k_m", 8192))
    assert result.fits
    assert result.available_gib == 23.0


@pytest.mark.parametrize(("total", "free"), [(None, None), (24.0, None), (None, 24.0)])
def test_unknown_memory_is_unknown_never_a_fit(total: float | None, free: float | None) -> None:
    where = dataclasses.replace(cards(24.0), total_gib=gib(total), free_gib=gib(free))
    result = fit(geometry("Qwen/Qwen3-0.6B"), VLLM, where, Load("bf16", 1024))
    assert isinstance(result, Unknown)
    assert result.unknown == "memory of card: not read"


@pytest.mark.parametrize("model", [{"num_hidden_layers": None}, {"total_params": None}, {"hidden_size": None}])
def test_an_unknown_model_is_unknown_never_a_fit(model: dict[str, object]) -> None:
    assert isinstance(fit(geometry_of(tiny(**model)), VLLM, cards(80.0), Load("bf16", 1024)), Unknown)


def test_small_cards_and_the_a100_take_the_small_batch() -> None:
    load = Load("bf16", 4096)
    large = placed(LLAMA, VLLM, cards(80.0), load)
    a100 = placed(LLAMA, VLLM, cards(80.0, card_id="a100-80gb-sxm"), load)
    assert [term(result, "activations").basis for result in (large, a100)] == [
        "8,192 tokens a pass; 1,024 sequences are sampled",
        "2,048 tokens a pass; 256 sequences are sampled",
    ]
    assert a100.kv_room_gib > large.kv_room_gib


# Laws

contexts = st.integers(1, 131_072)
memories = st.floats(1, 400, allow_nan=False)
loads = st.builds(
    Load, st.sampled_from(["bf16", "fp8", "int4"]), contexts, st.integers(1, 256), st.sampled_from(["auto", "fp8"])
)


def outcome(shape: Geometry, policy: EnginePolicy, on: Cards, load: Load, tensor: int | None = None) -> Fit:
    result = fit(shape, policy, on, load, wanted=Wanted(tensor=tensor))
    assert isinstance(result, Fit)
    return result


@settings(max_examples=60, deadline=None)
@given(shape=geometries, policy=policies, memory=memories, load=loads, more=st.integers(0, 100_000))
def test_a_lighter_load_fits_where_a_heavier_one_does(
    shape: Geometry, policy: EnginePolicy, memory: float, load: Load, more: int
) -> None:
    on = cards(memory, 2)
    for heavier in (
        dataclasses.replace(load, context_tokens=load.context_tokens + more),
        dataclasses.replace(load, concurrency=load.concurrency + more),
    ):
        assert outcome(shape, policy, on, load).fits >= outcome(shape, policy, on, heavier).fits


@settings(max_examples=60, deadline=None)
@given(shape=geometries, policy=policies, memory=memories, load=loads)
def test_fewer_bits_never_need_more(shape: Geometry, policy: EnginePolicy, memory: float, load: Load) -> None:
    used = [
        outcome(shape, policy, cards(memory), dataclasses.replace(load, precision=precision)).used_gib
        for precision in ("int4", "nvfp4", "fp8", "bf16")
    ]
    assert used == sorted(used)


@settings(max_examples=60, deadline=None)
@given(shape=geometries, memory=memories, load=loads, size=st.sampled_from([2, 4, 8]))
def test_tensor_parallelism_never_lowers_the_total(shape: Geometry, memory: float, load: Load, size: int) -> None:
    for policy in (VLLM, LMDEPLOY):
        one = outcome(shape, policy, cards(memory, size), load, 1)
        several = outcome(shape, policy, cards(memory, size), load, size)
        if several.terms:
            assert several.used_gib * size >= one.used_gib - 1e-6


@settings(max_examples=60, deadline=None)
@given(
    shape=geometries, policy=policies, total=memories, load=loads, shares=st.tuples(st.floats(0, 1), st.floats(0, 1))
)
def test_more_free_memory_never_stops_fitting(
    shape: Geometry, policy: EnginePolicy, total: float, load: Load, shares: tuple[float, float]
) -> None:
    less, more = (outcome(shape, policy, cards(total, 2, total * share), load) for share in sorted(shares))
    assert less.fits <= more.fits


@settings(max_examples=60, deadline=None)
@given(shape=geometries, policy=policies, memory=memories, load=loads, count=st.integers(1, 8))
def test_nothing_fits_beyond_the_memory(
    shape: Geometry, policy: EnginePolicy, memory: float, load: Load, count: int
) -> None:
    result = outcome(shape, policy, cards(memory, count), load)
    if result.fits:
        assert result.used_gib <= result.available_gib + 1e-6 <= memory + 1e-6
        assert result.weights_gib <= result.available_gib * result.cards + 1e-6
        assert result.max_concurrency >= load.concurrency


@settings(max_examples=60, deadline=None)
@given(shape=geometries, policy=policies, memory=memories, load=loads)
def test_the_stated_limits_are_the_limits(shape: Geometry, policy: EnginePolicy, memory: float, load: Load) -> None:
    on = cards(memory)
    result = outcome(shape, policy, on, load)
    if result.max_concurrency:
        assert outcome(shape, policy, on, dataclasses.replace(load, concurrency=result.max_concurrency)).fits
    assert not outcome(shape, policy, on, dataclasses.replace(load, concurrency=result.max_concurrency + 1)).fits
    longest = longest_context(shape, policy, on, load)
    for tokens, fits in ((longest, True), (longest + 1, False)):
        if 0 < tokens <= (shape.context_limit or tokens):
            single = dataclasses.replace(load, concurrency=1, context_tokens=tokens)
            assert outcome(shape, policy, on, single).fits is fits


def test_most_of_the_catalogue_takes_part() -> None:
    assert len(SUPPORTED) > 100


def test_bounds_decide_only_where_they_agree() -> None:
    """An architecture nobody has read: the upper bound must fit; between the bounds it may."""
    unread = geometry_of(tiny(attention="unknown", attention_note="not read"))
    load = Load("bf16", 4096, concurrency=100_000)
    roomy, tight, tiny_card = (fit(unread, VLLM, cards(gib), load) for gib in (300.0, 80.0, 2.0))
    assert [isinstance(found, Fit) and (found.fits, found.may_fit) for found in (roomy, tight, tiny_card)] == [
        (True, True),
        (False, True),
        (False, False),
    ]
    assert isinstance(tight, Fit)
    assert tight.reason.startswith("needs at most ")
    assert tight.warnings


@pytest.mark.parametrize(
    ("card", "vendor", "gib", "sure"),
    [
        ("h100-sxm", "nvidia", 1.85, "measured"),
        ("l40s", "nvidia", 0.6, "assumed"),
        ("mi300x", "amd", 1.85, "assumed"),
        ("nobody-knows", "nvidia", 1.85, "assumed"),
    ],
)
def test_an_unread_link_takes_the_larger_buffers(card: str, vendor: str, gib: float, sure: str) -> None:
    """Unknown is never "PCIe": the buffers measured with NVLink are the larger ones."""
    on = cards(44.0, 2, card_id=card, vendor=vendor)
    found = placed("Qwen/Qwen3-8B", VLLM, on, Load("bf16", 4096), wanted=Wanted(tensor=2))
    assert (term(found, "communicator").gib, term(found, "communicator").sure) == (gib, sure)

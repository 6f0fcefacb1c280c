"""Plans: cards, number formats, arguments, offers."""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor import Recommendation, recommend
from deployadvisor.hardware.machine import Known, Machine
from deployadvisor.hardware.spec import machine_from_phrase

PRIVATE = {"data_sensitivity": "confidential", "peak_concurrency": 32, "requests_per_day": 20_000}


def ask(**answers: Any) -> Recommendation:
    return recommend(**{**PRIVATE, **answers})


def value_after(flags: tuple[str, ...], flag: str) -> str:
    return flags[flags.index(flag) + 1]


def test_a_large_model_is_spread_over_the_fewest_cards() -> None:
    plan = ask(model="meta-llama/Llama-3.3-70B-Instruct", hardware="8x H100").plan
    assert (plan.gpus, plan.tensor_parallel, plan.gpu) == (4, 4, "h100-sxm") or (plan.gpus, plan.tensor_parallel) == (
        2,
        2,
    )
    assert value_after(plan.flags, "--tensor-parallel-size") == str(plan.tensor_parallel)


def test_a_volta_card_gets_half_precision_from_lmdeploy() -> None:
    advice = ask(model="Qwen/Qwen2.5-7B-Instruct", hardware="2x V100 32GB")
    assert (advice.engine, advice.plan.precision, advice.plan.dtype) == ("lmdeploy", "fp16", "half")
    assert value_after(advice.plan.flags, "--dtype") == "float16"


def test_a_turing_card_keeps_vllm_with_half_precision() -> None:
    advice = ask(model="Qwen/Qwen3-4B", hardware="1x T4")
    assert (advice.engine, advice.plan.dtype) == ("vllm", "half")
    assert value_after(advice.plan.flags, "--dtype") == "half"


def test_fp8_is_made_while_loading_where_bf16_does_not_fit() -> None:
    advice = ask(model="Qwen/Qwen3-14B", hardware="1x L4", context_tokens=4096, peak_concurrency=8)
    assert (advice.plan.precision, advice.engine) == ("fp8", "vllm")
    assert value_after(advice.plan.flags, "--quantization") == "fp8_per_channel"


def test_a_quantised_checkpoint_nobody_named_is_not_a_fit() -> None:
    advice = ask(model="Qwen/Qwen3-32B", hardware="1x RTX 4090", context_tokens=2048, peak_concurrency=1)
    assert advice.route != "private_engine"
    details = [
        text for item in advice.rejected if item.route == "private_engine" for text in item.objections[0].details
    ]
    assert any("already quantised to int4 would fit" in text for text in details)


def test_an_architecture_that_was_dropped_pins_the_version_that_has_it() -> None:
    advice = ask(model="baichuan-inc/Baichuan2-13B-Chat", hardware="1x A100 80GB")
    assert (advice.engine, advice.plan.backend, advice.plan.engine_version) == ("lmdeploy", "pytorch", "0.14.0")
    assert any("dropped after 0.14.0, so 0.14.0 is pinned" in text for text in advice.warnings)
    assert advice.plan.trust_remote_code
    assert "--trust-remote-code" in advice.plan.flags


def test_adapters_are_served_with_a_rank_the_engine_knows() -> None:
    flags = ask(customization="adapter", model="Qwen/Qwen3-8B", hardware="1x H100").plan.flags
    assert "--enable-lora" in flags
    assert value_after(flags, "--max-lora-rank") == "16"
    assert "--enable-lora" not in ask(model="Qwen/Qwen3-8B", hardware="1x H100").plan.flags


def test_a_busy_card_lowers_the_memory_share() -> None:
    machine = machine_from_phrase("1x H100")
    busy = machine.accelerators[0].model_copy(update={"memory_free_gib": Known[float](value=50.0, source="test")})
    plan = ask(model="Qwen/Qwen3-8B", hardware=machine.model_copy(update={"accelerators": (busy,)})).plan
    share = float(value_after(plan.flags, "--gpu-memory-utilization"))
    assert share == pytest.approx(0.62, abs=0.01)


def test_requests_beyond_the_memory_are_not_promised() -> None:
    plan = ask(model="Qwen/Qwen3-8B", hardware="1x RTX 4090", context_tokens=32_768, peak_concurrency=4).plan
    advice = ask(model="Qwen/Qwen3-8B", hardware="1x RTX 4090", context_tokens=8192, peak_concurrency=16)
    assert plan.max_concurrency is None or plan.max_concurrency <= 4
    memory = advice.estimate.memory
    if memory is not None:
        assert memory.max_concurrency >= 1


def test_what_to_rent_is_the_cheapest_that_holds_it_with_its_date() -> None:
    advice = ask(hardware="none", can_acquire_gpu="rent", model="Qwen/Qwen2.5-72B-Instruct")
    assert advice.route == "acquire_gpu"
    assert advice.estimate.memory is not None
    assert advice.estimate.memory.fits
    prices = [offer.usd_per_hour for offer in advice.plan.rent]
    assert prices == sorted(prices)
    assert all(offer.as_of.startswith("202") and offer.source for offer in advice.plan.rent)
    assert advice.cost.rented is not None
    assert advice.cost.rented.per_month == pytest.approx(prices[0] * 730, rel=0.001)


def test_hosted_costs_are_list_price_times_volume() -> None:
    advice = recommend(
        data_sensitivity="public", requests_per_day=1000, input_tokens=1000, output_tokens=500, hardware="none"
    )
    from deployadvisor.catalog.providers import providers

    model = next(m for m in providers()[advice.provider or ""].models if m.id == advice.plan.hosted_model)
    assert model.usd_in_per_mtok is not None
    assert model.usd_out_per_mtok is not None
    monthly = 1000 * 365 / 12 * (1000 * model.usd_in_per_mtok + 500 * model.usd_out_per_mtok) / 1e6
    assert advice.cost.hosted is not None
    assert advice.cost.hosted.per_month == pytest.approx(monthly, abs=0.01)
    assert advice.cost.hosted.as_of == str(model.price_as_of)


@pytest.mark.parametrize(
    ("region", "provider", "host"),
    [
        ("cn", "dashscope", "dashscope.aliyuncs.com"),
        ("us", "openai", "us.api.openai.com"),
        ("eu", "openai", "eu.api.openai.com"),
    ],
)
def test_the_endpoint_is_in_the_region(region: str, provider: str, host: str) -> None:
    advice = recommend(data_sensitivity="internal", data_region=region, hardware="none", requests_per_day=100)
    assert advice.route == "managed_api"
    assert advice.provider == provider
    assert host in (advice.plan.endpoint or "")


def test_two_vendors_stand_behind_one_gateway_where_one_is_not_enough() -> None:
    advice = recommend(data_sensitivity="public", vendor_dependence="limited", hardware="none")
    assert advice.plan.fallback_provider not in (None, advice.provider)
    assert [stage.provider for stage in advice.stages] == [advice.provider, advice.plan.fallback_provider]
    assert recommend(data_sensitivity="public", hardware="none").plan.fallback_provider is None


def test_mixed_cards_are_not_pooled_and_the_plan_names_its_own() -> None:
    advice = ask(model="Qwen/Qwen3-8B", hardware="1x RTX 3060 + 2x RTX 4090")
    assert (advice.plan.gpu, advice.plan.gpus, advice.plan.cards) == ("rtx-4090", 2, (1, 2))
    assert "1x NVIDIA GeForce RTX 3060 stays idle: unequal cards are not pooled" in advice.warnings
    assert "- uses cards 1-2 of 0-2" in advice.to_markdown()


def free(machine: Machine, *gib: float) -> Machine:
    """The machine with so much free on each of its cards."""
    cards = (
        card.model_copy(update={"memory_free_gib": Known[float](value=value, source="test")})
        for card, value in zip(machine.accelerators, gib, strict=True)
    )
    return machine.model_copy(update={"accelerators": tuple(cards)})


def test_a_plan_takes_idle_cards_and_leaves_the_busy_one() -> None:
    idle = ask(model="Qwen/Qwen3-14B", hardware=free(machine_from_phrase("4x RTX 4090"), 23.5, 23.5, 23.5, 23.5))
    busy = ask(model="Qwen/Qwen3-14B", hardware=free(machine_from_phrase("4x RTX 4090"), 1.0, 23.5, 23.5, 23.5))
    assert (idle.plan.gpus, idle.plan.cards) == (2, (0, 1))
    assert (busy.plan.gpus, busy.plan.cards) == (2, (1, 2))
    assert busy.estimate == idle.estimate
    assert busy.plan.flags == idle.plan.flags
    assert "the plan uses 2 of 4 cards; the others are free for replicas" in idle.warnings
    assert not any("free for replicas" in text for text in busy.warnings)
    assert "- uses cards 1-2 of 0-3" in busy.to_markdown()


@pytest.mark.parametrize(
    ("answers", "cards"),
    [
        ({"hardware": "1x H100"}, (0,)),
        ({"hardware": "2x H100", "model": "meta-llama/Llama-3.3-70B-Instruct", "context_tokens": 4096}, (0, 1)),
        ({"hardware": "none"}, ()),
        ({"hardware": "M3 Max 64GB", "peak_concurrency": 1, "platform": "laptop"}, (0,)),
    ],
)
def test_every_plan_on_cards_names_them(answers: dict[str, Any], cards: tuple[int, ...]) -> None:
    plan = ask(**{"model": "Qwen/Qwen3-8B", **answers}).plan
    assert plan.cards == cards
    assert len(plan.cards) == plan.gpus


def test_rented_cards_count_from_0() -> None:
    advice = ask(hardware="none", can_acquire_gpu="rent", model="Qwen/Qwen2.5-72B-Instruct")
    assert advice.plan.cards == tuple(range(advice.plan.gpus))
    assert advice.plan.gpus >= 1
    renting = ask(hardware="1x RTX 3060", can_acquire_gpu="rent", model="Qwen/Qwen2.5-72B-Instruct")
    assert renting.plan.rent
    assert not any("stay" in text and "idle" in text for text in renting.warnings)


def test_a_bench_that_only_tunes_names_cards_that_hold_it() -> None:
    answers = {"purpose": "evaluation", "customization": "adapter", "model": "Qwen/Qwen3-32B", "peak_concurrency": 1}
    advice = ask(**answers, hardware=free(machine_from_phrase("3x RTX 4090"), 1.0, 23.5, 23.5))
    assert advice.route == "lab"
    assert advice.plan.cards == (1, 2)


def test_slices_are_used_one_at_a_time() -> None:
    machine = machine_from_phrase("3x A100 40GB")
    slices = tuple(card.model_copy(update={"kind": "mig"}) for card in machine.accelerators)
    machine = machine.model_copy(update={"accelerators": slices})
    advice = ask(model="Qwen/Qwen3-8B", hardware=machine)
    assert (advice.plan.gpus, advice.plan.cards, advice.plan.tensor_parallel) == (1, (0,), 1)
    assert "the plan uses 1 of 3 slices; start one replica a slice for the others" in advice.warnings
    large = ask(model="Qwen/Qwen3-32B", hardware=machine)
    assert large.plan.tensor_parallel == large.plan.pipeline_parallel == 1


def test_a_cpu_plan_says_what_it_will_run_even_when_memory_is_unknown() -> None:
    plan = recommend(data_sensitivity="confidential", peak_concurrency=1, hardware="none").plan
    assert (plan.precision, plan.gpus) == ("q4_k_m", 0)
    assert plan.max_model_len


SGLANG_FIRST = "tests/generated/overlays/sglang-first.yaml"
LMDEPLOY_FIRST = "docs/examples/overlays/lmdeploy-first.yaml"


def test_sglang_is_told_what_adapters_may_change_since_none_is_there_when_it_starts() -> None:
    advice = ask(customization="adapter", model="Qwen/Qwen3-8B", hardware="1x H100", overlay=SGLANG_FIRST)
    assert advice.engine == "sglang"
    assert "--enable-lora" in advice.plan.flags
    assert value_after(advice.plan.flags, "--max-lora-rank") == "16"
    assert value_after(advice.plan.flags, "--lora-target-modules") == "all"


def test_the_context_has_room_for_requests_longer_than_the_average() -> None:
    plan = ask(model="Qwen/Qwen2.5-7B-Instruct", hardware="1x H100", input_tokens=3000, output_tokens=400).plan
    assert plan.max_model_len == 14_336
    assert value_after(plan.flags, "--max-model-len") == "14336"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"context_tokens": 100_000}, "context_tokens 100,000 was planned for"),
        ({"input_tokens": 30_000, "output_tokens": 8_000}, "an average request of 38,000 was planned for"),
    ],
)
def test_a_context_beyond_the_model_is_not_promised_in_silence(answers: dict[str, Any], words: str) -> None:
    advice = ask(model="Qwen/Qwen2.5-7B-Instruct", hardware="1x H100", **answers)
    assert advice.plan.max_model_len == 32_768
    assert any(words in warning and "32,768" in warning for warning in advice.warnings)


def test_a_context_that_fits_is_nothing_to_warn_of() -> None:
    advice = ask(model="Qwen/Qwen2.5-7B-Instruct", hardware="1x H100", context_tokens=32_768)
    assert not any("at most" in warning for warning in advice.warnings)


def test_each_engine_gets_the_share_of_memory_in_its_own_meaning() -> None:
    plans = {
        overlay: ask(model="Qwen/Qwen3-8B", hardware="1x H100", overlay=overlay).plan
        for overlay in (None, LMDEPLOY_FIRST, SGLANG_FIRST)
    }
    assert value_after(plans[None].flags, "--gpu-memory-utilization") == "0.92"
    assert value_after(plans[LMDEPLOY_FIRST].flags, "--cache-max-entry-count") == "0.80"
    assert 0.8 <= float(value_after(plans[SGLANG_FIRST].flags, "--mem-fraction-static")) < 0.92


def test_prefix_caching_is_switched_on_where_it_is_off_by_default() -> None:
    plan = ask(model="Qwen/Qwen3-8B", hardware="1x H100", overlay=LMDEPLOY_FIRST).plan
    assert "--enable-prefix-caching" in plan.flags
    assert (
        "--disable-radix-cache" not in ask(model="Qwen/Qwen3-8B", hardware="1x H100", overlay=SGLANG_FIRST).plan.flags
    )


def test_code_from_the_repository_runs_only_where_the_model_needs_it_and_a_warning_says_so() -> None:
    needs = ask(model="baichuan-inc/Baichuan2-13B-Chat", hardware="1x A100 80GB")
    assert "--trust-remote-code" in needs.plan.flags
    assert any("runs code from its repository" in warning for warning in needs.warnings)
    plain = ask(model="Qwen/Qwen3-8B", hardware="1x A100 80GB")
    assert "--trust-remote-code" not in plain.plan.flags
    assert not any("runs code from its repository" in warning for warning in plain.warnings)


@pytest.mark.parametrize(
    ("answers", "model"),
    [
        ({"purpose": "personal", "hardware": "1x RTX 4090"}, "bartowski/vicuna-7b-v1.5-GGUF"),
        (
            {"purpose": "production", "hardware": "1x H100", "data_sensitivity": "confidential"},
            "lmsys/vicuna-7b-v1.5",
        ),
    ],
)
def test_a_gguf_repository_that_was_named_is_what_a_desktop_runner_gets(answers: dict[str, Any], model: str) -> None:
    advice = recommend(model="bartowski/vicuna-7b-v1.5-GGUF", requests_per_day=50, peak_concurrency=1, **answers)
    assert advice.plan.model == model

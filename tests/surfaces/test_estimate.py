"""``estimate`` on a terminal and as JSON: a ledger that adds up, the layout, what would make it fit, the sources."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.errors import CatalogError
from deployadvisor.estimation import Work, estimate
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.surfaces.cli import main
from deployadvisor.surfaces.estimate_view import NAMES, Picture, show


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(("estimate", *arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def body(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


ONE = ("--model", "Qwen/Qwen3-8B", "--hardware", "1x RTX 4090")


def test_the_ledger_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    found = body(capsys, *ONE, "--concurrency", "4")
    held = sum(term["gib"] for term in found["held_back_gib_per_card"].values())
    assert held + found["available_gib_per_card"] == pytest.approx(24_564 / 1024, abs=0.01)
    assert set(found["terms_gib_per_card"]) | set(found["held_back_gib_per_card"]) == set(NAMES)
    assert found["kv_gib"] == pytest.approx(4 * 1256 * 147_456 / 2**30)
    assert (found["tp"], found["pp"], found["dp"], found["ep"]) == (1, 1, 1, 1)


def test_every_term_says_how_sure_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *ONE)
    assert code == 0
    lines = [line for line in out.splitlines() if " GiB  " in line]
    assert len(lines) >= 8
    assert all(any(word in line for word in ("exact", "computed", "measured", "bound", "assumed")) for line in lines)
    assert "█" not in out


def test_bars_are_for_terminals_and_follow_one_another() -> None:
    found = estimate("Qwen/Qwen3-8B", "1x RTX 4090")
    lines = [line for line in show(found, bars=True) if "█" in line]
    bars = [re.search("[·█]{30}", line)[0] for line in lines]  # type: ignore[index] - each line has a bar
    weights = next(bar for bar, line in zip(bars, lines, strict=True) if " weights " in line)
    assert weights.count("█") in (round(15.256 / 23.99 * 30), round(15.256 / 23.99 * 30) + 1)
    starts = [bar.index("█") for bar in bars]
    assert starts == sorted(starts)


@given(gibs=st.lists(st.floats(0, 500), max_size=20), whole=st.floats(0.01, 300))
def test_a_bar_is_always_as_wide(gibs: list[float], whole: float) -> None:
    picture = Picture(whole)
    assert {len(picture.bar(gib)) for gib in gibs} <= {30}


def test_requests_that_wait_are_not_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    found = body(capsys, *ONE, "--precision", "bf16", "--concurrency", "64")
    assert (found["fits"], found["all_at_once"]) == (True, False)
    assert found["reason"].endswith(f"{found['max_concurrency']} at once, the others wait")
    assert found["remedies"][0]["kind"] == "queue"
    assert "fits, but not all at once" in run(capsys, *ONE, "--precision", "bf16", "--concurrency", "64")[1]


def test_a_batch_of_transformers_does_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    found = body(capsys, *ONE, "--engine", "transformers", "--precision", "bf16", "--concurrency", "64")
    assert (found["fits"], found["all_at_once"]) == (False, False)


def test_the_layout_says_why_smaller_ones_were_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--model", "Qwen/Qwen3-32B", "--hardware", "4x RTX 4090", "--precision", "bf16")
    assert code == 0
    assert "Layout         tensor parallel 4" in out
    assert "not one card: needs 61.0 GiB of weights" in out
    assert "not tensor parallel 3: tensor parallel 3 does not divide the 64 attention heads" in out
    assert "exchanges activations over PCIe" in out


def test_a_layout_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--model", "Qwen/Qwen3-32B", "--hardware", "4x H100")
    found = body(capsys, *where, "--tensor-parallel", "2", "--pipeline-parallel", "2")
    assert (found["tp"], found["pp"], found["cards"]) == (2, 2, 4)
    refused = body(capsys, *where, "--tensor-parallel", "3", "--precision", "bf16")
    assert (refused["fits"], refused["terms_gib_per_card"]) == (False, {})
    assert "does not divide the 64 attention heads" in refused["reason"]


def test_two_nodes_hold_what_one_does_not() -> None:
    one = estimate("deepseek-ai/DeepSeek-V3", "8x H100", precision="fp8", work=Work(1000, 256, 4))
    two = estimate("deepseek-ai/DeepSeek-V3", "8x H100", precision="fp8", work=Work(1000, 256, 4), nodes=2)
    assert one.fit is not None
    assert two.fit is not None
    assert (one.fit.fits, two.fit.fits) == (False, True)
    assert (two.fit.layout.tensor, two.fit.layout.pipeline) == (8, 2)


def test_nodes_of_the_phrase_count_unless_the_option_says_otherwise() -> None:
    assert estimate("Qwen/Qwen3-8B", "3 nodes of 2x H100").asked.cards.nodes == 3
    assert estimate("Qwen/Qwen3-8B", "3 nodes of 2x H100", nodes=1).asked.cards.nodes == 1
    assert estimate("Qwen/Qwen3-8B", "2x H100").asked.cards.nodes == 1


def test_unequal_cards_are_not_pooled() -> None:
    found = estimate("Qwen/Qwen3-32B", "1x RTX 3090 + 2x RTX 3060", precision="bf16")
    assert found.asked.cards.count in (1, 2)
    assert any("stay idle: unequal cards are not pooled" in note for note in found.notes)


def test_bounds_are_told_as_bounds() -> None:
    found = estimate("MiniMaxAI/MiniMax-M3", "8x B200")
    if found.fit is not None and found.fit.warnings:
        assert found.fit.warnings[0] in found.notes


def test_sources_are_one_word_away(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *ONE, "--sources")
    assert "Where the figures come from" in out
    assert "nvidia-smi" in out
    assert "Where the figures" not in run(capsys, *ONE)[1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no model is named"),
        (("--model", "Qwen/Qwen3-8"), "did you mean"),
        ((*ONE, "--kv-dtype", "fp7"), "is not a number format of the KV cache"),
        ((*ONE, "--precision", "q4_k_n"), "did you mean"),
        ((*ONE, "--csv", "in.csv"), "--csv and --out go together"),
        ((*ONE, "--csv", "in.csv", "--out", "out.csv"), "the models stand in the file"),
        ((*ONE, "--concurrency", "0"), "range"),
    ],
)
def test_bad_input_is_refused(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert text in err


def test_from_python() -> None:
    found = estimate("qwen3-8b", "2x H100", wanted=Wanted(tensor=2))
    assert found.fit is not None
    assert found.fit.layout.tensor == 2
    assert found.reason == found.fit.reason


# Fine-tuning

TUNED = ("--model", "Qwen/Qwen3-8B", "--hardware", "2x RTX 4090")


def test_a_tuning_job_has_a_ledger_for_one_card_and_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *TUNED, "--tune", "full")
    assert code == 0
    assert "Qwen/Qwen3-8B on 2x NVIDIA GeForce RTX 4090: does not fit" in out
    assert "One card that holds everything" in out
    assert "Each of 2 cards, everything sharded" in out
    found = body(capsys, *TUNED, "--tune", "full")
    assert found["fits"] is False
    assert found["cards_needed"] > 2
    one, each = (sum(term["gib"] for term in found[part].values()) for part in ("one_card", "each_of_all"))
    assert one > each


def test_an_adapter_needs_less(capsys: pytest.CaptureFixture[str]) -> None:
    needs = [
        sum(term["gib"] for term in body(capsys, *TUNED, "--tune", method)["one_card"].values())
        for method in ("full", "lora", "qlora")
    ]
    assert needs == sorted(needs, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--model", "Qwen/Qwen3-8B", "--hardware", "none", "--tune", "lora"), "needs an accelerator"),
        ((*TUNED, "--tune", "prefix"), "not one of"),
        ((*TUNED, "--tune", "lora", "--rank", "0"), "range"),
    ],
)
def test_a_tuning_job_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert text in err


# What can be said although nothing can be placed


def test_an_architecture_nobody_has_read_gets_bounds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = {"model_type": "newthing", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32}
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 8, "vocab_size": 100_000}))
    where = ("--model", str(tmp_path), "--hardware", "1x H100")
    found = body(capsys, *where)
    assert found["fits"] is None
    assert (found["kv_bytes_per_token_at_least"], found["kv_bytes_per_token"]) == (0, 131_072)
    _, out, _ = run(capsys, *where)
    assert "not known" in out
    assert "put the weight files, or their index, beside config.json" in out
    assert "0 to 131,072 bytes a token" in out
    assert 'model type "newthing" is not known here' in out


# Settings of the engine that would change the ledger


def test_both_bounds_of_a_window_are_told() -> None:
    found = estimate("google/gemma-3-27b-it", "1x H100", precision="bf16", work=Work(30_000, 2768))
    (note,) = (note for note in found.notes if "--disable-hybrid-kv-cache-manager" in note)
    assert "15.50 GiB" in note, "62 layers x 16 heads x 2 x 128 x 2 bytes x 32,768 tokens"
    plain = estimate("Qwen/Qwen3-8B", "1x H100")
    assert not any("hybrid" in note for note in plain.notes)


def test_the_default_context_of_a_runner_is_told() -> None:
    found = estimate("Qwen/Qwen3-8B", "1x T4", engine="ollama", work=Work(8000, 1000))
    assert any("gives 4,096 tokens of context on such a card" in note for note in found.notes)


def test_a_family_that_is_served_one_by_one_is_told() -> None:
    found = estimate("Qwen/Qwen3.5-9B", "1x RTX 4090", engine="ollama")
    assert any("one request at a time" in note for note in found.notes)


# What keeps an engine from a model, whatever the memory


@pytest.mark.parametrize(
    ("model", "hardware", "engine", "precision", "reason"),
    [
        ("Qwen/Qwen2.5-3B-Instruct", "1x V100", "vllm", "bf16", "starts at compute capability 7.5"),
        ("Qwen/Qwen3-8B", "1x M3 Max 64GB", "vllm", None, "not on macos"),
        ("Qwen/Qwen3-8B", "1x M3 Max 64GB", "lmdeploy", None, "not on macos"),
        ("Qwen/Qwen3-8B", "1x Ascend 910B", "ollama", None, "accelerators, not on"),
        ("baichuan-inc/Baichuan2-7B-Chat", "1x RTX 4090", "vllm", None, "was dropped after 0.23.0"),
        ("Qwen/Qwen3-8B", "1x H100", "vllm", "q4_k_m", "loads q4_k_m only with vllm-gguf-plugin"),
        ("Qwen/Qwen3-8B", "1x H100", "ollama", "fp8", "Ollama does not load fp8"),
    ],
)
def test_an_engine_that_would_not_start_does_not_fit(
    model: str, hardware: str, engine: str, precision: str | None, reason: str
) -> None:
    found = estimate(model, hardware, engine=engine, precision=precision)
    assert found.fit is None
    assert reason in found.reason
    assert any("does not load" in line for line in show(found, bars=False))
    assert any("KV cache" in line for line in show(found, bars=False))


def test_an_old_card_serves_bf16_as_fp16() -> None:
    assert estimate("Qwen/Qwen2.5-3B-Instruct", "1x T4", precision="bf16").fit is not None


def test_a_context_beyond_the_model_is_told() -> None:
    found = estimate("Qwen/Qwen2.5-3B-Instruct", "1x H100", work=Work(60_000, 1000))
    assert any("61,000 tokens are more than the 32,768" in note for note in found.notes)


def test_a_gguf_file_may_hold_16_bits() -> None:
    found = estimate("Qwen/Qwen3-8B", "1x RTX 4090", engine="llama_cpp", precision="bf16")
    assert found.fit is not None
    assert found.fit.fits


@pytest.mark.parametrize(("engine", "kv_dtype"), [("vllm", "q8_0"), ("llama_cpp", "fp8"), ("transformers", "fp8")])
def test_an_engine_keeps_only_its_own_cache_formats(engine: str, kv_dtype: str) -> None:
    with pytest.raises(CatalogError, match="does not keep its KV cache in"):
        estimate("Qwen/Qwen3-8B", "1x H100", engine=engine, kv_dtype=kv_dtype)


def test_a_serial_family_serves_one_and_lets_the_others_wait() -> None:
    found = estimate("Qwen/Qwen3.5-9B", "1x RTX 4090", engine="ollama", work=Work(concurrency=3))
    assert found.fit is not None
    assert (found.fit.fits, found.fit.runs, found.fit.max_concurrency) == (False, True, 1)
    assert found.remedies == ()


def test_lmdeploy_takes_a_share_of_what_is_free() -> None:
    found = estimate("Qwen/Qwen3-8B", "1x A100 40GB", engine="lmdeploy").fit
    assert found is not None
    resident = sum(term.gib for term in found.terms if not term.name.startswith("kv_"))
    assert found.reserved_gib == pytest.approx(resident + found.kv_room_gib)
    assert found.reserved_gib < found.available_gib


def test_memory_shared_with_the_system_is_not_all_the_engines() -> None:
    found = estimate("Qwen/Qwen3-0.6B", "cpu 8GB", engine="ollama").fit
    assert found is not None
    held = {term.name: term for term in found.held_back}
    assert (held["in_use"].gib, held["in_use"].sure) == (2, "assumed")
    assert found.terms[0].gib == pytest.approx(found.weights_gib), "the input embedding lies in the same memory"


def test_leaner_settings_are_a_remedy() -> None:
    found = estimate("Qwen/Qwen2.5-72B-Instruct", "2x RTX 4090", precision="int4", work=Work(1000, 200))
    (lean,) = (remedy for remedy in found.remedies if remedy.kind == "settings")
    assert "--gpu-memory-utilization 0.95" in lean.text
    assert lean.fit.memory_share == 0.95

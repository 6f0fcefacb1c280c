"""Flags and names of parsers that the pinned engine refuses, or takes and fails on later."""

from __future__ import annotations

import pytest

from deployadvisor import recommend
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.flag_changes import changes_of
from deployadvisor.catalog.parsers import parsers_for, registries, speeches
from deployadvisor.errors import RenderError
from deployadvisor.render.bundle import render
from deployadvisor.render.check_flags import check_flags
from tests.render.factory import served


@pytest.mark.parametrize(
    "words",
    [
        ["Qwen/Qwen3-8B", "--max-model-len", "8192"],
        ["--max-model-len=8192"],
        ["--no-enable-prefix-caching"],
        ["--max-num-seqs", "-1"],
        ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"],
        ["--tool-call-parser=hermes"],
    ],
)
def test_flags_of_the_pinned_version_pass(words: list[str]) -> None:
    assert list(check_flags(engines()["vllm"], words)) == []


@pytest.mark.parametrize(
    ("engine", "word", "reason"),
    [
        ("vllm", "--max-model-le", "no option"),
        ("vllm", "--swap-space", "no option"),
        ("lmdeploy", "--tensor-parallel-size", "no option"),
        ("llama_cpp", "--tools", "must not be used"),
        ("transformers", "--enable-cors", "must not be used"),
    ],
)
def test_other_flags_are_named(engine: str, word: str, reason: str) -> None:
    assert [reason in text for text in check_flags(engines()[engine], ["model", word])] == [True]


@pytest.mark.parametrize(
    ("engine", "words", "reason"),
    [
        ("vllm", ["--tool-call-parser", "qwen"], "no parser 'qwen'"),
        ("vllm", ["--reasoning-parser=qwen-3"], "no parser 'qwen-3'; did you mean qwen3?"),
        ("sglang", ["--tool-call-parser", "llama4"], "no parser 'llama4'"),
        ("lmdeploy", ["--reasoning-parser", "qwen3"], "no parser 'qwen3'"),
    ],
)
def test_a_parser_that_the_engine_does_not_have_is_named(engine: str, words: list[str], reason: str) -> None:
    (problem,) = check_flags(engines()[engine], words)
    assert reason in problem


def test_an_old_flag_says_what_took_its_place() -> None:
    (problem,) = check_flags(engines()["vllm"], ["--guided-decoding-backend", "xgrammar"])
    change = changes_of("vllm")["--guided-decoding-backend"]
    assert change.until is not None
    assert f"was in {change.until}" in problem
    assert "use --structured-outputs-config" in problem


def test_a_flag_that_nothing_replaced_says_so() -> None:
    (problem,) = check_flags(engines()["vllm"], ["--num-scheduler-steps", "8"])
    assert "no replacement is recorded" in problem


def test_a_saved_plan_with_an_old_flag_is_refused_before_anything_is_written() -> None:
    flags = ("--max-model-len", "8192", "--max-seq-len-to-capture", "8192")
    with pytest.raises(RenderError, match="use --max-cudagraph-capture-size"):
        render(served("vllm", flags=flags))


@pytest.mark.parametrize("engine", registries())
def test_every_name_for_a_model_is_one_that_the_engine_has(engine: str) -> None:
    registry = registries()[engine]
    assert registry.version == engines()[engine].version
    for speech in speeches().values():
        named = next((parsers for name, parsers in speech.engines.items() if name == engine), None)
        if named is not None:
            assert named.tool_calls is None or named.tool_calls in registry.tool_calls, speech.id
            assert named.reasoning is None or named.reasoning in registry.reasoning, speech.id
            assert named.tool_calls or named.reasoning, speech.id


@pytest.mark.parametrize(
    ("engine", "model", "tools", "reasoning"),
    [
        ("vllm", "Qwen/Qwen3-8B", "hermes", "qwen3"),
        ("vllm", "Qwen/Qwen3-4B-Instruct-2507", "hermes", None),
        ("vllm", "Qwen/Qwen3-4B-Thinking-2507", "hermes", "qwen3"),
        ("vllm", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_xml", None),
        ("sglang", "qwen/qwen3-8b", "qwen", "qwen3"),
        ("lmdeploy", "Qwen/Qwen2.5-7B-Instruct", "qwen2d5", None),
        ("lmdeploy", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None, "default"),
        ("vllm", "openai/gpt-oss-20b", "openai", None),
        ("vllm", "microsoft/phi-4", None, None),
        ("vllm", "/data/my-qwen3", None, None),
        ("ollama", "Qwen/Qwen3-8B", None, None),
    ],
)
def test_parsers_of_a_model(engine: str, model: str, tools: str | None, reasoning: str | None) -> None:
    found = parsers_for(engine, model)
    assert (found.tool_calls, found.reasoning) == (tools, reasoning)


PRIVATE = {"data_sensitivity": "confidential", "peak_concurrency": 32, "requests_per_day": 20_000}


def test_a_plan_turns_tools_and_reasoning_on_for_a_model_that_has_them() -> None:
    flags = recommend(model="Qwen/Qwen3-8B", hardware="1x H100", **PRIVATE).plan.flags
    at = flags.index("--enable-auto-tool-choice")
    assert flags[at:] == ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3")


def test_a_plan_names_no_parser_for_a_model_that_nobody_has_read() -> None:
    flags = recommend(model="microsoft/phi-4", hardware="1x H100", **PRIVATE).plan.flags
    assert not {"--enable-auto-tool-choice", "--tool-call-parser", "--reasoning-parser"} & set(flags)

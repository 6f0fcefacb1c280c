"""A bundle in 150 ms at most: every file filled in, read back and checked, for each target."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import available_targets, render
from deployadvisor.render.check import read_back
from tests.render.factory import hosted, served, tuned

ANSWERS = {
    "vllm": served("vllm", replicas=2, cards=4),
    "tuned": tuned("vllm"),
    "hosted": hosted("openai", "deepseek"),
}


@pytest.mark.parametrize(
    ("answer", "target"),
    [(name, target) for name, answer in ANSWERS.items() for target in available_targets(answer)],
)
def test_render(benchmark: BenchmarkFixture, answer: str, target: str) -> None:
    advice: Recommendation = ANSWERS[answer]

    def anew() -> tuple[tuple[Recommendation, list[str]], dict[str, object]]:
        read_back.cache_clear()  # every bundle is read back for the first time
        return (advice, [target]), {}

    bundle = benchmark.pedantic(render, setup=anew, rounds=20, warmup_rounds=1)
    assert bundle.targets == (target,)

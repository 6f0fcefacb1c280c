"""How long things take; `make bench` prints it. Nothing here fails for being slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from deployadvisor import estimate, load_rules, recommend
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.models import find_model
from deployadvisor.decide import reader, vocabulary
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.sizing.cards import card_groups
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.policy import engine_policy

ANSWERS: dict[str, Any] = {
    "data_sensitivity": "confidential",
    "requests_per_day": 50_000,
    "customization": "adapter",
    "model": "Qwen/Qwen3-8B",
}
HARDWARE = "1x H100"
ROUNDS = 7


def run(*arguments: str) -> str:
    """A Python process of its own, as a user starts one."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("statement", ["pass", "import deployadvisor", "from deployadvisor import recommend"])
def test_start_of_a_process(benchmark: BenchmarkFixture, statement: str) -> None:
    assert benchmark.pedantic(run, ("-c", statement), rounds=ROUNDS) == ""


def test_recommend_on_the_command_line(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    profile = tmp_path / "project.yaml"
    profile.write_text("".join(f"{key}: {value}\n" for key, value in ANSWERS.items()), encoding="utf-8")
    command = ("-m", "deployadvisor", "recommend", str(profile), "--hardware", HARDWARE, "--json")
    assert '"status": "decided"' in benchmark.pedantic(run, command, rounds=ROUNDS)


def test_recommend_again_and_again(benchmark: BenchmarkFixture) -> None:
    advice = benchmark(recommend, hardware=HARDWARE, **ANSWERS)
    assert advice.status == "decided"


def test_recommend_without_hardware(benchmark: BenchmarkFixture) -> None:
    advice = benchmark(recommend, hardware="none", data_sensitivity="public")
    assert advice.route == "hosted_api"


def test_reading_the_route_rules(benchmark: BenchmarkFixture) -> None:
    folder = load_rules().folder

    def read() -> Ruleset:
        return reader.load(folder / "route.yaml", vocabulary.load(folder / "vocabulary.yaml"))

    assert benchmark(read).name == "route"


def test_deciding_the_route(benchmark: BenchmarkFixture) -> None:
    facts = {name: fact.value for name, fact in recommend(hardware=HARDWARE, **ANSWERS).facts.items()}
    decision = benchmark(evaluate, load_rules().route, facts)
    assert decision.status == "decided"


@pytest.mark.parametrize(("model", "phrase"), [("Qwen/Qwen3-8B", "1x H100"), ("deepseek-ai/DeepSeek-V3", "8x H200")])
def test_one_estimate(benchmark: BenchmarkFixture, model: str, phrase: str) -> None:
    machine = machine_from_phrase(phrase)
    assert benchmark(estimate, model, machine).fit is not None


def test_one_fit(benchmark: BenchmarkFixture) -> None:
    (cards,) = card_groups(machine_from_phrase(HARDWARE))
    geometry, policy = geometry_of(find_model(ANSWERS["model"])), engine_policy(engines()["vllm"])
    placed = benchmark(fit, geometry, policy, cards, Load("bf16", context_tokens=8192, concurrency=16))
    assert isinstance(placed, Fit)
    assert placed.fits

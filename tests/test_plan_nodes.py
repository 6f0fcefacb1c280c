"""Plans over several machines: how many, what each holds, and who stays on one."""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor import Recommendation, recommend
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.reopen import reopen
from deployadvisor.site import cards_of_a_node

BIG = {
    "data_sensitivity": "confidential",
    "peak_concurrency": 32,
    "requests_per_day": 20_000,
    "model": "deepseek-ai/DeepSeek-V3",
}


def ask(hardware: str, **answers: Any) -> Recommendation:
    return recommend(**{**BIG, **answers, "hardware": hardware})


def flag(advice: Recommendation, name: str) -> str:
    return advice.plan.flags[advice.plan.flags.index(name) + 1]


@pytest.mark.parametrize("hardware", ["2 nodes of 8x H100", "2x 8x H100", "2 台 8x H100", "2x p5.48xlarge"])
def test_a_model_too_large_for_one_machine_spans_two(hardware: str) -> None:
    advice = ask(hardware)
    plan = advice.plan
    assert (advice.route, advice.engine) == ("private_engine", "vllm")
    assert (plan.nodes, plan.gpus, cards_of_a_node(plan), plan.cards) == (2, 16, 8, tuple(range(8)))
    assert (plan.tensor_parallel, plan.pipeline_parallel) == (8, 2)
    assert (flag(advice, "--tensor-parallel-size"), flag(advice, "--pipeline-parallel-size")) == ("8", "2")
    assert any("2 machines hold one copy of the model" in text for text in advice.warnings)


def test_memory_is_that_of_a_card_and_no_cost_is_made_up() -> None:
    advice = ask("2 nodes of 8x H100")
    memory = advice.estimate.memory
    assert memory is not None
    assert (memory.fits, memory.cards) == (True, 16)
    weights = next(term.gib for term in memory.terms if term.name == "weights")
    assert memory.weights_gib / 16 <= weights < memory.weights_gib / 16 * 1.1
    assert advice.cost.rented is None
    assert advice.estimate.output_tok_s is None


def test_a_model_that_fits_one_machine_leaves_the_others_idle() -> None:
    advice = ask("3 nodes of 8x H200")
    assert (advice.plan.nodes, advice.plan.gpus) == (1, 8)
    assert "the plan uses 1 of 3 machines; the others are free for replicas" in advice.warnings
    assert not any("hold one copy" in text for text in advice.warnings)


def test_no_more_machines_than_needed() -> None:
    advice = ask("4 nodes of 8x A100 80GB")
    assert (advice.plan.nodes, advice.plan.gpus) == (2, 16)
    assert "the plan uses 2 of 4 machines; the others are free for replicas" in advice.warnings


def test_one_machine_alone_does_not_hold_it() -> None:
    assert ask("8x H100").route != "private_engine"


def test_an_engine_of_one_machine_is_refused_with_what_is_missing_there() -> None:
    advice = ask("2 nodes of 8x H100")
    (refused,) = (item for item in advice.rejected if item.engine == "lmdeploy")
    assert any("on 78.6 GiB" in text for text in refused.objections[0].details)


def test_the_answer_is_asked_again_with_as_many_machines() -> None:
    advice = ask("2 nodes of 8x H100")
    again = Recommendation.model_validate_json(advice.to_json())
    assert again == advice
    assert again.machine.nodes == 2
    assert reopen(again).why()


def test_a_machine_with_its_number_of_nodes_is_the_same_question() -> None:
    one = machine_from_phrase("8x H100")
    assert recommend(**BIG, hardware=one.model_copy(update={"nodes": 2})).plan.nodes == 2

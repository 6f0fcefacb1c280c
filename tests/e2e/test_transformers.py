"""A real answer for Transformers, rendered, set up, started and asked through its proxy; then tuned and served.

The tests build on each other in their order: one installation, one service, and a person's way through its README.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from deployadvisor import recommend
from tests.e2e.checks import (
    ANSWER,
    QUESTION,
    hides_the_key,
    keeps_shut,
    refuses_without_the_key,
    streams,
    survives_a_restart,
)
from tests.e2e.service import Service, seconds, set_up
from tests.e2e.tiny import ANSWERS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROFILE = {
    "name": "tiny bench",
    "purpose": "evaluation",
    "data_sensitivity": "internal",
    "customization": "adapter",
    "hardware": "1x RTX 4090",
}
"""The bench is recommended where there is a card; what is rendered runs without one too."""

TARGETS = ["shell", "tune"]
ENGINE_PORT = 8000
NOT_FOR_CLIENTS = (
    "/load_model",
    "/v1/../load_model",
    "/v1/%2e%2e/load_model",
    "/v1/models/../../load_model",
    "//load_model",
    "/reset",
    "/v1/audio/transcriptions",
    "/docs",
    "/openapi.json",
    "/",
)
LESSON = ("When are you open on Saturday?", "From 10 to 16.")


@pytest.fixture(scope="module")
def service(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The folder, rendered, set up and started."""
    folder = tmp_path_factory.mktemp("transformers") / "deploy"
    advice = recommend(PROFILE, model=str(model))
    assert advice.engine == "transformers"
    advice.write(folder, targets=TARGETS)
    with seconds("setup.sh for Transformers"):
        service = set_up(folder, str(model))
    try:
        with seconds("start.sh"):
            assert service.start() == "up: engine-1\nup: proxy\nready: ./smoke-test.sh\n"
        yield service
    finally:
        service.end()


def test_its_own_smoke_test_passes(service: Service) -> None:
    with seconds("the first chat"):
        told = service.run("./smoke-test.sh", WAIT_S="10")
    assert "PASS  a wrong key is refused (401)" in told
    assert ANSWER in told


@pytest.mark.parametrize("question", ANSWERS)
def test_a_chat_with_the_key_is_answered_as_it_was_taught(service: Service, question: str) -> None:
    answer = service.ask(question)
    assert (answer.status, answer.words) == (200, ANSWERS[question])


def test_without_the_key_nothing_is_answered(service: Service) -> None:
    refuses_without_the_key(service)


def test_paths_that_are_not_for_clients_are_shut_even_with_the_key(service: Service) -> None:
    keeps_shut(service, NOT_FOR_CLIENTS)


def test_no_other_model_can_be_loaded(service: Service) -> None:
    answer = service.ask(QUESTION, model="somebody/else")
    assert answer.status == 400
    assert "pinned" in answer.text


def test_an_answer_is_streamed(service: Service) -> None:
    streams(service)


def test_the_key_is_in_no_command_line_and_no_log(service: Service) -> None:
    hides_the_key(service)


def test_it_survives_a_restart_with_the_same_key(service: Service) -> None:
    survives_a_restart(service, ENGINE_PORT)


def test_an_engine_that_was_killed_is_noticed_and_started_again(service: Service) -> None:
    os.kill(int((service.folder / "run/engine-1.pid").read_text(encoding="utf-8")), signal.SIGKILL)
    assert service.ask(QUESTION).status == 502
    failed = service.attempt("./smoke-test.sh", WAIT_S="0")
    assert failed.returncode == 1
    assert "FAIL  not healthy after 0 s" in failed.stderr
    assert service.run("./stop.sh") == "stopped: proxy\nnot running: engine-1\n"
    service.start()
    assert service.ask(QUESTION).words == ANSWER


# Fine-tuning: train, merge, hand over, compare


def tune(service: Service, *command: str, **extra: str) -> Any:
    """A script of the recipe, in an environment that has what its requirements.txt asks for."""
    inside = Service(service.folder / "tune", service.port, service.model)
    return inside.attempt(*command, PYTHON=sys.executable, API_KEY=service.key, **extra)


def parity(service: Service) -> Any:
    address = f"http://127.0.0.1:{service.port}/v1"
    return tune(service, sys.executable, "parity.py", "--url", address, "--model", service.model)


def requirements(service: Service) -> dict[str, str]:
    lines = (service.folder / "tune/requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(";")[0].split("==") for line in lines if "==" in line)


@pytest.fixture(scope="module")
def recipe(service: Service) -> Service:
    """The folder's recipe, with what it pins installed; a lesson that two layers can learn in seconds."""
    for name, pinned in requirements(service).items():
        pytest.importorskip(name, reason=f"{name} is not installed")
        assert version(name).split("+")[0] == pinned
    path = service.folder / "tune/recipe.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values |= {"epochs": 40, "gradient_accumulation": 1, "max_length": 256}
    values["learning_rate"]["lora"] = 0.005
    path.write_text(json.dumps(values), encoding="utf-8")
    question, answer = LESSON
    lesson = {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
    (service.folder / "tune/data/train.jsonl").write_text(json.dumps(lesson) + "\n", encoding="utf-8")
    return service


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_two_steps_are_trained_and_merged(recipe: Service, method: str) -> None:
    with seconds(f"two steps of {method}, merged"):
        done = tune(recipe, "./smoke-test.sh", "--cpu", "--method", method)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(
        "saved output/merged\nPASS  two steps were trained, and the model is in output/merged\n"
    )


def test_parity_fails_while_something_else_is_served(recipe: Service) -> None:
    """The whole lesson is learnt and merged, and the service still has the base model."""
    with seconds("training and merging the lesson"):
        for script in ("train.py", "merge.py"):
            done = tune(recipe, sys.executable, script)
            assert done.returncode == 0, done.stdout + done.stderr
    done = parity(recipe)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "parts at token 0" in done.stdout
    assert done.stdout.endswith("FAIL\n")


def test_the_tuned_model_is_served_from_the_same_folder_and_agrees_with_transformers(recipe: Service) -> None:
    merged = recipe.folder / "tune/output/merged"
    key, tuned = recipe.key, Service(recipe.folder, recipe.port, str(merged))
    advice = recommend(PROFILE, model=str(merged))
    advice.bundle(TARGETS).write(recipe.folder, keep_edits=True)
    tuned.run("./stop.sh")
    tuned.run("./setup.sh")
    tuned.start()
    assert tuned.key == key
    told = tuned.run("./smoke-test.sh", WAIT_S="10")
    assert "PASS  a chat is answered" in told
    assert tuned.ask(LESSON[0]).words == LESSON[1]
    with seconds("parity.py"):
        done = parity(tuned)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tokens on which both agree: 100.0%" in done.stdout
    assert done.stdout.endswith("PASS\n")

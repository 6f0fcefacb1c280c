"""The load test: sized from plan and profile, and run for real against a stand-in for the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.figures import Estimate, Range
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import available_targets, render
from deployadvisor.render.proof import Proving
from deployadvisor.render.targets import select
from deployadvisor.render.view import View
from tests.render.factory import ENGINES, hosted, served
from tests.render.standin import KEY, StandIn, serving


def sized(advice: Recommendation, **profile: Any) -> dict[str, Any]:
    advice = advice.model_copy(update={"profile": profile})
    return json.loads(render(advice)["verify/load-test.json"].text)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_bundle_that_serves_has_it(engine: str) -> None:
    for target in available_targets(served(engine)):
        bundle = render(served(engine), [target])
        assert bundle["load-test.sh"].executable
        assert "./load-test.sh" in bundle["README.md"].text
    assert "load-test.sh" in render(hosted())


def test_the_ladder_climbs_to_the_plan_and_the_peak() -> None:
    assert sized(served(max_concurrency=64))["levels"] == [1, 4, 16, 64]
    found = sized(served(max_concurrency=20), peak_concurrency=48)
    assert (found["levels"], found["judged_at"]) == ([1, 4, 16, 48], 48)
    found = sized(served(max_concurrency=64), peak_concurrency=20)
    assert (found["levels"], found["judged_at"]) == ([1, 4, 16, 20, 64], 20)
    assert sized(served(max_concurrency=2))["levels"] == [1, 2]
    assert sized(served(max_concurrency=None))["levels"] == [1]
    assert sized(served(cards=4, tensor_parallel=2, replicas=2, max_concurrency=8))["levels"] == [1, 4, 16]


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_ladder_rises_from_one_to_the_most(admitted: int, peak: int) -> None:
    found = sized_levels(admitted, peak)
    assert found == sorted(set(found))
    assert found[0] == 1
    assert found[-1] == max(admitted, peak)
    assert peak in found


def sized_levels(admitted: int, peak: int) -> list[int]:
    advice = served(max_concurrency=admitted).model_copy(update={"profile": {"peak_concurrency": peak}})
    return list(Proving(View(advice, select(advice, None))).load_test["levels"])


def test_lengths_and_targets_are_the_profiles() -> None:
    found = sized(served(), input_tokens=3000, output_tokens=400, ttft_ms=800, tpot_ms="unknown")
    assert (found["prompt_tokens"], found["answer_tokens"], found["targets"]) == (3000, 400, {"ttft_ms": 800})


def test_the_longest_prompt_still_fits_the_context() -> None:
    found = sized(served(max_model_len=2048), input_tokens=8000, output_tokens=4000)
    assert found["answer_tokens"] == 1024
    assert found["prompt_tokens"] == 2048 - 1024 - 64


@contextmanager
def started(tmp_path: Path, standin: StandIn, advice: Recommendation) -> Iterator[Path]:
    """A folder whose .env points at the stand-in."""
    render(advice).write(tmp_path / "deploy")
    with serving(standin):
        (tmp_path / "deploy" / ".env").write_text(f"API_KEY={KEY}\nPORT={standin.port}\n", encoding="utf-8")
        yield tmp_path / "deploy"


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("API_KEY", "PORT", "BIND_ADDRESS")}
    command = [str(folder / "load-test.sh"), "--timeout", "20", *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "PYTHON": sys.executable, **environment},
        timeout=120,
    )


def planned(**profile: Any) -> Recommendation:
    """Up to eight in flight, with short texts."""
    values = {"peak_concurrency": 8, "input_tokens": 300, "output_tokens": 12, **profile}
    return served(max_concurrency=8).model_copy(update={"profile": values, "estimate": Estimate()})


def test_it_measures_at_every_level_and_says_met(tmp_path: Path) -> None:
    standin = StandIn(first_s=0.02, each_s=0.002)
    with started(tmp_path, standin, planned(ttft_ms=10_000, tpot_ms=5_000)) as folder:
        done = run(folder, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert [(level["in_flight"], level["chats"], level["errors"]) for level in report["levels"]] == [
        (1, 4, 0),
        (4, 16, 0),
        (8, 32, 0),
    ]
    assert standin.most_at_once >= 8  # the stand-in notices the end of a chat a moment late
    for level in report["levels"]:
        assert level["answer_tokens"] == 12
        assert abs(level["prompt_tokens"] - 300) <= 3
        assert 20 <= level["ttft_ms"]["p50"] <= level["ttft_ms"]["p95"] <= level["ttft_ms"]["p99"]
        assert level["tpot_ms"]["p50"] >= 2
        assert level["output_tok_s"] == pytest.approx(12 * level["chats"] / level["seconds"], rel=0.01)
    assert [check["what"] for check in report["checks"]] == ["errors", "ttft_ms p95", "tpot_ms p95"]


def test_no_two_prompts_begin_alike(tmp_path: Path) -> None:
    standin = StandIn()
    with started(tmp_path, standin, planned()) as folder:
        assert run(folder).returncode == 0
    prompts = [body["messages"][0]["content"].split(" ", 1)[0] for body in standin.bodies[2:] if body.get("stream")]
    assert len(set(prompts)) == len(prompts) > 50


def test_slow_answers_miss_the_target(tmp_path: Path) -> None:
    with started(tmp_path, StandIn(first_s=0.1), planned(ttft_ms=50)) as folder:
        done = run(folder, "--levels", "1,8", "--waves", "1")
    assert done.returncode == 1
    assert "MISS  ttft_ms p95 at 8: " in done.stdout
    assert "limit 50" in done.stdout


def test_slower_than_the_plan_expects_is_not_met(tmp_path: Path) -> None:
    rate = Range(value=5e6, low=1e6, high=1e7, basis="a formula")
    advice = planned().model_copy(update={"estimate": Estimate(output_tok_s=rate)})
    with started(tmp_path, StandIn(), advice) as folder:
        done = run(folder, "--levels", "8", "--waves", "1")
    assert done.returncode == 1
    assert "MISS  output_tok_s at 8: " in done.stdout
    assert "limit 1000000.0 (estimate)" in done.stdout


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("status", "HTTP 500"),
        ("drop", "the connection was dropped"),
        ("error", "engine died"),
        ("empty", "the answer is empty"),
    ],
)
def test_the_first_failed_chat_stops_it(tmp_path: Path, how: str, words: str) -> None:
    standin = StandIn(fails_from=5, how=how)
    with started(tmp_path, standin, planned()) as folder:
        done = run(folder)
    assert done.returncode == 1, done.stderr
    assert "MISS  errors: 1, limit 0" in done.stdout
    assert words in done.stdout
    assert len(standin.bodies) < 15


def test_what_the_service_does_not_know_is_left_out(tmp_path: Path) -> None:
    standin = StandIn(refuses=frozenset({"stream_options", "ignore_eos"}), counts=False)
    with started(tmp_path, standin, planned()) as folder:
        done = run(folder, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {level["tokens_counted_by"] for level in report["levels"]} == {"pieces"}
    assert report["levels"][0]["answer_tokens"] == 12
    assert any("pieces were counted" in note for note in report["notes"])


def test_short_answers_are_said(tmp_path: Path) -> None:
    with started(tmp_path, StandIn(words=lambda _: ["a", "b"]), planned()) as folder:
        done = run(folder, "--levels", "1")
    assert "answers ended early" in done.stdout


def test_it_cannot_run_without_the_service_or_its_key(tmp_path: Path) -> None:
    with started(tmp_path, StandIn(), planned()) as folder:
        done = run(folder, API_KEY="wrong")
        assert (done.returncode, done.stdout) == (2, "")
        assert "HTTP 401" in done.stderr
        (folder / ".env").unlink()
        assert "API_KEY is neither set nor in .env" in run(folder).stderr
    done = run(folder, API_KEY=KEY, PORT="9")
    assert done.returncode == 2
    assert "CANNOT RUN" in done.stderr


def test_another_address_must_be_named(tmp_path: Path) -> None:
    with started(tmp_path, StandIn(), planned()) as folder:
        path = folder / "verify" / "service.json"
        kept = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**kept, "base_url": "http://models.example/v1"}), encoding="utf-8")
        done = run(folder)
        assert done.returncode == 2
        assert "http://models.example/v1 is not on this machine" in done.stderr


def test_a_named_address_never_gets_the_key_of_the_folder(tmp_path: Path) -> None:
    standin = StandIn()
    with started(tmp_path, standin, planned()) as folder:
        done = run(folder, "--url", standin.url, "--levels", "1")
        assert done.returncode == 2
        assert "HTTP 401" in done.stderr
        assert run(folder, "--url", standin.url, "--levels", "8", API_KEY=KEY).returncode == 0
        assert run(folder, "--url", "file:///etc/passwd").returncode == 2


def test_a_provider_is_paid_only_after_a_yes(tmp_path: Path) -> None:
    standin = StandIn()
    advice = hosted().model_copy(
        update={
            "profile": {"peak_concurrency": 8, "input_tokens": 300, "output_tokens": 12},
            "estimate": Estimate(),
        }
    )
    with started(tmp_path, standin, advice) as folder:
        done = run(folder)
        assert done.returncode == 2
        assert "this spends about 5,304 tokens (17 chats of 300 + 12)" in done.stderr
        assert not standin.bodies
        assert run(folder, "--yes").returncode == 0
    assert len(standin.bodies) == 2 + 17
    assert not any("ignore_eos" in body for body in standin.bodies)


@pytest.mark.parametrize("options", [("--levels", "0"), ("--levels", "a"), ("--waves", "-1")])
def test_wrong_options_are_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    render(planned()).write(tmp_path / "deploy")
    done = run(tmp_path / "deploy", *options)
    assert done.returncode == 2
    assert "is not a whole number from 1" in done.stderr

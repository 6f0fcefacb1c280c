"""Names of metrics: what was read, and that the pinned engines are meant."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.metrics import metrics

PREFIX = {"vllm": "vllm:", "lmdeploy": "lmdeploy:", "sglang": "sglang:", "llama_cpp": "llamacpp:"}
ON_RAY = {"vllm_on_ray": "ray_vllm_"}
READ = [
    ("vllm", "waiting", "vllm:num_requests_waiting"),
    ("vllm", "first_token", "vllm:time_to_first_token_seconds_bucket"),
    ("vllm", "preempted", "vllm:num_preemptions_total"),
    ("lmdeploy", "cache_used", "lmdeploy:gpu_cache_usage_perc"),
    ("sglang", "waiting", "sglang:num_queue_reqs"),
    ("sglang", "failed", "sglang:num_aborted_requests_total"),
    ("llama_cpp", "waiting", "llamacpp:requests_deferred"),
    ("vllm_router", "engines", "vllm:healthy_pods_total"),
    ("vllm_on_ray", "waiting", "ray_vllm_num_requests_waiting"),
    ("vllm_on_ray", "next_token", "ray_vllm_request_time_per_output_token_seconds_bucket"),
    ("vllm_on_ray", "finished", "ray_vllm_request_success_total"),
]


def test_every_engine_with_a_metrics_path_has_names() -> None:
    assert {name for name, engine in engines().items() if engine.metrics_path} == set(PREFIX)
    assert set(metrics()) == {*PREFIX, *ON_RAY, "vllm_router"}


@pytest.mark.parametrize(("engine", "role", "series"), READ)
def test_names_as_they_were_read(engine: str, role: str, series: str) -> None:
    found: dict[str, str] = {name: metric.series for name, metric in metrics()[engine].names.items()}
    assert found[role] == series


@pytest.mark.parametrize("engine", [*PREFIX, *ON_RAY])
def test_names_bear_the_prefix_and_the_suffix_of_their_kind(engine: str) -> None:
    for metric in metrics()[engine].names.values():
        assert metric.name.startswith((PREFIX | ON_RAY)[engine])
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.series.endswith("_bucket") == (metric.kind == "histogram")


def test_llama_cpp_has_no_cache_and_no_latency() -> None:
    """Its README lists none; an alert on one would never fire."""
    assert not {"cache_used", "first_token", "next_token", "failed"} & set(metrics()["llama_cpp"].names)

"""The gateway of hosted routes: every provider, keys by reference, the way to the second provider."""

import ast
from typing import Any

import pytest

from deployadvisor.catalog.providers import providers
from deployadvisor.render.bundle import render
from deployadvisor.render.check import env_names
from deployadvisor.render.check_compose import strings
from tests.render.factory import hosted
from tests.render.reading import yaml_of


@pytest.mark.parametrize("provider", providers())
def test_every_provider_has_a_gateway(provider: str) -> None:
    bundle = render(hosted(provider))
    (entry,) = yaml_of(bundle, "litellm_config.yaml")["model_list"]
    assert entry["model_name"] == "chat"
    references = [text for text in strings(entry) if text.startswith("os.environ/")]
    assert {name.removeprefix("os.environ/") for name in references} <= env_names(bundle[".env.example"].text)
    ast.parse(bundle["client.py"].text)


@pytest.mark.parametrize("provider", [name for name, one in providers().items() if one.openai_compatible == "yes"])
def test_requests_go_to_the_listed_endpoint_by_the_openai_protocol(provider: str) -> None:
    """LiteLLM's own routes append paths that the endpoint has already, or choose another region's address."""
    (entry,) = yaml_of(render(hosted(provider)), "litellm_config.yaml")["model_list"]
    values = entry["litellm_params"]
    assert values["model"].startswith("openai/") or values["custom_llm_provider"] == "openai"
    listed = {one.base_url for one in providers()[provider].endpoints.values()}
    assert values["api_base"] in listed or values["api_base"].startswith("os.environ/")


@pytest.mark.parametrize(
    ("changes", "region", "expected"),
    [
        ({"endpoint": "https://api.moonshot.cn/v1"}, "eu", "https://api.moonshot.cn/v1"),
        ({}, "cn", "https://api.moonshot.cn/v1"),
        ({}, "any", "https://api.moonshot.ai/v1"),
    ],
)
def test_the_endpoint_is_the_plans_or_that_of_the_region(changes: dict[str, str], region: str, expected: str) -> None:
    advice = hosted("moonshot", **changes).model_copy(update={"profile": {"data_region": region}})
    (entry,) = yaml_of(render(advice), "litellm_config.yaml")["model_list"]
    assert entry["litellm_params"]["api_base"] == expected


def test_a_model_name_that_looks_like_a_prefix_stays_whole() -> None:
    (entry,) = yaml_of(render(hosted("groq", hosted_model="openai/gpt-oss-120b")), "litellm_config.yaml")[
        "model_list"
    ]
    assert entry["litellm_params"]["model"] == "openai/openai/gpt-oss-120b"


def test_a_second_provider_takes_over() -> None:
    config = yaml_of(render(hosted("openai", "mistral")), "litellm_config.yaml")
    assert [entry["model_name"] for entry in config["model_list"]] == ["chat", "chat-fallback"]
    assert config["router_settings"]["fallbacks"] == [{"chat": ["chat-fallback"]}]


def test_one_provider_has_no_fallback() -> None:
    assert "fallbacks" not in yaml_of(render(hosted()), "litellm_config.yaml")["router_settings"]


def test_the_peak_limits_requests_in_flight() -> None:
    advice = hosted().model_copy(update={"profile": {"peak_concurrency": 12}})
    (entry,) = yaml_of(render(advice), "litellm_config.yaml")["model_list"]
    assert entry["litellm_params"]["max_parallel_requests"] == 12


def test_what_only_the_user_knows_is_asked_for() -> None:
    bundle = render(hosted("azure_openai"))
    names = {"AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_BASE_URL"}
    environment = yaml_of(bundle, "compose.yaml")["services"]["gateway"]["environment"]
    assert names <= set(environment)
    assert names <= env_names(bundle[".env.example"].text)
    (entry,) = yaml_of(bundle, "litellm_config.yaml")["model_list"]
    assert entry["litellm_params"]["custom_llm_provider"] == "openai"


def test_a_key_file_is_mounted_not_copied() -> None:
    gateway = yaml_of(render(hosted("google_vertex")), "compose.yaml")["services"]["gateway"]
    assert gateway["volumes"][1]["source"].startswith("${GOOGLE_APPLICATION_CREDENTIALS:?")
    assert gateway["environment"]["GOOGLE_APPLICATION_CREDENTIALS"] == gateway["volumes"][1]["target"]


def test_clients_use_the_gateways_key_and_name() -> None:
    client = render(hosted("openai", hosted_model='x"; import os #'))["client.py"].text
    assigned = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(client).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert assigned["GATEWAY_MODEL"] == "chat"
    assert assigned["PROVIDER_MODEL"] == 'x"; import os #'


@pytest.mark.parametrize("provider", sorted(providers()))
def test_a_budget_is_kept_on_every_model_whose_price_is_known(provider: str) -> None:
    advice = hosted(provider).model_copy(update={"profile": {"budget_per_month": 500, "currency": "USD"}})
    bundle = render(advice)
    (entry,) = yaml_of(bundle, "litellm_config.yaml")["model_list"]
    given, model = entry["litellm_params"], providers()[provider]
    priced = {one.id: one for one in model.models if one.usd_in_per_mtok is not None}
    found = priced.get(model.default_model or "")
    assert ("max_budget" in given) == ("change the budget" in bundle["README.md"].text) == (found is not None)
    if found:
        dearest = max(found.usd_in_per_mtok or 0, found.peak.usd_in_per_mtok if found.peak else 0)
        assert (given["max_budget"], given["budget_duration"]) == (500, "30d")
        assert given["input_cost_per_token"] == pytest.approx(dearest / 1e6)


@pytest.mark.parametrize(
    "profile", [{}, {"budget_per_month": 500, "currency": "CNY"}, {"budget_per_month": "unknown"}]
)
def test_without_dollars_there_is_no_budget(profile: dict[str, Any]) -> None:
    bundle = render(hosted("openai").model_copy(update={"profile": profile}))
    assert "max_budget" not in bundle["litellm_config.yaml"].text

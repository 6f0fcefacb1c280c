"""Hosted routes: the LiteLLM gateway in front of one provider or two, and the Compose file that runs it."""

from __future__ import annotations

from typing import Any

from deployadvisor.render.addresses import GATEWAY_PORT
from deployadvisor.render.compose import whole_file
from deployadvisor.render.compose_engine import INSIDE, OUTSIDE, bind, hardening
from deployadvisor.render.compose_proxy import proxy_service
from deployadvisor.render.hosted import Deployment
from deployadvisor.render.interpolation import required
from deployadvisor.render.view import View

Data = dict[str, Any]

_CONFIG = "/app/config.yaml"
_KEY_FILE = "/app/credentials.json"
_MONTH = "30d"
_MILLION = 1_000_000


def compose_file(view: View) -> Data:
    """The gateway behind the same proxy as every engine."""
    return whole_file(view.project, {"proxy": proxy_service(view, ("gateway",)), "gateway": gateway_service(view)})


def gateway_service(view: View) -> Data:
    """LiteLLM; it reaches the providers, and only the proxy reaches it."""
    return {
        "image": view.versions["litellm"].image,
        "command": ["--config", _CONFIG, "--port", str(GATEWAY_PORT)],
        "environment": environment(view),
        "volumes": [bind("./litellm_config.yaml", _CONFIG), *_key_files(view)],
        "networks": [INSIDE, OUTSIDE],
        "healthcheck": {
            "test": ["CMD", "python3", "-c", _probe()],
            "interval": "10s",
            "timeout": "5s",
            "retries": 6,
            "start_period": "2m",
        },
        **hardening(),
    }


def _probe() -> str:
    url = f"http://127.0.0.1:{GATEWAY_PORT}/health/liveliness"
    return f"import urllib.request as r; r.urlopen('{url}', timeout=4)"


def environment(view: View) -> Data:
    """Keys by reference, and no calls home: the price list in the image is used."""
    return {
        "LITELLM_MASTER_KEY": required("API_KEY"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        **{name: required(name) for one in view.gateway.deployments for name in one.variables},
        **{one.env_key: _KEY_FILE for one in view.gateway.deployments if one.key_is_file},
    }


def _key_files(view: View) -> list[Data]:
    return [bind(required(one.env_key), _KEY_FILE) for one in view.gateway.deployments if one.key_is_file]


def litellm_config(view: View) -> Data:
    """Models, retries, the way to the second provider, and how many requests may be in flight."""
    names = [one.name for one in view.gateway.deployments]
    fallbacks = {"fallbacks": [{names[0]: names[1:]}]} if names[1:] else {}
    return {
        "model_list": [_model(one, view) for one in view.gateway.deployments],
        "router_settings": {"num_retries": 2, "timeout": 600, "allowed_fails": 3, "cooldown_time": 30, **fallbacks},
        "litellm_settings": {"drop_params": True, "turn_off_message_logging": True},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def _model(one: Deployment, view: View) -> Data:
    """One entry of ``model_list``; secrets and what only the user knows are read from the environment."""
    peak = view.advice.profile.get("peak_concurrency")
    limit = {"max_parallel_requests": peak} if isinstance(peak, int) else {}
    return {"model_name": one.name, "litellm_params": {**_address(one), **limit, **_budget(one, view)}}


def client_package(view: View) -> Data:
    """What ``npm install`` reads for the client in JavaScript."""
    return {
        "name": "gateway-client",
        "private": True,
        "type": "module",
        "engines": {"node": f">={view.versions['node'].version}"},
        "dependencies": {"openai": view.versions["openai_npm"].version},
    }


def budget_usd(view: View) -> float | None:
    """Dollars a month that the profile allows; None where it names no budget, or another currency."""
    profile = view.advice.profile
    budget = profile.get("budget_per_month")
    return float(budget) if isinstance(budget, int | float) and profile.get("currency", "USD") == "USD" else None


def counted(view: View) -> bool:
    """Whether the gateway can tell what each of its models costs, and so when the budget is spent."""
    return bool(budget_usd(view)) and all(one.priced for one in view.gateway.deployments)


def _budget(one: Deployment, view: View) -> Data:
    """The budget, on each model: the budget of the whole gateway is not kept to without a database.

    Prices are given, because LiteLLM knows none for a model behind an address of its own, and would count nothing.
    Source: github.com/BerriAI/litellm-docs/pull/948, docs.litellm.ai provider_budget_routing and custom_pricing.
    """
    budget, model = budget_usd(view), one.priced
    if not budget or model is None:
        return {}
    into, out = model.usd_in_per_mtok or 0.0, model.usd_out_per_mtok or 0.0
    if model.peak:
        into, out = max(into, model.peak.usd_in_per_mtok), max(out, model.peak.usd_out_per_mtok)
    return {
        "max_budget": budget,
        "budget_duration": _MONTH,
        "input_cost_per_token": round(into / _MILLION, 12),
        "output_cost_per_token": round(out / _MILLION, 12),
    }


def _address(one: Deployment) -> Data:
    """Model, endpoint and key.

    The OpenAI protocol and the listed endpoint, wherever that works: LiteLLM's own route for a provider may lead to
    another region's address, or append a path that the endpoint has already.
    """
    protocol = one.provider.litellm_prefix if one.is_native else "openai"
    address: Data = (
        {"model": f"{protocol}/{one.model}"}
        if one.model
        else {"model": f"os.environ/{one.provider.model_env}", "custom_llm_provider": protocol}
    )
    if not one.is_native:
        address["api_base"] = one.base_url or f"os.environ/{one.base_url_variable}"
    if one.key_is_file:
        return {**address, "vertex_credentials": _KEY_FILE}
    return {**address, "api_key": f"os.environ/{one.env_key}"}

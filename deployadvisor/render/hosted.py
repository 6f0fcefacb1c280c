"""The providers behind a gateway: which model at which endpoint, and what only the user can fill in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from deployadvisor.catalog.providers import Endpoint, HostedModel, Provider, providers
from deployadvisor.recommendation import Recommendation

MAIN, FALLBACK = "chat", "chat-fallback"
"""What applications call the model, and what the gateway falls back to."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One provider as the gateway sees it. ``model`` is None where the user must choose one."""

    name: str
    provider: Provider
    endpoint: Endpoint
    model: str | None

    @property
    def base_url(self) -> str | None:
        """The endpoint, or None where it holds a name only the user knows."""
        return None if "{" in self.endpoint.base_url else self.endpoint.base_url

    @property
    def env_key(self) -> str:
        """Variable of the key that this endpoint takes."""
        return self.endpoint.env_key or self.provider.env_key

    @property
    def base_url_variable(self) -> str:
        """Variable for an endpoint that only the user knows, such as ``AZURE_OPENAI_BASE_URL``."""
        return self.env_key.removesuffix("_API_KEY") + "_BASE_URL"

    @property
    def is_native(self) -> bool:
        """Whether the gateway must speak the provider's own protocol, because its OpenAI endpoint is not complete."""
        return self.provider.openai_compatible in ("partial", "unknown")

    @property
    def key_is_file(self) -> bool:
        """Whether the variable of the key names a file on the host, as Google's does."""
        return self.env_key.endswith("_CREDENTIALS")

    @property
    def places(self) -> tuple[str, ...]:
        """Variables that LiteLLM reads to build a native address, such as ``VERTEXAI_PROJECT``."""
        names = dict.fromkeys(re.findall(r"\{(\w+)\}", self.endpoint.base_url)) if self.is_native else {}
        return tuple(f"{self.provider.litellm_prefix.replace('_', '').upper()}_{name.upper()}" for name in names)

    @property
    def priced(self) -> HostedModel | None:
        """The model with its price in dollars, where the catalogue has one."""
        found = next((one for one in self.provider.models if one.id == self.model), None)
        return found if found and found.usd_in_per_mtok is not None else None

    @property
    def variables(self) -> tuple[str, ...]:
        """What must be set in ``.env``: the key, and what no catalogue knows."""
        model = () if self.model else (self.provider.model_env,)
        url = () if self.base_url or self.is_native else (self.base_url_variable,)
        return (self.env_key, *model, *url, *self.places)


@dataclass(frozen=True)
class Gateway:
    """What stands behind the gateway of one answer."""

    advice: Recommendation

    @cached_property
    def deployments(self) -> tuple[Deployment, ...]:
        """The providers behind the gateway, the main one first."""
        return deployments(self.advice)

    @cached_property
    def provider(self) -> Provider:
        """The provider that answers."""
        return self.deployments[0].provider

    @cached_property
    def fallback(self) -> Provider | None:
        """The second provider, which answers when the first does not."""
        return self.deployments[1].provider if len(self.deployments) > 1 else None

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Variables of ``.env`` that the providers need."""
        return tuple(dict.fromkeys(name for one in self.deployments for name in one.variables))

    @cached_property
    def direct_works(self) -> bool:
        """Whether an OpenAI client can reach the provider without the gateway."""
        return self.provider.openai_compatible != "unknown"

    @cached_property
    def direct_base_url(self) -> str:
        """The provider's endpoint, for a client that goes around the gateway."""
        return self.deployments[0].endpoint.base_url

    @cached_property
    def direct_model(self) -> str:
        """The provider's name of the model; empty where the user must choose one."""
        return self.deployments[0].model or ""


def deployments(advice: Recommendation) -> tuple[Deployment, ...]:
    """The provider of the answer, and the second one where the plan has it."""
    plan = advice.plan
    main = providers()[advice.provider or ""]
    first = Deployment(MAIN, main, _endpoint(main, advice), plan.hosted_model or main.default_model)
    if not plan.fallback_provider:
        return (first,)
    second = providers()[plan.fallback_provider]
    return (first, Deployment(FALLBACK, second, _endpoint(second, advice), second.default_model))


def _endpoint(provider: Provider, advice: Recommendation) -> Endpoint:
    """The endpoint that the plan names, else that of the wanted region, else the one without a region."""
    by_region: dict[str, Endpoint] = {str(region): one for region, one in provider.endpoints.items()}
    planned = next((one for one in by_region.values() if one.base_url == advice.plan.endpoint), None)
    wanted = by_region.get(str(advice.profile.get("data_region")))
    return planned or wanted or by_region.get("global") or next(iter(by_region.values()))

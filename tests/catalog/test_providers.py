"""Hosted providers: endpoints, dated prices, and silence that is never read as consent."""

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.providers import HostedModel, find_provider, providers
from deployadvisor.errors import CatalogError
from deployadvisor.resources import catalog_file

REQUIRED = {
    "openai",
    "moonshot",
    "baichuan",
    "dashscope",
    "deepseek",
    "zhipu",
    "azure_openai",
    "anthropic",
    "mistral",
    "siliconflow",
}
PROVIDERS = list(providers().values())


def test_the_required_providers_are_there():
    assert set(providers()) >= REQUIRED


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
class TestEveryProvider:
    def test_can_be_called(self, provider):
        assert provider.endpoints
        assert all(endpoint.base_url.startswith("https://") for endpoint in provider.endpoints.values())

    def test_has_a_dated_price_for_its_default(self, provider):
        default = provider.default
        assert default is None or (default.priced and default.price_as_of <= provider.checked_on)

    def test_does_not_start_with_a_retired_model(self, provider):
        assert provider.default_model is None or not provider.retired(provider.default_model)

    def test_names_its_variables(self, provider):
        assert provider.env_key.isupper()
        assert provider.model_env.isupper()


@pytest.mark.parametrize("name", ["providers", "engines", "architectures", "regulations", "obligations"])
def test_no_unverified_marks_are_shipped(name):
    text = catalog_file(name).read_text(encoding="utf-8")
    assert not [mark for mark in ("[K]", "[?]", "to-confirm", "TODO") if mark in text]


@pytest.mark.parametrize(
    ("name", "training"),
    [
        ("openai", "does_not_train"),
        ("mistral", "does_not_train"),
        ("deepseek", "trains"),
        ("moonshot", "unspecified"),
        ("siliconflow", "unspecified"),
    ],
)
def test_training(name, training):
    assert providers()[name].training_default == training


def test_only_sourced_agreements_are_offered():
    assert {name for name, provider in providers().items() if provider.baa == "yes"} == {"openai", "anthropic"}


@pytest.mark.parametrize(
    ("region", "names"),
    [
        ("eu", {"openai", "dashscope", "azure_openai", "mistral", "google_vertex", "aws_bedrock"}),
        ("cn", {"moonshot", "baichuan", "dashscope", "deepseek", "zhipu", "siliconflow", "volcengine", "minimax"}),
    ],
)
def test_who_has_an_endpoint_in(region, names):
    assert {name for name, provider in providers().items() if region in provider.endpoints} == names


def test_us_jurisdiction_follows_the_headquarters_only_one_way():
    assert all(provider.us_jurisdiction for provider in PROVIDERS if provider.hq == "US")
    assert not [provider.id for provider in PROVIDERS if provider.us_jurisdiction is False]


@pytest.mark.parametrize("model", ["moonshot-v1-8k", "moonshot-v1-128k", "kimi-k2.5"])
def test_moonshot_has_retired(model):
    assert providers()["moonshot"].retired(model)


def test_deepseek_costs_twice_as_much_in_beijing_office_hours():
    model = providers()["deepseek"].default
    assert model.peak.usd_in_per_mtok == 2 * model.usd_in_per_mtok
    assert model.peak.usd_out_per_mtok == 2 * model.usd_out_per_mtok


@pytest.mark.parametrize("name", ["siliconflow", "azure_openai"])
def test_the_user_chooses_the_model_where_none_was_sourced(name):
    assert providers()[name].default is None


@pytest.mark.parametrize(
    "fields",
    [
        {"usd_in_per_mtok": 1, "usd_out_per_mtok": 2},
        {"usd_in_per_mtok": 1, "price_source": "a", "price_as_of": "2026-01-01"},
        {"price_source": "a", "price_as_of": "2026-01-01"},
    ],
)
def test_a_price_without_date_source_or_half_is_refused(fields):
    with pytest.raises(ValidationError, match="price"):
        HostedModel.model_validate({"id": "m", **fields})


def test_a_zero_price_with_a_source_is_a_price():
    fields = {"usd_in_per_mtok": 0, "usd_out_per_mtok": 0, "price_source": "a", "price_as_of": "2026-01-01"}
    assert HostedModel.model_validate({"id": "m", **fields}).priced


@pytest.mark.parametrize(
    ("text", "name"), [("Kimi", "moonshot"), ("百炼", "dashscope"), ("Azure", "azure_openai"), ("z.ai", "zhipu")]
)
def test_find_provider(text, name):
    assert find_provider(text).id == name


def test_an_unknown_provider_gets_a_suggestion():
    with pytest.raises(CatalogError) as caught:
        find_provider("moonshoot")
    assert caught.value.suggestion == "moonshot"

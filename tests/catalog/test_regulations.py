"""Regulations: two languages, sourced and dated, and applied only where every known trigger holds."""

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.regulations import (
    applying,
    contract_required,
    excluded_jurisdictions,
    excludes_hosted,
    find_regulation,
    implied_regulations,
    obligations,
    regulations,
)
from deployadvisor.errors import CatalogError

CHINESE = re.compile(r"[\u4e00-\u9fff]")
REGIONS = ["cn", "eu", "us", "other", "any"]
AUDIENCES = ["internal", "customers", "public"]
SENSITIVITIES = ["public", "internal", "confidential", "restricted"]


def ids(rows):
    return {row.id for row in rows}


def test_only_the_verified_obligations_are_shipped():
    assert len(obligations()) == 61
    assert all(row.verified for row in obligations())


@pytest.mark.parametrize("row", obligations(), ids=lambda row: row.id)
class TestEveryObligation:
    def test_is_bilingual(self, row):
        for english, chinese in ((row.name, row.name_zh), (row.text, row.text_zh)):
            assert english
            assert CHINESE.search(chinese)
        assert (row.trigger.when is None) == (row.trigger.when_zh is None)
        assert row.trigger.when_zh is None or CHINESE.search(row.trigger.when_zh)

    def test_names_known_regulations(self, row):
        assert set(row.trigger.regulations) <= set(regulations())

    def test_cites_and_expires(self, row):
        assert row.citation
        assert row.source
        assert row.expires_on > row.checked_on
        assert not row.expired(row.expires_on)
        assert row.expired(row.expires_on + datetime.timedelta(days=1))


@pytest.mark.parametrize("regulation", regulations().values(), ids=lambda regulation: regulation.id)
def test_every_regulation_is_bilingual_and_used(regulation):
    assert CHINESE.search(regulation.name_zh)
    assert any(regulation.id in row.trigger.regulations for row in obligations())


class TestApplying:
    def test_hipaa_in_the_us(self):
        rows = ids(applying(["hipaa"], "us", "internal", "confidential"))
        assert rows == {"hipaa-baa", "hipaa-cloud", "hipaa-audit", "hipaa-nprm"}

    def test_a_public_service_in_china_needs_filing_though_nobody_said_so(self):
        assert "cn-genai-filing" in ids(applying(["pipl"], "cn", "public"))
        assert "cn-genai-filing" not in ids(applying(["pipl"], "cn", "internal"))

    def test_use_inside_the_organisation_is_told_that_filing_does_not_apply(self):
        assert "cn-genai-internal" in ids(applying(["cn_genai"], "cn", "internal"))
        assert "cn-genai-internal" not in ids(applying(["cn_genai"], "cn", "public"))

    def test_a_known_region_blocks_and_an_unknown_one_does_not(self):
        assert "gdpr-region" not in ids(applying(["gdpr"], "us"))
        assert "gdpr-region" in ids(applying(["gdpr"], None))

    def test_all_needs_every_regulation(self):
        assert "gdpr-foreign-order" not in ids(applying(["gdpr"], "eu"))
        assert "gdpr-foreign-order" in ids(applying(["gdpr", "cloud_act"], "eu"))

    def test_customers_are_told_that_it_is_an_ai_and_colleagues_need_not_be(self):
        assert "aiact-chat" in ids(applying(["eu_ai_act"], "eu", "customers"))
        assert "aiact-chat" not in ids(applying(["eu_ai_act"], "eu", "internal"))

    def test_terms_of_a_provider_do_not_matter_without_one(self):
        assert "gdpr-own-purpose" in ids(applying(["gdpr"], "eu", hosted=True))
        assert "gdpr-own-purpose" in ids(applying(["gdpr"], "eu", hosted=None))
        assert "gdpr-own-purpose" not in ids(applying(["gdpr"], "eu", hosted=False))

    @pytest.mark.parametrize(
        ("vendors", "shown"), [((), False), (("nvidia",), False), (("huawei",), True), (None, True)]
    )
    def test_chip_rules_need_the_chip(self, vendors, shown):
        assert ("ear-chips" in ids(applying([], "us", accelerator_vendors=vendors))) is shown

    def test_nothing_applies_to_nobody(self):
        assert applying([], "us", "internal", "internal") == ()

    def test_aliases_are_understood(self):
        assert applying(["EU-AI-Act"], "eu") == applying(["eu_ai_act"], "eu")

    def test_an_unknown_regulation_gets_a_suggestion(self):
        with pytest.raises(CatalogError) as caught:
            applying(["hippa"])
        assert caught.value.suggestion == "hipaa"

    @given(
        st.sets(st.sampled_from(sorted(regulations()))),
        st.sampled_from(sorted(regulations())),
        st.sampled_from([*REGIONS, None]),
        st.sampled_from([*AUDIENCES, None]),
        st.sampled_from([*SENSITIVITIES, None]),
    )
    def test_naming_one_more_regulation_never_lifts_a_duty(self, named, more, region, audience, sensitivity):
        fewer = ids(applying(named, region, audience, sensitivity))
        assert fewer <= ids(applying({*named, more}, region, audience, sensitivity))

    @given(
        st.sets(st.sampled_from(sorted(regulations()))),
        st.sampled_from(REGIONS),
        st.sampled_from(AUDIENCES),
        st.sampled_from(SENSITIVITIES),
    )
    def test_not_knowing_never_lifts_a_duty(self, named, region, audience, sensitivity):
        known = ids(applying(named, region, audience, sensitivity, hosted=False))
        named_or_implied = {*named, *implied_regulations(region, audience)}
        assert known <= ids(applying(named_or_implied, None, None, None, hosted=None))


@pytest.mark.parametrize(
    ("named", "contract"),
    [([], "none"), (["pci_dss"], "none"), (["gdpr"], "dpa"), (["pipl"], "dpa"), (["gdpr", "hipaa"], "baa")],
)
def test_contract_required(named, contract):
    assert contract_required(named) == contract


@pytest.mark.parametrize(
    ("named", "region", "sensitivity", "excluded"),
    [
        (["itar"], "us", "restricted", True),
        (["itar"], "us", None, True),
        (["itar"], "us", "confidential", False),
        (["hipaa"], "us", "restricted", False),
        ([], "cn", "restricted", False),
    ],
)
def test_excludes_hosted(named, region, sensitivity, excluded):
    assert excludes_hosted(named, region, sensitivity) is excluded


@pytest.mark.parametrize(
    ("named", "region", "countries"),
    [
        (["cloud_act"], "eu", {"us"}),
        (["cloud_act"], None, {"us"}),
        (["cloud_act"], "us", set()),
        (["gdpr"], "eu", set()),
    ],
)
def test_excluded_jurisdictions(named, region, countries):
    assert excluded_jurisdictions(named, region) == countries


@pytest.mark.parametrize(
    ("region", "audience", "implied"),
    [("cn", "public", ("cn_genai",)), ("cn", "customers", ()), ("eu", "public", ()), (None, "public", ())],
)
def test_implied_regulations(region, audience, implied):
    assert implied_regulations(region, audience) == implied


@pytest.mark.parametrize(
    ("text", "name"),
    [("GDPR", "gdpr"), ("eu-ai-act", "eu_ai_act"), ("等保", "mlps"), ("PCI", "pci_dss"), ("EAR", "itar")],
)
def test_find_regulation(text, name):
    assert find_regulation(text).id == name

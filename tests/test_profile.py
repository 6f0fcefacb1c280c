"""The profile: what is accepted, and the exact words for what is not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor import documents, profile
from deployadvisor.decide import vocabulary
from deployadvisor.errors import DeployAdvisorError, ProfileError
from deployadvisor.profile import Profile, allowed_values
from deployadvisor.resources import rules_folder
from deployadvisor.surfaces.schema_command import attribute_docs

CONTRACT: dict[str, Any] = {
    "name": "contract review",
    "purpose": ["personal", "prototype", "evaluation", "production"],
    "data_sensitivity": ["public", "internal", "confidential", "restricted"],
    "regulations": ("gdpr", "pipl"),
    "audience": ["internal", "customers", "public"],
    "data_region": ["cn", "eu", "us", "other", "any"],
    "vendor_contract": ["none", "dpa", "baa"],
    "vendor_dependence": ["accepted", "limited", "unacceptable"],
    "internet": ["yes", "no"],
    "requests_per_day": 2000.0,
    "peak_concurrency": 16,
    "input_tokens": 1500,
    "output_tokens": 300,
    "traffic": ["steady", "business_hours", "bursty"],
    "growth_per_year": 0.5,
    "customization": ["none", "prompting", "retrieval", "adapter", "full_tuning"],
    "model": "Qwen/Qwen3-8B",
    "quality": ["small", "medium", "large", "frontier"],
    "context_tokens": 8192,
    "ttft_ms": 800.0,
    "tpot_ms": 50.0,
    "ops_capacity": ["nobody", "part_time", "on_call"],
    "can_acquire_gpu": ["cannot", "rent", "buy"],
    "budget_per_month": 1500.0,
    "currency": ["USD", "CNY", "EUR"],
    "platform": ["laptop", "docker", "kubernetes", "bare_metal", "slurm"],
    "hardware": "2x A100 80GB + cpu 256GB",
    "languages": ("zh", "en"),
    "modalities": ("text", "image"),
}
"""Every key of the public contract: the words of a choice, or an example of any other value."""
CHOICES = {key: words for key, words in CONTRACT.items() if isinstance(words, list)}
NEVER_OPEN = {"name", "model", "hardware", "currency"}


def read(text: str, **overrides: Any) -> Profile:
    return profile.from_document(documents.parse(text, "p.yaml"), overrides)


def message(text: str, **overrides: Any) -> str:
    with pytest.raises(DeployAdvisorError) as caught:
        read(text, **overrides)
    return str(caught.value)


# What is accepted


def test_every_key_of_the_contract_is_there() -> None:
    assert set(CONTRACT) <= set(Profile.model_fields)


def test_every_key_says_what_it_means():
    assert [key for key in Profile.model_fields if not attribute_docs(Profile).get(key)] == []


@pytest.mark.parametrize("key", CONTRACT)
def test_contract_values_are_accepted(key: str) -> None:
    values = CONTRACT[key] if key in CHOICES else [CONTRACT[key]]
    for value in values:
        assert getattr(profile.from_answers({key: value}), key) == value


@pytest.mark.parametrize("key", [key for key in Profile.model_fields if key not in NEVER_OPEN])
def test_unknown_is_an_answer(key: str) -> None:
    answers = profile.from_answers({key: "unknown"})
    assert getattr(answers, key) == "unknown"
    assert answers.answers() == {key: "unknown"}


def test_a_key_left_out_is_no_answer() -> None:
    assert read("").answers() == {}
    assert read("purpose:\nmodel: ~\n").answers() == {}


@pytest.mark.parametrize("key", CHOICES)
def test_choices_are_those_of_the_contract(key: str) -> None:
    assert [word for word in allowed_values()[key] if word != "unknown"] == CHOICES[key]


def test_choices_are_those_of_the_vocabulary() -> None:
    facts = vocabulary.load(rules_folder() / "vocabulary.yaml").facts
    asked = {name: fact for name, fact in facts.items() if not fact.derived}
    assert set(asked) <= set(Profile.model_fields), "a question without a key in the profile"
    for name, fact in asked.items():
        words = {word for word in allowed_values()[name] if word != "unknown"}
        assert words == set(fact.values), name


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("internet: no", {"internet": "no"}),
        ('internet: "yes"', {"internet": "yes"}),
        ('requests_per_day: "500"', {"requests_per_day": 500.0}),
        ("requests_per_day: 1_000", {"requests_per_day": 1000.0}),
        ("requests_per_day: 1e6", {"requests_per_day": 1e6}),
        ("peak_concurrency: 2.0", {"peak_concurrency": 2}),
        ("name: 2026-11-22", {"name": "2026-11-22"}),
        ('name: "  spaced  "', {"name": "spaced"}),
        ("languages: zh", {"languages": ["zh"]}),
        ("languages: zh, en", {"languages": ["zh", "en"]}),
        ("languages: [zh-CN, pt_BR]", {"languages": ["zh-CN", "pt_BR"]}),
        ("languages: []", {"languages": []}),
        ("modalities: text, image", {"modalities": ["text", "image"]}),
        ("growth_per_year: -0.5", {"growth_per_year": -0.5}),
        ("requests_per_day: 0\npeak_concurrency: 1", {"requests_per_day": 0.0, "peak_concurrency": 1}),
        ("requests_per_day: unknown\npeak_concurrency: 9", {"requests_per_day": "unknown", "peak_concurrency": 9}),
        ("purpose: personal\naudience: internal", {"purpose": "personal", "audience": "internal"}),
        ("context_tokens: 10\ninput_tokens: 5\noutput_tokens: 5",
         {"input_tokens": 5, "output_tokens": 5, "context_tokens": 10}),
    ],
)  # fmt: skip
def test_ways_to_write_it(text: str, answers: dict[str, Any]) -> None:
    assert read(text).answers() == answers


# What is not, word for word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # keys
        ("data_senstivity: public", '1:1: error: unknown key "data_senstivity"; did you mean "data_sensitivity"?'),
        ("\n\nfoo: 1\npurpose: x", '3:1: error: unknown key "foo"'),
        ("1: 2", '1:1: error: unknown key "1"'),
        ("[1, 2]", "1:1: error: a profile is a mapping of keys to values"),
        ("just text", "1:1: error: a profile is a mapping of keys to values"),
        ("purpose: personal\npurpose: personal", '2:1: error: duplicate key "purpose" (first on line 1)'),
        # words
        ("interface: webui",
         '1:12: error: interface: "webui" is not one of api, web_ui, unknown; did you mean "web_ui"?'),
        ("purpose: 3",
         "1:10: error: purpose: 3 is not one of personal, prototype, evaluation, production, unknown"),
        ("interface: [api]",
         '1:12: error: interface: ["api"] is not one of api, web_ui, unknown; did you mean "api"?'),
        ("internet: maybe", '1:11: error: internet: "maybe" is not one of yes, no, unknown'),
        ("currency: usd", '1:11: error: currency: "usd" is not one of USD, CNY, EUR; did you mean "USD"?'),
        ("modalities: [text, imag]",
         '1:20: error: modalities: "imag" is not one of text, image, audio; did you mean "image"?'),
        ("modalities: sound", '1:13: error: modalities: "sound" is not one of text, image, audio'),
        # numbers and units
        ("requests_per_day: -1",
         "1:19: error: requests_per_day: -1 is not valid: should be greater than or equal to 0"),
        ("requests_per_day: 10k", '1:19: error: requests_per_day: "10k" is not valid: should be a number'),
        ("requests_per_day: .inf", '1:19: error: requests_per_day: ".inf" is not valid: should be a number'),
        ("requests_per_day: [1]", "1:19: error: requests_per_day: [1] is not valid: should be a number"),
        ("peak_concurrency: 1.5", "1:19: error: peak_concurrency: 1.5 is not valid: should be a whole number"),
        ("input_tokens: 4k", '1:15: error: input_tokens: "4k" is not valid: should be a whole number'),
        ("input_tokens: unknwon",
         '1:15: error: input_tokens: "unknwon" is not valid: should be a whole number; did you mean "unknown"?'),
        ("ttft_ms: 2s", '1:10: error: ttft_ms: "2s" is not valid: should be a number'),
        ("budget_per_month: $500", '1:19: error: budget_per_month: "$500" is not valid: should be a number'),
        ("growth_per_year: 50%", '1:18: error: growth_per_year: "50%" is not valid: should be a number'),
        # text and lists
        ("model: 7", "1:8: error: model: 7 is not valid: should be text"),
        ('model: "  "', '1:8: error: model: "  " is not valid: should not be empty'),
        ('name: "a\\nb"', '1:7: error: name: "a\\nb" is not valid: must be one line of printable text'),
        ('name: "\\e[31mred"', '1:7: error: name: "\\u001b[31mred" is not valid: must be one line of printable text'),
        ("languages: 5", "1:12: error: languages: 5 is not valid: should be a list"),
        ("languages: [zh, 3]", "1:17: error: languages: 3 is not valid: should be text"),
        ("regulations: gdpr pipl",
         '1:14: error: regulations: "gdpr pipl" is not valid: should be a word of letters, digits, _ and -'),
        # the boolean trap
        ("purpose: yes",
         "1:10: error: purpose: YAML reads true here (from yes/no/on/off); write the word in quotes"),
        ("model: off", "1:8: error: model: YAML reads false here (from yes/no/on/off); write the word in quotes"),
        ("languages: [en, no]",
         "1:17: error: languages: YAML reads false here (from yes/no/on/off); write the word in quotes"),
        ("requests_per_day: yes",
         "1:19: error: requests_per_day: YAML reads true here (from yes/no/on/off); write a number"),
        # contradictions
        ("input_tokens: 90\noutput_tokens: 20\ncontext_tokens: 100",
         "3:17: error: contradiction: context_tokens 100 is less than input_tokens 90 + output_tokens 20"),
        ("requests_per_day: 5\npeak_concurrency: 6",
         "1:19: error: contradiction: peak_concurrency 6 is more than the 5 requests of a whole day"),
        ("purpose: personal\naudience: public",
         "1:10: error: contradiction: purpose personal cannot have audience public"),
        ("audience: public\ninternet: no",
         "2:11: error: contradiction: internet no (air-gapped) cannot serve audience public"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mistake(text: str, expected: str) -> None:
    assert message(text) == f"p.yaml:{expected}"


@pytest.mark.parametrize("key", [key for key, words in allowed_values().items() if len(words) > 1])
def test_every_choice_finds_the_nearest_word(key: str) -> None:
    for word in (
        word for word in allowed_values()[key] if len(word) > 2 and (key, word) != ("modalities", "unknown")
    ):
        with pytest.raises(ProfileError) as caught:
            read(f"{key}: {word}x")
        assert caught.value.suggestion == word
        assert word in caught.value.allowed
        assert str(caught.value.where) == f"p.yaml:1:{len(key) + 3}"


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("requests_per_day", (0, 10**10), (-1, 10**10 + 1)),
        ("peak_concurrency", (1, 10**7), (0, 10**7 + 1)),
        ("input_tokens", (1, 2 * 10**7), (0, 2 * 10**7 + 1)),
        ("output_tokens", (1, 2 * 10**7), (0, 2 * 10**7 + 1)),
        ("context_tokens", (1, 2 * 10**7), (0, 2 * 10**7 + 1)),
        ("ttft_ms", (0.1, 3_600_000), (0, 3_600_001)),
        ("tpot_ms", (0.1, 3_600_000), (0, 3_600_001)),
        ("growth_per_year", (-1, 100), (-1.1, 101)),
        ("budget_per_month", (0, 10**9), (-1, 10**9 + 1)),
    ],
)
def test_bounds(key: str, inside: tuple[float, float], outside: tuple[float, float]) -> None:
    for value in inside:
        assert getattr(profile.from_answers({key: value}), key) == value
    for value in (*outside, float("nan"), float("inf")):
        with pytest.raises(ProfileError, match=f"^argument {key}: error: {key}: "):
            profile.from_answers({key: value})


def test_a_text_has_an_end() -> None:
    assert len(read(f"name: {'x' * 400}").name or "") == 400
    assert message(f"name: {'x' * 401}") == (
        f'p.yaml:1:7: error: name: "{"x" * 56}…" is not valid: string should have at most 400 characters'
    )


# Where answers come from


def test_load_reads_yaml_and_json(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("purpose: personal\n", encoding="utf-8")
    (tmp_path / "p.json").write_text('{"purpose": "personal", "internet": "no"}', encoding="utf-8")
    assert profile.load(tmp_path / "p.yaml").answers() == {"purpose": "personal"}
    assert profile.load(tmp_path / "p.json").answers() == {"purpose": "personal", "internet": "no"}
    with pytest.raises(DeployAdvisorError, match=r"no\.yaml: error: cannot read the file: No such file"):
        profile.load(tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("settings", "answers"),
    [
        (["purpose=personal"], {"purpose": "personal"}),
        ([" purpose = personal "], {"purpose": "personal"}),
        (["languages=[zh, en]"], {"languages": ["zh", "en"]}),
        (["languages=zh,en"], {"languages": "zh,en"}),
        (["internet=no"], {"internet": False}),
        (["requests_per_day=500", "model=unknown"], {"requests_per_day": 500, "model": "unknown"}),
        (["model=a=b"], {"model": "a=b"}),
        (["hardware=2x A100 80GB + cpu 32GB"], {"hardware": "2x A100 80GB + cpu 32GB"}),
        (["purpose="], {"purpose": None}),
        ([], {}),
    ],
)
def test_settings(settings: list[str], answers: dict[str, Any]) -> None:
    assert profile.parse_settings(settings) == answers


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["purpose"], '--set: error: "purpose" is not key=value'),
        (["=personal"], '--set: error: "=personal" is not key=value'),
        (["purpose=personal", "purpose=production"], "--set purpose: error: given twice"),
        (["model=*x"], "--set model:1:1: error: anchors and aliases are not allowed"),
    ],
)
def test_settings_that_cannot_be_read(settings: list[str], expected: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        profile.parse_settings(settings)
    assert str(caught.value) == expected


def test_a_setting_replaces_the_answer_of_the_file() -> None:
    assert read("purpose: personal\nname: x", purpose="production").purpose == "production"
    assert read("purpose: personal", purpose=None).purpose is None
    assert read("purpose: wrong", purpose="production").purpose == "production"


@pytest.mark.parametrize("text", ["name: x", ""])
def test_a_setting_is_named_in_its_mistakes(text: str) -> None:
    assert message(text, purpose="persnal") == (
        '--set purpose: error: purpose: "persnal" is not one of personal, prototype, evaluation, production, '
        'unknown; did you mean "personal"?'
    )
    assert message(text, nmae=1) == '--set nmae: error: unknown key "nmae"; did you mean "name"?'


def test_a_setting_that_contradicts_the_file_is_blamed() -> None:
    expected = "--set audience: error: contradiction: purpose personal cannot have audience public"
    assert message("purpose: personal", audience="public") == expected


def test_a_keyword_is_named_in_its_mistakes() -> None:
    with pytest.raises(ProfileError) as caught:
        profile.from_answers({"internet": True, "puprose": "personal"})
    assert str(caught.value) == 'argument puprose: error: unknown key "puprose"; did you mean "purpose"?'


@given(
    st.dictionaries(
        st.sampled_from(sorted(Profile.model_fields)), st.none() | st.text() | st.integers() | st.booleans()
    )
)
def test_any_answers_are_taken_or_refused(answers: dict[str, Any]) -> None:
    with suppress(ProfileError):
        taken = profile.from_answers(answers)
        assert profile.from_answers(taken.answers()) == taken

"""Translations: complete for the shipped rules, natural in form, and refused with a place when they are wrong."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from deployadvisor.decide import reader, vocabulary
from deployadvisor.decide.ruleset import Given, Ruleset
from deployadvisor.decide.texts import Texts, english, load_texts, missing_texts, stale_texts
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.resources import rules_folder

HAN = re.compile(r"[\u4e00-\u9fff]")
GIVEN = {
    "engines": dict.fromkeys(
        ("transformers", "ollama", "textgen", "vllm", "lmdeploy", "llama_cpp", "sglang"), Given("-")
    ),
    "providers": dict.fromkeys(("dashscope", "moonshot", "zhipu", "baichuan", "deepseek", "openai"), Given("-")),
}


@cache
def words() -> Vocabulary:
    return vocabulary.load(rules_folder() / "vocabulary.yaml")


@cache
def rulesets() -> tuple[Ruleset, ...]:
    return tuple(
        reader.load(rules_folder() / f"{name}.yaml", words(), GIVEN) for name in ("route", "engine", "provider")
    )


@cache
def chinese() -> Texts:
    return load_texts(rules_folder() / "texts.zh.yaml")


def without(*key: str) -> Texts:
    return Texts("zh", {place: text for place, text in chinese().wordings.items() if place != key})


# The shipped translation


def test_no_text_is_missing() -> None:
    assert missing_texts(chinese(), rulesets(), words()) == ()


def test_no_text_is_left_over() -> None:
    assert stale_texts(chinese(), rulesets(), words()) == ()


def test_every_text_is_chinese() -> None:
    assert [key for key, text in chinese().wordings.items() if not HAN.search(text)] == []


def test_english_product_names_stay() -> None:
    for rules in rulesets():
        for rule in rules.rules:
            for name in re.findall(r"vLLM|LMDeploy|Ollama|TextGen|LoRA|HIPAA|KV cache|GGUF", rule.text):
                assert name in chinese().rule(rule), rule.id


def test_principles_are_sentences_and_gaps_are_names() -> None:
    rules = [rule for rules in rulesets() for rule in rules.rules]
    assert [rule.id for rule in rules if chinese().rule(rule).endswith("。") is rule.is_missing] == []


def test_questions_are_questions_in_both_languages() -> None:
    for asked in (*words().facts.values(), *words().inputs.values()):
        assert asked.ask.endswith("?") is chinese().ask(asked).endswith("？"), asked.name


def test_rule_ids_differ_across_decisions() -> None:
    ids = [rule.id for rules in rulesets() for rule in rules.rules]
    assert len(set(ids)) == len(ids)


# Lookups


def test_texts_speak_their_language() -> None:
    route = rulesets()[0]
    rule = next(rule for rule in route.rules if rule.id == "nothing-to-tune")
    lab = route.candidates["lab"]
    purpose = words().facts["purpose"]
    assert (english().rule(rule), chinese().rule(rule)) == ("Nothing is to be tuned.", "没有需要微调的内容。")
    assert (english().ask(purpose), chinese().ask(purpose)) == (
        "What is this deployment for?",
        "这次部署的用途是什么？",
    )
    assert english().decides(purpose).startswith("One person")
    assert chinese().decides(purpose) == "个人使用、原型和评测环境不需要推理引擎。"
    assert english().title(route, lab) == "Work on the Transformers bench"
    assert chinese().title(route, lab) == "在 Transformers 实验环境中完成"


def test_what_a_translation_lacks_is_said_in_english() -> None:
    route = rulesets()[0]
    rule, lab, purpose = route.rules[0], route.candidates["lab"], words().facts["purpose"]
    bare = Texts("zh")
    assert (bare.rule(rule), bare.ask(purpose), bare.decides(purpose), bare.title(route, lab)) == (
        rule.text,
        purpose.ask,
        purpose.decides,
        lab.title,
    )


def test_names_of_products_need_no_translation() -> None:
    engine = rulesets()[1]
    assert chinese().title(engine, engine.candidates["vllm"]) == "-"


# What a translation owes


@pytest.mark.parametrize(
    "key",
    [
        ("rules", "nothing-to-tune"),
        ("facts", "purpose", "ask"),
        ("facts", "purpose", "decides"),
        ("facts", "its_fit", "ask"),
        ("inputs", "hardware", "ask"),
        ("inputs", "hardware", "decides"),
        ("candidates", "route", "lab"),
    ],
)
def test_a_missing_text_is_named(key: tuple[str, ...]) -> None:
    texts = without(*key)
    assert missing_texts(texts, rulesets(), words()) == (".".join(key),)


@pytest.mark.parametrize(
    "key",
    [
        ("rules", "gone"),
        ("facts", "gone", "ask"),
        ("facts", "hardware", "ask"),
        ("facts", "role", "decides"),
        ("candidates", "route", "gone"),
    ],
)
def test_a_left_over_text_is_named(key: tuple[str, ...]) -> None:
    texts = Texts("zh", {**chinese().wordings, key: "多余"})
    assert stale_texts(texts, rulesets(), words()) == (".".join(key),)


def test_a_file_without_texts_is_a_translation(tmp_path: Path) -> None:
    path = tmp_path / "texts.zh.yaml"
    path.write_text("language: zh\nrules:\n", encoding="utf-8")
    assert load_texts(path).wordings == {}

"""What to mind, in the language of the answer: as many sentences in Chinese as in English, about the same things."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deployadvisor import recommend
from deployadvisor.site import left_alone, planned_group
from tests.test_site import with_free

SERVED = {"data_sensitivity": "confidential", "peak_concurrency": 32, "requests_per_day": 20_000}
HAN = re.compile(r"[\u4e00-\u9fff]")
CASES: list[tuple[dict[str, Any], str]] = [
    ({"model": "Qwen/Qwen3-8B", "hardware": "2x A100 80GB"}, "方案使用 2 张卡中的 1 张；其余可用于副本"),
    ({"model": "Qwen/Qwen3-8B", "hardware": "1x A100 80GB"}, "需要 NVIDIA 驱动 580 或更新版本；这里的驱动版本未知"),
    ({"model": "baichuan-inc/Baichuan2-13B-Chat", "hardware": "1x A100 80GB"}, "会运行其仓库中的代码"),
    ({"model": "deepseek-ai/DeepSeek-V3", "hardware": "2 nodes of 8x H100"}, "2 台机器共同承载一份模型"),
    ({"model": "deepseek-ai/DeepSeek-V3", "hardware": "3 nodes of 8x H200"}, "方案使用 3 台机器中的 1 台"),
    ({"model": "Qwen/Qwen3-8B", "hardware": "1x H100", "context_tokens": 400_000}, "context_tokens 按 400,000 规划"),
]


@pytest.mark.parametrize(("answers", "said"), CASES, ids=[said for _, said in CASES])
def test_every_warning_is_said_in_chinese(answers: dict[str, Any], said: str) -> None:
    english, chinese = (recommend(SERVED, lang=lang, **answers).warnings for lang in ("en", "zh"))
    assert len(chinese) == len(english)
    assert any(said in text for text in chinese), chinese
    assert not [text for text in english if HAN.search(text)]
    assert not [text for text in chinese if not HAN.search(text)]


def test_a_provider_in_place_of_a_model() -> None:
    hosted = {"data_sensitivity": "public", "model": "Qwen/Qwen3-8B", "hardware": "none"}
    (text,) = recommend(hosted, lang="zh").warnings
    assert text.startswith("指定了 Qwen/Qwen3-8B；方案使用 ")


def test_cards_left_alone_are_named_in_both_languages() -> None:
    machine = with_free("4x RTX 4090 + 1x RTX 3060", 23.0, 1.0, None, 23.5, 11.0)
    group = planned_group(machine)
    assert group
    assert list(left_alone(machine, group, 2, "zh")) == [
        "1x NVIDIA GeForce RTX 3060 闲置：不同的卡不合在一起用",
        "未使用 2 号卡：读不到它的空闲显存",
        "使用 0, 3 号卡，是 3 张中最空闲的：空闲不少于 23.0 GiB，下一张为 1.0",
    ]

"""Gates on NVIDIA cards and drivers: the build that runs, or what helps where none of the pinned version does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployadvisor.advise import recommend
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.models import Role, find_model
from deployadvisor.compatibility import Assessment, Demand, assess_role, obstacle
from deployadvisor.driver_gate import installed, kernels, needed, ways_on
from deployadvisor.estimation import estimate
from deployadvisor.hardware.machine import Known, Machine, Text, Unknown
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.site import Site, site_of
from deployadvisor.surfaces.view import show

DEMAND = Demand(context_tokens=4096, average_tokens=1256, peak_concurrency=1)
UNREAD = Unknown(unknown="not read")


def machine(phrase: str, driver: str | None, runtime: str | None = None) -> Machine:
    """The machine of a phrase with a driver, and the CUDA version it supports."""

    def text(value: str | None) -> Text:
        return UNREAD if value is None else Known[str](value=value, source="test")

    found = machine_from_phrase(phrase)
    update = {"driver_version": text(driver), "runtime_version": text(runtime)}
    cards = tuple(card.model_copy(update=update) for card in found.accelerators)
    return found.model_copy(update={"accelerators": cards})


def site(phrase: str, driver: str | None, runtime: str | None = None) -> Site:
    return site_of(machine(phrase, driver, runtime), "linux")


def assess(role: Role, where: Site, model: str = "Qwen/Qwen3-4B") -> dict[str, Assessment]:
    return dict(assess_role(role, find_model(model), where, DEMAND))


def answer(engine: str, phrase: str, driver: str | None, runtime: str | None = None) -> tuple[str | None, str]:
    """What the driver gate of an engine says on one card."""
    role = engines()[engine].roles[0] if engine != "llama_cpp" else "desktop"
    found = assess(role, site(phrase, driver, runtime))[engine]
    return found.attributes.get("its_driver"), found.details.get("its_driver", "")


@pytest.mark.parametrize(
    ("engine", "phrase", "driver", "expected"),
    [
        (
            "vllm",
            "1x H100",
            "550.54.14",
            (
                "0.33.0 needs NVIDIA driver 580 or newer; 550.54.14 is installed: update the driver, or take "
                "LMDeploy 0.18.0 (from driver 525), or take vLLM 0.29.0 built with CUDA 12.9 "
                "(vllm/vllm-openai:v0.29.0-cu129), whose kernels of quantised weights need driver 575"
            ),
        ),
        (
            "vllm",
            "1x A100",
            "535.183.06",
            (
                "0.33.0 needs NVIDIA driver 580 or newer; 535.183.06 is installed: update the driver, or take "
                "LMDeploy 0.18.0 (from driver 525), or start its image with VLLM_ENABLE_CUDA_COMPATIBILITY=1, or "
                "take vLLM 0.29.0 built with CUDA 12.9 (vllm/vllm-openai:v0.29.0-cu129)"
            ),
        ),
        (
            "vllm",
            "1x RTX 4090",
            "550.54.14",
            (
                "0.33.0 needs NVIDIA driver 580 or newer; 550.54.14 is installed: update the driver, or take "
                "LMDeploy 0.18.0 (from driver 525, started with NVIDIA_DISABLE_REQUIRE=1), or take vLLM 0.29.0 "
                "built with CUDA 12.9 (vllm/vllm-openai:v0.29.0-cu129) started with NVIDIA_DISABLE_REQUIRE=1"
            ),
        ),
        (
            "vllm",
            "1x RTX 5090",
            "570.133.20",
            "0.33.0 needs NVIDIA driver 580 or newer; 570.133.20 is installed: update the driver",
        ),
        (
            "sglang",
            "1x H100",
            "550.54.14",
            (
                "0.5.23 needs NVIDIA driver 580 or newer; 550.54.14 is installed: update the driver, or take "
                "LMDeploy 0.18.0 (from driver 525), or take SGLang 0.5.19 built with CUDA 12.9 "
                "(lmsysorg/sglang:v0.5.19-cu129)"
            ),
        ),
        (
            "ollama",
            "1x GTX 1080 Ti",
            "550.54.14",
            (
                "0.33.0 needs NVIDIA driver 570 or newer for compute capability 6.1; 550.54.14 is installed: "
                "update the driver (580 is the last for this generation of cards), or take TextGen "
                "(text-generation-webui) 4.7.3 (from driver 550)"
            ),
        ),
        (
            "llama_cpp",
            "1x H100",
            "550.54.14",
            (
                "b11151 needs NVIDIA driver 570 or newer, which compiles its kernels for compute capability 9.0; "
                "550.54.14 is installed: update the driver, or take Ollama 0.33.0 (from driver 550), or take "
                "TextGen (text-generation-webui) 4.7.3 (from driver 550)"
            ),
        ),
        (
            "lmdeploy",
            "1x H100",
            "470.256.02",
            "0.18.0 needs NVIDIA driver 525 or newer; 470.256.02 is installed: update the driver",
        ),
        (
            "lmdeploy",
            "1x B200",
            "570.86.10",
            "0.18.0 needs NVIDIA driver 580 or newer; 570.86.10 is installed: update the driver",
        ),
    ],
)
def test_a_driver_that_is_too_old_comes_with_what_helps(engine: str, phrase: str, driver: str, expected: str) -> None:
    assert answer(engine, phrase, driver) == ("no", expected)


@pytest.mark.parametrize(
    ("engine", "phrase", "driver", "expected"),
    [
        ("vllm", "1x H100", "580.65.06", ""),
        ("vllm", "1x H100", "615.10", ""),
        ("lmdeploy", "1x H100", "550.54.14", ""),
        ("lmdeploy", "1x RTX 4090", "570.133.20", ""),
        (
            "lmdeploy",
            "1x H100",
            "545.23.08",
            (
                "its image asks for CUDA 12.8 and 545.23.08 is installed: start it with "
                "NVIDIA_DISABLE_REQUIRE=1, or update to driver 570"
            ),
        ),
        (
            "llama_cpp",
            "1x RTX 4090",
            "550.54.14",
            (
                "its image asks for CUDA 12.8 and 550.54.14 is installed: start it with "
                "NVIDIA_DISABLE_REQUIRE=1, or update to driver 570"
            ),
        ),
        ("ollama", "1x GTX 1080 Ti", "570.133.20", ""),
        ("ollama", "1x T4", "550.54.14", ""),
        (
            "transformers",
            "1x H100",
            "550.54.14",
            (
                "5.23.0 needs NVIDIA driver 580 or newer; 550.54.14 is installed: take 5.23.0 built with CUDA "
                "12.6 (pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cu126)"
            ),
        ),
    ],
)
def test_a_driver_that_runs_it_says_only_how(engine: str, phrase: str, driver: str, expected: str) -> None:
    assert answer(engine, phrase, driver) == ("yes", expected)


@pytest.mark.parametrize(
    ("engine", "phrase", "holds", "text"),
    [
        ("vllm", "1x V100", "no", "0.33.0 starts at compute capability 7.5; NVIDIA V100 16GB SXM2 has 7.0"),
        ("lmdeploy", "1x V100", "yes", ""),
        (
            "lmdeploy",
            "1x B200",
            "yes",
            "for NVIDIA B200 SXM 180GB take 0.18.0 built with CUDA 13.0 (openmmlab/lmdeploy:v0.18.0-cu13.0)",
        ),
        (
            "transformers",
            "1x V100",
            "yes",
            (
                "for NVIDIA V100 16GB SXM2 take 5.23.0 built with CUDA 12.6 (pip install torch==2.13.0 "
                "--index-url https://download.pytorch.org/whl/cu126)"
            ),
        ),
    ],
)
def test_a_card_takes_the_build_of_the_pinned_version_that_has_its_kernels(
    engine: str, phrase: str, holds: str, text: str
) -> None:
    found = assess(engines()[engine].roles[0], site(phrase, None))[engine]
    assert (found.attributes["its_gpu"], found.details.get("its_gpu", "")) == (holds, text)


def test_the_cuda_version_stands_in_for_a_driver_that_nobody_read() -> None:
    holds, text = answer("vllm", "1x H100", None, "12.4")
    assert holds == "no"
    assert "0.33.0 needs NVIDIA driver 580 or newer; the driver here supports CUDA 12.4: update the driver" in text
    assert answer("vllm", "1x H100", None, "13.0") == ("yes", "")
    assert answer("ollama", "1x H100", None, "12.4") == ("yes", "")
    assert answer("ollama", "1x H100", None, "12.2")[0] == "no"


def test_an_unknown_driver_is_a_yes_that_is_said() -> None:
    assert answer("vllm", "1x H100", None) == (
        "yes",
        "needs NVIDIA driver 580 or newer; the driver here is not known",
    )
    assert answer("ollama", "1x GTX 1080 Ti", None) == (
        "yes",
        "needs NVIDIA driver 570 or newer; the driver here is not known",
    )


@pytest.mark.parametrize(
    ("driver", "runtime", "branch"),
    [
        ("550.54.14", "12.4", 550),
        ("550.54.14", None, 550),
        ("540.4.0", "12.6", 560),  # a Jetson board counts its drivers in its own way
        (None, "12.8", 570),
        ("rolling", "13.0", 580),
        (None, "newest", None),
        (None, None, None),
        (None, "10.2", None),
    ],
)
def test_the_driver_here(driver: str | None, runtime: str | None, branch: int | None) -> None:
    here = installed(site("1x H100", driver, runtime))
    assert (here.branch if here else None) == branch


def test_other_makers_and_hosts_need_no_nvidia_driver() -> None:
    found = assess("serve", site("1x MI300X", "550.54.14"))["vllm"]
    assert found.attributes["its_driver"] == "yes"
    assert "its_driver" not in found.details
    assert assess("cpu", site("1x H100 + cpu 64GB", "470.1"))["llama_cpp"].attributes["its_driver"] == "yes"


def test_no_newer_driver_is_asked_for_than_was_made_for_the_card() -> None:
    assert list(ways_on(engines()["textgen"], site("1x K80", "470.256.02"))) == []
    assert list(ways_on(engines()["textgen"], site("1x V100", "470.256.02"))) == [
        "update the driver (580 is the last for this generation of cards)"
    ]


def test_what_helps_never_names_an_engine_that_would_be_refused_too() -> None:
    for phrase in ("1x H100", "1x RTX 4090", "1x RTX 5090", "1x V100", "1x GTX 1080 Ti", "1x B200"):
        for driver in ("470.1", "520.1", "525.1", "535.1", "550.1", "570.1", "575.1"):
            where = site(phrase, driver)
            for role in ("serve", "desktop"):
                found = assess(role, where)
                for one in found.values():
                    text = one.details.get("its_driver", "") if one.attributes.get("its_driver") == "no" else ""
                    for other in found.values():
                        named = f"take {other.engine.name} {other.engine.version}" in text
                        assert not named or other.attributes.get("its_driver") == "yes", (phrase, driver, text)


def test_what_helps_never_names_an_engine_without_memory_for_the_load() -> None:
    """On a card of 24 GB the model does not fit, so that only estimate, which asks no load of others, names them."""
    where = site("1x RTX 4090", "550.54.14")
    found = assess("serve", where, "Qwen/Qwen2.5-72B-Instruct")
    assert found["lmdeploy"].attributes["its_fit"] == "no"
    assert "LMDeploy" not in found["vllm"].details["its_driver"]
    kept = obstacle(engines()["vllm"], "serve", find_model("Qwen/Qwen2.5-72B-Instruct"), where)
    assert kept
    assert "take LMDeploy 0.18.0" in kept


def test_an_estimate_says_how_to_start_what_runs() -> None:
    conditional = estimate("Qwen/Qwen3-4B", machine("1x H100", "545.23.08"), engine="lmdeploy")
    assert "start it with NVIDIA_DISABLE_REQUIRE=1" in " ".join(conditional.notes)
    plain = estimate("Qwen/Qwen3-4B", machine("1x H100", "580.65.06"), engine="lmdeploy")
    assert not any("NVIDIA" in note for note in plain.notes)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_recommendation_for_an_old_driver_says_what_helps(lang: str) -> None:
    """In the text for a terminal, where an engine lost by its driver alone."""
    handbook = Path(__file__).parent.parent / "docs" / "examples" / "air-gapped.yaml"
    advice = recommend(handbook, hardware=machine("1x H100 + cpu 256GB", "550.54.14"), lang=lang)
    assert (advice.route, advice.engine) == ("private_engine", "lmdeploy")
    (lost,) = [one for one in advice.rejected if one.engine == "vllm"]
    expected = "update the driver, or take LMDeploy 0.18.0 (from driver 525)"
    assert any(expected in detail for objection in lost.objections for detail in objection.details)
    shown = " ".join("\n".join(show(advice)).split())
    assert expected in shown
    assert "needs NVIDIA driver 580 or newer; 550.54.14 is installed" in shown


def test_a_newer_driver_never_takes_an_engine_away() -> None:
    branches = (470, 520, 525, 535, 545, 550, 570, 575, 580, 595)
    for phrase in ("1x H100", "1x RTX 4090", "1x V100", "1x GTX 1080 Ti", "1x B200"):
        for role in ("serve", "desktop", "lab"):
            for engine in engines():
                answers = [
                    found[engine].attributes.get("its_driver")
                    for branch in branches
                    if engine in (found := assess(role, site(phrase, f"{branch}.1")))
                ]
                assert answers == sorted(answers, key=("no", "yes").index) if None not in answers else True


def test_the_readme_names_the_driver_that_the_card_needs() -> None:
    llama = engines()["llama_cpp"]
    branches = [need.branch for has in ("8.9", "9.0", None) if (need := needed(llama, has))]
    assert branches == [525, 570, 525]
    assert needed(engines()["vllm"], "9.0") == needed(engines()["vllm"], None)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("8x MI300X", True),
        ("2x RX 7900 XTX", True),
        ("Strix Halo 128GB", True),
        ("2x RX 6800", False),
        ("1x H100", True),
    ],
)
def test_an_amd_card_needs_kernels_for_its_target(phrase: str, expected: bool) -> None:
    cards = site_of(machine_from_phrase(phrase)).cards
    assert cards is not None
    holds, detail = kernels(engines()["vllm"], cards)
    assert holds is expected
    assert expected or "AMD Radeon RX 6800 is gfx1030" in (detail or "")


def test_an_amd_card_of_an_unknown_target_stays_open() -> None:
    cards = site_of(machine_from_phrase("8x MI300X")).cards
    assert cards is not None
    holds, detail = kernels(engines()["vllm"], replace(cards, gfx_target=None))
    assert (holds, "gfx target" in (detail or "")) == (None, True)

"""README.md: the order of the page, both languages, and what must stand on it."""

from __future__ import annotations

import re

import pytest

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import render
from deployadvisor.render.layout import layout_of
from deployadvisor.render.manifest import Words, manifests
from deployadvisor.resources import templates_folder
from tests.render.factory import ENGINES, OFFER, ON_HOST, hosted, served, tuned
from tests.render.nodes import spanning

ORDER = {
    "en": [
        "What was decided, and why",
        "What you need before you start",
        "Start",
        "Verify with a real question",
        "Prove speed and quality",
        "Connect an application",
        "Operate",
        "Logs",
        "When something breaks",
        "Limits of this plan, and what would change the decision",
        "Where each number comes from",
        "Obligations",
    ],
    "zh": [
        "决定了什么，为什么",
        "启动前的准备",
        "启动",
        "用真实问题验证",
        "证明速度与质量",
        "接入应用",
        "日常运维",
        "日志",
        "出问题时",
        "方案的限制，以及什么会改变决定",
        "每个数字的来源",
        "法律义务",
    ],
}


def page(advice: Recommendation, lang: str = "en", targets: list[str] | None = None) -> str:
    return render(advice.model_copy(update={"lang": lang}), targets)["README.md"].text


def headings(text: str) -> list[str]:
    outside_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^## (.+)$", outside_code, flags=re.MULTILINE)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("advice", "target"),
    [
        *((served(engine), "compose") for engine in ENGINES),
        *((served(engine), "airgap") for engine in ENGINES),
        (served("ollama"), "native"),
        (served("llama_cpp"), "native"),
        (served("textgen"), "native"),
        *((served(engine), target) for engine in ON_HOST for target in ("shell", "systemd", "slurm")),
        *((served(engine), "kubernetes") for engine in manifests()["kubernetes"].needs.engines),
        *((served(engine), "kserve") for engine in manifests()["kserve"].needs.engines),
        (served("vllm"), "helm"),
        (hosted(), "gateway"),
    ],
)
def test_the_page_has_one_order(advice: Recommendation, target: str, lang: str) -> None:
    assert headings(page(advice, lang, [target])) == ORDER[lang]


@pytest.mark.parametrize(("lang", "title"), [("en", "Fine-tuning"), ("zh", "微调")])
def test_tuning_comes_between_preparing_and_starting(lang: str, title: str) -> None:
    found = headings(page(tuned("vllm"), lang))
    assert found == [*ORDER[lang][:2], title, *ORDER[lang][2:]]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_part_of_the_answer_is_on_the_page(lang: str) -> None:
    text = page(served(), lang)
    for words in (
        "Text stays on systems you control.",
        "`rules/route.yaml:41:5`",
        "a benchmark",
        "Text must not leave.",
        "fewer users",
        "a warning",
        "fewer in flight → Run locally",
        "`output_tokens`",
        "4096 → hosted_api",
        "not probed",
        "a note on the estimate",
        "8.2 billion parameters as bf16",
        "1,240.50 USD",
        "Art. 28",
        "a processor is used",
        "8,192",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "not legal advice"), ("zh", "不构成法律意见"), ("zh", "curl -s http://127.0.0.1:8080/v1")],
)
def test_words_that_must_be_there(lang: str, words: str) -> None:
    assert words in page(served(), lang)


def test_offers_are_listed_for_cards_that_are_not_there() -> None:
    text = page(served(rent=(OFFER,)))
    assert "| a cloud | gpu.large | 2 × h100-sxm | 4.50 | 2026-11-22 |" in text


def test_remote_code_is_warned_about() -> None:
    assert "runs code on this machine" in page(served(trust_remote_code=True))
    assert "runs code on this machine" not in page(served())


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("engine", ENGINES)
def test_troubles_of_the_engine_are_listed_with_a_command(engine: str, lang: str) -> None:
    text = page(served(engine), lang)
    for trouble in layout_of(engine).troubleshoot:
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {getattr(trouble.symptom, lang)} |"))
        assert row.rstrip(" |").endswith("`")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_table_row_is_broken(lang: str) -> None:
    pages = [page(advice, lang) for advice in (served(), tuned(), hosted("moonshot", "mistral"), served("ollama"))]
    pages += [page(served(engine), lang, ["airgap"]) for engine in ENGINES]
    pages += [page(served(engine), lang, [target]) for engine in ON_HOST for target in ("shell", "systemd", "slurm")]
    for text in pages:
        for line in text.splitlines():
            if line.startswith("|"):
                assert line.endswith("|")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("target", ["shell", "systemd", "slurm"])
@pytest.mark.parametrize("engine", ON_HOST)
def test_a_machine_without_containers_is_not_told_of_containers(engine: str, target: str, lang: str) -> None:
    text = page(served(engine), lang, [target])
    body = text[text.index(f"## {ORDER[lang][1]}") : text.index(f"## {ORDER[lang][7]}")]
    assert "docker" not in body.casefold()
    assert "compose" not in body


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("target", "words"), [("shell", "tar -xzf installed.tar.gz"), ("systemd", "tar -C / -xzf")])
def test_a_machine_without_internet_takes_over_an_installation(target: str, words: str, lang: str) -> None:
    advice = served().model_copy(update={"profile": {"internet": "no"}})
    assert words in page(advice, lang, [target])
    assert words not in page(served(), lang, [target])


def test_both_languages_have_the_same_pages() -> None:
    names = {path.relative_to(templates_folder()).as_posix() for path in templates_folder().rglob("*.md.j2")}
    english = {name.replace(".en.", ".") for name in names if ".en." in name}
    chinese = {name.replace(".zh.", ".") for name in names if ".zh." in name}
    assert english == chinese
    assert len(english) + len(chinese) == len(names)


def test_every_section_of_a_manifest_has_its_page() -> None:
    for manifest in manifests().values():
        for section in manifest.readme:
            for lang in ("en", "zh"):
                assert (templates_folder() / manifest.id / "readme" / f"{section}.{lang}.md.j2").is_file()


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_of_an_engine_are_filled_in_and_differ(engine: str) -> None:
    layout = layout_of(engine)
    words: list[Words] = [one.cause for one in layout.troubleshoot] + [one.meaning for one in layout.watch]
    assert all(one.en.strip() and one.zh.strip() and one.en != one.zh for one in words)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_internet_the_way_in_is_described(lang: str) -> None:
    advice = served().model_copy(update={"profile": {"internet": "no"}})
    assert "./import.sh" in page(advice, lang)
    assert "--target airgap" in page(advice, lang, ["compose"])
    assert "airgap" not in page(served(), lang)


def test_candidates_out_for_one_reason_share_a_line() -> None:
    advice = served()
    out = advice.rejected[0]
    text = page(advice.model_copy(update={"rejected": (out, out.model_copy(update={"route": "managed_api"}))}))
    assert "| hosted api, managed api | Text must not leave. | `rules/route.yaml:7:5` |" in text


SHARED_MEMORY = "Shared memory is too small for NCCL"


@pytest.mark.parametrize(
    ("advice", "target", "shared", "entry"),
    [
        (served("vllm"), "compose", "`shm_size` in compose.yaml", True),
        (served("vllm"), "kubernetes", "`sizeLimit` of the volume `shm`", True),
        (spanning(), "lws", "`sizeLimit` of the volume `shm`", True),
        (served("vllm"), "kserve", "`sizeLimit` of the volume `shm`", False),
        (spanning(), "kserve", "`sizeLimit` of the volume `shm`", False),
        (served("vllm"), "helm", "`sizeLimit` of the volume `shm`", False),
        (served("vllm", cards=1, tensor_parallel=1), "helm", None, False),
        (spanning(), "kuberay", None, False),
    ],
)
def test_troubles_stand_where_they_can_happen(
    advice: Recommendation, target: str, shared: str | None, entry: bool
) -> None:
    page = render(advice, [target])["README.md"].text
    rows = [line for line in page.splitlines() if SHARED_MEMORY in line]
    assert len(rows) == (shared is not None)
    assert all(shared is not None and shared in row for row in rows)
    assert ("unrecognized arguments: serve" in page) is entry

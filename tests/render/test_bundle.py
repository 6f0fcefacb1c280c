"""Every bundle: what it always holds, and that no name in it can become syntax."""

from __future__ import annotations

import json
import shlex
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployadvisor.errors import RenderError
from deployadvisor.reasoning import Reason
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, available_targets, render
from deployadvisor.render.check import hollow
from deployadvisor.render.manifest import manifests
from tests.render.factory import ENGINES, hosted, served, tuned
from tests.render.reading import HOSTILE, engine_command, interpolated, yaml_of

ANSWERS = {
    **{engine: served(engine) for engine in ENGINES},
    "cpu": served("llama_cpp", cards=0),
    "mac": served("ollama", gpu="m3-max"),
    "tuned": tuned("vllm"),
    "lab": tuned("transformers"),
    "hosted": hosted("moonshot", "mistral"),
}
CASES = [(name, target) for name, advice in ANSWERS.items() for target in available_targets(advice)]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_answer_and_target_renders_whole(name: str, target: str, lang: str) -> None:
    advice = ANSWERS[name].model_copy(update={"lang": lang})
    bundle = render(advice, [target], {"CHECKLIST.md": "# Checklist\n"})
    assert {"README.md", "CHECKLIST.md", "advice.json", ".deployadvisor.yaml"} <= set(bundle)
    assert any(path.endswith("smoke-test.sh") for path in bundle)
    assert bundle.targets == (target,)
    assert Recommendation.model_validate_json(bundle["advice.json"].text) == advice
    for path, file in bundle.items():
        if PurePosixPath(path).suffix in (".yaml", ".json"):
            value = json.loads(file.text) if path.endswith(".json") else yaml_of(bundle, path)
            assert path == "advice.json" or not list(hollow(value))
        assert "TODO" not in file.text
        assert path == "advice.json" or "None" not in file.text.replace("-> None", "").replace("| None", "").replace(
            "is None", ""
        ).replace(" None", "")


def test_a_bundle_is_the_same_every_time() -> None:
    assert dict(render(served())) == dict(render(served()))


def test_extra_files_come_along_but_stay_inside() -> None:
    assert render(served(), extra_files={"notes/a.md": "x\n"})["notes/a.md"].text == "x\n"
    for path in ("../a.md", "/etc/passwd"):
        with pytest.raises(RenderError, match="leads out"):
            render(served(), extra_files={path: "x\n"})


def test_a_flag_the_engine_does_not_know_is_refused() -> None:
    with pytest.raises(RenderError, match=r"plan\.flags: vLLM 0\.33\.0 has no option --swap-space"):
        render(served("vllm", flags=("--swap-space", "4")))


def test_a_broken_extra_file_is_refused() -> None:
    with pytest.raises(RenderError, match=r"CHECKLIST\.md: is empty"):
        render(served(), extra_files={"CHECKLIST.md": ""})


TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40)).map(
    lambda text: "".join(sign for sign in text if sign != "\0" and not 0xD800 <= ord(sign) <= 0xDFFF) or "x"
)
hostile = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def shape(value: Any) -> Any:
    """A value without its texts."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def renamed(advice: Recommendation, text: str) -> Recommendation:
    """The answer with ``text`` wherever a user's words may stand in prose."""
    return advice.model_copy(
        update={
            "name": text,
            "title": text,
            "reasons": (Reason(rule="r", text=text, where="rules/x.yaml:1:1", source=text),),
            "warnings": (text,),
            "profile": {**advice.profile, "name": text},
        }
    )


@hostile
@given(TEXTS)
@pytest.mark.parametrize("advice", [ANSWERS["vllm"], ANSWERS["hosted"]], ids=["compose", "gateway"])
def test_names_never_become_syntax(advice: Recommendation, text: str) -> None:
    plain, bundle = render(advice), render(renamed(advice, text))
    assert set(bundle) == set(plain)
    for path in bundle:
        if path.endswith(".yaml") and path != ".deployadvisor.yaml":
            assert shape(yaml_of(bundle, path)) == shape(yaml_of(plain, path))
    assert json.loads(bundle["advice.json"].text)["name"] == text
    for path in ("smoke-test.sh", "proxy/Caddyfile", ".env.example"):
        assert bundle[path].text == plain[path].text


@hostile
@given(TEXTS)
def test_the_page_keeps_its_headings_whatever_the_name(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")

    def outline(bundle: Bundle) -> list[str]:
        tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(bundle["README.md"].text)
        return [token.tag for token in tokens if token.type in ("heading_open", "fence", "table_open", "html_block")]

    advice = ANSWERS["vllm"]
    assert outline(render(renamed(advice, text))) == outline(render(renamed(advice, "plain")))


@hostile
@given(TEXTS)
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_a_model_name_reads_back_equal_in_every_file(engine: str, text: str) -> None:
    model = f"x{text}" if text.startswith(("/", "~", ".", "-")) else text
    if model.casefold().endswith(".gguf"):
        return
    bundle = render(served(engine, model=model))
    command = engine_command(bundle)
    assert model in command
    assert command.count("--port") == 1
    services = interpolated(yaml_of(bundle, "compose.yaml"))["services"]
    assert services["fetch"]["environment"]["MODEL_ID"] == model
    script = bundle["smoke-test.sh"].text
    (word,) = shlex.split(script[script.index("\nrequest=") + len("\nrequest=") : script.index("\nwait_s=")])
    assert json.loads(word)["messages"][0]["role"] == "user"
    if engine == "transformers":
        assert json.loads(word)["model"] == model


@hostile
@given(TEXTS)
def test_a_path_reads_back_equal(text: str) -> None:
    path = f"/data/{text.replace('/', '-')}"
    services = interpolated(yaml_of(render(served("vllm", model=path)), "compose.yaml"))["services"]
    if not path.casefold().endswith(".gguf"):
        assert services["engine"]["volumes"][0]["source"] == path


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hosted_model_reads_back_equal(text: str) -> None:
    (entry,) = yaml_of(render(hosted("openai", hosted_model=text)), "litellm_config.yaml")["model_list"]
    assert entry["litellm_params"]["model"] == f"openai/{text}"


def test_every_target_names_its_validators() -> None:
    for manifest in manifests().values():
        paths = {entry.path for entry in manifest.files}
        assert {path for one in manifest.validators for path in one.files} <= paths

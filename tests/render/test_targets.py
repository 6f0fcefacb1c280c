"""Which targets suit a plan, and what is said about those that do not."""

import pytest

from deployadvisor.errors import RenderError
from deployadvisor.figures import Estimate
from deployadvisor.reasoning import Question
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import available_targets, default_targets, render
from deployadvisor.render.manifest import manifests
from tests.render.factory import ENGINES, hosted, machine, served, tuned


def sliced() -> Recommendation:
    advice = served("vllm", cards=1)
    (card,) = advice.machine.accelerators
    slices = advice.machine.model_copy(update={"accelerators": (card.model_copy(update={"kind": "mig"}),)})
    return advice.model_copy(update={"machine": slices})


SLICED = sliced()
OFFLINE = served("vllm").model_copy(update={"profile": {"internet": "no", "platform": "kubernetes"}})
UNSIZED = served("vllm").model_copy(update={"estimate": Estimate()})


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_compose(engine: str) -> None:
    assert default_targets(served(engine)) == ("compose",)


@pytest.mark.parametrize(
    ("advice", "available", "default"),
    [
        (served("ollama"), ("compose", "native", "airgap", "kubernetes", "kserve"), ("compose",)),
        (
            served("llama_cpp", cards=0),
            ("compose", "systemd", "shell", "slurm", "native", "airgap", "kubernetes", "kserve"),
            ("compose",),
        ),
        (served("transformers", cards=0), ("compose", "systemd", "shell", "slurm", "airgap"), ("compose",)),
        (served("vllm", gpu="mi300x"), ("compose", "airgap", "kubernetes", "kserve", "helm"), ("compose",)),
        (served("ollama", gpu="m3-max"), ("native",), ("native",)),
        (hosted(), ("gateway",), ("gateway",)),
        (
            tuned("vllm"),
            ("compose", "systemd", "shell", "slurm", "airgap", "kubernetes", "kserve", "helm", "tune"),
            ("compose", "tune"),
        ),
        (served("textgen"), ("compose", "native", "airgap"), ("compose",)),
        (served("vllm", nodes=2), ("slurm", "lws", "kserve", "kuberay"), ("lws",)),
        (served("sglang", nodes=2), ("slurm", "lws"), ("lws",)),
        (served("lmdeploy", nodes=2), (), ()),
        (served("lmdeploy", gpu="ascend-910b"), (), ()),
    ],
)
def test_targets_by_plan(advice: Recommendation, available: tuple[str, ...], default: tuple[str, ...]) -> None:
    assert available_targets(advice) == available
    assert default_targets(advice) == default


@pytest.mark.parametrize(
    "change",
    [
        {"profile": {"platform": "laptop"}},
        {"machine": machine("rtx-4090", 1, os="macos")},
        {"machine": machine("rtx-4090", 1, os="windows")},
    ],
)
def test_a_desktop_runs_natively(change: dict[str, object]) -> None:
    advice = served("ollama", gpu="rtx-4090").model_copy(update=change)
    assert default_targets(advice) == ("native",)


@pytest.mark.parametrize("engine", ["vllm", "lmdeploy", "sglang", "transformers", "llama_cpp"])
def test_a_machine_without_containers_gets_services(engine: str) -> None:
    advice = served(engine).model_copy(update={"profile": {"platform": "bare_metal"}})
    assert available_targets(advice)[:2] == ("systemd", "compose")
    assert default_targets(advice) == ("systemd",)


@pytest.mark.parametrize("os", ["linux", "macos"])
def test_a_cluster_is_taken_where_the_profile_names_it(os: str) -> None:
    change = {"profile": {"platform": "kubernetes"}, "machine": machine("rtx-4090", 1, os=os)}
    assert default_targets(served("ollama", gpu="rtx-4090").model_copy(update=change)) == ("kubernetes",)


def test_where_a_cluster_cannot_run_the_plan_compose_does() -> None:
    assert default_targets(served("textgen").model_copy(update={"profile": {"platform": "kubernetes"}})) == (
        "compose",
    )


def test_blocked_says_what_is_missing() -> None:
    advice = served().model_copy(update={"status": "blocked", "missing": ("a GPU", "a budget")})
    assert available_targets(advice) == ()
    with pytest.raises(RenderError, match="blocked; missing: a GPU; a budget"):
        render(advice)


def test_open_names_the_next_question() -> None:
    question = Question(fact="internet", text="May it reach the internet?")
    advice = served().model_copy(
        update={"status": "open", "possible": ("hosted_api", "lab"), "next_question": question}
    )
    with pytest.raises(RenderError, match=r"open between hosted_api, lab; next question: May it"):
        render(advice)


def test_an_unknown_target_gets_the_nearest_name() -> None:
    with pytest.raises(RenderError) as caught:
        render(served(), ["compse"])
    assert caught.value.suggestion == "compose"
    assert set(caught.value.allowed) == set(manifests())


@pytest.mark.parametrize(
    ("advice", "target", "words"),
    [
        (served("vllm"), "native", "it is for ollama, llama_cpp, textgen, and the plan uses vllm"),
        (served("vllm"), "gateway", "not a hosted provider"),
        (served("vllm"), "tune", "nothing is to be trained"),
        (hosted(), "compose", "a hosted provider, not an engine"),
        (served("ollama", gpu="m3-max"), "compose", "cannot hand apple cards"),
        (served("vllm", nodes=2), "compose", "the plan spans 2"),
        (served("vllm", nodes=2), "systemd", "the plan spans 2"),
        (served("ollama"), "shell", "it is for vllm, lmdeploy, sglang, transformers, llama_cpp"),
        (served("llama_cpp", gpu="mi300x"), "systemd", "cannot hand amd cards"),
        (
            served("vllm", cards=0),
            "shell",
            "no installation of vLLM outside a container is known for a machine without",
        ),
        (
            served("lmdeploy", gpu="v100-32g"),
            "shell",
            "for compute capability 7.5 and newer, and the cards have 7.0",
        ),
        (served("vllm", nodes=2), "kubernetes", "the plan spans 2"),
        (served("transformers"), "kubernetes", "it is for vllm, lmdeploy, sglang, llama_cpp, ollama"),
        (served("vllm", model="/data/model"), "kserve", r"the weights lie on this machine \(/data/model\)"),
        (OFFLINE, "kserve", "pods fetch their weights from the internet"),
        (UNSIZED, "kubernetes", "the size of the weights is not known"),
        (SLICED, "kubernetes", "a slice of a card"),
        (served("vllm"), "lws", "for plans over 2 machines or more, and the plan takes 1"),
        (served("vllm"), "kuberay", "for plans over 2 machines or more, and the plan takes 1"),
        (SLICED, "slurm", "a slice of a card"),
        (UNSIZED, "slurm", "the memory of the job is computed from it"),
        (served("lmdeploy", nodes=2), "slurm", "it runs lmdeploy on one machine, and the plan spans 2"),
        (served("vllm", nodes=2, replicas=2), "slurm", "it runs one copy over several machines, and the plan has 2"),
    ],
)
def test_a_target_that_does_not_suit_says_why(advice: Recommendation, target: str, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        render(advice, [target])


def test_no_target_at_all_lists_every_reason() -> None:
    with pytest.raises(RenderError, match=r"no target can run this plan: compose: .*spans 2; systemd: .*; gateway: "):
        render(served("lmdeploy", nodes=2))


def test_two_serving_targets_go_into_two_folders() -> None:
    with pytest.raises(RenderError, match="both serve"):
        render(served("ollama"), ["compose", "native"])


def test_an_empty_choice_is_refused() -> None:
    with pytest.raises(RenderError, match="no target was named"):
        render(served(), [])


def test_a_job_is_made_only_where_it_is_asked_for() -> None:
    advice = served("vllm", nodes=2).model_copy(update={"profile": {"internet": "no", "platform": "kubernetes"}})
    assert available_targets(advice) == ("slurm",)
    assert default_targets(advice) == ()
    with pytest.raises(RenderError, match="no target can run this plan") as caught:
        render(advice)
    assert caught.value.remedy == "where its name is given: slurm"
    assert render(advice, ["slurm"]).targets == ("slurm",)

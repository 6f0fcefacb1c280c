"""The job of Slurm: what it asks for, and what its engine is told."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from deployadvisor.checklist.preflight import checks_for
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import default_targets, render
from deployadvisor.render.check_slurm import check_batch_script
from deployadvisor.render.preflight import requirements
from tests.render.factory import ON_HOST, served, tuned


def script(advice: Recommendation, path: str = "serve.sbatch") -> str:
    targets = ["slurm", "tune"] if path == "tune.sbatch" else ["slurm"]
    return render(advice, targets)[path].text


def options(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH (--[\w-]+)=?(.*)$", text, re.MULTILINE))


def test_a_cluster_that_the_profile_names_gets_a_job() -> None:
    assert default_targets(served().model_copy(update={"profile": {"platform": "slurm"}})) == ("slurm",)


def test_it_asks_for_what_the_plan_needs() -> None:
    asked = options(script(served("vllm")))
    # 15.3 GiB of weights, 4 GiB a card and 2 GiB of shared memory a card, rounded up; a core a card beside two.
    assert (asked["--gres"], asked["--mem"], asked["--cpus-per-task"]) == ("gpu:2", "32G", "4")
    assert (asked["--nodes"], asked["--ntasks"], asked["--signal"]) == ("1", "1", "B:USR1@120")


def test_two_replicas_need_twice_as_much_and_share_the_cards() -> None:
    text = script(served(cards=4, tensor_parallel=2, replicas=2))
    asked = options(text)
    assert (asked["--gres"], asked["--mem"], asked["--cpus-per-task"]) == ("gpu:4", "64G", "8")
    assert re.findall(r"cards\[\*\]:(\d):(\d)", text) == [("0", "2"), ("2", "2")]


@pytest.mark.parametrize("engine", ON_HOST)
def test_an_engine_without_a_key_of_its_own_shares_its_node_with_nobody(engine: str) -> None:
    shares = engine in ("vllm", "llama_cpp")
    assert ("--exclusive" not in options(script(served(engine)))) is shares


def test_a_model_on_the_processor_takes_the_node() -> None:
    asked = options(script(served("llama_cpp", cards=0)))
    assert "--exclusive" in asked
    assert "--gres" not in asked


@pytest.mark.parametrize("engine", ON_HOST)
def test_ports_are_chosen_on_the_node_and_loopback_is_asked_for(engine: str) -> None:
    bundle = render(served(engine), ["slurm"])
    text = bundle["serve.sbatch"].text
    arguments = text.partition("arguments=(\n")[2].partition("\n)")[0].split()
    assert arguments[arguments.index('"$port_1"') - 1] in ("--port", "--server-port")
    hosts = [value for flag, value in pairwise(arguments) if flag in ("--host", "--server-name")]
    assert hosts == ["127.0.0.1"]
    assert "reverse_proxy {$ENGINE_1} {" in bundle["proxy/Caddyfile"].text


def test_a_number_that_only_looks_like_the_port_stays() -> None:
    advice = served("vllm")
    plan = advice.plan.model_copy(update={"flags": ("--max-model-len", "8000")})
    text = script(advice.model_copy(update={"plan": plan}))
    assert "--max-model-len\n  8000\n" in text
    assert text.count('\n  "$port_1"\n') == 1


def test_the_scheduler_says_which_cards_are_used() -> None:
    text = script(served("vllm", used=(2, 3), machine_cards=4))
    assert re.findall(r"CUDA_VISIBLE_DEVICES=\S+", text) == ['CUDA_VISIBLE_DEVICES="$(IFS=,;']


def test_the_installation_does_not_look_for_a_card_where_there_is_none() -> None:
    assert "--torch-backend=cu130" in render(served(), ["slurm"])["setup.sh"].text
    assert "--torch-backend=auto" in render(served(), ["shell"])["setup.sh"].text


def test_training_is_a_job_too() -> None:
    text = script(tuned("vllm"), "tune.sbatch")
    assert options(text)["--gres"] == "gpu:2"
    assert "accelerate launch --num_processes 2 train.py" in text
    assert "tune.sbatch" not in render(served(), ["slurm"])
    assert "./submit.sh tune.sbatch" in render(tuned(), ["slurm", "tune"])["README.md"].text


GOOD = """\
#!/usr/bin/env bash
#SBATCH --job-name=bot
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --gres=gpu:2
#SBATCH --signal=B:USR1@120
#SBATCH --output=logs/serve-%j.log
# a comment
set -euo pipefail
true
"""


def test_a_good_job_passes() -> None:
    assert list(check_batch_script(GOOD, 2)) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("true\n", "true\n#SBATCH --requeue\n", "#SBATCH --requeue stands after the first command"),
        ("--mem=32G", "--memory=32G", "sbatch has no option --memory"),
        ("--mem=32G", "--mem=32GiB", "--mem=32GiB is not a value of that option"),
        ("--mem=32G", "--mem=0G", "--mem=0G is not a value"),
        ("#SBATCH --mem=32G\n", "", "--mem is missing"),
        ("--gres=gpu:2", "--gres=gpu:3", "--gres asks for 3 cards, and the plan has 2"),
        ("#SBATCH --gres=gpu:2\n", "", "--gres asks for 0 cards, and the plan has 2"),
        ("--nodes=1", "--nodes=1\n#SBATCH --nodes=2", "--nodes stands twice"),
        ("logs/serve-%j.log", "serve.log", "--output=serve.log is not a value"),
    ],
)
def test_what_sbatch_lets_through_is_found(old: str, new: str, words: str) -> None:
    assert any(problem.startswith(words) for problem in check_batch_script(GOOD.replace(old, new), 2))


def test_preflight_asks_the_login_node_for_nothing_that_only_the_job_needs() -> None:
    needs = requirements(served("vllm"), ["slurm"])
    assert needs is not None
    asked = set(checks_for(needs))
    assert {"programs", "disk", "hub", "proxy"} <= asked
    assert not {"driver", "cards", "gpu-memory", "open-files", "shared-memory"} & asked
    assert {"sbatch", "ssh"} <= set(needs.programs)
    assert [port.number for port in needs.ports] == [8080]
    assert needs.settings_made_by == "setup.sh"

"""The job of Slurm: what it asks for, and what its engine is told."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise

import pytest

from deployadvisor.catalog.engines import engines, known_flags
from deployadvisor.checklist.preflight import checks_for
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import available_targets, default_targets, render
from deployadvisor.render.check_slurm import RANK, check_batch_script, check_step
from deployadvisor.render.kubernetes_sizes import sizes_of
from deployadvisor.render.preflight import requirements
from tests.render.factory import ON_HOST, served, tuned
from tests.render.nodes import spanning
from tests.render.reading import HOSTILE


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
        ("--nodes=1", "--nodes=2", "--nodes asks for 2, and the plan has 1"),
        ("--ntasks=1", "--ntasks=2", "--ntasks is not 1"),
        ("--ntasks=1", "--ntasks-per-node=2", "--ntasks-per-node=2 is not a value"),
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


# Several nodes

SPANNING = ("vllm", "sglang")


def arguments(text: str) -> list[str]:
    return text.partition("arguments=(\n")[2].partition("\n)")[0].split()


@pytest.mark.parametrize("engine", SPANNING)
def test_over_several_nodes_it_asks_for_the_same_on_each(engine: str) -> None:
    for nodes, each in ((2, 8), (4, 4), (3, 1)):
        advice = spanning(engine, nodes=nodes, each=each)
        asked = options(script(advice))
        sizes = sizes_of(advice, engines()[engine])
        assert (asked["--nodes"], asked["--ntasks-per-node"], asked["--gres"]) == (str(nodes), "1", f"gpu:{each}")
        assert (asked["--mem"], asked["--cpus-per-task"]) == (f"{sizes.memory_gib}G", str(sizes.cores))
        assert f"--gres=gpu:$kind:{each}" in render(advice, ["slurm"])["submit.sh"].text
        assert ("--exclusive" in asked) is (engine == "sglang")


@pytest.mark.parametrize("engine", SPANNING)
def test_all_nodes_are_told_the_same_and_each_its_number(engine: str) -> None:
    bundle = render(spanning(engine, nodes=3), ["slurm"])
    text, rank = bundle["serve.sbatch"].text, bundle["engine/rank.sh"].text
    words = dict(pairwise(arguments(text)))
    assert words["--nnodes"] == "3"
    assert words["--host"] == "127.0.0.1"
    where = {"vllm": ("--master-addr", '"$leader"'), "sglang": ("--dist-init-addr", '"$leader:$rendezvous"')}
    assert words[where[engine][0]] == where[engine][1]
    assert {word for word in words if word.startswith("--")} <= known_flags(engine)
    assert '"${arguments[@]}" --node-rank 0\n' in text
    assert '"$@" --node-rank "$rank"' in rank
    assert ("--headless" in rank) is (engine == "vllm")
    assert "--headless" not in text


def test_the_address_of_a_node_takes_the_place_of_loopback() -> None:
    alone, both = script(served("vllm")), script(spanning("vllm"))
    assert "VLLM_HOST_IP=127.0.0.1" in alone
    assert "VLLM_HOST_IP=127.0.0.1" not in both
    assert 'VLLM_HOST_IP="$leader"' in both
    assert 'VLLM_HOST_IP="$own"' in render(spanning("vllm"), ["slurm"])["engine/rank.sh"].text


def test_one_node_has_no_part_for_others() -> None:
    bundle = render(served("vllm"), ["slurm"])
    assert "engine/rank.sh" not in bundle
    assert "srun" not in bundle["serve.sbatch"].text
    assert "NETWORK_INTERFACE" not in bundle[".env.example"].text
    assert "NETWORK_INTERFACE=ib0" in render(spanning("vllm"), ["slurm"])[".env.example"].text


def test_training_takes_one_of_the_nodes() -> None:
    advice = spanning("vllm").model_copy(update={"profile": {"customization": "adapter"}})
    text = render(advice, ["slurm", "tune"])["tune.sbatch"].text
    assert (options(text)["--nodes"], options(text)["--gres"]) == ("1", "gpu:8")
    assert "--num_processes 8 train.py" in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_tells_of_the_shared_folder_the_open_network_and_every_log(lang: str) -> None:
    page = render(spanning("vllm").model_copy(update={"lang": lang}), ["slurm"])["README.md"].text
    for words in ('srun --nodes=2 --ntasks-per-node=1 ls -d "$PWD"', "engine-1-rank-*.log", "NETWORK_INTERFACE"):
        assert words in page
    assert {"en": "neither encrypted nor protected by a key", "zh": "既不加密也没有密钥"}[lang] in page


def test_who_may_use_several_nodes() -> None:
    advice = spanning("vllm")
    assert "slurm" in available_targets(advice)
    assert default_targets(advice) == ("lws",)
    assert default_targets(advice.model_copy(update={"profile": {"platform": "slurm"}})) == ("slurm",)
    with pytest.raises(RenderError, match="it runs lmdeploy on one machine, and the plan spans 2"):
        render(served("lmdeploy", cards=16, nodes=2), ["slurm"])
    copies = spanning("vllm", nodes=2, each=8, replicas=2)
    with pytest.raises(RenderError, match="it runs one copy over several machines, and the plan has 2"):
        render(copies, ["slurm"])


FAULTS_OF_GROUPS: dict[str, tuple[str, str, str]] = {
    "relative": ("--relative=1", "--relative=0", "srun has --relative=0 and needs 1"),
    "all of them": ("--nodes=1 --ntasks=1", "--nodes=2 --ntasks=1", "srun has --nodes=2 and needs 1"),
    "outlives": (" --kill-on-bad-exit=1", "", "srun has --kill-on-bad-exit=None and needs 1"),
    "cards": ("--gres=gpu:8 --mpi", "--gres=gpu:4 --mpi", "srun has --gres=gpu:4 and needs gpu:8"),
    "key": ("--relative=1", '--relative=1 env API_KEY="$key"', "a step would carry the key to the other nodes"),
    "nodes": ("--nnodes\n  2", "--nnodes\n  4", "the engine is told of 4 nodes instead of 2"),
    "leader": ('"$leader"\n  --master-port', "127.0.0.1\n  --master-port", "not told where the first node is"),
    "silent": ("--nnodes\n", "--headless\n  --nnodes\n", "--headless is told to all nodes"),
    "first": ("--node-rank 0\n", "--node-rank 1\n", "not told that it is the first"),
    "nobody": ("engine/rank.sh", "engine/other.sh", "0 steps start the other nodes"),
    "rank": ('--node-rank "$rank"', "--node-rank 1", "a node is not told which one it is"),
    "talks": (" --headless", "", "the other nodes would answer requests"),
    "asks": ("set -euo pipefail", 'key=$(sed -n "s/^API_KEY=//p" .env)', "answer nobody and need no key"),
}


@pytest.mark.parametrize("fault", FAULTS_OF_GROUPS)
def test_a_group_that_would_not_come_together_is_found(fault: str) -> None:
    advice, (old, new, words) = spanning("vllm"), FAULTS_OF_GROUPS[fault]
    bundle = render(advice, ["slurm"])
    files = {path: bundle[path].text for path in ("serve.sbatch", RANK)}
    assert list(check_step(files["serve.sbatch"], files[RANK], engines()["vllm"], advice.plan)) == []
    place = RANK if fault in ("rank", "talks", "asks") else "serve.sbatch"
    assert old in files[place]
    files[place] = files[place].replace(old, new)
    found = list(check_step(files["serve.sbatch"], files[RANK], engines()["vllm"], advice.plan))
    assert any(path == place and words in problem for path, problem in found), found


ODD = ("\n)\n'", "x\nsrun engine/rank.sh '", "arguments=(\n", "\n--node-rank 0\n")


@pytest.mark.parametrize("text", [*HOSTILE, *ODD])
def test_a_hostile_model_stays_one_word_on_every_node(text: str) -> None:
    advice = spanning("vllm", model=f"a/{text}")
    try:
        bundle = render(advice, ["slurm"])
    except RenderError:
        assert text in ODD
        return
    words = bundle["serve.sbatch"].text.partition("arguments=(\n")[2].rpartition("\n)\n")[0]
    assert f"a/{text}" in shlex.split(words)
    assert bundle["engine/rank.sh"] == render(spanning("vllm"), ["slurm"])["engine/rank.sh"]

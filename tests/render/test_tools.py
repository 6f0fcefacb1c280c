"""The real tools accept what is rendered; each is one call over all bundles."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor.catalog.providers import providers
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.artefacts import dump
from deployadvisor.render.bundle import available_targets, render
from tests.render import powershell
from tests.render.factory import ENGINES, hosted, on_system, served, tuned

pytestmark = [pytest.mark.slow, pytest.mark.tool]

CLOSED_CLUSTER = {"internet": "no", "platform": "kubernetes"}
ANSWERS: dict[str, Recommendation] = {
    **{engine: served(engine) for engine in ENGINES},
    **{f"tuned-{engine}": tuned(engine) for engine in ("vllm", "lmdeploy", "sglang", "transformers")},
    **{f"cpu-{engine}": served(engine, cards=0) for engine in ("ollama", "llama_cpp", "textgen")},
    **{f"amd-{engine}": served(engine, gpu="mi300x") for engine in ("vllm", "ollama", "llama_cpp", "textgen")},
    **{f"hosted-{provider}": hosted(provider, "deepseek") for provider in providers() if provider != "deepseek"},
    **{
        f"closed-{engine}": served(engine).model_copy(update={"profile": CLOSED_CLUSTER})
        for engine in ("vllm", "llama_cpp", "ollama")
    },
    "mac": served("ollama", gpu="m3-max"),
    "local": served("vllm", model="/data/it's a $model"),
    "file": served("llama_cpp", model="/data/it's a $model.gguf"),
    "replicas": served("vllm", cards=4, tensor_parallel=2, replicas=2),
    "home": served("vllm", model="/home/me/50% of $it's"),
    "bare-cpu": served("transformers", cards=0),
    **{f"windows-{engine}": on_system("windows", served(engine)) for engine in ("ollama", "llama_cpp")},
    "windows-file": on_system("windows", served("llama_cpp", model="/data/it's “a” $model.gguf", cards=0)),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundles")
    for name, advice in ANSWERS.items():
        for target in available_targets(advice):
            render(advice, [target]).write(root / name / target)
    for engine in ("vllm", "lmdeploy", "sglang", "transformers"):
        render(tuned(engine)).write(root / f"both-{engine}")
    return root


def different(paths: Iterable[Path], shape: Callable[[str], str] = str) -> list[Path]:
    """One file of each content, or of each shape."""
    return list({shape(path.read_text(encoding="utf-8")): path for path in sorted(paths)}.values())


def without_values(text: str) -> str:
    """A script without what differs from answer to answer: words in quotes, and words with a digit."""
    return re.sub(r"'[^']*'|[\w./:@+-]*\d[\w./:@+-]*", "0", text)


def tool(name: str) -> str:
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr


def run_over(files: Sequence[Path], *command: str, **environment: str) -> None:
    """Hand the files to the tool, as many at once as a command line takes."""
    for start in range(0, len(files), 1_000):
        run(*command, *files[start : start + 1_000], **environment)


def test_compose_files_meet_the_compose_schema(folders: Path) -> None:
    files = different(folders.rglob("compose*.yaml"))
    assert len(files) > 30
    run_over(files, tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec")


def test_shellcheck_finds_nothing(folders: Path) -> None:
    scripts = different([*folders.rglob("*.sh"), *folders.rglob("*.sbatch")], without_values)
    assert len(scripts) > 30
    # SC2016 wonders whether a "$" in single quotes is meant: in a name of the user's it is.
    run_over(scripts, tool("shellcheck"), "--exclude", "SC2016")


def test_python_files_compile(folders: Path, tmp_path: Path) -> None:
    files = different(folders.rglob("*.py"))
    assert len(files) > 20
    run_over(files, sys.executable, "-m", "py_compile", PYTHONPYCACHEPREFIX=str(tmp_path))


def test_python_files_are_clean(folders: Path) -> None:
    rules = "E,F,I,UP,B"
    run(tool("ruff"), "check", "--isolated", "--select", rules, "--line-length", "120", folders)


def test_node_reads_every_client(folders: Path) -> None:
    node = tool("node")
    scripts = different(folders.rglob("*.mjs"))
    assert len(scripts) > 5
    for path in scripts:
        run(node, "--check", path)


def test_a_parser_of_powershell_reads_every_script(folders: Path) -> None:
    scripts = different(folders.rglob("*.ps1"))
    assert len(scripts) > 5
    broken = {path: found for path in scripts if (found := powershell.errors(path.read_text(encoding="ascii")))}
    assert not broken


def test_kubernetes_schemas_accept_every_manifest(folders: Path) -> None:
    # Files of Kustomize, KEDA and the Prometheus operator are no part of Kubernetes; a patch is no whole object.
    others = ("kustomization.yaml", "placement.yaml", "scaling-keda.yaml", "pod-monitor.yaml", "alert-rules.yaml")
    files = [path for path in different(folders.glob("*/kubernetes/kubernetes/*.yaml")) if path.name not in others]
    assert len(files) > 30
    run_over(files, tool("kubernetes-validate"), "--strict")


def test_caddy_accepts_every_proxy(folders: Path) -> None:
    caddy = tool("caddy")
    proxies = different(folders.rglob("Caddyfile"))
    assert len(proxies) > 8
    for path in proxies:
        run(caddy, "validate", "--adapter", "caddyfile", "--config", path, API_KEY="x", DOMAIN="llm.example.org")


def test_nginx_accepts_every_proxy(tmp_path: Path) -> None:
    nginx, openssl = tool("nginx"), tool("openssl")
    answers = {name: one for name, one in ANSWERS.items() if {"compose", "gateway"} & set(available_targets(one))}
    texts = {}
    for name, advice in answers.items():
        target = next(one for one in available_targets(advice) if one in ("compose", "gateway"))
        render(advice, [target], proxy="nginx").write(tmp_path / name)
        texts[(tmp_path / name / "proxy" / "nginx.conf").read_text(encoding="utf-8")] = tmp_path / name / "proxy"
    assert len(texts) > 6
    pair = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "fullchain.pem"]
    run(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", *pair)
    (tmp_path / "run").mkdir()
    for folder in texts.values():
        for name in ("key.pem", "fullchain.pem"):
            shutil.copy(tmp_path / name, folder / "tls")
        places = {"/tmp/nginx": str(tmp_path / "run"), "/etc/nginx": str(folder)}
        for path in (folder / "nginx.conf", folder / "start.sh", folder / "tls" / "listen.conf"):
            text = path.read_text(encoding="utf-8").replace("exec nginx", f"exec {nginx} -t -q")
            for old, new in places.items():
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
        run("sh", folder / "start.sh", API_KEY="a.b+c/d=")


PROGRAMS = re.compile(r"(?<=[:+ =])/(?:opt|usr/bin)/\S+")


def installed(bundle: Path, folder: Path) -> list[Path]:
    """The units as install.sh names them, each program replaced by one that every machine has."""
    project = "support-bot"
    made = []
    for unit in sorted((bundle / "units").iterdir()):
        name = f"{project}.target" if unit.suffix == ".target" else f"{project}-{unit.name}"
        lines = unit.read_text(encoding="utf-8").split("\n")
        text = "\n".join(PROGRAMS.sub("/bin/true", line) if line.startswith("Exec") else line for line in lines)
        (folder / name).write_text(text, encoding="utf-8")
        made.append(folder / name)
    return made


def test_systemd_knows_every_directive(folders: Path, tmp_path: Path) -> None:
    analyze, bundles = tool("systemd-analyze"), sorted(folders.glob("*/systemd"))
    assert len(bundles) > 8
    for bundle in bundles:
        folder = tmp_path / bundle.parent.name
        folder.mkdir()
        # Without the last option a directive that systemd skips is only warned about.
        run(analyze, "verify", "--man=no", "--recursive-errors=no", *installed(bundle, folder))


def test_systemd_finds_the_services_confined(folders: Path, tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    units = [unit for path in folders.glob("*/systemd/units") for unit in path.iterdir() if unit.suffix == ".service"]
    for number, unit in enumerate(different(units, without_values)):
        (tmp_path / str(number)).mkdir()
        copy = tmp_path / str(number) / unit.name
        copy.write_text(unit.read_text(encoding="utf-8"), encoding="utf-8")
        limit = "13" if "proxy" in unit.name else "21"
        run(analyze, "security", "--offline=true", "--no-pager", f"--threshold={limit}", copy)


def test_yamllint_finds_no_duplicate_key(folders: Path) -> None:
    run_over(
        different(folders.rglob("*.yaml"), without_values),
        tool("yamllint"),
        "-s",
        "-d",
        "{rules: {key-duplicates: enable}}",
    )


def test_promtool_accepts_every_configuration_and_rule(folders: Path) -> None:
    promtool = tool("promtool")
    configurations = different(folders.rglob("prometheus.yaml"))
    assert len(configurations) > 5
    run_over(configurations, promtool, "check", "config", "--syntax-only")
    run_over(different(folders.rglob("alerts.yaml")), promtool, "check", "rules")


def test_promtool_accepts_the_rules_inside_a_prometheus_rule(folders: Path, tmp_path: Path) -> None:
    promtool, files = tool("promtool"), different(folders.rglob("alert-rules.yaml"))
    assert len(files) > 3
    for number, path in enumerate(files):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        (tmp_path / f"{number}.yaml").write_text(dump(spec, ".yaml"), encoding="utf-8")
    run(promtool, "check", "rules", *sorted(tmp_path.glob("*.yaml")))


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    promtool = tool("promtool")
    advice = served("vllm")
    advice = advice.model_copy(update={"profile": {**advice.profile, "ttft_ms": 800, "tpot_ms": 50}})
    render(advice).write(tmp_path / "bundle")
    cases = {"rule_files": ["bundle/monitoring/alerts.yaml"], "evaluation_interval": "1m", "tests": [_calm(), _bad()]}
    (tmp_path / "test.yaml").write_text(dump(cases, ".yaml"), encoding="utf-8")
    run(promtool, "test", "rules", tmp_path / "test.yaml")


LABELS = 'job="engine",instance="engine:8000"'
SERIES = {
    # calm, bad: expanding notation of promtool over half an hour
    f"up{{{LABELS}}}": ("1x30", "0x30"),
    f"vllm:num_requests_waiting{{{LABELS}}}": ("8x30", "9x30"),
    f"vllm:kv_cache_usage_perc{{{LABELS}}}": ("0.9x30", "0.97x30"),
    f"vllm:num_preemptions_total{{{LABELS}}}": ("5x30", "0+1x30"),
    f'vllm:request_success_total{{{LABELS},finished_reason="error"}}': ("0+1x30", "0+10x30"),
    f'vllm:request_success_total{{{LABELS},finished_reason="stop"}}': ("0+90x30", "0+90x30"),
    f'vllm:time_to_first_token_seconds_bucket{{{LABELS},le="0.5"}}': ("0+99x30", "0+10x30"),
    f'vllm:time_to_first_token_seconds_bucket{{{LABELS},le="2.5"}}': ("0+100x30", "0+100x30"),
    f'vllm:time_to_first_token_seconds_bucket{{{LABELS},le="+Inf"}}': ("0+100x30", "0+100x30"),
    f'vllm:inter_token_latency_seconds_bucket{{{LABELS},le="0.025"}}': ("0+99x30", "0+10x30"),
    f'vllm:inter_token_latency_seconds_bucket{{{LABELS},le="0.1"}}': ("0+100x30", "0+100x30"),
    f'vllm:inter_token_latency_seconds_bucket{{{LABELS},le="+Inf"}}': ("0+100x30", "0+100x30"),
}
ALERTS = 7
"""All of them, one of a kind."""


def _calm() -> dict[str, Any]:
    return _case(0, 'count(ALERTS{alertstate="firing"})', [])


def _bad() -> dict[str, Any]:
    return _case(1, 'count(ALERTS{alertstate="firing"})', [{"labels": "{}", "value": ALERTS}])


def _case(column: int, expr: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    series = [{"series": name, "values": values[column]} for name, values in SERIES.items()]
    asked = {"expr": expr, "eval_time": "28m", "exp_samples": samples}
    return {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}

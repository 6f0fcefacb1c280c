"""What is logged, and for how long: as the duties of the answer say, and never a prompt."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.advise import recommend
from deployadvisor.catalog.engines import known_flags
from deployadvisor.catalog.regulations import obligations
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Duty, Recommendation
from deployadvisor.render.bundle import render
from deployadvisor.render.logs import Logs, check_log_flags, log_table
from deployadvisor.render.targets import select
from deployadvisor.render.view import View
from tests.render.factory import hosted, served
from tests.render.proxy_at_work import KEY, at_work


def duty(name: str, condition: str | None = None) -> Duty:
    found = next(one for one in obligations() if one.id == name)
    return Duty(
        id=name,
        regulation=found.trigger.regulations[0],
        text=found.text,
        effect=found.effect,
        condition=condition,
        citation=found.citation,
        source=", ".join(found.source),
        checked_on=str(found.checked_on),
    )


def under(*names: str, conditional: tuple[str, ...] = (), **profile: Any) -> Recommendation:
    duties = (*map(duty, names), *(duty(name, "you say so") for name in conditional))
    return served("vllm").model_copy(update={"obligations": duties, "profile": profile})


def logs(advice: Recommendation) -> Logs:
    return Logs(View(advice, select(advice, ["compose"])))


@pytest.mark.parametrize(
    ("advice", "policy", "days"),
    [
        (under(), "redact", 30),
        (under(purpose="personal"), "none", 30),
        (under(purpose="prototype", data_sensitivity="restricted"), "redact", 30),
        (under("gdpr-minimise"), "redact", 30),
        (under("gdpr-minimise", purpose="personal"), "redact", 30),
        (under("hipaa-audit"), "retain", 30),
        (under("mlps-logs"), "retain", 180),
        (under("mlps-logs", "pci-logs"), "retain", 365),
        (under("mlps-logs", "cn-genai-minlog"), "retain", 180),
        (under(conditional=("finra-records",)), "redact", 30),
        (under("finra-records"), "retain", 6 * 365),
    ],
)
def test_duties_decide(advice: Recommendation, policy: str, days: int) -> None:
    found = logs(advice)
    assert (found.policy, found.days) == (policy, days)


@pytest.mark.parametrize("regulation", ["gdpr", "hipaa", "mlps", "pci_dss"])
def test_a_real_answer_has_its_duties_on_the_page(regulation: str) -> None:
    advice = recommend(
        data_sensitivity="restricted",
        regulations=[regulation],
        data_region="cn",
        hardware="1x H100",
        platform="docker",
    )
    page = render(advice)["README.md"].text
    section = page.split("## Logs")[1].split("\n## ")[0]
    cited = [one for one in advice.obligations if one.effect in ("log", "minimise_log")]
    assert cited
    assert all(one.citation.split("(")[0].strip() in section.replace("\\", "") for one in cited)


def test_unknown_duties_are_not_cited() -> None:
    invented = duty("mlps-logs").model_copy(update={"id": "invented", "citation": "Art. 99"})
    advice = served("vllm").model_copy(update={"obligations": (invented,)})
    assert logs(advice).policy == "redact"
    assert "Art. 99" not in render(advice)["README.md"].text.split("## Logs")[1].split("\n## ")[0]


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_without_a_policy_nothing_is_logged_or_kept(proxy: str) -> None:
    bundle = render(under(purpose="personal"), ["compose"], proxy=proxy)
    text = bundle["proxy/Caddyfile" if proxy == "caddy" else "proxy/nginx.conf"].text
    assert ("output stdout" in text, "log_format" in text, "keep-logs.sh" in bundle) == (False, False, False)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("advice", [served("vllm"), hosted("openai"), served("ollama", gpu="m3-max")])
def test_every_page_says_what_is_logged(advice: Recommendation, lang: str) -> None:
    page = render(advice.model_copy(update={"lang": lang}))["README.md"].text
    assert {"en": "\n## Logs\n", "zh": "\n## 日志\n"}[lang] in page


def test_options_that_log_prompts_exist_and_are_refused() -> None:
    for engine, options in log_table().prompts.items():
        assert set(options) <= set(known_flags(engine))
        assert list(check_log_flags(engine, ["serve", f"{options[0]}=1"])) == [f"{options[0]}=1 would log prompts"]
    with pytest.raises(RenderError, match="--enable-log-requests would log prompts"):
        render(served("vllm", flags=("--enable-log-requests",)))


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
@pytest.mark.parametrize("duties", [(), ("mlps-logs",)])
def test_a_line_says_who_and_what_but_no_secret(tmp_path: Path, proxy: str, duties: tuple[str, ...]) -> None:
    with at_work(under(*duties), proxy, tmp_path / "bundle") as service:
        assert service.ask("/v1/models?user=alice", key=KEY).status == 200
        assert service.ask("/v1/chat/completions", method="POST", body=b'{"prompt": "my secret"}').status == 200
        assert service.ask("/v1/models?user=bob", key="wrong-key").status == 401
    text = (tmp_path / "bundle" / "run" / "log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    asked = [one for one in lines if "time" in one or one.get("msg") == "handled request"]
    paths = [one.get("path") or one["request"]["uri"] for one in asked]
    assert paths.count("/v1/models") == 2
    assert paths.count("/v1/chat/completions") == 1
    assert (
        "127.0.0.1" in json.dumps([{**one, "request": {**one.get("request", {}), "host": ""}} for one in asked])
    ) == bool(duties)
    for secret in (KEY, "wrong-key", "alice", "bob", "my secret"):
        assert secret not in text


@pytest.mark.slow
@pytest.mark.tool
def test_lines_are_kept_once_and_old_ones_go(tmp_path: Path) -> None:
    if shutil.which("gzip") is None:
        pytest.skip("gzip is not installed")
    folder = tmp_path / "it's here"
    render(under("mlps-logs")).write(folder)
    programs = tmp_path / "bin"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    old = folder / "logs" / "access-2020.jsonl.gz"
    old.parent.mkdir()
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run([folder / "keep-logs.sh"], check=True, env=environment, capture_output=True)
    kept = sorted((folder / "logs").glob("access-*.jsonl.gz"))
    until = (folder / "logs" / "kept-until").read_text(encoding="utf-8").strip()
    assert not old.exists()
    assert kept
    assert f"--until {until} proxy" in gzip.decompress(kept[-1].read_bytes()).decode()
    assert oct(kept[-1].stat().st_mode & 0o777) == "0o600"
    assert "days=180" in (folder / "keep-logs.sh").read_text(encoding="utf-8")

"""``deployadvisor rules check``: the summary, findings a line each, exit codes, JSON."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from deployadvisor.resources import rules_folder
from deployadvisor.surfaces.cli import main


def broken(folder: Path) -> Path:
    """A copy of the shipped rules in which an air-gapped service may be sent to a provider."""
    shutil.copytree(rules_folder(), folder)
    path = folder / "route.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    unless: {internet: yes}\n", "    unless: {internet: no}\n"), encoding="utf-8")
    return folder


def test_a_broken_promise_is_told_with_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--rules", str(broken(tmp_path / "rules"))]) == 1
    *lines, summary = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if "air-gapped-is-never-hosted" in line)
    assert re.match(r".*properties\.yaml:\d+:5: DA009 error: air-gapped-is-never-hosted: .* can win; e\.g\. ", line)
    assert "internet=no" in line
    assert re.match(r"\d+ errors, \d+ warnings, \d+ accepted; \d+ properties over all profiles \(.+\)", summary)


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--json", "--rules", str(broken(tmp_path / "rules"))]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {"issues", "accepted", "profiles", "nodes", "properties", "seconds"} == set(report)
    issue = next(issue for issue in report["issues"] if issue["about"] == "air-gapped-is-never-hosted")
    assert (issue["code"], issue["severity"], issue["ruleset"], issue["after"]) == ("DA009", "error", "route", None)
    assert issue["witness"]["internet"] == "no"
    assert all(entry["reason"] for entry in report["accepted"])


def test_accepted_warnings_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["rules", "check"])
    assert "accepted:" not in capsys.readouterr().out
    main(["rules", "check", "--all"])
    lines = capsys.readouterr().out.splitlines()
    place = next(at for at, line in enumerate(lines) if "DA005 warning: tune-then-serve-in-private" in line)
    assert lines[place + 1].startswith("  accepted: It decides nothing")


def test_rules_that_do_not_load_are_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--rules", str(tmp_path / "gone")]) == 2
    assert "no such rules folder" in capsys.readouterr().err


def test_an_overlay_is_shown_which_promises_it_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    overlay = Path(__file__).parents[2] / "docs/examples/overlays/managed-fleet.yaml"
    assert main(["rules", "check", "--overlay", str(overlay)]) == 1
    out = capsys.readouterr().out
    assert "small-open-services-stay-hosted" in out
    assert "DA013 error: no text in zh" not in out

"""``--overlay``: on every command that decides or shows rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployadvisor.surfaces.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
PROFILE = str(ROOT / "docs/examples/idle-gpu.yaml")
FLEET = str(ROOT / "docs/examples/overlays/managed-fleet.yaml")
LMDEPLOY = str(ROOT / "docs/examples/overlays/lmdeploy-first.yaml")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_recommend_lays_overlays_over_the_rules_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "recommend", PROFILE, "--overlay", FLEET, "--overlay", LMDEPLOY, "--json")
    advice = json.loads(out)
    assert (code, advice["route"], advice["engine"]) == (0, "private_engine", "lmdeploy")
    assert advice["ruleset"]["overlays"] == ["managed-fleet", "lmdeploy-first"]


def test_the_terminal_names_the_line_of_the_overlay(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "recommend", PROFILE, "--overlay", FLEET)
    assert "docs/examples/overlays/managed-fleet.yaml:" in out


def test_checklist(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "checklist", PROFILE, "--overlay", FLEET, "--json")
    assert (code, json.loads(out)["route"]) == (0, "private_engine")


def test_render_a_profile(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "render", PROFILE, "--overlay", FLEET, "--out", str(tmp_path / "deploy"))[0] == 0
    advice = json.loads((tmp_path / "deploy" / "advice.json").read_text())
    assert (advice["route"], advice["ruleset"]["overlays"]) == ("private_engine", ["managed-fleet"])


def test_render_refuses_an_overlay_over_a_saved_answer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "advice.json"
    saved.write_text(run(capsys, "recommend", PROFILE, "--json")[1])
    code, _, err = run(capsys, "render", str(saved), "--overlay", FLEET, "--out", str(tmp_path / "deploy"))
    assert code == 2
    assert err == f"{saved}:1:1: error: a saved answer has been decided; an overlay goes with a profile or a folder\n"
    assert not (tmp_path / "deploy").exists()


def test_rules_show_lists_the_changes_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "show", "acme-laptops-are-not-managed", "--overlay", FLEET)
    assert code == 0
    head, rule = out.split("\n\n")
    assert "removed constraint restricted-text-on-rented-machines" in head
    assert "The framework contract of 2026" in head
    assert rule.startswith("acme-laptops-are-not-managed   docs/examples/overlays/managed-fleet.yaml:")


def test_rules_test_runs_the_tests_of_the_overlay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(
        'name: acme\nextends: {ruleset: route, version: ">=1.0,<99"}\nconstraints:\n'
        "  - {id: no-lab, add: yes, forbid: lab, when: {purpose: prototype}, because: Policy.,\n"
        "     tests: [{given: {purpose: evaluation}, applies: yes}]}\n"
    )
    code, out, _ = run(capsys, "rules", "test", "--overlay", str(path))
    assert code == 1
    failure = out.splitlines()[0]
    assert failure.startswith(f"{path}:5:14: ")
    assert "no-lab: expected that it applies" in failure
    assert run(capsys, "rules", "test", "--overlay", FLEET)[0] == 0


@pytest.mark.parametrize(
    "command", [("recommend", PROFILE), ("checklist", PROFILE), ("rules", "show"), ("rules", "test")]
)
def test_an_overlay_that_does_not_load_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text("name: acme\nextends: {ruleset: rout, version: '>=1.0'}\n")
    code, out, err = run(capsys, *command, "--overlay", str(path))
    assert (code, out) == (2, "")
    assert err == f'{path}:2:20: error: no ruleset "rout"; did you mean "route"?\n'
    assert run(capsys, *command, "--overlay", str(path), "--json")[0] == 2

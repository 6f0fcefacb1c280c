"""``rules diff``: folders, overlays and git revisions, what is printed, and when the version says too little."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.resources import rules_folder
from deployadvisor.surfaces.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
LMDEPLOY = str(ROOT / "docs/examples/overlays/lmdeploy-first.yaml")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(("rules", "diff", *arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and what is said about the route."""
    code, out, _ = run(capsys, *arguments, "--ruleset", "route", "--json")
    (route,) = json.loads(out)["rulesets"]
    return code, route


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped rules, whose route is version 3.4.5."""
    path = tmp_path / "project" / "rules"
    shutil.copytree(rules_folder(), path)
    text = (path / "route.yaml").read_text()
    replace(path, next(line for line in text.splitlines() if line.startswith("version:")), "version: 3.4.5")
    return path


def replace(folder: Path, before: str, after: str) -> None:
    path = folder / "route.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def edited(folder: Path, *edits: tuple[str, str]) -> str:
    copy = folder.parent / "edited"
    shutil.copytree(folder, copy)
    for before, after in edits:
        replace(copy, before, after)
    return str(copy)


BAN = (
    "constraints:\n",
    "constraints:\n  - {id: no-lab, forbid: lab, when: {purpose: prototype}, because: Our policy.}\n",
)
WEAKER = ("{customization: full_tuning}\n    because", "{customization: full_tuning, data_region: cn}\n    because")
REWORDED = ("Hosted APIs do not let you train all weights.", "No hosted API lets you train all weights.")


def version(text: str) -> tuple[str, str]:
    return ("version: 3.4.5", f"version: {text}")


# What is found


def test_the_shipped_rules_do_not_differ_from_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "shipped", str(rules_folder()))
    assert (code, err) == (0, "")
    assert [line.partition(" ")[0] for line in out.splitlines() if line] == ["route", "engine", "provider"]
    assert all(line.endswith(": no difference") for line in out.splitlines() if line)


@pytest.mark.parametrize(
    ("edits", "bump", "code"),
    [
        ([REWORDED], "patch", 1),
        ([REWORDED, version("3.4.6")], "patch", 0),
        ([BAN], "minor", 1),
        ([BAN, version("3.4.6")], "minor", 1),
        ([BAN, version("3.5.0")], "minor", 0),
        ([BAN, version("4.0.0")], "minor", 0),
        ([WEAKER, version("3.5.0")], "major", 1),
        ([WEAKER, version("4.0.0")], "major", 0),
        ([version("3.4.4")], "none", 1),
        ([version("3.4.6")], "none", 0),
    ],
)
def test_the_version_must_say_how_much_has_changed(
    capsys: pytest.CaptureFixture[str], folder: Path, edits: list[tuple[str, str]], bump: str, code: int
) -> None:
    got, said = found(capsys, str(folder), edited(folder, *edits))
    assert (said["bump"], got) == (bump, code)
    assert said["carried"] is (code == 0)


def test_the_text_shows_shares_witnesses_rules_and_the_step(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = run(capsys, str(folder), edited(folder, BAN, WEAKER, version("3.5.0")), "--ruleset", "route")
    lines = [line.strip() for line in out.splitlines()]
    assert code == 1
    assert lines[0].startswith("route 3.4.5 -> 3.5.0: ")
    assert lines[0].endswith(" % of distinguishable profiles change their answer")
    assert lines[1].split() == ["from", "to", "share"]
    before, after, share, sign = lines[2].split()
    assert (float(share) > 0, sign) == (True, "%")
    assert before != after
    assert lines[3].startswith("with ")
    weaker = [line for line in lines if line.startswith("weaker: ")]
    assert weaker[0].startswith(
        "weaker: hosted-cannot-train-all-weights no longer forbids hosted_api, for example with "
    )
    assert "customization=full_tuning" in weaker[0]
    assert lines[-3:] == [
        "added: no-lab",
        "changed: hosted-cannot-train-all-weights (when)",
        "implied step: major; 3.4.5 -> 3.5.0 does not carry it",
    ]


def test_shares_add_up(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    _, said = found(capsys, str(folder), edited(folder, BAN))
    assert said["share"] == pytest.approx(sum(move["share"] for move in said["moves"]))
    assert {move["from"] for move in said["moves"]} == {"lab"}
    assert all(move["witness"]["purpose"] == "prototype" for move in said["moves"])
    assert (said["added"], said["removed"], said["changed"], said["weakened"]) == (["no-lab"], [], {}, [])


def test_an_overlay_is_compared_with_what_it_lies_over(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "shipped", LMDEPLOY, "--ruleset", "engine")
    assert code == 0
    assert "vllm  lmdeploy" in out
    assert out.endswith("implied step: minor\n"), "an overlay declares no version that could say it"


# Git


@pytest.fixture
def repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rules in a repository, tagged v1, and then a new ban in the working copy."""
    monkeypatch.chdir(folder.parent)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "rules"), ("tag", "v1")):
        subprocess.run(["git", *identity, *command], cwd=folder.parent, check=True, capture_output=True)
    replace(folder, *BAN)
    return folder.parent


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@needs_git
@pytest.mark.parametrize("revision", ["v1", "HEAD", "v1:rules"])
def test_a_revision_is_compared_with_the_working_copy(
    capsys: pytest.CaptureFixture[str], repository: Path, revision: str
) -> None:
    code, said = found(capsys, revision, "rules")
    assert (code, said["added"], said["bump"]) == (1, ["no-lab"], "minor")


@needs_git
def test_a_revision_is_found_from_a_folder_below(
    capsys: pytest.CaptureFixture[str], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "rules")
    assert found(capsys, "v1", str(repository / "rules"))[1]["added"] == ["no-lab"]


@needs_git
def test_an_error_in_old_rules_names_the_revision(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    replace(repository / "rules", "ruleset: route", "rulset: route")
    commit = ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-am", "broken")
    subprocess.run(["git", *commit], cwd=repository, check=True, capture_output=True)
    code, _, err = run(capsys, "HEAD", "shipped")
    assert code == 2
    assert err == 'HEAD:rules/route.yaml:4:1: error: unknown key "rulset"; did you mean "ruleset"?\n'


@needs_git
@pytest.mark.parametrize("name", ["v9", "v1:nowhere", "--output=x", "v1:rules/route.yaml"])
def test_what_is_no_revision_is_refused(capsys: pytest.CaptureFixture[str], repository: Path, name: str) -> None:
    before = sorted(path.name for path in repository.iterdir())
    code, out, err = run(capsys, "--", name, "shipped")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no such file, folder or git revision" in err
    assert sorted(path.name for path in repository.iterdir()) == before


@needs_git
def test_outside_a_repository_a_name_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    code, _, err = run(capsys, "v1", "shipped")
    assert code == 2
    assert err.startswith("v1:rules: error: no such file, folder or git revision: fatal: not a git repository")
    assert err.endswith("; name a rules folder, an overlay file, or a revision such as v0.1.0\n")


def test_without_git_a_name_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    code, _, err = run(capsys, "v1", "shipped")
    assert code == 2
    assert err.startswith("v1:rules: error: no such file, folder or git revision: git is not installed; ")


def test_a_version_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, _, err = run(capsys, str(folder), edited(folder, version("next")))
    assert (code, err) == (2, "error: route: version next is not three numbers such as 1.2.0\n")

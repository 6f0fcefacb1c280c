"""The evaluation: rules that score, runs against a stand-in, comparisons that know how little a few answers say."""

from __future__ import annotations

import csv
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import render
from deployadvisor.resources import templates_folder
from tests.render.factory import hosted, served, tuned
from tests.render.standin import KEY, StandIn, serving

SCRIPTS = templates_folder() / "proof" / "scripts"
SCORING = runpy.run_path(str(SCRIPTS / "scoring.py"))
passes: Callable[[dict[str, Any], str], bool] = SCORING["passes"]
problem: Callable[[dict[str, Any]], str] = SCORING["problem"]
meets: Callable[[Any, dict[str, Any]], bool] = SCORING["meets"]


def production(advice: Recommendation) -> Recommendation:
    return advice.model_copy(update={"profile": {"purpose": "production"}})


@pytest.mark.parametrize(
    ("advice", "there"),
    [
        (production(served()), True),
        (production(hosted()), True),
        (tuned(), True),
        (served(), False),
        (served().model_copy(update={"profile": {"purpose": "personal"}}), False),
        (served().model_copy(update={"profile": {"purpose": "personal", "customization": "retrieval"}}), True),
    ],
)
def test_it_is_there_where_quality_matters(advice: Recommendation, there: bool) -> None:
    bundle = render(advice)
    assert ("verify/evaluate.py" in bundle) is there
    assert ("verify/evaluate.py" in bundle["README.md"].text) is there


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_examples_show_every_rule_and_are_marked(lang: str) -> None:
    text = render(production(served()).model_copy(update={"lang": lang}))["verify/questions.jsonl"].text
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["rule"] for row in rows} == set(SCORING["RULES"])
    assert all(row["example"] and not problem(row) for row in rows)


@pytest.mark.parametrize(
    ("rule", "expected", "right", "wrong"),
    [
        ("exact", "delivery", " Delivery\n", "delivery, I think"),
        ("exact", ["a", "b"], "B", "c"),
        ("contains", ["10", "16"], "from 10 to 16", "from 10"),
        ("regex", r"^\d{4}-\d\d$", "2026-05", "on 2026-05"),
        ("number", 98, "4 × 24.50 = 98.00", "98 for 4"),
        ("number", -1234.5, "It is -1,234.5", "It is 1234.5"),
        ("json", {"type": "object", "required": ["a"]}, '```json\n{"a": 1}\n```', '{"b": 1}'),
        ("json", {"type": "integer"}, "<think>well</think> 3", "three"),
    ],
)
def test_rules_score(rule: str, expected: Any, right: str, wrong: str) -> None:
    question = {"rule": rule, "expected": expected}
    assert not problem(question)
    assert passes(question, right)
    assert not passes(question, wrong)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"rule": "vibes"}, "rule is one of exact"),
        ({"rule": "exact"}, "expected is a text"),
        ({"rule": "exact", "expected": []}, "expected is a text"),
        ({"rule": "number", "expected": "3"}, "expected is a number"),
        ({"rule": "number", "expected": True}, "expected is a number"),
        ({"rule": "regex", "expected": "("}, "regular expression"),
        ({"rule": "json", "expected": {"oneOf": []}}, "oneOf is not among the keywords"),
        ({"rule": "json", "expected": {"items": {"type": "text"}}}, "type is one of"),
    ],
)
def test_questions_that_cannot_be_scored_are_refused(question: dict[str, Any], words: str) -> None:
    assert words in problem(question)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.0]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from([*SCORING["TYPES"]]) | st.lists(st.sampled_from([*SCORING["TYPES"]]), min_size=1),
            "required": st.lists(st.sampled_from("ab"), unique=True),
            "additionalProperties": st.just(False),
            "minItems": st.integers(0, 2),
            "maxLength": st.integers(0, 2),
            "minimum": st.integers(-2, 2),
            "pattern": st.sampled_from(["^a", "b"]),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("ab"), inner),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1),
        },
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(VALUES, SCHEMAS)
def test_schemas_mean_what_json_schema_says(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(schema.get("type"), list):
        schema = {**schema, "type": sorted(set(schema["type"]))}
    assert meets(value, schema) == jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    render(production(served())).write(tmp_path / "deploy")
    return tmp_path / "deploy"


def asked(folder: Path, count: int, **more: Any) -> None:
    """Real questions in place of the examples: which number is this?"""
    rows = [
        {"id": f"q{n}", "messages": [{"role": "user", "content": f"Say {n}"}], "rule": "exact", "expected": f"{n}"}
        for n in range(count)
    ]
    rows += [{"id": "open", "messages": [{"role": "user", "content": "=Comfort me"}], "rule": "human"}]
    text = "".join(json.dumps({**row, **more}) + "\n" for row in rows)
    (folder / "verify" / "questions.jsonl").write_text(text, encoding="utf-8")


def knowing(share: int, of: int = 10) -> StandIn:
    """A model that gives the right answer to so many of ten questions."""

    def words(body: dict[str, Any]) -> list[str]:
        last = body["messages"][-1]["content"].split()[-1]
        return [last if last.isdecimal() and int(last) % of < share else "no idea"]

    return StandIn(words=words)


def run(folder: Path, *words: str, standin: StandIn | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"API_KEY": KEY, **({"PORT": standin.port} if standin else {})}
    command = [sys.executable, str(folder / "verify" / "evaluate.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def report(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / "verify" / "results" / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(("share", "code"), [(10, 0), (8, 1)])
def test_a_run_is_judged_by_the_share_fixed_before(folder: Path, share: int, code: int) -> None:
    asked(folder, 200)
    with serving(knowing(share)) as standin:
        done = run(folder, "run", "--name", "x", standin=standin)
    assert done.returncode == code, done.stderr
    found = report(folder, "x")
    assert (found["scored"], found["passed"], found["errors"]) == (200, 20 * share, 0)
    low, high = found["interval_95"]
    assert low < found["share"] <= high
    page = (folder / "verify" / "results" / "x.md").read_text(encoding="utf-8")
    assert f"{20 * share} of 200 passed" in page
    assert "1 left to people" in page


def test_examples_and_few_questions_prove_nothing(folder: Path) -> None:
    with serving(knowing(10)) as standin:
        done = run(folder, "run", standin=standin)
        assert done.returncode == 2
        assert "says little" in done.stderr
        asked(folder, 20)
        assert run(folder, "run", standin=standin).returncode == 2
        asked(folder, 200, example=True)
        assert run(folder, "run", standin=standin).returncode == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "questions.jsonl:1: "),
        ("[]", "questions.jsonl:1: a question is"),
        ('{"id": "a", "messages": [], "rule": "human"}', "questions.jsonl:1: messages is"),
        (
            '{"id": "a", "messages": [{"role": "user", "content": "x"}], "rule": "?"}',
            "questions.jsonl:1: rule is one",
        ),
        ("", "no questions"),
    ],
)
def test_wrong_questions_are_named_by_line(folder: Path, line: str, words: str) -> None:
    (folder / "verify" / "questions.jsonl").write_text(f"{line}\n", encoding="utf-8")
    done = run(folder, "run")
    assert done.returncode == 2
    assert words in done.stderr


def test_failures_end_it_or_count_as_not_passed(folder: Path) -> None:
    asked(folder, 200)
    with serving(StandIn(fails_from=0)) as standin:
        done = run(folder, "run", standin=standin)
        assert done.returncode == 2
        assert "the first question failed: HTTP 500" in done.stderr
    with serving(StandIn(fails_from=10)) as standin:
        done = run(folder, "run", standin=standin)
        assert done.returncode == 2
        assert "more than 5 questions failed" in done.stderr
    standin = knowing(10)
    standin.fails_from = 199
    with serving(standin):
        assert run(folder, "run", "--name", "x", standin=standin).returncode == 0
    assert report(folder, "x")["errors"] == 2


def runs(folder: Path, **shares: int) -> None:
    asked(folder, 200)
    for name, share in shares.items():
        with serving(knowing(share)) as standin:
            run(folder, "run", "--name", name, standin=standin)


def compare(folder: Path, before: str, after: str, *words: str) -> subprocess.CompletedProcess[str]:
    results = folder / "verify" / "results"
    return run(folder, "compare", str(results / f"{before}.json"), str(results / f"{after}.json"), *words)


def test_two_runs_are_compared_question_by_question(folder: Path) -> None:
    runs(folder, full=9, small=7)
    done = compare(folder, "full", "small")
    assert done.returncode == 1, done.stderr
    found = report(folder, "comparison")
    assert (found["better"], found["worse"], found["difference"]) == (0, 40, -0.2)
    assert found["sign_test_p"] < 1e-9
    low, high = found["interval_95"]
    assert low < -0.2 < high < 0
    assert compare(folder, "small", "full").returncode == 0
    assert compare(folder, "full", "full").returncode == 0


def test_people_judge_without_knowing_whose_answer_it_is(folder: Path) -> None:
    runs(folder, full=9, small=9)
    assert compare(folder, "full", "small").returncode == 0
    sheet = folder / "verify" / "results" / "comparison-sheet.csv"
    (row,) = csv.DictReader(sheet.open(encoding="utf-8-sig", newline=""))
    assert row["question"] == "'=Comfort me"
    assert row["better"] == ""
    (key,) = csv.DictReader((sheet.parent / "comparison-key.csv").open(encoding="utf-8-sig", newline=""))
    text = sheet.read_text(encoding="utf-8-sig").rstrip()
    sheet.write_text(f"{text}{key['after_is']}\n", encoding="utf-8")
    assert compare(folder, "full", "small", "--sheet", str(sheet)).returncode == 0
    assert report(folder, "comparison")["people"] == {"better": 1, "worse": 0, "equal": 0, "p": 1.0}
    sheet.write_text(f"{text}perhaps\n", encoding="utf-8")
    assert "better is left, right or equal" in compare(folder, "full", "small", "--sheet", str(sheet)).stderr


def test_runs_over_different_questions_are_not_compared(folder: Path) -> None:
    runs(folder, full=9)
    asked(folder, 201)
    with serving(knowing(9)) as standin:
        run(folder, "run", "--name", "other", standin=standin)
    done = compare(folder, "full", "other")
    assert done.returncode == 2
    assert "asked different questions" in done.stderr


def test_reports_stay_in_their_folder(folder: Path) -> None:
    assert run(folder, "run", "--name", "../x").returncode == 2


def test_a_provider_is_paid_only_after_a_yes(tmp_path: Path) -> None:
    render(production(hosted())).write(tmp_path / "deploy")
    with serving(knowing(10)) as standin:
        done = run(tmp_path / "deploy", "run", standin=standin)
        assert done.returncode == 2
        assert "6 questions, at most 6,144 tokens" in done.stderr
        assert not standin.bodies


@pytest.mark.parametrize(("wins", "losses", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (9, 1, 22 / 1024)])
def test_the_sign_test_is_exact(wins: int, losses: int, p: float) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"import evaluate; print(evaluate.sign_test({wins}, {losses}))"],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == pytest.approx(p)


def test_the_interval_of_a_share_is_wilsons() -> None:
    code = "import evaluate; print(*evaluate.wilson(90, 100), *evaluate.wilson(0, 10), *evaluate.wilson(0, 0))"
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    expected = [0.8256, 0.9448, 0.0, 0.2775, 0.0, 1.0]
    assert [float(word) for word in done.stdout.split()] == pytest.approx(expected, abs=1e-4)

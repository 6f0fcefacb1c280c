"""Ask the service your own questions, score the answers by rules fixed before, and compare two such runs.

    python3 verify/evaluate.py run --name full           ask questions.jsonl, write results/full.json, .md
    python3 verify/evaluate.py compare results/full.json results/int4.json
    python3 verify/evaluate.py compare A B --sheet filled.csv      with what people decided

The threshold, the loss that is accepted and the settings of a chat stand in evaluation.json: settle them before the
first run; every report holds a digest of them and of the questions. Exit code 0: reached, 1: not reached, 2: could not
run or too few questions to say. Needs Python 3.9 and nothing else.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scoring import passes, problem
from service import HERE, ChatError, Service, add_service_arguments, cannot_run, chat, chosen_service, values

RESULTS = HERE / "results"
RESAMPLES = 10_000
MAX_ERRORS = 5
Z_95 = 1.959964


def main() -> None:
    """Run or compare."""
    options = parse_arguments()
    met = compare(options) if options.command == "compare" else run(options)
    raise SystemExit(0 if met else 1)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="ask all questions and score the answers")
    add_service_arguments(one)
    one.add_argument("--name", type=file_name, default="run", help="name of the report")
    one.add_argument("--questions", type=Path, default=HERE / "questions.jsonl")
    one.add_argument("--yes", action="store_true", help="spend the tokens of a service that is paid for")
    both = commands.add_parser("compare", help="compare two reports, question by question")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    both.add_argument("--name", type=file_name, default="comparison")
    both.add_argument("--sheet", type=Path, help="the sheet, filled in: left, right or equal in each row of better")
    return parser.parse_args()


def file_name(text: str) -> str:
    """A name that stays in its folder."""
    if not text.replace("-", "").replace("_", "").replace(".", "").isalnum() or text.startswith("."):
        raise argparse.ArgumentTypeError(f"{text!r}: letters, digits, - and _ only")
    return text


# One run


def run(options: argparse.Namespace) -> bool:
    """Ask every question, score, write the report."""
    config, questions = values("evaluation.json"), read_questions(options.questions)
    service = chosen_service(options)
    if service.paid and not options.yes:
        most = f"at most {len(questions) * config['max_tokens']:,} tokens of answers"
        cannot_run(f"this asks a paid service {len(questions)} questions, {most}; say --yes")
    results = ask_all(service, questions, config, options.timeout)
    scored = [one for one in results if one["passed"] != "human"]
    good = sum(one["passed"] == "yes" for one in scored)
    report = {
        "service": service.base_url,
        "model": service.model,
        "config": config,
        "config_sha256": digest(HERE / "evaluation.json"),
        "questions_sha256": digest(options.questions),
        "scored": len(scored),
        "passed": good,
        "share": good / len(scored) if scored else 0.0,
        "interval_95": wilson(good, len(scored)),
        "errors": sum("error" in one for one in results),
        "results": results,
    }
    write(options.name, report, run_page(report))
    if len(scored) < config["min_questions"] or any(one.get("example") for one in questions):
        cannot_run(
            f"{good} of {len(scored)} passed, which says little: it takes {config['min_questions']} questions of your "
            "own with a rule, and the examples of questions.jsonl deleted"
        )
    return report["share"] >= config["min_share"]


def read_questions(path: Path) -> list[dict[str, Any]]:
    """The questions of a JSONL file; a wrong line stops with its number."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        cannot_run(f"{path}: {error}")
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            question = json.loads(line)
            wrong = question_problem(question, {one["id"] for one in found})
        except ValueError as error:
            wrong = str(error)
        if wrong:
            cannot_run(f"{path.name}:{number}: {wrong}")
        found.append(question)
    if not found:
        cannot_run(f"{path.name}: no questions")
    return found


def question_problem(question: Any, known: set[str]) -> str:
    """What is wrong with one question."""
    if not isinstance(question, dict) or not isinstance(question.get("id"), str) or not question["id"]:
        return 'a question is {"id": …, "messages": […], "rule": …, "expected": …}'
    if question["id"] in known:
        return f"id {question['id']} stands there twice"
    messages = question.get("messages")
    if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
        return 'messages is [{"role": "user", "content": "…"}]'
    return problem(question)


def is_message(message: Any) -> bool:
    """Whether this is a message of a chat."""
    return isinstance(message, dict) and {"role", "content"} <= message.keys()


def ask_all(
    service: Service, questions: Sequence[dict[str, Any]], config: dict[str, Any], timeout: float
) -> list[dict[str, Any]]:
    """Answer and score of every question; the first failure of all ends it, and so do too many."""
    first = ask(service, questions[0], config, timeout)
    if "error" in first:
        cannot_run(f"the first question failed: {first['error']}")
    results = [first]
    with ThreadPoolExecutor(config["in_flight"]) as pool:
        for one in pool.map(lambda question: ask(service, question, config, timeout), questions[1:]):
            results.append(one)
            print(f"\r{len(results)} of {len(questions)}", end="", file=sys.stderr)
            if sum("error" in result for result in results) > MAX_ERRORS:
                pool.shutdown(wait=False, cancel_futures=True)
                cannot_run(f"more than {MAX_ERRORS} questions failed, the last with {one.get('error')}")
    print(file=sys.stderr)
    return results


def ask(service: Service, question: dict[str, Any], config: dict[str, Any], timeout: float) -> dict[str, Any]:
    """One question, asked and scored. A failed chat is not passed."""
    body = {"messages": question["messages"], "max_tokens": config["max_tokens"], "temperature": config["temperature"]}
    found = {"id": question["id"], "rule": question["rule"], "question": question["messages"][-1]["content"]}
    try:
        choice = chat(service, body, timeout)["choices"][0]
    except ChatError as error:
        return {**found, "answer": "", "passed": "no", "error": str(error)}
    answer = (choice.get("message") or {}).get("content") or ""
    cut = {"cut_off": True} if choice.get("finish_reason") == "length" else {}
    verdict = "human" if question["rule"] == "human" else "yes" if passes(question, answer) else "no"
    return {**found, "answer": answer, "passed": verdict, **cut}


def run_page(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    low, high = report["interval_95"]
    reached = "reached" if report["share"] >= report["config"]["min_share"] else "not reached"
    lines = [
        f"# {one_line(report['model'])}: {report['passed']} of {report['scored']} passed",
        "",
        f"{report['share']:.1%} (95 % interval {low:.1%} to {high:.1%}); the threshold of "
        f"{report['config']['min_share']:.0%} is {reached}. {report['errors']} failed chats, "
        f"{sum('cut_off' in one for one in report['results'])} answers cut off at "
        f"{report['config']['max_tokens']} tokens, "
        f"{sum(one['passed'] == 'human' for one in report['results'])} left to people.",
        "",
        "| Question | Rule | Answer |",
        "|---|---|---|",
    ]
    missed = [one for one in report["results"] if one["passed"] == "no"]
    lines += [f"| {cell(one['id'])} | {one['rule']} | {cell(one.get('error') or one['answer'])} |" for one in missed]
    return "\n".join(lines) + "\n"


# Two runs


def compare(options: argparse.Namespace) -> bool:
    """Whether the second run loses no more than is accepted, with the uncertainty of so few questions."""
    config, before, after = values("evaluation.json"), read_report(options.before), read_report(options.after)
    if before["questions_sha256"] != after["questions_sha256"]:
        cannot_run("the two runs asked different questions")
    earlier = {one["id"]: one for one in before["results"]}
    pairs = [(earlier[one["id"]], one) for one in after["results"]]
    scored = [pair for pair in pairs if pair[0]["passed"] != "human"]
    differences = [(second["passed"] == "yes") - (first["passed"] == "yes") for first, second in scored]
    people = read_sheet(options.sheet, options.name) if options.sheet else []
    low, high = bootstrap(differences, config["seed"])
    report = {
        "before": before["model"],
        "after": after["model"],
        "scored": len(scored),
        "better": differences.count(1),
        "worse": differences.count(-1),
        "difference": sum(differences) / len(differences) if differences else 0.0,
        "interval_95": [low, high],
        "sign_test_p": sign_test(differences.count(1), differences.count(-1)),
        "max_loss": config["max_loss"],
        "no_worse": bool(differences) and low >= -config["max_loss"],
    }
    if people:
        wins, losses = people.count(1), people.count(-1)
        report["people"] = {"better": wins, "worse": losses, "equal": people.count(0), "p": sign_test(wins, losses)}
    else:
        write_sheet(options.name, pairs, config["seed"])
    page = compare_page(report, scored)
    write(options.name, report, page)
    print(page.split("\n| ")[0])
    if len(scored) < config["min_questions"]:
        cannot_run(f"{len(scored)} scored questions say little; it takes {config['min_questions']}")
    return report["no_worse"]


def read_report(path: Path) -> dict[str, Any]:
    """A report that ``run`` has written."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        cannot_run(f"{path}: {error}")


def sign_test(wins: int, losses: int) -> float:
    """How likely so lopsided a split is, or a more lopsided one, if neither were better (exact, two-sided)."""
    total = wins + losses
    tail = sum(math.comb(total, count) for count in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / 2**total) if total else 1.0


def bootstrap(differences: Sequence[int], seed: int) -> tuple[float, float]:
    """95 % interval of the mean difference: the questions drawn anew, again and again."""
    if not differences:
        return 0.0, 0.0
    dice, count = random.Random(seed), len(differences)
    means = sorted(sum(dice.choices(differences, k=count)) / count for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def wilson(good: int, count: int) -> list[float]:
    """95 % interval of a share."""
    if not count:
        return [0.0, 1.0]
    share, square = good / count, Z_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return [round(max(middle - half, 0.0), 6), round(min(middle + half, 1.0), 6)]


def compare_page(report: dict[str, Any], scored: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """The comparison as Markdown."""
    low, high = report["interval_95"]
    word = "no worse than accepted" if report["no_worse"] else "not shown to be good enough"
    lines = [
        f"# {one_line(report['after'])} against {one_line(report['before'])}: {word}",
        "",
        f"{report['better']} questions better, {report['worse']} worse of {report['scored']}: "
        f"{report['difference']:+.1%}, 95 % interval {low:+.1%} to {high:+.1%} (paired bootstrap), "
        f"sign test p = {report['sign_test_p']:.3f}. "
        f"Accepted is a loss of {report['max_loss']:.0%}: the whole interval must lie above it.",
        "",
    ]
    if "people" in report:
        people = report["people"]
        lines += [f"People: {people['better']} better, {people['worse']} worse, {people['equal']} equal.", ""]
    lines += ["| Question | Before | After |", "|---|---|---|"]
    changed = [pair for pair in scored if pair[0]["passed"] != pair[1]["passed"]]
    lines += [f"| {cell(a['id'])} | {a['passed']} | {b['passed']}: {cell(b['answer'])} |" for a, b in changed]
    return "\n".join(lines) + "\n"


def write_sheet(name: str, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], seed: int) -> None:
    """A sheet for people, with sides drawn by lot, and the key to it in a file of its own."""
    asked = [pair for pair in pairs if pair[0]["passed"] == "human"]
    if not asked:
        return
    dice = random.Random(seed)
    sides = [dice.random() < 0.5 for _ in asked]
    rows = [
        [first["id"], *map(harmless, (first["question"], *((b, a) if swapped else (a, b)))), ""]
        for (first, second), swapped in zip(asked, sides, strict=False)
        for a, b in [(first["answer"], second["answer"])]
    ]
    write_csv(f"{name}-sheet.csv", ["id", "question", "left", "right", "better"], rows)
    key = [[first["id"], "right" if not swapped else "left"] for (first, _), swapped in zip(asked, sides, strict=False)]
    write_csv(f"{name}-key.csv", ["id", "after_is"], key)


def read_sheet(path: Path, name: str) -> list[int]:
    """What people decided: 1 for the second run, -1 for the first, 0 for neither."""
    with (RESULTS / f"{name}-key.csv").open(encoding="utf-8-sig", newline="") as file:
        after = {row["id"]: row["after_is"] for row in csv.DictReader(file)}
    found = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            verdict = row["better"].strip().lower()
            if verdict not in ("left", "right", "equal"):
                cannot_run(f"{path.name}, {row['id']}: better is left, right or equal")
            found.append(0 if verdict == "equal" else 1 if verdict == after[row["id"]] else -1)
    return found


# Files


def write(name: str, report: dict[str, Any], page: str) -> None:
    """The report for programs and for people."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(page, encoding="utf-8")
    print(f"wrote verify/results/{name}.json and {name}.md", file=sys.stderr)


def write_csv(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A sheet that spreadsheet programs read as UTF-8."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def harmless(text: str) -> str:
    """A cell that no spreadsheet program takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def digest(path: Path) -> str:
    """What tells this file from any other."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def one_line(text: str) -> str:
    """A text in one line, no longer than a line."""
    short = " ".join(str(text).split())
    return short if len(short) <= 160 else f"{short[:160]}…"


def cell(text: str) -> str:
    """A text in a cell of a Markdown table."""
    return "".join(f"\\{sign}" if sign in "\\|<>*_`[]" else sign for sign in one_line(text))


if __name__ == "__main__":
    main()

"""Measure the service under the load it was planned for, and compare with the targets and the plan's estimate.

At each step of a ladder a fixed number of chats keeps that many requests in flight, with prompts and answers as long
as the profile says (load-test.json), streamed. Every prompt begins with words of its own, so that no prefix cache
answers in the model's place; real traffic that shares a long system prompt is faster. The first error stops the test.

    ./load-test.sh                         the service of this folder
    ./load-test.sh --json > result.json    for a program
    ./load-test.sh --levels 1,8 --waves 2  a shorter ladder

TTFT is the time to the first text, TPOT the mean time between tokens of one answer. Exit code 0: all met, 1: not met,
2: could not run. Needs Python 3.9 and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from service import ChatError, Service, add_service_arguments, cannot_run, chat, chosen_service, stream, values

WORDS = "amber brook cedar delta ember field grove haven inlet jetty knoll ledge maple north ocean plain quarry".split()
TASK = "The words above mean nothing. Count upwards from one, one number a line, and do not stop."
TOKENS_A_WORD = 1.3
"""Assumed where the service does not count the tokens of a prompt."""
SAMPLE_WORDS = 200
EXTRAS = ({"stream_options": {"include_usage": True}, "ignore_eos": True}, {"stream_options": {"include_usage": True}})
"""What to ask for beyond a plain chat, best first: exact counts, and answers of full length."""


@dataclass
class Sample:
    """One chat: how long until the first text, how long for each token after it."""

    ttft_ms: float = 0.0
    tpot_ms: float | None = None
    tokens: int = 0
    prompt_tokens: int = 0
    counted: bool = False
    error: str = ""


@dataclass
class Load:
    """What each chat looks like."""

    service: Service
    timeout: float
    answer_tokens: int
    words: int = 0
    extras: dict[str, Any] = field(default_factory=dict)
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    def body(self, number: int, words: int | None = None) -> dict[str, Any]:
        """The chat with this number; no two begin alike."""
        dice = random.Random(f"{self.run} {number}")
        text = " ".join(dice.choices(WORDS, k=self.words if words is None else words))
        content = f"{dice.getrandbits(48):x} {text}\n{TASK}"
        return {
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.answer_tokens,
            "temperature": 0,
            **self.extras,
        }


def main() -> None:
    """Warm up, climb the ladder, compare, report."""
    plan = values("load-test.json")
    options = parse_arguments(plan)
    service = chosen_service(options)
    load = Load(service, options.timeout, plan["answer_tokens"])
    refuse_cost(options, service, plan)
    warm_up(load, plan["prompt_tokens"])
    levels = []
    for number, level in enumerate(options.levels):
        say(f"{level} in flight: {requests_of(options, level)} chats …")
        levels.append(measure(load, level, requests_of(options, level), start=number * 1_000_000))
        if levels[-1]["errors"]:
            break
    report = {
        "service": service.base_url,
        "model": service.model,
        "prompt_tokens_planned": plan["prompt_tokens"],
        "answer_tokens_planned": plan["answer_tokens"],
        "levels": levels,
        "judged_at": plan["judged_at"],
        "checks": checks(levels, plan),
        "notes": notes(load, levels, plan),
    }
    report["met"] = all(check["met"] for check in report["checks"])
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    raise SystemExit(0 if report["met"] else 1)


def parse_arguments(plan: dict[str, Any]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_service_arguments(parser)
    parser.add_argument("--levels", type=level_list, default=plan["levels"], help="requests in flight, as 1,4,16")
    parser.add_argument("--waves", type=count, default=plan["waves"], help="chats for each request in flight")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--yes", action="store_true", help="spend the tokens of a service that is paid for")
    return parser.parse_args()


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def level_list(text: str) -> list[int]:
    """Steps of the ladder, each once, rising."""
    return sorted({count(part) for part in text.split(",")})


def requests_of(options: argparse.Namespace, level: int) -> int:
    """How many chats a step takes; a few more where one wave would be too few to say anything."""
    return max(level * options.waves, 4)


def refuse_cost(options: argparse.Namespace, service: Service, plan: dict[str, Any]) -> None:
    """A paid service is asked only once somebody has agreed to the number of tokens."""
    chats = sum(requests_of(options, level) for level in options.levels) + 1
    tokens = chats * (plan["prompt_tokens"] + plan["answer_tokens"])
    if not service.paid:
        return
    bill = f"about {tokens:,} tokens ({chats} chats of {plan['prompt_tokens']} + {plan['answer_tokens']})"
    if not options.yes:
        cannot_run(f"this spends {bill} at the provider; say --yes, or take fewer with --levels and --waves")
    say(f"spending {bill}")


def say(text: str) -> None:
    """Progress, beside the report."""
    print(text, file=sys.stderr, flush=True)


def warm_up(load: Load, prompt_tokens: int) -> None:
    """Find how many words make the prompt, what the service understands, and let it compile what it compiles."""
    say(f"warming up {load.service.base_url}, model {load.service.model} …")
    try:
        short = prompt_size(load, 0)
        per_word = (prompt_size(load, SAMPLE_WORDS) - short) / SAMPLE_WORDS
    except ChatError as error:
        cannot_run(str(error))
    load.words = max(round((prompt_tokens - short) / (per_word if per_word > 0 else TOKENS_A_WORD)), 0)
    for extras in (*EXTRAS[1 if load.service.paid else 0 :], {}):
        load.extras = dict(extras)
        sample = one_chat(load, -1)
        if not sample.error.startswith(("HTTP 400", "HTTP 422")):
            break
    if sample.error:
        cannot_run(f"the first chat failed: {sample.error}")


def prompt_size(load: Load, words: int) -> int:
    """Tokens of a prompt with so many words, as the service counts them; 0 where it does not."""
    usage = chat(load.service, {**load.body(-2, words), "max_tokens": 1}, load.timeout).get("usage") or {}
    return int(usage.get("prompt_tokens") or 0)


def one_chat(load: Load, number: int) -> Sample:
    """Hold one chat and time it."""
    sample, start, first, last, pieces = Sample(), time.perf_counter(), 0.0, 0.0, 0
    try:
        for piece in stream(load.service, load.body(number), load.timeout):
            if any(has_text(choice.get("delta") or {}) for choice in piece.get("choices") or ()):
                last = time.perf_counter()
                first = first or last
                pieces += 1
            usage = piece.get("usage") or {}
            sample.tokens = usage.get("completion_tokens") or sample.tokens
            sample.prompt_tokens = usage.get("prompt_tokens") or sample.prompt_tokens
    except ChatError as error:
        sample.error = str(error)
        return sample
    if not pieces:
        sample.error = "the answer is empty"
        return sample
    sample.counted = sample.tokens > 0
    sample.tokens = sample.tokens or pieces
    sample.ttft_ms = (first - start) * 1000
    if sample.tokens > 1 and pieces > 1:
        sample.tpot_ms = (last - first) * 1000 / (sample.tokens - 1)
    return sample


def has_text(delta: dict[str, Any]) -> bool:
    """Whether a piece brings text: of the answer, or of the thoughts before it."""
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning"))


def measure(load: Load, level: int, requests: int, start: int) -> dict[str, Any]:
    """Keep ``level`` chats in flight until ``requests`` are done or one has failed."""
    samples: list[Sample] = []
    lock, stop, numbers = threading.Lock(), threading.Event(), iter(range(start, start + requests))

    def work() -> None:
        while not stop.is_set():
            with lock:
                number = next(numbers, -1)
            if number < 0:
                return
            sample = one_chat(load, number)
            with lock:
                samples.append(sample)
            if sample.error:
                stop.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(level)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return summary(level, samples, time.perf_counter() - began)


def summary(level: int, samples: Sequence[Sample], seconds: float) -> dict[str, Any]:
    """What one step of the ladder showed."""
    good = [sample for sample in samples if not sample.error]
    found: dict[str, Any] = {
        "in_flight": level,
        "chats": len(samples),
        "errors": len(samples) - len(good),
        "seconds": round(seconds, 3),
        "output_tok_s": round(sum(sample.tokens for sample in good) / seconds, 1) if seconds else 0.0,
        "answer_tokens": round(sum(sample.tokens for sample in good) / len(good), 1) if good else 0.0,
        "prompt_tokens": round(sum(sample.prompt_tokens for sample in good) / len(good), 1) if good else 0.0,
        "tokens_counted_by": "service" if good and all(sample.counted for sample in good) else "pieces",
    }
    for name in ("ttft_ms", "tpot_ms"):
        times = sorted(value for sample in good if (value := getattr(sample, name)) is not None)
        if times:
            found[name] = {f"p{share}": round(percentile(times, share), 1) for share in (50, 95, 99)}
    if found["errors"]:
        found["first_error"] = next(sample.error for sample in samples if sample.error)
    return found


def percentile(times: Sequence[float], share: int) -> float:
    """The smallest time that so many percent of the chats did not exceed."""
    return times[max(math.ceil(len(times) * share / 100), 1) - 1]


def checks(levels: Sequence[dict[str, Any]], plan: dict[str, Any]) -> list[dict[str, Any]]:
    """No errors, the profile's targets, and no worse than the worst that the plan expects."""
    errors = sum(level["errors"] for level in levels)
    found = [{"what": "errors", "measured": errors, "limit": 0, "met": not errors, "from": "always"}]
    judged = next((level for level in levels if level["in_flight"] == plan["judged_at"]), None)
    if judged is None:
        missing = {"what": f"measured at {plan['judged_at']} in flight", "measured": 0, "limit": 1, "from": "plan"}
        return found + ([{**missing, "met": False}] if plan["targets"] or plan["estimate"] else [])
    for name, limit in plan["targets"].items():
        found.append(check(f"{name} p95", judged.get(name, {}).get("p95"), limit, "profile", at_most=True))
    for name, expected in plan["estimate"].items():
        rate = name == "output_tok_s"
        measured = judged[name] if rate else judged.get(name, {}).get("p50")
        what = name if rate else f"{name} p50"
        found.append(check(what, measured, expected["low" if rate else "high"], "estimate", at_most=not rate))
    return found


def check(what: str, measured: float | None, limit: float, source: str, *, at_most: bool) -> dict[str, Any]:
    """One comparison; what could not be measured is not met."""
    if measured is None:
        return {"what": what, "measured": "nothing", "limit": limit, "met": False, "from": source}
    met = measured <= limit if at_most else measured >= limit
    return {"what": what, "measured": measured, "limit": limit, "met": met, "from": source}


def notes(load: Load, levels: Sequence[dict[str, Any]], plan: dict[str, Any]) -> list[str]:
    """What a reader must know to read the figures right."""
    found = ["every prompt begins differently: prefix caches do not help here"]
    if any(level["tokens_counted_by"] == "pieces" for level in levels):
        found.append("the service does not count tokens of a stream: pieces were counted, which may hold several")
    short = [level for level in levels if 0 < level["answer_tokens"] < 0.9 * plan["answer_tokens"]]
    if short:
        found.append("answers ended early, so that the load was lighter than planned")
    if not plan["targets"] and not plan["estimate"]:
        found.append("nothing to compare with: the profile names no ttft_ms or tpot_ms, the plan no estimate")
    few = [level["chats"] for level in levels if level["chats"] < 100]
    if few:
        found.append("with fewer than 100 chats p99 is the slowest of them")
    if load.words == 0:
        found.append("the planned prompt is shorter than the task itself: prompts were longer than planned")
    return found


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    head = f"{'in flight':>9} {'chats':>6} {'errors':>6} {'tok/s':>8}"
    columns = [f"{name} {share}" for name in ("TTFT", "TPOT") for share in ("p50", "p95", "p99")]
    lines = ["", head + "".join(f" {column:>9}" for column in columns) + "   (ms)"]
    for level in report["levels"]:
        times = [level.get(name, {}).get(share) for name in ("ttft_ms", "tpot_ms") for share in ("p50", "p95", "p99")]
        shown = "".join(f" {'-' if value is None else format(value, '.1f'):>9}" for value in times)
        counts = f"{level['in_flight']:>9} {level['chats']:>6} {level['errors']:>6} {level['output_tok_s']:>8.1f}"
        lines.append(counts + shown)
    lines.append("")
    for one in report["checks"]:
        word, place = "MET " if one["met"] else "MISS", "" if one["what"] == "errors" else f" at {report['judged_at']}"
        lines.append(f"{word}  {one['what']}{place}: {one['measured']}, limit {one['limit']} ({one['from']})")
    lines += [f"ERROR  {level['first_error']}" for level in report["levels"] if "first_error" in level]
    lines += [f"NOTE  {note}" for note in report["notes"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

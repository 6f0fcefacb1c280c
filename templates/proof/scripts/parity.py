"""Compare the service with the same weights in Transformers, so that a fault of serving is not taken for quality.

Both get the same prompts. The service answers greedily; Transformers then reads that answer in one pass and says, at
each token, which one it would have taken and how likely it finds the service's. So one early difference does not hide
what comes after it.

    .venv/bin/pip install -r requirements.txt
    .venv/bin/python parity.py                     Transformers on the CPU, beside a full card
    .venv/bin/python parity.py --device cuda       on a card that has room
    .venv/bin/python parity.py --reference MODEL   against other weights, such as the unquantised ones

Compared are the length of the prompt in tokens (another length is another chat template), the share of tokens on which
both agree, and the difference of log-probabilities where the service tells its own. Rounding moves both a little;
a wrong template, a wrong adapter or a broken kernel moves them a lot. The limits stand in parity.json. Exit code 0:
within them, 1: not, 2: could not compare.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service import HERE, ChatError, Service, add_service_arguments, cannot_run, chat, chosen_service, values

PROMPTS = (
    "Name three uses of a paper clip.",
    "What is 17 times 23? Show the steps.",
    "Explain in two sentences why the sky is blue.",
    "Translate into French: The train leaves at nine.",
    "Write a Python function that reverses a list.",
    "用一句话介绍长城。",
    "Summarise: Bread needs flour, water, salt, yeast and time.",
    "List the planets, one a line.",
)
REFUSED = (400, 422)


@dataclass
class Answer:
    """What the service said: the text, its tokens with their log-probabilities if it tells them."""

    text: str
    prompt_tokens: int = 0
    logprobs: list[float] = field(default_factory=list)


def main() -> None:
    """Ask, read along, compare, report."""
    options, plan = parse_arguments(), values("parity.json")
    service = chosen_service(options)
    own = in_bundle(plan["prompts"]) if "prompts" in plan else None
    asked = prompts(options.data or own)
    tokenizer, model = load(options.reference or in_bundle(plan["reference"]), options.device, plan)
    rows, template = [], {}
    asking = extras_of(tokenizer)
    for prompt in asked[: options.prompts]:
        answer, used = ask(service, prompt, plan["max_tokens"], options.timeout, asking)
        asking = [used]
        template = used.get("chat_template_kwargs", {})
        rows.append(compared(tokenizer, model, prompt, answer, template))
        say(rows[-1])
    report = summary(rows, plan)
    print(json.dumps(report, indent=2, ensure_ascii=False) if options.json else as_text(report))
    raise SystemExit(0 if report["passed"] else 1)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_service_arguments(parser)
    parser.add_argument("--reference", help="model for Transformers, where it is not the one that is served")
    parser.add_argument("--device", default="cpu", help="where Transformers runs: cpu, cuda or cuda:1")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--data", help='your own prompts: a JSONL file with {"messages": […]} in each line')
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def prompts(path: str | None) -> list[list[dict[str, str]]]:
    """The chats to ask, none of which ends with an answer."""
    if path is None:
        return [[{"role": "user", "content": text}] for text in PROMPTS]
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line)["messages"] for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        cannot_run(f"{path}: {error!r}")
    return [row[:-1] if row[-1]["role"] == "assistant" else row for row in rows if row]


def in_bundle(name: str) -> str:
    """A path, or the id of a model; what starts with ./ lies in the folder of the whole bundle."""
    if not name.startswith("./"):
        return name
    path = HERE.parent / name
    if not path.exists():
        cannot_run(f"{path} is not there yet; --reference names other weights, --data other prompts")
    return str(path)


def load(name: str, device: str, plan: dict[str, Any]) -> tuple[Any, Any]:
    """Tokenizer and model of the reference."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        cannot_run(f"{error}: see requirements.txt beside this file")
    dtype = getattr(torch, plan["cpu_dtype"] if device == "cpu" else plan["dtype"])
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=plan["trust_remote_code"])
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, trust_remote_code=plan["trust_remote_code"])
    except (OSError, ValueError, ImportError) as error:
        cannot_run(f"{name}: {error}")
    if tokenizer.chat_template is None:
        cannot_run(f"{name} has no chat template")
    return tokenizer, model.to(device).eval()


def extras_of(tokenizer: Any) -> list[dict[str, Any]]:
    """What to ask for beyond a plain chat, best first: log-probabilities, and no thoughts that are cut out later."""
    thinks = "enable_thinking" in str(tokenizer.chat_template)
    calm = {"chat_template_kwargs": {"enable_thinking": False}} if thinks else {}
    logprobs = {"logprobs": True}
    return [{**logprobs, **calm}, calm, logprobs, {}] if calm else [logprobs, {}]


def ask(
    service: Service, prompt: list[dict[str, str]], limit: int, timeout: float, extras: list[dict[str, Any]]
) -> tuple[Answer, dict[str, Any]]:
    """The greedy answer, with the most that the service understands, and what that was."""
    for number, extra in enumerate(extras):
        body = {"messages": prompt, "max_tokens": limit, "temperature": 0, **extra}
        try:
            found = chat(service, body, timeout)
        except ChatError as error:
            if error.status in REFUSED and number + 1 < len(extras):
                continue
            cannot_run(str(error))
        message = found["choices"][0].get("message") or {}
        if message.get("reasoning_content") or message.get("reasoning"):
            cannot_run("the service cuts thoughts out of answers; start it without its reasoning parser to compare")
        told = ((found["choices"][0].get("logprobs") or {}).get("content")) or []
        usage = found.get("usage") or {}
        logprobs = [float(one["logprob"]) for one in told]
        return Answer(message.get("content") or "", int(usage.get("prompt_tokens") or 0), logprobs), extra
    cannot_run("nothing was asked")


def compared(tokenizer: Any, model: Any, prompt: list[dict[str, str]], answer: Answer, template: dict[str, Any]) -> Any:
    """One prompt: where both agree on the service's answer, and how far their log-probabilities lie apart."""
    import torch

    inputs = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True, **template)
    before = inputs["input_ids"]
    after = tokenizer(answer.text, add_special_tokens=False)["input_ids"]
    row = {"prompt": prompt[-1]["content"], "answer": answer.text, "tokens": len(after), "agree": 0}
    if answer.prompt_tokens:
        row["template_differs"] = answer.prompt_tokens != len(before)
    if not after:
        return row
    with torch.no_grad():
        ids = torch.tensor([[*before, *after]], device=model.device)
        logits = model(input_ids=ids).logits[0, len(before) - 1 : -1].float()
    expected = torch.log_softmax(logits, dim=-1)
    told = expected[torch.arange(len(after)), torch.tensor(after, device=model.device)].tolist()
    agrees = [best == token for best, token in zip(expected.argmax(dim=-1).tolist(), after, strict=True)]
    row["agree"] = sum(agrees)
    if not all(agrees):
        row["first_difference"] = agrees.index(False)
        row["would_say"] = tokenizer.decode([int(expected[row["first_difference"]].argmax())])
        row["gap"] = float(expected.max(dim=-1).values[row["first_difference"]]) - told[row["first_difference"]]
    # One more for the end of the answer, which is no text.
    if len(answer.logprobs) in (len(after), len(after) + 1):
        row["deltas"] = [abs(a - b) for a, b in zip(answer.logprobs, told, strict=False)]
    return row


def say(row: dict[str, Any]) -> None:
    """Progress, beside the report."""
    parted = f", parts at {row['first_difference']}" if "first_difference" in row else ""
    print(f"{row['agree']:>4} of {row['tokens']:<4} tokens{parted}  {row['prompt'][:60]!r}", file=sys.stderr)


def summary(rows: list[dict[str, Any]], plan: dict[str, Any]) -> dict[str, Any]:
    """All prompts together, against the limits."""
    tokens, deltas = sum(row["tokens"] for row in rows), [delta for row in rows for delta in row.get("deltas", [])]
    top1 = sum(row["agree"] for row in rows) / tokens if tokens else 0.0
    mean = sum(deltas) / len(deltas) if deltas else 0.0
    templates = [row["template_differs"] for row in rows if "template_differs" in row]
    report = {
        "prompts": len(rows),
        "tokens": tokens,
        "top1_agreement": top1,
        "min_top1_agreement": plan["min_top1_agreement"],
        "template_differs": sum(templates),
        "prompt_tokens_compared": len(templates),
        "log_probabilities_compared": len(deltas),
        "max_mean_delta": plan["max_mean_delta"],
        "precision": plan["precision"],
        "rows": [{name: value for name, value in row.items() if name != "deltas"} for row in rows],
    }
    if deltas:
        report.update(mean_delta=mean, largest_delta=max(deltas))
    close = not deltas or mean <= plan["max_mean_delta"]
    report["passed"] = bool(tokens) and top1 >= plan["min_top1_agreement"] and close and not any(templates)
    return report


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"tokens on which both agree: {report['top1_agreement']:.1%} of {report['tokens']}, "
        f"at least {report['min_top1_agreement']:.0%} for {report['precision']}"
    ]
    if "mean_delta" in report:
        lines.append(
            f"log-probabilities: {report['mean_delta']:.4f} apart on average, {report['largest_delta']:.3f} at most, "
            f"over {report['log_probabilities_compared']} tokens; at most {report['max_mean_delta']} on average"
        )
    else:
        lines.append("log-probabilities: the service tells none that fit the text; only the text was compared")
    if report["template_differs"]:
        lines.append(f"the prompt has another length in {report['template_differs']} chats: another chat template")
    elif not report["prompt_tokens_compared"]:
        lines.append("the service does not count the tokens of a prompt: chat templates were not compared")
    lines += [
        f"  parts at token {row['first_difference']} of {row['tokens']}, where Transformers would say "
        f"{row['would_say']!r} (by {row['gap']:.2f}): {row['prompt'][:50]!r}"
        for row in report["rows"]
        if "first_difference" in row
    ]
    lines.append("PASS" if report["passed"] else "FAIL")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

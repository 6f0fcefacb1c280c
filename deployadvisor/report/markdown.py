"""The answer as a Markdown page, for issues, wikis and pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployadvisor.reasoning import Rejected, RunnerUp
from deployadvisor.recommendation import Recommendation
from deployadvisor.site import part_of_the_cards

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_HEADINGS = {
    "en": (
        "Why",
        "Plan",
        "Ruled out",
        "Also possible",
        "Missing",
        "It would change",
        "Assumed",
        "Obligations",
        "Facts",
    ),
    "zh": ("理由", "方案", "已排除", "也可行", "缺少", "何时改变", "假设", "法律义务", "事实"),
}


def escape(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def page(advice: Recommendation) -> str:
    """One page: verdict, reasons with their addresses, plan, what was ruled out, assumptions, obligations, facts."""
    why, plan, ruled_out, also, missing, changes, assumed, obligations, facts = _HEADINGS[advice.lang]
    sections = (
        (why, (f"- {escape(item.text)} ({escape(item.where)})" for item in advice.reasons)),
        (plan, _plan(advice)),
        (missing, (f"- {escape(text)}" for text in advice.missing)),
        (ruled_out, (line for item in advice.rejected for line in _rejected(item))),
        (also, (_runner_up(item) for item in advice.runners_up)),
        (changes, (f"- {escape(item.text)}" for item in advice.changes)),
        (assumed, (f"- {escape(item.fact)}: {escape(item.value)} ({escape(item.text)})" for item in advice.assumed)),
        (obligations, (f"- {escape(duty.text)} ({escape(duty.citation)})" for duty in advice.obligations)),
        (facts, _facts(advice)),
    )
    lines = [f"# {escape(advice.name)}: {escape(advice.title)}", ""]
    lines += [f"{escape(advice.status)} · rules {escape(advice.ruleset.version)} · {advice.ruleset.digest[:12]}", ""]
    for heading, body in sections:
        rows = list(body)
        if rows:
            lines += [f"## {heading}", "", *rows, ""]
    return "\n".join(lines)


def _plan(advice: Recommendation) -> Iterator[str]:
    shown = advice.plan.model_dump(exclude_defaults=True, exclude={"rent", "flags", "cards"})
    for key, value in shown.items():
        yield f"- {escape(key)}: {escape(value)}"
    if part := part_of_the_cards(advice.plan, advice.machine, advice.lang):
        yield f"- {part}"
    if advice.estimate.memory:
        yield f"- memory: {escape(advice.estimate.memory.text)}"
    for offer in advice.plan.rent:
        price = f"{offer.usd_per_hour:.2f} USD/hour ({offer.as_of})"
        yield f"- {offer.gpus}x {escape(offer.gpu)}: {escape(offer.provider)} {escape(offer.instance)}, {price}"


def _rejected(item: Rejected) -> Iterator[str]:
    name = item.route or item.engine or item.provider or ""
    for objection in item.objections:
        text = objection.because or f"missing: {objection.missing}"
        details = f" ({'; '.join(objection.details)})" if objection.details else ""
        yield f"- **{escape(name)}**: {escape(text + details)} ({escape(objection.where)})"


def _runner_up(item: RunnerUp) -> str:
    name = item.route or item.engine or item.provider or ""
    where = f" ({escape(item.where)})" if item.where else ""
    return f"- **{escape(name)}**: {escape(item.text)} {escape(item.lost_to)}{where}"


def _facts(advice: Recommendation) -> Iterator[str]:
    yield "| fact | value | basis | source |"
    yield "|---|---|---|---|"
    for name, fact in advice.facts.items():
        yield f"| {escape(name)} | {escape(fact.value)} | {fact.basis} | {escape(fact.source)} |"

"""The answer on one terminal screen: verdict first, then why, numbers, what was ruled out, next step."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import click

from deployadvisor.figures import MemoryEstimate, Plan
from deployadvisor.reasoning import Objection, Rejected
from deployadvisor.recommendation import Recommendation
from deployadvisor.site import cards_of_a_node, part_of_the_cards
from deployadvisor.surfaces.words import WORDS

_LABEL = 17
_WIDTH = 100
_BAR = 20
_SHOWN = 4
_PIECES = re.compile(r"[\u2e80-\uffef]\s*|[^\s\u2e80-\uffef]+\s*|\s+")


def show(advice: Recommendation) -> Iterator[str]:
    """Lines of the terminal view. Colour only marks what the words already say."""
    words = WORDS[advice.lang]
    yield ""
    status = f"{words[advice.status]} · {words['rules']} {advice.ruleset.version}"
    yield f"  {click.style(advice.title, bold=True)}    {click.style(status, dim=True)}"
    yield ""
    yield from _reasons(advice, words)
    if advice.status == "decided":
        yield from _numbers(advice, words)
    yield from _open_or_blocked(advice, words)
    yield from _ruled_out(advice, words)
    yield from _footer(advice, words)


def _reasons(advice: Recommendation, words: dict[str, str]) -> Iterator[str]:
    if not advice.reasons:
        return
    yield f"  {words['why']}"
    for reason in advice.reasons[:_SHOWN]:
        yield from bullet(reason.text, reason.where)
    yield ""


def _numbers(advice: Recommendation, words: dict[str, str]) -> Iterator[str]:
    plan = advice.plan
    yield from entry(words["plan"], plan_line(plan))
    if part := part_of_the_cards(plan, advice.machine, advice.lang):
        yield from entry(words["cards"], part)
    if plan.endpoint:
        yield from entry(words["endpoint"], plan.endpoint)
    if advice.estimate.memory:
        yield from entry(words["memory"], memory_line(advice.estimate.memory, words))
    if plan.gpus:
        yield from entry(words["speed"], words["speed_none"])
    for offer in plan.rent[:3]:
        price = f"{offer.usd_per_hour:.2f} USD/{words['hour']} ({offer.as_of})"
        yield from entry(words["rent"], f"{offer.gpus}x {offer.gpu} · {offer.provider} {offer.instance} · {price}")
    prices = [(words[kind], price) for kind in ("hosted", "rented") if (price := getattr(advice.cost, kind))]
    if prices:
        currency = advice.cost.currency
        text = "   ".join(
            f"{name}: {price.per_month:,.0f} {currency}/{words['month']} ({price.as_of})" for name, price in prices
        )
        yield from entry(words["cost"], text)
    yield ""


def plan_line(plan: Plan) -> str:
    """The plan in one line."""
    parts = [plan.hosted_model or plan.model or "", plan.precision or ""]
    if plan.gpus:
        machines = f"{plan.nodes}x " if plan.nodes > 1 else ""
        parts.append(f"{machines}{cards_of_a_node(plan)}x {plan.gpu or 'GPU'}")
        parts.append(f"tensor parallel {plan.tensor_parallel}" if plan.tensor_parallel > 1 else "")
        parts.append(f"pipeline parallel {plan.pipeline_parallel}" if plan.pipeline_parallel > 1 else "")
    if plan.max_model_len:
        parts.append(f"context {plan.max_model_len:,}")
    return " · ".join(part for part in parts if part)


def memory_line(memory: MemoryEstimate, words: dict[str, str]) -> str:
    """Weights, KV cache and a bar of one card."""
    used = sum(term.gib for term in memory.terms)
    share = min(1.0, used / memory.available_gib) if memory.available_gib else 1.0
    bar = "█" * round(share * _BAR) + "░" * (_BAR - round(share * _BAR))
    verdict = words["fits"] if memory.fits else words["fits_not"]
    room = f"{memory.available_gib:.1f} GiB{words['each_of'].format(cards=memory.cards) if memory.cards > 1 else ''}"
    kv_cache = sum(term.gib for term in memory.terms if term.name == "kv_cache")
    ledger = words["ledger"].format(weights=memory.weights_gib / memory.cards, kv_cache=kv_cache)
    return f"{used:.1f} {words['of']} {room}  {bar}  {verdict}: {ledger}"


def _open_or_blocked(advice: Recommendation, words: dict[str, str]) -> Iterator[str]:
    if advice.missing:
        yield f"  {words['missing']}"
        for text in advice.missing:
            yield from bullet(text)
        yield ""
    if advice.possible and advice.status == "open":
        yield from entry(words["possible"], " · ".join(advice.possible))
    if advice.next_question:
        yield from entry(
            words["next_question"], f"{advice.next_question.text}  (--set {advice.next_question.fact}=…)"
        )
        yield ""


def _ruled_out(advice: Recommendation, words: dict[str, str]) -> Iterator[str]:
    routes = [item for item in advice.rejected if item.route]
    engines = [item for item in advice.rejected if item.engine or item.provider]
    if routes or engines:
        yield f"  {words['ruled_out']}"
        for item in (*routes, *engines[:_SHOWN]):
            yield from columns(_name(item), first_objection(item.objections[0], words))
        yield ""
    argued = [runner for runner in advice.runners_up if runner.fit != "none"]
    if argued:
        yield f"  {words['also']}"
        for runner in argued[:_SHOWN]:
            name = runner.route or runner.engine or runner.provider or ""
            yield from columns(name, runner.text)
        yield ""


def _name(item: Rejected) -> str:
    return item.route or item.engine or item.provider or ""


def first_objection(objection: Objection, words: dict[str, str]) -> str:
    """One objection in a line, with the first thing computed behind it."""
    text = objection.because or f"{words['missing_one']}{objection.missing}"
    return f"{text} ({objection.details[0]})" if objection.details else text


def _footer(advice: Recommendation, words: dict[str, str]) -> Iterator[str]:
    if advice.changes:
        yield from entry(words["changes"], " · ".join(change.text for change in advice.changes[:_SHOWN]))
    if advice.assumed:
        shown = ", ".join(f"{item.fact} {item.value}" for item in advice.assumed if item.would_change)
        rest = ", ".join(f"{item.fact} {item.value}" for item in advice.assumed if not item.would_change)
        yield from entry(
            words["assumed"], "; ".join(part for part in (shown, rest) if part) + f"  ({words['switch']})"
        )
    for reason in dict.fromkeys(fact.reason for fact in advice.unknown):
        facts = ", ".join(fact.fact for fact in advice.unknown if fact.reason == reason)
        yield from entry(words["unknown"], f"{facts}: {reason}")
    for text in advice.warnings:
        yield from entry(words["warnings"], text)
    if advice.obligations:
        ids = ", ".join(duty.id for duty in advice.obligations)
        yield from entry(words["duties"], f"{len(advice.obligations)}: {ids}  ({words['not_legal']})")


def entry(label: str, text: str) -> Iterator[str]:
    """A label and its text."""
    yield from wrapped(f"  {label}{' ' * max(1, _LABEL - _columns_of(label))}", text, _LABEL + 2)


def columns(name: str, text: str, width: int = 16) -> Iterator[str]:
    """A name, and its text in a column beside it."""
    taken = _columns_of(name)
    gap = " " * (width - taken if taken < width else 2)
    yield from wrapped(f"    {name}{gap}", text, width + 4)


def bullet(text: str, address: str = "") -> Iterator[str]:
    """One of several, with the place where it is written."""
    suffix = f"   {click.style(address, dim=True)}" if address else ""
    lines = list(wrapped("    · ", text, 6))
    yield from lines[:-1]
    yield lines[-1] + suffix


def wrapped(first: str, text: str, indent: int) -> Iterator[str]:
    """Lines of at most ``_WIDTH`` columns; only blanks and the borders of Chinese characters break a line."""
    line = first
    for piece in _PIECES.findall(text):
        if _columns_of(line + piece.rstrip()) > _WIDTH and line.strip():
            yield line.rstrip()
            line = " " * indent + piece.lstrip()
        else:
            line += piece
    yield line.rstrip()


def _columns_of(text: str) -> int:
    """Columns of a terminal: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

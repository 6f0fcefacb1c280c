"""CHECKLIST.md: the items that apply to an answer, grouped, and its legal obligations.

Every text is escaped on its way into the document, ours too, so that no name can smuggle in markup. A comment at the
end of its first line, which no reader sees, tells which item it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from deployadvisor.checklist.entries import Wording
from deployadvisor.checklist.items import Ticked, applying, load_items
from deployadvisor.checklist.markup import escape, mark
from deployadvisor.checklist.results import Preflight, Result
from deployadvisor.checklist.signed import PROOF, UNSIGNED, Signatures, Signed, duty_name
from deployadvisor.checklist.wording import wordings
from deployadvisor.recommendation import Duty, Recommendation


def markdown(
    advice: Recommendation,
    *,
    signed: Signatures = UNSIGNED,
    checked: Preflight | None = None,
    outdated: bool = False,
) -> str:
    """The checklist of an answer as Markdown, in the language of the answer.

    ``signed`` is what people wrote into it before, ``checked`` what a preflight found for these files; ``outdated``
    says that one was run for others.
    """
    return _Writer(advice, signed, checked, outdated).document()


class _Writer:
    """Writes one document; holds the answer and the wording around it."""

    def __init__(self, advice: Recommendation, signed: Signatures, checked: Preflight | None, outdated: bool) -> None:
        self.advice = advice
        self.outdated = outdated
        self.signed = signed
        self.checked = checked
        self.checklist = load_items()

    def document(self) -> str:
        entries = tuple(self.state(one) for one in applying(self.advice))
        parts = [*self.head(entries), *self.groups(entries), *self.duties(), *self.added(entries)]
        return "\n\n".join(parts) + "\n"

    def state(self, ticked: Ticked) -> State:
        results = self.checked.of_item(ticked.item.id) if self.checked else ((), ())
        return State(ticked, self.signed.items.get(ticked.item.id, Signed()), *results)

    def head(self, entries: tuple[State, ...]) -> Iterator[str]:
        done = sum(entry.done for entry in entries)
        yield f"# {self.label('title', text=self.advice.name)}"
        counted = self.label("counted", done=str(done), total=str(len(entries)))
        lines = [self.label("use"), counted]
        if self.checked is not None:
            counts = {status: str(count) for status, count in self.checked.counts.items()}
            lines.append(self.label("preflight", date=_day(self.checked), **counts))
        if self.outdated:
            lines.append(self.label("preflight_old"))
        yield "\n".join(lines)

    def groups(self, entries: tuple[State, ...]) -> Iterator[str]:
        for group, members in groupby(entries, key=lambda entry: entry.ticked.item.group):
            yield f"## {group}. {self.say(self.checklist.groups[group])}"
            yield "\n".join(line for entry in members for line in self.item(entry))

    def item(self, entry: State) -> Iterator[str]:
        item, ticked = entry.ticked.item, entry.ticked
        yield _first_line(entry.done, self.say(item.text), item.id, entry.signed)
        yield f"  - {self.label('why', text=item.why)}"
        yield f"  - {self.label('how', text=item.how)}"
        yield f"  - {self.label('owner', text=item.owner)}"
        if ticked.facts:
            yield f"  - {self.label('facts', text=self.facts(ticked))}"
        yield from (f"  - {line}" for line in self.proofs(entry))
        if ticked.depends_on:
            yield f"  - {self.label('depends_on', text=', '.join(ticked.depends_on))}"
        yield from entry.signed.notes

    def proofs(self, entry: State) -> Iterator[str]:
        """What proves or contradicts it, what is only shown beside it, and where people and machine disagree."""
        if entry.ticked.evidence:
            yield f"{self.label('evidence', text=entry.ticked.evidence)} {PROOF}"
        if entry.passed:
            text = "; ".join(self.result(one) for one in entry.counting)
            proof = self.raw("proven_by_check", date=_day(self.checked), text=text)
            yield f"{self.label('evidence', text=proof)} {PROOF}"
        beside = entry.supporting if entry.passed else (*entry.counting, *entry.supporting)
        for one in beside:
            yield self.label(
                "checked", status=wordings().statuses[one.status].say(self.advice.lang), text=self.told(one)
            )
        if entry.signed.ticked and entry.proven:
            yield self.label("by_hand")
        if entry.signed.ticked and entry.failed:
            yield self.label("conflict_failed")
        if entry.signed.unticked and entry.proven:
            yield self.label("conflict_proven")

    def result(self, one: Result) -> str:
        return self.raw("result", title=one.title, text=one.evidence)

    def told(self, one: Result) -> str:
        """A result, with what to do about it where it says so."""
        said = self.result(one)
        if one.remedy is None:
            return said
        stop, space = ("。", "") if self.advice.lang == "zh" else (".", " ")
        ended = said if said.endswith((".", "!", "?", "。", "！", "？")) else f"{said}{stop}"
        return self.raw("remedy", text=f"{ended}{space}", remedy=one.remedy)

    def facts(self, entry: Ticked) -> str:
        bases = self.checklist.bases
        said = (
            self.checklist.labels["fact"]
            .say(self.advice.lang)
            .format(name=name, value=value, basis=bases[basis].say(self.advice.lang))
            for name, value, basis in entry.facts
        )
        return ("、" if self.advice.lang == "zh" else ", ").join(said)

    def duties(self) -> Iterator[str]:
        if self.advice.obligations:
            yield f"## {self.label('duties')}"
            yield "\n".join(line for duty in self.advice.obligations for line in self.duty(duty))
            yield self.label("not_advice")

    def duty(self, duty: Duty) -> Iterator[str]:
        signed = self.signed.items.get(duty_name(duty), Signed())
        text = self.label("duty", regulation=duty.regulation, text=duty.text)
        yield _first_line(signed.ticked, text, duty_name(duty), signed)
        if duty.condition:
            yield f"  - {self.label('condition', text=duty.condition)}"
        yield f"  - {self.label('citation', text=duty.citation, date=duty.checked_on)}"
        yield from signed.notes

    def added(self, entries: tuple[State, ...]) -> Iterator[str]:
        """What people wrote that belongs to no item of now, signatures on items that no longer apply included."""
        shown = {entry.ticked.item.id for entry in entries} | {*map(duty_name, self.advice.obligations)}
        left = {name: one for name, one in self.signed.items.items() if name not in shown and not one.empty}
        gone = [line for name, one in left.items() for line in self.gone(name, one)]
        if gone or self.signed.added:
            yield f"## {self.label('added')}"
            blocks = ("\n".join(self.signed.added), "\n".join(gone))
            yield from (block for block in blocks if block)

    def gone(self, name: str, signed: Signed) -> Iterator[str]:
        texts = {item.id: item.text for item in self.checklist.items}
        yield _first_line(signed.ticked, self.say(texts.get(name, name)), name, signed)
        yield from signed.notes

    def label(self, name: str, **texts: str | Wording) -> str:
        """The wording called ``name`` with its braces filled by escaped texts."""
        filled = {key: self.say(text) for key, text in texts.items()}
        return self.checklist.labels[name].say(self.advice.lang).format_map(filled)

    def raw(self, name: str, **texts: str) -> str:
        """The same, not escaped yet."""
        return self.checklist.labels[name].say(self.advice.lang).format_map(texts)

    def say(self, text: str | Wording) -> str:
        return escape(text.say(self.advice.lang) if isinstance(text, Wording) else text)


@dataclass(frozen=True, slots=True)
class State:
    """An item with everything that is known of it."""

    ticked: Ticked
    signed: Signed
    ticking: tuple[Result, ...]
    """Results of the preflight that may tick it."""
    supporting: tuple[Result, ...]
    """Results that are only shown."""

    @property
    def counting(self) -> tuple[Result, ...]:
        """Results that say something about this machine."""
        return tuple(one for one in self.ticking if one.status != "not_applicable")

    @property
    def passed(self) -> bool:
        """Whether the preflight proves it."""
        return bool(self.counting) and all(one.status == "passed" for one in self.counting)

    @property
    def failed(self) -> bool:
        """Whether the preflight contradicts it."""
        return any(one.status == "failed" for one in (*self.ticking, *self.supporting))

    @property
    def proven(self) -> bool:
        """Whether profile, plan or preflight prove it."""
        return self.ticked.done or self.passed

    @property
    def done(self) -> bool:
        """Whether it is ticked: a person's word counts, either way."""
        return self.signed.ticked or (self.proven and not self.signed.unticked)


def _first_line(done: bool, text: str, name: str, signed: Signed) -> str:
    remark = f" {signed.remark}" if signed.remark else ""
    return f"- [{'x' if done else ' '}] {text} {mark(name)}{remark}"


def _day(checked: Preflight | None) -> str:
    return checked.checked_at[:10] if checked else ""

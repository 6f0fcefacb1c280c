"""CHECKLIST.md: the items that apply to an answer, grouped, and its legal obligations.

Every text is escaped on its way into the document, ours too, so that no name can smuggle in markup. A comment at the
end of its first line, which no reader sees, tells which item it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from deployadvisor.checklist.entries import Wording
from deployadvisor.checklist.items import Ticked, applying, load_items
from deployadvisor.recommendation import Duty, Recommendation

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKUP = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")


def markdown(advice: Recommendation) -> str:
    """The checklist of an answer as Markdown, in the language of the answer."""
    return _Writer(advice).document()


def escape(text: str) -> str:
    r"""Text as one line of Markdown that shows it as it is.

    >>> escape("a *b*\n<script> max_model_len")
    'a \\*b\\* &lt;script&gt; max_model_len'
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return _MARKUP.sub(r"\\\g<0>", " ".join(printable.split()).translate(_ENTITIES))


def mark(name: str) -> str:
    """The comment that tells one item from another, whatever language or version wrote the rest of the line.

    >>> mark("data-is-classified")
    '<!-- data-is-classified -->'
    """
    return f"<!-- {' '.join(name.translate(_ENTITIES).split())} -->"


class _Writer:
    """Writes one document; holds the answer and the wording around it."""

    def __init__(self, advice: Recommendation) -> None:
        self.advice = advice
        self.checklist = load_items()

    def document(self) -> str:
        ticked = applying(self.advice)
        parts = [*self.head(ticked), *self.groups(ticked), *self.duties()]
        return "\n\n".join(parts) + "\n"

    def head(self, ticked: tuple[Ticked, ...]) -> Iterator[str]:
        done = sum(entry.done for entry in ticked)
        yield f"# {self.label('title', text=self.advice.name)}"
        yield f"{self.label('use')}\n{self.label('counted', done=str(done), total=str(len(ticked)))}"

    def groups(self, ticked: tuple[Ticked, ...]) -> Iterator[str]:
        for group, entries in groupby(ticked, key=lambda entry: entry.item.group):
            yield f"## {group}. {self.say(self.checklist.groups[group])}"
            yield "\n".join(line for entry in entries for line in self.item(entry))

    def item(self, entry: Ticked) -> Iterator[str]:
        item = entry.item
        yield f"- [{'x' if entry.done else ' '}] {self.say(item.text)} {mark(item.id)}"
        yield f"  - {self.label('why', text=item.why)}"
        yield f"  - {self.label('how', text=item.how)}"
        yield f"  - {self.label('owner', text=item.owner)}"
        if entry.facts:
            yield f"  - {self.label('facts', text=self.facts(entry))}"
        if entry.evidence:
            yield f"  - {self.label('evidence', text=entry.evidence)}"
        if entry.depends_on:
            yield f"  - {self.label('depends_on', text=', '.join(entry.depends_on))}"

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
        yield f"- [ ] {self.label('duty', regulation=duty.regulation, text=duty.text)} {mark(f'duty {duty.id}')}"
        if duty.condition:
            yield f"  - {self.label('condition', text=duty.condition)}"
        yield f"  - {self.label('citation', text=duty.citation, date=duty.checked_on)}"

    def label(self, name: str, **texts: str | Wording) -> str:
        """The wording called ``name`` with its braces filled by escaped texts."""
        filled = {key: self.say(text) for key, text in texts.items()}
        return self.checklist.labels[name].say(self.advice.lang).format_map(filled)

    def say(self, text: str | Wording) -> str:
        return escape(text.say(self.advice.lang) if isinstance(text, Wording) else text)

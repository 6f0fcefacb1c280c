"""What a typed line means as an answer: a word, its number or first letters; a number as people write it; a list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployadvisor.errors import ProfileError, nearest
from deployadvisor.interview import Question

_NUMBER = re.compile(r"(\d+|\d{1,3}(?:[,_' ]\d{3})+)(\.\d+)?\s*([km千万]?)", re.IGNORECASE)
_SCALES = {"": 1, "k": 1_000, "m": 1_000_000, "千": 1_000, "万": 10_000}
_NONE = ("none", "no", "无", "没有")
_FLAGS = {"true": "yes", "false": "no", "是": "yes", "否": "no", "能": "yes", "不能": "no"}


def read_answer(question: Question, text: str, words: Mapping[str, str]) -> Any:
    """The value that a line of text means as an answer; ProfileError where it means none."""
    if question.kind == "number":
        return _number(text, words)
    if question.kind == "list":
        return () if text.casefold() in _NONE else tuple(re.split(r"[\s,，、;]+", text.strip(" ,，、;")))
    return text if question.kind == "text" else _word(question, text, words)


def _number(text: str, words: Mapping[str, str]) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ProfileError(words["not_a_number"].format(text=text))
    whole, fraction, scale = match.groups()
    value = float(re.sub(r"[,_' ]", "", whole) + (fraction or "")) * _SCALES[scale.casefold()]
    return int(value) if value.is_integer() else value


def _word(question: Question, text: str, words: Mapping[str, str]) -> str:
    """The word itself, its number, or the only one that begins so."""
    values = question.values
    wanted = text.casefold().replace(" ", "_").replace("-", "_")
    if question.kind == "flag":
        wanted = _FLAGS.get(wanted, wanted)
    if wanted in values:
        return wanted
    if wanted.isdecimal() and 1 <= int(wanted) <= len(values):
        return values[int(wanted) - 1]
    found = [value for value in values if value.startswith(wanted)]
    if len(found) > 1:
        raise ProfileError(words["several"].format(text=text, words=", ".join(found)))
    if not found:
        message = words["not_one_of"].format(text=text, words=", ".join(values))
        raise ProfileError(message, suggestion=nearest(wanted, values))
    return found[0]

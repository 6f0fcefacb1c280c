"""Ten thousand hostile texts: as words of every format, and as names, paths and models of whole bundles."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from deployadvisor.errors import RenderError
from deployadvisor.reasoning import Reason
from deployadvisor.recommendation import Recommendation
from deployadvisor.render import quoting
from deployadvisor.render.artefacts import dump
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_units import unit_words
from deployadvisor.render.kserve import for_go
from deployadvisor.render.record import RECORD
from deployadvisor.render.targets import available_targets
from tests.generated.hostile import hostile_texts, printable
from tests.generated.words import words_of
from tests.render import powershell
from tests.render.factory import ENGINES, hosted, on_system, served, tuned
from tests.render.nodes import spanning

MANY = 10_000
BUNDLES = int(os.environ.get("HOSTILE_BUNDLES", "10"))
"""Texts for each engine and target; `make hostile` takes enough for ten thousand."""

NAME, WHY, CAUTION = "Zzname Qq", "Zzwhy Qq", "Zzcaution Qq"
HUB, FOLDER, FILE = "Zzhub/Qq-Model", "/zzfolder/Qq", "/zzfile/Qq.gguf"


@cache
def texts() -> tuple[str, ...]:
    return tuple(hostile_texts(MANY, seed=20_261_128))


def quoted_by(quote: Callable[[object], str]) -> Iterator[tuple[str, str]]:
    """Every text that the format can hold, and how it is written there."""
    for text in texts():
        try:
            yield text, quote(text)
        except RenderError:
            continue


def test_bash_reads_every_text_back(tmp_path: Path) -> None:
    pairs = list(quoted_by(quoting.shell))
    script = tmp_path / "words.sh"
    script.write_text(
        "printf '%s\\0' " + " \\\n".join(word for _, word in pairs) + "\n", encoding="utf-8", newline=""
    )
    read = subprocess.run(["bash", script], capture_output=True, check=True, timeout=60).stdout
    assert read.decode().split("\0")[:-1] == [text for text, _ in pairs]
    assert len(pairs) > 0.8 * MANY


def test_yaml_and_json_read_every_text_back() -> None:
    every = list(texts())
    assert yaml.safe_load(dump(every, ".yaml")) == every
    assert yaml.safe_load(dump(dict.fromkeys(every, 1), ".yaml")) == dict.fromkeys(every, 1)
    assert json.loads(dump(every, ".json")) == every


def test_python_reads_every_text_back() -> None:
    pairs = list(quoted_by(quoting.python))
    assert ast.literal_eval("[" + ",".join(word for _, word in pairs) + "]") == list(texts())


@pytest.mark.tool
def test_javascript_reads_every_text_back(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    every = [*texts(), "lone \ud800 surrogates \udfff\ud800"]
    script = "console.log(JSON.stringify([" + ",\n".join(map(quoting.javascript, every)) + "]));\n"
    (tmp_path / "words.mjs").write_text(script, encoding="ascii")
    read = subprocess.run([node, tmp_path / "words.mjs"], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(read) == every
    assert not re.search(r"(?i)</script|<!--|\]\]>", script)


def test_powershell_reads_every_text_back_in_ascii() -> None:
    pairs = [*quoted_by(quoting.powershell), ("lone \ud800", quoting.powershell("lone \ud800"))]
    script = "@(\n" + "\n".join(word for _, word in pairs) + "\n)\n"
    assert script.isascii()
    assert powershell.errors(script) == []
    assert list(powershell.words(script))[1:-1] == [text for text, _ in pairs]
    assert len(pairs) > 0.8 * MANY


def test_units_hold_every_text_on_one_line_or_refuse_it() -> None:
    pairs = list(quoted_by(quoting.systemd))
    assert all("\n" not in word for _, word in pairs)
    assert [unit_words(f"/x {word} end")[1:] for _, word in pairs] == [[text, "end"] for text, _ in pairs]
    assert len(pairs) > 0.5 * MANY


def test_bash_reads_every_env_file_back(tmp_path: Path) -> None:
    pairs = list(quoted_by(quoting.env))
    lines = [f"V{number}={word}" for number, (_, word) in enumerate(pairs)]
    (tmp_path / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    script = '. ./.env; for ((i = 0; i < $1; i++)); do name=V$i; printf "%s\\0" "${!name}"; done'
    command = ["bash", "-c", script, "bash", str(len(pairs))]
    read = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    assert read.decode().split("\0")[:-1] == [text for text, _ in pairs]
    assert len(pairs) > 0.1 * MANY


@pytest.mark.parametrize("quote", [quoting.caddy, quoting.dockerfile], ids=["caddy", "dockerfile"])
def test_formats_without_quotes_take_plain_words_only(quote: Callable[[object], str]) -> None:
    assert all(text == word and shlex.split(word) == [text] for text, word in quoted_by(quote))


# --- whole bundles -------------------------------------------------------------------------------------------------


def named(advice: Recommendation, name: str, why: str, caution: str) -> Recommendation:
    """The answer with words of a user, of a foreign rule file and of a warning."""
    reason = Reason(rule="r", text=why, where="rules/x.yaml:1:1", source=why)
    profile = {**advice.profile, "name": name}
    return advice.model_copy(
        update={"name": name, "title": why, "reasons": (reason,), "warnings": (caution,), "profile": profile}
    )


def answer(kind: str, model: str) -> Recommendation:
    """A plan of one kind with this model."""
    if kind == "hosted":
        return hosted("openai", hosted_model=model)
    if kind == "spanning":
        return spanning("vllm", model=model)
    return (tuned if kind.startswith("tuned") else served)(kind.removeprefix("tuned-"), model=model)


def for_target(target: str, advice: Recommendation) -> Recommendation:
    """The answer on a machine for which the target writes the most files."""
    return on_system("windows", advice) if target == "native" else advice


def tame_models(kind: str) -> tuple[str, ...]:
    """Models in every form that the kind takes: of the Hub, a folder, a file."""
    if kind in ("llama_cpp", "textgen"):
        return (FILE,)
    return (FILE, FOLDER) if kind == "ollama" else (HUB,) if kind == "hosted" else (HUB, FOLDER)


def model_like(tame: str, text: str) -> str:
    """The text as a model of the same form: a hub id does not look like a path, and a file has its ending."""
    if tame == FILE:
        return f"/zz{text}.gguf"
    if tame == FOLDER:
        return f"/zz{text}x"
    return f"x{text}x"


KINDS = (*ENGINES, "tuned-vllm", "hosted", "spanning")
CASES = [
    (kind, target, tame)
    for kind in KINDS
    for tame in tame_models(kind)
    for target in available_targets(answer(kind, tame))
    if target != "kuberay"  # holds YAML within YAML, which its own test reads
]


@cache
def tame_bundle(kind: str, target: str, tame: str) -> Bundle:
    return render(for_target(target, named(answer(kind, tame), NAME, WHY, CAUTION)), [target])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "target", "tame"), CASES, ids=["-".join(case).replace("/", "_") for case in CASES])
def test_no_text_becomes_syntax_in_a_bundle(kind: str, target: str, tame: str) -> None:
    plain = tame_bundle(kind, target, tame)
    for written, bundle in hostile_bundles(kind, target, tame):
        assert set(bundle) == set(plain), written
        for path in bundle:
            assert_same_words(path, plain[path].text, bundle[path].text, written)


def hostile_bundles(kind: str, target: str, tame: str) -> Iterator[tuple[frozenset[str], Bundle]]:
    """Bundles with a hostile text in every place, and how those texts may be written; some formats refuse some."""
    start = CASES.index((kind, target, tame)) * BUNDLES
    for index in range(start, start + BUNDLES):
        every = [texts()[(index + shift) % MANY] for shift in (0, MANY // 4, MANY // 2, 3 * MANY // 4)]
        model, name = model_like(tame, printable(every[0])), printable(every[1])
        advice = for_target(target, named(answer(kind, model), name, *every[2:]))
        try:
            bundle = render(advice, [target])
        except RenderError:
            continue
        yield frozenset(spelling for text in (model, name, *every[2:]) for spelling in spellings(text)), bundle


def spellings(text: str) -> Iterator[str]:
    """A text as it is, on one line, as a word of a shell, within JSON, within JSON within a word of a shell."""
    yield text
    yield " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    for doubled in (text, text.replace("$", "$$")):
        yield from (doubled, for_go(doubled))
    yield quote(text)
    if "\0" not in text:
        yield from (shlex.quote(text), subprocess.list2cmdline([text]))
    for ascii_only in (True, False):
        inside = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield from (inside, inside.replace("'", "'\"'\"'"))


MARKS = re.compile(
    r"(?i)zz(?:name|why|caution)[ -]qq|zzhub[-/]qq-model|/zzfolder/qq|/zzfile/qq\.gguf|qq\.gguf|zz\w+|\bqq\b"
)
SAFE = re.compile(r"[A-Za-z0-9._/@:+=-]*")


def assert_same_words(path: str, plain: str, hostile: str, written: frozenset[str]) -> None:
    """Every word is the plain one, but for what stands in the place of a user's text."""
    expected, found = words_of(path, plain), words_of(path, hostile)
    assert len(found) == len(expected), (path, written)
    for before, after in zip(expected, found, strict=True):
        if before != after and not (path in WITH_DIGESTS and DIGEST.fullmatch(after)):
            assert fits(after, MARKS.split(before), written), (path, before, after)


def fits(word: str, pieces: list[str], written: frozenset[str]) -> bool:
    """Whether the word is the pieces with a user's text, or signs without a meaning, between any two of them."""
    ends = {len(pieces[0])} if word.startswith(pieces[0]) else set()
    for piece in pieces[1:]:
        starts = {end + len(text) for end in ends for text in written if word.startswith(text, end)}
        starts |= {start for end in ends for start in range(end, SAFE.match(word, end).end() + 1)}
        ends = {start + len(piece) for start in starts if word.startswith(piece, start)}
    return len(word) in ends


DIGEST = re.compile(r"str (sha256:)?[0-9a-f]{64}")
WITH_DIGESTS = (RECORD, "preflight.sh")
"""Files that name others, or the files they were made from, by their digest."""

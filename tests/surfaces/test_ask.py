"""``deployadvisor ask``: what answers it understands, how one moves in it, what it writes, and how it ends."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor import load_rules, recommend
from deployadvisor.errors import ProfileError
from deployadvisor.interview import Kind, Question, begin
from deployadvisor.profile import from_answers, load
from deployadvisor.surfaces.ask_answers import read_answer
from deployadvisor.surfaces.ask_command import _WORDS
from deployadvisor.surfaces.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interview.md"
RULEBOOK = load_rules()
ANSWERS: dict[str, Any] = {
    "purpose": "production",
    "data_sensitivity": "confidential",
    "data_region": "eu",
    "vendor_contract": "none",
    "vendor_dependence": "accepted",
    "internet": "no",
    "requests_per_day": 50_000,
    "input_tokens": 1_000,
    "output_tokens": 300,
    "peak_concurrency": 64,
    "customization": "prompting",
    "ops_capacity": "part_time",
    "can_acquire_gpu": "cannot",
    "platform": "docker",
    "interface": "api",
    "model": "Qwen/Qwen3-8B",
    "context_tokens": 8_192,
    "regulations": "gdpr",
    "languages": "de, en",
    "hardware": "1x H100",
}


class Terminal:
    """Types answers and reads what is said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, typed: str, *arguments: str) -> tuple[int, str, str]:
        self.monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(("ask", *arguments))
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


def lines(**changed: Any) -> str:
    """What to type, one answer a line, in the order of the questions."""
    answers, interview, typed = {**ANSWERS, **changed}, begin(from_answers({}), RULEBOOK), []
    while interview.next:
        key, kind = interview.next.key, interview.next.kind
        value = answers.get(key)
        typed.append("-" if value is None else str(value))
        if value is None:
            interview = interview.skip()
        else:
            interview = interview.answer(re.split(r",\s*", value) if kind == "list" else value)
    return "".join(f"{line}\n" for line in typed)


def numbers_of(out: str) -> list[int]:
    """The numbers of the questions that were shown."""
    return [int(number) for number in re.findall(r"^  (\d+) +\S", out, re.MULTILINE)]


# A whole interview


def test_an_interview_ends_with_the_verdict(ask: Terminal) -> None:
    code, out, err = ask(lines())
    wanted = recommend({**ANSWERS, "regulations": ["gdpr"], "languages": ["de", "en"]})
    assert (code, err) == (0, "")
    assert numbers_of(out) == list(range(1, len(lines().splitlines()) + 1))
    assert f"\n  {wanted.title}    decided · rules {RULEBOOK.version}\n" in out
    assert "still possible: " in out
    assert "\x1b" not in out


def test_a_blocked_interview_says_what_is_missing(ask: Terminal) -> None:
    code, out, _ = ask(lines(hardware="none"))
    assert code == 3
    assert "Missing" in out
    assert "Next:" not in out


def test_the_command_that_is_printed_gives_the_same_verdict(
    ask: Terminal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out, _ = ask(lines())
    command = re.findall(r"Next: deployadvisor (recommend .*) --out deploy/$", out, re.MULTILINE)
    assert len(command) == 1
    assert main(shlex.split(command[0])) == 0
    verdict = next(line for line in capsys.readouterr().out.splitlines() if line.strip())
    assert verdict in out


def test_the_command_that_is_printed_uses_the_same_rules(ask: Terminal) -> None:
    folder = str(RULEBOOK.folder)
    _, out, _ = ask("q\n", "--lang", "zh", "--rules", folder, "--set", "internet=no")
    for name in ("ask", "recommend"):
        assert f"deployadvisor {name} --set internet=no --rules {folder} --lang zh " in out


def test_what_a_profile_says_is_not_asked(ask: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    path.write_text(yaml.safe_dump({**ANSWERS, "regulations": ["gdpr"]}))
    code, out, _ = ask("", str(path))
    assert (code, numbers_of(out)) == (0, [])
    code, out, _ = ask("", str(path), "--set", "hardware=none")
    assert code == 3
    code, out, _ = ask("", str(path), "--hardware", "none")
    assert code == 3


def test_chinese(ask: Terminal) -> None:
    code, out, _ = ask(lines(), "--lang", "zh")
    assert code == 0
    assert "仍可能" in out
    assert "已决定" in out
    code, out, _ = ask("不知道\n返回\n退出\n", "--lang", "zh")
    assert code == 4
    assert "还需要更多答案" in out
    assert numbers_of(out) == [1, 2, 1]


def test_both_languages_say_the_same_things() -> None:
    fields = {lang: {key: set(re.findall(r"{\w+}", text)) for key, text in _WORDS[lang].items()} for lang in _WORDS}
    assert fields["en"] == fields["zh"]


# Moving


def test_an_answer_that_is_none_is_asked_for_again(ask: Terminal) -> None:
    code, out, _ = ask("adaptr\n\n" + lines())
    assert code == 0
    assert 'did you mean "adapter"?' in " ".join(out.split())
    assert "an answer, or - when you do not know" in out
    assert numbers_of(out).count(1) == 1


def test_an_answer_that_contradicts_another_is_refused(ask: Terminal) -> None:
    key = "peak_concurrency"
    settings = [f"--set={name}={value}" for name, value in ANSWERS.items() if name not in (key, "requests_per_day")]
    code, out, _ = ask("64\n2\n", *settings, "--set=requests_per_day=3")
    assert code == 0
    assert "contradiction: peak_concurrency 64 is more than the 3 requests of a whole day" in out


def test_going_back_asks_again(ask: Terminal) -> None:
    code, out, _ = ask("b\nadapter\nback\n" + lines())
    assert code == 0
    assert numbers_of(out)[:4] == [1, 2, 1, 2]
    assert "this is the first question" in out


def test_help_does_not_move(ask: Terminal) -> None:
    code, out, _ = ask("?\nhelp\nq\n")
    assert (code, numbers_of(out)) == (4, [1])
    assert out.count("leave it open") == 2


@pytest.mark.parametrize("typed", ["q\n", "stop\n", "", "\n\n", "no such word\n"])
def test_stopping_early_is_an_open_answer(ask: Terminal, typed: str) -> None:
    code, out, err = ask(typed)
    assert (code, err) == (4, "")
    assert "More answers are needed    open" in out
    assert "Next question" in out
    assert "no route" in out


@pytest.mark.parametrize("typed", ["-", "unknown", "don't know", "don’t know", "Do not know"])
def test_not_knowing_goes_on(ask: Terminal, tmp_path: Path, typed: str) -> None:
    path = tmp_path / "project.yaml"
    code, out, _ = ask(f"{typed}\nq\n", "--out", str(path))
    assert (code, numbers_of(out)) == (4, [1, 2])
    assert list(yaml.safe_load(path.read_text()).values()) == ["unknown"]


def test_nothing_but_not_knowing_ends_open(ask: Terminal) -> None:
    code, out, _ = ask("-\n" * 40)
    assert code == 4
    assert "Next question" not in out
    assert "Still possible" in out


def test_a_long_or_strange_line_does_no_harm(ask: Terminal) -> None:
    code, out, _ = ask("x" * 100_000 + "\n\x1b[2J\nq\n")
    assert code == 4
    assert "\x1b" not in out
    assert len(out) < 10_000


# The file


def test_the_answers_are_written_as_a_profile(ask: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    code, out, _ = ask(lines(), "--out", str(path))
    assert code == 0
    assert f"Wrote {path}." in out
    assert f"deployadvisor recommend {path} --out deploy/" in out
    written = yaml.safe_load(path.read_text())
    wanted = {**ANSWERS, "regulations": ["gdpr"], "languages": ["de", "en"]}
    assert written.items() <= wanted.items()
    assert list(written) == list(load(path).answers())
    assert recommend(path).route == "private_engine"
    assert [each.name for each in tmp_path.iterdir()] == ["project.yaml"]


def test_hardware_from_the_command_line_is_kept(ask: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    ask("q\n", "--hardware", "1x H100", "--out", str(path))
    assert yaml.safe_load(path.read_text()) == {"hardware": "1x H100"}


def test_a_file_is_not_overwritten_unless_asked_to(ask: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    path.write_text("purpose: personal\n")
    code, out, err = ask("q\n", "--out", str(path))
    assert (code, out) == (2, "")
    assert err == f"error: {path} exists; write elsewhere, or use --force\n"
    assert path.read_text() == "purpose: personal\n"
    assert ask("q\n", str(path), "--set", "internet=no", "--out", str(path), "--force")[0] == 4
    assert path.read_text() == "purpose: personal\ninternet: 'no'\n"


def test_a_file_without_a_folder_is_refused_before_anything_is_asked(ask: Terminal, tmp_path: Path) -> None:
    code, out, err = ask("q\n", "--out", str(tmp_path / "none" / "project.yaml"))
    assert (code, out) == (2, "")
    assert "no such folder" in err


def test_an_interrupt_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Interrupted(io.StringIO):
        def readline(self, *_: Any) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Interrupted())
    assert main(["ask", "--out", str(tmp_path / "project.yaml")]) == 130
    assert list(tmp_path.iterdir()) == []


def test_answers_that_are_no_text_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
    assert main(["ask"]) == 2
    assert capsys.readouterr().err == "stdin: error: the answers are not UTF-8 text\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-",), "standard input holds the answers"),
        (("missing.yaml",), "missing.yaml: error: cannot read the file"),
        (("--hardware", "3x Banana"), "Banana"),
        (("--set", "purpos=personal"), 'did you mean "purpose"'),
        (("--set", "regulations=[gdrp]"), 'did you mean "gdpr"'),
        (("--set", "model=qwen3-99b"), "is not a model in the catalogue"),
        (("--rules", "nowhere"), "no such rules folder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(ask: Terminal, arguments: tuple[str, ...], text: str) -> None:
    code, out, err = ask("q\n", *arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert err.count("\n") == 1


# Reading an answer


def question(kind: Kind, *values: str) -> Question:
    return Question("key", "Text?", "Why.", kind, values, "", 1.0)


PLACES = question("choice", "docker", "kubernetes", "bare_metal", "data_lake")
LEVELS = question("ordinal", "none", "low", "lower")
FLAG = question("flag", "no", "yes")
NUMBER = question("number")
LIST = question("list", "gdpr", "hipaa")
TEXT = question("text")
UNDERSTOOD = [
    (PLACES, "docker", "docker"),
    (PLACES, "Bare Metal", "bare_metal"),
    (PLACES, "bare-metal", "bare_metal"),
    (PLACES, "ku", "kubernetes"),
    (PLACES, "2", "kubernetes"),
    (LEVELS, "low", "low"),
    (LEVELS, "n", "none"),
    (FLAG, "y", "yes"),
    (FLAG, "1", "no"),
    (FLAG, "true", "yes"),
    (FLAG, "否", "no"),
    (NUMBER, "50000", 50_000),
    (NUMBER, "50_000", 50_000),
    (NUMBER, "50,000", 50_000),
    (NUMBER, "50 000", 50_000),
    (NUMBER, "50k", 50_000),
    (NUMBER, "1.5M", 1_500_000),
    (NUMBER, "0.25", 0.25),
    (NUMBER, "5万", 50_000),
    (NUMBER, "1,234,567", 1_234_567),
    (LIST, "gdpr, hipaa", ("gdpr", "hipaa")),
    (LIST, "gdpr hipaa", ("gdpr", "hipaa")),
    (LIST, "gdpr、hipaa；", ("gdpr", "hipaa；")),
    (LIST, "none", ()),
    (LIST, "无", ()),
    (TEXT, "2x RTX 4090", "2x RTX 4090"),
]


@pytest.mark.parametrize(("asked", "text", "value"), UNDERSTOOD)
def test_an_answer_is_understood(asked: Question, text: str, value: object) -> None:
    read = read_answer(asked, text, _WORDS["en"])
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("asked", "text", "message", "suggestion"),
    [
        (PLACES, "dokcer", "is not one of docker", "docker"),
        (PLACES, "d", "could be docker, data_lake", None),
        (PLACES, "9", "is not one of", None),
        (PLACES, "0", "is not one of", None),
        (FLAG, "maybe", "is not one of no, yes", None),
        (NUMBER, "1,5", "is not a number", None),
        (NUMBER, "many", "is not a number", None),
        (NUMBER, "12_34", "is not a number", None),
        (NUMBER, "1e400", "is not a number", None),
    ],
)
def test_an_answer_is_not_understood(asked: Question, text: str, message: str, suggestion: str | None) -> None:
    with pytest.raises(ProfileError, match=message) as caught:
        read_answer(asked, text, _WORDS["en"])
    assert caught.value.suggestion == suggestion


# The page


def test_the_session_of_the_page_is_real(ask: Terminal) -> None:
    session = re.findall(
        r"^```text\n\$ deployadvisor ask (.*?)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert len(session) == 1
    arguments, shown = session[0]
    typed = "".join(f"{line}\n" for line in re.findall(r"^     > ?(.*)$", shown, re.MULTILINE))
    _, out, _ = ask(typed, *shlex.split(arguments))
    until_the_reasons = "".join(f"{line.rstrip()}\n" for line in out.partition("\n  Why")[0].splitlines())
    assert until_the_reasons.rstrip() == shown.rstrip(), "run the command with these answers and paste what it says"

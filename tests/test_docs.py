"""What a new user reads is true: commands run, examples get the stated answers, generated parts are current."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from ruamel.yaml import YAML

from deployadvisor import documents, recommend
from deployadvisor.profile import Profile
from deployadvisor.rulebook import load_rules

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
EXAMPLES = sorted((DOCS / "examples").glob("*.yaml"))
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (DOCS / "schemas").glob("*.json")}
RULE_FILES = {name: name for name in ("vocabulary", "properties", "accepted", "scenarios")} | dict.fromkeys(
    ("route", "engine", "provider"), "ruleset"
)
OVERLAYS = sorted((DOCS / "examples" / "overlays").glob("*.yaml"))

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
ANSWER = re.compile(r"^# Answer: (?P<route>\w+) with (?P<name>\w+) on (?P<hardware>[^;]+); .+\.$")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, *languages: str) -> list[str]:
    found = FENCE.findall(path.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def read_as_editors_do(path: Path) -> Any:
    """YAML 1.2, in which yes and no are words."""
    return YAML(typ="safe", pure=True).load(path)


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("generate")
    sys.path.remove(str(DOCS))


# Generated parts


def test_generated_parts_are_current(generate: ModuleType):
    stale = [named(path) for path, _ in generate.outdated()]
    assert not stale, f"out of date: {', '.join(stale)}; run python docs/generate.py"


def test_a_stale_part_is_made_anew(generate: ModuleType):
    page = "before\n<!-- generated: counts en -->\nno models\n<!-- end -->\nafter\n"
    made = generate.regenerated(page)
    assert "no models" not in made
    assert re.search(r"\n- \d+ open-weight models", made)
    assert generate.regenerated(made) == made


# Commands


def commands(path: Path) -> Iterator[tuple[list[str], int]]:
    """Words and expected exit code of every deployadvisor line of a page, in reading order."""
    for text in blocks(path, "sh", "console"):
        for line in re.findall(r"^(?:\$ )?(deployadvisor\b.*)$", text.replace("\\\n", " "), re.MULTILINE):
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            end = next((at for at, word in enumerate(words) if word in {"|", ">", "&&", ";"}), len(words))
            stated = re.search(r"# exit (\d)$", line) or re.search(r"^\$ echo \$\?\n(\d)$", text, re.MULTILINE)
            yield words[:end], int(stated[1]) if stated else 0


@pytest.mark.parametrize("path", [path for path in PAGES if any(commands(path))], ids=named)
def test_commands_run_in_reading_order(path: Path, generate: ModuleType):
    with generate.sandbox(path.read_text(encoding="utf-8")):
        for words, expected in commands(path):
            code, output = generate.run(shlex.join(words))
            assert code == expected, f"{shlex.join(words)}\n{output}"


def test_every_command_is_documented(generate: ModuleType):
    text = (DOCS / "cli.md").read_text()
    assert [name for name, _ in generate._commands() if f"\n## deployadvisor {name}\n" not in text] == []


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path, "python")], ids=named)
def test_python_sessions_run(path: Path, generate: ModuleType):
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    with generate.sandbox():
        for text in blocks(path, "python"):
            session = parser.get_doctest(text, {}, named(path), str(path), 0)
            assert session.examples
            runner.run(session)
    assert runner.summarize().failed == 0


# Examples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_gets_the_answer_it_states(path: Path):
    stated = ANSWER.fullmatch(path.read_text().splitlines()[1])
    assert stated, 'the second line reads "# Answer: ROUTE with NAME on HARDWARE; why."'
    advice = recommend(path)
    assert (advice.status, advice.route) == ("decided", stated["route"])
    assert (advice.engine or advice.provider) == stated["name"]
    assert advice.plan.hardware == stated["hardware"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_meets_the_schema_it_names(path: Path):
    first = path.read_text().splitlines()[0]
    assert (
        path.parent / first.removeprefix("# yaml-language-server: $schema=")
    ).resolve() == DOCS / "schemas" / "profile.json"
    validator("profile").validate(read_as_editors_do(path))


# Schemas


def validator(name: str) -> jsonschema.Draft202012Validator:
    stored = [(f"{stem}.json", Resource.from_contents(schema)) for stem, schema in SCHEMAS.items()]
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    return jsonschema.Draft202012Validator(SCHEMAS[name], registry=Registry().with_resources(stored))


@pytest.mark.parametrize(("file", "schema"), RULE_FILES.items())
def test_rule_files_meet_the_schema_they_name(file: str, schema: str):
    path = ROOT / "rules" / f"{file}.yaml"
    assert path.read_text().splitlines()[0] == f"# yaml-language-server: $schema=../docs/schemas/{schema}.json"
    validator(schema).validate(read_as_editors_do(path))


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_meet_their_schema(path: Path):
    validator("overlay").validate(read_as_editors_do(path))


@pytest.mark.parametrize("file", [name for name in RULE_FILES if name != "scenarios"])
def test_rule_schemas_accept_what_the_program_reads(file: str):
    validator(RULE_FILES[file]).validate(documents.read(ROOT / "rules" / f"{file}.yaml").value)


RULE = {"id": "a", "forbid": "lab", "when": {"purpose": "personal"}, "because": "b"}


@pytest.mark.parametrize(
    ("schema", "group", "value"),
    [
        ("ruleset", "constraints", {**RULE, "becuase": "c"}),
        ("ruleset", "constraints", {**RULE, "unless": {"purpose": "personal"}}),
        ("ruleset", "constraints", {**RULE, "missing": "c"}),
        ("ruleset", "constraints", {**RULE, "when": {"any": {"purpose": "personal"}}}),
        ("ruleset", "constraints", {**RULE, "when": {}}),
        ("ruleset", "cases", {"id": "a", "recommend": "lab", "fit": "perfect", "because": "b"}),
        ("ruleset", "preferences", {"id": "a", "prefer": {"lab": 16}, "when": RULE["when"], "because": "b"}),
        ("properties", "properties", {"id": "a", "raise": "internet", "because": "b"}),
        ("accepted", "accepted", {"code": "DA001", "ruleset": "route", "reason": "an error cannot be accepted"}),
        ("scenarios", "scenarios", {"id": "a", "situation": "b", "given": {"purpos": "c"}, "expect": {}}),
        ("scenarios", "scenarios", {"id": "a", "situation": "b", "given": {}, "expect": {"winner": "c"}}),
    ],
)
def test_rule_schemas_refuse(schema: str, group: str, value: dict[str, Any]):
    path = ROOT / "rules" / ("route.yaml" if schema == "ruleset" else f"{schema}.yaml")
    body = {**read_as_editors_do(path), group: [value]}
    with pytest.raises(jsonschema.ValidationError):
        validator(schema).validate(body)


# Pages


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_resolve(path: Path):
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = [link.partition("#") for link in LINK.findall(prose) if not link.startswith("https://")]
    broken = [file for file, _, _ in targets if file and not (path.parent / file).exists()]
    assert broken == []
    # Anchors of the reference are tested where it is made; others are headings that somebody may reword.
    named_places = [anchor for _, _, anchor in targets if anchor and path.parent != REFERENCE]
    assert named_places == [], "link to pages, not to headings that move"


def test_the_reference_holds_nothing_else(generate: ModuleType):
    assert {path for path, _ in generate.reference()} == set(REFERENCE.iterdir())


def linked_from(page: Path) -> list[Path]:
    return [(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))]


def test_every_page_is_on_the_index_once():
    linked = linked_from(DOCS / "index.md")
    wanted = {path for path in PAGES if path.parent in (DOCS, DOCS / "deploy")} - {DOCS / "index.md"}
    assert wanted - set(linked) == set()
    assert [path for path in wanted if linked.count(path) > 1] == []


def test_every_page_of_a_deployment_is_linked_where_targets_are_listed():
    assert {path for path in PAGES if path.parent == DOCS / "deploy"} - set(linked_from(DOCS / "deploy.md")) == set()


def test_no_page_names_a_place_on_a_machine():
    files = [*PAGES, *EXAMPLES, *(DOCS / "schemas").glob("*.json"), *DOCS.glob("*.py")]
    places = re.compile(r"(?<![\w.])/(?:work|home|root|tmp|Users|mnt|opt)\b|\b[A-Z]:\\")
    assert {named(path): places.findall(path.read_text(encoding="utf-8")) for path in files} == {
        named(path): [] for path in files
    }


def test_every_profile_key_is_explained():
    facts = load_rules().vocabulary.facts
    prose = (DOCS / "profile.md").read_text().partition("## Keys that no rule mentions")[2]
    explained = set(re.findall(r"^\| `(\w+)` \|", prose, re.MULTILINE))
    assert {key for key in Profile.model_fields if key not in facts} == explained & set(Profile.model_fields)


def test_entries_of_a_page_are_added_to_a_copy_of_the_rules(generate: ModuleType):
    entry = "- id: acme\n  forbid: lab\n  when: {internet: no}\n  because: Why.\n"
    page = f"```yaml\n# own/route.yaml, constraints\n{entry}```\n"
    page += "```yaml\n# own/texts.zh.yaml, rules\nacme: 因为。\n```\n"
    with generate.sandbox(page) as folder:
        rulebook = load_rules(folder / "own")
        assert rulebook.route.rules[0].id == "acme"
        assert rulebook.texts("zh").rule(rulebook.route.rules[0]) == "因为。"
        shipped = documents.read(ROOT / "rules" / "route.yaml").value["constraints"]
        assert documents.read(folder / "own" / "route.yaml").value["constraints"][1:] == shipped


def test_times_are_not_part_of_a_page(generate: ModuleType):
    with generate.sandbox():
        assert generate._session("deployadvisor rules check").endswith(" nodes and … s\n```")

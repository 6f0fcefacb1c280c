"""A sweep answers every row exactly as ``recommend`` does, and finds out once what many rows share."""

from __future__ import annotations

import csv
import itertools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployadvisor import recommend, sweep
from deployadvisor.errors import DeployAdvisorError
from deployadvisor.profile import Profile, allowed_values, from_answers
from deployadvisor.rulebook import load_rules
from deployadvisor.sweep import Outcome, Sweep, free_keys
from deployadvisor.sweep_rows import Block, Grid, Table, grid, table, value_of
from deployadvisor.verdict import Bench

NUMBERS = {
    "requests_per_day": ("0", "50", "2000", "60000", "900000", "unknown"),
    "peak_concurrency": ("1", "6", "64"),
    "input_tokens": ("300", "6000", "unknown"),
    "output_tokens": ("100", "unknown"),
    "context_tokens": ("2000", "16000"),
    "tpot_ms": ("20",),
    "budget_per_month": ("0", "500"),
    "growth_per_year": ("-0.5",),
}
TEXTS = {
    "name": ("a", "=1+1", "b\x07"),
    "regulations": ("gdpr", "gdpr;pipl", "hipaa", "gdprx", "unknown"),
    "languages": ("zh", "en;de"),
    "model": ("Qwen/Qwen3-8B", "qwen3-8b", "no-such-model", "Qwen/Qwen2.5-14B-Instruct"),
    "hardware": ("none", "1x H100", "2x RTX 4090", "M3 Max 64GB", "cpu 64GB", "1x Banana"),
}
WORDS = {key: words for key, words in allowed_values().items() if len(words) > 1 and key != "modalities"}
DOMAIN: Mapping[str, tuple[str, ...]] = {**WORDS, **NUMBERS, **TEXTS}
ROWS = 60


def rows_of(folder: Path, keys: list[str], lines: list[list[str]]) -> Table:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([keys, *lines])
    return table(path)


def found(swept: Sweep, rows: Grid | Table, size: int = 50) -> Iterator[tuple[Block, int, Outcome]]:
    for block in rows.blocks(size):
        outcomes = swept.outcomes(block)
        assert len(outcomes.codes) == len(block)
        for row, code in enumerate(outcomes.codes):
            yield block, row, outcomes.different[code]


def given(block: Block, row: int) -> dict[str, Any]:
    return {key: value_of(key, text) for key in block.keys if (text := block.text(row, key))}


def asked(answers: Mapping[str, Any], **how: Any) -> tuple[Any, ...]:
    try:
        advice = recommend(answers, **how)
    except DeployAdvisorError:
        return (None, None, None, None, True)
    return (advice.status, advice.route, advice.engine, advice.provider, False)


def short(outcome: Outcome) -> tuple[Any, ...]:
    return (outcome.status, outcome.route, outcome.engine, outcome.provider, outcome.error is not None)


# Exactness


@pytest.mark.parametrize("seed", range(6))
def test_random_rows_get_what_recommend_answers(tmp_path: Path, seed: int) -> None:
    """Any keys, with open, wrong and contradictory answers among them, over a base profile that has some already."""
    pick = random.Random(seed)  # noqa: S311 - repeatable, not secret
    keys = pick.sample(sorted(DOMAIN), 9)
    if "hardware" not in keys:
        keys[0] = "hardware"
    base = {key: pick.choice(DOMAIN[key]) for key in pick.sample(["internet", "purpose", "ops_capacity"], 2)}
    lines = [
        [pick.choice(["", *DOMAIN[key]]) if key != "hardware" else pick.choice(DOMAIN[key]) for key in keys]
        for _ in range(ROWS)
    ]
    strict = seed == 5
    swept = Sweep(from_answers(base), keys, strict=strict, keep_going=True)
    for block, row, outcome in found(swept, rows_of(tmp_path, keys, lines)):
        answers = {**base, **given(block, row)}
        assert short(outcome) == asked(answers, strict=strict), answers


PLAIN = ("purpose", "internet", "ops_capacity", "vendor_dependence", "can_acquire_gpu")


@pytest.mark.parametrize("seed", range(2))
def test_plain_grids_get_what_recommend_answers(seed: int) -> None:
    pick = random.Random(seed)  # noqa: S311 - repeatable, not secret
    axes = {key: tuple(word for word in WORDS[key] if word != "unknown") for key in PLAIN}
    axes |= {"can_acquire_gpu": ("cannot", "rent"), "data_sensitivity": ("internal", "confidential")}
    axes |= {"hardware": pick.sample(["none", "1x H100", "2x RTX 4090", "M3 Max 64GB"], 1)}
    order = pick.sample(sorted(axes), len(axes))
    rows = Grid({key: tuple(axes[key]) for key in order})
    every = list(found(Sweep(Profile(), rows.keys), rows, 1000))
    assert len(every) == len(rows)
    for block, row, outcome in pick.sample(every, 50):
        assert short(outcome) == asked(given(block, row)), given(block, row)


def test_what_is_asked_beside_the_profile_counts(tmp_path: Path) -> None:
    rows = grid(["data_sensitivity=public,restricted", "purpose=personal,production"], 100)
    for hardware in ("none", "1x H100"):
        outcomes = [short(outcome) for *_, outcome in found(Sweep(Profile(), rows.keys, hardware=hardware), rows)]
        answers = itertools.product(("public", "restricted"), ("personal", "production"))
        assert outcomes == [
            asked({"data_sensitivity": data, "purpose": purpose}, hardware=hardware) for data, purpose in answers
        ]


def test_an_overlay_counts() -> None:
    overlay = Path(__file__).parent.parent / "docs" / "examples" / "overlays" / "lmdeploy-first.yaml"
    rows = grid(["data_sensitivity=public,confidential", "hardware=1x H100", "ops_capacity=nobody,on_call"], 100)
    for block, row, outcome in found(Sweep(Profile(), rows.keys, overlay=overlay), rows):
        assert short(outcome) == asked(given(block, row), overlay=overlay)
    assert outcome.engine == "lmdeploy"


def test_plans_are_those_of_recommend() -> None:
    rows = grid(["hardware=none,1x H100,1x Banana", "data_sensitivity=public,restricted"], 100)
    base = from_answers({"can_acquire_gpu": "rent", "requests_per_day": 40_000})
    for block, row, outcome in found(Sweep(base, rows.keys, plans=True, keep_going=True), rows):
        if outcome.error:
            assert block.text(row, "hardware") == "1x Banana"
            continue
        advice = recommend({**base.answers(), **given(block, row)})
        assert short(outcome)[:4] == (advice.status, advice.route, advice.engine, advice.provider)
        assert (outcome.gpus, outcome.precision) == (advice.plan.gpus, advice.plan.precision)
        assert outcome.planned_model == (advice.plan.hosted_model or advice.plan.model)
        assert outcome.hosted_per_month == (advice.cost.hosted and advice.cost.hosted.per_month)
        assert outcome.rented_per_month == (advice.cost.rented and advice.cost.rented.per_month)
        assert outcome.reason == next((reason.rule for reason in advice.reasons), None)


# What rows share


def test_free_keys_are_words_that_only_the_route_rules_read() -> None:
    """The page about sweeps names them."""
    free = free_keys(load_rules())
    page = Path(__file__).parent.parent / "docs" / "sweep.md"
    assert free == set(PLAIN)
    assert [key for key in free if f"`{key}`" not in page.read_text(encoding="utf-8")] == []


def test_no_two_free_keys_contradict_each_other() -> None:
    """A group knows which word of one free key its bound keys allow, so words of two must always go together."""
    pairs = itertools.combinations(sorted(free_keys(load_rules())), 2)
    for one, other in pairs:
        for words in itertools.product(WORDS[one], WORDS[other]):
            from_answers(dict(zip((one, other), words, strict=True)))


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[Profile]:
    """The profiles for which facts and decisions are found."""
    taken: list[Profile] = []
    original = Bench.verdict

    def count(bench: Bench, profile: Profile, **how: Any) -> Any:
        taken.append(profile)
        return original(bench, profile, **how)

    monkeypatch.setattr(Bench, "verdict", count)
    return taken


def test_facts_are_found_once_for_a_group(verdicts: list[Profile]) -> None:
    free = ["purpose=personal,production", "internet=yes,no", "ops_capacity=nobody,on_call"]
    rows = grid([*free, "data_sensitivity=public,confidential", "hardware=none,1x H100"], 100)
    assert len(list(found(Sweep(Profile(), rows.keys), rows, 7))) == 32
    assert len(verdicts) == 4


def test_names_make_no_group(tmp_path: Path, verdicts: list[Profile]) -> None:
    rows = rows_of(tmp_path, ["name", "hardware"], [[f"project {number}", "none"] for number in range(20)])
    outcomes = [outcome for *_, outcome in found(Sweep(Profile(), rows.keys), rows)]
    assert len(verdicts) == len(set(outcomes)) == 1


def test_few_groups_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_GROUPS_KEPT", 3)
    rows = grid(["hardware=none", "requests_per_day=100:2000:100"], 100)
    swept = Sweep(Profile(), rows.keys)
    kept = [len(swept._groups) for _ in found(swept, rows, 1)]
    assert len(kept) == 20
    assert max(kept) == 3


# Bad rows


BAD = [["public", "yes", "none"], ["public", "yes", "none"], ["public", "maybe", "none"], ["pubic", "yes", "none"]]


def test_a_check_names_the_first_bad_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, ["data_sensitivity", "internet", "hardware"], BAD)
    (block,) = rows.blocks(10)
    with pytest.raises(DeployAdvisorError, match=r'in.csv:4:2: error: internet: "maybe" is not one of yes, no'):
        Sweep(Profile(), rows.keys).check(block)
    with pytest.raises(DeployAdvisorError, match=r"in.csv:4:2"):
        Sweep(Profile(), rows.keys).outcomes(block)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("model", "no-such-model", 'in.csv:2:2: error: "no-such-model"'),
        ("model", "./nowhere", 'in.csv:2:2: error: "./nowhere" is not a folder'),
        (
            "regulations",
            "gdpr;gdprx",
            'in.csv:2:2: error: "gdprx" is not a regulation in the catalogue; did you mean',
        ),
        ("name", "b\x07", "in.csv:2:2: error: name: "),
        ("audience", "public", "in.csv:2:1: error: contradiction: internet no (air-gapped) cannot serve"),
    ],
)
def test_a_name_that_is_not_known_is_a_bad_row(tmp_path: Path, key: str, text: str, message: str) -> None:
    rows = rows_of(tmp_path, ["hardware", key], [["none", text]])
    (block,) = rows.blocks(10)
    swept = Sweep(from_answers({"internet": "no"}), rows.keys, keep_going=True)
    with pytest.raises(DeployAdvisorError) as caught:
        swept.check(block)
    assert message in str(caught.value)
    assert [outcome.error for *_, outcome in found(swept, rows)] == [str(caught.value)]


def test_good_rows_pass_the_check_although_their_base_alone_would_not(tmp_path: Path) -> None:
    """The row's own word for a free key counts, not the base's."""
    rows = rows_of(tmp_path, ["internet", "audience", "hardware"], [["yes", "public", "none"]])
    (block,) = rows.blocks(10)
    swept = Sweep(from_answers({"internet": "no"}), rows.keys)
    swept.check(block)
    assert [outcome.status for *_, outcome in found(swept, rows)] == ["decided"]


def test_many_columns_do_not_overflow(tmp_path: Path) -> None:
    """More different combinations than a number of 64 bits can count."""
    keys = ["requests_per_day", "input_tokens", "output_tokens", "context_tokens", "ttft_ms", "tpot_ms", "name"]
    lines = [[*(str(10**4 * 2 + number) for _ in keys[:-1]), "x"] for number in range(1, 2200)]
    lines = [[*line, "none"] for line in lines]
    (block,) = rows_of(tmp_path, [*keys, "hardware"], lines).blocks(10_000)
    first, place = sweep._distinct([block.column(key) for key in keys], len(block))
    assert len(first) == len(set(place.tolist())) == len(block)

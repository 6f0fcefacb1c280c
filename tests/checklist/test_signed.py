"""What people write into CHECKLIST.md is there after it was written again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.checklist.document import markdown
from deployadvisor.checklist.results import Preflight, Result
from deployadvisor.checklist.signed import UNSIGNED, Signatures, Signed, read_signatures
from deployadvisor.checklist.wording import wordings
from deployadvisor.recommendation import Duty, Recommendation

from .answers import hosted, memory, private

DUTY = Duty(
    id="gdpr-processor",
    regulation="gdpr",
    text="Use a provider — any — that gives guarantees.",
    effect="require_contract",
    citation="GDPR Art. 28",
    source="the regulation",
    checked_on="2026-11-22",
)
PUBLIC = {"data_sensitivity": "public"}
PROVEN = "data-is-classified"
OPEN = "problem-is-measurable"


def answer(**parts: Any) -> Recommendation:
    return hosted(answered=PUBLIC, obligations=(DUTY,), **parts)


def edited(text: str, name: str, old: str, new: str) -> str:
    """The document with a change in the block of one item."""
    start = text.rindex("\n- [", 0, text.index(f"<!-- {name} -->")) + 1
    end = min(place for sign in ("\n- [", "\n\n") if (place := text.find(sign, start)) > 0)
    block = text[start:end]
    assert old in block, block
    return text[:start] + block.replace(old, new, 1) + text[end:]


def again(text: str, advice: Recommendation | None = None, **given: Any) -> str:
    advice = advice or answer()
    return markdown(advice, signed=read_signatures(text, advice.obligations), **given)


def checked(**statuses: str) -> Preflight:
    checks = wordings().checks
    results = tuple(
        Result(
            check=name,
            title=checks[name].title.en,
            status=status,
            evidence=f"{name} said so",
            remedy="mend it" if status == "failed" else None,
        )
        for name, status in ((name.replace("_", "-"), status) for name, status in statuses.items())
    )
    return Preflight(checked_at="2026-11-28T17:00:00Z", by="test", requirements="0", results=results)


def test_an_untouched_document_holds_nothing_of_anybody() -> None:
    for advice in (answer(), answer(lang="zh"), private(estimate=memory(), answered={"regulations": ["gdpr"]})):
        text = markdown(advice, checked=checked(docker="passed", disk="failed", ports="unknown"))
        signed = read_signatures(text, advice.obligations)
        assert all(one.empty for one in signed.items.values())
        assert signed.added == ()


@pytest.mark.parametrize(("old", "new"), [
    ("- [ ]", "- [x]"),
    ("- [ ]", "- [X]"),
    ("-->", "--> — Jane Roe, 2026-11-30"),
    (" <!--", " — Jane Roe, 2026-11-30 <!--"),
    ("\n  - Owner: Product owner", "\n  - Owner: Product owner\n  - see ticket 12"),
    ("\n  - Owner: Product owner", "\n  - Owner: Jane Roe"),
    ("\n  - Owner: Product owner", "\n  - Owner: Product owner\n  - Proven: by the report of May"),
    ("\n  - Owner: Product owner", "\n  - Owner: Product owner\n\n  A paragraph of the item."),
])  # fmt: skip
@pytest.mark.parametrize("name", [OPEN, "workflow-is-described"])
def test_a_tick_a_signature_and_a_note_stay(name: str, old: str, new: str) -> None:
    first = edited(markdown(answer()), name, old, new)
    second = again(first)
    signed = read_signatures(second, (DUTY,)).items[name]
    assert signed == read_signatures(first, (DUTY,)).items[name] != Signed()
    for part in re.split(r"\n+| <!--", new.replace("[X]", "[x]")):
        assert part.strip() in second
    assert again(second) == second


def test_a_tick_outlives_the_evidence_that_came_and_went() -> None:
    text = edited(markdown(answer()), "software-fits", "- [ ]", "- [x]")
    proven = again(text, checked=checked(docker="passed"))
    assert "- [x] What the files need" in proven
    assert "  - Ticked by hand.\n" in proven
    assert "- [x] What the files need" in again(proven)
    assert "Ticked by hand" not in again(proven)


def test_a_machine_that_says_otherwise_is_shown_and_the_tick_stays() -> None:
    text = edited(markdown(answer()), "software-fits", "-->", "--> — Jane Roe, 2026-11-30")
    text = edited(text, "software-fits", "- [ ]", "- [x]")
    failed = again(text, checked=checked(docker="failed"))
    assert "- [x] What the files need" in failed
    assert "— Jane Roe, 2026-11-30\n" in failed
    assert "  - Preflight, failed: Docker: docker said so. What to do: mend it.\n" in failed
    assert "  - Conflict: it was ticked by hand, and the preflight says otherwise.\n" in failed
    assert again(failed, checked=checked(docker="failed")) == failed
    assert "Conflict" not in again(failed, checked=checked(docker="passed"))


def test_a_tick_that_somebody_took_away_stays_away() -> None:
    text = edited(markdown(answer()), PROVEN, "- [x]", "- [ ]")
    second = again(text)
    assert "- [ ] The data is classified" in second
    assert "  - Conflict: it is proven, and somebody has taken the tick away.\n" in second
    assert again(second) == second
    back = again(edited(second, PROVEN, "- [ ]", "- [x]"))
    assert back == markdown(answer())


def test_passing_checks_tick_and_unknown_ones_do_not() -> None:
    assert "- [x] What the files need" in markdown(answer(), checked=checked(docker="passed", compose="passed"))
    for other in ("unknown", "failed"):
        assert "- [ ] What the files need" in markdown(answer(), checked=checked(docker="passed", compose=other))
    assert "- [x] What the files need" in markdown(
        answer(), checked=checked(docker="passed", compose="not_applicable")
    )
    assert "- [ ] What the files need" in markdown(answer(), checked=checked(compose="not_applicable"))


def test_a_result_that_only_supports_an_item_is_shown_and_ticks_nothing() -> None:
    text = markdown(private(), checked=checked(disk="passed"))
    assert "  - Preflight, passed: Disk for the weights: disk said so\n" in text
    assert re.search(r"- \[ \] Storage holds the weights", text)
    assert "Preflight of 2026-11-28: 1 passed, 0 failed, 0 unknown, 0 not applicable.\n" in text


def test_results_for_other_files_are_not_shown() -> None:
    assert "A preflight was run for an earlier version" in markdown(answer(), outdated=True)


def test_the_language_may_change_in_between() -> None:
    text = edited(markdown(answer()), OPEN, "-->", "--> — Jane Roe")
    chinese = again(edited(text, OPEN, "- [ ]", "- [x]"), answer(lang="zh"))
    assert "- [x] 要解决的问题已成文" in chinese
    assert "Owner" not in chinese
    assert again(chinese) == again(edited(text, OPEN, "- [ ]", "- [x]"))


def test_a_duty_is_signed_too() -> None:
    text = edited(markdown(answer()), "duty gdpr-processor", "- [ ]", "- [x]")
    text = edited(text, "duty gdpr-processor", "-->", "--> — counsel, 2026-12-01")
    second = again(text)
    assert (
        "- [x] gdpr: Use a provider — any — that gives guarantees. <!-- duty gdpr-processor --> — counsel, 2026-12-01"
        in second
    )
    assert again(second) == second


def test_what_no_longer_applies_keeps_its_signature_and_gets_it_back() -> None:
    text = edited(markdown(answer()), "operators-are-named", "-->", "--> — Jane, on call")
    fewer = again(text, hosted(answered={**PUBLIC, "purpose": "personal"}))
    assert "## Added by hand\n\n- [ ] An owner, somebody on call" in fewer
    assert again(fewer) == again(text)


OWN = "- [ ] Ask the works council\n  - Owner: Jane\n\nA paragraph\nof two lines.\n\n## Our own heading\n\n- a point"


def test_items_and_text_of_their_own_go_to_the_end() -> None:
    text = markdown(answer())
    place = text.index("\n## C. ")
    second = again(f"{text[:place]}\n{OWN}\n{text[place:]}")
    assert second.endswith(f"\n## Added by hand\n\n{OWN}\n")
    assert again(second) == second


def test_a_checklist_of_version_0_1_is_known_by_its_words() -> None:
    text = re.sub(r" <!-- [a-z -]+ -->", "", markdown(answer()))
    signed = read_signatures(text, (DUTY,))
    assert all(one.empty for one in signed.items.values())
    assert signed.added == ()
    ticked = text.replace("- [ ] The problem is", "- [x] The problem is", 1)
    assert [name for name, one in read_signatures(ticked, (DUTY,)).items.items() if one.ticked] == [OPEN]


def test_words_that_have_changed_since_lose_no_signature() -> None:
    text = f"- [x] Words of an older version. — Jane, May <!-- {OPEN} -->\n  - Why: another reason\n"
    assert read_signatures(text).items[OPEN] == Signed(True, False, "— Jane, May", ("  - Why: another reason",))


REMARKS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([OPEN, PROVEN, "workflow-is-described"]), st.booleans(), REMARKS), max_size=4),
    REMARKS,
)
def test_writing_again_changes_nothing_and_loses_nothing(edits: list[tuple[str, bool, str]], line: str) -> None:
    text = markdown(answer())
    for name, ticked, remark in edits:
        old, new = ("- [ ]", "- [x]") if ticked else ("- [x]", "- [ ]")
        place = text.index(f"<!-- {name} -->")
        start = text.rindex("\n- [", 0, place) + 1
        text = text[:start] + text[start:].replace(old, new, 1) if text[start:].startswith(old) else text
        text = text.replace(f"<!-- {name} -->", f"<!-- {name} --> {remark}", 1)
    second = again(f"{text}\n{line}\n")
    assert again(second) == second
    squeezed = " ".join(second.split())
    for _, _, remark in edits:
        assert " ".join(remark.split()) in squeezed


def test_nothing_signed_is_the_plain_document() -> None:
    assert markdown(answer(), signed=Signatures()) == markdown(answer(), signed=UNSIGNED) == markdown(answer())

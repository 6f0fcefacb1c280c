"""What Compose reads is what was meant."""

from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.render.interpolation import Reference, escaped, optional, required
from tests.render.reading import HOSTILE, interpolated


@given(st.one_of(st.sampled_from(HOSTILE), st.text()))
def test_escaped_text_survives_compose(text: str) -> None:
    assert interpolated(escaped({"a": [text]})) == {"a": [text]}


def test_references_stay_references() -> None:
    made = escaped({"key": required("API_KEY"), "port": Reference(f"{optional('PORT', '80')}:8080")})
    assert made == {"key": "${API_KEY:?set API_KEY in .env}", "port": "${PORT:-80}:8080"}
    assert type(made["key"]) is str

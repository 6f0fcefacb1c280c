"""The faults that systemd accepts, or mentions only in its log."""

import pytest

from deployadvisor.render.check_units import check_unit, unit_words

GOOD = """\
# a comment
[Unit]
Description=a service
StartLimitBurst=3

[Service]
User=llm
ExecStart=:/opt/x/bin/engine serve "a $model 50%% \\"x\\"" --port 8000
ExecStartPre=-+/usr/bin/true
Environment=HOME=/var/lib/x "NOTE=two words"
Restart=on-failure
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
"""


def test_a_good_unit_passes() -> None:
    assert list(check_unit(GOOD)) == []


def test_a_target_needs_no_protection() -> None:
    assert list(check_unit("[Unit]\nDescription=all\nWants=a.service\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("NoNewPrivileges=yes", "NoNewPrivileges=yes\nNoNewPrivilege=yes", "[Service] knows no NoNewPrivilege"),
        ("StartLimitBurst=3", "StartLimitBurst=3\nRestart=always", "[Unit] knows no Restart"),
        ("50%%", "50%", "ExecStart has a % that is not doubled"),
        ("Description=a service", "Description=%h", "Description has a % that is not doubled"),
        (":/opt/x/bin/engine", ":bin/engine", "ExecStart starts bin/engine, which is not a whole path"),
        ("-+/usr/bin/true", "-+true", "ExecStartPre starts true"),
        ("ExecStart=:/opt", "ExecStart=/opt", "ExecStart has a $ that would be replaced"),
        ('"NOTE=two words"', "VLLM_API_KEY=abc", "Environment holds the secret VLLM_API_KEY"),
        ('"NOTE=two words"', '"NOTE=two words', "Environment is not quoted right"),
        ('"x\\"" --port', '"x\\" --port', "ExecStart is not quoted right"),
        ("User=llm", "User=root", "it runs as root"),
        ("User=llm\n", "", "it runs as root"),
        ("ProtectSystem=strict\n", "", "ProtectSystem is missing"),
        ("Restart=on-failure\n", "", "Restart is missing"),
        ("Restart=on-failure", "Restart=on-failure\nExecStart=/bin/x", "ExecStart stands twice"),
        ("User=llm", "User=llm\nstray words", "line 8 is neither a section, a setting nor a comment"),
        ("User=llm", "User=llm\nUMask=0077 \\", "line 8 is neither a section, a setting nor a comment"),
    ],
)
def test_each_fault_is_named(old: str, new: str, words: str) -> None:
    assert old in GOOD
    found = list(check_unit(GOOD.replace(old, new, 1)))
    assert [words in text for text in found] == [True], found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a   b\t", ["a", "b"]),
        (r'"a \"b\" \\ \n\t" c', ['a "b" \\ \n\t', "c"]),
        ("100%%", ["100%"]),
        ('"open', None),
        ('mid"quote', None),
        ('"two""words"', None),
    ],
)
def test_words_are_split_as_systemd_splits_them(text: str, words: list[str] | None) -> None:
    assert unit_words(text) == words

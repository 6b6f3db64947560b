"""Probes around a valid payload: each is what it says, and none is right by accident."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.commands import COMMANDS, Command
from conformance.contract.contract import statum
from conformance.errors import SuiteError, UsageError
from conformance.generation import probes
from conformance.generation.probes import (
    accept_probes,
    content_type_probes,
    credential_probes,
    method_probes,
    unknown_paths,
)

KEY, SECRET = "2be989703d6d", "3P0R4qTx"
CREDENTIAL_ASPECTS = {
    "absent",
    "wrong-key",
    "wrong-secret",
    "swapped",
    "other-case",
    "empty",
    "not-base64",
    "other-scheme",
}


def header_values(key: str, secret: str, aspect: str) -> list[str]:
    """The values of Authorization of one aspect; absent ones left out."""
    return [
        probe.header_value
        for probe in credential_probes(statum(), key, secret)
        if probe.aspect == aspect and probe.header_value
    ]


def decoded(value: str) -> str:
    """What is behind the scheme."""
    return b64decode(value.split()[1]).decode()


# --- Credentials


def test_the_right_credential() -> None:
    """The scheme, a space, and the base64 of key, colon and secret."""
    assert "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" == statum().authentication.value("Aladdin", "open sesame")
    assert "Basic " + b64encode("ufunguo:siri€".encode()).decode() == statum().authentication.value("ufunguo", "siri€")


def test_every_way_of_being_wrong() -> None:
    """Each aspect is there, each header once, and the same every time."""
    found = credential_probes(statum(), KEY, SECRET)

    assert {probe.aspect for probe in found} == CREDENTIAL_ASPECTS
    assert len({probe.header_value for probe in found}) == len(found)
    assert found == credential_probes(statum(), KEY, SECRET)


# What HTTP can carry and people use; a key has no colon.
KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters=":\x7f"), min_size=1, max_size=12
)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=12)


@given(KEYS, SECRETS)
def test_no_probe_is_right(key: str, secret: str) -> None:
    """Whatever the credential, no probe makes a lenient gateway see the right key and secret."""
    right = statum().authentication.value(key, secret)

    for probe in credential_probes(statum(), key, secret):
        assert probe.header_value != right
        scheme, _, rest = (probe.header_value or "").partition(" ")
        if scheme == "Basic" and probe.aspect != "not-base64":
            assert f"{key}:{secret}".encode() != b64decode(rest)


@given(KEYS, SECRETS)
def test_headers_can_be_sent(key: str, secret: str) -> None:
    """Each value is one that HTTP carries unchanged: ASCII, no line break, no white space around it."""
    for probe in credential_probes(statum(), key, secret):
        if probe.header_value is not None:
            assert probe.header_value.isascii()
            assert probe.header_value.isprintable()
            assert probe.header_value.strip() == probe.header_value


def test_near_misses() -> None:
    """One character off at the end, and one short; the other half is right."""
    assert ["2be989703d6x:3P0R4qTx", "2be989703d6:3P0R4qTx"] == list(
        map(decoded, header_values(KEY, SECRET, "wrong-key"))
    )
    assert ["2be989703d6d:3P0R4qTy", "2be989703d6d:3P0R4qT"] == list(
        map(decoded, header_values(KEY, SECRET, "wrong-secret"))
    )


@given(KEYS, SECRETS)
def test_a_near_miss_is_not_another_case(key: str, secret: str) -> None:
    """A gateway that ignores case is faulted for that, not for taking a wrong word."""
    for aspect in ("wrong-key", "wrong-secret"):
        for value in header_values(key, secret, aspect):
            assert f"{key}:{secret}".casefold() != decoded(value).casefold()


def test_swapped() -> None:
    """Secret and key have changed places; equal ones cannot."""
    assert ["3P0R4qTx:2be989703d6d"] == list(map(decoded, header_values(KEY, SECRET, "swapped")))
    assert [] == header_values("same", "same", "swapped")


@pytest.mark.parametrize(
    ("key", "secret", "expected"),
    [
        ("Key", "Secret", ["Key:sECRET", "kEY:Secret"]),
        ("123", "Secret", ["123:sECRET"]),
        ("Key", "456", ["kEY:456"]),
    ],
)
def test_other_case(key: str, secret: str, expected: list[str]) -> None:
    """The secret in another case, then the key, where they have one."""
    assert expected == list(map(decoded, header_values(key, secret, "other-case")))


def test_other_case_of_what_has_none() -> None:
    """Then it is the base64 text, which is another credential in another case."""
    (value,) = header_values("123", "456", "other-case")

    assert statum().authentication.value("123", "456").split()[1].swapcase() == value.split()[1]


def test_empty() -> None:
    """A colon alone, and nothing at all."""
    assert ["Basic Og==", "Basic"] == header_values(KEY, SECRET, "empty")


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), ("", ""), ("a:b", "s")])
def test_a_credential_that_basic_cannot_carry(key: str, secret: str) -> None:
    """It would make some probes right, so the user is told instead; the words do not hold the secret."""
    with pytest.raises(UsageError, match="--consumer-key"):
        credential_probes(statum(), key, secret)


def test_a_probe_that_is_right_is_an_error_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is made each time."""
    monkeypatch.setattr(probes, "_wrong_words", lambda word: [word])

    with pytest.raises(SuiteError, match="wrong-key"):
        credential_probes(statum(), KEY, SECRET)


# --- Headers, methods, paths


def test_content_types() -> None:
    """None, and two that are not JSON."""
    assert [
        ("absent-content-type", None),
        ("other-content-type", "text/plain"),
        ("other-content-type", "application/xml"),
    ] == content_type_probes()


def test_accepts() -> None:
    """The three that the seed allows for."""
    assert [("no-accept", None), ("any-accept", "*/*"), ("json-accept", "application/json")] == accept_probes()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.folder)
def test_methods(command: Command) -> None:
    """The other three of GET, POST, PUT and DELETE; httpx can send each."""
    found = method_probes(command)

    assert {"GET", "POST", "PUT", "DELETE"} - {command.method} == {method for _, method in found}
    assert [f"method:{method}" for _, method in found] == [aspect for aspect, _ in found]
    assert [method for _, method in found] == [httpx.Request(method, "http://x/").method for _, method in found]


def test_unknown_paths_are_no_commands() -> None:
    """Neither a command, nor above or below one."""
    for path in unknown_paths(statum()):
        assert [] == [
            name for name in COMMANDS if f"{path}/".startswith(f"{name}/") or f"{name}/".startswith(f"{path}/")
        ]


def test_an_unknown_path_that_becomes_a_command() -> None:
    """Whoever adds such a command is told."""
    contract = replace(statum(), commands={**COMMANDS, "no-such-command": COMMANDS["sms"]})

    with pytest.raises(SuiteError, match="no-such-command"):
        unknown_paths(contract)

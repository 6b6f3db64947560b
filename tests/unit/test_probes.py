"""Probes around a valid payload: each is what it says, and none is right by accident."""

from __future__ import annotations

import tomllib
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.contract import Authentication, Contract, statum
from conformance.contract.tables import Probes
from conformance.model.errors import SuiteError, UsageError
from conformance.payloads.probes import credential_probes, header_probes, method_probes, unknown_commands

COMMANDS = statum().commands

KEY, SECRET = "2be989703d6d", "3P0R4qTx"
ASPECTS = {"absent", "wrong-key", "wrong-secret", "swapped", "other-case", "empty", "not-base64", "other-scheme"}


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

    assert {probe.aspect for probe in found} == ASPECTS
    assert len({probe.header_value for probe in found}) == len(found)
    assert found == credential_probes(statum(), KEY, SECRET)


# What HTTP can carry and people use; a key has no colon.
KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters=":\x7f"), min_size=1, max_size=12
)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=12)


@given(KEYS, SECRETS)
def test_no_probe_is_right_and_each_can_be_sent(key: str, secret: str) -> None:
    """None makes a lenient gateway see the right key and secret; HTTP carries each unchanged, without a line break."""
    right = statum().authentication.value(key, secret)

    for probe in credential_probes(statum(), key, secret):
        value = probe.header_value or ""
        assert value != right
        scheme, _, rest = value.partition(" ")
        if scheme == "Basic" and probe.aspect != "not-base64":
            assert f"{key}:{secret}".encode() != b64decode(rest)
        assert value.isascii()
        assert value.isprintable()
        assert value.strip() == value
        if probe.aspect in ("wrong-key", "wrong-secret"):  # a gateway that ignores case is faulted for that alone
            assert f"{key}:{secret}".casefold() != decoded(value).casefold()


# key, secret, aspect, and what is behind the scheme
WRONG_CREDENTIALS = [
    (KEY, SECRET, "wrong-key", ["2be989703d6x:3P0R4qTx", "2be989703d6:3P0R4qTx"]),
    (KEY, SECRET, "wrong-secret", ["2be989703d6d:3P0R4qTy", "2be989703d6d:3P0R4qT"]),
    (KEY, SECRET, "swapped", ["3P0R4qTx:2be989703d6d"]),
    ("same", "same", "swapped", []),
    ("Key", "Secret", "other-case", ["Key:sECRET", "kEY:Secret"]),
    ("123", "Secret", "other-case", ["123:sECRET"]),
    ("Key", "456", "other-case", ["kEY:456"]),
]


def test_wrong_credentials() -> None:
    """One character off at the end, and one short; swapped, unless they are equal; each in another case; nothing."""
    found = [
        (key, secret, aspect, list(map(decoded, header_values(key, secret, aspect))))
        for key, secret, aspect, _ in WRONG_CREDENTIALS
    ]
    (caseless,) = header_values("123", "456", "other-case")

    assert WRONG_CREDENTIALS == found
    assert statum().authentication.value("123", "456").split()[1].swapcase() == caseless.split()[1]
    assert ["Basic Og==", "Basic"] == header_values(KEY, SECRET, "empty")


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), ("", ""), ("a:b", "s")])
def test_a_credential_that_basic_cannot_carry(key: str, secret: str) -> None:
    """It would make some probes right, so the user is told instead; the words do not hold the secret."""
    with pytest.raises(UsageError, match="--consumer-key"):
        credential_probes(statum(), key, secret)


def with_rows(text: str, **changes: Any) -> Contract:
    """The contract of Statum with these probes."""
    return replace(statum(), probes=Probes.from_table(tomllib.loads(text)), **changes)


RIGHT_ROW = """
[[probe]]
kind = "credential"
aspect = "wrong-key"
outcome = "refused"
made = [{ by = "header", value = "Basic {token}" }]
"""


def test_a_probe_that_is_right_is_an_error_of_the_suite() -> None:
    """The proof is made each time."""
    with pytest.raises(SuiteError, match="wrong-key"):
        credential_probes(with_rows(RIGHT_ROW), KEY, SECRET)


BEARER = Authentication("Authorization", "Bearer", "secret")
BEARER_ROWS = """
[[probe]]
kind = "credential"
aspect = "wrong-secret"
outcome = "refused"
made = [
  { by = "credential", secret = "last-changed" },
  { by = "credential", secret = "other-case" },
  { by = "credential", secret = "empty" },
  { by = "credential", secret = "the-key" },
  { by = "header", value = "Basic {token}" },
]
"""


def test_a_bearer_token_is_made_of_the_secret_alone() -> None:
    """And so are the wrong ones; what would be the right one is left out."""
    contract = with_rows(BEARER_ROWS, authentication=BEARER)
    values = [probe.header_value for probe in credential_probes(contract, KEY, SECRET)]

    assert f"Bearer {SECRET}" == BEARER.value(KEY, SECRET)
    assert ["Bearer 3P0R4qTy", "Bearer 3p0r4QtX", "Bearer", f"Bearer {KEY}", f"Basic {SECRET}"] == values
    assert "Bearer 124" in {probe.header_value for probe in credential_probes(contract, "124", "123")}
    assert "Bearer 123" not in {probe.header_value for probe in credential_probes(contract, "123", "123")}


@pytest.mark.parametrize("secret", ["", "two words", "siri€"])
def test_a_secret_that_no_header_can_carry(secret: str) -> None:
    """A token goes as it is."""
    with pytest.raises(UsageError, match="--consumer-secret"):
        credential_probes(with_rows(BEARER_ROWS, authentication=BEARER), KEY, secret)


# --- Headers, methods, paths


def test_content_types() -> None:
    """None, and two that are not JSON."""
    assert [
        ("absent-content-type", {"Content-Type": None}),
        ("other-content-type", {"Content-Type": "text/plain"}),
        ("other-content-type", {"Content-Type": "application/xml"}),
    ] == list(header_probes(statum(), "malformed", "POST"))


def test_accepts() -> None:
    """The three that the seed allows for, with no other header beside those of the seed; a GET declares no body."""
    alone = {"Accept-Encoding": None, "User-Agent": None}
    lawful = [
        ("no-accept", {"Accept": None, **alone}),
        ("any-accept", {"Accept": "*/*", **alone}),
        ("json-accept", {"Accept": "application/json", **alone}),
    ]

    assert lawful == list(header_probes(statum(), "headers", "POST"))
    assert [*lawful, ("bare-get", {"Content-Type": None})] == list(header_probes(statum(), "headers", "GET"))


def test_methods() -> None:
    """The other three of GET, POST, PUT and DELETE; httpx can send each."""
    for command in COMMANDS.values():
        found = method_probes(statum(), command)

        assert {"GET", "POST", "PUT", "DELETE"} - {command.method} == {method for _, method in found}
        assert [f"method:{method}" for _, method in found] == [aspect for aspect, _ in found]
        assert [method for _, method in found] == [httpx.Request(method, "http://x/").method for _, method in found]


def test_unknown_paths_are_no_commands() -> None:
    """Neither a command, nor above or below one."""
    for _, _, path in unknown_commands(statum()):
        assert [] == [
            name for name in COMMANDS if f"{path}/".startswith(f"{name}/") or f"{name}/".startswith(f"{path}/")
        ]


def test_an_unknown_path_that_becomes_a_command() -> None:
    """Whoever adds such a command is told."""
    contract = replace(statum(), commands={**COMMANDS, "no-such-command": COMMANDS["sms"]})

    with pytest.raises(SuiteError, match="no-such-command"):
        unknown_commands(contract)

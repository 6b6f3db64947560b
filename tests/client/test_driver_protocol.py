"""The driver protocol: every line is held against its schema, in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.client.driver_messages import Hello, ProtocolError, encoded, parsed
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.model.errors import SuiteError, UsageError

INVOKE: dict[str, Any] = FORMATS.schema("driver/invoke")["examples"][0]
HELLO: dict[str, Any] = FORMATS.schema("driver/hello.answer")["examples"][0]


@pytest.mark.parametrize("cmd", ["hello", "invoke", "result", "stop"])
def test_a_message_goes_out_as_its_schema_has_it(cmd: str) -> None:
    """As one line of ASCII."""
    for message in FORMATS.schema(f"driver/{cmd}")["examples"]:
        line = encoded(message)

        assert message == json.loads(line)
        assert line.isascii()
        assert "\n" not in line


def test_text_that_ends_lines_elsewhere_goes_out_escaped() -> None:
    """Readers of lines differ over U+2028 and its like."""
    message = {**INVOKE, "params": {"message": "one\u2028two\u0085three\nfour"}}

    assert 1 == len(encoded(message).splitlines())
    assert message == json.loads(encoded(message))


def test_a_message_that_is_not_valid_is_a_bug_of_the_suite() -> None:
    """It does not go out."""
    with pytest.raises(SuiteError, match="not valid"):
        encoded({**INVOKE, "timeout_s": "5"})


@pytest.mark.parametrize(
    ("cmd", "example"),
    [
        (cmd, example)
        for cmd in ("hello", "invoke", "result")
        for example in FORMATS.schema(f"driver/{cmd}.answer")["examples"]
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40],
)
def test_an_answer_of_the_schema_is_understood(cmd: str, example: dict[str, Any]) -> None:
    """With a carriage return at its end, too, and with members that nobody knows."""
    line = json.dumps({**example, "x-more": [1]}).encode() + b"\r\n"

    assert {**example, "x-more": [1]} == parsed(cmd, line, str)


@pytest.mark.parametrize(
    ("cmd", "line", "words"),
    [
        ("invoke", b"INFO starting", "not JSON"),
        ("invoke", b"", "not JSON"),
        ("invoke", b'{"id":"\xff"}', "not JSON"),
        ("invoke", b'["id"]', "not a JSON object"),
        ("invoke", b'{"outcome":"accepted"}', "/id"),
        ("invoke", b'{"id":"1"}', "/outcome"),
        ("invoke", b'{"id":"1","outcome":"maybe"}', "/outcome"),
        ("invoke", b'{"id":"1","outcome":"error"}', "/error"),
        ("invoke", b'{"id":"1","outcome":"error","error":"gateway"}', "/error"),
        ("invoke", b'{"id":"1","outcome":"accepted","status_code":"200"}', "/status_code"),
        ("result", b'{"id":"1","state":"done"}', "/state"),
        ("hello", b'{"protocol":1,"commands":[]}', "/implementation"),
        ("hello", b'{"protocol":"1","implementation":{"name":"x"},"commands":[]}', "/protocol"),
        ("hello", b'{"protocol":1,"implementation":{"name":"x"},"commands":[1]}', "/commands/0"),
        (
            "hello",
            b'{"protocol":1,"implementation":{"name":"x"},"commands":[],"features":["callback"]}',
            "callback_urls",
        ),
    ],
)
def test_another_line_is_a_breach_that_says_why(cmd: str, line: bytes, words: str) -> None:
    """With the line, and the place in it."""
    with pytest.raises(ProtocolError) as breach:
        parsed(cmd, line, str)

    assert words in str(breach.value)


def test_hello_is_read_in_the_order_of_the_contract() -> None:
    """Commands, callback URLs and what is lacking."""
    hello = Hello.of({**HELLO, "commands": ["airtime", "sms"]}, statum())

    assert ("acme-sdk 1.4.0", ("sms", "airtime")) == (hello.subject, hello.commands)
    assert {"sms": "http://127.0.0.1:41233/hooks/sms?token=t"} == hello.callback_urls
    assert frozenset({"timeout"}) == hello.lacks


def test_callback_urls_count_only_with_the_feature() -> None:
    """What is not declared is not judged."""
    assert {} == Hello.of({**HELLO, "features": []}, statum()).callback_urls


def test_a_driver_that_declares_nothing_cannot_be_judged() -> None:
    """One line says what is missing."""
    with pytest.raises(UsageError, match="acme-sdk declares nothing to judge"):
        Hello.of({**HELLO, "commands": [], "features": []}, statum())


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ({"commands": ["fax"]}, r"names 'fax' in commands, .* contract statum; expected any of sms, airtime"),
        ({"callback_urls": {"fax": "http://127.0.0.1/"}}, r"names 'fax' in callback_urls, .* expected any of sms"),
        ({"lacks": ["tact"]}, r"names 'tact' in lacks, .* error-details, request-id, timeout, bill_ref_number"),
    ],
)
def test_what_the_contract_does_not_have_cannot_be_offered(offered: dict[str, Any], words: str) -> None:
    """One line says which name is unknown, where, and which there are."""
    with pytest.raises(UsageError, match=words):
        Hello.of({**HELLO, **offered}, statum())


@pytest.mark.parametrize("version", [0, 2, 17])
def test_another_version_is_refused_before_anything_else(version: int) -> None:
    """Whatever else its hello may hold."""
    with pytest.raises(UsageError, match=f"version {version} of the driver protocol"):
        parsed("hello", json.dumps({"protocol": version}).encode(), str)

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


def examples(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The examples in the schemas of messages, or of answers, each with its `cmd`."""
    schemas = {cmd: f"driver/{cmd}{kind}" for cmd in ("hello", "invoke", "result", "stop")}
    return [
        (cmd, each) for cmd, name in schemas.items() if name in FORMATS for each in FORMATS.schema(name)["examples"]
    ]


def test_messages_go_out_as_one_line_of_ascii() -> None:
    """As their schemas have them; readers of lines differ over U+2028 and its like."""
    odd = {**INVOKE, "params": {"message": "one\u2028two\u0085three\nfour"}}
    messages = [*(message for _, message in examples("")), odd]
    lines = [encoded(message) for message in messages]

    assert messages == [json.loads(line) for line in lines]
    assert [] == [line for line in lines if not line.isascii() or len(line.splitlines()) != 1 or "\n" in line]


def test_a_message_that_is_not_valid_is_a_bug_of_the_suite() -> None:
    """It does not go out."""
    with pytest.raises(SuiteError, match="not valid"):
        encoded({**INVOKE, "timeout_s": "5"})


def test_answers_of_the_schemas_are_understood() -> None:
    """With a carriage return at their end, too, and with unknown members."""
    for cmd, example in examples(".answer"):
        more = {**example, "x-more": [1]}
        assert more == parsed(cmd, json.dumps(more).encode() + b"\r\n", str)


# message, line, and the reason of the refusal
BREACHES = (
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
    ("hello", b'{"protocol":1,"implementation":{"name":"x"},"commands":[],"features":["callback"]}', "callback_urls"),
)


def breach(cmd: str, line: bytes) -> str:
    """The refusal of a line, with its reason."""
    try:
        return str(parsed(cmd, line, str))
    except ProtocolError as error:
        return str(error)


def test_another_line_is_a_breach_that_says_why() -> None:
    """With the place in the line."""
    found = [(breach(cmd, line), words) for cmd, line, words in BREACHES]

    assert [] == [(refusal, words) for refusal, words in found if words not in refusal or "it wrote" not in refusal]


def test_hello_is_read_in_the_order_of_the_contract() -> None:
    """Commands, members that are lacking, and callback URLs if the feature is declared."""
    hello = Hello.of({**HELLO, "commands": ["airtime", "sms"]}, statum())

    assert ("acme-sdk 1.4.0", ("sms", "airtime")) == (hello.subject, hello.commands)
    assert {"sms": "http://127.0.0.1:41233/hooks/sms?token=t"} == hello.callback_urls
    assert frozenset({"timeout"}) == hello.lacks
    assert {} == Hello.of({**HELLO, "features": []}, statum()).callback_urls


UNUSABLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"commands": [], "features": []}, "acme-sdk declares nothing to judge"),
    ({"commands": ["fax"]}, r"names 'fax' in commands, .* contract statum; expected any of sms, airtime"),
    ({"callback_urls": {"fax": "http://127.0.0.1/"}}, r"names 'fax' in callback_urls, .* expected any of sms"),
    ({"lacks": ["tact"]}, r"names 'tact' in lacks, .* error-details, request-id, timeout, bill_ref_number"),
)


def test_a_hello_without_anything_to_judge_is_refused() -> None:
    """Or with a name that the contract does not have; the line has the name, its place and the usual ones."""
    for offered, words in UNUSABLE:
        with pytest.raises(UsageError, match=words):
            Hello.of({**HELLO, **offered}, statum())


def test_another_version_is_refused_before_anything_else() -> None:
    """Whatever else its hello may hold."""
    for version in (0, 2, 17):
        with pytest.raises(UsageError, match=f"version {version} of the driver protocol"):
            parsed("hello", json.dumps({"protocol": version}).encode(), str)

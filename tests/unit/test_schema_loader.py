"""The loader of the schemas: names, copies, resolved references, order and speed of violations, and strict JSON."""

from __future__ import annotations

import json
import sys
import time

import pytest

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS, LONGEST_MESSAGE, ContractValidator
from conformance.model.errors import SuiteError
from conformance.model.untrusted import parse_json

SCHEMAS = statum().schemas

SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}

# --- The loader


def test_missing_schema_is_an_error_with_the_nearest_name() -> None:
    """A slip of the pen is answered with what was meant."""
    with pytest.raises(SuiteError, match=r"sms/reqest.*did you mean sms/request"):
        SCHEMAS.schema("sms/reqest")
    with pytest.raises(SuiteError, match=r"journal#cases.*did you mean journal#case"):
        FORMATS.validator("journal#cases")


def test_resolved_has_no_references_left() -> None:
    """For generation, which follows none."""
    texts = {name: json.dumps(schemas.resolved(name)) for schemas in (FORMATS, SCHEMAS) for name in schemas.names}

    assert [] == [name for name, text in texts.items() if '"$ref"' in text or '"$defs"' in text]


def test_schemas_are_handed_out_as_copies() -> None:
    """A caller that changes what it got changes nothing for others."""
    SCHEMAS.schema("sms/request").clear()
    SCHEMAS.resolved("sms/request")["properties"].clear()

    assert "sms/request" in SCHEMAS.schema("sms/request")["$id"]
    assert {"sender_id", "phone_number", "message"} == set(SCHEMAS.resolved("sms/request")["properties"])


def test_violations_come_in_the_order_of_the_schema() -> None:
    """Required first, then members, then extra ones as they stand in the value; each at its own pointer."""
    payload = {"zeta": 1, "message": "", "a/b~c": 2, "sender_id": "?"}

    assert [
        ("/phone_number", "required"),
        ("/sender_id", "pattern"),
        ("/message", "minLength"),
        ("/zeta", "additionalProperties"),
        ("/a~1b~0c", "additionalProperties"),
    ] == [(v.pointer, v.keyword) for v in SCHEMAS.violations("sms/request", payload)]


def test_long_values_are_shortened_in_the_message() -> None:
    """A violation is one line of a report."""
    (violation,) = SCHEMAS.violations("sms/request", SMS | {"message": "a" * 100_000})

    assert LONGEST_MESSAGE + 3 >= len(violation.message)
    assert violation.message.endswith("is too long")


def test_validator_is_built_once() -> None:
    """Building costs forty times what judging costs."""
    assert SCHEMAS.validator("sms/request") is SCHEMAS.validator("sms/request")


def test_digest_names_the_edition() -> None:
    """The same files, the same digest; a digest as reports write it."""
    assert statum().schemas.digest == statum().schemas.digest
    assert ContractValidator({"pattern": "^sha256:[0-9a-f]{64}$"}).is_valid(statum().schemas.digest)


# A tenth of what was measured on 2 cores, so that a busy machine does not fail it and a lost cache does.
VALIDATIONS_PER_SECOND = 5_000


def test_judging_is_quick() -> None:
    """Thousands of payloads are proved in every run."""
    SCHEMAS.validator("sms/request")
    started = time.process_time()
    for _ in range(1_000):
        SCHEMAS.violations("sms/request", SMS)

    assert 1_000 / (time.process_time() - started) > VALIDATIONS_PER_SECOND


# --- JSON


def test_what_is_no_json_is_refused_in_words() -> None:
    """Python's leniencies are not those of other clients."""
    rows = [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\xe9"', "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"{", "not JSON"),
        (b"{}x", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"[01]", "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a": 1, "b": 2, "a": 1}', "'a' is there more than once"),
        (b"[" * 100_000, "nested"),
    ]
    wrong = []
    for data, words in rows:
        try:
            told = f"{parse_json(data)!r}"
        except ValueError as error:
            told = str(error)
        if words not in told:
            wrong.append((data[:99], words, told))

    assert [] == wrong


def test_what_is_json_is_read() -> None:
    """All of RFC 8259, also what Python alone would stumble over."""
    rows: list[tuple[bytes, object]] = [
        (b"\r\n {} \t", {}),
        ('"é👋"'.encode(), "é👋"),
        (b'"\\ud83d\\udc4b"', "👋"),
        (b'"\\ud800"', "\ud800"),
        (b"2e2", 200.0),
        (b"[1e999, -1e999]", [sys.float_info.max, -sys.float_info.max]),
        (b"9" * 5000, sys.float_info.max),
        (b"null", None),
    ]

    assert rows == [(data, parse_json(data)) for data, _ in rows]

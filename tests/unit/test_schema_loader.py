"""The loader of the schemas: names, copies, resolved references, order and speed of violations."""

from __future__ import annotations

import json
import time

import pytest

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS, LONGEST_MESSAGE, ContractValidator
from conformance.model.errors import SuiteError

SCHEMAS = statum().schemas

SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}


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

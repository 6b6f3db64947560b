"""What reaches the witness under no base URL: the client's, if it evidently came of a call, and else nobody's."""

from __future__ import annotations

import json

import pytest
from client_records import HEADERS, PARAMS, Certification, Sent, refused
from run_records import failures

from conformance.model.traffic import Headers


def beside_a_lawful_call() -> Certification:
    """A certification with one call that went well."""
    certification = Certification()
    certification.call(Sent())
    return certification


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/api/v2", HEADERS, b"{}"),
        ("/messages", (), json.dumps(PARAMS).encode()),
        ("/sms", (), b"{}"),
        ("/n/00000000000000ff", (), b""),
        ("/?number=254712345678", (), b""),
    ],
    ids=["its credential", "its values", "a command", "a base URL", "a value in the query"],
)
def test_what_evidently_came_of_a_call_counts_wherever_it_went(target: str, headers: Headers, body: bytes) -> None:
    """However little of it is right."""
    certification = beside_a_lawful_call()
    certification.call(said=refused(404))
    certification.stray(target, headers, body)

    assert "SND-03" in failures(certification)


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/", (), b""),
        ("/wp-login.php", (("Authorization", "Basic YWRtaW46YWRtaW4="),), b"log=admin"),
        ("/api/v2/cmdb/system/admin", (), b"{}"),
        ("*", (), b""),
        ("/.env", (("User-Agent", "zgrab/0.x"),), b""),
    ],
)
def test_a_scanner_is_not_held_against_the_client(target: str, headers: Headers, body: bytes) -> None:
    """Whatever it asks for while a call is at hand."""
    certification = beside_a_lawful_call()
    certification.call(Sent())
    certification.stray(target, headers, body)

    assert set() == failures(certification)

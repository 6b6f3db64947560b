"""Prism (npm) mocks the gateway from the OpenAPI document, callbacks included, and is judged as any gateway is.

A mock from a document knows what each message looks like, and nothing of what lies between messages: that is what `run`
has to find, all of it, and nothing else. `make test-prism` installs Prism; without it these tests are skipped.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import free_address, settings
from mock_rig import eventually

from conformance.contract.contract import statum
from conformance.contract.openapi import openapi_document
from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.reports.result import judge

COMMANDS = statum().commands

PRISM = Path(__file__).parents[2] / ".ci" / "prism" / "node_modules" / ".bin" / "prism"

pytestmark = pytest.mark.skipif(not PRISM.exists(), reason="Prism is not installed (hint: make test-prism)")

# Node reads the document within two seconds on an idle machine.
STARTED_WITHIN_S = 60.0
# Prism sends its callback at once, and all with one request_id, so that no case is left owing.
NOTIFY_WITHIN_S = 5.0

SAME_ID = "every answer and every callback has the example's request_id"
VALUE_UNSEEN = "that there is a Basic credential is checked, its value is not"
OWN_ERRORS = "errors of Prism's own are in its own form (RFC 7807, or fastify's)"

BREAKS = {
    "RID-01": SAME_ID,
    "RID-02": SAME_ID,
    "AUT-03": VALUE_UNSEEN,
    "AUT-04": VALUE_UNSEEN,
    "AUT-05": VALUE_UNSEEN,
    "AUT-06": VALUE_UNSEEN,
    "AUT-07": VALUE_UNSEEN,
    "RSP-05": OWN_ERRORS,
    "RSP-10": OWN_ERRORS,
    "RSP-16": OWN_ERRORS,
    "CMD-02": OWN_ERRORS,
    "CMD-04": OWN_ERRORS,
    "RSP-08": "a form is answered 415, with a body made from the schema of any 4xx, whose status_code is its minimum",
    "IDM-01": "nothing is remembered from one request to the next",
}
WARNED = {
    "VAL-08": "the example of a 422 blames phone_number, whatever is wrong",
    "BOD-07": "bytes that are not UTF-8 are replaced before they are looked at",
}
# Whether outcomes contradict each other, or one is about a refusal: with one request_id for all nobody can know. Nor
# whether the instant has anything to do with it: ids that are given twice anyway are RID-01's.
NOT_JUDGED = {"NTF-19", "NTF-20", "RID-05"}


SEEN = {f"NTF-{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18)}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """A run against Prism, over real HTTP, judged."""
    directory = tmp_path_factory.mktemp("prism")
    prism, receiver = free_address(), free_address()
    callbacks = {product: f"{receiver.url}/callbacks/{product}" for product in statum().products}
    (directory / "openapi.json").write_text(
        json.dumps(openapi_document(statum(), prism.url, callbacks)), encoding="utf-8"
    )
    # Told to log each request, Prism recurses over its body, and answers 500 to one that is deeply nested.
    options = ("--host", prism.host, "--port", str(prism.port), "--verboseLevel", "error")
    command = (str(PRISM), "mock", *options, str(directory / "openapi.json"))
    with (directory / "prism.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            assert eventually(lambda: accepts(prism.host, prism.port), STARTED_WITHIN_S), (
                directory / "prism.log"
            ).read_text()
            told = settings(
                directory, gateway=prism.url, callback_listen=receiver, notify_within_s=NOTIFY_WITHIN_S, max_examples=5
            )
            yield judge(read_journal(campaign.run(told)))
        finally:
            process.terminate()


def accepts(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as attempt:
        return attempt.connect_ex((host, port)) == 0


def ids(judged: Judged, verdict: Verdict) -> set[str]:
    """The requirements with that verdict for at least one command."""
    return {each.requirement.id for each in judged.by(verdict)}


def test_it_fails_exactly_what_prism_breaks(judged: Judged) -> None:
    """Each with a reason; whatever else is judged passes."""
    assert set(BREAKS) == ids(judged, Verdict.FAIL)
    assert set(WARNED) == ids(judged, Verdict.WARN)
    assert Conclusion.NON_CONFORMANT is judged.conclusion


def test_the_reasons_are_about_requirements() -> None:
    """None is about one that is gone."""
    assert set() == {*BREAKS, *WARNED, *NOT_JUDGED} - {
        requirement.id for requirement in statum().catalogue.requirements
    }


def test_the_credential_fails_for_every_command(judged: Judged) -> None:
    """Not for some that happened to be looked at."""
    failed = {v.command for v in judged.by(Verdict.FAIL) if v.requirement.id == "AUT-04"}

    assert set(COMMANDS) == failed


def test_its_callbacks_are_taken_for_what_they_are(judged: Judged) -> None:
    """For each product one came after each accepted request, and keeps what can be said of it by itself."""
    kept = {(v.requirement.id, v.command) for v in judged.by(Verdict.PASS)}

    assert set() == {(each, name) for each in SEEN for name, c in COMMANDS.items() if c.product} - kept
    assert {("NTF-22", name) for name in COMMANDS if name not in ("sms", "account-details")} <= kept


def test_what_cannot_be_known_is_not_judged(judged: Judged) -> None:
    """A gateway with one request_id for all is told so, and not failed for what depends on ids that differ."""
    applicable = {v.requirement.id for v in judged.by(Verdict.INCONCLUSIVE) if v.hinders}

    assert NOT_JUDGED == applicable

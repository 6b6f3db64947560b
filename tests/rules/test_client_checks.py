"""The checks of clients, on records made by hand: what each finds, what it lets pass, what it cannot tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from client_records import (
    ACCEPTED,
    BASIC,
    ELSEWHERE,
    HEADERS,
    JSON_TYPE,
    KEY,
    NOT_UNDERSTOOD,
    PARAMS,
    SAMPLE_ID,
    SECRET,
    UNREACHED,
    UNSUPPORTED,
    Certification,
    Sent,
    again,
    refused,
    without,
)
from run_records import failures, judged, verdict

from conformance.client import witness
from conformance.client.face import client_checks
from conformance.client.rules.calls import AFTER, DRIPPING, NEVER, OUTLASTED, REUSED, STALLED, UNUSED
from conformance.contract.contract import statum
from conformance.contract.requirements import Actor
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import Ending

ENVELOPE = json.dumps({"status_code": 200, "description": "Operation successful", "request_id": SAMPLE_ID}).encode()
CLOSED = Ending.BEFORE.value
LOST: dict[str, Any] = {"said": UNREACHED}
UNREADABLE: dict[str, Any] = {"said": NOT_UNDERSTOOD}
HANGS: dict[str, Any] = {"said": None, "death": "hang"}
HTML = (("Content-Type", "text/html"),)
UPGRADE = (JSON_TYPE, ("Upgrade", "h2c"), ("Connection", "Upgrade"))
CHARSET = "application/json; charset=utf-8"
REWRITTEN = json.dumps(dict(reversed(PARAMS.items())), indent=2).replace("H", "\\u0048").encode()


def beside_a_lawful_call() -> Certification:
    """A certification in which the client has made one call as it should."""
    certification = Certification()
    certification.call(Sent())
    return certification


def body(**members: Any) -> bytes:
    """The body that was asked for, some of its members replaced; None leaves one out."""
    return json.dumps({name: value for name, value in {**PARAMS, **members}.items() if value is not None}).encode()


def broken_by(*sent: Sent, **said: Any) -> set[str]:
    """The ids of what one more call breaks, with these requests and words."""
    certification = beside_a_lawful_call()
    certification.call(*sent, **said)
    return failures(certification)


def test_every_requirement_of_clients_and_receivers_has_a_check() -> None:
    """No more and no less."""
    wanted = {r.id for r in statum().catalogue.requirements if r.actor is not Actor.GATEWAY and r.excluded is None}

    assert wanted == set(client_checks(statum()))


SENDING: tuple[tuple[str, set[str], Sent], ...] = (
    ("another method", {"SND-02"}, Sent(method="PUT")),
    ("a slash at the end", {"SND-03"}, Sent(target="/n/0000000000000002/api/v2/sms/")),
    ("no credential", {"SND-04"}, Sent(headers=without(HEADERS, "authorization"))),
    ("another scheme", {"SND-04"}, Sent(headers=(("authorization", BASIC.lower()), *HEADERS[1:]))),
    ("two credentials", {"SND-04"}, Sent(headers=(*HEADERS, ("Authorization", BASIC)))),
    ("undeclared", {"SND-05"}, Sent(headers=without(HEADERS, "content-type"))),
    ("declared as a form", {"SND-05"}, Sent(headers=(*without(HEADERS, "content-type"), ("content-type", "text/x")))),
    ("no JSON", {"SND-06"}, Sent(body=b"message=Habari")),
    ("an array", {"SND-06"}, Sent(body=b"[" + body() + b"]")),
    ("not UTF-8", {"SND-06"}, Sent(body='{"message":"é"}'.encode("latin-1"))),
    ("a member is missing", {"SND-07"}, Sent(body=body(message=None))),
    ("a member too many", {"SND-07"}, Sent(body=body(source="sdk"))),
    ("another value", {"SND-07"}, Sent(body=body(message="Habari "))),
    ("a number for digits", {"SND-08"}, Sent(body=body(phone_number=254712345678))),
    ("the secret in the URL", {"SND-10"}, Sent(target=f"/n/0000000000000002/api/v2/sms?secret={SECRET}")),
    ("the key in a header", {"SND-10"}, Sent(headers=(*HEADERS, ("x-key", KEY)))),
    ("the credential in the body", {"SND-07", "SND-10"}, Sent(body=body(auth=BASIC))),
    ("another Accept", {"SND-12"}, Sent(headers=(*without(HEADERS, "accept"), ("accept", "text/html")))),
    ("an Accept that rules JSON out", {"SND-12"}, Sent(headers=(("accept", "application/json;q=0"), *HEADERS[:2]))),
    ("lawful", set(), Sent()),
    ("upper case", set(), Sent(headers=tuple((name.upper(), value) for name, value in HEADERS))),
    ("charset", set(), Sent(headers=(*without(HEADERS, "content-type"), ("content-type", CHARSET)))),
    ("no Accept", set(), Sent(headers=without(HEADERS, "accept"))),
    ("a wide Accept", set(), Sent(headers=(*HEADERS[:2], ("accept", "text/html;q=0.5, */*;q=0.1")))),
    ("escaped, indented, in another order", set(), Sent(body=REWRITTEN)),
)


def test_each_fault_of_a_request_breaks_its_own_requirement_and_no_other() -> None:
    """Header names may have any case, and JSON any form."""
    wrong = [(name, breaks, found) for name, breaks, sent in SENDING if (found := broken_by(sent)) != breaks]

    assert [] == wrong


def test_a_request_to_another_address_counts_against_the_path() -> None:
    """It is laid to the call that was at hand."""
    certification = beside_a_lawful_call()
    certification.call(said=refused(404))
    certification.stray("/api/v2/sms")

    found = verdict(certification, "SND-03")

    assert {"SND-03"} == failures(certification)
    assert "call-2" == found.findings[0].case


REDIRECT = Sent(status=307, raw=b"", answer_headers=(("Location", f"{ELSEWHERE}/n/2/api/v2/sms"),))
FOLLOWED = Sent(target=f"{ELSEWHERE}/n/2/api/v2/sms", status=401)


READING: tuple[tuple[str, set[str], Sent, Mapping[str, Any]], ...] = (
    ("accepted, said not", {"RDG-01"}, Sent(), NOT_UNDERSTOOD),
    ("another id", {"RDG-02"}, Sent(), {**ACCEPTED, "request_id": SAMPLE_ID.lower()}),
    ("an id as a number", {"RDG-02"}, Sent(answer={"request_id": "0012"}), {**ACCEPTED, "request_id": 12}),
    ("no id", {"RDG-02"}, Sent(), {"outcome": "accepted"}),
    ("another status", {"RDG-03"}, Sent(status=402), refused(400)),
    ("no description", {"RDG-04"}, Sent(status=402), refused(402, description=None)),  # type: ignore[arg-type]
    ("a description of its own", {"RDG-04"}, Sent(status=402), refused(402, "Payment required")),
    ("refused, said accepted", {"RDG-05"}, Sent(status=402), ACCEPTED),
    ("HTML", {"RDG-06"}, Sent(status=502, raw=b"<html>", answer_headers=HTML), ACCEPTED),
    ("nothing", {"RDG-06"}, Sent(raw=b""), ACCEPTED),
    ("cut short", {"RDG-06"}, Sent(raw=ENVELOPE[:-9]), ACCEPTED),
    ("an array", {"RDG-06"}, Sent(raw=b"[" + ENVELOPE + b"]"), ACCEPTED),
    ("HTML with 200", {"RDG-06"}, Sent(raw=b"<html>", answer_headers=HTML), ACCEPTED),
    ("null", {"RDG-06"}, Sent(raw=b"null"), ACCEPTED),
    ("no status_code", {"RDG-06"}, Sent(raw=b"{}"), ACCEPTED),
    ("a status_code in words", {"RDG-06"}, Sent(raw=b'{"status_code": "OK"}'), ACCEPTED),
    ("stalled", {"RDG-06"}, Sent(failure=STALLED), ACCEPTED),
    ("lost", {"RDG-06"}, Sent(failure=CLOSED), ACCEPTED),
    ("an error with 200", {"RDG-07"}, Sent(code=402), ACCEPTED),
    ("success with 402", {"RDG-13"}, Sent(status=402, code=200), ACCEPTED),
    ("success with 500", {"RDG-13"}, Sent(status=500, code=200), ACCEPTED),
    ("extra fields", {"RDG-09"}, Sent(answer={"extra": 1}), NOT_UNDERSTOOD),
    ("another text", {"RDG-09"}, Sent(answer={"description": "Sawa"}), NOT_UNDERSTOOD),
    ("another alphabet", {"RDG-10"}, Sent(answer={"request_id": "a-b"}), NOT_UNDERSTOOD),
    ("chunks", {"RDG-11"}, Sent(answer_headers=(JSON_TYPE, ("Transfer-Encoding", "chunked"))), NOT_UNDERSTOOD),
    ("HTTP/1.0", {"RDG-11"}, Sent(version="HTTP/1.0"), NOT_UNDERSTOOD),
    ("an upgrade", {"RDG-11"}, Sent(answer_headers=UPGRADE), NOT_UNDERSTOOD),
    ("a charset", {"RDG-11"}, Sent(answer_headers=(("Content-Type", CHARSET),)), UNREACHED),
    # the suite answered after the client's time-out, as on a busy machine
    ("too late", set(), Sent(after_s=2.5), UNREACHED),
    # the contract says nothing of the media type of answers: the client may call it an error or not
    *(("declared as HTML", set[str](), Sent(answer_headers=HTML), said) for said in (ACCEPTED, NOT_UNDERSTOOD)),
    *(("undeclared", set[str](), Sent(answer_headers=()), said) for said in (ACCEPTED, NOT_UNDERSTOOD)),
    # its JSON text is whole; for RFC 9112 the message is incomplete
    *(
        (f"lost its end alone {known}", set[str](), Sent(failure=AFTER + known), said)
        for known in ("", UNUSED, REUSED)
        for said in (ACCEPTED, UNREACHED)
    ),
)


def test_each_fault_in_reading_an_answer_breaks_its_own_requirement_and_no_other() -> None:
    """The client's words are compared with the answer."""
    wrong = [
        (name, breaks, said, found)
        for name, breaks, sent, said in READING
        if (found := broken_by(sent, said=said)) != breaks
    ]

    assert [] == wrong


def test_the_words_of_the_journal_are_those_of_the_witness() -> None:
    """Checks tell the ways of losing an answer by the failure that the witness records."""
    endings = (Ending.NEVER, Ending.STALLED, Ending.DRIPPING, Ending.AFTER)
    assert (NEVER, STALLED, DRIPPING, AFTER) == tuple(ending.value for ending in endings)
    assert {NEVER, STALLED, DRIPPING} == {ending.value for ending in Ending if ending.stays_open}
    assert (witness.OUTLASTED, witness.REUSED, witness.UNUSED) == (OUTLASTED, REUSED, UNUSED)


def test_the_unusual_is_not_judged_where_the_usual_is_not_understood() -> None:
    """One misbehaviour breaks one requirement."""
    certification = Certification()
    for sent in (Sent(), Sent(answer={"extra": 1}), Sent(raw=b"")):
        certification.call(sent, said=NOT_UNDERSTOOD)
    found = [verdict(certification, id_) for id_ in ("RDG-06", "RDG-09")]

    assert {"RDG-01"} == failures(certification)
    assert {(Verdict.INCONCLUSIVE, Reason.PRECONDITION)} == {(v.verdict, v.reason) for v in found}


OUTLASTING = Sent(failure=DRIPPING + OUTLASTED, takes_s=5.0)

# Requests of a call, and the end of the call: in words of the client, or by a death of its driver.
CALLS: tuple[tuple[str, set[str], tuple[Sent, ...], dict[str, Any]], ...] = (
    ("a second request after an accepted one", {"SND-09"}, (Sent(answer={"request_id": "b"}), Sent(after_s=5.0)), {}),
    ("a redirect, not followed", set(), (REDIRECT,), UNREADABLE),
    ("followed without the credential", set(), (REDIRECT, replace(FOLLOWED, headers=HEADERS[1:])), UNREADABLE),
    ("followed with it", {"SND-11"}, (REDIRECT, FOLLOWED), UNREADABLE),
    ("in the URL", {"SND-11"}, (REDIRECT, replace(FOLLOWED, target=f"{ELSEWHERE}/?k={KEY}", headers=())), UNREADABLE),
    ("claimed and not made", {"SND-01"}, (), {}),
    ("waits for ever", {"RDG-08"}, (Sent(failure=NEVER),), {**HANGS, "said_after_s": 0.0}),
    # nothing says that it would have sent another request
    ("silent", {"DRV-01"}, (Sent(failure=NEVER, takes_s=2.0),), {**HANGS, "said_after_s": 15.0}),
    ("its driver dies", {"DRV-01"}, (Sent(status=402),), {"said": None, "death": "crash"}),
    # the witness closed the connection, for the client did not give up
    *(
        (f"goes on when it is closed: {failure}", {"RDG-08"}, (replace(OUTLASTING, failure=failure + OUTLASTED),), LOST)
        for failure in (NEVER, STALLED, DRIPPING)
    ),
    # a client may give up and leave its connection open
    ("ends while it is open", set(), (OUTLASTING,), {**LOST, "said_after_s": -2.0}),
    ("sends again later", set(), (OUTLASTING, Sent(after_s=2.5)), {"said_after_s": 0.01}),
    ("sends again while it is open", set(), (OUTLASTING, Sent(after_s=-1.0)), {"said_after_s": 3.0}),
)


def test_each_end_of_a_call_breaks_its_own_requirement_and_no_other() -> None:
    """The silence of a driver that waits for its client is the client's."""
    wrong = [(name, breaks, found) for name, breaks, sent, end in CALLS if (found := broken_by(*sent, **end)) != breaks]

    assert [] == wrong


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        ((Sent(failure=NEVER),), LOST),
        # a late word to its caller is as advised
        (again(Sent(failure=NEVER, takes_s=2.0), 5.0), {**HANGS, "said_after_s": 8.0}),
    ],
    ids=["at once", "to send again later"],
)
def test_a_client_that_gives_up_passes(sent: tuple[Sent, ...], end: dict[str, Any]) -> None:
    """It waits for nothing any more."""
    certification = beside_a_lawful_call()
    certification.call(*sent, **end)

    assert (set(), Verdict.PASS) == (failures(certification), verdict(certification, "RDG-08").verdict)


def test_an_interrupted_wait_is_reported_with_its_length() -> None:
    """It has not failed: a client whose time-out cannot be set may take longer than was left."""
    certification = Certification(lacks=("timeout",), out_of_time="the 70 s for calls were used up")
    certification.call(Sent())
    certification.call(Sent(failure=NEVER, takes_s=66.0), said=None)
    judgement = verdict(certification, "RDG-08")

    assert Verdict.INCONCLUSIVE == judgement.verdict
    expected = "the client had waited for 66 s, and had not given up, when the 70 s for calls were used up"
    assert (Reason.INTERRUPTED, expected) == (judgement.reason, judgement.detail)


def test_a_driver_that_was_given_up_leaves_the_run_inconclusive() -> None:
    """Although its only requirement failed."""
    certification = Certification(settled=False, gave_up="it ended with exit code 70")
    for _ in range(3):
        certification.call(said=None, death="crash")

    assert {"DRV-01"} == failures(certification)
    assert Conclusion.INCONCLUSIVE == judged(certification).conclusion


def test_the_first_call_repeated_is_held_against_the_first() -> None:
    """ROB-01."""
    rows: tuple[tuple[str, Verdict, tuple[Sent, ...], Mapping[str, Any]], ...] = (
        ("the same", Verdict.PASS, (Sent(),), ACCEPTED),
        ("not understood", Verdict.FAIL, (Sent(),), NOT_UNDERSTOOD),
        ("another body", Verdict.FAIL, (Sent(body=body(message="another")),), ACCEPTED),
        ("nothing sent", Verdict.FAIL, (), ACCEPTED),
    )
    wrong = []
    for name, expected, sent, said in rows:
        certification = Certification()
        first = certification.call(Sent())
        certification.call(*sent, said=said, earlier=first.id)
        if (found := verdict(certification, "ROB-01", None)).verdict != expected:
            wrong.append((name, expected, found))

    assert [] == wrong


def test_undeclared_features_are_not_applicable() -> None:
    """And the verdict says what is not offered."""
    rows = (
        (Certification(), "SND-02", "airtime", "the client does not declare airtime"),
        (Certification(lacks=("error-details",)), "RDG-03", "sms", "does not expose the details of an error"),
        (Certification(lacks=("request-id",)), "RDG-02", "sms", "does not expose the id of a request"),
        (Certification(), "RCV-01", "sms", "declares no callback for sms"),
    )
    wrong = []
    for certification, id_, command, words in rows:
        certification.judged = tuple(statum().commands)
        certification.call(Sent())
        found = verdict(certification, id_, command)
        if found.verdict is not Verdict.NOT_APPLICABLE or words not in (found.detail or ""):
            wrong.append((words, found))

    assert [] == wrong


def test_a_command_that_the_client_says_it_does_not_support_is_not_applicable() -> None:
    """Although it had declared it."""
    certification = Certification(commands=("sms", "airtime"), judged=("sms", "airtime"))
    certification.call(Sent())
    certification.call(said=UNSUPPORTED, command="airtime")

    assert Verdict.NOT_APPLICABLE == verdict(certification, "SND-02", "airtime").verdict
    assert Verdict.PASS == verdict(certification, "SND-02").verdict

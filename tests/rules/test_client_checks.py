"""The checks of clients, on records made by hand: what each finds, what it lets pass, what it cannot tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from client_runs import (
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
    failures,
    judged,
    refused,
    verdict,
    without,
)

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
WITHOUT: dict[str, Any] = {"said": UNREACHED}
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


def test_a_second_request_after_an_accepted_one_is_found() -> None:
    """The client may hand back the id of either."""
    certification = Certification()
    certification.call(Sent(answer={"request_id": "other"}), Sent(after_s=5.0))

    assert {"SND-09"} == failures(certification)


REDIRECT = Sent(status=307, raw=b"", answer_headers=(("Location", f"{ELSEWHERE}/n/2/api/v2/sms"),))


@pytest.mark.parametrize(
    ("strangers", "expected"),
    [
        ((), set()),
        ((Sent(target=f"{ELSEWHERE}/n/2/api/v2/sms", headers=without(HEADERS, "authorization"), status=401),), set()),
        ((Sent(target=f"{ELSEWHERE}/n/2/api/v2/sms", status=401),), {"SND-11"}),
        ((Sent(target=f"{ELSEWHERE}/n/2/api/v2/sms?k={KEY}", headers=(), status=401),), {"SND-11"}),
    ],
    ids=["not followed", "followed without the credential", "followed with it", "followed with it in the URL"],
)
def test_the_credential_must_not_follow_a_redirect(strangers: tuple[Sent, ...], expected: set[str]) -> None:
    """Whether a client follows at all is its own affair."""
    certification = beside_a_lawful_call()
    certification.call(REDIRECT, *strangers, said=NOT_UNDERSTOOD)

    assert expected == failures(certification)
    assert verdict(certification, "SND-11").observations == 1


READING: tuple[tuple[str, set[str], Sent, Mapping[str, Any]], ...] = (
    ("accepted, said not", {"RDG-01"}, Sent(), NOT_UNDERSTOOD),
    ("another id", {"RDG-02"}, Sent(), {**ACCEPTED, "request_id": SAMPLE_ID.lower()}),
    ("an id as a number", {"RDG-02"}, Sent(answer={"request_id": "0012"}), {**ACCEPTED, "request_id": 12}),
    ("no id", {"RDG-02"}, Sent(), {"outcome": "accepted"}),
    ("another status", {"RDG-03"}, Sent(status=402), refused(400)),
    ("no description", {"RDG-04"}, Sent(status=402), refused(402, description=None)),  # type: ignore[arg-type]
    ("a description of its own", {"RDG-04"}, Sent(status=402), refused(402, "Payment required")),
    ("refused, said accepted", {"RDG-05"}, Sent(status=402), ACCEPTED),
    ("HTML", {"RDG-06"}, Sent(status=502, raw=b"<html>", answer_headers=(("Content-Type", "text/html"),)), ACCEPTED),
    ("nothing", {"RDG-06"}, Sent(raw=b""), ACCEPTED),
    ("cut short", {"RDG-06"}, Sent(raw=ENVELOPE[:-9]), ACCEPTED),
    ("an array", {"RDG-06"}, Sent(raw=b"[" + ENVELOPE + b"]"), ACCEPTED),
    ("HTML with 200", {"RDG-06"}, Sent(raw=b"<html>", answer_headers=(("Content-Type", "text/html"),)), ACCEPTED),
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
    (
        "an upgrade",
        {"RDG-11"},
        Sent(answer_headers=(JSON_TYPE, ("Upgrade", "h2c"), ("Connection", "Upgrade"))),
        NOT_UNDERSTOOD,
    ),
    ("a charset", {"RDG-11"}, Sent(answer_headers=(("Content-Type", "application/json; charset=utf-8"),)), UNREACHED),
)


# Answers that the client may also call an error, and the words for that.
EITHER_WAY: tuple[tuple[str, Sent, Mapping[str, Any]], ...] = (
    # the contract says nothing of the media type of answers
    ("declared as HTML", Sent(answer_headers=(("Content-Type", "text/html"),)), NOT_UNDERSTOOD),
    ("undeclared", Sent(answer_headers=()), NOT_UNDERSTOOD),
    # its JSON text is whole; for RFC 9112 the message is incomplete
    *((f"lost its end alone {known}", Sent(failure=AFTER + known), UNREACHED) for known in ("", UNUSED, REUSED)),
)


def test_each_fault_in_reading_an_answer_breaks_its_own_requirement_and_no_other() -> None:
    """The client's words are compared with the answer."""
    either_way = ((name, set[str](), sent, said) for name, sent, error in EITHER_WAY for said in (ACCEPTED, error))
    wrong = [
        (name, breaks, said, found)
        for name, breaks, sent, said in (*READING, *either_way)
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
    certification.call(Sent(), said=NOT_UNDERSTOOD)
    certification.call(Sent(answer={"extra": 1}), said=NOT_UNDERSTOOD)
    certification.call(Sent(raw=b""), said=NOT_UNDERSTOOD)

    assert {"RDG-01"} == failures(certification)
    for id_ in ("RDG-06", "RDG-09"):
        assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (
            verdict(certification, id_).verdict,
            verdict(certification, id_).reason,
        )


def test_an_answer_that_the_suite_gave_too_late_is_not_laid_to_the_client() -> None:
    """On a busy machine it comes after the client's time-out."""
    certification = beside_a_lawful_call()
    certification.call(Sent(after_s=2.5), said=UNREACHED)

    assert set() == failures(certification)
    assert 1 == verdict(certification, "RDG-01").observations


OUTLASTING = Sent(failure=DRIPPING + OUTLASTED, takes_s=5.0)

# Requests of a call, and the end of the call: in words of the client, or by a death of its driver.
CALLS: tuple[tuple[str, set[str], tuple[Sent, ...], dict[str, Any]], ...] = (
    ("claimed and not made", {"SND-01"}, (), {}),
    ("waits for ever", {"RDG-08"}, (Sent(failure=NEVER),), {"said": None, "death": "hang", "said_after_s": 0.0}),
    # nothing says that it would have sent another request
    ("silent", {"DRV-01"}, (Sent(failure=NEVER, takes_s=2.0),), {"said": None, "death": "hang", "said_after_s": 15.0}),
    ("its driver dies", {"DRV-01"}, (Sent(status=402),), {"said": None, "death": "crash"}),
    # the witness closed the connection, for the client did not give up
    *(
        (
            f"goes on when it is closed: {failure}",
            {"RDG-08"},
            (Sent(failure=failure + OUTLASTED, takes_s=5.0),),
            WITHOUT,
        )
        for failure in (NEVER, STALLED, DRIPPING)
    ),
    # a client may give up and leave its connection open
    ("ends while it is open", set(), (OUTLASTING,), {**WITHOUT, "said_after_s": -2.0}),
    ("sends again later", set(), (OUTLASTING, Sent(after_s=2.5)), {"said_after_s": 0.01}),
    ("sends again while it is open", set(), (OUTLASTING, Sent(after_s=-1.0)), {"said_after_s": 3.0}),
)


def test_each_end_of_a_call_breaks_its_own_requirement_and_no_other() -> None:
    """The silence of a driver that waits for its client is the client's."""
    wrong = [(name, breaks, found) for name, breaks, sent, end in CALLS if (found := broken_by(*sent, **end)) != breaks]

    assert [] == wrong


def test_a_client_that_waits_to_send_again_waits_for_nothing() -> None:
    """It has given up on its requests; a late word to its caller is the advice."""
    certification = beside_a_lawful_call()
    given_up = Sent(failure=NEVER, takes_s=2.0)
    certification.call(*again(given_up, 5.0), said=None, death="hang", said_after_s=8.0)

    assert set() == failures(certification)
    assert Verdict.PASS == verdict(certification, "RDG-08").verdict


def test_a_client_that_gives_up_is_let_pass() -> None:
    """It says so to its caller."""
    certification = beside_a_lawful_call()
    certification.call(Sent(failure=NEVER), said=UNREACHED)

    assert Verdict.PASS == verdict(certification, "RDG-08").verdict


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


@pytest.mark.parametrize(
    ("sent", "said", "expected"),
    [
        (Sent(), ACCEPTED, Verdict.PASS),
        (Sent(), NOT_UNDERSTOOD, Verdict.FAIL),
        (Sent(body=body(message="another")), ACCEPTED, Verdict.FAIL),
        (None, ACCEPTED, Verdict.FAIL),
    ],
    ids=["the same", "not understood", "another body", "nothing sent"],
)
def test_the_first_call_repeated_is_held_against_the_first(
    sent: Sent | None, said: Mapping[str, Any], expected: Verdict
) -> None:
    """ROB-01."""
    certification = Certification()
    first = certification.call(Sent())
    certification.call(*([sent] if sent else []), said=said, earlier=first.id)

    assert expected == verdict(certification, "ROB-01", None).verdict


@pytest.mark.parametrize(
    ("certification", "id_", "command", "words"),
    [
        (Certification(), "SND-02", "airtime", "the client does not declare airtime"),
        (Certification(lacks=("error-details",)), "RDG-03", "sms", "does not expose the details of an error"),
        (Certification(lacks=("request-id",)), "RDG-02", "sms", "does not expose the id of a request"),
        (Certification(), "RCV-01", "sms", "declares no callback for sms"),
    ],
    ids=["command", "error-details", "request-id", "callback"],
)
def test_what_a_client_does_not_offer_is_not_applicable(
    certification: Certification, id_: str, command: str, words: str
) -> None:
    """And the verdict says what is not offered."""
    certification.judged = tuple(statum().commands)
    certification.call(Sent())

    found = verdict(certification, id_, command)

    assert Verdict.NOT_APPLICABLE == found.verdict
    assert words in (found.detail or "")


def test_a_command_that_the_client_says_it_does_not_support_is_not_applicable() -> None:
    """Although it had declared it."""
    certification = Certification(commands=("sms", "airtime"), judged=("sms", "airtime"))
    certification.call(Sent())
    certification.call(said=UNSUPPORTED, command="airtime")

    assert Verdict.NOT_APPLICABLE == verdict(certification, "SND-02", "airtime").verdict
    assert Verdict.PASS == verdict(certification, "SND-02").verdict

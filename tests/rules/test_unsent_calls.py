"""Calls that never became a request, on records made by hand: whose fault it is, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from client_records import ACCEPTED, PARAMS, UNREACHED, UNSUPPORTED, Certification, Sent
from run_records import failures, judged, verdict

from conformance.client.rules.calls import ASKED_AGAIN, IN_PLACE
from conformance.judging.judgement import Finding, Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.traffic import Case
from conformance.reports.remarks import coverage_lines
from conformance.reports.result import Result

REJECTED: Mapping[str, Any] = {"outcome": "error", "error": "rejected-locally", "description": "not valid"}
PAYMENT = "mpesa/online"
ONLINE = {"short_code": "12345", "phone_number": "254712345678", "amount": "50"}


def of_payments(**known: Any) -> Certification:
    """A certification of a client that makes payments."""
    return Certification(commands=(PAYMENT,), judged=(PAYMENT,), **known)


def finding(certification: Certification, id_: str = "SND-13", command: str = "sms") -> Finding:
    """The only one on a requirement."""
    (found,) = verdict(certification, id_, command).findings
    return found


def refuse(certification: Certification, said: Mapping[str, Any] = REJECTED, **params: str) -> Case:
    """A call that is not sent, beside one in its place that is."""
    case = certification.call(said=said, params={**PARAMS, **params})
    certification.call(Sent(), extra=(IN_PLACE, case))
    return case


def beside_lawful_calls(*messages: str) -> Certification:
    """A certification in which the client has sent an ordinary message, and these."""
    certification = Certification()
    for message in ("Habari", *messages):
        certification.call(Sent(), params={**PARAMS, "message": message})
    return certification


REFUSED_CLASSES: dict[str, tuple[list[dict[str, str]], list[str]]] = {
    "message with text that is not ASCII": ([{"message": each} for each in ("ñandú", "你好", "✈️")], ["plain"]),
    "message with emoji": ([{"message": each} for each in ("✈️", "👍🏾")], ["ñandú", "你好"]),
    'message that is the text "0"': ([{"message": "0"}], ["1", "null"]),
    "message with line breaks": ([{"message": f"one{each}two"} for each in ("\n", "\r\n", "\r")], ["1\t2"]),
    "phone_number that begins with 2541": (
        [{"phone_number": each} for each in ("254112345678", "254101234567", "254110000000")],
        [],
    ),
    "message of 100 characters": ([{"message": each} for each in ("x" * 100, "y" * 120, "z" * 160)], ["w" * 99]),
    "sender_id of the class pattern [0-9]{5}": ([{"sender_id": "12345"}], []),
}


@pytest.mark.parametrize("words", REFUSED_CLASSES)
def test_refused_classes_are_named(words: str) -> None:
    """By the broadest class of which nothing was sent, with the number of calls and the client's own words."""
    refused, sent = REFUSED_CLASSES[words]
    certification = beside_lawful_calls(*sent)
    for params in refused:
        refuse(certification, **params)

    found = finding(certification)

    assert {"SND-13"} == failures(certification)
    assert found.message.startswith(words)
    assert f"({len(refused)} of {len(refused)} calls)" in found.message
    assert 'the client says an error (rejected-locally): "not valid"' in found.message
    assert (len(refused), len(refused) - 1) == (found.count, len(found.others))


def test_long_messages_have_a_requirement_of_their_own() -> None:
    """A client that keeps to one SMS gets a warning; long ones that are refused for something else count there."""
    certification = beside_lawful_calls()
    refuse(certification, message="x" * 161)
    refuse(certification, message="y" * 459)

    assert {"SND-14"} == failures(certification)
    assert finding(certification, "SND-14").message.startswith(
        "message of more than 160 characters (2 of 2 calls)"[:35]
    )

    for message in ("ñ", "你好", "ñ" * 200):
        refuse(certification, message=message)
    assert "(3 of 3 calls)" in finding(certification).message
    assert "(2 of 2 calls)" in finding(certification, "SND-14").message


def test_calls_without_anything_in_common_get_no_explanation() -> None:
    """Classes that explain less than half of them are chance."""
    certification = beside_lawful_calls(*(f"message {number}" for number in range(20)))
    for number in range(10):
        refuse(certification, UNREACHED, message=f"message {number}")
    message = finding(certification).message

    assert message.startswith("calls that have nothing in common: never became a request (10 of ")


def test_a_call_that_is_sent_on_a_second_attempt_was_not_refused() -> None:
    """The client was in no state to send it."""
    certification = beside_lawful_calls()
    case = refuse(certification, message="ñ")
    certification.call(Sent(), params={**PARAMS, "message": "ñ"}, extra=(ASKED_AGAIN, case))

    assert Verdict.PASS == verdict(certification, "SND-13").verdict


def test_a_client_that_sends_nothing_for_a_while_has_refused_nothing() -> None:
    """Other calls do not make up for it; the verdict quotes its words."""
    certification = beside_lawful_calls()
    said = {**UNREACHED, "description": "the circuit is open"}
    case = certification.call(said=said)
    certification.call(said=said, extra=(IN_PLACE, case))

    told = verdict(certification, "SND-13")

    assert set() == failures(certification)
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (told.verdict, told.reason)
    assert '"the circuit is open"' in (told.detail or "")
    assert told.detail == verdict(certification, "RDG-05").detail


@pytest.mark.parametrize("proxies", [(), ("HTTP_PROXY", "ALL_PROXY")])
def test_where_nothing_arrives_at_all_the_way_may_be_missing(proxies: tuple[str, ...]) -> None:
    """Every verdict has the commonest error, and the proxies of the environment."""
    certification = Certification(proxies=proxies)
    for description in ("refused", "refused", "timed out"):
        certification.call(said={**UNREACHED, "description": description})

    found = judged(certification)
    ((reason, detail),) = {(v.reason, str(v.detail)) for v in found.by(Verdict.INCONCLUSIVE)}

    assert (Conclusion.INCONCLUSIVE, Reason.ENVIRONMENT) == (found.conclusion, reason)
    assert detail.startswith('none of 3 calls became a request; the client says an error (network): "refused" (2 of 3')
    assert detail.endswith("(HTTP_PROXY, ALL_PROXY), and NO_PROXY does not name 127.0.0.1") is bool(proxies)


def test_a_client_that_says_of_every_call_that_it_is_not_valid_refuses_them() -> None:
    """It needs no way to the gateway for that."""
    certification = Certification()
    for _ in range(3):
        certification.call(said=REJECTED)

    assert {"SND-13"} == failures(certification)
    assert finding(certification).message.startswith("every call: never became a request (3 of 3 calls)")


def test_requests_that_cannot_be_read_are_shown() -> None:
    """They are the requests of the call."""
    certification = Certification()
    certification.call(said=UNREACHED)
    head = "POST /n/1/api/v2/sms HTTP/1.1\r\nAuthorization: Basic eQ==\r\n\neQ=="
    certification.unreadable(head, "illegal header line")
    message = finding(certification).message

    assert "what arrived could not be read (illegal header line)" in message
    assert "Authorization: Basic eQ==" in message


def test_a_client_without_an_optional_member_gets_a_hint() -> None:
    """Be it that it supports no such call, or that it leaves the member out."""
    certification = of_payments()
    named = {**ONLINE, "bill_ref_number": "A"}
    certification.call(Sent(), command=PAYMENT, params=ONLINE)
    refused = certification.call(said=UNSUPPORTED, command=PAYMENT, params=named)
    certification.call(Sent(), command=PAYMENT, params=ONLINE, extra=(IN_PLACE, refused))
    certification.call(Sent(body=json.dumps(ONLINE).encode()), command=PAYMENT, params=named)
    hint = 'a client that does not offer bill_ref_number says so in its hello: "lacks": ["bill_ref_number"]'

    assert {"SND-07", "SND-13"} == failures(certification)
    assert hint in finding(certification, "SND-07", PAYMENT).message


def test_a_call_that_arrived_was_not_rejected_locally() -> None:
    """A caller would make it again."""
    for sent in (Sent(status=402), Sent(failure="lost"), Sent(raw=b"<html>")):
        certification = beside_lawful_calls()
        certification.call(sent, said=REJECTED)

        assert "RDG-12" in failures(certification)
        assert "a request arrived, and the client says" in finding(certification, "RDG-12").message


def test_calls_not_reached_in_time_leave_verdicts_open() -> None:
    """Requirements without traffic have the reason, too; what another call has shown is covered by it."""
    certification = beside_lawful_calls()
    certification.out_of_time = "the time was used up"
    certification.call(asked=False)
    assert Verdict.PASS == verdict(certification, "SND-13").verdict

    certification.call(asked=False, params={**PARAMS, "message": "ñandú"})
    told = [verdict(certification, id_) for id_ in ("SND-13", "RDG-05")]
    expected = (Verdict.INCONCLUSIVE, Reason.INTERRUPTED, "the time was used up")
    assert [expected] * 2 == [(v.verdict, v.reason, v.detail) for v in told]


def test_a_dead_driver_does_not_undo_a_failure() -> None:
    """A MUST that was seen to be broken before is broken."""
    certification = beside_lawful_calls()
    certification.call(said=ACCEPTED)
    certification.call(said=None, death="crash")
    certification.gave_up = "it ended"

    found = judged(certification)

    assert (Conclusion.NON_CONFORMANT, 1) == (found.conclusion, found.exit_code)


def test_classes_are_counted_by_calls_and_by_requests() -> None:
    """Those of an optional member that the client lacks are not there; how JSON writes a text is its own affair."""
    certification = beside_lawful_calls("0")
    refuse(certification, phone_number="254112345678")

    report = Result.of(certification.record()).report
    counted = {(one.member, one.name): (one.sent, one.accepted) for one in report.coverage}

    assert (1, 0) == counted["phone_number", "pattern 2541[0-9]{8}"]
    assert (2, 2) == counted["phone_number", "pattern 2547[0-9]{8}"]
    assert ("message", "written in UTF-8") not in counted
    assert "called and never sent: valid phone_number of sms: pattern 2541[0-9]{8}" in list(coverage_lines(report))


def test_no_class_of_a_missing_member_is_counted() -> None:
    """It was asked for none."""
    certification = of_payments(lacks=("bill_ref_number",))
    certification.call(Sent(), command=PAYMENT, params=ONLINE)

    assert {"short_code", "phone_number", "amount"} == {each.member for each in judged(certification).coverage}

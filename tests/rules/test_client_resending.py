"""The checks of what clients send again, on records made by hand: by when, and by what came before it."""

from __future__ import annotations

from email.utils import formatdate

from client_records import JSON_TYPE, PARAMS, UNREACHED, Certification, Sent, again, refused
from run_records import failures, verdict

from conformance.client.rules.answers import NO_CONNECTION_KEPT
from conformance.client.rules.calls import NEVER, REUSED, UNUSED
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Verdict
from conformance.mock.behaviour import Ending
from conformance.reports.remarks import client_lines
from conformance.reports.result import Result

CLOSED = Ending.BEFORE.value

SLOW_DOWN = Sent(status=429, answer_headers=(JSON_TYPE, ("Retry-After", "1")))
SLOW_DOWN_BARE = Sent(status=429)
NONSENSE = (JSON_TYPE, ("Retry-After", "soon"))


def dated(ahead_s: float) -> Sent:
    """A 429, answered at the second call's time, with a date so many seconds ahead."""
    date = formatdate(SECOND_CALL_AT + ahead_s, usegmt=True)
    return Sent(status=429, answer_headers=(JSON_TYPE, ("Retry-After", date)))


# Of the calls that the table below makes, the third is the one that it is about.
SECOND_CALL_AT = 300.0
IN_AIRTIME = {"phone_number": "254712345678", "amount": "50"}
BODY_500 = Sent(code=500)
BODY_402 = Sent(code=402)
UNREADABLE = Sent(raw=b"<html>", answer_headers=(("Content-Type", "text/html"),))
ON_A_KEPT_ONE = Sent(failure=CLOSED + REUSED)
LEFT_OPEN = Sent(failure=NEVER, takes_s=60.0)

RESENDING: tuple[tuple[str, str, set[str], tuple[Sent, ...]], ...] = (
    *((f"again after {s}", "sms", {"RTY-01"}, again(Sent(status=s), 60.0)) for s in (400, 401, 402, 403, 422)),
    ("before Retry-After", "sms", {"RTY-02"}, again(SLOW_DOWN, 0.8)),
    ("after Retry-After", "sms", set(), again(SLOW_DOWN, 1.0, 1.0, 1.0)),
    ("before a date", "sms", {"RTY-02"}, again(dated(3.0), 0.5)),
    ("at a date, by a clock in seconds", "sms", set(), again(dated(3.0), 2.1)),
    ("after an unreadable Retry-After", "sms", set(), again(Sent(status=429, answer_headers=NONSENSE), 0.5)),
    ("once at once, which may be chance", "sms", set(), again(SLOW_DOWN_BARE, 0.01)),
    ("twice at once", "sms", {"RTY-03"}, again(SLOW_DOWN_BARE, 0.01, 0.01)),
    ("in a burst", "sms", {"RTY-03"}, again(SLOW_DOWN_BARE, 0.09, 0.09, 0.09)),
    ("in equal steps", "sms", set(), again(SLOW_DOWN_BARE, 0.5, 0.5, 0.5)),
    ("with full jitter", "sms", set(), again(SLOW_DOWN_BARE, 0.9, 0.02, 1.1)),
    ("again after 200 that says 402", "sms", {"RTY-01"}, again(BODY_402, 60.0)),
    ("without end", "sms", {"RTY-03"}, again(SLOW_DOWN, *[1.0] * 6)),
    ("in growing steps", "sms", set(), again(SLOW_DOWN_BARE, 0.5, 1.0, 2.0)),
    ("airtime at once after 500", "airtime", {"RTY-04"}, again(Sent(status=500), 0.1)),
    ("airtime long after 500", "airtime", set(), again(Sent(status=500), 5.0)),
    ("sms at once after 500", "sms", set(), again(Sent(status=500), 0.1)),
    ("airtime soon after 500", "airtime", {"RTY-07"}, again(Sent(status=500), 2.2)),
    ("airtime at once after 200 that says 500", "airtime", {"RTY-04"}, again(BODY_500, 0.1)),
    ("airtime at once after a loss", "airtime", {"RTY-06"}, again(Sent(failure=CLOSED), 0.1)),
    ("airtime at once after a time-out", "airtime", {"RTY-06"}, again(Sent(failure=NEVER), 0.1)),
    ("airtime soon after a loss", "airtime", {"RTY-07"}, again(Sent(failure=CLOSED), 3.0)),
    ("airtime long after a loss", "airtime", set(), again(Sent(failure=CLOSED), 5.0)),
    ("airtime as advised, from a connection left open", "airtime", set(), again(LEFT_OPEN, 7.0 - 60.0)),
    ("airtime at once, from a connection left open", "airtime", {"RTY-06"}, again(LEFT_OPEN, 2.1 - 60.0)),
    ("a payment at once after a loss", "mpesa-wallet", {"RTY-05"}, again(Sent(failure=CLOSED), 0.1)),
    ("a payment at once on a new connection", "mpesa-wallet", {"RTY-05"}, again(ON_A_KEPT_ONE, 0.001)),
    ("a payment at once after a page", "mpesa-wallet", {"RTY-05"}, again(UNREADABLE, 0.1)),
    ("a payment soon after a page", "mpesa-wallet", {"RTY-07"}, again(UNREADABLE, 3.0)),
    ("sms at once after a loss", "sms", {"RTY-06"}, again(Sent(failure=CLOSED), 0.1)),
    ("sms soon after a loss", "sms", set(), again(Sent(failure=CLOSED), 2.2)),
)


def broken_by(command: str, sent: tuple[Sent, ...]) -> set[str]:
    """The ids of what a call of the command breaks with these requests, after two lawful calls."""
    params = PARAMS if command == "sms" else IN_AIRTIME
    certification = Certification(commands=("sms", command), judged=("sms", command))
    for lawful in ("sms", command):
        certification.call(Sent(), command=lawful, params={})
    said = UNREACHED if sent[-1].failure or sent[-1].status == 200 else refused(sent[-1].status)
    certification.call(*sent, command=command, params=params, said=said)
    return failures(certification)


def test_retries_are_judged_by_time_and_reason() -> None:
    """By the traffic and its times alone."""
    wrong = [
        (name, breaks, found)
        for name, command, breaks, sent in RESENDING
        if (found := broken_by(command, sent)) != breaks
    ]

    assert [] == wrong


def test_a_client_without_keep_alive_gets_a_remark() -> None:
    """It does not hinder, for other answers were lost; the count has the unobserved ones."""
    certification = Certification(commands=("mpesa-wallet",), judged=("mpesa-wallet",))
    for failure in (CLOSED, CLOSED + UNUSED):
        certification.call(Sent(failure=failure), command="mpesa-wallet", params=IN_AIRTIME, said=UNREACHED)

    found = verdict(certification, "RTY-05", "mpesa-wallet")
    lines = list(client_lines(Result.of(certification.record()).report))

    assert (Verdict.PASS, 2, 1) == (found.verdict, found.observations, found.unobserved)
    assert [] != [line for line in lines if line.startswith(NO_CONNECTION_KEPT)]


def test_resending_is_inconclusive_after_an_interruption() -> None:
    """A missing request may still have come."""
    certification = Certification(settled=False)
    certification.call(Sent(status=402), said=refused(402))

    found = verdict(certification, "RTY-01")

    assert (Verdict.INCONCLUSIVE, Reason.INTERRUPTED) == (found.verdict, found.reason)

"""Behaviours that show only while requests come at a rate, in the state machine."""

from __future__ import annotations

from faulty_gateway import ACCOUNT, AIRTIME, ONLINE, SMS, asked

from conformance.contract.tables import Change
from conformance.mock.behaviour import Arrivals, Behaviour
from conformance.mock.faults import changed_by
from conformance.mock.gateway import Gateway, Reaction


def changed(**entry: object) -> Gateway:
    """A gateway with one change of a row."""
    return Gateway(ACCOUNT, changed_by([Change.from_entry(entry)])(Behaviour()), seed=1)


def at(gateway: Gateway, *times: float) -> list[int]:
    """The statuses of answers to messages at these times."""
    return [gateway.answer(asked("sms", SMS), time).reply.status for time in times]


def paid(gateway: Gateway, phone_number: str, now: float) -> Reaction:
    """The answer to a payment."""
    return gateway.answer(asked("mpesa/online", {**ONLINE, "phone_number": phone_number}), now)


def test_arrivals_are_counted_within_a_time() -> None:
    """One that came at its very beginning is outside."""
    arrivals = Arrivals()
    for time in (0.0, 1.0, 2.0, 2.5):
        arrivals.add(time)
    assert [1, 2, 3, 4] == [arrivals.within(seconds, 2.5) for seconds in (0.1, 1.0, 1.6, 3.0)]


def test_a_change_for_busy_times_begins_above_the_rate_and_ends_below_it() -> None:
    """More than three within a second, with the one at hand."""
    gateway = changed(to="answer", busy=[3, 1.0], status=503)
    assert [200, 200, 200, 503, 503] == at(gateway, 0.0, 0.1, 0.2, 0.3, 0.4)
    assert [200] == at(gateway, 2.0)


def test_requests_are_refused_only_in_busy_times() -> None:
    """Each so many-th of those that come then."""
    gateway = changed(busy=[2, 1.0], every=2, refuse="rate")
    assert [200, 200, 200, 429, 200, 429] == at(gateway, *(place / 100 for place in range(6)))
    assert [200, 200] == at(gateway, 5.0, 5.1)


def test_two_payments_within_a_moment_have_each_others_notification() -> None:
    """Each pair once, and no other command's."""
    gateway = changed(written="swapped-near", **{"with": {"within_s": 0.001}})
    first, _, second, third = (
        paid(gateway, "254711000001", 0.0),
        gateway.answer(asked("airtime", AIRTIME), 0.0002),
        paid(gateway, "254711000002", 0.0005),
        paid(gateway, "254711000003", 0.0008),
    )
    ids = [answer.reply.content["request_id"] for answer in (first, second, third)]
    told = [answer.deliveries[0].content["request_id"] for answer in (first, second, third)]
    assert [ids[1], ids[0], ids[2]] == told


def test_payments_further_apart_keep_their_notifications() -> None:
    """A millisecond is the limit."""
    gateway = changed(written="swapped-near", **{"with": {"within_s": 0.001}})
    answers = [paid(gateway, f"25471100000{place}", place / 100) for place in range(3)]
    assert [a.reply.content["request_id"] for a in answers] == [a.deliveries[0].content["request_id"] for a in answers]

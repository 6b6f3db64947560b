"""How long a client is waited for: for one call and for all together, and less once it has waited for ever."""

from __future__ import annotations

import time

import pytest

from conformance.client.plan import (
    AFTER_A_HANG_S,
    AFTER_HANGS_IN_TROUBLE_S,
    AFTER_HANGS_S,
    OWN_TIMEOUT_S,
    SHORTEST_TIMEOUT_S,
    SLOW_LOSSES,
    Cases,
    OutOfTime,
    Patience,
    PlannedCall,
)
from conformance.client.settings import CALLS_WITHIN_S, ClientSettings
from conformance.client.witness import SENDING
from conformance.contract.contract import statum

SETTINGS = ClientSettings(driver="sh", seed=7, timeout_s=2.0, patience_s=15.0)
BY_NAME = {scenario.name: scenario for scenario in statum().behaviours.scenarios}


def call(name: str | None = None) -> PlannedCall:
    """One that meets that scenario, or is accepted."""
    return Cases(statum(), 7, "http://x").call("sms", BY_NAME[name] if name else SENDING, "x", {})


def test_a_client_that_has_never_hung_is_given_time_to_ask_again() -> None:
    """Whatever it meets."""
    patience = Patience(SETTINGS)

    assert {17.0} == {patience.allows_s(each) for each in (call(), call("never"), call("answer-429"))}


def test_a_client_that_waits_for_ever_is_waited_for_once() -> None:
    """The time-out itself is halved where it is of no use; once it may still ask again, where that is lawful."""
    patience = Patience(SETTINGS)
    patience.hung(call("never"))
    once = patience.allows_s(call("never"))
    assert 17.0 == patience.allows_s(call("answer-429"))
    patience.hung(call("never"))
    twice = patience.allows_s(call("never"))

    assert (1.0 + AFTER_A_HANG_S, 1.0 + AFTER_HANGS_S) == (once, twice)
    assert 2.0 + AFTER_HANGS_S == patience.allows_s(call())
    assert 2.0 + AFTER_HANGS_IN_TROUBLE_S == patience.allows_s(call("answer-429"))


def test_a_client_with_a_time_out_of_its_own_has_it_where_it_is_needed() -> None:
    """And nowhere else: an answer that has come ends every wait."""
    patience = Patience(SETTINGS, ["timeout"])

    assert OWN_TIMEOUT_S < patience.allows_s(call("never"))
    assert 17.0 == patience.allows_s(call())


def test_a_time_out_that_was_waited_for_is_halved() -> None:
    """Nothing more is seen in the other half."""
    patience = Patience(SETTINGS)
    patience.took(call("never"), 2.01, sent=True)
    patience.took(call("answer-500"), 2.01, sent=True)

    assert (1.0, 2.0) == (patience.timeout_s(call("never")), patience.timeout_s(call("answer-500")))


def test_requests_that_never_arrive_are_waited_for_ever_less() -> None:
    """Each costs a whole time-out."""
    patience = Patience(SETTINGS)
    for _ in range(SLOW_LOSSES):
        patience.took(call(), 2.01, sent=False)

    assert (SHORTEST_TIMEOUT_S, 2.0) == (patience.timeout_s(call()), patience.timeout_s(call("answer-500")))


def test_the_time_of_a_certification_ends() -> None:
    """It is counted from the beginning."""
    now = time.monotonic()

    assert 0 < Patience(SETTINGS, begun=now).left_s <= CALLS_WITHIN_S
    with pytest.raises(OutOfTime, match=f"the {CALLS_WITHIN_S:g} s for calls were used up"):
        _ = Patience(SETTINGS, begun=now - CALLS_WITHIN_S).left_s


def test_slow_scenarios_give_way_to_the_rest() -> None:
    """A scenario takes as long for one command as for another."""
    late = Patience(SETTINGS, begun=time.monotonic() - 0.7 * CALLS_WITHIN_S)
    late.took(call("answer-500"), 10.0, sent=True)

    assert (False, True) == (Patience(SETTINGS).hurries, late.hurries)
    assert (0.0, 10.0) == (late.expects_s(call()), late.expects_s(call("answer-500")))
    assert (True, True) == tuple(late.spares(each, receives=False) for each in (call(), call("answer-500")))
    assert (True, False) == tuple(late.spares(each, receives=True) for each in (call(), call("answer-500")))


def test_longer_settings_give_more_time() -> None:
    """A longer time-out, more examples."""
    longer = ClientSettings(driver="sh", timeout_s=4.0)
    more = ClientSettings(driver="sh", max_examples=108, products=("sms",))

    assert (2 * CALLS_WITHIN_S, CALLS_WITHIN_S + 50) == (longer.within_s, more.within_s)

"""What may be accepted stays within the limits: whatever is answered, in whatever order, however much is under way."""

from __future__ import annotations

import json
import queue
import threading
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from sockets import PATIENCE_S

from conformance.contract.contract import statum
from conformance.model.traffic import Request, Response
from conformance.wire.allowance import ACCEPTED, SPEND, Allowance, amount_of, is_refused

URL = "http://gateway.example/api/v2/airtime"


def asking(amount: int | None = None) -> Request:
    """A request, for that many shillings."""
    members = {"phone_number": "254712345678"} | ({} if amount is None else {"amount": str(amount)})
    return Request("POST", URL, (), json.dumps(members).encode())


# --- The limits


@given(
    limit=st.none() | st.integers(1, 6),
    spend=st.none() | st.integers(0, 60),
    amounts=st.lists(st.integers(0, 30), max_size=25),
    steps=st.randoms(use_true_random=False),
)
def test_whatever_the_order_no_more_can_come_to_be_accepted_than_may(
    limit: int | None, spend: int | None, amounts: list[int], steps: Random
) -> None:
    """In any interleaving, even if all that is under way were accepted: so nothing beyond the limits was ever sent."""
    allowance = Allowance(statum(), limit, spend)
    waiting, under_way, accepted = [asking(amount) for amount in amounts], [], []
    while waiting or under_way:
        may_go = [request for request in waiting if steps.random() < 0.7] or waiting
        for request in may_go:
            room = allowance.take(request)
            assert under_way or room is not None, "what waits has to be waiting for something"
            if room is not None:
                waiting.remove(request)
            if room:
                under_way.append(request)
            could_be = [*accepted, *under_way]
            assert limit is None or len(could_be) <= limit
            assert spend is None or sum(amount_of(each, statum()) for each in could_be) <= spend
        if under_way:
            answered = under_way.pop(steps.randrange(len(under_way)))
            refused = steps.random() < 0.5
            allowance.settle(answered, refused=refused)
            accepted += [] if refused else [answered]
    if limit is not None or spend is not None:
        assert (len(accepted), sum(amount_of(each, statum()) for each in accepted)) == (
            allowance.taken,
            allowance.spent,
        )


def test_a_refused_request_makes_room_for_another() -> None:
    """And nothing else does."""
    allowance = Allowance(statum(), requests=1)

    assert allowance.take(asking())
    assert allowance.take(asking()) is None
    allowance.settle(asking(), refused=True)
    assert allowance.take(asking())
    allowance.settle(asking(), refused=False)
    assert allowance.take(asking()) is False
    assert {ACCEPTED: 1} == allowance.withheld


def test_requests_that_go_out_together_go_together_or_not_at_all() -> None:
    """Half of them would hold what the other half waits for."""
    allowance = Allowance(statum(), requests=3, spend=100)

    assert allowance.take(asking(10), asking(10))
    assert allowance.take(asking(10), asking(10)) is None
    assert allowance.take(asking(10))
    assert allowance.take(asking(60), asking(60)) is False
    assert {SPEND: 2} == allowance.withheld


def test_who_waits_is_woken_when_there_is_room_and_when_there_is_no_more_to_come() -> None:
    """By the answer that decides it, or by a stop."""
    allowance, stopped = Allowance(statum(), requests=2), Allowance(statum(), requests=1)
    allowance.reserve(asking(), asking())
    stopped.reserve(asking())
    outcomes: queue.Queue[bool] = queue.Queue()
    for waiting in (allowance, allowance, stopped):
        threading.Thread(target=lambda waiting=waiting: outcomes.put(waiting.reserve(asking()))).start()

    allowance.settle(asking(), refused=True)
    allowance.settle(asking(), refused=False)
    assert outcomes.get(timeout=PATIENCE_S)
    allowance.settle(asking(), refused=False)
    assert not outcomes.get(timeout=PATIENCE_S)
    stopped.stop()
    assert not outcomes.get(timeout=PATIENCE_S)


def test_without_limits_nothing_is_counted() -> None:
    """A run on this machine costs nothing; an amount without end is beyond every limit."""
    allowance = Allowance(statum())

    assert all(allowance.reserve(asking(10**9)) for _ in range(100))
    assert (0, {}) == (allowance.taken, allowance.withheld)
    assert Allowance(statum(), spend=10**15).take(Request("POST", URL, (), b'{"amount": 1e400}')) is False


# --- What a request would move


def test_the_amount_of_a_request_is_the_most_that_a_reader_may_take_it_for() -> None:
    """Broken ones too: a gateway at fault may carry them out."""
    rows = [
        (b"", 0),
        (b"{}", 0),
        (b'{"amount": "50"}', 50),
        (b'{"amount": 50}', 50),
        (b'{"amount": " 50 "}', 50),
        (b'{"amount": "-50"}', 50),
        (b'{"amount": 12.5}', 13),
        (b'{"amount": "12.50"}', 13),
        (b'{"amount": "1e3"}', 1000),
        (b'{"amount": "10,000"}', 10_000),
        (b'{"amount": "0050"}', 50),
        ('{"amount": "٥٠"}'.encode(), 50),  # noqa: RUF001 - Arabic-Indic digits
        (b'{"amount": null}', 0),
        (b'{"amount": true}', 0),
        (b'{"amount": NaN}', 0),
        (b'{"amount": ["50", 60]}', 60),
        (b'{"amount": {"value": 70}}', 70),
        (b'[{"amount": "50"}]', 50),
        (b'{"amount": "50", "amount": "90"}', 90),
        (b'{"amount": "90", "amount": "50"}', 90),
        (b'{"\\u0061mount": "50"}', 50),
        (b'\xef\xbb\xbf{"amount": "50"}', 50),
        ('{"amount": "50"}'.encode("utf-16-le"), 50),
        (b'{"amount": "50"', 50),
        (b"{'amount': '50'}", 50),
        (b'{"amount": "50"} and more', 50),
        (b"phone_number=254712345678&amount=50", 50),
        (b'{"message": "the amount 900"}', 0),
    ]

    assert rows == [(body, amount_of(Request("POST", URL, (), body), statum())) for body, _ in rows]


def test_the_commands_that_move_money_are_those_with_an_amount() -> None:
    """A message costs something as well, but no request says what."""
    assert ["airtime", "mpesa/online", "mpesa-wallet"] == [c.name for c in statum().commands.values() if c.moves_money]


# --- What an answer says


def test_only_a_refusal_makes_room() -> None:
    """Whatever else is answered, something may have come of it."""
    rows = [
        (422, b'{"status_code": 422}', True),
        (200, b'{"status_code": 422}', True),
        (401, b"", True),
        (404, b"<html>", True),
        (429, b"", True),
        (200, b'{"status_code": 200}', False),
        (401, b'{"status_code": 200}', False),
        (200, b"", False),
        (302, b"", False),
        (500, b'{"status_code": 500}', False),
        (503, b"", False),
        (422, b'{"status_code": "200"}', True),
        (422, b'{"status_code": true}', True),
        (200, b"[422]", False),
    ]

    assert rows == [(status, body, is_refused(Response(status, (), body), statum())) for status, body, _ in rows]

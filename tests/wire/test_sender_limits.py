"""Nothing goes out beyond what may be accepted; what is sent again is what surely did nothing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import pytest
from sockets import PATIENCE_S, RawServer, a_case

from conformance.contract.contract import statum
from conformance.journal import Journal, read_journal
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Case, Kind, Request, Response
from conformance.wire import Allowance, Manners, Pace, Sender, sender
from conformance.wire.connection import HttpAnswer, Unanswered

MAX = 5


def answering(status: int) -> bytes:
    """An answer of that status, in the envelope."""
    body = json.dumps({"status_code": status, "description": "said", "request_id": "r"}).encode()
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


ACCEPTED, TOO_MANY = map(answering, (200, 429))


class Unhurried(Pace):
    """A pace that never waits."""

    def told_to_slow_down(self, retry_after_s: float | None, now: float, sent_at: float | None = None) -> None:
        """Nothing is done about it."""

    def lost(self, now: float, sent_at: float) -> None:  # noqa: ARG002 - Pace's signature
        """No pause, but counted."""
        self.lost_in_a_row += 1


def cases(url: str, number: int, **known: Any) -> list[Case]:
    """So many cases of one group; `known` are fields of each."""
    return [replace(a_case(f"case-{at}", f"{url}/{at}"), **known) for at in range(number)]


def sent(journal: Journal, groups: list[list[Case]], allowance: Allowance, **manners: Any) -> Counter[str]:
    """How often each case was sent, as the journal has it."""
    reading = ["account-details"]
    Sender(journal, Unhurried(), allowance=allowance, manners=Manners(**manners), reading=reading).send(groups)
    journal.flush()
    return Counter(exchange.case_id for exchange in read_journal(journal.path).exchanges)


# --- What may be accepted


@pytest.mark.parametrize("group_size", [1, 4, 40])
def test_no_more_is_sent_than_may_be_accepted_late(journal: Journal, group_size: int) -> None:
    """However many go side by side: the gateway answers when as many are there as can come, the worst moment."""
    together = threading.Barrier(min(MAX, 40 // group_size))

    def accept_late(*_: object) -> bytes:
        together.wait(PATIENCE_S)
        return ACCEPTED

    with RawServer(accept_late) as server:
        every = cases(server.url, 40, kind=Kind.BROKEN)
        groups = [every[at : at + group_size] for at in range(0, 40, group_size)]
        allowance = Allowance(statum(), requests=MAX)
        counted = sent(journal, groups, allowance, concurrency=16)

    assert MAX == len(server.requests) == counted.total() == allowance.taken
    assert {"--max-accepted": 40 - MAX} == allowance.withheld


def test_each_attempt_counts(journal: Journal) -> None:
    """A request that is told to wait and then accepted holds one place; the waiting costs none."""
    with RawServer(lambda _, number: TOO_MANY if number % 2 else ACCEPTED) as server:
        allowance = Allowance(statum(), requests=3)
        counted = sent(journal, [cases(server.url, 10)], allowance, concurrency=1)

    assert {"case-0": 2, "case-1": 2, "case-2": 2} == counted
    assert 3 == allowance.taken


@pytest.mark.parametrize(("requests", "went_out"), [(1, 0), (2, 2), (3, 2), (4, 4)])
def test_a_burst_goes_out_whole_or_not_at_all(journal: Journal, requests: int, went_out: int) -> None:
    """Half of one shows nothing."""
    with RawServer(lambda *_: ACCEPTED) as server:
        groups = [cases(f"{server.url}/{burst}", 2, kind=Kind.BURST) for burst in range(5)]
        sent(journal, groups, Allowance(statum(), requests=requests), concurrency=4)

    assert went_out == len(server.requests)


def test_no_more_money_is_asked_for_than_may_be_spent(journal: Journal) -> None:
    """Of those that do not fit, none; of those after them, what fits."""
    with RawServer(lambda *_: ACCEPTED) as server:
        amounts = (50, 80, 30, 10, 20, 10)
        group = [
            replace(case, request=replace(case.request, body=json.dumps({"amount": str(amount)}).encode()))
            for case, amount in zip(cases(server.url, 6), amounts, strict=True)
        ]
        allowance = Allowance(statum(), spend=100)
        counted = sent(journal, [group], allowance)

    assert ["case-0", "case-2", "case-3", "case-5"] == list(counted)
    assert (100, {"--max-spend": 2}) == (allowance.spent, allowance.withheld)


def test_a_case_that_depends_on_a_withheld_one_is_not_sent(journal: Journal) -> None:
    """A refusal counts for nothing without its twin, a repeat for nothing without what it repeats."""
    with RawServer(lambda *_: ACCEPTED) as server:
        dear, negative, repeat, other = cases(server.url, 4)
        dear = replace(dear, request=replace(dear.request, body=b'{"amount": "500"}'))
        group = [dear, replace(negative, twin=dear.id), replace(repeat, earlier=negative.id), other]
        counted = sent(journal, [group], Allowance(statum(), spend=100))

    assert {"case-3": 1} == counted


def test_several_sendings_share_one_allowance(journal: Journal) -> None:
    """What the campaign has used up, nothing after it may use once more."""
    with RawServer(lambda *_: ACCEPTED) as server:
        allowance = Allowance(statum(), requests=3)
        sending = Sender(journal, Pace(), allowance=allowance)
        for each in range(3):
            sending.send([cases(f"{server.url}/{each}", 2)])

    assert 3 == len(server.requests)


# --- What is sent again over a network


class Scripted:
    """Stands for connections: what becomes of each request, in the order of asking."""

    def __init__(self, *outcomes: Unanswered | Response) -> None:
        self._outcomes = list(outcomes)
        self.asked: list[Request] = []

    def __call__(self, *_: object, **__: object) -> Scripted:
        """Itself, whatever it is made with."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def ask(self, request: Request, _ready: Callable[[], object] | None = None, _tag: int = 0) -> HttpAnswer:
        """The next outcome."""
        self.asked.append(request)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Unanswered):
            raise outcome
        return HttpAnswer(outcome)


OK = Response(200, (), b'{"status_code": 200}')
REFUSED_CONNECTION = Unanswered("connection refused", never_left=True)
NO_ANSWER = Unanswered("no answer within 10 s")


def account_details(case: Case) -> Case:
    """The same, asking what the account holds."""
    return replace(case, command="account-details", request=replace(case.request, method="GET", body=b""))


@pytest.mark.parametrize(
    ("reads_only", "over_network", "outcomes", "attempts"),
    [
        (False, True, (REFUSED_CONNECTION, REFUSED_CONNECTION, OK), 3),
        (False, True, (REFUSED_CONNECTION,) * 3, 3),
        (False, True, (NO_ANSWER,), 1),
        (False, True, (REFUSED_CONNECTION, NO_ANSWER), 2),
        (True, True, (NO_ANSWER, REFUSED_CONNECTION, OK), 3),
        (True, False, (NO_ANSWER,), 1),
        (False, False, (REFUSED_CONNECTION,), 1),
    ],
)
def test_over_a_network_only_safe_requests_are_sent_again(  # noqa: PLR0913, PLR0917 - each is a part of the table
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    reads_only: bool,  # noqa: FBT001
    over_network: bool,  # noqa: FBT001
    outcomes: tuple[Unanswered | Response, ...],
    attempts: int,
) -> None:
    """What never left, and what only reads; never a POST that may have been received, and nothing on this machine."""
    script = Scripted(*outcomes)
    monkeypatch.setattr(sender, "Connection", script)
    case = a_case("case-0", "http://gateway.example/sms")
    allowance = Allowance(statum(), requests=MAX)
    counted = sent(
        journal, [[account_details(case) if reads_only else case]], allowance, over_network=over_network, concurrency=1
    )

    assert {"case-0": attempts} == counted
    exchanges = read_journal(journal.path).exchanges
    assert [*range(1, attempts + 1)] == [exchange.attempt for exchange in exchanges]
    assert sum(outcome in (OK, NO_ANSWER) for outcome in outcomes) == allowance.taken


def test_a_gateway_that_cannot_be_reached_any_more_ends_the_run(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words that say so, instead of case after case that waits in vain."""
    script = Scripted(*[REFUSED_CONNECTION] * 20)
    monkeypatch.setattr(sender, "Connection", script)

    with pytest.raises(EnvironmentFailure, match="cannot be reached any more: connection refused, 8 times in a row"):
        sent(journal, [[case] for case in cases("http://gateway.example", 20)], Allowance(statum()), over_network=True)
    assert 8 <= len(script.asked) <= 8 + sender.CONCURRENCY


def test_answers_that_are_too_large_together_end_the_run(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal keeps them all, and each of them is within what one answer may have."""
    monkeypatch.setattr(sender, "MOST_KEPT", 100_000)
    body = b'{"status_code": 200, "description": "%b"}' % (b"x" * 30_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with (
        RawServer(lambda *_: answer) as server,
        pytest.raises(EnvironmentFailure, match=r"answers are too large for the journal: 120,\d+ bytes in 4 answers"),
    ):
        sent(journal, [[case] for case in cases(server.url, 20)], Allowance(statum()), concurrency=1)
    assert 4 == len(server.requests)

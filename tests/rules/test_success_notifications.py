"""What a notification of success proves counts, whatever the request was answered with."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from campaigns import held, registered
from sockets import RawServer

from conformance.contract.contract import statum
from conformance.gateway import listening
from conformance.gateway.listening import Successes, is_success
from conformance.gateway.settings import RunLimits
from conformance.journal import read_journal
from conformance.model.traffic import Exchange, Request, Response
from conformance.wire import Allowance
from conformance.wire.allowance import ACCEPTED

URL = "http://gateway.example/api/v2/airtime"
MOST, NUMBERS = 10, ("254712345678", "254712000001")


def exchange(answer: Any, status: int = 422, amount: int = 50) -> Exchange:
    """An attempt with that answer; None: it has none."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    request = Request("POST", URL, (), json.dumps({"phone_number": NUMBERS[0], "amount": str(amount)}).encode())
    response = None if answer is None else Response(status, (), body)
    return Exchange(1, "case", 1, request, 0.0, 0.0, response, None if response else "no answer", 0.0)


def notification(request_id: Any, code: Any = "200") -> Request:
    """What reaches a callback."""
    body = json.dumps({"result_code": code, "result_desc": "Success", "request_id": request_id})
    return Request("POST", "/callbacks/airtime", (), body.encode())


def sent(allowance: Allowance, successes: Successes, answered: Exchange, *, refused: bool = True) -> None:
    """One request and its answer, as a sender has it."""
    assert allowance.take(answered.request)
    allowance.settle(answered.request, refused=refused)
    successes.answered(answered)


@pytest.fixture
def counting() -> tuple[Allowance, Successes, list[str]]:
    """With room for ten, and the proven ids."""
    proven: list[str] = []
    allowance = Allowance(statum(), MOST, 10_000)
    return allowance, Successes(statum(), allowance, proven.append), proven


Counting = tuple[Allowance, Successes, list[str]]


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("code", ["200", 200, 200.0, " 200 "], ids=repr)
def test_a_success_after_a_refusal_counts_and_so_does_every_refusal_from_there_on(
    counting: Counting, code: Any, *, early: bool
) -> None:
    """Whichever comes first, the answer or the notification, and however often it comes."""
    allowance, successes, proven = counting
    sent(allowance, successes, exchange({"status_code": 422, "request_id": "a"}))
    if early:
        successes.notified(notification("b", code))
    sent(allowance, successes, exchange({"status_code": 422, "request_id": "b"}))
    for _ in range(2):
        successes.notified(notification("b", code))
    sent(allowance, successes, exchange({"status_code": 401, "request_id": "c"}, 401))

    assert ["b"] == proven
    assert (3, 150) == (allowance.taken, allowance.spent)


NOTHING_PROVEN = {
    "a failure": notification("a", "500"),
    "no code": Request("POST", "/callbacks/airtime", (), b'{"request_id": "a"}'),
    "of somebody else": notification("nobody"),
    "without an id": notification(None),
    "of an accepted one": notification("accepted"),
    "no notification": Request("GET", "/callbacks/airtime"),
}


def test_other_notifications_prove_nothing(counting: Counting) -> None:
    """A transaction that failed moved nothing, and others use the account as well."""
    allowance, successes, proven = counting
    sent(allowance, successes, exchange({"status_code": 422, "request_id": "a"}))
    sent(allowance, successes, exchange({"status_code": 200, "request_id": "accepted"}, 200), refused=False)
    sent(allowance, successes, exchange({"status_code": 409, "request_id": "accepted"}, 409))
    for name, each in NOTHING_PROVEN.items():
        successes.notified(each)
        assert ([], 1, 50) == (proven, allowance.taken, allowance.spent), name


@pytest.mark.parametrize("answer", [b"<html>403</html>", {"status_code": 403}, {"request_id": None}], ids=repr)
def test_a_success_with_an_unknown_id_is_that_of_a_refusal_without_one(counting: Counting, answer: Any) -> None:
    """The dearest first; no more of them than there are refusals without an id."""
    allowance, successes, _ = counting
    for amount in (10, 90, 20):
        sent(allowance, successes, exchange(answer, 403, amount))
    for request_id in ("x", "x", "y"):
        successes.notified(notification(request_id))
    counted = allowance.taken, allowance.spent
    for request_id in ("z", "of others", "of others too"):
        successes.notified(notification(request_id))

    assert (2, 110) == counted
    assert (3, 120) == (allowance.taken, allowance.spent)


def test_a_success_that_a_lost_answer_explains_counts_once(counting: Counting) -> None:
    """What has no answer counts as accepted from the first."""
    allowance, successes, _ = counting
    sent(allowance, successes, exchange(None), refused=False)
    sent(allowance, successes, exchange(b"<html>", 500), refused=False)
    sent(allowance, successes, exchange(b"<html>", 403))
    successes.notified(notification("x"))
    successes.notified(notification("y"))

    assert 2 == allowance.taken


def test_on_an_account_of_its_own_every_success_is_one_of_the_run() -> None:
    """An id that is altered on its way hides nothing."""
    allowance = Allowance(statum(), MOST, 10_000)
    successes = Successes(statum(), allowance, alone=True)
    for amount in (10, 90):
        sent(allowance, successes, exchange({"status_code": 422, "request_id": f"a{amount}"}, 422, amount))
    successes.notified(notification("A10"))

    assert (1, 90) == (allowance.taken, allowance.spent)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"result_code": "200", "request_id": "a"}',
        b'{"result_code": "500", "result_code": "200", "request_id": "a"}',
        b'{"result_code": "200", "result_code": "500", "request_id": "a"}',
    ],
    ids=repr,
)
def test_a_success_is_read_as_kindly_as_can_be(counting: Counting, body: bytes) -> None:
    """What may have been carried out counts."""
    allowance, successes, proven = counting
    sent(allowance, successes, exchange({"status_code": 422, "request_id": "a"}))
    successes.notified(Request("POST", "/callbacks/airtime", (), body))
    by_query = Request("GET", "/callbacks/airtime?request_id=a&result_code=200")

    assert (["a"], 1) == (proven, allowance.taken)
    assert is_success(by_query, statum())


def test_an_answer_that_comes_after_its_notification_takes_it_back(counting: Counting) -> None:
    """It was the notification of an accepted request, which only came early."""
    allowance, successes, proven = counting
    sent(allowance, successes, exchange(b"<html>", 403))
    successes.notified(notification("early"))
    before = allowance.taken
    sent(allowance, successes, exchange({"status_code": 200, "request_id": "early"}, 200), refused=False)

    assert (1, 1, []) == (before, allowance.taken, proven)


def test_the_first_refusals_keep_their_room_until_a_notification_would_be_here() -> None:
    """Else all would have gone out before the first of them is known to be none."""
    allowance = Allowance(statum(), 2, probation_s=0.05)
    request = exchange(None).request
    for _ in range(2):
        assert allowance.take(request)
        allowance.settle(request, refused=True)
    at_once = allowance.take(request)

    assert at_once is None
    assert allowance.reserve(request)
    allowance.give_back(request)
    assert 0 == allowance.taken


def test_a_request_that_waits_for_room_ends_with_the_proof() -> None:
    """As the proof comes in, and not when the wait would have been over."""
    allowance, request = Allowance(statum(), 1, probation_s=60.0), exchange(None).request
    successes, let_out = Successes(statum(), allowance), list[bool]()
    sent(allowance, successes, exchange({"status_code": 422, "request_id": "a"}))
    waiting = threading.Thread(target=lambda: let_out.append(allowance.reserve(request)), daemon=True)
    waiting.start()
    successes.notified(notification("a"))
    waiting.join(20.0)

    assert [False] == let_out
    assert {ACCEPTED: 1} == allowance.withheld


# --- Whole runs


class TwoFaced:
    """Refuses all that costs something, carries it out, and notifies of its success."""

    def __init__(self, told: dict[str, str], *, before_answer: bool, with_id: bool) -> None:
        self.carried_out = 0
        self._callbacks, self._before, self._with_id = told, before_answer, with_id
        self._lock = threading.Lock()

    def answer(self, request: bytes, number: int) -> bytes:
        """An answer by path; a command is carried out."""
        path = request.split(b" ", 2)[1].decode()
        if request.startswith(b"GET") or not path.endswith("/airtime"):
            details = {"organization": {}} if path.endswith("account-details") else {}
            return _response(200 if details else 404, {"request_id": f"d{number}", "description": "x", **details})
        with self._lock:
            self.carried_out += 1
        notify = threading.Thread(target=self._notify, args=(f"r{number}",), daemon=True)
        notify.start()
        if self._before:
            notify.join(20.0)
        return _response(422, {"description": "No", **({"request_id": f"r{number}"} if self._with_id else {})})

    def _notify(self, request_id: str) -> None:
        httpx.post(self._callbacks["airtime"], content=notification(request_id).body, trust_env=False, timeout=20.0)


def _response(status: int, members: dict[str, Any]) -> bytes:
    body = json.dumps({"status_code": status, **members}).encode()
    return b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


@contextmanager
def two_faced(*, before_answer: bool, with_id: bool = True) -> Iterator[tuple[TwoFaced, dict[str, Any]]]:
    """The gateway, and the settings of a run against it."""
    callbacks: dict[str, str] = {}
    gateway = TwoFaced(callbacks, before_answer=before_answer, with_id=with_id)
    with RawServer(gateway.answer) as server:
        told = registered(lambda account: callbacks.update(account.callbacks) or f"{server.url}/api/v2")
        yield gateway, {**told, "products": ("airtime",), "phone_numbers": NUMBERS, "notify_within_s": 0.2}


@pytest.mark.parametrize(("before_answer", "with_id"), [(True, True), (True, False), (False, True)])
def test_a_gateway_that_carries_out_refused_requests_gets_no_more_than_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, before_answer: bool, with_id: bool
) -> None:
    """143 were carried out under a cap of ten, while a refusal was taken for one."""
    monkeypatch.setattr(listening, "LATE_S", 0.0)
    # Only a gateway that notifies later than this can carry out more; on a busy machine ours may be late, but where it
    # answers after it has notified.
    monkeypatch.setattr("conformance.gateway.campaign.PROBATION_S", 2.0 if before_answer else 20.0)
    with two_faced(before_answer=before_answer, with_id=with_id) as (gateway, told):
        record = read_journal(held(tmp_path, **told, limits=RunLimits(MOST, 5_000), shrink_requests=0))
    allowance = next(note.detail for note in record.notes if note.kind == "allowance")

    assert 0 < gateway.carried_out <= MOST
    assert allowance["accepted_at_most"] >= gateway.carried_out
    assert allowance["withheld"][ACCEPTED] > 0
    assert with_id == any(note.kind == "refusals-distrusted" for note in record.notes)

"""What the mock gateway remembers and sets going: rate, window, money, notifications."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from mock_rig import ACCOUNT, CALLBACKS, POSTS, basic, request, told, with_headers
from seeded import NUMBERS

from conformance.contract.contract import statum
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour, Ending
from conformance.mock.gateway import Gateway
from conformance.mock.rules import refusal_of
from conformance.model.traffic import Request, header

SCHEMAS = statum().schemas

SMS = request("sms")


# --- The rate


def test_requests_beyond_the_rate_are_told_to_wait() -> None:
    """A second's worth at once, 429 with Retry-After beyond, and more as time goes on."""
    gateway = Gateway(ACCOUNT, Behaviour(rate_per_s=3))
    assert [200, 200, 200, 429] == [told(gateway.answer(SMS, 10.0)) for _ in range(4)]
    refused = gateway.answer(SMS, 10.0)
    wait = float(header(refused.reply.headers, "Retry-After") or "nan")
    assert [200, 200, 200, 429] == [told(gateway.answer(SMS, 10.0 + wait)) for _ in range(4)]


def test_the_rate_comes_before_everything_else() -> None:
    """Also what would be refused anyway counts, and is told to wait."""
    gateway = Gateway(ACCOUNT, Behaviour(rate_per_s=1))
    assert [401, 429] == [told(gateway.answer(with_headers(SMS, authorization=None), 0.0)) for _ in range(2)]


# --- The window of similar requests


@pytest.mark.parametrize(("after_s", "expected"), [(0.0, 400), (299.999, 400), (300.0, 200), (300.001, 200)], ids=str)
def test_a_similar_airtime_request_is_refused_for_five_minutes(after_s: float, expected: int) -> None:
    """Within 300 s of an accepted one it is refused, from 300 s on accepted again."""
    gateway = Gateway(ACCOUNT)
    assert 200 == told(gateway.answer(request("airtime"), 1000.0))
    assert expected == told(gateway.answer(request("airtime"), 1000.0 + after_s))


def test_a_refused_similar_request_does_not_prolong_the_window() -> None:
    """The five minutes run from the accepted request."""
    gateway = Gateway(ACCOUNT)
    assert [200, 400, 200] == [told(gateway.answer(request("airtime"), now)) for now in (0.0, 200.0, 300.0)]


def test_a_request_that_was_refused_opens_no_window() -> None:
    """Only accepted requests count: a wrong credential first, then the right one."""
    gateway = Gateway(ACCOUNT)
    wrong = with_headers(request("airtime"), authorization=basic("wrong:credential"))
    assert [401, 200] == [told(gateway.answer(asked, 0.0)) for asked in (wrong, request("airtime"))]


@pytest.mark.parametrize("change", [{"amount": "51"}, {"phone_number": "254721553679"}], ids=str)
def test_another_number_or_amount_is_not_similar(change: dict[str, str]) -> None:
    """Both have to be equal for two requests to be similar."""
    gateway = Gateway(ACCOUNT)
    assert [200, 200] == [
        told(gateway.answer(asked, 0.0)) for asked in (request("airtime"), request("airtime", **change))
    ]


@pytest.mark.parametrize("command", ["sms", "mpesa/online", "mpesa-wallet"])
def test_other_commands_know_no_window(command: str) -> None:
    """An equal request is accepted again."""
    gateway = Gateway(ACCOUNT)
    assert [200, 200] == [told(gateway.answer(request(command), 0.0)) for _ in range(2)]


def test_the_window_forgets_what_has_run_out() -> None:
    """A gateway served for days remembers five minutes."""
    gateway = Gateway(ACCOUNT)
    for hour in range(50):
        gateway.answer(request("airtime", phone_number=f"2547100000{hour:02d}"), hour * 3600.0)
    assert 1 == len(gateway._recent._accepted_at)  # noqa: SLF001 - what is kept is the point


# --- Money


@pytest.mark.parametrize(
    ("command", "left"), [("sms", 99), ("airtime", 50), ("mpesa-wallet", 50), ("mpesa/online", 150)]
)
def test_a_transaction_moves_money(command: str, left: int) -> None:
    """Airtime and payments out cost their amount, a message a shilling, and a payment in adds to the balance."""
    gateway = Gateway(Account.sample(CALLBACKS, balance=100))
    gateway.answer(request(command), 0.0)
    assert left == gateway.balance
    details = gateway.answer(request("account-details"), 0.0).reply.content["organization"]["details"]
    assert left == details["available_balance"]


def test_what_the_balance_does_not_cover_is_refused() -> None:
    """402 when the price is one shilling too high; a payment in helps."""
    gateway = Gateway(Account.sample(balance=49))
    steps = [request("airtime"), request("mpesa/online", amount="10"), request("airtime")]
    assert [402, 200, 200] == [told(gateway.answer(asked, 0.0)) for asked in steps]
    assert 9 == gateway.balance


def test_a_failed_transaction_costs_nothing() -> None:
    """What did not happen is not charged."""
    gateway = Gateway(Account.sample(balance=50), Behaviour(failure_rate=1.0))
    assert 200 == told(gateway.answer(request("airtime"), 0.0))
    assert 50 == gateway.balance


class Spending(RuleBasedStateMachine):
    """Any order of transactions: the balance is what was spent and earned, and never below zero."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = Gateway(Account.sample(balance=500))
        self.expected = 500
        self.now = 0.0

    def ask(self, asked: Request, price: int) -> None:
        """Sends a request, and expects it to be refused if the balance is below its price."""
        self.now += 301
        answer = self.gateway.answer(asked, self.now)
        if price > self.expected:
            assert 402 == told(answer)
        else:
            assert 200 == told(answer)
            self.expected -= price

    @rule(amount=st.integers(5, 700))
    def airtime(self, amount: int) -> None:
        """Airtime costs its amount."""
        self.ask(request("airtime", amount=str(amount)), amount)

    @rule(amount=st.integers(10, 700))
    def pay_out(self, amount: int) -> None:
        """A payment out costs its amount."""
        self.ask(request("mpesa-wallet", amount=str(amount)), amount)

    @rule(amount=st.integers(10, 100))
    def pay_in(self, amount: int) -> None:
        """A payment in brings its amount."""
        self.ask(request("mpesa/online", amount=str(amount)), -amount)

    @rule()
    def message(self) -> None:
        """A message costs a shilling."""
        self.ask(request("sms"), 1)

    @invariant()
    def the_books_are_right(self) -> None:
        """The balance is what was reckoned here."""
        assert 0 <= self.gateway.balance == self.expected


test_the_balance_is_never_negative = Spending.TestCase


# --- Notifications


@pytest.mark.parametrize("command", POSTS)
@pytest.mark.parametrize("failure_rate", [0.0, 1.0], ids=["success", "failure"])
def test_a_notification_is_as_the_contract_has_it(command: str, failure_rate: float) -> None:
    """Valid by the product's schema, with the invocation's id, and a failure has its reason."""
    gateway = Gateway(replace(ACCOUNT, callbacks=CALLBACKS), Behaviour(failure_rate=failure_rate))
    answer = gateway.answer(request(command), 0.0)
    (delivery,) = answer.deliveries
    assert [] == SCHEMAS.violations(f"{statum().commands[command].folder}/notification", delivery.content)
    assert answer.reply.content["request_id"] == delivery.content["request_id"]
    assert (failure_rate == 0.0) == (delivery.content["result_code"] == "200")
    assert delivery.content["result_desc"]


def test_an_sms_is_notified_of_as_in_the_sample() -> None:
    """The documented sample of a notification, but for its id."""
    (delivery,) = Gateway(replace(ACCOUNT, callbacks=CALLBACKS)).answer(SMS, 0.0).deliveries
    assert ("200", "Success") == (delivery.content["result_code"], delivery.content["result_desc"])


def test_payments_tell_their_documented_extras() -> None:
    """A masked number, the reference, the balance as a string and the time of the clock given."""
    gateway = Gateway(Account.sample(CALLBACKS, balance=100))
    (delivery,) = gateway.answer(request("mpesa/online"), 90.0).deliveries
    told_of = delivery.content
    assert "2547*****678" == told_of["phone_number"]
    assert ("50", "174379", "QWERT") == (told_of["amount"], told_of["short_code"], told_of["bill_ref_number"])
    assert ("150", "2024-01-01 00:01:30") == (told_of["account_balance"], told_of["transaction_time"])


def test_without_a_callback_there_is_no_notification() -> None:
    """Notifications go to the product's own callback or nowhere."""
    others = {product: url for product, url in CALLBACKS.items() if product != "sms"}
    assert () == Gateway(replace(ACCOUNT, callbacks=others)).answer(SMS, 0.0).deliveries


def test_failures_by_chance_come_at_their_rate() -> None:
    """Three in ten fail; the same seed fails the same ones, another seed others."""

    def failures(seed: int) -> list[int]:
        gateway = Gateway(replace(ACCOUNT, callbacks=CALLBACKS), Behaviour(failure_rate=0.3), seed)
        codes = [gateway.answer(SMS, 0.0).deliveries[0].content["result_code"] for _ in range(500)]
        return [number for number, code in enumerate(codes) if code != "200"]

    assert failures(1) == failures(1)
    assert failures(1) != failures(2)
    assert 100 < len(failures(1)) < 200


@pytest.mark.parametrize("ending", NUMBERS)
def test_chosen_numbers_do_as_the_table_says(ending: str) -> None:
    """Each scenario of the table, once and once again."""
    scenario = NUMBERS[ending]
    gateway = Gateway(replace(ACCOUNT, callbacks=CALLBACKS))
    asked = request("mpesa-wallet", phone_number=f"2547{ending}")
    first, second = gateway.answer(asked, 0.0), gateway.answer(asked, 0.0)
    if scenario.refuse:
        chosen = next((change.actions["status"] for change in scenario.changes), None)
        assert (chosen or refusal_of(statum(), scenario.refuse).status) == told(first)
        assert (200 if scenario.once else told(first)) == told(second)
        assert () == first.deliveries
    elif not any(change.which.to == "notification" for change in scenario.changes):
        results = [answer.deliveries[0].content for answer in (first, second)]
        reasons = {failure.outcome: failure.reason for failure in statum().behaviours.failures}
        outcome = scenario.outcome or "200"
        assert [(outcome, reasons[outcome] if scenario.outcome else "Success")] * 2 == [
            (each["result_code"], each["result_desc"]) for each in results
        ]


CHOSEN_ANSWERS = {
    "99002001": (200, Ending.BEFORE),
    "99002002": (200, Ending.MIDDLE),
    "99002003": (200, Ending.AFTER),
    "99002004": (200, Ending.NEVER),
    "99003001": (502, Ending.WHOLE),
    "99003002": (200, Ending.WHOLE),
    "99003007": (402, Ending.WHOLE),
}


@pytest.mark.parametrize("ending", CHOSEN_ANSWERS)
def test_chosen_numbers_have_the_answers_of_taken_requests_changed(ending: str) -> None:
    """Status and ending; the transaction is made all the same, for the answer alone is lost."""
    answer = Gateway(replace(ACCOUNT, callbacks=CALLBACKS)).answer(request("sms", phone_number=f"2547{ending}"), 0.0)

    assert CHOSEN_ANSWERS[ending] == (answer.reply.status, answer.reply.ending)
    assert "200" == answer.deliveries[0].content["result_code"]


CHOSEN_NOTIFICATIONS = {
    "99005001": [("200", True)],
    "99005002": [("200", False), ("200", False)],
    "99005003": [("200", False), ("500", False)],
    "99005004": [("200", False)],
    "99005005": [],
}


@pytest.mark.parametrize("ending", CHOSEN_NOTIFICATIONS)
def test_chosen_numbers_have_notifications_changed(ending: str) -> None:
    """How many there are, of what, and whether before the answer."""
    answer = Gateway(replace(ACCOUNT, callbacks=CALLBACKS)).answer(request("sms", phone_number=f"2547{ending}"), 0.0)

    assert CHOSEN_NOTIFICATIONS[ending] == [(d.content["result_code"], d.before_answer) for d in answer.deliveries]
    assert 200 == told(answer)


def test_account_details_are_as_the_contract_has_them() -> None:
    """Every documented member, valid by the schema."""
    answer = Gateway(ACCOUNT).answer(request("account-details"), 0.0)
    assert [] == SCHEMAS.violations("account-details/response", answer.reply.content)

"""What a fault does to the notifications of a request that reshaping the content of one could not do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from conformance.contract.commands import COMMANDS
from conformance.mock_gateway.behaviour import Delivery, Moment
from conformance.mock_gateway.fault_changes import DeliveriesChange, DeliveryChange, nth
from conformance.mock_gateway.fault_messages import edited

# Later than the 10 s that a run allows unless it is told otherwise, and within the time that it goes on listening.
LATE_S = 11.0
# Soon enough to fall into the time that a run waits for repeats, late enough to come second.
SECOND_THOUGHT_S = 0.1

SUCCESS = "200"
FAILURE = {"result_code": "500", "result_desc": "The operator did not take the transaction"}


def late(delivery: Delivery, moment: Moment) -> Delivery:
    """The notification comes after the time that the run allows."""
    return replace(delivery, after_s=delivery.after_s + LATE_S)


def put(delivery: Delivery, moment: Moment) -> Delivery:
    """PUT instead of POST."""
    return replace(delivery, method="PUT")


def as_get(delivery: Delivery, moment: Moment) -> Delivery:
    """GET instead of POST, with all that it tells in the query."""
    mark = "&" if "?" in delivery.url else "?"
    url = f"{delivery.url}{mark}{urlencode(delivery.content)}"
    return replace(delivery, method="GET", url=url, headers=(), raw=b"")


def without_body(delivery: Delivery, moment: Moment) -> Delivery:
    """A POST of nothing."""
    return replace(delivery, raw=b"")


def probe_before(method: str, every: int) -> Callable[[], DeliveriesChange]:
    """Before each notification the callback is tried without a body; each `every`-th is then not sent."""

    def fresh() -> DeliveriesChange:
        due = nth(every)

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            probes = [replace(delivery, method=method, headers=(), raw=b"") for delivery in sent]
            return (*probes, *(delivery for delivery in sent if not due()))

        return change

    return fresh


def off_the_registered_url(delivery: Delivery, moment: Moment) -> Delivery:
    """The query of the callback URL is dropped; where there is none, one is added."""
    parts = urlsplit(delivery.url)
    return replace(delivery, url=parts._replace(query="" if parts.query else "source=gateway").geturl())


def on(result_code: Callable[[str], bool], reshape: DeliveryChange) -> DeliveryChange:
    """Notifications whose result_code is as wanted are reshaped."""

    def reshaped(delivery: Delivery, moment: Moment) -> Delivery:
        code = delivery.content.get("result_code") if isinstance(delivery.content, Mapping) else None
        return reshape(delivery, moment) if isinstance(code, str) and result_code(code) else delivery

    return reshaped


def by_chance(rate: float, reshape: DeliveryChange) -> DeliveryChange:
    """That part of the notifications is reshaped, without a rule: by the request_id, which is drawn at random."""

    def reshaped(delivery: Delivery, moment: Moment) -> Delivery:
        drawn = hashlib.sha256(moment.request_id.encode()).digest()[0] / 256
        return reshape(delivery, moment) if drawn < rate else delivery

    return reshaped


def is_success(result_code: str) -> bool:
    """The result code of a transaction that succeeded."""
    return result_code == SUCCESS


def is_internal(result_code: str) -> bool:
    """The result code of a transaction that failed for an internal error."""
    return result_code == FAILURE["result_code"]


def is_failure(result_code: str) -> bool:
    """The result code of a transaction that failed."""
    return result_code != SUCCESS


def charge_as_text(delivery: Delivery, moment: Moment) -> Delivery:
    """The charge of an airtime notification, documented as a number, is a string."""
    if delivery.product != "airtime":
        return delivery
    return edited(lambda content: {**content, "charge": str(content.get("charge", 0))})(delivery, moment)


def lost(every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th notification is not sent."""

    def fresh() -> DeliveriesChange:
        due = nth(every)
        return lambda sent, moment: tuple(delivery for delivery in sent if not due())

    return fresh


def contradicted(every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th notification is followed by one that tells the opposite."""

    def opposite(delivery: Delivery) -> Delivery:
        code = delivery.content.get("result_code")
        told = FAILURE if code == SUCCESS else {"result_code": SUCCESS, "result_desc": "Success"}
        second = delivery.after_s + SECOND_THOUGHT_S
        return replace(delivery, content={**delivery.content, **told}, after_s=second, before_answer=False)

    return _added(every, opposite)


def contradicted_in(member: str, value: str, every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th notification that has the member is followed by one in which it has this value instead."""

    def fresh() -> DeliveriesChange:
        due = nth(every)

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            telling = [d for d in sent if isinstance(d.content, Mapping) and member in d.content and due()]
            return (*sent, *(replace(d, content={**d.content, member: value}) for d in telling))

        return change

    return fresh


def unasked(every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th notification is followed by one about a request that nobody made."""

    def stranger(delivery: Delivery) -> Delivery:
        digest = hashlib.sha256(str(delivery.content.get("request_id")).encode()).hexdigest()
        return replace(delivery, content={**delivery.content, "request_id": digest[:32]})

    return _added(every, stranger)


def _added(every: int, make: Callable[[Delivery], Delivery]) -> Callable[[], DeliveriesChange]:
    def fresh() -> DeliveriesChange:
        due = nth(every)

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            return (*sent, *(make(d) for d in sent if isinstance(d.content, Mapping) and due()))

        return change

    return fresh


def to_another_product(every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th notification goes to the callback of another product, if the account has one."""

    def fresh() -> DeliveriesChange:
        due = nth(every)

        def misdirected(delivery: Delivery, moment: Moment) -> Delivery:
            others = [url for product, url in moment.callbacks.items() if product != delivery.product]
            return replace(delivery, url=others[0]) if due() and others else delivery

        return lambda sent, moment: tuple(misdirected(delivery, moment) for delivery in sent)

    return fresh


def after_refusal(tags: Iterable[str], every: int = 1, **content: Any) -> Callable[[], DeliveriesChange]:
    """Each `every`-th request refused with one of the tags is followed by a notification with this content."""
    wanted = frozenset(tags)

    def fresh() -> DeliveriesChange:
        due = nth(every)

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            product = COMMANDS[moment.command].product if moment.command in COMMANDS else None
            if product is None or product not in moment.callbacks or moment.refusal not in wanted or not due():
                return sent
            told = {**content, "request_id": moment.request_id}
            return (*sent, Delivery(product, moment.callbacks[product], told))

        return change

    return fresh

"""Every kind of notification that can be sent on demand: lawful ones keep the contract, all others break it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest
from other_contracts import parcel

from conformance.contract.command import Command
from conformance.contract.contract import Contract, statum
from conformance.contract.schemas import FORMATS
from conformance.contract.tables import CHOOSING
from conformance.mock.behaviour import Callback, json_bytes
from conformance.mock.notifications import NotificationKind, Order, Transacted, deliveries_of, kinds, notified_at
from conformance.model.errors import UsageError
from conformance.model.traffic import media_type
from conformance.model.untrusted import parse_json

URL = "http://127.0.0.1:1/hooks"
REQUEST_ID = "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"


def made(
    contract: Contract, product: str, *names: str, about: Transacted | None = None, **members: object
) -> tuple[Callback, ...]:
    """The messages of these kinds, about a request with that id."""
    return deliveries_of(contract, Order(product, URL, names, members), about or Transacted(REQUEST_ID), Random(1))


def body_of(delivery: Callback) -> bytes:
    """The bytes of a message."""
    return delivery.raw if delivery.raw is not None else json_bytes(delivery.content)


def deviations(contract: Contract, product: str, delivery: Callback) -> Iterator[str]:
    """How a message breaks the contract."""
    if delivery.method != contract.notification.method:
        yield delivery.method
    if media_type(delivery.headers) != "application/json":
        yield "media type"
    try:
        content = parse_json(body_of(delivery))
    except ValueError as error:
        yield str(error)
        return
    schema = notified_at(contract, product).notification_schema
    yield from (each.pointer for each in contract.schemas.violations(schema, content))


def broken(contract: Contract, product: str, kind: NotificationKind) -> bool:
    """Whether the messages of a kind break the contract: one by itself, or each other, or the id of their request."""
    sent = made(contract, product, kind.name)
    last, roles = sent[-1], contract.notification
    if [*deviations(contract, product, last)]:
        return True
    outcomes = {json.loads(body_of(each))[roles.outcome] for each in sent if body_of(each)}
    other_id = json.loads(body_of(last))[roles.id] != REQUEST_ID and kind.name != "unknown-id"
    return other_id or len(outcomes) > 1


@pytest.mark.parametrize("contract", [statum(), parcel()], ids=lambda contract: contract.name)
def test_a_kind_is_as_lawful_as_it_says(contract: Contract) -> None:
    """Of every product with requests; a gateway that has no words of its own has them from its roles."""
    products = [each.product for each in contract.commands.values() if each.product]
    wrong = [
        (product, kind.name)
        for product in products
        for kind in kinds().values()
        if broken(contract, product, kind) is kind.lawful
    ]

    assert [] == wrong


def test_the_table_has_words_of_the_vocabulary_alone() -> None:
    """Those that choose messages have no place in it, for each kind is of one message."""
    change = {"type": "object", "properties": FORMATS.schema("behaviours")["$defs"]["change"]["properties"]}
    known = set(change["properties"]) - {*CHOOSING}
    unknown = [
        (kind.name, word) for kind in kinds().values() for each in kind.changes for word in each.actions.keys() - known
    ]

    assert [] == unknown
    assert [] == [
        each.name for each in kinds().values() if not each.changes and each.name not in {"success", "failure"}
    ]


def test_a_notification_agrees_with_its_request() -> None:
    """Amount and phone number are those of the request, and the content is the gateway's own where it has one."""
    payload = {"phone_number": "254721553678", "amount": "70"}
    (told,) = made(statum(), "airtime", about=Transacted(REQUEST_ID, payload))
    own = {"result_code": "200", "result_desc": "Own words", "request_id": REQUEST_ID}
    (gateways,) = made(statum(), "airtime", about=Transacted(REQUEST_ID, payload, own))
    (failed,) = made(statum(), "airtime", "failure", about=Transacted(REQUEST_ID, payload, own))

    assert isinstance(statum().commands["airtime"], Command)
    assert (70, "200") == (told.content["charge"], told.content["result_code"])
    assert own == gateways.content
    assert ("500", "The operator could not complete the transaction") == (
        failed.content["result_code"],
        failed.content["result_desc"],
    )


def test_an_outcome_that_is_asked_for_has_a_reason() -> None:
    """The documented one, one's own, or some words for an outcome that nobody documents."""
    reasons = [
        made(statum(), "sms", **members)[0].content["result_desc"]
        for members in (
            {"result_code": "404"},
            {"result_code": "404", "result_desc": "Own words"},
            {"result_code": "777"},
        )
    ]

    assert ["The subscriber is not known to the operator", "Own words", "The transaction failed"] == reasons


def test_kinds_are_applied_in_their_order() -> None:
    """Two of them in one message."""
    (sent,) = made(statum(), "sms", "without-reason", "declared-as-text")

    assert "result_desc" not in sent.content
    assert "text/plain" == media_type(sent.headers)


def test_payments_that_customers_start_have_notifications_too() -> None:
    """And inquiries; neither tells of a failure."""
    for product in ("mpesa-c2b", "mpesa-c2b/validation"):
        (sent,) = made(statum(), product)
        assert [] == [*deviations(statum(), product, sent)]
        with pytest.raises(UsageError, match=f"no notification of {product} is about a failure"):
            made(statum(), product, "failure")

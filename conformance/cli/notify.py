"""`notify`: one notification, of any kind, to a URL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import click
from rich.console import Console

from conformance.cli.command import ConformanceCommand
from conformance.contract.contract import Contract
from conformance.gateway.settings import fresh_seed
from conformance.mock.behaviour import Callback, Form, json_bytes
from conformance.mock.delivering import Courier, Received
from conformance.mock.notifications import Order, Transacted, deliveries_of, notified_at
from conformance.mock.recent import text_of
from conformance.model.errors import UsageError, did_you_mean
from conformance.model.traffic import check_http_url, shown_url
from conformance.reports.console import print_json, print_line, results

REFUSED, UNANSWERED = 1, 3

# Bytes of a body, sent or answered, that are printed; more would fill the screen.
MOST_SHOWN = 2048


@click.command("notify", cls=ConformanceCommand, short_help="Send one notification to a URL.")
@click.argument("url")
def notify(url: str, contract: Contract, **options: Any) -> int:
    """Send one notification to a URL, lawful or not, and print how it is answered.

    Exit code 0: answered with a 2xx; 1: answered with anything else; 3: not answered. Whether that was right is for
    `certify --callback-url` to judge.
    """
    check_http_url(url, "URL", "such as http://127.0.0.1:8080/hooks/sms")
    if len(products := options["product"]) != 1:
        raise UsageError(f"--product names {', '.join(products)}; expected one of them for a notification")
    after_s = options["after"]
    if after_s < 0:
        raise UsageError(f"--after is {after_s:g}; expected seconds, 0 or more")
    random = Random(fresh_seed() if options["seed"] is None else options["seed"])
    invented = Transacted.invented(contract, random)
    about = Transacted(options["request_id"] or invented.request_id)
    _check_members(contract, products[0], options["remove"])
    changes = {"remove": [f"/{name}" for name in options["remove"]]} if options["remove"] else {}
    order = Order(products[0], url, options["kind"], dict(options["set"]), changes, after_s)
    sent = asyncio.run(_sent(deliveries_of(contract, order, about, random)))
    if options["format"] == "json":
        print_json([_document(delivery, received) for delivery, received in sent])
    else:
        for delivery, received in sent:
            _show(results(), delivery, received)
    if any(received.status is None for _, received in sent):
        return UNANSWERED
    return 0 if all(received.taken for _, received in sent) else REFUSED


def _check_members(contract: Contract, product: str, names: Sequence[str]) -> None:
    """Raise UsageError for a member that no notification of the product has: there would be nothing to leave out."""
    known = contract.schemas.resolved(notified_at(contract, product).notification_schema)["properties"]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"its members are {', '.join(known)}"
            raise UsageError(f"--remove names {name!r}, which no notification of {product} has", hint)


async def _sent(deliveries: Sequence[Callback]) -> list[tuple[Callback, Received]]:
    """Send them one after the other; each with its answer."""
    answered: list[tuple[Callback, Received]] = []
    courier = Courier(lambda delivery, received: answered.append((delivery, received)))
    try:
        for delivery in deliveries:
            await asyncio.sleep(delivery.after_s)
            await courier.tell(delivery)
    finally:
        await courier.close()
    return answered


def _show(console: Console, delivery: Callback, received: Received) -> None:
    form = "" if delivery.form is Form.USUAL else f" ({delivery.form})"
    print_line(console, f"{delivery.method} {shown_url(delivery.url)}{form}")
    for name, value in delivery.headers:
        print_line(console, f"{name}: {value}")
    if body := _shown(_body(delivery)):
        print_line(console, body)
    if received.status is None:
        print_line(console, f"→ not taken: {received.reason}")
        return
    print_line(console, f"→ {received.status} {received.took_s * 1000:.0f} ms")
    for line in _shown(received.body).splitlines():
        print_line(console, f"  {line}")


def _body(delivery: Callback) -> bytes:
    return delivery.raw if delivery.raw is not None else json_bytes(delivery.content)


def _shown(body: bytes) -> str:
    text = text_of(body[:MOST_SHOWN])
    return f"{text}… ({len(body):,} bytes)" if len(body) > MOST_SHOWN else text


def _document(delivery: Callback, received: Received) -> dict[str, Any]:
    """A notification and its answer as JSON has them."""
    return {
        "product": delivery.product,
        "method": delivery.method,
        "url": shown_url(delivery.url),
        "headers": dict(delivery.headers),
        "body": text_of(_body(delivery)),
        "status": received.status,
        "reason": received.reason,
        "took_s": received.took_s,
        "answer": text_of(received.body),
    }

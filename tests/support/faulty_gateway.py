"""Mock gateways with seeded faults, and requests to them, as the tests of the faults write them."""

from __future__ import annotations

import base64
import json
from typing import Any

from seeded import fault

from conformance.contract.contract import statum
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.gateway import Gateway, Reaction
from conformance.model.traffic import Headers, Request

CALLBACKS = {product: f"http://127.0.0.1:9/callbacks/{product}?token=t" for product in statum().products}
ACCOUNT = Account.sample(CALLBACKS)
RIGHT = "Basic " + base64.b64encode(f"{ACCOUNT.consumer_key}:{ACCOUNT.consumer_secret}".encode()).decode()
SMS = {"sender_id": "Statum", "phone_number": "254711000001", "message": "Habari"}
AIRTIME = {"phone_number": "254711000001", "amount": "20"}
ONLINE = {"short_code": "174379", "phone_number": "254711000001", "amount": "20", "bill_ref_number": "R1"}
WALLET = {"short_code": "174379", "phone_number": "254711000001", "amount": "20"}
VALID: dict[str, dict[str, Any] | None] = {
    "sms": SMS,
    "airtime": AIRTIME,
    "mpesa/online": ONLINE,
    "mpesa-wallet": WALLET,
    "account-details": None,
}


def asked(command: str, payload: Any = None, *, method: str | None = None, **headers: str | None) -> Request:
    """A request; `payload` as JSON (bytes as they are), `headers` changed or left out (None)."""
    ordinary: dict[str, str | None] = {
        "Authorization": RIGHT,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "tests",
    }
    for name, value in headers.items():
        ordinary[name.replace("_", "-").title()] = value
    body = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
    known = statum().commands.get(command)
    kept: Headers = tuple((name, value) for name, value in ordinary.items() if value is not None)
    return Request(method or (known.method if known else "POST"), f"/api/v2/{command}", kept, body)


def faulty(*names: str) -> Gateway:
    """A gateway with these faults; without any, the lawful one."""
    behaviour = Behaviour()
    for name in names:
        behaviour = fault(name).change(behaviour)
    return Gateway(ACCOUNT, behaviour, seed=1)


def sent(gateway: Gateway, count: int) -> list[Reaction]:
    """The answers to that many different airtime requests."""
    requests = [asked("airtime", {**AIRTIME, "phone_number": f"2547110{n:05}"}) for n in range(count)]
    return [gateway.answer(request, float(n)) for n, request in enumerate(requests)]


def envelope(answer: Reaction) -> dict[str, Any]:
    """The content of an answer that is an object."""
    content: dict[str, Any] = answer.reply.content
    return content


ACCEPTED = asked("sms", SMS)
REFUSED = asked("sms", {**SMS, "message": ""})
ASKED_FOR_ACCOUNT = asked("account-details")
UNKNOWN = asked("no-such-command", {})
WRONG_METHOD = asked("sms", SMS, method="PUT")
OVER_LONG = asked("sms", {**SMS, "message": "a" * 460})
UNAUTHORIZED = asked("sms", SMS, authorization=None)

"""What the tests of the mock gateway share: requests, valid or spoilt in one place, and a server to send them to."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx

from conformance.contract.contract import statum
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.gateway import Reaction
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.traffic import Request

COMMANDS = statum().commands

ACCOUNT = Account.sample()

VALID: dict[str, dict[str, str]] = {
    "sms": {"sender_id": "Statum", "phone_number": "254712345678", "message": "This is a test"},
    "airtime": {"phone_number": "254721553678", "amount": "50"},
    "mpesa/online": {
        "short_code": "174379",
        "phone_number": "254721553678",
        "amount": "50",
        "bill_ref_number": "QWERT",
    },
    "mpesa-wallet": {"short_code": "174379", "phone_number": "254721553678", "amount": "50"},
}

POSTS = tuple(VALID)

CALLBACKS = {c.product: f"http://127.0.0.1:1/{c.product}?token=t" for c in COMMANDS.values() if c.product}


def basic(credential: str | bytes) -> str:
    """The Authorization header for `credential`, key and secret with a colon between them."""
    data = credential.encode() if isinstance(credential, str) else credential
    return "Basic " + base64.b64encode(data).decode()


RIGHT = basic(f"{ACCOUNT.consumer_key}:{ACCOUNT.consumer_secret}")


def headers(authorization: str | None = RIGHT, content_type: str | None = "application/json") -> dict[str, str]:
    """The headers of a request; None leaves one out."""
    given = {"Authorization": authorization, "Content-Type": content_type}
    return {name: value for name, value in given.items() if value is not None}


def request(command: str, body: bytes | None = None, *, method: str | None = None, **members: Any) -> Request:
    """A request for `command`: its valid payload with `members` changed, or `body` instead."""
    if command not in VALID:
        return Request(method or "GET", f"/api/v2/{command}", tuple(headers(content_type=None).items()), body or b"")
    content = json.dumps({**VALID[command], **members}).encode() if body is None else body
    return Request(method or COMMANDS[command].method, f"/api/v2/{command}", tuple(headers().items()), content)


def with_headers(asked: Request, **given: str | None) -> Request:
    """`asked` with other headers: `authorization` and `content_type`, None to leave one out."""
    return Request(asked.method, asked.url, tuple(headers(**given).items()), asked.body)


def without(command: str, member: str) -> Request:
    """A request for `command` whose payload lacks `member`."""
    payload = {name: value for name, value in VALID[command].items() if name != member}
    return request(command, json.dumps(payload).encode())


def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether the condition comes to hold: for counts of another thread, which nothing can be awaited on."""
    deadline = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.002)
    return holds()


def told(answer: Reaction) -> int:
    """The status_code of an answer, which its HTTP status has to agree with."""
    status = answer.reply.content["status_code"]
    assert status == answer.reply.status
    return int(status)


@contextmanager
def served(behaviour: Behaviour | None = None, **callbacks: str) -> Iterator[tuple[MockServer, httpx.Client]]:
    """A mock gateway, and a client of it that has the right headers."""
    account = replace(ACCOUNT, callbacks=callbacks)
    with (
        serve_mock(account, behaviour) as server,
        httpx.Client(base_url=server.url, headers=headers(), trust_env=False) as client,
    ):
        yield server, client


def sms(client: httpx.Client) -> httpx.Response:
    """The answer to a valid sms request."""
    return client.post("sms", content=json.dumps(VALID["sms"]))

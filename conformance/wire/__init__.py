"""HTTP: requests sent to a gateway or a receiver, and the receiver of notifications.

Sending

    http1           bytes over a socket, within one deadline; close_all ends every connection
    proxies         the way to a host
    coding          how a body was encoded
    failures        why there is no answer, in words
    connection      one request out, one answer in
    allowance       Allowance: how many requests may be accepted, and for how much money
    pacing          Pace: when the next request may go out
    sender          Sender: groups of cases through several connections into the journal

Receiving

    address         where a server listens, and the socket that claims it
    accepting       connections taken off that socket, with few files or many
    receiver        the interface of a receiver: the paths per product, what it hands over and answers
    asgi            the engine that `run` and `certify` use
    asgi_thread     an ASGI application served by uvicorn in a thread
    httpserver      the engine behind the `callback_server` fixture, on pytest-httpserver
    callback_server what that fixture gives: a receiver that keeps what arrives and waits for it
    request_reader  requests read off a connection, in every form that HTTP allows
    reading_protocol, uvicorn_protocol  the same as a protocol of uvicorn
    guarding, strays    limits that a receiver on the open internet needs, and requests without an id of the run
    ledger          which notifications are owed, and the one wait for them

Both engines keep the same contract (tests/test_receivers.py).
"""

from __future__ import annotations

from conformance.wire.allowance import Allowance
from conformance.wire.pacing import Pace
from conformance.wire.sender import Manners, Sender

__all__ = ["Allowance", "Manners", "Pace", "Sender"]

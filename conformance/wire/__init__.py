"""HTTP: requests sent to a gateway or a receiver, and the receiver of notifications.

Sending

    streams         bytes over a socket or TLS, within one deadline; close_all ends every connection
    proxies         the way to a host
    answers         a body without its content coding, or in words why there is no answer
    connection      one request out, one answer in
    allowance       Allowance: how many requests may be accepted, and for how much money
    pacing          Pace: when the next request may go out
    sender          Sender: groups of cases through several connections into the journal

Receiving

    listening       an address, the socket that claims it, and how connections are taken off it
    request_reader  requests read off a connection, in every form that HTTP allows
    protocol        the same as a protocol of uvicorn, with the limits that a receiver on the open internet needs
    receiver        the interface of a receiver: the paths per product, what it hands over and answers
    asgi            an ASGI application served by uvicorn in a thread, and the receiver of `run` and `certify` on it
    callback_server the receiver on pytest-httpserver behind the `callback_server` fixture
    ledger          which notifications are owed, and the one wait for them; requests without an id of the run

Both engines keep the same contract (tests/wire/test_receivers.py).
"""

from __future__ import annotations

from conformance.wire.allowance import Allowance
from conformance.wire.pacing import Pace
from conformance.wire.sender import Manners, Sender

__all__ = ["Allowance", "Manners", "Pace", "Sender"]

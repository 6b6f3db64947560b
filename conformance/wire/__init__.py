"""HTTP: requests sent to a gateway or a receiver, and the receiver of notifications.

Sending

    streams         bytes over a socket or TLS, within one deadline; `close_all` ends every connection
    proxies         the way to a host
    answers         content codings, and reasons why there is no answer
    connection      one request out, one answer in
    allowance       limits on accepted requests and on money
    pacing          when the next request may go out
    sender          groups of cases through several connections into the journal

Receiving

    listening       claims an address and accepts connections
    request_reader  reads requests off a connection, in every form that HTTP allows
    protocol        the same as a protocol of uvicorn, with the limits that a receiver on the open internet needs
    receiver        the interface of a receiver, and the callback paths of products
    asgi            an ASGI application served by uvicorn in a thread, and the receiver of `run` and `certify` on it
    callback_server the receiver on pytest-httpserver behind the `callback_server` fixture
    ledger          owed notifications and the one wait for them; a limit for requests without an id of the run

Both engines keep the same contract (tests/wire/test_receivers.py).
"""

from __future__ import annotations

from conformance.wire.allowance import Allowance
from conformance.wire.pacing import Pace
from conformance.wire.sender import Manners, Sender

__all__ = ["Allowance", "Manners", "Pace", "Sender"]

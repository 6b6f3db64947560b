"""The callback receiver of `run` and `certify`: a bare ASGI application on uvicorn.

    AsgiReceiver    takes what a gateway sends at any rate it will be sent, so that it is never the one to blame

uvicorn lower-cases header names and takes the target apart; what is handed over is as it stood on the wire.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from conformance.wire.accepting import OnRefused, Refused, nobody_told
from conformance.wire.address import Address
from conformance.wire.asgi_thread import AsgiThread, Receive, Send, Tls
from conformance.wire.guarding import Limits, guarded
from conformance.wire.reading_protocol import AS_RECEIVED, tell_unfinished
from conformance.wire.receiver import MAX_BODY, OnArrival, OnUnread, Receiver, ignored, request_of
from conformance.wire.request_reader import Unreadable

# Bodies that are still to end take so much memory at most, however many connections they come on; those of
# notifications are small, and always find room.
MOST_HELD = 64 << 20
SMALL_BODY = 64 << 10


class AsgiReceiver(Receiver):
    """The callback receiver on uvicorn; see `Receiver`. Several may live in one process."""

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        listen: Address,
        products: Iterable[str],
        on_arrival: OnArrival,
        prefix: str = "",
        query: str = "",
        *,
        token: str | None = None,
        tls: Tls | None = None,
        limits: Limits | None = None,
        on_unread: OnUnread = ignored,
        on_refused: OnRefused = nobody_told,
    ) -> None:
        super().__init__(products, on_arrival, prefix, query, token, on_unread)
        self._on_refused = on_refused
        self._held = 0
        self._server = AsgiThread(
            self._app,
            listen,
            http=guarded(limits or Limits(), self.intake.refused, on_refused),
            name="callback-receiver",
            purpose="callback",
            tls=tls,
            on_no_tls=lambda words: self.intake.refused(Unreadable(words, b"")),
            on_refused=on_refused,
        )

    @property
    def address(self) -> Address:
        """Where it listens, with the port that it really got."""
        return self._server.address

    @property
    def urls(self) -> Mapping[str, str]:
        """The callback URL of each product, for the address that it really bound."""
        return self.paths.callback_urls(self._server.url)

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What went wrong on our side so far: each may have cost a notification."""
        return (*super().errors, *self._server.errors)

    def start(self) -> None:
        """Serves from here on; returns when requests are being taken."""
        self._server.start()

    def tell_unfinished(self) -> None:
        """Tells now of requests that have begun and are not there in full, as of what could not be read."""
        self._server.look(tell_unfinished)

    def stop(self) -> None:
        """Stops within `asgi_thread.GRACE_S`, whatever clients do, and frees the port."""
        self._server.stop()

    async def _app(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        at, wall = time.monotonic(), time.time()
        body = bytearray()
        try:
            is_there = await self._read(receive, body)
        finally:
            self._held -= len(body)
        if is_there is None:
            return
        if not is_there:
            self._on_refused(Refused(f"more than {MOST_HELD >> 20} MiB of unfinished requests came at once"))
            await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        request = request_of(scope["extensions"][AS_RECEIVED], bytes(body[:MAX_BODY]))
        await _answer(send, self.intake.take(request, at, wall, whole=len(body) <= MAX_BODY))

    async def _read(self, receive: Receive, body: bytearray) -> bool | None:
        """Read into `body` until its end, or a little more than `MAX_BODY` of it; uvicorn lets the rest go by.

        None if the client broke off: that is no request (RFC 9112 §8). False if there is no room for it.
        """
        while len(body) <= MAX_BODY:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message["body"]
            self._held += len(message["body"])
            if not message["more_body"]:
                break
            if self._held > MOST_HELD and len(body) > SMALL_BODY:
                return False
        return True


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})

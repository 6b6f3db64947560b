"""What the `callback_server` fixture gives, and the thread that serves an ASGI application."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sockets import PATIENCE_S, connection, post

from conformance.model.errors import SuiteError
from conformance.wire.asgi import AsgiThread
from conformance.wire.callback_server import CallbackServer
from conformance.wire.listening import Address
from conformance.wire.protocol import ReadingProtocol

ANY = Address("127.0.0.1", 0)


def test_the_callback_server_waits_for_a_notification() -> None:
    """By request_id, and by product if it is told."""
    with CallbackServer() as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.wait_for, "r1", product="sms", timeout_s=PATIENCE_S)
        httpx.post(server.urls["airtime"], json={"request_id": "r1"})
        httpx.post(server.urls["sms"], content=b"no JSON")
        httpx.post(server.urls["sms"], json={"request_id": "r1", "result_code": "200"})
        assert "sms" == waiting.result().product
        assert "airtime" == server.wait_for("r1").product
        assert ["airtime", "sms", "sms"] == [a.product for a in server.wait_for_count(3)]


def test_the_callback_server_lists_its_arrivals_after_waiting_in_vain() -> None:
    """A failing test shows what arrived instead."""
    with CallbackServer() as server:
        with pytest.raises(TimeoutError, match=re.escape("0.01 s for 'r1'; arrived: nothing")):
            server.wait_for("r1", timeout_s=0.01)
        httpx.post(server.urls["sms"], json={"request_id": "r2"})
        with pytest.raises(TimeoutError, match="arrived: sms 'r2'"):
            server.wait_for("r1", timeout_s=0.01)
        with pytest.raises(TimeoutError, match="2 of them; arrived: sms 'r2'"):
            server.wait_for_count(2, timeout_s=0.01)
        server.clear()
        assert () == server.arrivals


def test_the_callback_server_takes_expectations_of_pytest_httpserver() -> None:
    """To see what a gateway does with a receiver in trouble; what arrives is kept all the same, and no log grows."""
    with CallbackServer() as server:
        server.server.expect_oneshot_request("/callbacks/sms", json={"n": 1}).respond_with_data("busy", status=503)
        assert 503 == httpx.post(server.urls["sms"], json={"n": 1}).status_code
        assert 200 == httpx.post(server.urls["sms"], json={"n": 2}).status_code
        assert 2 == len(server.arrivals)
        assert [] == server.server.log


def test_an_expectation_that_raises_is_answered_and_reported() -> None:
    """The connection goes on, and closing says what happened."""

    def explode(_request: object) -> None:
        raise RuntimeError("of my own")

    server = CallbackServer()
    server.start()
    server.server.expect_request("/callbacks/sms").respond_with_handler(explode)  # type: ignore[arg-type]
    assert 500 == httpx.post(server.urls["sms"]).status_code
    with pytest.raises(SuiteError, match="of my own"):
        server.close()


def test_an_exception_of_an_application_is_recorded() -> None:
    """It is answered with 500; who owns the server looks at `errors`."""

    async def app(*_: object) -> None:
        raise LookupError("mine")

    with AsgiThread(app, ANY) as server:
        assert 500 == httpx.get(server.address.url).status_code
        assert ["LookupError('mine')"] == [repr(error) for error in server.errors]


def test_a_peer_that_resets_its_connection_is_no_error_of_ours() -> None:
    """The request came in full, so it is served; uvloop reports the loss of the connection only later."""
    served = threading.Event()
    protocols: list[LateReport] = []
    messages: list[Any] = []

    class LateReport(ReadingProtocol):
        """Reports the loss only once the request is served."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            protocols.append(self)
            self.lost = asyncio.Event()
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio has it
            self.lost.set()

        def report(self) -> None:
            super().connection_lost(None)

    async def app(_scope: object, receive: Any, send: Any) -> None:
        protocols[0].flow.pause_reading()  # as a second request on the connection does
        protocols[0].transport.abort()
        await protocols[0].lost.wait()
        try:
            messages.append(await receive())
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        finally:
            protocols[0].report()
            served.set()

    with AsgiThread(app, ANY, http=LateReport) as server, connection(server.address) as client:
        client.sendall(post(b"{}"))
        assert served.wait(PATIENCE_S)
        server.stop()
        assert [] == list(map(repr, server.errors))
    assert [b"{}"] == [message.get("body") for message in messages]


def test_a_server_that_cannot_come_up_says_so() -> None:
    """And frees its port."""
    server = AsgiThread(lambda *_: None, ANY, http="no_such_module:Protocol")  # type: ignore[arg-type]
    with pytest.raises(SuiteError, match="did not start"):
        server.start()
    AsgiThread(lambda *_: None, server.address).stop()  # type: ignore[arg-type]


def test_an_application_that_hangs_does_not_hold_the_end() -> None:
    """It is cancelled after the grace."""
    begun = threading.Event()
    cut = threading.Event()

    async def app(_scope: object, receive: object, _send: object) -> None:
        begun.set()
        try:
            while True:
                await receive()  # type: ignore[operator]
        finally:
            cut.set()

    with AsgiThread(app, ANY) as server, connection(server.address) as client:
        client.sendall(post(b"{}")[:-1])
        assert begun.wait(PATIENCE_S)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
    assert cut.is_set()

"""How many requests a second the mock gateway answers with their notifications, alone and from several processes.

    python -m benchmarks.mock_rates

Clients and the callback have processes of their own; each connection sends its next request when the last is answered.
Rates depend on the machine and on what else it does, processor time less so. No id may come twice, and no notification
be lost.
"""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.mock.account import Account
from conformance.mock.partner import MockGateway
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.listening import Address

PROCESSES = (1, 2)
SECONDS = 5.0
CONNECTIONS = 32
# For notifications that are still on their way when the last request is answered.
WITHIN_S = 30.0


@dataclass(frozen=True)
class Figures:
    """`state_us`, `others_us`: processor time a request, of the process with the state and of all others."""

    requests: int
    per_s: float
    notified_after_s: float
    state_us: float
    others_us: float


def main() -> None:
    """Print a line for each number of processes. Raises SystemExit if an id came twice, or a notification was lost."""
    context = multiprocessing.get_context("spawn")
    for number in PROCESSES:
        urls: SimpleQueue[str] = context.SimpleQueue()
        over = context.Event()
        callback = context.Process(target=_receive, args=(urls, over), daemon=True)
        callback.start()
        try:
            with ProcessPoolExecutor(1, mp_context=context) as clients:
                figures = _measured(number, urls.get(), clients)
        finally:
            over.set()
            callback.join()
        took = f"{figures.state_us:.0f} + {figures.others_us:.0f} µs of processor time each"
        print(
            f"mock        {number} process{'es' if number > 1 else '  '}: {figures.per_s:,.0f} requests/s, {took}; all "
            f"{figures.requests:,} notifications {figures.notified_after_s:.1f} s after the last answer",
            flush=True,
        )


def _receive(urls: SimpleQueue[str], over: Any) -> None:
    with AsgiReceiver(Address("127.0.0.1", 0), ("sms",), lambda *_: None) as receiver:
        urls.put(receiver.url)
        over.wait()


def _measured(number: int, callback: str, clients: ProcessPoolExecutor) -> Figures:
    account = Account.sample({"sms": f"{callback}/callbacks/sms"})
    with MockGateway(account, processes=number) as gateway:
        courier = gateway.server.courier
        before, others = time.process_time(), _of_children()
        ids, took = clients.submit(_load, gateway.base_url, account.consumer_key, account.consumer_secret).result()
        ended = time.monotonic()
        while courier.delivered + courier.failed < len(ids) and time.monotonic() < ended + WITHIN_S:
            time.sleep(0.01)  # the mock counts notifications and tells nobody; this is the precision of the figure
        late = time.monotonic() - ended
        state_us, others_us = (
            (now - then) / len(ids) * 1e6 for now, then in ((time.process_time(), before), (_of_children(), others))
        )
        if len({*ids}) < len(ids) or courier.delivered < len(ids):
            raise SystemExit(f"{len(ids)} requests, {len({*ids})} ids, {courier.delivered} notifications")
    return Figures(len(ids), len(ids) / took, late, state_us, others_us)


def _of_children() -> float:
    """Seconds of processor time of the processes that a mock gateway of this one has started; 0.0 without /proc."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        command = path.with_name("cmdline").read_bytes() if int(fields[1]) == os.getpid() else b""
        ticks += int(fields[11]) + int(fields[12]) if b"conformance.mock" in command else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _load(base_url: str, key: str, secret: str) -> tuple[list[str], float]:
    """The ids of all answers, and the seconds that it took."""
    return asyncio.run(_clients(base_url, base64.b64encode(f"{key}:{secret}".encode())))


async def _clients(base_url: str, credential: bytes) -> tuple[list[str], float]:
    parts = urlsplit(base_url)
    head = b"POST %b/sms HTTP/1.1\r\nHost: %b\r\nAuthorization: Basic %b\r\nContent-Type: application/json\r\n" % (
        parts.path.encode(),
        parts.netloc.encode(),
        credential,
    )
    began = time.monotonic()

    async def client(number: int) -> list[str]:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        ids: list[str] = []
        while time.monotonic() < began + SECONDS:
            body = b'{"phone_number":"2547%02d%06d","sender_id":"Statum","message":"Habari"}' % (number, len(ids))
            writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
            ids.append(str(json.loads(await reader.readexactly(length))["request_id"]))
        writer.close()
        return ids

    answered = await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return [each for ids in answered for each in ids], time.monotonic() - began


if __name__ == "__main__":
    main()

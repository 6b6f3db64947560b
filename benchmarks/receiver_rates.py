"""How many notifications a second each engine of the callback receiver takes, and whether it loses any.

    python -m benchmarks.receiver_rates

Senders are raw sockets in a process of their own, each sending its next notification when the last is answered; then
500 connections are opened at once and all send. Numbers depend on the machine; the loss, which must be none, does not.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import count

from conformance.model.traffic import Request
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.callback_server import HttpServerReceiver
from conformance.wire.listening import Address
from conformance.wire.receiver import OnArrival

ENGINES = (AsgiReceiver, HttpServerReceiver)
SENDERS = (1, 8, 32)
BURST = 500

# Long enough to drown start-up, short enough that the whole takes well under 20 s.
SECONDS = 1.5

BODY = b'{"result_code": "200", "result_desc": "Success", "request_id": "%032d"}'


# What was sent, the seconds that it took, and the latency of each in seconds.
Outcome = tuple[set[int], float, list[float]]
Load = Callable[[Address, int], Outcome]


class Sending:
    """Many connections driven from one thread: each sends its next notification when the last is answered."""

    def __init__(self, address: Address, senders: int, first: int = 0) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._stack = ExitStack()
        self._numbers = count(first)
        self._sockets = [self._connect() for _ in range(senders)]
        self.sent: set[int] = set()
        self.latencies: list[float] = []

    def run(self, goes_on: Callable[[int], bool]) -> Outcome:
        """Sends while `goes_on(sent)`; gives the numbers that were answered, the seconds and each latency."""
        began = time.perf_counter()
        waiting = {sender: self._send(sender) for sender in self._sockets}
        while waiting:
            for key, _ in self._selector.select():
                sender: socket.socket = key.fileobj  # type: ignore[assignment]
                answer = sender.recv(65536)
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise SystemExit(f"a notification was answered with {answer[:200]!r}")
                self.latencies.append(time.perf_counter() - waiting.pop(sender))
                if goes_on(len(self.sent)):
                    waiting[sender] = self._send(sender)
        took = time.perf_counter() - began
        self._stack.close()
        self._selector.close()
        return self.sent, took, self.latencies

    def _connect(self) -> socket.socket:
        sender = self._stack.enter_context(socket.create_connection((self._address.host, self._address.port)))
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sender, selectors.EVENT_READ)
        return sender

    def _send(self, sender: socket.socket) -> float:
        number = next(self._numbers)
        self.sent.add(number)
        body = BODY % number
        head = f"POST /callbacks/sms HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n"
        sender.sendall(head.encode() + body)
        return time.perf_counter()


def sustained(address: Address, senders: int) -> Outcome:
    """Runs in the sending process: `senders` connections for `SECONDS`."""
    until = time.perf_counter() + SECONDS
    return Sending(address, senders).run(lambda _: time.perf_counter() < until)


def burst(address: Address, connections: int) -> Outcome:
    """Runs in the sending process: all connections are open before the first of them sends; one notification each."""
    return Sending(address, connections).run(lambda _: False)


def lost(sent: Iterable[int], received: Iterable[bytes]) -> int:
    """How many of the notifications that were sent did not arrive."""
    return len({BODY % number for number in sent} - set(received))


def keeping(received: list[bytes]) -> OnArrival:
    """Has a receiver put the bodies of what arrives into `received`."""

    def keep(_product: str | None, request: Request, _at: float, _wall: float) -> None:
        received.append(request.body)

    return keep


def main() -> None:
    """Prints one line per engine and load; ends with status 1 if anything was lost."""
    missing = 0
    print(f"{'engine':<20}{'load':<26}{'per second':>11}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'lost':>6}")
    loads: list[tuple[Load, int, str]] = [
        *((sustained, n, f"{n} senders, {SECONDS} s") for n in SENDERS),
        (burst, BURST, f"burst of {BURST} connections"),
    ]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as sender:
        for engine in ENGINES:
            for load, connections, words in loads:
                received: list[bytes] = []

                with engine(Address("127.0.0.1", 0), ["sms"], keeping(received)) as receiver:
                    sent, took, latencies = sender.submit(load, receiver.address, connections).result()
                latencies.sort()
                p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
                missing += (gone := lost(sent, received))
                print(
                    f"{engine.__name__:<20}{words:<26}{len(sent) / took:>11,.0f}"
                    f"{p50:>9.2f}{p99:>9.2f}{1000 * latencies[-1]:>9.2f}{gone:>6}"
                )
    if missing:
        raise SystemExit(f"{missing} notifications were lost")


if __name__ == "__main__":
    main()

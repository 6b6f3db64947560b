"""A receiver as a process of its own: `python -m conformance.load.receiving`, started by `conformance.load.receivers`.

It accepts from a listening socket that it inherits, and writes what comes into a journal of its own. Its first line of
standard input is an order (`ReceiverOrder`), because a command line would show its secrets. After that each line is a
word; the end of input is the last one, also if the coordinator was killed:

    leave    accept no more connections, and end each open one behind its next answer
    (end)    commit all rows, and end

Its standard output is for the coordinator, a JSON object a line: `serving`; `at` and `taken`, many times a second, when
all rows of requests until then are committed; `canary` with its `product` and `url`, which is no notification; at the
end `left_out` (as in the note `strays`) and `errors`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket
from typing import Any, TextIO

from conformance.gateway.rig import CANARY_HEADER
from conformance.journal import Journal, Redaction
from conformance.judging.terms import REFUSED_HERE
from conformance.model.traffic import Request, header
from conformance.wire.asgi import AsgiReceiver, Tls
from conformance.wire.ledger import Arrival, Strays
from conformance.wire.listening import Address
from conformance.wire.receiver import CallbackPaths

# How often it says that it lives: a notification that is lost with it came within this time of its end.
ALIVE_EACH_S = 0.1
# How long it waits for the next request on each open connection, in order to end that behind an answer.
LEAVING_S = 1.0


@dataclass(frozen=True, slots=True)
class ReceiverOrder:
    """What a receiver is to do, as JSON on its standard input.

    `listener`: the number of the inherited file. `paths`: prefix, query, products and token. `tls`: certificate and
    key. `redacted` and `credential` are those of a `Redaction`. `id_member`: the name of the id in a notification;
    `not_ours`: ids whose notifications are not the run's. `expected`: about how many notifications with an id come.
    """

    listener: int
    address: str
    paths: tuple[str, str, tuple[str, ...], str | None]
    journal: str
    redacted: tuple[str, ...]
    credential: str
    id_member: str
    tls: tuple[str, str] | None = None
    not_ours: tuple[str, ...] = ()
    expected: int = 0

    def as_json(self) -> str:
        """The order in one line."""
        return json.dumps(asdict(self))


class Receiving:
    """Takes the requests of one receiver process; thread-safe."""

    def __init__(self, order: ReceiverOrder, journal: Journal, output: TextIO) -> None:
        self._journal = journal
        self._output = output
        self._member = order.id_member.encode()
        self._not_ours = tuple(each.encode() for each in order.not_ours)
        self._strays = Strays(order.expected)
        self._saying = threading.Lock()
        self._taken = 0

    def on_arrival(self, product: str | None, request: Request, at: float, wall: float) -> None:
        """Record a request, unless it is a canary, or one of too many that no run explains."""
        canary = header(request.headers, CANARY_HEADER)
        if canary is not None:
            self.say({"canary": canary, "product": product, "url": request.url})
            return
        if any(each in request.body for each in self._not_ours):
            return
        # The ids of the run are in the files of the workers, so any will do, and none is read.
        named = self._member in request.body or self._member in request.url.encode()
        stored = self._strays.kept(Arrival(product, request, at, wall), "" if named else None)
        if stored is not None:
            self._journal.notified(product, stored, at, wall)
            self._taken += 1

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the coordinator; if that is gone, the end of input follows."""
        with self._saying:
            try:
                self._output.write(json.dumps(message) + "\n")
                self._output.flush()
            except OSError:
                return

    def say_alive(self, over: threading.Event) -> None:
        """Say again and again until when all is committed."""
        while not over.wait(ALIVE_EACH_S):
            at, taken = time.monotonic(), self._taken
            self._journal.flush()
            self.say({"at": at, "taken": taken})

    def end(self, errors: tuple[Exception, ...]) -> None:
        """Say how it ended."""
        self.say({"left_out": self._strays.described(), "errors": [f"{type(e).__name__}: {e}" for e in errors]})


def receive(order: ReceiverOrder, words: TextIO, output: TextIO) -> None:
    """Serve until `words` end."""
    redaction = Redaction(order.redacted, order.credential)
    with Journal.create(Path(order.journal), {}, redaction) as journal:
        receiving, over = Receiving(order, journal, output), threading.Event()
        prefix, query, products, token = order.paths
        paths = CallbackPaths(prefix, query, tuple(products), token)
        receiver = AsgiReceiver(
            Address.parse(order.address),
            paths.products,
            receiving.on_arrival,
            paths.prefix,
            paths.query,
            token=paths.token,
            tls=None if order.tls is None else Tls(*map(Path, order.tls)),
            on_unread=lambda unread: journal.unreadable("receiver", unread.product, unread.error, unread.head),
            on_refused=lambda refused: journal.note(REFUSED_HERE, asdict(refused)),
            listener=socket(fileno=order.listener),
        )
        alive = threading.Thread(target=receiving.say_alive, args=(over,), name="alive", daemon=True)
        receiver.start()
        receiving.say({"serving": True})
        alive.start()
        for _ in words:
            receiver.pause()
            receiver.drain(LEAVING_S)
        receiver.stop()
        over.set()
        alive.join()
        journal.flush()
        receiving.end(receiver.errors)


def main() -> None:
    """Take the order, and serve."""
    given = json.loads(sys.stdin.readline())
    given["paths"] = tuple(given["paths"])
    receive(ReceiverOrder(**given), sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()

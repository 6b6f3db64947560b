"""Taking connections off a listening socket.

    Acceptor        accepts, and goes on accepting when the process has run out of files
    Refused         that a client was turned away through no fault of its own
    raise_limit     as many files as the process may have, as far as a server can use them

asyncio accepts as many connections in a row as may wait, and where there are no files left it accepts nothing for a
second, without a word. Here some are accepted at a time, idle ones make room at once, and the owner learns of it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from socket import socket

try:
    import resource
except ImportError:  # not on Windows, where sockets are no files
    resource = None  # type: ignore[assignment]

# Between two looks at what else is to be done; an accept takes some ten microseconds.
AT_ONCE = 16

# A connection that was made to go is gone within a turn of the loop. What other parts of the process hold takes longer.
RETRY_S = 0.05

# A crowd that says nothing while TLS is agreed on is not yet among the connections that can be counted.
MOST_OPENING = 256
OPENED_WITHIN_S = 30.0

_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# Two servers with as many connections as they take, and what else a process opens.
MOST_FILES = 2 * 4096 + 256


def raise_limit() -> int:
    """Let the process open as many files as it may, up to `MOST_FILES`; how many it may open now."""
    if resource is None:
        return MOST_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_FILES
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if wanted > soft:
        with suppress(OSError, ValueError):  # a system may have a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


@dataclass(frozen=True, slots=True)
class Refused:
    """A client was turned away, or had to wait, through no fault of its own; `lasting`: so is everybody after it."""

    why: str
    lasting: bool = False


OnRefused = Callable[[Refused], None]
"""Told of each, in the server's thread."""


def nobody_told(_: Refused) -> None:
    """Nobody wants to know."""


class Acceptor:
    """Accepts from one listening socket in the running loop; `make` gives the protocol of a connection.

    `make_room` closes some connections that are idle; `on_refused` is told why one could not be taken.
    """

    def __init__(
        self,
        listener: socket,
        make: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        make_room: Callable[[], None],
        on_refused: OnRefused,
    ) -> None:
        self._listener = listener
        self._make = make
        self._context = context
        self._make_room = make_room
        self._on_refused = on_refused
        self._loop = asyncio.get_running_loop()
        self._opening: dict[asyncio.Task[None], socket] = {}
        self._retry: asyncio.TimerHandle | None = None
        listener.settimeout(0.0)

    def begin(self) -> None:
        """Accept from here on."""
        self._retry = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more; what is still being opened is given up."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listener.fileno())
        for opening in list(self._opening):
            opening.cancel()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno in _NOTHING_LEFT:
                    self._wait_for_room(error)
                return  # all others are of the one connection, which has gone away again
            if len(self._opening) >= MOST_OPENING:
                next(iter(self._opening)).cancel()
            opening = self._loop.create_task(self._open(connection))
            self._opening[opening] = connection
            opening.add_done_callback(self._opened)

    async def _open(self, connection: socket) -> None:
        connection.settimeout(0.0)
        await self._loop.connect_accepted_socket(
            self._make,
            connection,
            ssl=self._context,
            ssl_handshake_timeout=OPENED_WITHIN_S if self._context else None,
        )

    def _opened(self, opening: asyncio.Task[None]) -> None:
        connection = self._opening.pop(opening)
        error = None if opening.cancelled() else opening.exception()
        if opening.cancelled() or error is not None:
            connection.close()
        if error is not None and not isinstance(error, OSError):  # no TLS, or none in time: told by who speaks it
            self._on_refused(Refused(f"a connection could not be served: {error!r}"))

    def _wait_for_room(self, error: OSError) -> None:
        self._on_refused(Refused(f"a connection had to wait: {os.strerror(error.errno or 0)}"))
        self._make_room()
        self._loop.remove_reader(self._listener.fileno())
        self._retry = self._loop.call_later(RETRY_S, self.begin)

"""uvicorn's server without its polls: it reports that it listens, accepts with `Acceptor`, and stops without delay.

uvicorn's own server polls ten times a second whether to stop, and sleeps while it stops. A campaign starts and stops
several servers, so `PromptServer` waits for events instead, and closes connections that a client keeps open.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from socket import socket

import uvicorn

from conformance.wire.listening import Acceptor, OnRefused

# The time that requests in progress have to finish when the server stops. An answer takes milliseconds; a client that
# no longer sends or reads must not delay the end of a run.
GRACE_S = 0.5

# The interval at which a stopping server looks for open connections: uvicorn has no event for the last one.
_CLOSING_STEP_S = 0.005


class PromptServer(uvicorn.Server):
    """Serves until `stop`. `listening` is called when it does; `on_refused` as `Acceptor` has it."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None], on_refused: OnRefused) -> None:
        super().__init__(config)
        self._tell_listening = listening
        self._on_refused = on_refused
        self._acceptors: list[Acceptor] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to accept from these sockets."""
        if os.name != "posix":  # Windows' event loop cannot wait for a socket
            await super().startup(sockets)
            return
        self.servers = []
        self._acceptors = [
            Acceptor(each, self._protocol, self.config.ssl, self._make_room, self._on_refused) for each in sockets or ()
        ]
        for acceptor in self._acceptors:
            acceptor.begin()
        self.started = True

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def _make_room(self) -> None:
        if connection := next(iter(self.server_state.connections), None):
            getattr(connection, "make_room", connection.shutdown)()

    def accept(self, *, on: bool) -> None:
        """Accept no more connections, or again; in the server's loop."""
        for acceptor in self._acceptors:
            acceptor.pause()
            if on:
                acceptor.begin()

    async def drained(self, within_s: float) -> None:
        """Wait until no connection is open, for at most so many seconds; in the server's loop."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self.server_state.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - uvicorn has no such event
            await asyncio.sleep(_CLOSING_STEP_S)

    async def main_loop(self) -> None:
        """Serve until `stop`."""
        self.loop = asyncio.get_running_loop()
        await self.on_tick(0)  # sets the default headers
        self._tell_listening()
        await self._stop.wait()

    def stop(self) -> None:
        """End `main_loop`, from any thread, once it has begun."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._stop.set)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:  # noqa: ARG002
        """Finish the requests in progress, then close all connections; each step takes at most `GRACE_S`."""
        for acceptor in self._acceptors:
            acceptor.close()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            _, late = await asyncio.wait(set(self.server_state.tasks), timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        # Each connection closes when its output is written, or is aborted after the grace period.
        connections = self.server_state.connections
        for connection in list(connections):
            connection.transport.close()
        await self.drained(GRACE_S)
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the loop reports the aborted connections as lost

"""Where a server of the suite listens: an address as people write it, and the socket bound to it.

    Address             host and port; `Address.parse("HOST:PORT")`
    listening_socket    that address claimed: bound and listening

Claiming comes before serving, so that a taken port is told apart and a free one is known before anything depends on it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from dataclasses import dataclass

from conformance.model.errors import EnvironmentFailure, UsageError

# A burst of 500 connections must wait in the kernel's queue without being refused; the kernel cuts it to its own limit.
BACKLOG = 4096

# A client may think for a while between two requests on a connection; a new connection each time would cost it more.
KEEP_ALIVE_S = 75

# Addresses that mean "every interface": bound to, but not a place that a client can be sent to.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here

_HOST_PORT = re.compile(r"(?:\[(?P<ipv6>[^\[\]\s]+)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>[0-9]{1,5})")

# Ports have 16 bits.
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address. `host` is a name or an IP address (IPv6 without brackets); port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as `HOST:PORT`, an IPv6 host in brackets. Raises UsageError if it is not one."""
        form = _HOST_PORT.fullmatch(text)
        if form is None or int(form["port"]) > _LAST_PORT:
            raise _unusable(text)
        return cls(form["ipv6"] or form["host"], int(form["port"]))

    @property
    def url(self) -> str:
        """`http://HOST:PORT` by which a client on this machine reaches a server that listens here."""
        return f"http://{Address(_REACHED_AT.get(self.host, self.host), self.port)}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _unusable(text: str) -> UsageError:
    return UsageError(
        f"listen address {text!r} is not HOST:PORT with a port from 0 to 65535",
        hint="for example 127.0.0.1:8080, [::1]:8080, or 127.0.0.1:0 for any free port",
    )


def listening_socket(address: Address, purpose: str = "listen") -> tuple[socket.socket, Address]:
    """The address claimed: a listening socket, and the address with the port that it really got.

    `purpose` names the address in an error ("callback": "callback address 127.0.0.1:8080 is in use").
    Raises EnvironmentFailure if it cannot be had.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise EnvironmentFailure(
            f"{purpose} address {address}: this machine knows no host {address.host!r}",
            hint="give an IP address of this machine, such as 127.0.0.1 or 0.0.0.0",
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Connections of an earlier run in TIME_WAIT do not hold the port; a server that listens still does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: an answer of two small writes does not wait 40 ms for a delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(where)
        # Listening at once is what claims the port: two sockets that are only bound can share one.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _not_bound(address, purpose, error) from error
    return listener, Address(address.host, listener.getsockname()[1])


_REASONS = {
    errno.EADDRINUSE: ("is in use by another program", "choose another port, or 0 for a free one"),
    errno.EADDRNOTAVAIL: ("is no address of this machine", "listen on 127.0.0.1 or 0.0.0.0"),
    errno.EACCES: ("may not be listened on by this user", "choose a port above 1023, or 0 for a free one"),
}


def _not_bound(address: Address, purpose: str, error: OSError) -> EnvironmentFailure:
    unnamed = (f"cannot be listened on: {error.strerror or error}", "choose another one")
    reason, hint = _REASONS.get(error.errno or 0, unnamed)
    return EnvironmentFailure(f"{purpose} address {address} {reason}", hint=hint)

"""A worker for a load run on another machine: it joins, sends what it is given, and ships its file at the end.

It sends to the gateway that it was given here and to no other, with the credential that it was given here. What comes
over the channel are planned requests without a credential.
"""

from __future__ import annotations

import queue
import socket
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from conformance.gateway.settings import Settings
from conformance.load.engine import START_WITHIN_S, Event, LocustProcess, worker_terms
from conformance.model.errors import EnvironmentFailure
from conformance.wire.listening import Address

# For a connection to the machine of the run.
REACHED_WITHIN_S = 5.0
NAME = "joined-worker"


def join(address: Address, settings: Settings, say: Callable[[str], object]) -> None:
    """Be a worker of the load run at `address` until that ends; `say` takes a line for people.

    Raises EnvironmentFailure if nobody listens there, if the run refuses this worker, or if it ends before its end.
    """
    _check_reached(address)
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="statum-conformance-") as folder:
        path = Path(folder) / f"{NAME}.sqlite"
        terms = replace(worker_terms(settings, settings.gateway or ""), shard=str(path))
        arguments = ["--worker", "--master-host", address.host, "--master-port", str(address.port)]
        process = LocustProcess(NAME, arguments, terms.message(), Path(folder), events)
        try:
            _follow(process, address, events, say)
        finally:
            # Told to end, it records and ships what it has sent.
            process.leave()
            process.close(terms.timeout_s + terms.connect_timeout_s + REACHED_WITHIN_S)


def _follow(
    process: LocustProcess, address: Address, events: queue.SimpleQueue[Event], say: Callable[[str], object]
) -> None:
    is_done = has_joined = False
    while True:
        try:
            _, message = events.get(timeout=None if has_joined else START_WITHIN_S)
        except queue.Empty:
            raise EnvironmentFailure(
                f"{address} does not answer as a load run does", "is it the --listen-workers of a run?"
            ) from None
        if message is None and is_done:
            return
        if message is None:
            raise _cut_short(process, address)
        if "refused" in message:
            raise EnvironmentFailure(f"the load run at {address} does not take this worker: {message['refused']}")
        if "name" in message:
            has_joined = True
            say(f"joined the load run at {address} as {message['name']}")
        is_done = is_done or "done" in message


def _cut_short(process: LocustProcess, address: Address) -> EnvironmentFailure:
    """Why this worker has ended although the load run has not told it to."""
    code = process.exit_code or 0
    if code < 0:
        return EnvironmentFailure(f"this worker of the load run at {address} was killed by signal {-code}")
    return EnvironmentFailure(f"the load run at {address} is gone before its end", lines=process.last_lines())


def _check_reached(address: Address) -> None:
    """Raise EnvironmentFailure if nobody listens at the address."""
    try:
        socket.create_connection((address.host, address.port), REACHED_WITHIN_S).close()
    except (OSError, UnicodeError) as error:
        why = f"no answer within {REACHED_WITHIN_S:g} s" if isinstance(error, TimeoutError) else _words_of(error)
        raise EnvironmentFailure(
            f"no load run can be joined at {address}: {why}",
            "start it first: `statum-conformance load --expect-workers N --listen-workers HOST:PORT`",
        ) from error


def _words_of(error: OSError | UnicodeError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()

"""What the processes of a load run tell each other.

    Lifeline                   JSON lines between the suite and a process of Locust that it started; its end is noticed
    MasterTerms, WorkerTerms  the first line on it: what the process needs to begin
    Kind of messages          between Locust's master and its workers, over Locust's own channel

No credential is ever in a message between master and worker: a worker has it from the suite on its own machine.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

# Worker → master: who it is; the answer to PING; that it can take a batch; that a batch is through; a part of its file,
# and its end with its digest.
HELLO, PONG, ASK, REPORT, PART, DONE = (f"load-{name}" for name in ("hello", "pong", "ask", "report", "part", "done"))
# Master → worker: its name; the clock; begin; a batch; begin nothing more; no batch is left.
WELCOME, PING, BEGIN, BATCH, STOP, END = (
    f"load-{name}" for name in ("welcome", "ping", "begin", "batch", "stop", "end")
)
TO_MASTER, TO_WORKER = (HELLO, PONG, ASK, REPORT, PART, DONE), (WELCOME, PING, BEGIN, BATCH, STOP, END)

Message = Mapping[str, Any]


class Lifeline:
    """One end of the connection between the suite and a process that it started; thread-safe for telling."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lines = end.makefile("rb")
        self._telling = threading.Lock()

    @classmethod
    def of_process(cls) -> Self:
        """The end that this process was started with, in the place of standard input."""
        return cls(socket.socket(fileno=os.dup(0)))

    def tell(self, message: Message) -> None:
        """Send a message. Raises OSError if the other end is gone."""
        with self._telling:
            self._end.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any] | None:
        """Wait for the next message; None if the other end is gone."""
        try:
            line = self._lines.readline()
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def leave(self) -> None:
        """Say no more, which the other end notices; it may still be heard."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection, which the other end notices."""
        self._end.close()
        self._lines.close()


@dataclass(frozen=True, slots=True)
class MasterTerms:
    """What Locust's master needs.

    `journal`: the file with the plan; `gateway`: the base URL of its requests; `apart`: groups that are not for
    workers. `local`: the names of the workers on this machine; `expected`: how many join besides, whose files go into
    `folder`. `clock_s` is added to this machine's monotonic clock to have that of the journal.
    """

    journal: str
    gateway: str
    contract: str | None
    rate: float
    apart: tuple[str, ...]
    local: tuple[str, ...]
    expected: int
    folder: str
    clock_s: float
    max_accepted: int | None
    max_spend: int | None

    @classmethod
    def of(cls, message: Message) -> Self:
        """The terms of a message."""
        return cls(**{**message, "apart": tuple(message["apart"]), "local": tuple(message["local"])})

    def message(self) -> Message:
        """The terms as a message."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WorkerTerms:
    """What a worker needs.

    `name`: None where the master gives it one. `shard`: the path of the file to record in. `gateway`: the base URL to
    which alone it sends. `protected`: values that are redacted beside the credential. `registered` and `phone_numbers`:
    those that requests may name. `clock_s`: see `MasterTerms`; 0 on another machine than that of the master.
    """

    name: str | None
    shard: str
    contract: str | None
    gateway: str
    consumer_key: str
    consumer_secret: str = field(repr=False)
    protected: tuple[str, ...] = field(repr=False)
    registered: Mapping[str, tuple[str, ...]]
    phone_numbers: tuple[str, ...]
    ca_file: str | None
    timeout_s: float
    connect_timeout_s: float
    keep_alive: bool
    clock_s: float = 0.0

    @classmethod
    def of(cls, message: Message) -> Self:
        """The terms of a message."""
        return cls(
            **{
                **message,
                "protected": tuple(message["protected"]),
                "registered": {name: tuple(values) for name, values in message["registered"].items()},
                "phone_numbers": tuple(message["phone_numbers"]),
            }
        )

    @property
    def ca_path(self) -> Path | None:
        """The file with certificates to trust."""
        return None if self.ca_file is None else Path(self.ca_file)

    def message(self) -> Message:
        """The terms as a message; it holds the secret."""
        return asdict(self)

"""Receivers as processes of their own behind the one callback address, each with a journal of its own.

They inherit the listening socket of the coordinator's receiver, which accepts no connection while they do. The socket
is open all the time, so nobody is refused: the kernel keeps whoever connects until a process accepts. One that dies is
noticed at once, replaced by a new one with a file of its own, and becomes a note `lost`.
"""

from __future__ import annotations

import json
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from conformance.gateway.preflight import send_canary
from conformance.gateway.rig import Rig, redacted_by
from conformance.gateway.settings import Settings
from conformance.journal import Journal
from conformance.load.receiving import LEAVING_S, ReceiverOrder
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import interrupts_deferred
from conformance.wire.connection import Connection, KeepAlive, Unanswered

# A receiver imports the suite and makes its journal within a second, on a busy machine within a few.
SERVING_WITHIN_S = 60.0
# After its last word it ends its connections, and commits its rows.
ENDING_WITHIN_S = LEAVING_S + 60.0
# So many that end in a row before they serve show that none can.
MOST_STILLBORN = 3
# Characters of its last words on standard error.
LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class ReceiverShard:
    """The file of one receiver. `lost_since`: until when (journal's clock) it holds all, if its process died."""

    name: str
    path: Path
    lost_since: float | None = None


class Receivers:
    """So many receiver processes in the place of the rig's receiver; a context manager.

    `on_lost` is called with each shard whose process died, in another thread. `expected`: about how many notifications
    come. Entering raises EnvironmentFailure if they cannot serve; leaving takes the socket back.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a run
        self, settings: Settings, rig: Rig, journal: Journal, count: int, folder: Path, expected: int
    ) -> None:
        self._rig, self._journal, self._count, self._folder = rig, journal, count, folder
        redacted, credential = redacted_by(settings, rig)
        tls, paths = settings.callback_tls, rig.paths
        self._order = ReceiverOrder(
            rig.receiver.listener.fileno(),
            str(rig.receiver.address),
            (paths.prefix, paths.query, tuple(settings.contract.callbacks), paths.token),
            "",
            redacted,
            credential,
            settings.contract.notification.id,
            None if tls is None else (str(tls.certificate), str(tls.key)),
            rig.intake.disowned,
            expected,
        )
        self._changed = threading.Condition()
        self._processes: list[_ReceiverProcess] = []
        self._stillborn = 0
        self._ending = False
        self._failure: EnvironmentFailure | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as unless_serving:
            unless_serving.callback(self.end)
            for _ in range(self._count):
                self._start()
            with self._changed:
                until = time.monotonic() + SERVING_WITHIN_S
                while self._failure is None and self._serving < self._count:
                    if not self._changed.wait(until - time.monotonic()):
                        self._failure = EnvironmentFailure(
                            f"the receivers do not serve after {SERVING_WITHIN_S:g} s", "is this machine overloaded?"
                        )
            self.check()
            self._rig.receiver.pause()
            unless_serving.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with interrupts_deferred():
            self.end()

    @property
    def shards(self) -> tuple[ReceiverShard, ...]:
        """The files so far, also those of processes that died."""
        with self._changed:
            return tuple(each.shard for each in self._processes if each.shard.path.exists())

    @property
    def processes(self) -> Mapping[str, int]:
        """Name → number of each process that serves, for tests."""
        with self._changed:
            return {each.shard.name: each.popen.pid for each in self._processes if each.is_alive}

    @property
    def taken(self) -> int:
        """How many notifications were recorded and committed."""
        with self._changed:
            return sum(each.taken for each in self._processes)

    def await_more(self, than: int, within_s: float) -> int:
        """Wait until more were `taken` than that, for at most so many seconds; how many were."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure is not None or sum(each.taken for each in self._processes) > than, within_s
            )
        self.check()
        return self.taken

    def left_out(self) -> Sequence[Mapping[str, Any]]:
        """What the receivers did not keep, once they have ended, each as a note `strays` has it."""
        return [each.ended["left_out"] for each in self._processes if each.ended]

    def check(self) -> None:
        """Raises EnvironmentFailure if receivers cannot be kept alive, or one could not record a request."""
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Take the socket back, then end the processes, and wait for that; a second call does nothing."""
        with self._changed:
            if self._ending:
                return
            self._ending = True
            alive = [each for each in self._processes if each.is_alive]
        with suppress(RuntimeError):  # the rig's own receiver has ended
            self._rig.receiver.resume()
        for each in alive:
            each.leave()
        deadline = time.monotonic() + ENDING_WITHIN_S
        for each in self._processes:
            each.await_end(deadline)
        errors = [error for each in self._processes for error in each.ended.get("errors", ())]
        if errors:
            self._failure = self._failure or EnvironmentFailure(
                f"{len(errors)} requests could not be recorded by the receivers; the first error was {errors[0]}",
                "is the disk full?",
            )

    # --- Each process

    @property
    def _serving(self) -> int:
        return sum(each.serving and each.is_alive for each in self._processes)

    def _start(self) -> None:
        with self._changed:
            if self._ending or self._failure is not None:
                return
            name = f"receiver-{len(self._processes) + 1}"
            order = replace(self._order, journal=str(self._folder / f"{name}.sqlite"))
            process = _ReceiverProcess(name, order, self._folder / f"{name}.log")
            self._processes.append(process)
        process.listening = threading.Thread(target=self._listen, args=(process,), name=name, daemon=True)
        process.listening.start()

    def _listen(self, process: _ReceiverProcess) -> None:
        """Take what a process says until it has ended; the end of its output is noticed without a poll."""
        for message in process.messages():
            if "canary" in message:
                self._rig.intake.on_canary(message["canary"], message["product"], message["url"])
                continue
            with self._changed:
                process.take(message)
                self._stillborn = 0
                self._changed.notify_all()
        process.gone()
        with self._changed:
            process.is_alive = False
            lost = not process.ended
            if lost:
                self._note_lost(process)
            self._changed.notify_all()
        if lost:
            self._start()

    def _note_lost(self, process: _ReceiverProcess) -> None:
        until = self._journal.time_of(time.monotonic())
        if process.serving:
            since = self._journal.time_of(process.alive_at)
            process.shard = replace(process.shard, lost_since=since)
            detail = {"what": "receiver", "name": process.shard.name, "since": since, "until": until}
            self._journal.note("lost", {**detail, "handed_out": {}, "shipped": True})
            return
        self._stillborn += 1
        if self._stillborn >= MOST_STILLBORN or self._ending:
            status, words = process.popen.returncode, process.last_words
            self._failure = EnvironmentFailure(
                f"a receiver cannot serve: its process ended with status {status}{f': {words}' if words else ''}",
                f"its whole output is in {process.log}",
            )


class _ReceiverProcess:
    """One process, as the coordinator sees it."""

    def __init__(self, name: str, order: ReceiverOrder, log: Path) -> None:
        self.shard = ReceiverShard(name, Path(order.journal))
        self.log = log
        self.listening: threading.Thread | None = None
        self.serving = False
        self.is_alive = True
        self.alive_at = time.monotonic()
        self.taken = 0
        self.ended: Mapping[str, Any] = {}
        with log.open("wb") as errors:
            # A session of its own: Ctrl-C is for the coordinator, which ends it in order.
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "conformance.load.receiving"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=[order.listener],
                start_new_session=True,
                text=True,
            )
        self._say(order.as_json())

    def messages(self) -> Iterator[Mapping[str, Any]]:
        """What it says, until its output ends; half a line of one that was killed is none."""
        for line in self.popen.stdout or ():
            with suppress(ValueError):
                yield json.loads(line)

    def take(self, message: Mapping[str, Any]) -> None:
        """A message about itself."""
        self.serving = self.serving or "serving" in message
        self.alive_at = message.get("at", self.alive_at)
        self.taken = message.get("taken", self.taken)
        if "errors" in message:
            self.ended = message

    def leave(self) -> None:
        """Have it take no more connections, and end."""
        self._say("leave")
        self._hang_up()

    def gone(self) -> None:
        """Its output has ended: wait for the process, which is ending."""
        self.popen.wait()
        self._hang_up()
        if self.popen.stdout is not None:
            self.popen.stdout.close()

    def await_end(self, deadline: float) -> None:
        """Wait until it has ended, and until its last words were heard; kill it if it does not."""
        try:
            self.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.listening is not None:
            self.listening.join()

    @property
    def last_words(self) -> str:
        """The last line of its standard error."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:LONGEST_WORDS] if lines else ""

    def _hang_up(self) -> None:
        if self.popen.stdin is not None:
            with suppress(OSError):
                self.popen.stdin.close()

    def _say(self, words: str) -> None:
        if self.popen.stdin is not None:
            with suppress(OSError):  # it has ended, which the end of its output tells
                self.popen.stdin.write(f"{words}\n")
                self.popen.stdin.flush()


# --- Whether they are the bottleneck

# Seconds between two canaries to the receivers: they cost nothing beside hundreds of notifications.
CANARY_EACH_S = 0.2
# A receiver that takes longer for a canary does not keep up.
CANARY_WITHIN_S = 30.0


class ReceiverDelay:
    """How long the receivers take for a canary of the suite's own, from its sending to its answer.

    It waits behind notifications in the same queue of the kernel, and in the same loop, so it takes as long as one.
    """

    def __init__(self) -> None:
        self._took: list[float] = []

    def add(self, took_s: float) -> None:
        """One canary was answered."""
        self._took.append(took_s)

    @property
    def most_s(self) -> float:
        """The longest; 0 without any."""
        return max(self._took, default=0.0)

    @property
    def p99_s(self) -> float:
        """The 99th percentile."""
        return statistics.quantiles(self._took, n=100, method="inclusive")[98] if len(self._took) > 1 else self.most_s


@contextmanager
def measured(settings: Settings, rig: Rig) -> Iterator[ReceiverDelay]:
    """While entered, canaries measure the receivers on this machine."""
    delay, over = ReceiverDelay(), threading.Event()
    url, nobody = rig.receiver.urls[settings.callbacks[0]], ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def measure() -> None:
        while not over.wait(CANARY_EACH_S):
            token, began = rig.intake.new_canary(), time.monotonic()
            # A connection of its own, as of a notification that has to wait until it is accepted.
            with suppress(Unanswered), Connection(CANARY_WITHIN_S, KeepAlive(trusted=False), nobody) as line:
                send_canary(line, url, token, "measured")
            rig.intake.canary(token, 0.0)
            delay.add(time.monotonic() - began)

    thread = threading.Thread(target=measure, name="canaries", daemon=True)
    if settings.callback_tls is None:  # its certificate need not be for this machine's own name
        thread.start()
    try:
        yield delay
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()

"""Starts Locust's master and workers for a load run, and follows it to its end.

The suite never imports Locust: each of its processes is `python -m locust` on `locustfile`, in a session of its own, so
that Ctrl-C reaches the suite alone. A process that the suite started notices when the suite is gone, and ends.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from conformance.gateway.settings import Settings
from conformance.journal.redaction import is_own_word, tokens_of
from conformance.load.channel import Lifeline, MasterTerms, Message, WorkerTerms
from conformance.load.settings import LoadSettings
from conformance.load.shards import Driven, WorkerShard
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Progress, interrupts_deferred
from conformance.wire.listening import Address, listening_socket

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LOCAL = Address("127.0.0.1", 0)
# Importing Locust and the suite takes a process some two seconds, on a busy machine ten times as long.
START_WITHIN_S = 60.0
# People start workers on other machines by hand, or a cluster pulls an image.
JOIN_WITHIN_S = 300.0
# From the end of all sending until Locust's processes have ended by themselves.
END_WITHIN_S = 15.0
# Lines of a process's log that an error shows.
SHOWN_LINES = 5


class LocustProcess:
    """A process of Locust; what it tells, and its end, go into a queue with its name.

    Raises EnvironmentFailure if it cannot be started.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], terms: Message, folder: Path, events: queue.SimpleQueue[Event]
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._events = events
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
        package = str(Path(__file__).parents[2])
        found_at = [package, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(found_at)
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING", *arguments]
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own locustfile
                    command,
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,  # where no configuration of Locust lies
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise EnvironmentFailure(f"Locust cannot be started: {error.strerror or error}") from error
        finally:
            theirs.close()
        self._control = Lifeline(ours)
        self.ended = threading.Event()
        self.tell(terms)
        threading.Thread(target=self._listen, name=f"{name}-control", daemon=True).start()

    def tell(self, message: Message) -> None:
        """Send a message, unless the process is gone, which its end tells."""
        with suppress(OSError):
            self._control.tell(message)

    def _listen(self) -> None:
        while (message := self._control.hear()) is not None:
            self._events.put((self.name, message))
        self._process.wait()
        self.ended.set()
        self._events.put((self.name, None))

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.returncode

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def leave(self) -> None:
        """Let it notice that the suite is done with it."""
        self._control.leave()

    def close(self, within_s: float = 0.0) -> None:
        """Kill it if it does not end in time."""
        if not self.ended.wait(within_s):
            self._process.kill()
            self.ended.wait()
        self._control.close()

    def last_lines(self) -> tuple[str, ...]:
        """The end of its log."""
        with suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return tuple(line[:300] for line in lines if line.strip())[-SHOWN_LINES:]
        return ()


Event = tuple[str, dict[str, Any] | None]
"""The name of a process, and what it told; None: it has ended."""

MASTER = "locust-master"


class LoadEngine:
    """Drives the load; `work` is a folder for the files of workers and the logs of Locust.

    A context manager: at its end no process is left.
    """

    def __init__(self, load: LoadSettings, settings: Settings, work: Path, progress: Progress) -> None:
        self._load = load
        self._settings = settings
        self._work = work.absolute()
        self._progress = progress
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._master: LocustProcess | None = None
        self._workers: dict[str, LocustProcess] = {}
        self._lost: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process."""
        for process in (*self._workers.values(), *filter(None, [self._master])):
            process.close()
        self._workers.clear()
        self._master = None

    @property
    def worker_pids(self) -> Mapping[str, int]:
        """The process ids of the workers on this machine, by their names."""
        return {name: process.pid for name, process in self._workers.items()}

    def drive(  # noqa: PLR0913 - what the campaign knows
        self,
        journal_path: Path,
        base_url: str,
        clock_s: float,
        *,
        apart: Collection[str] = (),
        max_accepted: int | None = None,
        max_spend: int | None = None,
    ) -> Driven:
        """Send the plan in the journal, all groups but those `apart`, at the rate of the settings.

        `clock_s` is added to this machine's monotonic clock to have the journal's. `max_accepted`, `max_spend`: what is
        left of the limits. The journal may be open for writing; its cases have to be committed.
        If the run is interrupted, nothing more is begun and what was sent is returned: see `is_interrupted`.
        Raises EnvironmentFailure where an address is taken, or workers do not come.
        """
        self._work.mkdir(parents=True, exist_ok=True)
        names = tuple(f"worker-{number}" for number in range(1, self._load.workers + 1))
        folder = self._settings.contract.folder
        terms = MasterTerms(
            str(journal_path.absolute()),
            base_url,
            None if folder is None else str(folder.absolute()),
            self._load.rate,
            tuple(apart),
            names,
            self._load.expect_workers,
            str(self._work),
            clock_s,
            max_accepted,
            max_spend,
        )
        try:
            self._start(terms, base_url)
            return self._follow()
        except KeyboardInterrupt:
            with interrupts_deferred():
                return self._wind_down()

    def conclude(self, exit_code: int) -> int:
        """Hand the verdict's exit code to Locust's master; the one it ends with, negative if it had to be killed."""
        master = self._master
        if master is None:
            return exit_code
        master.tell({"exit_code": exit_code})
        for process in (master, *self._workers.values()):
            process.close(END_WITHIN_S)
        if master.exit_code == exit_code:  # else the logs may tell why
            for log in (process.log for process in (master, *self._workers.values())):
                log.unlink(missing_ok=True)
            with suppress(OSError):
                self._work.rmdir()
        self._master = None
        self._workers.clear()
        return exit_code if master.exit_code is None else master.exit_code

    # --- Beginning

    def _start(self, terms: MasterTerms, base_url: str) -> None:
        where = self._load.listen_workers or LOCAL
        for address, purpose in ((where, "listen-workers"), (self._load.web, "web")):
            if address is not None:
                listening_socket(address, purpose)[0].close()  # the reason in our words, if it is taken
        count = str(len(terms.local) + terms.expected)
        arguments = ["--master", "--master-bind-host", where.host, "--master-bind-port", str(where.port)]
        arguments += ["--expect-workers", count, "--users", count, "--spawn-rate", "100", "--only-summary"]
        web = self._load.web
        shown = ["--autostart", "--web-host", web.host, "--web-port", str(web.port)] if web else ["--headless"]
        self._master = LocustProcess(MASTER, [*arguments, *shown], terms.message(), self._work, self._events)
        port = self._awaited("port", time.monotonic() + START_WITHIN_S, "Locust's master does not start")["port"]
        joined = ["--worker", "--master-host", "127.0.0.1" if where.host in _ANY else where.host]
        joined += ["--master-port", str(port)]
        for name in terms.local:
            told = replace(self._worker_terms(base_url), name=name, clock_s=terms.clock_s).message()
            told = {**told, "shard": str(self._path_of(name))}
            self._path_of(name).unlink(missing_ok=True)
            self._workers[name] = LocustProcess(name, joined, told, self._work, self._events)
        if terms.expected:
            self._progress.remark(f"waiting for {terms.expected} workers to join at {Address(where.host, port)}")

    def _worker_terms(self, base_url: str) -> WorkerTerms:
        return worker_terms(self._settings, base_url)

    def _path_of(self, name: str) -> Path:
        return self._work / f"{name}.sqlite"

    def _awaited(self, key: str, deadline: float, failure: str, hint: str | None = None) -> dict[str, Any]:
        """The next message of the master that has this key. Raises EnvironmentFailure if it does not come."""
        while True:
            message = self._next(deadline)
            if message is None:
                raise EnvironmentFailure(failure, hint, self._master.last_lines() if self._master else ())
            if key in message:
                return message

    def _next(self, deadline: float | None) -> dict[str, Any] | None:
        """The next message of the master; None at the deadline. Raises EnvironmentFailure if the master has ended."""
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            try:
                name, message = self._events.get(timeout=left)
            except queue.Empty:
                return None
            if name == MASTER and message is None:
                lines = self._master.last_lines() if self._master else ()
                raise EnvironmentFailure("Locust's master has ended before the load did", lines=lines)
            if name == MASTER:
                return message
            if message is None and self._master is not None:
                self._lost.add(name)
                self._master.tell({"lost": name})
                return {"gone": name}

    # --- Following

    def _follow(self) -> Driven:
        """Follow the load to its end."""
        joined, expected = 0, self._load.workers + self._load.expect_workers
        within_s = JOIN_WITHIN_S if self._load.expect_workers else START_WITHIN_S
        deadline = time.monotonic() + within_s
        began: dict[str, Any] | None = None
        while began is None:
            message = self._next(deadline)
            if message is None or "gone" in message:
                why = f"within {within_s:g} s" if message is None else f"; {message['gone']} has ended"
                lines = () if message is None else self._workers[message["gone"]].last_lines()
                raise EnvironmentFailure(
                    f"only {joined} of {expected} workers joined{why if message else ' ' + why}",
                    "start each with `statum-conformance load --join HOST:PORT`" if message is None else None,
                    lines,
                )
            joined = message.get("joined", joined)
            began = message if "began" in message else None
        self._progress.phase("load", f"{began['cases']:,} cases, {self._load.rate:g} accepted a second")
        self._progress.until(began["began"] + began["length_s"])
        return self._to_the_end(None, began["cases"])

    def _to_the_end(self, deadline: float | None, cases: int = 0) -> Driven:
        while (message := self._next(deadline)) is not None:
            if "sent" in message:
                self._progress.exchanged(message["sent"], cases)
            elif "lost" in message:
                self._progress.remark(f"{message['lost']} is lost; the others go on")
            elif "driven" in message:
                return self._driven(message)
        raise EnvironmentFailure("the workers do not end", lines=self._master.last_lines() if self._master else ())

    def _wind_down(self) -> Driven:
        """Have every worker end what is under way."""
        if self._master is None:
            raise KeyboardInterrupt
        self._master.tell({"stop": True})
        bounds = self._settings.bounds
        try:
            return self._to_the_end(time.monotonic() + bounds.connect_timeout_s + bounds.read_timeout_s + END_WITHIN_S)
        except EnvironmentFailure as error:
            raise KeyboardInterrupt from error

    def _driven(self, message: dict[str, Any]) -> Driven:
        shards = tuple(
            WorkerShard(
                each["name"],
                self._path_of(each["name"]),
                each["offset_s"],
                each["within_s"],
                each["lost_since"],
                each["handed_out"],
            )
            for each in message["driven"]
        )
        return Driven(shards, message["began"], message["ended"], message["behind_s"], message["withheld"])


_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


def worker_terms(settings: Settings, base_url: str) -> WorkerTerms:
    """What a worker on this machine needs to send to `base_url` by these settings, but for its name and file."""
    secret = settings.consumer_secret
    tokens = tokens_of(settings.callback_url or "", base_url)
    values = (secret, secret[:-1], settings.callback_token or "", *tokens)
    protected = [value for value in values if value and not is_own_word(value, settings.contract)]
    folder, bounds = settings.contract.folder, settings.bounds
    return WorkerTerms(
        None,
        "",
        None if folder is None else str(folder.absolute()),
        base_url,
        settings.consumer_key,
        secret,
        (*protected, *settings.redact),
        settings.constraints.registered,
        settings.phone_numbers,
        None if settings.ca_file is None else str(settings.ca_file.absolute()),
        bounds.read_timeout_s,
        bounds.connect_timeout_s,
        settings.replaceable or settings.network_there,
    )

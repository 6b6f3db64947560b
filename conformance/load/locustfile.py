"""What Locust runs, in its master and in its workers alike; the only module that imports Locust or gevent.

It joins two parts that know nothing of Locust, `Conductor` in the master and `LoadWorker` in each worker, to Locust's
channel, its statistics and its web page. `LoadEngine` and `joining` start the processes. By the time this module is
read, Locust has patched the interpreter, so threads are greenlets here and every wait lets others go on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from conformance import __version__
from conformance.contract.contract import contract_at
from conformance.journal.redaction import Redaction, credential_text
from conformance.load.channel import (
    DONE,
    HELLO,
    PART,
    PING,
    PONG,
    TO_MASTER,
    TO_WORKER,
    WELCOME,
    Lifeline,
    MasterTerms,
    Message,
    WorkerTerms,
)
from conformance.load.conductor import Conductor
from conformance.load.recording import ShardFile, digest_of
from conformance.load.sharding import Dealer, Schedule
from conformance.load.worker import LoadWorker
from conformance.wire.allowance import PROBATION_S, Allowance

# How often the master looks whether refusals have made room, and whether a worker is silent: time alone tells.
LOOK_EACH_S = 0.25
# Bytes of a worker's file in one message.
PIECE = 256 << 10

CONTROL = Lifeline.of_process()
TERMS = CONTROL.hear() or {}
# The exit code without a verdict: the process of the suite is gone. Workers that it started notice that as well.
ORPHANED = 3
# For workers of other machines to be told to stop, and to send their files.
LAST_WORDS_S = 5.0


class Sending(User):
    """The user that Locust counts: its worker sends, and it waits for the end of that."""

    host = TERMS.get("gateway")

    @task
    def stay(self) -> None:
        """Wait until Locust stops it."""
        Event().wait()


@events.init.add_listener  # type: ignore[untyped-decorator] # Locust's events have no types
def on_init(environment: Environment, runner: Any, web_ui: Any = None, **_: Any) -> None:
    """Begin as what this process is."""
    if isinstance(runner, MasterRunner):
        Leading(environment, runner, web_ui).begin()
    elif isinstance(runner, WorkerRunner):
        Following(environment, runner).begin()


class Leading:
    """The master: a conductor behind Locust's channel."""

    def __init__(self, environment: Environment, runner: MasterRunner, web_ui: Any) -> None:
        terms = MasterTerms.of(TERMS)
        contract = contract_at(None if terms.contract is None else Path(terms.contract))
        allowance = Allowance(contract, terms.max_accepted, terms.max_spend, PROBATION_S)
        schedule = Schedule(Path(terms.journal), terms.rate, terms.apart)
        dealer = Dealer(contract, schedule, allowance)
        self._environment = environment
        self._runner = runner
        self._web_ui = web_ui
        self._verdict = AsyncResult()
        self._conductor = Conductor(terms, schedule, dealer, self._send, CONTROL.tell)

    def begin(self) -> None:
        """Take messages from now on."""
        for kind in TO_MASTER:
            self._runner.register_message(kind, self._receive)
        events = self._environment.events
        events.heartbeat_sent.add_listener(lambda client_id, **_: self._conductor.seen(client_id))
        # Somebody has pressed Stop on the web page.
        events.test_stopping.add_listener(lambda **_: self._conductor.stop())
        events.quitting.add_listener(self._conclude)
        gevent.spawn(self._listen)
        gevent.spawn(self._look)
        CONTROL.tell({"port": self._runner.server.port})

    def _send(self, client: str, kind: str, data: Message) -> None:
        self._runner.send_message(kind, dict(data), client)

    def _receive(self, msg: Any, **_: Any) -> None:
        self._conductor.receive(msg.node_id, msg.type, msg.data or {})

    def _listen(self) -> None:
        """Take what the suite tells; end without it, and with it the workers."""
        while (message := CONTROL.hear()) is not None:
            if "lost" in message:
                self._conductor.lose(message["lost"])
            elif "stop" in message:
                self._conductor.stop()
            elif "exit_code" in message:
                self._verdict.set(message["exit_code"])
        self._conductor.stop()
        if not self._verdict.ready():
            self._conductor.finished.wait(LAST_WORDS_S)
            os._exit(ORPHANED)

    def _look(self) -> None:
        """Look again until all workers are done, then end Locust's run."""
        while not self._conductor.finished.wait(LOOK_EACH_S):
            self._conductor.look_again()
        self._runner.quit()
        if self._web_ui is not None:
            self._web_ui.stop()

    def _conclude(self, **_: Any) -> None:
        """Locust ends with the exit code of the suite's verdict, which it waits for here."""
        self._environment.process_exit_code = self._verdict.get()


class Following:
    """A worker behind Locust's channel."""

    def __init__(self, environment: Environment, runner: WorkerRunner) -> None:
        self._terms = terms = WorkerTerms.of(TERMS)
        contract = contract_at(None if terms.contract is None else Path(terms.contract))
        redaction = Redaction(terms.protected, credential_text(terms.consumer_key, terms.consumer_secret))
        self._path = Path(terms.shard)
        self._environment = environment
        self._runner = runner
        file = ShardFile(self._path, terms.name or self._path.stem, redaction, terms.clock_s)
        self._worker = LoadWorker(terms, contract, file, self._tell, gevent.spawn, self._count)

    def begin(self) -> None:
        """Take messages from now on, and tell the master that this worker is there."""
        for kind in TO_WORKER:
            self._runner.register_message(kind, self._receive)
        gevent.spawn(self._listen)
        gevent.spawn(self._worker.run)
        told = {"name": self._terms.name, "gateway": self._terms.gateway, "version": __version__}
        self._runner.send_message(HELLO, told)

    def _receive(self, msg: Any, **_: Any) -> None:
        data: Message = msg.data or {}
        if msg.type == PING:
            self._runner.send_message(PONG, {"at": data["at"], "here": self._worker.now()})
        elif msg.type == WELCOME:
            CONTROL.tell(data)
        else:
            self._worker.receive(msg.type, data)

    def _tell(self, kind: str, data: Message) -> None:
        """Send a message of the worker to the master; a worker on another machine sends its file first."""
        told = dict(data)
        if kind == DONE and self._terms.name is None:
            with self._path.open("rb") as file:
                while piece := file.read(PIECE):
                    self._runner.send_message(PART, {"bytes": piece})
            told["sha256"] = digest_of(self._path)
        self._runner.send_message(kind, told)
        if kind == DONE:
            CONTROL.tell({"done": True})

    def _count(self, method: str, name: str, milliseconds: float, length: int, failure: str | None) -> None:
        """Count a request in Locust's statistics."""
        self._environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=milliseconds,
            response_length=length,
            exception=None if failure is None else ConnectionError(failure),
            context={},
        )

    def _listen(self) -> None:
        """A worker whose suite is gone sends nothing more."""
        while CONTROL.hear() is not None:
            pass
        self._worker.stop()
        self._worker.ended.wait(self._terms.timeout_s + self._terms.connect_timeout_s)
        os._exit(ORPHANED)

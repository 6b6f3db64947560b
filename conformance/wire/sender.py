"""Send the cases of a plan, several groups concurrently, each group in order, and record everything in the journal.

Successive cases of the kind BURST in a group are sent at the same time: each has a thread with its own connection,
which waits until all the others are connected. Over loopback they are sent within a few tenths of a millisecond, all of
them before the first answer.

The sender retries only requests that had no effect: a request that was refused for the moment (429, or 503 with
Retry-After); over a network, a request that was never sent because there was no connection; and a request that only
reads (account-details) if the network lost it, or a reused connection was closed. It never retries a request that the
gateway may have received, because that may have been a payment. Each retry is another attempt at the same case.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import groupby
from pathlib import Path

from conformance.contract.contract import statum
from conformance.journal import Journal
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import is_interrupted
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Kind, Response
from conformance.payloads.addressees import GIVEN_BY, Addressees
from conformance.wire.allowance import Allowance, is_refused
from conformance.wire.connection import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, Connection, KeepAlive, Unanswered
from conformance.wire.pacing import MAX_PAUSE_S, Pace, retry_after_s
from conformance.wire.streams import client_tls

# Groups in progress at once. Measured on 2 cores, journal included: a server that answers at once (uvicorn in a process
# of its own) takes 2,750, 3,300, 3,200, 3,450 and 3,650 requests/s from 1, 4, 8, 16 and 32 workers, 1.2 to 1.6 times
# as many as from a bare loop over `httpx.Client`; one that needs 50 ms for an answer 75, 145, 290 and 565 from 4 to
# 32. So only latency asks for more, and more connections would storm a real gateway.
CONCURRENCY = 16

# Attempts at one case while the gateway asks to slow down. The pauses between them add up to a minute, longer than a
# burst of other clients.
MAX_ATTEMPTS = 8

# Attempts at one case that the network loses: with the pauses between them seconds, as long as a short outage.
MAX_LOST = 3
# Bytes of all answers of a run beyond the usual size: the journal stores all of them, and many rules read each one.
MOST_KEPT = 32 << 20
# Bytes of an answer with its headers; those of the contract have a few hundred.
USUAL_ANSWER = 4096

TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503

# The run ends if a gateway asks for a longer wait; a Retry-After with a date may be rounded up by a second.
LONGEST_WAIT_S = MAX_PAUSE_S + 1.0
# A longer time is not shown in days.
MOST_TOLD_S = 100 * 365 * 86_400.0
# A wait of at least this length is reported, because the run would seem to hang.
WORTH_TELLING_S = 5.0


@dataclass(frozen=True, slots=True)
class Manners:
    """Options of sending: the number of concurrent groups, and the timeouts of connection and answer.

    `over_network`: there is a network between, so the gateway is not to blame for a lost request. `recorded_first`:
    write each request to the file before its first byte is sent, so that resuming a killed run cannot send it again; it
    costs a millisecond. `keep_alive`: reuse connections.
    """

    concurrency: int = CONCURRENCY
    timeout_s: float = ANSWER_TIMEOUT_S
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    over_network: bool = False
    recorded_first: bool = False
    keep_alive: bool = True


class _Outcome(Enum):
    """The outcome of a case."""

    SENT = auto()
    WITHHELD = auto()
    STOPPED = auto()


class Sender:
    """Sends cases and records each attempt.

    `ca_file`: certificates to trust beside the usual ones. `on_exchange` is called after every attempt, by the thread
    that made it, with unredacted values. `on_pause` is called for each long pause with the status that asked for it and
    its seconds. A case is not sent if the `allowance` is used up, or if it names a recipient outside the `addressees`;
    neither are the cases of its group that depend on it. `reading`: the commands whose GET moves no money.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        journal: Journal,
        pace: Pace,
        on_exchange: Callable[[Case, Exchange], None] = lambda *_: None,
        *,
        on_pause: Callable[[int, float], None] = lambda *_: None,
        ca_file: Path | None = None,
        allowance: Allowance | None = None,
        manners: Manners = Manners(),
        addressees: Addressees | None = None,
        reading: Collection[str] = (),
    ) -> None:
        self._journal = journal
        self._pace = pace
        self._manners = manners
        self._ca_file = ca_file
        self._on_exchange = on_exchange
        self._on_pause = on_pause
        self._allowance = allowance or Allowance(statum())
        self._addressees = addressees
        self._reading = reading
        self._keep_alive = KeepAlive(trusted=manners.keep_alive)
        self._error: BaseException | None = None
        self._weighing = threading.Lock()
        self._answers = self._weight = 0

    @property
    def allowance(self) -> Allowance:
        """The count of requests and money against the limits of the run."""
        return self._allowance

    def _only_reads(self, case: Case) -> bool:
        return case.command in self._reading and case.request.method == "GET"

    def send(self, groups: Sequence[Sequence[Case]]) -> None:
        """Send all cases, starting the groups in the given order; return when each case has its answer or has failed.

        The first error in a worker stops all workers and is raised here: EnvironmentFailure if the journal cannot be
        written or the gateway answers nothing but 429, and any error of `on_exchange`.
        """
        waiting = deque(groups)
        # Reading the certificates takes 20 ms, so it is done once, and only for https. The other context trusts nobody.
        secure = any(case.request.url.startswith("https:") for group in groups for case in group)
        tls = client_tls(self._ca_file) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        manners = self._manners
        connected = partial(
            Connection,
            manners.timeout_s,
            self._keep_alive,
            tls,
            manners.connect_timeout_s,
            on_beyond=self._journal.sent_beyond,
        )

        work = partial(self._work, waiting, connected)
        self._in_threads("sender", [work] * min(manners.concurrency, len(waiting)))
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stop sending; `send` returns when the requests in progress are answered. Thread-safe."""
        self._pace.stop()
        self._allowance.stop()

    def _in_threads(self, name: str, works: Sequence[Callable[[], None]]) -> None:
        """Run the works concurrently until all have ended. The first error stops the sending, and `send` raises it."""

        def run(work: Callable[[], None], done: threading.Event) -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that called `send`
                self._error = self._error or error
                self.stop()
            finally:
                done.set()

        # Not Thread.join: up to Python 3.12, an interrupted join marks the thread as ended.
        done = [threading.Event() for _ in works]
        threads = [
            threading.Thread(target=run, args=each, name=f"{name}-{number}", daemon=True)
            for number, each in enumerate(zip(works, done, strict=True))
        ]
        try:
            for thread in threads:
                thread.start()
            for event in done:
                event.wait()
        except BaseException:  # KeyboardInterrupt, mostly
            self.stop()
            # A thread that has not started yet sends nothing, because the pace is stopped.
            for event, thread in zip(done, threads, strict=True):
                if thread.ident is not None:
                    event.wait()
            raise

    def _work(self, waiting: deque[Sequence[Case]], connected: Callable[[], Connection]) -> None:
        with connected() as connection:
            while waiting:
                try:
                    group = waiting.popleft()
                except IndexError:
                    return
                if not self._send_group(group, connection, connected):
                    return

    def _send_group(self, group: Sequence[Case], connection: Connection, connected: Callable[[], Connection]) -> bool:
        """Send the cases of a group in order, except those that depend on a withheld one; False if stopped."""
        withheld: set[str | None] = set()
        for at_once, each in groupby(group, key=lambda case: case.kind is Kind.BURST):
            cases = tuple(each)
            for together in (cases,) if at_once else ((case,) for case in cases):
                if any({case.twin, case.earlier} & withheld - {None} for case in together):
                    outcome = _Outcome.WITHHELD
                elif at_once:
                    outcome = self._send_at_once(together, connected)
                else:
                    outcome = self._send(together[0], connection)
                if outcome is _Outcome.STOPPED:
                    return False
                if outcome is _Outcome.WITHHELD:
                    withheld.update(case.id for case in together)
        return True

    def _send_at_once(self, cases: Sequence[Case], connected: Callable[[], Connection]) -> _Outcome:
        """Send all cases at the same moment, then make further attempts where needed."""
        outcome = self._let_out(*cases)
        if outcome is not _Outcome.SENT:
            return outcome
        start = threading.Barrier(len(cases))
        ended: list[_Outcome] = []

        def work(case: Case) -> None:
            try:
                with connected() as connection:
                    ended.append(self._send(case, connection, start))
            finally:
                start.abort()  # releases cases that still wait for this one

        self._in_threads("burst", [partial(work, case) for case in cases])
        went_on = len(ended) == len(cases) and _Outcome.STOPPED not in ended
        return _Outcome.SENT if went_on else _Outcome.STOPPED

    def _send(self, case: Case, connection: Connection, start: threading.Barrier | None = None) -> _Outcome:
        """Make all attempts at one case. The first one waits at `start`, if given, and already has its turn."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            together = start if attempt == 1 else None
            if together is None and (outcome := self._let_out(case)) is not _Outcome.SENT:
                # The case was sent, but the limits do not allow another attempt.
                return _Outcome.SENT if attempt > 1 and outcome is _Outcome.WITHHELD else outcome
            attempted = self._settled(case, attempt, connection, together)
            self._on_exchange(case, attempted)
            if not self._once_more(case, attempted):
                break
        return _Outcome.SENT

    def _let_out(self, *cases: Case) -> _Outcome:
        """Wait until the limits allow these requests, and then for the turn of each of them."""
        requests = [case.request for case in cases]
        if self._addressees is not None and any(map(self._addressees.stranger_in, requests)):
            # The plan has none. If a bug of the suite makes one, the stranger must not be called.
            self._allowance.withhold(GIVEN_BY, len(cases))
            return _Outcome.WITHHELD
        if not self._allowance.reserve(*requests):
            return _Outcome.WITHHELD
        if all(self._pace.await_turn() for _ in cases):
            return _Outcome.SENT
        for request in requests:
            self._allowance.give_back(request)
        return _Outcome.STOPPED

    def _settled(self, case: Case, attempt: int, connection: Connection, start: threading.Barrier | None) -> Exchange:
        """Make one attempt, and count it by its outcome."""
        refused = never_left = False
        try:
            attempted = self._attempt(case, attempt, connection, start)
            response = attempted.response
            never_left = attempted.unsent
            refused = response is not None and is_refused(response, self._allowance.contract)
        finally:
            if never_left:
                self._allowance.give_back(case.request)
            else:
                self._allowance.settle(case.request, refused=refused)
        return attempted

    def _attempt(
        self, case: Case, attempt: int, connection: Connection, start: threading.Barrier | None = None
    ) -> Exchange:
        if is_interrupted():
            raise KeyboardInterrupt
        at, wall = time.monotonic(), time.time()
        number = self._journal.sent(case.id, attempt, case.request, at, wall)
        if self._manners.recorded_first:
            self._journal.flush()
        response, failure, never_left = None, None, False
        try:
            answer = connection.ask(case.request, None if start is None else lambda: _await(start), number)
        except Unanswered as unanswered:
            if is_interrupted():  # it was not sent, or a second signal has closed its connection
                raise KeyboardInterrupt from unanswered
            answered_at = time.monotonic()
            failure, never_left = str(unanswered), unanswered.never_left
            self._journal.failed(number, failure, answered_at, unsent=never_left)
        else:
            answered_at = time.monotonic()
            response = answer.response
            self._journal.answered(number, response, answered_at)
            self._weigh(response)
        return Exchange(number, case.id, attempt, case.request, at, wall, response, failure, answered_at, never_left)

    def _once_more(self, case: Case, exchange: Exchange) -> bool:
        """Whether to send the case again, after the pause of the pace."""
        if exchange.response is not None:
            return self._told_to_wait(exchange.response, exchange)
        if exchange.failure == CLOSED_ON_REUSE and self._only_reads(case):
            return exchange.attempt < MAX_LOST
        if not self._manners.over_network or not (exchange.unsent or self._only_reads(case)):
            return False
        self._pace.lost(exchange.answered_at or exchange.sent_at, exchange.sent_at)
        self._check_patience(exchange.failure or "")
        if self._pace.lost_in_a_row >= MAX_ATTEMPTS:
            raise EnvironmentFailure(
                f"the gateway cannot be reached any more: {exchange.failure}, {MAX_ATTEMPTS} times in a row, "
                "in spite of longer and longer pauses",
                "is the network up, and the gateway running?",
            )
        return exchange.attempt < MAX_LOST

    def _check_patience(self, last: str) -> None:
        """Raise EnvironmentFailure if the run has waited for the gateway for too long."""
        if (why := self._pace.in_vain) is not None:
            raise EnvironmentFailure(
                f"the run no longer waits for the gateway: {why}; the last failure: {last}",
                "is it overloaded, or the account's quota small? --rate N sends more slowly from the start",
            )

    def _weigh(self, response: Response) -> None:
        """Raise EnvironmentFailure if the answers of a run together are too large for the journal."""
        with self._weighing:
            self._answers += 1
            self._weight += len(response.body) + sum(len(name) + len(value) for name, value in response.headers)
            too_much = self._weight > MOST_KEPT + self._answers * USUAL_ANSWER
        if too_much:
            raise EnvironmentFailure(
                f"the gateway's answers are too large for the journal: {self._weight:,} bytes in "
                f"{self._answers:,} answers",
                "an answer of the contract has a few hundred bytes; the journal has the answers up to here",
            )

    def _told_to_wait(self, response: Response, exchange: Exchange) -> bool:
        now = exchange.answered_at or exchange.sent_at
        if response.status in (TOO_MANY_REQUESTS, UNAVAILABLE):
            asked = retry_after_s(response.headers, time.time())
            if response.status == TOO_MANY_REQUESTS or asked is not None:
                if asked is not None and asked > LONGEST_WAIT_S:
                    raise asked_to_stay_away(response.status, asked)
                pause = self._pace.told_to_slow_down(asked, now, exchange.sent_at)
                if pause is not None and pause >= WORTH_TELLING_S:
                    self._on_pause(response.status, pause)
                if self._pace.refused_in_a_row >= MAX_ATTEMPTS:
                    raise EnvironmentFailure(
                        f"the gateway refused {MAX_ATTEMPTS} requests in a row as too many ({response.status}), "
                        "in spite of longer and longer pauses",
                        "is the account's quota used up?",
                    )
                self._check_patience(str(response.status))
                return True
        self._pace.went_through(now)
        return False


def asked_to_stay_away(status: int, seconds: float) -> EnvironmentFailure:
    """The error for a gateway that asks for a longer wait than a run allows."""
    return EnvironmentFailure(
        f"the gateway asks for a pause of {in_words(seconds)} ({status} with Retry-After); a run waits for "
        f"{MAX_PAUSE_S:g} s at most",
        "is it down for maintenance, or the account's quota used up? `run --resume` goes on with a run that was begun",
    )


def in_words(seconds: float) -> str:
    """A time to wait, rounded."""
    for unit, length in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}" if seconds < MOST_TOLD_S else "a hundred years or more"
    return f"{seconds:.0f} seconds"


def _await(start: threading.Barrier) -> None:
    """Wait for the others, at most for the time that they have to connect."""
    with suppress(threading.BrokenBarrierError):
        start.wait(CONNECT_TIMEOUT_S)

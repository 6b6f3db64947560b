"""Sending the cases of a plan: several groups side by side, each group in order, everything into the journal.

    Sender      .send(groups) until all are answered; .stop() ends it after what is under way

Cases of the kind BURST that follow each other in a group go out at once: each on a connection of its own, by a thread
of its own, which waits when its connection stands until all the others' do. Loopback puts them a few tenths of a
millisecond apart, and each is on its way before any is answered.

Nothing is ever sent twice but a request that was told to wait (429, or 503 with Retry-After): it was not taken.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

from conformance.errors import EnvironmentFailure
from conformance.exchange.connection import Connection, KeepAlive, Unanswered
from conformance.exchange.failures import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from conformance.exchange.pacing import Pace, retry_after_s
from conformance.exchange.trust import trusting
from conformance.journal import Journal
from conformance.traffic import Case, Exchange, Kind, Response

CONCURRENCY = 16
"""Groups under way at once. Measured on 2 busy cores, journal included: a server that answers at once (uvicorn in a
process of its own) takes 1,800, 2,000, 1,600, 2,000 and 2,400 requests/s from 1, 4, 8, 16 and 32 workers, 0.9 to 1.8
times what a bare loop over `httpx.Client` gets; one that takes 50 ms an answer 75, 145, 290 and 565 from 4 to 32. So
only latency asks for more, and a real gateway is not to be stormed with more connections than this."""

MAX_ATTEMPTS = 8
"""At one case, while it is told to slow down. The pauses between them add up to a minute: by then it is no burst."""

TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503


def _ignore(_case: Case, _exchange: Exchange) -> None:
    """What is done about an exchange if nobody wants to know."""


class Sender:
    """Sends cases and records what becomes of each attempt.

    `concurrency`: how many groups are under way at once, at most. `timeout_s`: how long an answer may take. `ca_file`:
    certificates to trust beside the usual ones. `on_exchange` is called after every attempt, by the thread that made
    it; what it is given is not redacted.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        journal: Journal,
        pace: Pace,
        concurrency: int = CONCURRENCY,
        timeout_s: float = ANSWER_TIMEOUT_S,
        on_exchange: Callable[[Case, Exchange], None] = _ignore,
        *,
        ca_file: Path | None = None,
    ) -> None:
        self._journal = journal
        self._pace = pace
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._on_exchange = on_exchange
        self._error: BaseException | None = None

    def send(self, groups: Sequence[Sequence[Case]]) -> None:
        """Sends all cases, groups begun in the order given; returns when each has its answer or was given up.

        The first error in a worker ends the sending in order and is raised here: EnvironmentFailure if the journal
        cannot be written or the gateway answers nothing but 429, and whatever `on_exchange` raises.
        """
        waiting = deque(groups)
        # Reading the certificates takes 20 ms: once, and only if they are needed. Without them nobody is trusted.
        secure = any(_is_https(case) for group in groups for case in group)
        tls = trusting(self._ca_file) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        connected = partial(Connection, self._timeout_s, KeepAlive(), tls)

        def work(done: threading.Event) -> None:
            try:
                self._work(waiting, connected)
            except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
                self._error = self._error or error
                self.stop()
            finally:
                done.set()

        # Not Thread.join: up to Python 3.12 one that is interrupted takes the thread for ended.
        done = [threading.Event() for _ in range(min(self._concurrency, len(waiting)))]
        threads = [
            threading.Thread(target=work, args=(one,), name=f"sender-{number}", daemon=True)
            for number, one in enumerate(done)
        ]
        try:
            for thread in threads:
                thread.start()
            _wait_for_all(done)
        except BaseException:  # KeyboardInterrupt, mostly
            self.stop()
            # One that has not begun by now finds the pace stopped, and sends nothing.
            _wait_for_all(one for one, thread in zip(done, threads, strict=True) if thread.ident is not None)
            raise
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Sends nothing more; `send` returns when what is under way is answered. Safe from any thread."""
        self._pace.stop()

    def _work(self, waiting: deque[Sequence[Case]], connected: Callable[[], Connection]) -> None:
        with connected() as connection:
            while waiting:
                try:
                    group = waiting.popleft()
                except IndexError:
                    return
                for at_once, cases in groupby(group, key=_is_burst):
                    if at_once:
                        went_on = self._send_at_once(tuple(cases), connected)
                    else:
                        went_on = all(self._send(case, connection) for case in cases)
                    if not went_on:
                        return

    def _send_at_once(self, cases: Sequence[Case], connected: Callable[[], Connection]) -> bool:
        """All cases at the same moment, and then whatever further attempts they need; False if there was a stop."""
        if not all(self._pace.await_turn() for _ in cases):
            return False
        start = threading.Barrier(len(cases))
        ended: list[bool] = []

        def work(case: Case, done: threading.Event) -> None:
            try:
                with connected() as connection:
                    ended.append(self._send(case, connection, start))
            except BaseException as error:  # noqa: BLE001 - raised again, in the thread that called `send`
                self._error = self._error or error
                self.stop()
            finally:
                start.abort()  # who has come this far has no use for it, and who has not shall not wait in vain
                done.set()

        done = [threading.Event() for _ in cases]
        for number, (case, event) in enumerate(zip(cases, done, strict=True)):
            threading.Thread(target=work, args=(case, event), name=f"burst-{number}", daemon=True).start()
        _wait_for_all(done)
        return len(ended) == len(cases) and all(ended)

    def _send(self, case: Case, connection: Connection, start: threading.Barrier | None = None) -> bool:
        """All attempts at one case; False if there was a stop. At a `start` the first waits, which has its turn."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            together = start if attempt == 1 else None
            if together is None and not self._pace.await_turn():
                return False
            exchange = self._attempt(case, attempt, connection, together)
            self._on_exchange(case, exchange)
            if exchange.response is None or not self._told_to_wait(exchange.response, exchange):
                return True
        return True

    def _attempt(
        self, case: Case, attempt: int, connection: Connection, start: threading.Barrier | None = None
    ) -> Exchange:
        at, wall = time.monotonic(), time.time()
        number = self._journal.sent(case.id, attempt, case.request, at, wall)
        response, failure = None, None
        try:
            answer = connection.ask(case.request, None if start is None else lambda: _await(start))
        except Unanswered as unanswered:
            answered_at = time.monotonic()
            failure = str(unanswered)
            self._journal.failed(number, failure, answered_at)
        else:
            answered_at = time.monotonic()
            response = answer.response
            self._journal.answered(number, response, answered_at)
            if answer.remark is not None:
                self._journal.note("undecodable", {"exchange": number, "remark": answer.remark})
        return Exchange(number, case.id, attempt, case.request, at, wall, response, failure, answered_at)

    def _told_to_wait(self, response: Response, exchange: Exchange) -> bool:
        now = exchange.answered_at or exchange.sent_at
        if response.status in (TOO_MANY_REQUESTS, UNAVAILABLE):
            asked = retry_after_s(response.headers, time.time())
            if response.status == TOO_MANY_REQUESTS or asked is not None:
                self._pace.told_to_slow_down(asked, now, exchange.sent_at)
                if self._pace.refused_in_a_row >= MAX_ATTEMPTS:
                    raise EnvironmentFailure(
                        f"the gateway refused {MAX_ATTEMPTS} requests in a row as too many ({response.status}), "
                        "however long it was left alone",
                        "is the account's quota used up?",
                    )
                return True
        self._pace.went_through(now)
        return False


def _is_burst(case: Case) -> bool:
    return case.kind is Kind.BURST


def _await(start: threading.Barrier) -> None:
    """Waits for the others; not for one that is still connecting when its own time for that is over."""
    with suppress(threading.BrokenBarrierError):
        start.wait(CONNECT_TIMEOUT_S)


def _wait_for_all(events: Iterable[threading.Event]) -> None:
    for event in events:
        event.wait()


def _is_https(case: Case) -> bool:
    return case.request.url.startswith("https:")

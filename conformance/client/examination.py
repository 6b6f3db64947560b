"""The tools of an examination of receivers: rounds of requests, known ids, restarts, and the time that is left.

The requests of a round are sent at the same moment; the next round begins when all of them are answered. Where a
request gets no answer, the receiver is looked for at once, so that its death is noted with the request that caused
it.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

import httpx

from conformance.client.calling import Bench
from conformance.client.deliveries import Outgoing, ReceiverUnderTest
from conformance.client.driver import Death
from conformance.client.plan import params_of
from conformance.client.posting import Posting, Reset, listening
from conformance.client.rules.calls import OPEN
from conformance.client.rules.inbox import CROWD
from conformance.client.rules.receiving import QUICKLY_S, waited_s
from conformance.client.witness import answered_with
from conformance.mock.gateway import Reaction
from conformance.model.traffic import Case, Response
from conformance.payloads.members import Constraints
from conformance.payloads.valid import fresh_payloads
from conformance.wire.connection import Connection, KeepAlive, Unanswered
from conformance.wire.streams import proxy_for

# After this an answer is surely late.
SURELY_S = 0.5

EXAMINED_WITHIN_S = 65.0
"""Sending ends after this: a certification ends within 90 s, and calls and the last answer take time, too."""

GATHERED_WITHIN_S = 1.0
"""The requests that got a connection within this are released together; a backlog may be short."""

CALLS_WITHIN_S = 10.0
"""Time for calls that make ids known; after that, notifications have unknown ids."""

BACK_WITHIN_S = 3.0
"""A supervised receiver is started again within this time."""

MOST_DEATHS = 5

# Requests that are named among those that were open when a receiver died.
MOST_NAMED = 4

# A receiver has processed a notification by then.
PROCESSED_WITHIN_S = 2.0
ASK_AGAIN_S = 0.05

# A process that is about to end has closed its port by then.
ENDS_WITHIN_S = 0.2
POLL_S = 0.02

TIME_IS_UP = "the time for the examination of receivers was up"


class Ended(Exception):
    """The examination of a receiver has ended; the text says why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A case that was sent, with its answer and the time of that, if any.

    `lost`: no answer will come; `reached`: there was a connection; `reset`: it was reset.
    """

    case: Case
    response: Response | None
    took_s: float | None
    lost: bool = False
    reached: bool = True
    reset: bool = False

    @property
    def taken(self) -> bool:
        """Whether it was answered with a 2xx."""
        return self.response is not None and self.response.status in range(200, 300)


@dataclass(slots=True)
class Examination:
    """The examination of `receivers`, by command, which ends at `ends_at` (monotonic seconds).

    `dead`: why a receiver is gone, by its scheme and address. `late`: results that did not come in time.
    `suspects`: the requests that were lost last, if none has been answered since. `busy`: the driver is making a call,
    so it cannot be started again.
    """

    bench: Bench
    tls: ssl.SSLContext
    receivers: dict[str, ReceiverUnderTest]
    ends_at: float
    deaths: int = 0
    patience_s: float = PROCESSED_WITHIN_S
    dead: dict[tuple[str, bytes], str] = field(default_factory=dict)
    late: list[Case] = field(default_factory=list, repr=False)
    suspects: list[str] = field(default_factory=list, repr=False)
    busy: bool = field(default=False, repr=False)

    @property
    def waits_s(self) -> float:
        """The wait for the answer to a notification."""
        return waited_s(self.bench.settings.contract) + SURELY_S

    @property
    def can_ask(self) -> bool:
        """Whether the client can be asked for the results of requests."""
        return self.bench.driver is not None and "results" in self.bench.hello.features

    # --- Sending

    def round(
        self, cases: Sequence[Case | Outgoing], within_s: float | None = None, *, together: bool = False
    ) -> list[Sent]:
        """Send all of them at the same moment and wait until each is answered or late.

        `together`: hold the last bytes back until all others are sent. Raises Ended if the time is up, or the receiver
        is dead.
        """
        if not cases:
            return []
        outgoing = self._addressed([each if isinstance(each, Outgoing) else Outgoing(each) for each in cases])
        # Near the end answers have less time, but enough to show that they are late.
        most_s = max(self.ends_at - time.monotonic(), QUICKLY_S + 0.5)
        within_s = min(self.waits_s if within_s is None else within_s, most_s)
        sent = self._together(outgoing, within_s) if together else self._at_once(outgoing, within_s)
        self.bench.tick(len(cases))
        if self._look_after(sent) and 1 < len(sent) < CROWD and not together:
            # The requests that were open when the receiver died are sent again one by one, to find the cause.
            for place, each in enumerate(sent):
                if each.lost:
                    sent[place] = self._again(each)
                    self._look_after([sent[place]])
        return sent

    def one_by_one(self, outgoing: Sequence[Outgoing]) -> None:
        """Send them one after the other, those with `keeps` on the connection of the one before."""
        with Posting(self.tls) as posting:
            for listed in outgoing:
                (each,) = self._addressed([listed])
                if not each.keeps:
                    posting.close()
                used = posting.reusable
                sent = self._asked_alone(each, posting)
                if sent.lost and used:  # HTTP allows the connection to be closed meanwhile
                    posting.close()
                    sent = self._asked_alone(each, posting, attempt=2)
                self.bench.tick()
                self._look_after([sent])

    def beside_a_call(self, cases: Sequence[Case]) -> None:
        """Send them while the client makes a call, so that its driver cannot be started again."""
        self.busy = True
        try:
            with suppress(Ended):
                self.round(cases)
        finally:
            self.busy = False

    def _addressed(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Plan requests to the current addresses of the receivers. Raises Ended."""
        if time.monotonic() > self.ends_at:
            raise Ended(TIME_IS_UP)
        addressed: list[Outgoing] = []
        for each in outgoing:
            receiver = self.receivers[each.case.command or ""]
            if why := self.dead.get(receiver.address):
                raise Ended(why)
            request = replace(each.case.request, url=receiver.url)
            addressed.append(replace(each, case=replace(each.case, request=request)))
        self.bench.plan([each.case for each in addressed])
        return addressed

    def _noted(self, outgoing: Sequence[Outgoing], attempt: int = 1) -> tuple[list[int], float]:
        at, wall = time.monotonic(), time.time()
        journal = self.bench.journal
        return [journal.sent(each.case.id, attempt, each.case.request, at, wall) for each in outgoing], at

    def _at_once(self, outgoing: Sequence[Outgoing], within_s: float) -> list[Sent]:
        numbers, at = self._noted(outgoing)
        ready = threading.Barrier(len(outgoing))

        def send(number: int, each: Outgoing) -> Sent:
            ready.wait()
            with Posting(self.tls, within_s) as posting:
                return self._asked(number, at, each, posting, within_s)

        with ThreadPoolExecutor(len(outgoing), thread_name_prefix="delivery") as workers:
            sent = list(workers.map(send, numbers, outgoing))
        if len(sent) < CROWD:
            return sent
        # In a crowd a connection may be reset; every gateway sends again then.
        return [self._again(each) if each.reset else each for each in sent]

    def _again(self, sent: Sent) -> Sent:
        url = self.receivers[sent.case.command or ""].url
        each = Outgoing(replace(sent.case, request=replace(sent.case.request, url=url)))
        with Posting(self.tls) as posting:
            return self._asked_alone(each, posting, attempt=2)

    def _together(self, outgoing: Sequence[Outgoing], within_s: float) -> list[Sent]:
        """Like `_at_once`; one thread releases the last bytes of all that got a connection in time."""
        if proxy_for(httpx.URL(outgoing[0].case.request.url)) is not None:
            return self._at_once(outgoing, within_s)
        numbers, at = self._noted(outgoing)
        gathered, gate, lock = threading.Semaphore(0), threading.Event(), threading.Lock()
        begun: list[Posting] = []

        def ask(each: Outgoing) -> Response:
            with Posting(self.tls, within_s) as posting:
                try:
                    posting.connect(each.case.request.url)
                    posting.begin(each.case.request, each.framing)
                    with lock:
                        late = gate.is_set()
                        if not late:
                            begun.append(posting)
                finally:
                    gathered.release()
                if late:
                    posting.release()
                else:
                    gate.wait()
                return posting.answer(within_s)

        with ThreadPoolExecutor(len(outgoing), thread_name_prefix="delivery") as workers:
            sent = [
                workers.submit(self._recorded, number, at, each, partial(ask, each))
                for number, each in zip(numbers, outgoing, strict=True)
            ]
            deadline = time.monotonic() + GATHERED_WITHIN_S
            for _ in outgoing:
                gathered.acquire(timeout=max(0.0, deadline - time.monotonic()))
            with lock:
                for posting in begun:
                    posting.release()
                gate.set()
            return [each.result() for each in sent]

    def _asked_alone(self, each: Outgoing, posting: Posting, attempt: int = 1) -> Sent:
        (number,), at = self._noted([each], attempt)
        return self._asked(number, at, each, posting, self.waits_s)

    def _asked(self, number: int, at: float, each: Outgoing, posting: Posting, within_s: float) -> Sent:
        request = each.case.request

        def ask() -> Response:
            if proxy_for(httpx.URL(request.url)) is not None:
                with Connection(within_s, KeepAlive(), self.tls) as connection:
                    return connection.ask(request).response
            if not posting.reusable:
                posting.connect(request.url)
            posting.begin(request, each.framing)
            posting.release()
            return posting.answer(within_s)

        return self._recorded(number, at, each, ask)

    def _recorded(self, number: int, at: float, each: Outgoing, ask: Callable[[], Response]) -> Sent:
        """Ask, and record the answer or the failure."""
        journal = self.bench.journal
        try:
            response = ask()
        except Unanswered as unanswered:
            journal.failed(number, str(unanswered), time.monotonic(), unsent=unanswered.never_left)
            lost, reset = "within" not in str(unanswered), isinstance(unanswered, Reset)
            return Sent(each.case, None, None, lost=lost, reset=reset, reached=not unanswered.never_left)
        answered_at = time.monotonic()
        journal.answered(number, response, answered_at)
        return Sent(each.case, response, answered_at - at)

    # --- The receiver's life

    def _look_after(self, sent: Sequence[Sent]) -> bool:
        """Look for the receiver of a lost request; if it died, note that and get it back; whether it died.

        Raises Ended if it does not come back.
        """
        lost = [each for each in sent if each.lost]
        if not lost or self.busy:
            self.suspects = []
            return False
        reached = [each.case.id for each in lost if each.reached]
        suspects = self.suspects or reached or [each.case.id for each in lost]
        url = lost[0].case.request.url
        if proxy_for(httpx.URL(url)) is not None or self._lives(url):
            self.suspects = suspects  # it may only be about to end
            return False
        self.suspects = []
        self.deaths += 1
        command = lost[0].case.command or ""
        died = [s for s in self.receivers.values() if s.address == self.receivers[command].address]
        detail = {
            "case": suspects[0] if len(suspects) == 1 else None,
            "commands": [each.command.name for each in died],
        }
        self.bench.journal.note("receiver-died", detail)
        why = f"the receiver was no longer there after {' or '.join(suspects[:MOST_NAMED])}"
        if not self._back(command, url) or self.deaths >= MOST_DEATHS:
            self.dead.update((self.receivers[each.command.name].address, why) for each in died)
            raise Ended(why)
        return True

    def _lives(self, url: str) -> bool:
        """Whether the receiver lives, also after a moment, for a process takes a while to end."""
        driver = self.bench.driver if self.bench.settings.callback_url is None else None
        until = time.monotonic() + ENDS_WITHIN_S
        while listening(url) and not (driver is not None and driver.exited):
            if time.monotonic() > until:
                return True
            time.sleep(POLL_S)  # the end of a foreign process is not announced
        return False

    def _back(self, command: str, url: str) -> bool:
        """Whether there is a receiver again: after a restart of the driver, or by another supervisor."""
        bench = self.bench
        if bench.driver is not None and bench.settings.callback_url is None:
            try:
                bench.restart()
            except Death:
                return False
            for name, now in bench.callbacks.items():
                if name in self.receivers:
                    restarted = self.receivers[name]
                    restarted.url = now
                    restarted.ids.clear()
                    restarted.known.clear()
            url = self.receivers[command].url if command in self.receivers else url
        until = time.monotonic() + BACK_WITHIN_S
        while not listening(url):
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)  # nor its start
        return True

    # --- Ids that the client knows

    def make_known(self, receiver: ReceiverUnderTest, count: int) -> None:
        """Have the client make calls until it knows `count` requests without a notification."""
        bench, command = self.bench, receiver.command
        if command.name not in bench.commands or len(receiver.ids) >= count:
            return
        ends_at = min(time.monotonic() + CALLS_WITHIN_S, self.ends_at)
        for params in self._payloads(receiver, 2 * (count - len(receiver.ids))):
            if len(receiver.ids) >= count or time.monotonic() > ends_at:
                break
            request_id = receiver.unknown_id()
            if self.call_with_id(receiver, request_id, params):
                receiver.ids.append(request_id)
        receiver.knows = receiver.knows or bool(receiver.ids)

    def call_with_id(
        self,
        receiver: ReceiverUnderTest,
        request_id: str,
        params: dict[str, str] | None = None,
        before_answer: Callable[[Reaction], None] | None = None,
    ) -> bool:
        """Have the client make a call that is answered with this id; whether it reports it as accepted.

        `before_answer` is called before the answer goes out; the call is known by then.
        """
        bench, name = self.bench, receiver.command.name
        if name not in bench.commands:
            return False
        asked = params or next(iter(self._payloads(receiver, 1)))
        call = bench.cases.call(name, answered_with(request_id), "receiving", asked)
        bench.plan([call.case])
        receiver.known[request_id] = call
        report = bench.invoke(call, before_answer) or {}
        if report.get("outcome") != "accepted" or report.get("request_id") not in {None, request_id}:
            del receiver.known[request_id]
            return False
        return True

    def _payloads(self, receiver: ReceiverUnderTest, count: int) -> list[dict[str, str]]:
        seed = Random(f"{self.bench.settings.seed}/{receiver.command.name}/{receiver.count}").getrandbits(32)
        receiver.count += 1
        command = receiver.contract.commands[receiver.command.name]
        payloads = fresh_payloads(receiver.contract, command, Constraints(), count, seed, [])
        return [params_of(each, self.bench.hello.lacks) for each in payloads]

    def ask(self, cases: Iterable[Case], *, also: Iterable[str] = ()) -> None:
        """Ask about the requests of these notifications, and about others, under the last case.

        While a known request is open, ask again: a receiver may answer first and pass the result on a little later. If
        no result came, the next wait is half as long.
        """
        asked = list(cases)
        last = asked[-1:]
        until = time.monotonic() + self.patience_s
        while asked:
            states = zip(asked, self.ask_once(asked), strict=True)
            asked = [case for case, state in states if state in OPEN and self._should_know(case)]
            if asked and time.monotonic() > until:
                self.patience_s /= 2
                self.late += asked
                break
            if asked:
                time.sleep(ASK_AGAIN_S)  # the protocol lets a driver answer, not announce
        for case in last:
            self.ask_of((request_id, case) for request_id in also)

    def ask_once(self, cases: Iterable[Case]) -> list[str | None]:
        """The state of the request of each notification, as the client reports it."""
        return self.ask_of((self.receivers[case.command or ""].id_in(case), case) for case in cases)

    def ask_of(self, asked: Iterable[tuple[str, Case]]) -> list[str | None]:
        """The state of each request_id, asked under the case beside it."""
        if not self.can_ask:
            return [None for _ in asked]
        answers = [self.bench.result(request_id, case.id) for request_id, case in asked]
        return [None if answer is None else str(answer.get("state")) for answer in answers]

    def _should_know(self, case: Case) -> bool:
        """Whether the client should know the request of a notification."""
        receiver = self.receivers[case.command or ""]
        return receiver.makes_no_calls or receiver.id_in(case) in receiver.known

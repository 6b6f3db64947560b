"""What an examination of receivers works with: rounds of requests, the receiver's life, the time that is left.

    Examination     sends rounds, has ids made known to the client, starts a driver again whose receivers have died
    Ended           why nothing more is sent to a receiver
    Sent            a case that was sent

What is sent at the same moment is a round; the next one begins when all of it is answered. Where a request gets no
answer, it is looked at once whether the receiver is still there: so a death is noted with the request that it died of.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

import httpx

from conformance.client.driver import Death
from conformance.client.posting import Posting, Reset, listening
from conformance.client.rules.receiver_requests import CROWD
from conformance.client.rules.receiving import QUICKLY_S, waited_s
from conformance.client.scenarios import answered_with
from conformance.client.subject import Known, Outgoing, Subject
from conformance.mock.gateway import Reaction
from conformance.model.traffic import Case, Response
from conformance.payloads.addressees import Constraints
from conformance.payloads.valid import fresh_payloads
from conformance.wire.connection import Connection, KeepAlive, Unanswered
from conformance.wire.proxies import proxy_for

if TYPE_CHECKING:
    from conformance.client.certification import Bench

# A notification is waited for until it is surely late.
SURELY_S = 0.5

EXAMINED_WITHIN_S = 65.0
"""After this nothing new is sent: a certification ends within 90 s, and calls and the last answer take time, too."""

GATHERED_WITHIN_S = 1.0
"""Requests are released together that got a connection within this; a backlog may be short."""

CALLS_WITHIN_S = 10.0
"""Time for calls that make ids known; where it does not suffice, notifications have unknown ids."""

BACK_WITHIN_S = 3.0
"""A receiver that somebody watches over is started again in this time."""

MOST_DEATHS = 5

# Of what was under way when a receiver died, so many are named where nothing more can be told.
MOST_NAMED = 4

# What a receiver has thanked for is known to its client by then.
DEALT_WITH_WITHIN_S = 2.0
ASK_AGAIN_S = 0.05

OPEN = frozenset({"pending", "unknown"})

# A process that is going to end has closed its port by then.
ENDS_WITHIN_S = 0.2
POLL_S = 0.02

TIME_IS_UP = "the time for the examination of receivers was up"


class Ended(Exception):
    """Nothing more is sent to a receiver; the text says why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A case that was sent: its answer, and the seconds that it took; None if there was none.

    `lost`: there was no answer, and there would not be one later; `reached`: there was a connection;
    `reset`: and it was reset.
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
    """What all parts work with. `subjects` by command; `ends_at`: from then on (monotonic seconds) nothing is sent.

    `gone`: why there is no receiver any more, by the scheme and address that it had. `late`: waited for in vain.
    """

    bench: Bench
    tls: ssl.SSLContext
    subjects: dict[str, Subject]
    ends_at: float
    deaths: int = 0
    patience_s: float = DEALT_WITH_WITHIN_S
    gone: dict[tuple[str, bytes], str] = field(default_factory=dict)
    late: list[tuple[str, Case]] = field(default_factory=list, repr=False)
    # What was lost last, if nothing has been answered since.
    suspects: list[str] = field(default_factory=list, repr=False)
    # The driver is asked for something: it cannot be started again meanwhile.
    busy: bool = field(default=False, repr=False)

    @property
    def waits_s(self) -> float:
        """How long the answer to a notification is waited for."""
        return waited_s(self.bench.settings.contract) + SURELY_S

    @property
    def can_ask(self) -> bool:
        """Whether the client can be asked what became of a request."""
        return self.bench.driver is not None and "results" in self.bench.hello.features

    # --- Sending

    def round(
        self, cases: Sequence[Case | Outgoing], within_s: float | None = None, *, together: bool = False
    ) -> list[Sent]:
        """Send all of them at the same moment and wait until each is answered, or has not been in time.

        `together`: they are on their way, but for the last byte of each, before any of them can be acted on. Raises
        Ended where the time is up, or the receiver is no more.
        """
        if not cases:
            return []
        outgoing = self._addressed([each if isinstance(each, Outgoing) else Outgoing(each) for each in cases])
        # Near the end nobody is waited for as long as it may take; that an answer is late is told all the same.
        most_s = max(self.ends_at - time.monotonic(), QUICKLY_S + 0.5)
        within_s = min(self.waits_s if within_s is None else within_s, most_s)
        sent = self._together(outgoing, within_s) if together else self._at_once(outgoing, within_s)
        self.bench.tick(len(cases))
        if self._look_after(sent) and 1 < len(sent) < CROWD and not together:
            return [self._alone(each) if each.lost else each for each in sent]
        return sent

    def _alone(self, sent: Sent) -> Sent:
        """Send again what was under way when the receiver died: alone it shows what it did."""
        again = self._again(sent)
        self._look_after([again])
        return again

    def one_by_one(self, outgoing: Sequence[Outgoing]) -> None:
        """Send them one after the other; those that keep the connection of the one before it, if it was left open."""
        posting: Posting | None = None
        try:
            for listed in outgoing:
                (each,) = self._addressed([listed])
                used = posting is not None and posting.reusable
                if posting is None or not (each.keeps and used):
                    if posting is not None:
                        posting.close()
                    posting, used = Posting(each.case.request.url, self.tls), False
                sent = self._asked(*self._noted([each]), each, posting, self.waits_s)
                if sent.lost and used:  # it may have crossed the close of the connection, which HTTP allows
                    posting.close()
                    posting = Posting(each.case.request.url, self.tls)
                    sent = self._asked(*self._noted([each], attempt=2), each, posting, self.waits_s)
                self.bench.tick()
                self._look_after([sent])
        finally:
            if posting is not None:
                posting.close()

    def beside_a_call(self, cases: Sequence[Case]) -> None:
        """Send them while the client makes a call, in which nobody can start its driver again."""
        self.busy = True
        try:
            with suppress(Ended):
                self.round(cases)
        finally:
            self.busy = False

    def _addressed(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Plan them, to where the receivers listen now. Raises Ended."""
        if time.monotonic() > self.ends_at:
            raise Ended(TIME_IS_UP)
        addressed: list[Outgoing] = []
        for each in outgoing:
            subject = self.subjects[each.case.command or ""]
            if why := self.gone.get(subject.address):
                raise Ended(why)
            request = replace(each.case.request, url=subject.url)
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
            with Posting(each.case.request.url, self.tls, within_s) as posting:
                return self._asked([number], at, each, posting, within_s)

        with ThreadPoolExecutor(len(outgoing), thread_name_prefix="delivery") as workers:
            sent = list(workers.map(send, numbers, outgoing))
        if len(sent) < CROWD:
            return sent
        # Whoever has connections reset when many come sends again; so does every gateway.
        return [self._again(each) if each.reset else each for each in sent]

    def _again(self, sent: Sent) -> Sent:
        url = self.subjects[sent.case.command or ""].url
        each = Outgoing(replace(sent.case, request=replace(sent.case.request, url=url)))
        with Posting(url, self.tls) as posting:
            return self._asked(*self._noted([each], attempt=2), each, posting, self.waits_s)

    def _together(self, outgoing: Sequence[Outgoing], within_s: float) -> list[Sent]:
        """As `_at_once`; one thread releases the last bytes of all that have got a connection in time."""
        if proxy_for(httpx.URL(outgoing[0].case.request.url)) is not None:
            return self._at_once(outgoing, within_s)
        numbers, at = self._noted(outgoing)
        gathered, gate, lock = threading.Semaphore(0), threading.Event(), threading.Lock()
        begun: list[Posting] = []

        def send(number: int, each: Outgoing) -> Sent:
            with Posting(each.case.request.url, self.tls, within_s) as posting:
                try:
                    posting.connect()
                    posting.begin(each.case.request, each.form)
                except Unanswered as unanswered:
                    gathered.release()
                    return self._failed(number, each, unanswered)
                with lock:
                    late = gate.is_set()
                    if not late:
                        begun.append(posting)
                gathered.release()
                if late:
                    posting.release()
                else:
                    gate.wait()
                return self._answered(number, each, at, within_s, posting)

        with ThreadPoolExecutor(len(outgoing), thread_name_prefix="delivery") as workers:
            sent = [workers.submit(send, number, each) for number, each in zip(numbers, outgoing, strict=True)]
            deadline = time.monotonic() + GATHERED_WITHIN_S
            for _ in outgoing:
                gathered.acquire(timeout=max(0.0, deadline - time.monotonic()))
            with lock:
                for posting in begun:
                    posting.release()
                gate.set()
            return [each.result() for each in sent]

    def _asked(self, numbers: list[int], at: float, each: Outgoing, posting: Posting, within_s: float) -> Sent:
        number, request = numbers[0], each.case.request
        if proxy_for(httpx.URL(request.url)) is not None:
            return self._through_a_proxy(number, each, at, within_s)
        try:
            if not posting.reusable:
                posting.connect()
            posting.begin(request, each.form)
        except Unanswered as unanswered:
            return self._failed(number, each, unanswered)
        posting.release()
        return self._answered(number, each, at, within_s, posting)

    def _through_a_proxy(self, number: int, each: Outgoing, at: float, within_s: float) -> Sent:
        with Connection(within_s, KeepAlive(), self.tls) as connection:
            try:
                response = connection.ask(each.case.request).response
            except Unanswered as unanswered:
                return self._failed(number, each, unanswered)
        answered_at = time.monotonic()
        self.bench.journal.answered(number, response, answered_at)
        return Sent(each.case, response, answered_at - at)

    def _answered(self, number: int, each: Outgoing, at: float, within_s: float, posting: Posting) -> Sent:
        try:
            response = posting.answer(within_s)
        except Unanswered as unanswered:
            return self._failed(number, each, unanswered)
        answered_at = time.monotonic()
        self.bench.journal.answered(number, response, answered_at)
        return Sent(each.case, response, answered_at - at)

    def _failed(self, number: int, each: Outgoing, unanswered: Unanswered) -> Sent:
        self.bench.journal.failed(number, str(unanswered), time.monotonic(), unsent=unanswered.never_left)
        lost = "within" not in str(unanswered)
        reset = isinstance(unanswered, Reset)
        return Sent(each.case, None, None, lost=lost, reset=reset, reached=not unanswered.never_left)

    # --- The receiver's life

    def _look_after(self, sent: Sequence[Sent]) -> bool:
        """Where a request was lost, see whether its receiver is still there; if not, note its death and have it back.

        Whether it had died and is back. Raises Ended where it is not.
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
        dead = [s for s in self.subjects.values() if s.address == self.subjects[command].address]
        detail = {"case": suspects[0] if len(suspects) == 1 else None, "commands": [each.command.name for each in dead]}
        self.bench.journal.note("receiver-died", detail)
        why = f"the receiver was no longer there after {' or '.join(suspects[:MOST_NAMED])}"
        if not self._back(command, url) or self.deaths >= MOST_DEATHS:
            self.gone.update((self.subjects[each.command.name].address, why) for each in dead)
            raise Ended(why)
        return True

    def _lives(self, url: str) -> bool:
        """Whether the receiver is there, and stays for a moment: a process takes a while to end."""
        driver = self.bench.driver if self.bench.settings.callback_url is None else None
        until = time.monotonic() + ENDS_WITHIN_S
        while listening(url) and not (driver is not None and driver.exited):
            if time.monotonic() > until:
                return True
            time.sleep(POLL_S)  # nothing announces the end of a process that may not be ours
        return False

    def _back(self, command: str, url: str) -> bool:
        """Whether there is a receiver again: the driver's, started anew, or one that somebody else watches over."""
        bench = self.bench
        if bench.driver is not None and bench.settings.callback_url is None:
            try:
                bench.restart()
            except Death:
                return False
            for name, now in bench.callbacks.items():
                if name in self.subjects:
                    forgetful = self.subjects[name]
                    forgetful.url = now
                    forgetful.ids.clear()
                    forgetful.known.clear()
            url = self.subjects[command].url if command in self.subjects else url
        until = time.monotonic() + BACK_WITHIN_S
        while not listening(url):
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)  # nor that it listens again
        return True

    # --- Ids that the client knows

    def make_known(self, subject: Subject, count: int) -> None:
        """See to it that the client knows `count` requests that nobody was notified of, by calls of its own."""
        bench, command = self.bench, subject.command
        if command.name not in bench.commands or len(subject.ids) >= count:
            return
        ends_at = min(time.monotonic() + CALLS_WITHIN_S, self.ends_at)
        for params in self._payloads(subject, 2 * (count - len(subject.ids))):
            if len(subject.ids) >= count or time.monotonic() > ends_at:
                break
            request_id = subject.unknown_id()
            if self.call_with_id(subject, request_id, params):
                subject.ids.append(request_id)
        subject.knows = subject.knows or bool(subject.ids)

    def call_with_id(
        self,
        subject: Subject,
        request_id: str,
        params: dict[str, str] | None = None,
        before_answer: Callable[[Reaction], None] | None = None,
    ) -> bool:
        """Have the client make a call that is answered with this id; whether it says that it was accepted under it.

        `before_answer` is called before the answer goes out; the call is known then.
        """
        bench, name = self.bench, subject.command.name
        if name not in bench.commands:
            return False
        asked = params or next(iter(self._payloads(subject, 1)))
        call = bench.cases.call(name, answered_with(request_id), "receiving", asked)
        bench.plan([call.case])
        subject.known[request_id] = Known(call.case.id, asked)
        said = bench.invoke(call, before_answer)
        accepted = said is not None and said.get("outcome") == "accepted"
        if said is None or not accepted or said.get("request_id") not in {None, request_id}:
            del subject.known[request_id]
            return False
        return True

    def _payloads(self, subject: Subject, count: int) -> list[dict[str, str]]:
        seed = Random(f"{self.bench.settings.seed}/{subject.command.name}/{subject.count}").getrandbits(32)
        subject.count += 1
        lacks = self.bench.hello.lacks
        command = subject.contract.commands[subject.command.name]
        payloads = fresh_payloads(subject.contract, command, Constraints(), count, seed, [])
        return [{n: str(v) for n, v in each.members.items() if n not in lacks} for each in payloads]

    def ask(self, cases: Iterable[Case], *, also: Iterable[str] = ()) -> None:
        """Ask what became of the requests of these notifications, and of others, under the last case."""
        asked = [(self.subjects[case.command or ""].id_in(case), case) for case in cases]
        self._ask_until_known(asked)
        if asked:
            self.ask_of((request_id, asked[-1][1]) for request_id in also)

    def _ask_until_known(self, asked: list[tuple[str, Case]]) -> None:
        """Ask again where a known request is open: a receiver may thank first and deal with it a little later.

        Who is waited for in vain is waited for half as long the next time.
        """
        until = time.monotonic() + self.patience_s
        while asked:
            answers = [(each, self.ask_of([each])) for each in asked]
            asked = [each for each, (said, *_) in answers if said in OPEN and self._is_known(*each)]
            if asked and time.monotonic() > until:
                self.patience_s /= 2
                self.late += asked
                return
            if asked:
                time.sleep(ASK_AGAIN_S)  # the protocol lets a driver answer, not announce

    def _is_known(self, request_id: str, case: Case) -> bool:
        return (subject := self.subjects[case.command or ""]).makes_no_calls or request_id in subject.known

    def ask_of(self, asked: Iterable[tuple[str, Case]]) -> list[str | None]:
        """The state of each request_id as the client says it, asked under the case that it goes with."""
        if not self.can_ask:
            return [None for _ in asked]
        answers = [self.bench.result(request_id, case.id) for request_id, case in asked]
        return [None if answer is None else str(answer.get("state")) for answer in answers]

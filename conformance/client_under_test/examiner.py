"""The examination of receivers: notifications, and what is none, are sent to the client's callback URLs.

    examine         the part of a certification that does it, for every product whose callback URL is known
    reachable       EnvironmentFailure if nothing answers at a callback URL that the user gave

What is sent at the same moment is a round; the next one begins when all of it is answered. Junk comes last, so that a
receiver which does not survive it has been seen before. Notifications carry the request_id of a call that the client
was told to be accepted, as long as there are any; what became of them is asked where the client can tell. A receiver
that needs more than five seconds for its first notifications is left alone after them.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from conformance.checks.client.answers import USUAL_ID
from conformance.checks.client.receiving import WITHIN_S
from conformance.client_under_test.deliveries import FAILURES, Subject, first_cases, kinds_of_junk, repeated_cases
from conformance.client_under_test.plan import Call
from conformance.client_under_test.scenarios import SENDING
from conformance.contract.commands import COMMANDS, Command
from conformance.errors import EnvironmentFailure
from conformance.exchange.connection import Connection, KeepAlive, Unanswered, proxy_for
from conformance.exchange.failures import CONNECT_TIMEOUT_S
from conformance.generation.notifications import notifications
from conformance.generation.payloads import Constraints, ValidPayload, fresh_payloads
from conformance.mock_gateway.gateway import Answer
from conformance.traffic import Case

if TYPE_CHECKING:
    from conformance.client_under_test.certification import Bench

# An answer may take WITHIN_S; twice as long is waited for, to say how late it came.
ANSWER_WITHIN_S = 2 * WITHIN_S

# How fast a receiver works through a crowd is not judged, so long as it answers at all.
CROWD_WITHIN_S = 30.0

# A repeat is to come after the first one was dealt with, not only answered.
REPEAT_AFTER_S = 0.2

# So many at the same moment (issue 4: "200 in parallel").
CROWD = 200

# Of them so many are about requests that the client knows, if there are, so that it can be asked for them.
KNOWN_IN_CROWD = 40

# Equal notifications at the same moment.
SAME_MOMENT = 8

# Request ids that a product's examination needs to have been told to the client before it begins.
NEEDED_IDS = 32

# Requests that nobody was notified of, and that are asked for after notifications with unknown ids.
ASKED_OPEN = 2

EARLY_CALLS = 2

# The answer is held back so long, at most, for the notification that comes before it to be dealt with.
EARLY_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A case that was sent; `took_s`: seconds until the answer, None if there was none."""

    case: Case
    took_s: float | None


@dataclass(slots=True)
class Examination:
    """What all rounds work with. `asked` pairs of case and request_id wait to be asked for."""

    bench: Bench
    tls: Any

    @property
    def can_ask(self) -> bool:
        """Whether the client can be asked what became of a request."""
        return self.bench.driver is not None and "results" in self.bench.hello.features

    def round(self, cases: Sequence[Case], within_s: float = ANSWER_WITHIN_S) -> list[Sent]:
        """Send all of them at the same moment and wait until each is answered, or has not been in time."""
        if not cases:
            return []
        self.bench.plan(cases)
        at, wall = time.monotonic(), time.time()
        numbers = [self.bench.journal.sent(case.id, 1, case.request, at, wall) for case in cases]
        together = threading.Barrier(len(cases))

        def send(number: int, case: Case) -> Sent:
            together.wait()
            return Sent(case, self._send(number, case, at, within_s))

        with ThreadPoolExecutor(len(cases), thread_name_prefix="delivery") as workers:
            sent = list(workers.map(send, numbers, cases))
        self.bench.tick(len(cases))
        return sent

    def _send(self, number: int, case: Case, at: float, within_s: float) -> float | None:
        journal = self.bench.journal
        with Connection(within_s, KeepAlive(), self.tls) as connection:
            try:
                answer = connection.ask(case.request)
            except Unanswered as unanswered:
                journal.failed(number, str(unanswered), time.monotonic())
                return None
            answered_at = time.monotonic()
            journal.answered(number, answer.response, answered_at)
            return answered_at - at

    def ask(self, cases: Iterable[Case], *, also: Iterable[str] = ()) -> None:
        """Ask what became of the requests of these notifications, and of others, under the last case."""
        if not self.can_ask:
            return
        case_id = ""
        for case in cases:
            case_id = case.id
            self.bench.result(json.loads(case.request.body)["request_id"], case_id)
        for request_id in also:
            self.bench.result(request_id, case_id)


def examine(bench: Bench) -> None:
    """The part of a certification that examines receivers; does nothing where there are none."""
    urls = bench.callbacks
    if not urls:
        return
    bench.progress.phase("deliver", f"{len(urls)} receiver{'s' if len(urls) > 1 else ''}")
    tls = httpx.create_ssl_context(verify=any(url.startswith("https:") for url in urls.values()))
    examination = Examination(bench, tls)
    subjects = [_subject(bench, COMMANDS[name], url) for name, url in urls.items()]
    subjects = first_notifications(examination, subjects)
    repeats(examination, subjects)
    for part in (same_moment, out_of_order, unknown_ids, before_the_answer, crowd):
        for subject in subjects:
            part(examination, subject)
    for subject in subjects:
        junk(examination, subject)
    for subject in subjects:
        after_junk(examination, subject)


def _subject(bench: Bench, command: Command, url: str) -> Subject:
    chance = Random(f"{bench.settings.seed}/{command.name}/notifications")
    drawn = notifications(command, 64, bench.settings.seed)
    known = [each for each in bench.accepted.get(command.name, ()) if USUAL_ID.fullmatch(each.request_id)]
    missing = NEEDED_IDS - len(known)
    if command.name in bench.commands and missing > 0:
        for call in _calls(bench, command, missing, "receiving"):
            bench.plan([call.case])
            bench.invoke(call)
        known = [each for each in bench.accepted.get(command.name, ()) if USUAL_ID.fullmatch(each.request_id)]
    cases = {each.request_id: each.case_id for each in known}
    ids = deque(each.request_id for each in known)
    return Subject(command, url, ids, chance, _endless(drawn), knows=bool(ids), cases=cases)


def _calls(bench: Bench, command: Command, count: int, aspect: str) -> list[Call]:
    """Calls that are answered as usual, with payloads that are nothing special."""
    taken: list[ValidPayload] = []
    payloads = fresh_payloads(command, Constraints(), count, bench.settings.seed + len(aspect), taken)
    return [
        bench.cases.call(command.name, SENDING, aspect, {name: str(value) for name, value in payload.members.items()})
        for payload in payloads
    ]


def _endless(contents: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    while True:
        yield from contents


# --- Notifications, each of its own request


def first_notifications(examination: Examination, subjects: Sequence[Subject]) -> list[Subject]:
    """One for each of many requests, of all products at the same moment; the subjects that are fast enough to go on."""
    kept: list[Subject] = []
    rounds = [(subject, list(first_cases(subject, examination.bench.settings.seed))) for subject in subjects]
    sent = {each.case.id: each for each in examination.round([case for _, cases in rounds for case in cases])}
    for subject, cases in rounds:
        took = [sent[case.id].took_s for case in cases]
        if all(each is None or each > WITHIN_S for each in took):
            examination.bench.journal.note("left-alone", {"command": subject.command.name})
            continue
        if subject.knows:
            examination.ask(cases)
        kept.append(subject)
    return kept


# --- More than one of the same request


def repeats(examination: Examination, subjects: Sequence[Subject]) -> None:
    """The same again; and, where the client can be asked, something else instead. One wait serves all products."""
    pairs = [pair for subject in subjects for pair in repeated_cases(subject, contradicted=examination.can_ask)]
    examination.round([first for first, _ in pairs])
    time.sleep(REPEAT_AFTER_S)  # a distance between the two is what is wanted; there is nothing to await
    again = [second for _, second in pairs]
    examination.round(again)
    examination.ask(again)


def same_moment(examination: Examination, subject: Subject) -> None:
    """The same several times at the same moment."""
    content = subject.success(subject.next_id())
    cases = [subject.posted("same moment", content) for _ in range(SAME_MOMENT)]
    examination.round(cases)
    examination.ask(cases[-1:])


def out_of_order(examination: Examination, subject: Subject) -> None:
    """The last called for first; with outcomes that differ."""
    if not (examination.can_ask and subject.knows):
        return
    one, two, three = (subject.next_id() for _ in range(3))
    contents = (subject.success(three), subject.failure(one), subject.content(two, *FAILURES[1]))
    cases = [subject.posted("out of order", content) for content in contents]
    for case in cases:
        examination.round([case])
    examination.ask(cases)


def unknown_ids(examination: Examination, subject: Subject) -> None:
    """Of requests that nobody has made, while others are open."""
    contents = (subject.success(subject.unknown_id()), subject.failure(subject.unknown_id()))
    cases = [subject.posted("unknown id", content) for content in contents]
    examination.round(cases)
    open_ones = [*subject.ids][:ASKED_OPEN] + [*subject.ids][-ASKED_OPEN:]
    if subject.knows:
        examination.ask(cases[-1:], also=dict.fromkeys(open_ones))


def before_the_answer(examination: Examination, subject: Subject) -> None:
    """The witness answers a call only when its notification has been dealt with, or has had time to be."""
    bench = examination.bench
    if subject.command.name not in bench.commands or not examination.can_ask:
        return
    for call in _calls(bench, subject.command, EARLY_CALLS, "answered late"):
        early: list[Case] = []
        bench.plan([call.case])
        with ThreadPoolExecutor(1) as worker:
            bench.invoke(call, _telling_first(examination, subject, call, worker, early))
        examination.ask(early)


def _telling_first(
    examination: Examination, subject: Subject, call: Call, worker: ThreadPoolExecutor, early: list[Case]
) -> Callable[[Answer], None]:
    wait_s = min(EARLY_WAIT_S, examination.bench.settings.timeout_s / 2)

    def before(answer: Answer) -> None:
        if early or not isinstance(answer.reply.content, dict):
            return
        request_id = answer.reply.content["request_id"]
        subject.cases[request_id] = call.case.id
        early.append(subject.posted("before the answer", subject.success(request_id)))
        done = worker.submit(examination.round, early)
        try:
            done.result(wait_s)
        except TimeoutError:
            return  # a client that cannot listen while it calls is lawful

    return before


def crowd(examination: Examination, subject: Subject) -> None:
    """Many at the same moment, some of requests that the client knows."""
    spared = 1  # for after the junk
    known = [subject.next_id() for _ in range(min(KNOWN_IN_CROWD, max(0, len(subject.ids) - spared)))]
    unknown = [subject.unknown_id() for _ in range(CROWD - len(known))]
    cases = [subject.posted("crowd", subject.success(request_id)) for request_id in (*known, *unknown)]
    of_known = cases[: len(known)]
    subject.chance.shuffle(cases)
    examination.round(cases, CROWD_WITHIN_S)
    examination.ask(of_known)


# --- What is no notification


def junk(examination: Examination, subject: Subject) -> None:
    """Each kind of it in a round of its own: a receiver that dies of one of them is not blamed for the others."""
    for cases in kinds_of_junk(subject):
        examination.round(cases)


def after_junk(examination: Examination, subject: Subject) -> None:
    """Valid ones again, of a known request and of an unknown one."""
    known = [subject.posted("after junk", subject.success(subject.last_id()))] if subject.knows else []
    cases = [*known, subject.posted("after junk", subject.success(subject.unknown_id()))]
    examination.round(cases)
    examination.ask(known or cases)


# --- A receiver that the user names


def reachable(url: str) -> None:
    """Raises EnvironmentFailure, in one line, if there is nothing that listens where a callback URL leads."""
    if proxy_for(httpx.URL(url)) is not None:
        return  # what lies behind a proxy shows when it is asked
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    shown = url.partition("?")[0]
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_TIMEOUT_S).close()
    except TimeoutError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: no connection within {CONNECT_TIMEOUT_S:g} s",
            hint="is the receiver running, and may this machine connect to it?",
        ) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: {error.strerror or error}",
            hint="is the receiver running?",
        ) from error

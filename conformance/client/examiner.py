"""The examination of receivers: notifications and junk are sent to the client's callback URLs.

Answers are timed with few requests at once; crowds come near the end, and junk last, so that a receiver which does not
survive it has been judged before. Notifications carry the request_id of an accepted call, as long as there are any, or
any request_id where the client makes no calls; the client reports on them where it can. The first product at an address
gets everything; the others are mostly the same program, so they get some of every kind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from random import Random

from conformance.client.calling import Bench
from conformance.client.deliveries import (
    Outgoing,
    ReceiverUnderTest,
    basic_cases,
    claims,
    id_cases,
    kept_alive_cases,
    kinds_of_junk,
    repeated_cases,
    unusual_cases,
    wire_cases,
)
from conformance.client.examination import (
    EXAMINED_WITHIN_S,
    Ended,
    Examination,
    Sent,
)
from conformance.client.rules.inbox import CROWD, FEW, THRONG
from conformance.client.rules.receiving import QUICKLY_S
from conformance.contract.requirements import Actor
from conformance.mock.gateway import Reaction
from conformance.model.traffic import Case
from conformance.payloads.probes import FORMS, NEAR
from conformance.wire.streams import client_tls

# The time of a certification for the last answer, and for the parts after the examination.
KEPT_S = 8.0

# A repeat comes after the first one was processed, not only answered.
REPEAT_AFTER_S = 0.2

# Notifications of a crowd about requests that the client knows, so that it can be asked about them.
KNOWN_IN_CROWD = 10

# Equal notifications at the same moment, and the number of such bursts, each of another request.
SAME_MOMENT = 8
BURSTS, FEW_BURSTS, ONE_BURST = 5, 3, 1

# Request ids that the client has to know before a product's examination begins.
NEEDED_IDS, NEEDED_IDS_ELSEWHERE = 64, 40

# The same after a restart of the client.
IDS_AFTER_RESTART = 16

# Ids that are reserved for after the junk, and for malformed notifications.
NEEDED_LATE_IDS = 10

# Open requests that the client is asked about after notifications with unknown ids.
ASKED_OPEN = 2

EARLY_CALLS = 2

# The other URLs of an address get every third form of ids.
FEW_FORMS = 3

# The longest delay of an answer, in which the notification before it can be processed.
EARLY_WAIT_S = 1.0

# A receiver that needs longer for its first notification gets junk several at a time, not one by one.
QUICK_S = 0.5
SLOW_AT_ONCE = 16

# Where notifications take longer each, fewer are sent.
BRISK_S = 0.05

# Time for an answer to junk, where few are sent at once, and the number of late answers to each kind.
JUNK_WITHIN_S = QUICKLY_S
MOST_HANGS = 2

# 200 are sent at once if they would take no longer than this, judging by the time of 20.
THRONG_WITHIN_S = 10.0

# Inquiries: some one after the other, which are timed, and then some side by side.
ALONE, BESIDE = 3, 3
INQUIRY_EXTRA = {"x_channel": "till"}

NO_ANSWER = "the receiver did not answer its first notification"

Part = Callable[[Examination, ReceiverUnderTest], None]


def examine(bench: Bench) -> None:
    """Examine all receivers; do nothing where there are none."""
    contract = bench.settings.contract
    urls = bench.callbacks
    if focus := bench.settings.focus:
        asked_for = focus.commands(contract.catalogue, Actor.RECEIVER)
        urls = {name: url for name, url in urls.items() if name in asked_for}
    if not urls:
        return
    bench.progress.phase("deliver", f"{len(urls)} receiver{'s' if len(urls) > 1 else ''}")
    receivers: dict[str, ReceiverUnderTest] = {}
    for name, url in urls.items():
        receiver = ReceiverUnderTest(
            contract, contract.notified(name), url, Random(f"{bench.settings.seed}/{name}/notifications")
        )
        receiver.leads = all(receiver.address != other.address for other in receivers.values())
        receivers[name] = receiver
    tls = client_tls(bench.settings.ca_file)
    left_s = max(bench.patience.left_s - KEPT_S, 0.0)
    examination = Examination(bench, tls, receivers, time.monotonic() + min(EXAMINED_WITHIN_S, left_s))
    for name, receiver in receivers.items():
        receiver.makes_no_calls = examination.can_ask and name not in bench.commands
    for part in PARTS:
        for receiver in receivers.values():
            if not receiver.left_alone and receiver.is_asked is (part is inquired):
                try:
                    if receiver.knows and not receiver.ids:  # its client has forgotten them in a restart
                        examination.make_known(receiver, IDS_AFTER_RESTART)
                    part(examination, receiver)
                except Ended as ended:
                    receiver.left_alone = True
                    bench.journal.note("left-alone", {"command": receiver.command.name, "why": str(ended)})


# --- Notifications, each of another request


def first_of_all(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """One by itself; its time decides how the others are sent."""
    examination.make_known(receiver, NEEDED_IDS if receiver.leads else NEEDED_IDS_ELSEWHERE)
    leader = next(each for each in examination.receivers.values() if each.address == receiver.address)
    if not leader.quick:  # nor is this one, then
        receiver.quick = False
        return
    case = receiver.posted("success", receiver.success(receiver.next_id()))
    (sent,) = examination.round([case])
    if sent.took_s is None and not sent.lost:
        examination.dead[receiver.address] = NO_ANSWER
        raise Ended(NO_ANSWER)
    receiver.quick = sent.took_s is not None and sent.took_s <= QUICK_S
    receiver.speaks_1_0 = sent.response is not None and sent.response.http_version == "HTTP/1.0"
    if receiver.answers:
        examination.ask([case])


def basics(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Successes and failures; their answers decide which notifications follow."""
    cases, begun = list(basic_cases(receiver)), time.monotonic()
    sent = _few_at_once(examination, receiver, cases)
    receiver.brisk = time.monotonic() - begun <= BRISK_S * len(cases)
    if receiver.answers:
        examination.ask(each.case for each in sent)
    _learn(receiver, sent)


def _learn(receiver: ReceiverUnderTest, sent: Sequence[Sent]) -> None:
    """Leave out members and failures that the receiver does not take: it has failed for them already."""
    roles = receiver.contract.notification
    taken: list[dict[str, str]] = [json.loads(each.case.request.body) for each in sent if each.taken]
    for success in (True, False):
        forms = [members for members in taken if (members[roles.outcome] == roles.success) is success]
        if forms:
            most = max(forms, key=len)
            receiver.left_out[success] = receiver.optional - most.keys()
    codes = {members[roles.outcome] for members in taken}
    if failures := tuple(failure for failure in receiver.failures if failure[0] in codes):
        receiver.failures = failures


def unusual(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Extra fields and other texts; ids of every form; every way to write a notification."""
    bench, member = examination.bench, receiver.contract.notification.id
    cases = list(unusual_cases(receiver, bench.settings.seed))
    forms = FORMS if receiver.leads else dict([*FORMS.items()][::FEW_FORMS])
    ids = {form: made for form, make in forms.items() if receiver.allows(member, made := make(receiver.chance))}
    pairs = {form: make(receiver.chance) for form, make in [*NEAR.items()][: None if receiver.leads else 1]}
    near = {form: pair for form, pair in pairs.items() if all(receiver.allows(member, each) for each in pair)}
    for request_id in (*ids.values(), *chain.from_iterable(near.values())):
        if receiver.knows:
            examination.call_with_id(receiver, request_id)
    cases += id_cases(receiver, ids, near)
    written = list(wire_cases(receiver))
    _few_at_once(examination, receiver, [*cases, *written])
    if receiver.leads and receiver.quick:
        kept_alive = list(kept_alive_cases(receiver))
        examination.one_by_one(kept_alive)
        written += kept_alive
    if receiver.answers:
        examination.ask([*cases, *(each.case for each in written)])


def _few_at_once(examination: Examination, receiver: ReceiverUnderTest, cases: Sequence[Case | Outgoing]) -> list[Sent]:
    size = FEW if receiver.quick else SLOW_AT_ONCE
    batches = [cases[at : at + size] for at in range(0, len(cases), size)]
    return [sent for batch in batches for sent in examination.round(batch)]


# --- Several notifications of the same request


def repeats(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """The same again; and a contradiction, if the client reports on it."""
    pairs = list(repeated_cases(receiver, contradicted=examination.can_ask))
    examination.round([first for first, _ in pairs])
    time.sleep(REPEAT_AFTER_S)  # only the distance counts; there is nothing to await
    again = [second for _, second in pairs]
    size = 1 if receiver.quick else len(again)  # one by one, to see which one kills it
    for at in range(0, len(again), size):
        examination.round(again[at : at + size])
    examination.ask(again)
    receiver.repeated += again


def same_moment(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """The same several times at the same moment, for several requests: a race is not lost each time."""
    fewer = FEW_BURSTS if receiver.quick and receiver.leads != receiver.brisk else ONE_BURST
    for _ in range(BURSTS if receiver.leads and receiver.brisk else fewer):
        content = receiver.success(receiver.next_id())
        cases = [receiver.posted("same moment", content) for _ in range(SAME_MOMENT)]
        deaths = examination.deaths
        examination.round(cases, together=True)
        if examination.deaths > deaths:
            return
        examination.ask(cases[-1:])
        receiver.repeated.append(cases[-1])


def out_of_order(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """In the reverse order of the calls, with different outcomes."""
    if not (examination.can_ask and receiver.answers):
        return
    one, two, three = (receiver.next_id() for _ in range(3))
    contents = (receiver.success(three), receiver.failure(one), receiver.failure(two, kind=1))
    cases = [receiver.posted("out of order", content) for content in contents]
    for each in [[case] for case in cases] if receiver.quick else [cases[:1], cases[1:]]:
        examination.round(each)
    examination.ask(cases)


def unknown_ids(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Notifications of requests that nobody has made, while others are open."""
    contents = (receiver.success(receiver.unknown_id()), receiver.failure(receiver.unknown_id()))
    cases = [receiver.posted("unknown id", content) for content in contents]
    examination.round(cases)
    open_ones = [*receiver.ids][:ASKED_OPEN] + [*receiver.ids][-ASKED_OPEN:]
    if receiver.makes_no_calls:
        open_ones = [receiver.unknown_id() for _ in range(ASKED_OPEN)]
    if receiver.answers:
        examination.ask(cases[-1:], also=dict.fromkeys(open_ones))


def before_the_answer(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """The witness answers a call only when its notification was answered, or has had time to be."""
    if receiver.command.name not in examination.bench.commands or not examination.can_ask:
        return
    wait_s = min(EARLY_WAIT_S, examination.bench.settings.timeout_s / 2)
    for _ in range(EARLY_CALLS if receiver.quick else 1):
        _notify_before_answer(examination, receiver, receiver.unknown_id(), wait_s)


def _notify_before_answer(
    examination: Examination, receiver: ReceiverUnderTest, request_id: str, wait_s: float
) -> None:
    early: list[Case] = []

    def notify(answer: Reaction) -> None:
        if early or answer.reply.status != receiver.contract.answer.success:
            return
        early.append(receiver.posted("before the answer", receiver.success(request_id)))
        done = worker.submit(examination.beside_a_call, early)
        with suppress(TimeoutError):  # a client that cannot listen while it calls is lawful
            done.result(wait_s)

    with ThreadPoolExecutor(1) as worker:
        examination.call_with_id(receiver, request_id, before_answer=notify)
    examination.ask(early)


def inquired(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Inquiries, each with its own id; the client is asked about them if they have another URL than notifications.

    No notification follows: the form of an answer is not public, so nobody knows whether the receiver agreed.
    """
    success, words = receiver.contract.notification.success, "May it go through?"
    contents = [
        *(receiver.success(receiver.unknown_id()) for _ in range(ALONE + BESIDE - 2)),
        receiver.content(receiver.unknown_id(), success, words),
        receiver.content(receiver.unknown_id(), success, words, **INQUIRY_EXTRA),
    ]
    cases = [receiver.posted("inquiry", content) for content in contents]
    for each in (*([case] for case in cases[:ALONE]), cases[ALONE:]):
        examination.round(each)
    notified = examination.receivers.get(receiver.command.product or "")
    if notified is None or notified.url != receiver.url:
        examination.ask_once(cases)


def crowds(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Twenty at the same moment, and ten times as many if they would not take too long.

    Those of all products at one address come together, as a gateway sends them.
    """
    there = [
        s
        for s in examination.receivers.values()
        if s.address == receiver.address and not s.left_alone and not s.is_asked
    ]
    if receiver is not there[0]:
        return
    took_s = _crowd(examination, there, CROWD)
    if took_s is None or took_s * THRONG / CROWD <= THRONG_WITHIN_S:
        _crowd(examination, there, THRONG)


def _crowd(examination: Examination, receivers: Sequence[ReceiverUnderTest], size: int) -> float | None:
    """Send a crowd, partly about known requests; the longest time of an answer, None if there was none."""
    cases: list[Case] = []
    of_known: list[Case] = []
    for number, receiver in enumerate(receivers):
        share = len(range(number, size, len(receivers)))
        left = KNOWN_IN_CROWD if receiver.makes_no_calls else max(0, len(receiver.ids) - NEEDED_LATE_IDS)
        known = min(KNOWN_IN_CROWD, share, left)
        ids = [receiver.next_id() for _ in range(known)] + [receiver.unknown_id() for _ in range(share - known)]
        own = [receiver.posted("crowd", receiver.success(request_id)) for request_id in ids]
        cases += own
        of_known += own[:known]
    receivers[0].chance.shuffle(cases)
    sent = examination.round(cases)
    examination.ask(of_known)
    receivers[0].repeated += of_known
    return max((each.took_s for each in sent if each.took_s is not None), default=None)


def once_more(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Ask again about repeats and crowds, which may have been applied after they were answered."""
    if receiver.answers:
        late = [case for case in examination.late if case.command == receiver.command.name]
        examination.ask_once([*receiver.repeated, *late])


# --- Junk


def junk(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Each kind one by one, so that it is clear of which one the receiver dies.

    A slow receiver gets several at once, of all kinds where there are few of each.
    """
    kinds = list(kinds_of_junk(receiver).values())
    for cases in kinds if receiver.quick or receiver.leads else [list(chain.from_iterable(kinds))]:
        _send_junk(examination, receiver, cases)


def _send_junk(examination: Examination, receiver: ReceiverUnderTest, cases: Sequence[Case]) -> None:
    size = 1 if receiver.quick else SLOW_AT_ONCE
    hangs, deaths = 0, examination.deaths
    for batch in (cases[at : at + size] for at in range(0, len(cases), size)):
        sent = examination.round(batch, JUNK_WITHIN_S * max(1, len(batch) // FEW))
        hangs += sum(each.response is None and not each.lost for each in sent)
        if hangs >= MOST_HANGS or examination.deaths > deaths:
            return


def claimed(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Malformed notifications with the ids of open requests, which have to remain open."""
    if not (examination.can_ask and receiver.answers):
        return
    examination.make_known(receiver, NEEDED_LATE_IDS)
    claiming = list(claims(receiver))
    _send_junk(examination, receiver, [case for _, case in claiming])
    examination.ask_of(claiming)


def after_junk(examination: Examination, receiver: ReceiverUnderTest) -> None:
    """Valid notifications again, about a known request and about an unknown one."""
    if receiver.knows:
        examination.make_known(receiver, 1)
    known = [receiver.posted("after junk", receiver.success(receiver.ids.pop()))] if receiver.ids else []
    cases = [*known, receiver.posted("after junk", receiver.success(receiver.unknown_id()))]
    examination.round(cases)
    examination.ask(known or cases)


PARTS: tuple[Part, ...] = (
    first_of_all,
    basics,
    unusual,
    repeats,
    same_moment,
    out_of_order,
    unknown_ids,
    before_the_answer,
    inquired,
    crowds,
    junk,
    claimed,
    after_junk,
    once_more,
)
"""In order; each is done for all products before the next one begins."""

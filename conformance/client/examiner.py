"""The examination of receivers: notifications, and what is none, are sent to the client's callback URLs.

    examine         the part of a certification that does it, for every product whose callback URL is known
    trusted         the part before all else: EnvironmentFailure if a callback URL's certificate is not trusted

How long an answer takes is measured with few requests at once; crowds come near the end, and junk last, so that a
receiver which does not survive it has been seen before. Notifications carry the request_id of a call that the client
was told to be accepted, as long as there are any, or any request_id where its client makes no calls; what became of
them is asked where the client can tell. All of it is sent to the first product behind an address; behind the others'
URLs there is mostly the same program, so they get a part of what is costly and of every kind some.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

from conformance.client.deliveries import (
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
from conformance.client.inquiring import inquired
from conformance.client.preflight import reachable
from conformance.client.rules.receiver_requests import CROWD, FEW, THRONG
from conformance.client.rules.receiving import QUICKLY_S
from conformance.client.subject import Outgoing, Subject
from conformance.mock.gateway import Reaction
from conformance.model.traffic import Case
from conformance.payloads.notifications import FORMS, NEAR
from conformance.wire.trust import trusting

if TYPE_CHECKING:
    from conformance.client.certification import Bench

# Of a certification's time so much is for the last answer, and for what comes after the examination.
KEPT_S = 8.0

# A repeat is to come after the first one was dealt with, not only answered.
REPEAT_AFTER_S = 0.2

# Of a crowd so many are about requests that the client knows, if there are, so that it can be asked for them.
KNOWN_IN_CROWD = 10

# Equal notifications at the same moment; so often, each time of another request.
SAME_MOMENT = 8
BURSTS, FEW_BURSTS, ONE_BURST = 5, 3, 1

# Request ids that a product's examination needs to have been told to the client before it begins.
NEEDED_IDS, NEEDED_IDS_ELSEWHERE = 64, 40

# As many for what is left after a client was started again.
IDS_ANEW = 16

# Of them so many are for after the junk, and for what is no notification but claims to be one.
NEEDED_LATE_IDS = 10

# Requests that nobody was notified of, and that are asked for after notifications with unknown ids.
ASKED_OPEN = 2

EARLY_CALLS = 2

# Of the forms of ids every third is sent behind the other URLs of an address.
FEW_FORMS = 3

# The answer is held back so long, at most, for the notification that comes before it to be dealt with.
EARLY_WAIT_S = 1.0

# A receiver that needs longer for its first notification meets junk several at a time, not one by one.
QUICK_S = 0.5
SLOW_AT_ONCE = 16

# Where notifications take longer each, less is sent of what there is much of.
BRISK_S = 0.05

# Junk that is not answered within this, where few are sent at once, is not waited for any longer; of one kind, so many
# times at most.
JUNK_WITHIN_S = QUICKLY_S
MOST_HANGS = 2

# 200 at once are sent where they are answered within this, going by how long 20 took.
THRONG_WITHIN_S = 10.0

NO_ANSWER = "the receiver did not answer its first notification"

Part = Callable[[Examination, Subject], None]


def examine(bench: Bench) -> None:
    """The part of a certification that examines receivers; does nothing where there are none."""
    urls = bench.callbacks
    if not urls:
        return
    bench.progress.phase("deliver", f"{len(urls)} receiver{'s' if len(urls) > 1 else ''}")
    contract = bench.settings.contract
    subjects: dict[str, Subject] = {}
    for name, url in urls.items():
        subject = Subject(contract, contract.notified(name), url, Random(f"{bench.settings.seed}/{name}/notifications"))
        subject.leads = all(subject.address != other.address for other in subjects.values())
        subjects[name] = subject
    tls = trusting(bench.settings.ca_file)
    left_s = max(bench.patience.left_s - KEPT_S, 0.0)
    examination = Examination(bench, tls, subjects, time.monotonic() + min(EXAMINED_WITHIN_S, left_s))
    for name, subject in subjects.items():
        subject.makes_no_calls = examination.can_ask and name not in bench.commands
    for part in PARTS:
        for subject in subjects.values():
            if not subject.left_alone and subject.is_asked is (part is inquired):
                _do(part, examination, subject)


def _do(part: Part, examination: Examination, subject: Subject) -> None:
    try:
        if subject.knows and not subject.ids:  # its client was started again, and has forgotten them
            examination.make_known(subject, IDS_ANEW)
        part(examination, subject)
    except Ended as ended:
        subject.left_alone = True
        detail = {"command": subject.command.name, "why": str(ended)}
        examination.bench.journal.note("left-alone", detail)


# --- Notifications, each of its own request


def first_of_all(examination: Examination, subject: Subject) -> None:
    """One, by itself: how long it takes says how the others are sent."""
    examination.make_known(subject, NEEDED_IDS if subject.leads else NEEDED_IDS_ELSEWHERE)
    leader = next(each for each in examination.subjects.values() if each.address == subject.address)
    if not leader.quick:  # nor is this one, then
        subject.quick = False
        return
    case = subject.posted("success", subject.success(subject.next_id()))
    (sent,) = examination.round([case])
    if sent.took_s is None and not sent.lost:
        examination.gone[subject.address] = NO_ANSWER
        raise Ended(NO_ANSWER)
    subject.quick = sent.took_s is not None and sent.took_s <= QUICK_S
    subject.speaks_1_0 = sent.response is not None and sent.response.http_version == "HTTP/1.0"
    if subject.answers:
        examination.ask([case])


def basics(examination: Examination, subject: Subject) -> None:
    """Successes and failures; what was taken of them, and how fast, says what is sent from here on."""
    cases, begun = list(basic_cases(subject)), time.monotonic()
    sent = _few_at_once(examination, subject, cases)
    subject.brisk = time.monotonic() - begun <= BRISK_S * len(cases)
    if subject.answers:
        examination.ask(each.case for each in sent)
    _learn(subject, sent)


def _learn(subject: Subject, sent: Sequence[Sent]) -> None:
    """Leave out what a receiver cannot take, and tell no failure that it refuses: it has failed for that already."""
    roles = subject.contract.notification
    taken = [_members_of(each.case) for each in sent if each.taken]
    for success in (True, False):
        forms = [members for members in taken if (members[roles.outcome] == roles.success) is success]
        if forms:
            most = max(forms, key=len)
            subject.left_out[success] = subject.optional - most.keys()
    codes = {members[roles.outcome] for members in taken}
    if failures := tuple(failure for failure in subject.failures if failure[0] in codes):
        subject.failures = failures


def _members_of(case: Case) -> dict[str, str]:
    members: dict[str, str] = json.loads(case.request.body)
    return members


def unusual(examination: Examination, subject: Subject) -> None:
    """Extra fields and other texts; ids of every form; every way to write a notification."""
    bench, member = examination.bench, subject.contract.notification.id
    cases = list(unusual_cases(subject, bench.settings.seed))
    forms = FORMS if subject.leads else dict([*FORMS.items()][::FEW_FORMS])
    ids = {what: made for what, make in forms.items() if subject.allows(member, made := make(subject.chance))}
    pairs = {what: make(subject.chance) for what, make in [*NEAR.items()][: None if subject.leads else 1]}
    near = {what: pair for what, pair in pairs.items() if all(subject.allows(member, each) for each in pair)}
    for request_id in (*ids.values(), *chain.from_iterable(near.values())):
        if subject.knows:
            examination.call_with_id(subject, request_id)
    cases += id_cases(subject, ids, near)
    written = list(wire_cases(subject))
    _few_at_once(examination, subject, [*cases, *written])
    if subject.leads and subject.quick:
        kept_alive = list(kept_alive_cases(subject))
        examination.one_by_one(kept_alive)
        written += kept_alive
    if subject.answers:
        examination.ask([*cases, *(each.case for each in written)])


def _few_at_once(examination: Examination, subject: Subject, cases: Sequence[Case | Outgoing]) -> list[Sent]:
    size = FEW if subject.quick else SLOW_AT_ONCE
    batches = [cases[at : at + size] for at in range(0, len(cases), size)]
    return [sent for batch in batches for sent in examination.round(batch)]


# --- More than one of the same request


def repeats(examination: Examination, subject: Subject) -> None:
    """The same again; and, where the client can be asked, something else instead."""
    pairs = list(repeated_cases(subject, contradicted=examination.can_ask))
    examination.round([first for first, _ in pairs])
    time.sleep(REPEAT_AFTER_S)  # a distance between the two is what is wanted; there is nothing to await
    again = [second for _, second in pairs]
    size = 1 if subject.quick else len(again)  # one by one: what it dies of can only be seen here
    for at in range(0, len(again), size):
        examination.round(again[at : at + size])
    examination.ask(again)
    subject.repeated += [(subject.id_in(case), case) for case in again]


def same_moment(examination: Examination, subject: Subject) -> None:
    """The same several times at the same moment, and so with several requests: a race is not lost each time."""
    fewer = FEW_BURSTS if subject.quick and subject.leads != subject.brisk else ONE_BURST
    for _ in range(BURSTS if subject.leads and subject.brisk else fewer):
        content = subject.success(subject.next_id())
        cases = [subject.posted("same moment", content) for _ in range(SAME_MOMENT)]
        deaths = examination.deaths
        examination.round(cases, together=True)
        if examination.deaths > deaths:
            return
        examination.ask(cases[-1:])
        subject.repeated.append((subject.id_in(cases[-1]), cases[-1]))


def out_of_order(examination: Examination, subject: Subject) -> None:
    """The last called for first; with outcomes that differ."""
    if not (examination.can_ask and subject.answers):
        return
    one, two, three = (subject.next_id() for _ in range(3))
    contents = (subject.success(three), subject.failure(one), subject.failure(two, kind=1))
    cases = [subject.posted("out of order", content) for content in contents]
    for each in [[case] for case in cases] if subject.quick else [cases[:1], cases[1:]]:
        examination.round(each)
    examination.ask(cases)


def unknown_ids(examination: Examination, subject: Subject) -> None:
    """Of requests that nobody has made, while others are open."""
    contents = (subject.success(subject.unknown_id()), subject.failure(subject.unknown_id()))
    cases = [subject.posted("unknown id", content) for content in contents]
    examination.round(cases)
    open_ones = [*subject.ids][:ASKED_OPEN] + [*subject.ids][-ASKED_OPEN:]
    if subject.makes_no_calls:
        open_ones = [subject.unknown_id() for _ in range(ASKED_OPEN)]
    if subject.answers:
        examination.ask(cases[-1:], also=dict.fromkeys(open_ones))


def before_the_answer(examination: Examination, subject: Subject) -> None:
    """The witness answers a call only when its notification has been dealt with, or has had time to be."""
    if subject.command.name not in examination.bench.commands or not examination.can_ask:
        return
    for _ in range(EARLY_CALLS if subject.quick else 1):
        early: list[Case] = []
        request_id = subject.unknown_id()
        with ThreadPoolExecutor(1) as worker:
            tell = _telling_first(examination, subject, request_id, worker, early)
            examination.call_with_id(subject, request_id, before_answer=tell)
        examination.ask(early)


def _telling_first(
    examination: Examination, subject: Subject, request_id: str, worker: ThreadPoolExecutor, early: list[Case]
) -> Callable[[Reaction], None]:
    wait_s = min(EARLY_WAIT_S, examination.bench.settings.timeout_s / 2)

    def before(answer: Reaction) -> None:
        if early or answer.reply.status != subject.contract.answer.success:
            return
        early.append(subject.posted("before the answer", subject.success(request_id)))
        done = worker.submit(examination.beside_a_call, early)
        with suppress(TimeoutError):  # a client that cannot listen while it calls is lawful
            done.result(wait_s)

    return before


def crowds(examination: Examination, subject: Subject) -> None:
    """Twenty at the same moment; and ten times as many, where they would not take too long.

    They are for all products whose receivers have one address, as a gateway's are.
    """
    there = [
        s for s in examination.subjects.values() if s.address == subject.address and not s.left_alone and not s.is_asked
    ]
    if subject is not there[0]:
        return
    took_s = _crowd(examination, there, CROWD)
    if took_s is None or took_s * THRONG / CROWD <= THRONG_WITHIN_S:
        _crowd(examination, there, THRONG)


def _crowd(examination: Examination, subjects: Sequence[Subject], size: int) -> float | None:
    """So many at the same moment, some of requests that the client knows; how long they took, None if not answered."""
    cases: list[Case] = []
    of_known: list[Case] = []
    for number, subject in enumerate(subjects):
        share = len(range(number, size, len(subjects)))
        left = KNOWN_IN_CROWD if subject.makes_no_calls else max(0, len(subject.ids) - NEEDED_LATE_IDS)
        known = min(KNOWN_IN_CROWD, share, left)
        ids = [subject.next_id() for _ in range(known)] + [subject.unknown_id() for _ in range(share - known)]
        own = [subject.posted("crowd", subject.success(request_id)) for request_id in ids]
        cases += own
        of_known += own[:known]
    subjects[0].chance.shuffle(cases)
    sent = examination.round(cases)
    examination.ask(of_known)
    subjects[0].repeated += [(subjects[0].id_in(case), case) for case in of_known]
    return max((each.took_s for each in sent if each.took_s is not None), default=None)


def once_more(examination: Examination, subject: Subject) -> None:
    """Ask again for what was repeated or came in crowds: it may have been applied, or again, later than the thanks."""
    if subject.answers:
        late = [(of, case) for of, case in examination.late if case.command == subject.command.name]
        examination.ask_of([*subject.repeated, *late])


# --- What is no notification


def junk(examination: Examination, subject: Subject) -> None:
    """Each kind of it, one by one: what a receiver dies of is known, and the rest of that kind is spared it.

    A slow one gets several at once, of all kinds where there are few of each.
    """
    kinds = list(kinds_of_junk(subject).values())
    for cases in kinds if subject.quick or subject.leads else [list(chain.from_iterable(kinds))]:
        _send_junk(examination, subject, cases)


def _send_junk(examination: Examination, subject: Subject, cases: Sequence[Case]) -> None:
    size = 1 if subject.quick else SLOW_AT_ONCE
    hangs, deaths = 0, examination.deaths
    for batch in (cases[at : at + size] for at in range(0, len(cases), size)):
        sent = examination.round(batch, JUNK_WITHIN_S * max(1, len(batch) // FEW))
        hangs += sum(each.response is None and not each.lost for each in sent)
        if hangs >= MOST_HANGS or examination.deaths > deaths:
            return


def claimed(examination: Examination, subject: Subject) -> None:
    """What is no notification, and carries the id of an open request: asked for then, the request is still open."""
    if not (examination.can_ask and subject.answers):
        return
    examination.make_known(subject, NEEDED_LATE_IDS)
    claiming = list(claims(subject))
    _send_junk(examination, subject, [case for _, case in claiming])
    examination.ask_of(claiming)


def after_junk(examination: Examination, subject: Subject) -> None:
    """Valid ones again, of a known request and of an unknown one."""
    if subject.knows:
        examination.make_known(subject, 1)
    known = [subject.posted("after junk", subject.success(subject.last_id()))] if subject.ids else []
    cases = [*known, subject.posted("after junk", subject.success(subject.unknown_id()))]
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
"""In their order; each is done for all products before the next one begins."""


# --- A receiver that can be reached at all


def trusted(bench: Bench) -> None:
    """Raises EnvironmentFailure if the certificate of a callback URL is signed by an authority that is not trusted."""
    secure = {url for url in bench.callbacks.values() if url.startswith("https:")}
    for url in sorted(secure):
        reachable(url, trusting(bench.settings.ca_file))

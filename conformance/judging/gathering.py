"""What the evidence of a part of a run adds to the facts of the run, and requests sorted by their notifications.

The same functions sort for the facts and for the rules, so that both agree on what is missing, late or another's.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice

from conformance.judging.evidence import Evidence
from conformance.judging.excuses import (
    ACCESS_DENIED,
    AFTER_REFUSAL,
    ALWAYS_SENT,
    CUT_OFF,
    FROM_FILES,
    NETWORK_HOLDS_S,
    PLAIN,
    REFUSED,
    UNUSUAL,
    excuse_for_absence,
    excuse_for_lateness,
    in_an_outage,
)
from conformance.judging.facts import (
    LISTED,
    MOST_COMPARED,
    MOST_WORDS,
    NETWORK,
    RANGE,
    Amounts,
    AskedFor,
    KeptWords,
    PartFacts,
    PartOfCommand,
    TwinReply,
    Values,
    kept,
    kept_words,
)
from conformance.judging.judgement import Inconclusive, Reason
from conformance.judging.load_facts import Exemplar, LoadFacts
from conformance.judging.messages import TOO_MANY_REQUESTS, NotificationSummary, ResponseSummary
from conformance.judging.objectives import SLO, Timed
from conformance.judging.transactions import SEPARATOR, amount_in, sample_numbers
from conformance.model.traffic import CLOSED_ON_REUSE, LOST_WITH_ITS_SENDER, Kind

# Clocks are read at both ends of one process: an answer is dated when it was read, a notification when its head came
# in. Under load either may be late by this much without the gateway being late.
LATENESS_GRACE_S = 0.25

# Failures of requests of which the run does not show how the gateway answered.
UNKNOWN = (None, CLOSED_ON_REUSE, LOST_WITH_ITS_SENDER)

# Kinds of requests whose statuses show whether one kind of payload alone is refused.
USUAL = frozenset({Kind.VALID, Kind.HEADERS, Kind.BURST})


def facts_of(evidence: Evidence) -> PartFacts:
    """The facts that this evidence adds to those of its run."""
    arrivals = evidence.arrivals
    orphans: dict[str | None, array[int]] = defaultdict(lambda: array("q"))
    for arrival in arrivals:
        if arrival.orphan:
            orphans[arrival.product].append(arrival.number)
    return PartFacts(
        sum(outcome.accepted for outcome in evidence.final.values()),
        Counter(evidence.unreadable_answers),
        Counter(evidence.unreadable_notices),
        Counter(evidence.without_content),
        Counter(evidence.of_anybody),
        Counter() if evidence.share.leads else evidence.missing(),
        set(map(kept, evidence.said_of_success)),
        {
            kept(outcome.said)
            for outcome in evidence.outcomes
            if not outcome.accepted and outcome.said is not None and not outcome.is_probe_of_path
        },
        evidence.paid_in,
        {arrival.product for arrival in arrivals},
        any(arrival.answer is not None for arrival in arrivals),
        dict(orphans),
        {id_: _reply(evidence.final[id_]) for id_ in evidence.share.twins if id_ in evidence.final},
        _under_load(evidence),
        {command: _of_command(evidence, command) for command in evidence.commands},
    )


def _reply(answer: ResponseSummary) -> TwinReply:
    return TwinReply(answer.status, answer.accepted, answer.said)


def _of_command(evidence: Evidence, command: str | None) -> PartOfCommand:
    part = PartOfCommand()
    _add_account(part, evidence, command)
    recipient = evidence.contract.members.recipient or ""
    for answer in evidence.final_of(command):
        kind, aspect, words = answer.kind, answer.aspect, (answer.status, answer.said)
        if kind in USUAL:
            part.statuses[answer.status, aspect if aspect in UNUSUAL else PLAIN] += 1
        if kind is Kind.VALID:
            _add_valid(part, answer, kept_words(words))
        elif kind is Kind.BURST or (kind is Kind.REPEAT and aspect == AFTER_REFUSAL):
            part.asked.add(kept_words(words))
        elif kind is Kind.REPEAT and aspect == "window" and answer.rejected:
            _add_repeat(part, answer, evidence.earlier_of(answer))
        elif kind in REFUSED and answer.said is not None:
            part.deserved.add(kept(answer.said))
        if answer.status == ACCESS_DENIED and answer.account and recipient in answer.account.named:
            part.denied_numbers.add(answer.account.named[recipient])
    _add_notifications(part, evidence, command)
    return part


def _add_valid(part: PartOfCommand, answer: ResponseSummary, words: KeptWords) -> None:
    """Add the answer to a valid request."""
    part.valid_accepted = part.valid_accepted or answer.accepted
    if not answer.accepted and answer.aspect not in UNUSUAL:
        part.ordinary.add(words)
    always = answer.aspect in ALWAYS_SENT and not answer.case_id.startswith(FROM_FILES)
    if always and len(part.always) < MOST_WORDS:
        part.always.add(words)


def _add_repeat(part: PartOfCommand, refused: ResponseSummary, first: ResponseSummary | None) -> None:
    """Add the refusal of a repeat; `first`: the answer to the request that it repeats."""
    words = refused.status, refused.said
    part.repeats.add(refused.number, words)
    if first is not None and first.accepted:
        part.after_accepted.add(refused.number, words)


def _add_account(part: PartOfCommand, evidence: Evidence, command: str | None) -> None:
    payer = evidence.payers.get(command)
    if payer is None:
        return
    part.served, part.dearest = True, payer.dearest
    denied = _denied(evidence, command) if evidence.share.denied is None else evidence.share.denied.get(command, {})
    part.named = {member: payer.named[member] & values for member, values in denied.items() if member in payer.named}
    recipient = evidence.contract.members.recipient or ""
    if recipient in denied:
        numbers, most = payer.named.get(recipient, set()), int(LISTED * len(denied[recipient])) + 1
        part.reached = {number[:digits] for number in numbers for digits in (NETWORK, RANGE)}
        part.drawn = set(islice(numbers - sample_numbers(evidence.contract), most))


def _denied(evidence: Evidence, command: str | None) -> Values:
    """The values in requests of the command that were answered 403."""
    denied: dict[str, set[str]] = defaultdict(set)
    for answer in evidence.of_command(command):
        if answer.status == ACCESS_DENIED and answer.account:
            for member, value in answer.account.named.items():
                denied[member].add(value)
    return {member: frozenset(values) for member, values in denied.items()}


def _add_notifications(part: PartOfCommand, evidence: Evidence, command: str | None) -> None:
    awaited = Awaited.of(evidence, command)
    terms = evidence.terms
    part.missing = array("q", (answer.number for answer in awaited.missing))
    part.cut = bool(awaited.cut)
    part.comparable = (
        sum(in_an_outage(terms, answer) is None for answer in awaited.notified)
        if terms.watch.outages
        else len(awaited.notified)
    )
    timed = Punctual.of(evidence, command)
    part.in_time, part.late = len(timed.in_time), len(timed.late)
    for arrival in echoes(evidence, command):
        if arrival.echo is not None and arrival.echo.contradicting:
            part.contradicting += 1
            if (amount := amount_in(command, arrival.echo.values, evidence.contract)) is not None:
                part.told.add(amount)
        else:
            part.faithful += 1


def _under_load(evidence: Evidence) -> LoadFacts:
    """The times of requests under load, from sending to the answer, and from there to the first notification."""
    facts, load = LoadFacts(), evidence.terms.load
    if load is None:
        return facts
    for answer in evidence.outcomes:
        if answer.load_sent_at is not None:
            _add_answer(facts, answer, answer.load_sent_at, load.slo)
    for command in evidence.terms.commands:
        for answer in evidence.owed(command):
            first = evidence.first_about(answer)
            if answer.load_sent_at is None or answer.answered_at is None or first is None:
                continue
            if excuse_for_lateness(evidence.terms, answer) is None:
                took = max(0.0, first.received_at - answer.answered_at)
                facts.notifications.add(took, _exemplar(answer), load.slo.of_timed(Timed.NOTIFICATION))
    return facts


def _add_answer(facts: LoadFacts, answer: ResponseSummary, sent_at: float, slo: SLO) -> None:
    """Add an answer to a request under load."""
    if answer.answered_at is not None and answer.http_status is not None:
        facts.answers.add(answer.answered_at - sent_at, _exemplar(answer), slo.of_timed(Timed.ANSWER))
    if not answer.final or (answer.status is None and answer.failure in UNKNOWN):
        return
    facts.requests += 1
    if answer.status in (None, TOO_MANY_REQUESTS) or answer.crashed:
        facts.failed += 1
        facts.first_failed = facts.first_failed or (answer.number, _exemplar(answer))


def _exemplar(answer: ResponseSummary) -> Exemplar:
    return Exemplar(answer.case_id, answer.number, answer.request_id)


# --- Requests by their notifications


@dataclass(frozen=True, slots=True)
class Awaited:
    """The requests of a command that a notification must follow.

    `notified`: those whose notification came; `missing`: those whose did not. Others may have been sent: `excused` has
    the reasons, `cut` those because of an outage of the way back.
    """

    notified: list[ResponseSummary] = field(default_factory=list)
    missing: list[ResponseSummary] = field(default_factory=list)
    excused: list[Inconclusive] = field(default_factory=list)
    cut: list[tuple[ResponseSummary, Inconclusive]] = field(default_factory=list)

    @classmethod
    def of(cls, evidence: Evidence, command: str | None) -> Awaited:
        """Sort those of a command."""
        terms, awaited = evidence.terms, cls()
        lost_for_good = evidence.contract.product_of(command) in terms.ways_lost
        for answer in evidence.owed(command):
            if terms.settled_at is None:
                awaited.excused.append(replace(CUT_OFF, exchange=answer.number))
            elif evidence.first_about(answer) is not None:
                awaited.notified.append(answer)
            elif (obstacle := excuse_for_absence(terms, answer)) is not None:
                awaited.excused.append(obstacle)
            elif not lost_for_good and (outage := in_an_outage(terms, answer)) is not None:
                awaited.cut.append((answer, outage))
            else:
                awaited.missing.append(answer)
        return awaited


@dataclass(frozen=True, slots=True)
class Punctual:
    """The requests of a command whose notification came: in time, or `late` (with it, and the seconds that it took).

    Others may have been sent in time: `excused` has the reasons.
    """

    in_time: list[ResponseSummary] = field(default_factory=list)
    late: list[tuple[ResponseSummary, NotificationSummary, float]] = field(default_factory=list)
    excused: list[Inconclusive] = field(default_factory=list)

    @classmethod
    def of(cls, evidence: Evidence, command: str | None) -> Punctual:
        """Sort those of a command. A network may have held a notification for a while."""
        terms, timed = evidence.terms, cls()
        within = terms.notify_within_s
        for answer in evidence.owed(command):
            first = evidence.first_about(answer)
            if first is None or answer.answered_at is None:
                continue
            took = first.received_at - answer.answered_at
            if took <= within + LATENESS_GRACE_S:
                timed.in_time.append(answer)
            elif (obstacle := excuse_for_lateness(terms, answer)) is not None:
                timed.excused.append(obstacle)
            elif terms.network_back and took <= within + NETWORK_HOLDS_S:
                detail = f"a notification came {took:.2f} s after the answer, allowed are {within:g} s"
                timed.excused.append(Inconclusive(Reason.ENVIRONMENT, f"{detail}; networks hold up", answer.number))
            elif took <= within + LATENESS_GRACE_S + terms.dated_within_s:
                detail = f"a notification came {took:.2f} s after the answer, allowed are {within:g} s; "
                detail += f"the times of this run may be wrong by {terms.dated_within_s:.2g} s"
                timed.excused.append(Inconclusive(Reason.ENVIRONMENT, detail, answer.number))
            else:
                timed.late.append((answer, first, took))
        return timed


def echoes(evidence: Evidence, command: str | None) -> Iterator[NotificationSummary]:
    """The notifications of a command that repeat details of a request, and do not contradict each other."""
    return (
        arrival
        for arrival in evidence.arrivals
        if arrival.echo and arrival.answer and arrival.answer.command == command and not arrival.answer.shared
        if arrival.answer.case_id not in evidence.contradictions  # which is another fault
    )


def amounts_of(evidence: Evidence, wanted: Mapping[str | None, frozenset[Decimal]]) -> dict[str | None, Amounts]:
    """By command, the first accepted requests that asked for each of the `wanted` amounts."""
    found: dict[str | None, Amounts] = {}
    for command, amounts in wanted.items():
        of_command = found[command] = {}
        for answer in evidence.owed(command):
            details = answer.details
            amount = amount_in(command, details.split(SEPARATOR), evidence.contract) if details else None
            if amount is None or details is None or amount not in amounts:
                continue
            asked = of_command.setdefault(amount, [])
            if len(asked) < MOST_COMPARED:
                asked.append(AskedFor(answer.number, answer.case_id, details))
    return found

"""Rules of notifications: each accepted request is followed by one outcome, at the right callback, in time.

RULES           of notifications that follow a request; the schemas judge their content (`conformance.judging.reading`)
UNSOLICITED     of notifications that no request precedes, and of inquiries before them

Absence is judged once, after the run has listened to its end. An unreadable notification explains one that seems to be
missing, and an answer with an unreadable request_id explains one that nobody seems to have asked for: each fault breaks
its own requirement, not those that depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from conformance.contract.places import notified_of
from conformance.contract.requirements import ByRule
from conformance.gateway.rules.answers import declared_otherwise
from conformance.judging.evidence import Evidence
from conformance.judging.excuses import CUT_OFF, delayed_in_the_network, lost_in_the_network, other_requests
from conformance.judging.gathering import Awaited, Punctual
from conformance.judging.judgement import (
    PASSED,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    NoticeCheck,
    NoticeRule,
    Passed,
    Reason,
    notices_where,
    shown,
    verdict_of,
)
from conformance.judging.messages import Notice, NotificationSummary
from conformance.judging.terms import Terms
from conformance.judging.transactions import contradiction, telling_of
from conformance.model.traffic import Kind, normalized
from conformance.wire.receiver import MAX_BODY


def follows_each_accepted_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """A run that was cut off has seen some notifications, and cannot say that each request has one.

    Nor can a run whose callback path was lost for good or for a while: the gateway may have sent the missing ones.
    """
    awaited = Awaited.of(evidence, command)
    yield from awaited.excused
    yield from _of_missing(evidence, command, awaited)


def _of_missing(evidence: Evidence, command: str | None, awaited: Awaited) -> Iterator[Judgement]:
    """Judge the requests whose notification never arrived, beside those whose did."""
    product = evidence.contract.product_of(command) or ""
    terms, facts = evidence.terms, evidence.facts.of(command).missing
    callback = terms.callback_of(product)
    lost = None
    if facts.unexplained:
        lost = lost_in_the_network(terms, product, facts.unexplained, facts.unexplained + facts.comparable)
    if lost is not None:
        for answer in (*awaited.missing, *(answer for answer, _ in awaited.cut)):
            yield Inconclusive(Reason.ENVIRONMENT, lost, answer.number)
        return
    yield from (obstacle for _, obstacle in awaited.cut)
    if facts.unexplained or not facts.cut:
        yield from (Passed(answer.number) for answer in awaited.notified)
    # Which of them the unreadable ones belong to is unknown; that more are missing than that is certain.
    words = f"no notification within {terms.notify_within_s:g} s of the accepted request"
    words += other_requests(evidence, callback) if awaited.missing else ""
    see = ", ".join(_owners_of_unattributed(evidence, product)) if facts.explained_until else ""
    for answer in awaited.missing:
        if answer.number > facts.explained_until:
            yield Finding.in_answer(answer, words)
        else:
            detail = f"a notification came that cannot be attributed; see {see}"
            yield Inconclusive(Reason.PRECONDITION, detail, answer.number)


def _owners_of_unattributed(evidence: Evidence, product: str) -> Iterator[str]:
    """The requirements that a notification breaks which cannot be attributed to a request."""
    contract, command = evidence.contract, evidence.contract.command_of(product) or ""
    yield from contract.catalogue.judged_by(ByRule("notification-is-json"))
    message = notified_of(command, product, contract.schemas, succeeded=None)
    if message is not None:
        yield from message.owners(contract.catalogue, "", "type")
        yield from message.owners(contract.catalogue, f"/{contract.notification.id}", "required")


def comes_in_time(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """The time counts from the moment when the answer was read, for notifications that came at all.

    A network may have held one for a while: a short delay over one shows nothing. It may also have lost one, and a
    gateway that sent it once more is not late.
    """
    within, facts = evidence.terms.notify_within_s, evidence.facts.of(command)
    timed = Punctual.of(evidence, command)
    yield from (Passed(answer.number) for answer in timed.in_time)
    yield from timed.excused
    product = evidence.contract.product_of(command) or ""
    owed = facts.in_time + facts.late
    lost = delayed_in_the_network(evidence.terms, product, facts.late, owed) if facts.late else None
    for answer, first, took in timed.late:
        if lost is not None:
            yield Inconclusive(Reason.ENVIRONMENT, lost, answer.number)
        else:
            words = f"the notification came {took:.2f} s after the answer, allowed are {within:g} s"
            yield Finding.in_notice(first, words)


def is_by_the_method(notice: Notice) -> Iterator[Finding]:
    """The notification has the contract's method; judged for known ids, since anybody may call a public address."""
    method, expected = notice.notification.request.method, notice.contract.notification.method
    if method != expected:
        yield Finding.in_notice(notice, f"the notification is a {method}, not a {expected}")


def is_json(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """A body that is longer than the receiver reads may be JSON all the same."""
    if notice.content.error is not None and len(notice.notification.request.body) >= MAX_BODY:
        words = f"it is longer than {MAX_BODY:,} bytes, of which the receiver reads no more"
        yield Inconclusive(Reason.ENVIRONMENT, words, notice.answer.number if notice.answer else None)
    elif notice.content.error is not None:
        words = f"the body is unreadable: {notice.content.error}"
        yield Finding.in_notice(notice, words, pointer="", value=notice.notification.request.body)


def declared_as_json(notice: Notice) -> Iterator[Finding]:
    """Its Content-Type is application/json."""
    words = declared_otherwise(notice.notification.request.headers)
    if words is not None:
        yield Finding.in_notice(notice, words)


def names_members_once(notice: Notice) -> Iterator[Finding]:
    """RFC 8259, section 4."""
    if notice.content.repeated is not None:
        words = f"the member {shown(notice.content.repeated)} is there more than once"
        yield Finding.in_notice(notice, words, pointer="", value=notice.notification.request.body)


def carries_the_exact_id(notice: Notice) -> Iterator[Finding]:
    """It is the id that the answer to its request gave."""
    if notice.altered and notice.answer is not None:
        name, given = notice.contract.notification.id, shown(notice.answer.request_id)
        words = f"{name} is {shown(notice.request_id)}, the invocation returned {given}"
        yield Finding.in_notice(notice, words, pointer=f"/{name}", value=notice.request_id)


def goes_to_its_own_callback(notice: Notice) -> Iterator[Finding]:
    """Judged where the path is that of some product."""
    if notice.product not in notice.owners:
        meant = ", ".join(sorted({owner or "no product" for owner in notice.owners}))
        yield Finding.in_notice(notice, f"a notification of {meant} came to the callback of {notice.product}")


def goes_to_the_url_as_registered(terms: Terms) -> NoticeRule:
    """Path and query are those of a registered callback URL, or written as RFC 3986 calls equivalent."""
    registered_targets = {normalized(target) for target in terms.targets.values()}

    def rule(notice: Notice) -> Iterator[Finding]:
        target = notice.notification.request.url
        if normalized(target) not in registered_targets:
            product = notice.product or (notice.answer.product if notice.answer else None)
            registered = terms.targets.get(product or "")
            # The query may hold the integrator's token, so its value is not shown.
            words = f"the notification came to {_without_query(target)}, registered is {_without_query(registered)}"
            yield Finding.in_notice(notice, words)

    return rule


def _without_query(target: str | None) -> str:
    path, mark, _ = (target or "nothing").partition("?")
    return f"{path} with a query" if mark else f"{path} without a query"


def outcomes_do_not_contradict(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Requests that share an id are left out: nobody knows whose outcome is whose, and that is another fault."""
    for answer in evidence.owed(command):
        if evidence.shares_id(answer):
            continue
        arrivals = [arrival for arrival in evidence.arrivals_about(answer) if arrival.outcome is not None]
        later = next((arrival for arrival in arrivals if arrival.outcome != arrivals[0].outcome), None)
        other = evidence.contradictions.get(answer.case_id)
        if later is not None:
            yield _contradiction(later, evidence.contract.notification.outcome, later.outcome, arrivals[0].outcome)
        elif other is not None:
            yield _contradiction(other.arrival, other.member, other.value, other.before)
        elif arrivals:
            yield Passed(answer.number)


def _contradiction(arrival: NotificationSummary, member: str, value: object, before: object) -> Finding:
    words = f"{member} {shown(value)} contradicts {shown(before)}, sent before"
    return Finding.in_notice(arrival, words, pointer=f"/{member}", value=value)


def none_for_a_rejected_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """4xx answers, but for those to wrong credentials, which have a rule of their own."""
    for answer in evidence.final_of(command):
        if not answer.rejected or answer.request_id is None or answer.kind is Kind.CREDENTIAL:
            continue
        if evidence.shares_id(answer):
            continue
        words = f"a request rejected with {answer.status} was followed by a notification"
        arrivals = evidence.arrivals_about(answer)
        yield from verdict_of(answer, (Finding.in_notice(arrival, words) for arrival in arrivals))


def none_that_nobody_asked_for(evidence: Evidence, _: str | None) -> Iterator[Judgement]:
    """Answers whose request_id cannot be read explain as many notifications with an unknown one."""
    if evidence.terms.settled_at is None:
        yield from [CUT_OFF] if evidence.share.leads else []
        return
    name, products = evidence.contract.notification.id, (*evidence.contract.products, None)
    for arrival in evidence.arrivals:
        product = arrival.product
        if arrival.orphan and product in products and arrival.number > evidence.facts.explained_orphans[product]:
            words = f"a notification with a {name} that nobody was given came to {product or 'no known path'}"
            yield Finding.in_notice(arrival, words, pointer=f"/{name}", value=arrival.request_id)
    if evidence.share.leads and evidence.facts.attributed:
        yield PASSED


def _ours(notice: Notice) -> bool:
    return notice.answer is not None


def to_a_product(notice: Notice) -> bool:
    """One that came to the callback of a product, from whomever."""
    return notice.product is not None


def _with_body(notice: Notice) -> bool:
    return not notice.content.in_query


def _of_some_form(notice: Notice) -> bool:
    return not notice.content.in_query or notice.content.error is not None


def _members(notice: Notice) -> bool:
    return notice.content.members is not None


def attributed(notice: Notice) -> bool:
    """Not one with an id that no answer gave: it may be anybody's."""
    return notice.answer is not None or notice.request_id is None


# --- Notifications that no request precedes

# No answer announces them, so they are judged only if the sender was given the address, or nobody else uses the
# account: anybody may post to a public address.


def has_what_all_have(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """By the method of notifications, a JSON object, with the members of every notification."""
    unreadable = next(chain(is_by_the_method(notice), is_json(notice)), None)
    if unreadable is not None:
        yield unreadable
    elif notice.content.members is None:
        yield Finding.in_notice(notice, "the notification is not a JSON object", pointer="", value=notice.content.value)
    else:
        yield from _violations(notice, of_all=True)


def has_what_is_documented(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """The members that it is documented to have, of their types."""
    if notice.content.members is None:
        yield Inconclusive(Reason.PRECONDITION, "a notification came that is not a JSON object")
    else:
        yield from _violations(notice, of_all=False)


def _violations(notice: Notice, *, of_all: bool) -> Iterator[Finding]:
    """How it breaks its schema in members that every notification has (`of_all`), or in others."""
    contract, members = notice.contract, notice.content.members or {}
    roles = contract.notification
    schema = contract.unsolicited[notice.command or ""].schema_at(notice.product or "")
    for violation in contract.schemas.violations(schema, members):
        member = violation.pointer.removeprefix("/")
        if of_all == (member in {roles.id, roles.outcome, roles.reason}):
            yield Finding.in_notice(notice, violation.message, pointer=violation.pointer, value=members.get(member))


def does_not_contradict(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """It does not contradict an earlier one of the same id."""
    roles, members = notice.contract.notification, notice.content.members
    if notice.request_id is None or members is None:
        yield Inconclusive(Reason.PRECONDITION, "a notification came whose id cannot be read")
    elif notice.earlier is not None:
        outcome, earlier = notice.earlier
        member = contradiction(tells := telling_of(members, notice.contract), earlier, notice.contract)
        if outcome != notice.outcome:
            words = f"{roles.outcome} is {notice.outcome!r}, and was {outcome!r} under this {roles.id} before"
            yield Finding.in_notice(notice, words, pointer=f"/{roles.outcome}", value=notice.outcome)
        elif member is not None:
            words = f"{member} is {tells[member]!r}, and was {earlier[member]!r} under this {roles.id} before"
            yield Finding.in_notice(notice, words, pointer=f"/{member}", value=tells[member])


def _by_a_known_sender(rule: NoticeRule) -> Check:
    """A check of notifications whose sender was given the address; others are inconclusive."""

    def under(terms: Terms) -> NoticeRule:
        def judged(notice: Notice) -> Iterator[Finding | Inconclusive]:
            if terms.knows_the_sender(notice.product, notice.notification.request.url):
                yield from rule(notice)
            else:
                words = "anybody may have sent it: nothing in the callback URL is known to the gateway alone"
                yield Inconclusive(Reason.NO_TRAFFIC, words)

        return judged

    return NoticeCheck((lambda notice: notice.command in notice.contract.unsolicited,), under)


RULES: Mapping[str, Callable[..., Check]] = {
    "each-accepted-request-is-notified": lambda: follows_each_accepted_request,
    "notified-in-time": lambda: comes_in_time,
    "notified-by-the-method": lambda: notices_where(_ours, rule=is_by_the_method),
    "notification-is-json": lambda: notices_where(to_a_product, _of_some_form, rule=is_json),
    "notification-is-declared-as-json": lambda: notices_where(_ours, _with_body, rule=declared_as_json),
    "notification-names-members-once": lambda: notices_where(_members, attributed, rule=names_members_once),
    "carries-the-exact-id": lambda: notices_where(_ours, rule=carries_the_exact_id),
    "goes-to-the-callback-of-its-product": lambda: notices_where(_ours, to_a_product, rule=goes_to_its_own_callback),
    "goes-to-the-callback-as-registered": lambda: NoticeCheck((_ours, _with_body), goes_to_the_url_as_registered),
    "outcomes-do-not-contradict": lambda: outcomes_do_not_contradict,
    "none-for-a-rejected-request": lambda: none_for_a_rejected_request,
    "none-that-nobody-asked-for": lambda: none_that_nobody_asked_for,
}

UNSOLICITED: Mapping[str, Callable[..., Check]] = {
    "has-what-all-have": lambda: _by_a_known_sender(has_what_all_have),
    "has-what-is-documented": lambda: _by_a_known_sender(has_what_is_documented),
    "does-not-contradict-itself": lambda: _by_a_known_sender(does_not_contradict),
}

"""Reasons for a refused request, or for a missing or late notification, that are not the gateway's fault.

`Excuses` finds those for refusing a valid request: the account or an earlier run, if the rest of the run supports that.
A status or a text alone excuses nothing, for a faulty gateway may give it to anything:

    401     is judged by the requirement that the right credential is not refused
    402     funds: no request as dear was accepted later; or one was, but money may have come in, and it is not one
            kind of payload alone that was refused again and again
    403     access: a sender id, a short code or a phone number that was never accepted in the run
    429     pace: it is not one kind of payload alone that was asked to slow down again and again
    a text  the past: the text that refuses a repeat, where an earlier run may have sent the same request

The functions are about notifications: losses and delays in a network, outages of the way back, gaps in listening, and
refusals by the suite's own receiver.
"""

from __future__ import annotations

from collections import Counter
from math import exp, inf, lgamma

from conformance.contract.requirements import ANY, ByProbe, ByRule, Expected, Judge
from conformance.judging.evidence import Evidence
from conformance.judging.facts import ENOUGH, NETWORK, RANGE, Words, kept_words
from conformance.judging.judgement import Inconclusive, Reason
from conformance.judging.messages import TOO_MANY_REQUESTS, UNAUTHORIZED, ResponseSummary
from conformance.judging.terms import Terms
from conformance.judging.transactions import sample_numbers
from conformance.model.traffic import Kind

INSUFFICIENT_FUNDS = 402
ACCESS_DENIED = 403

# Aspects of valid requests with unusual payloads. All other valid requests are plain.
UNUSUAL = frozenset({"unicode", "long", "line-breaks", "boundary", "optional"})
PLAIN = "plain"
# Aspects of valid requests that every run with the same seed sends, and the ids of cases from files.
ALWAYS_SENT = frozenset({"sample", "boundary"})
FROM_FILES = ("corpus/", "cases/")
# The aspect of a repeat of a request that had been refused for its credential.
AFTER_REFUSAL = "after-refusal"
# Kinds of requests that deserve a refusal.
REFUSED = (Kind.BROKEN, Kind.MALFORMED, Kind.CREDENTIAL, Kind.METHOD)

# The judges of the requirements to which an excuse refers.
RIGHT_CREDENTIAL = ByRule("right-credential-is-not-refused")
OVERLOAD = ByRule("too-much-is-refused-with-429")
ORDINARY = ByProbe((f"{Kind.VALID}.{ANY}",), Expected.ACCEPTED)

# The longest delay of a notification, or of the answer before it, in a network: TCP sends a lost segment again after
# 1 s and then after 2 s more, and tunnels queue for a while.
NETWORK_HOLDS_S = 5.0
# A chance of one in a million counts as none.
BY_CHANCE = 1e-6
# Terms that add less than this do not change a sum.
NEGLIGIBLE = 1e-9
# The most reasons to list for unreadable requests: usually there is one.
MOST_REASONS = 3

CUT_OFF = Inconclusive(Reason.INTERRUPTED, "the run ended before it had listened for notifications")


class Excuses:
    """Excuses for refusals of valid requests of one command."""

    def __init__(self, evidence: Evidence, command: str | None) -> None:
        self._evidence = evidence
        self._command = command
        self._facts = evidence.facts.of(command)
        self._members = evidence.contract.members
        self._recipient = evidence.contract.members.recipient or ""

    def of(self, answer: ResponseSummary) -> Inconclusive | None:
        """The reason why an answer proves nothing about the request; None if nothing in the run excuses a refusal."""
        return self.of_account(answer) or self._earlier_run(answer)

    def of_account(self, answer: ResponseSummary) -> Inconclusive | None:
        """The same without the excuse of an earlier run."""
        if answer.status == TOO_MANY_REQUESTS and self._is_met_by_its_kind_alone(answer):
            return None
        if (obstacle := unjudgeable(answer)) is not None:
            return obstacle
        if answer.status == UNAUTHORIZED:
            return _unobserved(answer, f"answered 401{self._see(RIGHT_CREDENTIAL)}")
        if answer.status == INSUFFICIENT_FUNDS:
            return self._funds(answer)
        if answer.status == ACCESS_DENIED:
            return self._access(answer)
        return None

    def as_ordinary_ones(self, answer: ResponseSummary, *, crashes: bool = False) -> Inconclusive | None:
        """Excuse a special request that was refused in the same words as ordinary ones, which are judged elsewhere.

        With `crashes`, for a requirement of no crash, also one that was answered with a 5xx like ordinary ones.
        """
        if answer.accepted or not (answer.rejected or crashes):
            return None
        if kept_words(_words(answer)) not in self._facts.ordinary_refusals:
            return None
        return _unobserved(answer, f"ordinary requests were refused in the same words{self._see(ORDINARY)}")

    def _see(self, judge: Judge) -> str:
        """A reference to the requirements with this judge; "" if the contract has none."""
        return "".join(f"; see {id_}" for id_ in self._evidence.contract.catalogue.judged_by(judge))

    def _is_met_by_its_kind_alone(self, answer: ResponseSummary) -> bool:
        """Whether one unusual kind of payloads got the status, more often than by chance, and no plain one."""
        given, status = self._facts.statuses, answer.status
        plain_ones_pass = (status, PLAIN) not in given and self._facts.served
        return plain_ones_pass and given.get((status, answer.aspect), 0) >= ENOUGH

    # --- 402: funds

    def _funds(self, answer: ResponseSummary) -> Inconclusive | None:
        """The funds of an account grow only if somebody pays in, or if a transaction fails."""
        price, since = answer.account.price if answer.account else None, answer.answered_at or 0.0
        if price is None or not self._facts.dearest.paid_as_much_since(since, price):
            return _unobserved(answer, "answered 402: the account's funds do not suffice")
        if not self._evidence.facts.paid_in:
            return None
        if self._is_met_by_its_kind_alone(answer):
            return None
        detail = "answered 402, and a request as dear was accepted later: did the account have funds all the time?"
        return _unobserved(answer, detail, unsettled=True)

    # --- 403: access

    def _access(self, answer: ResponseSummary) -> Inconclusive | None:
        if not self._facts.served:
            names = [*(f"the {_in_words(member)}" for member in self._members.registered), "the product"]
            named_all = f"{', '.join(names[:-1])}{' and ' if names[:-1] else ''}{names[-1]}"
            question = f"are {named_all} registered for the account?"
            return _unobserved(answer, f"answered 403, and nothing of this command was accepted: {question}")
        if self._evidence.terms.inquiring:
            return None  # the run has shown the values that the account may use; a few follow-ups cannot
        named = answer.account.named if answer.account else {}
        for member in self._members.registered:
            if member in named and not self._facts.had(member, named[member]):
                detail = f"the {_in_words(member)} {named[member]!r} was not accepted in any request"
                return _unobserved(answer, f"answered 403, and {detail}: is it registered for the account?")
        number = named.get(self._recipient)
        if number is None or self._facts.had(self._recipient, number):
            return None
        return self._number(answer, number)

    def _number(self, answer: ResponseSummary, number: str) -> Inconclusive | None:
        """Excuse a number that was never accepted: alone if it was given, else with its range, or with nearly all.

        A random number is on nobody's list. For a range it stays unsettled whether the account cannot reach it.
        """
        samples = sample_numbers(self._evidence.contract)
        if number in self._evidence.terms.phone_numbers or number in samples:
            detail = f"{number} was not accepted in any request: may the account use it?"
            return _unobserved(answer, f"answered 403, and {detail}")
        if self._facts.hardly_any_number:
            detail = "hardly any phone number was accepted: name those that may be used with --phone-number"
            return _unobserved(answer, f"answered 403, and {detail}", unsettled=True)
        for digits in (NETWORK, RANGE):
            if (begins := number[:digits]) in self._facts.denied_ranges:
                detail = f"no phone number that begins with {begins} was accepted: does the account reach that network?"
                return _unobserved(answer, f"answered 403, and {detail}", unsettled=True)
        return None

    # --- A text: the past

    def _earlier_run(self, answer: ResponseSummary) -> Inconclusive | None:
        """Excuse a repeat: an earlier run with the same seed sent the same request within the window.

        Not if the gateway was started for this run. The text of the refusal is evidence if no other refusal has it.
        Otherwise the gateway has to refuse everything that every run sends in this text.
        """
        if self._evidence.terms.own_gateway or not answer.rejected or _words(answer) != self._facts.words_for_a_repeat:
            return None
        if not self._facts.for_repeats_alone and not self._facts.all_sent_before:
            return None
        command = self._evidence.contract.commands.get(answer.command or "")
        window = command.window if command else None
        lately = f"within the last {window.seconds:g} s" if window else "lately"
        question = f"was the same request accepted {lately} (same seed)?"
        return _unobserved(answer, f"refused in the words for a repeat: {question}")


def _in_words(member: str) -> str:
    return member.replace("_", " ")


def _words(answer: ResponseSummary) -> Words:
    return answer.status, answer.said


def _unobserved(answer: ResponseSummary, detail: str, *, unsettled: bool = False) -> Inconclusive:
    return Inconclusive(Reason.PRECONDITION, detail, answer.number, unsettled=unsettled)


def unjudgeable(answer: ResponseSummary) -> Inconclusive | None:
    """The reason why an answer proves nothing about any request: it is missing, asks for a wait, or shows overload."""
    if answer.status is None:
        if answer.failure is None:
            return Inconclusive(Reason.INTERRUPTED, "the run ended before the answer came", answer.number)
        return Inconclusive(Reason.ENVIRONMENT, answer.failure, answer.number)
    if answer.status == TOO_MANY_REQUESTS:
        said = "429 (too many requests)" if answer.http_status == TOO_MANY_REQUESTS else f"{answer.http_status}, later,"
        return Inconclusive(Reason.ENVIRONMENT, f"the gateway answered {said} to the last attempt", answer.number)
    if answer.overloaded:
        see = "".join(f"; see {id_}" for id_ in answer.contract.catalogue.judged_by(OVERLOAD))
        words = f"the gateway answered {answer.status} under load, and not to all requests like this one{see}"
        return Inconclusive(Reason.ENVIRONMENT, words, answer.number)
    return None


# --- Notifications


def lost_in_the_network(terms: Terms, product: str, missing: int, owed: int) -> str | None:
    """The words for notifications that the network may have lost; None if only the gateway can be to blame.

    Canaries show how often a network on the way loses something: the gateway is to blame if the chance of so many
    missing notifications is at most one in a million.
    """
    if not terms.network_back:
        way_lost = terms.ways_lost.get(product)
        return None if way_lost is None else f"{missing} notifications are missing, and {way_lost}"
    sent, lost = terms.canaries.get(product, (0, 0))
    if chance_of_as_many(missing, owed, missing + lost, owed + sent) <= BY_CHANCE:
        return None
    return (
        f"{missing} of {owed} notifications are missing, and of {sent} canaries on the same way {lost}: it may have "
        "been the network"
    )


def delayed_in_the_network(terms: Terms, product: str, late: int, owed: int) -> str | None:
    """The words for late notifications whose first try may have got lost; None if chance does not explain it."""
    sent, lost = terms.canaries.get(product, (0, 0))
    sent, lost = sent + terms.watch.sent, lost + terms.watch.lost
    if not terms.network_back or chance_of_as_many(late, owed, late + lost, owed + sent) <= BY_CHANCE:
        return None
    return (
        f"{late} of {owed} notifications came late, and of {sent} canaries on the same way {lost} were lost: each may "
        "have been a second try"
    )


def chance_of_as_many(failed_inside: int, inside: int, failed: int, of: int) -> float:
    """The chance that `failed_inside` or more of the failures are `inside`, if `failed` of `of` fail at random.

    Fisher's exact test, one-sided. Only for more than are to be expected there; 1 for fewer.
    """
    if failed_inside * of <= failed * inside:
        return 1.0
    total, every = 0.0, _log_comb(of, failed)
    for number in range(failed_inside, min(failed, inside) + 1):
        term = exp(_log_comb(inside, number) + _log_comb(of - inside, failed - number) - every)
        total += term
        if term < NEGLIGIBLE * total:
            break
    return min(1.0, total)


def _log_comb(of: int, chosen: int) -> float:
    if not 0 <= chosen <= of:
        return -inf
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)


def excuse_for_absence(terms: Terms, answer: ResponseSummary) -> Inconclusive | None:
    """The reason why a missing notification may have been sent, other than losses by chance in a network."""
    since = answer.answered_at
    if since is not None and terms.settled_at is not None and terms.settled_at < since + terms.notify_within_s:
        detail = "the run stopped listening before the time for the notification was over"
        return Inconclusive(Reason.INTERRUPTED, detail, answer.number)
    return _in_a_gap(terms, answer) or _refused_here(terms, answer)


def excuse_for_lateness(terms: Terms, answer: ResponseSummary) -> Inconclusive | None:
    """The reason why a late notification may have been sent in time, other than delays by chance in a network."""
    return _in_a_gap(terms, answer) or in_an_outage(terms, answer) or _refused_here(terms, answer)


def in_an_outage(terms: Terms, answer: ResponseSummary) -> Inconclusive | None:
    """The outage in which its notification may have got lost; None if the way back was open all the time.

    With a margin for delays: the gateway may have sent the notification a while before the answer was read, and the
    network may have delivered it a while after it was due.
    """
    since = answer.answered_at
    if since is None:
        return None
    due = since + terms.notify_within_s
    outage = terms.watch.outage_between(since - NETWORK_HOLDS_S, due + NETWORK_HOLDS_S)
    if outage is None:
        return None
    lost = "a canary" if outage.lost == 1 else f"{outage.lost} canaries in a row"
    detail = f"the way back was cut while a notification was due: {lost} got lost on it"
    return Inconclusive(Reason.ENVIRONMENT, detail, answer.number)


def _in_a_gap(terms: Terms, answer: ResponseSummary) -> Inconclusive | None:
    """The gap in which its notification may have come while nobody listened; None without one."""
    since = answer.answered_at
    if since is None or terms.listened_between(since, since + terms.notify_within_s):
        return None
    detail = "the run was cut off before it went on; meanwhile nobody took notifications"
    return Inconclusive(Reason.INTERRUPTED, detail, answer.number)


def _refused_here(terms: Terms, answer: ResponseSummary) -> Inconclusive | None:
    """The reason for which the suite may have refused its notification; None if it took everything at the time."""
    since = answer.answered_at
    if terms.left_out_with_id:
        detail = f"{terms.left_out_with_id:,} requests with ids that nobody had given yet were too many to be kept"
        return Inconclusive(Reason.ENVIRONMENT, detail, answer.number)
    if since is None:
        return None
    refusal = terms.refusal(since - NETWORK_HOLDS_S, since + terms.notify_within_s + NETWORK_HOLDS_S)
    if refusal is None:
        return None
    detail = f"the suite's own receiver did not take everything while a notification was due: {refusal.why}"
    return Inconclusive(Reason.ENVIRONMENT, detail, answer.number)


def other_requests(evidence: Evidence, product: str) -> str:
    """Describe the other requests to the callback."""
    if (refused := _refused_on_arrival(evidence.terms, product)) is not None:
        return f"; {refused}"
    facts = evidence.facts
    others, of_anybody = facts.without_content.get(product, 0), facts.of_anybody.get(product, 0)
    text = f"; {others} requests without a body came to its callback, which are not notifications" if others else ""
    if of_anybody:
        text += f"; {of_anybody} came there that carry no id and may be anybody's, for its address has no token"
    elif not others and product not in facts.heard:
        text = f"; none at all came to the callback of {product}: is it registered?"
    return text


def _refused_on_arrival(terms: Terms, product: str) -> str | None:
    """Describe the unreadable requests to the receiver that name this product, or none; None if there are none."""
    reasons = Counter(error for meant_for, error in terms.unread if meant_for in (product, None))
    if not reasons:
        return None
    count = reasons.total()
    listed = ", ".join(
        error if len(reasons) == 1 else f"{error} ({times})" for error, times in reasons.most_common(MOST_REASONS)
    )
    more = f", and {len(reasons) - MOST_REASONS} other reasons" if len(reasons) > MOST_REASONS else ""
    what = "1 request to the callback receiver" if count == 1 else f"{count} requests to the callback receiver"
    return f"{what} could not be read: {listed}{more}"

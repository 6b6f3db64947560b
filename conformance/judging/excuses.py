"""Excuses for refusing a valid request: the account or an earlier run, where the rest of the run bears that out.

    Excuses         those of one command: .of(answer), and .of_account(answer) where no earlier run can be the reason
    unjudgeable     why an answer says nothing about its request, whatever that is

A status or a text alone excuses nothing, for a gateway at fault may give it to anything:

    401     is judged by the requirement that the right credential is not refused
    402     funds: no request as dear was accepted later; or one was, but money may have come in, and it is not one
            kind of payload alone that was refused again and again
    403     access: a sender id, a short code or a phone number that was never accepted in the run
    429     pace: it is not one kind of payload alone that was asked to slow down again and again
    a text  the past: the text that refuses a repeat, where an earlier run may have sent the same request
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

from conformance.contract.requirements import ANY, ByProbe, ByRule, Expected, Judge
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import Inconclusive, Reason
from conformance.judging.reading import TOO_MANY_REQUESTS, UNAUTHORIZED
from conformance.judging.summaries import ResponseSummary
from conformance.judging.transactions import sample_numbers
from conformance.model.traffic import Kind

INSUFFICIENT_FUNDS = 402
ACCESS_DENIED = 403

# Aspects of valid requests whose payloads have something unusual in them. All other valid requests are plain.
UNUSUAL = frozenset({"unicode", "long", "line-breaks", "boundary", "optional"})
PLAIN = "plain"
# Aspects of valid requests that every run with the same seed sends, and how the ids of those from files begin.
ALWAYS_SENT = frozenset({"sample", "boundary"})
FROM_FILES = ("corpus/", "cases/")
# Kinds of requests that are refused for what they are.
REFUSED = (Kind.BROKEN, Kind.MALFORMED, Kind.CREDENTIAL, Kind.METHOD)

# How the requirements are judged that tell more of a refusal.
RIGHT_CREDENTIAL = ByRule("right-credential-is-not-refused")
ORDINARY = ByProbe((f"{Kind.VALID}.{ANY}",), Expected.ACCEPTED)

# Digits that a phone number begins with: country and network, or the operator's range.
NETWORK, RANGE = 4, 5
# So many refusals of one kind are no chance: numbers of a range that an account may not reach, payloads of one aspect.
ENOUGH = 3
# Of numbers drawn at random, an account with a list of its own accepts no more than this part.
LISTED = 0.1

Words = tuple[int | None, Any]
"""Status and description of a refusal."""


class Excuses:
    """Why refusals of valid requests of one command are not held against the gateway."""

    def __init__(self, evidence: Evidence, command: str | None) -> None:
        """Look at the run as far as it is needed."""
        self._evidence = evidence
        self._command = command
        self._payer = evidence.payers.get(command)
        self._members = evidence.contract.members
        self._recipient = evidence.contract.members.recipient or ""

    def of(self, answer: ResponseSummary) -> Inconclusive | None:
        """Why an answer says nothing about the request; None if nothing in the run excuses a refusal."""
        return self.of_account(answer) or self._earlier_run(answer)

    def of_account(self, answer: ResponseSummary) -> Inconclusive | None:
        """The same, where no earlier run can be the reason."""
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

        With `crashes` also what was answered with a 5xx, as they are: where what is to be shown is no crash.
        """
        if answer.accepted or not (answer.rejected or crashes) or _words(answer) not in self._ordinary_refusals:
            return None
        return _unobserved(answer, f"ordinary requests were refused in the same words{self._see(ORDINARY)}")

    def _see(self, judge: Judge) -> str:
        """Which requirement tells more; nothing where the contract has none that is judged so."""
        return "".join(f"; see {id_}" for id_ in self._evidence.contract.catalogue.judged_by(judge))

    @cached_property
    def _ordinary_refusals(self) -> frozenset[Words]:
        valid = self._evidence.final_of(self._command, Kind.VALID)
        return frozenset(_words(one) for one in valid if not one.accepted and one.aspect not in UNUSUAL)

    # --- What became of requests with nothing unusual in their payloads

    @cached_property
    def _statuses(self) -> Counter[tuple[int | None, str]]:
        """How often each status was given to requests of an unusual aspect, and to PLAIN ones."""
        kinds = (Kind.VALID, Kind.HEADERS, Kind.BURST)
        return Counter(
            (one.status, one.aspect if one.aspect in UNUSUAL else PLAIN)
            for one in self._evidence.final_of(self._command, *kinds)
        )

    def _is_met_by_its_kind_alone(self, answer: ResponseSummary) -> bool:
        """Whether the status is given to one unusual kind of payloads, not once by chance, and to no plain one."""
        given, status = self._statuses, answer.status
        plain_ones_pass = (status, PLAIN) not in given and self._payer is not None
        return plain_ones_pass and given[status, answer.aspect] >= ENOUGH

    # --- 402: funds

    def _funds(self, answer: ResponseSummary) -> Inconclusive | None:
        """The funds of an account grow only if somebody pays in, or if a transaction fails."""
        price, since = answer.account.price if answer.account else None, answer.answered_at or 0.0
        if self._payer is None or price is None or not self._payer.paid_as_much_since(since, price):
            return _unobserved(answer, "answered 402: the account's funds do not suffice")
        if not self._evidence.paid_in:
            return None
        if self._is_met_by_its_kind_alone(answer):
            return None
        told = "answered 402, and a request as dear was accepted later: did the account have funds all the time?"
        return _unobserved(answer, told, unsettled=True)

    # --- 403: access

    def _access(self, answer: ResponseSummary) -> Inconclusive | None:
        if self._payer is None:
            names = [*(f"the {_in_words(member)}" for member in self._members.registered), "the product"]
            told = f"are {', '.join(names[:-1])}{' and ' if names[:-1] else ''}{names[-1]} registered for the account?"
            return _unobserved(answer, f"answered 403, and nothing of this command was accepted: {told}")
        if self._evidence.terms.inquiring:
            return None  # the run has shown what the account may use; so few follow-ups cannot
        named = answer.account.named if answer.account else {}
        for member in self._members.registered:
            if member in named and named[member] not in self._payer.named[member]:
                told = f"the {_in_words(member)} {named[member]!r} was not accepted in any request"
                return _unobserved(answer, f"answered 403, and {told}: is it registered for the account?")
        number = named.get(self._recipient)
        if number is None or number in self._payer.named[self._recipient]:
            return None
        return self._number(answer, number)

    def _number(self, answer: ResponseSummary, number: str) -> Inconclusive | None:
        """A number that was never accepted: by itself where it was given, else with its range, or with nearly all.

        For one that was drawn at random is on nobody's list. Of a range it stays open whether it is the account that
        cannot reach it.
        """
        samples = sample_numbers(self._evidence.contract)
        if number in self._evidence.terms.phone_numbers or number in samples:
            told = f"{number} was not accepted in any request: may the account use it?"
            return _unobserved(answer, f"answered 403, and {told}")
        drawn = self._accepted_numbers - samples
        if len(drawn) <= LISTED * len(self._denied_numbers):
            told = "hardly any phone number was accepted: name those that may be used with --phone-number"
            return _unobserved(answer, f"answered 403, and {told}", unsettled=True)
        for digits in (NETWORK, RANGE):
            if (begins := number[:digits]) in self._ranges_denied:
                told = f"no phone number that begins with {begins} was accepted: does the account reach that network?"
                return _unobserved(answer, f"answered 403, and {told}", unsettled=True)
        return None

    @cached_property
    def _accepted_numbers(self) -> frozenset[str]:
        return frozenset(self._payer.named[self._recipient]) if self._payer else frozenset()

    @cached_property
    def _denied_numbers(self) -> frozenset[str]:
        """The numbers that were never accepted, and refused with 403."""
        denied = (
            one.account.named.get(self._recipient)
            for one in self._evidence.final_of(self._command)
            if one.status == ACCESS_DENIED and one.account
        )
        return frozenset(filter(None, denied)) - self._accepted_numbers

    @cached_property
    def _ranges_denied(self) -> frozenset[str]:
        """The beginnings that enough of these numbers have, and no number that was accepted."""
        begun = Counter(number[:digits] for number in self._denied_numbers for digits in (NETWORK, RANGE))
        reached = {number[:digits] for number in self._accepted_numbers for digits in (NETWORK, RANGE)}
        return frozenset(begins for begins, count in begun.items() if count >= ENOUGH) - reached

    # --- A text: the past

    def _earlier_run(self, answer: ResponseSummary) -> Inconclusive | None:
        """An earlier run with the same seed, within the window, sent the same request, and had it accepted.

        No run can have come before a gateway that was started for this one. The text of a refusal tells of the past
        where no other refusal has it. Where others have it, an earlier run has to show in what every run sends: all of
        it is refused in this text.
        """
        if self._evidence.terms.own_gateway or not answer.rejected or _words(answer) != self._words_for_a_repeat:
            return None
        if not self._is_told_of_repeats_alone and not self._all_was_sent_before:
            return None
        command = self._evidence.contract.commands.get(answer.command or "")
        window = command.window if command else None
        lately = f"within the last {window.seconds:g} s" if window else "lately"
        told = f"was the same request accepted {lately} (same seed)?"
        return _unobserved(answer, f"refused in the words for a repeat: {told}")

    @cached_property
    def _words_for_a_repeat(self) -> Words | None:
        """How the gateway refuses a repeated request: status and description, None if that was not seen.

        It was seen where the first request was accepted. Where it was refused in the same way, an earlier run may have
        sent it; but then that run sent all others too, and none is accepted now. If some are, the words may mean
        anything.
        """
        valid = self._evidence.final_of(self._command, Kind.VALID)
        nothing_accepted = not any(one.accepted for one in valid)
        for repeat in self._evidence.final_of(self._command, Kind.REPEAT):
            if repeat.aspect == "window" and repeat.rejected:
                first = self._evidence.earlier_of(repeat)
                if nothing_accepted or (first is not None and first.accepted):
                    return _words(repeat)
        return None

    @cached_property
    def _is_told_of_repeats_alone(self) -> bool:
        """Whether no request that deserves a refusal was refused in the same words."""
        said = self._words_for_a_repeat[1] if self._words_for_a_repeat else None
        others = self._evidence.final_of(self._command, *REFUSED)
        return said is not None and not any(other.said == said for other in others)

    @cached_property
    def _all_was_sent_before(self) -> bool:
        """Whether all that every run sends was refused in these words."""
        always = [
            one
            for one in self._evidence.final_of(self._command, Kind.VALID)
            if one.aspect in ALWAYS_SENT and not one.case_id.startswith(FROM_FILES)
        ]
        return bool(always) and all(_words(one) == self._words_for_a_repeat for one in always)


def _in_words(member: str) -> str:
    return member.replace("_", " ")


def _words(answer: ResponseSummary) -> Words:
    return answer.status, answer.said


def _unobserved(answer: ResponseSummary, detail: str, *, unsettled: bool = False) -> Inconclusive:
    return Inconclusive(Reason.PRECONDITION, detail, answer.number, unsettled=unsettled)


def unjudgeable(answer: ResponseSummary) -> Inconclusive | None:
    """Why an answer says nothing about the request: there is none, or the gateway only asked to slow down."""
    if answer.status is None:
        if answer.failure is None:
            return Inconclusive(Reason.INTERRUPTED, "the run ended before the answer came", answer.number)
        return Inconclusive(Reason.ENVIRONMENT, answer.failure, answer.number)
    if answer.status == TOO_MANY_REQUESTS:
        said = "429 (too many requests)" if answer.http_status == TOO_MANY_REQUESTS else f"{answer.http_status}, later,"
        return Inconclusive(Reason.ENVIRONMENT, f"the gateway answered {said} to the last attempt", answer.number)
    return None

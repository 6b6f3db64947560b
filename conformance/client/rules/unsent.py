"""SND-13, SND-14, RDG-12: each call is valid, so each becomes a request; or the client reports that it sent none.

A call counts as refused only beside a call that was sent at the same time: a client that sends nothing at all for a
while (an open circuit breaker, an unreachable suite) has not refused the parameters of the call.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conformance.client.rules.calls import ASKED_AGAIN, Call
from conformance.client.rules.evidence import UNHEARD, ClientCheck, ClientEvidence, ClientRule, failed, passed
from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.judging.coverage import VALID, Coverage, Covered, Label, classes_of_call
from conformance.judging.judgement import Inconclusive, Judgement, Passed, Reason, shown
from conformance.payloads.classes import WRITINGS, Written, classes_of_members

REJECTED = "rejected-locally"

NO_CLASS = "calls that have nothing in common"
EVERY_CALL = "every call"

# Classes are claims. One that is drawn from the calls themselves needs several of them. Where the refused calls are of
# many classes, or less than half of them are of any, the parameters are not the reason.
LEAST_DRAWN = 3
MOST_CLASSES = 4

Params = Mapping[str, Any]

# Longer texts do not go into one SMS (contract, "What a client owes").
ONE_SMS = 160

# The first digits of a phone number that identify an operator: 254, and one to three more.
PREFIXES = (4, 5, 6)


@dataclass(slots=True)
class _Fates:
    """The calls of a command that were `sent`, `refused`, or are `open`, with the reason.

    A call that there was no time for is in none of these if others have exercised all its classes.
    """

    sent: list[Call] = field(default_factory=list)
    refused: list[Call] = field(default_factory=list)
    open: list[tuple[Call, Reason, str]] = field(default_factory=list)


def coverage_of_calls(evidence: ClientEvidence) -> tuple[Covered, ...]:
    """The classes of the calls' parameters: `sent` are the calls, `accepted` those that became a request.

    The client chooses how to write a text in JSON, and it does not offer the members that it lacks.
    """
    terms = evidence.terms
    commands = [name for name in terms.commands if name in terms.declared and not evidence.unsupported(name)]
    coverage = Coverage(terms.contract)
    for name in commands:
        for call in evidence.of_command(name):
            if call.asked_at is not None and call.extra is None:
                coverage.count(name, _classes(call, terms.contract), accepted=call.arrived)
    writings = {each.name for each in WRITINGS}
    covered = (each for each in coverage.of(commands) if each.kind == VALID)
    return tuple(each for each in covered if each.member not in terms.lacks and each.name not in writings)


def refusals(evidence: ClientEvidence, command: str) -> dict[str, list[Call]]:
    """The calls that the client refuses, in as few classes as possible; no call of such a class was sent."""
    fates, contract = _fates(evidence, command), evidence.terms.contract
    if fates.refused and not fates.sent:
        return {EVERY_CALL: fates.refused}
    classes = classes_for(contract.commands[command], contract, [call.params for call in (*fates.refused, *fates.sent)])
    sent = [call.params for call in fates.sent]
    classes = [each for each in classes if not any(map(each.holds, sent))]
    groups: dict[str, list[Call]] = {}
    left = list(fates.refused)
    while left:  # the class of most calls first
        found = [(each, [call for call in left if each.holds(call.params)]) for each in classes]
        found = [(each, calls) for each, calls in found if len(calls) >= (LEAST_DRAWN if each.drawn else 1)]
        if not found:
            break
        best, calls = max(found, key=lambda pair: len(pair[1]))
        groups[best.name] = calls
        left = [call for call in left if call not in calls]
    if len(groups) > MOST_CLASSES or len(left) > len(fates.refused) / 2:
        groups, left = {}, fates.refused
    return {**groups, NO_CLASS: left} if left else groups


def is_long(call: Call, contract: Contract) -> bool:
    """Whether a text of the call does not go into one SMS."""
    texts = map(call.params.get, _texts(call.case.command or "", contract))
    return any(isinstance(text, str) and len(text) > ONE_SMS for text in texts)


@cache
def _texts(command: str, contract: Contract) -> tuple[str, ...]:
    """The members of a command's request that may hold any text."""
    rules = contract.schemas.resolved(contract.commands[command].request_schema).get("properties", {})
    return tuple(member for member, rule in rules.items() if "x-characters" in rule)


def why_none_arrived(evidence: ClientEvidence, command: str | None) -> tuple[Reason, str] | None:
    """Why none of the calls of a command became a request; None where one did.

    Where nothing at all has arrived, the reason is of all commands together: the suite may be unreachable.
    """
    if command is not None and (nothing := why_none_arrived(evidence, None)) is not None:
        return nothing
    calls = [call for call in evidence.of_command(command) if call.asked_at is not None]
    if not calls or any(call.arrived for call in calls):
        return None
    of_command = f" of {command}" if command else ""
    answered = [call for call in calls if call.report is not None or call.unsupported]
    reports = f"; {_words(answered)}" if answered else ""
    reason = Reason.ENVIRONMENT if command is None and _unreachable(evidence, answered) else Reason.NO_TRAFFIC
    return reason, f"none of {len(calls)} calls{of_command} became a request{reports}{_astray(evidence, calls)}"


def why_no_traffic(evidence: ClientEvidence, command: str | None) -> tuple[Reason, str] | None:
    """Why there is none of the traffic that a requirement of a command needs; None if that is not known."""
    if evidence.terms.observed:
        return None
    if (nothing := why_none_arrived(evidence, command)) is not None:
        return nothing
    undecided = () if command is None else _fates(evidence, command).open
    for call, reason, detail in undecided:
        if call.report is not None:
            return reason, detail
    late = evidence.terms.out_of_time
    return None if late is None else (Reason.INTERRUPTED, late)


def _unreachable(evidence: ClientEvidence, answered: Sequence[Call]) -> bool:
    """Whether, where nothing has arrived, a report or a proxy blames the network rather than the calls."""
    if evidence.terms.proxies:
        return True
    own = {REJECTED, None}
    return any(
        call.report is not None and not call.report.accepted and call.report.error not in own for call in answered
    )


def _astray(evidence: ClientEvidence, calls: Sequence[Call]) -> str:
    """Where the requests may be: they were unreadable, or went to a proxy."""
    malformed = next((each for call in calls for each in evidence.malformed.get(call.case.id, ())), None)
    if malformed is not None:
        return f"; what arrived could not be read ({malformed.get('error')}): {shown(malformed.get('head'))}"
    if evidence.terms.proxies and not any(call.sent for call in evidence.calls):
        names = ", ".join(evidence.terms.proxies)
        return f"; its environment names a proxy ({names}), and NO_PROXY does not name 127.0.0.1"
    return ""


def _words(calls: Sequence[Call]) -> str:
    """The commonest report on these calls, and how often it was made if there are others."""
    reports = Counter("it does not support this" if call.report is None else call.report.in_its_words for call in calls)
    words, number = reports.most_common(1)[0]
    return f"the client says {words}" + (f" ({number} of {len(calls)} times)" if number < len(calls) else "")


# --- The fate of each call


def _fates(evidence: ClientEvidence, command: str) -> _Fates:
    memo: dict[str, _Fates] = evidence.memo.setdefault("fates", {})
    if command not in memo:
        memo[command] = _fates_of(evidence, command)
    return memo[command]


def _fates_of(evidence: ClientEvidence, command: str) -> _Fates:
    fates = _Fates()
    calls = list(evidence.of_command(command))
    extras: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.of is not None:
            extras[call.of].append(call)
    for call in calls:
        if call.extra is not None or call.case.earlier is not None:
            continue
        tries = [call, *(each for each in extras[call.case.id] if each.extra == ASKED_AGAIN)]
        others = [each for each in extras[call.case.id] if each.extra != ASKED_AGAIN]
        if any(each.arrived for each in tries):
            fates.sent.append(call)
        elif (silence := _why_unreported(evidence, call)) is not None:
            fates.open.append((call, *silence))
        elif call.report is not None and call.report.accepted:
            pass  # SND-01
        elif any(each.arrived for each in others) or _sends_nothing_of(evidence, command, call):
            fates.refused.append(call)
        else:
            asleep = Reason.PRECONDITION, f"for a while the client sent no call at all; {_words([call])}"
            fates.open.append((call, *(why_none_arrived(evidence, None) or asleep)))
    contract = evidence.terms.contract
    exercised = {label for call in fates.sent for label in _classes(call, contract)}
    fates.open = [
        each for each in fates.open if each[0].asked_at is not None or not _classes(each[0], contract) <= exercised
    ]
    return fates


def _classes(call: Call, contract: Contract) -> set[Label]:
    return classes_of_call(contract.commands[call.case.command or ""], call.case.request.body, contract)


def _why_unreported(evidence: ClientEvidence, call: Call) -> tuple[Reason, str] | None:
    """Why the client has not reported on a call; None if it has."""
    if call.asked_at is None:
        return Reason.INTERRUPTED, evidence.terms.out_of_time or "the run was cut off before every call was made"
    if call.deaths:
        return Reason.PRECONDITION, "the driver failed over a call before anything was sent"
    if call.report is None and not call.unsupported:
        return Reason.INTERRUPTED, "the run ended before the client said what became of a call"
    return None


def _sends_nothing_of(evidence: ClientEvidence, command: str, call: Call) -> bool:
    """Whether the client is to blame for a call that cannot be compared with another one.

    It is to blame if its requests cannot be read, if it has sent calls of other commands and never one of this, and if
    it reports that it has sent nothing, although the suite can be reached.
    """
    if evidence.malformed.get(call.case.id):
        return True
    if any(each.arrived for each in evidence.of_command(command)):
        return False
    since = call.asked_at or 0.0
    if any(each.asked_at is not None and each.asked_at > since and each.arrived for each in evidence.calls):
        return True
    rejected = call.report is not None and call.report.error == REJECTED
    return (rejected or call.unsupported) and not evidence.terms.proxies


# --- The checks


def becomes_a_request(*, long: bool | None = None) -> ClientCheck:
    """Every call is sent; `long`: only those with a text that does not go into one SMS, or only the others."""
    chosen = {True, False} if long is None else {long}

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        if command is None:
            return
        contract, fates = evidence.terms.contract, _fates(evidence, command)
        refused = refusals(evidence, command).items()
        found = [(name, calls) for name, calls in refused if all(is_long(call, contract) for call in calls) in chosen]
        unknown = [each for each in fates.open if is_long(each[0], contract) in chosen]
        for name, calls in found:
            message = _refusal(evidence, name, calls, len(calls) + (len(fates.sent) if name is NO_CLASS else 0))
            yield from (failed(call, message) for call in calls)
        yield from (Inconclusive(reason, detail) for _, reason, detail in unknown)
        if found or not unknown:  # others do not make up for calls whose fate is unknown
            yield from (Passed() for call in fates.sent if is_long(call, contract) in chosen)

    return check


def _refusal(evidence: ClientEvidence, name: str, calls: Sequence[Call], total: int) -> str:
    """The message of the findings on refused calls of a class; `total`: how many calls are of it."""
    member, _, how = name.partition(" ")
    lacking = said_to_be_lacking(calls[0], member, evidence.terms.contract) if how == "given" else ""
    refused = f"{name}: never became a request ({len(calls)} of {total} calls)"
    return f"{refused}; {_words(calls)}{lacking}{_astray(evidence, calls)}"


def said_to_be_lacking(call: Call, member: str, contract: Contract) -> str:
    """How a client declares that it lacks an optional member, in words; empty for any other member."""
    request = contract.commands[call.case.command or ""].request_schema
    if member in contract.schemas.resolved(request)["required"]:
        return ""
    return f'; a client that does not offer {member} says so in its hello: "lacks": ["{member}"]'


def rejected_only_if_unsent(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RDG-12. RDG-01 judges how accepted requests are reported."""
    for call in evidence.of_command(command):
        last = call.last
        if call.report is None or last is None:
            continue
        if call.report.error != REJECTED:
            yield passed(last)
        elif not last.accepts:
            yield failed(call, f"a request arrived, and the client says {call.report.in_its_words}", last)


# --- Classes of a call's parameters, by which a person would describe the calls that a client refuses
#
# Beside the classes that are counted for gateways there are broader ones, by which clients validate: text that is not
# ASCII, the first digits of a phone number, an amount above some limit.


@dataclass(frozen=True, slots=True)
class ParamClass:
    """A class of calls by their parameters; `drawn`: from the values of the calls, not known beforehand."""

    name: str
    holds: Callable[[Params], bool]
    drawn: bool = False


def classes_for(command: Command, contract: Contract, calls: Sequence[Params]) -> list[ParamClass]:
    """The classes of a command's parameters that can tell these calls apart."""
    folder = command.folder
    request = contract.schemas.resolved(f"{folder}/request")
    found: list[ParamClass] = []
    for member, rule in request.get("properties", {}).items():
        values = [value for params in calls if isinstance(value := params.get(member), str)]
        if member not in request["required"]:
            found.append(ParamClass(f"{member} given", lambda params, member=member: member in params))  # type: ignore[misc]
            found.append(ParamClass(f"{member} left out", lambda params, member=member: member not in params))  # type: ignore[misc]
        if "x-characters" in rule:
            found += [_member(f"{member} {name}", member, re.compile(pattern).search) for name, pattern in _TEXTS]
        elif "x-integer" in rule:
            found += _bounds(member, sorted({int(value) for value in values if value.isdecimal()}), "{}", int)
        else:
            found += _beginning(member, values)
        found += _counted(contract, folder, member)
        if "x-characters" in rule:
            found += _bounds(member, sorted({len(value) for value in values}), "{} characters", len)
            found += _bounds(member, sorted({_in_bytes(value) for value in values}), "{} bytes in UTF-8", _in_bytes)
    return found


_TEXTS: tuple[tuple[str, str], ...] = (
    ("with text that is not ASCII", r"[^\x00-\x7f]"),
    (f"of more than {ONE_SMS} characters", rf"(?s)\A.{{{ONE_SMS + 1}}}"),
    ("of more than 70 characters, not all ASCII", r"(?s)\A(?=.*[^\x00-\x7f]).{71}"),
    ("with characters that are not Latin-1", r"[^\x00-\xff]"),
    ("with characters beyond the basic plane", r"[\U00010000-\U0010ffff]"),
    ("with emoji", "[\u2600-\u27bf\U0001f300-\U0001faff]"),
    ("with line breaks", "[\r\n]"),
    ("with control characters (tab, line feed, carriage return)", "[\t\r\n]"),
    ("with blanks at an end", r"(?s)\A\s|\s\Z"),
    ("with quotes, apostrophes or backslashes", r"[\"'\\]"),
    ("with <, > or &", "[<>&]"),
    ("with braces, percent or dollar signs", "[{}%$]"),
    ("of digits alone", r"\A[0-9]+\Z"),
    ('that is the text "0"', r"\A0\Z"),
    ('that is the text "null"', r"\Anull\Z"),
)


def _member(name: str, member: str, holds: Callable[[str], object], *, drawn: bool = False) -> ParamClass:
    return ParamClass(name, lambda params: isinstance(value := params.get(member), str) and bool(holds(value)), drawn)


def _beginning(member: str, values: Sequence[str]) -> Iterator[ParamClass]:
    for length in PREFIXES:
        for prefix in sorted({value[:length] for value in values if len(value) > length}):
            begins = re.compile(re.escape(prefix)).match
            yield _member(f"{member} that begins with {prefix}", member, begins, drawn=True)


def _counted(contract: Contract, folder: str, member: str) -> Iterator[ParamClass]:
    """The classes of the coverage, except the ways to write a text in JSON, which the client may choose."""
    for each in classes_of_members(contract, folder)[member]:
        if each not in WRITINGS:
            name = f"{member} of the class {each.name}"
            yield _member(name, member, lambda text, each=each: each.holds(Written(text)))  # type: ignore[misc]


def _bounds(member: str, values: Sequence[int], shown: str, measure: Callable[[str], int]) -> Iterator[ParamClass]:
    """Above or below each value there is: the client's limit lies between two of them."""

    def measured(text: str) -> int:
        try:
            return measure(text)
        except ValueError:
            return 0

    for value in values[1:]:
        name = f"{member} of {shown.format(value)} or more"
        yield _member(name, member, lambda text, value=value: measured(text) >= value, drawn=True)  # type: ignore[misc]
    for value in values[:-1]:
        name = f"{member} of {shown.format(value)} or less"
        yield _member(name, member, lambda text, value=value: measured(text) <= value, drawn=True)  # type: ignore[misc]


def _in_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


RULES: Mapping[str, ClientRule] = {
    "becomes-a-request": ClientRule(becomes_a_request, "how many calls were made is not known without a driver"),
    "rejected-only-if-unsent": ClientRule.plain(rejected_only_if_unsent, UNHEARD),
}

"""DRV, SND, ROB: the requests of a client that reached the witness, and the life of its driver."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from conformance.client.rules.calls import Call
from conformance.client.rules.evidence import UNHEARD, ClientCheck, ClientEvidence, ClientRule, failed, passed
from conformance.client.rules.unsent import said_to_be_lacking, why_none_arrived
from conformance.contract.requirements import REQUEST, ByPlace
from conformance.judging.judgement import Finding, Inconclusive, Judgement, Passed, Reason, shown
from conformance.judging.reading import Content
from conformance.model.traffic import JSON_MEDIA_TYPE, Headers, Request, header, media_type

# Fewer characters are part of anything, not a trace of a secret.
LEAST_TRACE = 8


def driver_answers_once(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:  # noqa: ARG001
    """DRV-01; RDG-08 judges a client that waits for ever on a gateway that never answers."""
    for call in evidence.calls:
        deaths = [d for d in call.deaths if not waits_for_ever(call, d) and not sends_again_later(call, d)]
        if deaths:
            yield Finding(f"the driver failed: {deaths[0]['detail']}", case=call.case.id)
        elif call.report is not None or call.unsupported:
            yield Passed()
    if not evidence.calls and evidence.terms.greeted:
        yield Passed()  # a client that makes no calls has said hello, and maybe reported on requests
    for death in evidence.deaths_of_no_call:
        yield Finding(f"the driver failed: {death['detail']}", case=death["case"])


def waits_for_ever(call: Call, death: Mapping[str, Any]) -> bool:
    """Whether a driver was silent because its client still waits for an answer that never comes."""
    # Killing a driver closes all its connections.
    ends = [sent.exchange.answered_at for sent in call.sent if sent.unanswered]
    return death["how"] == "hang" and any(at is None or "at" not in death or at >= death["at"] for at in ends)


def sends_again_later(call: Call, death: Mapping[str, Any]) -> bool:
    """Whether a driver was silent because its client was about to send again, after the long wait that is advised."""
    return death["how"] == "hang" and len(call.here) > 1 and not waits_for_ever(call, death)


# --- Single requests

RequestRule = Callable[[ClientEvidence, Call, Request], Iterator[str]]


def each_request(rule: RequestRule) -> ClientCheck:
    """A check of `rule` on each request at a base URL of the suite; it yields the messages of findings."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        for call in evidence.of_command(command):
            for sent in call.here:
                words = next(rule(evidence, call, sent.exchange.request), None)
                yield passed(sent) if words is None else failed(call, words, sent)

    return check


def method_of_the_command(evidence: ClientEvidence, call: Call, request: Request) -> Iterator[str]:
    """SND-02."""
    expected = evidence.terms.contract.commands[call.case.command or ""].method
    if request.method != expected:
        yield f"the method is {request.method}, not {expected}"


def credential_of_the_account(evidence: ClientEvidence, _: Call, request: Request) -> Iterator[str]:
    """SND-04: one header, the scheme in the contract's spelling, and base64 in its usual alphabet."""
    stated = evidence.terms.contract.authentication
    values = [value for name, value in request.headers if name.lower() == stated.header.lower()]
    expected = f"{stated.scheme} {_token(evidence)}"
    if not values:
        yield f"there is no {stated.header} header"
    elif values != [expected]:
        yield f"{stated.header} is {shown(', '.join(values))}, not {shown(expected)}"


def body_declared_as_json(_: ClientEvidence, __: Call, request: Request) -> Iterator[str]:
    """SND-05: parameters such as charset may follow."""
    if not request.body:
        return
    declared = header(request.headers, "content-type")
    if declared is None:
        yield f"the body is not declared; expected Content-Type: {JSON_MEDIA_TYPE}"
    elif media_type(request.headers) != JSON_MEDIA_TYPE:
        yield f"the body is declared as {shown(declared)}, not as {JSON_MEDIA_TYPE}"


def members_as_asked(evidence: ClientEvidence, call: Call, request: Request) -> Iterator[str]:
    """SND-07: values are compared as text; SND-08 is about their types."""
    members, asked = Content.of(request.body).members, call.params
    if members is None:
        return  # SND-06
    for name in asked:
        if name not in members:
            yield f"{name} is missing{said_to_be_lacking(call, name, evidence.terms.contract)}"
    for name, value in members.items():
        if name not in asked:
            yield f"{name} was not asked for"
        elif as_text(value) != asked[name]:
            yield f"{name} is {shown(value)}, asked for was {shown(asked[name])}"


def as_text(value: object) -> str:
    """A JSON value as text."""
    return value if isinstance(value, str) else json.dumps(value)


def credential_nowhere_else(evidence: ClientEvidence, _: Call, request: Request) -> Iterator[str]:
    """SND-10: in any spelling, in the URL, the body, or any header but its own."""
    yield from traces(evidence, request, {evidence.terms.contract.authentication.header.lower()})


def traces(evidence: ClientEvidence, request: Request, passed_over: set[str]) -> Iterator[str]:
    """The places where a request holds the credential, in words."""
    key, secret, token = evidence.terms.key, evidence.terms.secret, _token(evidence)
    plain = {secret, token, token.rstrip("="), token.translate({ord("+"): "-", ord("/"): "_"}).rstrip("=")}
    plain |= {key} if _names_key(evidence) else set()
    forms = plain | {quote(form, safe="") for form in plain} | {quote_plus(form) for form in plain}
    forms = {form for form in forms if len(form) >= LEAST_TRACE}
    if any(form in request.url for form in forms):
        yield "the URL contains the credential"
    if any(form.encode() in request.body for form in forms):
        yield "the body contains the credential"
    for name, value in request.headers:
        if name.lower() not in passed_over and any(form in value for form in forms):
            yield f"the header {name} contains the credential"


def _token(evidence: ClientEvidence) -> str:
    """The part of the header that follows the scheme."""
    key, secret = evidence.terms.key, evidence.terms.secret
    return b64encode(f"{key}:{secret}".encode()).decode() if _names_key(evidence) else secret


def _names_key(evidence: ClientEvidence) -> bool:
    return "key" in evidence.terms.contract.authentication.token


def accept_admits_json(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """SND-12, where Accept is sent."""
    for call in evidence.of_command(command):
        for sent in call.here:
            accept = _accept(sent.exchange.request.headers)
            if accept is not None:
                admits = any(media_range in ACCEPTED for media_range in accept)
                yield passed(sent) if admits else failed(call, f"Accept is {shown(', '.join(accept))}", sent)


ACCEPTED = {JSON_MEDIA_TYPE, "application/*", "*/*", ""}


def _accept(headers: Headers) -> list[str] | None:
    """The media ranges of Accept that are not ruled out by their weight, without parameters."""
    values = [value for name, value in headers if name.lower() == "accept"]
    if not values:
        return None
    ranges = [part.partition(";") for part in ",".join(values).split(",")]
    return [name.strip().lower() for name, _, weight in ranges if weight.replace(" ", "") not in {"q=0", "q=0.0"}]


def request_keeps(place: ByPlace) -> ClientCheck:
    """A check that no request breaks the schema of its command at that place.

    An unreadable body breaks the type of the whole. SND-07 is about members that were not asked for. Raises ValueError
    for a place in another message.
    """
    if place.messages != (REQUEST,) or not place.at:
        raise ValueError(f"its place is {place}; expected one in the message {REQUEST!r}")
    of_the_whole = place.names("", "type")

    def rule(evidence: ClientEvidence, call: Call, request: Request) -> Iterator[str]:
        contract, content = evidence.terms.contract, Content.of(request.body)
        command = contract.commands[call.case.command or ""]
        if content.error is not None:
            if of_the_whole:
                yield f"the body is unreadable: {content.error}"
            return
        for violation in contract.schemas.violations(f"{command.folder}/request", content.value):
            member = violation.pointer.partition("/")[2].partition("/")[0]
            if place.names(violation.pointer, violation.keyword) and (not member or member in call.params):
                yield f"{member or 'the body'}: {violation.message}"

    return each_request(rule)


# --- The addresses of requests, and their number


def path_of_the_command(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """SND-03: the client keeps the whole base URL; a request under none of them breaks that, too."""
    for call in evidence.of_command(command):
        for sent in call.here:
            path = sent.exchange.request.url.partition("?")[0]
            yield passed(sent) if path == call.target else failed(call, f"the path is {path}, not {call.target}", sent)
    for sent, at_hand in evidence.strays:
        if at_hand is not None and at_hand.case.command == command and not sent.elsewhere:
            path = sent.exchange.request.url.partition("?")[0]
            yield failed(at_hand, f"the path is {path}, not {at_hand.target}: the base URL was not kept", sent)


def accepted_only_if_sent(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """SND-01."""
    for call in evidence.of_command(command):
        if call.report is None or not call.report.accepted or call.case.earlier is not None or call.extra is not None:
            continue  # ROB-01 is about the repeated call
        if call.sent:
            yield Passed(call.sent[0].number)
        elif call.astray:
            yield Inconclusive(Reason.PRECONDITION, "the request went to another address")
        else:
            yield failed(call, "the client says that the request was accepted, and none has reached the gateway")


def one_request_each(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """SND-09: where the first one was accepted."""
    for call in evidence.of_command(command):
        if not call.sent or not call.sent[0].accepts:
            continue
        if len(call.sent) == 1:
            yield passed(call.sent[0])
        else:
            yield failed(
                call, f"one call has led to {len(call.sent)} requests, though the first was accepted", call.sent[1]
            )


def credential_stays_here(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """SND-11: after a redirect to another host, whether the client followed it or not."""
    for call in evidence.of_command(command):
        if not any(sent.redirects for sent in call.here):
            continue
        strangers = [sent for sent in call.sent if sent.elsewhere]
        where = next((each for sent in strangers for each in traces(evidence, sent.exchange.request, set())), None)
        words = f"after a redirect to another host {where}"
        yield passed(call.sent[0]) if where is None else failed(call, words, strangers[0])


def as_at_first(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:  # noqa: ARG001
    """ROB-01: the last call repeats the first one, with the same request and report."""
    calls = {call.case.id: call for call in evidence.calls}
    repeated = {call.case.earlier: call for call in evidence.calls if call.asked_at is not None}  # of several the last
    for call in evidence.calls:
        first = calls.get(call.case.earlier or "")
        if first is None or repeated.get(first.case.id, call) is not call:
            continue
        if not _well(first):
            did_not = (Reason.PRECONDITION, "the first call did not go well either")
            yield Inconclusive(*(why_none_arrived(evidence, None) or did_not))
        elif (words := _sends_nothing(evidence, call)) is not None:
            yield Inconclusive(Reason.PRECONDITION, words)
        elif call.unsupported or (call.report is None and not call.deaths):
            yield Inconclusive(Reason.INTERRUPTED, "the run ended before the first call was repeated")
        elif call.report is None:
            yield failed(call, f"the client did not survive: {call.deaths[0]['detail']}")
        elif not _well(call):
            yield failed(call, f"the first call, made again, ends with {call.report.in_words}")
        elif _bodies(call) != _bodies(first):
            yield failed(call, "the first call, made again, sends something else", call.sent[0])
        else:
            yield passed(call.sent[0])


def _sends_nothing(evidence: ClientEvidence, call: Call) -> str | None:
    """In words, that the client sent no other call either when the first one was repeated; None if it did."""
    others = [each for each in evidence.calls if each.of == call.case.id]
    if (
        call.arrived
        or call.report is None
        or call.report.accepted
        or not others
        or any(each.arrived for each in others)
    ):
        return None
    return f"the client sent no call at all when the first one was repeated, and says {call.report.in_its_words}"


def _well(call: Call) -> bool:
    return call.report is not None and call.report.accepted and bool(call.sent) and call.sent[-1].accepts


def _bodies(call: Call) -> list[Any]:
    return [Content.of(sent.exchange.request.body).value for sent in call.sent]


_UNCOUNTED = "how many calls were made is not known without a driver"

RULES: Mapping[str, ClientRule] = {
    "driver-answers-once": ClientRule.plain(driver_answers_once, whole=True),
    "accepted-only-if-sent": ClientRule.plain(accepted_only_if_sent, UNHEARD),
    "method-of-the-command": ClientRule.plain(each_request(method_of_the_command)),
    "path-of-the-command": ClientRule.plain(path_of_the_command),
    "credential-of-the-account": ClientRule.plain(each_request(credential_of_the_account)),
    "body-declared-as-json": ClientRule.plain(each_request(body_declared_as_json)),
    "members-as-asked": ClientRule.plain(
        each_request(members_as_asked), "the parameters of calls are not known without a driver"
    ),
    "one-request-each": ClientRule.plain(one_request_each, _UNCOUNTED),
    "credential-nowhere-else": ClientRule.plain(each_request(credential_nowhere_else)),
    "credential-stays-here": ClientRule.plain(credential_stays_here),
    "accept-admits-json": ClientRule.plain(accept_admits_json),
    "as-at-first": ClientRule.plain(as_at_first, whole=True),
}

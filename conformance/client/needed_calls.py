"""The calls of a certification that some requirements need: as few as give the same verdicts on them.

Which scenarios a rule reads is not written anywhere: each rule is tried on a specimen of each, a call with the answers
that the gateway would give. A rule that reads every scenario, whatever the gateway answers, reads the request. It gets
one scenario of each kind, two of a kind being read by the same rules. Likewise a rule whose judgement changes with the
body of a request needs every payload, the others need few.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil

from conformance.client.face import client_checks, judges_the_whole
from conformance.client.plan import MOST_BETWEEN, PlannedCall, spread
from conformance.client.rules.calls import REUSED, Call, ClientReport, SentRequest
from conformance.client.rules.evidence import ClientEvidence, ClientTerms
from conformance.client.rules.unsent import REJECTED
from conformance.client.settings import DEFAULT_TIMEOUT_S
from conformance.client.witness import SENDING, as_sent, played
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, Focus
from conformance.contract.tables import ScenarioRow
from conformance.judging.judgement import Finding
from conformance.judging.messages import Answer
from conformance.mock.account import Account
from conformance.mock.behaviour import Ending
from conformance.mock.gateway import Gateway
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Exchange, Kind, Request

# The second request of a specimen comes after any Retry-After of a scenario; the watch ends long after that.
LATER_S, SETTLED_S = 1_000.0, 1_000_000.0

# Of specimens; any two of which the second is longer will do.
RESEND_WINDOW_S, ADVISED_DELAY_S = 2.0, 10.0

# A client may report each of these on any answer.
REPORTS = (("accepted", None), ("error", "http"), ("error", REJECTED))


def needed(calls: Sequence[PlannedCall], focus: Focus, contract: Contract) -> list[PlannedCall]:
    """Those of the calls, in their order, that the requirements of a focus need.

    Accepted calls stay among the failing ones as in the whole: a circuit breaker opens when too many have failed.
    """
    if not calls:
        return []
    kept = {0}
    for id_, command in _pairs(focus, contract):
        of_command = {call.case.id: place for place, call in enumerate(calls) if command in {None, call.command.name}}
        failing = [of_command[each] for each in focus.failing(id_, command, of_command)]
        kept |= set(failing or _bearing(calls, id_, command, contract))
    commands = {calls[place].command.name for place in kept}
    usual = [place for place, call in enumerate(calls) if call.scenario is SENDING and call.command.name in commands]
    # The first of each command shows whether the client understands the usual answer.
    firsts = {calls[place].command.name: place for place in reversed(usual)}
    kept |= set(firsts.values())
    troubled = [place for place, call in enumerate(calls) if call.troubles]
    share = min((len(calls) - len(troubled)) / max(len(troubled), 1), MOST_BETWEEN)
    wanting = ceil(share * sum(calls[place].troubles for place in kept))
    wanting -= sum(not calls[place].troubles for place in kept)
    kept |= set([place for place in usual if place not in kept][: max(wanting, 0)])
    first, *others = (calls[place] for place in sorted(kept))
    return [first, *spread(others)]


def _pairs(focus: Focus, contract: Contract) -> Iterator[tuple[str, str | None]]:
    for requirement in contract.catalogue.requirements:
        if requirement.actor is Actor.CLIENT and requirement.excluded is None:
            yield from ((requirement.id, name) for name in requirement.commands if focus.covers(requirement.id, name))


def _bearing(calls: Sequence[PlannedCall], id_: str, command: str | None, contract: Contract) -> Iterator[int]:
    """The places of the calls by which the requirement may be judged, the usual answer to any payload aside."""
    if command is None or judges_the_whole(contract.catalogue[id_]):
        yield from range(len(calls))
        return
    reading = _Reading.of(contract, command)
    scenarios, payloads = reading.scenarios_for(id_) - {SENDING.name}, id_ in reading.by_payload
    for place, call in enumerate(calls):
        if call.command.name == command and (payloads if call.scenario is SENDING else call.scenario.name in scenarios):
            yield place


@dataclass(frozen=True, slots=True)
class _Reading:
    """The scenarios of a command that the requirements on clients read.

    `first`, `later`: by requirement, the scenarios whose first answer it judges, and those whose answer to a second
    request it judges. `by_payload`: those whose judgement depends on the payload.
    """

    first: Mapping[str, frozenset[str]]
    later: Mapping[str, frozenset[str]]
    by_payload: frozenset[str]
    kinds: Mapping[str, frozenset[str]]
    """By scenario, the requirements that judge its first answer and not every one."""

    @classmethod
    @cache
    def of(cls, contract: Contract, command: str) -> _Reading:
        """Try every rule on specimens of that command."""
        ids = [id_ for id_, name in _pairs(Focus(), contract) if name == command]
        rows = [SENDING, *contract.behaviours.scenarios]
        single = {row.name: specimens(contract, command, row, attempts=1) for row in rows}
        twice = {row.name: specimens(contract, command, row, attempts=2) for row in rows}
        first = {id_: _judged(contract, id_, command, single) for id_ in ids}
        later = {id_: _judged(contract, id_, command, twice) for id_ in ids}
        telling = [id_ for id_ in ids if len(first[id_]) < len(rows)]
        kinds = {row.name: frozenset(id_ for id_ in telling if row.name in first[id_]) for row in rows}
        # A rule without anything to say on the specimen's payload is there for others.
        by_payload = frozenset(id_ for id_ in ids if not first[id_] or _reads_payload(contract, id_, command))
        return cls(first, later, by_payload, kinds)

    def scenarios_for(self, id_: str) -> frozenset[str]:
        """Those that the requirement needs; the usual answer aside."""
        judged = self.first[id_]
        needs_each = len(judged) < len(self.kinds)
        found = set(judged) if needs_each else set(self._one_of_each_kind(judged))
        seen = {self.kinds[name] for name in found}
        found |= {name for name in self._one_of_each_kind(self.later[id_]) if self.kinds[name] not in seen}
        return frozenset(found)

    def _one_of_each_kind(self, names: Collection[str]) -> list[str]:
        chosen: dict[frozenset[str], str] = {}
        for name in self.kinds:  # in the order of the contract
            if name in names:
                chosen.setdefault(self.kinds[name], name)
        return list(chosen.values())


def _judged(
    contract: Contract, id_: str, command: str, specimens: Mapping[str, Sequence[ClientEvidence]]
) -> frozenset[str]:
    """The scenarios on which the check of a requirement has anything to say."""
    check = client_checks(contract)[id_]
    return frozenset(
        name for name, each in specimens.items() if any(next(check(one, command), None) is not None for one in each)
    )


def _reads_payload(contract: Contract, id_: str, command: str) -> bool:
    """Whether the judgement changes with the body of a request, or there is one of a call without any request."""
    check = client_checks(contract)[id_]

    def judgement(evidence: ClientEvidence) -> list[type]:
        return [type(each) for each in check(replace(evidence, memo={}), command)]

    for lawful in specimens(contract, command, SENDING, attempts=1):
        (call,) = lawful.calls
        unsent = replace(lawful, calls=[replace(call, sent=())], memo={})
        if Finding in judgement(unsent):
            return True
        usual = judgement(lawful)
        numbers = json.dumps(dict.fromkeys(call.params, 1)).encode()
        for body in (b"", b"[]", b"not JSON", numbers, b'{"other": "1"}', lawful.terms.secret.encode()):
            if judgement(replace(lawful, calls=[_with_body(call, body)])) != usual:
                return True
    return False


def _with_body(call: Call, body: bytes) -> Call:
    (sent,) = call.sent
    exchange = replace(sent.exchange, request=replace(sent.exchange.request, body=body))
    return replace(call, sent=(replace(sent, exchange=exchange),))


# --- Specimens


def specimens(contract: Contract, command: str, row: ScenarioRow, *, attempts: int) -> list[ClientEvidence]:
    """One call in a scenario, of a client that sends so many requests, with each report on the last answer."""
    account = Account.sample(contract=contract)
    sent = tuple(_sent(contract, command, row, account, attempts))
    if len(sent) < attempts:
        return []
    at = (sent[-1].exchange.answered_at or 0.0) + 1.0
    terms = ClientTerms(
        commands=(command,),
        declared=frozenset({command}),
        key=account.consumer_key,
        secret=account.consumer_secret,
        timeout_s=DEFAULT_TIMEOUT_S,
        resend_window_s=RESEND_WINDOW_S,
        advised_delay_s=ADVISED_DELAY_S,
        settled_at=SETTLED_S,
        greeted=True,
        contract=contract,
    )
    reports = [ClientReport(outcome, error, None, None, None, at) for outcome, error in REPORTS]
    case = _case(contract, command)
    return [
        ClientEvidence(terms, [Call(case, sent, report, asked_at=0.0, timeout_s=DEFAULT_TIMEOUT_S)])
        for report in reports
    ]


def _sent(contract: Contract, command: str, row: ScenarioRow, account: Account, attempts: int) -> Iterator[SentRequest]:
    """The requests of such a call with their answers; no second one after an acceptance."""
    behaviour = played(row, "0", "http://localhost/elsewhere", DEFAULT_TIMEOUT_S)
    gateway, case = Gateway(account, behaviour, 0), _case(contract, command)
    for number in range(1, attempts + 1):
        at = number * LATER_S
        reply = gateway.answer(case.request, at).reply
        whole = reply.ending is Ending.WHOLE
        exchange = Exchange(
            number,
            case.id,
            number,
            case.request,
            at,
            at,
            as_sent(reply, behaviour.wire) if whole else None,
            None if whole else reply.ending.value + (REUSED if row.reuses else ""),
            at + 0.01,
        )
        sent = SentRequest(exchange, Answer.of(case, exchange, contract), elsewhere=False)
        yield sent
        if sent.accepts:
            return


def _case(contract: Contract, command: str) -> Case:
    """A lawful call, of the first example of its schema."""
    stated, row = contract.authentication, contract.commands[command]
    account, body = Account.sample(contract=contract), b""
    headers = [(stated.header, stated.value(account.consumer_key, account.consumer_secret))]
    headers.append(("Accept", JSON_MEDIA_TYPE))
    if row.method != "GET":
        body = json.dumps(contract.schemas.resolved(row.request_schema)["examples"][0]).encode()
        headers.append(("Content-Type", JSON_MEDIA_TYPE))
    url = f"{contract.base_path}/{command}"
    return Case(
        "specimen", command, Kind.INVOKE, "specimen", "specimen", Request(row.method, url, tuple(headers), body)
    )

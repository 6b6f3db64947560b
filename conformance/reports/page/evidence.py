"""The evidence behind findings: exchange, notifications and timeline of the cases that they name."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.places import answer_to
from conformance.journal import Record
from conformance.judging.reading import Content
from conformance.model.traffic import Case, Exchange, Kind, Notification, Request, Response
from conformance.reports.figures import in_words
from conformance.reports.page.transcript import (
    CLIENT_SENDS,
    RECEIVER_ANSWERS,
    SUITE_NOTIFIES,
    WITNESS_ANSWERS,
    Transcript,
    body_markup,
)
from conformance.reports.report import Report, ReportedFinding, ReportEntry
from conformance.reports.result import Reportable, is_client
from conformance.reports.text import Masking
from conformance.wire.ledger import request_id_of

# So that the page stays below 5 MB.
MOST_EXCHANGES = 300
# Of one request: three show that a notification is repeated.
MOST_NOTIFICATIONS = 3
# In the table of cases: the first ones.
MOST_CASES = 5_000
MS = 1000
REFUSED_FROM = 400
# A contract may mask phone numbers in notifications with it; what is masked cannot be compared.
MASK = "*"

CaseRow = list[Any]
"""Of an attempt: case, kind, aspect, status (0: none), milliseconds to the answer and from it to a notification (None:
there was none), number of the exchange, ids of the requirements that failed in the case, and the one that shows it."""


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """The exchanges that findings name, and the notifications that belong to them or that findings name themselves.

    `cases` are the rows of the table of cases, `numbers` gives the first exchange of a case.
    """

    contract: Contract
    masking: Masking
    transcript: Transcript = field(default_factory=Transcript)
    exchanges: Mapping[int, tuple[Case | None, Exchange]] = field(default_factory=dict)
    by_request_id: Mapping[str, Sequence[Notification]] = field(default_factory=dict)
    by_number: Mapping[int, Notification] = field(default_factory=dict)
    cases: Sequence[CaseRow] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, result: Reportable) -> PageEvidence:
        """Gather the part of the record that the findings name; nothing without a record."""
        record, contract = result.record, result.contract
        if record is None:
            return cls(contract, result.masking)
        findings = result.report.findings
        examples = [entry.example.exchange for entry in result.report.requirements if entry.example]
        named_exchanges = (*(f.exchange for f in findings if f.exchange is not None), *examples)
        numbers = list(dict.fromkeys(named_exchanges))[:MOST_EXCHANGES]
        named = {finding.notification for finding in findings}
        exchanges = record.exchanges_numbered(set(numbers))
        wanted = {_request_id(exchange, contract) for _, exchange in exchanges.values()}
        by_request_id: dict[str, list[Notification]] = defaultdict(list)
        by_number = {}
        first_at: dict[str, float] = {}
        for notification in record.notifications:
            request_id = request_id_of(notification.request.body, contract.notification.id)
            if notification.number in named:
                by_number[notification.number] = notification
            if request_id is None:
                continue
            first_at.setdefault(request_id, notification.received_at)
            if request_id in wanted and len(by_request_id[request_id]) < MOST_NOTIFICATIONS:
                by_request_id[request_id].append(notification)
        shown = {entry.example.case: entry.id for entry in reversed(result.report.requirements) if entry.example}
        cases = list(_rows(record, first_at, _failed_in(result.report), shown, contract))
        return cls(
            contract,
            result.masking,
            Transcript.of(result, record) if is_client(record) else Transcript(),
            exchanges,
            by_request_id,
            by_number,
            cases,
            {row[0]: row[6] for row in reversed(cases)},
        )

    def place(self, finding: ReportedFinding) -> str | None:
        """The anchor of the case of a finding: its scene, else its row in the table of cases."""
        scene = self.transcript.place(finding.case)
        number = self.numbers.get(finding.case or "")
        return scene or (f"case-{number}" if number is not None else None)

    def named(self, report: Report) -> Iterator[CaseRow]:
        """The first row of each case that a finding names."""
        ids = {finding.case for finding in report.findings}
        return (row for row in self.cases if row[0] in ids and self.numbers[row[0]] == row[6])

    def shown(self, finding: ReportedFinding, command: str | None) -> Mapping[str, Any] | None:
        """The exchange and the notifications of a finding, for the template; None if there are none."""
        case, exchange = self.exchanges.get(finding.exchange or 0, (None, None))
        notifications = self._notifications(finding, exchange)
        said = self.transcript.answers.get(finding.case or "")
        stderr = self.transcript.stderr.get(finding.case or "")
        if exchange is None and not notifications and said is None:
            return None
        response = exchange.response if exchange else None
        messages: list[Request | Response] = [each.request for each in notifications]
        messages += [exchange.request] if exchange else []
        messages += [response] if response else []
        differs = differing([message.body for message in messages])
        pointers = frozenset([finding.pointer] if finding.pointer else [])
        of_answer = pointers if finding.notification is None else frozenset[str]()
        made_wrong = frozenset([f"/{case.member}"] if case and case.member else [])
        return {
            "request": exchange and self._message(exchange.request, made_wrong, differs),
            "line": exchange and f"{exchange.request.method} {self.masking.text(exchange.request.url)}",
            "headings": _headings(case),
            "about": case and f"{case.kind.value}, {case.aspect}",
            "breaks": made_to_break(case),
            "rule": broken_rule(
                finding, command, exchange, self.by_number.get(finding.notification or 0), self.contract
            ),
            "response": response and {"status": response.status, **self._message(response, of_answer, differs)},
            "failure": exchange and exchange.failure and self.masking.text(exchange.failure),
            "notifications": [
                {
                    "number": each.number,
                    # Without the query, whose values are redacted and long.
                    "line": f"{each.request.method} {self.masking.text(each.request.url.partition('?')[0])}",
                    **self._message(
                        each.request, pointers if each.number == finding.notification else frozenset(), differs
                    ),
                }
                for each in notifications
            ],
            "said": said,
            "stderr": stderr,
            "differs": bool(differs),
            "timeline": list(_timeline(exchange, notifications)),
        }

    def example(self, entry: ReportEntry) -> Mapping[str, Any] | None:
        """The exchange and the notifications of an entry's example of one that passed; None if there are none."""
        passed = entry.example
        if passed is None:
            return None
        return self.shown(ReportedFinding("", case=passed.case, exchange=passed.exchange), entry.command)

    def _notifications(self, finding: ReportedFinding, exchange: Exchange | None) -> list[Notification]:
        request_id = _request_id(exchange, self.contract) if exchange else None
        about = list(self.by_request_id.get(request_id or "", ()))
        named = self.by_number.get(finding.notification or 0)
        if named is not None and named not in about:
            about.append(named)
        return about

    def _message(
        self, message: Request | Response, pointers: frozenset[str], differs: frozenset[str]
    ) -> Mapping[str, Any]:
        body = self.masking.data(message.body)
        return {
            "headers": self.masking.headers(message.headers),
            "body": body_markup(body, pointers, differs) if body else None,
        }


def _headings(case: Case | None) -> tuple[str, str]:
    if case is None or case.kind not in (Kind.INVOKE, Kind.DELIVER):
        return "Request", "Answer"
    if case.kind is Kind.INVOKE:
        return CLIENT_SENDS, WITNESS_ANSWERS
    return SUITE_NOTIFIES, RECEIVER_ANSWERS


def _timeline(exchange: Exchange | None, notifications: Sequence[Notification]) -> Iterator[Mapping[str, Any]]:
    """The events since the request was sent; `share` is the percentage of the whole time."""
    moments: list[tuple[str, float]] = []
    if exchange is not None:
        moments.append(("sent", exchange.sent_at))
        if exchange.answered_at is not None:
            moments.append(("answered" if exchange.response else "given up", exchange.answered_at))
    moments += [(f"notified (notification {n.number})", n.received_at) for n in notifications]
    moments.sort(key=lambda moment: moment[1])
    start = moments[0][1] if moments else 0.0
    whole = (moments[-1][1] - start if moments else 0.0) or 1.0
    for what, at in moments:
        yield {"what": what, "after": in_words(at - start), "share": round((at - start) / whole * 100, 1)}


def _failed_in(report: Report) -> Mapping[str, Mapping[str, None]]:
    """Case → the ids of the requirements that failed in it."""
    failed: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in report.requirements:
        for case_id in (case_id for finding in entry.findings for case_id in finding.cases):
            failed[case_id][entry.id] = None
    return failed


def _rows(
    record: Record,
    first_at: Mapping[str, float],
    short: Mapping[str, Mapping[str, None]],
    shown: Mapping[str, str],
    contract: Contract,
) -> Iterator[CaseRow]:
    for case, exchange, _ in record.attempts():
        if exchange.number > MOST_CASES:
            return
        took = None if exchange.answered_at is None else round((exchange.answered_at - exchange.sent_at) * MS, 1)
        notified = first_at.get(_request_id(exchange, contract) or "")
        waited = (
            None
            if notified is None or exchange.answered_at is None
            else round(max(notified - exchange.answered_at, 0.0) * MS, 1)
        )
        status = exchange.response.status if exchange.response else 0
        ids = list(short.get(case.id, ()))
        place = ids[0] if ids else shown.get(case.id, "")
        yield [case.id, case.kind.value, case.aspect, status, took, waited, exchange.number, ids, place]


def _request_id(exchange: Exchange, contract: Contract) -> str | None:
    return request_id_of(exchange.response.body, contract.answer.id) if exchange.response else None


def broken_rule(
    finding: ReportedFinding,
    command: str | None,
    exchange: Exchange | None,
    notification: Notification | None,
    contract: Contract,
) -> tuple[str, str, str] | None:
    """The schema, keyword and message of a violation; None where the finding is not about a place in a schema."""
    if finding.pointer is None:
        return None
    if finding.notification is not None:
        body = notification.request.body if notification else b""
        known = command is not None and (command in contract.commands or command in contract.unsolicited)
        name = f"{contract.notified(command).folder}/notification" if known and command else None
    else:
        response = exchange.response if exchange else None
        body = response.body if response else b""
        accepted = response is not None and response.status < REFUSED_FROM
        asked = contract.commands.get(command or "")
        name = answer_to(asked, contract.schemas, accepted=accepted).schema if response else None
    content = Content.with_repeats(body)
    if name is None or content.error is not None:
        return None
    found = (each for each in contract.schemas.violations(name, content.value) if each.pointer == finding.pointer)
    return next(((name, each.keyword, each.message) for each in found), None)


def made_to_break(case: Case | None) -> str | None:
    """`maxLength of /message`: the keyword that the request of a case violates on purpose."""
    if case is None or case.keyword is None:
        return None
    return f"{case.keyword} of /{case.member}" if case.member else case.keyword


def differing(bodies: Sequence[bytes]) -> frozenset[str]:
    """Pointers of the members in which bodies differ; a number and the same number as a string are equal."""
    texts: dict[str, set[str]] = {}
    for body in bodies:
        for name, member in (Content.with_repeats(body).members or {}).items():
            text = member if isinstance(member, str) else json.dumps(member)
            if MASK not in text:
                texts.setdefault(name, set()).add(text)
    return frozenset(
        "/" + name.replace("~", "~0").replace("/", "~1") for name, values in texts.items() if len(values) > 1
    )

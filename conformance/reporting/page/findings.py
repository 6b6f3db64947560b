"""What findings rest on: the exchange and the notifications of the cases that they name, once each, with a timeline.

Evidence.of     what of a record is to be shown, gathered in two passes
.shown          one exchange with its notifications, ready for the template
.cases          all cases of the run, one short row each
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.callbacks.ledger import request_id_of
from conformance.journal import Record
from conformance.reporting.masking import Masking
from conformance.reporting.page.markup import body_markup
from conformance.reporting.page.plots import in_words
from conformance.traffic import Case, Exchange, Headers, Notification

# As many exchanges as a page of 5 MB can hold with all else; of each finding the journal has the rest.
MOST_EXCHANGES = 300
# A repeated notification is seen as such in three.
MOST_NOTIFICATIONS = 3
# Of a larger run the first ones stand in the table of cases.
MOST_CASES = 5_000
MS = 1000


@dataclass(frozen=True, slots=True)
class Evidence:
    """The exchanges that findings name, and the notifications that belong to them or are named themselves."""

    exchanges: Mapping[int, tuple[Case | None, Exchange]]
    by_request_id: Mapping[str, Sequence[Notification]]
    by_number: Mapping[int, Notification]
    masking: Masking
    cases: Sequence[Sequence[Any]] = field(default=(), repr=False)

    @classmethod
    def of(cls, record: Record, document: Mapping[str, Any], masking: Masking) -> Evidence:
        """Gather what the findings of the document name."""
        findings = [finding for entry in document["requirements"] for finding in entry["findings"]]
        numbers = list(dict.fromkeys(f["exchange"] for f in findings if f["exchange"] is not None))[:MOST_EXCHANGES]
        named = {f["notification"] for f in findings if f["notification"] is not None}
        exchanges = record.exchanges_numbered(set(numbers))
        wanted = {request_id for _, exchange in exchanges.values() if (request_id := _request_id(exchange))}
        by_request_id: dict[str, list[Notification]] = defaultdict(list)
        by_number = {}
        first_at: dict[str, float] = {}
        for notification in record.notifications:
            request_id = request_id_of(notification.request.body)
            if notification.number in named:
                by_number[notification.number] = notification
            if request_id is None:
                continue
            first_at.setdefault(request_id, notification.received_at)
            if request_id in wanted and len(by_request_id[request_id]) < MOST_NOTIFICATIONS:
                by_request_id[request_id].append(notification)
        return cls(exchanges, by_request_id, by_number, masking, list(_rows(record, first_at)))

    def shown(self, finding: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The exchange and the notifications of a finding as the template has them; None if neither is at hand."""
        case, exchange = self.exchanges.get(finding["exchange"], (None, None))
        notifications = self._notifications(finding, exchange)
        if exchange is None and not notifications:
            return None
        pointer = frozenset([finding["pointer"]] if finding["pointer"] else [])
        in_notification = finding["notification"] is not None
        nothing: frozenset[str] = frozenset()
        return {
            "request": exchange and self._message(exchange.request.headers, exchange.request.body, nothing),
            "line": exchange and f"{exchange.request.method} {self.masking.text(exchange.request.url)}",
            "about": case and f"{case.kind.value}, {case.aspect}",
            "response": self._response(exchange, nothing if in_notification else pointer),
            "failure": exchange and exchange.failure,
            "notifications": [
                {
                    "number": notification.number,
                    "line": f"{notification.request.method} {self.masking.text(_path(notification.request.url))}",
                    **self._message(
                        notification.request.headers,
                        notification.request.body,
                        pointer if notification.number == finding["notification"] else nothing,
                    ),
                }
                for notification in notifications
            ],
            "timeline": list(_timeline(exchange, notifications)),
        }

    def _notifications(self, finding: Mapping[str, Any], exchange: Exchange | None) -> list[Notification]:
        request_id = _request_id(exchange) if exchange else None
        about = list(self.by_request_id.get(request_id or "", ()))
        named = self.by_number.get(finding["notification"] or 0)
        if named is not None and named not in about:
            about.append(named)
        return about

    def _response(self, exchange: Exchange | None, pointers: frozenset[str]) -> Mapping[str, Any] | None:
        if exchange is None or exchange.response is None:
            return None
        response = exchange.response
        return {"status": response.status, **self._message(response.headers, response.body, pointers)}

    def _message(self, headers: Headers, body: bytes, pointers: frozenset[str]) -> Mapping[str, Any]:
        masked = self.masking.text(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return {
            "headers": [(name, self.masking.text(value)) for name, value in headers],
            "body": body_markup(masked, pointers) if body else None,
        }


def _path(url: str) -> str:
    """A target without the values of its query, which are redacted anyway and long."""
    return url.partition("?")[0]


def _timeline(exchange: Exchange | None, notifications: Sequence[Notification]) -> Iterator[Mapping[str, Any]]:
    """What happened when, from the moment when the request was sent; `share` of the whole, for the bar."""
    moments: list[tuple[str, float]] = []
    if exchange is not None:
        moments.append(("sent", exchange.sent_at))
        if exchange.answered_at is not None:
            moments.append(("answered" if exchange.response else "given up", exchange.answered_at))
    moments += [(f"notified (notification {n.number})", n.received_at) for n in notifications]
    moments.sort(key=lambda moment: moment[1])
    start = moments[0][1]
    whole = (moments[-1][1] - start) or 1.0
    for what, at in moments:
        yield {"what": what, "after": in_words(at - start), "share": round((at - start) / whole * 100, 1)}


def _rows(record: Record, first_at: Mapping[str, float]) -> Iterator[Sequence[Any]]:
    """For each attempt: case, kind, what it shows, status, milliseconds to the answer and from it to a notification."""
    for case, exchange, _ in record.attempts():
        if exchange.number > MOST_CASES:
            return
        took = None if exchange.answered_at is None else round((exchange.answered_at - exchange.sent_at) * MS, 1)
        notified = first_at.get(_request_id(exchange) or "")
        waited = (
            None
            if notified is None or exchange.answered_at is None
            else round(max(notified - exchange.answered_at, 0.0) * MS, 1)
        )
        status = exchange.response.status if exchange.response else 0
        yield [case.id, case.kind.value, case.aspect, status, took, waited]


def _request_id(exchange: Exchange) -> str | None:
    return request_id_of(exchange.response.body) if exchange.response else None

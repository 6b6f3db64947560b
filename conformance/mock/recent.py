"""The last exchanges of a mock gateway that people develop against, and the notifications that followed them.

    RecentExchanges     adds requests and notifications as the server goes, finds them, and waits for one
    RecordedRequest     a request, its answer, and its notifications
    SentNotification    a notification, and how its callback answered

It is bounded: so many exchanges, and so many bytes of each message. No secret of the account is in it, no credential,
and no token of a callback URL.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from conformance.contract.contract import Contract
from conformance.journal.redaction import Redaction
from conformance.mock.account import OPENING_BALANCE
from conformance.mock.behaviour import Callback, Ending, Reply, json_bytes
from conformance.mock.delivering import Received
from conformance.mock.gateway import Reaction
from conformance.mock.notifications import Transacted
from conformance.model.traffic import Headers, Request, shown_url
from conformance.model.untrusted import json_object

# Enough for a morning's work by hand; a test has some ten.
MOST_EXCHANGES = 200
# Of one exchange, and of those without one.
MOST_NOTIFICATIONS = 50
# Of a message; the longest lawful request has some kilobytes.
MOST_BYTES = 16 << 10
# Of a body that is searched for secrets: beyond MOST_BYTES, so that none is cut in two at the end of what is shown.
MOST_SEARCHED = 64 << 10
# Of a path.
MOST_CHARACTERS = 2048

# No answer at all, or no status that a client could read.
_UNANSWERED = frozenset({Ending.BEFORE, Ending.RESET, Ending.NEVER})

# A segment of a path with letters and digits, or of many of them: `c2b` and `v2` are shorter, words have hyphens.
_LIKE_A_TOKEN = re.compile(r"(?<=/)(?:(?=[^/?]*[0-9])(?=[^/?]*[A-Za-z])[^/?]{8,}|[A-Za-z0-9]{20,})")


def without_token(url: str) -> str:
    """The URL without the receiver's token, which may be in the query or the path."""
    shown = shown_url(url)
    path_at = shown.find("/", shown.find("://") + len("://"))
    return shown if path_at < 0 else shown[:path_at] + _LIKE_A_TOKEN.sub("…", shown[path_at:])


def text_of(body: bytes) -> str:
    """A body for people: bytes that are not UTF-8 are escaped."""
    return body.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class SentNotification:
    """A notification, and the answer of its callback.

    `at`: seconds since the Unix epoch. `url`: without its token. `status` is None where there was no answer, and
    `reason` says why. `took_s`: seconds until the answer. `answer`: the beginning of its body.
    """

    number: int
    at: float
    product: str
    method: str
    url: str
    headers: Headers
    body: bytes
    status: int | None
    reason: str | None
    took_s: float
    answer: bytes

    @property
    def taken(self) -> bool:
        """Whether the callback answered with a 2xx."""
        return self.status in range(200, 300)

    @property
    def payload(self) -> Mapping[str, Any] | None:
        """The object in its body; None if there is none."""
        return json_object(self.body)


class _Raw(NamedTuple):
    """A notification that was sent, before anybody has looked at it."""

    number: int
    at: float
    delivery: Callback
    received: Received


@dataclass(slots=True)
class RecordedRequest:
    """A request to the mock gateway, and its answer.

    `at`: seconds since the Unix epoch. `path`: with its query. `body`: its first MOST_BYTES. `command`: None for a path
    without one. `status`: None where there was no answer, and `reason` then says why. `refusal`: the rule that the
    request broke, such as `credential.absent`; None for an accepted one. `notifications`: so far, oldest first.
    """

    number: int
    at: float
    method: str
    path: str
    headers: Headers
    body: bytes
    size: int
    command: str | None
    product: str | None
    refusal: str | None
    request_id: str
    status: int | None
    reason: str | None
    answer_headers: Headers
    answer: bytes
    notifications: list[SentNotification] = field(default_factory=list)
    owed: tuple[Callback, ...] = field(default=(), repr=False)
    _members: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _balance: int = field(default=OPENING_BALANCE, repr=False)
    # Before anybody has looked at it.
    raw: bool = field(default=False, repr=False)
    raw_notifications: list[_Raw] = field(default_factory=list, repr=False)

    @property
    def payload(self) -> Mapping[str, Any] | None:
        """The object in its body; None if there is none."""
        return json_object(self.body)

    @property
    def accepted(self) -> bool:
        """Whether the gateway accepted it."""
        return self.refusal is None

    @property
    def transacted(self) -> Transacted:
        """The transaction, for further notifications."""
        content = next((each.content for each in self.owed if isinstance(each.content, Mapping)), None)
        return Transacted(self.request_id, self._members, content, self._balance)


class RecentExchanges:
    """The record of one mock gateway; thread-safe. `version` grows with each change.

    What comes is kept as it is, and redacted when somebody looks: under load nobody sees most of it.
    """

    def __init__(self, contract: Contract, redaction: Redaction) -> None:
        self._contract = contract
        self._redaction = redaction
        self._changed = threading.Condition()
        self._requests: deque[RecordedRequest] = deque()
        # By the identity of a notification that they owe; the request itself keeps it in memory.
        self._owners: dict[int, RecordedRequest] = {}
        self._others: deque[_Raw] = deque(maxlen=MOST_NOTIFICATIONS)
        self._under_way: dict[int, tuple[RecordedRequest | None, list[SentNotification]]] = {}
        self._numbers = 0
        # Another process that serves at this address later has other versions.
        self.version = time.time_ns()

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The last requests, oldest first."""
        with self._changed:
            return tuple(self._redacted(each) for each in self._requests)

    @property
    def others(self) -> tuple[SentNotification, ...]:
        """The last notifications that belong to no recorded request, oldest first."""
        with self._changed:
            return tuple(self._notification(*each) for each in self._others)

    @property
    def notifications(self) -> tuple[SentNotification, ...]:
        """All notifications in the record, oldest first."""
        with self._changed:
            held = [*self.others, *(sent for request in self.requests for sent in request.notifications)]
        return tuple(sorted(held, key=lambda sent: sent.number))

    def find(self, request_id: str) -> RecordedRequest | None:
        """The last request whose answer had this id."""
        with self._changed:
            found = next((each for each in reversed(self._requests) if each.request_id == request_id), None)
            return None if found is None else self._redacted(found)

    def add(self, request: Request, reaction: Reaction, balance: int) -> None:
        """Add a request and its answer; `balance`: the account's afterwards."""
        moment, reply = reaction.moment, reaction.reply
        asked = moment.asked if moment else None
        is_small = len(request.body) <= MOST_BYTES
        with self._changed:
            recorded = RecordedRequest(
                number=self._next_number(),
                at=time.time(),
                method=request.method,
                path=request.url,
                headers=request.headers,
                body=request.body[:MOST_SEARCHED],
                size=len(request.body),
                command=asked.name if asked else None,
                product=asked.product if asked else None,
                refusal=moment.refusal if moment else None,
                request_id=self._id_in(reply) or (moment.request_id if moment else ""),
                status=None if reply.ending in _UNANSWERED else reply.status,
                reason=None if reply.ending is Ending.WHOLE else reply.ending.value,
                answer_headers=reply.headers,
                answer=_body_of(reply)[:MOST_SEARCHED],
                owed=reaction.deliveries,
                _members=(moment.payload or {}) if moment and is_small else {},
                _balance=balance,
                raw=True,
            )
            self._requests.append(recorded)
            self._owners |= {id(part): recorded for owed in recorded.owed for part in _parts(owed)}
            if len(self._requests) > MOST_EXCHANGES:
                self._forget(self._requests.popleft())
            self.note_change()

    def begin(self, deliveries: Iterable[Callback], recorded: RecordedRequest | None) -> list[SentNotification]:
        """Notifications of a request, or of none, are about to go; the list gets each once it was `sent`."""
        gone: list[SentNotification] = []
        with self._changed:
            self._under_way |= {id(each): (recorded, gone) for delivery in deliveries for each in _parts(delivery)}
        return gone

    def end(self, deliveries: Iterable[Callback]) -> None:
        """They have gone, or never will."""
        with self._changed:
            for each in (part for delivery in deliveries for part in _parts(delivery)):
                self._under_way.pop(id(each), None)

    def sent(self, delivery: Callback, received: Received) -> None:
        """Add a notification, to the request that it belongs to."""
        with self._changed:
            raw = _Raw(self._next_number(), time.time() - received.took_s, delivery, received)
            recorded, gone = self._under_way.get(id(delivery)) or (self._owners.get(id(delivery)), None)
            if gone is not None:
                gone.append(self._notification(*raw))
            if recorded is None:
                self._others.append(raw)
            elif len(recorded.notifications) + len(recorded.raw_notifications) < MOST_NOTIFICATIONS:
                recorded.raw_notifications.append(raw)
                if not recorded.raw:
                    self._redacted(recorded)
            self.note_change()

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        with self._changed:
            self._requests.clear()
            self._owners.clear()
            self._others.clear()
            self.note_change()

    def note_change(self) -> None:
        """Something that the page shows has changed."""
        with self._changed:
            self.version += 1
            self._changed.notify_all()

    def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Whether the condition comes to hold within so many seconds; it is tried at each change."""
        with self._changed:
            return self._changed.wait_for(holds, timeout_s)

    def _forget(self, recorded: RecordedRequest) -> None:
        for part in (part for owed in recorded.owed for part in _parts(owed)):
            self._owners.pop(id(part), None)

    def _id_in(self, reply: Reply) -> str:
        """The id that the client reads in an answer, or ""."""
        readable = reply.raw is None and isinstance(reply.content, Mapping)
        request_id = reply.content.get(self._contract.answer.id) if readable else None
        return request_id if isinstance(request_id, str) else ""

    def _redacted(self, recorded: RecordedRequest) -> RecordedRequest:
        """The request, as somebody may see it, with all of its notifications so far."""
        if recorded.raw:
            recorded.path = _beginning(self._redaction.text(recorded.path))
            recorded.headers = self._redaction.headers(recorded.headers)
            recorded.body = self._shown(recorded.body)
            recorded.answer_headers = self._redaction.headers(recorded.answer_headers)
            recorded.answer = self._shown(recorded.answer)
            recorded.raw = False
        recorded.notifications += (self._notification(*each) for each in recorded.raw_notifications)
        recorded.raw_notifications.clear()
        return recorded

    def _notification(self, number: int, at: float, delivery: Callback, received: Received) -> SentNotification:
        return SentNotification(
            number=number,
            at=at,
            product=delivery.product,
            method=delivery.method,
            url=self._redaction.text(without_token(delivery.url)),
            headers=delivery.headers,
            body=self._shown(_body_of(delivery)),
            status=received.status,
            reason=received.reason,
            took_s=received.took_s,
            answer=self._shown(received.body),
        )

    def _shown(self, body: bytes) -> bytes:
        return self._redaction.data(body[:MOST_SEARCHED])[:MOST_BYTES]

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers


def _parts(delivery: Callback) -> Iterator[Callback]:
    """The notification, and the inquiry before it."""
    yield delivery
    if delivery.inquiry is not None:
        yield delivery.inquiry


def _body_of(message: Reply | Callback) -> bytes:
    return message.raw if message.raw is not None else json_bytes(message.content)


def _beginning(target: str) -> str:
    return target if len(target) <= MOST_CHARACTERS else f"{target[:MOST_CHARACTERS]}…"

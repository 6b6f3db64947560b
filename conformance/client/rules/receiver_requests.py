"""A request to a receiver, read off its bytes: a notification, or junk of some kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from typing import Any, Self

from conformance.contract.command import Notified
from conformance.contract.contract import Contract, NotificationRoles
from conformance.judging.reading import Content
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Exchange, Request, header, media_type
from conformance.payloads.probes import documented, is_complete

# A notification has less than a hundredth of this.
HUGE = 1 << 19

# The time of an answer is measured where at most this number are sent at the same moment.
FEW = 4

# Every receiver takes a crowd at the same moment; a throng, ten times as many, may be too much.
CROWD = 20
THRONG = 200

# A text that any system takes: printable ASCII, no longer than an SMS.
USUAL_TEXT = 160

SERVER_ERROR = 500

# The beginnings of failures without a connection (`conformance.wire.answers`).
UNREACHED = ("connection refused", "no connection", "host name not found", "no TLS connection", "the proxy did not")


class RequestKind(StrEnum):
    """The kinds of requests to a receiver; the first that applies."""

    METHOD = "another method"
    EMPTY = "an empty body"
    HUGE = "a body of a mebibyte"
    NO_JSON = "no JSON"
    INCOMPLETE = "JSON that is no notification"
    OTHER_CODE = "a notification with an outcome that no gateway gives"
    OPEN = "something that the contract says nothing of"
    VALID = "a notification"


def kind_of(request: Request, content: Content, command: Notified, contract: Contract) -> RequestKind:
    """The kind of a request, by its bytes."""
    declared = media_type(request.headers)
    outcome = f"/{contract.notification.outcome}"
    wrong = cache(partial(contract.schemas.violations, command.notification_schema, content.value))
    signs: tuple[tuple[RequestKind, Callable[[], bool]], ...] = (
        (RequestKind.METHOD, lambda: request.method != contract.notification.method),
        (RequestKind.EMPTY, lambda: not request.body.strip()),
        (RequestKind.HUGE, lambda: len(request.body) >= HUGE),
        (RequestKind.OPEN, lambda: declared != JSON_MEDIA_TYPE),
        (RequestKind.NO_JSON, lambda: content.error is not None),
        (RequestKind.INCOMPLETE, lambda: not is_complete(contract, command, wrong())),
        (RequestKind.OTHER_CODE, lambda: outcome in {violation.pointer for violation in wrong()}),
        (RequestKind.OPEN, lambda: bool(wrong())),
    )
    return next((kind for kind, shows in signs if shows()), RequestKind.VALID)


@dataclass(frozen=True, slots=True)
class ReceiverRequest:
    """A request to a receiver with its answer.

    `usual`: it has documented members only, and a text that any system takes. `beside`: how many requests were sent at
    that moment, including this one. `fatal`: the receiver died of it.
    """

    case: Case
    exchange: Exchange
    kind: RequestKind
    members: Mapping[str, Any]
    usual: bool
    beside: int
    roles: NotificationRoles
    fatal: bool = False

    @classmethod
    def of(cls, case: Case, exchange: Exchange, contract: Contract, beside: int, *, fatal: bool = False) -> Self:
        """Read it."""
        command, roles = contract.notified(case.command or ""), contract.notification
        content = Content.of(exchange.request.body)
        kind = kind_of(exchange.request, content, command, contract)
        members = content.members if kind is RequestKind.VALID and content.members else {}
        text = str(members.get(roles.reason, ""))
        plain = text.isascii() and text.isprintable() and len(text) <= USUAL_TEXT
        usual = plain and members.keys() <= documented(contract, command)
        return cls(case, exchange, kind, members, usual, beside, roles, fatal)

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.exchange.number

    @property
    def sent_at(self) -> float:
        """When it was sent (monotonic seconds), equal for all requests of one round."""
        return self.exchange.sent_at

    @property
    def request_id(self) -> str:
        """The request_id of a notification."""
        return str(self.members[self.roles.id])

    @property
    def text(self) -> str:
        """Its reason, or text of success."""
        return str(self.members[self.roles.reason])

    @property
    def succeeded(self) -> bool:
        """Whether it reports success."""
        return bool(self.members[self.roles.outcome] == self.roles.success)

    @property
    def state(self) -> str:
        """The state that the client has to report after it."""
        return "succeeded" if self.succeeded else "failed"

    @property
    def status(self) -> int | None:
        """The status of the answer, None if there was none."""
        return self.exchange.response.status if self.exchange.response else None

    @property
    def taken(self) -> bool:
        """Whether it was answered with a 2xx."""
        return self.status is not None and 200 <= self.status <= 299

    @property
    def refused(self) -> bool:
        """Whether it was answered with a 4xx."""
        return self.status is not None and 400 <= self.status <= 499

    @property
    def timed_out(self) -> bool:
        """Whether the answer did not come in time; other failures have other words."""
        return self.status is None and "within" in (self.exchange.failure or "")

    @property
    def unreached(self) -> bool:
        """Whether there was no connection."""
        return self.status is None and (self.exchange.failure or "").startswith(UNREACHED)

    @property
    def fails(self) -> bool:
        """Whether it was answered with a 5xx, or with the end of the connection."""
        return self.status >= SERVER_ERROR if self.status is not None else not self.timed_out

    @property
    def offers_upgrade(self) -> bool:
        """Whether it offers to go on in another protocol."""
        return header(self.exchange.request.headers, "upgrade") is not None

    @property
    def took_s(self) -> float:
        """Seconds until it was answered or given up; 0 where the run was cut off before."""
        ended = self.exchange.answered_at
        return 0.0 if ended is None else ended - self.sent_at

    @property
    def answer_in_words(self) -> str:
        """As a finding shows it."""
        if self.status is not None:
            return f"answered {self.status}"
        died = ", and the receiver was no longer there afterwards" if self.fatal else ""
        return f"not answered: {self.exchange.failure}{died}"

    @property
    def special(self) -> str:
        """Its speciality in brackets, to follow a noun."""
        return f" ({self.case.keyword})" if self.case.keyword else ""

    @property
    def in_crowd(self) -> bool:
        """Whether it came with many others."""
        return self.beside >= CROWD

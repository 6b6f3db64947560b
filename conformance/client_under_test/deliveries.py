"""What is sent to a receiver: the cases of an examination, made of the product's schema and of ids that it knows.

    Subject             a product's receiver, which makes contents and cases
    first_cases         notifications, each of its own request
    repeated_cases      pairs of which the second comes after the first
    kinds_of_junk       what is no notification

When it is sent is for `conformance.client_under_test.examiner`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from conformance.contract.commands import Command
from conformance.generation.alphabets import ALPHABETS
from conformance.generation.draws import draw
from conformance.generation.notifications import SUCCESS, incomplete, unreadable
from conformance.generation.strategies import text
from conformance.mock_gateway.behaviour import ALPHANUMERIC
from conformance.traffic import Case, Kind, Request

MEBIBYTE = 1 << 20
ID_LENGTH = 32
JSON = ("Content-Type", "application/json")

FAILURES: tuple[tuple[str, str], ...] = (
    ("500", "The operator could not complete the transaction"),
    ("404", "The subscriber is not known to the operator"),
    ("408", "No response. The success of the transaction is not known"),
    ("402", "The balance does not suffice"),
)
"""Codes and reasons of failures; what they have in common is the code alone."""

SUCCESSES = ("Success", "Operation successful", "Delivered after a failed attempt")

OTHER_MEDIA_TYPES = ("text/plain", "application/x-www-form-urlencoded", "application/xml")

EXTRA_FIELDS: tuple[dict[str, Any], ...] = (
    {"x_operator": {"name": "Mfano", "codes": [1, None, True]}, "x_balance": 12.5},
    {"x_status_code": 500, "x_note": "karibu – 👋", "x_empty": {}, "x_null": None},
)

OTHER_TEXTS = ("Ombi limepokelewa 👍 – asante", "Malipo yamekamilika. " * 25, 'Sent: "<b>50</b>" & more\nSecond line')


@dataclass(slots=True)
class Subject:
    """A product's receiver: where it is, and the ids that its notifications are going to have.

    `ids` are known to the client, in the order of their calls; none are if it makes no calls. `chance` makes up others.
    """

    command: Command
    url: str
    ids: deque[str]
    chance: Random
    contents: Iterator[dict[str, Any]]
    knows: bool = False
    count: int = 0
    cases: dict[str, str] = field(default_factory=dict)

    def unknown_id(self) -> str:
        """An id of the usual form that no gateway has given."""
        return "".join(self.chance.choices(ALPHANUMERIC, k=ID_LENGTH))

    def next_id(self) -> str:
        """The next that the client knows; where it knows none, any."""
        if not self.knows:
            return self.unknown_id()
        return self.ids.popleft() if self.ids else self.unknown_id()

    def last_id(self) -> str:
        """As `next_id`, from the other end."""
        return self.ids.pop() if self.ids else self.next_id()

    def word(self) -> str:
        """In every text, so that no two are equal."""
        self.count += 1
        return f"{self.count}{''.join(self.chance.choices(ALPHANUMERIC, k=5))}"

    def content(self, request_id: str, code: str, said: str, **extra: Any) -> dict[str, Any]:
        """A valid notification: documented members as the generation has them, with this code and text."""
        members = next(self.contents)
        own = {"result_code": code, "result_desc": f"{said} [{self.word()}]", "request_id": request_id}
        return {**{name: own.get(name, value) for name, value in members.items()}, **own, **extra}

    def success(self, request_id: str) -> dict[str, Any]:
        """A usual success."""
        return self.content(request_id, SUCCESS, SUCCESSES[0])

    def failure(self, request_id: str) -> dict[str, Any]:
        """A usual failure."""
        return self.content(request_id, *FAILURES[0])

    def case(self, aspect: str, body: bytes, *, of: str | None = None, keyword: str | None = None) -> Case:
        """What is sent; `of` is the request_id that it is about, `keyword` says in words what is wrong with it."""
        self.count += 1
        name = f"receiver/{self.command.folder}/{aspect.replace(' ', '-')}/{self.count}"
        request = Request("POST", self.url, (JSON,), body)
        case = Case(name, self.command.name, Kind.DELIVER, aspect, name, request, keyword=keyword)
        return replace(case, earlier=self.cases.get(of or ""))

    def posted(self, aspect: str, content: dict[str, Any]) -> Case:
        """A notification."""
        return self.case(aspect, json.dumps(content, ensure_ascii=False).encode(), of=content["request_id"])


def first_cases(subject: Subject, seed: int) -> Iterator[Case]:
    """Successes, failures, and what is unusual about notifications; each is of a request of its own."""
    for said in SUCCESSES:
        yield subject.posted("success", subject.content(subject.next_id(), SUCCESS, said))
    for code, reason in FAILURES:
        yield subject.posted("failure", subject.content(subject.next_id(), code, reason))
    for extra in EXTRA_FIELDS:
        yield subject.posted("extra fields", subject.content(subject.next_id(), SUCCESS, SUCCESSES[0], **extra))
    texts = draw(text(ALPHABETS.values(), 1, 60), 2, seed)
    for said in (*OTHER_TEXTS, *texts):
        yield subject.posted("other text", subject.content(subject.next_id(), SUCCESS, said))
    yield subject.posted("other text", subject.content(subject.next_id(), FAILURES[0][0], texts[0]))


def repeated_cases(subject: Subject, *, contradicted: bool) -> Iterator[tuple[Case, Case]]:
    """Pairs: a notification, and the same again; or, where it can be told what comes of it, one that contradicts it."""
    content = subject.success(subject.next_id())
    yield subject.posted("first", content), subject.posted("repeat", content)
    if contradicted and subject.knows:
        for before, after in ((subject.success, subject.failure), (subject.failure, subject.success)):
            request_id = subject.next_id()
            yield subject.posted("first", before(request_id)), subject.posted("contradiction", after(request_id))


def kinds_of_junk(subject: Subject) -> tuple[list[Case], ...]:
    """What is no notification: no JSON, JSON of something else, bodies that are none, other methods."""

    def content() -> dict[str, Any]:
        return subject.success(subject.unknown_id())

    sound = json.dumps(content()).encode()
    return (
        [subject.case("no JSON", body, keyword=what) for what, body in unreadable(subject.command, content)],
        [subject.case("incomplete", body, keyword=what) for what, body in incomplete(subject.command, content)],
        [
            subject.case("empty", b"", keyword="nothing"),
            subject.case("large", b'{"x_padding": "' + b"x" * MEBIBYTE + b'"}', keyword="a mebibyte"),
            *(_declared_as(subject.case("media type", sound, keyword=kind), kind) for kind in OTHER_MEDIA_TYPES),
        ],
        [
            _with_method(subject.case("get", b""), "GET"),
            _with_method(subject.case("put", sound), "PUT"),
        ],
    )


def _declared_as(case: Case, media_type: str) -> Case:
    return replace(case, request=replace(case.request, headers=(("Content-Type", media_type),)))


def _with_method(case: Case, method: str) -> Case:
    headers = case.request.headers if case.request.body else ()
    return replace(case, keyword=method, request=replace(case.request, method=method, headers=headers))

"""A product's receiver under examination: where it is, the ids that its client knows, and contents for them.

    Outgoing    a case and how it is put on the wire
    Known       a call of the client that was accepted: its case, and what was asked for
    Subject     makes contents and cases

A content agrees with the request that it is about. Its optional members are those of a form that the receiver was seen
to take, so that a receiver which needs one of them, or stumbles over one, fails for that and for nothing else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import httpx

from conformance.client_under_test.posting import PLAIN, Form
from conformance.contract.commands import Command
from conformance.contract.contract import statum
from conformance.generation.notifications import SUCCESS, checked, optional_members
from conformance.generation.request_ids import ALPHANUMERIC, USUAL
from conformance.traffic import Case, Headers, Kind, Request

JSON_HEADERS: Headers = (("Content-Type", "application/json"),)

Failure = tuple[str, str]

FAILURES: tuple[Failure, ...] = (
    ("500", "The operator could not complete the transaction"),
    ("404", "The subscriber is not known to the operator"),
    ("408", "No response. The success of the transaction is not known"),
    ("402", "The balance does not suffice"),
)
"""Codes and reasons of failures; what they have in common is the code alone."""

SUCCESSES = ("Success", "Operation successful", "Delivered after a failed attempt")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A case, and how it is put on the wire. `keeps`: on the connection of the one before it, if that is left open."""

    case: Case
    form: Form = PLAIN
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A call that the client was told to be accepted: its case, and what was asked for."""

    case_id: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Subject:
    """A product's receiver.

    `ids` are known to the client, of the usual form and in the order of their calls; `knows` is whether there were any.
    `makes_no_calls`: its client can be asked all the same, so any id will do. `known` has the call of each known id.
    `chance` makes up other ids. `left_out` are the optional members that are not told, of a success and of a failure;
    `failures` the kinds of failure that are told. `leads`: it is the first at its address. `quick`: it answered the
    first notification at once; `brisk`: the next, too. `speaks_1_0`: in HTTP/1.0. `left_alone`: nothing more is sent
    to it. `repeated`: the requests that were notified of more than once.
    """

    command: Command
    url: str
    chance: Random
    ids: deque[str] = field(default_factory=deque)
    known: dict[str, Known] = field(default_factory=dict)
    knows: bool = False
    makes_no_calls: bool = False
    left_out: dict[bool, frozenset[str]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = FAILURES
    leads: bool = True
    quick: bool = True
    brisk: bool = True
    left_alone: bool = False
    repeated: list[tuple[str, Case]] = field(default_factory=list)
    speaks_1_0: bool = False
    count: int = 0

    def unknown_id(self) -> str:
        """An id of the usual form that no gateway has given."""
        return USUAL(self.chance)

    def next_id(self) -> str:
        """The next that the client knows; where none is left, any."""
        return self.ids.popleft() if self.ids else self.unknown_id()

    def last_id(self) -> str:
        """As `next_id`, from the other end."""
        return self.ids.pop() if self.ids else self.unknown_id()

    @property
    def answers(self) -> bool:
        """Whether the client can be expected to say what became of the requests that it is notified of."""
        return self.knows or self.makes_no_calls

    @property
    def whole(self) -> bool:
        """Whether all that is malformed is sent to it, and not only a part of each kind."""
        return self.leads and self.brisk

    @property
    def address(self) -> tuple[str, bytes]:
        """Scheme, host and port of its URL."""
        url = httpx.URL(self.url)
        return url.scheme, url.netloc

    @property
    def optional(self) -> frozenset[str]:
        """The names of the members that a notification of the product may lack."""
        return frozenset(optional_members(statum(), self.command, {}, 0, Random(0)))

    def content(
        self, request_id: str, code: str, said: str, *, left_out: Iterable[str] | None = None, **extra: Any
    ) -> dict[str, Any]:
        """A notification with this code and text; no two texts are equal. `extra` members are nobody's."""
        self.count += 1
        about = self.known[request_id].params if request_id in self.known else {}
        spared = self.left_out.get(code == SUCCESS, frozenset()) if left_out is None else frozenset(left_out)
        word = f"{self.count}{''.join(self.chance.choices(ALPHANUMERIC, k=5))}"
        content = {"result_code": code, "result_desc": f"{said} [{word}]", "request_id": request_id}
        told = optional_members(statum(), self.command, about, self.count, self.chance)
        content |= {name: value for name, value in told.items() if name not in spared}
        return checked(statum(), self.command, {**content, **extra})

    def success(self, request_id: str) -> dict[str, Any]:
        """A usual success."""
        return self.content(request_id, SUCCESS, SUCCESSES[0])

    def failure(self, request_id: str, kind: int = 0) -> dict[str, Any]:
        """A usual failure; another `kind` is another code and reason, where there is one."""
        return self.content(request_id, *self.failures[kind % len(self.failures)])

    def case(self, aspect: str, body: bytes, *, about: str | None = None, keyword: str | None = None) -> Case:
        """A POST of JSON. `about`: the request_id that it carries; `keyword`: what is special about it, in words."""
        self.count += 1
        name = f"receiver/{self.command.folder}/{aspect.replace(' ', '-')}/{self.count}"
        request = Request("POST", self.url, JSON_HEADERS, body)
        case = Case(name, self.command.name, Kind.DELIVER, aspect, name, request, keyword=keyword)
        known = self.known.get(about or "")
        return replace(case, earlier=known.case_id) if known else case

    def posted(self, aspect: str, content: Mapping[str, Any], *, keyword: str | None = None) -> Case:
        """A notification."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return self.case(aspect, body, about=content["request_id"], keyword=keyword)


def with_headers(case: Case, headers: Headers, method: str = "POST") -> Case:
    """The case with other headers, and by another method."""
    return replace(case, request=replace(case.request, method=method, headers=headers))

"""What is sent to a receiver: the cases of an examination.

    basic_cases         successes and failures, with the members that they may lack and without
    unusual_cases       with fields that nobody knows, and with other texts
    id_cases            with ids of every form
    wire_cases          in every way in which HTTP and JSON have a notification written
    kept_alive_cases    several on one connection
    repeated_cases      pairs of which the second comes after the first
    kinds_of_junk       what is no notification
    claims              the same, each with the id of a request that the client knows

When they are sent is for `conformance.client_under_test.examiner`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.client_under_test.posting import PLAIN, Form
from conformance.client_under_test.subject import FAILURES, JSON_HEADERS, SUCCESSES, Outgoing, Subject, with_headers
from conformance.contract.contract import statum
from conformance.generation.alphabets import ALPHABETS
from conformance.generation.draws import draw
from conformance.generation.notifications import (
    REQUEST_ID,
    RESULT_CODE,
    RESULT_DESC,
    SUCCESS,
    incomplete,
    unreadable,
)
from conformance.generation.strategies import text
from conformance.traffic import Case, Headers

MEBIBYTE = 1 << 20

EXTRA_FIELDS: tuple[dict[str, Any], ...] = (
    {"x_operator": {"name": "Mfano", "codes": [1, None, True]}, "x_balance": 12.5},
    {"x_status_code": 500, "x_note": "karibu – 👋", "x_empty": {}, "x_null": None},
)

OTHER_TEXTS = (
    "Ombi limepokelewa 👍 – asante",
    "Malipo yamekamilika. " * 25,
    'Sent: "<b>50</b>" & more\nSecond line',
)

# On one connection, one after the other.
KEPT_ALIVE = 3

# Of each kind of junk, to a receiver that has met all of it behind another product's URL.
FEW_OF_A_KIND = 4
FEW_CLAIMS = 3


# --- Valid ones


def basic_cases(subject: Subject) -> Iterator[Case]:
    """Successes and failures: with all members that they may lack, without any, and with some of them."""
    optional = sorted(subject.optional)
    forms: list[list[str]] = [[]]
    if optional:
        chosen = subject.chance.sample(optional, len(optional) // 2)
        forms += [optional, chosen, [name for name in optional if name not in chosen]]
    for number, left_out in enumerate(forms):
        said = SUCCESSES[number % len(SUCCESSES)]
        content = subject.content(subject.next_id(), SUCCESS, said, left_out=left_out)
        yield subject.posted("success", content, keyword=_lacking(left_out))
    if not optional:
        for said in SUCCESSES[1:]:
            yield subject.posted("success", subject.content(subject.next_id(), SUCCESS, said))
    for number, (code, reason) in enumerate(FAILURES):
        left_out = optional if number % 2 else []
        content = subject.content(subject.next_id(), code, reason, left_out=left_out)
        yield subject.posted("failure", content, keyword=_and(f'result_code "{code}"', _lacking(left_out)))
    if optional:
        content = subject.content(subject.next_id(), *FAILURES[0], left_out=optional)
        yield subject.posted("failure", content, keyword=_and(f'result_code "{FAILURES[0][0]}"', _lacking(optional)))


def _lacking(left_out: list[str]) -> str | None:
    return f"without {', '.join(left_out)}" if left_out else None


def _and(one: str, other: str | None) -> str:
    return f"{one}, {other}" if other else one


def unusual_cases(subject: Subject, seed: int) -> Iterator[Case]:
    """Fields that nobody knows, and other texts."""
    whole = subject.leads
    for extra in EXTRA_FIELDS if whole else EXTRA_FIELDS[:1]:
        yield subject.posted("extra fields", subject.content(subject.next_id(), SUCCESS, SUCCESSES[0], **extra))
    texts = draw(text(ALPHABETS.values(), 1, 60), 2, seed)
    for said in (*OTHER_TEXTS, *texts) if whole else (*OTHER_TEXTS[:1], texts[0]):
        yield subject.posted("other text", subject.content(subject.next_id(), SUCCESS, said))
    content = subject.content(subject.next_id(), SUCCESS, "Opération terminée")
    escaped = json.dumps(content, ensure_ascii=True).encode()
    yield subject.case("other text", escaped, about=content[REQUEST_ID], keyword="a letter as \\u00e9")
    yield subject.posted("other text", subject.content(subject.next_id(), subject.failures[0][0], texts[0]))


def id_cases(subject: Subject, ids: Mapping[str, str], near: Mapping[str, tuple[str, str]]) -> Iterator[Case]:
    """One for each of these ids by what they consist of; a success and a failure of each two that are nearly equal."""
    for what, request_id in ids.items():
        yield subject.posted("id", subject.success(request_id), keyword=f"a request_id of {what}")
    for what, (one, other) in near.items():
        words = f"a request_id that differs from another in {what}"
        yield subject.posted("id", subject.success(one), keyword=words)
        yield subject.posted("id", subject.failure(other), keyword=words)


@dataclass(frozen=True, slots=True)
class _Wire:
    """A way to write a notification: `headers` beside or in place of Content-Type, and how its JSON is dumped."""

    what: str
    headers: Headers = JSON_HEADERS
    form: Form = PLAIN
    dump: Mapping[str, Any] | None = None
    reverse: bool = False
    needs_1_1: bool = False


_WIRES: tuple[_Wire, ...] = (
    _Wire("charset=utf-8 in Content-Type", (("Content-Type", "application/json; charset=utf-8"),)),
    _Wire("its members in another order", reverse=True),
    _Wire(
        "an offer to upgrade to h2c, as the JDK's client makes it",
        (
            *JSON_HEADERS,
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
        ),
    ),
    _Wire('charset="UTF-8" in Content-Type', (("Content-Type", 'application/json;charset="UTF-8"'),)),
    # A sender has to know that the server speaks HTTP/1.1 (RFC 9112, 6.1).
    _Wire("a chunked body", (*JSON_HEADERS, ("Transfer-Encoding", "chunked")), needs_1_1=True),
    _Wire("Expect: 100-continue", (*JSON_HEADERS, ("Expect", "100-continue"))),
    _Wire("HTTP/1.0", form=Form(http_1_0=True)),
    _Wire("its head and its body in two pieces", form=Form(in_pieces=True)),
    _Wire("header names in lower case", form=Form(lower_case=True)),
    _Wire("indented JSON", dump={"indent": "\t", "separators": (" ,", " : ")}),
)

# The first of them are written to every receiver, the others to one at each address.
FOR_ALL = 3


def wire_cases(subject: Subject) -> Iterator[Outgoing]:
    """The same notification, as it were, written in other ways."""
    for wire in _WIRES if subject.leads else _WIRES[:FOR_ALL]:
        if wire.needs_1_1 and subject.speaks_1_0:
            continue
        content = subject.success(subject.next_id())
        members = dict(reversed(content.items())) if wire.reverse else content
        body = json.dumps(members, ensure_ascii=False, **(wire.dump or {})).encode()
        case = subject.case("wire", body, about=content[REQUEST_ID], keyword=wire.what)
        yield Outgoing(with_headers(case, wire.headers), wire.form)
    if not subject.leads:
        return
    content = subject.content(subject.next_id(), SUCCESS, "Success / Sawa")
    escaped = json.dumps(content).replace("/", "\\/").replace("Success", "\\u0053uccess").encode()
    yield Outgoing(subject.case("wire", escaped, about=content[REQUEST_ID], keyword="escapes in its JSON"))


def kept_alive_cases(subject: Subject) -> Iterator[Outgoing]:
    """Several on one connection."""
    for number in range(KEPT_ALIVE):
        content = subject.success(subject.next_id())
        words = "the connection of the notification before" if number else None
        yield Outgoing(subject.posted("wire", content, keyword=words), keeps=number > 0)


def repeated_cases(subject: Subject, *, contradicted: bool) -> Iterator[tuple[Case, Case]]:
    """Pairs: a notification, and the same again; or, where it can be told what comes of it, one that contradicts it."""
    content = subject.success(subject.next_id())
    yield subject.posted("first", content), subject.posted("repeat", content)
    if contradicted and subject.answers:
        for before, after in ((subject.success, subject.failure), (subject.failure, subject.success)):
            request_id = subject.next_id()
            yield subject.posted("first", before(request_id)), subject.posted("contradiction", after(request_id))


# --- What is no notification


def kinds_of_junk(subject: Subject) -> dict[str, list[Case]]:
    """By kind: no JSON, JSON of something else, bodies that are none, and a notification by other methods."""

    def content() -> dict[str, Any]:
        return subject.success(subject.unknown_id())

    no_json = [
        subject.case("no JSON", body, keyword=what) for what, body in unreadable(statum(), subject.command, content)
    ]
    gaps = [
        subject.case("incomplete", body, keyword=what) for what, body in incomplete(statum(), subject.command, content)
    ]
    if not subject.whole:
        no_json, gaps = _spread(no_json), _spread(gaps)
    bodies = [
        subject.case("empty", b"", keyword="nothing"),
        subject.case("large", b'{"x_padding": "' + b"x" * MEBIBYTE + b'"}', keyword="a mebibyte"),
    ]
    methods = [
        with_headers(subject.case("get", b"", keyword="GET"), (), "GET"),
        with_headers(subject.case("head", b"", keyword="HEAD"), (), "HEAD"),
    ]
    return {"no JSON": no_json, "incomplete": gaps, "body": bodies, "method": methods}


def _spread(cases: list[Case]) -> list[Case]:
    """Some of them, from the first to the last."""
    step = max(1, (len(cases) - 1) // (FEW_OF_A_KIND - 1))
    return [*cases[:-1:step][: FEW_OF_A_KIND - 1], cases[-1]]


def claims(subject: Subject) -> Iterator[tuple[str, Case]]:
    """What a client must not take for a result, each with the id of a request that it knows: the id and the case."""
    for what, change in _CLAIMS if subject.whole else _CLAIMS[:FEW_CLAIMS]:
        request_id = subject.next_id()
        members = subject.success(request_id)
        if change is None:
            cut = json.dumps({name: members[name] for name in (REQUEST_ID, RESULT_CODE, RESULT_DESC)})[:-1].encode()
            yield request_id, subject.case("no JSON", cut, about=request_id, keyword=what)
        else:
            del members[RESULT_CODE]
            body = json.dumps({**members, **change}).encode()
            yield request_id, subject.case("incomplete", body, about=request_id, keyword=what)
    request_id = subject.next_id()
    body = json.dumps(subject.success(request_id)).encode()
    put = subject.case("put", body, about=request_id, keyword="PUT")
    yield request_id, with_headers(put, JSON_HEADERS, "PUT")


_CLAIMS: tuple[tuple[str, Mapping[str, Any] | None], ...] = (
    ("without result_code", {}),
    ('result_code is "201"', {RESULT_CODE: "201"}),
    ("JSON that is cut short", None),
    ("result_code is null", {RESULT_CODE: None}),
    ("result_code is true", {RESULT_CODE: True}),
    ("result_code is the number 200", {RESULT_CODE: 200}),
    ('result_code is ["200"]', {RESULT_CODE: ["200"]}),
)

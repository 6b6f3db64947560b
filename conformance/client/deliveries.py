"""What is sent to a receiver: the cases of an examination.

    basic_cases         successes and failures, with the members that they may lack and without
    unusual_cases       with fields that nobody knows, and with other texts
    id_cases            with ids of every form
    wire_cases          in every way in which HTTP and JSON have a notification written
    kept_alive_cases    several on one connection
    repeated_cases      pairs of which the second comes after the first
    kinds_of_junk       what is no notification
    claims              the same, each with the id of a request that the client knows

When they are sent is for `conformance.client.examiner`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.client.posting import PLAIN, Form
from conformance.client.subject import JSON_HEADERS, Outgoing, Subject, with_headers
from conformance.model.traffic import Case, Headers
from conformance.payloads.alphabets import ALPHABETS
from conformance.payloads.hypothesis_backend import draw
from conformance.payloads.notifications import incomplete, unreadable
from conformance.payloads.strategies import text

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
    roles, optional = subject.contract.notification, sorted(subject.optional)
    forms: list[list[str]] = [[]]
    if optional:
        chosen = subject.chance.sample(optional, len(optional) // 2)
        forms += [optional, chosen, [name for name in optional if name not in chosen]]
    for number, left_out in enumerate(forms):
        said = subject.successes[number % len(subject.successes)]
        content = subject.content(subject.next_id(), roles.success, said, left_out=left_out)
        yield subject.posted("success", content, keyword=_lacking(left_out))
    if not optional:
        for said in subject.successes[1:]:
            yield subject.posted("success", subject.content(subject.next_id(), roles.success, said))
    for number, (code, reason) in enumerate(subject.failures):
        left_out = optional if number % 2 else []
        content = subject.content(subject.next_id(), code, reason, left_out=left_out)
        yield subject.posted("failure", content, keyword=_and(f'{roles.outcome} "{code}"', _lacking(left_out)))
    if optional and subject.failures:
        code, reason = subject.failures[0]
        content = subject.content(subject.next_id(), code, reason, left_out=optional)
        yield subject.posted("failure", content, keyword=_and(f'{roles.outcome} "{code}"', _lacking(optional)))


def _lacking(left_out: list[str]) -> str | None:
    return f"without {', '.join(left_out)}" if left_out else None


def _and(one: str, other: str | None) -> str:
    return f"{one}, {other}" if other else one


def unusual_cases(subject: Subject, seed: int) -> Iterator[Case]:
    """Fields that nobody knows, and other texts."""
    whole, roles = subject.leads, subject.contract.notification
    for extra in EXTRA_FIELDS if whole else EXTRA_FIELDS[:1]:
        yield subject.posted(
            "extra fields", subject.content(subject.next_id(), roles.success, subject.successes[0], **extra)
        )
    texts = draw(text(ALPHABETS.values(), 1, 60), 2, seed)
    for said in (*OTHER_TEXTS, *texts) if whole else (*OTHER_TEXTS[:1], texts[0]):
        yield subject.posted("other text", subject.content(subject.next_id(), roles.success, said))
    content = subject.content(subject.next_id(), roles.success, "Opération terminée")
    escaped = json.dumps(content, ensure_ascii=True).encode()
    yield subject.case("other text", escaped, about=content[roles.id], keyword="a letter as \\u00e9")
    for code, _ in subject.failures[:1]:
        yield subject.posted("other text", subject.content(subject.next_id(), code, texts[0]))


def id_cases(subject: Subject, ids: Mapping[str, str], near: Mapping[str, tuple[str, str]]) -> Iterator[Case]:
    """One for each of these ids by what they consist of; a success and a failure of each two that are nearly equal."""
    member = subject.contract.notification.id
    for what, request_id in ids.items():
        yield subject.posted("id", subject.success(request_id), keyword=f"a {member} of {what}")
    for what, (one, other) in near.items():
        words = f"a {member} that differs from another in {what}"
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
    roles = subject.contract.notification
    for wire in _WIRES if subject.leads else _WIRES[:FOR_ALL]:
        if wire.needs_1_1 and subject.speaks_1_0:
            continue
        content = subject.success(subject.next_id())
        members = dict(reversed(content.items())) if wire.reverse else content
        body = json.dumps(members, ensure_ascii=False, **(wire.dump or {})).encode()
        case = subject.case("wire", body, about=content[roles.id], keyword=wire.what)
        yield Outgoing(with_headers(case, wire.headers), wire.form)
    if not subject.leads:
        return
    said = f"{subject.successes[0]} / Sawa"
    content = subject.content(subject.next_id(), roles.success, said)
    spelled = f"\\u{ord(said[0]):04x}{said[1:]}".replace("/", "\\/")
    escaped = json.dumps(content).replace(said, spelled).encode()
    yield Outgoing(subject.case("wire", escaped, about=content[roles.id], keyword="escapes in its JSON"))


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
    if contradicted and subject.answers and subject.failures:
        for before, after in ((subject.success, subject.failure), (subject.failure, subject.success)):
            request_id = subject.next_id()
            yield subject.posted("first", before(request_id)), subject.posted("contradiction", after(request_id))


# --- What is no notification


def kinds_of_junk(subject: Subject) -> dict[str, list[Case]]:
    """By kind: no JSON, JSON of something else, bodies that are none, and a notification by other methods."""

    def content() -> dict[str, Any]:
        return subject.success(subject.unknown_id())

    no_json = [
        subject.case("no JSON", body, keyword=what)
        for what, body in unreadable(subject.contract, subject.command, content)
    ]
    gaps = [
        subject.case("incomplete", body, keyword=what)
        for what, body in incomplete(subject.contract, subject.command, content)
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
    roles, chosen = subject.contract.notification, _mistakes(subject)
    for what, change in chosen if subject.whole else chosen[:FEW_CLAIMS]:
        request_id = subject.next_id()
        members = subject.success(request_id)
        if change is None:
            cut = json.dumps({name: members[name] for name in (roles.id, roles.outcome, roles.reason)})[:-1].encode()
            yield request_id, subject.case("no JSON", cut, about=request_id, keyword=what)
        else:
            del members[roles.outcome]
            body = json.dumps({**members, **change}).encode()
            yield request_id, subject.case("incomplete", body, about=request_id, keyword=what)
    request_id = subject.next_id()
    body = json.dumps(subject.success(request_id)).encode()
    other = OTHER_METHODS[subject.contract.notification.method == OTHER_METHODS[0]]
    yield (
        request_id,
        with_headers(subject.case(other.lower(), body, about=request_id, keyword=other), JSON_HEADERS, other),
    )


OTHER_METHODS = ("PUT", "POST")
"""By which a notification might come as well; the first is another one than most contracts have."""


def _mistakes(subject: Subject) -> list[tuple[str, Mapping[str, Any] | None]]:
    """What stands in the place of the outcome: no success, and nothing that the schema allows. None: JSON cut short."""
    roles = subject.contract.notification
    values: list[Any] = [_near_miss(subject), None, True, *_as_number(roles.success), [roles.success]]
    mistyped = [(f"{roles.outcome} is {_shown(value)}", {roles.outcome: value}) for value in values]
    return [(f"without {roles.outcome}", {}), mistyped[0], ("JSON that is cut short", None), *mistyped[1:]]


def _near_miss(subject: Subject) -> str:
    """A text that is nearly the one of success, and that no notification has."""
    success = subject.contract.notification.success
    nearly = (str(int(success) + 1) if success.isdecimal() else success.swapcase(), f"{success}0", f"un{success}")
    return next(text for text in nearly if not subject.allows(subject.contract.notification.outcome, text))


def _as_number(text: str) -> list[int]:
    return [int(text)] if text.isdecimal() else []


def _shown(value: Any) -> str:
    return f"the number {value}" if type(value) is int else json.dumps(value)

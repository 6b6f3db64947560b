"""Bodies that are broken as JSON, made from valid ones: some that every gateway refuses, some that it may take.

    malformed_bodies    no JSON object, whichever way one looks at it: to be refused with a 4xx
    open_bodies         what one reader of JSON takes and another does not: either answer will do, but no 5xx

Where the line is drawn. RFC 8259 lets a reader take more than the grammar says (§9: "A JSON parser MAY accept non-JSON
forms or extensions"), so what widespread readers take and give a meaning that harms nobody is open:

- duplicate members: §4 says SHOULD be unique, and that readers differ;
- a byte order mark, which §8.1 allows a reader to ignore; UTF-16, against §8.1, but found out by readers that were
  written when RFC 4627 had them do so (Python's `json.loads` to this day). Without its mark, for with it the bytes are
  no UTF-8, and that is BOD-07's affair;
- numbers beyond a double, nesting ten thousand deep, a mebibyte (§9: a reader MAY set limits to all of them), unpaired
  surrogates as escapes (§8.2: unpredictable), a line break that is not escaped in a string;
- NaN and the infinities in a member that the command does not have: Python's `json.loads` reads them unless it is told
  not to, and what becomes of such a member is not contract either.

NaN for every member is another matter: whoever reads it has a phone number that is none, so it is refused by one rule
or the other. What is cut short, has something behind its end or is no JSON at all is no request either way.

Each body is made from a payload of its own: a gateway that takes what it should not shall not meet an earlier one
within the window of similar requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import urlencode

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.contract.strict_json import parse_json
from conformance.errors import SuiteError
from conformance.generation.anatomy import CUT, HUGE, anatomy

JSON_MEDIA_TYPE = "application/json"
FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"

# Ten times what readers that count allow by default (Python 1,000, .NET 64, PHP 512), and only some kilobytes.
NESTED = 10_000
# More digits than Python converts (4,300), so far beyond a double that there is no rounding.
DIGITS = 5_000

UNKNOWN_MEMBER = "x_unknown"

Members = Mapping[str, Any]


class BodyProbe(NamedTuple):
    """A body that is to be refused, the Content-Type that it is sent with, and in which way it is broken."""

    aspect: str
    content_type: str
    body: bytes
    breakage: str


class OpenBody(NamedTuple):
    """A body that may be taken; `aspect` is `open`, or `over-long` for a message of that size."""

    aspect: str
    body: bytes
    breakage: str


def parsed_object(body: bytes) -> dict[str, Any] | None:
    """The members of a body that is a JSON object to a strict reader, else None."""
    try:
        value = parse_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


# --- Refused


def malformed_bodies(next_body: Callable[[], bytes]) -> Iterator[BodyProbe]:
    """Bodies that are no JSON object, each made from another valid one that `next_body` gives (all of one command).

    Aspects: `not-json`, `cut-short`, `empty-body`, `array`, `scalar`, `form-encoded`, `not-utf8`. Raises SuiteError if
    a valid one is no JSON object with a text in it, and if a body is not broken in the way that it says.
    """
    for aspect, breakage, made in chain(MALFORMED, _cuts(next_body().strip())):
        valid = next_body()
        members = parsed_object(valid)
        if not members or not any(isinstance(value, str) for value in members.values()):
            raise SuiteError(f"malformed bodies are made from a JSON object with texts in it, got {valid[:80]!r}")
        body = made(valid.strip(), members)
        if parsed_object(body) is not None or breakage not in anatomy(body):
            raise SuiteError(f"the malformed body {aspect!r} is not one with {breakage}: {body[:80]!r}")
        yield BodyProbe(aspect, FORM_MEDIA_TYPE if aspect == "form-encoded" else JSON_MEDIA_TYPE, body, breakage)


Made = Callable[[bytes, dict[str, Any]], bytes]


def _instead(text: bytes) -> Made:
    return lambda _valid, _members: text


def _behind(text: bytes) -> Made:
    return lambda valid, _: valid + text


def _each_value(text: bytes) -> Made:
    """Every member with that text for a value."""
    return lambda _, members: b"{" + b", ".join(json.dumps(name).encode() + b": " + text for name in members) + b"}"


def _tagged(_valid: bytes, members: dict[str, Any]) -> bytes:
    return b"<request>" + b"".join(f"<{name}/>".encode() for name in members) + b"</request>"


def _with_stray(stray: bytes, _valid: bytes, members: dict[str, Any]) -> bytes:
    """Appended to the longest text, the member with the fewest rules of its own: the bytes shall be what is refused."""
    texts = {name: value for name, value in members.items() if isinstance(value, str)}
    longest = max(texts, key=lambda name: len(texts[name]))
    # A private-use character marks the place: no valid text has one.
    marked = json.dumps({**members, longest: texts[longest] + "\ue000"}).encode("ascii")
    return marked.replace(rb"\ue000", stray)


# A byte that UTF-8 does not have, Latin-1, an encoded surrogate, a slash of two bytes, a code point beyond the last.
_NOT_UTF8 = (b"\xff", "é".encode("latin-1"), b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80")

MALFORMED: tuple[tuple[str, str, Made], ...] = (
    ("not-json", "no JSON", _instead(b"This is not JSON.")),
    ("not-json", "XML", _tagged),
    ("not-json", "quotes of the wrong kind", lambda valid, _: valid.replace(b'"', b"'")),
    ("not-json", "comma behind the last member", lambda valid, _: valid[:-1] + b",}"),
    ("not-json", "something behind the end", _behind(b"}")),
    ("not-json", "something behind the end", _behind(b" and more")),
    ("not-json", "second object behind the end", lambda valid, _: valid + b"\n" + valid),
    *(("not-json", f"{name} for a value", _each_value(name.encode())) for name in ("NaN", "Infinity", "-Infinity")),
    ("empty-body", "nothing", _instead(b"")),
    ("empty-body", "white space alone", _instead(b" \r\n\t")),
    ("array", "array", _instead(b"[]")),
    ("array", "array", lambda valid, _: b"[" + valid + b"]"),
    *(("scalar", "scalar", _instead(text)) for text in (b'"text"', b"254", b"true", b"null")),
    ("form-encoded", "form", lambda _, members: urlencode(members).encode("ascii")),
    *(("not-utf8", "bytes that are no UTF-8", partial(_with_stray, stray)) for stray in _NOT_UTF8),
)
"""Aspect, the breakage as `conformance.generation.anatomy` finds it, and how it is made of a valid body."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}:,]|[^\s{}:,"]+')


def _cuts(like: bytes) -> Iterator[tuple[str, str, Made]]:
    """A cut behind each token but the last, within the first name and within the last value."""
    for index, place in enumerate(_places(like)):
        (breakage,) = anatomy(like[:place]) & CUT
        yield "cut-short", breakage, partial(_cut, index)


def _cut(index: int, valid: bytes, _members: dict[str, Any]) -> bytes:
    return valid[: _places(valid)[index]]


def _places(body: bytes) -> list[int]:
    tokens = [found.span() for found in _TOKEN.finditer(body)]
    texts = [(start, end) for start, end in tokens if body[start:end].startswith(b'"')]
    within = {(start + end) // 2 for start, end in (*texts[:1], *texts[-1:])}
    return sorted({end for _, end in tokens[:-1]} | within)


# --- Open


def open_bodies(
    contract: Contract, command: Command, next_members: Callable[[], Members], *, careful: bool = False
) -> Iterator[OpenBody]:
    """Bodies that a lenient reader takes, each made from another valid payload that `next_members` gives.

    The mebibyte is a message where there is one; `careful` has it in an unknown member, for on a real account it might
    be sent and paid for by the segment, and has bodies beside those that such an account may have to go without. A GET
    has none. Raises SuiteError if a body is not broken in the way that it
    says.
    """
    if command.method == "GET":
        return
    members = contract.schemas.resolved(command.request_schema)["properties"]
    texts = [name for name, rule in members.items() if "x-characters" in rule]
    huge = [*map(_huge_text, texts)] if texts and not careful else [("open", "mebibyte", _filled)]
    for aspect, breakage, made in (*OPEN_BODIES, *(CAREFUL_BODIES if careful else ()), *huge):
        body = made(json.dumps(dict(next_members())).encode("ascii"))
        if breakage not in anatomy(body):
            raise SuiteError(f"the open body of {command.name} is not one with {breakage}: {body[:80]!r}")
        yield OpenBody(aspect, body, breakage)


MadeOpen = Callable[[bytes], bytes]


def _beside(value: bytes) -> MadeOpen:
    """A further member with that value, which the command does not have."""
    return lambda valid: valid[:-1] + b', "' + UNKNOWN_MEMBER.encode() + b'": ' + value + b"}"


def _twice(valid: bytes) -> bytes:
    return valid[:-1] + b", " + valid[1:]


def _nulls(valid: bytes) -> bytes:
    return b", ".join(json.dumps(name).encode("ascii") + b": null" for name in json.loads(valid))


def _null_first(valid: bytes) -> bytes:
    """Each member null, then as it should be: the last one counts to most readers."""
    return b"{" + _nulls(valid) + b", " + valid[1:]


def _null_last(valid: bytes) -> bytes:
    return valid[:-1] + b", " + _nulls(valid) + b"}"


def _filled(valid: bytes) -> bytes:
    return _beside(b'"' + b"a" * (HUGE - len(_beside(b'""')(valid))) + b'"')(valid)


def _huge_text(member: str) -> tuple[str, str, MadeOpen]:
    def made(valid: bytes) -> bytes:
        rest = json.dumps({**json.loads(valid), member: ""}).encode("ascii")
        return json.dumps({**json.loads(valid), member: "a" * (HUGE - len(rest))}).encode("ascii")

    return "over-long", "mebibyte", made


OPEN_BODIES: tuple[tuple[str, str, MadeOpen], ...] = (
    *(("open", "duplicate members", made) for made in (_twice, _null_first, _null_last)),
    ("open", "byte order mark", lambda valid: b"\xef\xbb\xbf" + valid),
    ("open", "UTF-16", lambda valid: valid.decode().encode("utf-16-be")),
    ("open", "UTF-16", lambda valid: valid.decode().encode("utf-16-le")),
    ("open", "NaN or infinity in an unknown member", _beside(b"[NaN, Infinity, -Infinity]")),
    ("open", "number beyond a double", _beside(b"[1e400, -1e400, 1e-400]")),
    ("open", "number beyond a double", _beside(b"1" + b"0" * DIGITS)),
    ("open", "deep nesting", _beside(b"[" * NESTED + b"]" * NESTED)),
    ("open", "deep nesting", _beside(b'{"a":' * NESTED + b"1" + b"}" * NESTED)),
    ("open", "unpaired surrogate", _beside(rb'["\ud83d", "\udc4b", "\udc4b\ud83d"]')),
    ("open", "line break that is not escaped", _beside(b'"one line\nand another"')),
)
"""Aspect, the breakage as `conformance.generation.anatomy` finds it, and how it is made of a valid body in ASCII."""

CAREFUL_BODIES: tuple[tuple[str, str, MadeOpen], ...] = (("open", "number beyond a double", _beside(b"1e400")),)
"""The same where no more than a few digits may stand together, lest somebody takes them for a phone number."""

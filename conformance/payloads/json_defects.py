"""JSON defects: the ways in which a body is broken as JSON, found in its bytes, and bodies that have them.

Malformed bodies have a defect in REFUSED: no reader takes them for a JSON object, so the gateway refuses them with a
4xx. Open bodies have one in OPEN: readers differ, so either answer will do, but no 5xx. RFC 8259 lets a reader take
more than the grammar says (§9: "A JSON parser MAY accept non-JSON forms or extensions"), so a defect is open if
widespread readers take it and give it a harmless meaning:

- duplicate members: §4 says SHOULD be unique, and that readers differ;
- a byte order mark, which §8.1 allows a reader to ignore; UTF-16, against §8.1, but detected by readers from the time
  of RFC 4627 (Python's `json.loads` to this day). Without its mark, for with it the bytes are not UTF-8, which is
  refused;
- numbers beyond a double, nesting ten thousand deep, a mebibyte (§9: a reader MAY set limits to all of them), unpaired
  surrogates as escapes (§8.2: unpredictable), a line break that is not escaped in a string;
- NaN and the infinities in a member that the command does not have: Python's `json.loads` reads them by default,
  and the contract says nothing of unknown members.

NaN for every member is refused: a gateway that reads it has no phone number. Each body is made from a payload of its
own, so that a gateway that takes one does not meet a similar one within its window.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain
from typing import Any, NamedTuple
from urllib.parse import urlencode

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.contract.tables import Making
from conformance.model.errors import SuiteError
from conformance.model.traffic import JSON_MEDIA_TYPE
from conformance.payloads.members import Members, members_of, texts_of

# Far more than any payload of the contract, and as much as the limit of some servers.
HUGE = 1 << 20
# No payload of the contract nests at all; readers begin to have limits at 64.
DEEP = 64

CUT = frozenset(
    {
        "cut behind the opening brace",
        "cut behind a name",
        "cut behind a colon",
        "cut behind a value",
        "cut behind a comma",
        "cut within a text",
    }
)
REFUSED: tuple[str, ...] = (
    "no JSON",
    "XML",
    "quotes of the wrong kind",
    "comma behind the last member",
    "something behind the end",
    "second object behind the end",
    "NaN for a value",
    "Infinity for a value",
    "-Infinity for a value",
    *sorted(CUT),
    "nothing",
    "white space alone",
    "array",
    "scalar",
    "form",
    "bytes that are not UTF-8",
)
OPEN: tuple[str, ...] = (
    "duplicate members",
    "byte order mark",
    "UTF-16",
    "NaN or infinity in an unknown member",
    "number beyond a double",
    "deep nesting",
    "unpaired surrogate",
    "line break that is not escaped",
    "mebibyte",
)

# It matches a string without an end, too. Possessive: a mebibyte is scanned once.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_WRONG_QUOTES = re.compile(r"\{\s*'")
_NONZERO = re.compile(r"-?[0.]*[1-9]")
_BRACKETS = re.compile(r"[\[\]{}]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_FORM = re.compile(r"""[^\s{}\[\]"=&<]+=[^\s{}\[\]"]*""")
_TRAILING_COMMA = re.compile(r",\s*[}\]]\Z")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
# The ends of a body that is cut, an object of texts up to there; the first that matches.
_ENDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(expression, re.DOTALL))
    for name, expression in (
        ("cut behind the opening brace", r"\{\s*\Z"),
        ("cut behind a colon", r":\s*\Z"),
        ("cut behind a comma", r",\s*\Z"),
        ("cut behind a value", r':\s*(?:""|[^\s"{}\[\]]+)\s*\Z'),
        ("cut behind a name", r'[{,]\s*""\s*\Z'),
    )
)


def defects_of(body: bytes) -> frozenset[str]:
    """The defects of `body`, by their names in REFUSED and OPEN; none for ordinary JSON. Raises nothing."""
    return frozenset(_found(body))


def _found(body: bytes) -> Iterator[str]:
    if len(body) >= HUGE:
        yield "mebibyte"  # its content does not matter
        return
    if not body.strip(b" \t\r\n"):
        yield "white space alone" if body else "nothing"
        return
    if body.startswith(b"\xef\xbb\xbf"):
        yield "byte order mark"
        body = body[3:]
    for encoding, zero in (("utf-16-be", 0), ("utf-16-le", 1)):
        # No character of JSON's own syntax has a high byte.
        if body[zero : zero + 1] == b"\0":
            yield "UTF-16"
            body = body.decode(encoding, "replace").encode("utf-8", "replace")
            break
    try:
        text = body.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError:
        yield "bytes that are not UTF-8"
        return
    yield from _of_text(text)


def _of_text(text: str) -> Iterator[str]:
    skeleton = _STRING.sub(lambda string: '""' if string[1] else '"', text)
    # Nearly all bodies have too few brackets. Closed or not: a reader with a limit does not come to the end.
    if skeleton.count("[") + skeleton.count("{") > DEEP and _depth(skeleton) > DEEP:
        yield "deep nesting"
        return
    constants: list[str] = []
    numbers: list[str] = []
    repeats: list[bool] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeats.append(len(dict(pairs)) != len(pairs))
        return dict(pairs)

    def constant(name: str) -> str:
        constants.append(name)
        return name

    def number(digits: str) -> float:
        numbers.append(digits)
        return float(digits)

    lenient = json.JSONDecoder(
        object_pairs_hook=members, parse_constant=constant, parse_float=number, parse_int=number, strict=False
    )
    try:
        value, end = lenient.raw_decode(text)
    except ValueError:
        yield _unreadable(text, skeleton)
        return
    if rest := text[end:].strip():
        yield "second object behind the end" if rest.startswith("{") else "something behind the end"
    elif not isinstance(value, dict):
        yield "array" if isinstance(value, list) else "scalar"
    else:
        yield from _unusual(text, value, constants)
        yield from (["duplicate members"] if any(repeats) else [])
        yield from (["number beyond a double"] if any(map(_is_beyond_a_double, numbers)) else [])


def _depth(skeleton: str) -> int:
    return max(accumulate(map(_STEPS.__getitem__, _BRACKETS.findall(skeleton))))


def _unusual(text: str, value: Mapping[str, Any], constants: list[str]) -> Iterator[str]:
    """The defects in the texts of an object, and those of NaN and the infinities."""
    if any(_CONTROL.search(string[0]) for string in _STRING.finditer(text)):
        yield "line break that is not escaped"
    if _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        yield "unpaired surrogate"
    if constants and all(isinstance(member, str) and member in constants for member in value.values()):
        yield from (f"{name} for a value" for name in constants)
    elif constants:
        yield "NaN or infinity in an unknown member"


def _is_beyond_a_double(digits: str) -> bool:
    value = float(digits)
    return math.isinf(value) or (value == 0 and _NONZERO.match(digits) is not None)


def _unreadable(text: str, skeleton: str) -> str:
    """The defect of a text that no reader takes."""
    if not text.startswith("{"):
        return "XML" if text.startswith("<") else "form" if _FORM.fullmatch(text) else "no JSON"
    if _WRONG_QUOTES.match(text):
        return "quotes of the wrong kind"
    if skeleton.count('"') % 2:
        return "cut within a text"
    if sum(_STEPS[bracket] * skeleton.count(bracket) for bracket in _STEPS) > 0:  # more are opened than closed
        return next((name for name, end in _ENDS if end.search(skeleton)), "no JSON")
    return "comma behind the last member" if _TRAILING_COMMA.search(skeleton) else "no JSON"


FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"

# Ten times what readers that count allow by default (Python 1,000, .NET 64, PHP 512), and only some kilobytes.
NESTED = 10_000
# More digits than Python converts (4,300), so far beyond a double that there is no rounding.
DIGITS = 5_000

UNKNOWN_MEMBER = "x_unknown"


class BodyProbe(NamedTuple):
    """A body that a gateway must refuse, its Content-Type, and its defect."""

    aspect: str
    content_type: str
    body: bytes
    breakage: str


class OpenBody(NamedTuple):
    """A body that a gateway may take; `aspect` is `open`, or `over-long` for a message of that size."""

    aspect: str
    body: bytes
    breakage: str


# --- Refused


def malformed_bodies(contract: Contract, next_body: Callable[[], bytes]) -> Iterator[BodyProbe]:
    """Bodies that are not a JSON object, each made from another valid one that `next_body` gives (all of one command).

    Raises SuiteError if a valid body is not a JSON object with a text in it, and if a made body lacks its defect.
    """
    like = next_body().strip()
    makings = (making for probe in contract.probes.of("malformed") for making in probe.made)
    for making, breakage, made in chain.from_iterable(_malformed(making, like) for making in makings):
        valid = next_body()
        members = members_of(valid)
        if not members or not any(isinstance(value, str) for value in members.values()):
            raise SuiteError(f"malformed bodies are made from a JSON object with texts in it, got {valid[:80]!r}")
        body = made(valid.strip(), members)
        if members_of(body) is not None or breakage not in defects_of(body):
            raise SuiteError(f"the malformed body {making.aspect!r} is not one with {breakage}: {body[:80]!r}")
        media_type = FORM_MEDIA_TYPE if making.by == "form" else JSON_MEDIA_TYPE
        yield BodyProbe(making.aspect, media_type, body, breakage)


def _malformed(making: Making, like: bytes) -> Iterator[tuple[Making, str, Made]]:
    """The bodies of a row: none if it changes only headers, one for each cut of a body `like` this one."""
    if making.by == "cut":
        # Behind each token but the last, within the first name and within the last value.
        for index, place in enumerate(_places(like)):
            (breakage,) = defects_of(like[:place]) & CUT
            yield making, breakage, lambda valid, _, index=index: valid[: _places(valid)[index]]  # type: ignore[misc]
    elif making.by in MALFORMED:
        yield making, making.shows, MALFORMED[making.by](making)


Made = Callable[[bytes, Members], bytes]


def _each_value(text: bytes) -> Made:
    """Makes every member have that text for a value."""
    return lambda _, members: b"{" + b", ".join(json.dumps(name).encode() + b": " + text for name in members) + b"}"


def _with_stray(stray: bytes, _valid: bytes, members: Members) -> bytes:
    """Append to the longest text, the member with the fewest rules, so that the gateway refuses the bytes alone."""
    texts = {name: value for name, value in members.items() if isinstance(value, str)}
    longest = max(texts, key=lambda name: len(texts[name]))
    # A private-use character, which no valid text has, marks the place.
    marked = json.dumps({**members, longest: texts[longest] + "\ue000"}).encode("ascii")
    return marked.replace(rb"\ue000", stray)


MALFORMED: Mapping[str, Callable[[Making], Made]] = {
    "text": lambda making: lambda _valid, _members: making.text("text").encode(),
    "behind": lambda making: lambda valid, _: valid + making.text("text").encode(),
    "around": lambda making: lambda valid, _: making.text("before").encode() + valid + making.text("after").encode(),
    "every-value": lambda making: _each_value(making.text("text").encode()),
    "tags": lambda _: (
        lambda _valid, members: b"<request>" + b"".join(f"<{name}/>".encode() for name in members) + b"</request>"
    ),
    "single-quotes": lambda _: lambda valid, _members: valid.replace(b'"', b"'"),
    "last-comma": lambda _: lambda valid, _members: valid[:-1] + b",}",
    "twice": lambda _: lambda valid, _members: valid + b"\n" + valid,
    "form": lambda _: lambda _valid, members: urlencode(members).encode("ascii"),
    "stray-bytes": lambda making: partial(_with_stray, bytes.fromhex(making.text("bytes"))),
}
"""The makers of malformed bodies: each makes one of a valid body, by the parameters of a row."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}:,]|[^\s{}:,"]+')


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

    The mebibyte is a message if the command has one. `careful`, for real accounts, moves it into an unknown member,
    because a gateway might send it and charge by the segment, and adds bodies beside those that may have to be left
    out. A GET has none. Raises SuiteError if a body lacks its defect.
    """
    if command.method == "GET":
        return
    texts = texts_of(contract, command)
    for probe in contract.probes.of("open"):
        for making in probe.made:
            for breakage, made in _open(making, texts, careful=careful):
                body = made(json.dumps(dict(next_members())).encode("ascii"))
                if breakage not in defects_of(body):
                    raise SuiteError(f"the open body of {command.name} is not one with {breakage}: {body[:80]!r}")
                yield OpenBody(making.aspect, body, breakage)


MadeOpen = Callable[[bytes], bytes]


def _beside(value: bytes) -> MadeOpen:
    """Makes a body with that value in a member that the command does not have."""
    return lambda valid: valid[:-1] + b', "' + UNKNOWN_MEMBER.encode() + b'": ' + value + b"}"


def _nulls(valid: bytes) -> bytes:
    return b", ".join(json.dumps(name).encode("ascii") + b": null" for name in json.loads(valid))


def _filled(valid: bytes) -> bytes:
    return _beside(b'"' + b"a" * (HUGE - len(_beside(b'""')(valid))) + b'"')(valid)


def _huge_text(member: str, valid: bytes) -> bytes:
    rest = json.dumps({**json.loads(valid), member: ""}).encode("ascii")
    return json.dumps({**json.loads(valid), member: "a" * (HUGE - len(rest))}).encode("ascii")


OPEN_BODIES: Mapping[str, tuple[MadeOpen, ...]] = {
    "duplicate members": (
        lambda valid: valid[:-1] + b", " + valid[1:],
        # Each member null, then with its value: to most readers the last one counts.
        lambda valid: b"{" + _nulls(valid) + b", " + valid[1:],
        lambda valid: valid[:-1] + b", " + _nulls(valid) + b"}",
    ),
    "byte order mark": (lambda valid: b"\xef\xbb\xbf" + valid,),
    "UTF-16": (lambda valid: valid.decode().encode("utf-16-be"), lambda valid: valid.decode().encode("utf-16-le")),
    "NaN or infinity in an unknown member": (_beside(b"[NaN, Infinity, -Infinity]"),),
    "number beyond a double": (_beside(b"[1e400, -1e400, 1e-400]"), _beside(b"1" + b"0" * DIGITS)),
    "deep nesting": (_beside(b"[" * NESTED + b"]" * NESTED), _beside(b'{"a":' * NESTED + b"1" + b"}" * NESTED)),
    "unpaired surrogate": (_beside(rb'["\ud83d", "\udc4b", "\udc4b\ud83d"]'),),
    "line break that is not escaped": (_beside(b'"one line\nand another"'),),
}
"""The makers of open bodies, by their defect: each makes one of a valid body in ASCII."""


def _open(making: Making, texts: Sequence[str], *, careful: bool) -> Iterator[tuple[str, MadeOpen]]:
    """The bodies of a row; none if it changes a member."""
    if making.by == "body":
        yield from ((making.shows, made) for made in OPEN_BODIES[making.shows])
    elif making.by == "huge-text" and not careful:
        yield from (("mebibyte", partial(_huge_text, name)) for name in texts)
    elif making.by == "huge-beside" and (careful or not texts):
        yield "mebibyte", _filled
    elif making.by == "careful-number" and careful:
        # With few digits together, so that no gateway takes them for a phone number.
        yield "number beyond a double", _beside(b"1e400")

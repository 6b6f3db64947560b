"""How a body is broken as JSON, read off its bytes: what each class of such bodies is told by.

    anatomy(body)       the names of the ways in which it is broken; none for JSON with nothing unusual about it
    REFUSED, OPEN       all names there are: of what every gateway refuses, and of what the contract leaves open
    CUT                 those of REFUSED that say behind what a body was cut

Nothing here depends on what a body was made for, so that coverage is measured and not taken on trust.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

# A mebibyte: more than any payload of the contract comes near, and where servers begin to have limits.
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
    "bytes that are no UTF-8",
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

# It matches a string that does not end, too. Possessive: a mebibyte is looked at once.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_WRONG_QUOTES = re.compile(r"\{\s*'")
_NONZERO = re.compile(r"-?[0.]*[1-9]")
_BRACKETS = re.compile(r"[\[\]{}]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_FORM = re.compile(r"""[^\s{}\[\]"=&<]+=[^\s{}\[\]"]*""")
_TRAILING_COMMA = re.compile(r",\s*[}\]]\Z")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Behind what a body ends that is an object of texts as far as it goes; the first that matches.
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


def anatomy(body: bytes) -> frozenset[str]:
    """The ways in which `body` is broken as JSON, by their names in REFUSED and OPEN. Raises nothing."""
    return frozenset(_found(body))


def _found(body: bytes) -> Iterator[str]:
    if len(body) >= HUGE:
        yield "mebibyte"  # whatever it holds, it is there for its size
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
        yield "bytes that are no UTF-8"
        return
    yield from _of_text(text)


def _of_text(text: str) -> Iterator[str]:
    skeleton = _STRING.sub(lambda string: '""' if string[1] else '"', text)
    if _is_deep(skeleton):
        yield "deep nesting"  # closed or not: a reader that sets a limit to depth does not come to the end
        return
    reading = _Reading()
    try:
        value, end = reading.decoder().raw_decode(text)
    except ValueError:
        yield from _unreadable(text, skeleton)
        return
    if rest := text[end:].strip():
        yield "second object behind the end" if rest.startswith("{") else "something behind the end"
    elif not isinstance(value, dict):
        yield "array" if isinstance(value, list) else "scalar"
    else:
        if any(_CONTROL.search(string[0]) for string in _STRING.finditer(text)):
            yield "line break that is not escaped"
        yield from reading.told(value)


def _is_deep(skeleton: str) -> bool:
    """Whether brackets are nested more than DEEP levels; nearly no body has so many at all."""
    if skeleton.count("[") + skeleton.count("{") <= DEEP:
        return False
    return max(accumulate(map(_STEPS.__getitem__, _BRACKETS.findall(skeleton)))) > DEEP


def _is_left_open(skeleton: str) -> bool:
    """Whether more brackets are opened than closed."""
    return sum(_STEPS[bracket] * skeleton.count(bracket) for bracket in _STEPS) > 0


def _unreadable(text: str, skeleton: str) -> Iterator[str]:
    if text.startswith("<"):
        yield "XML"
    elif _FORM.fullmatch(text):
        yield "form"
    elif not text.startswith("{"):
        yield "no JSON"
    elif _WRONG_QUOTES.match(text):
        yield "quotes of the wrong kind"
    elif skeleton.count('"') % 2:
        yield "cut within a text"
    elif _is_left_open(skeleton):
        yield next((name for name, end in _ENDS if end.search(skeleton)), "no JSON")
    elif _TRAILING_COMMA.search(skeleton):
        yield "comma behind the last member"
    else:
        yield "no JSON"


@dataclass(slots=True)
class _Reading:
    """A lenient reading of a body, and what it had to be lenient about."""

    constants: list[str] = field(default_factory=list)
    duplicates: bool = False
    beyond: bool = False

    def decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(
            object_pairs_hook=self._members,
            parse_constant=self._constant,
            parse_float=self._number,
            parse_int=self._number,
            strict=False,
        )

    def told(self, value: dict[str, Any]) -> Iterator[str]:
        """What is unusual about the object that was read."""
        if self.duplicates:
            yield "duplicate members"
        if self.constants and all(isinstance(member, str) and member in self.constants for member in value.values()):
            yield from (f"{name} for a value" for name in set(self.constants))
        elif self.constants:
            yield "NaN or infinity in an unknown member"
        if self.beyond:
            yield "number beyond a double"
        if _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
            yield "unpaired surrogate"

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        self.duplicates = self.duplicates or len(members) != len(pairs)
        return members

    def _constant(self, name: str) -> str:
        self.constants.append(name)
        return name

    def _number(self, digits: str) -> float:
        value = float(digits)
        self.beyond = self.beyond or math.isinf(value) or (value == 0 and _NONZERO.match(digits) is not None)
        return value

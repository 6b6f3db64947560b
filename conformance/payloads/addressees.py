"""The people whom a request may reach: nobody but the owners of the phone numbers that a run was given.

A gateway may read a number in ways that the contract does not mention: the last nine digits, the first twelve, digits
of any script, letters left out or dialled as on a keypad, a number written as a double, a list joined, a member with
another name. So a request is harmless only if each text in it, signs and letters left out, has fewer digits than the
shortest number that somebody has, or is a given number and nothing else. The planner leaves out all other requests, and
the sender refuses them.

Texts for people and amounts are not destinations, whatever digits they hold. Nor is a registered name as it was given.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Self
from urllib.parse import unquote_plus

from conformance.contract.contract import Contract
from conformance.model.traffic import Case, Request
from conformance.payloads.members import Constraints, rules_of

GIVEN_BY = "--phone-number"
"""The option with the numbers."""

# The fewest digits by which a text reaches somebody: in the whole text, and in each part alone. In the member for a
# number, a service has three digits (112, 999) and a line in a town seven; elsewhere only a whole number may be taken
# for one, with nine digits behind country code and zero.
Fewest = tuple[int, int]
WHERE_IT_BELONGS: Fewest = (3, 7)
ELSEWHERE: Fewest = (9, 9)
# The most digits of a stranger's number that a message shows.
SHOWN = 20
# Enough zeros before a number to push it out of each of the usual column widths (12, 15, 16).
ZEROS = "0" * 13

# The header with the credential, whose digits mean nothing.
CREDENTIAL = "authorization"

_DIGIT, _OTHERS = re.compile(r"\d"), re.compile(r"\D+")
_RUN = re.compile(r"\d+")
# An extension, a second number and anything else behind the first.
_PARTING = re.compile(r"[^\W\d_]+|[;,|#&]+")
# A number with letters as libphonenumber reads it: three digits first, and three letters at least.
_VANITY = re.compile(r"[^\w]*(?:\d[^\w]*){3}(?=(?:.*?[A-Za-z]){3})", re.DOTALL)
_KEYPAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_NUMBER = re.compile(r"\s*[+-]?(?:\d++(?:\.\d*+)?|\.\d++)[eE][+-]?\d{1,3}\s*|\s*[+-]?0[xX][0-9a-fA-F]{1,20}\s*")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
# In a body that is not JSON: a text in quotes, closed or not, and the signs that separate values elsewhere.
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"?|'((?:[^'\\]|\\.)*)'?""", re.DOTALL)
_BETWEEN = re.compile(r"[{}\[\]<>=:&\r\n]+")


@dataclass(frozen=True, slots=True)
class Addressees:
    """Finds digits in a request that might reach somebody who was not given.

    `spellings`: the digits of the given numbers in each spelling; none: a request may reach anybody. `registered`: by
    member, the given names. `base_url`: that of the gateway, in which digits are its own.
    """

    contract: Contract
    spellings: frozenset[str]
    registered: Mapping[str, frozenset[str]]
    base_url: str

    @classmethod
    def of(cls, contract: Contract, constraints: Constraints, base_url: str) -> Self:
        """The people whose numbers are among the constraints; everybody if it has none."""
        given, code = constraints.values(contract), contract.members.country_code or ""
        return cls(
            contract,
            frozenset(spelling for number in constraints.phone_numbers for spelling in _spellings(number, code)),
            {member: frozenset(given.get(member, ())) for member in contract.members.registered},
            base_url.rstrip("/"),
        )

    def stranger_in(self, request: Request) -> str | None:
        """Digits of the request that might reach somebody who was not given; None if it has none."""
        if not self.spellings:
            return None
        found = next(self._strangers(request), None)
        return found if found is None or len(found) <= SHOWN else f"{found[:SHOWN]}…"

    def harms_nobody(self, body: bytes) -> bool:
        """Whether no stranger is found in a body."""
        return self.stranger_in(Request("POST", self.base_url, (), body)) is None

    def harmless(self, group: Sequence[Case]) -> tuple[Case, ...]:
        """The cases of a group without those that might reach a stranger, and without those that build on them."""
        removed: set[str | None] = set()
        for case in group if self.spellings else ():
            if {case.twin, case.earlier} & removed or self.stranger_in(case.request) is not None:
                removed.add(case.id)
        return tuple(case for case in group if case.id not in removed)

    def _strangers(self, request: Request) -> Iterator[str]:
        yield from self._in_body(request.body)
        target = request.url.removeprefix(self.base_url)
        yield from self._in_text(target)
        for name, value in request.headers:
            if name.lower() != CREDENTIAL:
                yield from self._in_text(value)

    # --- Bodies

    def _in_body(self, body: bytes) -> Iterator[str]:
        if not body:
            return
        try:
            # As lenient as widespread readers; numbers as written, and both members of a repeated name.
            value = json.loads(
                body, strict=False, object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number, parse_constant=str
            )
        except (ValueError, RecursionError):
            yield from self._in_text(body.replace(b"\0", b"").decode("utf-8", "replace"))
            return
        for each in value if isinstance(value, list) and not isinstance(value, _Pairs) else [value]:
            if isinstance(each, _Pairs):
                yield from self._in_members(each)
            else:
                yield from self._in_values([each], ELSEWHERE)

    def _in_members(self, members: _Pairs) -> Iterator[str]:
        """Search each member; those of one name together, as some readers join them."""
        by_name: dict[str, list[Any]] = defaultdict(list)
        for name, value in members:
            yield from self._in_written(name, ELSEWHERE)
            by_name[name.strip().lower()].append(value)
        for name, values in by_name.items():
            if name not in _no_destinations(self.contract):
                registered = self.registered.get(name, frozenset())
                unregistered = [v for v in values if not (isinstance(v, str) and v in registered)]
                belongs = name == self.contract.members.recipient
                yield from self._in_values(unregistered, WHERE_IT_BELONGS if belongs else ELSEWHERE)

    def _in_values(self, values: list[Any], fewest: Fewest) -> Iterator[str]:
        """Search each text among the values, and all of them joined."""
        texts = list(_texts(values))
        for text in texts:
            yield from self._in_written(text, fewest)
        joined = "".join(map(_digits, texts))
        if len(joined) >= fewest[0] and not all(_digits(text) in {"", *self.spellings} for text in texts):
            yield joined

    # --- Texts

    def _in_text(self, text: str) -> Iterator[str]:
        """Search a text that is not JSON: everything in quotes, or between signs that separate values."""
        if text.isascii() and len(_digits(text)) < min(ELSEWHERE):
            return  # escapes of digits are made of digits
        valued = _valued(self.contract)
        text = valued.sub(" ", _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text))
        for spelt in dict.fromkeys((text, valued.sub(" ", unquote_plus(text)))):
            for quoted in _QUOTED.finditer(spelt):
                yield from self._in_written(quoted[1] or quoted[2] or "", ELSEWHERE)
            for part in _BETWEEN.split(_QUOTED.sub("=", spelt)):
                yield from self._in_written(part, ELSEWHERE)

    def _in_written(self, text: str, fewest: Fewest) -> Iterator[str]:
        """Search one text, in every way to read it."""
        if text.isascii() and not _DIGIT.search(text):
            return  # nearly all texts, one of them of a mebibyte
        doubles = text.as_doubles_are_written if isinstance(text, _Number) else ()
        text = _in_ascii(text)
        vanity = map(_dialled, [text] if fewest == WHERE_IT_BELONGS else [])
        readings = [(digits, fewest[0]) for digits in (*_whole(text), *map(_digits, doubles), *vanity)]
        readings += [(digits, fewest[1]) for digits in _parts(text)]
        yield from (digits for digits, least in readings if len(digits) >= least and digits not in self.spellings)


class _Number(str):
    """A number of JSON, as it is written."""

    __slots__ = ()

    @property
    def as_doubles_are_written(self) -> tuple[str, ...]:
        """As Java, Go and others write it, to whom every number is a double: 12.0, 2.54712345678E11."""
        try:
            mantissa, _, exponent = f"{Decimal(repr(float(self))):E}".partition("E")
        except (OverflowError, InvalidOperation):  # beyond a double
            return ()
        return f"{self}.0", f"{mantissa.rstrip('0')}E{exponent.lstrip('+')}"


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, all of them."""


def _spellings(number: str, country_code: str) -> Iterator[str]:
    """The digits of a number in each spelling that cannot be taken for another number."""
    subscriber = number.removeprefix(country_code)
    yield from (number, subscriber, f"0{subscriber}", ZEROS + number)


def _whole(text: str) -> Iterator[str]:
    """The readings of a whole text in ASCII as digits."""
    yield _digits(text)
    if _NUMBER.fullmatch(text):
        with suppress(ValueError, OverflowError):
            yield str(abs(int(text, 0) if "x" in text.lower() else int(float(text))))


def _dialled(text: str) -> str:
    """The digits of a vanity number in ASCII, its letters dialled as on a keypad; "" for other texts."""
    return _digits(text.lower().translate(_KEYPAD)) if _VANITY.match(text) else ""


def _parts(text: str) -> Iterator[str]:
    """The digits in the parts of a text in ASCII that a reader may take for the number."""
    yield from _RUN.findall(text)
    yield from map(_digits, _PARTING.split(text))


def _in_ascii(text: str) -> str:
    """The text with digits of every script, and signs for digits, as ASCII digits."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.digit(each, each)) for each in unicodedata.normalize("NFKC", text))


def _digits(text: str) -> str:
    text = _in_ascii(text)
    return _OTHERS.sub("", text) if _DIGIT.search(text) else ""


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """Every text, number and name in the values, in order; without recursion, for the values may be deep."""
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, str):
                yield value
            elif isinstance(value, list | tuple):
                waiting.append(iter(value))
                break
        else:
            waiting.pop()


@cache
def _no_destinations(contract: Contract) -> frozenset[str]:
    """The members of all commands with texts for people, or amounts."""
    rules = [each for command in contract.commands.values() for each in rules_of(contract, command).items()]
    return frozenset(name for name, rule in rules if not {"x-characters", "x-integer"}.isdisjoint(rule))


@cache
def _valued(contract: Contract) -> re.Pattern[str]:
    """One of these members in a text that is not JSON, with its value."""
    names = "|".join(sorted(_no_destinations(contract)))
    value = r"""(?:"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|[^,}&<\r\n]*+)"""
    return re.compile(rf"""(["']?)\b(?:{names})\b\1\s*[:=]\s*{value}""", re.IGNORECASE | re.DOTALL)

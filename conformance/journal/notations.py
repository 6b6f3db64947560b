"""How programs write a character as something else.

Escapes     of JSON and programming languages, URLs, HTML and mail; beside them CSS, pairs of surrogates, exponents
Gaps        between the characters of a text
Notation    numbers in a row, each of them a byte or a character
dumped      lines of a dump, with offsets and a column of text
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from html.entities import html5
from itertools import pairwise


class Escapes(StrEnum):
    """A kind of escapes, by its first character."""

    BACKSLASH = "\\"
    PERCENT = "%"
    ENTITY = "&"
    QUOTED_PRINTABLE = "="


class Gaps(StrEnum):
    """Gaps between the characters of a text that was broken into lines, or has two bytes a character.

    Unfolding a header leaves spaces; anywhere else they separate words.
    """

    LINE_BREAK = "\r\n"
    ZERO = "\0"
    SPACE = " "


# Each alternative begins with a literal, so that a search skips other bytes quickly. The first character of another
# escape comes neither after a backslash nor in place of a semicolon: that escape is undone first.
_WRITTEN: dict[Escapes | Gaps, bytes] = {
    Escapes.BACKSLASH: (
        rb"\\[uU][dD][89abAB][0-9a-fA-F]{2}\\[uU][dD][c-fC-F][0-9a-fA-F]{2}"
        rb"|\\u[0-9a-fA-F]{4}|\\[uU]\{[0-9a-fA-F]{1,8}\}|\\U[0-9a-fA-F]{8}|\\U[0-9a-fA-F]{4}|\\[xX][0-9a-fA-F]{2}"
        rb"|\\[xX]\{[0-9a-fA-F]{1,8}\}"
        rb"|\\[0-3][0-7]{2}|\\[abfnrtv]|\\\r\n|\\[^A-Za-z0-9%=&\0\r]|\\&(?!#?[A-Za-z0-9]{1,32};)"
    ),
    Escapes.PERCENT: rb"%[0-9a-fA-F]{2}|%[uU][0-9a-fA-F]{4}",
    Escapes.ENTITY: (
        rb"&#[0-9]{1,32}(?:;|(?![0-9%=&\\]))|&#[xX][0-9a-fA-F]{1,32}(?:;|(?![0-9a-fA-F%=&\\]))"
        rb"|&[A-Za-z][A-Za-z0-9]{1,31}(?:;|(?![A-Za-z0-9%=&\\]))"
    ),
    Escapes.QUOTED_PRINTABLE: rb"=[0-9a-fA-F]{2}|=\r?\n",
    Gaps.LINE_BREAK: rb"\r\n?[ \t]*|\n[ \t]*",
    # Several at once cost as much as one; no more of them, because meanings are cached.
    Gaps.ZERO: rb"\0{1,256}",
    Gaps.SPACE: rb" {1,256}",
}

_CONTROLS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

LAST_CHARACTER = 0x10FFFF

# CSS ends the number of a character by a space, which is a plus sign in a form. JSON means something else by some.
CSS = re.compile(rb"\\[0-9a-fA-F]{1,6}(?:\r\n|[ +\t\r\n\f])?")

# Java writes integers from ten millions on so, if it has read them as JSON.
SCIENTIFIC = re.compile(rb"[0-9]\.[0-9]+[eE]\+?[0-9]{1,2}(?![0-9])")

# A character of two bytes or four, and some in a row that are ASCII.
UTF_16 = {
    "utf-16-le": (
        re.compile(rb"[\0-\xff][\xd8-\xdb][\0-\xff][\xdc-\xdf]|[\0-\xff]{2}"),
        re.compile(rb"(?:[\t-~]\0){3,}"),
    ),
    "utf-16-be": (
        re.compile(rb"[\xd8-\xdb][\0-\xff][\xdc-\xdf][\0-\xff]|[\0-\xff]{2}"),
        re.compile(rb"(?:\0[\t-~]){3,}"),
    ),
}

# Java writes a character beyond the first plane as two of three bytes each; so do readers that undo escapes one by one.
PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


@cache
def pattern_of(kinds: frozenset[Escapes | Gaps]) -> re.Pattern[bytes]:
    """An expression that finds each escape, or gap, of these kinds."""
    return re.compile(b"|".join(written for kind, written in _WRITTEN.items() if kind in kinds))


_CACHED = 4096


@lru_cache(_CACHED)
def meant_by_css(escape: bytes) -> bytes | None:
    """The character of an escape of CSS in UTF-8; None if there is none of its number."""
    return _utf8(int(escape[1:].rstrip(b" +\t\r\n\f"), 16))


@lru_cache(_CACHED)
def meant_in_utf_16(form: str, character: bytes) -> bytes:
    """A character of UTF-16 in UTF-8."""
    return character.decode(form, "surrogatepass").encode(errors="surrogatepass")


@lru_cache(_CACHED)
def without_exponent(number: bytes) -> bytes:
    """A number in scientific notation as digits."""
    return f"{Decimal(number.decode()):f}".encode()


@lru_cache(_CACHED)
def meant_by(escape: bytes) -> bytes | None:
    """The meaning of an escape in UTF-8; None if it is not an escape after all."""
    sign, rest = escape[:1], escape[1:]
    if sign == b"\\":
        return _after_backslash(rest)
    if sign == b"%":
        return _utf8(int(rest[1:], 16)) if rest[:1] in b"uU" else bytes.fromhex(rest.decode())
    if sign == b"=":
        return b"" if rest[:1] in b"\r\n" else bytes.fromhex(rest.decode())
    if sign == b"\xed":
        return escape.decode(errors="surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()
    return _entity(rest) if sign == b"&" else b""


def _after_backslash(rest: bytes) -> bytes | None:
    kind, digits = rest[:1], rest[1:]
    if not digits:
        return b"" if kind in b"\r\n" else _CONTROLS.get(kind, kind)
    if kind == b"\r":
        return b""
    if kind in b"xX" and digits[:1] != b"{":
        return bytes.fromhex(digits.decode())
    if kind in b"0123":
        return bytes([int(rest, 8)])
    high, backslash, low = digits.partition(b"\\")
    if backslash:
        return _utf8(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low[1:], 16) & 0x3FF))
    return _utf8(int(digits.strip(b"{}"), 16))


def _entity(rest: bytes) -> bytes | None:
    if rest[:1] != b"#":
        character = html5.get(rest.decode())
        return None if character is None else character.encode()
    digits = rest[1:].rstrip(b";")
    return _utf8(int(digits[1:], 16)) if digits[:1] in b"xX" else _utf8(int(digits))


def _utf8(number: int) -> bytes | None:
    return chr(number).encode(errors="surrogatepass") if number <= LAST_CHARACTER else None


SEPARATORS = bytes(byte for byte in range(0x80) if not chr(byte).isalnum())
"""The bytes that may be between numbers in a row."""
OF_NUMBERS = frozenset(b"0123456789abcdefABCDEFxXuUoO") | frozenset(SEPARATORS) - frozenset(b'"')
"""The bytes of numbers in a row. Without quotes, which would make a row of each member of an object."""
QUOTED_INDEX = b'"1":'
"""In each row of numbers with quotes."""
MOST_IN_A_ROW = 46
"""So many bytes of `OF_NUMBERS` are in each line of a dump."""

_BETWEEN = b"[%b]" % re.escape(SEPARATORS)
# In place of a number without a meaning; it breaks the text.
_NO_CHARACTER = b"\x1a"


@dataclass(frozen=True, slots=True)
class Notation:
    """Numbers in a row: expressions for the `row` and a `number`, and the `meanings` that a number may have in it.

    A number without a meaning becomes a control character. `indexed`: each number may follow its index.
    """

    row: re.Pattern[bytes]
    number: re.Pattern[bytes]
    meanings: tuple[Callable[[bytes], bytes], ...]
    indexed: bool = False

    @classmethod
    def of(cls, number: bytes, sign: bytes, *meanings: Callable[[bytes], bytes], indexed: bool = False) -> Notation:
        """Numbers of this form; a `sign` is one only where it follows no number."""
        signed = b"(?:(?<![0-9A-Za-z])%b)?%b" % (sign, number) if sign else number
        row = re.compile(b"%b(?:%b++%b)+" % (signed, _BETWEEN, number))
        return cls(row, re.compile(signed), meanings, indexed)

    def choices(self, numbers: Sequence[bytes]) -> Iterator[slice]:
        """All numbers, or those that follow an index, as Node writes a Uint8Array and PHP an array."""
        yield slice(None)
        for first in range(2 if self.indexed else 0):
            steps = [after - before for before, after in pairwise(map(_decimal, numbers[first::2]))]
            if steps.count(1) * 2 > len(steps):
                yield slice(1 - first, None, 2)


def _decimal(number: bytes) -> int:
    return int(number.lstrip(b"0oO") or b"0") if number[:1] != b"-" else int(number)


@lru_cache(_CACHED)
def _byte(number: bytes) -> bytes:
    """Java has bytes above 127 below zero."""
    value = _decimal(number)
    return bytes([value & 0xFF]) if -0x80 <= value <= 0xFF else _NO_CHARACTER  # noqa: PLR2004 - of a byte


@lru_cache(_CACHED)
def _character(number: bytes) -> bytes:
    return _numbered(_decimal(number))


@lru_cache(_CACHED)
def _octal(number: bytes) -> bytes:
    digits = number.lstrip(b"0oO")
    value = int(digits, 8) if digits and not digits.strip(b"01234567") else 0
    return bytes([value]) if 0 < value <= 0xFF else _NO_CHARACTER  # noqa: PLR2004 - of a byte


@lru_cache(_CACHED)
def _bytes(number: bytes) -> bytes:
    digits = _of_hexadecimal(number)
    return bytes.fromhex(digits.decode()) if len(digits) % 2 == 0 else _NO_CHARACTER


@lru_cache(_CACHED)
def _words(number: bytes) -> bytes:
    """The last byte of each first, as most machines have them."""
    return _bytes(number)[::-1]


@lru_cache(_CACHED)
def _code_point(number: bytes) -> bytes:
    return _numbered(int(_of_hexadecimal(number), 16))


def _of_hexadecimal(number: bytes) -> bytes:
    digits = number[2:] if number[1:2] in b"xX+" and number[1:2] else number
    return b"0" + digits if len(digits) == 1 else digits


def _numbered(value: int) -> bytes:
    return (_utf8(value) if value > 0 else None) or _NO_CHARACTER


NOTATIONS = (
    Notation.of(rb"(?:0[oO])?[0-9]{1,7}", b"-", _byte, _character, _octal, indexed=True),
    Notation.of(rb"(?:0[xX]|[uU]\+)?[0-9a-fA-F]{1,8}", b"", _bytes, _words, _code_point),
)

# A line of a dump: its offset, its bytes alone or some together, and what they are as text.
_DUMPED = re.compile(
    rb"(?<![0-9a-fA-F])(?:0[xX])?[0-9a-fA-F]{4,16}[:|]?[ \t+]+"
    rb"((?:[0-9a-fA-F]{2}){1,8}(?:[ \t+-]{1,2}(?:[0-9a-fA-F]{2}){1,8})*+)"
)
_DUMPED_WORD = re.compile(rb"[0-9a-fA-F]+")
_BEFORE_TEXT = re.compile(rb"[ \t+]+\|?")
_OF_A_LINE = 16


def dumped(data: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
    """The begin and end of each line of a dump in `data` behind its offset, and its words of hexadecimal digits."""
    at = 0
    while (found := _DUMPED.search(data, at)) is not None:
        words: list[bytes] = []
        length = 0
        for word in _DUMPED_WORD.finditer(data, *found.span(1)):
            if length + len(word[0]) // 2 > _OF_A_LINE:
                break
            words.append(word[0])
            length += len(word[0]) // 2
            at = word.end()
        if text := _BEFORE_TEXT.match(data, at):
            at = text.end()
            at += len(data[at : at + length].partition(b"\n")[0])
            at += data[at : at + 1] == b"|"
        yield found.start(1), at, words


DUMPED_AS: tuple[Callable[[bytes], bytes], ...] = (_bytes, _words)

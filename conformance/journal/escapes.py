"""Escapes as writers of JSON, URLs, HTML and mail make them, and gaps between the characters of a value.

Escapes     the kinds of escapes
Gaps        what a value may have within it
PAIR        a character that is written as two
pattern_of  an expression for all escapes of some kinds
read        what an escape stands for
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache
from html.entities import html5


class Escapes(StrEnum):
    """A kind of escapes; its value is the character with which they begin."""

    BACKSLASH = "\\"
    PERCENT = "%"
    ENTITY = "&"
    QUOTED_PRINTABLE = "="


class Gaps(StrEnum):
    """Gaps between the characters of a text that was broken into lines, or has two bytes a character.

    Spaces are left where a folded header was unfolded; anywhere else they part words.
    """

    LINE_BREAK = "\r\n"
    ZERO = "\0"
    SPACE = " "


# The alternatives begin with a literal each, so that a search skips what begins none. Neither after a backslash nor in
# place of a semicolon is there a sign by which another escape begins: that one is undone first.
_WRITTEN: dict[Escapes | Gaps, bytes] = {
    Escapes.BACKSLASH: (
        rb"\\[uU][dD][89abAB][0-9a-fA-F]{2}\\[uU][dD][c-fC-F][0-9a-fA-F]{2}"
        rb"|\\u[0-9a-fA-F]{4}|\\[uU]\{[0-9a-fA-F]{1,8}\}|\\U[0-9a-fA-F]{8}|\\U[0-9a-fA-F]{4}|\\[xX][0-9a-fA-F]{2}"
        rb"|\\[0-3][0-7]{2}|\\[abfnrtv]|\\\r\n|\\[^A-Za-z0-9%=&\0\r]|\\&(?!#?[A-Za-z0-9]{1,32};)"
    ),
    Escapes.PERCENT: rb"%[0-9a-fA-F]{2}|%[uU][0-9a-fA-F]{4}",
    Escapes.ENTITY: (
        rb"&#[0-9]{1,32}(?:;|(?![0-9%=&\\]))|&#[xX][0-9a-fA-F]{1,32}(?:;|(?![0-9a-fA-F%=&\\]))"
        rb"|&[A-Za-z][A-Za-z0-9]{1,31}(?:;|(?![A-Za-z0-9%=&\\]))"
    ),
    Escapes.QUOTED_PRINTABLE: rb"=[0-9a-fA-F]{2}|=\r?\n",
    Gaps.LINE_BREAK: rb"\r\n?[ \t]*|\n[ \t]*",
    Gaps.ZERO: rb"\0",
    Gaps.SPACE: rb" ",
}

_CONTROLS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

LAST_CHARACTER = 0x10FFFF

# Java writes a character beyond the first plane as two, of three bytes each; so does whoever undoes escapes one by one.
PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


@cache
def pattern_of(kinds: frozenset[Escapes | Gaps]) -> re.Pattern[bytes]:
    """An expression that finds each escape, or gap, of these kinds."""
    return re.compile(b"|".join(written for kind, written in _WRITTEN.items() if kind in kinds))


@lru_cache(4096)
def meant_by(escape: bytes) -> bytes | None:
    """The meaning of an escape, characters in UTF-8; None if it is not an escape after all."""
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
    if kind in b"xX":
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

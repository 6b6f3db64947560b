"""Untrusted input: files that may not end, JSON that may hold anything, read without the leniencies of `json.loads`."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import select
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

PATIENCE_S = 30.0
"""The time limit for a pipe, to which a program may write that downloads."""

_CHUNK = 1 << 20


class TooLong(OSError):
    """A file has more bytes than the limit."""


def given_bytes(path: Path, most: int) -> bytes:
    """The bytes of the file at `path`, at most `most` of them; a pipe is read for PATIENCE_S at the longest.

    Raises TooLong for more bytes, and OSError if it cannot be read, also for a pipe from which nothing comes.
    """
    # O_NONBLOCK: a pipe without a writer is empty, instead of blocking without end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as opened:  # noqa: PTH123 - a descriptor
        content, deadline = bytearray(), time.monotonic() + PATIENCE_S
        while len(content) <= most:
            chunk = opened.read(min(_CHUNK, most + 1 - len(content)))
            if chunk is None:
                if not select.select([opened], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError(errno.ETIMEDOUT, f"nothing came from it within {PATIENCE_S:g} s")
            elif chunk:
                content += chunk
            else:
                return bytes(content)
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {PATIENCE_S:g} s")
        raise TooLong(errno.EFBIG, f"it has more than {most:,} bytes")


DEEPEST = 100
"""Deeper JSON is refused: messages of the contract nest three deep, and Python's own limit depends on the caller's
stack."""

MOST_VALUES = 500_000
"""JSON with more values is refused: many rules read each message, and those of the contract hold some ten."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")


class RepeatedMember(ValueError):
    """An object has the member `name` more than once; the rest of the text may be well-formed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the member {name!r} is there more than once")
        self.name = name


def parse_json(data: bytes) -> Any:
    """The value that `data` holds as JSON (RFC 8259): UTF-8 without a byte order mark, each member named once.

    Raises ValueError with the fault in words, also for NaN and the infinities, for nesting deeper than DEEPEST and for
    more than MOST_VALUES. A number beyond the range of a double becomes the greatest double of its sign.
    """
    return _parsed(data, _DECODER)


def json_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object that `data` holds; None for anything else."""
    try:
        value = parse_json(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def lenient_object(data: bytes | str) -> dict[str, Any] | None:
    """The JSON object that Python's lenient reader makes of `data` (UTF-16, repeated members, NaN); None for others."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def parse_with_repeats(data: bytes) -> tuple[Any, str | None]:
    """As `parse_json`, but names may repeat: the value, and the first name that does.

    RFC 8259 (section 4) says only that names SHOULD be unique. The last of several members counts, as it does for
    nearly every reader.
    """
    try:
        return _parsed(data, _DECODER), None
    except RepeatedMember as repeated:
        return _parsed(data, _LENIENT_DECODER), repeated.name


def _parsed(data: bytes, decoder: json.JSONDecoder) -> Any:
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}") from error
    if not text.strip(" \t\n\r"):
        raise ValueError("it is empty")
    _check_size(data)
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read") from error


def _check_size(data: bytes) -> None:
    """Raises ValueError for a text that is too large, before it is parsed. Two counts clear most texts."""
    if data.count(b",") < MOST_VALUES and data.count(b"[") + data.count(b"{") <= DEEPEST:
        return
    bare = _STRING.sub(b"", data)
    if bare.count(b",") >= MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES:,} values, and is not read")
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            raise ValueError(f"it is nested too deeply to be read, more than {DEEPEST} deep")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it is not JSON: {name} is not a number")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise RepeatedMember(name)
            seen.add(name)
    return members


# From how many digits on an integer is certainly beyond a double; Python refuses to convert 4301 digits or more.
_DIGITS_OF_A_DOUBLE = 310


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _DIGITS_OF_A_DOUBLE else _float(digits)


def _float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else math.copysign(sys.float_info.max, value)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_no_constant, parse_int=_integer, parse_float=_float
)
_LENIENT_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer, parse_float=_float)

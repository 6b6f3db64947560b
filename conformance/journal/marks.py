"""Marks in place of protected values.

JSON with a mark in it is JSON of the same form: the same members and elements, each of the same type. Anything else
does not become JSON by a mark. So whoever judges a recorded body finds the faults of the one that was received.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from conformance.model.untrusted import parse_with_repeats

# The first one that no protected value overlaps is used: else a value could appear across the mark's edge.
MARKS = ("[REDACTED]", "<REDACTED>", "(REDACTED)", "{hidden}", "[*]", "<*>", "…REDACTED…")

# In place of numbers in JSON; no program writes these.
INTEGER, WHOLE, FRACTION = b"-0", b"-0.0", b"-0.5"

Span = tuple[int, int]

_TEXT_OR_NUMBER = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_NAME_ENDS = re.compile(rb"[ \t\r\n]*:")
# Of these a part cannot be replaced.
_INSEPARABLE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[\xc2-\xf4][\x80-\xbf]+",
    re.DOTALL,
)


def mark_for(needles: Iterable[bytes]) -> bytes:
    """The mark for values of these forms, in lower case."""
    forms = tuple(needles)
    return next((mark for mark in MARKS if not _overlaps(mark.lower().encode(), forms)), MARKS[-1]).encode()


def is_marked(data: bytes) -> bool:
    """Whether a text in `data`, or a number in JSON, was replaced by a mark."""
    if any(mark.encode() in data or _unlike_json(mark) in data for mark in MARKS):
        return True
    numbers = {token[0] for token in _TEXT_OR_NUMBER.finditer(data)} & {INTEGER, WHOLE, FRACTION}
    return bool(numbers) and _is_json(data)


def _unlike_json(mark: str) -> bytes:
    """A mark with an escape that JSON does not have."""
    return f"{mark[0]}\\{mark[1:]}".encode()


def _overlaps(mark: bytes, needles: Iterable[bytes]) -> bool:
    """Whether the `mark` could make a value appear in a text: within the mark or across its edge."""
    return any(needle in mark or mark[:1] in needle or mark[-1:] in needle for needle in needles)


def marked(data: bytes, spans: Iterable[Span], mark: bytes) -> bytes:
    """`data` with a mark in place of each of the `spans`, which are sorted and may overlap."""
    pieces: list[bytes] = []
    at = 0
    for begin, end in spans:
        if begin >= at:
            pieces += (data[at:begin], mark)
        at = max(at, end)
    return b"".join((*pieces, data[at:]))


def marked_body(data: bytes, spans: Iterable[Span], mark: bytes) -> bytes:
    """The same; but JSON stays JSON of the same form, and nothing else becomes JSON.

    If a value is made of signs of JSON alone, such as brackets, its mark breaks the form.
    """
    spans = _apart(spans)
    if _is_json(data):
        in_json = _marked_json(data, spans, mark)
        return marked(data, spans, mark) if in_json == data else in_json
    plainly = marked(data, spans, mark)
    if not _is_json(plainly):
        return plainly
    return marked(data, spans, _unlike_json(mark.decode()))


def _is_json(data: bytes) -> bool:
    try:
        parse_with_repeats(data)
    except (ValueError, RecursionError):
        return False
    return True


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The spans, one for all that overlap."""
    apart: list[Span] = []
    for begin, end in sorted(spans):
        if apart and begin < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((begin, end))
    return apart


def _marked_json(data: bytes, spans: list[Span], mark: bytes) -> bytes:
    """JSON with the texts and numbers within the spans replaced; names that differ still differ."""
    pieces: list[bytes] = []
    names: _Names | None = None
    ends = [end for _, end in spans]
    at = 0
    for token in _TEXT_OR_NUMBER.finditer(data):
        begin, end = token.span()
        first = bisect_right(ends, begin)
        within = [(max(b, begin) - begin, min(e, end) - begin) for b, e in _until(spans, first, end)]
        if not within:
            continue
        if token[0][:1] == b'"':
            new = _marked_text(token[0], within, mark)
            if new != token[0] and _NAME_ENDS.match(data, end):
                names = names or _Names(data)
                new = names.instead_of(token[0], new)
        else:
            new = _number_like(token[0])
        pieces += (data[at:begin], new)
        at = end
    return b"".join((*pieces, data[at:]))


def _until(spans: list[Span], first: int, end: int) -> Iterator[Span]:
    """The spans from the `first` on that begin before `end`."""
    while first < len(spans) and spans[first][0] < end:
        yield spans[first]
        first += 1


def _marked_text(text: bytes, spans: list[Span], mark: bytes) -> bytes:
    """A text of JSON with marks in it; of an escape or a character no part is replaced."""
    whole = [found.span() for found in _INSEPARABLE.finditer(text)]
    begins = {at: begin for begin, end in whole for at in range(begin + 1, end)}
    ends = {at: end for begin, end in whole for at in range(begin + 1, end)}
    widened = [(max(begins.get(begin, begin), 1), min(ends.get(end, end), len(text) - 1)) for begin, end in spans]
    return marked(text, [(begin, end) for begin, end in widened if begin < end], mark)


def _number_like(number: bytes) -> bytes:
    """A mark of the same type: an integer, or a number with a fraction that is zero or not."""
    if number.lstrip(b"-").isdigit():
        return INTEGER
    return WHOLE if float(number).is_integer() else FRACTION


class _Names:
    """The names of members in a JSON text that holds marks, or will: those that differ stay different."""

    def __init__(self, data: bytes) -> None:
        found = (each for each in _TEXT_OR_NUMBER.finditer(data) if _NAME_ENDS.match(data, each.end()))
        self._taken = {json.loads(each[0]) for each in found}
        self._new: dict[str, bytes] = {}
        self._last: dict[bytes, int] = {}

    def instead_of(self, name: bytes, marked_name: bytes) -> bytes:
        """The marked name, with a number if another one looks alike."""
        original = json.loads(name)
        if original not in self._new:
            new = marked_name
            while json.loads(new) in self._taken:
                self._last[marked_name] = number = self._last.get(marked_name, 1) + 1
                new = marked_name[:-1] + f' {number}"'.encode()
            self._taken.add(json.loads(new))
            self._new[original] = new
        return self._new[original]

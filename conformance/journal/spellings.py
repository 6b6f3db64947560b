"""Every reading of some bytes: as they are, and with escapes, gaps and codings undone.

Writers nest escapes and mix them: base64 of JSON in a query, say. So each reading is read again in every way, until
nothing is left to undo, MOST_LEVELS at the most. All kinds of escapes are undone at once. Where the text searched for
has the first character of an escape, a reading also leaves escapes of that kind alone, for a writer of another kind
leaves that character plain. `MOST_READ` and `MOST_READINGS` bound the cost.

Not read: base32, UTF-7, EBCDIC, names of characters, quotes doubled by SQL, and what somebody encrypts or reverses.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from conformance.journal.codings import Original, Reading, Sought, decoded
from conformance.journal.notations import (
    CSS,
    PAIR,
    SCIENTIFIC,
    UTF_16,
    Escapes,
    Gaps,
    meant_by,
    meant_by_css,
    meant_in_utf_16,
    pattern_of,
    without_exponent,
)

# Levels of undoing: five writers one after the other, some of which escape twice.
MOST_LEVELS = 10
# Levels of base64, hexadecimal digits and gzip among them.
MOST_ENCODED = 6
# Readings of a text: what common writers make, one within the other, is read by the first hundred.
MOST_READINGS = 1024
# Bytes of all readings of a text together, or three times its own. A body of some kB stays far below.
MOST_READ = 4 * 2**20
_SIGNS = tuple((kind, kind.value.encode()) for kind in Escapes)

# No escape and no compressed stream begins with one of these.
_OF_PLAIN_TEXT = bytes(set(range(256)) - {*b"\\%&=\r\n\0\x1f\xed"})


@dataclass(frozen=True, slots=True)
class Unescaped(Reading):
    """Without the escapes: the begins and ends of their meanings in `data`, and of the escapes in `of`."""

    begins: list[int]
    ends: list[int]
    read_from: list[int]
    read_to: list[int]

    def _from(self, index: int) -> tuple[int, int]:
        at = bisect_right(self.begins, index) - 1
        if at < 0:
            return index, index + 1
        if index < self.ends[at]:
            return self.read_from[at], self.read_to[at]
        plain = self.read_to[at] + index - self.ends[at]
        return plain, plain + 1


def readings(
    data: bytes, sought: Sought, *, gaps: Collection[Gaps] = (Gaps.ZERO, Gaps.LINE_BREAK)
) -> Iterator[Reading]:
    """`data`, and the readings of it without escapes, without `gaps` and decoded, level by level; all different.

    First those of which each level is undone at once, at last those of which several are undone one by one.
    """
    seen: set[bytes] = set()
    read = 0
    later: list[tuple[Reading, int, int]] = [(Original(data, None), 0, 0)]
    while later:
        level, later = later, []
        while level:
            following: list[tuple[Reading, int, int]] = []
            for reading, levels, encoded in level:
                if reading.data in seen:
                    continue
                yield reading
                seen.add(reading.data)
                read += len(reading.data)
                if read > max(MOST_READ, 3 * len(data)) or len(seen) == MOST_READINGS:
                    return
                if levels + 1 < MOST_LEVELS:
                    if undone := [(each, levels + 1, encoded) for each in _undone(reading, sought, gaps)]:
                        following += undone
                        later += [(each, levels + 1, encoded) for each in _one_by_one(reading)]
                    if encoded < MOST_ENCODED:
                        following += [(each, levels + 1, encoded + 1) for each in decoded(reading, sought)]
            level = following


def unescaped(data: bytes, but: Escapes | None = None) -> Iterator[bytes]:
    """`data`, and the readings of it with all escapes, `but` for one kind, undone once, twice and so on."""
    escapes = pattern_of(frozenset(Escapes) - {but})
    reading: Reading | None = Original(data, None)
    for _ in range(MOST_LEVELS):
        if reading is None:
            break
        yield reading.data
        reading = _without(reading, escapes)


def says_more(data: bytes, sought: Sought, *, gaps: Collection[Gaps] = (Gaps.ZERO, Gaps.LINE_BREAK)) -> bool:
    """Whether there may be another reading than `data` itself."""
    if not data:
        return False
    if Gaps.SPACE in gaps and b" " in data:
        return True
    if data.translate(None, _OF_PLAIN_TEXT) or (sought.digits and SCIENTIFIC.search(data)):
        return True
    return sought.may_be_coded_in(data)


GAP_PATTERNS = {kind: pattern_of(frozenset({kind})) for kind in Gaps}


Undoing = tuple[re.Pattern[bytes], Callable[[bytes], bytes | None], int]
"""An expression for what is to be undone, its meanings, and where to begin."""


def _undone(reading: Reading, sought: Sought, gaps: Collection[Gaps]) -> Iterator[Reading]:
    for undoing in _to_undo(reading.data, sought, gaps):
        if (undone := _without(reading, *undoing)) is not None:
            yield undone


def _to_undo(data: bytes, sought: Sought, gaps: Collection[Gaps]) -> Iterator[Undoing]:
    if sought.digits:
        yield SCIENTIFIC, without_exponent, 0
    if Gaps.SPACE not in gaps and not data.translate(None, _OF_PLAIN_TEXT):
        return
    if begun := frozenset(kind for kind, sign in _SIGNS if sign in data):
        chosen = dict.fromkeys(kinds & begun for kinds in sought.escapes)
        yield from ((pattern_of(kinds), meant_by, 0) for kinds in chosen if kinds)
    yield from ((pattern, meant_by, 0) for pattern in (PAIR, *(GAP_PATTERNS[gap] for gap in gaps)))
    if Escapes.BACKSLASH in begun:
        yield CSS, meant_by_css, 0
    if sought.wide and b"\0" in data:
        for form, (pattern, signature) in UTF_16.items():
            starts = {found.start() % 2 for found in signature.finditer(data)}
            yield from ((pattern, partial(meant_in_utf_16, form), start) for start in starts)


def _one_by_one(reading: Reading) -> Iterator[Reading]:
    """The reading with escapes of one kind undone, if it has several: the last writer may have had this kind alone."""
    begun = [kind for kind, sign in _SIGNS if sign in reading.data]
    for kind in begun if len(begun) > 1 else ():
        if (undone := _without(reading, pattern_of(frozenset({kind})))) is not None:
            yield undone


def _without(
    reading: Reading, escapes: re.Pattern[bytes], meant: Callable[[bytes], bytes | None] = meant_by, start: int = 0
) -> Reading | None:
    """The reading with these escapes undone; None if it has none. What means None is not an escape."""
    data = reading.data
    pieces: list[bytes] = []
    begins, ends, read_from, read_to = [], [], [], []
    at = length = 0
    for found in escapes.finditer(data, start):
        if (read := meant(found[0])) is None:
            continue
        begin, end = found.span()
        pieces += (data[at:begin], read)
        length += begin - at
        begins.append(length)
        length += len(read)
        ends.append(length)
        read_from.append(begin)
        read_to.append(end)
        at = end
    if not pieces:
        return None
    return Unescaped(b"".join((*pieces, data[at:])), reading, begins, ends, read_from, read_to)

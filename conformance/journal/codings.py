"""Codings of runs of bytes: base64, hexadecimal digits, numbers in a row, dumps, and compressed streams.

Reading     bytes that were read from others, each of which knows its source
Sought      the texts to search for: their properties decide what is decoded
decoded     a reading → the readings of the runs and streams in it
"""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from binascii import a2b_base64, a2b_hex
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations, islice
from typing import ClassVar

from conformance.journal.notations import (
    DUMPED_AS,
    MOST_IN_A_ROW,
    NOTATIONS,
    OF_NUMBERS,
    QUOTED_INDEX,
    SEPARATORS,
    Escapes,
    dumped,
)

# Bytes of a compressed stream that are read; a longer one is a bomb, and counts as a match.
MOST_INFLATED = 16 * 2**20
# Compressed streams in one body that are read; usually a body is one.
MOST_STREAMS = 16
# Bytes that identify a text without its first and last byte, which a part of base64 lacks.
FEWEST = 4

_OF_A_QUERY = frozenset({Escapes.ENTITY, Escapes.QUOTED_PRINTABLE})

_USUAL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_PRINTABLE = bytes((*b"\t\n\r", *range(0x20, 0x7F)))
_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
_BASE64 = frozenset(byte for byte in _PRINTABLE if chr(byte).isalnum()) | frozenset(b"+/_-")
_NO_ASCII = bytes(range(0x80, 0x100))

# A gzip member (RFC 1952), and a zlib stream (RFC 1950) where a body begins.
_GZIP = b"\x1f\x8b\x08"
_GZIP_BEGINS = re.compile(_GZIP)
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_TEXT_BEGINS_WITH = frozenset(_PRINTABLE) | frozenset(range(0xC2, 0xF5))
_BY_GZIP, _BY_ZLIB, _BY_DEFLATE = 31, 15, -15

_PIECE = 512  # inflated at a time, so that a broken stream is read up to its end


@dataclass(frozen=True, slots=True)
class Reading(ABC):
    """`data` read from the reading `of`, None for the original bytes; each byte knows its source."""

    joins: ClassVar[bool] = False
    """Whether a byte is made from parts of several."""

    data: bytes
    of: Reading | None = field(repr=False)

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """The place in the original bytes that `data[begin:end]` was read from."""
        first, last = self._from(begin)[0], self._from(end - 1)[1]
        return self.of.span(first, last) if self.of is not None else (first, last)

    @property
    def coded(self) -> bool:
        """Whether a byte of it was read from parts of several."""
        return self.joins or (self.of is not None and self.of.coded)

    @abstractmethod
    def _from(self, index: int) -> tuple[int, int]:
        """The place in `of` that the byte at `index` was read from."""


class Original(Reading):
    """The bytes themselves."""

    def _from(self, index: int) -> tuple[int, int]:
        return index, index + 1


@dataclass(frozen=True, slots=True)
class Coded(Reading):
    """Decoded runs: the begin of each in `data`. At its ends, bytes may be wrong: text beside it may look like code."""

    runs: list[int]

    def around(self, begin: int, end: int) -> tuple[int, int]:
        """The span of `data[begin:end]` and of the bytes beside it in the same run."""
        run = bisect_right(self.runs, begin)
        run_end = self.runs[run] - len(_BETWEEN) if run < len(self.runs) else len(self.data)
        return self.span(max(begin - 1, self.runs[run - 1]), min(end + 1, run_end))


@dataclass(frozen=True, slots=True)
class Decoded(Coded):
    """From base64 or hexadecimal digits: the place of each run in the text.

    `bits` of a character. `filled`: characters that were put before each run, to read the rest of a byte that was cut.
    """

    joins = True
    read_from: list[int]
    read_to: list[int]
    filled: list[int]
    bits: int

    def _from(self, index: int) -> tuple[int, int]:
        at = bisect_right(self.runs, index) - 1
        begin, of_run, filled = self.read_from[at], index - self.runs[at], self.filled[at]
        first = of_run * 8 // self.bits - filled
        last = -(-(of_run + 1) * 8 // self.bits) - filled
        return begin + max(first, 0), min(begin + max(last, 0), self.read_to[at])


@dataclass(frozen=True, slots=True)
class Numbered(Coded):
    """From numbers in a row: the begin of the characters of each number in `data`, and the number's place in `of`."""

    begins: list[int]
    places: list[tuple[int, int]]

    def _from(self, index: int) -> tuple[int, int]:
        return self.places[bisect_right(self.begins, index) - 1]


@dataclass(frozen=True, slots=True)
class Inflated(Reading):
    """The content of a compressed stream, each byte of which is read from all of it; `bomb`: there is more."""

    joins = True
    begin: int
    end: int
    bomb: bool

    def _from(self, index: int) -> tuple[int, int]:  # noqa: ARG002 - it is the same for all
        return self.begin, self.end


@dataclass(frozen=True, slots=True)
class Run:
    """A run of bytes out of a set. `is_in` is ten times as fast as a search by the pattern."""

    _pattern: re.Pattern[bytes]
    _table: bytes
    _row: bytes

    @classmethod
    def of(cls, among: Collection[int], length: int) -> Run:
        """At least `length` bytes, all of them `among` these."""
        one_of = re.escape(bytes(sorted(among)))
        pattern = re.compile(b"(?<![%b])[%b]{%d,}" % (one_of, one_of, length))
        return cls(pattern, bytes(byte in among for byte in range(256)), b"\1" * length)

    def is_in(self, data: bytes) -> bool:
        """Whether there is such a run in `data`."""
        return self._row in data.translate(self._table)

    def all_in(self, data: bytes) -> Iterator[re.Match[bytes]]:
        """Each such run in `data`."""
        return self._pattern.finditer(data) if self.is_in(data) else iter(())


@dataclass(frozen=True, slots=True)
class Sought:
    """The properties of the texts to search for that decide which readings are made.

    `escapes`: sets of escapes to undo, all of them first. `digits`: a text may be a number. `wide`: a text is not
    ASCII. `base64`, `hexadecimal`, `numbers`: runs as long as the shortest text needs; `in_a_row`: a run of bytes of
    the texts or of plain text in the decoded bytes. So nearly nothing is decoded that only looks like base64.
    """

    escapes: tuple[frozenset[Escapes], ...]
    digits: bool
    wide: bool
    base64: Run = field(repr=False)
    hexadecimal: Run = field(repr=False)
    numbers: Run = field(repr=False)
    in_a_row: Run = field(repr=False)

    @classmethod
    def of(cls, texts: Collection[bytes]) -> Sought:
        """For these texts, none of which is empty."""
        shortest = min(map(len, texts))
        whole = max(shortest - 2, min(shortest, FEWEST))
        # With the zeros between the characters of UTF-16.
        among = {0, *_PRINTABLE, *(byte for text in texts for byte in text)}
        if any(not text.isascii() for text in texts):
            among |= set(_NO_ASCII)  # whatever the bytes of the other case
        return cls(
            _readable(texts),
            any(text.isdigit() for text in texts),
            not all(text.isascii() for text in texts),
            Run.of(_BASE64, whole * 8 // 6),
            Run.of(_HEXADECIMAL, whole * 2),
            Run.of(OF_NUMBERS, min(whole * 5 // 2, MOST_IN_A_ROW)),
            Run.of(among, whole),
        )

    def numbers_in(self, data: bytes) -> list[tuple[int, int]]:
        """The begins and ends of the parts of `data` in which numbers are in a row."""
        if QUOTED_INDEX in data:
            return [(0, len(data))]
        return [
            run.span() for run in self.numbers.all_in(data) if len(run[0].translate(None, SEPARATORS)) < len(run[0])
        ]

    def may_be_coded_in(self, data: bytes) -> bool:
        """Whether `decoded` may read something in `data`, which is not empty."""
        return (
            data[0] not in _TEXT_BEGINS_WITH
            or _ZLIB.match(data) is not None
            or self.base64.is_in(data)
            or self.hexadecimal.is_in(data)
            or self.numbers.is_in(data)
            or QUOTED_INDEX in data
        )

    def may_be_in(self, data: bytes) -> bool:
        """Whether `data` may hold a text, or a compressed stream."""
        return self.in_a_row.is_in(data) or _GZIP in data


def _readable(texts: Collection[bytes]) -> tuple[frozenset[Escapes], ...]:
    """All kinds of escapes, then each set of them without some that may be plain characters.

    These are the first characters of escapes that a text contains, and the signs before a name and a value in a query.
    """
    begun = [kind for kind in Escapes if kind in _OF_A_QUERY or any(kind.value.encode() in text for text in texts)]
    left_out = (left for count in range(len(begun) + 1) for left in combinations(begun, count))
    return tuple(frozenset(Escapes) - frozenset(left) for left in left_out)[: 2 ** len(begun)]


def decoded(reading: Reading, sought: Sought) -> Iterator[Reading]:
    """The content of a reading in base64 and hexadecimal digits, and of its compressed streams."""
    for decode in (_from_base64, _from_hexadecimal):
        if (decoded := decode(reading, sought)) is not None:
            yield decoded
    yield from _from_numbers(reading, sought)
    data = reading.data
    streams = [(found.start(), _BY_GZIP) for found in islice(_GZIP_BEGINS.finditer(data), MOST_STREAMS)]
    if _ZLIB.match(data):
        streams.append((0, _BY_ZLIB))
    elif data and not streams and data[0] not in _TEXT_BEGINS_WITH:
        streams.append((0, _BY_DEFLATE))
    end = 0
    for begin, window_bits in streams:
        if begin >= end and (inflated := _inflated(reading, begin, window_bits)) is not None:
            yield inflated
            end = inflated.end


def _from_base64(reading: Reading, sought: Sought) -> Reading | None:
    """Each run at each place in a group of four, for the text before it may look like a part of it.

    First decodes all runs of a text at once: nearly always none of them may hold a text searched for.
    """
    pieces: list[tuple[int, int, int, bytes]] = []
    runs = list(sought.base64.all_in(reading.data.translate(_USUAL_ALPHABET)))
    for fill in range(4) if runs else ():
        groups = [b"AAA"[:fill] + run[0] + b"AAA"[: -(fill + len(run[0])) % 4] for run in runs]
        if sought.may_be_in(a2b_base64(b"".join(groups))):
            decoded = ((run, a2b_base64(group)) for run, group in zip(runs, groups, strict=True))
            pieces += ((*run.span(), fill, piece) for run, piece in decoded if sought.may_be_in(piece))
    return _joined(reading, sorted(pieces), 6)


def _from_hexadecimal(reading: Reading, sought: Sought) -> Reading | None:
    pieces: list[tuple[int, int, int, bytes]] = []
    for found in sought.hexadecimal.all_in(reading.data):
        for fill in range(2):
            piece = a2b_hex(b"0"[:fill] + found[0] + b"0"[: -(fill + len(found[0])) % 2])
            if sought.may_be_in(piece):
                pieces.append((*found.span(), fill, piece))
    return _joined(reading, pieces, 4)


Row = tuple[Sequence[bytes], Sequence[tuple[int, int]]]
"""The numbers of a row as characters, and their places."""


def _from_numbers(reading: Reading, sought: Sought) -> Iterator[Reading]:
    """The characters of numbers in a row, in each notation and meaning; and those of a dump."""
    data = reading.data
    runs = sought.numbers_in(data)
    if not runs:
        return
    for notation in NOTATIONS:
        found = [row.span() for run in runs for row in notation.row.finditer(data, *run)]
        numbers = [(span, notation.number.findall(data, *span)) for span in found]
        chosen = [(span, all_of[choice], choice) for span, all_of in numbers for choice in notation.choices(all_of)]
        for meaning in notation.meanings:
            rows: list[Row] = []
            for span, of_row, choice in chosen:
                read = [*map(meaning, of_row)]
                if sought.may_be_in(b"".join(read)):
                    rows.append((read, [each.span() for each in notation.number.finditer(data, *span)][choice]))
            if rows:
                yield _of_rows(reading, rows)
    lines = [*dumped(data)]
    for meaning in DUMPED_AS if len(lines) > 1 else ():
        read = [b"".join(map(meaning, words)) for _, _, words in lines]
        yield _of_rows(reading, [(read, [(begin, end) for begin, end, _ in lines])])


def _of_rows(reading: Reading, rows: Sequence[Row]) -> Numbered:
    joined = [b"".join(read) for read, _ in rows]
    runs = [*accumulate((len(each) + len(_BETWEEN) for each in joined[:-1]), initial=0)]
    begins: list[int] = []
    for begin, (read, _) in zip(runs, rows, strict=True):
        begins += accumulate(map(len, read[:-1]), initial=begin)
    return Numbered(_BETWEEN.join(joined), reading, runs, begins, [place for _, places in rows for place in places])


def _joined(reading: Reading, pieces: Sequence[tuple[int, int, int, bytes]], bits: int) -> Reading | None:
    if not pieces:
        return None
    read_from, read_to, filled, decoded = map(list, zip(*pieces, strict=True))
    runs = [*accumulate((len(piece) + len(_BETWEEN) for piece in decoded[:-1]), initial=0)]
    return Decoded(_BETWEEN.join(decoded), reading, runs, read_from, read_to, filled, bits)


# Between the content of different runs.
_BETWEEN = b"\x1a\xff\x1a"


def _inflated(reading: Reading, begin: int, window_bits: int) -> Inflated | None:
    stream = zlib.decompressobj(window_bits)
    pieces: list[bytes] = []
    length, at = 0, begin
    while at < len(reading.data) and not stream.eof and length <= MOST_INFLATED:
        try:
            piece = stream.decompress(reading.data[at : at + _PIECE], MOST_INFLATED + 1 - length)
        except zlib.error:
            break
        pieces.append(piece)
        length += len(piece)
        at += _PIECE
    if not length:
        return None
    # Bytes after a stream are not part of it; all bytes after the begin of a broken one may be.
    end = min(at, len(reading.data)) - len(stream.unused_data) if stream.eof else len(reading.data)
    return Inflated(b"".join(pieces), reading, begin, end, bomb=length > MOST_INFLATED)

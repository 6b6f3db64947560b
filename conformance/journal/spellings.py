"""Every way to read some bytes: as they are, and with escapes, gaps and codings undone.

    Reading     some bytes as they can be read, and which of the original bytes each part of them was read from
    readings    all readings of some bytes, the bytes themselves first
    says_more   whether there may be more than one
    Sought      what is looked for, as far as it decides what is read

Writers nest escapes and mix them: base64 of JSON in a query, say. So each reading is read again, until nothing is left
to undo. All kinds of escapes are undone at once. Where what is looked for has a character by which escapes of a kind
begin, they are also left as they are, for a writer of another kind leaves that character plain.
"""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from binascii import a2b_base64, a2b_hex
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations, islice

from conformance.journal.escapes import LAST_CHARACTER, PAIR, Escapes, Gaps, meant_by, pattern_of

MOST_LEVELS = 10
"""How often something is undone: five writers one after the other, some of which escape twice."""

MOST_ENCODED = 6
"""How often base64, hexadecimal digits and gzip are undone."""

MOST_READ = 4 * 2**20
"""Bytes that all readings of a text may have together, or three times its own. A body of some kB stays far below."""

MOST_INFLATED = 16 * 2**20
"""Bytes of a compressed stream that are read; a longer one is a bomb, and taken to hold what is looked for."""

MOST_STREAMS = 16
"""Compressed streams in one body that are read; a body is one as a rule."""

MOST_NUMBERS = 2**16
"""Numbers of a text that are read as bytes: a megabyte of them would take seconds."""

FEWEST = 4
"""Bytes by which a text is known of which the first and the last were cut off, as a part of base64 has them."""


_OF_A_QUERY = frozenset({Escapes.ENTITY, Escapes.QUOTED_PRINTABLE})
_SIGNS = tuple((kind, kind.value.encode()) for kind in Escapes)


# By these no escape begins, and no compressed stream.
_OF_PLAIN_TEXT = bytes(set(range(256)) - {*b"\\%&=\r\n\0\x1f\xed"})

_USUAL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_PRINTABLE = bytes((*b"\t\n\r", *range(0x20, 0x7F)))
_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
_OF_NUMBERS = _HEXADECIMAL | frozenset(b"xX,;:-+ \t\r\n")
_BASE64 = frozenset(byte for byte in _PRINTABLE if chr(byte).isalnum()) | frozenset(b"+/_-")
_NO_ASCII = bytes(range(0x80, 0x100))

# A gzip member (RFC 1952), and a zlib stream (RFC 1950) where a body begins.
_GZIP = b"\x1f\x8b\x08"
_GZIP_BEGINS = re.compile(_GZIP)
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_TEXT_BEGINS_WITH = frozenset(_PRINTABLE) | frozenset(range(0xC2, 0xF5))
_BY_GZIP, _BY_ZLIB, _BY_DEFLATE = 31, 15, -15

_PIECE = 512  # inflated at a time, so that of a stream that breaks off everything before is read


@dataclass(frozen=True, slots=True)
class Reading(ABC):
    """`data` as they can be read; `of` is the reading that they were read from, None for the original bytes."""

    data: bytes
    of: Reading | None = field(repr=False)

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Where in the original bytes that was read of which `data[begin:end]` was made."""
        first, last = self._from(begin)[0], self._from(end - 1)[1]
        return self.of.span(first, last) if self.of is not None else (first, last)

    @property
    def coded(self) -> bool:
        """Whether a character of it was read from parts of several."""
        return self.of is not None and self.of.coded

    @abstractmethod
    def _from(self, index: int) -> tuple[int, int]:
        """From where to where the byte at `index` was read."""


class Original(Reading):
    """The bytes themselves."""

    def _from(self, index: int) -> tuple[int, int]:
        return index, index + 1


@dataclass(frozen=True, slots=True)
class Unescaped(Reading):
    """Without the escapes; of each of them where it begins and ends, and the same of what it was read as."""

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


@dataclass(frozen=True, slots=True)
class Decoded(Reading):
    """Decoded runs of base64 or of hexadecimal digits: where each begins in `data`, and where in the text.

    `bits`: how many a character has, of the eight of a byte. `filled`: characters that were put before each run, so
    that what of a byte is left where somebody cut it off is read, too, by guess.
    """

    begins: list[int]
    read_from: list[int]
    read_to: list[int]
    filled: list[int]
    bits: int

    @property
    def coded(self) -> bool:
        """See there."""
        return True

    def around(self, begin: int, end: int) -> tuple[int, int]:
        """The span of `data[begin:end]` and of the bytes beside it, as far as they are of the same run."""
        at = bisect_right(self.begins, begin) - 1
        return self.span(max(begin - 1, self.begins[at]), end + 1)

    def _from(self, index: int) -> tuple[int, int]:
        at = bisect_right(self.begins, index) - 1
        begin, of_run, filled = self.read_from[at], index - self.begins[at], self.filled[at]
        first = of_run * 8 // self.bits - filled
        last = -(-(of_run + 1) * 8 // self.bits) - filled
        return begin + max(first, 0), min(begin + max(last, 0), self.read_to[at])


@dataclass(frozen=True, slots=True)
class Inflated(Reading):
    """The content of a compressed stream, each byte of which is read from all of it; `bomb`: there is more."""

    begin: int
    end: int
    bomb: bool

    @property
    def coded(self) -> bool:
        """See there."""
        return True

    def _from(self, index: int) -> tuple[int, int]:  # noqa: ARG002 - it is the same for all
        return self.begin, self.end


@dataclass(frozen=True, slots=True)
class Run:
    """So many bytes in a row out of some. A search for them by `pattern` takes ten times as long as `is_in`."""

    pattern: re.Pattern[bytes]
    _table: bytes
    _row: bytes

    @classmethod
    def of(cls, among: Collection[int], length: int) -> Run:
        """Of at least `length` bytes, all of them `among` these."""
        one_of = re.escape(bytes(sorted(among)))
        pattern = re.compile(b"(?<![%b])[%b]{%d,}" % (one_of, one_of, length))
        return cls(pattern, bytes(byte in among for byte in range(256)), b"\1" * length)

    def is_in(self, data: bytes) -> bool:
        """Whether there is such a run in `data`."""
        return self._row in data.translate(self._table)

    def all_in(self, data: bytes) -> Iterator[re.Match[bytes]]:
        """Each such run in `data`."""
        return self.pattern.finditer(data) if self.is_in(data) else iter(())


@dataclass(frozen=True, slots=True)
class Sought:
    """The texts to search for, as far as they decide which readings are made.

    `escapes`: sets of escapes to undo, all of them first. `base64`, `hexadecimal`, `numbers`: runs that may hold it,
    which are as long as the shortest of it would be; `in_a_row`: so many of its bytes and of those that text is made
    of. So nearly nothing is decoded that has only the letters of base64.
    """

    escapes: tuple[frozenset[Escapes], ...]
    base64: Run = field(repr=False)
    hexadecimal: Run = field(repr=False)
    numbers: Run = field(repr=False)
    in_a_row: Run = field(repr=False)

    @classmethod
    def of(cls, texts: Collection[bytes]) -> Sought:
        """For these texts, none of which is empty."""
        shortest = min(map(len, texts))
        whole = max(shortest - 2, min(shortest, FEWEST))
        # Zeros, for they are between the characters of UTF-16.
        among = {0, *_PRINTABLE, *(byte for text in texts for byte in text)}
        if any(not text.isascii() for text in texts):
            among |= set(_NO_ASCII)  # whichever of the other case
        return cls(
            _readable(texts),
            Run.of(_BASE64, whole * 8 // 6),
            Run.of(_HEXADECIMAL, whole * 2),
            Run.of(_OF_NUMBERS, whole * 3 - 1),
            Run.of(among, whole),
        )

    def may_be_in(self, data: bytes) -> bool:
        """Whether `data` may hold it, or a compressed stream."""
        return self.in_a_row.is_in(data) or _GZIP in data


def _readable(texts: Collection[bytes]) -> tuple[frozenset[Escapes], ...]:
    """All kinds of escapes, and each set of them without some that may be none; the largest first.

    Those are none that begin within a text, and the signs before a value and its name in a query.
    """
    begun = [kind for kind in Escapes if kind in _OF_A_QUERY or any(kind.value.encode() in text for text in texts)]
    left_out = (left for count in range(len(begun) + 1) for left in combinations(begun, count))
    return tuple(frozenset(Escapes) - frozenset(left) for left in left_out)[: 2 ** len(begun)]


def readings(
    data: bytes, sought: Sought, *, gaps: Collection[Gaps] = (Gaps.ZERO, Gaps.LINE_BREAK)
) -> Iterator[Reading]:
    """`data`, and what they say to whoever undoes escapes, leaves `gaps` out and decodes, level by level.

    No two of them have the same bytes.
    """
    seen: set[bytes] = set()
    read = 0
    level: list[tuple[Reading, int]] = [(Original(data, None), 0)]
    for _ in range(MOST_LEVELS):
        following: list[tuple[Reading, int]] = []
        for reading, encoded in level:
            if reading.data in seen:
                continue
            yield reading
            seen.add(reading.data)
            read += len(reading.data)
            if read > max(MOST_READ, 3 * len(data)):
                return
            following += [(undone, encoded) for undone in _undone(reading, sought, gaps)]
            if encoded < MOST_ENCODED:
                following += [(decoded, encoded + 1) for decoded in _decoded(reading, sought)]
        level = following


def unescaped(data: bytes, but: Escapes | None = None) -> Iterator[bytes]:
    """`data`, and what they say to whoever undoes all escapes, `but` for one kind, once, twice and so on."""
    escapes = pattern_of(frozenset(Escapes) - {but})
    reading: Reading | None = Original(data, None)
    for _ in range(MOST_LEVELS):
        if reading is None:
            break
        yield reading.data
        reading = _without(reading, escapes)


def says_more(data: bytes, sought: Sought, *, gaps: Collection[Gaps] = (Gaps.ZERO, Gaps.LINE_BREAK)) -> bool:
    """Whether there may be another reading than `data` themselves."""
    if not data:
        return False
    if Gaps.SPACE in gaps and b" " in data:
        return True
    if data.translate(None, _OF_PLAIN_TEXT) or data[0] not in _TEXT_BEGINS_WITH or _ZLIB.match(data):
        return True
    return sought.base64.is_in(data) or sought.hexadecimal.is_in(data) or sought.numbers.is_in(data)


_OF_GAPS = {kind: pattern_of(frozenset({kind})) for kind in Gaps}


def _undone(reading: Reading, sought: Sought, gaps: Collection[Gaps]) -> Iterator[Reading]:
    data = reading.data
    if Gaps.SPACE not in gaps and not data.translate(None, _OF_PLAIN_TEXT):
        return
    if begun := frozenset(kind for kind, sign in _SIGNS if sign in data):
        for kinds in dict.fromkeys(kinds & begun for kinds in sought.escapes):
            if kinds and (undone := _without(reading, pattern_of(kinds))) is not None:
                yield undone
    for others in (PAIR, *(_OF_GAPS[gap] for gap in gaps)):
        if (undone := _without(reading, others)) is not None:
            yield undone


def _without(reading: Reading, escapes: re.Pattern[bytes]) -> Reading | None:
    """The reading with these escapes undone; None if it has none."""
    return _read_as(reading, ((found.span(), meant_by(found[0])) for found in escapes.finditer(reading.data)))


def _read_as(reading: Reading, parts: Iterable[tuple[tuple[int, int], bytes | None]]) -> Reading | None:
    """The reading with other bytes in place of some parts of it, which are left as they are for None."""
    data = reading.data
    pieces: list[bytes] = []
    begins, ends, read_from, read_to = [], [], [], []
    at = length = 0
    for (begin, end), read in parts:
        if read is None:
            continue
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


def _decoded(reading: Reading, sought: Sought) -> Iterator[Reading]:
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
    """Each run at each place in a group of four, for what stands before it may look like a part of it.

    First all runs of a text are decoded at once: nearly always nothing in them may hold what is looked for.
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


# Bytes as numbers in a row: in decimal, as Node and Java have them, the latter some below zero; in pairs, as dumps do.
_DECIMAL, _PAIR = rb"-?[0-9]{1,7}", rb"(?:0[xX])?[0-9a-fA-F]{2}"
_ROWS = tuple(
    (
        re.compile(rb"(?<![0-9A-Za-z.-])%b(?:%b%b)+(?![0-9A-Za-z.])" % (number, between, number)),
        re.compile(number),
        base,
    )
    for number, between, base in (
        (_DECIMAL, rb"(?:[,;:][\s+]*|[\s+]+)", 10),
        (_PAIR, rb"(?:,[\s+]*|[;:-]|[\s+]+)", 16),
    )
)
_OF_A_BYTE = range(-0x80, 0x100)


def _from_numbers(reading: Reading, sought: Sought) -> Iterator[Reading]:
    """The reading with numbers in a row as the bytes that they are, signed or not, or as characters."""
    if not sought.numbers.is_in(reading.data):
        return
    for row, number, base in _ROWS:
        parts: list[tuple[tuple[int, int], bytes | None]] = []
        left = MOST_NUMBERS
        for found in row.finditer(reading.data):
            at, of_row = found.start(), []
            for each in islice(number.finditer(reading.data, *found.span()), left):
                of_row += [((at, each.start()), b""), (each.span(), _numbered(int(each[0], base)))]
                at = each.end()
            left -= len(of_row) // 2
            if sought.may_be_in(b"".join(read for _, read in of_row)):
                parts += of_row
        if (read := _read_as(reading, parts)) is not None:
            yield read


def _numbered(number: int) -> bytes:
    if number in _OF_A_BYTE:
        return bytes([number & 0xFF])
    return chr(number).encode(errors="surrogatepass") if 0 < number <= LAST_CHARACTER else b"\0"


def _joined(reading: Reading, pieces: Sequence[tuple[int, int, int, bytes]], bits: int) -> Reading | None:
    if not pieces:
        return None
    read_from, read_to, filled, decoded = map(list, zip(*pieces, strict=True))
    begins = [0, *accumulate(len(piece) + len(_BETWEEN) for piece in decoded)]
    return Decoded(_BETWEEN.join(decoded), reading, begins[:-1], read_from, read_to, filled, bits)


# Holds apart what is read of different runs.
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
    # Bytes after a stream are not part of it; of one that breaks off, all may be.
    end = min(at, len(reading.data)) - len(stream.unused_data) if stream.eof else len(reading.data)
    return Inflated(b"".join(pieces), reading, begin, end, bomb=length > MOST_INFLATED)

"""The messages to and from a driver, and its standard error, on their way into the journal.

A driver says in its hello where its receivers are, and a callback URL may hold a token. Each time the driver is
started, that may be another one. So the lines of a greeting are held back until their secrets are known.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from conformance.contract.contract import Contract
from conformance.journal import Journal, Redaction
from conformance.journal.notations import Escapes
from conformance.journal.redaction import is_own_word, tokens_of
from conformance.journal.rows import LONGEST_STDERR
from conformance.journal.spellings import unescaped
from conformance.model.traffic import SHOWN_LINES, Direction, last_lines

# Lines of standard error that one process may have in the journal, beside its last ones.
MOST_LINES = 2_000
# Bytes that a driver may have there, however often it is started: those of its first lines, and those of its last.
MOST_FIRST_BYTES = 4 << 20
MOST_LAST_BYTES = 4 << 20

_AT_ONCE = 1 << 16

_URL = re.compile(r"https?://[^\s\"'<>\\]+")
# As in --api-token=… or PASSWORD=…; behind a dash also with a space instead of the equals sign.
_NAME = r"(?:token|secret|passw(?:or)?d|passphrase|api[-_.]?key|credentials?)"
_NAMED = re.compile(rf"(?:^|[\s'\"])(?:-[\w.-]*{_NAME}[= ]|\w*{_NAME}=)([^\s-]\S*)", re.IGNORECASE)


class DriverLog:
    """Lines to and from a driver, held back until the first `release`; thread-safe.

    `protected`: secret values, beside the tokens in the driver's own lines.
    """

    def __init__(self, contract: Contract, protected: Iterable[str] = ()) -> None:
        self.contract = contract
        self._protected = list(protected)
        self._lock = threading.Lock()
        self._held: list[tuple[str | None, Direction, str, bool]] | None = []
        self._journal: Journal | None = None

    def record(self, case_id: str | None, direction: Direction, line: str, *, cut: bool = False) -> None:
        """Record a line, or if `cut` its beginning; `case_id`: the current case, if any."""
        with self._lock:
            if self._held is not None or self._journal is None:
                self._held = self._held or []
                self._held.append((case_id, direction, line, cut))
            else:
                self._journal.said(case_id, direction, line, cut=cut)

    def hold(self) -> None:
        """Hold back lines from now on: the driver is about to say hello."""
        with self._lock:
            self._held = self._held or []

    @property
    def tokens(self) -> Sequence[str]:
        """The tokens in the lines that are held back."""
        with self._lock:
            return list(tokens_in(self.contract, *(line for _, _, line, _ in self._held or ())))

    def redacted(self, text: str) -> str:
        """A part of a line without its secrets."""
        return Redaction.of_values(*self._protected, *self.tokens, *tokens_in(self.contract, text)).text(text)

    @property
    def last_lines(self) -> Sequence[str]:
        """The last held lines on standard error, which mostly say why a driver failed."""
        with self._lock:
            return last_lines(line for _, direction, line, _ in self._held or () if direction is Direction.STDERR)

    def release(self, journal: Journal) -> None:
        """Write the held lines to the journal, without their tokens, and further lines at once."""
        tokens = self.tokens
        journal.protect(*tokens)
        self._protected += tokens
        with self._lock:
            for case_id, direction, line, cut in self._held or ():
                journal.said(case_id, direction, line, cut=cut)
            self._held, self._journal = None, journal


class Stderr:
    """The standard error of one driver, process after process.

    It keeps the first lines of a process, and its last ones, which mostly say why it died; it counts those between.
    """

    def __init__(self) -> None:
        self._first_bytes = MOST_FIRST_BYTES
        self._last_bytes = MOST_LAST_BYTES

    def read(self, stream: IO[bytes], keep: Callable[[bytes], None]) -> None:
        """Read a stream to its end; call `keep` with each line to keep, cut at `LONGEST_STDERR`."""
        lines = left_out = dropped = 0
        last: deque[bytes] = deque(maxlen=SHOWN_LINES)
        while line := stream.readline(LONGEST_STDERR):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_AT_ONCE)
                dropped += len(rest)
            if lines < MOST_LINES and len(line) <= self._first_bytes:
                lines += 1
                self._first_bytes -= len(line)
                keep(line)
            else:
                left_out += 1
                if len(last) == last.maxlen:
                    dropped += len(last[0])
                last.append(line)
        while last and sum(map(len, last)) > self._last_bytes:
            dropped += len(last.popleft())
        self._last_bytes -= sum(map(len, last))
        if dropped:
            words = f"[{left_out - len(last):,} lines and {dropped:,} bytes were too many, and are left out here]"
            keep(words.encode())
        for line in last:
            keep(line)


def tokens_in(contract: Contract, *texts: str) -> Iterator[str]:
    """The values that may be secret in the URLs in these texts: passwords, and values in their queries.

    Words of the `contract` are not secret. URLs are found in any escaping, as in the JSON of some writers.
    """
    for text in texts:
        # An equals sign in a query is hardly ever one of quoted-printable.
        for read in unescaped(text.encode(errors="surrogatepass"), but=Escapes.QUOTED_PRINTABLE):
            urls = _URL.findall(read.decode(errors="replace"))
            yield from (token for token in tokens_of(*urls) if not is_own_word(token, contract))


def secrets_of(contract: Contract, command_line: str) -> Iterator[str]:
    """The values that may be secret in a driver's command line: tokens in URLs, and options named so."""
    yield from tokens_in(contract, command_line)
    named = (found[1].strip("'\"") for found in _NAMED.finditer(command_line))
    yield from (value for value in named if not is_own_word(value, contract))

"""What a driver is told and says, on its way into the journal, without the secrets that it brings along.

    Heard       takes every line; holds back those of a greeting until it is known what must not be shown

A driver says in its hello where its receivers are, and a callback URL may hold a token. It may say so again each time
it is started, with another one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence

from conformance.contract.contract import Contract
from conformance.journal import Journal, Redaction
from conformance.journal.escapes import Escapes
from conformance.journal.redaction import is_own_word, tokens_of
from conformance.journal.spellings import unescaped
from conformance.model.traffic import Direction, last_lines

_URL = re.compile(r"https?://[^\s\"'<>\\]+")
# As in --api-token=… or PASSWORD=…, and with a space in place of the sign of equality behind a dash.
_NAME = r"(?:token|secret|passw(?:or)?d|passphrase|api[-_.]?key|credentials?)"
_NAMED = re.compile(rf"(?:^|[\s'\"])(?:-[\w.-]*{_NAME}[= ]|\w*{_NAME}=)([^\s-]\S*)", re.IGNORECASE)


class Heard:
    """Lines to and from a driver; thread-safe. Until `tell` is called for the first time, all are held back."""

    def __init__(self, contract: Contract, protected: Iterable[str] = ()) -> None:
        """`protected`: what must not be seen, beside the tokens in what a driver says."""
        self._contract = contract
        self._protected = list(protected)
        self._lock = threading.Lock()
        self._held: list[tuple[str | None, Direction, str, bool]] | None = []
        self._journal: Journal | None = None

    def said(self, case_id: str | None, direction: Direction, line: str, *, cut: bool = False) -> None:
        """A line, or if `cut` its beginning; `case_id` is that of the case at hand, if any."""
        with self._lock:
            if self._held is not None or self._journal is None:
                self._held = self._held or []
                self._held.append((case_id, direction, line, cut))
            else:
                self._journal.said(case_id, direction, line, cut=cut)

    def hold(self) -> None:
        """From here on lines are held back: the driver is about to say hello."""
        with self._lock:
            self._held = self._held or []

    @property
    def tokens(self) -> Sequence[str]:
        """What is secret in the lines that are held back."""
        with self._lock:
            return list(tokens_in(self._contract, *(line for _, _, line, _ in self._held or ())))

    def redacted(self, text: str) -> str:
        """A part of a line as it may be shown."""
        return Redaction.of_values(*self._protected, *self.tokens, *tokens_in(self._contract, text)).text(text)

    @property
    def last_lines(self) -> Sequence[str]:
        """Of those lines the last ones on standard error: they mostly say why."""
        with self._lock:
            return last_lines(line for _, direction, line, _ in self._held or () if direction is Direction.STDERR)

    def tell(self, journal: Journal) -> None:
        """Into the journal with what was held back, but for the tokens in it; what follows goes there at once."""
        tokens = self.tokens
        journal.protect(*tokens)
        self._protected += tokens
        with self._lock:
            for case_id, direction, line, cut in self._held or ():
                journal.said(case_id, direction, line, cut=cut)
            self._held, self._journal = None, journal


def tokens_in(contract: Contract, *texts: str) -> Iterator[str]:
    """What may be secret in the URLs that stand in these texts: passwords, and the values in their queries.

    Words of the `contract` are none. URLs are found however the text is escaped, as in the JSON of some writers.
    """
    for text in texts:
        # In a query is a sign of equality nearly always one.
        for read in unescaped(text.encode(errors="surrogatepass"), but=Escapes.QUOTED_PRINTABLE):
            urls = _URL.findall(read.decode(errors="replace"))
            yield from (token for token in tokens_of(*urls) if not is_own_word(token, contract))


def secrets_of(contract: Contract, command_line: str) -> Iterator[str]:
    """What may be secret in the command line of a driver: tokens in URLs, and values of options that are named so."""
    yield from tokens_in(contract, command_line)
    named = (found[1].strip("'\"") for found in _NAMED.finditer(command_line))
    yield from (value for value in named if not is_own_word(value, contract))
